// Package pgtest gives tests a Postgres server, and PgBouncer in front of it.
//
// [Server] starts one private server per test binary from the installed programs, on a unix socket in a temporary
// directory, or uses the server that EMBEDCRM_TEST_POSTGRES names. [Instance.Database] makes a database for one test.
//
//	func TestSomething(t *testing.T) {
//		dsn := pgtest.Server(t, pgtest.UTF8).Database(t)
//		db, err := sql.Open("pgx", dsn)
//		...
//	}
//
// A private server ends with the test binary, however that ends (see [keeper]). A test that needs a program which is
// not installed is skipped with a line that says what to install; where the environment variable CI is set it fails.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// EnvServer names the environment variable with the DSN of a running server, whose user must be a superuser.
const EnvServer = "EMBEDCRM_TEST_POSTGRES"

// patience bounds everything here that waits for a server.
const patience = time.Minute

// Locale says how the databases of a server order text, besides being UTF-8.
type Locale string

// UTF8 orders text as people do, so that a test notices an ORDER BY that forgot its collation: en_US.UTF-8, or
// failing that ICU's en-US, or C.UTF-8 where the server has neither. C orders text by its bytes.
const (
	UTF8 Locale = "UTF8"
	C    Locale = "C"
)

// Instance is a running server.
type Instance struct {
	dsn    string  // as superuser, to a database that nobody works in
	admin  *sql.DB // on dsn
	create string  // what CREATE DATABASE adds
	ours   bool    // a private server, which takes its databases with it

	mu     sync.Mutex
	models map[string]*model // what databases are copies of
}

// model is a database that others are copied from.
type model struct {
	once sync.Once
	name string
}

// running holds the servers of this test binary. They belong to no single test, and one a test binary is what makes
// them affordable, hence a package variable.
var running = struct { //nolint:gochecknoglobals // see above
	sync.Mutex

	servers map[string]*Instance
}{servers: map[string]*Instance{}}

// Server returns the server for the locale, started at first use. It makes no effort to keep data through a crash of
// the machine; settings such as "fsync=on", "synchronous_commit=on" override that, and any other, for a benchmark.
// Each set of settings is a private server of its own.
func Server(tb testing.TB, locale Locale, settings ...string) *Instance {
	tb.Helper()
	running.Lock()
	defer running.Unlock()

	key := strings.Join(append([]string{string(locale)}, settings...), " ")
	if running.servers[key] == nil {
		if dsn := os.Getenv(EnvServer); dsn != "" && len(settings) == 0 {
			running.servers[key] = attach(tb, dsn, locale)
		} else {
			running.servers[key] = start(tb, locale, settings)
		}
	}
	return running.servers[key]
}

// Database creates an empty database, which is dropped when the test ends, and returns its DSN, as superuser.
func (i *Instance) Database(tb testing.TB) string {
	tb.Helper()
	name := i.made(tb, i.create)
	tb.Cleanup(func() { i.exec(tb, i.admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	return with(i.dsn, "dbname", name)
}

// Copy is [Instance.Database] with what fill makes of it, and leaves nobody connected to. Each key is filled once a
// test binary, and copied from then on. A server that is not ours keeps nothing of us: there each database is filled.
func (i *Instance) Copy(tb testing.TB, key string, fill func(dsn string)) string {
	tb.Helper()
	if !i.ours {
		dsn := i.Database(tb)
		fill(dsn)
		return dsn
	}
	i.mu.Lock()
	m := i.models[key]
	if m == nil {
		m = &model{}
		i.models[key] = m
	}
	i.mu.Unlock()
	m.once.Do(func() {
		m.name = i.made(tb, i.create)
		fill(with(i.dsn, "dbname", m.name))
	})
	name := i.made(tb, " TEMPLATE "+m.name+i.create)
	tb.Cleanup(func() { i.exec(tb, i.admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	return with(i.dsn, "dbname", name)
}

// made makes a database and returns its name.
func (i *Instance) made(tb testing.TB, like string) string {
	tb.Helper()
	name := "embedcrm_" + strings.ToLower(rand.Text()[:12])
	i.exec(tb, i.admin, "CREATE DATABASE "+name+like)
	return name
}

// Role creates a role that may log in and owns nothing, and returns the DSN for it to dsn's database. The role is
// dropped when the test ends. Roles belong to the whole server: name must not be in use by a test that runs meanwhile.
func (i *Instance) Role(tb testing.TB, name, dsn string) string {
	tb.Helper()
	password := rand.Text()
	role := pgx.Identifier{name}.Sanitize()
	i.exec(tb, i.admin, "CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'")
	tb.Cleanup(func() {
		db := open(tb, dsn)
		defer db.Close()                      //nolint:errcheck // nothing to lose
		i.exec(tb, db, "DROP OWNED BY "+role) // its grants
		i.exec(tb, db, "DROP ROLE "+role)
	})
	return with(with(dsn, "user", name), "password", password)
}

// Bouncer starts a PgBouncer in front of dsn's database, until the test ends, and returns the DSN that leads through
// it. The mode is PgBouncer's pool_mode: "transaction", "session" or "statement". Whoever logs in to it arrives at the
// server as dsn's user.
func Bouncer(tb testing.TB, dsn, mode string) string {
	tb.Helper()
	bin := program("pgbouncer", "/usr/sbin/pgbouncer")
	if bin == "" {
		missing(tb, "PgBouncer")
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	target := fmt.Sprintf("host=%s port=%d user=%s", quote(config.Host), config.Port, quote(config.User))
	if config.Password != "" { // which it refuses
		target += " password=" + quote(config.Password)
	}
	dir := tempDir(tb)
	ini := filepath.Join(dir, "pgbouncer.ini")
	settings := fmt.Sprintf(`[databases]
* = %s
[pgbouncer]
pool_mode = %s
auth_type = any
unix_socket_dir = %s
listen_port = 5432
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
`, target, mode, dir)
	if err := os.WriteFile(ini, []byte(settings), 0o644); err != nil { //nolint:gosec // PgBouncer may run as another user
		tb.Fatalf("pgtest: %v", err)
	}
	through := socket(dir, config.User, config.Database)
	db, stop := keep(tb, through, dir, "TERM", "", bin, ini)
	_ = db.Close()
	tb.Cleanup(stop)
	return through
}

// quote quotes a word of PgBouncer's connection strings.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", "''") + "'" }

// attach returns the server that the environment names.
func attach(tb testing.TB, dsn string, locale Locale) *Instance {
	tb.Helper()
	i := &Instance{dsn: dsn, admin: open(tb, dsn)}
	if locale == UTF8 {
		return i
	}
	i.create = " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
	if i.version(tb) >= 15_00_00 {
		i.create += " LOCALE_PROVIDER libc"
	}
	return i
}

// version returns the server's, such as 150004.
func (i *Instance) version(tb testing.TB) (number int) {
	tb.Helper()
	if err := i.admin.QueryRowContext(context.Background(), "SELECT current_setting('server_version_num')::int").Scan(&number); err != nil {
		tb.Fatalf("pgtest: the server: %v", err)
	}
	return number
}

// start starts a private server.
func start(tb testing.TB, locale Locale, settings []string) *Instance {
	tb.Helper()
	bin := binaries()
	if bin == "" {
		missing(tb, "Postgres")
	}
	dir := tempDir(tb)
	data := filepath.Join(dir, "data")

	// The first that this build of Postgres and this machine can do; a refused attempt leaves nothing.
	choices := []string{"--locale=C"}
	if locale == UTF8 {
		choices = []string{
			"--locale=en_US.UTF-8", "--locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US", "--locale=C.UTF-8",
		}
	}
	attempts := make([]string, len(choices))
	for n, choice := range choices {
		attempts[n] = fmt.Sprintf("'%s/initdb' --pgdata='%s' --username=postgres --auth=trust --encoding=UTF8 "+
			"--no-sync --no-instructions %s", bin, data, choice)
	}

	command := []string{filepath.Join(bin, "postgres"), "-D", data, "-k", dir}
	for _, setting := range append([]string{
		"listen_addresses=", "max_connections=200", "fsync=off", "synchronous_commit=off", "full_page_writes=off",
	}, settings...) {
		command = append(command, "-c", setting)
	}
	dsn := socket(dir, "postgres", "postgres")
	admin, _ := keep(tb, dsn, dir, "QUIT", strings.Join(attempts, " || "), command...)
	i := &Instance{dsn: dsn, admin: admin, ours: true, models: map[string]*model{}}
	if i.version(tb) >= 15_00_00 {
		i.create = " STRATEGY file_copy" // without fsync the quicker, and before 15 the only one
	}
	return i
}

// Available reports whether there is a server to use, or one can be started.
func Available() bool { return os.Getenv(EnvServer) != "" || binaries() != "" }

// binaries returns the directory of the newest Postgres installed, or "".
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian puts them, out of PATH
	if len(found) == 0 {
		if initdb := program("initdb"); initdb != "" {
			return filepath.Dir(initdb)
		}
		return ""
	}
	version := regexp.MustCompile(`\d+`)
	newest := slices.MaxFunc(found, func(a, b string) int {
		x, _ := strconv.Atoi(version.FindString(a))
		y, _ := strconv.Atoi(version.FindString(b))
		return x - y
	})
	return filepath.Dir(newest)
}

// program returns where a program is: in PATH, or else the first of the places that exists, or "".
func program(name string, places ...string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place
		}
	}
	return ""
}

// missing ends a test that can't run here.
func missing(tb testing.TB, what string) {
	tb.Helper()
	end := tb.Skipf
	if os.Getenv("CI") != "" {
		end = tb.Fatalf
	}
	end("pgtest: no %s here: apt-get install -y postgresql pgbouncer", what)
}

// open opens a pool on the database of the DSN.
func open(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return db
}

// exec runs a statement that must succeed.
func (i *Instance) exec(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // in a cleanup the test's own context is over
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		tb.Fatalf("pgtest: %s: %v", statement, err)
	}
}

// socket returns the DSN of a database behind the unix socket in dir.
func socket(dir, user, database string) string {
	return with(with(with("port=5432 sslmode=disable", "host", dir), "user", user), "dbname", database)
}

// with returns the DSN with one more setting. As pgx reads a DSN the last word on a setting wins.
func with(dsn, key, value string) string {
	if !strings.Contains(dsn, "://") {
		return dsn + " " + key + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + key + "=" + url.PathEscape(value)
}

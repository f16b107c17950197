package enginetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// turn is how long a writer waits for its turn: on a loaded machine many write at once,
// and a test of what they write is not one of how long it takes.
const turn = time.Minute

// inFile returns the store of a pool on a file that is made when it is first used.
func inFile(tb testing.TB, path string, db *sql.DB) storage.Store {
	tb.Helper()
	return &fresh{open: func(lines []storage.Line) storage.Store {
		if _, err := os.Stat(path); os.IsNotExist(err) { // the test did nothing by the pool itself
			if content := migratedFile(tb, lines); content != nil {
				require.NoError(tb, os.WriteFile(path, content, 0o600))
			}
		}
		store, err := sqlite.Options{Wait: turn}.New(db)
		require.NoError(tb, err)
		return store
	}}
}

// files holds what the files of SQLite are copied from, by what was migrated. A test
// binary migrates each once, hence a package variable.
var files sync.Map //nolint:gochecknoglobals // see above

// migratedFile returns what a file is once it is migrated, or nil if the lines cannot be read.
func migratedFile(tb testing.TB, lines []storage.Line) []byte {
	tb.Helper()
	key := named("sqlite", lines)
	if key == "" {
		return nil
	}
	made, _ := files.LoadOrStore(key, sync.OnceValue(func() []byte {
		path := filepath.Join(tb.TempDir(), "model.db")
		store, err := sqlite.Open("sqlite", path)
		migrate(tb, store, err, lines)
		content, err := os.ReadFile(path) //nolint:gosec // our own file
		require.NoError(tb, err)
		return content
	}))
	return made.(func() []byte)() //nolint:forcetypeassert,errcheck // it is what was stored
}

// onServer returns a pool on a Postgres database that is made when it is first used, and
// its store. The tracer may be nil.
func onServer(tb testing.TB, tracer pgx.QueryTracer) (storage.Store, *sql.DB) {
	tb.Helper()
	d := &database{tb: tb, server: pgtest.Server(tb, pgtest.UTF8), tracer: tracer}
	d.db = sql.OpenDB(d)
	d.db.SetMaxOpenConns(8)
	return &fresh{open: func(lines []storage.Line) storage.Store {
		d.make(lines)
		store, err := postgres.New(d.db)
		require.NoError(tb, err)
		return store
	}}, d.db
}

// database connects to a Postgres database that it makes first.
type database struct {
	tb     testing.TB
	server *pgtest.Instance
	tracer pgx.QueryTracer
	db     *sql.DB

	once sync.Once
	made driver.Connector
}

func (d *database) make(lines []storage.Line) {
	d.tb.Helper()
	d.once.Do(func() {
		var dsn string
		if key := named("postgres", lines); key == "" {
			dsn = d.server.Database(d.tb)
		} else {
			dsn = d.server.Copy(d.tb, key, func(dsn string) {
				store, err := postgres.Open(dsn)
				migrate(d.tb, store, err, lines)
			})
		}
		d.tb.Cleanup(func() { _ = d.db.Close() }) // before it is dropped
		if raced || !testing.Short() {
			dsn += " default_query_exec_mode=exec"
		}
		config, err := pgx.ParseConfig(dsn)
		require.NoError(d.tb, err)
		config.Tracer = d.tracer
		d.made = stdlib.GetConnector(*config)
	})
}

// Connect is what the pool calls for a connection.
func (d *database) Connect(ctx context.Context) (driver.Conn, error) {
	d.make(nil) //nolint:contextcheck // the database is there for others too
	return d.made.Connect(ctx)
}

// Driver is pgx's.
func (*database) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// named is what tells the files of lines from others. It is empty if there are none, or
// they cannot be read.
func named(dialect string, lines []storage.Line) string {
	var name strings.Builder
	for _, l := range lines {
		files, err := l.Load(dialect)
		if err != nil {
			return ""
		}
		for _, m := range files {
			fmt.Fprintln(&name, m.Line, m.Version, m.Checksum)
		}
	}
	return name.String()
}

// migrate migrates a database that others are copied from. What fails here fails again
// in the copy, where its test sees it.
func migrate(tb testing.TB, store storage.Store, err error, lines []storage.Line) {
	tb.Helper()
	require.NoError(tb, err)
	_ = store.Migrate(tb.Context(), lines...)
	require.NoError(tb, store.Close())
}

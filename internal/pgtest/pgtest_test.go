package pgtest_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
)

func connect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func ask[T any](t *testing.T, db *sql.DB, query string, args ...any) (answer T) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&answer), query)
	return answer
}

func TestDatabase(t *testing.T) {
	var name string
	server := pgtest.Server(t, pgtest.UTF8)
	t.Run("is there for its test", func(t *testing.T) {
		db := connect(t, server.Database(t))
		name = ask[string](t, db, "SELECT current_database()")
		require.True(t, strings.HasPrefix(name, "embedcrm_"), name)
		require.Equal(t, "UTF8", ask[string](t, db, "SELECT current_setting('server_encoding')"))
	})
	db := connect(t, server.Database(t))
	require.Zero(t, ask[int](t, db, "SELECT count(*) FROM pg_database WHERE datname = $1", name), "it outlived its test")
	require.NotEqual(t, name, ask[string](t, db, "SELECT current_database()"))
	require.Same(t, server, pgtest.Server(t, pgtest.UTF8), "a second server was started")
}

func TestCopy(t *testing.T) {
	server := pgtest.Server(t, pgtest.UTF8)
	filled := 0
	copied := func(key string) *sql.DB {
		return connect(t, server.Copy(t, key, func(dsn string) {
			filled++
			db, err := sql.Open("pgx", dsn)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), fmt.Sprintf("CREATE TABLE t AS SELECT %d AS n", filled))
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}))
	}
	one, two := copied("a"), copied("a")
	_, err := one.ExecContext(t.Context(), "UPDATE t SET n = 7")
	require.NoError(t, err)
	require.Equal(t, 7, ask[int](t, one, "SELECT n FROM t"))
	if os.Getenv(pgtest.EnvServer) != "" {
		require.Equal(t, 2, ask[int](t, two, "SELECT n FROM t"), "on a server that is not ours each is filled")
		return
	}
	require.Equal(t, 1, ask[int](t, two, "SELECT n FROM t"), "each is its own")
	require.Equal(t, 1, ask[int](t, copied("a"), "SELECT n FROM t"), "what is copied stays as it was filled")
	require.Equal(t, 2, ask[int](t, copied("b"), "SELECT n FROM t"), "another key is another")
	require.Equal(t, 2, filled)
}

func TestLocales(t *testing.T) {
	const people = "SELECT 'B' > 'a'" // by bytes it is not
	require.False(t, ask[bool](t, connect(t, pgtest.Server(t, pgtest.C).Database(t)), people))
	if !ask[bool](t, connect(t, pgtest.Server(t, pgtest.UTF8).Database(t)), people) {
		t.Log("this server has neither en_US.UTF-8 nor ICU: nothing here notices a forgotten collation")
	}
}

func TestSettings(t *testing.T) {
	db := connect(t, pgtest.Server(t, pgtest.C, "fsync=on").Database(t))
	require.Equal(t, "on", ask[string](t, db, "SELECT current_setting('fsync')"))
}

func TestRole(t *testing.T) {
	server := pgtest.Server(t, pgtest.UTF8)
	dsn := server.Database(t)
	owner, reader := connect(t, dsn), connect(t, server.Role(t, "a 'reader'", dsn))
	_, err := owner.ExecContext(t.Context(), `CREATE TABLE public.t (n int); GRANT SELECT ON public.t TO "a 'reader'"`)
	require.NoError(t, err)
	require.Equal(t, "a 'reader'", ask[string](t, reader, "SELECT current_user"))
	require.Zero(t, ask[int](t, reader, "SELECT count(*) FROM public.t"))
	_, err = reader.ExecContext(t.Context(), "INSERT INTO public.t VALUES (1)")
	require.ErrorContains(t, err, "permission denied")
}

func TestBouncer(t *testing.T) {
	dsn := pgtest.Server(t, pgtest.UTF8).Database(t)
	db := connect(t, pgtest.Bouncer(t, dsn, "transaction")+" default_query_exec_mode=exec")
	require.Equal(t, ask[string](t, connect(t, dsn), "SELECT current_database()"),
		ask[string](t, db, "SELECT current_database()"))

	// Two clients at once share a connection of the server as long as neither is in a transaction.
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	var pid int
	require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	require.Equal(t, pid, ask[int](t, db, "SELECT pg_backend_pid()"), "not transaction pooling")
}

// TestKilled kills a test binary that has a server and a pooler, and wants nothing left of either.
func TestKilled(t *testing.T) {
	const child = "EMBEDCRM_PGTEST_CHILD"
	if os.Getenv(child) != "" {
		dsn := pgtest.Server(t, pgtest.UTF8).Database(t)
		fmt.Println("serving", socketDir(t, dsn), socketDir(t, pgtest.Bouncer(t, dsn, "session")))
		select {}
	}
	if os.Getenv(pgtest.EnvServer) != "" {
		t.Skip("the server is not ours")
	}
	pgtest.Server(t, pgtest.UTF8) // skips the test where there is none

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var dirs []string
	for lines := bufio.NewScanner(out); dirs == nil && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			dirs = strings.Fields(rest)
		} else {
			t.Log(lines.Text())
		}
	}
	require.Len(t, dirs, 2)
	for _, dir := range dirs {
		require.NotEmpty(t, processes(t, dir), "the test does not see what it wants gone")
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, dir := range dirs {
		require.Eventually(t, func() bool {
			_, err := os.Stat(dir)
			return os.IsNotExist(err) && len(processes(t, dir)) == 0
		}, 20*time.Second, 20*time.Millisecond, "%s and %q are left", dir, processes(t, dir))
	}
}

func socketDir(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	return config.Host
}

// processes returns the command lines that name the directory.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-eo", "pid=,stat=,args=").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) && !strings.HasPrefix(strings.Fields(line)[1], "Z") {
			found = append(found, line)
		}
	}
	return found
}

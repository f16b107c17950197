package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// TestConformance runs the suite on a host's pool as sqlite.DSN makes it. The other
// drivers, pools and settings are in internal/dbtest.
func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{Short: testing.Short(), Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		path := filepath.Join(t.TempDir(), "host.db")
		db, err := sql.Open("sqlite", sqlite.DSN(path))
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		store, err := sqlite.Options{Wait: time.Minute}.New(db) // many write at once, also where the race detector is slow
		require.NoError(t, err)
		t.Cleanup(func() { _ = store.Close() })
		return storagetest.Database{
			Store: store, SQL: db, Dialect: "sqlite",
			Table: func(name string) string { return "crm_" + name },
			Reopen: func(t *testing.T) storage.Store {
				t.Helper()
				again, err := sqlite.Open("sqlite", path)
				require.NoError(t, err)
				t.Cleanup(func() { _ = again.Close() })
				return again
			},
		}
	}})
}

func TestOpenNamesTheDriverThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := sqlite.Open("sqlite3", filepath.Join(t.TempDir(), "a.db"))
	require.ErrorIs(t, err, storage.ErrInvalid)
	require.ErrorContains(t, err, "import modernc.org/sqlite")
}

func TestOpenInMemory(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", ":memory:")
	require.NoError(t, err)
	require.NoError(t, store.Ping(context.Background()))
	require.NoError(t, store.Close())
}

func TestDSNTakesAnyPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "100% 客户?a=b#c.db")
	store, err := sqlite.Open("sqlite", path)
	require.NoError(t, err)
	require.NoError(t, store.Ping(context.Background()))
	require.NoError(t, store.Close())
	require.FileExists(t, path)
}

func TestDurableWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	for durable, want := range map[bool]int{false: 1, true: 2} {
		db, err := sql.Open("sqlite", sqlite.Options{Durable: durable}.DSN(filepath.Join(t.TempDir(), "a.db")))
		require.NoError(t, err)
		var got int
		require.NoError(t, db.QueryRowContext(context.Background(), "PRAGMA synchronous").Scan(&got))
		require.Equal(t, want, got)
		require.NoError(t, db.Close())
	}
}

func TestAReadOnlyDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	line := storage.Line{Name: "t", Files: files("CREATE TABLE crm_note (tenant TEXT NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant, id))")}
	store, err := sqlite.Open("sqlite", path)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(context.Background(), line))
	require.NoError(t, store.Close())

	db, err := sql.Open("sqlite", sqlite.DSN(path)+"&mode=ro")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	readOnly, err := sqlite.New(db)
	require.NoError(t, err)
	require.NoError(t, readOnly.Verify(context.Background(), line))
	err = readOnly.Write(context.Background(), "acme", []storage.Change{note(t)})
	require.ErrorIs(t, err, storage.ErrReadOnly)
}

// TestADeferredJoinedTransaction loses its upgrade to another writer, and is told
// how hosts begin so that it cannot.
func TestADeferredJoinedTransaction(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a.db")
	// A host that knows nothing of sqlite.DSN.
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlite.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files("CREATE TABLE crm_note (tenant TEXT NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant, id))")}))

	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // it is over by then
	joined, err := store.Join(ctx, tx)
	require.NoError(t, err)
	var n int
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM crm_note").Scan(&n)) // the snapshot
	require.NoError(t, store.Write(ctx, "acme", []storage.Change{note(t)}))               // another writer

	err = joined.Write(ctx, "acme", []storage.Change{note(t)})
	require.ErrorIs(t, err, storage.ErrConflict)
	require.ErrorContains(t, err, "_txlock=immediate")
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM crm_note").Scan(&n), "the host's transaction goes on")
}

// TestTheOuterStoreInsideAtomic is a mistake that would wait for itself.
func TestTheOuterStoreInsideAtomic(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(t.TempDir(), "a.db")))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	store, err := sqlite.Options{Wait: 50e6}.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files("CREATE TABLE crm_note (tenant TEXT NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant, id))")}))
	require.NoError(t, store.Atomic(ctx, func(storage.Session) error {
		err := store.Write(ctx, "acme", []storage.Change{note(t)})
		require.ErrorIs(t, err, storage.ErrBusy)
		require.ErrorContains(t, err, "use the Session it gives")
		err = store.Read(ctx, "acme", &storage.Query{Table: notes(), Limit: 1}, func() storage.Row { return make(storage.Values, 2) })
		require.ErrorIs(t, err, storage.ErrBusy)
		require.ErrorContains(t, err, "make the call in it")
		return nil
	}))
}

// TestWhatBeginsWaits is of a host without a busy timeout: what finds the file locked before it has read anything waits
// as long as Options.Wait says, also where its statement is yet to be prepared on a new connection, which reads the
// schema.
func TestWhatBeginsWaits(t *testing.T) {
	t.Parallel()
	const wait = 60 * time.Millisecond
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a.db") // in a rollback journal, where whoever writes locks readers out
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxIdleConns(-1)
	store, err := sqlite.Options{Wait: wait}.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files("CREATE TABLE crm_note (tenant TEXT NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant, id))")}))

	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	conn, err := other.Conn(ctx)
	require.NoError(t, err)
	_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	require.NoError(t, err)

	read := func(s storage.Session) error {
		return s.Read(ctx, "acme", &storage.Query{Table: notes(), Limit: 1}, func() storage.Row { return make(storage.Values, 2) })
	}
	write := func(s storage.Session) error { return s.Write(ctx, "acme", []storage.Change{note(t)}) }
	calls := map[string]func() error{
		"read":             func() error { return read(store) },
		"write":            func() error { return write(store) },
		"read in Atomic":   func() error { return store.Atomic(ctx, read) },
		"write in Atomic":  func() error { return store.Atomic(ctx, write) },
		"read in Snapshot": func() error { return store.Snapshot(ctx, read) },
	}
	for name, call := range calls {
		began := time.Now()
		require.ErrorIs(t, call(), storage.ErrBusy, name)
		require.GreaterOrEqual(t, time.Since(began), wait, name)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	require.NoError(t, err)
	for name, call := range calls {
		require.NoError(t, call(), name)
	}
}

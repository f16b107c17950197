package dbtest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// SQLiteFile is a host's pool as sqlite.DSN makes it.
func SQLiteFile(driver string) Config {
	return Config{Name: "sqlite.DSN", Quick: []string{"Values", "Transactions", "Join"}, Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		path := newFile(t)
		db := pool(t, driver, sqlite.DSN(path))
		return fileOf(t, driver, path, db, newStore(t, db))
	}}
}

// SQLiteOneConnection is a pool of one connection, where whatever asks for a second one waits for itself. No other
// Store comes near.
func SQLiteOneConnection(driver string) Config {
	quick := []string{"Values", "Write", "Claim", "Transactions", "Join", "Concurrency", "Migration"}
	return Config{Name: "one connection", Quick: quick, Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		path := newFile(t)
		db := pool(t, driver, sqlite.DSN(path))
		db.SetMaxOpenConns(1)
		d := fileOf(t, driver, path, db, newStore(t, db))
		d.Reopen = nil
		return d
	}}
}

// SQLiteOpen is a Store with a writer and readers of its own. The host is on the same file with another pool.
func SQLiteOpen(driver string) Config {
	return Config{Name: "sqlite.Open", Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		path := newFile(t)
		store := openFile(t, driver, path)
		return fileOf(t, driver, path, pool(t, driver, sqlite.DSN(path)), store)
	}}
}

// SQLiteJournal is a host that sets what it needs itself and leaves SQLite's defaults else: a rollback journal, in
// which a reader keeps a commit waiting and a commit the readers, and transactions that begin deferred.
func SQLiteJournal(driver string) Config {
	return Config{Name: "rollback journal", Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		return hosted(t, driver, "file:"+newFile(t)+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	}}
}

// SQLitePlain is a host that sets nothing: as [SQLiteJournal], without a busy timeout, and foreign keys are off.
func SQLitePlain(driver string) Config {
	const (
		references = "SQLite holds no references on a connection that did not turn foreign_keys on"
		impatient  = "the host's own insert is refused while its last transaction is still being rolled back: it has no busy timeout"
	)
	return Config{
		Name: "plain path",
		Skip: map[string]string{
			"Write/a reference missing or in use is ErrConflict":                            references,
			"Write/a fault in the middle undoes all and is named":                           references,
			"Expand/an Expand that fails adds nothing":                                      references,
			"Join/a failing call leaves the host's transaction usable":                      references,
			"Join/cancellation storm of the host's own transaction":                         impatient,
			"Concurrency/a reference and a delete of what it refers to do not both succeed": references,
			"Tenants/a reference never leads to another tenant":                             references,
			"Words/Add of a row that refers to nothing is ErrConflict":                      references,
		},
		Open: func(t *testing.T) storagetest.Database {
			t.Helper()
			return hosted(t, driver, newFile(t))
		},
	}
}

// hosted is a Database of a host that opens it in its own way, and so does its other process.
func hosted(t *testing.T, driver, dsn string) storagetest.Database {
	t.Helper()
	db := pool(t, driver, dsn)
	d := fileOf(t, driver, "", db, newStore(t, db))
	d.Reopen = func(t *testing.T) storage.Store {
		t.Helper()
		return newStore(t, pool(t, driver, dsn))
	}
	return d
}

// SQLiteJoined makes every call within a transaction of the host's.
func SQLiteJoined(driver string) Config {
	c := SQLiteFile(driver)
	return Config{Name: "joined", Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		d := c.Open(t)
		d.Joined = true
		return d
	}}
}

// SQLiteSnapshot writes beside a snapshot, which in WAL keeps no writer out: the driver must not begin it as it begins
// the transactions that write.
func SQLiteSnapshot(t *testing.T, driver string) {
	t.Helper()
	for name, store := range map[string]storage.Store{
		"sqlite.DSN":  newStore(t, pool(t, driver, sqlite.DSN(newFile(t)))),
		"sqlite.Open": openFile(t, driver, newFile(t)),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, store.Migrate(t.Context(), line()))
			require.NoError(t, store.Snapshot(t.Context(), func(s storage.Session) error {
				before := titles(t, s, tenant)
				require.NoError(t, store.Write(t.Context(), tenant, []storage.Change{insert(notes(), note(1, "beside"))}))
				require.Equal(t, before, titles(t, s, tenant))
				return nil
			}))
			require.Len(t, titles(t, store, tenant), 1)
		})
	}
}

func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "host.db")
}

// fileOf is a Database in a file.
func fileOf(t *testing.T, driver, path string, db *sql.DB, store storage.Store) storagetest.Database {
	t.Helper()
	return storagetest.Database{
		Store: store, SQL: db, Dialect: "sqlite",
		Table: func(name string) string { return "crm_" + name },
		Reopen: func(t *testing.T) storage.Store {
			t.Helper()
			return openFile(t, driver, path)
		},
	}
}

// pool opens a host's pool, until the test ends.
func pool(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newStore(t *testing.T, db *sql.DB) storage.Store {
	t.Helper()
	store, err := sqlite.New(db)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func openFile(t *testing.T, driver, path string) storage.Store {
	t.Helper()
	store, err := sqlite.Open(driver, path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

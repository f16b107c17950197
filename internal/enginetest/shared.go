package enginetest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Shared is a database that several processes open: a test, and those it starts with
// [Shared.Start].
type Shared struct {
	Name string // of the engine, as migrations call it
	Path string // of the file, with SQLite
	DSN  string
}

// EachShared calls fn on an empty SQLite file and on an empty Postgres database, at the
// same time. Without Postgres that part is skipped. The race detector gets both: what is
// killed on the one engine leaves behind something else than on the other.
func EachShared(t *testing.T, fn func(t *testing.T, db Shared)) {
	t.Helper()
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, NewShared(t, name))
		})
	}
}

// NewShared returns an empty database of one engine, which ends with the test.
func NewShared(tb testing.TB, name string) Shared {
	tb.Helper()
	if name == "postgres" {
		return Shared{Name: name, DSN: pgtest.Server(tb, pgtest.UTF8).Database(tb)}
	}
	path := filepath.Join(tb.TempDir(), "crm.db")
	return Shared{Name: name, Path: path, DSN: sqlite.DSN(path)}
}

// Open opens it as a database that nobody but the CRM uses. The store is closed with the
// test.
func (s Shared) Open(tb testing.TB) storage.Store {
	tb.Helper()
	var store storage.Store
	var err error
	if s.Name == "sqlite" {
		store, err = sqlite.Open("sqlite", s.Path)
	} else {
		store, err = postgres.Open(s.DSN)
	}
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	return store
}

// Pool opens it as a database of the host's, whose pool the CRM uses.
func (s Shared) Pool(tb testing.TB) Engine {
	tb.Helper()
	e := Engine{Name: s.Name}
	driver := "pgx"
	if s.Name == "sqlite" {
		driver = "sqlite"
	}
	var err error
	e.DB, err = sql.Open(driver, s.DSN)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = e.DB.Close() })
	if s.Name == "sqlite" {
		e.Store, err = sqlite.Options{Wait: turn}.New(e.DB)
	} else {
		e.DB.SetMaxOpenConns(8)
		e.Store, err = postgres.New(e.DB)
	}
	require.NoError(tb, err)
	return e
}

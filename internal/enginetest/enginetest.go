// Package enginetest runs a test on both engines, and kills processes on either.
package enginetest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Engine is a database of a test's own, which is made when it is first used.
type Engine struct {
	Name  string // as migrations call it
	Store storage.Store
	DB    *sql.DB // the host's pool, which the store uses
}

// Each calls fn on an empty SQLite database and on an empty Postgres database, at
// the same time. Without Postgres that part is skipped. The race detector, which makes
// SQLite in Go ten times slower and looks at the same code on either, gets Postgres
// alone where there is one.
//
// With -short a pool on Postgres keeps its statements prepared, as pgx does by itself and
// most hosts do: else planning is a third of what the server does. Under the race detector
// and without -short it prepares none, as a host does behind a pooler.
func Each(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Helper()
	if !raced || !pgtest.Available() {
		t.Run("sqlite", func(t *testing.T) { onSQLite(t, fn) })
	}
	t.Run("postgres", func(t *testing.T) { onPostgres(t, fn) })
}

func onSQLite(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Helper()
	t.Parallel()
	path := filepath.Join(t.TempDir(), "crm.db")
	db, err := sql.Open("sqlite", sqlite.DSN(path))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	fn(t, Engine{"sqlite", inFile(t, path, db), db})
}

func onPostgres(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Helper()
	t.Parallel()
	store, db := onServer(t, nil)
	fn(t, Engine{"postgres", store, db})
}

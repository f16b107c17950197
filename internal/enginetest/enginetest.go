// Package enginetest runs a test on both engines.
package enginetest

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Engine is a database of a test's own.
type Engine struct {
	Name  string // as migrations call it
	Store storage.Store
	DB    *sql.DB // the host's pool, which the store uses
}

// Each calls fn on an empty SQLite database and on an empty Postgres database, at
// the same time. Without Postgres that part is skipped. The race detector, which makes
// SQLite in Go ten times slower and looks at the same code on either, gets Postgres
// alone where there is one.
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
	db := open(t, "sqlite", sqlite.DSN(filepath.Join(t.TempDir(), "crm.db")))
	store, err := sqlite.New(db)
	require.NoError(t, err)
	fn(t, Engine{"sqlite", store, db})
}

func onPostgres(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Helper()
	t.Parallel()
	db := open(t, "pgx", pgtest.Server(t, pgtest.UTF8).Database(t)+" default_query_exec_mode=exec")
	db.SetMaxOpenConns(8)
	store, err := postgres.New(db)
	require.NoError(t, err)
	fn(t, Engine{"postgres", store, db})
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

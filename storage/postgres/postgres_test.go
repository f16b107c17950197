package postgres_test

import (
	"context"
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// TestConformance runs the suite on a host's pool in exec mode. The driver's other
// modes, poolers, roles and collations are in internal/dbtest.
func TestConformance(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, pgtest.UTF8)
	storagetest.Run(t, storagetest.Harness{Short: testing.Short(), Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		return open(t, server.Database(t)+" default_query_exec_mode=exec")
	}})
}

func open(t *testing.T, dsn string) storagetest.Database {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := postgres.New(db)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return storagetest.Database{
		Store: store, SQL: db, Dialect: "postgres",
		Table: func(name string) string { return `"crm".` + name },
		Reopen: func(t *testing.T) storage.Store {
			t.Helper()
			again, err := postgres.Open(dsn)
			require.NoError(t, err)
			t.Cleanup(func() { _ = again.Close() })
			return again
		},
	}
}

func TestOpenKeepsTheDSNOutOfItsErrors(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open("postgres://crm:s3cret@[bad")
	require.ErrorIs(t, err, storage.ErrInvalid)
	require.NotContains(t, err.Error(), "s3cret")
}

func TestPing(t *testing.T) {
	t.Parallel()
	d := open(t, pgtest.Server(t, pgtest.UTF8).Database(t))
	require.NoError(t, d.Store.Ping(context.Background()))
}

package postgres_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
)

// TestShareIsShared holds one row by two transactions at once, which on an engine whose
// writers take turns cannot be.
func TestShareIsShared(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", pgtest.Server(t, pgtest.UTF8).Database(t)+" default_query_exec_mode=exec")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := postgres.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: fstest.MapFS{"postgres/0001_task.sql": {Data: []byte(
		`CREATE TABLE {schema}.task (tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant, id))`)}}}))
	task := &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{{Name: "id", Kind: storage.ID}}}
	require.NoError(t, store.Write(ctx, "acme", []storage.Change{{Action: storage.Insert, Table: task, Row: storage.Values{uuid.UUID{1}}}}))
	hold := func(s storage.Session) error {
		return s.Read(ctx, "acme", &storage.Query{Table: task, Limit: 1, Share: true}, func() storage.Row { return make(storage.Values, 1) })
	}
	require.NoError(t, store.Atomic(ctx, func(s storage.Session) error {
		require.NoError(t, hold(s))
		return store.Atomic(ctx, hold)
	}))
}

package postgres_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
)

// TestPagesUseTheirIndex asks Postgres how it ran each page of a sort with a declared
// index: by that index, without sorting, and without reading a row that the page
// does not show.
func TestPagesUseTheirIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	config, err := pgx.ParseConfig(pgtest.Server(t, pgtest.UTF8).Database(t) + " default_query_exec_mode=exec")
	require.NoError(t, err)
	heard := &recorder{}
	config.Tracer = heard
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	store, err := postgres.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: fstest.MapFS{"postgres/0001_task.sql": {Data: []byte(`
CREATE TABLE {schema}.task (tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, due timestamptz, name text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id));
CREATE INDEX task_due ON {schema}.task (tenant, due NULLS FIRST, id);
CREATE INDEX task_name ON {schema}.task (tenant, name, id);
INSERT INTO {schema}.task
	SELECT 'tenant' || n % 10, gen_random_uuid(), CASE WHEN n % 3 > 0 THEN timestamptz '2026-01-01' + n * interval '1 min' END, 'Ad ' || n % 100
	FROM generate_series(1, 30000) AS n;
ANALYZE {schema}.task;`)}}}))

	table := &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "due", Kind: storage.Time, Null: true}, {Name: "name", Kind: storage.Text},
	}}
	at := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	for _, desc := range []bool{false, true} {
		due, name := []storage.Order{{Field: storage.F("due"), Desc: desc}}, []storage.Order{{Field: storage.F("name"), Desc: desc}}
		for _, q := range []storage.Query{
			{Order: due},
			{Order: due, After: []any{at, uuid.UUID{1}}},
			{Order: due, After: []any{nil, uuid.UUID{0x80}}}, // so many are left that the planner sees no gain in sorting them
			{Order: name, After: []any{"Ad 5", uuid.UUID{1}}},
			{Where: storage.Prefix{Field: storage.F("name"), Text: "Ad 7"}, Order: name},
		} {
			q.Table, q.Limit = table, 50
			require.NoError(t, store.Read(ctx, "tenant3", &q, func() storage.Row { return make(storage.Values, 3) }))
			text, args := heard.text, heard.args
			rows, err := db.QueryContext(ctx, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+text, args...)
			require.NoError(t, err)
			var plan strings.Builder
			for rows.Next() {
				var line string
				require.NoError(t, rows.Scan(&line))
				plan.WriteString(line + "\n")
			}
			require.NoError(t, rows.Err())
			require.Contains(t, plan.String(), "Index Scan", text)
			require.NotContains(t, plan.String(), "Seq Scan", text)
			for _, n := range regexp.MustCompile(`actual rows=(\d+)`).FindAllStringSubmatch(plan.String(), -1) {
				read, err := strconv.Atoi(n[1])
				require.NoError(t, err)
				require.LessOrEqual(t, read, 2*q.Limit, plan.String())
			}
			require.NotContains(t, plan.String(), "Removed by Filter", text)
			if !strings.Contains(text, "UNION ALL") { // two limited ranges are put in order at the end: 2×50 rows
				require.NotContains(t, plan.String(), "Sort", text)
			}
		}
	}
}

// recorder remembers the last read and its arguments.
type recorder struct {
	text string
	args []any
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(data.SQL, "SELECT") {
		r.text, r.args = data.SQL, data.Args
	}
	return ctx
}

func (*recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

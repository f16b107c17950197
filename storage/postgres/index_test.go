package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
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
	db, store, heard := tasks(t, pgx.QueryExecModeExec)
	table := taskTable()
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
			require.NoError(t, store.Read(ctx, "tenant3", &q, func() storage.Row { return make(storage.Values, 4) }))
			plan := heard.plan(t, db)
			require.Contains(t, plan, "Index Scan", heard.text)
			require.NotContains(t, plan, "Seq Scan", heard.text)
			requireRead(t, plan, 2*q.Limit)
			if !strings.Contains(heard.text, "UNION ALL") { // two limited ranges are put in order at the end: 2×50 rows
				require.NotContains(t, plan, "Sort", heard.text)
			}
		}
	}
	for _, desc := range []bool{false, true} { // rows in which it is absent are no part of a union, so that its index has none of them
		u := doneTasks(desc)
		require.NoError(t, store.Union(ctx, "tenant3", u, func() storage.Row { return make(storage.Values, 3) }))
		requireRead(t, heard.plan(t, db), 2*u.Limit)
	}
}

// TestUnionsArePlannedOnce asks Postgres whether it came to use one plan for all pages of a
// union, which takes longer to plan than to run.
func TestUnionsArePlannedOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, store, heard := tasks(t, pgx.QueryExecModeCacheStatement)
	db.SetMaxOpenConns(1)
	u := doneTasks(true)
	u.Branches = slices.Repeat(u.Branches, 7)
	for range 10 {
		require.NoError(t, store.Union(ctx, "tenant3", u, func() storage.Row { return make(storage.Values, 4) }))
	}
	planned := 0
	require.NoError(t, db.QueryRowContext(ctx, "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", heard.text).Scan(&planned))
	require.Positive(t, planned)
}

// TestKeysAreFoundByTheKey gives keys of a tenant that came after Postgres looked last, so
// that it takes him for one of few rows: those with the keys are read, and no others,
// with their values known to the planner and without.
func TestKeysAreFoundByTheKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, store, heard := tasks(t, pgx.QueryExecModeExec)
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, `ALTER TABLE crm.task SET (autovacuum_enabled = false);
		INSERT INTO crm.task SELECT 'late', gen_random_uuid(), now(), NULL, 'Ad' FROM generate_series(1, 20000) AS n`)
	require.NoError(t, err)
	table := taskTable()
	var ids []any
	require.NoError(t, store.Read(ctx, "late", &storage.Query{Table: table, Limit: 300}, func() storage.Row {
		row := make(storage.Values, 4)
		ids = append(ids, row)
		return row
	}))
	for i, row := range ids {
		values, _ := row.(storage.Values)
		ids[i] = values[0]
	}
	where := storage.And{storage.In{Field: storage.F("id"), Values: ids}, storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: "Ad"}}
	kept := &storage.Table{Name: "kept", Key: []string{"id"}, Columns: []storage.Column{{Name: "id", Kind: storage.ID}}}
	for what, run := range map[string]func(){
		"read": func() {
			require.NoError(t, store.Read(ctx, "late", &storage.Query{Table: table, Where: where, Limit: 300}, func() storage.Row { return make(storage.Values, 4) }))
		},
		"expand": func() {
			n, err := store.Expand(ctx, "late", &storage.Expansion{Into: kept, From: table, Where: where, Set: []storage.Assign{{Column: "id", Value: storage.F("id")}}})
			require.NoError(t, err)
			require.EqualValues(t, 300, n)
		},
	} {
		run()
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			_, err := db.ExecContext(ctx, "SET plan_cache_mode = "+mode+"; DELETE FROM crm.kept")
			require.NoError(t, err)
			plan := heard.preparedPlan(t, db)
			require.Contains(t, plan, "task_pkey", what, mode)
			requireRead(t, plan, 300)
		}
	}
}

// tasks are 30,000 tasks of ten tenants, and what is read of them is heard.
func tasks(t *testing.T, mode pgx.QueryExecMode) (*sql.DB, storage.Store, *recorder) {
	t.Helper()
	config, err := pgx.ParseConfig(pgtest.Server(t, pgtest.UTF8).Database(t))
	require.NoError(t, err)
	heard := &recorder{}
	config.Tracer, config.DefaultQueryExecMode = heard, mode
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	store, err := postgres.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(context.Background(), storage.Line{Name: "tasks", Files: fstest.MapFS{"postgres/0001_task.sql": {Data: []byte(`
CREATE TABLE {schema}.task (tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, due timestamptz, done timestamptz, name text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id));
CREATE TABLE {schema}.kept (tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant, id));
CREATE INDEX task_due ON {schema}.task (tenant, due NULLS FIRST, id);
CREATE INDEX task_done ON {schema}.task (tenant, done, id) WHERE done IS NOT NULL;
CREATE INDEX task_name ON {schema}.task (tenant, name, id);
INSERT INTO {schema}.task
	SELECT 'tenant' || n % 10, gen_random_uuid(), x.due AS due, x.due AS done, 'Ad ' || n % 100
	FROM generate_series(1, 30000) AS n, LATERAL (SELECT CASE WHEN n % 3 > 0 THEN timestamptz '2026-01-01' + n * interval '1 min' END AS due) AS x;
ANALYZE {schema}.task;`)}}}))
	return db, store, heard
}

func taskTable() *storage.Table {
	return &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "due", Kind: storage.Time, Null: true}, {Name: "done", Kind: storage.Time, Null: true}, {Name: "name", Kind: storage.Text},
	}}
}

// doneTasks is a page of tasks by when they were done, as a timeline has it.
func doneTasks(desc bool) *storage.Union {
	return &storage.Union{Kinds: []storage.Kind{storage.Time, storage.ID}, Sorted: 2, Desc: desc, Limit: 50, Branches: []storage.Branch{
		{Table: taskTable(), Fields: []storage.Field{storage.F("done"), storage.F("id")}},
	}}
}

// requireRead requires that no step of a plan read more rows than are wanted, nor any in vain.
func requireRead(t *testing.T, plan string, most int) {
	t.Helper()
	for _, n := range regexp.MustCompile(`actual rows=(\d+)`).FindAllStringSubmatch(plan, -1) {
		read, err := strconv.Atoi(n[1])
		require.NoError(t, err)
		require.LessOrEqual(t, read, most, plan)
	}
	require.NotContains(t, plan, "Removed by Filter")
}

// plan is how Postgres runs the last read.
func (r *recorder) plan(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+r.text, r.args...)
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// preparedPlan is how Postgres runs what was heard last, prepared.
func (r *recorder) preparedPlan(t *testing.T, db *sql.DB) string {
	t.Helper()
	var args []string
	for _, arg := range r.args {
		switch arg.(type) {
		case string, int64: // what else there is, is of the driver
			args = append(args, "'"+strings.ReplaceAll(fmt.Sprint(arg), "'", "''")+"'")
		}
	}
	_, err := db.ExecContext(context.Background(), "DEALLOCATE ALL; PREPARE heard AS "+r.text)
	require.NoError(t, err)
	run := recorder{text: "EXECUTE heard(" + strings.Join(args, ", ") + ")"}
	return run.plan(t, db)
}

// recorder remembers the last statement that reads, and its arguments.
type recorder struct {
	text string
	args []any
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(data.SQL, "SELECT") || strings.HasPrefix(data.SQL, "INSERT") {
		r.text, r.args = data.SQL, data.Args
	}
	return ctx
}

func (*recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

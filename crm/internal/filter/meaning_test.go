package filter_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// TestMeaningSQLite holds random expressions over random records to the same answer
// by their definition in Go, by storage.Match and by SQLite.
func TestMeaningSQLite(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", filepath.Join(t.TempDir(), "a.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	meaning(t, store)
}

// TestMeaningPostgres is the same for Postgres.
func TestMeaningPostgres(t *testing.T) {
	t.Parallel()
	store, err := postgres.Open(pgtest.Server(t, pgtest.UTF8).Database(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	meaning(t, store)
}

// expressions is how many expressions a test tries: EMBEDCRM_SOAK=1 for many.
func expressions() int {
	switch {
	case os.Getenv("EMBEDCRM_SOAK") != "":
		return 100_000
	case testing.Short():
		return 300
	}
	return 2_000
}

func meaning(t *testing.T, store storage.Store) {
	t.Helper()
	const perWorld, deals = 100, 50
	o := newObjects()
	require.NoError(t, store.Migrate(t.Context(), line(o)))
	selected, total := 0, 0
	var w world
	for n := range expressions() {
		tenant := strconv.Itoa(n / perWorld)
		if n%perWorld == 0 {
			w = (&generator{Rand: rand.New(rand.NewPCG(1, uint64(n/perWorld))), objects: o}).world(deals)
			fill(t, store, tenant, o, w)
		}
		g := &generator{Rand: rand.New(rand.NewPCG(2, uint64(n))), objects: o}
		c := g.condition(o.deal, 3)
		parsed, err := filter.Parse(c.text)
		require.NoError(t, err, "%d: %s", n, c.text)
		where, err := parsed.Compile(o.deal, g.args, env())
		require.NoError(t, err, "%d: %s %v", n, c.text, g.args)

		var want []string
		for i, d := range w.deals {
			if c.holds(d) {
				want = append(want, d.id.String())
			}
			row := source{w.rows, o.deal.table, w.rows[o.deal.table][i]}
			require.Equal(t, c.holds(d), storage.Match(where, row), "%d: %s %v\nof %v\n%#v", n, c.text, g.args, d, where)
		}
		require.Equal(t, want, find(t, store, tenant, o.deal.table, where), "%d: %s %v\n%#v", n, c.text, g.args, where)
		selected, total = selected+len(want), total+len(w.deals)
	}
	require.Greater(t, selected, total/10, "conditions select too little to say anything")
	require.Less(t, selected, total*9/10, "conditions select too much to say anything")
}

// fill writes a world's rows.
func fill(t *testing.T, store storage.Store, tenant string, o objects, w world) {
	t.Helper()
	var changes []storage.Change
	for _, of := range o.all() {
		for _, row := range w.rows[of.table] {
			changes = append(changes, storage.Change{Action: storage.Insert, Table: of.table, Row: row})
		}
	}
	require.NoError(t, store.Write(t.Context(), tenant, changes))
}

// find returns the ids of the rows that satisfy a condition, sorted.
func find(t *testing.T, store storage.Store, tenant string, table *storage.Table, where storage.Expr) (ids []string) {
	t.Helper()
	var rows []storage.Values
	err := store.Read(t.Context(), tenant, &storage.Query{Table: table, Where: where, Limit: storage.MaxPage, Columns: []int{0}}, func() storage.Row {
		rows = append(rows, make(storage.Values, len(table.Columns)))
		return rows[len(rows)-1]
	})
	require.NoError(t, err)
	for _, row := range rows {
		if row[0] != nil {
			ids = append(ids, fmt.Sprint(row[0]))
		}
	}
	slices.Sort(ids)
	return ids
}

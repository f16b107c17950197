// Package costs holds what an operation costs, apart from time: the statements it sends, the round trips to the server,
// and the allocations. costs.txt lists them, and a test compares. A change that is meant to cost something else writes the
// list anew:
//
//	go test ./costs -update
package costs

import (
	"context"
	"database/sql"
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	driver "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

var update = flag.Bool("update", false, "write costs.txt anew")

//go:embed migrations
var migrations embed.FS

const (
	listing = "costs.txt"
	header  = "# engine\toperation\tstatements\tround trips\tallocations"
)

// cost is a line of the listing.
type cost struct {
	engine, operation         string
	statements, trips, allocs int64
}

func (c cost) String() string {
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d", c.engine, c.operation, c.statements, c.trips, c.allocs)
}

// TestCosts compares with the listing: statements and round trips exactly, allocations by 3 or 3 %. With the race detector,
// which allocates, those are left out.
func TestCosts(t *testing.T) {
	listed := read(t)
	all := slices.Concat(operations, crmOperations)
	var now []cost
	for _, engine := range []struct {
		name string
		open func(t *testing.T, c *counter) (*sql.DB, storage.Store)
	}{{"sqlite", openSQLite}, {"postgres", openPostgres}} {
		t.Run(engine.name, func(t *testing.T) {
			c := &counter{}
			counted, plain := newWork(t, c, engine.open), newWork(t, nil, engine.open)
			for _, op := range all {
				is := cost{engine: engine.name, operation: op.name}
				is.statements, is.trips = count(t, op, counted, c)
				if !race {
					is.allocs = allocations(t, op, plain)
				}
				now = append(now, is)
			}
		})
	}
	if *update && !race {
		write(t, listed, now)
		return
	}
	for _, is := range now {
		was, ok := listed[is.engine+" "+is.operation]
		far := max(was.allocs-is.allocs, is.allocs-was.allocs) > max(3, was.allocs*3/100)
		if !ok || was.statements != is.statements || was.trips != is.trips || far && !race {
			t.Errorf("if it is meant, run go test -update:\n%s\nwas\t%s\nis\t%s", header, was, is)
		}
		delete(listed, is.engine+" "+is.operation)
	}
	for _, was := range listed {
		if len(now) == 2*len(all) {
			t.Errorf("%s lists what is gone: %s", listing, was)
		}
	}
}

// count returns the statements and round trips of one repetition, once everything is prepared.
func count(t *testing.T, op operation, w *work, c *counter) (statements, trips int64) {
	t.Helper()
	const warm = 3
	run, err := op.ready(t.Context(), w, warm+2)
	require.NoError(t, err, op.name)
	for i := range warm + 2 {
		c.reset()
		require.NoError(t, run(i), op.name)
		if i == warm {
			statements, trips = c.statements.Load(), c.trips.Load()
		}
	}
	require.Equal(t, [...]int64{statements, trips}, [...]int64{c.statements.Load(), c.trips.Load()}, "%s: the costs of two runs", op.name)
	return statements, trips
}

// allocations returns the least of several means. Garbage is collected between them, for that empties the pools of what is
// used again.
func allocations(t *testing.T, op operation, w *work) int64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := int64(1 << 62)
	for range 5 {
		run, err := op.ready(t.Context(), w, op.runs+1)
		require.NoError(t, err, op.name)
		i := 0
		mean := testing.AllocsPerRun(op.runs, func() {
			if failed := run(i); failed != nil {
				err = failed
			}
			i++
		})
		require.NoError(t, err, op.name)
		least = min(least, int64(mean))
		debug.FreeOSMemory()
	}
	return least
}

// newWork opens a database for the storage layer and one for crm, and fills them. Without a counter nothing stands between the store and the driver.
func newWork(t *testing.T, c *counter, open func(t *testing.T, c *counter) (*sql.DB, storage.Store)) *work {
	t.Helper()
	w := &work{}
	opened := func() (*sql.DB, storage.Store) {
		db, store := open(t, c)
		t.Cleanup(func() { _ = db.Close() })
		t.Cleanup(func() { _ = store.Close() })
		return db, store
	}
	w.db, w.store = opened()
	_, forCRM := opened() // its tables have the same names
	w.crm = newCRMWork(t, forCRM)
	files, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	require.NoError(t, w.store.Migrate(t.Context(), storage.Line{Name: "costs", Files: files}))
	var all []storage.Change
	for range filled {
		w.deals = append(w.deals, w.newDeal())
		all = append(all, insertOf(deals, w.deals[len(w.deals)-1]))
	}
	require.NoError(t, w.store.Write(t.Context(), tenant, all))
	return w
}

func openSQLite(t *testing.T, c *counter) (*sql.DB, storage.Store) {
	t.Helper()
	connector, err := driver.NewConnector(sqlite.DSN(filepath.Join(t.TempDir(), "crm.db")))
	require.NoError(t, err)
	if c != nil {
		connector = countingConnector{connector, c}
	}
	db := sql.OpenDB(connector)
	store, err := sqlite.New(db)
	require.NoError(t, err)
	return db, store
}

func openPostgres(t *testing.T, c *counter) (*sql.DB, storage.Store) {
	t.Helper()
	config, err := pgx.ParseConfig(pgtest.Server(t, pgtest.UTF8).Database(t))
	require.NoError(t, err)
	if c != nil {
		config.DialFunc, config.Tracer = c.dial, c
	}
	// Otherwise a connection that was idle for a second is asked whether it still is one.
	never := stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })
	db := stdlib.OpenDB(*config, never)
	store, err := postgres.New(db)
	require.NoError(t, err)
	return db, store
}

// read returns the listing by engine and operation.
func read(t *testing.T) map[string]cost {
	t.Helper()
	text, err := os.ReadFile(listing)
	if !*update {
		require.NoError(t, err)
	}
	listed := map[string]cost{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		require.Len(t, f, 5, line)
		c := cost{engine: f[0], operation: f[1]}
		_, err := fmt.Sscan(strings.Join(f[2:], " "), &c.statements, &c.trips, &c.allocs)
		require.NoError(t, err, line)
		listed[c.engine+" "+c.operation] = c
	}
	return listed
}

// write replaces in the listing what was measured now; an engine that could not be run keeps its lines.
func write(t *testing.T, listed map[string]cost, now []cost) {
	t.Helper()
	for _, is := range now {
		listed[is.engine+" "+is.operation] = is
	}
	var b strings.Builder
	fmt.Fprintln(&b, header)
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, op := range slices.Concat(operations, crmOperations) {
			if c, ok := listed[engine+" "+op.name]; ok {
				fmt.Fprintln(&b, c)
			}
		}
	}
	require.NoError(t, os.WriteFile(listing, []byte(b.String()), 0o600))
}

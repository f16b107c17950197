package customers_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// evaluatorOf is the environment variable that makes this test binary a process that
// evaluates a segment, to be killed: engine, DSN and the hour on its clock, divided by bars.
const evaluatorOf = "EMBEDCRM_TEST_EVALUATOR"

func openDSN(t *testing.T, engine, dsn string) storage.Store {
	t.Helper()
	var store storage.Store
	var err error
	if engine == "sqlite" {
		store, err = sqlite.Open("sqlite", dsn)
	} else {
		store, err = postgres.Open(dsn)
	}
	require.NoError(t, err)
	return store
}

// mirrored is a desk on which the static segment "told" is what was told of the segment
// "half". A change that is told twice leaves a customer called "twice".
func mirrored(t *testing.T, engine, dsn string, hour int) *desk {
	t.Helper()
	d := &desk{}
	d.Core = crmtest.On(t, openDSN(t, engine, dsn), crm.Config{}, func(c *crm.Core) (err error) {
		if d.Customers, err = customers.New(c); err != nil {
			return err
		}
		half := crm.ID{}
		return d.Segments.OnChange("mirror", func(ctx context.Context, changes []customers.MembershipChange) error {
			if half.IsZero() {
				g, err := d.Segments.ByKey(ctx, "half")
				if err != nil {
					return err
				}
				half = g.ID
			}
			if changes[0].SegmentID != half {
				return nil
			}
			var in, out []crm.ID
			for _, c := range changes {
				if c.Entered {
					in = append(in, c.CustomerID)
				} else {
					out = append(out, c.CustomerID)
				}
			}
			added, err := d.Segments.Add(ctx, "told", in...)
			if err != nil {
				return err
			}
			removed, err := d.Segments.Remove(ctx, "told", out...)
			if err == nil && added+removed != int64(len(changes)) {
				_, err = d.Customers.Create(ctx, customers.Customer{Kind: customers.Household, Name: "twice"})
			}
			return err
		})
	})
	d.Segments.SetSpan(100)
	d.Clock.Advance(time.Duration(hour) * time.Hour)
	return d
}

// TestEvaluatorVictim is no test but the process that TestEvaluationsKilled kills.
func TestEvaluatorVictim(t *testing.T) {
	args := strings.Split(os.Getenv(evaluatorOf), "|")
	if len(args) != 3 {
		t.Skip("it is a process of another test")
	}
	hour, err := strconv.Atoi(args[2])
	require.NoError(t, err)
	d := mirrored(t, args[0], args[1], hour)
	for range 1000 {
		d.run(t)
	}
}

// TestEvaluationsKilled kills a process while it evaluates a segment and tells of it, again
// and again; then what is written down is what the condition says, and each change was
// told once.
func TestEvaluationsKilled(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dsn := filepath.Join(t.TempDir(), "crm.db")
			if engine == "postgres" {
				dsn = pgtest.Server(t, pgtest.UTF8).Database(t)
			}
			rounds := 8
			if testing.Short() {
				rounds = 2
			}
			d := mirrored(t, engine, dsn, 0)
			ctx := crm.System(t.Context(), "acme")
			list := make([]customers.Customer, 2000)
			for i := range list {
				list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprint("P", i), Country: []string{"DE", "FR"}[i%2]}
			}
			_, err := d.CreateAll(ctx, list)
			require.NoError(t, err)
			d.static(ctx, t, "told")
			half := d.dynamic(ctx, t, "half", "country == $1", "DE")
			for n := range rounds {
				_, err := d.Segments.Update(ctx, half.ID, func(s *customers.Segment) error {
					s.Where.Args = []any{[]string{"DE", "FR"}[n%2]}
					return nil
				})
				require.NoError(t, err)
				killedEvaluating(ctx, t, d, engine+"|"+dsn+"|"+strconv.Itoa(n+1), n)
			}
			d.Clock.Advance(time.Duration(rounds) * time.Hour) // the leases of those killed run out
			for range 3 {
				d.Clock.Advance(time.Hour)
				d.run(t)
			}
			now, written := d.in(ctx, t, "half")
			require.Len(t, now, 1000)
			require.Equal(t, now, written)
			told, _ := d.in(ctx, t, "told")
			require.Equal(t, now, told)
			twice, err := d.Count(ctx, crm.Where("name == 'twice'"))
			require.NoError(t, err)
			require.Zero(t, twice)
			d.whole(t)
		})
	}
}

// killedEvaluating starts the victim and kills it when it has written down so much.
func killedEvaluating(ctx context.Context, t *testing.T, d *desk, args string, round int) {
	t.Helper()
	before := d.saidOf(ctx, t)
	end, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(end, os.Args[0], "-test.run=^TestEvaluatorVictim$")
	cmd.Env = append(os.Environ(), evaluatorOf+"="+args)
	require.NoError(t, cmd.Start())
	for end.Err() == nil && d.saidOf(ctx, t) < before+int64(150+200*round) {
		<-time.After(5 * time.Millisecond) // asking takes time from the one who is asked about
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// saidOf is how many changes of the segment "half" were written down.
func (d *desk) saidOf(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	figures, err := d.Core.Aggregate(ctx, "segment_change", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}}, crm.Where("segment.key == 'half'"))
	require.NoError(t, err)
	count, _ := figures.Rows[0].Values[0].(int64)
	return count
}

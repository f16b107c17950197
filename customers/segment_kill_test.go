package customers_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// mirrored is a desk on which the static segment "told" is what was told of the segment
// "half". A change that is told twice leaves a customer called "twice".
func mirrored(t *testing.T, db enginetest.Shared, hour int) *desk {
	t.Helper()
	d := &desk{}
	d.Core = crmtest.On(t, db.Open(t), crm.Config{}, func(c *crm.Core) (err error) {
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
	db, words := enginetest.Orders(t)
	hour, err := strconv.Atoi(words[0])
	require.NoError(t, err)
	d := mirrored(t, db, hour)
	for range 1000 {
		d.run(t)
	}
}

// TestEvaluationsKilled kills a process while it evaluates a segment and tells of it, again
// and again; then what is written down is what the condition says, and each change was
// told once.
func TestEvaluationsKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		rounds := 8
		if testing.Short() {
			rounds = 2
		}
		d := mirrored(t, db, 0)
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
			before := d.saidOf(ctx, t)
			v := db.Start(t, "TestEvaluatorVictim", n+1)
			v.KillWhen(func() bool {
				<-time.After(5 * time.Millisecond) // asking takes time from the one who is asked about
				return d.saidOf(ctx, t) >= before+int64(150+200*n)
			})
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

// saidOf is how many changes of the segment "half" were written down.
func (d *desk) saidOf(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	figures, err := d.Core.Aggregate(ctx, "segment_change", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}}, crm.Where("segment.key == 'half'"))
	require.NoError(t, err)
	count, _ := figures.Rows[0].Values[0].(int64)
	return count
}

package customers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestSegmentsBesideWriters has many writers move customers in and out of a segment while it is
// evaluated, as a whole and one by one, by two who work in the background. Who is in it is
// then what the condition says, and each change was told once.
func TestSegmentsBesideWriters(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		const people, writers = 48, 16
		writes := 12
		if testing.Short() {
			writes = 5
		}
		d := mirrored(t, db, 0)
		ctx := crm.System(t.Context(), "acme")
		list := make([]customers.Customer, people)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprintf("P%02d", i), Country: []string{"DE", "FR"}[i%2]}
		}
		made, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		d.static(ctx, t, "told")
		d.dynamic(ctx, t, "half", "country == 'DE'")

		var writing, working sync.WaitGroup
		stop := make(chan struct{})
		for w := range writers {
			writing.Go(func() {
				for n := range writes {
					id := made[(w*7+n*5)%people].ID // several writers have the same customers
					_, err := d.Update(ctx, id, func(c *customers.Customer) error {
						c.Country = []string{"DE", "FR", ""}[(w+n)%3]
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for _, work := range []func() error{
			func() error { return d.RunDue(t.Context()) },
			func() error { return d.RunDue(t.Context()) },
			func() error { _, err := d.Segments.Evaluate(ctx, "half"); return err },
		} {
			working.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := work(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writing.Wait()
		close(stop)
		working.Wait()
		for range 3 {
			d.Clock.Advance(time.Minute)
			d.run(t)
		}
		now, written := d.in(ctx, t, "half")
		want := []string{}
		for c, err := range d.Customers.All(ctx, crm.Where("country == 'DE'"), crm.OrderBy("name")) {
			require.NoError(t, err)
			want = append(want, c.Name)
		}
		require.Equal(t, want, now)
		require.Equal(t, want, written)
		told, _ := d.in(ctx, t, "told")
		require.Equal(t, want, told)
		twice, err := d.Count(ctx, crm.Where("name == 'twice'"))
		require.NoError(t, err)
		require.Zero(t, twice)
		d.whole(t)
	})
}

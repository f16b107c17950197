package customers_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// conditions are of every way in which a segment can depend on something.
var conditions = []struct{ key, where string }{
	{"field", "country == 'DE'"},
	{"tags", "'vip' in tags and 'old' not in tags"},
	{"negated", "not (country == 'DE' or 'vip' in tags)"},
	{"purchases", "count(purchases, .amount > money('10.00', 'EUR') and .status != 'cancelled') >= 2"},
	{"never-bought", "none(purchases, .at > ago('2d'))"},
	{"recent", "any(purchases, .at > ago('3h'))"},
	{"events", "count(events, .name == 'viewed') >= 2"},
	{"seen", "any(events, .at > ago('5h')) and country != 'FR'"},
	{"parent", "parent.country == 'DE'"},
	{"children", "any(subsidiaries, .country == 'FR')"},
	{"total", "spent > money('30.00', 'EUR')"},
	{"everybody", "true"},
}

// TestSegmentsAreAlwaysAFreshEvaluation changes customers at random and moves the clock:
// what is written down is then what the conditions say, and it is what the changes that
// were told add up to.
func TestSegmentsAreAlwaysAFreshEvaluation(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, m := listeningDesk(t, e)
		tenants, passed, enough := 0, 0, 12
		switch {
		case testing.Short():
			enough = 4
		case os.Getenv("EMBEDCRM_SOAK") != "":
			enough = 100
		}
		rapid.Check(t, func(rt *rapid.T) {
			if passed == enough { // each is long
				return
			}
			tenants++
			m.told = nil
			w := &segmentWorld{desk: d, ctx: crm.System(t.Context(), fmt.Sprint("tenant", tenants)), t: rt}
			for _, c := range conditions {
				w.dynamic(w.ctx, rt, c.key, c.where)
			}
			for range 3 {
				for range rapid.IntRange(1, 8).Draw(rt, "changes") {
					w.change(rt)
				}
				if rapid.Bool().Draw(rt, "hours pass") {
					d.Clock.Advance(time.Duration(rapid.IntRange(1, 60).Draw(rt, "hours")) * time.Hour)
					require.NoError(rt, d.RunDue(t.Context()))
					w.hold(m, false)
				} else {
					require.NoError(rt, d.RunDue(t.Context()))
					w.hold(m, true)
				}
			}
			d.Clock.Advance(time.Hour)
			require.NoError(rt, d.RunDue(t.Context()))
			w.hold(m, false)
			passed++
		})
		d.whole(t)
	})
}

// segmentWorld is a tenant whose customers change.
type segmentWorld struct {
	*desk

	ctx    context.Context // it lives for one test
	t      *rapid.T
	people []crm.ID
	orgs   []crm.ID
	bought []crm.ID
	merges []crm.ID
}

// change does one thing. What is refused, since a customer is not there or the merge was
// undone, changes nothing.
func (w *segmentWorld) change(rt *rapid.T) {
	some := func(list []crm.ID, what string) crm.ID {
		if len(list) == 0 {
			return crm.ID{}
		}
		return rapid.SampledFrom(list).Draw(rt, what)
	}
	country := rapid.SampledFrom([]string{"DE", "FR", ""})
	switch rapid.IntRange(0, 15).Draw(rt, "change") {
	case 0, 1:
		made, err := w.Customers.Create(w.ctx, customers.Customer{Kind: customers.Person, Name: fmt.Sprint("P", len(w.people)), Country: country.Draw(rt, "country")})
		require.NoError(w.t, err)
		w.people = append(w.people, made.ID)
	case 2:
		made, err := w.Customers.Create(w.ctx, customers.Customer{
			Kind: customers.Organisation, Name: fmt.Sprint("O", len(w.orgs)), Country: country.Draw(rt, "country"), ParentID: w.alive(some(w.orgs, "parent")),
		})
		require.NoError(w.t, err)
		w.orgs = append(w.orgs, made.ID)
	case 3, 4:
		to := country.Draw(rt, "to")
		_, _ = w.Customers.Update(w.ctx, some(slices.Concat(w.people, w.orgs), "who"), func(c *customers.Customer) error { c.Country = to; return nil })
	case 5:
		tags := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"vip", "old"}), rapid.ID).Draw(rt, "tags")
		_, _ = w.Customers.Update(w.ctx, some(w.people, "who"), func(c *customers.Customer) error { c.Tags = tags; return nil })
	case 6, 7:
		p := customers.Purchase{
			CustomerID: some(w.people, "who"), Amount: crm.EUR(int64(rapid.IntRange(1, 30).Draw(rt, "euros")) * 100),
			At: w.Clock.Now().Add(-time.Duration(rapid.IntRange(0, 72).Draw(rt, "hours ago")) * time.Hour),
		}
		if made, err := w.Purchases.Create(w.ctx, p); err == nil {
			w.bought = append(w.bought, made.ID)
		}
	case 8:
		id := some(w.bought, "purchase")
		switch rapid.IntRange(0, 4).Draw(rt, "what becomes of it") {
		case 0:
			_ = w.Purchases.Delete(w.ctx, id)
		case 1:
			_, _ = w.Purchases.Restore(w.ctx, id)
		case 2:
			_ = w.Purchases.Purge(w.ctx, id)
		case 3:
			_, _ = w.Purchases.Cancel(w.ctx, id, "changed his mind")
		case 4:
			to := some(w.people, "to")
			_, _ = w.Purchases.Update(w.ctx, id, func(p *customers.Purchase) error { p.CustomerID = to; return nil })
		}
	case 9, 10:
		at := w.Clock.Now().Add(-time.Duration(rapid.IntRange(0, 12).Draw(rt, "hours ago")) * time.Hour)
		_, _ = w.Behaviour.Track(w.ctx, customers.Event{CustomerID: some(w.people, "who"), Name: "viewed", At: at})
	case 11:
		visitor := fmt.Sprint("v", rapid.IntRange(0, 3).Draw(rt, "visitor"))
		_, err := w.Behaviour.Track(w.ctx, customers.Event{Visitor: visitor, Name: "viewed", At: w.Clock.Now()})
		require.NoError(w.t, err)
		_, _ = w.Behaviour.Stitch(w.ctx, visitor, some(w.people, "who"))
	case 12:
		_ = w.Customers.Delete(w.ctx, some(w.people, "who"))
	case 13:
		_, _ = w.Customers.Restore(w.ctx, some(w.people, "who"))
	case 14:
		_, merge, err := w.Customers.Merge(w.ctx, some(w.people, "survivor"), []crm.ID{some(w.people, "absorbed")}, crm.MergeRules{})
		if err == nil {
			w.merges = append(w.merges, merge.ID)
		}
	case 15:
		_, _ = w.Customers.Unmerge(w.ctx, some(w.merges, "merge"))
	}
}

// alive is the id if it is one of a living customer.
func (w *segmentWorld) alive(id crm.ID) crm.ID {
	if n, err := w.Customers.Count(w.ctx, crm.Where("id == $1", id)); err != nil || n == 0 {
		return crm.ID{}
	}
	return id
}

// hold compares what is written down with the conditions. Within an hour those that
// depend on the time may be behind.
func (w *segmentWorld) hold(m *movement, soon bool) {
	for _, c := range conditions {
		timed := c.key == "never-bought" || c.key == "recent" || c.key == "seen"
		now, written := w.in(w.ctx, w.t, c.key)
		if !soon || !timed {
			require.Equal(w.t, now, written, "segment %s", c.key)
		}
	}
	seen := map[string]bool{}
	for _, x := range m.told {
		key := fmt.Sprint(x.SegmentID, x.Batch, x.CustomerID)
		require.False(w.t, seen[key], "it was told twice")
		seen[key] = true
	}
}

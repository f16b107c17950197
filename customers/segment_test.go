package customers_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// movement is what a subscriber to changes of segments was told, in order.
type movement struct{ told []customers.MembershipChange }

// since returns who came (+) and went (-) since it was last asked, by the names of customers.
func (m *movement) since(t *testing.T, d *desk) []string {
	t.Helper()
	list := []string{}
	for _, c := range m.told {
		who, err := d.Customers.Get(crm.System(t.Context(), "acme"), c.CustomerID, crm.WithDeleted())
		require.NoError(t, err)
		sign := "-"
		if c.Entered {
			sign = "+"
		}
		list = append(list, sign+who.Name)
	}
	slices.Sort(list)
	m.told = nil
	return list
}

// withSegments runs fn on a desk whose changes of segments are heard.
func withSegments(t *testing.T, fn func(ctx context.Context, t *testing.T, d *desk, m *movement)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, m := listeningDesk(t, e)
		fn(as(t, "dana"), t, d, m)
		d.whole(t)
	})
}

func listeningDesk(t *testing.T, e enginetest.Engine) (*desk, *movement) {
	t.Helper()
	d, m := &desk{}, &movement{}
	d.Core = crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) (err error) {
		if d.Customers, err = customers.New(c); err != nil {
			return err
		}
		return d.Segments.OnChange("test", func(_ context.Context, changes []customers.MembershipChange) error {
			m.told = append(m.told, changes...)
			return nil
		})
	})
	return d, m
}

func (d *desk) run(t *testing.T) {
	t.Helper()
	require.NoError(t, d.RunDue(t.Context()))
}

// dynamic makes a segment by a condition.
func (d *desk) dynamic(ctx context.Context, t require.TestingT, key, where string, args ...any) customers.Segment {
	made, err := d.Segments.Create(ctx, customers.Segment{Key: key, Name: key, Kind: customers.DynamicSegment, Where: crm.Filter{Text: where, Args: args}})
	require.NoError(t, err)
	return made
}

func (d *desk) segment(ctx context.Context, t require.TestingT, key string) customers.Segment {
	g, err := d.Segments.ByKey(ctx, key)
	require.NoError(t, err)
	return g
}

// in are the names of who is in a segment by its condition, and by what is written down.
func (d *desk) in(ctx context.Context, t require.TestingT, key string) (now, written []string) {
	page, err := d.Segments.Members(ctx, key, crm.OrderBy("name"), crm.Limit(crm.MaxPage))
	require.NoError(t, err)
	now, written = []string{}, []string{}
	for _, c := range page.Items {
		now = append(now, c.Name)
	}
	for c, err := range d.Customers.All(ctx, crm.Where("any(memberships, .segment.key == $1)", key), crm.OrderBy("name")) {
		require.NoError(t, err)
		written = append(written, c.Name)
	}
	n, err := d.Segments.Count(ctx, key)
	require.NoError(t, err)
	require.EqualValues(t, len(now), n)
	return now, written
}

// both holds that a segment has these customers, asked now and as it is written down.
func (d *desk) both(ctx context.Context, t *testing.T, key string, want ...string) {
	t.Helper()
	now, written := d.in(ctx, t, key)
	require.Equal(t, append([]string{}, want...), now)
	require.Equal(t, now, written)
}

func TestADynamicSegmentFollowsItsCondition(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		ada := d.person(ctx, t, "Ada", "")
		bob := d.person(ctx, t, "Bob", "")
		d.dynamic(ctx, t, "germans", "country == $1", "DE")
		d.run(t)
		d.both(ctx, t, "germans")
		require.Empty(t, m.since(t, d))

		_, err := d.Customers.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Country = "DE"; return nil })
		require.NoError(t, err)
		now, written := d.in(ctx, t, "germans")
		require.Equal(t, []string{"Ada"}, now, "who is in is asked at once")
		require.Empty(t, written, "and written down soon")
		is, err := d.Segments.Contains(ctx, "germans", ada.ID)
		require.NoError(t, err)
		require.True(t, is)
		d.run(t)
		d.both(ctx, t, "germans", "Ada")
		require.Equal(t, []string{"+Ada"}, m.since(t, d))
		of, err := d.Segments.Of(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, of, 1)

		_, err = d.Customers.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Language = "de"; return nil })
		require.NoError(t, err)
		d.run(t)
		require.Empty(t, m.since(t, d), "nothing that it asks about changed")

		_, err = d.Segments.Update(ctx, d.segment(ctx, t, "germans").ID, func(s *customers.Segment) error {
			s.Where = crm.Filter{Text: "country == nil"}
			return nil
		})
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "germans", "Bob")
		require.Equal(t, []string{"+Bob", "-Ada"}, m.since(t, d), "another condition")

		require.NoError(t, d.Customers.Delete(ctx, bob.ID))
		d.run(t)
		d.both(ctx, t, "germans")
		_, err = d.Customers.Restore(ctx, bob.ID)
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "germans", "Bob")
		require.Empty(t, m.since(t, d), "who is away is not seen, and did not leave")

		e, err := d.Segments.Evaluate(ctx, "germans")
		require.NoError(t, err)
		require.Zero(t, e, "a second look finds nothing")
		page, err := d.Segments.Changes(ctx, "germans")
		require.NoError(t, err)
		require.Len(t, page.Items, 3)
	})
}

// TestSegmentsFollowWhatBelongsToCustomers holds that purchases, events, references and
// custom fields move those whom they concern.
func TestSegmentsFollowWhatBelongsToCustomers(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		_, err := d.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		org, err := d.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme"})
		require.NoError(t, err)
		_, err = d.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Branch", ParentID: org.ID})
		require.NoError(t, err)
		d.dynamic(ctx, t, "buyers", "count(purchases, .amount > $1) >= 1", crm.EUR(10_00))
		d.dynamic(ctx, t, "viewers", "count(events, .name == 'price viewed') >= 2")
		d.dynamic(ctx, t, "french", "parent.country == 'FR'")
		d.dynamic(ctx, t, "gold", "custom.tier == 'gold'")
		d.dynamic(ctx, t, "vip", "'vip' in tags")
		d.run(t)

		bought, err := d.Purchases.Create(ctx, customers.Purchase{CustomerID: ada.ID, Amount: crm.EUR(30_00)})
		require.NoError(t, err)
		for range 2 {
			_, err = d.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "price viewed"}, customers.Event{Visitor: "v", Name: "price viewed"})
			require.NoError(t, err)
		}
		_, err = d.Customers.Update(ctx, org.ID, func(c *customers.Customer) error { c.Country = "FR"; return nil })
		require.NoError(t, err)
		_, err = d.Customers.Update(ctx, bob.ID, func(c *customers.Customer) error {
			c.Tags = []string{"vip"}
			c.Custom.Set("tier", "gold")
			return nil
		})
		require.NoError(t, err)
		d.run(t)
		for key, want := range map[string]string{"buyers": "Ada", "viewers": "Ada", "french": "Branch", "gold": "Bob", "vip": "Bob"} {
			d.both(ctx, t, key, want)
		}
		require.Equal(t, []string{"+Ada", "+Ada", "+Bob", "+Bob", "+Branch"}, m.since(t, d))

		_, err = d.Purchases.Update(ctx, bought.ID, func(p *customers.Purchase) error { p.CustomerID = bob.ID; return nil })
		require.NoError(t, err)
		_, err = d.Behaviour.Stitch(ctx, "v", bob.ID)
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "buyers", "Bob")
		d.both(ctx, t, "viewers", "Ada", "Bob")
		require.Equal(t, []string{"+Bob", "+Bob", "-Ada"}, m.since(t, d))

		require.NoError(t, d.Purchases.Delete(ctx, bought.ID))
		d.run(t)
		d.both(ctx, t, "buyers")
		_, err = d.Purchases.Restore(ctx, bought.ID)
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "buyers", "Bob")
		require.NoError(t, d.Purchases.Purge(ctx, bought.ID))
		d.run(t)
		d.both(ctx, t, "buyers")
	})
}

func TestSegmentsFollowQuietChangesQuietly(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		_, err := d.Segments.Create(ctx, customers.Segment{
			Key: "germans", Name: "In Germany", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == 'DE'"},
		})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		for name, ctx := range map[string]context.Context{"Former": crm.Quietly(ctx), "New": ctx} {
			_, err := d.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: name, Country: "DE"})
			require.NoError(t, err)
		}
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, []string{"+New"}, m.since(t, d), "nobody is told of who came quietly")
		page, err := d.Segments.Changes(ctx, "germans")
		require.NoError(t, err)
		require.Len(t, page.Items, 2, "both came")
	})
}

package customers_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func (d *desk) static(ctx context.Context, t *testing.T, key string) customers.Segment {
	t.Helper()
	made, err := d.Segments.Create(ctx, customers.Segment{Key: key, Name: key, Kind: customers.StaticSegment})
	require.NoError(t, err)
	return made
}

func TestAStaticSegmentHasWhoWasAdded(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		d.static(ctx, t, "fair")
		n, err := d.Segments.Add(ctx, "fair", ada.ID, bob.ID, ada.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		d.both(ctx, t, "fair", "Ada", "Bob")
		n, err = d.Segments.Add(ctx, "fair", ada.ID)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = d.Segments.Remove(ctx, "fair", bob.ID, bob.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = d.Segments.Remove(ctx, "fair", bob.ID)
		require.NoError(t, err)
		require.Zero(t, n)
		d.both(ctx, t, "fair", "Ada")
		e, err := d.Segments.Evaluate(ctx, "fair")
		require.NoError(t, err)
		require.Zero(t, e)
		d.run(t)
		require.Equal(t, []string{"+Ada", "+Bob", "-Bob"}, m.since(t, d))

		_, err = d.Segments.Add(ctx, "fair", crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Segments.Add(ctx, "none", ada.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Segments.Add(ctx, "fair", make([]crm.ID, 1001)...)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Segments.Reset(ctx, "fair", ada.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// TestWhatIsDoneByHandStays holds that a condition does not undo what a person decided.
func TestWhatIsDoneByHandStays(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		country := func(id crm.ID, code string) {
			_, err := d.Customers.Update(ctx, id, func(c *customers.Customer) error { c.Country = code; return nil })
			require.NoError(t, err)
			d.run(t)
		}
		d.dynamic(ctx, t, "germans", "country == 'FR' or country == $1", "DE")
		country(ada.ID, "DE")
		n, err := d.Segments.Add(ctx, "germans", ada.ID, bob.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		d.both(ctx, t, "germans", "Ada", "Bob")
		country(ada.ID, "GB")
		country(bob.ID, "GB")
		d.both(ctx, t, "germans", "Ada", "Bob")
		require.True(t, d.segment(ctx, t, "germans").ByHand)

		n, err = d.Segments.Remove(ctx, "germans", bob.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		country(bob.ID, "FR")
		d.both(ctx, t, "germans", "Ada")
		_, err = d.Segments.Evaluate(ctx, "germans")
		require.NoError(t, err)
		d.both(ctx, t, "germans", "Ada")

		e, err := d.Segments.Reset(ctx, "germans", ada.ID, bob.ID)
		require.NoError(t, err)
		require.Equal(t, customers.Evaluation{Entered: 1, Left: 1}, e)
		d.both(ctx, t, "germans", "Bob")
		d.run(t)
		require.Equal(t, []string{"+Ada", "+Bob", "+Bob", "-Ada", "-Bob"}, m.since(t, d))
		page, err := d.Segments.Changes(ctx, "germans", crm.Where("by_hand"))
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
	})
}

func TestTimeAloneMovesCustomers(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, m *movement) {
		ada := d.person(ctx, t, "Ada", "")
		_, err := d.Purchases.Create(ctx, customers.Purchase{CustomerID: ada.ID, Amount: crm.EUR(1)})
		require.NoError(t, err)
		d.dynamic(ctx, t, "active", "any(purchases, .at > ago('90d'))")
		d.dynamic(ctx, t, "lapsed", "purchase_count > 0 and last_purchase <= ago('90d')")
		d.run(t)
		require.Equal(t, []string{"+Ada"}, m.since(t, d))
		d.Clock.Advance(90*24*time.Hour + time.Hour)
		now, _ := d.in(ctx, t, "lapsed")
		require.Equal(t, []string{"Ada"}, now, "asked, it is so at once")
		d.run(t)
		d.both(ctx, t, "active")
		d.both(ctx, t, "lapsed", "Ada")
		require.Equal(t, []string{"+Ada", "-Ada"}, m.since(t, d))
	})
}

func TestWhatASegmentCannotBe(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, _ *movement) {
		segment := func(change func(*customers.Segment)) customers.Segment {
			s := customers.Segment{Key: "a", Name: "A", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "true"}}
			change(&s)
			return s
		}
		many := make([]any, 91)
		for i := range many {
			many[i] = "x"
		}
		for _, c := range []struct {
			s     customers.Segment
			field string
		}{
			{segment(func(s *customers.Segment) { s.Key = "Über" }), "key"},
			{segment(func(s *customers.Segment) { s.Name = "" }), "name"},
			{segment(func(s *customers.Segment) { s.Kind = "fuzzy" }), "kind"},
			{segment(func(s *customers.Segment) { s.Kind = customers.StaticSegment }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: " // nothing"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "colour == 'red'"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "true) or (true"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "country == $1"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "country == $1", Args: []any{make(chan int)}} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "owner_id == me()"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "any(memberships, .by_hand)"} }), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "any(audiences, .audience.name == 'x')"} }), "where"},
			{segment(func(s *customers.Segment) {
				s.Where = crm.Filter{Text: "country == '" + strings.Repeat("x", 3500) + "'"}
			}), "where"},
			{segment(func(s *customers.Segment) { s.Where = crm.Filter{Text: "country in ['a']", Args: many} }), "where"},
		} {
			_, err := d.Segments.Create(ctx, c.s)
			var invalid *crm.InvalidError
			require.ErrorAs(t, err, &invalid, "%v", c.s)
			require.Equal(t, c.field, invalid.Faults[0].Field, "%v", err)
		}
		n, err := d.Segments.Collection.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		made := d.dynamic(ctx, t, "a", "true")
		_, err = d.Segments.Update(ctx, made.ID, func(s *customers.Segment) error {
			s.Kind, s.Where = customers.StaticSegment, crm.Filter{}
			return nil
		})
		require.ErrorContains(t, err, "kind: is dynamic, and stays so")
		_, err = d.Segments.Create(ctx, segment(func(*customers.Segment) {}))
		require.ErrorIs(t, err, crm.ErrConflict)
		// As many relations as a condition may have leave room for what is asked besides.
		ten := strings.Repeat("any(purchases, .at > ago('1d')) and ", 9) + "any(events, .name == 'x')"
		_, err = d.Segments.Create(ctx, customers.Segment{Key: "ten", Name: "Ten", Kind: customers.DynamicSegment, Where: crm.Filter{Text: ten}})
		require.ErrorContains(t, err, "where")
	})
}

func TestAFieldASegmentNamesStays(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, _ *movement) {
		f, err := d.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		made := d.dynamic(ctx, t, "gold", "custom.tier == 'gold'")
		err = d.Fields.Delete(ctx, f.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, `segment "gold"`)
		require.NoError(t, d.Segments.Delete(ctx, made.ID))
		require.NoError(t, d.Fields.Delete(ctx, f.ID))
		_, err = d.Segments.Restore(ctx, made.ID)
		require.ErrorIs(t, err, crm.ErrInvalid, "what it asks about is gone")
		_, err = d.Fields.Restore(ctx, f.ID)
		require.NoError(t, err)
		_, err = d.Segments.Restore(ctx, made.ID)
		require.NoError(t, err)
		require.ErrorIs(t, d.Fields.Delete(ctx, f.ID), crm.ErrConflict)
		d.run(t)
		require.NoError(t, d.Segments.Purge(ctx, made.ID))
		require.NoError(t, d.Fields.Delete(ctx, f.ID))
	})
}

// TestSegmentsAndRights holds that a segment is the same for all, and shows to each what
// he may read.
func TestSegmentsAndRights(t *testing.T) {
	withSegments(t, func(_ context.Context, t *testing.T, d *desk, _ *movement) {
		system := crm.System(t.Context(), "acme")
		read := crm.Allow("segment", crm.LevelAll, crm.VerbRead)
		own := crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate)
		hidden := crm.FieldRule{Object: "customer", Field: "country", Access: crm.FieldHidden}
		d.role(t, "rep", slices.Concat(read, own, crm.Allow("audience", crm.LevelAll, crm.VerbRead)), hidden)
		d.role(t, "blind", own, hidden)
		d.role(t, "author", slices.Concat(own, crm.Allow("segment", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate)), hidden)
		rep, author, blind := as(t, "rep"), as(t, "author"), as(t, "blind")
		mine := d.person(rep, t, "Mine", "")
		other := d.person(system, t, "Other", "")
		for _, id := range []crm.ID{mine.ID, other.ID} {
			_, err := d.Customers.Update(system, id, func(c *customers.Customer) error { c.Country = "DE"; return nil })
			require.NoError(t, err)
		}
		d.dynamic(system, t, "germans", "country == 'DE'")
		d.run(t)
		d.both(rep, t, "germans", "Mine")
		d.both(system, t, "germans", "Mine", "Other")
		_, err := d.Segments.Contains(rep, "germans", other.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		page, err := d.Segments.Changes(rep, "germans")
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		_, err = d.Segments.Count(rep, "germans", crm.Where("country == 'DE'"))
		require.ErrorIs(t, err, crm.ErrForbidden, "his own condition is under his rights")
		audience, err := d.Segments.Snapshot(system, "germans", "Mailing")
		require.NoError(t, err)
		require.EqualValues(t, 2, audience.Members)
		seen, err := d.Segments.Audiences.Customers(rep, audience.ID)
		require.NoError(t, err)
		require.Len(t, seen.Items, 1)

		for _, err := range []error{
			second(d.Segments.Count(blind, "germans")), second(d.Segments.Members(blind, "germans")), second(d.Segments.Contains(blind, "germans", mine.ID)),
			second(d.Segments.Overlap(blind, "germans", "germans2")), second(d.Segments.Add(blind, "germans", mine.ID)), second(d.Segments.Snapshot(blind, "germans", "x")),
			second(d.Segments.Evaluate(blind, "germans")), second(d.Segments.Changes(blind, "germans")), second(d.Segments.Audiences.Customers(blind, audience.ID)),
		} {
			require.ErrorIs(t, err, crm.ErrForbidden, "he may read no segment")
		}
		for _, err := range []error{
			second(d.Segments.Add(rep, "germans", mine.ID)), second(d.Segments.Remove(rep, "germans", mine.ID)), second(d.Segments.Reset(rep, "germans", mine.ID)),
			second(d.Segments.Evaluate(rep, "germans")), second(d.Segments.Snapshot(rep, "germans", "x")),
		} {
			require.ErrorIs(t, err, crm.ErrForbidden, "he may only read it")
		}
		_, err = d.Segments.Add(author, "germans", other.ID)
		require.ErrorIs(t, err, crm.ErrNotFound, "a customer he may not read")
		_, err = d.Segments.Create(author, customers.Segment{Key: "x", Name: "X", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == 'DE'"}})
		require.ErrorIs(t, err, crm.ErrForbidden, "nobody learns by a segment what is hidden from him")
		_, err = d.Segments.Update(author, d.segment(system, t, "germans").ID, func(s *customers.Segment) error { s.Name = "Germans"; return nil })
		require.NoError(t, err, "the condition of another stays his")
		_, err = d.Segments.Count(crm.System(t.Context(), "globex"), "germans")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestOverlapAndSnapshot(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, _ *movement) {
		for _, c := range []struct {
			name, country string
			tags          []string
		}{{"Ada", "GB", []string{"vip"}}, {"Bob", "DE", nil}, {"Cleo", "DE", []string{"vip"}}, {"Dan", "", nil}} {
			_, err := d.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: c.name, Country: c.country, Tags: c.tags})
			require.NoError(t, err)
		}
		d.dynamic(ctx, t, "germans", "country == $1", "DE")
		d.dynamic(ctx, t, "vip", "$1 in tags", "vip")
		d.static(ctx, t, "fair")
		for c, err := range d.Customers.All(ctx, crm.Where("name in ['Cleo', 'Dan']")) {
			require.NoError(t, err)
			_, err = d.Segments.Add(ctx, "fair", c.ID)
			require.NoError(t, err)
		}
		o, err := d.Segments.Overlap(ctx, "germans", "vip", "fair")
		require.NoError(t, err)
		require.Equal(t, []customers.Overlap{
			{Keys: []string{"germans"}, Count: 2}, {Keys: []string{"vip"}, Count: 2}, {Keys: []string{"fair"}, Count: 2},
			{Keys: []string{"germans", "vip"}, Count: 1}, {Keys: []string{"germans", "fair"}, Count: 1}, {Keys: []string{"vip", "fair"}, Count: 1},
			{Keys: []string{"germans", "vip", "fair"}, Count: 1},
		}, o)
		for _, keys := range [][]string{{"vip"}, {"vip", "vip"}, {"a", "b", "c", "d", "e", "f"}} {
			_, err = d.Segments.Overlap(ctx, keys...)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		_, err = d.Segments.Overlap(ctx, "vip", "none")
		require.ErrorIs(t, err, crm.ErrNotFound)

		spring, err := d.Segments.Snapshot(ctx, "vip", "Spring")
		require.NoError(t, err)
		require.EqualValues(t, 2, spring.Members)
		require.Equal(t, d.Clock.Now(), spring.Taken)
		fair, err := d.Segments.Snapshot(ctx, "fair", "Fair")
		require.NoError(t, err)
		require.EqualValues(t, 2, fair.Members)
		for c, err := range d.Customers.All(ctx) {
			require.NoError(t, err)
			_, err = d.Customers.Update(ctx, c.ID, func(c *customers.Customer) error { c.Tags = nil; return nil })
			require.NoError(t, err)
		}
		d.both(ctx, t, "vip")
		page, err := d.Segments.Audiences.Customers(ctx, spring.ID, crm.OrderBy("name"))
		require.NoError(t, err)
		require.Len(t, page.Items, 2, "who was in it is in it")
		_, err = d.Segments.Audiences.Update(ctx, spring.ID, func(a *customers.Audience) error { a.Members = 7; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Segments.Audiences.Update(ctx, spring.ID, func(a *customers.Audience) error { a.SegmentID = fair.SegmentID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, d.Segments.Delete(ctx, spring.SegmentID), crm.ErrConflict, "an audience refers to it")
	})
}

// TestMembershipsFollowAMerge holds that members by hand go with a merge and come back
// when it is undone, and that an erased person leaves nothing that says when he did what.
func TestMembershipsFollowAMerge(t *testing.T) {
	withSegments(t, func(ctx context.Context, t *testing.T, d *desk, _ *movement) {
		ada, twin := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Augusta", "")
		d.static(ctx, t, "fair")
		d.dynamic(ctx, t, "germans", "country == 'DE'")
		_, err := d.Segments.Add(ctx, "fair", twin.ID)
		require.NoError(t, err)
		_, err = d.Segments.Add(ctx, "germans", twin.ID)
		require.NoError(t, err)
		_, err = d.Segments.Remove(ctx, "germans", ada.ID)
		require.NoError(t, err)
		_, err = d.Segments.Reset(ctx, "germans", ada.ID)
		require.NoError(t, err)
		audience, err := d.Segments.Snapshot(ctx, "fair", "Fair")
		require.NoError(t, err)
		_, merge, err := d.Customers.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "fair", "Ada")
		d.both(ctx, t, "germans", "Ada")
		page, err := d.Segments.Audiences.Customers(ctx, audience.ID)
		require.NoError(t, err)
		require.Equal(t, "Ada", page.Items[0].Name)
		_, err = d.Customers.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		d.run(t)
		d.both(ctx, t, "fair", "Augusta")
		d.both(ctx, t, "germans", "Augusta")

		var out bytes.Buffer
		_, err = d.Customers.ExportPerson(ctx, &out, twin.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Contains(t, out.String(), "segment_change")
		require.Contains(t, out.String(), "segment_member")
		_, err = d.Customers.ErasePerson(crm.System(t.Context(), "acme"), twin.ID, "asked by mail")
		require.NoError(t, err)
		changes, err := d.Segments.Changes(ctx, "fair")
		require.NoError(t, err)
		require.Empty(t, changes.Items)
		d.run(t)
	})
}

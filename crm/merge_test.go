package crm_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// merged merges companies by the rules that apply when none are given.
func (s *shop) merged(tb testing.TB, ctx context.Context, survivor crm.ID, absorbed ...crm.ID) (company, crm.Merge) { //nolint:revive // the test comes first
	tb.Helper()
	c, m, err := s.companies.Merge(ctx, survivor, absorbed, crm.MergeRules{})
	require.NoError(tb, err)
	return c, m
}

func (s *shop) deal(tb testing.TB, ctx context.Context, name string, of crm.ID) deal { //nolint:revive // the test comes first
	tb.Helper()
	d, err := s.deals.Create(ctx, deal{Name: name, CompanyID: of})
	require.NoError(tb, err)
	return d
}

func (s *shop) companyOf(tb testing.TB, ctx context.Context, d deal) crm.ID { //nolint:revive // the test comes first
	tb.Helper()
	d, err := s.deals.Get(ctx, d.ID, crm.WithDeleted())
	require.NoError(tb, err)
	return d.CompanyID
}

// pair are two companies that are the same.
func (s *shop) pair(tb testing.TB, ctx context.Context) (a, b company) { //nolint:revive // the test comes first
	tb.Helper()
	ten, twenty := int64(10), int64(20)
	a, err := s.companies.Create(ctx, company{
		Record: crm.Record{Refs: crm.Refs{"erp": "a", "shop": "1"}}, Name: "Acme", Country: "US", Tags: []string{"old", "vip"}, Employees: &ten,
	})
	require.NoError(tb, err)
	b, err = s.companies.Create(ctx, company{
		Record: crm.Record{Refs: crm.Refs{"erp": "b", "mail": "x"}}, Name: "ACME Inc.", Email: "info@acme.example", Country: "DE", Tags: []string{"new", "vip"}, Employees: &twenty, VIP: true,
		Founded: crm.Date{Year: 1996, Month: time.May, Day: 1},
	})
	require.NoError(tb, err)
	s.Clock.Advance(time.Minute)
	return a, b
}

func TestMerge(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		of, gone := s.deal(t, ctx, "of b", b.ID), s.deal(t, ctx, "of b, deleted", b.ID)
		require.NoError(t, s.deals.Delete(ctx, gone.ID))
		child, err := s.companies.Create(ctx, company{Name: "Child", ParentID: b.ID})
		require.NoError(t, err)

		s.Clock.Advance(time.Minute)
		kept, m, err := s.companies.Merge(crm.Because(ctx, "the same"), a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, a.ID, kept.ID)
		require.Equal(t, "Acme", kept.Name, "what the survivor has stays")
		require.Equal(t, "US", kept.Country)
		require.EqualValues(t, 10, *kept.Employees)
		require.Equal(t, "info@acme.example", kept.Email, "what it has not is filled in, unique values too")
		require.True(t, kept.VIP)
		require.Equal(t, b.Founded, kept.Founded)
		require.Equal(t, []string{"new", "old", "vip"}, kept.Tags, "lists are united")
		require.Equal(t, crm.Refs{"erp": "a", "shop": "1", "mail": "x"}, kept.Refs)
		got, err := s.companies.Get(ctx, a.ID)
		require.NoError(t, err)
		require.Equal(t, kept, got)

		require.Equal(t, crm.Merge{
			ID: m.ID, Object: "company", Survivor: a.ID, Absorbed: []crm.ID{b.ID}, Version: 2, Happened: s.Clock.Now(), Recorded: s.Clock.Now(),
			Actor: "member:dana", Cause: "the same", Relinked: map[string]int64{"deal": 2, "company": 1},
		}, m)
		require.Equal(t, a.ID, s.companyOf(t, ctx, of))
		require.Equal(t, a.ID, s.companyOf(t, ctx, gone), "a deleted one too, which may be restored")
		_, err = s.deals.Restore(ctx, gone.ID)
		require.NoError(t, err)
		child, err = s.companies.Get(ctx, child.ID)
		require.NoError(t, err)
		require.Equal(t, a.ID, child.ParentID)

		history, err := s.deals.History(ctx, of.ID)
		require.NoError(t, err)
		require.Equal(t, "deal.relinked", history.Items[0].Name)
		require.Equal(t, "member:dana", history.Items[0].Actor)
		require.Equal(t, "the same", history.Items[0].Cause)
		for _, id := range []crm.ID{a.ID, b.ID} {
			log, err := s.companies.Merges(ctx, id)
			require.NoError(t, err)
			require.Equal(t, []crm.Merge{m}, log.Items)
		}
		s.whole(t)
	})
}

func TestAnIdThatWasMergedLeadsToTheSurvivor(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		c := s.company(t, ctx, "Acme Holding")
		s.merged(t, ctx, a.ID, b.ID)
		s.merged(t, ctx, c.ID, a.ID)
		for _, old := range []crm.ID{a.ID, b.ID} {
			got, err := s.companies.Get(ctx, old)
			require.NoError(t, err)
			require.Equal(t, c.ID, got.ID)
			id, err := s.Current(ctx, "company", old)
			require.NoError(t, err)
			require.Equal(t, c.ID, id)
			got, err = s.companies.Get(ctx, old, crm.WithDeleted())
			require.NoError(t, err)
			require.Equal(t, old, got.ID, "itself, as it lies there")

			got, err = s.companies.Update(ctx, old, func(c *company) error { c.Tags = append(c.Tags, old.String()); return nil })
			require.NoError(t, err)
			require.Equal(t, c.ID, got.ID)
			_, err = s.companies.Update(ctx, old, func(*company) error { return nil }, crm.IfVersion(1))
			require.ErrorIs(t, err, crm.ErrConflict)

			d, err := s.deals.Create(ctx, deal{Name: "by an old id", CompanyID: old})
			require.NoError(t, err)
			require.Equal(t, c.ID, d.CompanyID)
			d, err = s.deals.Update(ctx, s.deal(t, ctx, "x", crm.ID{}).ID, func(d *deal) error { d.CompanyID = old; return nil })
			require.NoError(t, err)
			require.Equal(t, c.ID, d.CompanyID)
			list, err := s.deals.CreateAll(ctx, []deal{{Name: "1", CompanyID: a.ID}, {Name: "2", CompanyID: c.ID}, {Name: "3", CompanyID: b.ID}})
			require.NoError(t, err)
			for _, d := range list {
				require.Equal(t, c.ID, d.CompanyID)
			}

			var conflict *crm.ConflictError
			require.ErrorAs(t, s.companies.Delete(ctx, old), &conflict)
			require.Equal(t, c.ID, conflict.Holder)
			_, err = s.companies.Restore(ctx, old)
			require.ErrorAs(t, err, &conflict)
			require.ErrorContains(t, err, "undo that by Unmerge")
		}
		for _, refs := range []crm.Refs{{"erp": "a"}, {"erp": "b"}, {"mail": "x"}, {"erp": "b", "mail": "x"}, {"erp": "b", "new": "1"}} {
			got, did, err := s.companies.Upsert(ctx, company{Record: crm.Record{Refs: refs}, Name: "Acme Holding", VIP: true})
			require.NoError(t, err)
			require.Equal(t, c.ID, got.ID, "%v", refs)
			if refs["new"] == "" {
				require.Equal(t, crm.Unchanged, did, "%v", refs)
			}
		}
		require.NoError(t, s.companies.Delete(ctx, s.company(t, ctx, "nobody").ID))
		got, err := s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Refs{"erp": "a", "shop": "1", "mail": "x", "new": "1"}, got.Refs)

		// What is gone is gone by all ids.
		for _, d := range []string{"by an old id", "x", "1", "2", "3"} {
			for of, err := range s.deals.All(ctx, crm.Where("name == $1", d)) {
				require.NoError(t, err)
				require.NoError(t, s.deals.Delete(ctx, of.ID))
			}
		}
		require.NoError(t, s.companies.Delete(ctx, c.ID))
		_, err = s.companies.Get(ctx, b.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = s.deals.Create(ctx, deal{Name: "x", CompanyID: b.ID})
		require.ErrorIs(t, err, crm.ErrInvalid)
		s.whole(t)
	})
}

func TestMergesThatAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		gone := s.company(t, ctx, "Gone")
		require.NoError(t, s.companies.Delete(ctx, gone.ID))
		middle, err := s.companies.Create(ctx, company{Name: "Middle", ParentID: b.ID})
		require.NoError(t, err)
		below, err := s.companies.Create(ctx, company{Name: "Below", ParentID: middle.ID})
		require.NoError(t, err)
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		theirs, err := s.companies.Create(foreign, company{Name: "Theirs"})
		require.NoError(t, err)
		x, y := s.company(t, ctx, "X"), s.company(t, ctx, "Y")
		s.merged(t, ctx, x.ID, y.ID)

		for what, c := range map[string]struct {
			survivor crm.ID
			absorbed []crm.ID
			rules    crm.MergeRules
			kind     error
			says     string
		}{
			"itself":              {a.ID, []crm.ID{a.ID}, crm.MergeRules{}, crm.ErrInvalid, "not merged with itself"},
			"nobody":              {a.ID, nil, crm.MergeRules{}, crm.ErrInvalid, "names no record"},
			"twice":               {a.ID, []crm.ID{b.ID, b.ID}, crm.MergeRules{}, crm.ErrInvalid, "twice"},
			"too many":            {a.ID, make([]crm.ID, 101), crm.MergeRules{}, crm.ErrInvalid, "100 are absorbed"},
			"missing":             {a.ID, []crm.ID{{1}}, crm.MergeRules{}, crm.ErrNotFound, crm.ID{1}.String()},
			"missing survivor":    {crm.ID{1}, []crm.ID{a.ID}, crm.MergeRules{}, crm.ErrNotFound, crm.ID{1}.String()},
			"of another tenant":   {a.ID, []crm.ID{theirs.ID}, crm.MergeRules{}, crm.ErrNotFound, theirs.ID.String()},
			"deleted":             {a.ID, []crm.ID{gone.ID}, crm.MergeRules{}, crm.ErrConflict, "was deleted: restore it first"},
			"deleted survivor":    {gone.ID, []crm.ID{a.ID}, crm.MergeRules{}, crm.ErrConflict, "was deleted: restore it first"},
			"merged already":      {a.ID, []crm.ID{y.ID}, crm.MergeRules{}, crm.ErrConflict, "was merged into another record"},
			"merged into it":      {x.ID, []crm.ID{y.ID}, crm.MergeRules{}, crm.ErrConflict, "was merged into another record"},
			"a circle":            {below.ID, []crm.ID{b.ID}, crm.MergeRules{}, crm.ErrInvalid, "parent_id: would make a circle"},
			"no such field":       {a.ID, []crm.ID{b.ID}, crm.MergeRules{Fields: map[string]crm.MergeRule{"nme": crm.MergeMaster}}, crm.ErrInvalid, "fields.nme"},
			"a kernel's field":    {a.ID, []crm.ID{b.ID}, crm.MergeRules{From: map[string]crm.ID{"version": b.ID}}, crm.ErrInvalid, "from.version"},
			"no such rule":        {a.ID, []crm.ID{b.ID}, crm.MergeRules{Fields: map[string]crm.MergeRule{"name": "best"}}, crm.ErrInvalid, "is none of master"},
			"no such rule at all": {a.ID, []crm.ID{b.ID}, crm.MergeRules{Rule: crm.MergeUnion}, crm.ErrInvalid, "rule"},
			"a union of no lists": {a.ID, []crm.ID{b.ID}, crm.MergeRules{Fields: map[string]crm.MergeRule{"name": crm.MergeUnion}}, crm.ErrInvalid, "is no list"},
			"from a stranger":     {a.ID, []crm.ID{b.ID}, crm.MergeRules{From: map[string]crm.ID{"name": x.ID}}, crm.ErrInvalid, "is none of the records"},
			"without a name":      {a.ID, []crm.ID{b.ID}, crm.MergeRules{From: map[string]crm.ID{"name": a.ID}, Fields: map[string]crm.MergeRule{"name": crm.MergeMaster}}, crm.ErrInvalid, "has a rule too"},
		} {
			_, _, err := s.companies.Merge(ctx, c.survivor, c.absorbed, c.rules)
			require.ErrorIs(t, err, c.kind, what)
			require.ErrorContains(t, err, c.says, what)
			preview, err := s.companies.PreviewMerge(ctx, c.survivor, c.absorbed, c.rules)
			if what == "a circle" {
				require.NoError(t, err)
				require.Len(t, preview.Faults, 1)
				require.Equal(t, "parent_id", preview.Faults[0].Field)
				continue
			}
			require.ErrorIs(t, err, c.kind, what)
		}
		for _, c := range []company{a, b, middle, below} {
			got, err := s.companies.Get(ctx, c.ID)
			require.NoError(t, err)
			require.Equal(t, c, got, "nothing is half done")
		}
		s.whole(t)
	})
}

func TestTheSurvivorTakesThePlaceOfItsParent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		top := s.company(t, ctx, "Top")
		parent, err := s.companies.Create(ctx, company{Name: "Parent", ParentID: top.ID})
		require.NoError(t, err)
		child, err := s.companies.Create(ctx, company{Name: "Child", ParentID: parent.ID})
		require.NoError(t, err)
		sibling, err := s.companies.Create(ctx, company{Name: "Sibling", ParentID: parent.ID})
		require.NoError(t, err)
		kept, m := s.merged(t, ctx, child.ID, parent.ID)
		require.Equal(t, top.ID, kept.ParentID)
		sibling, err = s.companies.Get(ctx, sibling.ID)
		require.NoError(t, err)
		require.Equal(t, child.ID, sibling.ParentID)
		u, err := s.companies.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Equal(t, parent.ID, u.Survivor.ParentID)
		require.Equal(t, top.ID, u.Absorbed[0].ParentID)
		require.Empty(t, u.Kept)
		sibling, err = s.companies.Get(ctx, sibling.ID)
		require.NoError(t, err)
		require.Equal(t, parent.ID, sibling.ParentID)

		kept, _ = s.merged(t, ctx, parent.ID, child.ID)
		require.Equal(t, top.ID, kept.ParentID, "the parent of the absorbed one is the survivor, and is not its own")
		s.whole(t)
	})
}

func TestMergeRules(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		c := s.company(t, ctx, "Acme Holding plc")
		s.Clock.Advance(time.Minute)
		_, err := s.companies.Update(ctx, a.ID, func(c *company) error { c.Country = "FR"; return nil })
		require.NoError(t, err)
		ids := []crm.ID{b.ID, c.ID}
		result := func(rules crm.MergeRules) company {
			p, err := s.companies.PreviewMerge(ctx, a.ID, ids, rules)
			require.NoError(t, err)
			require.Empty(t, p.Faults)
			return p.Result
		}
		require.Equal(t, "Acme", result(crm.MergeRules{}).Name)
		newest := result(crm.MergeRules{Rule: crm.MergeNewest})
		require.Equal(t, "Acme Holding plc", newest.Name, "set last")
		require.Equal(t, "FR", newest.Country, "changed last")
		require.EqualValues(t, 10, *newest.Employees, "set at the same time: the survivor's")
		complete := result(crm.MergeRules{Rule: crm.MergeComplete})
		require.Equal(t, "ACME Inc.", complete.Name)
		require.Equal(t, "DE", complete.Country)
		mixed := result(crm.MergeRules{
			Fields: map[string]crm.MergeRule{"name": crm.MergeNewest, "tags": crm.MergeMaster},
			From:   map[string]crm.ID{"country": b.ID, "vip": a.ID, "employees": c.ID},
		})
		require.Equal(t, "Acme Holding plc", mixed.Name)
		require.Equal(t, []string{"old", "vip"}, mixed.Tags)
		require.Equal(t, "DE", mixed.Country)
		require.False(t, mixed.VIP)
		require.Nil(t, mixed.Employees, "the value of a record that has none")

		p, err := s.companies.PreviewMerge(ctx, a.ID, ids, crm.MergeRules{From: map[string]crm.ID{"name": b.ID}})
		require.NoError(t, err)
		fields := map[string]crm.MergedField{}
		for _, f := range p.Fields {
			fields[f.Name] = f
		}
		require.Equal(t, crm.MergedField{
			Name: "name", From: []crm.ID{b.ID}, Value: json.RawMessage(`"ACME Inc."`),
			Values: map[crm.ID]json.RawMessage{a.ID: json.RawMessage(`"Acme"`), b.ID: json.RawMessage(`"ACME Inc."`), c.ID: json.RawMessage(`"Acme Holding plc"`)},
		}, fields["name"])
		require.Equal(t, []crm.ID{a.ID, b.ID}, fields["tags"].From)
		require.Equal(t, crm.MergeUnion, fields["tags"].Rule)
		require.NotContains(t, fields, "parent_id", "in which they do not differ")
		after, err := s.companies.Get(ctx, b.ID)
		require.NoError(t, err)
		require.Equal(t, b, after, "a preview changes nothing")
	})
}

func TestUnmerge(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		stays, away := s.deal(t, ctx, "stays", b.ID), s.deal(t, ctx, "goes elsewhere", b.ID)
		mine := s.deal(t, ctx, "mine", a.ID)
		other := s.company(t, ctx, "Other")
		s.Clock.Advance(time.Minute)
		kept, m := s.merged(t, ctx, a.ID, b.ID)
		s.Clock.Advance(time.Minute)

		// What happens since.
		kept, err := s.companies.Update(ctx, kept.ID, func(c *company) error {
			c.Name, c.Email, c.Tags = "Acme, renamed", "new@acme.example", append(c.Tags, "since")
			c.Refs["crm"] = "9"
			return nil
		})
		require.NoError(t, err)
		late := s.deal(t, ctx, "made since", b.ID)
		_, err = s.deals.Update(ctx, away.ID, func(d *deal) error { d.CompanyID = other.ID; return nil })
		require.NoError(t, err)
		_, err = s.deals.Update(ctx, mine.ID, func(d *deal) error { d.Name = "mine still"; return nil })
		require.NoError(t, err)

		s.Clock.Advance(time.Minute)
		u, err := s.companies.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Equal(t, "Acme, renamed", u.Survivor.Name)
		require.Equal(t, "new@acme.example", u.Survivor.Email, "it was changed since, and stays")
		require.Equal(t, []string{"old", "since", "vip"}, u.Survivor.Tags, "what was added since stays, what the merge added goes")
		require.False(t, u.Survivor.VIP)
		require.True(t, u.Survivor.Founded.IsZero())
		require.Equal(t, crm.Refs{"erp": "a", "shop": "1", "crm": "9"}, u.Survivor.Refs)
		back := u.Absorbed[0]
		require.Equal(t, b.ID, back.ID)
		b.Version, b.Updated = back.Version, back.Updated
		require.Equal(t, b, back)
		got, err := s.companies.Get(ctx, b.ID)
		require.NoError(t, err)
		require.Equal(t, back, got)

		var fields []string
		for _, k := range u.Kept {
			fields = append(fields, k.Name)
		}
		require.ElementsMatch(t, []string{"email", "tags"}, fields)
		require.Equal(t, map[string]int64{"deal": 1}, u.Returned)
		require.Equal(t, []crm.Reference{{Object: "deal", Record: away.ID, Field: "company_id"}}, u.Elsewhere)
		require.Equal(t, []crm.Reference{{Object: "deal", Record: late.ID, Field: "company_id"}}, u.New)
		require.EqualValues(t, 1, u.ElsewhereCount)
		require.EqualValues(t, 1, u.NewCount)
		require.Equal(t, s.Clock.Now(), u.Merge.Undone)
		require.Equal(t, "member:dana", u.Merge.UndoneBy)
		for d, of := range map[*deal]crm.ID{&stays: b.ID, &away: other.ID, &late: a.ID, &mine: a.ID} {
			require.Equal(t, of, s.companyOf(t, ctx, *d), d.Name)
		}
		_, err = s.companies.Unmerge(ctx, m.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "was undone already")
		_, err = s.companies.Unmerge(ctx, crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = s.companies.Unmerge(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"}), m.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		log, err := s.companies.Merges(ctx, b.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.Merge{u.Merge}, log.Items)

		// They can be merged again, and undone again.
		_, again := s.merged(t, ctx, b.ID, a.ID)
		_, err = s.companies.Unmerge(ctx, again.ID)
		require.NoError(t, err)
		log, err = s.companies.Merges(ctx, b.ID, crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, again.ID, log.Items[0].ID)
		log, err = s.companies.Merges(ctx, b.ID, crm.After(log.Next))
		require.NoError(t, err)
		require.Equal(t, []crm.Merge{u.Merge}, log.Items)
		_, err = s.companies.Merges(ctx, b.ID, crm.After("x"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		s.whole(t)
	})
}

func TestMergesAreUndoneInReverseOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b, c, d := s.company(t, ctx, "A"), s.company(t, ctx, "B"), s.company(t, ctx, "C"), s.company(t, ctx, "D")
		of := s.deal(t, ctx, "of b", b.ID)
		_, first := s.merged(t, ctx, a.ID, b.ID)
		_, second := s.merged(t, ctx, a.ID, d.ID)
		_, third := s.merged(t, ctx, c.ID, a.ID)
		require.Equal(t, c.ID, s.companyOf(t, ctx, of))
		_, err := s.companies.Unmerge(ctx, first.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "the survivor was merged itself since: undo merge "+third.ID.String()+" first")
		_, err = s.companies.Unmerge(ctx, third.ID)
		require.NoError(t, err)
		_, err = s.companies.Unmerge(ctx, first.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "undo merge "+second.ID.String()+" first")
		_, err = s.companies.Unmerge(ctx, second.ID)
		require.NoError(t, err)
		u, err := s.companies.Unmerge(ctx, first.ID)
		require.NoError(t, err)
		require.Empty(t, u.New, "what came back from a merge that was undone is not new")
		require.Equal(t, b.ID, s.companyOf(t, ctx, of))
		s.whole(t)
	})
}

func TestUnmergeOfWhatIsNotThere(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		_, m := s.merged(t, ctx, a.ID, b.ID)
		require.NoError(t, s.companies.Delete(ctx, a.ID))
		_, err := s.companies.Unmerge(ctx, m.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "the survivor was deleted since: restore it first")
		_, err = s.companies.Restore(ctx, a.ID)
		require.NoError(t, err)

		// A unique value that another has by now.
		_, err = s.companies.Update(ctx, a.ID, func(c *company) error { c.Email = ""; return nil })
		require.NoError(t, err)
		thief, err := s.companies.Create(ctx, company{Name: "Thief", Email: b.Email})
		require.NoError(t, err)
		_, err = s.companies.Unmerge(ctx, m.ID)
		var conflict *crm.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "email", conflict.Field)
		require.Equal(t, thief.ID, conflict.Holder)
		_, err = s.companies.Get(ctx, b.ID, crm.WithDeleted())
		require.NoError(t, err)
		require.NoError(t, s.companies.Delete(ctx, thief.ID))

		// A key in another system that another has by now is not given back, and said.
		_, err = s.companies.Update(ctx, a.ID, func(c *company) error { delete(c.Refs, "mail"); return nil })
		require.NoError(t, err)
		_, err = s.companies.Create(ctx, company{Record: crm.Record{Refs: crm.Refs{"mail": "x"}}, Name: "Another"})
		require.NoError(t, err)
		u, err := s.companies.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Refs{"erp": "b"}, u.Absorbed[0].Refs)
		require.Contains(t, u.Kept, crm.KeptField{Record: b.ID, Name: "refs.mail", Before: json.RawMessage(`"x"`)})

		// Purged.
		_, m = s.merged(t, ctx, a.ID, b.ID)
		require.NoError(t, s.companies.Purge(ctx, b.ID))
		got, err := s.companies.Get(ctx, b.ID)
		require.NoError(t, err)
		require.Equal(t, a.ID, got.ID, "the id leads on")
		_, err = s.companies.Unmerge(ctx, m.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "was purged since")
		x, y, z := s.company(t, ctx, "X"), s.company(t, ctx, "Y"), s.company(t, ctx, "Z")
		s.merged(t, ctx, x.ID, y.ID)
		s.merged(t, ctx, z.ID, x.ID)
		require.NoError(t, s.companies.Purge(ctx, x.ID))
		got, err = s.companies.Get(ctx, y.ID)
		require.NoError(t, err)
		require.Equal(t, z.ID, got.ID, "the chain holds without the one in the middle")
		require.NoError(t, s.companies.Purge(ctx, z.ID))
		_, err = s.companies.Get(ctx, y.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = s.companies.Restore(ctx, y.ID)
		require.NoError(t, err, "of what it was merged into nothing is left")
		s.whole(t)
	})
}

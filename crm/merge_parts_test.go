package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestMergeOfCustomFields(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Unique: true})
		tier := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldChoice, Options: options("a", "b")})
		s.field(t, ctx, crm.CustomField{Name: "topics", Type: crm.FieldMultiChoice, Options: options("x", "y", "z")})
		s.field(t, ctx, crm.CustomField{Name: "partner", Type: crm.FieldReference, To: "company"})
		s.field(t, ctx, crm.CustomField{Object: "deal", Name: "for", Type: crm.FieldReference, To: "company", Indexed: true})
		s.field(t, ctx, crm.CustomField{Object: "deal", Name: "by", Type: crm.FieldReference, To: "company"})
		create := func(name string, custom crm.Custom) company {
			c, err := s.companies.Create(ctx, company{Record: crm.Record{Custom: custom}, Name: name})
			require.NoError(t, err)
			return c
		}
		a := create("A", crm.Custom{"topics": []string{"x"}, "tier": "a"})
		b := create("B", crm.Custom{"topics": []string{"y"}, "tier": "b", "tax_no": "4711", "partner": a.ID})
		third := create("C", crm.Custom{"partner": b.ID})
		d, err := s.deals.Create(ctx, deal{Record: crm.Record{Custom: crm.Custom{"for": b.ID, "by": b.ID}}, Name: "D"})
		require.NoError(t, err)
		s.Clock.Advance(time.Minute)

		p, err := s.companies.PreviewMerge(ctx, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"deal": 2, "company": 1}, p.Relinked)
		kept, m, err := s.companies.Merge(ctx, a.ID, []crm.ID{b.ID}, crm.MergeRules{From: map[string]crm.ID{"custom.tier": b.ID}})
		require.NoError(t, err)
		require.Equal(t, p.Relinked, m.Relinked)
		require.Equal(t, crm.Custom{"topics": []string{"x", "y"}, "tier": "b", "tax_no": "4711"}, kept.Custom, "and is no partner of itself")
		is := func(forID, by, partner crm.ID) {
			t.Helper()
			got, err := s.deals.Get(ctx, d.ID)
			require.NoError(t, err)
			require.Equal(t, crm.Custom{"for": forID, "by": by}, got.Custom)
			n, err := s.deals.Count(ctx, crm.Where("custom.for == $1", forID))
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			c, err := s.companies.Get(ctx, third.ID)
			require.NoError(t, err)
			require.Equal(t, crm.Custom{"partner": partner}, c.Custom)
			s.whole(t)
		}
		is(a.ID, a.ID, a.ID)
		d2, err := s.deals.Create(ctx, deal{Record: crm.Record{Custom: crm.Custom{"for": b.ID, "by": b.ID.String()}}, Name: "by old ids"})
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"for": a.ID, "by": a.ID}, d2.Custom)
		got, did, err := s.companies.Upsert(ctx, company{Record: crm.Record{Custom: crm.Custom{"tax_no": "4711"}}, Name: "A"})
		require.NoError(t, err)
		require.Equal(t, a.ID, got.ID)
		require.Equal(t, crm.Unchanged, did)
		require.NoError(t, s.deals.Delete(ctx, d2.ID))

		// A field has another name by the time it is undone.
		_, err = s.Fields.Update(ctx, tier.ID, func(f *crm.CustomField) error { f.Name = "class"; return nil })
		require.NoError(t, err)
		s.Clock.Advance(time.Minute)
		u, err := s.companies.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"topics": []string{"x"}, "class": "a"}, u.Survivor.Custom)
		require.Equal(t, crm.Custom{"topics": []string{"y"}, "class": "b", "tax_no": "4711", "partner": a.ID}, u.Absorbed[0].Custom)
		require.Empty(t, u.Kept)
		is(b.ID, b.ID, b.ID)
	})
}

func TestMergeOfShares(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		f.give(t, f.ada, f.role(t, "Rep", crm.Allow("company", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)))
		f.give(t, f.bob, f.role(t, "Other", crm.Allow("company", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)))
		a, b := s.company(t, f.sys, "A"), s.company(t, f.sys, "B")
		share := func(id crm.ID, with crm.Member, access crm.ShareAccess) {
			_, err := s.Shares.Share(f.sys, "company", id, crm.WithMember(with.ID), access)
			require.NoError(t, err)
		}
		share(a.ID, f.ada, crm.ShareRead)
		share(b.ID, f.ada, crm.ShareWrite)
		share(b.ID, f.bob, crm.ShareRead)
		_, m := s.merged(t, f.sys, a.ID, b.ID)
		require.Equal(t, map[string]int64{"share": 1}, m.Relinked)
		for _, who := range []string{"ada", "bob"} {
			for _, id := range []crm.ID{a.ID, b.ID} {
				c, err := s.companies.Get(as(t, who), id)
				require.NoError(t, err, who)
				require.Equal(t, a.ID, c.ID)
			}
		}
		_, err := s.companies.Update(as(t, "ada"), a.ID, func(c *company) error { c.Name = "x"; return nil })
		require.ErrorIs(t, err, crm.ErrForbidden, "her own share of the survivor says what she may")
		_, err = s.companies.Unmerge(f.sys, m.ID)
		require.NoError(t, err)
		_, err = s.companies.Get(as(t, "bob"), a.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = s.companies.Get(as(t, "bob"), b.ID)
		require.NoError(t, err)
		_, err = s.companies.Update(as(t, "ada"), b.ID, func(c *company) error { c.Name = "x"; return nil })
		require.NoError(t, err)
		s.whole(t)
	})
}

func TestHistoryOfWhatWasMerged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.pair(t, ctx)
		c := s.company(t, ctx, "C")
		s.Clock.Advance(time.Minute)
		_, err := s.companies.Update(ctx, b.ID, func(c *company) error { c.Name = "B2"; return nil })
		require.NoError(t, err)
		s.Clock.Advance(time.Minute)
		s.merged(t, ctx, a.ID, b.ID)
		s.Clock.Advance(time.Minute)
		s.merged(t, ctx, c.ID, a.ID)
		names := func(id crm.ID, opts ...crm.ListOption) (names []string) {
			for cursor := ""; ; {
				p, err := s.companies.History(ctx, id, append(opts, crm.After(cursor), crm.Limit(2))...)
				require.NoError(t, err)
				for _, e := range p.Items {
					names = append(names, e.Name)
				}
				if cursor = p.Next; cursor == "" {
					return names
				}
			}
		}
		require.Equal(t, []string{"company.merged", "company.created"}, names(c.ID))
		require.Equal(t, []string{"company.absorbed", "company.updated", "company.created"}, names(b.ID), "each has its own")
		all := names(c.ID, crm.WithMerged())
		require.Len(t, all, 2+3+3)
		require.ElementsMatch(t, []string{"company.merged", "company.absorbed"}, all[:2])
		require.Equal(t, "company.updated", all[4])
		_, err = s.companies.History(ctx, c.ID, crm.WithMerged(), crm.After("1.2.3"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		was, err := s.companies.AsOf(ctx, b.ID, s.Clock.Now().Add(-90*time.Second))
		require.NoError(t, err)
		require.Equal(t, "B2", was.Name)
	})
}

func TestProcessesGoWithTheirRecord(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Single: true, Steps: []crm.Step{
			{Key: "won", Kind: crm.StepWait, Event: "deal.won", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		start := func(d deal) crm.ID {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			return in.ID
		}
		state := func(id crm.ID) (crm.ID, crm.InstanceState) {
			in, err := w.Instances.Get(ctx, id)
			require.NoError(t, err)
			return in.Record, in.State
		}
		a, b, c := w.deal(t, ctx), w.deal(t, ctx), w.deal(t, ctx)
		for range 5 { // the survivor's version is another one
			_, err := w.deals.Update(ctx, b.ID, func(d *deal) error { d.Score++; return nil })
			require.NoError(t, err)
		}
		ofB, ofC := start(b), start(c)
		w.run(t, 0)
		_, m, err := w.deals.Merge(ctx, a.ID, []crm.ID{b.ID, c.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.EqualValues(t, 1, m.Relinked["process_instance"], "the process runs on a record once")
		w.run(t, 0)
		record, is := state(ofB)
		require.Equal(t, a.ID, record)
		require.Equal(t, crm.InstanceWaiting, is)
		_, is = state(ofC)
		require.Equal(t, crm.InstanceCancelled, is)
		w.sound(t)
		u, err := w.deals.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, u.Returned["process_instance"])
		record, _ = state(ofB)
		require.Equal(t, b.ID, record)
		_, m, err = w.deals.Merge(ctx, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, err = w.deals.Do(ctx, a.ID, "won", func(d *deal) error { d.Stage, d.Amount = "won", crm.EUR(1); return nil })
		require.NoError(t, err)
		w.run(t, 0)
		_, is = state(ofB)
		require.Equal(t, crm.InstanceDone, is, "it heard of the survivor")
		_, err = w.deals.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		w.sound(t)
	})
}

func TestMergeUnderRights(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ada := as(t, "ada")
		verbs := []crm.Verb{crm.VerbRead, crm.VerbUpdate, crm.VerbDelete}
		own := func(name string, c company) company {
			c.OwnerID, c.Name = f.ada.ID, name
			made, err := s.companies.Create(f.sys, c)
			require.NoError(t, err)
			return made
		}
		a, b := own("A", company{Country: "US"}), own("B", company{Country: "DE", Email: "b@example.com", VIP: true})
		theirs := s.company(t, f.sys, "Theirs")
		d := s.deal(t, f.sys, "which ada may not read", b.ID)
		for _, missing := range verbs {
			var grants []crm.Grant
			for _, v := range verbs {
				if v != missing {
					grants = append(grants, crm.Allow("company", crm.LevelOwn, v)...)
				}
			}
			f.grant(t, grants)
			_, _, err := s.companies.Merge(ada, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
			require.ErrorIs(t, err, map[bool]error{true: crm.ErrNotFound, false: crm.ErrForbidden}[missing == crm.VerbRead], missing)
			_, err = s.companies.PreviewMerge(ada, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
			require.ErrorIs(t, err, map[bool]error{true: crm.ErrNotFound, false: crm.ErrForbidden}[missing == crm.VerbRead], missing)
		}
		f.grant(t, crm.Allow("company", crm.LevelOwn, verbs...),
			crm.FieldRule{Object: "company", Field: "email", Access: crm.FieldHidden}, crm.FieldRule{Object: "company", Field: "vip", Access: crm.FieldReadOnly})
		_, _, err := s.companies.Merge(ada, a.ID, []crm.ID{theirs.ID}, crm.MergeRules{})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, _, err = s.companies.Merge(ada, theirs.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.ErrorIs(t, err, crm.ErrNotFound)
		for _, field := range []string{"email", "vip"} {
			_, _, err := s.companies.Merge(ada, a.ID, []crm.ID{b.ID}, crm.MergeRules{From: map[string]crm.ID{field: b.ID}})
			require.ErrorIs(t, err, crm.ErrForbidden, field)
		}
		p, err := s.companies.PreviewMerge(ada, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Empty(t, p.Result.Email)
		for _, field := range p.Fields {
			require.NotEqual(t, "email", field.Name, "what she may not read is not in it")
			require.Equal(t, field.Name == "vip", field.Kept)
		}
		kept, m, err := s.companies.Merge(ada, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.False(t, kept.VIP, "what she may not write stays as it is")
		got, err := s.companies.Get(f.sys, a.ID)
		require.NoError(t, err)
		require.Empty(t, got.Email)
		require.Equal(t, a.ID, s.companyOf(t, f.sys, d), "it is relinked nevertheless")
		_, err = s.deals.Get(ada, d.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "and she may read it as little as before")

		_, err = s.companies.Unmerge(as(t, "bob"), m.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		f.grant(t, crm.Allow("company", crm.LevelOwn, crm.VerbRead))
		_, err = s.companies.Unmerge(ada, m.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		f.grant(t, crm.Allow("company", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate))
		_, err = s.companies.Unmerge(ada, m.ID)
		require.NoError(t, err)
		require.Equal(t, b.ID, s.companyOf(t, f.sys, d))
		s.whole(t)
	})
}

func TestMergeOfLedgers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b := s.company(t, ctx, "A"), s.company(t, ctx, "B")
		d := s.deal(t, ctx, "D", b.ID)
		same := crm.ID{7}
		at := func(n int) time.Time { return s.Clock.Now().Add(time.Duration(n) * time.Hour) }
		require.NoError(t, s.visits.Append(ctx,
			visit{CompanyID: a.ID, At: at(0), ID: same, Name: "of a"},
			visit{CompanyID: b.ID, At: at(0), ID: same, Name: "the same key"},
			visit{CompanyID: b.ID, At: at(1), ID: crm.ID{1}, Name: "goes", DealID: d.ID},
			visit{CompanyID: b.ID, At: at(2), ID: crm.ID{2}, Name: "is removed"},
		))
		of := func(id crm.ID) (names []string) {
			for v, err := range s.visits.All(ctx, crm.Where("company_id == $1", id), crm.OrderBy("at")) {
				require.NoError(t, err)
				names = append(names, v.Name)
			}
			return names
		}
		p, err := s.companies.PreviewMerge(ctx, a.ID, []crm.ID{b.ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, m := s.merged(t, ctx, a.ID, b.ID)
		require.Equal(t, p.Relinked, m.Relinked)
		require.Equal(t, map[string]int64{"deal": 1, "visit": 3}, m.Relinked)
		require.Equal(t, []string{"of a", "goes", "is removed"}, of(a.ID))
		require.Empty(t, of(b.ID))
		require.NoError(t, s.visits.Append(ctx, visit{CompanyID: b.ID, At: at(3), ID: crm.ID{3}, Name: "by the old id"}))
		require.NoError(t, s.visits.Remove(ctx, crm.Where("name == 'is removed'")))
		u, err := s.companies.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, u.Returned["visit"])
		require.Equal(t, []string{"of a", "by the old id"}, of(a.ID))
		require.Equal(t, []string{"the same key", "goes"}, of(b.ID))
		s.whole(t)
	})
}

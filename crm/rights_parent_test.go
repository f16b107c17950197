package crm_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// family is deals of several owners, a remark on each, replies to those, and replies to
// nothing.
type family struct {
	*office

	deals   map[string]deal // by their owner's key
	remarks map[string]remark
	replies map[string]reply
	alone   map[string]reply
}

func newFamily(t *testing.T, s *shop) *family {
	t.Helper()
	f := &family{office: newOffice(t, s), deals: map[string]deal{}, remarks: map[string]remark{}, replies: map[string]reply{}, alone: map[string]reply{}}
	for _, m := range []crm.Member{f.ada, f.bob, f.cid, f.sue} {
		var err error
		f.deals[m.Key] = f.owned(t, m.ID)
		// Who owns what belongs to another record means nothing.
		mine := crm.Record{OwnerID: f.ada.ID}
		f.remarks[m.Key], err = s.remarks.Create(f.sys, remark{Record: mine, DealID: f.deals[m.Key].ID, Text: "on the deal of " + m.Key, Mood: "good"})
		require.NoError(t, err)
		f.replies[m.Key], err = s.replies.Create(f.sys, reply{Record: mine, RemarkID: f.remarks[m.Key].ID, Text: "to " + m.Key})
		require.NoError(t, err)
		f.alone[m.Key], err = s.replies.Create(f.sys, reply{Record: crm.Record{OwnerID: m.ID}, Text: "of " + m.Key})
		require.NoError(t, err)
	}
	return f
}

// explained asks whether ada may do a verb, and holds the answer.
func (f *family) explained(t *testing.T, verb crm.Verb, object string, id crm.ID, allowed bool) crm.Explanation {
	t.Helper()
	e, err := f.Explain(f.sys, "ada", verb, object, id)
	require.NoError(t, err)
	require.Equal(t, allowed, e.Allowed, e.String())
	return e
}

// TestPartsGoByTheirParent holds for every level that a remark, and a reply to it, are
// read by who may read the deal and changed by who may update it, by every way there is.
func TestPartsGoByTheirParent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newFamily(t, s)
		levels := []crm.Level{crm.LevelNone, crm.LevelOwn, crm.LevelTeam, crm.LevelSubtree, crm.LevelAll}
		for i, read := range levels[1:] {
			for _, write := range levels[:i+2] {
				// Grants on remarks themselves add nothing.
				f.grant(t, append(append(crm.Allow("deal", read, crm.VerbRead, crm.VerbExport), crm.Allow("deal", write, crm.VerbUpdate)...),
					crm.Allow("remark", crm.LevelAll)...))
				f.held(t, fmt.Sprintf("read %s, update %s", read, write))
			}
		}
	})
}

// held compares what ada may do with deals and with what belongs to them.
func (f *family) held(t *testing.T, what string) {
	t.Helper()
	ctx := as(t, "ada")
	var seen []string
	for key, d := range f.deals {
		_, err := f.shop.deals.Get(ctx, d.ID)
		reads := ok(t, err)
		_, err = f.shop.deals.Do(ctx, d.ID, "touched", func(*deal) error { return nil })
		writes := ok(t, err)
		if reads {
			seen = append(seen, key)
		}
		for kind, id := range map[string]crm.ID{"remark": f.remarks[key].ID, "reply": f.replies[key].ID} {
			k := f.kind(kind)
			_, get := k.Get(ctx, id)
			_, history := k.History(ctx, id)
			_, asOf := k.AsOf(ctx, id)
			for verb, err := range map[string]error{"get": get, "history": history, "as of": asOf} {
				require.Equal(t, reads, ok(t, err), "%s: %s %s of %s", what, verb, kind, key)
			}
			for verb, err := range map[string]error{
				"do": k.Do(ctx, id, func(any) {}), "delete": k.May(ctx, crm.VerbDelete, id), "assign": k.May(ctx, crm.VerbAssign, id),
				"update": k.Update(ctx, id, func(v any) { crm.FieldOf(v, "text").SetString(what) }),
			} {
				require.Equal(t, writes, ok(t, err), "%s: %s %s of %s", what, verb, kind, key)
				if reads && !writes {
					require.ErrorIs(t, err, crm.ErrForbidden)
				}
			}
			f.explained(t, crm.VerbRead, kind, id, reads)
			f.explained(t, crm.VerbUpdate, kind, id, writes)
			f.explained(t, crm.VerbDelete, kind, id, writes)
			f.explained(t, crm.VerbShare, kind, id, false)
		}
		made, err := f.shop.remarks.Create(ctx, remark{DealID: d.ID, Text: "new"})
		switch {
		case writes:
			require.NoError(t, err)
			require.NoError(t, f.shop.remarks.Delete(ctx, made.ID))
			_, err = f.shop.remarks.Restore(ctx, made.ID)
			require.NoError(t, err)
			require.NoError(t, f.shop.remarks.Purge(ctx, made.ID))
		case reads:
			require.ErrorIs(t, err, crm.ErrForbidden, what)
		default: // as if there were no such deal, or no deals at all
			require.Error(t, err)
			require.NotErrorIs(t, err, crm.ErrConflict)
		}
	}
	f.counted(ctx, t, what, int64(len(seen)))
}

// counted holds every way in which records are seen together.
func (f *family) counted(ctx context.Context, t *testing.T, what string, n int64) {
	t.Helper()
	replies := crm.Where("remark_id != nil")
	counted, err := f.shop.remarks.Count(ctx)
	require.NoError(t, err, what)
	require.Equal(t, n, counted, what)
	counted, err = f.shop.replies.Count(ctx, replies)
	require.NoError(t, err, what)
	require.Equal(t, n, counted, what)
	listed, err := f.shop.remarks.List(ctx, crm.WithDeleted())
	require.NoError(t, err, what)
	require.Len(t, listed.Items, int(n), what)
	counted, err = f.kind("remark").Exportable(ctx)
	require.NoError(t, err, what)
	require.Equal(t, n, counted, what)
	facets, err := f.shop.remarks.Facets(ctx, "mood")
	require.NoError(t, err, what)
	figures, err := f.Aggregate(ctx, "remark", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, Total: true})
	require.NoError(t, err, what)
	require.Equal(t, n, figures.Total.Values[0], what)
	// From the other end, and through the reference.
	with, err := f.shop.deals.Count(ctx, crm.Where("count(remarks) > 0"))
	require.NoError(t, err, what)
	require.Equal(t, n, with, what)
	through, err := f.shop.replies.Count(ctx, crm.Where("remark.mood == 'good'"))
	require.NoError(t, err, what)
	require.Equal(t, n, through, what)
	if n > 0 {
		require.Len(t, facets, 1, what)
		require.Equal(t, n, facets[0].Count, what)
	}
	if what != "" {
		found, err := f.shop.remarks.Search(ctx, "deal")
		require.NoError(t, err)
		require.LessOrEqual(t, int64(len(found.Items)), n)
	}
}

// TestPartsOfNothing holds that a record whose reference is absent goes by grants of its
// own, and that nobody gets more by moving one.
func TestPartsOfNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newFamily(t, s)
		f.grant(t, append(crm.Allow("deal", crm.LevelTeam, crm.VerbRead, crm.VerbUpdate), crm.Allow("reply", crm.LevelOwn)...))
		ctx := as(t, "ada")
		require.True(t, reads(ctx, t, s, f.alone["ada"]))
		require.False(t, reads(ctx, t, s, f.alone["sue"]), "not hers, and of no deal")
		require.True(t, reads(ctx, t, s, f.replies["ada"]))
		require.False(t, reads(ctx, t, s, f.replies["sue"]), "hers, and of a deal she may not read")
		require.Empty(t, f.explained(t, crm.VerbUpdate, "reply", f.alone["ada"].ID, true).Parent)

		move := func(from reply, to crm.ID) error {
			_, err := s.replies.Update(ctx, from.ID, func(r *reply) error { r.RemarkID = to; return nil })
			return err
		}
		require.ErrorIs(t, move(f.alone["ada"], f.remarks["sue"].ID), crm.ErrInvalid, "as if there were no such remark")
		require.NoError(t, move(f.alone["ada"], f.remarks["ada"].ID))
		require.NoError(t, move(f.alone["ada"], crm.ID{}), "it is her own")
		// Without its parent it would be nobody's she reaches.
		_, err := s.replies.Update(f.sys, f.replies["ada"].ID, func(r *reply) error { r.OwnerID = f.sue.ID; return nil })
		require.NoError(t, err)
		require.ErrorIs(t, move(f.replies["ada"], crm.ID{}), crm.ErrForbidden)

		// Deals she may read and not update.
		f.grant(t, append(append(crm.Allow("deal", crm.LevelAll, crm.VerbRead), crm.Allow("deal", crm.LevelOwn, crm.VerbUpdate)...),
			crm.Allow("reply", crm.LevelOwn)...))
		require.ErrorIs(t, move(f.alone["ada"], f.remarks["sue"].ID), crm.ErrForbidden, "the new one")
		require.ErrorIs(t, move(f.replies["sue"], f.remarks["ada"].ID), crm.ErrForbidden, "the old one")
		_, err = s.replies.CreateAll(ctx, []reply{{Text: "a", RemarkID: f.remarks["ada"].ID}, {Text: "b", RemarkID: f.remarks["sue"].ID}})
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.ErrorContains(t, err, "record 1")

		// No grant of her own on replies.
		f.grant(t, crm.Allow("deal", crm.LevelAll))
		_, err = s.replies.Create(ctx, reply{Text: "a"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.False(t, reads(ctx, t, s, f.alone["ada"]))
		require.ErrorIs(t, move(f.replies["ada"], crm.ID{}), crm.ErrForbidden)
	})
}

func reads(ctx context.Context, t *testing.T, s *shop, r reply) bool {
	t.Helper()
	_, err := s.replies.Get(ctx, r.ID)
	return ok(t, err)
}

func TestPartsFieldsAndShares(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newFamily(t, s)
		ctx := as(t, "ada")
		// Rules for its fields hold, though nothing is granted on the kind itself.
		f.grant(t, crm.Allow("deal", crm.LevelOwn),
			crm.FieldRule{Object: "remark", Field: "mood", Access: crm.FieldHidden},
			crm.FieldRule{Object: "remark", Field: "text", Access: crm.FieldReadOnly})
		got, err := s.remarks.Get(ctx, f.remarks["ada"].ID)
		require.NoError(t, err)
		require.Empty(t, got.Mood)
		require.NotEmpty(t, got.Text)
		_, err = s.remarks.Update(ctx, got.ID, func(r *remark) error { r.Text = "other"; return nil })
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = s.remarks.List(ctx, crm.Where("mood == 'good'"))
		require.ErrorIs(t, err, crm.ErrForbidden)

		// A shared deal is shared with all that belongs to it.
		require.ErrorIs(t, func() error { _, err := s.remarks.Get(ctx, f.remarks["sue"].ID); return err }(), crm.ErrNotFound)
		_, err = s.Shares.Share(f.sys, "deal", f.deals["sue"].ID, crm.WithMember(f.ada.ID), crm.ShareRead)
		require.NoError(t, err)
		_, err = s.remarks.Get(ctx, f.remarks["sue"].ID)
		require.NoError(t, err)
		require.Equal(t, crm.CauseShare, f.explained(t, crm.VerbRead, "reply", f.replies["sue"].ID, true).Cause)
		mood := func() error {
			_, err := s.remarks.Do(ctx, f.remarks["sue"].ID, "touched", func(*remark) error { return nil })
			return err
		}
		require.ErrorIs(t, mood(), crm.ErrForbidden)
		_, err = s.Shares.Share(f.sys, "deal", f.deals["sue"].ID, crm.WithMember(f.ada.ID), crm.ShareWrite)
		require.NoError(t, err)
		require.NoError(t, mood())
		for kind, id := range map[string]crm.ID{"remark": f.remarks["sue"].ID, "reply": f.replies["sue"].ID} {
			_, err = s.Shares.Share(f.sys, kind, id, crm.WithMember(f.ada.ID), crm.ShareRead)
			require.ErrorIs(t, err, crm.ErrInvalid, kind)
		}

		e := f.explained(t, crm.VerbUpdate, "remark", f.remarks["cid"].ID, false)
		require.Equal(t, "deal", e.Parent)
		require.Equal(t, f.deals["cid"].ID, e.ParentID)
		require.Equal(t, fmt.Sprintf("member ada may not update remark %s: it takes the right to read deal %s, to which it belongs, and "+
			"role \"Rep\" grants it at level own, which does not reach this record.", f.remarks["cid"].ID, f.deals["cid"].ID), e.String())
	})
}

// TestPartsOfAnOpenTenant holds that without roles there is nothing to ask.
func TestPartsOfAnOpenTenant(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		d, err := s.deals.Create(as(t, "x"), deal{Name: "Deal"})
		require.NoError(t, err)
		_, err = s.remarks.Create(as(t, "y"), remark{DealID: d.ID, Text: "x"})
		require.NoError(t, err)
		require.NoError(t, s.deals.Delete(as(t, "x"), d.ID))
	})
}

// TestPartsGoWithTheirParent holds that what belongs to a record is gone while that is
// deleted, comes back with it, and is purged with it.
func TestPartsGoWithTheirParent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newFamily(t, s)
		d, r, re := f.deals["ada"], f.remarks["ada"], f.replies["ada"]
		other, err := s.remarks.Create(f.sys, remark{DealID: d.ID, Text: "deleted by itself"})
		require.NoError(t, err)
		require.NoError(t, s.remarks.Delete(f.sys, other.ID))
		for _, ctx := range []context.Context{f.sys, as(t, "ada")} {
			f.grant(t, crm.Allow(crm.AnyKind, crm.LevelAll))
			require.NoError(t, s.deals.Delete(ctx, d.ID))
			for kind, id := range map[string]crm.ID{"remark": r.ID, "reply": re.ID} {
				k := f.kind(kind)
				listed, counted := false, int64(0)
				require.NoError(t, func() (err error) { listed, counted, err = k.Has(ctx, id); return err }())
				require.True(t, listed, "with deleted ones")
				require.EqualValues(t, 1, counted)
				require.ErrorIs(t, k.Update(ctx, id, func(any) {}), crm.ErrNotFound)
				require.ErrorIs(t, k.End(ctx, id, "deleted"), crm.ErrNotFound)
				require.ErrorIs(t, k.End(ctx, id, "restored"), crm.ErrNotFound, "it was not deleted itself")
				require.ErrorIs(t, k.May(ctx, crm.VerbRead, id), crm.ErrNotFound)
			}
			_, err := s.remarks.Get(ctx, r.ID)
			require.ErrorIs(t, err, crm.ErrNotFound)
			_, err = s.remarks.Get(ctx, r.ID, crm.WithDeleted())
			require.NoError(t, err)
			n, err := s.remarks.Count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, 3, n)
			found, err := s.remarks.Search(ctx, "ada")
			require.NoError(t, err)
			require.Empty(t, found.Items)
			require.ErrorIs(t, s.replies.May(ctx, crm.VerbRead, re.ID), crm.ErrNotFound, "nor what belongs to what belongs to it")
			for _, err := range []error{
				func() error { _, err := s.remarks.Create(ctx, remark{DealID: d.ID, Text: "x"}); return err }(),
				func() error { _, err := s.replies.Create(ctx, reply{RemarkID: r.ID, Text: "x"}); return err }(),
				func() error { _, err := s.remarks.Restore(ctx, other.ID); return err }(),
			} {
				require.ErrorIs(t, err, crm.ErrInvalid)
			}
			problems, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Empty(t, problems)
			_, err = s.deals.Restore(ctx, d.ID)
			require.NoError(t, err)
			got, err := s.remarks.Get(ctx, r.ID)
			require.NoError(t, err)
			require.Equal(t, r.Version, got.Version, "nothing happened to it")
			require.NoError(t, s.replies.May(ctx, crm.VerbRead, re.ID))
			_, err = s.remarks.Get(ctx, other.ID)
			require.ErrorIs(t, err, crm.ErrNotFound, "it was deleted by itself")
		}
		require.NoError(t, s.deals.Purge(as(t, "ada"), d.ID))
		for _, id := range []crm.ID{r.ID, other.ID} {
			_, err := s.remarks.Get(f.sys, id, crm.WithDeleted())
			require.ErrorIs(t, err, crm.ErrNotFound)
			events, err := s.remarks.History(f.sys, id)
			require.NoError(t, err)
			require.Equal(t, "remark.purged", events.Items[0].Name)
			require.Equal(t, "member:ada", events.Items[0].Actor)
		}
		_, err = s.replies.Get(f.sys, re.ID, crm.WithDeleted())
		require.ErrorIs(t, err, crm.ErrNotFound)
		problems, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestParentsAreRefused(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", t.TempDir()+"/a.db")
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	type twice struct {
		crm.Record

		AID crm.ID `crm:"ref=a,parent" json:"a_id"`
		BID crm.ID `crm:"ref=b,parent" json:"b_id"`
	}
	type nothing struct {
		crm.Record

		AID crm.ID `crm:"parent" json:"a_id"`
	}
	type self struct {
		crm.Record

		SelfID crm.ID `crm:"ref=self,parent" json:"self_id"`
	}
	type ofMember struct {
		crm.Record

		MemberID crm.ID `crm:"ref=member,parent,as=notes" json:"member_id"`
	}
	c, err := crm.New(store, crm.Config{})
	require.NoError(t, err)
	_, err = crm.Define(c, crm.Object[twice]{Name: "twice"})
	require.ErrorIs(t, err, crm.ErrInvalid)
	_, err = crm.Define(c, crm.Object[nothing]{Name: "nothing"})
	require.ErrorIs(t, err, crm.ErrInvalid)
	_, err = crm.Define(c, crm.Object[self]{Name: "self", Plural: "selves"})
	require.NoError(t, err)
	require.ErrorContains(t, c.Migrate(t.Context()), "circle")
	c, err = crm.New(store, crm.Config{})
	require.NoError(t, err)
	_, err = crm.Define(c, crm.Object[ofMember]{Name: "of_member"})
	require.NoError(t, err)
	require.ErrorContains(t, c.Migrate(t.Context()), "decides over rights")
}

// TestPartsUnderAPolicy holds the same of a host's own rules, which close the fields.
func TestPartsUnderAPolicy(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		policy := rules{
			"deal read":     {Level: crm.LevelTeam},
			"deal update":   {Level: crm.LevelOwn},
			"remark read":   {Level: crm.LevelAll, Hidden: []string{"mood"}},
			"remark update": {Level: crm.LevelAll, ReadOnly: []string{"text"}},
			"role read":     {Level: crm.LevelAll},
		}
		f := newFamily(t, newShop(t, e.Store, crm.Config{Policy: policy}))
		ctx := as(t, "ada")
		got, err := f.shop.remarks.Get(ctx, f.remarks["bob"].ID)
		require.NoError(t, err)
		require.Empty(t, got.Mood)
		_, err = f.shop.remarks.Get(ctx, f.remarks["sue"].ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, f.shop.remarks.Delete(ctx, got.ID), crm.ErrForbidden)
		_, err = f.shop.remarks.Update(ctx, f.remarks["ada"].ID, func(r *remark) error { r.Text = "other"; return nil })
		require.ErrorContains(t, err, "text")
		_, err = f.shop.remarks.Create(ctx, remark{DealID: f.deals["ada"].ID, Text: "x"})
		require.NoError(t, err)
	})
}

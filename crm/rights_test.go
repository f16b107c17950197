package crm_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// office is a shop with people in it: ada and bob in sales, cid in north below it,
// sue in support, and boss in the board above all.
type office struct {
	*shop

	sys                          context.Context
	board, sales, north, support crm.Team
	ada, bob, cid, sue, boss     crm.Member
	rep                          crm.Role // what ada has
}

func newOffice(t *testing.T, s *shop) *office {
	t.Helper()
	f := &office{shop: s, sys: crm.System(t.Context(), "acme")}
	team := func(name string, above crm.ID) crm.Team {
		made, err := s.Teams.Create(f.sys, crm.Team{Name: name, ParentID: above})
		require.NoError(t, err)
		return made
	}
	f.board = team("Board", crm.ID{})
	f.sales = team("Sales", f.board.ID)
	f.north = team("North", f.sales.ID)
	f.support = team("Support", f.board.ID)
	member := func(key string, team crm.ID) crm.Member {
		made, err := s.Members.Create(f.sys, crm.Member{Key: key, Name: key, TeamIDs: []crm.ID{team}})
		require.NoError(t, err)
		return made
	}
	f.ada, f.bob = member("ada", f.sales.ID), member("bob", f.sales.ID)
	f.cid, f.sue, f.boss = member("cid", f.north.ID), member("sue", f.support.ID), member("boss", f.board.ID)
	return f
}

// grant makes the rep's role hold these grants, and gives it to ada.
func (f *office) grant(t *testing.T, grants []crm.Grant, fields ...crm.FieldRule) {
	t.Helper()
	var err error
	if f.rep.ID.IsZero() {
		f.rep, err = f.Roles.Create(f.sys, crm.Role{Name: "Rep", Grants: grants, Fields: fields})
		require.NoError(t, err)
		f.give(t, f.ada, f.rep)
		return
	}
	f.rep, err = f.Roles.Update(f.sys, f.rep.ID, func(r *crm.Role) error { r.Grants, r.Fields = grants, fields; return nil })
	require.NoError(t, err)
}

func (f *office) give(t *testing.T, m crm.Member, roles ...crm.Role) {
	t.Helper()
	_, err := f.Members.Update(f.sys, m.ID, func(m *crm.Member) error {
		m.RoleIDs = nil
		for _, r := range roles {
			m.RoleIDs = append(m.RoleIDs, r.ID)
		}
		return nil
	})
	require.NoError(t, err)
}

func (f *office) role(t *testing.T, name string, grants []crm.Grant, fields ...crm.FieldRule) crm.Role {
	t.Helper()
	r, err := f.Roles.Create(f.sys, crm.Role{Name: name, Grants: grants, Fields: fields})
	require.NoError(t, err)
	return r
}

func (f *office) owned(t *testing.T, owner crm.ID) deal {
	t.Helper()
	d, err := f.deals.Create(f.sys, deal{Record: crm.Record{OwnerID: owner}, Name: "Deal", Amount: crm.EUR(100)})
	require.NoError(t, err)
	return d
}

func (f *office) kind(name string) crm.AnyKindOf {
	for _, k := range crm.KindsOf(f.Core.Core) {
		if k.Name() == name {
			return k
		}
	}
	return crm.AnyKindOf{}
}

// ok turns an error into whether there was none; only the two kinds of refusal count.
func ok(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, crm.ErrForbidden) && !errors.Is(err, crm.ErrNotFound) {
		require.NoError(t, err)
	}
	return err == nil
}

func allVerbsBut(level crm.Level, but ...crm.Grant) []crm.Grant {
	skip := map[crm.Verb]bool{}
	for _, g := range but {
		skip[g.Verb] = true
	}
	var grants []crm.Grant
	for _, v := range crm.AllVerbs() {
		if !skip[v] {
			grants = append(grants, crm.Grant{Object: "deal", Verb: v, Level: level})
		}
	}
	return append(grants, but...)
}

func TestLevels(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		owners := []struct {
			name string
			id   crm.ID
			from crm.Level // the narrowest level that reaches it
		}{
			{"own", f.ada.ID, crm.LevelOwn},
			{"mate's", f.bob.ID, crm.LevelTeam},
			{"below", f.cid.ID, crm.LevelSubtree},
			{"above", f.boss.ID, crm.LevelAll},
			{"beside", f.sue.ID, crm.LevelAll},
			{"nobody's", crm.ID{}, crm.LevelAll},
		}
		deals := make([]deal, len(owners))
		for i, o := range owners {
			deals[i] = f.owned(t, o.id)
		}
		kind := f.kind("deal")
		for level := crm.LevelNone; level <= crm.LevelAll; level++ {
			// Reading at the level, all else at the level while everything may be read.
			f.grant(t, allVerbsBut(crm.LevelAll, crm.Grant{Object: "deal", Verb: crm.VerbRead, Level: level}))
			reached := int64(0)
			for i, o := range owners {
				_, err := f.deals.Get(ctx, deals[i].ID)
				want := level >= o.from && level > crm.LevelNone
				require.Equal(t, want, ok(t, err), "read at %s of %s", level, o.name)
				switch {
				case want:
					reached++
				case level > crm.LevelNone:
					require.ErrorIs(t, err, crm.ErrNotFound)
				default:
					require.ErrorIs(t, err, crm.ErrForbidden)
				}
			}
			n, err := f.deals.Count(ctx)
			if level == crm.LevelNone {
				require.ErrorIs(t, err, crm.ErrForbidden)
			} else {
				require.NoError(t, err)
				require.Equal(t, reached, n)
				list, err := f.deals.List(ctx)
				require.NoError(t, err)
				require.Len(t, list.Items, int(reached))
			}
			f.grant(t, allVerbsBut(level, crm.Grant{Object: "deal", Verb: crm.VerbRead, Level: crm.LevelAll}))
			for i, o := range owners {
				want := level >= o.from && level > crm.LevelNone
				_, err := f.deals.Update(ctx, deals[i].ID, func(d *deal) error { d.Score++; return nil })
				require.Equal(t, want, ok(t, err), "update at %s of %s", level, o.name)
				if !want {
					require.ErrorIs(t, err, crm.ErrForbidden)
				}
				err = f.deals.Delete(ctx, deals[i].ID)
				require.Equal(t, want, ok(t, err), "delete at %s of %s", level, o.name)
				if want {
					_, err = f.deals.Restore(ctx, deals[i].ID)
					require.NoError(t, err)
				}
				for _, v := range []crm.Verb{crm.VerbAssign, crm.VerbShare} {
					require.Equal(t, want, ok(t, kind.May(ctx, v, deals[i].ID)), "%s at %s of %s", v, level, o.name)
				}
			}
			n, err = kind.Exportable(ctx)
			if level == crm.LevelNone {
				require.ErrorIs(t, err, crm.ErrForbidden)
			} else {
				require.NoError(t, err)
				require.Equal(t, reached, n)
			}
			_, err = f.deals.Create(crm.At(ctx, f.Clock.Now()), deal{Name: "Imported"})
			require.Equal(t, level > crm.LevelNone, ok(t, err))
			if err == nil {
				made, err := f.deals.List(f.sys, crm.Where("name == 'Imported'"))
				require.NoError(t, err)
				require.Equal(t, f.ada.ID, made.Items[0].OwnerID)
				require.NoError(t, f.deals.Purge(f.sys, made.Items[0].ID))
			}
		}
	})
}

func TestOwners(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		create := func(owner crm.ID) error {
			_, err := f.deals.Create(ctx, deal{Record: crm.Record{OwnerID: owner}, Name: "x"})
			return err
		}
		move := func(from, to crm.ID) error {
			d := f.owned(t, from)
			_, err := f.deals.Update(ctx, d.ID, func(d *deal) error { d.OwnerID = to; return nil })
			return err
		}
		f.grant(t, crm.Allow("deal", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate))
		require.NoError(t, create(crm.ID{}))
		require.NoError(t, create(f.ada.ID))
		for _, err := range []error{create(f.bob.ID), move(f.ada.ID, f.bob.ID), move(f.bob.ID, f.ada.ID), move(crm.ID{}, f.ada.ID), move(f.ada.ID, crm.ID{})} {
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, "assign")
		}
		f.grant(t, append(crm.Allow("deal", crm.LevelOwn, crm.VerbCreate, crm.VerbUpdate, crm.VerbRead), crm.Allow("deal", crm.LevelTeam, crm.VerbAssign)...))
		require.NoError(t, create(f.ada.ID))
		require.NoError(t, create(f.bob.ID))
		require.NoError(t, move(f.ada.ID, f.bob.ID))
		for _, err := range []error{create(f.cid.ID), create(f.sue.ID), move(f.ada.ID, f.cid.ID), move(f.ada.ID, f.sue.ID), move(f.ada.ID, crm.ID{})} {
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, "owner_id")
		}
		require.ErrorIs(t, move(f.bob.ID, f.ada.ID), crm.ErrNotFound)
		f.grant(t, append(crm.Allow("deal", crm.LevelAll, crm.VerbRead, crm.VerbUpdate), crm.Allow("deal", crm.LevelTeam, crm.VerbAssign)...))
		require.NoError(t, move(f.bob.ID, f.ada.ID))
		require.ErrorIs(t, move(f.sue.ID, f.ada.ID), crm.ErrForbidden) // not his to take
		f.grant(t, crm.Allow("deal", crm.LevelAll))
		require.NoError(t, move(f.ada.ID, crm.ID{}))
		require.NoError(t, move(crm.ID{}, f.sue.ID))
		require.ErrorIs(t, move(f.ada.ID, crm.ID{9}), crm.ErrInvalid)

		// Who owns records, or has shares, is not deleted.
		err := f.Members.Delete(f.sys, f.sue.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "2 deals")
		_, err = f.deals.Create(f.sys, deal{Record: crm.Record{OwnerID: crm.ID{9}}, Name: "nobody knows him"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		n, err := f.deals.Count(f.sys, crm.Where("name == 'nobody knows him'"))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestMostPermissiveWins(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		mates, below, others := f.owned(t, f.bob.ID), f.owned(t, f.cid.ID), f.owned(t, f.sue.ID)
		reads := func() (n int) {
			for _, d := range []deal{mates, below, others} {
				if _, err := f.deals.Get(ctx, d.ID); ok(t, err) {
					n++
				}
			}
			return n
		}
		require.Equal(t, 3, reads(), "open")
		own := f.role(t, "Own", crm.Allow("deal", crm.LevelOwn))
		require.Equal(t, 0, reads(), "closed by the first role")
		f.give(t, f.ada, own)
		require.Equal(t, 0, reads())
		wide := f.role(t, "Wide", crm.Allow(crm.AnyKind, crm.LevelTeam, crm.VerbRead))
		f.give(t, f.ada, own, wide)
		require.Equal(t, 1, reads())
		of := f.role(t, "Team's", crm.Allow("deal", crm.LevelSubtree, crm.VerbRead))
		_, err := f.Teams.Update(f.sys, f.sales.ID, func(x *crm.Team) error { x.RoleIDs = []crm.ID{of.ID}; return nil })
		require.NoError(t, err)
		require.Equal(t, 2, reads())
		_, err = f.deals.Get(as(t, "cid"), below.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "the roles of a team above are not his")
		_, err = f.Members.Update(f.sys, f.ada.ID, func(m *crm.Member) error { m.TeamIDs = []crm.ID{f.sales.ID, f.support.ID}; return nil })
		require.NoError(t, err)
		require.Equal(t, 3, reads(), "in two teams")

		// A field is closed only where all roles close it.
		hidden := crm.FieldRule{Object: "deal", Field: "amount", Access: crm.FieldHidden}
		fixed := crm.FieldRule{Object: "deal", Field: "cost", Access: crm.FieldReadOnly}
		a := f.role(t, "A", crm.Allow("deal", crm.LevelAll), hidden, fixed)
		b := f.role(t, "B", crm.Allow("deal", crm.LevelOwn), hidden)
		f.give(t, f.sue, a)
		sue := as(t, "sue")
		d, err := f.deals.Get(sue, others.ID)
		require.NoError(t, err)
		require.Zero(t, d.Amount)
		cost := func(d *deal) error { d.Cost.Minor, d.Cost.Currency = d.Cost.Minor+1, "EUR"; return nil }
		_, err = f.deals.Update(sue, others.ID, cost)
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.ErrorContains(t, err, "cost")
		f.give(t, f.sue, a, b)
		d, err = f.deals.Update(sue, others.ID, cost)
		require.NoError(t, err)
		require.Zero(t, d.Amount)
		readOnly := f.role(t, "C", crm.Allow("deal", crm.LevelOwn, crm.VerbRead))
		f.give(t, f.sue, a, readOnly)
		d, err = f.deals.Get(sue, others.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(100), d.Amount)
		_, err = f.deals.Update(sue, others.ID, cost)
		require.ErrorIs(t, err, crm.ErrForbidden, "a role that does not grant update opens nothing to it")
	})
}

func TestWhoMayInOpenAndClosedTenants(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		_, err := f.deals.Create(as(t, "stranger"), deal{Name: "open"})
		require.NoError(t, err)
		left, err := f.Members.Create(f.sys, crm.Member{Key: "left", Name: "Left", Inactive: true})
		require.NoError(t, err)
		_, err = f.deals.Count(as(t, "left"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		all := f.role(t, "All", crm.Allow(crm.AnyKind, crm.LevelAll))
		for _, key := range []string{"stranger", "ada", "left"} {
			_, err = f.deals.Count(as(t, key))
			require.ErrorIs(t, err, crm.ErrForbidden, key)
			_, err = f.deals.Create(as(t, key), deal{Name: "x"})
			require.ErrorIs(t, err, crm.ErrForbidden, key)
		}
		f.give(t, f.ada, all)
		f.give(t, left, all)
		_, err = f.deals.Count(as(t, "left"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = f.deals.Count(as(t, "ada"))
		require.NoError(t, err)
		_, err = f.deals.Count(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		_, err = f.deals.Create(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"}), deal{Name: "another tenant is as open as it was"})
		require.NoError(t, err)

		// The last role gone, the tenant is open again.
		require.ErrorIs(t, f.Roles.Delete(f.sys, all.ID), crm.ErrConflict)
		f.give(t, f.ada)
		require.ErrorContains(t, f.Roles.Delete(f.sys, all.ID), "1 member still refers")
		f.give(t, left)
		require.NoError(t, f.Roles.Delete(f.sys, all.ID))
		_, err = f.deals.Count(as(t, "stranger"))
		require.NoError(t, err)
	})
}

func TestClosedFields(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		rule := func(field string, access crm.FieldAccess) crm.FieldRule {
			return crm.FieldRule{Object: "deal", Field: field, Access: access}
		}
		f.grant(t, crm.Allow("deal", crm.LevelAll),
			rule("amount", crm.FieldHidden), rule("notes", crm.FieldHidden), rule("refs", crm.FieldHidden), rule("score", crm.FieldReadOnly))
		whole, err := f.deals.Create(f.sys, deal{
			Record: crm.Record{Refs: crm.Refs{"erp": "1"}}, Name: "Whole", Amount: crm.EUR(7), Score: 3, Notes: map[string]any{"a": "b"},
		})
		require.NoError(t, err)
		masked := whole
		masked.Amount, masked.Notes, masked.Refs = crm.Money{}, nil, nil

		got, err := f.deals.Get(ctx, whole.ID)
		require.NoError(t, err)
		require.Equal(t, masked, got)
		list, err := f.deals.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []deal{masked}, list.Items)
		for d, err := range f.deals.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, masked, d)
		}

		// What was not seen is not lost.
		got, err = f.deals.Update(ctx, whole.ID, func(d *deal) error {
			require.Zero(t, d.Amount)
			require.Nil(t, d.Notes)
			require.Nil(t, d.Refs)
			d.Name = "Changed"
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, got.Amount)
		kept, err := f.deals.Get(f.sys, whole.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(7), kept.Amount)
		require.Equal(t, map[string]any{"a": "b"}, kept.Notes)
		require.Equal(t, crm.Refs{"erp": "1"}, kept.Refs)
		// A module's verb computes with all there is.
		_, err = f.deals.Do(ctx, whole.ID, "won", func(d *deal) error {
			require.Equal(t, crm.EUR(7), d.Amount)
			d.Stage = "won"
			return nil
		})
		require.NoError(t, err)

		for field, set := range map[string]func(*deal) error{
			"amount": func(d *deal) error { d.Amount = crm.EUR(8); return nil },
			"notes":  func(d *deal) error { d.Notes = map[string]any{}; return nil },
			"refs":   func(d *deal) error { d.Refs = crm.Refs{"erp": "2"}; return nil },
			"score":  func(d *deal) error { d.Score = 4; return nil },
		} {
			_, err = f.deals.Update(ctx, whole.ID, set)
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, field)
			d := deal{Name: "New"}
			_ = set(&d)
			if field == "notes" {
				d.Notes = map[string]any{"x": "y"}
			}
			_, err = f.deals.Create(ctx, d)
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, field)
		}
		made, err := f.deals.Create(ctx, deal{Name: "New"})
		require.NoError(t, err)
		require.Equal(t, "new", made.Stage, "what a hook sets is the module's own doing")

		// Who may create and not read sees nothing of what he made.
		f.grant(t, crm.Allow("deal", crm.LevelAll, crm.VerbCreate))
		made, err = f.deals.Create(ctx, deal{Name: "Blind"})
		require.NoError(t, err)
		require.False(t, made.ID.IsZero())
		require.Empty(t, made.Name)
	})
}

func TestRolesSpeakOfWhatThereIs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		for says, r := range map[string]crm.Role{
			`grants[1]: there is no kind "deals"`: {Grants: []crm.Grant{{Object: "deal", Verb: crm.VerbRead}, {Object: "deals", Verb: crm.VerbRead}}},
			`there is no verb "write"`:            {Grants: []crm.Grant{{Object: "deal", Verb: "write"}}},
			"level":                               {Grants: []crm.Grant{{Object: "deal", Verb: crm.VerbRead, Level: 9}}},
			`fields[0]: there is no kind "*"`:     {Fields: []crm.FieldRule{{Object: "*", Field: "name", Access: crm.FieldHidden}}},
			`deal has no field "amont"`:           {Fields: []crm.FieldRule{{Object: "deal", Field: "amont", Access: crm.FieldHidden}}},
			"hidden, masked or readonly":          {Fields: []crm.FieldRule{{Object: "deal", Field: "amount", Access: "none"}}},
			"id is the kernel's own":              {Fields: []crm.FieldRule{{Object: "deal", Field: "id", Access: crm.FieldHidden}}},
		} {
			r.Name = "R"
			_, err := f.Roles.Create(f.sys, r)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
		}
		_, err := f.Roles.Create(f.sys, crm.Role{Name: "R", Fields: []crm.FieldRule{{Object: "deal", Field: "custom.tier", Access: crm.FieldHidden}}})
		require.NoError(t, err)
		_, err = f.Roles.Create(f.sys, crm.Role{Name: "r"})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = f.Members.Create(f.sys, crm.Member{Key: "x", Name: "x", TeamIDs: []crm.ID{{1}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "team_ids")
		_, err = f.Members.Update(f.sys, f.ada.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{{1}}; return nil })
		require.ErrorContains(t, err, "role_ids")
		_, err = f.Teams.Update(f.sys, f.board.ID, func(x *crm.Team) error { x.ParentID = f.north.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, f.Teams.Delete(f.sys, f.north.ID), "1 member still refers")
		require.ErrorContains(t, f.Teams.Delete(f.sys, f.board.ID), "2 teams")
		_, err = f.Members.Create(f.sys, crm.Member{Key: "ada", Name: "another"})
		require.ErrorIs(t, err, crm.ErrConflict)

		again, err := f.Members.Ensure(f.sys, "ada", "not this")
		require.NoError(t, err)
		require.Equal(t, f.ada.ID, again.ID)
		made, err := f.Members.Ensure(f.sys, "new", "")
		require.NoError(t, err)
		require.Equal(t, "new", made.Name)
	})
}

func TestShares(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		people := append(crm.Allow("team", crm.LevelAll, crm.VerbRead), crm.Allow("member", crm.LevelAll, crm.VerbRead)...)
		f.grant(t, append(people, crm.Allow("deal", crm.LevelOwn)...))
		for _, m := range []crm.Member{f.bob, f.cid, f.sue, f.boss} {
			f.give(t, m, f.rep)
		}
		ada, d := as(t, "ada"), f.owned(t, f.ada.ID)
		reads := func(who string) bool {
			_, err := f.deals.Get(as(t, who), d.ID)
			n, countErr := f.deals.Count(as(t, who), crm.Where("id == $1", d.ID))
			require.NoError(t, countErr)
			require.Equal(t, err == nil, n == 1, who)
			return ok(t, err)
		}
		writes := func(who string) bool {
			_, err := f.deals.Update(as(t, who), d.ID, func(d *deal) error { d.Score++; return nil })
			return ok(t, err)
		}
		require.False(t, reads("bob"))
		share, err := f.Shares.Share(ada, "deal", d.ID, crm.WithMember(f.bob.ID), crm.ShareRead)
		require.NoError(t, err)
		require.Equal(t, f.ada.ID, share.OwnerID)
		require.True(t, reads("bob"))
		require.False(t, writes("bob"))
		require.False(t, reads("cid"))
		for _, v := range []crm.Verb{crm.VerbDelete, crm.VerbAssign, crm.VerbShare} {
			require.ErrorIs(t, f.kind("deal").May(as(t, "bob"), v, d.ID), crm.ErrForbidden)
		}
		_, err = f.Shares.Share(as(t, "bob"), "deal", d.ID, crm.WithMember(f.sue.ID), crm.ShareRead)
		require.ErrorIs(t, err, crm.ErrForbidden, "what was shared with him is not his to share")
		again, err := f.Shares.Share(ada, "deal", d.ID, crm.WithMember(f.bob.ID), crm.ShareWrite)
		require.NoError(t, err)
		require.Equal(t, share.ID, again.ID)
		require.True(t, writes("bob"))
		require.ErrorIs(t, f.deals.Delete(as(t, "bob"), d.ID), crm.ErrForbidden)
		_, err = f.Shares.Update(as(t, "bob"), share.ID, func(s *crm.Share) error { s.Access = crm.ShareRead; return nil })
		require.ErrorIs(t, err, crm.ErrNotFound)

		_, err = f.Shares.Share(ada, "deal", d.ID, crm.WithTeam(f.board.ID), crm.ShareRead)
		require.NoError(t, err)
		require.True(t, reads("boss"))
		require.False(t, reads("sue"))
		require.False(t, reads("cid"))
		_, err = f.Shares.Share(ada, "deal", d.ID, crm.WithSubtree(f.board.ID), crm.ShareRead)
		require.NoError(t, err)
		require.True(t, reads("boss"))
		require.True(t, reads("sue"))
		require.True(t, reads("cid"))
		require.False(t, writes("cid"))
		require.NoError(t, f.Shares.Withdraw(ada, "deal", d.ID, crm.WithTeam(f.board.ID)))
		require.NoError(t, f.Shares.Withdraw(ada, "deal", d.ID, crm.WithTeam(f.board.ID)))
		require.False(t, reads("cid"))
		require.True(t, reads("bob"))
		require.ErrorContains(t, f.Members.Delete(f.sys, f.bob.ID), "shares")

		// Without the right to a kind there is nothing to widen.
		none := f.role(t, "None", crm.Allow("company", crm.LevelAll))
		f.give(t, f.bob, none)
		_, err = f.deals.Get(as(t, "bob"), d.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		f.give(t, f.bob, f.rep)
		require.True(t, reads("bob"))

		for _, bad := range []crm.Share{
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead},
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.bob.ID, TeamID: f.board.ID},
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.bob.ID, Below: true},
			{Object: "deal", RecordID: d.ID, Access: "all", MemberID: f.bob.ID},
			{Object: "role", RecordID: f.rep.ID, Access: crm.ShareRead, MemberID: f.bob.ID},
			{Object: "none", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.bob.ID},
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: crm.ID{1}},
		} {
			_, err = f.Shares.Create(f.sys, bad)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		_, err = f.Shares.Create(f.sys, crm.Share{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.bob.ID})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = f.Shares.Create(f.sys, crm.Share{Object: "deal", RecordID: crm.ID{1}, Access: crm.ShareRead, MemberID: f.bob.ID})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = f.Shares.Update(f.sys, share.ID, func(s *crm.Share) error { s.MemberID = f.sue.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)

		// With the record its shares go.
		require.NoError(t, f.deals.Purge(ada, d.ID))
		n, err := f.Shares.Count(f.sys, crm.WithDeleted(), crm.Where("record_id == $1", d.ID))
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, f.Members.Delete(f.sys, f.bob.ID))

		// Shared again after no share was left, and several first ones at once.
		d = f.owned(t, f.ada.ID)
		_, err = f.Shares.CreateAll(ada, []crm.Share{
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.sue.ID},
			{Object: "deal", RecordID: d.ID, Access: crm.ShareRead, MemberID: f.cid.ID},
		})
		require.NoError(t, err)
		require.True(t, reads("sue"))
		require.True(t, reads("cid"))
	})
}

func TestLevelsOfMembersAndTeams(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		for level, want := range map[crm.Level][2]int64{
			crm.LevelOwn: {1, 1}, crm.LevelTeam: {2, 1}, crm.LevelSubtree: {3, 2}, crm.LevelAll: {5, 4},
		} {
			f.grant(t, append(crm.Allow("member", level, crm.VerbRead), crm.Allow("team", level, crm.VerbRead)...))
			members, err := f.Members.Count(ctx)
			require.NoError(t, err)
			teams, err := f.Teams.Count(ctx)
			require.NoError(t, err)
			require.Equal(t, want, [2]int64{members, teams}, "%s", level)
		}
		f.grant(t, crm.Allow("member", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate))
		_, err := f.Members.Update(ctx, f.ada.ID, func(m *crm.Member) error { m.Name, m.Email = "Ada L.", "ada@example.com"; return nil })
		require.NoError(t, err)
		got, err := f.Members.ByKey(ctx, "ada")
		require.NoError(t, err)
		require.Equal(t, "Ada L.", got.Name)
		_, err = f.Members.ByKey(ctx, "bob")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestRolesInUseStay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		for range 10 { // one gives the role, the other deletes it
			r := f.role(t, "Fleeting", nil)
			var given, deleted error
			var both sync.WaitGroup
			both.Go(func() {
				_, given = f.Members.Update(f.sys, f.ada.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{r.ID}; return nil })
			})
			both.Go(func() { deleted = f.Roles.Delete(f.sys, r.ID) })
			both.Wait()
			require.NotEqual(t, given == nil, deleted == nil, "%v, %v", given, deleted)
			if given != nil {
				require.ErrorIs(t, given, crm.ErrInvalid)
			} else {
				require.ErrorIs(t, deleted, crm.ErrConflict)
				f.give(t, f.ada)
				require.NoError(t, f.Roles.Delete(f.sys, r.ID))
			}
		}
	})
}

func TestATenantHasRoomForSoManyRoles(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		roles := make([]crm.Role, 201)
		for i := range roles {
			roles[i].Name = fmt.Sprint("role ", i)
		}
		_, err := f.Roles.CreateAll(f.sys, roles)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "200 roles")
		_, err = f.Roles.CreateAll(f.sys, roles[1:])
		require.NoError(t, err)
		_, err = f.Roles.Create(f.sys, roles[0])
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// rules is a host's own policy.
type rules map[string]crm.Permission // by object and verb

func (r rules) Grant(_ context.Context, a crm.Actor, object string, verb crm.Verb) (crm.Permission, error) {
	if a.Member == "broken" {
		return crm.Permission{}, errors.New("the directory is away")
	}
	return r[object+" "+string(verb)], nil
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		policy := rules{
			"deal read":   {Level: crm.LevelTeam, Hidden: []string{"amount"}},
			"deal create": {Level: crm.LevelOwn},
			"deal update": {Level: crm.LevelOwn, ReadOnly: []string{"score"}},
			"role read":   {Level: crm.LevelAll},
		}
		f := newOffice(t, newShop(t, e.Store, crm.Config{Policy: policy}))
		ctx := as(t, "ada")
		mine, mates, others := f.owned(t, f.ada.ID), f.owned(t, f.bob.ID), f.owned(t, f.sue.ID)
		n, err := f.deals.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		_, err = f.deals.Get(ctx, others.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		got, err := f.deals.Get(ctx, mates.ID)
		require.NoError(t, err)
		require.Zero(t, got.Amount)
		name := func(d *deal) error { d.Name = "y"; return nil }
		_, err = f.deals.Update(ctx, mates.ID, name)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = f.deals.Update(ctx, mine.ID, name)
		require.NoError(t, err)
		_, err = f.deals.Update(ctx, mine.ID, func(d *deal) error { d.Score = 5; return nil })
		require.ErrorContains(t, err, "score")
		require.ErrorIs(t, f.deals.Delete(ctx, mine.ID), crm.ErrForbidden)
		_, err = f.Roles.Create(ctx, crm.Role{Name: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = f.deals.Create(as(t, "stranger"), deal{Name: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden, "it would be nobody's")
		_, err = f.deals.Count(as(t, "broken"))
		require.ErrorContains(t, err, "the directory is away")
		ex, err := f.Explain(ctx, "ada", crm.VerbUpdate, "deal", mine.ID)
		require.NoError(t, err)
		require.True(t, ex.Allowed)
		require.Equal(t, crm.CausePolicy, ex.Cause)

		policy["deal read"] = crm.Permission{Level: crm.LevelAll, Hidden: []string{"amont"}}
		_, err = f.deals.Count(ctx)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "amont")
	})
}

func TestExplain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		mine, mates, others := f.owned(t, f.ada.ID), f.owned(t, f.bob.ID), f.owned(t, f.sue.ID)
		explain := func(key string, verb crm.Verb, id crm.ID) crm.Explanation {
			t.Helper()
			e, err := f.Explain(f.sys, key, verb, "deal", id)
			require.NoError(t, err)
			return e
		}
		check := func(e crm.Explanation, allowed bool, cause crm.Cause, says string) {
			t.Helper()
			require.Equal(t, allowed, e.Allowed, "%s", e)
			require.Equal(t, cause, e.Cause, "%s", e)
			require.Contains(t, e.String(), says)
		}
		check(explain("ada", crm.VerbDelete, mine.ID), true, crm.CauseOpen, "member ada may delete deal "+mine.ID.String()+": the tenant has no roles")
		check(explain("", crm.VerbDelete, mine.ID), true, crm.CauseSystem, "the tenant itself may delete")

		own := f.role(t, "Rep", append(crm.Allow("deal", crm.LevelOwn, crm.VerbUpdate), crm.Allow("deal", crm.LevelTeam, crm.VerbRead)...))
		check(explain("ada", crm.VerbRead, mine.ID), false, crm.CauseNoGrant, "no role he has grants it")
		check(explain("zed", crm.VerbRead, mine.ID), false, crm.CauseNoMember, "no member of this key")
		f.give(t, f.ada, own)
		e := explain("ada", crm.VerbUpdate, mine.ID)
		check(e, true, crm.CauseGrant, `role "Rep" grants it at level own`)
		require.Equal(t, own.ID, e.RoleID)
		check(explain("ada", crm.VerbUpdate, mates.ID), false, crm.CauseReach, `role "Rep" grants it at level own, which does not reach this record`)
		e = explain("ada", crm.VerbUpdate, others.ID)
		check(e, false, crm.CauseReach, "it takes the right to read, and role")
		require.Equal(t, crm.VerbRead, e.By)
		check(explain("ada", crm.VerbUpdate, crm.ID{}), true, crm.CauseGrant, "may update deal records")
		check(explain("ada", crm.VerbCreate, crm.ID{}), false, crm.CauseNoGrant, "may not create deal records")

		wide := f.role(t, "Wide", crm.Allow("deal", crm.LevelAll))
		_, err := f.Teams.Update(f.sys, f.sales.ID, func(x *crm.Team) error { x.RoleIDs = []crm.ID{wide.ID}; return nil })
		require.NoError(t, err)
		e = explain("ada", crm.VerbUpdate, others.ID)
		check(e, true, crm.CauseGrant, `role "Wide", which team "Sales" has, grants it at level all`)
		require.Equal(t, f.sales.ID, e.TeamID)

		f.give(t, f.sue, own)
		share, err := f.Shares.Share(f.sys, "deal", mates.ID, crm.WithMember(f.sue.ID), crm.ShareWrite)
		require.NoError(t, err)
		e = explain("sue", crm.VerbUpdate, mates.ID)
		check(e, true, crm.CauseShare, share.ID.String())
		check(explain("sue", crm.VerbDelete, mates.ID), false, crm.CauseNoGrant, "may not delete")
		_, err = f.Members.Update(f.sys, f.sue.ID, func(m *crm.Member) error { m.Inactive = true; return nil })
		require.NoError(t, err)
		check(explain("sue", crm.VerbRead, mates.ID), false, crm.CauseInactive, "inactive")
		e, err = f.Explain(f.sys, "ada", crm.VerbDelete, "role", wide.ID)
		require.NoError(t, err)
		require.False(t, e.Allowed)

		// It agrees with what happens.
		for _, key := range []string{"ada", "bob", "cid", "sue", "boss", "zed"} {
			for _, d := range []deal{mine, mates, others} {
				_, err := f.deals.Get(as(t, key), d.ID)
				require.Equal(t, ok(t, err), explain(key, crm.VerbRead, d.ID).Allowed)
				_, err = f.deals.Update(as(t, key), d.ID, func(d *deal) error { d.Score++; return nil })
				require.Equal(t, ok(t, err), explain(key, crm.VerbUpdate, d.ID).Allowed)
			}
		}

		// It is for who may read roles, about what he may read.
		_, err = f.Explain(as(t, "ada"), "bob", crm.VerbRead, "deal", mine.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		auditor := f.role(t, "Auditor", append(crm.Allow("role", crm.LevelAll, crm.VerbRead), crm.Allow("deal", crm.LevelOwn, crm.VerbRead)...))
		f.give(t, f.cid, auditor)
		_, err = f.Explain(as(t, "cid"), "ada", crm.VerbRead, "deal", crm.ID{})
		require.NoError(t, err)
		_, err = f.Explain(as(t, "cid"), "ada", crm.VerbRead, "deal", mine.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		for _, bad := range []func() error{
			func() error { _, err := f.Explain(f.sys, "ada", "write", "deal", crm.ID{}); return err },
			func() error { _, err := f.Explain(f.sys, "ada", crm.VerbRead, "deals", crm.ID{}); return err },
			func() error { _, err := f.Explain(f.sys, "ada", crm.VerbCreate, "deal", mine.ID); return err },
		} {
			require.ErrorIs(t, bad(), crm.ErrInvalid)
		}
	})
}

package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

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

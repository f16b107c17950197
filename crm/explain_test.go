package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

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

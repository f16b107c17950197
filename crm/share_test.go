package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

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

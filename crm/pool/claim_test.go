package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestAMemberClaimsWhatWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		dana := d.people["dana"]
		_, err := d.clients.Get(as(t, "dana"), ada.ID)
		require.ErrorIs(t, err, crm.ErrNotFound, "it is nobody's, and she reads her own")

		made, err := d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		require.Equal(t, pool.Claimed, made.Kind)
		require.Equal(t, dana.ID, made.MemberID)
		is, err := d.clients.Get(as(t, "dana"), ada.ID)
		require.NoError(t, err)
		require.Equal(t, "+8613812340000", is.Phone, "now she sees all of it")
		require.Equal(t, dana.ID, is.OwnerID)

		_, err = d.pools.Claim(as(t, "lee"), north.ID, ada.ID)
		require.ErrorIs(t, err, pool.ErrClaimed)
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.ErrorIs(t, err, pool.ErrClaimed)
		require.Equal(t, dana.ID, d.owner(t, ada.ID))
		d.whole(t)
	})
}

func TestTheHistoryTellsEveryMoveWithItsReason(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		_, err := d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		d.Clock.Advance(time.Hour)
		_, err = d.pools.Return(as(t, "dana"), north.ID, ada.ID, d.reason.ID, "asks again in spring")
		require.NoError(t, err)
		events, err := d.clients.History(system(t), ada.ID)
		require.NoError(t, err)
		require.Len(t, events.Items, 3)
		back, claimed := events.Items[0], events.Items[1]
		require.Equal(t, []string{"client.returned", "member:dana", "pool North: no budget"}, []string{back.Name, back.Actor, back.Cause})
		require.Equal(t, []string{"client.claimed", "member:dana", "pool North"}, []string{claimed.Name, claimed.Actor, claimed.Cause})
		require.Equal(t, "owner_id", claimed.Changes[0].Field)

		moves, err := d.pools.Moves.Of(system(t), "client", ada.ID)
		require.NoError(t, err)
		require.Len(t, moves.Items, 2)
		require.Equal(t, pool.Returned, moves.Items[0].Kind)
		require.Equal(t, d.people["dana"].ID, moves.Items[0].MemberID)
		require.Equal(t, d.reason.ID, moves.Items[0].ReasonID)
		require.Equal(t, "asks again in spring", moves.Items[0].Note)
		none, err := d.pools.Moves.Of(as(t, "dana"), "client", ada.ID)
		require.NoError(t, err)
		require.Empty(t, none.Items, "moves are read by who may read the record")
	})
}

func TestWhoMayNotClaim(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada, bob := d.client(t, "Ada"), d.owned(t, "Bob", "kim")
		south := need(d.clients.Create(system(t), client{Name: "Cai", Region: "S"}))(t)
		for name, c := range map[string]struct {
			who    string
			record crm.ID
			want   error
		}{
			"another team":            {"sam", ada.ID, crm.ErrNotFound},
			"a member without a role": {"guest", ada.ID, crm.ErrNotFound},
			"a stranger":              {"nobody", ada.ID, crm.ErrForbidden},
			"not of the pool":         {"dana", south.ID, crm.ErrNotFound},
			"never in the pool":       {"dana", bob.ID, crm.ErrNotFound},
			"no record":               {"dana", north.ID, crm.ErrNotFound},
		} {
			_, err := d.pools.Claim(as(t, c.who), north.ID, c.record)
			require.ErrorIs(t, err, c.want, name)
			require.NotErrorIs(t, err, pool.ErrClaimed, name)
		}
		_, err := d.pools.Claim(system(t), north.ID, ada.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "the tenant itself owns nothing")
		_, err = d.pools.Claim(as(t, "lee"), north.ID, ada.ID)
		require.NoError(t, err, "a team below")

		gone := d.client(t, "Dee")
		_, err = d.pools.Update(system(t), north.ID, func(p *pool.Pool) error { p.Off = true; return nil })
		require.NoError(t, err)
		_, err = d.pools.Claim(as(t, "dana"), north.ID, gone.ID)
		require.ErrorIs(t, err, crm.ErrInvalid, "it rests")
		_, err = d.pools.Claim(as(t, "sam"), north.ID, gone.ID)
		require.ErrorIs(t, err, crm.ErrNotFound, "of which he is not told")
		everyone := d.pool(t, func(p *pool.Pool) { p.Name, p.TeamIDs, p.Where = "all", nil, "" })
		_, err = d.pools.Claim(as(t, "guest"), everyone.ID, gone.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "his roles let him read no client at all")
		_, err = d.Members.Update(system(t), d.people["sam"].ID, func(m *crm.Member) error { m.Inactive = true; return nil })
		require.NoError(t, err)
		_, err = d.pools.Claim(as(t, "sam"), everyone.ID, gone.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.Zero(t, d.owner(t, gone.ID))
	})
}

func TestLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, func(p *pool.Pool) { p.MaxHeld, p.Counted, p.MaxPerDay = 2, "none(offers, .state == 'won')", 3 })
		list := make([]client, 6)
		for i := range list {
			list[i] = d.client(t, fmt.Sprint("client ", i))
		}
		dana := as(t, "dana")
		claim := func(i int) error { _, err := d.pools.Claim(dana, north.ID, list[i].ID); return err }
		require.NoError(t, claim(0))
		require.NoError(t, claim(1))
		require.ErrorIs(t, claim(2), pool.ErrLimit, "two are held")
		require.Zero(t, d.owner(t, list[2].ID), "a claim that is refused changes nothing")
		n, err := d.pools.Moves.Of(system(t), "client", list[2].ID)
		require.NoError(t, err)
		require.Empty(t, n.Items)

		o := offer{ClientID: list[0].ID, State: "won"}
		_, err = d.offers.Create(system(t), o)
		require.NoError(t, err)
		require.NoError(t, claim(2), "one who bought does not count")
		_, err = d.pools.Return(dana, north.ID, list[1].ID, d.reason.ID, "")
		require.NoError(t, err)
		require.ErrorIs(t, claim(3), pool.ErrLimit, "three were claimed today, one of them returned")
		require.ErrorContains(t, claim(3), "today")
		d.Clock.Advance(24 * time.Hour)
		require.NoError(t, claim(3))
		require.ErrorIs(t, claim(4), pool.ErrLimit)
		_, err = d.pools.Claim(as(t, "lee"), north.ID, list[4].ID)
		require.NoError(t, err, "the limits are each member's own")
	})
}

func TestWhatWasLostIsNotClaimedAgainForDays(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, func(p *pool.Pool) { p.BanDays = 7 })
		ada := d.client(t, "Ada")
		for _, who := range []string{"dana", "lee"} { // both lost it
			_, err := d.pools.Claim(as(t, who), north.ID, ada.ID)
			require.NoError(t, err)
			_, err = d.pools.Return(as(t, who), north.ID, ada.ID, d.reason.ID, "")
			require.NoError(t, err)
		}
		for _, who := range []string{"dana", "lee"} {
			_, err := d.pools.Claim(as(t, who), north.ID, ada.ID)
			require.ErrorIs(t, err, pool.ErrBanned)
			require.ErrorContains(t, err, "2026-01-12")
		}
		require.Zero(t, d.owner(t, ada.ID))
		d.Clock.Advance(7 * 24 * time.Hour)
		_, err := d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
	})
}

func TestReturn(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		dana := as(t, "dana")
		_, err := d.pools.Return(system(t), north.ID, ada.ID, d.reason.ID, "")
		require.ErrorIs(t, err, crm.ErrInvalid, "nobody owns it")
		_, err = d.pools.Claim(dana, north.ID, ada.ID)
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "lee"), north.ID, ada.ID, d.reason.ID, "")
		require.ErrorIs(t, err, crm.ErrNotFound, "he cannot read it")
		_, err = d.clients.Get(as(t, "lee"), ada.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)

		_, err = d.Shares.Share(dana, "client", ada.ID, crm.WithMember(d.people["lee"].ID), crm.ShareWrite)
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "lee"), north.ID, ada.ID, d.reason.ID, "")
		require.ErrorIs(t, err, crm.ErrForbidden, "a share gives nothing away")
		_, err = d.pools.Return(dana, north.ID, ada.ID, crm.ID{}, "")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "reason_id")
		off := need(d.pools.Reasons.Create(system(t), pool.Reason{Name: "old", Off: true}))(t)
		_, err = d.pools.Return(dana, north.ID, ada.ID, off.ID, "")
		require.ErrorIs(t, err, crm.ErrInvalid)

		_, err = d.pools.Return(dana, north.ID, ada.ID, d.reason.ID, "")
		require.NoError(t, err)
		require.Zero(t, d.owner(t, ada.ID))
		for _, who := range []string{"dana", "lee"} {
			_, err = d.clients.Get(as(t, who), ada.ID)
			require.ErrorIs(t, err, crm.ErrNotFound, "the share ended: %s", who)
		}

		_, err = d.pools.Claim(dana, north.ID, ada.ID)
		require.NoError(t, err)
		_, err = d.clients.Update(dana, ada.ID, func(c *client) error { c.Region = "S"; return nil })
		require.NoError(t, err)
		_, err = d.pools.Return(dana, north.ID, ada.ID, d.reason.ID, "")
		require.ErrorIs(t, err, crm.ErrInvalid, "the pool would not show it")
		require.Equal(t, d.people["dana"].ID, d.owner(t, ada.ID))
		_, err = d.clients.Update(dana, ada.ID, func(c *client) error { c.Region = "N"; return nil })
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "kim"), north.ID, ada.ID, d.reason.ID, "")
		require.NoError(t, err, "who may assign it takes it from her")
		require.ErrorIs(t, d.pools.Reasons.Delete(system(t), d.reason.ID), crm.ErrConflict, "a reason that was given stays")
		require.ErrorIs(t, d.pools.Delete(system(t), north.ID), crm.ErrConflict)
		d.whole(t)
	})
}

// TestOneOfManyGetsIt holds a claim to one winner, and limits to be passed by nobody.
func TestOneOfManyGetsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, func(p *pool.Pool) { p.TeamIDs = nil })
		ada := d.client(t, "Ada")
		rep := d.people["dana"].RoleIDs
		const many = 16
		for i := range many {
			_, err := d.Members.Create(system(t), crm.Member{Key: fmt.Sprint("rep", i), Name: "Rep", RoleIDs: rep})
			require.NoError(t, err)
		}
		errs := make([]error, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() { _, errs[i] = d.pools.Claim(as(t, fmt.Sprint("rep", i)), north.ID, ada.ID) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, pool.ErrClaimed)
		}
		require.Equal(t, 1, won)
		moves, err := d.pools.Moves.Of(system(t), "client", ada.ID)
		require.NoError(t, err)
		require.Len(t, moves.Items, 1)
		require.Equal(t, moves.Items[0].MemberID, d.owner(t, ada.ID))

		few := d.pool(t, func(p *pool.Pool) { p.Name, p.MaxHeld, p.MaxPerDay = "few", 3, 4 })
		ids := make([]crm.ID, many)
		for i := range ids {
			ids[i] = d.client(t, fmt.Sprint("client ", i)).ID
		}
		for i := range many {
			wg.Go(func() { _, errs[i] = d.pools.Claim(as(t, "dana"), few.ID, ids[i]) })
		}
		wg.Wait()
		won = 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, pool.ErrLimit)
		}
		require.Equal(t, 3, won)
		d.whole(t)
	})
}

func TestAMoveIsMadeByItsVerbAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		dana := as(t, "dana")
		made, err := d.pools.Claim(dana, north.ID, ada.ID)
		require.NoError(t, err)
		moves := need(d.Records("pool_move"))(t)
		for _, who := range []string{"dana", "kim"} {
			ctx := as(t, who)
			_, err = moves.Create(ctx, crm.Values{
				"object": "client", "record_id": ada.ID, "pool_id": north.ID, "kind": "protected", "at": d.Clock.Now(), "until": d.Clock.Now().AddDate(9, 0, 0),
			})
			require.ErrorIs(t, err, crm.ErrInvalid)
			_, err = moves.Update(ctx, made.ID, func(v crm.Values) error { v["kind"] = "warned"; return nil })
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorIs(t, moves.Delete(ctx, made.ID), crm.ErrInvalid)
			require.ErrorIs(t, moves.Purge(ctx, made.ID), crm.ErrInvalid)
		}
		require.NoError(t, d.clients.Purge(system(t), ada.ID), "with its record it goes")
		_, err = d.pools.Moves.Get(system(t), made.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		d.whole(t)
	})
}

func TestMovesFollowAMerge(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, func(p *pool.Pool) { p.BanDays = 7 })
		ada, twin := d.client(t, "Ada"), d.client(t, "A. Lovelace")
		_, err := d.pools.Claim(as(t, "dana"), north.ID, twin.ID)
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "dana"), north.ID, twin.ID, d.reason.ID, "")
		require.NoError(t, err)
		_, m, err := d.clients.Merge(system(t), ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, err = d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.ErrorIs(t, err, pool.ErrBanned, "she lost a part of it")
		_, err = d.clients.Unmerge(system(t), m.ID)
		require.NoError(t, err)
		_, err = d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		_, err = d.pools.Claim(as(t, "dana"), north.ID, twin.ID)
		require.ErrorIs(t, err, pool.ErrBanned)
		d.whole(t)
	})
}

func TestAClaimIsThereWithTheHostsTransactionOrNot(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		undone := errors.New("undone")
		err := d.Tx(as(t, "dana"), func(ctx context.Context) error {
			_, err := d.pools.Claim(ctx, north.ID, ada.ID)
			require.NoError(t, err)
			_, err = d.pools.Claim(ctx, north.ID, ada.ID)
			require.ErrorIs(t, err, pool.ErrClaimed, "a claim that fails leaves the transaction usable")
			_, err = d.clients.Get(ctx, ada.ID)
			require.NoError(t, err)
			return undone
		})
		require.ErrorIs(t, err, undone)
		require.Zero(t, d.owner(t, ada.ID))
		d.whole(t)
	})
}

func TestTenantsHaveTheirOwnPools(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		other := crm.As(t.Context(), crm.Actor{Tenant: "zeta", Member: "dana"})
		_, err := d.Members.Ensure(other, "dana", "Dana")
		require.NoError(t, err)
		_, err = d.pools.Claim(other, north.ID, ada.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.pools.Cards(other, north.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.pools.Return(other, north.ID, ada.ID, d.reason.ID, "")
		require.ErrorIs(t, err, crm.ErrNotFound)
		mine, err := d.pools.Mine(other)
		require.NoError(t, err)
		require.Empty(t, mine)
	})
}

// TestTablesFitTheirStructs holds the migrated tables to what they keep.
func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, nil)
		crmtest.RequireSchema(t, d.Core.Core, e.DB, e.Name)
	})
}

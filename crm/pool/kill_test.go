package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// The limits of the pool that is worked at by those who are killed.
const (
	mostHeld   = 8
	mostPerDay = 12
)

// telling has an offer made for each client of whose recycling a subscriber is told, and for
// each warning.
func telling(c *crm.Core, d *desk) error {
	return errors.Join(
		c.On("client.recycled", "tell", func(ctx context.Context, e crm.Event) error {
			_, err := d.offers.Create(ctx, offer{ClientID: e.Record, State: "recycled"})
			return err
		}),
		c.On("pool_move.warned", "tell_warned", func(ctx context.Context, e crm.Event) error {
			m, err := d.pools.Moves.Get(ctx, e.Record)
			if err == nil {
				_, err = d.offers.Create(ctx, offer{ClientID: m.RecordID, State: "warned"})
			}
			return err
		}),
	)
}

// TestVictim is no test but the process that TestKilled kills: its members claim what waits and
// return some of it, or what lies is recycled.
func TestVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	d := openDesk(t, db.Open(t), telling)
	hours := need(strconv.Atoi(words[0]))(t)
	d.Clock.Advance(time.Duration(hours) * time.Hour)
	north := need(d.pools.List(system(t)))(t).Items[0]
	reason := need(d.pools.Reasons.List(system(t)))(t).Items[0]
	fmt.Println("begins")
	if words[1] == "recycle" {
		for {
			if _, err := d.pools.Recycle(system(t)); err != nil {
				return // its killer has ended
			}
			if d.RunDue(t.Context()) != nil {
				return
			}
		}
	}
	var all sync.WaitGroup
	for _, who := range []string{"dana", "dana", "lee", "lee"} { // each at two places at once
		all.Go(func() {
			ctx := as(t, who)
			for {
				cards, err := d.pools.Cards(ctx, north.ID)
				if err != nil {
					return
				}
				for _, card := range cards.Items {
					if _, err = d.pools.Claim(ctx, north.ID, card.ID); err == nil && rand.IntN(3) == 0 {
						_, _ = d.pools.Return(ctx, north.ID, card.ID, reason.ID, "")
					}
				}
			}
		})
	}
	all.Wait()
}

// TestKilled kills processes while members claim and return, and while what lies is warned of
// and recycled. Who owns a record is what its moves and its history say, no limit is
// passed, and each warning and each recycling is there, and was told, once.
func TestKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		rounds := 10
		if testing.Short() {
			rounds = 3
		}
		d := newDesk(t, db.Open(t), telling)
		d.pool(t, func(p *pool.Pool) {
			p.MaxHeld, p.MaxPerDay, p.RecycleDays, p.WarnDays = mostHeld, mostPerDay, 30, 5
			p.FollowedUp = "any(visits, .at >= $1)"
		})
		var waiting, lying []crm.ID
		for n := range 20 {
			waiting = append(waiting, d.client(t, fmt.Sprint("waits ", n)).ID)
		}
		for n := range 100 {
			lying = append(lying, d.owned(t, fmt.Sprint("lies ", n), "kim").ID)
		}
		hours := 0
		killing := func(what string) {
			v := db.Start(t, "TestVictim", hours, what)
			v.KillAfter("begins", time.Duration(5+rand.IntN(100))*time.Millisecond)
			v.Killed()
		}
		for range rounds {
			killing("claim")
			for _, id := range waiting {
				d.moved(t, id)
			}
			d.limited(t)
			hours += 7
			d.Clock.Advance(7 * time.Hour)
		}
		for _, days := range []int{26, 6} {
			hours += days * 24
			d.Clock.Advance(time.Duration(days) * day)
			for range rounds {
				killing("recycle")
				hours++ // the leases of who was killed run out
				d.Clock.Advance(time.Hour)
			}
			for range 2 {
				_, err := d.pools.Recycle(system(t))
				require.NoError(t, err)
				d.Clock.Advance(time.Hour)
				hours++
				require.NoError(t, d.RunDue(t.Context()))
			}
		}
		for _, id := range lying {
			require.Equal(t, []pool.MoveKind{pool.Warned, pool.Recycled}, d.kinds(t, id))
			require.Zero(t, d.owner(t, id))
		}
		for _, id := range append(waiting, lying...) {
			d.moved(t, id)
			d.told(t, id)
		}
		d.whole(t)
	})
}

// moved holds that who owns a client is what its last move says, and that each move has its
// event in the history of the client and each such event its move.
func (d *desk) moved(t *testing.T, id crm.ID) {
	t.Helper()
	owner, events := d.owner(t, id), map[pool.MoveKind]int{}
	moves := need(d.pools.Moves.Of(system(t), "client", id, crm.Limit(crm.MaxPage)))(t)
	last := pool.Move{MemberID: owner}
	for i, m := range moves.Items { // the latest first
		if m.Kind == pool.Warned {
			continue
		}
		if events[m.Kind]++; last.ID.IsZero() {
			if last = moves.Items[i]; m.Kind != pool.Claimed {
				last.MemberID = crm.ID{}
			}
		}
	}
	require.Equal(t, last.MemberID, owner)
	past := need(d.clients.History(system(t), id, crm.Limit(crm.MaxPage)))(t)
	for _, e := range past.Items {
		if _, verb, _ := strings.Cut(e.Name, "."); verb != "created" {
			events[pool.MoveKind(verb)]--
		}
	}
	for kind, n := range events {
		require.Zero(t, n, kind)
	}
}

// told holds that a subscriber was told once of each move.
func (d *desk) told(t *testing.T, id crm.ID) {
	t.Helper()
	moves := map[string]int64{}
	for _, kind := range d.kinds(t, id) {
		moves[string(kind)]++
	}
	for _, kind := range []string{"warned", "recycled"} {
		n := need(d.offers.Count(system(t), crm.Where("client_id == $1 and state == $2", id, kind)))(t)
		require.Equal(t, moves[kind], n, kind)
	}
}

// limited holds that nobody has, or claimed on a day, more than the pool allows.
func (d *desk) limited(t *testing.T) {
	t.Helper()
	for _, who := range []string{"dana", "lee"} {
		held := need(d.clients.Count(system(t), crm.Where("owner_id == $1", d.people[who].ID)))(t)
		require.LessOrEqual(t, held, int64(mostHeld))
	}
	claimed := map[string]int{}
	for cursor := ""; ; {
		page := need(d.pools.Moves.List(system(t), crm.Where("kind == 'claimed'"), crm.Limit(crm.MaxPage), crm.After(cursor)))(t)
		for _, m := range page.Items {
			claimed[m.MemberID.String()+m.At.Format(time.DateOnly)]++
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for _, n := range claimed {
		require.LessOrEqual(t, n, mostPerDay)
	}
}

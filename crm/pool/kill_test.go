package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// victim is the environment variable that makes this test binary a process to be killed:
// the engine, the DSN, how many hours later it is and what it does, divided by bars.
const victim = "EMBEDCRM_TEST_POOL_VICTIM"

// The limits of the pool that is worked at by those who are killed.
const (
	mostHeld   = 8
	mostPerDay = 12
)

// openDSN opens a store.
func openDSN(tb testing.TB, engine, dsn string) storage.Store {
	tb.Helper()
	if engine == "sqlite" {
		return need(sqlite.Open("sqlite", dsn))(tb)
	}
	return need(postgres.Open(dsn))(tb)
}

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
	args := strings.Split(os.Getenv(victim), "|")
	if len(args) != 4 {
		t.Skip("it is a process of another test")
	}
	d := openDesk(t, openDSN(t, args[0], args[1]), telling)
	hours := need(strconv.Atoi(args[2]))(t)
	d.Clock.Advance(time.Duration(hours) * time.Hour)
	north := need(d.pools.List(system(t)))(t).Items[0]
	reason := need(d.pools.Reasons.List(system(t)))(t).Items[0]
	fmt.Println("begins")
	if args[3] == "recycle" {
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
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dsn := filepath.Join(t.TempDir(), "crm.db")
			if engine == "postgres" {
				dsn = pgtest.Server(t, pgtest.UTF8).Database(t)
			}
			rounds := 10
			if testing.Short() {
				rounds = 3
			}
			d := newDesk(t, openDSN(t, engine, dsn), telling)
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
				kill(t, fmt.Sprint(engine, "|", dsn, "|", hours, "|", what), time.Duration(5+rand.IntN(100))*time.Millisecond)
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

// kill starts a process and kills it a while after it began.
func kill(t *testing.T, args string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"="+args)
	out := need(cmd.StdoutPipe())(t)
	require.NoError(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "begins" {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	require.ErrorContains(t, cmd.Wait(), "killed")
}

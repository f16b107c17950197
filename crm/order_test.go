package crm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// TestOrderHoldsThoughClocksDiffer has two processes, one of whose clocks is behind,
// change the same records in turn, more often than one transaction of the relay
// takes: the ids of later events sort before those of earlier ones.
func TestOrderHoldsThoughClocksDiffer(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var inside, outside heard
		a := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(c.On("company.*", "inside", inside.on), c.On("company.*", "outside", outside.on, crm.Outside()))
		})
		b := newShop(t, e.Store, crm.Config{})
		b.Clock.Advance(-5 * time.Minute)
		ctx := system(t)
		hot, cold := a.company(t, ctx, "Hot"), a.company(t, ctx, "Cold")
		const changes = 1300
		require.NoError(t, a.Tx(ctx, func(ctx context.Context) error { return touch(ctx, a, cold.ID, 0) }))
		for n := 0; n < changes; n += 50 { // in turn, and many a transaction
			s := []*shop{a, b}[n/50%2]
			require.NoError(t, s.Tx(ctx, func(ctx context.Context) error {
				for i := range 50 {
					if err := touch(ctx, s, hot.ID, n+i); err != nil {
						return err
					}
				}
				return touch(ctx, s, cold.ID, n+1)
			}))
		}
		a.work(t)
		for _, h := range []*heard{&inside, &outside} {
			at := map[crm.ID]int64{}
			for _, e := range h.events {
				require.Equal(t, at[e.Record]+1, e.Version)
				at[e.Record] = e.Version
			}
			require.EqualValues(t, changes+1, at[hot.ID])
			require.EqualValues(t, changes/50+2, at[cold.ID])
		}
		a.whole(t)
	})
}

func touch(ctx context.Context, s *shop, id crm.ID, n int) error {
	_, err := s.companies.Update(ctx, id, func(c *company) error { c.Name = fmt.Sprint("Name ", n); return nil })
	return err
}

// follower is a shop whose handler keeps, for each company, a deal whose score is the
// version it heard of last. It refuses for good what comes out of order or twice, and
// fails now and then.
func follower(tb testing.TB, store storage.Store, failing *atomic.Bool, inBatches bool) *shop {
	tb.Helper()
	s := &shop{}
	follow := func(ctx context.Context, events []crm.Event) error {
		for _, e := range events {
			if err := s.follow(ctx, e); err != nil {
				return err
			}
		}
		if failing.Load() && rand.IntN(4) == 0 {
			if rand.IntN(2) == 0 {
				panic("now and then")
			}
			return errors.New("now and then")
		}
		return nil
	}
	s.Core = crmtest.On(tb, store, crm.Config{}, func(c *crm.Core) error {
		if inBatches {
			return errors.Join(s.define(c), c.OnBatch("company.*", "follow", follow, crm.Attempts(1000)))
		}
		return errors.Join(s.define(c), c.On("company.*", "follow", func(ctx context.Context, e crm.Event) error {
			return follow(ctx, []crm.Event{e})
		}, crm.Attempts(1000)))
	})
	return s
}

func (s *shop) follow(ctx context.Context, e crm.Event) error {
	if e.Version == 1 {
		_, err := s.deals.Create(ctx, deal{Record: crm.Record{ID: e.Record}, Name: "Follows", Score: 1})
		return err
	}
	_, err := s.deals.Update(ctx, e.Record, func(d *deal) error {
		if d.Score != e.Version-1 {
			return crm.Permanent(fmt.Errorf("version %d comes behind %d", e.Version, d.Score))
		}
		d.Score = e.Version
		return nil
	})
	return err
}

// TestManyWorkersKeepTheOrder has writers, and workers of two processes whose clocks
// jump past each other's leases, all at once, with a handler that fails now and then.
func TestManyWorkersKeepTheOrder(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { keepTheOrder(t, e, false) })
}

// TestManyWorkersKeepTheOrderOfBatches is the same for a handler of many events.
func TestManyWorkersKeepTheOrderOfBatches(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { keepTheOrder(t, e, true) })
}

func keepTheOrder(t *testing.T, e enginetest.Engine, inBatches bool) {
	t.Helper()
	failing := &atomic.Bool{}
	failing.Store(true)
	a, b := follower(t, e.Store, failing, inBatches), follower(t, e.Store, failing, inBatches)
	ctx := system(t)
	ids := make([]crm.ID, 12)
	for i := range ids {
		ids[i] = a.company(t, ctx, "Company").ID
	}
	var writers, workers sync.WaitGroup
	var written atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			for n := range rounds(60, 300) {
				if err := touch(ctx, []*shop{a, b}[w], ids[rand.IntN(len(ids))], n*2+w); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 4 {
		workers.Go(func() {
			s := []*shop{a, b}[w%2]
			for !written.Load() {
				if err := s.RunDue(ctx); err != nil {
					t.Error(err)
					return
				}
				s.Clock.Advance(time.Duration(rand.IntN(400)) * time.Second)
			}
		})
	}
	writers.Wait()
	written.Store(true)
	workers.Wait()
	failing.Store(false)
	for range 4 {
		a.Clock.Advance(24 * time.Hour)
		a.work(t)
	}
	held, err := a.Subscriptions.Held(ctx, "follow")
	require.NoError(t, err)
	require.Empty(t, held.Items)
	for c, err := range a.companies.All(ctx) {
		require.NoError(t, err)
		d, err := a.deals.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, c.Version, d.Score)
		require.Equal(t, c.Version, d.Version, "each event was applied once")
	}
	a.whole(t)
}

// TestFewEventsAmongMany has a subscription to a rare event.
func TestFewEventsAmongMany(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var rare heard
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error { return c.On("deal.*", "rare", rare.on) })
		ctx := system(t)
		for range 3 {
			_, err := s.companies.CreateAll(ctx, manyCompanies(700))
			require.NoError(t, err)
			_, err = s.deals.Create(ctx, deal{Name: "Deal"})
			require.NoError(t, err)
		}
		s.work(t)
		require.Len(t, rare.events, 3)
		s.whole(t)
	})
}

func manyCompanies(n int) []company {
	all := make([]company, n)
	for i := range all {
		all[i].Name = "Company"
	}
	return all
}

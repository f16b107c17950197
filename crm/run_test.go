package crm_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestStartHearsOfWritesAtOnce polls once an hour, so that only the write itself can
// have woken the worker.
func TestStartHearsOfWritesAtOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		got := make(chan crm.Event, 10)
		s := subscribed(t, e.Store, crm.Config{Poll: time.Hour}, func(c *crm.Core) error {
			return c.On("*", "all", func(_ context.Context, e crm.Event) error { got <- e; return nil }, crm.Outside())
		})
		stop := s.Start(t.Context())
		c := s.company(t, as(t, "dana"), "One")
		require.Equal(t, c.ID, (<-got).Record)
		_, err := s.companies.Update(as(t, "dana"), c.ID, func(c *company) error { c.Name = "Two"; return nil })
		require.NoError(t, err)
		require.EqualValues(t, 2, (<-got).Version)
		require.NoError(t, stop(t.Context()))
		require.NoError(t, stop(t.Context()), "again")
		s.whole(t)
	})
}

// TestStopLetsHandlersFinish stops while one is at work.
func TestStopLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	calls := 0
	s := subscribed(t, sqliteStore(t), crm.Config{Workers: 1}, func(c *crm.Core) error {
		return c.On("*", "slow", func(ctx context.Context, _ crm.Event) error {
			calls++
			begun <- struct{}{}
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, crm.Outside())
	})
	s.company(t, as(t, "dana"), "One")
	stop := s.Start(t.Context())
	<-begun
	stopped := make(chan error)
	go func() { stopped <- stop(t.Context()) }()
	close(finish)
	require.NoError(t, <-stopped)
	slow := func() crm.SubscriptionStatus {
		list, err := s.Subscriptions.List(system(t))
		require.NoError(t, err)
		return list[slices.IndexFunc(list, func(of crm.SubscriptionStatus) bool { return of.Name == "slow" })]
	}
	require.EqualValues(t, 1, slow().Position, "it finished, and that was noted")

	// One that takes too long is cut off, and comes back.
	finish = make(chan struct{})
	s.company(t, as(t, "dana"), "Two")
	stop = s.Start(t.Context())
	<-begun
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, stop(hurry), context.Canceled)
	s.company(t, as(t, "dana"), "Three")
	require.EqualValues(t, 1, slow().Position)
	require.Zero(t, slow().Held, "that it was cut off is no failure")
}

// TestRunEndsWithItsContext needs no stop.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := subscribed(t, sqliteStore(t), crm.Config{}, func(c *crm.Core) error {
		return c.On("*", "all", func(context.Context, crm.Event) error { cancel(); return nil })
	})
	s.company(t, as(t, "dana"), "One")
	require.NoError(t, s.Run(ctx))
	require.ErrorIs(t, s.Tx(system(t), func(ctx context.Context) error { return s.Run(ctx) }), crm.ErrInvalid)
}

func TestHealthTellsHowFarBehind(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := jobShop(t, e.Store, greeting)
		lags := func() map[string]time.Duration {
			h, err := s.Health(t.Context())
			require.NoError(t, err)
			m := map[string]time.Duration{}
			for _, q := range h.Queues {
				if q.Lag > 0 {
					m[q.Name] = q.Lag
				}
			}
			return m
		}
		require.Empty(t, lags())
		s.enqueue(t, crm.Job{Payload: invite{"One"}})
		s.company(t, as(t, "dana"), "Two")
		s.Clock.Advance(90 * time.Minute)
		require.Equal(t, map[string]time.Duration{"jobs": 90*time.Minute + time.Second, "outbox": 90*time.Minute + time.Second}, lags())
		s.work(t)
		require.Empty(t, lags())
	})
}

// TestAFieldIsMadeReadyInTheBackground promotes a field that records have values of.
func TestAFieldIsMadeReadyInTheBackground(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := system(t)
		f, err := s.Fields.Create(ctx, crm.CustomField{Object: "company", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		_, err = s.companies.Create(ctx, company{Record: crm.Record{Custom: crm.Custom{"tier": "gold"}}, Name: "One"})
		require.NoError(t, err)
		f, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Indexed = true; return nil })
		require.NoError(t, err)
		require.False(t, f.Ready)
		s.work(t)
		require.Len(t, s.jobs(t, crm.JobWaiting), 1, "other processes may not know of it yet")
		s.Clock.Advance(time.Second)
		s.work(t)
		require.Empty(t, s.jobs(t, ""))
		f, err = s.Fields.Get(ctx, f.ID)
		require.NoError(t, err)
		require.True(t, f.Ready)

		// What cannot be made unique says so.
		_, err = s.companies.Create(ctx, company{Record: crm.Record{Custom: crm.Custom{"tier": "gold"}}, Name: "Two"})
		require.NoError(t, err)
		_, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.NoError(t, err)
		s.Clock.Advance(time.Second)
		s.work(t)
		jobs := s.jobs(t, crm.JobWaiting)
		require.Len(t, jobs, 1)
		require.Contains(t, jobs[0].Error, "1 record has a value that another record has too")
		require.NoError(t, s.Fields.Delete(ctx, f.ID))
		require.NoError(t, s.Jobs.Retry(ctx, jobs[0].ID))
		s.work(t)
		require.Empty(t, s.jobs(t, ""), "a field that is gone needs nothing")
		s.whole(t)
	})
}

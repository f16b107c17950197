package crm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// invite is the payload of the tests' jobs.
type invite struct {
	Name string `json:"name"`
}

// jobShop is a shop with a kind of jobs.
func jobShop(tb testing.TB, store storage.Store, fn func(s *shop, ctx context.Context, j crm.Job, p invite) error, opts ...crm.JobOption) *shop {
	tb.Helper()
	s := &shop{}
	s.Core = crmtest.On(tb, store, crm.Config{}, func(c *crm.Core) error {
		return errors.Join(s.define(c), crm.HandleJob(c.Jobs, "invite", func(ctx context.Context, j crm.Job, p invite) error {
			return fn(s, ctx, j, p)
		}, opts...))
	})
	return s
}

func (s *shop) enqueue(tb testing.TB, j crm.Job) crm.Job {
	tb.Helper()
	if j.Kind == "" {
		j.Kind = "invite"
	}
	j, err := s.Jobs.Enqueue(system(tb), j)
	require.NoError(tb, err)
	return j
}

func (s *shop) jobs(tb testing.TB, state crm.JobState) []crm.Job {
	tb.Helper()
	p, err := s.Jobs.List(system(tb), crm.JobFilter{State: state})
	require.NoError(tb, err)
	return p.Items
}

// greeting creates a company for an invitation.
func greeting(s *shop, ctx context.Context, _ crm.Job, p invite) error { //nolint:revive // the shop comes first
	_, err := s.companies.Create(ctx, company{Name: p.Name})
	return err
}

func TestAJobIsDoneOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := jobShop(t, e.Store, greeting)
		ctx := as(t, "dana")
		undone := errors.New("no")
		require.ErrorIs(t, s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.Jobs.Enqueue(ctx, crm.Job{Kind: "invite", Payload: invite{"Never"}})
			return errors.Join(err, undone)
		}), undone)
		require.NoError(t, s.Tx(crm.Because(ctx, "a fair"), func(ctx context.Context) error {
			_, err := s.Jobs.Enqueue(ctx, crm.Job{Kind: "invite", Payload: invite{"One"}})
			return err
		}))
		later := s.enqueue(t, crm.Job{Payload: invite{"Two"}, Due: s.Clock.Now().Add(time.Hour)})
		s.work(t)
		require.Equal(t, []string{"One"}, s.names(t, ctx))
		got, err := s.Jobs.Get(system(t), later.ID)
		require.NoError(t, err)
		require.Equal(t, s.Clock.Now().Add(time.Hour), got.Due)
		s.Clock.Advance(time.Hour)
		s.work(t)
		s.work(t)
		require.Equal(t, []string{"One", "Two"}, s.names(t, ctx))
		require.Empty(t, s.jobs(t, ""), "a finished job is gone")
		_, err = s.Jobs.Get(system(t), later.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		for c, err := range s.companies.All(ctx) {
			require.NoError(t, err)
			h, err := s.companies.History(ctx, c.ID)
			require.NoError(t, err)
			require.Regexp(t, "^job:.{36}$", h.Items[0].Cause)
		}
		s.whole(t)
	})
}

func (s *shop) names(tb testing.TB, ctx context.Context) (names []string) { //nolint:revive // the test comes first
	tb.Helper()
	for c, err := range s.companies.All(ctx) {
		require.NoError(tb, err)
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

func TestAFailedJobIsTriedAgainAndGivenUp(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		broken := true
		s := jobShop(t, e.Store, func(s *shop, ctx context.Context, j crm.Job, p invite) error {
			err := greeting(s, ctx, j, p)
			switch {
			case err != nil:
				return err
			case p.Name == "panics" && broken:
				panic("at the disco")
			case p.Name == "never" && broken:
				return crm.Permanent(errors.New("gone"))
			case p.Name == "fails" && broken:
				return errors.New("away")
			}
			return nil
		})
		ctx := system(t)
		for _, name := range []string{"good", "fails", "panics", "never"} {
			s.enqueue(t, crm.Job{Payload: invite{name}, MaxAttempts: 2})
		}
		s.enqueue(t, crm.Job{Payload: []int{1}})
		s.work(t)
		require.Equal(t, []string{"good"}, s.names(t, ctx), "what the others wrote is undone")
		require.Len(t, s.jobs(t, crm.JobWaiting), 2)
		require.Len(t, s.jobs(t, crm.JobFailed), 2, "the permanent one, and the one with another payload")
		waiting := s.jobs(t, crm.JobWaiting)[0]
		require.Equal(t, "away", waiting.Error)
		require.EqualValues(t, 1, waiting.Attempts)
		require.WithinRange(t, waiting.Due, s.Clock.Now().Add(8*time.Second), s.Clock.Now().Add(12*time.Second))
		s.Clock.Advance(12 * time.Second)
		s.work(t)
		failed := s.jobs(t, crm.JobFailed)
		require.Len(t, failed, 4)
		health, err := s.Health(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 4, health.Failed)
		broken = false
		for _, j := range failed[:3] {
			require.NoError(t, s.Jobs.Retry(ctx, j.ID))
		}
		require.NoError(t, s.Jobs.Cancel(ctx, failed[3].ID))
		require.ErrorIs(t, s.Jobs.Cancel(ctx, failed[3].ID), crm.ErrNotFound)
		s.work(t)
		require.Equal(t, []string{"fails", "good", "never", "panics"}, s.names(t, ctx))
		require.Empty(t, s.jobs(t, ""))
		s.whole(t)
	})
}

func TestAKeyIsOneUnfinishedJobs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		broken := true
		s := jobShop(t, e.Store, func(*shop, context.Context, crm.Job, invite) error {
			if broken {
				return crm.Permanent(errors.New("no"))
			}
			return nil
		})
		first := s.enqueue(t, crm.Job{Key: "k", Payload: invite{"One"}})
		require.False(t, first.Existing)
		second := s.enqueue(t, crm.Job{Key: "k", Payload: invite{"Two"}})
		require.True(t, second.Existing)
		require.Equal(t, first.ID, second.ID)
		other, err := s.Jobs.Enqueue(crm.System(t.Context(), "globex"), crm.Job{Kind: "invite", Key: "k"})
		require.NoError(t, err)
		require.False(t, other.Existing, "of another tenant")
		all, err := s.Jobs.EnqueueAll(system(t), []crm.Job{{Kind: "invite", Key: "a"}, {Kind: "invite", Key: "a"}, {Kind: "invite", Key: "k"}, {Kind: "other", Key: "k"}})
		require.NoError(t, err)
		require.Equal(t, []bool{false, true, true, false}, []bool{all[0].Existing, all[1].Existing, all[2].Existing, all[3].Existing})
		s.work(t)
		require.Len(t, s.jobs(t, crm.JobFailed), 2)
		third := s.enqueue(t, crm.Job{Key: "k", Payload: invite{"Three"}})
		require.False(t, third.Existing, "one that was given up does not keep its key")
		require.ErrorIs(t, s.Jobs.Retry(system(t), first.ID), crm.ErrConflict)

		// Many at once: one comes of it.
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids := map[crm.ID]bool{}
		for range 8 {
			wg.Go(func() {
				j, err := s.Jobs.Enqueue(system(t), crm.Job{Kind: "invite", Key: "raced"})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				ids[j.ID] = true
			})
		}
		wg.Wait()
		require.Len(t, ids, 1)
		s.whole(t)
	})
}

func TestAnIdempotentJobIsRepeatedAndTellsItsProgress(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var calls []crm.ID
		broken := true
		s := jobShop(t, e.Store, func(s *shop, ctx context.Context, j crm.Job, _ invite) error {
			calls = append(calls, j.ID)
			require.NoError(t, crm.Progress(ctx, 3, 10))
			got, err := s.Jobs.Get(ctx, j.ID)
			require.NoError(t, err)
			require.Equal(t, [2]int64{3, 10}, [2]int64{got.Done, got.Total})
			require.Equal(t, s.Clock.Now().Add(time.Hour), got.Due, "its lease")
			if broken {
				return errors.New("away")
			}
			return nil
		}, crm.Idempotent(), crm.Lease(time.Hour))
		j := s.enqueue(t, crm.Job{})
		s.work(t)
		broken = false
		s.Clock.Advance(12 * time.Second)
		s.work(t)
		require.Equal(t, []crm.ID{j.ID, j.ID}, calls)
		require.Empty(t, s.jobs(t, ""))
		require.ErrorIs(t, crm.Progress(t.Context(), 1, 2), crm.ErrInvalid)
	})
}

// TestAJobOfAtMostOnceEffectsIsNeverRepeatedByItself has a worker overtaken by
// another in the middle of one.
func TestAJobOfAtMostOnceEffectsIsNeverRepeatedByItself(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var done []string
		var other *shop
		pay := func(s *shop, ctx context.Context, _ crm.Job, p invite) error {
			done = append(done, p.Name)
			switch p.Name {
			case "slow": // its lease runs out while it works, and another worker looks
				s.Clock.Advance(10 * time.Minute)
				other.Clock.Advance(10 * time.Minute)
				other.work(t)
				require.ErrorIs(t, crm.Progress(ctx, 1, 2), crm.ErrConflict)
			case "fails":
				return errors.New("a time-out")
			case "refused":
				if len(done) < 4 {
					return crm.NotDone(errors.New("connection refused"))
				}
			}
			return nil
		}
		s := jobShop(t, e.Store, pay, crm.AtMostOnce())
		other = jobShop(t, e.Store, pay, crm.AtMostOnce())
		for _, name := range []string{"slow", "fails", "refused"} {
			s.enqueue(t, crm.Job{Payload: invite{name}})
			s.work(t)
		}
		require.Equal(t, []string{"slow", "fails", "refused"}, done)
		uncertain := s.jobs(t, crm.JobUncertain)
		require.Len(t, uncertain, 2)
		require.Equal(t, "a time-out", uncertain[1].Error)
		require.ErrorIs(t, s.Jobs.Retry(system(t), uncertain[0].ID), crm.ErrConflict)
		health, err := s.Health(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, health.Uncertain)
		s.Clock.Advance(100 * time.Hour)
		s.work(t)
		require.Equal(t, []string{"slow", "fails", "refused", "refused"}, done, "what was surely not done is tried again")

		require.NoError(t, s.Jobs.Resolve(system(t), uncertain[0].ID, true))
		require.NoError(t, s.Jobs.Resolve(system(t), uncertain[1].ID, false))
		require.ErrorIs(t, s.Jobs.Resolve(system(t), uncertain[0].ID, true), crm.ErrNotFound)
		s.work(t)
		require.Len(t, done, 5, "once more, because somebody said so")
		require.Len(t, s.jobs(t, crm.JobUncertain), 1)
	})
}

func TestAJobOfAnUnknownKindWaitsForWhoKnowsIt(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		old := newShop(t, e.Store, crm.Config{})
		s := jobShop(t, e.Store, greeting, crm.Idempotent())
		_, err := old.Jobs.Enqueue(system(t), crm.Job{Kind: "invite", Payload: invite{"One"}})
		require.NoError(t, err)
		old.work(t)
		s.work(t)
		require.Empty(t, s.names(t, system(t)), "the one who does not know it had it first")
		s.Clock.Advance(time.Minute)
		s.work(t)
		require.Equal(t, []string{"One"}, s.names(t, system(t)))
	})
}

// TestWorkersWhoseClocksDiffer has two workers, one five minutes ahead, so that to him
// every lease of the other has run out: nothing is applied twice.
func TestWorkersWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		handlers := func(s *shop) func(*crm.Core) error {
			return func(c *crm.Core) error {
				return errors.Join(s.define(c),
					crm.HandleJob(c.Jobs, "invite", func(ctx context.Context, j crm.Job, p invite) error { return greeting(s, ctx, j, p) }),
					c.On("company.*", "deals", func(ctx context.Context, e crm.Event) error {
						_, err := s.deals.Create(ctx, deal{Name: "Deal", CompanyID: e.Record})
						return err
					}))
			}
		}
		a, b := &shop{}, &shop{}
		a.Core = crmtest.On(t, e.Store, crm.Config{}, handlers(a))
		b.Core = crmtest.On(t, e.Store, crm.Config{}, handlers(b))
		b.Clock.Advance(5 * time.Minute)
		const n = 300
		for i := range n {
			a.enqueue(t, crm.Job{Payload: invite{fmt.Sprint("Company ", i)}})
		}
		var wg sync.WaitGroup
		for _, s := range []*shop{a, b, a, b} {
			wg.Go(func() {
				if err := s.RunDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for range 3 { // what one took from the other comes back
			a.Clock.Advance(10 * time.Minute)
			b.Clock.Advance(10 * time.Minute)
			a.work(t)
			b.work(t)
		}
		require.Len(t, a.names(t, system(t)), n)
		deals, err := a.deals.Count(system(t))
		require.NoError(t, err)
		require.EqualValues(t, n, deals)
		require.Empty(t, a.jobs(t, ""))
		a.whole(t)
	})
}

// TestManyJobsOfOneTenantDoNotStarveAnother enqueues many of one tenant, then one of
// another.
func TestManyJobsOfOneTenantDoNotStarveAnother(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		before := map[string]int{} // how many were done before the tenant's first
		done := 0
		s := jobShop(t, e.Store, func(_ *shop, _ context.Context, _ crm.Job, p invite) error {
			if _, ok := before[p.Name]; !ok {
				before[p.Name] = done
			}
			done++
			return nil
		})
		batch := make([]crm.Job, 5000)
		for i := range batch {
			batch[i] = crm.Job{Kind: "invite", Payload: invite{"big"}}
		}
		times := rounds(2, 20) // the race detector makes SQLite ten times slower
		switch {
		case os.Getenv("EMBEDCRM_SOAK") != "":
			times = 200 // a million
		case e.Name == "postgres": // where each handler's savepoint is a round trip
			times = rounds(2, 4)
		}
		for range times {
			_, err := s.Jobs.EnqueueAll(crm.System(t.Context(), "big"), batch)
			require.NoError(t, err)
		}
		for n := range 70 { // more tenants than buckets, so that some share the big one's
			name := fmt.Sprint("small ", n)
			_, err := s.Jobs.Enqueue(crm.System(t.Context(), name), crm.Job{Kind: "invite", Payload: invite{name}, Priority: crm.Priority(n%3 - 1)})
			require.NoError(t, err)
		}
		s.work(t)
		for name, n := range before {
			require.Less(t, n, 2500, "%s waited", name)
		}
		require.Len(t, before, 71)
	})
}

func TestHigherPriorityGoesFirst(t *testing.T) {
	t.Parallel()
	var order []string
	store := sqliteStore(t)
	s := jobShop(t, store, func(_ *shop, _ context.Context, _ crm.Job, p invite) error {
		order = append(order, p.Name)
		return nil
	})
	for _, p := range []crm.Priority{crm.PriorityLow, crm.PriorityNormal, crm.PriorityHigh} {
		s.enqueue(t, crm.Job{Payload: invite{fmt.Sprint(p)}, Priority: p})
	}
	s.work(t)
	require.Equal(t, []string{"1", "0", "-1"}, order)
}

func TestASchedulesJobComesByTheClocksOfItsZone(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var at []string
		s := jobShop(t, e.Store, func(s *shop, _ context.Context, _ crm.Job, p invite) error {
			at = append(at, p.Name+" "+s.Clock.Now().Format(time.DateTime))
			return nil
		})
		ctx := system(t)
		daily := crm.Schedule{Name: "daily", Kind: "invite", Cron: "30 2 * * *", Zone: "America/New_York", Payload: invite{"digest"}}
		require.NoError(t, s.Jobs.Schedule(ctx, daily))
		require.NoError(t, s.Jobs.Schedule(ctx, daily), "again changes nothing")
		all, err := s.Jobs.Schedules(ctx)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "2026-01-06 07:30:00", all[0].Next.Format(time.DateTime))
		s.work(t)
		require.Empty(t, at)
		s.Clock.Advance(22*time.Hour + 30*time.Minute)
		s.work(t)
		s.work(t)
		s.Clock.Advance(5 * 24 * time.Hour) // no process works for five days
		s.work(t)
		require.Equal(t, []string{"digest 2026-01-06 07:30:00", "digest 2026-01-11 07:30:00"}, at, "what was missed is made up for once")
		require.NoError(t, s.Jobs.Unschedule(ctx, "daily"))
		require.NoError(t, s.Jobs.Unschedule(ctx, "daily"))
		s.Clock.Advance(5 * 24 * time.Hour)
		s.work(t)
		require.Len(t, at, 2)
		for _, wrong := range []crm.Schedule{
			{Name: "", Kind: "invite", Cron: "@daily"},
			{Name: "x", Kind: "", Cron: "@daily"},
			{Name: "x", Kind: "invite", Cron: "0 0 30 2 *"},
			{Name: "x", Kind: "invite", Cron: "@daily", Zone: "Mars/Olympus"},
			{Name: "x", Kind: "invite", Cron: "@daily", Zone: "Local"},
			{Name: "x", Kind: "invite", Cron: "@daily", Zone: "../../etc/passwd"},
			{Name: "x", Kind: "invite", Cron: "@daily", Priority: 7},
			{Name: "x", Kind: "invite", Cron: "@daily", Payload: func() {}},
		} {
			require.ErrorIs(t, s.Jobs.Schedule(ctx, wrong), crm.ErrInvalid)
		}
		require.ErrorIs(t, s.Jobs.Schedule(as(t, "dana"), daily), crm.ErrForbidden)
		s.whole(t)
	})
}

func TestWrongJobsAreRefused(t *testing.T) {
	t.Parallel()
	s := jobShop(t, sqliteStore(t), greeting)
	for name, wrong := range map[string]crm.Job{
		"kind":         {},
		"key":          {Kind: "x", Key: string(make([]byte, 256))},
		"payload":      {Kind: "x", Payload: make(chan int)},
		"priority":     {Kind: "x", Priority: 2},
		"max_attempts": {Kind: "x", MaxAttempts: -1},
		"due":          {Kind: "x", Due: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := s.Jobs.Enqueue(system(t), wrong)
		require.ErrorIs(t, err, crm.ErrInvalid, name)
		require.ErrorContains(t, err, name)
	}
	_, err := s.Jobs.Enqueue(t.Context(), crm.Job{Kind: "x"})
	require.ErrorIs(t, err, crm.ErrUnscoped)
	_, err = s.Jobs.EnqueueAll(system(t), make([]crm.Job, 5001))
	require.ErrorIs(t, err, crm.ErrInvalid)
	j := s.enqueue(t, crm.Job{Due: s.Clock.Now().Add(time.Hour)})
	other := crm.System(t.Context(), "globex")
	for _, call := range []func(context.Context, crm.ID) error{s.Jobs.Cancel, s.Jobs.Retry, func(ctx context.Context, id crm.ID) error { return s.Jobs.Resolve(ctx, id, true) }} {
		require.ErrorIs(t, call(other, j.ID), crm.ErrNotFound)
		require.ErrorIs(t, call(as(t, "dana"), j.ID), crm.ErrForbidden)
	}
	_, err = s.Jobs.List(as(t, "dana"), crm.JobFilter{})
	require.ErrorIs(t, err, crm.ErrForbidden)
	_, err = s.Jobs.List(system(t), crm.JobFilter{State: "x"})
	require.ErrorIs(t, err, crm.ErrInvalid)
	_, err = s.Jobs.Enqueue(system(t), crm.Job{Kind: "x", ID: j.ID})
	require.ErrorIs(t, err, crm.ErrConflict)
}

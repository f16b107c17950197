package crm_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// heard is what a handler was called with, as tenant, event and version.
type heard struct{ events []crm.Event }

func (h *heard) on(_ context.Context, e crm.Event) error {
	h.events = append(h.events, e)
	return nil
}

func (h *heard) names() []string {
	names := []string{}
	for _, e := range h.events {
		names = append(names, e.Name)
	}
	return names
}

// subscribed is a shop with handlers.
func subscribed(tb testing.TB, store storage.Store, cfg crm.Config, handlers func(*crm.Core) error) *shop {
	tb.Helper()
	s := &shop{}
	s.Core = crmtest.On(tb, store, cfg, func(c *crm.Core) error {
		return errors.Join(s.define(c), handlers(c))
	})
	return s
}

func (s *shop) work(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, s.RunDue(tb.Context()))
}

func TestHandlersHearWhatTheySubscribedTo(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var won, deals, all heard
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(
				c.On("deal.won", "invoice", won.on),
				c.On("deal.*", "deals", deals.on),
				c.On("*", "all", all.on, crm.Outside()),
			)
		})
		ctx := as(t, "dana")
		company := s.company(t, ctx, "Customer")
		d, err := s.deals.Create(crm.Because(ctx, "a fair"), deal{Name: "Deal", CompanyID: company.ID, Amount: crm.EUR(100)})
		require.NoError(t, err)
		_, err = s.deals.Do(ctx, d.ID, "won", func(d *deal) error { d.Stage = "won"; return nil })
		require.NoError(t, err)
		require.Empty(t, all.events, "nothing runs by itself")
		s.work(t)
		require.Equal(t, []string{"deal.won"}, won.names())
		require.Equal(t, []string{"deal.created", "deal.won"}, deals.names())
		require.Equal(t, []string{"company.created", "deal.created", "deal.won"}, all.names())
		created := deals.events[0]
		require.Equal(t, "acme", created.Tenant)
		require.Equal(t, d.ID, created.Record)
		require.Equal(t, "member:dana", created.Actor)
		require.Equal(t, "a fair", created.Cause)
		history, err := s.deals.History(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, history.Items[1], created, "what is heard is what history tells")
		s.work(t)
		require.Len(t, all.events, 3, "each is heard once")
		s.whole(t)
	})
}

func TestASubscriptionMadeLaterBeginsNowOrAtTheBeginning(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		first := subscribed(t, e.Store, crm.Config{}, func(*crm.Core) error { return nil })
		ctx := as(t, "dana")
		first.company(t, ctx, "One")
		first.work(t)
		first.company(t, ctx, "Two") // written, and in nobody's log yet

		var now, ever heard
		second := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(c.On("*", "now", now.on), c.On("*", "ever", ever.on, crm.FromBeginning()))
		})
		second.work(t)
		require.Len(t, now.events, 1)
		require.Len(t, ever.events, 2)

		// A tenant that comes to be later is heard from its first event on.
		_, err := second.companies.Create(crm.System(t.Context(), "globex"), company{Name: "Three"})
		require.NoError(t, err)
		first.work(t) // who relays it knows neither subscription, and leaves them to others
		second.Clock.Advance(time.Minute)
		second.work(t)
		require.Len(t, now.events, 2)
		require.Len(t, ever.events, 3)

		// A process that starts again goes on where the last one ended.
		var again heard
		third := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(c.On("*", "now", again.on), c.On("*", "ever", again.on))
		})
		third.company(t, ctx, "Four")
		third.work(t)
		require.Len(t, again.events, 2)
		third.whole(t)
	})
}

// TestAHandlersChangesHappenOnce has a handler that fails, or panics, after it wrote.
func TestAHandlersChangesHappenOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		calls := 0
		s := &shop{}
		s.Core = crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(s.define(c), c.On("company.created", "greet", func(ctx context.Context, e crm.Event) error {
				_, err := s.deals.Create(ctx, deal{Name: "Welcome", CompanyID: e.Record})
				switch calls++; calls {
				case 1:
					return errors.Join(err, errors.New("too late"))
				case 2:
					panic("far too late")
				}
				return err
			}))
		})
		ctx := as(t, "dana")
		s.company(t, ctx, "One")
		for n := range 3 {
			s.work(t)
			count, err := s.deals.Count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, n/2, count)
			s.Clock.Advance(time.Minute)
		}
		require.Equal(t, 3, calls)
		for d, err := range s.deals.All(ctx) {
			require.NoError(t, err)
			history, err := s.deals.History(ctx, d.ID)
			require.NoError(t, err)
			require.Regexp(t, "^event:.{36}$", history.Items[0].Cause, "the change names the event as its cause")
			require.Equal(t, "system", history.Items[0].Actor)
		}
		s.whole(t)
	})
}

func TestAFailingEventHoldsItsRecordAlone(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		for _, outside := range []bool{false, true} {
			t.Run(fmt.Sprint("outside=", outside), func(t *testing.T) {
				var got heard
				var failing error
				var bad crm.ID
				tenant := fmt.Sprint("tenant", outside)
				s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
					opts := []crm.SubscribeOption{crm.Attempts(3)}
					if outside {
						opts = append(opts, crm.Outside())
					}
					return c.On("company.*", "hold "+tenant, func(ctx context.Context, e crm.Event) error {
						if e.Tenant != tenant {
							return nil
						}
						if e.Record == bad && failing != nil {
							return failing
						}
						return got.on(ctx, e)
					}, opts...)
				})
				ctx := crm.System(t.Context(), tenant)
				one, two := s.company(t, ctx, "One"), s.company(t, ctx, "Two")
				s.work(t)
				got = heard{}
				bad, failing = one.ID, errors.New("the other side is away")
				touch := func(id crm.ID, name string) {
					_, err := s.companies.Update(ctx, id, func(c *company) error { c.Name = name; return nil })
					require.NoError(t, err)
				}
				touch(one.ID, "One 2")
				touch(two.ID, "Two 2")
				touch(one.ID, "One 3")
				s.work(t)
				touch(one.ID, "One 4")
				s.work(t)
				require.Len(t, got.events, 1, "those of other records go on")
				require.Equal(t, two.ID, got.events[0].Record)

				held, err := s.Subscriptions.Held(ctx, "hold "+tenant)
				require.NoError(t, err)
				require.Len(t, held.Items, 3)
				require.EqualValues(t, 1, held.Items[0].Attempts)
				require.Equal(t, "the other side is away", held.Items[0].Error)
				require.WithinRange(t, held.Items[0].Next, s.Clock.Now().Add(8*time.Second), s.Clock.Now().Add(12*time.Second))
				require.Zero(t, held.Items[1].Next, "the next waits behind it")
				require.ErrorIs(t, s.Subscriptions.Drop(ctx, held.Items[1].ID), crm.ErrConflict)

				s.Clock.Advance(15 * time.Second)
				s.work(t)
				s.Clock.Advance(30 * time.Second)
				s.work(t)
				parked, err := s.Subscriptions.Parked(ctx, "hold "+tenant)
				require.NoError(t, err)
				require.Len(t, parked.Items, 1)
				require.EqualValues(t, 3, parked.Items[0].Attempts)
				require.EqualValues(t, 2, parked.Items[0].Event.Version)
				health, err := s.Health(ctx)
				require.NoError(t, err)
				require.EqualValues(t, 1, health.Parked)
				s.Clock.Advance(100 * time.Hour)
				s.work(t)
				require.Len(t, got.events, 1, "what is parked is not tried again by itself")
				s.whole(t)

				failing = nil
				require.NoError(t, s.Subscriptions.Retry(ctx, parked.Items[0].ID))
				s.work(t)
				versions := []int64{}
				for _, e := range got.events[1:] {
					versions = append(versions, e.Version)
				}
				require.Equal(t, []int64{2, 3, 4}, versions, "in the order of versions")
				list, err := s.Subscriptions.List(ctx)
				require.NoError(t, err)
				require.EqualValues(t, 6, list[len(list)-1].Position)
				require.Zero(t, list[len(list)-1].Held)

				failing = crm.Permanent(errors.New("never"))
				touch(one.ID, "One 5")
				touch(one.ID, "One 6")
				s.work(t)
				parked, err = s.Subscriptions.Parked(ctx, "hold "+tenant)
				require.NoError(t, err)
				require.Len(t, parked.Items, 1, "what cannot succeed is not tried again")
				failing = nil
				require.NoError(t, s.Subscriptions.Drop(ctx, parked.Items[0].ID))
				s.work(t)
				require.EqualValues(t, 6, got.events[len(got.events)-1].Version, "dropped is passed over")
				require.Len(t, got.events, 5)
				s.whole(t)
			})
		}
	})
}

// TestALateCommitIsHeard holds a transaction open over many later commits.
func TestALateCommitIsHeard(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var inside, outside heard
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(c.On("company.*", "inside", inside.on), c.On("company.*", "outside", outside.on, crm.Outside()))
		})
		ctx := as(t, "dana")
		later := rounds(1500, 10_000)
		s.company(t, ctx, "First")
		many := func(n int) {
			batch := make([]company, n)
			for i := range batch {
				batch[i].Name = fmt.Sprint("Later ", i)
			}
			_, err := s.companies.CreateAll(ctx, batch)
			require.NoError(t, err)
		}
		if e.Name == "sqlite" { // which has one writer at a time: the ids are made early, and committed late
			ids := make([]crm.ID, 3)
			require.Error(t, s.Tx(ctx, func(ctx context.Context) error {
				for i := range ids {
					ids[i] = s.company(t, ctx, "Early").ID
				}
				return errors.New("not yet")
			}))
			many(later)
			s.work(t)
			for _, id := range ids {
				_, err := s.companies.Create(ctx, company{Record: crm.Record{ID: id}, Name: "Early"})
				require.NoError(t, err)
			}
		} else {
			tx, err := e.DB.BeginTx(ctx, nil)
			require.NoError(t, err)
			joined, err := s.Join(ctx, tx)
			require.NoError(t, err)
			for range 3 {
				s.company(t, joined, "Early")
			}
			for range 3 {
				many(later/3 + 1)
				s.work(t)
			}
			require.NoError(t, tx.Commit())
		}
		s.work(t)
		n, err := s.companies.Count(ctx)
		require.NoError(t, err)
		for _, h := range []*heard{&inside, &outside} {
			seen := map[crm.ID]bool{}
			for _, e := range h.events {
				require.False(t, seen[e.ID], "once")
				seen[e.ID] = true
			}
			require.Len(t, seen, int(n))
		}
		s.whole(t)
	})
}

func TestReplayDeliversOnceMore(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var got heard
		broken := false
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return c.On("*", "again", func(ctx context.Context, e crm.Event) error {
				if broken {
					return errors.New("away")
				}
				return got.on(ctx, e)
			})
		})
		ctx := system(t)
		s.company(t, ctx, "One")
		s.work(t)
		s.Clock.Advance(time.Hour)
		from := s.Clock.Now()
		s.company(t, ctx, "Two")
		s.work(t)
		require.NoError(t, s.Subscriptions.Replay(ctx, "again", from))
		s.work(t)
		require.Len(t, got.events, 3)
		require.Equal(t, got.events[1], got.events[2])
		require.NoError(t, s.Subscriptions.Replay(ctx, "again", time.Time{}))
		s.work(t)
		require.Len(t, got.events, 5)
		require.NoError(t, s.Subscriptions.Replay(ctx, "again", from.Add(time.Hour)))
		s.work(t)
		require.Len(t, got.events, 5)
		require.ErrorIs(t, s.Subscriptions.Replay(ctx, "none", from), crm.ErrNotFound)

		// What is held is delivered with the rest, in order.
		one, err := s.companies.Create(ctx, company{Name: "Three"})
		require.NoError(t, err)
		s.work(t)
		broken = true
		for n := range 3 {
			require.NoError(t, touch(ctx, s, one.ID, n))
			s.work(t)
		}
		broken = false
		got.events = nil
		require.NoError(t, s.Subscriptions.Replay(ctx, "again", from))
		s.work(t)
		s.Clock.Advance(time.Hour)
		s.work(t)
		versions := []int64{}
		for _, e := range got.events[1:] {
			versions = append(versions, e.Version)
		}
		require.Equal(t, []int64{1, 2, 3, 4}, versions)
		s.whole(t)
	})
}

// TestALogWithoutItsEndIsPassedOver is a log that somebody damaged: the work ends, and what happens later is heard.
func TestALogWithoutItsEndIsPassedOver(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var got heard
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error { return c.On("*", "all", got.on) })
		ctx := system(t)
		s.company(t, ctx, "One")
		s.work(t)
		s.company(t, ctx, "Two")
		table := map[string]string{"sqlite": "crm_", "postgres": "crm."}[e.Name]
		_, err := e.DB.ExecContext(t.Context(), "UPDATE "+table+"log_head SET position = position + 2")
		require.NoError(t, err)
		require.NoError(t, s.Subscriptions.Replay(ctx, "all", time.Time{}))
		s.work(t)
		s.company(t, ctx, "Three")
		s.work(t)
		names := []string{}
		for _, e := range got.events {
			names = append(names, e.Name)
		}
		require.Equal(t, []string{"company.created", "company.created", "company.created", "company.created"}, names)
	})
}

func TestAnEndlessChainOfEventsEnds(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		calls := 0
		var s *shop
		s = subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return c.On("company.*", "echo", func(ctx context.Context, e crm.Event) error {
				calls++
				_, err := s.companies.Update(ctx, e.Record, func(c *company) error { c.Name += "!"; return nil })
				return err
			})
		})
		s.company(t, system(t), "One")
		s.work(t)
		require.Equal(t, 32, calls)
		parked, err := s.Subscriptions.Parked(system(t), "echo")
		require.NoError(t, err)
		require.Len(t, parked.Items, 1)
		require.Contains(t, parked.Items[0].Error, "chain")
		s.whole(t)
	})
}

func TestSubscriptionsAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	var got heard
	s := &shop{}
	s.Core = crmtest.New(t, func(c *crm.Core) error {
		return errors.Join(s.define(c), c.On("*", "all", func(ctx context.Context, e crm.Event) error {
			_ = got.on(ctx, e)
			return crm.Permanent(errors.New("no"))
		}))
	})
	s.company(t, system(t), "One")
	other := crm.System(t.Context(), "globex")
	_, err := s.companies.Create(other, company{Name: "Two"})
	require.NoError(t, err)
	s.work(t)
	mine, err := s.Subscriptions.Held(system(t), "all")
	require.NoError(t, err)
	require.Len(t, mine.Items, 1)
	require.ErrorIs(t, s.Subscriptions.Retry(other, mine.Items[0].ID), crm.ErrNotFound)
	require.ErrorIs(t, s.Subscriptions.Drop(other, mine.Items[0].ID), crm.ErrNotFound)
	_, err = s.Subscriptions.List(as(t, "dana"))
	require.ErrorIs(t, err, crm.ErrForbidden)
	_, err = s.Subscriptions.Held(t.Context(), "all")
	require.ErrorIs(t, err, crm.ErrUnscoped)
	require.ErrorIs(t, s.Subscriptions.Replay(as(t, "dana"), "all", time.Time{}), crm.ErrForbidden)
}

func TestWrongSubscriptionsAreRefused(t *testing.T) {
	t.Parallel()
	fn := func(context.Context, crm.Event) error { return nil }
	s := &shop{}
	s.Core = crmtest.New(t, func(c *crm.Core) error {
		for _, event := range []string{"", "deal", "deal.", ".won", "de*.won", "deal.w*", "**"} {
			require.ErrorIs(t, c.On(event, "x", fn), crm.ErrInvalid, event)
		}
		require.ErrorIs(t, c.On("*", "", fn), crm.ErrInvalid)
		require.ErrorIs(t, c.On("*", strings.Repeat("x", 65), fn), crm.ErrInvalid)
		require.ErrorIs(t, c.On("*", "x", nil), crm.ErrInvalid)
		require.ErrorIs(t, c.On("*", "x", fn, crm.Attempts(0)), crm.ErrInvalid)
		require.NoError(t, c.On("*", "x", fn))
		require.ErrorIs(t, c.On("deal.won", "x", fn), crm.ErrInvalid)
		return s.define(c)
	})
	require.ErrorContains(t, s.On("*", "late", fn), "before Migrate")
	require.ErrorIs(t, s.Tx(system(t), func(ctx context.Context) error { return s.RunDue(ctx) }), crm.ErrInvalid)
}

func sqliteStore(tb testing.TB) storage.Store {
	tb.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(tb.TempDir(), "crm.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

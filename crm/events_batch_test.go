package crm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// calls are what a handler of many was called with, as the names of the companies. It
// makes a deal of each.
type calls struct {
	s      *shop
	names  [][]string
	quiet  []bool
	refuse string
}

func (c *calls) on(ctx context.Context, events []crm.Event) error {
	var names []string
	for _, e := range events {
		for _, change := range e.Changes {
			if change.Field == "name" {
				names = append(names, string(change.After))
			}
		}
	}
	c.names, c.quiet = append(c.names, names), append(c.quiet, crm.IsQuiet(ctx))
	for i, e := range events {
		if _, err := c.s.deals.Create(ctx, deal{Name: "Of " + names[i], CompanyID: e.Record}); err != nil {
			return err
		}
		if names[i] == fmt.Sprintf("%q", c.refuse) {
			return errors.New("not this one")
		}
	}
	return nil
}

func TestAHandlerOfManyIsCalledOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var got calls
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return c.OnBatch("company.*", "many", got.on, crm.AlsoQuiet())
		})
		got.s = s
		ctx := system(t)
		for _, name := range []string{"A", "B"} {
			s.company(t, ctx, name)
		}
		for _, name := range []string{"C", "D"} {
			s.company(t, crm.Quietly(ctx), name)
		}
		last := s.company(t, ctx, "E")
		s.work(t)
		require.Equal(t, [][]string{{`"A"`, `"B"`}, {`"C"`, `"D"`}, {`"E"`}}, got.names, "in order, and quiet ones by themselves")
		require.Equal(t, []bool{false, true, false}, got.quiet)
		require.EqualValues(t, 5, s.count(ctx, t))
		s.work(t)
		require.Len(t, got.names, 3, "each once")

		made, err := s.deals.List(ctx, crm.Where("company_id == $1", last.ID))
		require.NoError(t, err)
		history, err := s.deals.History(ctx, made.Items[0].ID)
		require.NoError(t, err)
		caused, err := s.companies.History(ctx, last.ID)
		require.NoError(t, err)
		require.Equal(t, "event:"+caused.Items[0].ID.String(), history.Items[0].Cause)
		s.whole(t)
	})
}

func (s *shop) count(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	n, err := s.deals.Count(ctx)
	require.NoError(t, err)
	return n
}

// TestOneEventAtFaultHoldsUpItsRecordAlone: what a call wrote that failed is undone, and
// the others of it are handled all the same.
func TestOneEventAtFaultHoldsUpItsRecordAlone(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		got := calls{refuse: "B"}
		s := subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error { return c.OnBatch("company.*", "many", got.on) })
		got.s = s
		ctx := system(t)
		s.company(t, ctx, "A")
		bad := s.company(t, ctx, "B")
		s.company(t, ctx, "C")
		require.NoError(t, touch(ctx, s, bad.ID, 2))
		s.work(t)
		require.Equal(t, [][]string{{`"A"`, `"B"`, `"C"`, `"Name 2"`}, {`"A"`}, {`"B"`}, {`"C"`}}, got.names,
			"all, then each; the later one of the record waits")
		require.EqualValues(t, 2, s.count(ctx, t), "what failed is undone")
		held, err := s.Subscriptions.Held(ctx, "many")
		require.NoError(t, err)
		require.Len(t, held.Items, 2)
		require.Contains(t, held.Items[0].Error, "not this one")

		s.company(t, ctx, "D")
		require.NoError(t, touch(ctx, s, bad.ID, 3))
		s.work(t)
		require.Equal(t, []string{`"D"`}, got.names[4], "what is held is not in a call of many")
		got.refuse = ""
		s.Clock.Advance(time.Minute)
		s.work(t)
		require.Equal(t, [][]string{{`"B"`}, {`"Name 2"`}, {`"Name 3"`}}, got.names[5:])
		require.EqualValues(t, 6, s.count(ctx, t))
		s.whole(t)
	})
}

// TestAnEndlessChainOfManyEnds: an event at the end of a chain is parked, and those beside
// it are handled.
func TestAnEndlessChainOfManyEnds(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		most, called := 0, 0
		var s *shop
		s = subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return c.OnBatch("company.*", "echo", func(ctx context.Context, events []crm.Event) error {
				called++
				most = max(most, len(events))
				for _, e := range events {
					if err := touch(ctx, s, e.Record, int(e.Version)); err != nil {
						return err
					}
				}
				return nil
			})
		})
		for range 3 {
			s.company(t, system(t), "One")
		}
		s.work(t)
		require.Equal(t, 3, most)
		require.Equal(t, 32, called)
		parked, err := s.Subscriptions.Parked(system(t), "echo")
		require.NoError(t, err)
		require.Len(t, parked.Items, 3)
		s.whole(t)
	})
}

func TestAHandlerOfManyIsNotOutside(t *testing.T) {
	t.Parallel()
	s := &shop{}
	s.Core = crmtest.New(t, func(c *crm.Core) error {
		err := c.OnBatch("*", "many", func(context.Context, []crm.Event) error { return nil }, crm.Outside())
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "use On")
		require.ErrorIs(t, c.OnBatch("*", "many", nil), crm.ErrInvalid)
		return s.define(c)
	})
}

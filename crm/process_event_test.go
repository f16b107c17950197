package crm_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestWaitsForEvents(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "won"},
			{Key: "won", Kind: crm.StepWait, Event: "deal.won", If: "amount > money('50', 'EUR')", Timeout: "3d", OnTimeout: "late", Next: "rich"},
			{Key: "rich", Kind: crm.StepWait, If: "company.country == 'DE'", Next: "close"},
			{Key: "close", Kind: crm.StepWait, Until: "close_on", For: "-1d", Next: "any"},
			{Key: "any", Kind: crm.StepWait, Event: "deal.*", Next: "done"},
			{Key: "late", Kind: crm.StepEnd}, {Key: "done", Kind: crm.StepEnd},
		}})
		german, err := w.companies.Create(ctx, company{Name: "Zuse", Country: "DE"})
		require.NoError(t, err)
		d := w.deal(t, ctx)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		at := func(step string) {
			t.Helper()
			_, steps := w.at(t, ctx, in.ID)
			require.Equal(t, []string{step}, steps)
			w.sound(t)
		}
		change := func(fn func(d *deal)) {
			t.Helper()
			_, err := w.deals.Update(ctx, d.ID, func(d *deal) error { fn(d); return nil })
			require.NoError(t, err)
			w.run(t, 0)
		}
		w.run(t, 0)
		at("won")
		change(func(d *deal) { d.Score++ })
		at("won")
		change(func(d *deal) { d.Amount = crm.EUR(1) })
		win := func(amount int64) {
			t.Helper()
			_, err := w.deals.Do(ctx, d.ID, "won", func(d *deal) error { d.Stage, d.Amount = "won", crm.EUR(amount); return nil })
			require.NoError(t, err)
			w.run(t, 0)
		}
		win(1)
		at("won")
		win(99_00)
		at("rich")
		change(func(d *deal) { d.Score++ })
		at("rich")
		change(func(d *deal) { d.CompanyID = german.ID })
		at("close")
		w.run(t, 100*24*time.Hour)
		at("close")
		change(func(d *deal) { d.CloseOn = crm.DateOf(w.Clock.Now().AddDate(0, 0, 10)) })
		at("close")
		change(func(d *deal) { d.CloseOn = d.CloseOn.AddDays(10) })
		w.run(t, 18*24*time.Hour)
		at("close")
		w.run(t, 24*time.Hour)
		at("any")
		change(func(d *deal) { d.Score++ })
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, "done", got.Result)
		require.Equal(t, []string{"plus", "won/deal.won", "rich/deal.updated", "close", "any/deal.updated", "done"}, w.path(t, ctx, in.ID))

		late, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		w.run(t, 3*24*time.Hour)
		require.Equal(t, []string{"plus", "won/timeout", "late"}, w.path(t, ctx, late.ID))
	})
}

// What an instance did itself, and what happened before it waited, is not what it
// waits for; and what happens later is never missed, whoever writes at the same time.
func TestNoEventIsMissed(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "again"},
			{Key: "again", Kind: crm.StepWait, Event: "deal.updated", If: "score >= 20", Timeout: "9d", OnTimeout: "missed", Next: "done"},
			{Key: "missed", Kind: crm.StepEnd}, {Key: "done", Kind: crm.StepEnd},
		}})
		var all []crm.Instance
		var deals []deal
		for range 8 {
			d := w.deal(t, ctx)
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			all, deals = append(all, in), append(deals, d)
		}
		var wg sync.WaitGroup
		for _, d := range deals {
			wg.Go(func() {
				for range 20 {
					if _, err := w.deals.Update(ctx, d.ID, func(d *deal) error { d.Score++; return nil }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				for range 10 {
					if err := w.RunDue(context.WithoutCancel(ctx)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		w.run(t, 0)
		w.run(t, time.Minute) // what lost a race is tried again
		w.run(t, 10*time.Minute)
		for i, in := range all {
			got, _ := w.at(t, ctx, in.ID)
			d, err := w.deals.Get(ctx, deals[i].ID)
			require.NoError(t, err)
			require.EqualValues(t, 21, d.Score)
			if got.Result != "done" { // it came to its wait when all had happened
				require.Equal(t, crm.InstanceWaiting, got.State)
				_, err = w.deals.Update(ctx, d.ID, func(d *deal) error { d.Score++; return nil })
				require.NoError(t, err)
				w.run(t, 0)
				got, _ = w.at(t, ctx, in.ID)
				require.Equal(t, "done", got.Result)
			}
		}
	})
}

func TestEventsOfRecordsThatGo(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "rest", Kind: crm.StepWait, Event: "deal.won", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		start := func() (deal, crm.Instance) {
			d := w.deal(t, ctx)
			in, err := w.Processes.Start(ctx, "follow", d.ID, crm.WithVariables(map[string]any{"who": "Ada"}))
			require.NoError(t, err)
			w.run(t, 0)
			return d, in
		}
		d, in := start()
		require.NoError(t, w.deals.Delete(ctx, d.ID))
		w.run(t, 0)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceCancelled, got.State)
		require.NotEmpty(t, got.Variables)
		require.NoError(t, w.deals.Purge(ctx, d.ID))
		w.run(t, 0)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceCancelled, got.State)
		require.Empty(t, got.Variables, "they may hold what was in the record")

		d, in = start() // deleted and back before anybody looks
		require.NoError(t, w.deals.Delete(ctx, d.ID))
		_, err := w.deals.Restore(ctx, d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceWaiting, got.State)
	})
}

// Two processes that set each other off come to an end: the event at the end of a
// long chain is parked.
func TestProcessesThatSetEachOtherOff(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		for _, key := range []string{"ping", "pong"} {
			w.publish(t, ctx, crm.Process{Key: key, Steps: []crm.Step{
				{Key: "rest", Kind: crm.StepWait, Event: "deal.updated", Next: "plus"},
				{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Outcomes: map[string]string{"high": "done"}, Next: "rest"},
				{Key: "done", Kind: crm.StepEnd},
			}})
		}
		d := w.deal(t, ctx)
		for _, key := range []string{"ping", "pong"} {
			_, err := w.Processes.Start(ctx, key, d.ID)
			require.NoError(t, err)
		}
		w.run(t, 0)
		_, err := w.deals.Update(ctx, d.ID, func(d *deal) error { d.Score++; return nil })
		require.NoError(t, err)
		w.run(t, 0)
		d, err = w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Less(t, d.Score, int64(100))
		status, err := w.Subscriptions.List(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		require.Positive(t, status[0].Parked)
	})
}

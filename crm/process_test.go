package crm_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestProcessRuns(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{60}), Outcomes: map[string]string{"high": "done"}, Next: "pause"},
			{Key: "pause", Kind: crm.StepWait, For: "3d", Next: "big"},
			{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "amount > money('50', 'EUR')", Next: "done"}, {If: "company.country == 'DE'", Next: "plus"}}, Next: "poor"},
			{Key: "poor", Kind: crm.StepEnd},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		german, err := w.companies.Create(ctx, company{Name: "Zuse", Country: "DE"})
		require.NoError(t, err)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		require.Equal(t, crm.InstanceRunning, in.State)
		require.Equal(t, "member:dana", in.Starter)
		w.run(t, 0)
		got, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"pause"}, steps)
		require.Equal(t, crm.InstanceWaiting, got.State)
		require.Equal(t, crmtest.Start().AddDate(0, 0, 3), got.Positions[0].Until)
		w.run(t, 3*24*time.Hour-time.Second)
		_, steps = w.at(t, ctx, in.ID)
		require.Equal(t, []string{"pause"}, steps)
		_, err = w.deals.Update(ctx, d.ID, func(d *deal) error { d.CompanyID = german.ID; return nil })
		require.NoError(t, err)
		w.run(t, time.Second)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
		require.Equal(t, "done", got.Result)
		require.Equal(t, w.Clock.Now(), got.Ended)
		require.Equal(t, []string{"plus", "pause", "big/case 2", "plus/high", "done"}, w.path(t, ctx, in.ID))
		d, err = w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.EqualValues(t, 120, d.Score)
		history, err := w.deals.History(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, "process:"+in.ID.String(), history.Items[0].Cause)
		require.Equal(t, "system", history.Items[0].Actor)
	})
}

func TestProcessInBranches(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "both", Kind: crm.StepFork, Branches: []string{"mail", "rest"}, Join: "met"},
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "met"},
			{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "plus"},
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "met"},
			{Key: "met", Kind: crm.StepJoin, Next: "race"},
			{Key: "race", Kind: crm.StepFork, Branches: []string{"slow", "quick"}, Join: "first"},
			{Key: "slow", Kind: crm.StepWait, For: "9d", Next: "first"},
			{Key: "quick", Kind: crm.StepWait, For: "1d", Next: "first"},
			{Key: "first", Kind: crm.StepJoin, Any: true, Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		w.run(t, 0)
		_, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"met", "rest"}, steps)
		require.Len(t, w.sent, 1)
		w.sound(t)
		w.run(t, 24*time.Hour)
		_, steps = w.at(t, ctx, in.ID)
		require.Equal(t, []string{"slow", "quick"}, steps)
		w.run(t, 24*time.Hour)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, "done", got.Result)
		require.Equal(t, []string{"both", "mail", "rest", "met", "plus", "met", "race", "slow/cancelled", "quick", "first", "done"}, w.path(t, ctx, in.ID))
		times, err := w.Processes.Times(ctx, got.ProcessID)
		require.NoError(t, err)
		require.Contains(t, times, crm.StepTime{Step: "quick", Visits: 1, Mean: 24 * time.Hour, Median: 24 * time.Hour, P90: 24 * time.Hour})
	})
}

func TestSingleProcess(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Single: true, Steps: []crm.Step{{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		var wg sync.WaitGroup
		var through atomic.Int32
		for range 8 {
			wg.Go(func() {
				_, err := w.Processes.Start(ctx, "follow", d.ID)
				if err == nil {
					through.Add(1)
				} else if !errors.Is(err, crm.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, through.Load())
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", Record: d.ID})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		taken, ok := errors.AsType[*crm.ConflictError](err)
		require.True(t, ok)
		require.Equal(t, page.Items[0].ID, taken.Holder)
		// In a transaction that goes on.
		require.NoError(t, w.Tx(ctx, func(ctx context.Context) error {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.ErrorIs(t, err, crm.ErrConflict)
			_, err = w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
			return err
		}))
		w.run(t, 0)
		w.run(t, 24*time.Hour)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err, "it has ended")
	})
}

func TestStartIsUndoneWithItsTransaction(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		undo := errors.New("undo")
		require.ErrorIs(t, w.Tx(ctx, func(ctx context.Context) error {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			return undo
		}), undo)
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

// A process that waits is where it was when another program goes on with the database.
func TestWaitsSurviveARestart(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		clock := &crmtest.Clock{}
		w := newWorks(t, e.Store, clock)
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, For: "1y", Next: "mail"}, {Key: "mail", Kind: crm.StepAction, Action: "send", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		w.run(t, 0)
		clock.Advance(366 * 24 * time.Hour)
		again := newWorks(t, e.Store, clock)
		again.run(t, 0)
		got, _ := again.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
		require.Len(t, again.sent, 1)
		again.sound(t)
	})
}

func TestRecordsThatGo(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "plus"}, {Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		in, err := w.Processes.Start(ctx, "follow", d.ID, crm.WithVariables(map[string]any{"who": "Ada"}))
		require.NoError(t, err)
		w.run(t, 0)
		require.NoError(t, w.deals.Delete(ctx, d.ID))
		w.run(t, 48*time.Hour)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceCancelled, got.State)
		history, err := w.Instances.History(ctx, in.ID)
		require.NoError(t, err)
		require.Equal(t, "the record is gone", history.Items[0].Reason)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestActionsThatFail(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "break"},
			{Key: "break", Kind: crm.StepAction, Action: "half", Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		w.fail.Store(2)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.Equal(t, "the line is busy", got.Positions[0].Error)
		require.Equal(t, 1, got.Positions[0].Attempts)
		w.run(t, 15*time.Second)
		w.run(t, 30*time.Second)
		require.Len(t, w.sent, 1, "the third attempt succeeded, with the key of the first")
		_, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"break"}, steps)
		for range 12 {
			w.run(t, 8*time.Hour)
		}
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceStuck, got.State)
		require.True(t, got.Positions[0].Stuck)
		require.Equal(t, "it broke half way", got.Positions[0].Error)
		require.Empty(t, got.Variables, "what a failed action set is not kept")
		d, err = w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Zero(t, d.Score, "nor what it wrote")
		page, err := w.Instances.Stuck(ctx)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.NoError(t, w.Instances.Retry(ctx, in.ID))
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.ErrorIs(t, w.Instances.Move(ctx, in.ID, "", "done", " "), crm.ErrInvalid)
		require.NoError(t, w.Instances.Move(ctx, in.ID, "", "done", "done by phone"))
		w.run(t, 0)
		history, err := w.Instances.History(ctx, in.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"mail", "break/moved", "break/retried", "done"}, w.path(t, ctx, in.ID))
		require.Equal(t, "member:dana", history.Items[1].Actor)
		require.Equal(t, "done by phone", history.Items[1].Reason)
		require.ErrorIs(t, w.Instances.Move(ctx, in.ID, "", "mail", "again"), crm.ErrConflict)
	})
}

func TestEffectsDoneAtMostOnce(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "pay", Kind: crm.StepAction, Action: "pay", Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		w.perish.Store(true)
		var all []crm.Instance
		for range 2 {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			all = append(all, in)
			w.run(t, 0)
			w.perish.Store(false)
			w.vague.Store(true)
		}
		w.vague.Store(false)
		w.fail.Store(1)
		busy, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		require.Empty(t, w.sent)
		w.run(t, time.Minute)
		require.Len(t, w.sent, 1, "what was surely not done is done later")
		require.Equal(t, []string{"pay", "done"}, w.path(t, ctx, busy.ID))
		w.run(t, 24*time.Hour)
		for _, in := range all {
			got, _ := w.at(t, ctx, in.ID)
			require.Equal(t, crm.InstanceStuck, got.State)
			require.True(t, got.Positions[0].Uncertain)
		}
		require.Len(t, w.sent, 1, "nobody did it again")
		require.ErrorIs(t, w.Instances.Retry(ctx, all[0].ID), crm.ErrConflict)
		require.ErrorIs(t, w.Instances.Resolve(ctx, all[0].ID, "pay", true, "nonsense", "seen in the bank"), crm.ErrInvalid)
		require.NoError(t, w.Instances.Resolve(ctx, all[0].ID, "pay", true, "", "seen in the bank"))
		require.NoError(t, w.Instances.Resolve(ctx, all[1].ID, "pay", false, "", "not in the bank"))
		require.ErrorIs(t, w.Instances.Resolve(ctx, all[1].ID, "pay", false, "", "not in the bank"), crm.ErrConflict)
		w.run(t, 0)
		require.Len(t, w.sent, 2)
		require.Equal(t, []string{"pay", "done"}, w.path(t, ctx, all[0].ID))
		require.Equal(t, []string{"pay", "pay/retried", "done"}, w.path(t, ctx, all[1].ID))
	})
}

// While versions of the program take turns, an instance waits for one that knows its
// action.
func TestActionsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		clock := &crmtest.Clock{}
		w := newWorks(t, e.Store, clock)
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		old := newShop(t, e.Store, crm.Config{Clock: clock})
		require.NoError(t, old.RunDue(t.Context()))
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.Contains(t, got.Positions[0].Error, "does not know the action send")
		w.run(t, time.Minute)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
	})
}

// More actions outside than a worker begins at once are all done.
func TestManyEffects(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "pay"}, {Key: "pay", Kind: crm.StepAction, Action: "pay", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		for range 70 {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
		}
		w.run(t, 0)
		require.Len(t, w.sent, 140)
		for key, n := range w.sent {
			require.Equal(t, 1, n, key)
		}
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", State: crm.InstanceDone}, crm.Limit(100))
		require.NoError(t, err)
		require.Len(t, page.Items, 70)
	})
}

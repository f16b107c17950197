package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestDryRun(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		p, err := w.Processes.Create(ctx, crm.Process{Key: "p", Name: "p", Object: "deal", Steps: []crm.Step{
			{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "score > 5", Next: "done"}, {If: "stage == 'new'", Next: "both"}}, Next: "done"},
			{Key: "both", Kind: crm.StepFork, Branches: []string{"plus", "ask"}, Join: "met"},
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "met"},
			{Key: "ask", Kind: crm.StepWait, Callback: true, Outcomes: map[string]string{"yes": "met", "no": "done"}},
			{Key: "met", Kind: crm.StepJoin, Next: "rest"},
			{Key: "rest", Kind: crm.StepWait, Until: "close_on", For: "-1d", Next: "big"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		require.NoError(t, err)
		d, err := w.deals.Create(ctx, deal{Name: "x", CloseOn: crm.Date{Year: 2026, Month: 3, Day: 1}})
		require.NoError(t, err)
		path, err := w.Processes.DryRun(ctx, p.ID, d.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.DryStep{
			{Step: "big", Kind: crm.StepChoose, Outcome: "case 2", Conditions: []crm.DryCondition{{If: "score > 5"}, {If: "stage == 'new'", Holds: true}}},
			{Step: "both", Kind: crm.StepFork},
			{Step: "plus", Kind: crm.StepAction},
			{Step: "ask", Kind: crm.StepWait, Waits: true},
		}, path[:4])
		require.Equal(t, "done", path[len(path)-1].Step, "the first outcome by name is no, which ends it")
		after, err := w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, d.Version, after.Version, "nothing was done")
		_, err = w.Processes.DryRun(ctx, p.ID, crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

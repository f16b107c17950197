package crm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// Check finds what of an instance does not fit together.
func TestCheckOfInstances(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		prefix := map[string]string{"sqlite": "crm_", "postgres": "crm."}[e.Name]
		for _, c := range []struct{ damage, want string }{
			{"DELETE FROM " + prefix + "process_wait", "it waits for 1 events, and 0 are noted"},
			{"DELETE FROM " + prefix + "process_visit", "it left 1 steps, and its history has 0"},
			{"UPDATE " + prefix + "process_instance SET due = NULL", "nobody would go on with it"},
			{"UPDATE " + prefix + "process_instance SET state = 'running'", "it is waiting, and noted as running"},
			{"UPDATE " + prefix + "process_instance SET ended = started", "it has ended, and is somewhere still"},
		} {
			w := newWorks(t, e.Store, nil)
			if page, err := w.Processes.List(ctx); err == nil && len(page.Items) == 0 {
				w.publish(t, ctx, crm.Process{Steps: []crm.Step{
					{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "score > 5", Next: "done"}}, Next: "rest"},
					{Key: "rest", Kind: crm.StepWait, Event: "deal.won", Timeout: "9d", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
				}})
			}
			_, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
			require.NoError(t, err)
			w.run(t, 0)
			w.sound(t)
			_, err = e.DB.ExecContext(ctx, c.damage)
			require.NoError(t, err)
			problems, err := w.Check(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, problems, c.damage)
			require.Contains(t, fmt.Sprint(problems), c.want)
			for _, table := range []string{"process_wait", "process_visit", "process_instance"} { // and begin anew
				_, err = e.DB.ExecContext(ctx, "DELETE FROM "+prefix+table)
				require.NoError(t, err)
			}
		}
	})
}

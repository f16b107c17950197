package crm_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// BenchmarkProcess runs a thousand instances of five steps on SQLite, two conditions, a
// wait, an action that changes the record, and the end, and says how many steps a
// second that makes; and the same without the action.
func BenchmarkProcess(b *testing.B) {
	for name, middle := range map[string]crm.Step{
		"writing": {Key: "middle", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Outcomes: map[string]string{"high": "rest"}, Next: "rest"},
		"moving":  {Key: "middle", Kind: crm.StepChoose, Cases: []crm.Case{{If: "score < 0", Next: "done"}}, Next: "rest"},
	} {
		b.Run(name, func(b *testing.B) {
			store, err := sqlite.Open("sqlite", filepath.Join(b.TempDir(), "crm.db"))
			require.NoError(b, err)
			b.Cleanup(func() { _ = store.Close() })
			w := newWorks(b, store, &crmtest.Clock{})
			ctx := as(b, "dana")
			w.publish(b, ctx, crm.Process{Steps: []crm.Step{
				{Key: "open", Kind: crm.StepChoose, Cases: []crm.Case{{If: "stage == 'won'", Next: "done"}}, Next: "middle"}, middle,
				{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "big"},
				{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "amount > money('50', 'EUR')", Next: "done"}}, Next: "done"},
				{Key: "done", Kind: crm.StepEnd},
			}})
			const instances = 1000
			deals := make([]deal, instances)
			for i := range deals {
				deals[i] = deal{Name: "x", Amount: crm.EUR(100)}
			}
			deals, err = w.deals.CreateAll(ctx, deals)
			require.NoError(b, err)
			w.run(b, 0)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				require.NoError(b, w.Tx(ctx, func(ctx context.Context) error {
					for _, d := range deals {
						if _, err := w.Processes.Start(ctx, "follow", d.ID); err != nil {
							return err
						}
					}
					return nil
				}))
				b.StartTimer()
				w.run(b, 0)
				w.run(b, 24*time.Hour)
			}
			b.ReportMetric(float64(b.N)*instances*5/b.Elapsed().Seconds(), "steps/s")
		})
	}
}

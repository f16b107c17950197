package sales_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

func TestAPipelineHasSoManyStages(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		p, err := d.Pipelines.Create(ctx, sales.Pipeline{Name: "Long", Key: "long"})
		require.NoError(t, err)
		var stages []sales.Stage
		for i := range 101 {
			stages = append(stages, sales.Stage{PipelineID: p.ID, Key: fmt.Sprint("s", i), Name: "S"})
		}
		_, err = d.Stages.CreateAll(ctx, stages)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "a pipeline has at most 100 stages")
		_, err = d.Stages.CreateAll(ctx, stages[:100])
		require.NoError(t, err)
	})
}

// TestTheLatestSpansOfMany needs more of them than one page of history has.
func TestTheLatestSpansOfMany(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, ctx := newDesk(t, e.Store), as(t, "dana")
		deal := d.deal(ctx, t)
		const moves = 1010
		for begin := 0; begin < moves; begin += 101 { // one transaction would have to pass by all it made of the deal
			require.NoError(t, d.Tx(ctx, func(ctx context.Context) error {
				for i := range 101 {
					d.Clock.Advance(time.Minute)
					if _, err := d.Deals.Move(ctx, deal.ID, []string{"proposal", "negotiation"}[(begin+i)%2]); err != nil {
						return err
					}
					if i%4 > 0 {
						continue
					}
					_, err := d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.Amount.Minor++; return nil })
					if err != nil {
						return err
					}
				}
				return nil
			}))
		}
		spans, err := d.Deals.StageHistory(ctx, deal.ID)
		require.NoError(t, err)
		require.Len(t, spans, 1000)
		require.Equal(t, deal.Created.Add((moves-999)*time.Minute), spans[0].Entered)
		require.Equal(t, deal.Created.Add(moves*time.Minute), spans[999].Entered)
		require.Zero(t, spans[999].Left)
		for i, s := range spans[:999] {
			require.Equal(t, spans[i+1].Entered, s.Left)
		}
	})
}

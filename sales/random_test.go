package sales_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

// TestWhateverIsDoneADealIsSound does random things with deals, by verbs and by
// writing at them, and holds each deal to what must be true of it, and to a model.
func TestWhateverIsDoneADealIsSound(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store)
		ctx := as(t, "dana")
		require.NoError(t, d.Tenants.Ensure(ctx, "acme"))
		stages := map[crm.ID]sales.Stage{}
		for s, err := range d.Stages.All(ctx) {
			require.NoError(t, err)
			stages[s.ID] = s
		}
		rapid.Check(t, func(r *rapid.T) {
			deal, err := d.Deals.Create(ctx, sales.Deal{Name: "Deal"})
			require.NoError(r, err)
			at := "prospecting" // the model: where it is, and where it was open last
			open := at
			for range rapid.IntRange(1, 12).Draw(r, "steps") {
				d.Clock.Advance(time.Minute)
				closed := at == "won" || at == "lost"
				to, fails := at, false
				var err error
				switch rapid.SampledFrom([]string{"move", "win", "lose", "reopen", "write"}).Draw(r, "verb") {
				case "move":
					to = rapid.SampledFrom([]string{"prospecting", "qualification", "proposal", "negotiation", "won", "lost", "nowhere"}).Draw(r, "to")
					fails = closed || to == "lost" || to == "nowhere"
					_, err = d.Deals.Move(ctx, deal.ID, to)
				case "win":
					to, fails = "won", closed
					_, err = d.Deals.Win(ctx, deal.ID)
				case "lose":
					to, fails = "lost", closed
					_, err = d.Deals.Lose(ctx, deal.ID, "price")
				case "reopen":
					to, fails = open, !closed
					_, err = d.Deals.Reopen(ctx, deal.ID)
				case "write":
					reason := rapid.SampledFrom([]string{"", "price", "time"}).Draw(r, "reason")
					fails = (reason == "") == (at == "lost")
					_, err = d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.LostReason = reason; return nil })
				}
				require.Equal(r, fails, err != nil, "%v", err)
				if fails {
					require.ErrorIs(r, err, crm.ErrInvalid)
				} else if at = to; at != "won" && at != "lost" {
					open = at
				}

				kept, err := d.Deals.Get(ctx, deal.ID)
				require.NoError(r, err)
				stage := stages[kept.StageID]
				require.Equal(r, at, stage.Key)
				require.Equal(r, stage.Kind, kept.Status)
				require.Equal(r, kept.Status == sales.Open, kept.Closed.IsZero())
				require.Equal(r, kept.Status == sales.Lost, kept.LostReason != "")
			}
			spans, err := d.Deals.StageHistory(ctx, deal.ID)
			require.NoError(r, err)
			for i, s := range spans[:len(spans)-1] {
				require.Equal(r, spans[i+1].Entered, s.Left)
				require.NotEqual(r, spans[i+1].Stage.ID, s.Stage.ID)
			}
			require.Equal(r, at, spans[len(spans)-1].Stage.Key)
		})
		d.whole(t)
	})
}

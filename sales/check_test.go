package sales_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestCheckFindsDealsThatDoNotFitTheirStage damages a deal.
func TestCheckFindsDealsThatDoNotFitTheirStage(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, ctx := newDesk(t, e.Store), as(t, "dana")
		deal := d.deal(ctx, t)
		d.whole(t)
		table := map[string]string{"sqlite": "crm_deal", "postgres": "crm.deal"}[e.Name]
		_, err := e.DB.ExecContext(ctx, "UPDATE "+table+" SET status = 'won'")
		require.NoError(t, err)
		d.deal(ctx, t)
		problems, err := d.Check(ctx)
		require.NoError(t, err)
		require.Len(t, problems, 1)
		require.Equal(t, deal.ID, problems[0].Record)
		require.Equal(t, "its status is not that of its stage", problems[0].What)
	})
}

package sales_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/sales"
)

// TestADealIsClosedOnce has many close one deal at once, each in his own way.
func TestADealIsClosedOnce(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		var won, lost atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				var err error
				if i%2 == 0 {
					if _, err = d.Deals.Win(ctx, deal.ID); err == nil {
						won.Add(1)
					}
				} else if _, err = d.Deals.Lose(ctx, deal.ID, "price"); err == nil {
					lost.Add(1)
				}
				if err != nil {
					assert.ErrorIs(t, err, crm.ErrInvalid)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load()+lost.Load())
		kept, err := d.Deals.Get(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, won.Load() == 1, kept.Status == sales.Won)
		require.EqualValues(t, 2, kept.Version)
		d.whole(t)
	})
}

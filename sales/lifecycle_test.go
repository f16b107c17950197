package sales_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
)

func TestDealsTakeTheirCustomerForward(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		require.NoError(t, d.RunDue(t.Context()))
		ada, err := d.people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Lifecycle: customers.StageLead})
		require.NoError(t, err)
		stage := func() customers.Lifecycle {
			require.NoError(t, d.RunDue(t.Context()))
			kept, err := d.people.Get(ctx, ada.ID)
			require.NoError(t, err)
			return kept.Lifecycle
		}
		deal, err := d.Deals.Create(ctx, sales.Deal{Name: "One"})
		require.NoError(t, err)
		require.Equal(t, customers.StageLead, stage())
		_, err = d.Deals.Update(ctx, deal.ID, func(deal *sales.Deal) error { deal.CustomerID = ada.ID; return nil })
		require.NoError(t, err)
		require.Equal(t, customers.StageOpportunity, stage())
		_, err = d.Deals.Win(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, customers.StageCustomer, stage())
		_, err = d.Deals.Create(ctx, sales.Deal{Name: "Two", CustomerID: ada.ID})
		require.NoError(t, err)
		require.Equal(t, customers.StageCustomer, stage(), "nothing takes him back by itself")

		spans, err := d.people.LifecycleHistory(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, spans, 3)
		require.True(t, strings.HasPrefix(spans[2].Cause, "event:"), "the history names what did it: %s", spans[2].Cause)
		d.whole(t)
	})
}

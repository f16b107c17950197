package sales_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
)

func TestADealIsInItsCustomersTimeline(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada, err := d.people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
		require.NoError(t, err)
		d.Clock.Advance(time.Hour)
		deal, err := d.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", CustomerID: ada.ID})
		require.NoError(t, err)
		d.Clock.Advance(time.Hour)
		_, err = d.Deals.Win(ctx, deal.ID)
		require.NoError(t, err)
		page, err := d.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		var kinds []string
		for _, e := range page.Items {
			kinds = append(kinds, e.Kind)
		}
		require.Equal(t, []string{"deal.closed", "deal", "customer.created"}, kinds)
		require.Equal(t, "Analytical engine", page.Items[0].Title)
	})
}

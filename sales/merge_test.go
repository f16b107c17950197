package sales_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
)

func TestDealsFollowTheirCustomer(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		person := func(name string) customers.Customer {
			c, err := d.people.Create(ctx, customers.Customer{Kind: customers.Person, Name: name})
			require.NoError(t, err)
			return c
		}
		ada, twin := person("Ada Lovelace"), person("A. Lovelace")
		open, err := d.Deals.Create(ctx, sales.Deal{Name: "open", CustomerID: twin.ID, Amount: crm.EUR(1)})
		require.NoError(t, err)
		won, err := d.Deals.Create(ctx, sales.Deal{Name: "won", CustomerID: twin.ID, Amount: crm.EUR(2)})
		require.NoError(t, err)
		won, err = d.Deals.Win(ctx, won.ID)
		require.NoError(t, err)

		_, m, err := d.people.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"deal": 2}, m.Relinked)
		is, err := d.Deals.Get(ctx, won.ID)
		require.NoError(t, err)
		won.CustomerID, won.Version, won.Updated = ada.ID, is.Version, is.Updated
		require.Equal(t, won, is, "nothing but its customer is another")
		late, err := d.Deals.Create(ctx, sales.Deal{Name: "by the old id", CustomerID: twin.ID})
		require.NoError(t, err)
		require.Equal(t, ada.ID, late.CustomerID)
		_, err = d.Deals.Win(ctx, open.ID)
		require.NoError(t, err)

		u, err := d.people.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.Reference{{Object: "deal", Record: late.ID, Field: "customer_id"}}, u.New)
		for id, of := range map[crm.ID]crm.ID{open.ID: twin.ID, won.ID: twin.ID, late.ID: ada.ID} {
			deal, err := d.Deals.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, of, deal.CustomerID)
		}
		d.whole(t)
	})
}

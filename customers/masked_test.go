package customers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// A part of an address is no address: nobody is written to by it, and it is kept nowhere.
func TestAMaskedAddressIsNone(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com", Phone: "+4917055501234"})
		require.NoError(t, err)
		other, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada King", Email: "king@example.com"})
		require.NoError(t, err)
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "work@example.com"})
		require.NoError(t, err)
		mask := func(object, field string) crm.FieldRule {
			return crm.FieldRule{Object: object, Field: field, Access: crm.FieldMasked}
		}
		d.role(t, "veiled", crm.Allow(crm.AnyKind, crm.LevelAll), mask("customer", "email"), mask("customer", "phone"), mask("identity", "value"))
		veiled := as(t, "veiled")

		is, err := d.Get(veiled, ada.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"a***@example.com", crm.Mask("+4917055501234")}, []string{is.Email, is.Phone})
		further, err := d.Identities.List(veiled, crm.Where("customer_id == $1", ada.ID))
		require.NoError(t, err)
		require.Equal(t, "w***@example.com", further.Items[0].Value)
		list, err := d.Addresses(veiled, ada.ID)
		require.NoError(t, err)
		require.Empty(t, list)

		_, _, err = d.Merge(veiled, ada.ID, []crm.ID{other.ID}, crm.MergeRules{})
		require.NoError(t, err)
		kept, err := d.Addresses(crm.System(t.Context(), "acme"), ada.ID)
		require.NoError(t, err)
		for _, r := range kept {
			require.NotContains(t, r.Value, "*")
		}
		is, err = d.Get(crm.System(t.Context(), "acme"), ada.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"ada@example.com", "+4917055501234"}, []string{is.Email, is.Phone})
	})
}

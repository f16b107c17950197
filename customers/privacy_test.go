package customers_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func TestErasedCustomer(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		shared := crm.Address{Kind: crm.AddressPhone, Value: "+493055501234"}
		ada, err := d.Customers.Create(ctx, customers.Customer{
			Kind: customers.Person, GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.com", Phone: shared.Value,
		})
		require.NoError(t, err)
		_, err = d.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "William", Phone: shared.Value})
		require.NoError(t, err)
		_, err = d.Customers.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "countess@example.com"})
		require.NoError(t, err)
		for _, mail := range []string{"ada@example.com", "countess@example.com"} {
			_, err = d.Customers.ContactPoints.OptOut(ctx, crm.Address{Kind: crm.AddressEmail, Value: mail}, "by a link")
			require.NoError(t, err)
		}
		_, err = d.Customers.ContactPoints.MarkVerified(ctx, shared)
		require.NoError(t, err)

		var out bytes.Buffer
		done, err := d.Customers.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Equal(t, int64(3), done.Others["contact_points"])
		require.Contains(t, out.String(), "countess@example.com")

		proof, err := d.Customers.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Equal(t, int64(2), proof.Others["contact_points"], "her number is William's too")
		points, err := d.Customers.ContactPoints.List(ctx, crm.WithDeleted())
		require.NoError(t, err)
		require.Len(t, points.Items, 1)
		require.Equal(t, shared.Value, points.Items[0].Value)

		_, err = d.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "A", Email: "Countess@Example.com"})
		var erased *crm.ErasedError
		require.ErrorAs(t, err, &erased)
		back, err := d.Customers.Create(crm.Returned(ctx, "signed up"), customers.Customer{Kind: customers.Person, Name: "A", Email: "countess@example.com"})
		require.NoError(t, err)
		require.NotEqual(t, ada.ID, back.ID)
	})
}

// TestAnAddressMayBeOfAnyWords erases a customer whose address has the words of the CRM's own reasons.
func TestAnAddressMayBeOfAnyWords(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "customer.erased@example.com"})
		require.NoError(t, err)
		_, err = people.ContactPoints.MarkInvalid(ctx, email("customer.erased@example.com"), "bounced")
		require.NoError(t, err)
		_, err = people.ErasePerson(ctx, ada.ID, "GDPR 17")
		require.NoError(t, err)
		n, err := people.ContactPoints.Count(ctx, crm.WithDeleted())
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

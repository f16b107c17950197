package customers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func TestMergeCustomers(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		create := func(c customers.Customer) customers.Customer {
			made, err := people.Create(ctx, c)
			require.NoError(t, err)
			return made
		}
		ada := create(customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com", Tags: []string{"maths"}})
		twin := create(customers.Customer{Record: crm.Record{Refs: crm.Refs{"shop": "7"}}, Kind: customers.Person, Name: "A. Lovelace", Phone: "+44 20 7946 0000", Country: "GB", Tags: []string{"engines"}})
		acme := create(customers.Customer{Kind: customers.Organisation, Name: "Acme"})

		p, err := people.PreviewMerge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Empty(t, p.Faults)
		kept, m, err := people.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		p.Result.Version, p.Result.Updated = kept.Version, kept.Updated
		require.Equal(t, p.Result, kept, "it is what the preview said")
		require.Equal(t, twin.Phone, kept.Phone)
		require.Equal(t, "GB", kept.Country)
		require.Equal(t, []string{"engines", "maths"}, kept.Tags)
		require.Equal(t, crm.Refs{"shop": "7"}, kept.Refs)
		got, err := people.Get(ctx, twin.ID)
		require.NoError(t, err)
		require.Equal(t, ada.ID, got.ID)

		u, err := people.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		ada.Version, ada.Updated, twin.Version, twin.Updated = u.Survivor.Version, u.Survivor.Updated, u.Absorbed[0].Version, u.Absorbed[0].Updated
		require.Equal(t, ada, u.Survivor)
		require.Equal(t, twin, u.Absorbed[0])

		_, _, err = people.Merge(ctx, ada.ID, []crm.ID{acme.ID}, crm.MergeRules{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "only customers of one kind are merged")
		p, err = people.PreviewMerge(ctx, acme.ID, []crm.ID{ada.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, "kind", p.Faults[0].Field)
	})
}

func TestMergeKeepsTheTreeOfOrganisations(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		org := func(name string, parent crm.ID) customers.Customer {
			c, err := people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: name, ParentID: parent})
			require.NoError(t, err)
			return c
		}
		top := org("Top", crm.ID{})
		middle := org("Middle", top.ID)
		low := org("Low", middle.ID)
		_, _, err := people.Merge(ctx, low.ID, []crm.ID{top.ID}, crm.MergeRules{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "parent_id: would make a circle")
		kept, _, err := people.Merge(ctx, top.ID, []crm.ID{low.ID}, crm.MergeRules{})
		require.NoError(t, err, "the other way round there is none")
		require.Zero(t, kept.ParentID, "what Low belonged to is below Top")
		n, err := people.Count(ctx, crm.Where("parent_id == $1", top.ID))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

func TestTheSurvivorIsFoundByAllAddresses(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		person := func(name, email string) customers.Customer {
			c, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: name, Email: email})
			require.NoError(t, err)
			return c
		}
		ada, twin := person("Ada", "ada@example.com"), person("A. L.", "al@example.com")
		further, err := people.Identities.Create(ctx, customers.Identity{CustomerID: twin.ID, Kind: crm.AddressEmail, Value: "third@example.com"})
		require.NoError(t, err)
		_, m, err := people.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		addresses := func(id crm.ID) (list []string) {
			all, err := people.Addresses(ctx, id)
			require.NoError(t, err)
			for _, r := range all {
				list = append(list, r.Value)
			}
			return list
		}
		require.ElementsMatch(t, []string{"ada@example.com", "al@example.com", "third@example.com"}, addresses(ada.ID))
		u, err := people.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		require.Empty(t, u.New)
		require.Equal(t, []string{"ada@example.com"}, addresses(ada.ID))
		require.ElementsMatch(t, []string{"al@example.com", "third@example.com"}, addresses(twin.ID))
		got, err := people.Identities.Get(ctx, further.ID)
		require.NoError(t, err)
		require.Equal(t, twin.ID, got.CustomerID)
	})
}

package customers_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/customers/match"
)

// crowd makes people who are all different.
func (d *desk) crowd(ctx context.Context, tb testing.TB) {
	tb.Helper()
	given := []string{"Emily", "James", "Chloe", "Oscar", "Nadia", "Viktor"}
	family := []string{"Morrison", "Kowalski", "Fernandez", "Okafor", "Lindqvist"}
	for i := range 30 {
		g, f := given[i%6], family[i%5]
		_, err := d.Create(ctx, customers.Customer{
			Kind: customers.Person, Name: g + " " + f, Email: fmt.Sprintf("%s%d@example.com", g, i), Birthday: crm.Date{Year: 1950 + i, Month: 3, Day: 1 + i%28},
		})
		require.NoError(tb, err)
	}
}

func TestDuplicatesAreFoundAndExplained(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.crowd(ctx, t)
		create := func(c customers.Customer) crm.ID {
			made, err := d.Create(ctx, c)
			require.NoError(t, err)
			return made.ID
		}
		ada := create(customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}})
		again := create(customers.Customer{Kind: customers.Person, Name: "LOVELACE, Ada", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 10, Day: 12}})
		li := create(customers.Customer{Kind: customers.Person, Name: "李雷", Phone: "+86 138 0013 8000", Birthday: crm.Date{Year: 1990, Month: 5, Day: 4}})
		lei := create(customers.Customer{Kind: customers.Person, Name: "Lei Li", Phone: "+8613800138000", Birthday: crm.Date{Year: 1990, Month: 5, Day: 4}})
		create(customers.Customer{Kind: customers.Organisation, Name: "Ada Lovelace", Email: "ada.lovelace@example.com"})

		sets, err := d.Duplicates.Find(ctx, customers.Person, match.Options{})
		require.NoError(t, err)
		require.Len(t, sets, 2, "%v", sets)
		found := [][]crm.ID{sets[0].Customers, sets[1].Customers}
		require.Contains(t, found, []crm.ID{again, ada})
		require.Contains(t, found, []crm.ID{lei, li})
		for _, s := range sets {
			require.Greater(t, s.Probability, .9)
			require.Len(t, s.Why, 1)
			require.NotEmpty(t, s.Why[0].Reasons)
		}

		only, err := d.Duplicates.Find(ctx, customers.Person, match.Options{}, crm.Where("email != nil"))
		require.NoError(t, err)
		require.Len(t, only, 1)

		_, err = d.Duplicates.Find(ctx, "robot", match.Options{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Duplicates.Find(t.Context(), customers.Person, match.Options{})
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

// Who may not read a customer, or a field, is told nothing of it.
func TestDuplicatesAreTheActorsOwn(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		for range 2 {
			_, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"})
			require.NoError(t, err)
		}
		d.role(t, "own", crm.Allow("customer", crm.LevelOwn, crm.VerbRead))
		d.role(t, "blind", crm.Allow("customer", crm.LevelAll, crm.VerbRead),
			crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldHidden})
		d.role(t, "veiled", crm.Allow("customer", crm.LevelAll, crm.VerbRead),
			crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldMasked})

		sets, err := d.Duplicates.Find(as(t, "own"), customers.Person, match.Options{})
		require.NoError(t, err)
		require.Empty(t, sets)
		sets, err = d.Duplicates.Find(as(t, "blind"), customers.Person, match.Options{Threshold: .01})
		require.NoError(t, err)
		more, err := d.Duplicates.Find(as(t, "veiled"), customers.Person, match.Options{Threshold: .01})
		require.NoError(t, err)
		for _, s := range append(sets, more...) {
			for _, why := range s.Why {
				for _, reason := range why.Reasons {
					require.NotEqual(t, "email", reason.Name)
				}
			}
		}
		other := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		sets, err = d.Duplicates.Find(other, customers.Person, match.Options{})
		require.NoError(t, err)
		require.Empty(t, sets)
	})
}

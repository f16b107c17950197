package customers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// onBoth runs fn on customers in either engine, as dana of acme.
func onBoth(t *testing.T, fn func(ctx context.Context, t *testing.T, people *customers.Customers)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var people *customers.Customers
		crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) (err error) {
			people, err = customers.New(c)
			return err
		})
		fn(crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"}), t, people)
	})
}

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		core := crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			_, err := customers.New(c)
			return err
		})
		crmtest.RequireSchema(t, core.Core, e.DB, e.Name)
	})
}

func TestACustomerIsKeptWhole(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		made, err := people.Create(ctx, customers.Customer{
			Kind: customers.Organisation, Name: "Acme Corporation", Email: "info@acme.example", Phone: "+1 555 0100", Country: "US",
			Industry: "technology", Founded: new(int64(1996)), Employees: new(int64(2822)), Revenue: crm.USD(1_100_040_000_00), Tags: []string{"vip"},
		})
		require.NoError(t, err)
		found, err := people.Get(ctx, made.ID)
		require.NoError(t, err)
		require.Equal(t, made, found)
		require.Equal(t, crm.USD(1_100_040_000_00), found.Revenue)
		require.EqualValues(t, 1996, *found.Founded)
	})
}

func TestWhatACustomerCannotBe(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		org, err := people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme"})
		require.NoError(t, err)
		ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"})
		require.NoError(t, err)
		for _, c := range []struct {
			what   customers.Customer
			fields []string
		}{
			{customers.Customer{}, []string{"kind", "name"}},
			{customers.Customer{Kind: "robot", Name: "R2"}, []string{"kind"}},
			{customers.Customer{Kind: customers.Organisation, Name: "X", Country: "Germany"}, []string{"country"}},
			{customers.Customer{Kind: customers.Organisation, Name: "X", Country: "de", Employees: new(int64(-1)), Founded: new(int64(0))}, []string{"country", "employees", "founded"}},
			{
				customers.Customer{Kind: customers.Person, Name: "X", Revenue: crm.EUR(1), Employees: new(int64(1)), Founded: new(int64(1)), ParentID: org.ID},
				[]string{"employees", "founded", "parent_id", "revenue"},
			},
			{customers.Customer{Kind: customers.Organisation, Name: "X", ParentID: ada.ID}, []string{"parent_id"}},
			{customers.Customer{Kind: customers.Organisation, Name: "X", ParentID: crm.ID{1}}, []string{"parent_id"}},
		} {
			_, err := people.Create(ctx, c.what)
			var invalid *crm.InvalidError
			require.ErrorAs(t, err, &invalid)
			var fields []string
			for _, f := range invalid.Faults {
				fields = append(fields, f.Field)
			}
			require.Equal(t, c.fields, fields, "%v", err)
		}
		n, err := people.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n, "what is refused leaves nothing")
	})
}

func TestACustomerStaysWhatItIs(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"})
		require.NoError(t, err)
		_, err = people.Update(ctx, ada.ID, func(c *customers.Customer) error {
			c.Kind = customers.Organisation
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "kind: is person, and stays so")
	})
}

func TestSubsidiariesFormATree(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, people *customers.Customers) {
		create := func(name string, parent crm.ID) customers.Customer {
			c, err := people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: name, ParentID: parent})
			require.NoError(t, err)
			return c
		}
		top := create("Acme Corporation", crm.ID{})
		below := create("Bluth Company", top.ID)
		create("Codehow", top.ID)

		_, err := people.Update(ctx, top.ID, func(c *customers.Customer) error {
			c.ParentID = below.ID
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "circle")

		page, err := people.List(ctx, crm.Where("count(subsidiaries) == 2"))
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, top.ID, page.Items[0].ID)

		err = people.Delete(ctx, top.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "2 customers still refer to it")
	})
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := customers.New(nil)
	require.ErrorIs(t, err, crm.ErrInvalid)
	core := crmtest.New(t, func(c *crm.Core) error {
		_, err := customers.New(c)
		return err
	})
	_, err = customers.New(core.Core)
	require.ErrorIs(t, err, crm.ErrInvalid, "the kind is defined already, and the core migrated")
}

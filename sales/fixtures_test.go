package sales_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage"
)

// desk is a core with customers and sales.
type desk struct {
	*crmtest.Core
	*sales.Sales

	people *customers.Customers
}

func newDesk(tb testing.TB, store storage.Store) *desk {
	tb.Helper()
	d := &desk{}
	d.Core = crmtest.On(tb, store, crm.Config{}, func(c *crm.Core) (err error) {
		if d.people, err = customers.New(c); err != nil {
			return err
		}
		d.Sales, err = sales.New(c, d.people)
		return err
	})
	return d
}

// onBoth runs fn on a desk in either engine, as dana of acme.
func onBoth(t *testing.T, fn func(ctx context.Context, t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		fn(as(t, "dana"), t, newDesk(t, e.Store))
	})
}

// as is the context of a member.
var as = crmtest.As

func (d *desk) deal(ctx context.Context, tb testing.TB) sales.Deal {
	tb.Helper()
	deal, err := d.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", Amount: crm.EUR(12_000_00)})
	require.NoError(tb, err)
	return deal
}

// stage returns a stage of the tenant's first pipeline.
func (d *desk) stage(ctx context.Context, tb testing.TB, key string) sales.Stage {
	tb.Helper()
	page, err := d.Stages.List(ctx, crm.Where("key == $1 and pipeline.key == 'sales'", key))
	require.NoError(tb, err)
	require.Len(tb, page.Items, 1)
	return page.Items[0]
}

// whole holds everything stored to the kernel's invariants.
func (d *desk) whole(tb testing.TB) {
	tb.Helper()
	problems, err := d.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

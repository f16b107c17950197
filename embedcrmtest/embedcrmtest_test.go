package embedcrmtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

func TestNewHasAClockTheTestMoves(t *testing.T) {
	t.Parallel()
	app := embedcrmtest.New(t)
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	deal, err := app.Sales.Deals.Create(ctx, sales.Deal{Name: "Analytical engine"})
	require.NoError(t, err)
	require.Equal(t, crmtest.Start(), deal.Created)
	app.Clock.Advance(72 * time.Hour)
	deal, err = app.Sales.Deals.Win(ctx, deal.ID)
	require.NoError(t, err)
	require.Equal(t, 72*time.Hour, deal.Closed.Sub(deal.Created))
}

func TestEachTestHasACRMOfItsOwn(t *testing.T) {
	t.Parallel()
	one, two := embedcrmtest.New(t), embedcrmtest.New(t)
	ctx := crm.System(t.Context(), "acme")
	_, err := one.Sales.Deals.Create(ctx, sales.Deal{Name: "Analytical engine"})
	require.NoError(t, err)
	n, err := two.Sales.Deals.Count(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestOnAStoreOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{StrictTenants: true})
		_, err := app.Sales.Deals.Create(crm.System(t.Context(), "acme"), sales.Deal{Name: "Analytical engine"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "Tenants.Ensure")
	})
}

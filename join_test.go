package embedcrm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage"
)

// shop is a host with a table of its own.
type shop struct {
	db  *sql.DB
	app *embedcrm.App
}

func openShop(db *sql.DB, store storage.Store) *shop {
	app := must(embedcrm.New(store, crm.Config{}))
	if err := app.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	return &shop{db, app}
}

var errSoldOut = errors.New("sold out")

// order writes a row of the shop and, in the same transaction, a deal that is won.
// Before it is won, meanwhile happens, if given.
func (s *shop) order(ctx context.Context, number int, name string, meanwhile func() error) error {
	tx, err := s.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit it does nothing
	joined, err := s.app.Join(ctx, tx)
	if err != nil {
		return err
	}
	deal, err := s.app.Sales.Deals.Create(joined, sales.Deal{Name: name, Amount: crm.EUR(100_00)})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO shop_order VALUES (%d, '%s')", number, deal.ID))
	if err != nil {
		return err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	if _, err := s.app.Sales.Deals.Win(joined, deal.ID); err != nil {
		return anyDeal(err)
	}
	return tx.Commit()
}

// anyDeal leaves out which deal an error is about, which differs each time.
func anyDeal(err error) error {
	if e, ok := errors.AsType[*crm.Error](err); ok {
		return &crm.Error{Op: e.Op, Object: e.Object, Err: e.Err}
	}
	return err
}

// count is what there is, as the host's own pool and the CRM see it.
func (s *shop) count() string {
	ctx := crm.System(context.Background(), "acme")
	var orders int
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM shop_order").Scan(&orders); err != nil {
		return err.Error()
	}
	deals := must(s.app.Sales.Deals.Count(ctx))
	won := must(s.app.Sales.Deals.Count(ctx, crm.Where("status == 'won'")))
	return fmt.Sprintf("%d orders, %d deals, %d won", orders, deals, won)
}

// TestAnOrderAndItsDealShareOneFate is ExampleApp_join on both engines.
func TestAnOrderAndItsDealShareOneFate(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		shop := openShop(e.DB, e.Store)
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		_, err := e.DB.ExecContext(ctx, "CREATE TABLE shop_order (number INTEGER PRIMARY KEY, deal TEXT NOT NULL)")
		require.NoError(t, err)

		require.NoError(t, shop.order(ctx, 1001, "Difference engine", nil))
		require.Equal(t, "1 orders, 1 deals, 1 won", shop.count())
		require.ErrorIs(t, shop.order(ctx, 1002, "", nil), crm.ErrInvalid)
		require.Equal(t, "1 orders, 1 deals, 1 won", shop.count())
		require.ErrorIs(t, shop.order(ctx, 1003, "Analytical engine", func() error { return errSoldOut }), errSoldOut)
		require.Equal(t, "1 orders, 1 deals, 1 won", shop.count())
		cancelled, cancel := context.WithCancel(ctx)
		require.ErrorIs(t, shop.order(cancelled, 1004, "Analytical engine", func() error { cancel(); return nil }), context.Canceled)
		require.Equal(t, "1 orders, 1 deals, 1 won", shop.count())
		require.NoError(t, shop.order(ctx, 1004, "Analytical engine", nil))
		require.Equal(t, "2 orders, 2 deals, 2 won", shop.count())

		problems, err := shop.app.Check(ctx)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestModulesAreTaken holds that a host may take some modules, and add one to a
// database that lives.
func TestModulesAreTaken(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		some := must(crm.New(e.Store, crm.Config{}))
		people := must(customers.New(some))
		require.NoError(t, some.Migrate(t.Context()))
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"})
		require.NoError(t, err)
		script, err := some.MigrationScript(ctx)
		require.NoError(t, err)
		require.Empty(t, script, "a module that was not taken needs no table")

		app := must(embedcrm.New(e.Store, crm.Config{}))
		require.NoError(t, app.Migrate(ctx))
		found, err := app.Customers.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "Ada", found.Name)
		// The tenant was there before the module was, which gives it its pipeline now.
		deal, err := app.Sales.Deals.Create(ctx, sales.Deal{Name: "Engine", CustomerID: ada.ID})
		require.NoError(t, err)
		_, err = app.Sales.Deals.Move(ctx, deal.ID, "negotiation")
		require.NoError(t, err)
	})
}

package embedcrm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// A CRM in the host's own database.
func ExampleNew() {
	db, ctx := hostDB(), context.Background()
	store, err := sqlite.New(db) // or postgres.New(db)
	if err != nil {
		log.Fatal(err)
	}
	app, err := embedcrm.New(store, crm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Migrate(ctx); err != nil {
		log.Fatal(err)
	}

	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"}) // the host's own keys
	ada, err := app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"})
	if err != nil {
		log.Fatal(err)
	}
	deal, err := app.Sales.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", CustomerID: ada.ID, Amount: crm.EUR(12_000_00)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = app.Sales.Deals.Move(ctx, deal.ID, "negotiation"); err != nil {
		log.Fatal(err)
	}
	for d, err := range app.Sales.Deals.All(ctx, crm.Where("stage.kind == 'open' and amount > $1", crm.EUR(1_000_00))) {
		fmt.Println(d.Name, d.Amount, err)
	}
	// Output: Analytical engine 12000.00 EUR <nil>
}

// A shop's order and what the CRM keeps of it are committed together, or not at all:
// whether the CRM refuses something, the host thinks better of it, or the request is
// cancelled in the middle.
func ExampleApp_join() {
	db := hostDB()
	shop := openShop(db, must(sqlite.New(db)))
	if _, err := db.ExecContext(context.Background(), "CREATE TABLE shop_order (number INTEGER PRIMARY KEY, deal TEXT NOT NULL)"); err != nil {
		log.Fatal(err)
	}
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})

	fmt.Println("committed:", shop.order(ctx, 1001, "Difference engine", nil))
	fmt.Println("refused:", shop.order(ctx, 1002, "", nil))
	fmt.Println("rolled back:", shop.order(ctx, 1003, "Analytical engine", func() error { return errSoldOut }))
	ctx, cancel := context.WithCancel(ctx)
	err := shop.order(ctx, 1004, "Analytical engine", func() error { cancel(); return nil })
	fmt.Println("cancelled:", errors.Is(err, context.Canceled))
	fmt.Println(shop.count())
	// Output:
	// committed: <nil>
	// refused: crm: create deal: invalid: name: is required
	// rolled back: sold out
	// cancelled: true
	// 1 orders, 1 deals, 1 won
}

// hostDB is a host's own pool: here of a database in memory, else of a file.
func hostDB() *sql.DB {
	db := must(sql.Open("sqlite", sqlite.DSN(":memory:")))
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	return db
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

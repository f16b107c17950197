// Command embed is the least program with a CRM in it: what the README shows.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	_ "modernc.org/sqlite" // the host chooses the driver

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

func main() {
	ctx := context.Background()
	db := must(sql.Open("sqlite", sqlite.DSN("shop.db"))) // the host's own pool, with tables of its own
	app := must(embedcrm.New(must(sqlite.New(db)), crm.Config{}))
	check(app.Migrate(ctx))

	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"}) // the host's own keys
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))

	tx := must(db.BeginTx(ctx, nil)) // the host's transaction: what the CRM does in it commits with it, or not at all
	joined := must(app.Join(ctx, tx))
	deal := must(app.Sales.Deals.Create(joined, sales.Deal{Name: "Analytical engine", CustomerID: ada.ID, Amount: crm.EUR(12_000_00)}))
	deal = must(app.Sales.Deals.Move(joined, deal.ID, "negotiation"))
	check(tx.Commit())

	for d, err := range app.Sales.Deals.All(ctx, crm.Where("stage.kind == 'open' and amount > $1", crm.EUR(1_000_00))) {
		check(err)
		fmt.Println(d.Name, d.Amount)
	}
	for _, e := range must(app.Sales.Deals.History(ctx, deal.ID)).Items {
		fmt.Println(e.Name, "by", e.Actor)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

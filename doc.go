// Package embedcrm is a customer relationship manager to build into a Go program: it works in the host's own process,
// in its own database and in its own transactions.
//
//	db, err := sql.Open("sqlite", sqlite.DSN("shop.db")) // the host chooses and owns driver and pool
//	store, err := sqlite.New(db)                         // or postgres.New(db)
//	app, err := embedcrm.New(store, crm.Config{})
//	err = app.Migrate(ctx)
//
//	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"}) // the host's own keys
//
//	ada, err := app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
//	deal, err := app.Sales.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", CustomerID: ada.ID, Amount: crm.EUR(12_000_00)})
//	deal, err = app.Sales.Deals.Move(ctx, deal.ID, "negotiation")
//
// A host's own rows and the CRM's records commit together, or not at all: see [crm.Core.Join] and the example of [New].
//
// The package composes the modules and adds nothing to them. A host that wants some of them only makes a [crm.Core] and
// gives it to those: customers.New(core), sales.New(core, people). What every kind of record can do is in package crm. A
// host's tests get a CRM with a clock they move from package embedcrmtest.
//
// The modules at present are customers, sales and analytics, and of these the first slice; marketing and service are yet
// to come.
package embedcrm

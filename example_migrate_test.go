package embedcrm_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// The tables of a former CRM, as its export has them.
const (
	accounts      = "Id,Account Name,ParentId,CreatedDate\n001,Analytical Engines,,2019-05-01\n002,Looms,001,2019-06-01\n"
	contacts      = "Id,FirstName,LastName,Email,AccountId\n003,Ada,Lovelace,ada@example.com,001\n"
	opportunities = "Id,Opportunity Name,AccountId,StageName,Amount,OwnerId,CreatedDate\n006,Engine,001,Negotiation,12000,005,2021-01-02\n"
	stages        = "OpportunityId,CreatedById,CreatedDate,Field,OldValue,NewValue\n006,005,2021-02-03,StageName,Qualification,Negotiation\n"
)

func export(text string) func() (transfer.Source, error) {
	return func() (transfer.Source, error) {
		return transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	}
}

// A whole former CRM moves in: the tables in any order, and what happened to the deals.
func Example_migrate() {
	app := must(embedcrm.New(must(sqlite.New(hostDB())), crm.Config{}))
	ctx := context.Background()
	if err := app.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	must(app.Members.Ensure(ctx, "dana", "Dana"))
	if err := movesIn(ctx, app); err != nil {
		log.Fatal(err)
	}
	// Output:
	// accounts: 2 created
	// contacts: 1 created
	// deal: 1 created
	// customer: 3 rows, 3 here, 0 missing, 0 gone
	// deal: 1 rows, 1 here, 0 missing, 0 gone
	// amount 12000.00 EUR, here 12000.00
	// everything is here: true
	// Engine came to Qualification on 2021-01-02
	// Engine came to Negotiation on 2021-02-03
}

func movesIn(ctx context.Context, app *embedcrm.App) error {
	former := transfer.Migration{
		System: "salesforce", Currency: "EUR", Owners: map[string]string{"005": "dana"},
		Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "deal"}, Open: export(opportunities), History: &transfer.History{Open: export(stages)}},
			{Name: "contacts", Plan: transfer.Plan{Object: "customer"}, Open: export(contacts)},
			{Name: "accounts", Plan: transfer.Plan{Object: "customer"}, Open: export(accounts)},
		},
	}
	trial, err := app.Transfer.DryRunMigration(ctx, former, transfer.Options{Inspect: app.Quality.Inspect})
	if err != nil || !trial.Reconciliation.Agrees() {
		return fmt.Errorf("look at %+v: %w", trial, err)
	}
	report, err := app.Transfer.Migrate(ctx, former, transfer.Options{})
	if err != nil {
		return err // run again it goes on
	}
	for _, t := range report.Tables {
		fmt.Printf("%s: %d created\n", t.Name, t.Report.Created)
	}
	agrees, err := app.Transfer.Reconcile(ctx, former) // at any time, as long as both are in use
	if err != nil {
		return err
	}
	for _, o := range agrees.Objects {
		fmt.Printf("%s: %d rows, %d here, %d missing, %d gone\n", o.Object, o.Rows, o.Here, o.Missing, o.Gone)
		for _, s := range o.Sums {
			fmt.Printf("%s %s %s, here %s\n", s.Field, s.Source, s.Currency, s.Target)
		}
	}
	fmt.Println("everything is here:", agrees.Agrees())
	for deal, err := range app.Sales.Deals.All(ctx) {
		if err != nil {
			return err
		}
		spans, err := app.Sales.Deals.StageHistory(ctx, deal.ID)
		if err != nil {
			return err
		}
		for _, s := range spans {
			fmt.Printf("%s came to %s on %s\n", deal.Name, s.Stage.Name, s.Entered.Format("2006-01-02"))
		}
	}
	return nil
}

package sales_test

import (
	"context"
	"fmt"
	"log"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// office is a host that takes two modules.
type office struct {
	*sales.Sales

	core   *crm.Core
	people *customers.Customers
	clock  *crmtest.Clock
}

// openOffice returns an office, and a context of dana's, who works there.
func openOffice() (*office, context.Context) {
	o := &office{clock: &crmtest.Clock{}}
	store := must(sqlite.Open("sqlite", ":memory:"))
	o.core = must(crm.New(store, crm.Config{Clock: o.clock}))
	o.people = must(customers.New(o.core))
	o.Sales = must(sales.New(o.core, o.people))
	ctx := context.Background()
	if err := o.core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return o, crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func ExampleNew() {
	store, err := sqlite.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	core, err := crm.New(store, crm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	people, err := customers.New(core)
	if err != nil {
		log.Fatal(err)
	}
	pipeline, err := sales.New(core, people)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	deal, err := pipeline.Deals.Create(crm.System(ctx, "acme"), sales.Deal{Name: "Analytical engine"})
	fmt.Println(deal.Name, deal.Status, err)
	// Output: Analytical engine open <nil>
}

func ExampleDeals_Move() {
	o, ctx := openOffice()
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", Amount: crm.EUR(12_000_00)}))
	deal, err := o.Deals.Move(ctx, deal.ID, "negotiation")
	fmt.Println(deal.Status, must(o.Stages.Get(ctx, deal.StageID)).Name, err)

	for d, err := range o.Deals.All(ctx, crm.Where("stage.probability >= 50")) {
		fmt.Println(d.Name, err)
	}
	// Output:
	// open Negotiation <nil>
	// Analytical engine <nil>
}

// What a deal brought in is known when it is won.
func ExampleDeals_Win() {
	o, ctx := openOffice()
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", Amount: crm.EUR(12_000_00)}))
	err := o.core.Tx(ctx, func(ctx context.Context) error {
		_, err := o.Deals.Update(ctx, deal.ID, func(d *sales.Deal) error { d.Amount = crm.EUR(11_500_00); return nil })
		if err != nil {
			return err
		}
		deal, err = o.Deals.Win(ctx, deal.ID)
		return err
	})
	fmt.Println(deal.Status, deal.Amount, deal.Closed.Format(time.DateOnly), err)
	// Output: won 11500.00 EUR 2026-01-05 <nil>
}

func ExampleDeals_Lose() {
	o, ctx := openOffice()
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Analytical engine"}))
	deal, err := o.Deals.Lose(ctx, deal.ID, "no budget")
	fmt.Println(deal.Status, deal.LostReason, err)
	// Output: lost no budget <nil>
}

func ExampleDeals_Reopen() {
	o, ctx := openOffice()
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Analytical engine"}))
	must(o.Deals.Move(ctx, deal.ID, "proposal"))
	must(o.Deals.Lose(ctx, deal.ID, "no budget"))
	deal, err := o.Deals.Reopen(ctx, deal.ID)
	fmt.Println(deal.Status, must(o.Stages.Get(ctx, deal.StageID)).Name, err)
	// Output: open Proposal <nil>
}

func ExampleDeals_StageHistory() {
	o, ctx := openOffice()
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Analytical engine"}))
	o.clock.Advance(72 * time.Hour)
	must(o.Deals.Move(ctx, deal.ID, "proposal"))
	o.clock.Advance(24 * time.Hour)
	must(o.Deals.Win(ctx, deal.ID))
	for _, span := range must(o.Deals.StageHistory(ctx, deal.ID)) {
		if span.Left.IsZero() {
			span.Left = o.clock.Now()
		}
		fmt.Println(span.Stage.Key, span.Left.Sub(span.Entered))
	}
	// Output:
	// prospecting 72h0m0s
	// proposal 24h0m0s
	// won 0s
}

// What was closed elsewhere is brought in as it was, by those who may import.
func ExampleDeals_Create() {
	o, ctx := openOffice()
	must(o.Deals.Create(ctx, sales.Deal{Name: "Difference engine"})) // the first call makes the tenant and its pipeline
	page := must(o.Stages.List(ctx, crm.Where("key == 'won'")))

	then := time.Date(2025, time.June, 1, 0, 0, 0, 0, time.UTC)
	deal, err := o.Deals.Create(crm.At(ctx, then), sales.Deal{Name: "Analytical engine", StageID: page.Items[0].ID})
	fmt.Println(deal.Status, deal.Closed.Format(time.DateOnly), err)
	// Output: won 2025-06-01 <nil>
}

// A pipeline beside the one a tenant begins with.
func ExamplePipelines() {
	o, ctx := openOffice()
	renewals := must(o.Pipelines.Create(ctx, sales.Pipeline{Name: "Renewals", Key: "renewals", Position: 1}))
	must(o.Stages.CreateAll(ctx, []sales.Stage{
		{PipelineID: renewals.ID, Position: 1, Key: "due", Name: "Due", Probability: 80},
		{PipelineID: renewals.ID, Position: 2, Key: "renewed", Name: "Renewed", Kind: sales.Won},
		{PipelineID: renewals.ID, Position: 3, Key: "cancelled", Name: "Cancelled", Kind: sales.Lost},
	}))
	deal := must(o.Deals.Create(ctx, sales.Deal{Name: "Support 2026", PipelineID: renewals.ID}))
	_, err := o.Deals.Move(ctx, deal.ID, "negotiation")
	fmt.Println(anyDeal(err))
	deal, err = o.Deals.Move(ctx, deal.ID, "renewed")
	fmt.Println(deal.Status, err)
	// Output:
	// crm: move deal: invalid: stage: the deal's pipeline has no stage "negotiation": its stages are due, renewed, cancelled
	// won <nil>
}

// anyDeal leaves out which deal an error is about, which differs each time.
func anyDeal(err error) error {
	known, _ := err.(*crm.Error) //nolint:errorlint // the outermost
	return &crm.Error{Op: known.Op, Object: known.Object, Err: known.Err}
}

package analytics_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// openPipeline returns a pipeline in memory with some deals in it.
func openPipeline() (*pipeline, context.Context) {
	store, err := sqlite.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	core, err := crm.New(store, crm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	p := &pipeline{Analytics: analytics.New(core)}
	if err := p.define(core); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	stages, err := p.stages.CreateAll(ctx, []Stage{
		{Name: "Lead", Kind: "open", Probability: 10}, {Name: "Offer", Kind: "open", Probability: 50}, {Name: "Won", Kind: "won", Probability: 100}, {Name: "Lost", Kind: "lost"},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = p.deals.CreateAll(ctx, []Deal{
		{Name: "Oven", StageID: stages[2].ID, Amount: crm.EUR(4_000_00), Closed: time.Date(2026, time.January, 20, 12, 0, 0, 0, time.UTC)},
		{Name: "Shelves", StageID: stages[3].ID, Amount: crm.EUR(900_00), Closed: time.Date(2026, time.February, 3, 12, 0, 0, 0, time.UTC)},
		{Name: "Safe", StageID: stages[2].ID, Amount: crm.USD(2_500_00), Closed: time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)},
		{Name: "Mixer", StageID: stages[1].ID, Amount: crm.EUR(1_000_00)},
		{Name: "Scale", StageID: stages[0].ID, Amount: crm.EUR(200_00)},
	})
	if err != nil {
		log.Fatal(err)
	}
	return p, ctx
}

// Deals and their value by stage.
func ExampleAnalytics_Run() {
	p, ctx := openPipeline()
	result, err := p.Run(ctx, analytics.Report{
		Object:   "deal",
		Groups:   []analytics.Group{{Name: "stage", Field: "stage.name"}},
		Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}},
		Total:    true,
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = result.WriteTable(os.Stdout)
	// Output:
	// stage  deals  value
	// Lead   1      200.00 EUR
	// Lost   1      900.00 EUR
	// Offer  1      1000.00 EUR
	// Won    2      4000.00 EUR, 2500.00 USD
	// Total  5      6100.00 EUR, 2500.00 USD
}

// What was won by quarter, and how often.
func ExampleAnalytics_Run_winRate() {
	p, ctx := openPipeline()
	won, lost := crm.Filter{Text: "stage.kind == 'won'"}, crm.Filter{Text: "stage.kind == 'lost'"}
	result, err := p.Run(ctx, analytics.Report{
		Object: "deal",
		Where:  crm.Filter{Text: "closed != nil"},
		Groups: []analytics.Group{{Name: "quarter", Field: "closed", Bucket: crm.ByQuarter, Fill: true}},
		Measures: []analytics.Measure{
			{Name: "won", Fn: crm.FnCount, Where: won},
			{Name: "lost", Fn: crm.FnCount, Where: lost},
			{Name: "won value", Fn: crm.FnSum, Field: "amount", Where: won},
			{Name: "win rate", Fn: analytics.FnRatio, Of: []string{"won"}, Per: []string{"won", "lost"}},
		},
		Zone: "Europe/Berlin",
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = result.WriteTable(os.Stdout)
	// Output:
	// quarter  won  lost  won value    win rate
	// 2026-Q1  1    1     4000.00 EUR  0.5
	// 2026-Q2  0    0
	// 2026-Q3  1    0     2500.00 USD  1
}

// The open pipeline, each deal weighted by how likely its stage makes it.
func ExampleAnalytics_Run_weighted() {
	p, ctx := openPipeline()
	result, err := p.Run(ctx, analytics.Report{
		Object: "deal",
		Where:  crm.Filter{Text: "stage.kind == 'open'"},
		Measures: []analytics.Measure{
			{Name: "open", Fn: crm.FnSum, Field: "amount"},
			{Name: "weighted", Fn: crm.FnWeighted, Field: "amount", Weight: "stage.probability"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = result.WriteCSV(os.Stdout)
	// Output:
	// open EUR,weighted EUR
	// 1200.00,520.00
}

// From a figure to the records it was made of.
func ExampleResult_Records() {
	p, ctx := openPipeline()
	result, err := p.Run(ctx, analytics.Report{
		Object:   "deal",
		Groups:   []analytics.Group{{Field: "amount.currency"}},
		Measures: []analytics.Measure{{Name: "won", Fn: crm.FnCount, Where: crm.Filter{Text: "stage.kind == $1", Args: []any{"won"}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	records, err := result.Records(1, "won") // of the second row
	for _, f := range records {
		fmt.Println(f.Text, f.Args)
	}
	deals, _ := p.deals.List(ctx, records.Options()...)
	fmt.Println(result.Rows[1], deals.Items[0].Name, err)
	// Output:
	// amount.currency == $1 [USD]
	// stage.kind == $1 [won]
	// [USD 1] Safe <nil>
}

package quality_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// office is a CRM with contacts, a kind of its own.
type office struct {
	*crm.Core
	*desk

	clock *crmtest.Clock
}

func openOffice() (*office, context.Context) {
	app := &office{desk: &desk{}, clock: &crmtest.Clock{}}
	app.Core = must(crm.New(must(sqlite.Open("sqlite", ":memory:")), crm.Config{Clock: app.clock}))
	if err := app.define(app.Core); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := app.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return app, crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
}

func ExampleNew() {
	core := must(crm.New(must(sqlite.Open("sqlite", ":memory:")), crm.Config{}))
	_, err := quality.New(core)
	fmt.Println(err, core.Migrate(context.Background()))
	// Output: <nil> <nil>
}

func ExampleQuality_Violations() {
	app, ctx := openOffice()
	must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace"}))
	must(app.contacts.Create(ctx, contact{Name: "Charles Babbage", Country: "GB"}))

	rule := must(app.Quality.Rules.Create(ctx, quality.Rule{
		Object: "contact", Name: "Contacts have a country", When: "country == nil",
		Severity: quality.Error, Field: "country", Message: "The country is missing.", Cure: "Ask at the next call.",
	}))
	page := must(app.Quality.Violations(ctx, rule.ID, crm.OrderBy("name")))
	for _, v := range page.Items {
		fmt.Println(v["name"], "-", rule.Message, rule.Cure)
	}
	// Output: Ada Lovelace - The country is missing. Ask at the next call.
}

func ExampleQuality_Inspect() {
	app, ctx := openOffice()
	ada := must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace"}))
	must(app.Quality.Rules.Create(ctx, quality.Rule{
		Object: "contact", Name: "Contacts have a country", When: "country == nil", Field: "country", Message: "is missing", Cure: "Ask at the next call.",
	}))
	wrong := must(app.Quality.Inspect(ctx, "contact", []crm.ID{ada.ID}))
	fmt.Println(wrong[ada.ID]) // transfer.Options{Inspect: app.Quality.Inspect} has an import tell it of its rows
	// Output: [country: is missing. Ask at the next call.]
}

func ExampleQuality_Overview() {
	app, ctx := openOffice()
	must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace"}))
	must(app.Quality.Rules.Create(ctx, quality.Rule{Object: "contact", Name: "No country", When: "country == nil", Severity: quality.Error}))
	for _, r := range must(app.Quality.Overview(ctx, "contact")) {
		fmt.Println(r.Rule.Name, r.Count)
	}
	// Output: No country 1
}

func ExampleQuality_Score() {
	app, ctx := openOffice()
	ada := must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace", Email: "ada@example.com"}))
	must(app.Quality.Standards.Create(ctx, quality.Standard{
		Object:    "contact",
		Complete:  []quality.Wanted{{Field: "email", Weight: 3}, {Field: "phone", Weight: 1}},
		FreshDays: 365,
	}))
	app.clock.Advance(73 * 24 * time.Hour)

	score := must(app.Quality.Score(ctx, "contact", ada.ID))
	fmt.Println(score.Score, "of", score.Complete, score.Fresh)
	fmt.Println(score.Missing)
	// Output:
	// 78 of 75 80
	// [phone]
}

func ExampleQuality_Scores() {
	app, ctx := openOffice()
	must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace", Email: "ada@example.com"}))
	must(app.contacts.Create(ctx, contact{Name: "Charles Babbage"}))
	must(app.Quality.Standards.Create(ctx, quality.Standard{Object: "contact", Complete: []quality.Wanted{{Field: "email"}}}))
	for _, s := range must(app.Quality.Scores(ctx, "contact", crm.OrderBy("name"))).Items {
		fmt.Println(s.Score, s.Missing)
	}
	// Output:
	// 100 []
	// 0 [email]
}

// countries is a correction of how countries are written.
func countries() quality.Correction {
	return quality.Correction{
		Object: "contact", Where: crm.Filter{Text: "country != nil"}, Reason: "ISO codes",
		Changes: []quality.Change{
			{Field: "country", Op: quality.Trim},
			{Field: "country", Op: quality.Map, Map: map[string]string{"Germany": "DE", "Deutschland": "DE"}},
		},
	}
}

func ExampleQuality_Preview() {
	app, ctx := openOffice()
	must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace", Country: "GB"}))
	must(app.contacts.Create(ctx, contact{Name: "Gottfried Leibniz", Country: "germany"}))

	preview := must(app.Quality.Preview(ctx, countries()))
	fmt.Println(preview.Changed, "of", preview.Matched)
	for _, s := range preview.Samples {
		fmt.Println(s.Field, s.Before, "→", s.After)
	}
	// Output:
	// 1 of 2
	// country germany → DE
}

func ExampleQuality_Apply() {
	app, ctx := openOffice()
	leibniz := must(app.contacts.Create(ctx, contact{Name: "Gottfried Leibniz", Country: "germany"}))

	done := must(app.Quality.Apply(ctx, countries()))
	fmt.Println(done.Run.State, done.Run.Changed, must(app.contacts.Get(ctx, leibniz.ID)).Country)

	undone := must(app.Quality.Undo(ctx, done.Run.ID))
	fmt.Println(undone.Restored, undone.Left, must(app.contacts.Get(ctx, leibniz.ID)).Country)
	// Output:
	// done 1 DE
	// 1 0 germany
}

// What was stopped is gone on with, by the run's id.
func ExampleQuality_Resume() {
	app, ctx := openOffice()
	for range 5 {
		must(app.contacts.Create(ctx, contact{Name: "Gottfried Leibniz", Country: "Germany"}))
	}
	app.plug = 3
	_, err := app.Quality.Apply(ctx, countries())
	fmt.Println(err != nil)
	for run, err := range app.Quality.Runs.All(ctx, crm.Where("state == 'running'")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(must(app.Quality.Resume(ctx, run.ID)).Run.Changed)
	}
	// Output:
	// true
	// 5
}

func ExampleQuality_Undo() {
	app, ctx := openOffice()
	leibniz := must(app.contacts.Create(ctx, contact{Name: "Gottfried Leibniz", Country: "Germany"}))
	done := must(app.Quality.Apply(ctx, countries()))
	must(app.contacts.Update(ctx, leibniz.ID, func(c *contact) error { c.Country = "AT"; return nil }))

	undone := must(app.Quality.Undo(ctx, done.Run.ID))
	for _, left := range undone.Reasons {
		fmt.Println(left.Record == leibniz.ID, left.Reason)
	}
	// Output: true country was changed since
}

func ExampleQuality_Snapshot() {
	app, ctx := openOffice()
	ada := must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace", Source: "fair"}))
	must(app.Quality.Standards.Create(ctx, quality.Standard{Object: "contact", Complete: []quality.Wanted{{Field: "email"}}, Source: "source"}))
	fmt.Println(must(app.Quality.Snapshot(ctx, "contact")).Average())

	app.clock.Advance(24 * time.Hour)
	must(app.contacts.Update(ctx, ada.ID, func(c *contact) error { c.Email = "ada@example.com"; return nil }))
	fmt.Println(must(app.Quality.Snapshot(ctx, "contact")).Average())
	// Output:
	// 0
	// 100
}

func ExampleQuality_Snapshots() {
	app, ctx := openOffice()
	must(app.contacts.Create(ctx, contact{Name: "Ada Lovelace", Source: "fair"}))
	must(app.Quality.Standards.Create(ctx, quality.Standard{Object: "contact", Complete: []quality.Wanted{{Field: "email"}}, Source: "source"}))
	must(app.Quality.Snapshot(ctx, "contact"))

	today := crm.DateOf(app.clock.Now())
	for _, s := range must(app.Quality.Snapshots(ctx, "contact", quality.BySource, today, today)).Items {
		fmt.Println(s.Day, s.Value, s.Average())
	}
	// Output: 2026-01-05 fair 0
}

func ExampleSnapshot_Average() {
	fmt.Println(quality.Snapshot{Records: 2, Score: 175}.Average())
	// Output: 88
}

// directory is a directory of companies, as one asks it over the network.
type directory map[string]crm.Values

func (directory) Source() string { return "directory" }

func (d directory) Enrich(_ context.Context, _ string, v crm.Values) (crm.Values, error) {
	name, _ := v["name"].(string)
	return d[name], nil
}

func ExampleQuality_Enrich() {
	app, ctx := openOffice()
	acme := must(app.contacts.Create(ctx, contact{Name: "Acme", Phone: "+15550100"}))

	known := directory{"Acme": {"country": "US", "phone": "+15550199"}}
	done := must(app.Quality.Enrich(ctx, "contact", acme.ID, known))
	fmt.Println(done.Set, done.Kept)
	fmt.Println(done.Record["country"], done.Record["phone"])
	// Output:
	// [country] [phone]
	// US +15550100
}

func ExampleQuality_Origins() {
	app, ctx := openOffice()
	acme := must(app.contacts.Create(ctx, contact{Name: "Acme"}))
	must(app.Quality.Enrich(ctx, "contact", acme.ID, directory{"Acme": {"country": "US"}}))
	for _, o := range must(app.Quality.Origins(ctx, "contact", acme.ID)) {
		if o.Source != "" {
			fmt.Println(o.Field, o.Source, o.Actor)
		}
	}
	// Output: country directory member:dana
}

package customers_test

import (
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// health is a scorecard of what customers use and buy.
func health() customers.Scorecard {
	return customers.Scorecard{Key: "health", Name: "Health", Measures: []customers.HealthMeasure{
		{Key: "usage", Name: "Usage", Weight: 3, Steps: []customers.HealthStep{
			{When: "count(events, .at > ago('30d')) >= 10", Points: 100, Says: "uses it daily"},
			{When: "any(events, .at > ago('30d'))", Points: 50, Says: "uses it now and then"},
			{Points: 0, Says: "has not been seen for a month"},
		}},
		{Key: "purchases", Name: "Purchases", Weight: 1, Applies: "purchase_count > 0", Steps: []customers.HealthStep{
			{When: "last_purchase > ago('90d')", Points: 100, Says: "bought lately"},
			{Points: 20, Says: "has not bought for three months"},
		}},
	}}
}

func ExampleHealth() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "signed in"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	fmt.Println(app.RunDue(ctx)) // app.Start does so in a program

	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(health_scores, .scorecard.key == 'health' and .band == 'watch')"))))
	app.clock.Advance(40 * 24 * time.Hour)
	fmt.Println(app.RunDue(ctx))
	worst := must(app.Customers.Health.List(ctx, crm.Where("scorecard.key == 'health'"), crm.OrderBy("score")))
	fmt.Println(worst.Items[0].Score, worst.Items[0].Band, worst.Items[0].Delta90)
	// Output:
	// <nil>
	// 1
	// <nil>
	// 0 poor -50
}

func ExampleHealth_Explain() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "signed in"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))

	for _, by := range must(app.Customers.Health.Explain(ctx, ada.ID)) {
		fmt.Println(by.Name, by.Score, by.Band)
		for _, m := range by.Measures {
			if m.Applies {
				fmt.Println("-", m.Name, m.Points, m.Says)
			}
		}
	}
	// Output:
	// Health 50 watch
	// - Usage 50 uses it now and then
}

func ExampleHealth_Trend() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	must(app.Customers.Health.EvaluateCustomer(ctx, ada.ID))
	app.clock.Advance(time.Hour)
	must(app.Customers.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "signed in"}))
	must(app.Customers.Health.EvaluateCustomer(ctx, ada.ID))

	now := app.clock.Now()
	for _, p := range must(app.Customers.Health.Trend(ctx, ada.ID, "health", now.AddDate(0, -3, 0), now)) {
		fmt.Println(p.At.Format(time.DateTime), p.Score, p.Band)
	}
	// Output:
	// 2026-01-05 09:00:00 0 poor
	// 2026-01-05 10:00:00 50 watch
}

func ExampleHealth_Evaluate() {
	app, ctx := openOffice()
	must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	fmt.Println(app.Customers.Health.Evaluate(ctx, "health"))
	fmt.Println(app.Customers.Health.Evaluate(ctx, "health"))
	// Output:
	// 1 <nil>
	// 0 <nil>
}

func ExampleHealth_EvaluateCustomer() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	for _, s := range must(app.Customers.Health.EvaluateCustomer(ctx, ada.ID)) {
		fmt.Println(s.Score, s.Band)
	}
	// Output: 0 poor
}

func ExampleHealth_Drop() {
	app, ctx := openOffice()
	must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	must(app.Customers.Health.Evaluate(ctx, "health"))
	fmt.Println(app.Customers.Health.Drop(ctx, "health"), must(app.Customers.Health.Count(ctx)))
	// Output: <nil> 0
}

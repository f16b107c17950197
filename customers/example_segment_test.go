package customers_test

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// Who bought twice in a quarter is a regular, and ceases to be one by himself.
func ExampleSegments() {
	app, ctx := openOffice()
	segments := app.Customers.Segments
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	must(segments.Create(ctx, customers.Segment{
		Key: "regulars", Name: "Regulars", Kind: customers.DynamicSegment,
		Where: crm.Filter{Text: "count(purchases, .at > ago('90d') and .amount >= $1) >= 2", Args: []any{crm.EUR(10_00)}},
	}))
	for _, key := range []string{"4711", "4712"} {
		order := customers.Purchase{CustomerID: ada.ID, Amount: crm.EUR(12_00)}
		order.Refs = crm.Refs{"shop": key}
		must(app.Customers.Purchases.Record(ctx, order))
	}
	fmt.Println(must(segments.Count(ctx, "regulars")))
	app.clock.Advance(91 * 24 * time.Hour)
	fmt.Println(must(segments.Count(ctx, "regulars")))
	// Output:
	// 1
	// 0
}

// openSegments are three customers and a segment of those in Germany.
func openSegments() (segments *customers.Segments, ctx context.Context, ids []crm.ID) {
	app, ctx := openOffice()
	for _, c := range []customers.Customer{{Name: "Ada", Country: "GB"}, {Name: "Bob", Country: "DE"}, {Name: "Cleo", Country: "DE"}} {
		c.Kind = customers.Person
		ids = append(ids, must(app.Customers.Create(ctx, c)).ID)
	}
	segments = app.Customers.Segments
	must(segments.Create(ctx, customers.Segment{
		Key: "germans", Name: "In Germany", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == 'DE'"},
	}))
	must(segments.Create(ctx, customers.Segment{Key: "fair", Name: "Met at the fair", Kind: customers.StaticSegment}))
	return segments, ctx, ids
}

func ExampleSegments_ByKey() {
	segments, ctx, _ := openSegments()
	fmt.Println(must(segments.ByKey(ctx, "fair")).Name)
	// Output:
	// Met at the fair
}

func ExampleSegments_Count() {
	segments, ctx, _ := openSegments()
	fmt.Println(must(segments.Count(ctx, "germans")))
	fmt.Println(must(segments.Count(ctx, "germans", crm.Where("name startsWith 'B'"))))
	// Output:
	// 2
	// 1
}

func ExampleSegments_Members() {
	segments, ctx, _ := openSegments()
	page := must(segments.Members(ctx, "germans", crm.OrderBy("name"), crm.Limit(1)))
	fmt.Println(page.Items[0].Name)
	page = must(segments.Members(ctx, "germans", crm.OrderBy("name"), crm.Limit(1), crm.After(page.Next)))
	fmt.Println(page.Items[0].Name, page.Next == "")
	// Output:
	// Bob
	// Cleo true
}

func ExampleSegments_Contains() {
	segments, ctx, ids := openSegments()
	fmt.Println(must(segments.Contains(ctx, "germans", ids[0])), must(segments.Contains(ctx, "germans", ids[1])))
	// Output:
	// false true
}

func ExampleSegments_Add() {
	segments, ctx, ids := openSegments()
	fmt.Println(must(segments.Add(ctx, "fair", ids[0], ids[1])))
	fmt.Println(must(segments.Add(ctx, "germans", ids[0])), must(segments.Count(ctx, "germans")))
	// Output:
	// 2
	// 1 3
}

func ExampleSegments_Remove() {
	segments, ctx, ids := openSegments()
	must(segments.Evaluate(ctx, "germans"))
	fmt.Println(must(segments.Remove(ctx, "germans", ids[1])), must(segments.Count(ctx, "germans")))
	fmt.Println(must(segments.Evaluate(ctx, "germans"))) // he stays out
	// Output:
	// 1 1
	// {0 0}
}

func ExampleSegments_Reset() {
	segments, ctx, ids := openSegments()
	must(segments.Evaluate(ctx, "germans"))
	must(segments.Add(ctx, "germans", ids[0]))
	must(segments.Remove(ctx, "germans", ids[1]))
	fmt.Printf("%+v\n", must(segments.Reset(ctx, "germans", ids...)))
	// Output:
	// {Entered:1 Left:1}
}

func ExampleSegments_Evaluate() {
	segments, ctx, _ := openSegments()
	fmt.Printf("%+v\n", must(segments.Evaluate(ctx, "germans")))
	fmt.Printf("%+v\n", must(segments.Evaluate(ctx, "germans")))
	// Output:
	// {Entered:2 Left:0}
	// {Entered:0 Left:0}
}

func ExampleSegments_Of() {
	segments, ctx, ids := openSegments()
	must(segments.Evaluate(ctx, "germans"))
	must(segments.Add(ctx, "fair", ids[1]))
	for _, s := range must(segments.Of(ctx, ids[1])) {
		fmt.Println(s.Name)
	}
	// Output:
	// In Germany
	// Met at the fair
}

func ExampleSegments_Overlap() {
	segments, ctx, ids := openSegments()
	must(segments.Add(ctx, "fair", ids[0], ids[1]))
	for _, o := range must(segments.Overlap(ctx, "germans", "fair")) {
		fmt.Println(o.Keys, o.Count)
	}
	// Output:
	// [germans] 2
	// [fair] 2
	// [germans fair] 1
}

func ExampleSegments_Changes() {
	segments, ctx, _ := openSegments()
	must(segments.Evaluate(ctx, "germans"))
	for _, c := range must(segments.Changes(ctx, "germans")).Items {
		fmt.Println(c.Entered, c.ByHand)
	}
	// Output:
	// true false
	// true false
}

// A welcome is sent once to each who comes into the segment.
func ExampleSegments_OnChange() {
	app, ctx := openOffice(func(app *office) error {
		return app.Customers.Segments.OnChange("welcome", func(ctx context.Context, changes []customers.MembershipChange) error {
			for _, c := range changes {
				who, err := app.Customers.Get(ctx, c.CustomerID)
				if err != nil {
					return err
				}
				fmt.Println(who.Name, c.Entered)
			}
			return nil
		})
	})
	must(app.Customers.Segments.Create(ctx, customers.Segment{
		Key: "germans", Name: "In Germany", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == 'DE'"},
	}))
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Country: "DE"}))
	fmt.Println(app.RunDue(ctx))
	must(app.Customers.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Country = "GB"; return nil }))
	fmt.Println(app.RunDue(ctx))
	// Output:
	// Ada true
	// <nil>
	// Ada false
	// <nil>
}

func ExampleSegments_Snapshot() {
	segments, ctx, _ := openSegments()
	spring := must(segments.Snapshot(ctx, "germans", "Spring mailing"))
	fmt.Println(spring.Name, spring.Members)
	// Output:
	// Spring mailing 2
}

func ExampleAudiences_Customers() {
	segments, ctx, _ := openSegments()
	spring := must(segments.Snapshot(ctx, "germans", "Spring mailing"))
	for _, c := range must(segments.Audiences.Customers(ctx, spring.ID, crm.OrderBy("name"))).Items {
		fmt.Println(c.Name)
	}
	// Output:
	// Bob
	// Cleo
}

// A module keeps points in a ledger of its own, which conditions may ask about: it says
// whose points changed.
func ExampleSegments_Touch() {
	segments, ctx, ids := openSegments()
	fmt.Println(segments.Touch(ctx, "point", ids[0]))
	// Output:
	// <nil>
}

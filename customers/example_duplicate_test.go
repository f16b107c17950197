package customers_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// watchful is an office in which Ada is a customer, and who comes in by a form is looked at.
func watchful() (*office, context.Context, customers.Customer) {
	app, ctx := openOffice()
	must(app.Customers.Duplicates.Policies.Create(ctx, customers.DuplicatePolicy{
		Kind: customers.Person, Form: customers.DuplicateBlock, API: customers.DuplicateWarn,
	}))
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"}))
	return app, ctx, ada
}

// Before a form is sent: is she there already?
func ExampleDuplicates_Check() {
	app, ctx, _ := watchful()
	candidates := must(app.Customers.Duplicates.Check(ctx, customers.Customer{Name: "LOVELACE, A.", Email: "Ada@Example.com"}))
	for _, c := range candidates {
		fmt.Printf("%s %.2f\n%v", c.Customer.Name, c.Probability, c.Why)
	}
	// Output:
	// Ada Lovelace 0.98
	//     +4.6  name             a lovelace | ada lovelace: an initial
	//    +11.2  email            ada@example.com: the same
	//    -10.0  before comparing
	//     +5.9  bits: probability 0.9832
}

// The form refuses her, until the clerk says that she is another one.
func ExampleFrom() {
	app, ctx, ada := watchful()
	form := customers.From(ctx, customers.EntryForm)
	twin := customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"}

	_, err := app.Customers.Create(form, twin)
	if refused, ok := errors.AsType[*customers.DuplicateError](err); ok {
		fmt.Println("take that one?", refused.Candidates[0].Customer.ID == ada.ID)
	}
	_, err = app.Customers.Create(customers.Confirmed(form), twin)
	fmt.Println(err)
	// Output:
	// take that one? true
	// <nil>
}

// Where the policy only warns, who listens is told.
func ExampleWithDuplicates() {
	app, ctx, ada := watchful()
	var found customers.DuplicateWarnings
	twin := must(app.Customers.Create(customers.WithDuplicates(ctx, &found), customers.Customer{
		Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com",
	}))
	for _, w := range found.All() {
		fmt.Println(w.Customer == twin.ID, w.Candidates[0].Customer.ID == ada.ID)
	}
	// Output: true true
}

// Who was there before the policy gets match keys by a job, or at once.
func ExampleDuplicates_BuildKeys() {
	app, ctx := openOffice()
	must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	policy := must(app.Customers.Duplicates.Policies.Create(ctx, customers.DuplicatePolicy{Kind: customers.Person}))
	tenant := crm.System(ctx, "acme")
	fmt.Println(must(app.Customers.Duplicates.BuildKeys(tenant, customers.Person)))
	fmt.Println(must(app.Customers.Duplicates.Policies.Get(ctx, policy.ID)).KeysVersion)
	// Output:
	// 1
	// 1
}

// twice is an office in which Grace is a customer twice.
func twice() (app *office, ctx context.Context, grace, twin customers.Customer) {
	app, ctx = openOffice()
	for _, c := range []*customers.Customer{&grace, &twin} {
		*c = must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Grace Hopper", Email: "grace@example.com"}))
	}
	return app, ctx, grace, twin
}

// A search through all customers, and what it found.
func ExampleDuplicates_Scan() {
	app, ctx, grace, twin := twice()
	tenant := crm.System(ctx, "acme")
	scan := must(app.Customers.Duplicates.Scan(tenant, customers.Person, customers.ScanOptions{Progress: func(done, total int64) error {
		fmt.Println("step", done, "of", total)
		return nil
	}}))
	fmt.Println(scan.State, scan.Customers, scan.Sets)
	for set, err := range app.Customers.Duplicates.Sets(ctx, customers.Person, 0) {
		fmt.Println(set.Number, len(set.Customers), set.Why[0].Reasons[0].Why, err)
	}

	_, _, err := app.Customers.Merge(ctx, grace.ID, []crm.ID{twin.ID}, crm.MergeRules{})
	fmt.Println(err)
	for set, err := range app.Customers.Duplicates.Sets(ctx, customers.Person, 0) {
		fmt.Println("not reached: they are one", set.Number, err)
	}
	// Output:
	// step 1 of 1
	// done 2 1
	// 1 2 the same <nil>
	// <nil>
}

func ExampleDuplicates_Sets() {
	app, ctx, _, _ := twice()
	must(app.Customers.Duplicates.Scan(crm.System(ctx, "acme"), customers.Person, customers.ScanOptions{}))
	for set, err := range app.Customers.Duplicates.Sets(ctx, customers.Person, 0) { // behind the set of a number; 0 is all
		if err != nil {
			log.Fatal(err)
		}
		for _, id := range set.Customers {
			fmt.Println(must(app.Customers.Get(ctx, id)).Name)
		}
	}
	// Output:
	// Grace Hopper
	// Grace Hopper
}

// They are two persons, whatever it looks like.
func ExampleDuplicates_Dismiss() {
	app, ctx, grace, twin := twice()
	tenant := crm.System(ctx, "acme")
	fmt.Println(must(app.Customers.Duplicates.Scan(tenant, customers.Person, customers.ScanOptions{})).Sets)
	fmt.Println(app.Customers.Duplicates.Dismiss(ctx, grace.ID, twin.ID))
	fmt.Println(must(app.Customers.Duplicates.Scan(tenant, customers.Person, customers.ScanOptions{})).Sets)
	// Output:
	// 1
	// <nil>
	// 0
}

func ExampleDuplicates_Reconsider() {
	app, ctx, grace, twin := twice()
	tenant := crm.System(ctx, "acme")
	fmt.Println(app.Customers.Duplicates.Dismiss(ctx, grace.ID, twin.ID))
	fmt.Println(app.Customers.Duplicates.Reconsider(ctx, twin.ID, grace.ID))
	fmt.Println(must(app.Customers.Duplicates.Scan(tenant, customers.Person, customers.ScanOptions{})).Sets)
	// Output:
	// <nil>
	// <nil>
	// 1
}

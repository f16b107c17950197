package customers_test

import (
	"context"
	"fmt"
	"log"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/customers/match"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// People and organisations are customers, and organisations form a tree.
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
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})

	sonron, err := people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Sonron", Industry: "telecommunications"})
	fmt.Println(sonron.Name, err)
	_, err = people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Faxquote", ParentID: sonron.ID, Employees: new(int64(5595))})
	fmt.Println(err)
	for c, err := range people.All(ctx, crm.Where("parent.name == 'Sonron'")) {
		fmt.Println(c.Name, *c.Employees, err)
	}
	_, err = people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Employees: new(int64(1))})
	fmt.Println(err)
	// Output:
	// Sonron <nil>
	// <nil>
	// Faxquote 5595 <nil>
	// crm: create customer: invalid: employees: is for organisations, and this is a person: leave it out
}

// openPeople are customers in memory.
func openPeople() (*customers.Customers, context.Context) {
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
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return people, crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
}

// One person was entered twice.
func ExampleCustomers_Merge() {
	people, ctx := openPeople()
	ada, _ := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"})
	twin, _ := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "A. Lovelace", Country: "GB", Tags: []string{"vip"}})

	kept, _, err := people.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
	fmt.Println(kept.Name, kept.Email, kept.Country, kept.Tags, err)
	found, err := people.Get(ctx, twin.ID)
	fmt.Println(found.Name, err)
	// Output:
	// Ada Lovelace ada@example.com GB [vip] <nil>
	// Ada Lovelace <nil>
}

func ExampleCustomers_PreviewMerge() {
	people, ctx := openPeople()
	ada, _ := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
	acme, _ := people.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme"})

	p, err := people.PreviewMerge(ctx, ada.ID, []crm.ID{acme.ID}, crm.MergeRules{})
	fmt.Println(p.Faults[0].Field, p.Faults[0].Reason, err)
	// Output: kind is person of the survivor and organisation of one it would absorb: only customers of one kind are merged <nil>
}

// They were two after all.
func ExampleCustomers_Unmerge() {
	people, ctx := openPeople()
	ada, _ := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
	other, _ := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada King", Country: "GB"})
	_, merge, _ := people.Merge(ctx, ada.ID, []crm.ID{other.ID}, crm.MergeRules{})

	undone, err := people.Unmerge(ctx, merge.ID)
	fmt.Printf("%q %q %v\n", undone.Survivor.Country, undone.Absorbed[0].Name, err)
	// Output: "" "Ada King" <nil>
}

// Ada was typed in twice, and one clerk wrote the month first.
func ExampleDuplicates_Find() {
	people, ctx := openPeople()
	for _, c := range []customers.Customer{
		{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}},
		{Kind: customers.Person, Name: "Charles Babbage", Email: "charles@example.com"},
		{Kind: customers.Person, Name: "Lovelace, A.", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 10, Day: 12}},
	} {
		if _, err := people.Create(ctx, c); err != nil {
			log.Fatal(err)
		}
	}

	sets, err := people.Duplicates.Find(ctx, customers.Person, match.Options{})
	for _, s := range sets {
		fmt.Printf("%d customers are one with probability %.2f:\n", len(s.Customers), s.Probability)
		for _, reason := range s.Why[0].Reasons {
			fmt.Println(reason.Name, "-", reason.Why)
		}
	}
	fmt.Println(err)
	// Output:
	// 2 customers are one with probability 1.00:
	// name - an initial
	// email - the same
	// birthday - day and month exchanged
	// <nil>
}

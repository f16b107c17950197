package customers_test

import (
	"context"
	"fmt"
	"log"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

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

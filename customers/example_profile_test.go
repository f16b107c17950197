package customers_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/phone"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// office is a host with customers, and a clock it moves.
type office struct {
	*crm.Core

	Customers *customers.Customers
	clock     *crmtest.Clock
}

// openOffice returns an office in Germany, and a context of dana's, who works there.
func openOffice(before ...func(*office) error) (*office, context.Context) {
	app := &office{clock: &crmtest.Clock{}}
	store := must(sqlite.Open("sqlite", ":memory:"))
	app.Core = must(crm.New(store, crm.Config{Clock: app.clock, Phones: phone.Normal}))
	app.Customers = must(customers.New(app.Core))
	app.Customers.SetPolicy(func(_ string) customers.Policy {
		return customers.Policy{Region: "DE"}
	})
	for _, fn := range before {
		if err := fn(app); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	if err := app.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return app, crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// An order from the shop, a chat and a call are of one person, whichever came first.
func ExampleCustomers_Identify() {
	app, ctx := openOffice()
	chat := crm.Address{Kind: "wechat", Value: "ada1815"}

	order := customers.Customer{Name: "Ada Lovelace", Email: "ada@example.com"}
	order.Refs = crm.Refs{"shop": "4711"}
	who := must(app.Customers.Identify(ctx, order))
	fmt.Println(who.Outcome, who.Customer.Name)

	who = must(app.Customers.Identify(ctx, customers.Customer{Email: "ADA@example.com", Phone: "030 901820"}, chat))
	fmt.Println(who.Outcome, who.Attached)

	who = must(app.Customers.Identify(ctx, customers.Customer{}, chat))
	fmt.Println(who.Outcome, who.Customer.Name, who.Customer.Phone)

	bob := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Bob", Email: "bob@example.com"}))
	who = must(app.Customers.Identify(ctx, customers.Customer{Email: "bob@example.com"}, chat))
	fmt.Println(who.Outcome, who.Customer.ID == bob.ID, len(who.Others)) // propose a merge
	// Output:
	// created Ada Lovelace
	// attached [+4930901820 ada1815]
	// found Ada Lovelace +4930901820
	// ambiguous true 1
}

func ExampleCustomers_Addresses() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "ada@example.com", Phone: "ask Bob"}))
	must(app.Customers.Identities.Create(ctx, customers.Identity{
		CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "lovelace@work.example", Label: "work",
	}))
	must(app.Customers.ContactPoints.MarkInvalid(ctx, crm.Address{Kind: crm.AddressEmail, Value: "ada@example.com"}, "550 no such mailbox"))
	for _, a := range must(app.Customers.Addresses(ctx, ada.ID)) {
		fmt.Println(a.Kind, a.Value, a.Usable(), a.Malformed)
	}
	// Output:
	// email ada@example.com false false
	// phone ask Bob false true
	// email lovelace@work.example true false
}

func ExampleCustomers_SetPrimary() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "old@example.com"}))
	second := must(app.Customers.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "new@example.com"}))

	ada = must(app.Customers.SetPrimary(ctx, second.ID))
	second = must(app.Customers.Identities.Get(ctx, second.ID))
	fmt.Println(ada.Email, second.Value)
	// Output: new@example.com old@example.com
}

func ExampleCustomers_ByAddress() {
	app, ctx := openOffice()
	for _, name := range []string{"Ada", "William"} {
		must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: name, Phone: "+49 30 901820"}))
	}
	for _, c := range must(app.Customers.ByAddress(ctx, crm.Address{Kind: crm.AddressPhone, Value: "030/901820"})) {
		fmt.Println(c.Name)
	}
	// Output:
	// Ada
	// William
}

func ExampleCustomers_SetPolicy() {
	store := must(sqlite.Open("sqlite", ":memory:"))
	core := must(crm.New(store, crm.Config{}))
	people := must(customers.New(core))
	people.SetPolicy(func(_ string) customers.Policy {
		return customers.Policy{Unique: []crm.AddressKind{crm.AddressEmail}}
	})
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})

	must(people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "ada@example.com"}))
	_, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Eve", Email: "Ada@Example.com"})
	fmt.Println(err)
	// Output: crm: create customer: conflict: email: another customer has this address, and here they are nobody's but one's
}

// What is known of an address holds for everyone who has it.
func ExampleContactPoints() {
	app, ctx := openOffice()
	points := app.Customers.ContactPoints
	family := crm.Address{Kind: crm.AddressEmail, Value: "family@example.com"}

	must(points.OptOut(ctx, family, "link in the mail of 5 January"))
	must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "Family@example.com"}))
	fmt.Println(must(points.Of(ctx, family)).OptOutReason)

	fmt.Println(must(points.OptIn(ctx, family, "form on the site")).OptedOut.IsZero())
	fmt.Println(must(points.MarkInvalid(ctx, family, "550 no such mailbox")).InvalidReason)
	fmt.Println(must(points.MarkVerified(ctx, family)).Invalid.IsZero())
	// Output:
	// link in the mail of 5 January
	// true
	// 550 no such mailbox
	// true
}

func ExampleFullName() {
	fmt.Println(customers.FullName("Ada", "Lovelace", "en"))
	fmt.Println(customers.FullName("雷", "李", ""))
	fmt.Println(customers.FullName("Béla", "Bartók", "hu"))
	// Output:
	// Ada Lovelace
	// 李雷
	// Bartók Béla
}

func ExamplePostalAddresses() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, GivenName: "Ada", FamilyName: "Lovelace"}))
	home := must(app.Customers.PostalAddresses.Create(ctx, customers.PostalAddress{
		CustomerID: ada.ID, Kind: customers.PostalHome, Street: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB",
	}))
	fmt.Println(home.Main)
	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(postal_addresses, .main and .city == 'London')"))))
	// Output:
	// true
	// 1
}

func ExampleRelationships_Of() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"}))
	acme := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme"}))
	home := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Household, Name: "The Lovelaces"}))

	must(app.Customers.Relationships.Create(ctx, customers.Relationship{
		CustomerID: ada.ID, OtherID: acme.ID, Kind: customers.WorksAt, Title: "Engineer", Role: "decision maker",
	}))
	must(app.Customers.Relationships.Create(ctx, customers.Relationship{CustomerID: ada.ID, OtherID: home.ID, Kind: customers.LivesIn}))
	for _, r := range must(app.Customers.Relationships.Of(ctx, acme.ID)) {
		fmt.Println(r.Kind, r.Title, r.Role, r.CustomerID == ada.ID)
	}
	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(relations, .kind == 'works_at' and .role == 'decision maker')"))))
	// Output:
	// works_at Engineer decision maker true
	// 1
}

func ExamplePreferences_Declare() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"}))
	fmt.Println(must(app.Customers.Preferences.Infer(ctx, ada.ID, "colour", "blue", "bought three blue coats")).Value)
	fmt.Println(must(app.Customers.Preferences.Declare(ctx, ada.ID, "colour", "red")).Value)
	// Output:
	// blue
	// red
}

func ExamplePreferences_Infer() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada"}))
	must(app.Customers.Preferences.Declare(ctx, ada.ID, "channel", "sms"))
	p := must(app.Customers.Preferences.Infer(ctx, ada.ID, "channel", "email", "opened the last five mails"))
	fmt.Println(p.Value, p.Inferred, p.Evidence)
	// Output: sms email opened the last five mails
}

func ExampleCustomers_Advance() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Lifecycle: customers.StageSubscriber}))
	fmt.Println(must(app.Customers.Advance(ctx, ada.ID, customers.StageCustomer)).Lifecycle)
	fmt.Println(must(app.Customers.Advance(ctx, ada.ID, customers.StageLead)).Lifecycle) // he is further
	fmt.Println(must(app.Customers.History(ctx, ada.ID)).Items[0].Name)
	// Output:
	// customer
	// customer
	// customer.became_customer
}

func ExampleCustomers_SetBack() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Lifecycle: customers.StageCustomer}))
	_, err := app.Customers.SetBack(ctx, ada.ID, customers.StageLead, "")
	fmt.Println(err != nil)
	fmt.Println(must(app.Customers.SetBack(ctx, ada.ID, customers.StageLead, "the order was a test")).Lifecycle)
	// Output:
	// true
	// lead
}

func ExampleCustomers_LifecycleHistory() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Lifecycle: customers.StageLead}))
	app.clock.Advance(72 * time.Hour)
	must(app.Customers.Advance(ctx, ada.ID, customers.StageCustomer))
	for _, s := range must(app.Customers.LifecycleHistory(ctx, ada.ID)) {
		if s.Left.IsZero() {
			s.Left = app.Now(ctx)
		}
		fmt.Println(s.Stage, s.Left.Sub(s.Entered))
	}
	// Output:
	// lead 72h0m0s
	// customer 0s
}

// Companies are graded by their size, and in the background by hours.
func ExampleLevels() {
	app, ctx := openOffice()
	must(app.Customers.Levels.Schemes.Create(ctx, customers.LevelScheme{Key: "value", Name: "Value", Grades: []customers.Grade{
		{Name: "A", When: "employees >= 1000 or 'vip' in tags"},
		{Name: "B", When: "employees >= 10"},
		{Name: "C"},
	}}))
	size := int64(20)
	acme := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme", Employees: &size}))
	if err := app.RunDue(context.Background()); err != nil { // app.Start does so by itself
		log.Fatal(err)
	}
	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(levels, .scheme.key == 'value' and .grade == 'B')"))))

	must(app.Customers.Update(ctx, acme.ID, func(c *customers.Customer) error { c.Tags = []string{"vip"}; return nil }))
	fmt.Println(must(app.Customers.Levels.EvaluateCustomer(ctx, acme.ID))[0].Grade) // at once
	fmt.Println(must(app.Customers.Levels.Evaluate(ctx, "value")), must(app.Customers.Levels.EvaluateAll(ctx)))
	fmt.Println(app.Customers.Levels.Drop(ctx, "value"))
	// Output:
	// 1
	// A
	// 0 0
	// <nil>
}

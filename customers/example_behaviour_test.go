package customers_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// watched is a tenant with a customer whose events are kept for 30 days.
func watched() (context.Context, *customers.Customers, customers.Customer, *crmtest.Clock) {
	store, err := sqlite.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	clock := &crmtest.Clock{}
	core, err := crm.New(store, crm.Config{Clock: clock})
	if err != nil {
		log.Fatal(err)
	}
	people, err := customers.New(core)
	if err != nil {
		log.Fatal(err)
	}
	people.Behaviour.SetPolicy(func(string) customers.BehaviourPolicy {
		return customers.BehaviourPolicy{Keep: 30 * 24 * time.Hour}
	})
	if err := core.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	ctx := crm.System(context.Background(), "acme")
	ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
	if err != nil {
		log.Fatal(err)
	}
	return ctx, people, ada, clock
}

func ExampleBehaviour_Track() {
	ctx, people, ada, clock := watched()
	viewed := customers.Event{CustomerID: ada.ID, Name: "price viewed", At: clock.Now(), Key: "req-81", Props: map[string]any{"plan": "pro"}}
	fmt.Println(people.Behaviour.Track(ctx, viewed, viewed, customers.Event{Visitor: "c1", Name: "page viewed", UserAgent: "Googlebot/2.1"}))
	fmt.Println(people.Count(ctx, crm.Where("count(events, .name == 'price viewed' and .at > ago('30d')) >= 1")))
	// Output:
	// [kept known bot] <nil>
	// 1 <nil>
}

func ExampleBehaviour_Stitch() {
	ctx, people, ada, _ := watched()
	_, _ = people.Behaviour.Track(ctx, customers.Event{Visitor: "c1", Name: "page viewed"})
	fmt.Println(people.Behaviour.Stitch(ctx, "c1", ada.ID))
	page, err := people.Behaviour.List(ctx, ada.ID)
	fmt.Println(page.Items[0].Name, err)
	// Output:
	// 1 <nil>
	// page viewed <nil>
}

func ExampleBehaviour_List() {
	ctx, people, ada, clock := watched()
	for _, name := range []string{"page viewed", "price viewed"} {
		_, _ = people.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: name})
		clock.Advance(time.Minute)
	}
	page, err := people.Behaviour.List(ctx, ada.ID, crm.Limit(1))
	fmt.Println(page.Items[0].Name, page.Next != "", err)
	// Output: price viewed true <nil>
}

func ExampleBehaviour_Sessions() {
	ctx, people, ada, clock := watched()
	began := clock.Now()
	for _, pause := range []time.Duration{10 * time.Minute, time.Hour, time.Minute} {
		_, _ = people.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "page viewed"})
		clock.Advance(pause)
	}
	sessions, err := people.Behaviour.Sessions(ctx, ada.ID, began, clock.Now())
	for _, s := range sessions {
		fmt.Println(s.Began.Format("15:04"), s.Ended.Format("15:04"), s.Events)
	}
	fmt.Println(err)
	// Output:
	// 10:10 10:10 1
	// 09:00 09:10 2
	// <nil>
}

func ExampleBehaviour_Daily() {
	ctx, people, ada, clock := watched()
	day := crm.DateOf(clock.Now())
	for range 3 {
		_, _ = people.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "page viewed"})
	}
	clock.Advance(60 * 24 * time.Hour)
	fmt.Println(people.Behaviour.Upkeep(ctx))
	fmt.Println(people.Behaviour.Daily(ctx, ada.ID, day, day))
	// Output:
	// 3 <nil>
	// [{2026-01-05 page viewed 3}] <nil>
}

func ExampleBehaviour_Upkeep() {
	ctx, people, ada, clock := watched()
	_, _ = people.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "page viewed"})
	fmt.Println(people.Behaviour.Upkeep(ctx))
	clock.Advance(60 * 24 * time.Hour)
	fmt.Println(people.Behaviour.Upkeep(ctx))
	// Output:
	// 0 <nil>
	// 1 <nil>
}

func ExampleBehaviour_SetPolicy() {
	ctx, people, ada, _ := watched() // which sets one that keeps events for 30 days
	people.Behaviour.SetPolicy(func(string) customers.BehaviourPolicy {
		return customers.BehaviourPolicy{Catalogue: []customers.EventType{{Name: "price viewed", Props: map[string]customers.PropType{"plan": customers.PropText}}}}
	})
	_, err := people.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "price vieved"})
	fmt.Println(err)
	// Output: crm: track behaviour: invalid: name: is no event of the catalogue: add it there
}

func ExampleIsBot() {
	fmt.Println(customers.IsBot("Mozilla/5.0 (compatible; Googlebot/2.1)"), customers.IsBot("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"))
	// Output: true false
}

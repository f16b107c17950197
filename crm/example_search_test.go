package crm_test

import (
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCollection_Search() {
	h, ctx := openHarbour()
	for _, b := range []Boat{{Name: "Étoile du Nord"}, {Name: "Nordlicht", Berth: "B 7"}, {Name: "Nord", Berth: "B 8"}, {Name: "北斗星号"}} {
		must(h.Boats.Create(ctx, b))
		h.Clock.Advance(time.Minute)
	}
	for _, text := range []string{"etoile", "NORD", "b nord", "斗星"} {
		page := must(h.Boats.Search(ctx, text))
		fmt.Printf("%s: %s\n", text, names(page.Items))
	}

	// A page, and the one behind it, of those for which a condition holds.
	page := must(h.Boats.Search(ctx, "nord", crm.Where("berth != nil"), crm.Limit(1)))
	fmt.Println(names(page.Items))
	page = must(h.Boats.Search(ctx, "nord", crm.Where("berth != nil"), crm.Limit(1), crm.After(page.Next)))
	fmt.Println(names(page.Items))
	// Output:
	// etoile: Étoile du Nord
	// NORD: Nord, Étoile du Nord, Nordlicht
	// b nord: Nord, Nordlicht
	// 斗星: 北斗星号
	// Nord
	// Nordlicht
}

func ExampleCore_Search() {
	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Dana's Pride"}))
	must(h.Members.Create(crm.System(ctx, "acme"), crm.Member{Key: "dana", Name: "Dana Miller", Email: "dana@example.com"}))

	found, err := h.Search(ctx, "dana")
	for _, f := range found {
		fmt.Println(f.Object, f.Title)
	}
	fmt.Println(err)
	found = must(h.Search(ctx, "@example.com", "member"))
	fmt.Println(found[0].Title)
	// Output:
	// member Dana Miller
	// boat Dana's Pride
	// <nil>
	// Dana Miller
}

func ExampleCore_Reindex() {
	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	tenant := crm.System(ctx, "acme")

	// After a field was marked search: for each kind, going on where a call failed.
	last, err := h.Reindex(tenant, "boat", crm.ID{})
	fmt.Println(last.IsZero(), err)
	fmt.Println(h.Check(tenant))
	// Output:
	// false <nil>
	// [] <nil>
}

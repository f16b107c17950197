package crm_test

import (
	"context"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

// A module that keeps a condition learns of what it must be asked again.
func ExampleCore_FilterUses() {
	h, ctx := openHarbour()
	uses, err := h.FilterUses(ctx, "boat", crm.Filter{Text: "state == 'out' and none(visits, .created > ago('30d'))"})
	fmt.Println(uses.Clock, uses.Member, err)
	for _, u := range uses.Fields {
		fmt.Println(u.Object, u.Field, "by", u.By)
	}
	// Output:
	// true false <nil>
	// boat state by id
	// visit boat_id by boat_id
	// visit created by boat_id
}

// All boats are gone over in runs of two.
func ExampleCollection_Spans() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Beagle"}, {Name: "Calypso"}}))
	for span, err := range h.Boats.Spans(ctx, 2) {
		n, counting := h.Boats.Count(ctx, crm.InSpan(span))
		fmt.Println(n, err, counting)
	}
	// Output:
	// 2 <nil> <nil>
	// 1 <nil> <nil>
}

func ExampleInSpan() {
	h, ctx := openHarbour()
	boats := must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Beagle"}, {Name: "Calypso"}}))
	page := must(h.Boats.List(ctx, crm.InSpan(crm.Span{After: boats[0].ID}), crm.OrderBy("name")))
	fmt.Println(names(page.Items))
	// Output:
	// Beagle, Calypso
}

// Nobody wants to hear of boats until there is one in berth A1.
func ExampleOnlyIf() {
	heard := 0
	var h *Harbour
	h, ctx := openHarbourWith(crm.Config{}, func(x *Harbour) error {
		return x.On("boat.*", "berths", func(context.Context, crm.Event) error { heard++; return nil },
			crm.OnlyIf(func(ctx context.Context) (bool, error) {
				n, err := h.Boats.Count(ctx, crm.Where("berth == 'A1'"))
				return n > 0, err
			}))
	})
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.RunDue(ctx), heard)
	must(h.Boats.Create(ctx, Boat{Name: "Beagle", Berth: "A1"}))
	fmt.Println(h.RunDue(ctx), heard)
	// Output:
	// <nil> 0
	// <nil> 1
}

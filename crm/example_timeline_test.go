package crm_test

import (
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCore_Timeline() {
	h, ctx := openHarbour()
	boat := must(h.Boats.Create(ctx, Boat{Name: "Nautilus"}))
	h.Clock.Advance(3600e9)
	must(h.Visits.Create(ctx, Visit{BoatID: boat.ID}))
	h.Clock.Advance(3600e9)
	must(h.Boats.Update(ctx, boat.ID, func(b *Boat) error { b.Berth = "A1"; return nil }))
	page := must(h.Timeline(ctx, "boat", boat.ID, crm.TimelineFilter{}))
	for _, e := range page.Items {
		fmt.Println(e.At.Format("15:04"), e.Kind, len(e.Changes))
	}
	// Output:
	// 11:00 boat.updated 1
	// 10:00 visit 0
	// 09:00 boat.created 2
}

func ExampleCore_Blobs() {
	h, _ := openHarbour()
	blobs, most := h.Core.Blobs()
	fmt.Println(blobs == nil, most)
	// Output: true 104857600
}

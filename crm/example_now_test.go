package crm_test

import (
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCore_Now() {
	h, ctx := openHarbour()
	fmt.Println(h.Now(ctx))
	fmt.Println(h.Now(crm.At(ctx, time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC))))
	// Output:
	// 2026-01-05 09:00:00 +0000 UTC
	// 2025-06-01 12:00:00 +0000 UTC
}

func ExampleSystemIn() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	must(h.Boats.Update(crm.SystemIn(ctx), argo.ID, func(b *Boat) error { b.Berth = "A7"; return nil }))
	for _, e := range must(h.Boats.History(ctx, argo.ID)).Items {
		fmt.Println(e.Name, "by", e.Actor)
	}
	// Output:
	// boat.updated by system
	// boat.created by member:dana
}

package crm_test

import (
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

// A tenant wants proof that nobody alters its history behind the CRM's back.
func ExampleCore_SealHistory() {
	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	tenant := crm.System(ctx, "acme")
	_ = h.RunDue(ctx)

	head, err := h.SealHistory(tenant) // keep it where the database's administrator can't change it
	fmt.Println(head.Position, len(head.Hash), err)
	// Output: 1 64 <nil>
}

func ExampleCore_VerifyHistory() {
	h, ctx := openHarbour()
	boat := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	tenant := crm.System(ctx, "acme")
	_ = h.RunDue(ctx)
	head := must(h.SealHistory(tenant))
	must(h.Boats.Update(ctx, boat.ID, func(b *Boat) error { b.Berth = "A7"; return nil }))
	_ = h.RunDue(ctx)

	report, err := h.VerifyHistory(tenant, head)
	fmt.Println(report.Head.Position, report.Broken, err)

	must(h.DB.ExecContext(ctx, "UPDATE crm_event SET actor = 'member:lee' WHERE version = 2"))
	report, err = h.VerifyHistory(tenant, head)
	fmt.Println(report.Broken.Position, report.Broken.What, err)
	// Output:
	// 2 <nil> <nil>
	// 2 it is not as it was written <nil>
}

func ExampleHistoryBreak_String() {
	b := crm.HistoryBreak{Position: 7, Object: "boat", Version: 2, What: "it is not as it was written"}
	fmt.Println(b.String())
	// Output: position 7: boat 00000000-0000-0000-0000-000000000000, version 2: it is not as it was written
}

package crm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCollection_Find() {
	h, ctx := openHarbour()
	argo := Boat{Name: "Argo"}
	argo.Refs = crm.Refs{"registry": "HH-4711"}
	must(h.Boats.Create(ctx, argo))

	boat, err := h.Boats.Find(ctx, "registry", "HH-4711")
	fmt.Println(boat.Name, err)
	_, err = h.Boats.Find(ctx, "registry", "HH-4712")
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// Argo <nil>
	// true
}

// A verb that looks at all visits of a boat before it writes one holds the boat, so that
// no other does the same meanwhile.
func ExampleKind_Hold() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	arrive := func() error {
		return h.Tx(ctx, func(ctx context.Context) error {
			if _, err := h.Boats.Hold(ctx, argo.ID); err != nil {
				return err
			}
			n, err := h.Visits.Count(ctx, crm.Where("boat_id == $1 and not paid", argo.ID))
			if err == nil && n > 0 {
				err = errors.New("her last visit is not paid yet")
			}
			if err == nil {
				_, err = h.Visits.Create(ctx, Visit{BoatID: argo.ID})
			}
			return err
		})
	}
	fmt.Println(arrive())
	fmt.Println(arrive())
	// Output:
	// <nil>
	// crm: tx: her last visit is not paid yet
}

// Whoever holds both boats looks at them and writes what follows, while nobody changes them.
func ExampleKind_HoldAll() {
	h, ctx := openHarbour()
	argo, beagle := must(h.Boats.Create(ctx, Boat{Name: "Argo"})), must(h.Boats.Create(ctx, Boat{Name: "Beagle"}))
	swap := h.Tx(ctx, func(ctx context.Context) error {
		if err := h.Boats.HoldAll(ctx, []crm.ID{argo.ID, beagle.ID}); err != nil {
			return err
		}
		_, err := h.Visits.Create(ctx, Visit{BoatID: argo.ID})
		return err
	})
	fmt.Println(swap)
	fmt.Println(h.Boats.HoldAll(ctx, []crm.ID{argo.ID}))
	// Output:
	// <nil>
	// crm: hold boat: invalid: there is no transaction whose end could be waited for: call it within Core.Tx
}

// Without numbering plans a number is only tidied up; with crm/phone's, or others, it is
// E.164.
func ExampleCore_ParseAddress() {
	h, _ := openHarbour()
	fmt.Println(h.ParseAddress(crm.AddressPhone, "030 90 18-20", "DE"))
	fmt.Println(h.ParseAddress(crm.AddressEmail, "Ada@EXAMPLE.org", ""))
	// Output:
	// 030901820 <nil>
	// Ada@example.org <nil>
}

func ExampleActorOf() {
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})
	fmt.Println(crm.ActorOf(ctx), crm.ActorOf(crm.System(ctx, "acme")))
	// Output: member:dana system
}

func ExampleTenantOf() {
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})
	fmt.Println(crm.TenantOf(ctx))
	// Output: acme
}

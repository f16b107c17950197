package crm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

// What modules need of the kernel to do more for an actor than his roles do.

func ExampleTrustedIn() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	must(h.Boats.Update(crm.TrustedIn(ctx), argo.ID, func(b *Boat) error { b.Berth = "A7"; return nil }))
	fmt.Println(must(h.Boats.History(ctx, argo.ID)).Items[0].Actor)
	// Output: member:dana
}

func ExampleMembers_Me() {
	h, system := crew()
	kim, err := h.Members.Me(by("kim"))
	fmt.Println(kim.Name, err)
	_, err = h.Members.Me(system)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// Kim <nil>
	// true
}

func ExampleCore_MayAdminister() {
	h, system := crew()
	fmt.Println(h.MayAdminister(system))
	fmt.Println(h.MayAdminister(by("kim")))
	// Output:
	// <nil>
	// forbidden: to decide over rights takes the right to update every role
}

func ExampleRecords_May() {
	h, system := crew()
	argo := must(h.Boats.Create(system, Boat{Name: "Argo"}))
	boats := must(h.Core.Records("boat"))
	fmt.Println(boats.May(by("dana"), crm.VerbUpdate))
	fmt.Println(errors.Is(boats.May(by("dana"), crm.VerbUpdate, argo.ID), crm.ErrNotFound)) // nobody's, and so not hers
	// Output:
	// <nil>
	// true
}

func ExampleRecords_HandOver() {
	h, system := crew()
	argo := must(h.Boats.Create(system, Boat{Name: "Argo"}))
	dana := must(h.Members.Me(by("dana")))
	_, err := must(h.Core.Records("boat")).HandOver(crm.TrustedIn(by("dana")), argo.ID, "boarded", func(owner crm.ID) (crm.ID, error) {
		if !owner.IsZero() {
			return owner, crm.ErrConflict
		}
		return dana.ID, nil
	})
	e := must(h.Boats.History(by("dana"), argo.ID)).Items[0]
	fmt.Println(err, e.Name, e.Actor)
	// Output: <nil> boat.boarded member:dana
}

// onlyNames lets boats be read, without anything but their names.
type onlyNames struct{}

func (onlyNames) Grant(_ context.Context, _ crm.Actor, object string, verb crm.Verb) (crm.Permission, error) {
	if object != "boat" || verb != crm.VerbRead {
		return crm.Permission{}, nil
	}
	return crm.Permission{Level: crm.LevelAll, Hidden: []string{"owner_id", "refs", "custom", "berth", "state", "worth"}}, nil
}

func ExampleWithPolicy() {
	h, system := crew()
	must(h.Boats.Create(system, Boat{Name: "Argo", Berth: "A7"}))
	view := crm.WithPolicy(by("dana"), onlyNames{})
	argo := must(h.Boats.List(view)).Items[0]
	fmt.Printf("%s, %q\n", argo.Name, argo.Berth)
	_, err := h.Boats.List(view, crm.Where("berth == 'A7'"))
	fmt.Println(err)
	// Output:
	// Argo, ""
	// crm: list boat: forbidden: berth: you may not read it
}

func ExampleWhereSystem() {
	h, system := crew()
	must(h.Boats.Create(system, Boat{Name: "Argo", Berth: "A7"}))
	must(h.Boats.Create(system, Boat{Name: "Nina", Berth: "B1"}))
	view := crm.WithPolicy(by("dana"), onlyNames{})
	page, err := h.Boats.List(view, crm.WhereSystem("berth == 'A7'")) // which the module asks, and not dana
	fmt.Println(names(page.Items), err)
	// Output: Argo <nil>
}

package crm_test

import (
	"context"
	"fmt"
	"testing/fstest"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Sighting is a boat seen at sea: a row of a ledger, of which there are many.
type Sighting struct {
	BoatID crm.ID    `crm:"required,ref=boat,parent" json:"boat_id"`
	At     time.Time `json:"at"`
	ID     crm.ID    `json:"id"`
	By     string    `crm:"required,max=50" json:"by"`
}

// The SQL is the module's, in a file of each dialect.
func lookoutLine() storage.Line {
	return storage.Line{Name: "lookout", Needs: map[string]int{"harbour": 1}, Files: fstest.MapFS{
		"sqlite/0001_sighting.sql": {Data: []byte(`
CREATE TABLE crm_sighting (
	tenant TEXT NOT NULL, boat_id BLOB NOT NULL, at INTEGER NOT NULL, id BLOB NOT NULL, by TEXT NOT NULL,
	PRIMARY KEY (tenant, boat_id, at, id),
	FOREIGN KEY (tenant, boat_id) REFERENCES crm_boat (tenant, id)
) WITHOUT ROWID;`)},
	}}
}

func ExampleDefineLedger() {
	var sightings *crm.Ledger[Sighting]
	h, ctx := openHarbourWith(crm.Config{}, func(h *Harbour) (err error) {
		h.AddLine(lookoutLine())
		sightings, err = crm.DefineLedger[Sighting](h.Core, crm.LedgerOf[Sighting]{Name: "sighting", Key: []string{"boat_id", "at", "id"}})
		return err
	})
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))
	for _, by := range []string{"Ada", "Bob", "Ada"} {
		fmt.Println(sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: by}))
		h.Clock.Advance(24 * time.Hour)
	}
	for b, err := range h.Boats.All(ctx, crm.Where("count(sightings, .at > ago('2d')) >= 1")) {
		fmt.Println(b.Name, err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// Argo <nil>
}

// lookout is a harbour with a ledger, and the boat Argo.
func lookout() (*crm.Ledger[Sighting], Boat, *Harbour, func() []string) {
	var sightings *crm.Ledger[Sighting]
	h, ctx := openHarbourWith(crm.Config{}, func(h *Harbour) (err error) {
		h.AddLine(lookoutLine())
		sightings, err = crm.DefineLedger[Sighting](h.Core, crm.LedgerOf[Sighting]{Name: "sighting", Key: []string{"boat_id", "at", "id"}})
		return err
	})
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	return sightings, argo, h, func() (by []string) {
		for s, err := range sightings.All(ctx) {
			by = append(by, must(s, err).By)
		}
		return by
	}
}

func ExampleLedger_Append() {
	sightings, argo, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	row := Sighting{BoatID: argo.ID, At: h.Clock.Now(), ID: crm.ID{1}, By: "Ada"}
	fmt.Println(sightings.Append(ctx, row))
	fmt.Println(sightings.Append(ctx, row))
	fmt.Println(sightings.Append(ctx, Sighting{BoatID: argo.ID, By: " "}))
	fmt.Println(seen())
	// Output:
	// <nil>
	// crm: append sighting: conflict: boat_id, at, id: a row with this key exists
	// crm: append sighting: invalid: at: is required; by: is required
	// [Ada]
}

// What comes twice is there once.
func ExampleLedger_Add() {
	sightings, argo, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	row := Sighting{BoatID: argo.ID, At: h.Clock.Now(), ID: crm.ID{1}, By: "Ada"}
	fmt.Println(sightings.Add(ctx, row, row))
	fmt.Println(seen())
	// Output:
	// [true false] <nil>
	// [Ada]
}

func ExampleLedger_Put() {
	sightings, argo, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	row := Sighting{BoatID: argo.ID, At: h.Clock.Now(), ID: crm.ID{1}, By: "Ada"}
	_ = sightings.Put(ctx, row)
	row.By = "Bob"
	fmt.Println(sightings.Put(ctx, row), seen())
	// Output: <nil> [Bob]
}

func ExampleLedger_List() {
	sightings, argo, h, _ := lookout()
	ctx := crm.System(context.Background(), "acme")
	for i, by := range []string{"Ada", "Bob", "Cid"} {
		_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now().Add(time.Duration(i) * time.Hour), By: by})
	}
	page, err := sightings.List(ctx, crm.Where("boat_id == $1", argo.ID), crm.OrderBy("-at"), crm.Limit(2))
	for _, s := range page.Items {
		fmt.Println(s.By, s.At.Format("15:04"))
	}
	fmt.Println(page.Next != "", err)
	// Output:
	// Cid 11:00
	// Bob 10:00
	// true <nil>
}

func ExampleLedger_All() {
	sightings, argo, h, _ := lookout()
	ctx := crm.System(context.Background(), "acme")
	_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: "Ada"})
	for s, err := range sightings.All(ctx) {
		fmt.Println(s.By, err)
	}
	// Output: Ada <nil>
}

func ExampleLedger_Count() {
	sightings, argo, h, _ := lookout()
	ctx := crm.System(context.Background(), "acme")
	_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: "Ada"})
	fmt.Println(sightings.Count(ctx, crm.Where("by == 'Ada'")))
	// Output: 1 <nil>
}

func ExampleLedger_Aggregate() {
	sightings, argo, h, _ := lookout()
	ctx := crm.System(context.Background(), "acme")
	for _, by := range []string{"Ada", "Bob", "Ada"} {
		_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: by})
	}
	t, err := sightings.Aggregate(ctx, crm.Figures{GroupBy: []crm.GroupBy{{Field: "by"}}, Measures: []crm.Measure{{Fn: crm.FnCount}}})
	for _, row := range t.Rows {
		fmt.Println(row.Groups[0], row.Values[0])
	}
	fmt.Println(err)
	// Output:
	// Ada 2
	// Bob 1
	// <nil>
}

// A module shows a member what he may read.
func ExampleAsActor() {
	sightings, argo, h, _ := lookout()
	system := crm.System(context.Background(), "acme")
	_ = sightings.Append(system, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: "Ada"})
	role := must(h.Roles.Create(system, crm.Role{Name: "Rep", Grants: crm.Allow("boat", crm.LevelOwn)}))
	must(h.Members.Create(system, crm.Member{Key: "eve", Name: "Eve", RoleIDs: []crm.ID{role.ID}}))
	eve := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "eve"})
	fmt.Println(sightings.Count(eve))
	fmt.Println(sightings.Count(eve, crm.AsActor()))
	// Output:
	// 1 <nil>
	// 0 <nil>
}

func ExampleLedger_Remove() {
	sightings, argo, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	for _, by := range []string{"Ada", "Bob"} {
		_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: by})
	}
	fmt.Println(sightings.Remove(ctx, crm.Where("by == 'Bob'")), seen())
	// Output: <nil> [Ada]
}

func ExampleLedger_Expand() {
	sightings, _, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))
	row := Sighting{At: h.Clock.Now(), ID: crm.ID{1}, By: "radar"}
	of := map[string]string{"boat_id": "id"}
	fmt.Println(sightings.Expand(ctx, "boat", crm.Filter{Text: "state == 'in'"}, row, of))
	fmt.Println(sightings.Expand(ctx, "boat", crm.Filter{}, row, of)) // they are there
	fmt.Println(seen())
	// Output:
	// 2 <nil>
	// 0 <nil>
	// [radar radar]
}

func ExampleWhereOf() {
	sightings, argo, h, _ := lookout()
	ctx := crm.System(context.Background(), "acme")
	_ = sightings.Append(ctx, Sighting{BoatID: argo.ID, At: h.Clock.Now(), By: "Ada"})
	fmt.Println(sightings.Count(ctx, crm.WhereOf("boat_id", "count(sightings) == 1")))
	// Output: 1 <nil>
}

// Who satisfies a condition no more is taken out of the list of those who did.
func ExampleUnlessOf() {
	sightings, _, h, seen := lookout()
	ctx := crm.System(context.Background(), "acme")
	row := Sighting{At: h.Clock.Now(), ID: crm.ID{1}, By: "radar"}
	must(sightings.Expand(ctx, "boat", crm.Filter{}, row, map[string]string{"boat_id": "id"}))
	fmt.Println(sightings.Remove(ctx, crm.UnlessOf("boat_id", "state == 'out'")), seen())
	// Output: <nil> []
}

func ExampleCollection_May() {
	_, argo, h, _ := lookout()
	system := crm.System(context.Background(), "acme")
	role := must(h.Roles.Create(system, crm.Role{Name: "Rep", Grants: crm.Allow("boat", crm.LevelAll, crm.VerbRead)}))
	must(h.Members.Create(system, crm.Member{Key: "eve", Name: "Eve", RoleIDs: []crm.ID{role.ID}}))
	eve := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "eve"})
	fmt.Println(h.Boats.May(eve, crm.VerbRead, argo.ID))
	fmt.Println(h.Boats.May(eve, crm.VerbUpdate))
	// Output:
	// <nil>
	// crm: update boat: forbidden: you have no right to update boats: a role has to grant it
}

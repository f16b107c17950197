package crm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCore_Records() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	argo := must(boats.Create(ctx, crm.Values{"name": "Argo", "worth": map[string]any{"amount": "12.00", "currency": "EUR"}}))
	fmt.Println(argo["name"], argo["worth"], argo["state"])
	_, err := boats.Create(ctx, crm.Values{"name": "Pequod", "masts": 3})
	fmt.Println(err)
	// Output:
	// Argo 12.00 EUR in
	// crm: create boat: invalid: masts: is no field of boat
}

func ExampleCore_Kinds() {
	h, _ := openHarbour()
	kinds := must(h.Core.Kinds())
	fmt.Println(kinds[len(kinds)-2:])
	// Output:
	// [boat visit]
}

func ExampleRecords_Kind() {
	h, _ := openHarbour()
	fmt.Println(must(h.Core.Records("boat")).Kind())
	// Output:
	// boat
}

func ExampleRecords_Plural() {
	h, _ := openHarbour()
	fmt.Println(must(h.Core.Records("boat")).Plural())
	// Output:
	// boats
}

func ExampleRecords_Fields() {
	h, ctx := openHarbour()
	for _, f := range must(must(h.Core.Records("boat")).Fields(ctx)) {
		if !f.Kernel {
			fmt.Println(f.Name, f.Type, f.Required, f.Guarded, f.Choices)
		}
	}
	// Output:
	// name text true false []
	// berth text false false []
	// state text false true [in out]
	// worth money false false []
}

func ExampleRecords_Create() {
	h, ctx := openHarbour()
	visits := must(h.Core.Records("visit"))
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	v := must(visits.Create(ctx, crm.Values{"boat_id": argo.ID, "arrived": "2026-01-05", "fee": crm.EUR(1200)}))
	delete(v, "id")
	delete(v, "boat_id")
	fmt.Println(string(must(json.Marshal(v))))
	// Output:
	// {"arrived":"2026-01-05","created":"2026-01-05T09:00:00Z","fee":{"amount":"12.00","currency":"EUR"},"paid":false,"updated":"2026-01-05T09:00:00Z","version":1}
}

func ExampleRecords_CreateAll() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	fmt.Println(len(must(boats.CreateAll(ctx, []crm.Values{{"name": "Argo"}, {"name": "Pequod"}}))))
	_, err := boats.CreateAll(ctx, []crm.Values{{"name": "Nautilus"}, {"name": ""}})
	fmt.Println(err)
	// Output:
	// 2
	// crm: create boat: record 1: invalid: name: is required
}

func ExampleRecords_Import() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	faults := must(boats.Import(ctx, []crm.Values{
		{"name": "Argo", "created": time.Date(1999, 5, 1, 0, 0, 0, 0, time.UTC)}, {"name": ""}, {"name": "Argo"},
	}))
	for _, err := range faults {
		fmt.Println(err)
	}
	for b, err := range boats.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(b["name"], b["created"])
	}
	// Output:
	// <nil>
	// invalid: name: is required
	// conflict: name: another record has this value
	// Argo 1999-05-01 00:00:00 +0000 UTC
}

// A system that is being given up says what becomes of records until then, guarded fields too.
func ExampleRecords_Bring() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	boats := must(h.Core.Records("boat"))
	leave := func(v crm.Values) error {
		v["state"] = "out"
		return nil
	}
	_, err := boats.Update(ctx, argo.ID, leave)
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	fmt.Println(must(boats.Bring(crm.Quietly(ctx), argo.ID, leave))["state"])
	// Output:
	// true
	// out
}

// What another system has on record is told as it was.
func ExampleRecords_ImportPast() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	day := func(n int) time.Time { return time.Date(1999, 5, n, 0, 0, 0, 0, time.UTC) }
	faults := must(boats.ImportPast(crm.Quietly(ctx), []crm.Values{{"name": "Argo", "created": day(1)}}, [][]crm.Past{
		{{At: day(9), By: "jason", Before: map[string]any{"name": "Swift"}}},
	}))
	fmt.Println(faults[0])
	argo := must(h.Boats.List(ctx)).Items[0]
	fmt.Println(argo.Name, argo.Version, must(h.Boats.AsOf(ctx, argo.ID, day(5))).Name)
	// Output:
	// <nil>
	// Argo 2 Swift
}

func ExampleRecords_Get() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Record: crm.Record{Refs: crm.Refs{"lloyds": "4711"}}}))
	v := must(must(h.Core.Records("boat")).Get(ctx, argo.ID))
	fmt.Println(v["name"], v["refs.lloyds"], v["version"])
	// Output:
	// Argo 4711 1
}

func ExampleRecords_Update() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Berth: "A7"}))
	v, err := must(h.Core.Records("boat")).Update(ctx, argo.ID, func(v crm.Values) error {
		v["berth"] = "B1"
		return nil
	})
	fmt.Println(v["berth"], v["version"], err)
	// Output:
	// B1 2 <nil>
}

func ExampleRecords_Upsert() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	for _, berth := range []string{"A7", "B1"} {
		v, outcome, err := boats.Upsert(ctx, crm.Values{"name": "Argo", "berth": berth})
		fmt.Println(v["berth"], outcome, err)
	}
	// Output:
	// A7 created <nil>
	// B1 updated <nil>
}

func ExampleRecords_Delete() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	boats := must(h.Core.Records("boat"))
	fmt.Println(boats.Delete(ctx, argo.ID))
	fmt.Println(must(boats.Count(ctx)), must(boats.Count(ctx, crm.WithDeleted())))
	// Output:
	// <nil>
	// 0 1
}

func ExampleRecords_Purge() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	boats := must(h.Core.Records("boat"))
	fmt.Println(boats.Purge(ctx, argo.ID))
	fmt.Println(must(boats.Count(ctx, crm.WithDeleted())))
	// Output:
	// <nil>
	// 0
}

func ExampleRecords_List() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}, {Name: "Nautilus"}}))
	page := must(must(h.Core.Records("boat")).List(ctx, crm.OrderBy("name"), crm.Limit(2)))
	for _, v := range page.Items {
		fmt.Println(v["name"])
	}
	fmt.Println(page.Next != "")
	// Output:
	// Argo
	// Nautilus
	// true
}

func ExampleRecords_All() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}}))
	for v, err := range must(h.Core.Records("boat")).All(ctx, crm.Where("name startsWith 'P'")) {
		fmt.Println(v["name"], err)
	}
	// Output:
	// Pequod <nil>
}

func ExampleRecords_Export() {
	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	for v, err := range must(h.Core.Records("boat")).Export(ctx) { // it takes the right to export
		fmt.Println(v["name"], err)
	}
	// Output:
	// Argo <nil>
}

func ExampleRecords_Count() {
	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(must(must(h.Core.Records("boat")).Count(ctx)))
	// Output:
	// 1
}

func ExampleRecords_Find() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	found := must(must(h.Core.Records("boat")).Find(ctx, "name", []string{"Argo", "Pequod"}))
	fmt.Println(len(found), found["Argo"][0] == argo.ID)
	// Output:
	// 1 true
}

func ExampleRecords_History() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	page := must(must(h.Core.Records("boat")).History(ctx, argo.ID))
	fmt.Println(page.Items[0].Name)
	// Output:
	// boat.created
}

func ExampleValues_ID() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	v := must(must(h.Core.Records("boat")).Get(ctx, argo.ID))
	fmt.Println(v.ID() == argo.ID)
	// Output:
	// true
}

func ExampleValues_Copy() {
	h, ctx := openHarbour()
	boats := must(h.Core.Records("boat"))
	argo := must(boats.Create(ctx, crm.Values{"name": "Argo", "berth": "A7"}))
	next := argo.Copy("id", "name")
	next["name"] = "Argo II"
	fmt.Println(must(boats.Create(ctx, next))["berth"])
	// Output:
	// A7
}

package crm_test

import (
	"encoding/json"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCollection_Aggregate() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Berth: "A7", Worth: crm.EUR(300_00)}))
	must(h.Boats.Create(ctx, Boat{Name: "Pequod", Berth: "A7", Worth: crm.USD(200_00)}))
	must(h.Boats.Create(ctx, Boat{Name: "Nautilus"}))
	must(h.Boats.Do(ctx, argo.ID, "left", func(b *Boat) error { b.State = "out"; return nil }))

	t, err := h.Boats.Aggregate(ctx, crm.Figures{
		GroupBy: []crm.GroupBy{{Field: "berth"}},
		Measures: []crm.Measure{
			{Fn: crm.FnCount},
			{Fn: crm.FnCount, Where: crm.Filter{Text: "state == $1", Args: []any{"out"}}},
			{Fn: crm.FnSum, Field: "worth"},
		},
		Total: true,
	})
	for _, row := range t.Rows {
		fmt.Println(row.Groups[0], row.Values)
	}
	fmt.Println("total", t.Total.Values, err)
	// Output:
	// <nil> [1 0 <nil>]
	// A7 [2 1 [300.00 EUR 200.00 USD]]
	// total [3 1 [300.00 EUR 200.00 USD]] <nil>
}

// Aggregate of a core takes the kind's name, for those who do not know it beforehand.
func ExampleCore_Aggregate() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Berth: "A7"}))
	for _, day := range []string{"2026-01-31", "2026-02-01", "2026-04-02"} {
		must(h.Visits.Create(ctx, Visit{BoatID: argo.ID, Arrived: must(crm.ParseDate(day))}))
	}

	t, err := h.Aggregate(ctx, "visit", crm.Figures{
		GroupBy:  []crm.GroupBy{{Field: "boat.berth"}, {Field: "arrived", Bucket: crm.ByMonth, Fill: true}},
		Measures: []crm.Measure{{Fn: crm.FnCount}},
	})
	for _, row := range t.Rows {
		fmt.Println(row.Groups, row.Values)
	}
	fmt.Println(err)

	_, err = h.Aggregate(ctx, "visit", crm.Figures{Measures: []crm.Measure{{Name: "stay", Fn: crm.FnSum, Field: "arrived"}}})
	fmt.Println(err)
	// Output:
	// [A7 2026-01] [1]
	// [A7 2026-02] [1]
	// [A7 2026-03] [0]
	// [A7 2026-04] [1]
	// <nil>
	// crm: aggregate visit: invalid: measure stay: arrived holds a date, which has no sum
}

func ExampleFilter() {
	f := crm.Filter{Text: "worth == $1 or state in $2", Args: []any{crm.EUR(100_00), []string{"in", "out"}}}
	text, err := json.Marshal(f)
	fmt.Println(string(text), err)

	var again crm.Filter
	err = json.Unmarshal(text, &again)
	fmt.Println(again.Text, again.Args, err)

	h, ctx := openHarbour()
	must(h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(300_00)}))
	fmt.Println(h.Boats.Count(ctx, crm.Where(again.Text, again.Args...)))
	// Output:
	// {"text":"worth == $1 or state in $2","args":[{"money":{"minor":10000,"currency":"EUR"}},{"texts":["in","out"]}],"version":1} <nil>
	// worth == $1 or state in $2 [100.00 EUR [in out]] <nil>
	// 1 <nil>
}

func ExampleRatio_Float64() {
	won := crm.Ratio{Num: 2, Den: 3}
	fmt.Printf("%.1f %%, %s\n", 100*won.Float64(), won)
	// Output:
	// 66.7 %, 0.6667
}

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/embedcrm/embedcrm/crm"
)

// twoBoats are two records of one boat.
func twoBoats(ctx context.Context, h *Harbour) (argo, twin Boat) {
	argo = must(h.Boats.Create(ctx, Boat{Record: crm.Record{Refs: crm.Refs{"registry": "17"}}, Name: "Argo"}))
	twin = must(h.Boats.Create(ctx, Boat{Record: crm.Record{Refs: crm.Refs{"registry": "4", "shop": "9"}}, Name: "The Argo", Berth: "A7"}))
	return argo, twin
}

// Two records of one boat become one: it takes what it has not, and the other's id and
// keys lead to it.
func ExampleKind_Merge() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)

	kept, merge, err := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{})
	fmt.Println(kept.Name, kept.Berth, kept.Refs, err)
	fmt.Println(len(merge.Absorbed), must(h.Boats.Get(ctx, twin.ID)).Name)
	_, outcome, _ := h.Boats.Upsert(ctx, Boat{Record: crm.Record{Refs: crm.Refs{"registry": "4"}}, Name: "Argo"})
	fmt.Println(outcome)
	// Output:
	// Argo A7 map[registry:17 shop:9] <nil>
	// 1 Argo
	// unchanged
}

// Rules say whose value a field has; a preview says what comes of them.
func ExampleKind_PreviewMerge() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)

	rules := crm.MergeRules{From: map[string]crm.ID{"name": twin.ID}}
	p := must(h.Boats.PreviewMerge(ctx, argo.ID, []crm.ID{twin.ID}, rules))
	fmt.Println(p.Result.Name, p.Faults)
	for _, f := range p.Fields {
		fmt.Println(f.Name, string(f.Values[argo.ID]), string(f.Values[twin.ID]), string(f.Value))
	}
	fmt.Println(must(h.Boats.Get(ctx, argo.ID)).Name)
	// Output:
	// The Argo []
	// name "Argo" "The Argo" "The Argo"
	// berth null "A7" "A7"
	// Argo
}

// What happened since a merge is kept when it is undone, and said.
func ExampleKind_Unmerge() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	_, merge, _ := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{})
	must(h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.Berth = "B2"; return nil }))

	undone, err := h.Boats.Unmerge(ctx, merge.ID)
	fmt.Println(undone.Survivor.Name, undone.Survivor.Berth, undone.Survivor.Refs, err)
	fmt.Println(undone.Absorbed[0].Name, undone.Absorbed[0].Berth, undone.Absorbed[0].Refs)
	for _, k := range undone.Kept {
		fmt.Println(k.Name, string(k.Before), string(k.Merged), string(k.Now))
	}
	_, err = h.Boats.Unmerge(ctx, merge.ID)
	fmt.Println(errors.Is(err, crm.ErrConflict))
	// Output:
	// Argo B2 map[registry:17] <nil>
	// The Argo A7 map[registry:4 shop:9]
	// berth null "A7" "B2"
	// true
}

// The log of merges has those a record had part in.
func ExampleCollection_Merges() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	_, merge, _ := h.Boats.Merge(crm.Because(ctx, "the same hull"), argo.ID, []crm.ID{twin.ID}, crm.MergeRules{})

	for _, id := range []crm.ID{argo.ID, twin.ID} {
		for _, m := range must(h.Boats.Merges(ctx, id)).Items {
			fmt.Println(m.ID == merge.ID, m.Survivor == argo.ID, m.Actor, m.Cause)
		}
	}
	// Output:
	// true true member:dana the same hull
	// true true member:dana the same hull
}

func ExampleKind_MergeOf() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	_, merge, _ := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{})
	must(h.Boats.Unmerge(ctx, merge.ID))

	m, err := h.Boats.MergeOf(ctx, merge.ID)
	fmt.Println(!m.Undone.IsZero(), m.UndoneBy, err)
	// Output: true member:dana <nil>
}

// What keeps ids outside of references asks where one leads by now.
func ExampleCore_Current() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	if _, _, err := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{}); err != nil {
		log.Fatal(err)
	}

	id, err := h.Current(ctx, "boat", twin.ID)
	fmt.Println(id == argo.ID, err)
	// Output: true <nil>
}

// What is asked about a record by its id is asked about those that lead to it, too.
func ExampleCore_Absorbed() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	if _, _, err := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{}); err != nil {
		log.Fatal(err)
	}

	ids, err := h.Absorbed(ctx, "boat", argo.ID)
	fmt.Println(len(ids), ids[0] == twin.ID, err)
	// Output: 1 true <nil>
}

// The history of a record with that of those merged into it.
func ExampleWithMerged() {
	h, ctx := openHarbour()
	argo, twin := twoBoats(ctx, h)
	if _, _, err := h.Boats.Merge(ctx, argo.ID, []crm.ID{twin.ID}, crm.MergeRules{}); err != nil {
		log.Fatal(err)
	}

	own := must(h.Boats.History(ctx, argo.ID))
	all := must(h.Boats.History(ctx, argo.ID, crm.WithMerged()))
	fmt.Println(len(own.Items), len(all.Items))
	// Output: 2 4
}

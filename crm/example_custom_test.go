package crm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// hull is a field to choose from, with labels in two languages.
func hull() crm.CustomField {
	return crm.CustomField{
		Object: "boat", Name: "hull", Type: crm.FieldChoice,
		Labels: map[string]string{"en": "Hull", "de": "Rumpf"},
		Help:   map[string]string{"en": "What it is built of."},
		Options: []crm.Option{
			{Key: "wood", Labels: map[string]string{"en": "Wood", "de": "Holz"}},
			{Key: "steel", Labels: map[string]string{"en": "Steel", "de": "Stahl"}},
			{Key: "reed", Retired: true},
		},
	}
}

// A tenant adds a field while the program runs: values are checked, and expressions
// name it, from the next call on.
func ExampleFields() {
	h, ctx := openHarbour()
	field, err := h.Fields.Create(ctx, hull())
	fmt.Println(field.Key, field.Ready, err)

	must(h.Boats.Create(ctx, Boat{Record: crm.Record{Custom: crm.Custom{"hull": "wood"}}, Name: "Argo"}))
	_, err = h.Boats.Create(ctx, Boat{Record: crm.Record{Custom: crm.Custom{"hull": "straw", "sails": 3}}, Name: "Pequod"})
	fmt.Println(err)
	fmt.Println(h.Boats.Count(ctx, crm.Where("custom.hull in ['wood', 'reed']")))
	fmt.Println(h.Boats.Facets(ctx, "custom.hull"))
	// Output:
	// hull true <nil>
	// crm: create boat: invalid: custom.sails: is no field of boat: define it, or leave it out; custom.hull: has no option "straw": choose one of the field's options, by its key
	// 1 <nil>
	// [{wood 1}] <nil>
}

// A field that records have is deleted, which keeps their values, and not purged.
func ExampleFields_delete() {
	h, ctx := openHarbour()
	field := must(h.Fields.Create(ctx, hull()))
	argo := must(h.Boats.Create(ctx, Boat{Record: crm.Record{Custom: crm.Custom{"hull": "wood"}}, Name: "Argo"}))

	fmt.Println(errors.Is(h.Fields.Purge(ctx, field.ID), crm.ErrConflict))
	fmt.Println(h.Fields.Delete(ctx, field.ID), must(h.Boats.Get(ctx, argo.ID)).Custom)
	must(h.Fields.Restore(ctx, field.ID))
	fmt.Println(must(h.Boats.Get(ctx, argo.ID)).Custom)
	// Output:
	// true
	// <nil> map[]
	// map[hull:wood]
}

// What a form for a boat is made of.
func ExampleFields_Of() {
	h, ctx := openHarbour()
	least := int64(1)
	for _, f := range []crm.CustomField{
		{Object: "boat", Name: "draught", Type: crm.FieldDecimal, Scale: 2, Position: 20},
		{Object: "boat", Name: "crew", Type: crm.FieldInt, Min: &least, Required: true, Position: 10},
		{Object: "visit", Name: "from", Type: crm.FieldText},
	} {
		must(h.Fields.Create(ctx, f))
	}
	for _, f := range must(h.Fields.Of(ctx, "boat")) {
		fmt.Println(f.Label("en"), f.Type, f.Required)
	}
	// Output:
	// crew int true
	// draught decimal false
}

// A field that is made unique when records have values is filled in once.
func ExampleFields_Backfill() {
	h, ctx := openHarbour()
	field := must(h.Fields.Create(ctx, crm.CustomField{Object: "boat", Name: "sign", Type: crm.FieldText}))
	boat := func(name, sign string) Boat {
		return Boat{Record: crm.Record{Custom: crm.Custom{"sign": sign}}, Name: name}
	}
	must(h.Boats.CreateAll(ctx, []Boat{boat("Argo", "DA 1"), boat("Pequod", "DA 2")}))

	field = must(h.Fields.Update(ctx, field.ID, func(f *crm.CustomField) error { f.Unique = true; return nil }))
	err := h.Fields.Backfill(ctx, field.ID)
	fmt.Println(field.Ready, errors.Is(err, crm.ErrConflict)) // other processes may not know of it yet
	h.Clock.Advance(time.Second)
	fmt.Println(h.Fields.Backfill(ctx, field.ID), must(h.Fields.Get(ctx, field.ID)).Ready)

	_, err = h.Boats.Create(ctx, boat("Nautilus", "da 1"))
	fmt.Println(err)
	// Output:
	// false true
	// <nil> true
	// crm: create boat: conflict: custom.sign: another record has this value
}

// Records that have the same value already are named, and changed first.
func ExampleFields_Backfill_duplicates() {
	h, ctx := openHarbour()
	field := must(h.Fields.Create(ctx, crm.CustomField{Object: "boat", Name: "sign", Type: crm.FieldText}))
	sign := crm.Record{Custom: crm.Custom{"sign": "DA 1"}}
	boats := must(h.Boats.CreateAll(ctx, []Boat{{Record: sign, Name: "Argo"}, {Record: sign, Name: "Pequod"}}))
	must(h.Fields.Update(ctx, field.ID, func(f *crm.CustomField) error { f.Unique = true; return nil }))
	h.Clock.Advance(time.Second)

	err := h.Fields.Backfill(ctx, field.ID)
	if conflict, ok := errors.AsType[*crm.ConflictError](err); ok {
		fmt.Println(conflict.Field)
	}
	must(h.Boats.Update(ctx, boats[1].ID, func(b *Boat) error { b.Custom.Set("sign", "DA 2"); return nil }))
	fmt.Println(h.Fields.Backfill(ctx, field.ID))
	// Output:
	// custom.sign
	// <nil>
}

// A module that stores expressions says which of them name a field, and the field
// stays.
func ExampleFields_UsedBy() {
	h, ctx := openHarbour()
	h.Fields.UsedBy(func(_ context.Context, object, field string) ([]string, error) {
		if object == "boat" && field == "custom.hull" {
			return []string{`segment "Wooden boats"`}, nil
		}
		return nil, nil
	})
	field := must(h.Fields.Create(ctx, hull()))
	if conflict, ok := errors.AsType[*crm.ConflictError](h.Fields.Delete(ctx, field.ID)); ok {
		fmt.Println(conflict)
	}
	// Output:
	// conflict: name: custom.hull is used by segment "Wooden boats": change them first
}

// A formula is a condition that is computed with each write.
func ExampleCustomField_formula() {
	h, ctx := openHarbour()
	must(h.Fields.Create(ctx, hull()))
	dear := must(h.Fields.Create(ctx, crm.CustomField{
		Object: "boat", Name: "dear", Type: crm.FieldFormula, Formula: "custom.hull == 'wood' and worth > money('10000', 'EUR')",
	}))
	h.Clock.Advance(time.Second)
	_ = h.Fields.Backfill(ctx, dear.ID)

	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(12_000_00)}))
	fmt.Println(argo.Custom)
	argo = must(h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.Custom.Set("hull", "wood"); return nil }))
	fmt.Println(argo.Custom)
	fmt.Println(h.Boats.Count(ctx, crm.Where("custom.dear")))
	// Output:
	// map[dear:false]
	// map[dear:true hull:wood]
	// 1 <nil>
}

// Options that go with the value of another choice.
func ExampleCustomField_dependsOn() {
	h, ctx := openHarbour()
	must(h.Fields.Create(ctx, hull()))
	must(h.Fields.Create(ctx, crm.CustomField{
		Object: "boat", Name: "coat", Type: crm.FieldChoice, DependsOn: "hull",
		Options: []crm.Option{{Key: "varnish", When: []string{"wood"}}, {Key: "paint"}},
	}))
	boat := Boat{Record: crm.Record{Custom: crm.Custom{"hull": "steel", "coat": "varnish"}}, Name: "Argo"}
	_, err := h.Boats.Create(ctx, boat)
	fmt.Println(err)
	// Output:
	// crm: create boat: invalid: custom.coat: the option "varnish" goes with another value of custom.hull: choose another, or none
}

func ExampleCustomField_Label() {
	field := hull()
	fmt.Println(field.Label("de-AT"), field.Label("fr")) // de, and en where there is no French
	field.Labels = nil
	fmt.Println(field.Label("de"))
	// Output:
	// Rumpf Hull
	// hull
}

func ExampleCustomField_HelpText() {
	field := hull()
	fmt.Printf("%q\n", field.HelpText("de"))
	field.Help = nil
	fmt.Printf("%q\n", field.HelpText("de"))
	// Output:
	// "What it is built of."
	// ""
}

func ExampleCustomField_Option() {
	field := hull()
	reed, ok := field.Option("reed")
	fmt.Println(reed.Key, reed.Retired, ok)
	_, ok = field.Option("straw")
	fmt.Println(ok)
	// Output:
	// reed true true
	// false
}

func ExampleOption_Label() {
	field := hull()
	for i := range field.Options { // a label is chosen of the option where it is
		fmt.Println(field.Options[i].Label("de"), field.Options[i].Retired)
	}
	// Output:
	// Holz false
	// Stahl false
	// reed true
}

// A form that defines fields says at once what is wrong.
func ExampleCustomField_Validate() {
	field := crm.CustomField{Object: "boat", Name: "Hull colour", Type: crm.FieldBool, MaxLength: 20}
	fmt.Println(field.Validate())
	// Output:
	// invalid: name: is lower-case letters, digits and underscores, begins with a letter and has at most 40 bytes; max_length: is for text and long_text, and the field's type is bool
}

func ExampleCustom_Set() {
	h, ctx := openHarbour()
	must(h.Fields.Create(ctx, hull()))
	must(h.Fields.Create(ctx, crm.CustomField{Object: "boat", Name: "draught", Type: crm.FieldDecimal, Scale: 2}))
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))

	argo, err := h.Boats.Update(ctx, argo.ID, func(b *Boat) error {
		b.Custom.Set("hull", "wood") // there is no need of a map before
		b.Custom.Set("draught", 1.5)
		return nil
	})
	fmt.Println(argo.Custom, err)
	argo, err = h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.Custom.Set("draught", nil); return nil })
	fmt.Println(argo.Custom, err)
	// Output:
	// map[draught:1.50 hull:wood] <nil>
	// map[hull:wood] <nil>
}

// Values come as JSON has them, and go as it has them.
func ExampleCustom() {
	h, ctx := openHarbour()
	for _, f := range []crm.CustomField{
		{Object: "boat", Name: "insured", Type: crm.FieldMoney}, {Object: "boat", Name: "launched", Type: crm.FieldDate},
	} {
		must(h.Fields.Create(ctx, f))
	}
	var boat Boat
	_ = json.Unmarshal([]byte(`{"name": "Argo", "custom": {"insured": {"amount": "9000.00", "currency": "EUR"}, "launched": "1969-07-20"}}`), &boat)
	argo := must(h.Boats.Create(ctx, boat))
	insured, _ := argo.Custom["insured"].(crm.Money)
	launched, _ := argo.Custom["launched"].(crm.Date)
	fmt.Println(insured, launched)
	fmt.Println(string(must(json.Marshal(argo.Custom))))
	// Output:
	// 9000.00 EUR 1969-07-20
	// {"insured":{"amount":"9000.00","currency":"EUR"},"launched":"1969-07-20"}
}

// unberthed is a rule for boats that are worth much and lie at no berth.
func unberthed(severity crm.Severity) crm.Rule {
	return crm.Rule{
		Object: "boat", Name: "berth", Field: "berth", Severity: severity,
		When:     "worth > money('10000', 'EUR') and berth == nil",
		Messages: map[string]string{"en": "Assign a berth first.", "zh": "请先分配泊位。"},
	}
}

// A tenant's own validation.
func ExampleRule() {
	h, ctx := openHarbour()
	must(h.Rules.Create(ctx, unberthed(crm.Refuse)))
	_, err := h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(12_000_00)})
	fmt.Println(err)
	_, err = h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(12_000_00), Berth: "A7"})
	fmt.Println(err)
	// Output:
	// crm: create boat: invalid: berth: Assign a berth first.
	// <nil>
}

func ExampleRule_Message() {
	rule := unberthed(crm.Warn)
	fmt.Println(rule.Message("zh-CN"), rule.Message("fr"))
	// Output:
	// 请先分配泊位。 Assign a berth first.
}

func ExampleRule_Validate() {
	rule := unberthed(crm.Warn)
	rule.Messages["german"] = "Erst einen Liegeplatz zuweisen."
	fmt.Println(rule.Validate())
	// Output:
	// invalid: messages: "german" is no language: write it as de or zh-CN
}

func ExampleInLanguage() {
	h, ctx := openHarbour()
	must(h.Rules.Create(ctx, unberthed(crm.Refuse)))
	_, err := h.Boats.Create(crm.InLanguage(ctx, "zh-CN"), Boat{Name: "Argo", Worth: crm.EUR(12_000_00)})
	if invalid, ok := errors.AsType[*crm.InvalidError](err); ok {
		fmt.Println(invalid.Faults[0].Field, invalid.Faults[0].Reason)
	}
	// Output:
	// berth 请先分配泊位。
}

// A rule that warns lets the change through.
func ExampleWithWarnings() {
	h, ctx := openHarbour()
	must(h.Rules.Create(ctx, unberthed(crm.Warn)))
	var warnings crm.Warnings
	boat, err := h.Boats.Create(crm.WithWarnings(ctx, &warnings), Boat{Name: "Argo", Worth: crm.EUR(12_000_00)})
	fmt.Println(boat.Name, err)
	for _, w := range warnings.All() {
		fmt.Println(w.Record == boat.ID, w.Fault.Field, w.Fault.Reason)
	}
	// Output:
	// Argo <nil>
	// true berth Assign a berth first.
}

// What is said of a record is what was said last.
func ExampleWarnings_All() {
	h, ctx := openHarbour()
	must(h.Rules.Create(ctx, unberthed(crm.Warn)))
	var warnings crm.Warnings
	ctx = crm.WithWarnings(ctx, &warnings)
	boats := must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Worth: crm.EUR(12_000_00)}, {Name: "Pequod", Worth: crm.EUR(15_000_00)}}))
	fmt.Println(len(warnings.All()))
	must(h.Boats.Update(ctx, boats[0].ID, func(b *Boat) error { b.Berth = "A7"; return nil }))
	fmt.Println(len(warnings.All()))
	// Output:
	// 2
	// 1
}

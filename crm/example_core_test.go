package crm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing/fstest"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// A host opens a store, makes a core on it, lets its modules define their kinds of
// records, and migrates.
func ExampleNew() {
	store, err := sqlite.Open("sqlite", ":memory:") // or a file
	if err != nil {
		log.Fatal(err)
	}
	core, err := crm.New(store, crm.Config{})
	if err != nil {
		log.Fatal(err)
	}
	core.AddLine(harbourLine())
	boats, err := crm.Define(core, crm.Object[Boat]{Name: "boat"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}

	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	boat, err := boats.Create(ctx, Boat{Name: "Argo"})
	fmt.Println(boat.Name, err)
	fmt.Println(store.Close()) // when the program ends
	// Output:
	// Argo <nil>
	// <nil>
}

func ExampleConfig() {
	h, ctx := openHarbourWith(crm.Config{StrictTenants: true, SortLimit: 2})
	_, err := h.Boats.Create(ctx, Boat{Name: "Argo"})
	fmt.Println(err)

	_ = h.Tenants.Ensure(ctx, "acme")
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Berth: "A7"}, {Name: "Pequod", Berth: "A8"}, {Name: "Nautilus", Berth: "B1"}}))
	_, err = h.Boats.List(ctx, crm.OrderBy("berth")) // the name is marked sort, the berth is not
	fmt.Println(err)
	// Output:
	// crm: create boat: invalid: tenant: there is no tenant of this key: call Tenants.Ensure first
	// crm: list boat: invalid: order: berth: 3 records are too many to sort without an index, and 2 are allowed: filter more, or sort by a field marked sort
}

func ExampleDefine() {
	core := newCore()
	_, err := crm.Define(core, crm.Object[Boat]{Name: "boat"})
	fmt.Println(err)
	_, err = crm.Define(core, crm.Object[Visit]{Name: "boat"})
	fmt.Println(err)
	// Output:
	// <nil>
	// crm: define boat: invalid: name: the kind "boat" is defined already
}

// A struct that cannot be kept is refused with the field and the reason.
func ExampleDefine_wrongTag() {
	core := newCore()

	type Buoy struct {
		crm.Record

		Name string `crm:"requird" json:"name"`
	}
	_, err := crm.Define(core, crm.Object[Buoy]{Name: "buoy"})
	fmt.Println(errors.Is(err, crm.ErrInvalid), err)

	type Crane struct {
		crm.Record

		Tonnes float64 `json:"tonnes"`
	}
	_, err = crm.Define(core, crm.Object[Crane]{Name: "crane"})
	fmt.Println(err)
	// Output:
	// true crm: define buoy: invalid: crm_test.Buoy.Name: the tag has no word "requird"
	// crm: define crane: invalid: crm_test.Crane.Tonnes: float64 is no type of a field: use string, int64, bool, *int64, *bool, time.Time, crm.Date, crm.Money, crm.ID, []string, or the tag json
}

// Kinds may be defined in any order. Where a reference leads is looked up by Migrate.
func ExampleDefine_reference() {
	core := newCore()
	must(crm.Define(core, crm.Object[Visit]{Name: "visit"})) // of a boat
	fmt.Println(core.Migrate(context.Background()))
	// Output:
	// crm: migrate: invalid: visit.boat_id: refers to the kind "boat", which is not defined: define it, or construct its module, before Migrate
}

// The hooks of a kind: what a record begins with, what is filled in before it is
// written, and what happens with it in one transaction.
func ExampleObject() {
	type Mooring struct {
		crm.Record

		Berth string `crm:"required"                json:"berth"`
		State string `crm:"guarded,enum=free|taken" json:"state"`
	}
	table := storage.Line{Name: "moorings", Files: fstest.MapFS{"sqlite/0001_mooring.sql": {Data: []byte(`
CREATE TABLE crm_mooring (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	berth TEXT NOT NULL, state TEXT, PRIMARY KEY (tenant, id)
)`)}}}
	core := newCore()
	core.AddLine(table)
	moorings := must(crm.Define(core, crm.Object[Mooring]{
		Name: "mooring",
		Initial: func(_ context.Context, w *crm.Write[Mooring]) error {
			w.After.State = "free"
			return nil
		},
		BeforeWrite: func(_ context.Context, w *crm.Write[Mooring]) error {
			w.After.Berth = strings.ToUpper(w.After.Berth)
			return nil
		},
		AfterWrite: func(_ context.Context, w *crm.Write[Mooring]) error {
			fmt.Println("after", w.Verb) // in the transaction, which an error undoes
			if w.After != nil && w.After.Berth == "Z9" {
				return crm.Invalid("berth", "there is no %s in this harbour", w.After.Berth)
			}
			return nil
		},
	}))
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.System(ctx, "acme")

	a7, err := moorings.Create(ctx, Mooring{Berth: "a7"})
	fmt.Println(a7.Berth, a7.State, err)
	_, err = moorings.Create(ctx, Mooring{Berth: "z9"})
	fmt.Println(err)
	fmt.Println(moorings.Count(ctx))
	must(moorings.Do(ctx, a7.ID, "taken", func(m *Mooring) error { m.State = "taken"; return nil }))
	// Output:
	// after create
	// A7 free <nil>
	// after create
	// crm: create mooring: invalid: berth: there is no Z9 in this harbour
	// 1 <nil>
	// after update
}

// Tide has rules of its own, which its tags cannot say. It is in centimetres.
type Tide struct {
	crm.Record

	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

var _ crm.Validator = (*Tide)(nil)

// Validate returns all that is wrong at once.
func (t *Tide) Validate() error {
	var wrong crm.InvalidError
	if t.Low < 0 {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: "low", Reason: "is measured from the ground"})
	}
	if t.High < t.Low {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: "high", Reason: "is less than low"})
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

func ExampleValidator() {
	core := newCore()
	core.AddLine(storage.Line{Name: "tides", Files: fstest.MapFS{"sqlite/0001_tide.sql": {Data: []byte(`
CREATE TABLE crm_tide (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	low INTEGER NOT NULL, high INTEGER NOT NULL, PRIMARY KEY (tenant, id)
)`)}}})
	tides := must(crm.Define(core, crm.Object[Tide]{Name: "tide"}))
	ctx := context.Background()
	if err := core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	_, err := tides.Create(crm.System(ctx, "acme"), Tide{Low: -5, High: -10})
	fmt.Println(err)
	// Output:
	// crm: create tide: invalid: low: is measured from the ground; high: is less than low
}

func ExampleInvalid() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	_, err := h.Boats.Update(ctx, argo.ID, func(b *Boat) error {
		if b.Berth == "" {
			return crm.Invalid("berth", "%s lies at no berth: assign one first", b.Name)
		}
		b.Berth = "A8"
		return nil
	})
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	fmt.Println(strings.ReplaceAll(err.Error(), argo.ID.String(), "0198…"))
	// Output:
	// true
	// crm: update boat 0198…: invalid: berth: Argo lies at no berth: assign one first
}

// A form shows what is wrong beside each field.
func ExampleInvalidError() {
	h, ctx := openHarbour()
	_, err := h.Boats.Create(ctx, Boat{Berth: "somewhere behind the crane"})
	if invalid, ok := errors.AsType[*crm.InvalidError](err); ok {
		for _, fault := range invalid.Faults {
			fmt.Println(fault.Field, "→", fault.Reason)
		}
	}
	// Output:
	// name → is required
	// berth → has 26 characters, and 10 are allowed
}

func ExampleConflictError() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	_, err := h.Boats.Create(ctx, Boat{Name: "Argo"})
	if conflict, ok := errors.AsType[*crm.ConflictError](err); ok {
		fmt.Println(conflict.Field, conflict.Holder == argo.ID) // where a form may lead to
	}

	must(h.Visits.CreateAll(ctx, []Visit{{BoatID: argo.ID}, {BoatID: argo.ID}}))
	if conflict, ok := errors.AsType[*crm.ConflictError](h.Boats.Delete(ctx, argo.ID)); ok {
		fmt.Println(conflict)
	}
	// Output:
	// name true
	// conflict: visits: 2 visits still refer to it by boat_id: change or delete them first
}

func ExampleError() {
	h, ctx := openHarbour()
	_, err := h.Boats.Get(ctx, must(crm.ParseID("0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d")))
	fmt.Println(err)
	if e, ok := errors.AsType[*crm.Error](err); ok {
		fmt.Println(e.Op, e.Object, errors.Is(e.Err, crm.ErrNotFound))
	}
	// Output:
	// crm: get boat 0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d: not found
	// get boat true
}

// A program that keeps its migrations with another tool runs this SQL there, and
// asks Verify when it starts.
func ExampleCore_MigrationScript() {
	core := newCore()
	core.AddLine(harbourLine())
	must(crm.Define(core, crm.Object[Boat]{Name: "boat"}))
	ctx := context.Background()

	script, err := core.MigrationScript(ctx)
	fmt.Println(strings.Contains(script, "CREATE TABLE crm_boat"), err)
	_ = core.Migrate(ctx)
	script, err = core.MigrationScript(ctx)
	fmt.Printf("%q %v\n", script, err)
	// Output:
	// true <nil>
	// "" <nil>
}

func ExampleCore_Migrate() {
	core := newCore()
	core.AddLine(harbourLine())
	must(crm.Define(core, crm.Object[Boat]{Name: "boat"}))
	ctx := context.Background()
	fmt.Println(core.Migrate(ctx))
	fmt.Println(core.Migrate(ctx)) // every start of every process may do it

	_, err := crm.Define(core, crm.Object[Visit]{Name: "visit"})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// crm: define visit: invalid: name: kinds of records are defined before Migrate
}

func ExampleCore_Verify() {
	core := newCore()
	ctx := context.Background()
	fmt.Println(errors.Is(core.Verify(ctx), storage.ErrVersion)) // the program ends here, and says so
	_ = core.Migrate(ctx)
	fmt.Println(core.Verify(ctx))
	// Output:
	// true
	// <nil>
}

// A module brings its own tables: a line of migrations besides the kernel's, with
// what it needs of other lines.
func ExampleCore_AddLine() {
	core := newCore()
	core.AddLine(storage.Line{
		Name:  "lighthouse",
		Needs: map[string]int{"harbour": 2},
		Files: fstest.MapFS{"sqlite/0001_beam.sql": {Data: []byte("CREATE TABLE crm_beam (tenant TEXT NOT NULL)")}},
	})
	ctx := context.Background()
	fmt.Println(core.Migrate(ctx))

	core.AddLine(harbourLine())
	fmt.Println(core.Migrate(ctx))
	// Output:
	// crm: migrate: invalid: the migration line lighthouse needs harbour, which is not given
	// <nil>
}

func ExampleCore_Tables() {
	h, _ := openHarbour()
	for _, table := range must(h.Tables()) {
		if table.Name == "boat" {
			for _, column := range table.Columns[8:] { // behind those of every record
				fmt.Println(column.Name, column.Kind)
			}
		}
	}
	// Output:
	// name text
	// name_sort bytes
	// berth text
	// state text
	// worth int
	// worth_currency text
}

// What every new tenant is given, in the transaction that makes it.
func ExampleCore_Seed() {
	h, ctx := openHarbour()
	h.Seed(func(ctx context.Context) error {
		_, err := h.Boats.Create(ctx, Boat{Name: "Pilot boat"})
		return err
	})
	must(h.Boats.Create(ctx, Boat{Name: "Argo"})) // the tenant's first write
	fmt.Println(names(must(h.Boats.List(ctx, crm.OrderBy("name"))).Items))
	// Output:
	// Argo, Pilot boat
}

// A check of a host's own: what is paid costs something.
func ExampleCore_AddCheck() {
	h, ctx := openHarbour()
	h.AddCheck(func(ctx context.Context, found func(object string, record crm.ID, what string)) error {
		for visit, err := range h.Visits.All(ctx, crm.Where("paid and fee == nil")) {
			if err != nil {
				return err
			}
			found("visit", visit.ID, "it is paid and has no fee")
		}
		return nil
	})
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	must(h.Visits.Create(ctx, Visit{BoatID: argo.ID, Paid: true, Fee: crm.EUR(12_00)}))
	must(h.Visits.Create(ctx, Visit{BoatID: argo.ID, Paid: true}))
	for _, problem := range must(h.Check(ctx)) {
		fmt.Println(problem.Object, problem.What)
	}
	// Output:
	// visit it is paid and has no fee
}

func ExampleTenants_List() {
	h, ctx := openHarbour()
	for _, key := range []string{"acme", "hooli", "umbrella"} {
		_ = h.Tenants.Ensure(ctx, key)
	}
	for after := ""; ; {
		keys := must(h.Tenants.List(ctx, after, 2))
		if len(keys) == 0 {
			break
		}
		fmt.Println(keys)
		after = keys[len(keys)-1]
	}
	// Output:
	// [acme hooli]
	// [umbrella]
}

func ExampleAs() {
	h, _ := openHarbour()
	ctx := context.Background()
	_, err := h.Boats.Create(ctx, Boat{Name: "Argo"})
	fmt.Println(errors.Is(err, crm.ErrUnscoped))

	// What a middleware does once it knows who asks:
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	boat, err := h.Boats.Create(ctx, Boat{Name: "Argo"})
	fmt.Println(boat.Name, err)
	// Output:
	// true
	// Argo <nil>
}

func ExampleSystem() {
	h, dana := openHarbour()
	nightly := crm.System(context.Background(), "acme")
	argo := must(h.Boats.Create(nightly, Boat{Name: "Argo"}))
	must(h.Boats.Update(dana, argo.ID, func(b *Boat) error { b.Berth = "A7"; return nil }))
	for _, e := range must(h.Boats.History(nightly, argo.ID)).Items {
		fmt.Println(e.Name, e.Actor)
	}
	// Output:
	// boat.updated member:dana
	// boat.created system
}

func ExampleBecause() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(crm.Because(ctx, "import of 2026-01-05"), Boat{Name: "Argo"}))
	fmt.Println(must(h.Boats.History(ctx, argo.ID)).Items[0].Cause)
	// Output:
	// import of 2026-01-05
}

func ExampleWhere() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{
		{Name: "Argo", Berth: "A7", Worth: crm.EUR(12_000_00)}, {Name: "Pequod", Berth: "A8", Worth: crm.EUR(900_00)}, {Name: "Nautilus"},
	}))
	list := func(expression string, args ...any) {
		page, err := h.Boats.List(ctx, crm.Where(expression, args...), crm.OrderBy("name"))
		fmt.Printf("%q %v\n", names(page.Items), err)
	}
	list("berth in ['A7', 'A9'] or worth > money('1000', 'EUR')")
	list("worth >= $1 and berth startsWith $2", crm.EUR(900_00), "A") // what users type is an argument
	list("berth == nil")
	list("bert == nil")
	// Output:
	// "Argo" <nil>
	// "Argo, Pequod" <nil>
	// "Nautilus" <nil>
	// "" crm: list boat: invalid: where: at byte 0 (bert): boat has no field bert
}

// An expression follows references both ways.
func ExampleWhere_related() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	pequod := must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))
	must(h.Visits.CreateAll(ctx, []Visit{
		{BoatID: argo.ID, Fee: crm.EUR(80_00), Paid: true}, {BoatID: argo.ID, Fee: crm.EUR(95_00)}, {BoatID: pequod.ID, Paid: true},
	}))
	inDebt := must(h.Boats.List(ctx, crm.Where("any(visits, not .paid)")))
	fmt.Println(names(inDebt.Items))
	fmt.Println(h.Visits.Count(ctx, crm.Where("boat.name == 'Argo' and paid")))
	// Output:
	// Argo
	// 1 <nil>
}

// Conditions that are given one by one must all hold, each as if in brackets.
func ExampleWhere_several() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Berth: "A7"}, {Name: "Pequod", Berth: "A8"}, {Name: "Nautilus", Berth: "B1"}}))
	options := []crm.ListOption{crm.OrderBy("name"), crm.Where("berth startsWith 'A'")}
	if typed := "Argo' or 'a' == 'a"; typed != "" { // nothing a user types becomes a condition
		options = append(options, crm.Where("name == $1 or berth == $2", typed, "A8"))
	}
	fmt.Println(names(must(h.Boats.List(ctx, options...)).Items))
	// Output:
	// Pequod
}

func ExampleOrderBy() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{
		{Name: "élan", Worth: crm.EUR(500)}, {Name: "Zephyr", Worth: crm.EUR(900)}, {Name: "Argo", Worth: crm.EUR(500)}, {Name: "Eos"},
	}))
	fmt.Println(names(must(h.Boats.List(ctx, crm.OrderBy("name"))).Items)) // as people sort
	fmt.Println(names(must(h.Boats.List(ctx, crm.OrderBy("-worth", "name"))).Items))
	// Output:
	// Argo, élan, Eos, Zephyr
	// Zephyr, Argo, élan, Eos
}

func ExampleLimit() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}, {Name: "Nautilus"}}))
	page := must(h.Boats.List(ctx, crm.OrderBy("name"), crm.Limit(2)))
	fmt.Println(names(page.Items), page.Next != "")
	_, err := h.Boats.List(ctx, crm.Limit(5000))
	fmt.Println(err)
	// Output:
	// Argo, Nautilus true
	// crm: list boat: invalid: limit: a page has 1 to 1000 records, not 5000
}

func ExampleAfter() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}, {Name: "Nautilus"}}))
	first := must(h.Boats.List(ctx, crm.OrderBy("name"), crm.Limit(2)))
	second := must(h.Boats.List(ctx, crm.OrderBy("name"), crm.Limit(2), crm.After(first.Next)))
	fmt.Println(names(second.Items))

	// A cursor is for one list of one actor.
	lee := crm.As(ctx, crm.Actor{Tenant: "acme", Member: "lee"})
	_, err := h.Boats.List(lee, crm.OrderBy("name"), crm.Limit(2), crm.After(first.Next))
	fmt.Println(err)
	// Output:
	// Pequod
	// crm: list boat: invalid: after: the cursor is none of this query of this actor: begin again without one
}

func ExampleWithDeleted() {
	h, ctx := openHarbour()
	boats := must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}}))
	_ = h.Boats.Delete(ctx, boats[0].ID)
	fmt.Println(names(must(h.Boats.List(ctx)).Items))
	fmt.Println(names(must(h.Boats.List(ctx, crm.WithDeleted(), crm.OrderBy("name"))).Items))
	fmt.Println(names(must(h.Boats.List(ctx, crm.WithDeleted(), crm.Where("deleted != nil"))).Items)) // the bin
	// Output:
	// Pequod
	// Argo, Pequod
	// Argo
}

// A form remembers the version it was filled in from.
func ExampleIfVersion() {
	h, ctx := openHarbour()
	form := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	must(h.Boats.Update(ctx, form.ID, func(b *Boat) error { b.Berth = "A7"; return nil })) // somebody else

	_, err := h.Boats.Update(ctx, form.ID, func(b *Boat) error { b.Berth = "B1"; return nil }, crm.IfVersion(form.Version))
	if conflict, ok := errors.AsType[*crm.ConflictError](err); ok {
		fmt.Println(conflict)
	}
	// Output:
	// conflict: version: the record has been changed since it was read: read it again
}

// With an id of the caller's own a call that is repeated makes no second record.
func ExampleRecord() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	visit := Visit{BoatID: argo.ID}
	visit.ID = must(crm.ParseID("0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d")) // from a form, say, which may be sent twice
	for range 2 {
		_, err := h.Visits.Create(ctx, visit)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// crm: create visit: conflict: id: a record with this id exists
}

func ExampleRefs() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Record: crm.Record{Refs: crm.Refs{"registry": "IMO 9074729"}}, Name: "Argo"}))
	fmt.Println(argo.Refs["registry"])
	_, err := h.Boats.Create(ctx, Boat{Record: crm.Record{Refs: crm.Refs{"registry": "IMO 9074729"}}, Name: "Argo II"})
	fmt.Println(err)
	// Output:
	// IMO 9074729
	// crm: create boat: conflict: refs.registry: another record has this key, living or deleted
}

func ExampleSystemClock_Now() {
	var clock crm.Clock = crm.SystemClock{} // that of a Config without one
	fmt.Println(clock.Now().IsZero())
	// Output: false
}

func ExampleUSD() {
	fmt.Println(crm.USD(19_99), crm.USD(-5)) // cents
	// Output: 19.99 USD -0.05 USD
}

func ExampleGBP() {
	fmt.Println(crm.GBP(1_50)) // pence
	// Output: 1.50 GBP
}

func ExampleCNY() {
	fmt.Println(crm.CNY(8_88)) // fen
	// Output: 8.88 CNY
}

func ExampleCHF() {
	fmt.Println(crm.CHF(20)) // rappen
	// Output: 0.20 CHF
}

func ExampleJPY() {
	fmt.Println(crm.JPY(1200)) // yen: there is no smaller coin
	// Output: 1200 JPY
}

// Days are those of the tenant's zone.
func ExampleTenants_SetZone() {
	h, ctx := openHarbour()
	fmt.Println(h.Tenants.SetZone(ctx, "Asia/Shanghai"))
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.Boats.Count(ctx, crm.Where("created == today()")))
	fmt.Println(h.Tenants.SetZone(ctx, "Shanghai"))
	// Output:
	// <nil>
	// 1 <nil>
	// crm: set zone tenant: invalid: zone: "Shanghai" is no zone this program knows: give a name such as Europe/Berlin, and import time/tzdata where the system has no zone files
}

func ExampleTenants_Zone() {
	h, ctx := openHarbour()
	fmt.Println(h.Tenants.Zone(ctx))
	fmt.Println(h.Tenants.SetZone(ctx, "Europe/Berlin"))
	fmt.Println(h.Tenants.Zone(ctx))
	// Output:
	// UTC <nil>
	// <nil>
	// Europe/Berlin <nil>
}

// After a load of one's own, since an import does it for itself.
func ExampleCore_Analyze() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}}))
	fmt.Println(h.Analyze(ctx, "boat"))
	// Output: <nil>
}

package crm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing/fstest"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Boat is a kind of record: a struct, and a table in SQL.
type Boat struct {
	crm.Record

	Name  string    `crm:"required,max=100,unique,sort,search" json:"name"`
	Berth string    `crm:"max=10,search"                       json:"berth,omitempty"`
	State string    `crm:"guarded,enum=in|out"                 json:"state"`
	Worth crm.Money `json:"worth"`
}

// Visit is a stay of a boat, which it refers to.
type Visit struct {
	crm.Record

	BoatID  crm.ID    `crm:"required,ref=boat" json:"boat_id"`
	Arrived crm.Date  `json:"arrived,omitzero"`
	Fee     crm.Money `json:"fee"`
	Paid    bool      `json:"paid,omitempty"`
}

// harbourLine is the SQL of both kinds. A host embeds files, and has those of Postgres
// in a directory beside.
func harbourLine() storage.Line {
	return storage.Line{Name: "harbour", Needs: map[string]int{"crm": 1}, Files: fstest.MapFS{
		"sqlite/0001_boat.sql": {Data: []byte(`
CREATE TABLE crm_boat (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, name_sort BLOB, berth TEXT, state TEXT, worth INTEGER, worth_currency TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_boat_name ON crm_boat (tenant, name) WHERE deleted IS NULL;
CREATE INDEX crm_boat_sorted ON crm_boat (tenant, name_sort, id) WHERE deleted IS NULL;`)},
		"sqlite/0002_visit.sql": {Data: []byte(`
CREATE TABLE crm_visit (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	boat_id BLOB NOT NULL, arrived TEXT, fee INTEGER, fee_currency TEXT, paid INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, boat_id) REFERENCES crm_boat (tenant, id)
);
CREATE INDEX crm_visit_boat ON crm_visit (tenant, boat_id);`)},
	}}
}

// Harbour is a small host: a core, its kinds of records, and a clock that stands at
// nine in the morning of 5 January 2026.
type Harbour struct {
	*crm.Core

	Boats  *crm.Kind[Boat]
	Visits *crm.Kind[Visit]
	Clock  *crmtest.Clock
	DB     *sql.DB
}

// openHarbour returns a harbour without any records, and a context of dana's, who
// works there.
func openHarbour() (*Harbour, context.Context) { return openHarbourWith(crm.Config{}) }

// openHarbourWith also registers what a host does before it migrates.
func openHarbourWith(cfg crm.Config, more ...func(*Harbour) error) (*Harbour, context.Context) {
	h := &Harbour{Clock: &crmtest.Clock{}, DB: must(sql.Open("sqlite", sqlite.DSN(":memory:")))}
	h.DB.SetMaxOpenConns(1) // each connection would have a memory of its own
	cfg.Clock = h.Clock
	h.Core = must(crm.New(must(sqlite.New(h.DB)), cfg))
	h.AddLine(harbourLine())
	h.Boats = must(crm.Define(h.Core, crm.Object[Boat]{Name: "boat", Initial: func(_ context.Context, w *crm.Write[Boat]) error {
		w.After.State = "in"
		return nil
	}}))
	h.Visits = must(crm.Define(h.Core, crm.Object[Visit]{Name: "visit", Timeline: []crm.Appearance{{On: "boat_id"}}}))
	for _, fn := range more {
		if err := fn(h); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	if err := h.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return h, crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
}

// newCore returns a core that no kind of record was defined on yet.
func newCore() *crm.Core {
	return must(crm.New(must(sqlite.Open("sqlite", ":memory:")), crm.Config{}))
}

// names are the names of boats, in a line.
func names(boats []Boat) string {
	list := make([]string, len(boats))
	for i, b := range boats {
		list[i] = b.Name
	}
	return strings.Join(list, ", ")
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func ExampleCollection_Create() {
	h, ctx := openHarbour()
	boat, err := h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(12_000_00)})
	fmt.Println(boat.Name, boat.Version, boat.State, boat.Worth, err)

	_, err = h.Boats.Create(ctx, Boat{Berth: "a berth that is too long"})
	fmt.Println(errors.Is(err, crm.ErrInvalid), err)
	// Output:
	// Argo 1 in 12000.00 EUR <nil>
	// true crm: create boat: invalid: name: is required; berth: has 24 characters, and 10 are allowed
}

func ExampleCollection_CreateAll() {
	h, ctx := openHarbour()
	boats, err := h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}})
	fmt.Println(len(boats), err)
	_, err = h.Boats.CreateAll(ctx, []Boat{{Name: "Nautilus"}, {Name: "Argo"}})
	fmt.Println(err)
	fmt.Println(h.Boats.Count(ctx))
	// Output:
	// 2 <nil>
	// crm: create boat: record 1: conflict: name: another record has this value
	// 2 <nil>
}

func ExampleCollection_Get() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	boat, err := h.Boats.Get(ctx, argo.ID)
	fmt.Println(boat.Name, err)

	other := crm.As(ctx, crm.Actor{Tenant: "another", Member: "dana"})
	_, err = h.Boats.Get(other, argo.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// Argo <nil>
	// true
}

func ExampleCollection_Update() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	boat, err := h.Boats.Update(ctx, argo.ID, func(b *Boat) error {
		b.Berth = "A7"
		return nil
	})
	fmt.Println(boat.Berth, boat.Version, err)

	// A form that was filled in while somebody else saved:
	_, err = h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.Berth = "B1"; return nil }, crm.IfVersion(argo.Version))
	fmt.Println(errors.Is(err, crm.ErrConflict))
	// Output:
	// A7 2 <nil>
	// true
}

func ExampleKind_Do() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	// What a caller may not do, the module's own verb does.
	_, err := h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.State = "out"; return nil })
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	boat, err := h.Boats.Do(ctx, argo.ID, "left", func(b *Boat) error { b.State = "out"; return nil })
	fmt.Println(boat.State, err)
	history := must(h.Boats.History(ctx, argo.ID))
	fmt.Println(history.Items[0].Name)
	// Output:
	// true
	// out <nil>
	// boat.left
}

func ExampleCollection_Delete() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.Boats.Delete(ctx, argo.ID))
	_, err := h.Boats.Get(ctx, argo.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	boat := must(h.Boats.Get(ctx, argo.ID, crm.WithDeleted()))
	fmt.Println(boat.Deleted.Format(time.DateOnly))
	// Output:
	// <nil>
	// true
	// 2026-01-05
}

func ExampleCollection_Restore() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	_ = h.Boats.Delete(ctx, argo.ID)
	must(h.Boats.Create(ctx, Boat{Name: "Argo"})) // the name is free meanwhile
	_, err := h.Boats.Restore(ctx, argo.ID)
	fmt.Println(errors.Is(err, crm.ErrConflict))
	// Output:
	// true
}

func ExampleCollection_Purge() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.Boats.Purge(ctx, argo.ID))
	_, err := h.Boats.Get(ctx, argo.ID, crm.WithDeleted())
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleCollection_Upsert() {
	h, ctx := openHarbour()
	fromShop := Boat{Record: crm.Record{Refs: crm.Refs{"shop": "4711"}}, Name: "Argo", Berth: "A7"}
	for range 2 {
		_, outcome, err := h.Boats.Upsert(ctx, fromShop)
		fmt.Println(outcome, err)
	}
	boat, outcome, _ := h.Boats.Upsert(ctx, Boat{Name: "Argo", Worth: crm.EUR(1)}, "name")
	fmt.Println(outcome, boat.Berth, boat.Worth)
	// Output:
	// created <nil>
	// unchanged <nil>
	// updated A7 0.01 EUR
}

func ExampleCollection_List() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}, {Name: "Nautilus"}}))
	for cursor := ""; ; {
		page := must(h.Boats.List(ctx, crm.OrderBy("name"), crm.Limit(2), crm.After(cursor)))
		for _, b := range page.Items {
			fmt.Println(b.Name)
		}
		fmt.Println("next page:", page.Next != "")
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	// Output:
	// Argo
	// Nautilus
	// next page: true
	// Pequod
	// next page: false
}

func ExampleCollection_All() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Worth: crm.EUR(500)}, {Name: "Pequod", Worth: crm.USD(900)}, {Name: "Nautilus", Worth: crm.EUR(9)}}))
	for boat, err := range h.Boats.All(ctx, crm.Where("worth > $1", crm.EUR(10))) {
		fmt.Println(boat.Name, err) // Pequod's worth is in another currency, and no more and no less
	}
	// Output:
	// Argo <nil>
}

func ExampleCollection_Count() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Berth: "A1"}, {Name: "Pequod", Berth: "A2"}, {Name: "Nautilus", Berth: "B1"}}))
	fmt.Println(h.Boats.Count(ctx, crm.Where("berth startsWith 'A'")))
	// Output:
	// 2 <nil>
}

func ExampleCollection_Facets() {
	h, ctx := openHarbour()
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo", Berth: "A"}, {Name: "Pequod", Berth: "A"}, {Name: "Nautilus"}}))
	for _, f := range must(h.Boats.Facets(ctx, "berth")) {
		fmt.Println(f.Value, f.Count)
	}
	// Output:
	// A 2
	// <nil> 1
}

func ExampleCollection_History() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	h.Clock.Advance(time.Hour)
	must(h.Boats.Update(crm.Because(ctx, "repainted"), argo.ID, func(b *Boat) error { b.Name = "Argo II"; return nil }))
	for _, e := range must(h.Boats.History(ctx, argo.ID)).Items {
		fmt.Printf("%d %s %s %s %q\n", e.Version, e.Name, e.Actor, e.Happened.Format(time.TimeOnly), e.Cause)
		for _, c := range e.Changes {
			fmt.Printf("  %s: %s → %s\n", c.Field, c.Before, c.After)
		}
	}
	// Output:
	// 2 boat.updated member:dana 10:00:00 "repainted"
	//   name: "Argo" → "Argo II"
	// 1 boat.created member:dana 09:00:00 ""
	//   name: null → "Argo"
	//   state: null → "in"
}

func ExampleCollection_AsOf() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	h.Clock.Advance(48 * time.Hour)
	must(h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.Name = "Argo II"; return nil }))
	yesterday := must(h.Boats.AsOf(ctx, argo.ID, h.Clock.Now().Add(-24*time.Hour)))
	fmt.Println(yesterday.Name)
	// Output:
	// Argo
}

func ExampleAt() {
	h, ctx := openHarbour()
	launched := time.Date(1969, time.July, 20, 12, 0, 0, 0, time.UTC)
	argo := must(h.Boats.Create(crm.At(ctx, launched), Boat{Name: "Argo"}))
	fmt.Println(argo.Created.Year())
	// Output:
	// 1969
}

func ExampleCore_Tx() {
	h, ctx := openHarbour()
	err := h.Tx(ctx, func(ctx context.Context) error {
		must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
		must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))
		return errors.New("the whale")
	})
	fmt.Println(err)
	fmt.Println(h.Boats.Count(ctx))
	// Output:
	// crm: tx: the whale
	// 0 <nil>
}

func ExampleCore_Join() {
	h, ctx := openHarbour()
	if _, err := h.DB.ExecContext(ctx, "CREATE TABLE fee (boat TEXT, cents INTEGER)"); err != nil {
		log.Fatal(err)
	}
	must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))

	// The host's transaction: its row and the CRM's record, together or not at all.
	tx := must(h.DB.BeginTx(ctx, nil))
	joined := must(h.Join(ctx, tx))
	must(tx.ExecContext(ctx, "INSERT INTO fee VALUES ('Argo', 500)"))
	must(h.Boats.Create(joined, Boat{Name: "Argo"}))
	_ = tx.Rollback()

	var fees int
	_ = h.DB.QueryRowContext(ctx, "SELECT count(*) FROM fee").Scan(&fees)
	fmt.Println(fees)
	fmt.Println(h.Boats.Count(ctx))
	// Output:
	// 0
	// 1 <nil>
}

func ExampleTenants_Ensure() {
	h, ctx := openHarbour()
	fmt.Println(h.Tenants.Ensure(ctx, "acme"), h.Tenants.Ensure(ctx, "umbrella"))
	fmt.Println(h.Tenants.List(ctx, "", 10))
	// Output:
	// <nil> <nil>
	// [acme umbrella] <nil>
}

func ExampleCore_Check() {
	h, ctx := openHarbour()
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.Check(ctx))
	// Somebody reaches past the CRM:
	must(h.DB.ExecContext(ctx, "UPDATE crm_boat SET name = 'Ergo' WHERE id = ?", argo.ID[:]))
	for _, p := range must(h.Check(ctx)) {
		fmt.Println(p.What)
	}
	// Output:
	// [] <nil>
	// name_sort does not fit name
	// the words it is found by do not fit its fields: call Reindex
}

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
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
	// Output: position 7: boat , version 2: it is not as it was written
}

// A host keeps who saw whom. Package crm/privacy does so in the database.
func ExampleCore_WatchReads() {
	h, sailors, ctx := openCrew(func(h *Harbour) error {
		return h.WatchReads(func(_ context.Context, r crm.Reading) error {
			fmt.Println(r.Actor, r.How, len(r.Records), r.Object)
			return nil
		})
	})
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael"}))
	must(sailors.Create(ctx, Sailor{Name: "Queequeg"}))

	must(sailors.Get(ctx, ishmael.ID))
	must(sailors.List(ctx))
	must(sailors.Count(ctx)) // shows nobody
	must(h.ExportPerson(ctx, io.Discard, "sailor", ishmael.ID, crm.PersonJSON))
	// Output:
	// member:dana read 1 sailor
	// member:dana read 2 sailor
	// member:dana export 1 sailor
}

// Sailor is somebody: what is personal is gone when he is erased.
type Sailor struct {
	crm.Record

	Name  string `crm:"required,max=100,personal" json:"name"`
	Email string `crm:"personal,identity"         json:"email,omitempty"`
	Rank  string `crm:"max=20"                    json:"rank,omitempty"`
}

// openCrew is a harbour with sailors.
func openCrew(more ...func(*Harbour) error) (*Harbour, *crm.Kind[Sailor], context.Context) {
	var sailors *crm.Kind[Sailor]
	h, ctx := openHarbourWith(crm.Config{}, append(more, func(h *Harbour) (err error) {
		h.AddLine(storage.Line{Name: "crew", Needs: map[string]int{"crm": 1}, Files: fstest.MapFS{"sqlite/0001_sailor.sql": {Data: []byte(`
CREATE TABLE crm_sailor (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, email TEXT, rank TEXT,
	PRIMARY KEY (tenant, id)
);`)}}})
		sailors, err = crm.Define(h.Core, crm.Object[Sailor]{Name: "sailor"})
		return err
	})...)
	return h, sailors, ctx
}

func ExampleCore_ErasePerson() {
	h, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "ishmael@example.com", Rank: "mate"}))

	proof, err := h.ErasePerson(ctx, "sailor", ishmael.ID, "asked by mail on 5 January")
	fmt.Println(proof.State, proof.Records, proof.Events, proof.Keys, err)
	fmt.Println(must(sailors.Get(ctx, ishmael.ID)).Name, must(sailors.Get(ctx, ishmael.ID)).Rank)

	_, err = sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "Ishmael@Example.com"}) // an old list is imported
	fmt.Println(errors.Is(err, crm.ErrConflict))
	// Output:
	// done 1 1 1 <nil>
	// erased mate
	// true
}

func ExampleCollection_ErasePerson() {
	_, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "ishmael@example.com"}))
	must(sailors.ErasePerson(ctx, ishmael.ID, "asked by mail on 5 January"))

	history := must(sailors.History(ctx, ishmael.ID))
	for _, e := range history.Items {
		fmt.Println(e.Version, e.Name)
	}
	// Output:
	// 2 sailor.erased
	// 1 sailor.created
}

func ExampleTraces_In() {
	wanted := []string{"rank == 'mate'", "name == 'Ishmael'"} // what somebody typed, and a module kept
	_, sailors, ctx := openCrew(func(h *Harbour) error {
		return h.AddPersonalData(crm.PersonalData{Name: "wanted", Forget: func(_ context.Context, of crm.Traces) (int64, error) {
			before := len(wanted)
			wanted = slices.DeleteFunc(wanted, of.In)
			return int64(before - len(wanted)), nil
		}})
	})
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Rank: "mate"}))
	proof := must(sailors.ErasePerson(ctx, ishmael.ID, "asked by mail on 5 January"))
	fmt.Println(proof.Others, wanted)
	// Output: map[wanted:1] [rank == 'mate']
}

func ExampleReturned() {
	_, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "ishmael@example.com"}))
	must(sailors.ErasePerson(ctx, ishmael.ID, "asked by mail on 5 January"))

	again, err := sailors.Create(crm.Returned(ctx, "signed on at the quay"), Sailor{Name: "Ishmael", Email: "ishmael@example.com"})
	fmt.Println(again.Name, err)
	// Output: Ishmael <nil>
}

func ExampleErasedError_Error() {
	err := &crm.ErasedError{Field: "email", Erased: time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)}
	fmt.Println(err.Error())
	// Output: conflict: email: belongs to a person who was erased on 2026-01-05: leave the record out, or say by Returned why the person is recorded again
}

func ExampleErasedError_Is() {
	fmt.Println(errors.Is(&crm.ErasedError{Field: "email"}, crm.ErrConflict))
	// Output: true
}

func ExampleFieldChange_Erased() {
	_, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Rank: "mate"}))
	must(sailors.ErasePerson(ctx, ishmael.ID, "asked by mail on 5 January"))

	created := must(sailors.History(ctx, ishmael.ID)).Items[1]
	for _, c := range created.Changes {
		fmt.Println(c.Field, c.Erased())
	}
	// Output:
	// name true
	// rank false
}

func ExampleCore_ExportPerson() {
	h, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "ishmael@example.com"}))

	var page strings.Builder
	done, err := h.ExportPerson(ctx, &page, "sailor", ishmael.ID, crm.PersonHTML)
	fmt.Println(done.Records, done.Events, strings.Contains(page.String(), "ishmael@example.com"), err)
	// Output: 1 1 true <nil>
}

func ExampleCollection_ExportPerson() {
	_, sailors, ctx := openCrew()
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael"}))

	var out strings.Builder
	done, err := sailors.ExportPerson(ctx, &out, ishmael.ID, crm.PersonJSON)
	fmt.Println(done.Records, strings.Contains(out.String(), `"name":"Ishmael"`), err)
	// Output: 1 true <nil>
}

// A module that keeps something besides records says so.
func ExampleCore_AddPersonalData() {
	photos := map[crm.ID]string{}
	_, sailors, ctx := openCrew(func(h *Harbour) error {
		return h.AddPersonalData(crm.PersonalData{
			Name: "photos",
			Export: func(_ context.Context, _ string, id crm.ID, yield func(any) error) error {
				if name, ok := photos[id]; ok {
					return yield(map[string]string{"name": name})
				}
				return nil
			},
			Erase: func(_ context.Context, _ string, id crm.ID) (int64, error) {
				n := len(photos)
				delete(photos, id)
				return int64(n - len(photos)), nil
			},
		})
	})
	ishmael := must(sailors.Create(ctx, Sailor{Name: "Ishmael"}))
	photos[ishmael.ID] = "beard.png"
	proof := must(sailors.ErasePerson(ctx, ishmael.ID, "asked by mail on 5 January"))
	fmt.Println(proof.Others, len(photos))
	// Output: map[photos:1] 0
}

func ExampleRetentions_Preview() {
	h, sailors, ctx := openCrew()
	must(sailors.Create(ctx, Sailor{Name: "Ishmael", Rank: "mate"}))
	must(h.Retentions.Create(ctx, crm.Retention{
		Name: "Who left the sea", Object: "sailor", Where: "rank != 'captain'", After: "3y", Action: crm.RetentionErase,
	}))
	h.Clock.Advance(4 * 366 * 24 * time.Hour)

	would, err := h.Retentions.Preview(crm.System(ctx, "acme"))
	fmt.Println(would[0].Rule, would[0].Matched, would[0].Done, err)
	// Output: Who left the sea 1 0 <nil>
}

func ExampleRetentions_Apply() {
	h, sailors, ctx := openCrew()
	must(sailors.Create(ctx, Sailor{Name: "Ishmael"}))
	must(h.Retentions.Create(ctx, crm.Retention{Name: "Crew", Object: "sailor", After: "3y", Action: crm.RetentionErase}))
	h.Clock.Advance(4 * 366 * 24 * time.Hour)

	done, err := h.Retentions.Apply(crm.System(ctx, "acme")) // as the job does each night
	fmt.Println(done[0].Done, err)
	// Output: 1 <nil>
}

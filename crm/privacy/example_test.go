package privacy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// client is a host's kind of record.
type client struct {
	crm.Record

	Name  string `crm:"required,max=200,personal" json:"name"`
	Email string `crm:"max=200,personal"          json:"email,omitempty"`
	Quiet bool   `json:"quiet"`
}

// office is a host that answers its clients.
type office struct {
	*privacy.Privacy

	core    *crm.Core
	clients *crm.Kind[client]
	clock   *crmtest.Clock
}

// quiet says whether a client is written to.
func (o *office) quiet(is bool) func(context.Context, crm.ID, string) (string, error) {
	return func(ctx context.Context, id crm.ID, _ string) (string, error) {
		kept, err := o.clients.Update(ctx, id, func(c *client) error { c.Quiet = is; return nil })
		return fmt.Sprint("version ", kept.Version), err
	}
}

// openOffice returns an office, a context of kim's, and ada.
func openOffice() (*office, context.Context, client) {
	o := &office{clock: &crmtest.Clock{}}
	o.core = sure(crm.New(sure(sqlite.Open("sqlite", ":memory:")), crm.Config{Clock: o.clock}))
	o.clients = sure(crm.Define(o.core, crm.Object[client]{Name: "client"}))
	o.core.AddLine(storage.Line{Name: "office", Files: fstest.MapFS{"sqlite/0001_client.sql": {Data: []byte(`
CREATE TABLE crm_client (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, email TEXT, quiet INTEGER NOT NULL, PRIMARY KEY (tenant, id)
);`)}}})
	o.Privacy = sure(privacy.New(o.core))
	o.Acts("client", privacy.Acts{
		Restrict: o.quiet(true), Lift: o.quiet(false), Object: o.quiet(true),
		Addresses: func(ctx context.Context, id crm.ID) ([]crm.Address, error) {
			c, err := o.clients.Get(ctx, id)
			return []crm.Address{{Kind: crm.AddressEmail, Value: c.Email}}, err
		},
	})
	o.SetPolicy(func(string) privacy.Policy {
		return privacy.Policy{Log: []string{"client"}, Keep: 365 * 24 * time.Hour, Export: privacy.ExportRule{Max: 1}}
	})
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "kim"})
	if err := o.core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return o, ctx, sure(o.clients.Create(ctx, client{Name: "Ada", Email: "ada@example.com"}))
}

// verified is a request of a client of whom it is known that he asks.
func (o *office) verified(ctx context.Context, kind privacy.Kind, c client) privacy.Request {
	q := sure(o.Requests.Open(ctx, privacy.Request{Kind: kind, Object: "client", RecordID: c.ID}))
	return sure(o.Requests.Verify(ctx, q.ID, "showed her passport"))
}

func sure[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A host's kind of record is admitted, and what is done for a person is said.
func ExampleNew() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "client", RecordID: ada.ID}))
	fmt.Println(q.State, q.Due)
	// Output: open 2026-02-05
}

func ExamplePrivacy_Acts() {
	o, ctx, _ := openOffice()
	_, err := o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "role", RecordID: crm.ID{1}})
	fmt.Println(err)
	// Output: crm: create data_request: invalid: object: there are no requests about records of the kind "role": Privacy.Acts admits some
}

// A law says by when a request is answered.
func ExamplePrivacy_SetPolicy() {
	o, ctx, ada := openOffice()
	gdpr := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "client", RecordID: ada.ID}))
	pipl := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "client", RecordID: ada.ID, Law: privacy.PIPL}))
	fmt.Println(gdpr.Due, pipl.Due)
	// Output: 2026-02-05 2026-02-04
}

// A letter of somebody who is not known yet.
func ExampleRequests_Open() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Erase, Contact: "ada@example.com", Text: "Forget me."}))
	_, err := o.Requests.Verify(ctx, q.ID, "showed her passport")
	fmt.Println(errors.Is(err, privacy.ErrUnknown))
	q = sure(o.Requests.Update(ctx, q.ID, func(q *privacy.Request) error { q.Object, q.RecordID = "client", ada.ID; return nil }))
	fmt.Println(sure(o.Requests.Verify(ctx, q.ID, "showed her passport")).State)
	// Output:
	// true
	// verified
}

func ExampleRequests_Of() {
	o, ctx, ada := openOffice()
	twin := sure(o.clients.Create(ctx, client{Name: "A. Lovelace"}))
	o.verified(ctx, privacy.Access, twin)
	if _, _, err := o.clients.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(sure(o.Requests.Of(ctx, "client", ada.ID)).Items))
	// Output: 1
}

func ExampleRequests_Verify() {
	o, ctx, ada := openOffice()
	q := o.verified(ctx, privacy.Access, ada)
	fmt.Println(q.CheckedBy, q.CheckedHow)
	// Output: member:kim showed her passport
}

// Who reads at her address is she.
func ExampleRequests_Token() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "client", RecordID: ada.ID}))
	c := sure(o.Requests.Token(ctx, q.ID, crm.Address{Kind: crm.AddressEmail, Value: "ada@example.com"}))
	fmt.Println(c.Address.Value, c.Expires.Sub(o.clock.Now()))
	_, err := o.Requests.Token(ctx, q.ID, crm.Address{Kind: crm.AddressEmail, Value: "eve@example.com"})
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// ada@example.com 168h0m0s
	// true
}

func ExampleRequests_Confirm() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "client", RecordID: ada.ID}))
	c := sure(o.Requests.Token(ctx, q.ID, crm.Address{Kind: crm.AddressEmail, Value: "ada@example.com"}))
	fmt.Println(sure(o.Requests.Confirm(context.Background(), c.Token)).CheckedBy)
	_, err := o.Requests.Confirm(context.Background(), c.Token)
	fmt.Println(errors.Is(err, privacy.ErrVerified))
	// Output:
	// token
	// true
}

func ExampleRequests_Access() {
	o, ctx, ada := openOffice()
	var file bytes.Buffer
	q := sure(o.Requests.Access(ctx, o.verified(ctx, privacy.Access, ada).ID, &file, crm.PersonJSON))
	fmt.Println(q.State, strings.Contains(file.String(), "ada@example.com"), strings.Contains(q.Proof, fmt.Sprint(file.Len(), " bytes, sha256 ")))
	// Output: done true true
}

func ExampleRequests_Correct() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Correct(ctx, o.verified(ctx, privacy.Correct, ada).ID, func(v crm.Values) error { v["name"] = "Ada King"; return nil }))
	told := sure(o.clients.History(ctx, ada.ID, crm.Limit(1))).Items[0]
	fmt.Println(q.Proof == fmt.Sprint("client ", ada.ID, " version 2"), told.Cause == fmt.Sprint("data request ", q.ID))
	// Output: true true
}

func ExampleRequests_Erase() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Erase(ctx, o.verified(ctx, privacy.Erase, ada).ID))
	fmt.Println(sure(o.clients.Get(ctx, ada.ID)).Name, q.State, q.CheckedHow == "", strings.HasPrefix(q.Proof, "erasure "))
	// Output: erased done true true
}

func ExampleRequests_Restrict() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Restrict(ctx, o.verified(ctx, privacy.Restrict, ada).ID))
	fmt.Println(q.Proof, sure(o.clients.Get(ctx, ada.ID)).Quiet)
	// Output: version 2 true
}

func ExampleRequests_Lift() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Restrict(ctx, o.verified(ctx, privacy.Restrict, ada).ID))
	q = sure(o.Requests.Lift(ctx, q.ID, "the dispute is settled"))
	fmt.Println(q.LiftedFor, sure(o.clients.Get(ctx, ada.ID)).Quiet)
	// Output: the dispute is settled false
}

func ExampleRequests_Object() {
	o, ctx, ada := openOffice()
	q := sure(o.Requests.Object(ctx, o.verified(ctx, privacy.Object, ada).ID))
	fmt.Println(q.State, sure(o.clients.Get(ctx, ada.ID)).Quiet)
	// Output: done true
}

func ExampleRequests_Extend() {
	o, ctx, ada := openOffice()
	n := sure(o.Requests.Extend(ctx, o.verified(ctx, privacy.Access, ada).ID, "there are very many files"))
	fmt.Println("told by", n.By, "and answered by", n.Request.Due)
	// Output: told by 2026-02-05 and answered by 2026-04-05
}

func ExampleRequests_Refuse() {
	o, ctx, ada := openOffice()
	n := sure(o.Requests.Refuse(ctx, o.verified(ctx, privacy.Erase, ada).ID, "invoices are kept for ten years"))
	fmt.Println(n.Request.State, n.Reason, n.Complaint)
	// Output: refused invoices are kept for ten years true
}

func ExamplePrivacy_Readings() {
	o, ctx, ada := openOffice()
	sure(o.clients.Get(ctx, ada.ID))
	for _, r := range sure(o.Readings(ctx, "client", ada.ID)).Items {
		fmt.Println(r.Actor, r.How)
	}
	// Output: member:kim read
}

func ExamplePrivacy_ReadingsBy() {
	o, ctx, ada := openOffice()
	sure(o.clients.Get(ctx, ada.ID))
	page := sure(o.ReadingsBy(ctx, "member:kim", o.clock.Now().Add(-time.Hour), o.clock.Now().Add(time.Hour)))
	fmt.Println(len(page.Items), page.Items[0].RecordID == ada.ID)
	// Output: 1 true
}

func ExamplePrivacy_Upkeep() {
	o, ctx, ada := openOffice()
	sure(o.clients.Get(ctx, ada.ID))
	o.clock.Advance(366 * 24 * time.Hour)
	err := o.Upkeep(crm.System(ctx, "acme"))
	fmt.Println(len(sure(o.Readings(ctx, "client", ada.ID)).Items), err)
	// Output: 0 <nil>
}

// More is exported than is allowed on a day.
func ExampleAlarms() {
	o, ctx, _ := openOffice()
	sure(o.clients.Create(ctx, client{Name: "Bob"}))
	for _, err := range sure(o.core.Records("client")).Export(ctx) {
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, a := range sure(o.Alarms.List(ctx)).Items {
		fmt.Println(a.Actor, a.Object, a.Exported, a.Allowed, a.Day)
	}
	// Output: member:kim client 2 1 2026-01-05
}

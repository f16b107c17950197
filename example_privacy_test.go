package embedcrm_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// The code of docs/privacy.md.
func Example_privacy() {
	clock := &crmtest.Clock{}
	app := must(embedcrm.New(must(sqlite.Open("sqlite", ":memory:")), crm.Config{Clock: clock}))
	_ = app.On("data_request.due_soon", "mail", func(ctx context.Context, e crm.Event) error {
		q, err := app.Privacy.Requests.Get(ctx, e.Record)
		if err == nil {
			fmt.Println("a request for", q.Kind, "is to be answered by", q.Due)
		}
		return err
	})
	_ = app.On("export_alarm.created", "alarm", func(ctx context.Context, e crm.Event) error {
		a, err := app.Privacy.Alarms.Get(ctx, e.Record)
		if err == nil {
			fmt.Println(a.Actor, "exported", a.Exported, a.Object, "records, and", a.Allowed, "are allowed")
		}
		return err
	})
	app.Privacy.SetPolicy(func(string) privacy.Policy {
		return privacy.Policy{
			Log: []string{"customer"}, Keep: 365 * 24 * time.Hour,
			Export: privacy.ExportRule{Max: 5000, Times: 10, Floor: 1},
		}
	})
	must(0, app.Migrate(context.Background()))
	tenant := crm.System(context.Background(), "acme")
	must(app.Members.Ensure(tenant, "kim", "Kim"))
	ada := must(app.Customers.Create(tenant, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"}))
	ctx, file := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "kim"}), io.Discard
	email, passed := crm.Address{Kind: crm.AddressEmail, Value: "ada@example.com"}, 24*24*time.Hour

	asked := must(app.Privacy.Requests.Open(ctx, privacy.Request{
		Kind: privacy.Access, Object: "customer", RecordID: ada.ID, Contact: "ada@example.com", Text: "What do you know about me?",
	}))
	question := must(app.Privacy.Requests.Token(ctx, asked.ID, email))                         // which the host sends to question.Address
	must(app.Privacy.Requests.Confirm(context.Background(), question.Token))                   // for a press of a button on the page of the link
	done := must(app.Privacy.Requests.Access(ctx, asked.ID, file, crm.PersonHTML))             // all that is known of her
	fmt.Println(asked.Due, done.State, done.CheckedBy, strings.Contains(done.Proof, "sha256")) // asked.Due is 2026-02-05

	stop := must(app.Privacy.Requests.Open(ctx, privacy.Request{Kind: privacy.Restrict, Object: "customer", RecordID: ada.ID}))
	must(app.Privacy.Requests.Verify(ctx, stop.ID, "showed her passport"))
	must(app.Privacy.Requests.Restrict(ctx, stop.ID)) // she is read, and neither contacted nor scored
	must(app.Privacy.Requests.Lift(ctx, stop.ID, "her address was put right"))

	late := must(app.Privacy.Requests.Open(ctx, privacy.Request{Kind: privacy.Erase, Contact: "a letter without a name"}))
	clock.Advance(passed)
	must(0, app.RunDue(context.Background()))
	told := must(app.Privacy.Requests.Refuse(ctx, late.ID, "nobody can tell who wrote it"))
	fmt.Println(told.By, told.Complaint) // told.By is the day by which she is told why, and that she may complain

	must(app.Customers.Get(ctx, ada.ID))
	who := must(app.Privacy.Readings(tenant, "customer", ada.ID)) // the latest first
	fmt.Println(who.Items[0].Actor, who.Items[0].How)
	// Output:
	// 2026-02-05 done token true
	// a request for erase is to be answered by 2026-02-05
	// 2026-02-05 true
	// member:kim read
}

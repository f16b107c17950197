package activity_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// office is a host with one kind of record of its own.
type office struct {
	*activity.Activity

	core     *crm.Core
	accounts *crm.Collection[account]
	clock    *crmtest.Clock
	ada      account
	lee      crm.Member
}

// openOffice returns an office, and a context of dana's, who works there.
func openOffice() (*office, context.Context) {
	o := &office{clock: &crmtest.Clock{}}
	store := need(sqlite.Open("sqlite", ":memory:"))
	o.core = need(crm.New(store, crm.Config{Clock: o.clock, Blobs: blobs{}}))
	o.accounts = &need(crm.Define(o.core, crm.Object[account]{Name: "account"})).Collection
	o.core.AddLine(storage.Line{Name: "office", Files: fstest.MapFS{"sqlite/0001_account.sql": {Data: []byte(`
CREATE TABLE crm_account (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, PRIMARY KEY (tenant, id)
);`)}}})
	o.Activity = need(activity.New(o.core))
	ctx := context.Background()
	if err := o.core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	o.ada = need(o.accounts.Create(ctx, account{Name: "Lovelace & Co"}))
	o.lee = need(o.core.Members.Ensure(ctx, "lee", "Lee"))
	return o, ctx
}

// blobs are files in memory: a host has a [activity.Directory] or a bucket of its own.
type blobs map[string]string

func (b blobs) Put(_ context.Context, key string, r io.Reader) error {
	contents, err := io.ReadAll(r)
	if err == nil {
		b[key] = string(contents)
	}
	return err
}

func (b blobs) Get(_ context.Context, key string) (io.ReadCloser, error) {
	contents, ok := b[key]
	if !ok {
		return nil, crm.ErrNoBlob
	}
	return io.NopCloser(strings.NewReader(contents)), nil
}

func (b blobs) Delete(_ context.Context, key string) error {
	delete(b, key)
	return nil
}

func (b blobs) List(_ context.Context, prefix string, fn func(key string) error) error {
	for key := range b {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := fn(key); err != nil {
			return err
		}
	}
	return nil
}

func need[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func ExampleNew() {
	o, ctx := openOffice()
	note := need(o.Notes.Create(ctx, activity.Note{Object: "account", RecordID: o.ada.ID, Text: "met at the fair"}))
	fmt.Println(note.Text)
	// Output: met at the fair
}

func ExampleInteractions_Capture() {
	o, ctx := openOffice()
	mail := activity.Interaction{
		Object: "account", RecordID: o.ada.ID, Kind: activity.Mail, Direction: activity.In,
		Title: "Your offer", Channel: "sales@acme.com", MessageID: "<1@lovelace.example>",
	}
	for range 2 { // the mailbox is read again
		_, added, err := o.Interactions.Capture(ctx, mail)
		fmt.Println(added, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleFollows_Add() {
	o, ctx := openOffice()
	fmt.Println(o.Follows.Add(ctx, "account", o.ada.ID, o.lee.ID))
	page := need(o.Follows.Of(ctx, "account", o.ada.ID))
	fmt.Println(len(page.Items), page.Items[0].MemberID == o.lee.ID)
	// Output:
	// <nil>
	// 1 true
}

func ExampleFollows_Of() {
	o, ctx := openOffice()
	page := need(o.Follows.Of(ctx, "account", o.ada.ID))
	fmt.Println(len(page.Items))
	// Output: 0
}

func ExampleFollows_Remove() {
	o, ctx := openOffice()
	fmt.Println(o.Follows.Remove(ctx, "account", o.ada.ID, o.lee.ID))
	// Output: <nil>
}

func ExampleMentions() {
	o, ctx := openOffice()
	need(o.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: o.ada.ID, Text: "@lee, what do you say?"}))
	page := need(o.Mentions.List(ctx, crm.Where("member_id == $1", o.lee.ID)))
	fmt.Println(len(page.Items), page.Items[0].Source)
	// Output: 1 comment
}

func ExampleTasks_Complete() {
	o, ctx := openOffice()
	task := need(o.Tasks.Create(ctx, activity.Task{
		Object: "account", RecordID: o.ada.ID, Title: "Weekly call",
		DueOn: need(crm.ParseDate("2026-01-05")), Repeat: "FREQ=WEEKLY",
	}))
	task = need(o.Tasks.Complete(ctx, task.ID))
	fmt.Println(task.Title, "done", task.Done.Format(time.DateOnly))
	for next, err := range o.Tasks.All(ctx, crm.Where("done == nil")) {
		fmt.Println(next.Title, "due", next.DueOn, err)
	}
	// Output:
	// Weekly call done 2026-01-05
	// Weekly call due 2026-01-12 <nil>
}

func ExampleTasks_Reopen() {
	o, ctx := openOffice()
	task := need(o.Tasks.Create(ctx, activity.Task{Title: "Call the bank"}))
	task = need(o.Tasks.Complete(ctx, task.ID))
	task = need(o.Tasks.Reopen(ctx, task.ID))
	fmt.Println(task.Done.IsZero())
	// Output: true
}

func ExampleRepeats() {
	start := time.Date(2026, time.January, 1, 9, 0, 0, 0, time.UTC)
	for _, t := range need(activity.Repeats("FREQ=MONTHLY;BYDAY=-1FR", start, start, 3)) {
		fmt.Println(t.Format(time.DateOnly))
	}
	// Output:
	// 2026-01-30
	// 2026-02-27
	// 2026-03-27
}

func ExampleFiles_Add() {
	o, ctx := openOffice()
	offer := activity.File{Object: "account", RecordID: o.ada.ID, Name: "offer.txt", MediaType: "text/plain"}
	offer = need(o.Files.Add(ctx, offer, strings.NewReader("12,000 euros")))
	fmt.Println(offer.Name, offer.Size, offer.SHA256[:8])
	// Output: offer.txt 12 43a239da
}

func ExampleFiles_Open() {
	o, ctx := openOffice()
	offer := activity.File{Object: "account", RecordID: o.ada.ID, Name: "offer.txt", MediaType: "text/plain"}
	offer = need(o.Files.Add(ctx, offer, strings.NewReader("12,000 euros")))
	_, contents, err := o.Files.Open(ctx, offer.ID)
	if err != nil {
		log.Fatal(err)
	}
	defer contents.Close() //nolint:errcheck // it is read
	fmt.Println(string(need(io.ReadAll(contents))))
	// Output: 12,000 euros
}

func ExampleFiles_Sweep() {
	o, ctx := openOffice()
	fmt.Println(o.Files.Sweep(ctx)) // it runs by itself, as a job
	// Output: <nil>
}

func ExampleNewDirectory() {
	path := need(os.MkdirTemp("", "embedcrm"))
	defer os.RemoveAll(path) //nolint:errcheck // a temporary directory
	dir := need(activity.NewDirectory(path))
	defer dir.Close() //nolint:errcheck // nothing is left to write
	ctx := context.Background()
	fmt.Println(dir.Put(ctx, "a/b", strings.NewReader("contents")))
	fmt.Println(dir.List(ctx, "", func(key string) error { fmt.Println(key); return nil }))
	// Output:
	// <nil>
	// a/b
	// <nil>
}

package embedcrm_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/sales"
)

// table is a table of a former CRM.
func table(object, text string) transfer.Table {
	return transfer.Table{Plan: transfer.Plan{Object: object}, Open: export(text)}
}

// namesOf are the names of the tables of a migration, in the order in which they came in.
func namesOf(report transfer.MigrationReport) (names []string) {
	for _, t := range report.Tables {
		names = append(names, t.Name)
	}
	return names
}

// notesOn are the texts of all notes, with the kind and the name of what they hang on.
func notesOn(ctx context.Context, t *testing.T, app *embedcrmtest.App) map[string]string {
	t.Helper()
	on := map[string]string{}
	for n, err := range app.Activity.Notes.All(ctx) {
		require.NoError(t, err)
		records, err := app.Core.Records(n.Object)
		require.NoError(t, err)
		v, err := records.Get(ctx, n.RecordID)
		require.NoError(t, err)
		name, _ := v["name"].(string)
		on[n.Text] = n.Object + " " + name
	}
	return on
}

func dana(t *testing.T) context.Context {
	t.Helper()
	return crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
}

const (
	formerNotes = "Id,ParentId,Body,CreatedDate\nN1,001,on an account,2020-01-02\nN2,003,on a contact,2020-01-03\nN3,006,on a deal,2020-01-04\n"
	formerTasks = "Id,WhoId,WhatId,Subject,ActivityDate\nT1,003,006,on a deal,2030-01-02\nT2,003,,on a contact,\nT3,,,on nothing,\n"
)

func TestWhatHangsOnRecordsOfAFormerCRM(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := dana(t)
		former := func(notes string) transfer.Migration {
			contacts, accounts := table("customer", contacts), table("customer", accounts)
			contacts.Name, accounts.Name = "contacts", "accounts"
			return transfer.Migration{System: "salesforce", Currency: "EUR", Owners: map[string]string{"005": "dana"}, Tables: []transfer.Table{
				table("note", notes), table("task", formerTasks), table("deal", opportunities), contacts, accounts,
			}}
		}
		report := brought(t, app, former(formerNotes))
		require.Equal(t, []string{"accounts", "contacts"}, namesOf(report)[:2])
		require.ElementsMatch(t, []string{"note", "task"}, namesOf(report)[3:], "what hangs on others comes behind all that it may hang on")
		require.Equal(t, map[string]string{"on an account": "customer Analytical Engines", "on a contact": "customer Ada Lovelace", "on a deal": "deal Engine"}, notesOn(ctx, t, app))
		tasks := map[string]string{}
		for task, err := range app.Activity.Tasks.All(ctx) {
			require.NoError(t, err)
			tasks[task.Title] = task.Object
		}
		require.Equal(t, map[string]string{"on a deal": "deal", "on a contact": "customer", "on nothing": ""}, tasks)

		report, err := app.Transfer.Migrate(ctx, former(formerNotes+"N4,00X,on nobody,2020-01-05\n"), transfer.Options{})
		require.NoError(t, err)
		notes := report.Tables[3]
		if notes.Name != "note" {
			notes = report.Tables[4]
		}
		require.Equal(t, []transfer.RowFault{{Line: 5, Reason: `record_id: no record has the key "00X"`}}, notes.Report.Faults)
		require.False(t, report.Reconciliation.Agrees())
		for _, o := range report.Reconciliation.Objects {
			if o.Object == "note" {
				require.Equal(t, []transfer.Orphan{{Table: "note", Column: "ParentId", Rows: 1, Examples: []string{"00X"}}}, o.Orphans)
				require.Equal(t, []transfer.MissingKey{{Key: "N4", Reason: `record_id: no record has the key "00X"`}}, o.MissingKeys)
			}
		}
	})
}

// carried imports a text, and returns what became of it.
func carried(ctx context.Context, t *testing.T, app *embedcrmtest.App, text string, p transfer.Plan) transfer.Report {
	t.Helper()
	src, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	require.NoError(t, err)
	p, rows, err := app.Transfer.Plan(ctx, src, p)
	require.NoError(t, err)
	report, err := app.Transfer.Import(ctx, rows, p, transfer.Options{})
	require.NoError(t, err)
	return report
}

// reasonsOf are the reasons of faults.
func reasonsOf(r transfer.Report) (reasons []string) {
	for _, f := range r.Faults {
		reasons = append(reasons, f.Reason)
	}
	return reasons
}

func TestAKeyThatRecordsOfTwoKindsHave(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := dana(t)
		one := crm.Record{Refs: crm.Refs{"hubspot": "1"}}
		ada, err := app.Customers.Create(ctx, customers.Customer{Record: one, Kind: customers.Person, Name: "Ada"})
		require.NoError(t, err)
		_, err = app.Sales.Deals.Create(ctx, sales.Deal{Record: one, Name: "Engine"})
		require.NoError(t, err)
		report := carried(ctx, t, app, "Note ID,ParentId,Text\n11,1,which?\n12,"+ada.ID.String()+",by our id\n", transfer.Plan{Object: "note", System: "hubspot"})
		require.Equal(t, []string{
			`record_id: records of several kinds have the key "1": customer, deal: say which is meant by a column that goes into object, or by its value in the plan's Set`,
		}, reasonsOf(report))
		require.Equal(t, map[string]string{"by our id": "customer Ada"}, notesOn(ctx, t, app))
		for text, p := range map[string]transfer.Plan{
			"Note ID,ParentId,Text\n21,1,as the plan says\n":                       {Set: map[string]string{"object": "deal"}},
			"Note ID,ParentId,Parent Type,Text\n22,1,Contact,as the column says\n": {},
			"Record ID,Associated Deal IDs,Text\n23,1,as the heading says\n":       {},
			"Note ID,Record,Parent Type,Text\n24,ada,Customers,by name\n":          {Columns: []transfer.Column{{Heading: "Record", Field: "record_id"}}},
		} {
			p.Object, p.System = "note", "hubspot"
			require.Empty(t, reasonsOf(carried(ctx, t, app, text, p)))
		}
		require.Equal(t, map[string]string{
			"by our id": "customer Ada", "as the plan says": "deal Engine", "as the column says": "customer Ada", "as the heading says": "deal Engine", "by name": "customer Ada",
		}, notesOn(ctx, t, app))
		report = carried(ctx, t, app, "Record ID,Associated Contact IDs,Text\n27,1;2,of several\n", transfer.Plan{Object: "note", System: "hubspot"})
		require.Equal(t, []string{"record_id: names several records, of which it is the first"}, reasonsOf(report))
		require.EqualValues(t, 1, report.Created)
		report = carried(ctx, t, app, "Note ID,ParentId,Parent Type,Text\n25,1,Case,a\n26,2,Deal,b\n", transfer.Plan{Object: "note", System: "hubspot", KeepOrphans: true})
		require.Len(t, report.Faults, 2)
		require.Contains(t, report.Faults[0].Reason, `object: "Case" is no kind of record on which others hang: it is one of customer, `)
		require.Equal(t, `record_id: no deal is called "2"`, report.Faults[1].Reason, "a required one fails the row")
		kept := carried(ctx, t, app, "Task ID,ParentId,Parent Type,Title\n25,2,Deal,call\n", transfer.Plan{Object: "task", System: "hubspot", KeepOrphans: true})
		require.Equal(t, []string{`record_id: is left out, since no deal is called "2"`}, reasonsOf(kept))
		require.EqualValues(t, 1, kept.Created)
	})
}

// TestACircleByWhatHangs brings in tasks of customers that each name their next task.
func TestACircleByWhatHangs(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := dana(t)
		_, err := app.Fields.Create(crm.System(t.Context(), "acme"), crm.CustomField{Object: "customer", Name: "next_task", Type: crm.FieldReference, To: "task", Labels: map[string]string{"en": "Next task"}})
		require.NoError(t, err)
		tasks := table("task", "Id,WhatId,Subject\nT1,A1,call\n")
		tasks.Plan.Set = map[string]string{"object": "customer"}
		report := brought(t, app, transfer.Migration{System: "erp", Tables: []transfer.Table{tasks, table("customer", "Id,Name,Next task\nA1,Acme Inc,T1\n")}})
		require.Len(t, append(report.Tables[0].Deferred, report.Tables[1].Deferred...), len(report.Tables[0].Deferred), "the first comes back to what it refers to")
		for task, err := range app.Activity.Tasks.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, "customer", task.Object)
			acme, err := app.Customers.Get(ctx, task.RecordID)
			require.NoError(t, err)
			require.Equal(t, task.ID, acme.Custom["next_task"])
		}
	})
}

func TestNotesThatAreExportedImportBack(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		from, to := crm.System(t.Context(), "from"), crm.System(t.Context(), "to")
		ada, err := app.Customers.Create(from, customers.Customer{Kind: customers.Person, Name: "Ada"})
		require.NoError(t, err)
		want, err := app.Activity.Notes.Create(from, activity.Note{Object: "customer", RecordID: ada.ID, Text: "=about her"})
		require.NoError(t, err)
		task, err := app.Activity.Tasks.Create(from, activity.Task{Title: "on nothing"})
		require.NoError(t, err)
		for _, object := range []string{"customer", "note", "task"} {
			var b bytes.Buffer
			sink, err := transfer.WriteCSV(&b, 0)
			require.NoError(t, err)
			_, err = app.Transfer.Export(from, object, nil, sink)
			require.NoError(t, err)
			report := carried(to, t, app, b.String(), transfer.Plan{Object: object})
			require.EqualValues(t, 1, report.Created, "%+v", report)
		}
		got, err := app.Activity.Notes.Get(to, want.ID)
		require.NoError(t, err)
		want.Updated = got.Updated
		require.Equal(t, want, got)
		same, err := app.Activity.Tasks.Get(to, task.ID)
		require.NoError(t, err)
		require.Empty(t, same.Object)
	})
}

// TestWhatOneMayNotReadIsNoSubject imports a note by somebody who reads no deals.
func TestWhatOneMayNotReadIsNoSubject(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		system := crm.System(t.Context(), "acme")
		key := func(n string) crm.Record { return crm.Record{Refs: crm.Refs{"erp": n}} }
		_, err := app.Sales.Deals.Create(system, sales.Deal{Record: key("1"), Name: "Secret"})
		require.NoError(t, err)
		for n, name := range map[string]string{"1": "Ada", "2": "Mary"} {
			_, err = app.Customers.Create(system, customers.Customer{Record: key(n), Kind: customers.Person, Name: name})
			require.NoError(t, err)
		}
		_, err = app.Sales.Deals.Create(system, sales.Deal{Record: key("3"), Name: "Hidden"})
		require.NoError(t, err)
		role, err := app.Roles.Create(system, crm.Role{Name: "clerk", Grants: slices.Concat(
			crm.Allow("customer", crm.LevelAll, crm.VerbRead, crm.VerbImport), crm.Allow("note", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbImport),
			crm.Allow("import", crm.LevelAll, crm.VerbRead, crm.VerbCreate),
		)})
		require.NoError(t, err)
		_, err = app.Members.Create(system, crm.Member{Key: "carl", Name: "Carl", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		carl := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "carl"})
		report := carried(carl, t, app, "Note ID,ParentId,Text\n1,1,her alone\n2,3,of nobody\n", transfer.Plan{Object: "note", System: "erp"})
		require.Equal(t, []string{`record_id: no record has the key "3"`}, reasonsOf(report), "as if it were not there")
		require.Equal(t, map[string]string{"her alone": "customer Ada"}, notesOn(carl, t, app))
		problem := carried(carl, t, app, "Note ID,ParentId,Text\n3,1,about a deal\n", transfer.Plan{Object: "note", System: "erp", Set: map[string]string{"object": "deal"}})
		require.Equal(t, []string{`record_id: no deal is called "1"`}, reasonsOf(problem))
	})
}

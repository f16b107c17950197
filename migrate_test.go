package embedcrm_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

// file opens a table of the directory EMBEDCRM_TEST_DATA names.
func file(t *testing.T, name ...string) func() (transfer.Source, error) {
	t.Helper()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	path := filepath.Join(append([]string{dir}, name...)...)
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with " + filepath.Join(name...))
	}
	return func() (transfer.Source, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		src, err := transfer.ReadCSV(f, transfer.CSVOptions{})
		return struct {
			transfer.Source
			*os.File
		}{src, f}, err
	}
}

// with adds a column to a table, made of the others of a row.
func with(open func() (transfer.Source, error), heading string, cell func(map[string]string) string) func() (transfer.Source, error) {
	return func() (transfer.Source, error) {
		src, err := open()
		return &widened{src, heading, cell}, err
	}
}

type widened struct {
	transfer.Source

	heading string
	cell    func(map[string]string) string
}

func (w *widened) Headings() []string { return append(slices.Clone(w.Source.Headings()), w.heading) }

func (w *widened) Next() (transfer.Row, error) {
	row, err := w.Source.Next()
	if err == nil && row.Fault == "" {
		cells := map[string]string{}
		for i, h := range w.Source.Headings() {
			cells[h] = row.Cells[i]
		}
		row.Cells = append(slices.Clone(row.Cells), w.cell(cells))
	}
	return row, err
}

func (w *widened) Close() error {
	if c, ok := w.Source.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

// onEither runs fn on an empty CRM in either engine.
func onEither(t *testing.T, fn func(t *testing.T, app *embedcrmtest.App)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, embedcrmtest.On(t, e.Store, crm.Config{})) })
}

// brought migrates a former CRM twice, and returns what the first run said. The second must
// find nothing to do.
func brought(t *testing.T, app *embedcrmtest.App, m transfer.Migration) transfer.MigrationReport {
	t.Helper()
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	report, err := app.Transfer.Migrate(ctx, m, transfer.Options{})
	require.NoError(t, err)
	for _, table := range report.Tables {
		require.Zero(t, table.Report.Failed, "%s: %v", table.Name, table.Report.Faults)
		require.Equal(t, table.Report.Rows, table.Report.Created, table.Name)
	}
	require.True(t, report.Reconciliation.Agrees(), "%+v", report.Reconciliation)
	again, err := app.Transfer.Migrate(ctx, m, transfer.Options{})
	require.NoError(t, err)
	for _, table := range again.Tables {
		require.Equal(t, table.Report.Rows, table.Report.Skipped, "%s: %v", table.Name, table.Report.Faults)
	}
	require.Equal(t, report.Reconciliation, again.Reconciliation)
	problems, err := app.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, problems)
	return report
}

// TestThePageOnMigrationsShowsTheCode holds the block of docs/importing.md to the example.
func TestThePageOnMigrationsShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/importing.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_migrate_test.go")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "## A whole former CRM")
	_, code, _ := strings.Cut(strings.Split(section, "```")[1], "\n")
	require.Contains(t, strings.Join(strings.Fields(string(source)), " "), strings.Join(strings.Fields(code), " "))
}

// TestNorthwindMovesIn brings in customers, employees as owners, products and orders.
func TestNorthwindMovesIn(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		cents := func(name string) func(map[string]string) string {
			return func(row map[string]string) string { // 32.3800011
				f, _ := strconv.ParseFloat(row[name], 64)
				return fmt.Sprintf("%.2f", math.Round(f*100)/100)
			}
		}
		report := brought(t, app, transfer.Migration{System: "northwind", Currency: "USD", Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "purchase", Columns: []transfer.Column{
				{Heading: "order_id", Field: "refs.northwind"}, {Heading: "customer_id", Field: "customer_id"}, {Heading: "order_date", Field: "at"},
				{Heading: "Amount", Field: "amount"}, {Heading: "employee_id", Field: "owner_id"},
			}}, Open: with(file(t, "northwind", "orders.csv"), "Amount", cents("freight"))},
			{Plan: transfer.Plan{Object: "customer"}, Open: file(t, "northwind", "customers.csv")},
			{Plan: transfer.Plan{Object: "member"}, Open: file(t, "northwind", "employees.csv")},
			{Plan: transfer.Plan{Object: "product", Columns: []transfer.Column{{Heading: "unit_price"}, {Heading: "Price", Field: "price"}}}, Open: with(file(t, "northwind", "products.csv"), "Price", cents("unit_price"))},
		}})
		said := map[string]transfer.Reconciled{}
		for _, o := range report.Reconciliation.Objects {
			said[o.Object] = o
		}
		require.EqualValues(t, 91, said["customer"].Here)
		require.EqualValues(t, 830, said["purchase"].Here)
		require.EqualValues(t, 9, said["member"].Here)
		require.EqualValues(t, 77, said["product"].Here)
		require.Equal(t, []transfer.Sum{{Field: "amount", Currency: "USD", Source: "64942.69", Target: "64942.69"}}, said["purchase"].Sums)
		require.Len(t, report.Reconciliation.Owners, 9)
		require.Equal(t, "4", report.Reconciliation.Owners[0].Member, "Peacock has most orders")
		require.EqualValues(t, 156, report.Reconciliation.Owners[0].Rows)
	})
}

// TestChinookMovesIn brings in people with owners, and their invoices.
func TestChinookMovesIn(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		report := brought(t, app, transfer.Migration{System: "chinook", Currency: "EUR", Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "purchase", Columns: []transfer.Column{
				{Heading: "InvoiceId", Field: "refs.chinook"}, {Heading: "CustomerId", Field: "customer_id"}, {Heading: "InvoiceDate", Field: "at"}, {Heading: "Total", Field: "amount"},
			}}, Open: file(t, "chinook", "Invoice.csv")},
			{Plan: transfer.Plan{Object: "customer"}, Open: file(t, "chinook", "Customer.csv")},
			{Plan: transfer.Plan{Object: "member"}, Open: file(t, "chinook", "Employee.csv")},
		}})
		require.Equal(t, []string{"member", "customer", "purchase"}, []string{report.Tables[0].Name, report.Tables[1].Name, report.Tables[2].Name})
		for _, o := range report.Reconciliation.Objects {
			if o.Object == "purchase" {
				require.Equal(t, []transfer.Sum{{Field: "amount", Currency: "EUR", Source: "2328.60", Target: "2328.60"}}, o.Sums)
			}
		}
		require.Len(t, report.Reconciliation.Owners, 3)
	})
}

// TestAFormerPipelineMovesIn brings in the deals of two years in their stages.
func TestAFormerPipelineMovesIn(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		opportunities := with(file(t, "maven_crm", "sales_pipeline.csv"), "lost_reason", func(row map[string]string) string {
			if row["deal_stage"] == "Lost" {
				return "unknown"
			}
			return ""
		})
		pipelines, err := app.Sales.Pipelines.List(ctx)
		require.NoError(t, err)
		if len(pipelines.Items) == 0 { // the tenant is seeded by its first write
			require.NoError(t, app.Tenants.Ensure(crm.System(t.Context(), "acme"), "acme"))
			pipelines, err = app.Sales.Pipelines.List(ctx)
			require.NoError(t, err)
		}
		_, err = app.Sales.Stages.Create(ctx, sales.Stage{PipelineID: pipelines.Items[0].ID, Name: "Engaging", Key: "engaging", Position: 20, Probability: 50})
		require.NoError(t, err)
		named := map[string]string{"refs.maven": "{name}"}
		report := brought(t, app, transfer.Migration{System: "maven", Currency: "USD", Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "deal", Set: map[string]string{"name": "{refs.maven}"}, Columns: []transfer.Column{
				{Heading: "product", Field: "product_id", Values: map[string]string{"GTXPro": "GTX Pro"}}, {Heading: "engage_date", Field: "created"},
				{Heading: "lost_reason", Field: "lost_reason"},
				{Heading: "closed", Field: "closed"},
			}}, Open: with(opportunities, "closed", func(row map[string]string) string { return row["close_date"] })},
			{Plan: transfer.Plan{Object: "customer", Set: named, Columns: []transfer.Column{
				{Heading: "office_location", Field: "country", Values: map[string]string{"Philipines": "PH", "Korea": "KR"}}, //nolint:misspell // the data's own spelling
			}}, Open: file(t, "maven_crm", "accounts.csv")},
			{Plan: transfer.Plan{Object: "product", Set: named}, Open: file(t, "maven_crm", "products.csv")},
			{Plan: transfer.Plan{Object: "member", Set: map[string]string{"name": "{refs.maven}"}}, Open: file(t, "maven_crm", "sales_teams.csv")},
		}})
		require.Equal(t, "deal", report.Tables[3].Name)
		won := map[string]string{} // as the data's own figures have it
		table, err := app.Core.Aggregate(ctx, "deal", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnSum, Field: "amount"}}, GroupBy: []crm.GroupBy{{Field: "owner.name"}}}, crm.Where("status == 'won'"))
		require.NoError(t, err)
		for _, row := range table.Rows {
			sums, _ := row.Values[0].([]crm.Money)
			for _, m := range sums {
				won[fmt.Sprint(row.Groups[0])] = strconv.FormatInt(m.Minor/100, 10)
			}
		}
		expected, err := os.ReadFile(filepath.Join(os.Getenv("EMBEDCRM_TEST_DATA"), "maven_crm", "expected_by_sales_agent.csv"))
		require.NoError(t, err)
		lines, err := csv.NewReader(strings.NewReader(string(expected))).ReadAll()
		require.NoError(t, err)
		require.Len(t, won, len(lines)-1)
		for _, line := range lines[1:] {
			value, _, _ := strings.Cut(line[3], ".")
			require.Equal(t, value, won[line[0]], line[0])
		}
		early, err := app.Sales.Deals.Count(ctx, crm.Where("created < date('2017-01-01') and closed < date('2017-04-01')"))
		require.NoError(t, err)
		require.Positive(t, early, "they began and ended when they did")
	})
}

// a former CRM of accounts, contacts and opportunities, of which some opportunities refer to
// contacts that come later, with histories.
func formerCRM(rows int) map[string]string {
	var accounts, contacts, opps, history strings.Builder
	accounts.WriteString("Id,Account Name,ParentId,CreatedDate\n")
	contacts.WriteString("Id,FirstName,LastName,AccountId,CreatedDate\n")
	opps.WriteString("Id,Opportunity Name,ContactId,StageName,Amount,CloseDate,CreatedDate\n")
	history.WriteString("OpportunityId,CreatedById,CreatedDate,Field,OldValue,NewValue\n")
	for n := range rows {
		parent := ""
		if n > 0 {
			parent = fmt.Sprint("A", (n*7)%rows%n)
		}
		fmt.Fprintf(&accounts, "A%d,Account %d,%s,2019-01-02\n", n, n, parent)
		fmt.Fprintf(&contacts, "C%d,Given %d,Family,A%d,2019-02-03\n", n, n, (n*3)%rows)
		fmt.Fprintf(&opps, "O%d,Opportunity %d,C%d,Negotiation,%d,2021-06-07,2020-01-02\n", n, n, rows-1-n, n+1)
		fmt.Fprintf(&history, "O%d,u1,2020-03-0%d,StageName,Qualification,Negotiation\nO%d,u1,2020-02-0%d,StageName,Prospecting,Qualification\n", n, 1+n%9, n, 1+n%9)
	}
	return map[string]string{"accounts.csv": accounts.String(), "contacts.csv": contacts.String(), "opps.csv": opps.String(), "history.csv": history.String()}
}

// salesforceIn is that CRM in a directory.
func salesforceIn(dir string) transfer.Migration {
	open := func(name string) func() (transfer.Source, error) {
		return func() (transfer.Source, error) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			return transfer.ReadCSV(strings.NewReader(string(text)), transfer.CSVOptions{})
		}
	}
	return transfer.Migration{System: "salesforce", Currency: "EUR", Tables: []transfer.Table{
		{Plan: transfer.Plan{Object: "deal"}, Open: open("opps.csv"), History: &transfer.History{Open: open("history.csv")}},
		{Name: "contacts", Plan: transfer.Plan{Object: "customer"}, Open: open("contacts.csv")},
		{Name: "accounts", Plan: transfer.Plan{Object: "customer"}, Open: open("accounts.csv")},
	}}
}

// TestMigrationVictim is no test but the process that TestAMigrationThatIsKilled kills.
func TestMigrationVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	app := appOn(t, db)
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	_, err := app.Transfer.Migrate(ctx, salesforceIn(words[0]), transfer.Options{Progress: func(r transfer.Report) {
		if r.Object == words[1] {
			_, _ = fmt.Fprintln(os.Stdout, "a part is in")
		}
	}})
	require.NoError(t, err)
}

// TestAMigrationThatIsKilled kills a migration in the import of one table and of another. Run
// again it comes to its end, and all is there once, with its history.
func TestAMigrationThatIsKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		dir := t.TempDir()
		const rows = 1020 // more than one part
		for name, text := range formerCRM(rows) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		app := appOn(t, db)
		for _, object := range []string{"customer", "deal"} {
			v := db.Start(t, "TestMigrationVictim", dir, object)
			v.KillAfter("a part is in", 0)
			v.Killed()
		}
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		begun, err := app.Sales.Deals.Count(ctx)
		require.NoError(t, err)
		require.Positive(t, begun)
		report, err := app.Transfer.Migrate(ctx, salesforceIn(dir), transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"accounts", "contacts", "deal"}, []string{report.Tables[0].Name, report.Tables[1].Name, report.Tables[2].Name})
		require.EqualValues(t, rows, report.Tables[0].Report.Skipped)
		require.Equal(t, rows-begun, report.Tables[2].Report.Created)
		require.True(t, report.Reconciliation.Agrees(), "%+v", report.Reconciliation)
		require.EqualValues(t, 2*rows, report.Reconciliation.Objects[0].Here)
		for i, count := range []func(context.Context, ...crm.ListOption) (int64, error){app.Customers.Count, app.Sales.Deals.Count, app.Customers.Relationships.Count} {
			n, err := count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, []int{2 * rows, rows, rows}[i], n)
		}
		some, err := app.Sales.Deals.List(ctx, crm.OrderBy("close_on"), crm.Limit(200))
		require.NoError(t, err)
		for _, deal := range some.Items {
			spans, err := app.Sales.Deals.StageHistory(ctx, deal.ID)
			require.NoError(t, err)
			var stages []string
			for _, s := range spans {
				stages = append(stages, s.Stage.Key+" "+s.Entered.Format("2006-01"))
			}
			require.Equal(t, []string{"prospecting 2020-01", "qualification 2020-02", "negotiation 2020-03"}, stages)
		}
		running, err := app.Transfer.Imports.Count(ctx, crm.Where("state == 'running'"))
		require.NoError(t, err)
		require.Zero(t, running)
		problems, err := app.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

package embedcrm_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// tablesWith are the tables of the CRM that have one of some texts, as it is or in hex, as the index of words has
// it. SQLite's own pages of that index keep what is gone until they are written anew, and are left out.
func tablesWith(t *testing.T, e enginetest.Engine, texts ...string) (found []string) {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'crm_%' AND name NOT LIKE 'crm_search_words%'"
	if e.Name == "postgres" {
		query = "SELECT 'crm.' || quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'crm'"
	}
	var tables []string
	rows, err := e.DB.QueryContext(t.Context(), query)
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	for _, table := range tables {
		rows, err := e.DB.QueryContext(t.Context(), "SELECT * FROM "+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(t, rows.Scan(into...))
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					v = string(raw)
				}
				said := strings.ToLower(fmt.Sprint(v))
				for _, text := range texts {
					text = strings.ToLower(text)
					if strings.Contains(said, text) || strings.Contains(said, hex.EncodeToString([]byte(text))) {
						found = append(found, table+"."+columns[i]+" has "+text)
					}
				}
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return found
}

// TestErasingLeavesNothingInAnyModule holds that of a person whom every module had to do with no value is left: who was
// imported, merged from three, corrected in bulk, who consented, bought, was watched, scored, pooled, and compared.
func TestErasingLeavesNothingInAnyModule(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		ctx := crm.System(t.Context(), "acme")
		did := func(_ any, err error) {
			t.Helper()
			require.NoError(t, err)
		}
		find := func(email string) crm.ID {
			page, err := app.Customers.List(ctx, crm.Where("email == $1", email))
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			return page.Items[0].ID
		}
		did(app.Customers.Duplicates.Policies.Create(ctx, customers.DuplicatePolicy{Kind: customers.Person}))
		did(app.Customers.Health.Scorecards.Create(ctx, customers.Scorecard{Key: "health", Name: "Health", Measures: []customers.HealthMeasure{
			{Key: "usage", Name: "Usage", Weight: 1, Steps: []customers.HealthStep{{When: "any(events, .at > ago('30d'))", Points: 90, Says: "uses it"}, {Points: 10, Says: "does not"}}},
		}}))
		did(app.Customers.Segments.Create(ctx, customers.Segment{Key: "here", Name: "Here", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == 'DE'"}}))
		_, err := app.Pools.Create(ctx, pool.Pool{Name: "Sea", Object: "customer", Where: "country == 'DE'", Show: []string{"name"}})
		require.NoError(t, err)

		// She comes by a file, in which a row is wrong that has her values.
		report, p := carry(ctx, t, app.App, "Record ID,First Name,Last Name,Email,Mobile Phone,Birthday,Country,Home Street,Home City,Gender\n"+
			"k-77182,Ottoline,Vanterpool,ottoline@vanterpool.example,+49 170 5550123,1915-12-10,DE,Quincegarden 7,Wismar,female\n"+
			"k-77183,Ottoline,Vanterpool,otti@vanterpool.example,,the vanterpool day,DE,,,female\n"+
			"k-1,Bob,Builder,bob@example.com,,1950-01-01,DE,,,male\n", false)
		require.Equal(t, []int64{2, 1}, []int64{report.Created, report.Failed}, report.Faults)
		require.Contains(t, report.Faults[0].Reason, "vanterpool day")
		ada, bob := find("ottoline@vanterpool.example"), find("bob@example.com")

		// What is known of her is spread over three records.
		var twins []crm.ID
		for i, name := range []string{"Ottilie Vanterpool", "O. Vanterpool-Zuckerkandl"} {
			twin, err := app.Customers.Create(ctx, customers.Customer{
				Kind: customers.Person, Name: name, Email: fmt.Sprintf("zuckerkandl%d@vanterpool.example", i), Country: "DE", Record: crm.Record{Refs: crm.Refs{"till": "till-vp-" + strconv.Itoa(i)}},
			})
			require.NoError(t, err)
			twins = append(twins, twin.ID)
		}
		for i, id := range append(twins, ada) {
			at := app.Clock.Now().Add(-time.Duration(i+1) * time.Hour)
			did(app.Customers.Identities.Create(ctx, customers.Identity{CustomerID: id, Kind: "wechat", Value: fmt.Sprint("vanterpool-", i)}))
			did(app.Activity.Notes.Create(ctx, activity.Note{Object: "customer", RecordID: id, Text: fmt.Sprint("plays the dulcimer ", i)}))
			did(app.Customers.Preferences.Declare(ctx, id, "tea", "bergamotte"))
			did(app.Customers.Behaviour.Track(ctx, customers.Event{CustomerID: id, Visitor: fmt.Sprint("visitor-vp-", i), Name: "page viewed", At: at, Props: map[string]any{"path": "/dulcimers"}}))
			did(app.Customers.Behaviour.Track(ctx, customers.Event{Visitor: fmt.Sprint("anon-vp-", i), Name: "page viewed", At: at, Props: map[string]any{"path": "/dulcimers"}}))
			did(app.Customers.Behaviour.Stitch(ctx, fmt.Sprint("anon-vp-", i), id))
			did(app.Customers.Purchases.Record(ctx, customers.Purchase{CustomerID: id, At: at, Amount: crm.EUR(10_00), Record: crm.Record{Refs: crm.Refs{"shop": strconv.Itoa(i)}}}))
			did(app.Customers.ContactPoints.OptOut(ctx, crm.Address{Kind: "wechat", Value: fmt.Sprint("vanterpool-", i)}, "by a link"))
		}
		did(app.Customers.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent}))
		for _, id := range append(twins, ada) {
			did(app.Customers.Consents.Give(ctx, customers.ConsentAct{CustomerID: id, Channel: "email", Topic: "news", Source: "form", IP: "203.0.113.77", Evidence: "a signed dulcimer"}))
		}
		require.NoError(t, app.RunDue(t.Context()))
		did(app.Customers.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{}))
		_, merge, err := app.Customers.Merge(crm.Because(ctx, "both are Vanterpool"), ada, twins, crm.MergeRules{})
		require.NoError(t, err)
		require.NoError(t, app.RunDue(t.Context()))

		// She asks what is known of her, by way of a record that was merged since, and in a letter of nobody's yet.
		for _, q := range []privacy.Request{
			{Object: "customer", RecordID: ada}, {Object: "customer", RecordID: twins[0]}, {},
		} {
			q.Kind, q.Contact, q.Text = privacy.Access, "ottoline@vanterpool.example", "what do you know of the dulcimer?"
			did(app.Privacy.Requests.Open(ctx, q))
		}

		// Somebody corrects her, and many.
		corrected := func(where crm.Filter, changes ...quality.Change) quality.Run {
			done, err := app.Quality.Apply(ctx, quality.Correction{Object: "customer", Where: where, Changes: changes, Reason: "tidy"})
			require.NoError(t, err)
			return done.Run
		}
		hers := corrected(crm.Filter{Text: "email == $1", Args: []any{"ottoline@vanterpool.example"}}, quality.Change{Field: "name", Op: quality.Set, Value: "Lady Vanterpool"})
		named := corrected(crm.Filter{Text: "name == 'Lady Vanterpool'"}, quality.Change{Field: "name", Op: quality.Map, Map: map[string]string{"Lady Vanterpool": "Dame Vanterpool"}})
		all := corrected(crm.Filter{Text: "country == 'DE'"}, quality.Change{Field: "name", Op: quality.Upper})
		require.Equal(t, []int64{1, 1, 2}, []int64{hers.Changed, named.Changed, all.Changed})
		traces := []string{
			"ottoline", "ottilie", "vanterpool", "zuckerkandl", "5550123", "1915-12", "77182", "quincegarden", "dulcimer", "bergamotte", "visitor-vp", "anon-vp", "till-vp", "203.0.113.77",
		}
		before := strings.Join(tablesWith(t, e, traces...), "\n")
		for _, text := range traces {
			require.Contains(t, before, text, "the dump sees what is there")
		}

		_, err = app.Customers.ErasePerson(ctx, ada, "asked by mail")
		require.NoError(t, err)
		require.NoError(t, app.RunDue(t.Context()))
		require.Empty(t, tablesWith(t, e, traces...))

		// Undoing what was done with her says why it cannot, and does it for the others.
		_, err = app.Customers.Unmerge(ctx, merge.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "is of a person who was erased")
		undone, err := app.Quality.Undo(ctx, all.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1}, []int64{undone.Restored, undone.Left})
		require.Equal(t, []quality.Refusal{{Record: ada, Reason: "name was erased"}}, undone.Reasons)
		other, err := app.Customers.Get(ctx, bob)
		require.NoError(t, err)
		require.Equal(t, "Bob Builder", other.Name)
		kept, err := app.Quality.Runs.Get(ctx, all.ID)
		require.NoError(t, err)
		require.Equal(t, "country == 'DE'", kept.Where.Text, "which names nobody")
		for _, id := range []crm.ID{hers.ID, named.ID} {
			kept, err := app.Quality.Runs.Get(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept.Where.Text)
			require.Empty(t, kept.Changes)
			undone, err := app.Quality.Undo(ctx, id)
			require.NoError(t, err)
			require.Equal(t, []quality.Refusal{{Record: ada, Reason: "name was erased"}}, undone.Reasons)
		}

		// The same file brings nobody back; the import is undone as far as it can be.
		again, err := transfer.ReadCSV(strings.NewReader("Record ID,First Name,Last Name,Email\nk-77182,Ottoline,Vanterpool,ottoline@vanterpool.example\n"), transfer.CSVOptions{})
		require.NoError(t, err)
		plan, rows, err := app.Transfer.Plan(ctx, again, transfer.Plan{Object: "customer", System: p.System})
		require.NoError(t, err)
		refused, err := app.Transfer.Import(ctx, rows, plan, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, int64(1), refused.Failed)
		require.Contains(t, refused.Faults[0].Reason, "erased")
		reverted, err := app.Transfer.Revert(ctx, report.ID)
		require.NoError(t, err)
		require.NotZero(t, reverted.Left)
		require.Empty(t, tablesWith(t, e, traces...))
		problems, err := app.Check(context.WithoutCancel(t.Context()))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

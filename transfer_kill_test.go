package embedcrm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// appOn is an App on a database.
func appOn(tb testing.TB, db enginetest.Shared) *embedcrm.App {
	tb.Helper()
	app, err := embedcrm.New(db.Pool(tb).Store, crm.Config{})
	require.NoError(tb, err)
	require.NoError(tb, app.Migrate(tb.Context()))
	return app
}

// openCSV is a source of a file.
func openCSV(tb testing.TB, path string) transfer.Source {
	tb.Helper()
	file, err := os.Open(path)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = file.Close() })
	src, err := transfer.ReadCSV(file, transfer.CSVOptions{})
	require.NoError(tb, err)
	return src
}

// TestImportVictim is no test but the process that TestAnImportThatIsKilled kills.
func TestImportVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	app, src := appOn(t, db), openCSV(t, words[0])
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	o := transfer.Options{Progress: func(transfer.Report) { _, _ = fmt.Fprintln(os.Stdout, "a part is in") }}
	page, err := app.Transfer.Imports.List(ctx)
	require.NoError(t, err)
	if len(page.Items) > 0 {
		_, err = app.Transfer.Resume(ctx, page.Items[0].ID, src, o)
	} else {
		var p transfer.Plan
		var rows transfer.Source
		p, rows, err = app.Transfer.Plan(ctx, src, transfer.Plan{Object: "customer", Mode: transfer.Create})
		require.NoError(t, err)
		_, err = app.Transfer.Import(ctx, rows, p, o)
	}
	require.NoError(t, err)
}

// TestAnImportThatIsKilled kills an import after its first part, and once more in the middle
// of one unless it is to be quick, and goes on with it: every row is there once, with all
// that belongs to it.
func TestAnImportThatIsKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		path := filepath.Join(t.TempDir(), "people.csv")
		const each = 5 // of which one has more than a row of his own
		rows, kills := 2200, 2
		if testing.Short() {
			rows, kills = 1100, 1
		}
		var text strings.Builder
		text.WriteString("First Name,Email,E-mail 2,Company\n")
		for n := range rows {
			fmt.Fprintf(&text, "P%d,a%d@example.com,", n, n)
			if n%each == 0 {
				fmt.Fprintf(&text, "b%d@example.com,C%d", n, n%7)
			} else {
				text.WriteString(",")
			}
			text.WriteString("\n")
		}
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
		app := appOn(t, db)
		for range kills {
			v := db.Start(t, "TestImportVictim", path)
			v.KillAfter("a part is in", 0)
			v.Killed()
		}
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		page, err := app.Transfer.Imports.List(ctx)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, transfer.Running, page.Items[0].State)
		report, err := app.Transfer.Resume(ctx, page.Items[0].ID, openCSV(t, path), transfer.Options{})
		require.NoError(t, err)
		require.EqualValues(t, rows, report.Created)
		require.EqualValues(t, 2*rows/each+7, report.Related)
		for i, count := range []func(context.Context, ...crm.ListOption) (int64, error){app.Customers.Count, app.Customers.Identities.Count, app.Customers.Relationships.Count} {
			n, err := count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, []int{rows + 7, rows / each, rows / each}[i], n)
		}
		problems, err := app.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestAnImportBesideWriters imports customers while many others create the same ones, by the
// same keys, and change those that are there. There is one of each key, no row is
// refused, and each has what the file says of him and what the others wrote.
func TestAnImportBesideWriters(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		const rows, known, writers, writes = 600, 100, 16, 6
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		given := func(n int) customers.Customer {
			c := customers.Customer{Kind: customers.Person, Name: fmt.Sprint("P", n)}
			c.Refs = crm.Refs{"shop": strconv.Itoa(n)}
			return c
		}
		list := make([]customers.Customer, known)
		for n := range list {
			list[n] = given(n)
		}
		_, err := app.Customers.CreateAll(ctx, list)
		require.NoError(t, err)
		var text strings.Builder
		text.WriteString("Record ID,First Name,Phone\n")
		for n := range rows {
			fmt.Fprintf(&text, "%d,P%d,+4930%07d\n", n, n, n)
		}
		src, err := transfer.ReadCSV(strings.NewReader(text.String()), transfer.CSVOptions{})
		require.NoError(t, err)
		p, in, err := app.Transfer.Plan(ctx, src, transfer.Plan{Object: "customer", System: "shop", Mode: transfer.Upsert})
		require.NoError(t, err)

		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range writes {
					n := (w*77 + i*61) % rows // some that are there, some that the import brings meanwhile
					c, _, err := app.Customers.Upsert(ctx, given(n), "refs")
					if err == nil {
						_, err = app.Customers.Update(ctx, c.ID, func(c *customers.Customer) error {
							c.Tags = append(c.Tags, fmt.Sprint("w", w, ".", i))
							return nil
						})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		report, err := app.Transfer.Import(ctx, in, p, transfer.Options{})
		all.Wait()
		require.NoError(t, err)
		require.Empty(t, report.Faults)
		require.EqualValues(t, rows, report.Created+report.Updated)

		there := map[string]customers.Customer{}
		for c, err := range app.Customers.All(ctx) {
			require.NoError(t, err)
			require.NotContains(t, there, c.Refs["shop"])
			there[c.Refs["shop"]] = c
		}
		require.Len(t, there, rows)
		for n := range rows {
			require.Equal(t, fmt.Sprintf("+4930%07d", n), there[strconv.Itoa(n)].Phone)
		}
		for w := range writers {
			for i := range writes {
				c := there[strconv.Itoa((w*77+i*61)%rows)]
				require.True(t, slices.Contains(c.Tags, fmt.Sprint("w", w, ".", i)), "nothing that was written is lost")
			}
		}
		problems, err := app.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

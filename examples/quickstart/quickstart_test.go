package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage"
)

// TestTheRealFigures brings in the files of "CRM Sales Opportunities" and holds what is
// printed to what is known of them. EMBEDCRM_TEST_DATA names the directory they are in,
// or the one above.
func TestTheRealFigures(t *testing.T) {
	from := realData(t)
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		out := quick(t, e.Store, from, "maven")
		require.Regexp(t, `^added 8943 records and closed 6711 deals in `, out)
		for _, line := range []string{
			"won 4238", "lost 2473", "won value 10005534.00 USD",
			"85 accounts, 7 products, 35 agents, 8800 opportunities, of which",
			"- 2089 are open, and have no value in the data: they are taken at list price, and so were those that were lost",
			"- 500 have no engage date: they are dated 2016-10-20, the first day in the data",
			"- 1425 have no account: they are deals of no customer",
			"- 1480 name the product GTXPro: they are deals of GTX Pro",
		} {
			require.Contains(t, strings.Split(out, "\n"), line)
		}
		for title, want := range realFigures {
			require.Equal(t, want, tableOf(out, title)[:len(want)], title)
		}
		var sectors [][]string
		for _, row := range tableOf(out, "Won by sector") {
			sectors = append(sectors, []string{row[0], row[1], row[3]})
		}
		require.Equal(t, realSectors, sectors)
		require.Equal(t, [][]string{
			{"1", "Prospecting", "500", "1073986.00 USD"}, {"2", "Engaging", "1589", "3892229.00 USD"},
			{"3", "Won", "4238", "10005534.00 USD"}, {"4", "Lost", "2473", "5946468.00 USD"}, {"Total", "8800", "20918217.00 USD"},
		}, tableOf(out, "Deals by stage"))

		again := quick(t, e.Store, from, "maven")
		require.Regexp(t, `^added 0 records and closed 0 deals in `, again)
		require.Equal(t, untimed(out), untimed(again))
		sound(t, e.Store)
	})
}

func realData(t *testing.T) files {
	t.Helper()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	if dir == "" {
		t.Skip(`set EMBEDCRM_TEST_DATA to the directory with the files of "CRM Sales Opportunities"`)
	}
	for _, d := range []string{dir, filepath.Join(dir, "maven_crm")} {
		if _, err := os.Stat(filepath.Join(d, "sales_pipeline.csv")); err == nil {
			return directory(d)
		}
	}
	require.Fail(t, "the files are not in EMBEDCRM_TEST_DATA", dir)
	return nil
}

func TestTheSample(t *testing.T) {
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		out := quick(t, e.Store, sample, "sample")
		require.Contains(t, out, "16 accounts, 5 products, 8 agents, 600 opportunities, of which\n")
		d, err := readData(sample)
		require.NoError(t, err)
		won, value := 0, crm.USD(0)
		for _, o := range d.opportunities {
			if o.stage == "Won" {
				won++
				value, err = value.Add(o.value)
				require.NoError(t, err)
			}
		}
		require.Equal(t, []string{"won value " + value.String()}, lines(out, "won value"))
		require.Equal(t, "Total", tableOf(out, "Won by quarter")[len(tableOf(out, "Won by quarter"))-1][0])
		require.NotZero(t, won)

		// What each opportunity became, and when.
		app, ctx := openApp(t, e.Store), crm.System(t.Context(), "sample")
		n := 0
		for deal, err := range app.Sales.Deals.All(ctx) {
			require.NoError(t, err)
			for _, o := range d.opportunities {
				if o.id != deal.Refs[source] {
					continue
				}
				n++
				require.Equal(t, map[string]sales.Status{"Won": sales.Won, "Lost": sales.Lost}[o.stage] == deal.Status, o.closed != crm.Date{}, o.id)
				if o.engaged != (crm.Date{}) {
					require.Equal(t, midnight(o.engaged), deal.Created)
				}
				if o.closed != (crm.Date{}) {
					require.Equal(t, midnight(o.closed), deal.Closed)
				}
				if o.stage == "Won" {
					require.Equal(t, o.value, deal.Amount)
				}
				require.Equal(t, o.account == "", deal.CustomerID.IsZero())
			}
		}
		require.Equal(t, sampleSize, n)
		require.Equal(t, untimed(out), untimed(quick(t, e.Store, sample, "sample")), "a second run adds nothing")
		sound(t, e.Store)
	})
}

// TestARunThatIsEndedGoesOn ends runs at any moment (-short: at every third), and lets the
// last one finish.
func TestARunThatIsEndedGoesOn(t *testing.T) {
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		step := 1
		if testing.Short() {
			step = 3
		}
		whole := quick(t, e.Store, sample, "whole")
		for n := 1; ; n += step {
			ctx, cancel := context.WithCancel(t.Context())
			ticks := 0
			var out bytes.Buffer
			err := run(ctx, e.Store, sample, "ended", &out, &progress{to: writer(func(p []byte) (int, error) {
				if ticks++; ticks == n {
					cancel()
				}
				return len(p), nil
			})})
			cancel()
			if err == nil {
				require.Greater(t, n, 1, "some were ended")
				require.Equal(t, untimed(whole), untimed(out.String()))
				break
			}
			require.ErrorIs(t, err, context.Canceled)
		}
		sound(t, e.Store)
	})
}

// writer is an io.Writer from a function.
type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestDataThatIsWrong(t *testing.T) {
	changed := func(name, from, to string) files {
		return func(file string) ([]byte, error) {
			content, err := sample(file)
			if file == name {
				content = bytes.Replace(content, []byte(from), []byte(to), 1)
			}
			return content, err
		}
	}
	for want, from := range map[string]files{
		"sales_pipeline.csv, line 2: engage_date: ": changed("sales_pipeline.csv", ",2024-", ",yesterday-"),
		"products.csv, line 2: sales_price: ":       changed("products.csv", ",600", ",cheap"),
		"accounts.csv, line 2: sector: ":            changed("accounts.csv", "account,sector,", "account,branch,"),
		"is of the product":                         changed("products.csv", "Atlas Basic", "Atlas Simple"),
		"who is in no team":                         changed("sales_teams.csv", "Ana Reyes", "Ana Reys"),
		"is of the account":                         changed("accounts.csv", "Birch & Sons", "Birch"),
		"which is no account":                       changed("accounts.csv", "Alder Works", "Alder"),
		"no such file or directory":                 directory(t.TempDir()),
	} {
		store := newStore(t)
		err := run(t.Context(), store, from, "sample", &bytes.Buffer{}, &progress{})
		require.ErrorContains(t, err, want)
	}
}

func newStore(t *testing.T) storage.Store {
	t.Helper()
	store, err := open("", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// quick returns what a run prints.
func quick(t *testing.T, store storage.Store, from files, tenant string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), store, from, tenant, &out, &progress{}))
	return out.String()
}

func openApp(t *testing.T, store storage.Store) *embedcrm.App {
	t.Helper()
	app, err := embedcrm.New(store, crm.Config{})
	require.NoError(t, err)
	return app
}

// sound holds everything stored to the kernel's invariants.
func sound(t *testing.T, store storage.Store) {
	t.Helper()
	problems, err := openApp(t, store).Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, problems)
}

// untimed is a print without its first line, which says what was added, and how fast.
func untimed(out string) string {
	_, rest, _ := strings.Cut(out, "\n")
	return rest
}

func lines(out, prefix string) (found []string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, prefix+" ") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// tableOf returns the rows of a table, below its title and headings.
func tableOf(out, title string) (rows [][]string) {
	_, rest, _ := strings.Cut(out, "\n"+title+"\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	for i, line := range strings.Split(strings.TrimRight(table, "\n"), "\n") {
		if i > 0 {
			rows = append(rows, regexp.MustCompile(` {2,}`).Split(line, -1))
		}
	}
	return rows
}

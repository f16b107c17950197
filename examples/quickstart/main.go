// Command quickstart brings a year of sales into an embedded CRM and prints what it knows then.
//
//	go run ./examples/quickstart                  a small sample of its own making, in quickstart.db
//	go run ./examples/quickstart -data DIR        the files of "CRM Sales Opportunities" (Maven Analytics)
//	go run ./examples/quickstart -dsn DSN         in Postgres
//
// Everything is created through the public API, and dated when it happened. A second run adds nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of Postgres
	_ "modernc.org/sqlite"             // the driver of SQLite

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

func main() {
	dir := flag.String("data", "", "the `directory` with accounts.csv, products.csv, sales_teams.csv and sales_pipeline.csv; without it a sample")
	dsn := flag.String("dsn", "", "a Postgres `database` to use; without it SQLite")
	file := flag.String("db", "quickstart.db", "the `file` of SQLite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := quickstart(ctx, *dir, *dsn, *file); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func quickstart(ctx context.Context, dir, dsn, file string) error {
	store, err := open(dsn, file) //nolint:contextcheck // it takes none
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // every write was committed before
	// Each data set is a tenant of its own.
	from, tenant := files(sample), "sample"
	if dir != "" {
		from, tenant = directory(dir), "maven"
	}
	return run(ctx, store, from, tenant, os.Stdout, bar(os.Stderr))
}

func directory(dir string) files {
	return func(name string) ([]byte, error) { return fs.ReadFile(os.DirFS(dir), name) }
}

func open(dsn, file string) (storage.Store, error) {
	if dsn != "" {
		return postgres.Open(dsn)
	}
	return sqlite.Open("sqlite", file)
}

// run brings the data into a tenant of a CRM, and prints figures of it.
func run(ctx context.Context, store storage.Store, from files, tenant string, out io.Writer, p *progress) error {
	clock := crm.SystemClock{}
	began := clock.Now()
	d, err := readData(from)
	if err != nil {
		return err
	}
	app, err := embedcrm.New(store, crm.Config{})
	if err != nil {
		return err
	}
	if err := app.Migrate(ctx); err != nil {
		return err
	}
	ctx = crm.System(ctx, tenant)
	if err := app.Tenants.Ensure(ctx, tenant); err != nil {
		return err
	}
	l := &loader{app: app, data: d, begin: p.begin, tick: p.tick}
	if err := l.load(ctx); err != nil {
		return err
	}
	p.end()
	took := clock.Now().Sub(began).Round(10 * time.Millisecond)
	_, _ = fmt.Fprintf(out, "added %d records and closed %d deals in %s\n", l.added, l.closed, took)
	l.notes(out)
	if err := figures(ctx, app, out); err != nil {
		return err
	}
	return biography(ctx, app, out)
}

// Command import brings the rows of a file into an embedded CRM.
//
//	go run ./examples/import -db crm.db -object customer FILE.csv
//	go run ./examples/import -dsn DSN -object deal -dry-run FILE.csv
//	go run ./examples/import -db crm.db -object customer -map 'Kundenname=name,Umsatz=revenue' -currency EUR FILE.csv
//	go run ./examples/import -db crm.db -object deal -map 'StageName=stage_id' -values 'StageName:Closed Won=Won' FILE.csv
//	go run ./examples/import -db crm.db -revert ID
//	go run ./examples/import -db crm.db -migrate DIR -system salesforce -owners '005=dana' -dry-run
//
// Encoding, delimiter, columns and the forms of numbers and dates are found out; what is
// found is told on the standard error, with a bar. The last line of the standard output
// is JSON: rows, created, updated, skipped, failed and the import's id, or the error.
//
// With -migrate a whole former CRM is brought in: every CSV file and spreadsheet of the
// directory is a table, whose kind its name says (accounts.csv, Opportunity.csv, 联系人.csv),
// and opportunity_history.csv or OpportunityFieldHistory.csv is what happened to the deals of
// Opportunity.csv before. -tables says of a file what its name does not:
//
//	-tables 'old.csv=deal,firms.csv=customer@hubspot_firm,log.csv=history:old.csv,junk.csv='
//
// -map, -values and -set are then of one file each: 'old.csv:Betrag=amount'. The last line is JSON
// with what became of each table, and whether what is there agrees with the files.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of Postgres
	_ "modernc.org/sqlite"             // the driver of SQLite

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/crm/transfer/vcard"
	"github.com/embedcrm/embedcrm/crm/transfer/xlsx"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// flags are what is said on the command line.
type flags struct {
	db, dsn, tenant, member string
	object, file            string
	dryRun                  bool
	mapping, set, owners    string
	values                  string
	mode, key, system       string
	currency, dates         string
	decimal, zone           string
	encoding, delimiter     string
	sheet                   string
	errors, resume, revert  string
	migrate, tables         string
	createMissing           bool
}

func parse(args []string) (flags, error) {
	var f flags
	s := flag.NewFlagSet("import", flag.ContinueOnError)
	s.StringVar(&f.db, "db", "crm.db", "the `file` of SQLite")
	s.StringVar(&f.dsn, "dsn", "", "a Postgres `database` to use instead")
	s.StringVar(&f.tenant, "tenant", "main", "whose records they are")
	s.StringVar(&f.member, "member", "", "the `key` of the member who imports; without it the tenant itself")
	s.StringVar(&f.object, "object", "customer", "the `kind` of record each row is")
	s.BoolVar(&f.dryRun, "dry-run", false, "tell what would happen, and write nothing")
	s.StringVar(&f.mapping, "map", "", "what columns are: `heading=field,…`; #2 is the second column, and heading= leaves one out")
	s.StringVar(&f.set, "set", "", "values for fields that rows have none for: `field=value,…`")
	s.StringVar(&f.values, "values", "", "what texts of columns in -map mean: `heading:text=meaning,…`")
	s.StringVar(&f.owners, "owners", "", "which members owners are: `name=key,…`")
	s.StringVar(&f.mode, "mode", "", "create, update or upsert; without it upsert where there is a key")
	s.StringVar(&f.key, "key", "", "the `field` a record is known by: id, refs.SYSTEM or a text field")
	s.StringVar(&f.system, "system", "", "the `name` of the system the file is from, for its keys")
	s.StringVar(&f.currency, "currency", "", "the `code` of the currency of amounts that name none")
	s.StringVar(&f.dates, "dates", "", "the `order` of dates: dmy, mdy or ymd")
	s.StringVar(&f.decimal, "decimal", "", "the decimal `mark`: . or ,")
	s.StringVar(&f.zone, "zone", "", "the time `zone` of times that name none")
	s.StringVar(&f.encoding, "encoding", "", "the file's: utf-8, utf-16le, utf-16be, gb18030 or windows-1252")
	s.StringVar(&f.delimiter, "delimiter", "", "the `character` between cells")
	s.StringVar(&f.sheet, "sheet", "", "the `name` of the sheet of a spreadsheet; without it the first")
	s.StringVar(&f.errors, "errors", "", "a `file` for the rows that fail, as CSV with the reasons")
	s.StringVar(&f.resume, "resume", "", "go on with the import of this `id`")
	s.StringVar(&f.revert, "revert", "", "undo the import of this `id`")
	s.StringVar(&f.migrate, "migrate", "", "bring in a whole former CRM, of which this `directory` has the tables; it takes -system")
	s.StringVar(&f.tables, "tables", "", "what files of -migrate are: `FILE=KIND,…`; FILE=history:FILE is a history, KIND@SYSTEM has keys of its own, and FILE= leaves one out")
	s.BoolVar(&f.createMissing, "create-missing", false, "create what rows refer to by name where it is missing")
	if err := s.Parse(args); err != nil {
		return f, err
	}
	switch {
	case f.migrate != "" && (s.NArg() > 0 || f.revert != "" || f.resume != ""):
		return f, errors.New("-migrate DIR takes no other file, and neither -revert nor -resume: run it again to go on")
	case f.migrate != "" && f.system == "":
		return f, errors.New("say what the former CRM is called, as in -system salesforce: its keys are kept under that name")
	case f.migrate != "":
	case f.revert == "" && s.NArg() != 1:
		return f, errors.New("say which file to import: import [flags] FILE")
	case f.revert == "":
		f.file = s.Arg(0)
	}
	return f, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "import:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// run does what the arguments say, and ends with a line of JSON.
func run(ctx context.Context, args []string, out, tell io.Writer) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	report, err := f.do(ctx, tell)
	if err != nil {
		if moved, ok := report.(moved); ok {
			moved.Error = f.inFlags(err.Error())
			return say(out, moved, errors.New(moved.Error))
		}
		imported, _ := report.(transfer.Report)
		imported.Faults = nil
		said := f.inFlags(err.Error())
		return say(out, struct {
			Error           string `json:"error"`
			transfer.Report        //nolint:embeddedstructfieldcheck // the error comes first in what is said
		}{said, imported}, errors.New(said))
	}
	return say(out, report, nil)
}

// inFlags is what the library says, with the flags of this command in place of the parts of
// a plan.
func (f flags) inFlags(said string) string {
	file := ""
	if f.migrate != "" {
		file = "FILE:"
	}
	return strings.NewReplacer(
		"in the plan's Columns", "by -map '"+file+"HEADING=FIELD,…'", "say which does by Columns", "say which does by -map '"+file+"HEADING=FIELD'",
		"by its value in the plan's Set", "by -set '"+file+"FIELD=VALUE'", "say which by Dates", "say which by -dates", "say which by Decimal", "say which by -decimal",
		"say which by Currency", "say which by -currency", "name a column's field as Key", "name a column's field by -key",
		"say which is by History.", "give a column this heading: ", "give one of their plans a System of its own", "give one a system of its own by -tables 'FILE=KIND@SYSTEM'",
	).Replace(said)
}

func say(out io.Writer, v any, err error) error {
	line, bad := json.Marshal(v)
	if bad != nil {
		return bad
	}
	if _, bad = fmt.Fprintln(out, string(line)); bad != nil {
		return bad
	}
	return err
}

func (f flags) open() (storage.Store, error) {
	if f.dsn != "" {
		return postgres.Open(f.dsn)
	}
	return sqlite.Open("sqlite", f.db)
}

func (f flags) do(ctx context.Context, tell io.Writer) (any, error) {
	store, err := f.open() //nolint:contextcheck // it takes none
	if err != nil {
		return nil, err
	}
	defer store.Close() //nolint:errcheck // every write was committed before
	app, err := embedcrm.New(store, crm.Config{})
	if err != nil {
		return nil, err
	}
	if err := app.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := app.Tenants.Ensure(crm.System(ctx, f.tenant), f.tenant); err != nil {
		return nil, err
	}
	ctx = crm.System(ctx, f.tenant)
	if f.member != "" {
		ctx = crm.As(ctx, crm.Actor{Tenant: f.tenant, Member: f.member})
	}
	if f.revert != "" {
		id, err := crm.ParseID(f.revert)
		if err != nil {
			return nil, err
		}
		return app.Transfer.Revert(ctx, id)
	}
	if f.migrate != "" {
		kinds, err := app.Core.Kinds()
		if err != nil {
			return nil, err
		}
		return f.move(ctx, app.Transfer, kinds, tell)
	}
	return f.load(ctx, app.Transfer, tell)
}

// load imports the file.
func (f flags) load(ctx context.Context, t *transfer.Transfer, tell io.Writer) (transfer.Report, error) {
	file, err := os.Open(f.file)
	if err != nil {
		return transfer.Report{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	read := &counter{Reader: file}
	if info, err := file.Stat(); err == nil {
		read.size = info.Size()
	}
	src, err := f.source(f.file, read)
	if err != nil {
		return transfer.Report{}, err
	}
	bar := &bar{out: tell, read: read}
	failed, err := f.failed()
	if err != nil {
		return transfer.Report{}, err
	}
	defer failed.Close() //nolint:errcheck // Import reports what it could not write
	report, err := f.bring(ctx, t, src, transfer.Options{Progress: bar.show, Errors: failed}, tell)
	bar.end(report)
	f.faults(tell, "", report)
	report.Faults = nil
	return report, err
}

// failed is where the rows go that fail.
func (f flags) failed() (io.WriteCloser, error) {
	if f.errors == "" {
		return nowhere{io.Discard}, nil
	}
	return os.Create(f.errors)
}

type nowhere struct{ io.Writer }

// Close implements io.Closer.
func (nowhere) Close() error { return nil }

// faults tells the first things that are wrong with rows of a file.
func (f flags) faults(tell io.Writer, file string, r transfer.Report) {
	for _, fault := range r.Faults[:min(len(r.Faults), 10)] {
		_, _ = fmt.Fprintf(tell, "%sline %d: %s\n", file, fault.Line, f.inFlags(fault.Reason))
	}
}

func (f flags) bring(ctx context.Context, t *transfer.Transfer, src transfer.Source, o transfer.Options, tell io.Writer) (transfer.Report, error) {
	if f.resume != "" {
		id, err := crm.ParseID(f.resume)
		if err != nil {
			return transfer.Report{}, err
		}
		return t.Resume(ctx, id, src, o)
	}
	plan, err := f.plan()
	if err != nil {
		return transfer.Report{}, err
	}
	plan, src, err = t.Plan(ctx, src, plan)
	if err != nil {
		return transfer.Report{}, err
	}
	for _, c := range plan.Columns {
		what := c.Field
		if c.Note != "" {
			what = f.inFlags(c.Note)
		}
		_, _ = fmt.Fprintf(tell, "%s: %s\n", c.Heading, what)
	}
	if f.dryRun {
		return t.DryRun(ctx, src, plan, o)
	}
	return t.Import(ctx, src, plan, o)
}

// plan is what the flags say of the columns.
func (f flags) plan() (p transfer.Plan, err error) {
	p = transfer.Plan{
		Object: strings.ToLower(f.object), Mode: transfer.Mode(f.mode), Key: f.key, System: f.system, Set: pairs(f.set), Owners: pairs(f.owners),
		Currency: f.currency, Dates: transfer.DateOrder(f.dates), Decimal: f.decimal, Zone: f.zone, CreateMissing: f.createMissing,
	}
	p.Columns, err = columns(pairs(f.mapping), pairs(f.values))
	return p, err
}

// columns are what headings, and texts below them, are said to be.
func columns(mapping, values map[string]string) (list []transfer.Column, err error) {
	means := map[string]map[string]string{}
	for text, meaning := range values {
		h, text, ok := strings.Cut(text, ":")
		if _, mapped := mapping[h]; !ok || !mapped {
			return nil, fmt.Errorf("-values: say of a column in -map what a text means, as in -map 'Stage=stage_id' -values 'Stage:Closed Won=Won': %q is none", h)
		}
		if means[h] == nil {
			means[h] = map[string]string{}
		}
		means[h][text] = meaning
	}
	for _, h := range slices.Sorted(maps.Keys(mapping)) {
		list = append(list, transfer.Column{Heading: h, Field: mapping[h], Values: means[h]})
	}
	return list, nil
}

// pairs reads a=b,c=d.
func pairs(text string) map[string]string {
	if text == "" {
		return nil
	}
	all := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		all[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return all
}

// source reads a file by its form.
func (f flags) source(name string, read io.Reader) (transfer.Source, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".xlsx", ".xlsm":
		return xlsx.Read(read, f.sheet)
	case ".vcf", ".vcard":
		return vcard.Read(read)
	default:
		o := transfer.CSVOptions{Encoding: transfer.Encoding(f.encoding)}
		if f.delimiter != "" {
			o.Delimiter = strings.NewReplacer(`\t`, "\t", "tab", "\t").Replace(f.delimiter)[0]
		}
		return transfer.ReadCSV(read, o)
	}
}

// counter counts what is read of a file.
type counter struct {
	io.Reader

	n, size int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// bar shows how far an import is.
type bar struct {
	out  io.Writer
	read *counter
}

func (b *bar) show(r transfer.Report) {
	const width = 30
	done := width
	if b.read.size > 0 {
		done = int(min(b.read.n*width/b.read.size, width))
	}
	_, _ = fmt.Fprintf(b.out, "\r[%s%s] %d rows", strings.Repeat("#", done), strings.Repeat(" ", width-done), r.Rows)
}

func (b *bar) end(r transfer.Report) {
	if r.Rows > 0 {
		b.show(r)
		_, _ = fmt.Fprintln(b.out)
	}
}

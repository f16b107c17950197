package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm/transfer"
)

// moved is what is said of a migration.
type moved struct {
	Error  string       `json:"error,omitempty"`
	DryRun bool         `json:"dry_run,omitempty"`
	Tables []movedTable `json:"tables"`
	// Agrees says that every row is there, no sum differs and no reference leads nowhere.
	Agrees bool `json:"agrees"`
}

// movedTable is what is said of one table.
type movedTable struct {
	transfer.Report

	Name string `json:"name"`
	// Changes are those of before the migration that are in the records' histories.
	Changes int64 `json:"changes,omitempty"`
}

// move brings a former CRM in.
func (f flags) move(ctx context.Context, t *transfer.Transfer, kinds []string, tell io.Writer) (moved, error) {
	m, err := f.former(kinds)
	if err != nil {
		return moved{Tables: []movedTable{}}, err
	}
	for _, table := range m.Tables {
		what := table.Plan.Object
		if table.History != nil {
			what += ", with its history"
		}
		_, _ = fmt.Fprintf(tell, "%s: %s\n", table.Name, what)
	}
	failed, err := f.failed()
	if err != nil {
		return moved{}, err
	}
	defer failed.Close() //nolint:errcheck // Migrate reports what it could not write
	do := t.Migrate
	if f.dryRun {
		do = t.DryRunMigration
	}
	report, err := do(ctx, m, transfer.Options{Errors: failed, Progress: func(r transfer.Report) { _, _ = fmt.Fprintf(tell, "\r%s: %d rows", r.Object, r.Rows) }})
	_, _ = fmt.Fprintln(tell)
	return f.said(report, tell, err == nil && report.Reconciliation.Agrees()), err
}

// said is what is said of a migration, and tells what is to be looked at.
func (f flags) said(report transfer.MigrationReport, tell io.Writer, agrees bool) moved {
	out := moved{DryRun: report.DryRun, Agrees: agrees, Tables: []movedTable{}}
	for _, t := range report.Tables {
		for _, c := range t.Plan.Columns {
			if c.Field == "" {
				_, _ = fmt.Fprintf(tell, "%s, %s: %s\n", t.Name, c.Heading, f.inFlags(c.Note))
			}
		}
		f.faults(tell, t.Name+", ", t.Report)
		x := movedTable{Report: t.Report, Name: t.Name}
		x.Object, x.Faults = t.Plan.Object, nil
		if t.Second != nil {
			f.faults(tell, t.Name+", ", *t.Second)
		}
		if t.History != nil {
			x.Changes = t.History.Kept
			for _, why := range slices.Sorted(maps.Keys(t.History.Left)) {
				_, _ = fmt.Fprintf(tell, "%s, history: %d rows are left out: %s\n", t.Name, t.History.Left[why], why)
			}
		}
		out.Tables = append(out.Tables, x)
	}
	for _, o := range report.Reconciliation.Objects {
		for _, missing := range o.MissingKeys[:min(len(o.MissingKeys), 10)] {
			_, _ = fmt.Fprintf(tell, "%s %q is missing: %s\n", o.Object, missing.Key, f.inFlags(missing.Reason))
		}
		for _, orphan := range o.Orphans {
			_, _ = fmt.Fprintf(tell, "%s, %s: %d rows lead nowhere, such as %s\n", orphan.Table, orphan.Column, orphan.Rows, strings.Join(orphan.Examples, ", "))
		}
		for _, sum := range o.Sums {
			if sum.Source != sum.Target {
				_, _ = fmt.Fprintf(tell, "%s, %s %s: the files come to %s, and here it is %s\n", o.Object, sum.Field, sum.Currency, sum.Source, sum.Target)
			}
		}
	}
	return out
}

// former is the migration of what is in the directory.
func (f flags) former(kinds []string) (transfer.Migration, error) {
	m := transfer.Migration{System: f.system, Currency: f.currency, Zone: f.zone, Owners: pairs(f.owners)}
	names, err := files(f.migrate)
	if err != nil {
		return m, err
	}
	d := directory{names: names, kinds: kinds, system: f.system}
	if d.said, err = d.perFile("-tables", pairs(f.tables)); err != nil {
		return m, err
	}
	mapping, err := d.perColumn("-map", pairs(f.mapping))
	if err != nil {
		return m, err
	}
	set, err := d.perColumn("-set", pairs(f.set))
	if err != nil {
		return m, err
	}
	values, err := d.perColumn("-values", pairs(f.values))
	if err != nil {
		return m, err
	}
	tables, histories, err := d.tables()
	if err != nil {
		return m, err
	}
	for _, x := range tables {
		columns, err := columns(mapping[x.file], values[x.file])
		if err != nil {
			return m, fmt.Errorf("%s: %w", x.file, err)
		}
		table := transfer.Table{Name: stem(x.file), Open: f.opens(x.file), Plan: transfer.Plan{
			Object: x.object, System: x.system, Columns: columns, Set: set[x.file],
			Dates: transfer.DateOrder(f.dates), Decimal: f.decimal, CreateMissing: f.createMissing,
		}}
		if h := histories[x.file]; h != "" {
			table.History = &transfer.History{Open: f.opens(h), Dates: transfer.DateOrder(f.dates)}
		}
		m.Tables = append(m.Tables, table)
	}
	return m, nil
}

// files are the tables in a directory.
func files(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(e.Name(), "~$") && slices.Contains([]string{".csv", ".tsv", ".xlsx", ".xlsm"}, ext) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has neither CSV files nor spreadsheets: give the directory of the former CRM's export", dir)
	}
	return names, nil
}

// opens returns what opens a file of the directory, as often as it is asked to.
func (f flags) opens(name string) func() (transfer.Source, error) {
	return func() (transfer.Source, error) {
		file, err := os.Open(filepath.Join(f.migrate, name)) //nolint:gosec // it is the directory that who runs this names
		if err != nil {
			return nil, err
		}
		src, err := f.source(name, file)
		if err != nil {
			_ = file.Close() // it was only read
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return opened{src, file}, nil
	}
}

// opened is a source that closes its file.
type opened struct {
	transfer.Source

	file *os.File
}

// Close implements io.Closer.
func (o opened) Close() error { return o.file.Close() }

// Dates is in which form a spreadsheet writes dates.
func (o opened) Dates() transfer.DateOrder {
	if s, ok := o.Source.(interface{ Dates() transfer.DateOrder }); ok {
		return s.Dates()
	}
	return ""
}

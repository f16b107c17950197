package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Migration is a whole former CRM: its tables, and what holds for all of them.
type Migration struct {
	// System is what the former CRM is called: "salesforce". The keys of its records are
	// kept under it, in refs.salesforce, and are what records are known by.
	System string
	// Tables are what it has, in any order.
	Tables []Table
	// Owners says for owners as the former CRM calls them which members they are, by key. Who
	// is not in it is looked for by key there, e-mail address and name.
	Owners map[string]string
	// Zone and Currency are of times and amounts that name none.
	Zone, Currency string
	// Automate has subscriptions, processes and channels told of what is brought in. Without
	// it nothing is started or sent by it.
	Automate bool
}

// Table is one table of a former CRM: a file of its export.
type Table struct {
	// Name is what reports call it; empty is the Plan's Object.
	Name string
	// Plan is what is made of it: its Object at least. System, Zone, Currency and Owners are
	// those of the migration where it has none. A table whose keys are also those of another
	// table of the kind, as HubSpot numbers companies and contacts, has a System of its own:
	// "hubspot_company". The key is the column that goes into refs of the System.
	Plan Plan
	// Open returns its rows from the first. It is called several times, and each time again
	// for a run that goes on. What it returns is closed if it is an io.Closer.
	Open func() (Source, error)
	// History is what changed in its records before, or nil.
	History *History
}

// MigrationReport is what became of a migration.
type MigrationReport struct {
	// DryRun says that nothing was written.
	DryRun bool `json:"dry_run,omitempty"`
	// Tables are in the order in which they were imported.
	Tables []TableReport `json:"tables"`
	// Reconciliation holds what is there now against what the tables say.
	Reconciliation Reconciliation `json:"reconciliation"`
}

// TableReport is what became of one table.
type TableReport struct {
	Name string `json:"name"`
	// Plan is what was made of its columns.
	Plan   Plan   `json:"plan"`
	Report Report `json:"report"`
	// Deferred are fields that refer to what was imported later. They were brought in
	// afterwards, of which Second is the report.
	Deferred []string       `json:"deferred,omitempty"`
	Second   *Report        `json:"second,omitempty"`
	History  *HistoryReport `json:"history,omitempty"`
}

// Migrate brings a former CRM in: each table as [Transfer.Import] does, those that others
// refer to first. References between tables, and owners, are found by the keys of the
// former system. Where kinds refer to each other in a circle, a field that closes it and is
// not required is left out at first, and brought in when all tables are there; a circle of
// required fields is ErrInvalid. What a column refers to without a table is looked for among
// what is there.
//
// Records keep when they were created, and what changed in them before as the tables of
// History say. Unless Automate is set, nobody is told and nothing is sent.
//
// Migrate with the same tables goes on with a migration that was stopped at any point, of
// which the imports are then superseded, and with newer ones it is a delta run: records
// are known by their keys, what is new is created, what differs is changed, guarded fields
// such as the stage of a deal too, and what is as it was stays untouched. Nothing is
// deleted: what the former CRM has no more is in the report. At the end what is there is
// held against the tables: see [Transfer.Reconcile].
//
// It takes the right to import each kind, besides those that [Transfer.Import] takes. An
// error ends it; what was written until then stays. [Options.Errors] gets the rows that
// failed of all tables, those of each under its own headings.
func (t *Transfer) Migrate(ctx context.Context, m Migration, o Options) (MigrationReport, error) {
	mg, err := t.migrating(ctx, m)
	if err != nil {
		return MigrationReport{}, err
	}
	return mg.run(ctx, o)
}

// DryRunMigration does all that Migrate would do, and undoes it: the report is the one that
// Migrate would give. It is one transaction, in which tables see what the others brought.
func (t *Transfer) DryRunMigration(ctx context.Context, m Migration, o Options) (MigrationReport, error) {
	var report MigrationReport
	tried := false
	undo := errors.New("a dry run is undone")
	err := t.core.Tx(ctx, func(ctx context.Context) error {
		if tried { // the errors have been told
			return crm.ErrRetry
		}
		tried = true
		mg, err := t.migrating(ctx, m)
		if err != nil {
			return err
		}
		if report, err = mg.run(ctx, o); err != nil {
			return err
		}
		return undo
	})
	report.DryRun = true
	for i := range report.Tables {
		for _, r := range []*Report{&report.Tables[i].Report, report.Tables[i].Second} {
			if r != nil {
				r.ID, r.DryRun = crm.ID{}, true
			}
		}
	}
	if errors.Is(err, undo) {
		return report, nil
	}
	return report, err
}

// migrating is a migration being done.
type migrating struct {
	t      *Transfer
	m      Migration
	tables []*migrated
}

// migrated is one table on its way.
type migrated struct {
	Table

	kind     *kind
	plan     Plan
	needs    []need
	crosses  map[*migrated]bool // other tables of the kind and system that it refers to
	deferred map[string]bool    // fields of the second pass
	refused  map[string]string  // why rows failed, by key
	report   TableReport
}

// migrating makes the plans of all tables.
func (t *Transfer) migrating(ctx context.Context, m Migration) (*migrating, error) {
	mg := &migrating{t: t, m: m}
	if m.System == "" {
		return nil, crm.Invalid("system", "is required: what is the former CRM called?")
	}
	if len(m.Tables) == 0 {
		return nil, crm.Invalid("tables", "there is none")
	}
	for _, table := range m.Tables {
		x := &migrated{Table: table, deferred: map[string]bool{}, crosses: map[*migrated]bool{}, refused: map[string]string{}}
		if x.Name == "" {
			x.Name = table.Plan.Object
		}
		if err := mg.complete(ctx, x); err != nil {
			return nil, fmt.Errorf("table %s: %w", x.Name, err)
		}
		mg.tables = append(mg.tables, x)
	}
	mg.link()
	if err := mg.distinct(ctx); err != nil {
		return nil, err
	}
	return mg, mg.order()
}

// complete makes the plan of a table.
func (mg *migrating) complete(ctx context.Context, x *migrated) (err error) {
	if x.Open == nil {
		return crm.Invalid("open", "is required: it returns the table's rows")
	}
	p := x.Plan
	for _, of := range []struct {
		into  *string
		whole string
	}{{&p.System, mg.m.System}, {&p.Zone, mg.m.Zone}, {&p.Currency, mg.m.Currency}} {
		if *of.into == "" {
			*of.into = of.whole
		}
	}
	p.Owners = maps.Clone(mg.m.Owners)
	if p.Owners == nil {
		p.Owners = map[string]string{}
	}
	maps.Copy(p.Owners, x.Plan.Owners)
	key := "refs." + p.System
	if p.Mode == "" {
		p.Mode = Upsert
	}
	if p.Mode == Create || p.Key != "" && p.Key != key {
		return crm.Invalid("plan", "a migration knows records by %s, and creates or updates them: leave Key and Mode empty", key)
	}
	p.Key = key
	src, err := x.Open()
	if err != nil {
		return err
	}
	defer closeSource(src)
	mapped := slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Field == key || strings.EqualFold(c.Heading, "id") })
	if i := slices.IndexFunc(src.Headings(), func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), "id") }); i >= 0 && !mapped {
		p.Columns = append(slices.Clone(p.Columns), Column{Heading: src.Headings()[i], Field: key}) // its own id, also where it looks like one of ours
	}
	if x.kind, err = mg.t.kind(ctx, p.Object); err != nil {
		return err
	}
	x.plan, _, err = mg.t.Plan(ctx, src, p)
	return err
}

// link has references found by the keys of the tables that there are, and persons' employers
// by theirs.
func (mg *migrating) link() {
	systems := map[string][]string{}
	for _, x := range mg.tables {
		if !slices.Contains(systems[x.plan.Object], x.plan.System) {
			systems[x.plan.Object] = append(systems[x.plan.Object], x.plan.System)
		}
	}
	for _, x := range mg.tables {
		x.plan.systems = systems
		for i := range x.plan.Columns {
			c := &x.plan.Columns[i]
			if c.Field == "" && c.Rank >= 0 && c.role.Of == "organisation" && c.role.Role == "external_id" && x.kind.sides[sideEmployment] != nil {
				c.Field, c.By, c.Note = sideEmployment+"[works_at].other_id", "refs."+systems[x.plan.Object][0], ""
			}
			to := systems[x.kind.refOf(c.Field)]
			if c.By == "refs."+x.plan.System && len(to) > 0 && !slices.Contains(to, x.plan.System) {
				c.By = "" // the keys there are another table's: all are tried
			}
		}
	}
}

// refOf is the kind that a field refers to, or empty.
func (k *kind) refOf(field string) string {
	if _, side, _, of, beside := cutSide(field); beside {
		if s := k.sides[side]; s != nil && s.byName[of] != nil {
			return s.byName[of].Ref
		}
		return ""
	}
	if field == "owner_id" {
		return "member"
	}
	if f := k.byName[field]; f != nil {
		return f.Ref
	}
	return ""
}

// run imports the tables, then what was deferred, and looks at what is there.
func (mg *migrating) run(ctx context.Context, o Options) (report MigrationReport, err error) {
	outer := ctx
	ctx = mg.quiet(ctx)
	defer func() {
		for _, x := range mg.tables {
			report.Tables = append(report.Tables, x.report)
		}
	}()
	for _, x := range mg.tables {
		x.report = TableReport{Name: x.Name, Plan: x.plan, Deferred: slices.Sorted(maps.Keys(x.deferred))}
	}
	for _, x := range mg.tables {
		if err := mg.first(ctx, x, o); err != nil {
			return report, fmt.Errorf("table %s: %w", x.Name, err)
		}
	}
	for _, x := range mg.tables {
		if len(x.deferred) == 0 {
			continue
		}
		p := x.plan
		p.Mode, p.only = Update, x.deferred
		second, err := mg.pass(ctx, x, p, nil, o)
		x.report.Second = &second
		if err != nil {
			return report, fmt.Errorf("table %s, %s: %w", x.Name, strings.Join(x.report.Deferred, ", "), err)
		}
	}
	report.Reconciliation, err = mg.reconcile(outer)
	return report, err
}

// quiet is the context in which a migration writes.
func (mg *migrating) quiet(ctx context.Context) context.Context {
	if mg.m.Automate {
		return ctx
	}
	return crm.Quietly(ctx)
}

// first imports a table, but for what is deferred.
func (mg *migrating) first(ctx context.Context, x *migrated, o Options) error {
	p := x.plan
	p.Columns = slices.Clone(p.Columns)
	for i := range p.Columns {
		if c := &p.Columns[i]; x.deferred[c.Field] {
			c.Field, c.Part, c.Note = "", "", "is brought in when all tables are there"
		}
	}
	var past *former
	if x.History != nil {
		x.report.History = &HistoryReport{}
		var err error
		if past, err = mg.t.readFormer(ctx, x.History, &p, x.kind, sortBytes, x.report.History); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		defer past.file.close()
	}
	var err error
	x.report.Report, err = mg.pass(ctx, x, p, past, o)
	return err
}

// pass imports a table by a plan.
func (mg *migrating) pass(ctx context.Context, x *migrated, p Plan, past *former, o Options) (Report, error) {
	src, err := x.Open()
	if err != nil {
		return Report{}, err
	}
	defer closeSource(src)
	name := mg.m.System + ": " + x.Name
	name = string([]rune(name)[:min(len([]rune(name)), maxMigration)])
	r, err := mg.t.begin(ctx, src, p, name, o)
	if err != nil {
		return Report{}, err
	}
	if err := mg.t.supersede(ctx, r.im); err != nil {
		return r.report, err
	}
	r.former, r.refused, r.brings = past, x.refused, true
	err = r.all(ctx)
	return r.report, err
}

// maxMigration is how many characters of a migration and its table an import keeps.
const maxMigration = 200

// supersede takes the imports of a table to their end that were left by runs of its
// migration which were stopped: the one given brings the rest.
func (t *Transfer) supersede(ctx context.Context, by Import) error {
	ctx = crm.SystemIn(ctx)
	var left []crm.ID
	where := crm.Where("migration == $1 and object == $2 and state == 'running' and id != $3", by.Migration, by.ObjectName, by.ID)
	for im, err := range t.Imports.All(ctx, where) {
		if err != nil {
			return err
		}
		left = append(left, im.ID)
	}
	for _, id := range left {
		_, err := t.imports.Do(ctx, id, "superseded", func(im *Import) error {
			if im.State == Running {
				im.State = Superseded
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

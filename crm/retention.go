package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// RetentionAction is what becomes of records whose time is over.
type RetentionAction string

// The actions.
const (
	RetentionErase  RetentionAction = "erase"  // [Core.ErasePerson], deleted records too
	RetentionDelete RetentionAction = "delete" // [Collection.Delete]: it can be restored
)

// Retention is a rule of how long records are kept: those of Object for which Where holds,
// and whose Since is longer ago than After, are erased or deleted, once a day.
type Retention struct {
	Record

	// Name is what it is called: "Leads that came to nothing". The history of what it
	// erases and deletes names it as the cause.
	Name string `crm:"required,max=100,unique" json:"name"`
	// Object is the kind of record.
	Object string `crm:"required,max=48" json:"object"`
	// Where is the condition besides the age, in the language of docs/expressions.md:
	// "count(deals) == 0". Empty: all.
	Where string `crm:"max=4000" json:"where,omitempty"`
	// Since is the date or time the age counts from; empty: updated.
	Since string `crm:"required,max=48" json:"since"`
	// After is how old they become: "90d", "24mo", "10y".
	After string `crm:"required,max=20" json:"after"`
	// Action is what is done.
	Action RetentionAction `crm:"required,enum=erase|delete" json:"action"`
	// Off says that it rests.
	Off bool `json:"off,omitempty"`
	// Uses are the custom fields it names. The kernel sets them.
	Uses []string `json:"uses,omitempty"`
}

// Retentions are a tenant's rules of how long records are kept. They work by a job, once a
// day at a quarter past three by the tenant's calendar, where Run, Start or RunDue work.
// A rule that cannot be understood is ErrInvalid. To make or change one takes the right to
// update every role, since it erases what its author may not.
type Retentions struct {
	Collection[Retention]

	core *Core
}

// retentionJob is the kind of the jobs, and the name of their schedule.
const retentionJob = "crm.retention"

const (
	retentionShown = 20 // records of a rule that a report names
	retentionPage  = 200
)

func (c *Core) defineRetentions() error {
	r := &Retentions{core: c}
	k, err := Define(c, Object[Retention]{Name: "retention", BeforeWrite: r.check, AfterWrite: r.schedule})
	if err != nil {
		return err
	}
	r.Collection = k.Collection
	c.Retentions = r
	c.Fields.UsedBy(r.using)
	return c.Jobs.Handle(retentionJob, func(ctx context.Context, _ Job) error {
		_, err := r.run(ctx, false)
		return err
	}, Idempotent())
}

// check holds a rule against the kind it is about.
func (r *Retentions) check(ctx context.Context, w *Write[Retention]) error {
	rule := w.After
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	a, err := r.core.access(ctx, sc, r.o)
	if err == nil {
		err = a.administers("a retention")
	}
	if err != nil {
		return err
	}
	if rule.Since = strings.TrimSpace(rule.Since); rule.Since == "" {
		rule.Since = "updated"
	}
	o := r.core.objects[rule.Object]
	if o == nil {
		return Invalid("object", "there is no kind of record %q", clip(rule.Object))
	}
	if o.rights || o == r.o || o == r.core.Erasures.o {
		return Invalid("object", "%s are kept", o.plural)
	}
	if !isFieldName(strings.TrimPrefix(rule.Since, "custom.")) {
		return Invalid("since", "is the name of a date or time of %s", o.name)
	}
	if strings.ContainsAny(rule.After, `'"\`) {
		return Invalid("after", "is a span such as 90d, 24mo or 10y")
	}
	reader, err := o.reader(SystemIn(ctx))
	if err != nil {
		return err
	}
	if _, err := reader.compile(SystemIn(ctx), condition{text: rule.age()}); err != nil {
		return Invalid("after", "%s: %s", rule.age(), expressionFault(err))
	}
	if rule.Where != "" {
		if _, err := reader.compile(SystemIn(ctx), condition{text: rule.Where}); err != nil {
			return Invalid("where", "%s", expressionFault(err))
		}
	}
	rule.Uses, err = reader.customUses(SystemIn(ctx), rule.age(), rule.Where)
	return err
}

// age is the condition that a record's time is over.
func (r *Retention) age() string { return fmt.Sprintf("%s < ago('%s')", r.Since, r.After) }

// customUses are the custom fields that expressions name, as object.custom.name.
func (r *reader) customUses(ctx context.Context, texts ...string) (list []string, err error) {
	for _, text := range texts {
		if text == "" {
			continue
		}
		x, err := filter.Parse(text)
		if err != nil {
			return nil, err
		}
		var fail error
		uses, err := x.Uses(&vocabulary{object: r.object, ctx: ctx, sc: r.sc, a: r.access, fail: &fail})
		if fail != nil {
			return nil, fail
		}
		if err != nil {
			return nil, err
		}
		for _, u := range uses {
			if u.Kind == filter.UsesCustom {
				list = append(list, u.Object+".custom."+u.Name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// using names the rules that name a custom field.
func (r *Retentions) using(ctx context.Context, object, field string) (names []string, err error) {
	for rule, err := range r.All(SystemIn(ctx)) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(rule.Uses, object+"."+field) {
			names = append(names, fmt.Sprintf("retention %q", rule.Name))
		}
	}
	return names, nil
}

// schedule makes the job come, once there is a rule.
func (r *Retentions) schedule(ctx context.Context, w *Write[Retention]) error {
	if w.Before != nil {
		return nil
	}
	zone, err := r.core.Tenants.Zone(ctx)
	if err != nil {
		return err
	}
	return r.core.Jobs.schedule(SystemIn(ctx), Schedule{Name: retentionJob, Kind: retentionJob, Cron: "15 3 * * *", Zone: zone.String()})
}

// RetentionResult is what a rule did, or would do.
type RetentionResult struct {
	Rule   string
	Object string
	Action RetentionAction
	// Matched is how many records its time is over for, and Records the first of them, at
	// most 20.
	Matched int64
	Records []ID
	// Done is how many were erased or deleted. Refused could not be: others refer to them.
	Done, Refused int64
}

// Preview says what the rules would do now, and does nothing. It takes the tenant's own
// scope: see [System].
func (r *Retentions) Preview(ctx context.Context) ([]RetentionResult, error) {
	all, err := r.run(ctx, true)
	return all, failed("preview", "retention", ID{}, err)
}

// Apply does now what the job does each day: it goes over the rules by name, and erases or
// deletes each record in a transaction of its own, so that it may be interrupted and called
// again. A record that was erased and not changed since is passed over; one that may not be
// deleted is counted. It takes the tenant's own scope, in no transaction.
func (r *Retentions) Apply(ctx context.Context) ([]RetentionResult, error) {
	if r.core.tx(ctx) != nil {
		return nil, failed("apply", "retention", ID{}, Invalid("", "it makes transactions of its own, and is in one: call it outside"))
	}
	all, err := r.run(ctx, false)
	return all, failed("apply", "retention", ID{}, err)
}

func (r *Retentions) run(ctx context.Context, dry bool) ([]RetentionResult, error) {
	tenant, err := r.core.systemScope(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := readAll[Retention](ctx, r.core, tenant, r.o)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rules, func(a, b *Retention) int { return strings.Compare(a.Name, b.Name) })
	all := []RetentionResult{}
	for _, rule := range rules {
		o := r.core.objects[rule.Object]
		if rule.Off || o == nil { // the program no longer knows the kind
			continue
		}
		result, err := r.apply(Because(ctx, "retention "+rule.Name), rule, o, dry)
		all = append(all, result)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// apply goes over the records of one rule.
func (r *Retentions) apply(ctx context.Context, rule *Retention, o *object, dry bool) (RetentionResult, error) {
	result := RetentionResult{Rule: rule.Name, Object: rule.Object, Action: rule.Action}
	reader, err := o.reader(ctx)
	if err != nil {
		return result, err
	}
	opts := listOptions{where: []condition{{text: rule.age()}}, deleted: rule.Action == RetentionErase}
	if rule.Where != "" {
		opts.where = append(opts.where, condition{text: rule.Where})
	}
	where, err := reader.where(ctx, opts)
	if err != nil {
		return result, err
	}
	for last := uuid.Nil; ; {
		var recs []*rec
		err := r.core.session(ctx).Read(ctx, reader.sc.Tenant, &storage.Query{
			Table: o.table, Columns: []int{o.byName["id"].col, o.byName["version"].col}, Where: where, After: []any{last}, Limit: retentionPage,
		}, func() storage.Row {
			recs = append(recs, o.newRec())
			return recs[len(recs)-1]
		})
		if err != nil || len(recs) == 0 {
			return result, err
		}
		last = uuid.UUID(recs[len(recs)-1].meta().ID)
		if rule.Action == RetentionErase {
			if recs, err = r.unerased(ctx, reader, recs); err != nil {
				return result, err
			}
		}
		for _, found := range recs {
			id := found.meta().ID
			if result.Matched++; len(result.Records) < retentionShown {
				result.Records = append(result.Records, id)
			}
			if dry {
				continue
			}
			if err := r.end(ctx, rule, o, id, &result); err != nil {
				return result, err
			}
		}
		if run, _ := ctx.Value(runningKey{}).(*running); run != nil {
			if err := Progress(ctx, result.Done, 0); err != nil {
				return result, err
			}
		}
	}
}

// end does what a rule says to one record.
func (r *Retentions) end(ctx context.Context, rule *Retention, o *object, id ID, result *RetentionResult) error {
	var err error
	if rule.Action == RetentionErase {
		_, err = r.core.erasePerson(ctx, o.name, id, "retention "+rule.Name, false)
	} else {
		err = o.remove(ctx, id, nil)
	}
	switch {
	case err == nil:
		result.Done++
	case errors.Is(err, ErrNotFound): // somebody else was first
	case errors.Is(err, ErrConflict):
		result.Refused++
	default:
		return err
	}
	return nil
}

// unerased are the records that were changed since they were erased, or never were.
func (r *Retentions) unerased(ctx context.Context, reader *reader, recs []*rec) ([]*rec, error) {
	ids := make([]any, len(recs))
	for i, found := range recs {
		ids[i] = uuid.UUID(found.meta().ID)
	}
	erased := map[uuid.UUID]int64{}
	said := &eventRow{}
	note := func() { erased[said.record] = max(erased[said.record], said.version) }
	err := r.core.session(ctx).Read(ctx, reader.sc.Tenant, &storage.Query{
		Table: eventTable, Columns: eventPlace(), Unordered: true, Limit: storage.MaxPage, Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: reader.name}, storage.In{Field: storage.F("record_id"), Values: ids},
			storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: reader.name + "." + eventErased},
		},
	}, func() storage.Row { note(); return said })
	note()
	return slices.DeleteFunc(recs, func(found *rec) bool {
		m := found.meta()
		return erased[uuid.UUID(m.ID)] == m.Version
	}), err
}

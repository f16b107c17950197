package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// Limits of processes.
const (
	MaxProcesses      = 1000 // living versions of all processes of a tenant
	MaxSteps          = 200  // steps of a process
	MaxTokens         = 64   // branches an instance may be in at once
	MaxVariables      = 64   // variables of an instance
	MaxStepsUnwaiting = 1000 // steps a branch may take without waiting; past them it is stuck
)

const (
	maxCases     = 20       // of a choose, branches of a fork, outcomes of a step
	maxStepArgs  = 16 << 10 // bytes of an action's arguments
	maxVariables = 16 << 10 // bytes of all variables of an instance
	maxCondition = 4000     // bytes of a condition
)

// ProcessState is what a version of a process is good for.
type ProcessState string

// The states.
const (
	ProcessDraft     ProcessState = "draft"     // may be changed; nothing starts
	ProcessPublished ProcessState = "published" // what Start takes; its steps never change
	ProcessRetired   ProcessState = "retired"   // instances that run on it end on it; no other starts
)

// Process is one version of a process: steps that a record goes through. Versions
// with the same key are one process, of which one version at most is published.
type Process struct {
	Record

	// Key is what the process is started by: "onboarding".
	Key string `crm:"required,max=48" json:"key"`
	// Name is how the tenant calls it.
	Name string `crm:"required,max=200" json:"name"`
	// Object is the kind of record it runs on.
	Object string `crm:"required,max=48" json:"object"`
	// Single says that a record has at most one instance of the process at a time,
	// of whichever version.
	Single bool `json:"single,omitempty"`
	// Steps are what is done, the first first. Their order says nothing else.
	Steps []Step `crm:"json" json:"steps"`
	// State is set by Publish and Retire alone.
	State ProcessState `crm:"required,guarded,enum=draft|published|retired" json:"state"`
	// Number is the version's, from 1; 0 before it is published.
	Number int64 `crm:"guarded" json:"number"`
	// Language is the version of the language its conditions are written in. The
	// kernel sets it.
	Language int64 `json:"language"`
	// Uses are the custom fields that its steps name, as "deal.custom.tier". The
	// kernel sets them.
	Uses []string `json:"uses,omitempty"`
}

// Processes are the processes of tenants: records of the kind "process", with the
// methods of any collection, and what starts them. What runs is in [Instances]. A
// published version never changes but in its name; a version is deleted when no
// instance runs on it.
type Processes struct {
	*Collection[Process]

	core    *Core
	kind    *Kind[Process]
	actions map[string]*action
	graphs  graphs
}

const processKind = "process"

// processSubscription is how processes hear of what happens to their records.
const processSubscription = "crm.process"

// defineProcesses makes processes a kind of record. Who writes one holds the
// tenant's row, as whoever changes custom fields: so no field goes that a process
// written at the same time names.
func (c *Core) defineProcesses() error {
	k, err := Define(c, Object[Process]{
		Name: processKind, Plural: "processes", BeforeWrite: c.beforeProcess, AfterWrite: c.afterProcess,
		Initial: func(_ context.Context, w *Write[Process]) error {
			w.After.State = ProcessDraft
			return nil
		},
	})
	if err != nil {
		return err
	}
	k.o.rights = true
	c.Processes = &Processes{Collection: &k.Collection, core: c, kind: k, actions: map[string]*action{}}
	c.Instances = &Instances{core: c}
	c.Fields.UsedBy(c.Processes.using)
	c.addQueue(c.processQueue())
	if err := c.On("*", processSubscription, c.processEvent); err != nil {
		return err
	}
	s := c.subscribed(processSubscription)
	s.among, s.unneeded, s.columns = c.processEvents, c.withoutInstances, eventHead()
	return nil
}

func (c *Core) beforeProcess(ctx context.Context, w *Write[Process]) error {
	p, was := w.After, w.Before
	if was != nil && was.State != ProcessDraft {
		if p.Key != was.Key || p.Object != was.Object || p.Single != was.Single || string(canonical(p.Steps)) != string(canonical(was.Steps)) {
			return Invalid("steps", "version %d of %s was published and never changes: create another version with the same key", was.Number, was.Key)
		}
		p.Language, p.Uses = was.Language, was.Uses
		return nil
	}
	p.Key, p.Object = strings.TrimSpace(p.Key), strings.TrimSpace(p.Object)
	p.Language = filter.LanguageVersion
	uses, err := c.checkProcess(ctx, p)
	p.Uses = uses
	return err
}

// checkProcess holds a process against the kinds of records, fields and actions
// there are, and returns the custom fields it names.
func (c *Core) checkProcess(ctx context.Context, p *Process) ([]string, error) {
	o := c.objects[p.Object]
	if o == nil {
		return nil, Invalid("object", "there is no kind of record %q", clip(p.Object))
	}
	if !stepName(p.Key) {
		return nil, Invalid("key", "a key is 1 to 48 lower-case letters, digits and underscores, beginning with a letter")
	}
	g, found := newGraph(p)
	if len(found) > 0 {
		return nil, &InvalidError{Faults: found}
	}
	r, err := o.reader(ctx)
	if err != nil {
		return nil, err
	}
	set, err := c.freshFields(ctx, p.Object)
	if err != nil {
		return nil, err
	}
	d := definer{core: c, ctx: ctx, g: g, r: r, set: orBare(set, o, r.access.rights.zone)}
	for i := range p.Steps {
		if err := d.step(i, &p.Steps[i]); err != nil {
			return nil, err
		}
	}
	slices.Sort(d.uses)
	return slices.Compact(d.uses), d.faults.err()
}

// definer holds the steps of a process against what there is.
type definer struct {
	core   *Core
	ctx    context.Context //nolint:containedctx // it lives for one call
	g      *graph
	r      *reader
	set    *fieldSet
	faults faults
	uses   []string
}

// step looks at what a step names. What it returns is no fault of the step's.
func (d *definer) step(i int, s *Step) error {
	if s.Kind == StepAction {
		a := d.core.Processes.actions[s.Action]
		if a == nil {
			d.faults.addf(stepField(i, s.Key, "action"), "there is no action %q: the program defines actions with DefineAction", clip(s.Action))
		} else if err := a.check(s.Args); err != nil {
			d.faults.addf(stepField(i, s.Key, "args"), "%s", strings.TrimPrefix(err.Error(), "invalid: "))
		}
	}
	if s.Until != "" {
		if _, ok := d.set.instantField(s.Until); !ok {
			d.faults.addf(stepField(i, s.Key, "until"), "%s has no date or time %q", d.g.object, clip(s.Until))
		} else if custom, ok := strings.CutPrefix(s.Until, "custom."); ok {
			d.uses = append(d.uses, d.g.object+".custom."+custom)
		}
		if err := d.r.access.readable(s.Until); err != nil {
			return err
		}
	}
	if err := d.condition(stepField(i, s.Key, "if"), s.If); err != nil {
		return err
	}
	for n := range s.Cases {
		if err := d.condition(fmt.Sprintf("%s[%d].if", stepField(i, s.Key, "cases"), n), s.Cases[n].If); err != nil {
			return err
		}
	}
	return nil
}

// condition looks at an expression: it must be one of the actor's own, so that
// nobody learns by a process what he may not read.
func (d *definer) condition(field, text string) error {
	if text == "" {
		return nil
	}
	if _, err := d.r.compile(d.ctx, condition{text: text}); err != nil {
		if _, ok := asExpression(err); !ok {
			return err
		}
		d.faults.addf(field, "%s", expressionFault(err))
		return nil
	}
	x, err := d.core.expressions.parse(text)
	if err != nil {
		return err
	}
	var fail error
	uses, err := x.Uses(&vocabulary{object: d.r.object, ctx: d.ctx, sc: d.r.sc, a: d.r.access, fail: &fail})
	if err != nil {
		return err
	}
	for _, u := range uses {
		if u.Kind == filter.UsesCustom {
			d.uses = append(d.uses, u.Object+".custom."+u.Name)
		}
	}
	return fail
}

// afterProcess holds what goes beyond one version.
func (c *Core) afterProcess(ctx context.Context, w *Write[Process]) error {
	switch {
	case w.Before == nil:
		sc, err := scopeOf(ctx)
		if err != nil {
			return err
		}
		n, err := count(ctx, c.session(ctx), sc.Tenant, c.Processes.o.table, living(false))
		if err == nil && n > MaxProcesses {
			err = Invalid("", "a tenant has at most %d versions of processes: delete retired ones", MaxProcesses)
		}
		return err
	case w.Verb != VerbDelete:
		return nil
	case w.Before.State == ProcessPublished && w.Before.Deleted.IsZero():
		return &ConflictError{Field: "state", Reason: "it is published: retire it first"}
	}
	n, err := c.Instances.running(ctx, w.Before.Key, w.Before.ID)
	if err == nil && n > 0 {
		err = &ConflictError{Field: "state", Reason: fmt.Sprintf("%d instances run on it", n)}
	}
	return err
}

// using names the versions that name a custom field and may still run.
func (ps *Processes) using(ctx context.Context, object, field string) ([]string, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Process
	for _, p := range ps.withUse(ctx, sc.Tenant, object+"."+field, &err) {
		n := int64(1)
		if p.State == ProcessRetired {
			if n, err = ps.core.Instances.running(ctx, p.Key, p.ID); err != nil {
				return nil, err
			}
		}
		if n > 0 {
			found = append(found, p)
		}
	}
	names := make([]string, len(found))
	for i, p := range found {
		names[i] = fmt.Sprintf("process %q (%s)", p.Key, p.State)
	}
	return names, err
}

func (ps *Processes) withUse(ctx context.Context, tenant, use string, fail *error) (list []*Process) {
	o := ps.o
	*fail = ps.core.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: o.table, Columns: o.read, Limit: storage.MaxPage,
		Where: storage.And{living(false), storage.Has{Field: storage.F("uses"), Text: use}},
	}, func() storage.Row {
		r := o.newRec()
		p, _ := r.v.(*Process)
		list = append(list, p)
		return r
	})
	return list
}

// Publish makes a draft what Start takes from now on, and retires the version that
// was. What runs goes on as it began. The draft is held once more against what there is
// by now: fields, actions. It takes the right to update processes.
func (ps *Processes) Publish(ctx context.Context, id ID) (Process, error) {
	var made Process
	err := ps.core.atomic(ctx, func(ctx context.Context) error {
		sc, err := scopeOf(ctx)
		if err != nil {
			return err
		}
		draft, err := ps.kind.Get(ctx, id)
		if err != nil {
			return err
		}
		if draft.State != ProcessDraft {
			return Invalid("state", "it is %s already: a draft is published", draft.State)
		}
		if _, err := ps.core.counterRow(ctx, sc.Tenant, true); err != nil { // one after the other
			return err
		}
		last, current, err := ps.versions(ctx, sc.Tenant, draft.Key)
		if err != nil {
			return err
		}
		if current != nil {
			if _, err := ps.kind.Do(ctx, current.ID, "retired", func(p *Process) error { p.State = ProcessRetired; return nil }); err != nil {
				return err
			}
		}
		made, err = ps.kind.Do(ctx, id, "published", func(p *Process) error {
			p.State, p.Number = ProcessPublished, last+1
			return nil
		})
		return err
	})
	return made, failed("publish", processKind, id, err)
}

// versions returns the highest number of a process, of deleted versions too, and the
// published one or nil.
func (ps *Processes) versions(ctx context.Context, tenant, key string) (last int64, current *Process, err error) {
	var list []*Process
	err = ps.core.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: ps.o.table, Columns: ps.o.read, Limit: storage.MaxPage,
		Where: storage.Is{Field: storage.F("key"), Op: storage.Eq, Value: key},
	}, func() storage.Row {
		r := ps.o.newRec()
		p, _ := r.v.(*Process)
		list = append(list, p)
		return r
	})
	for _, p := range list {
		last = max(last, p.Number)
		if p.State == ProcessPublished && p.Deleted.IsZero() {
			current = p
		}
	}
	return last, current, err
}

// Retire ends that instances start on a version; those that run go on. It takes the
// right to update processes.
func (ps *Processes) Retire(ctx context.Context, id ID) (Process, error) {
	p, err := ps.kind.Do(ctx, id, "retired", func(p *Process) error {
		if p.State != ProcessPublished {
			return Invalid("state", "it is %s: what is published is retired", p.State)
		}
		p.State = ProcessRetired
		return nil
	})
	return p, failed("retire", processKind, id, err)
}

// byID returns a version, living or deleted, without rights.
func (ps *Processes) byID(ctx context.Context, tenant string, id ID) (*Process, error) {
	return ps.one(ctx, tenant, ps.o.read, byID(id))
}

func (ps *Processes) one(ctx context.Context, tenant string, columns []int, where storage.Expr) (*Process, error) {
	var found *rec
	err := ps.core.session(ctx).Read(ctx, tenant, &storage.Query{Table: ps.o.table, Columns: columns, Limit: 1, Where: where}, func() storage.Row {
		found = ps.o.newRec()
		return found
	})
	if err != nil || found == nil {
		return nil, err
	}
	p, _ := found.v.(*Process)
	return p, nil
}

// maxGraphs is how many versions are kept made ready.
const maxGraphs = 4096

// graphs are versions made ready: they never change, and are needed again and again.
type graphs struct {
	mu sync.RWMutex
	of map[graphKey]*graph
}

type graphKey struct {
	tenant string
	id     uuid.UUID
}

// graph returns a version made ready. Only what a worker reads is kept, since in
// another's transaction there may be what is rolled back.
func (ps *Processes) graph(ctx context.Context, tenant string, id uuid.UUID, keep bool) (*graph, error) {
	key := graphKey{tenant, id}
	ps.graphs.mu.RLock()
	g := ps.graphs.of[key]
	ps.graphs.mu.RUnlock()
	if g != nil {
		return g, nil
	}
	p, err := ps.byID(ctx, tenant, ID(id))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, Invalid("process", "the version the instance runs on is gone")
	}
	g, found := newGraph(p)
	if len(found) > 0 {
		return nil, &InvalidError{Faults: found}
	}
	if keep && p.State != ProcessDraft {
		ps.graphs.mu.Lock()
		defer ps.graphs.mu.Unlock()
		if ps.graphs.of == nil || len(ps.graphs.of) >= maxGraphs { // what is needed is back at once
			ps.graphs.of = map[graphKey]*graph{}
		}
		ps.graphs.of[key] = g
	}
	return g, nil
}

// stepField names a field of a step in an error.
func stepField(i int, key, field string) string {
	at := fmt.Sprintf("steps[%d]", i)
	if key != "" {
		at += " (" + clip(key) + ")"
	}
	if field != "" {
		at += "." + field
	}
	return at
}

// ParseSteps reads steps from JSON, an array of objects as [Step] marshals. What a
// step has not is ErrInvalid, naming step and field.
func ParseSteps(data []byte) ([]Step, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, failed("parse", processKind, ID{}, Invalid("steps", "are a JSON array of steps"))
	}
	if len(parts) > MaxSteps {
		return nil, failed("parse", processKind, ID{}, Invalid("steps", "are %d, and %d are allowed", len(parts), MaxSteps))
	}
	steps := make([]Step, len(parts))
	var all faults
	for i, part := range parts {
		if msg := strictly(part, &steps[i]); msg != "" {
			all.addf(stepField(i, steps[i].Key, ""), "%s", msg)
		}
	}
	if err := all.err(); err != nil {
		return nil, failed("parse", processKind, ID{}, err)
	}
	return steps, nil
}

package crm

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// stage is what the instances of a tenant see of the world in one transaction.
type stage struct {
	core    *Core
	ctx     context.Context //nolint:containedctx // it lives for one transaction
	tenant  string
	now     time.Time
	zone    *time.Location     // the tenant's; nil is UTC
	records map[recordKey]*rec // read already; nil: it is gone
	room    int                // how many actions outside may come of it
}

// errands is how many actions outside a worker takes up at once: few enough that the
// last is begun within its lease.
const errands = 32

type recordKey struct {
	o  *object
	id uuid.UUID
}

func (c *Core) stage(ctx context.Context, tenant string) (*stage, error) {
	r, err := c.rightsOf(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return &stage{core: c, ctx: ctx, tenant: tenant, now: c.now(), zone: r.zone, records: map[recordKey]*rec{}, room: errands}, nil
}

// record returns a living record, or nil.
func (s *stage) record(o *object, id uuid.UUID) (*rec, error) {
	if r, ok := s.records[recordKey{o, id}]; ok {
		return r, nil
	}
	if err := s.load(o, false, id); err != nil {
		return nil, err
	}
	return s.records[recordKey{o, id}], nil
}

// load reads records; with lock they stay as they are till the transaction ends.
func (s *stage) load(o *object, lock bool, ids ...uuid.UUID) error {
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
		s.records[recordKey{o, id}] = nil
	}
	var found []*rec
	err := s.core.session(s.ctx).Read(s.ctx, s.tenant, &storage.Query{
		Table: o.table, Columns: o.read, Limit: len(ids), Lock: lock,
		Where: storage.And{storage.In{Field: storage.F("id"), Values: values}, o.lives()},
	}, func() storage.Row {
		found = append(found, o.newRec())
		return found[len(found)-1]
	})
	if err != nil {
		return err
	}
	set, err := s.core.fieldsOf(s.ctx, s.tenant, o)
	if err != nil {
		return err
	}
	set.show(found...)
	for _, r := range found {
		s.records[recordKey{o, uuid.UUID(r.meta().ID)}] = r
	}
	return nil
}

// preload reads the records of many instances at once.
func (s *stage) preload(list []*instance) error {
	ids := map[*object]map[uuid.UUID]bool{}
	for _, in := range list {
		o := s.core.objects[in.object]
		if o == nil {
			continue
		}
		if ids[o] == nil {
			ids[o] = map[uuid.UUID]bool{}
		}
		ids[o][in.record] = true
	}
	for o, set := range ids {
		all := make([]uuid.UUID, 0, len(set))
		for id := range maps.Keys(set) {
			all = append(all, id)
		}
		if err := s.load(o, false, all...); err != nil {
			return err
		}
	}
	return nil
}

// scene is the world of one instance on its stage.
type scene struct {
	*stage

	g  *graph
	in *instance
	st *state
	o  *object
}

var _ world = (*scene)(nil)

// pass begins a pass over an instance.
func (s *stage) pass(in *instance, g *graph, st *state) *pass {
	return &pass{g: g, st: st, now: s.now, zone: s.zone, w: &scene{stage: s, g: g, in: in, st: st, o: s.core.objects[in.object]}}
}

// open reads what is needed of an instance to change it.
func (s *stage) open(in *instance, keep bool) (*pass, error) {
	g, err := s.core.Processes.graph(s.ctx, s.tenant, in.of, keep)
	if errors.Is(err, ErrInvalid) { // it waits for who can read it, and is stuck at last
		g, err = &graph{id: in.of, key: in.process, object: in.object, fault: notHereError{"this version of the process: " + expressionFault(err)}}, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := in.decode()
	if err != nil {
		return nil, err
	}
	return s.pass(in, g, st), nil
}

// errRecordGone says that there is no record to look at.
var errRecordGone = errors.New("the record is gone")

func (s *scene) own() (*rec, *fieldSet, error) {
	if s.o == nil {
		return nil, nil, notHereError{"this kind of record"}
	}
	r, err := s.record(s.o, s.in.record)
	if err != nil {
		return nil, nil, &stopped{err}
	}
	if r == nil {
		return nil, nil, errRecordGone
	}
	set, err := s.core.fieldsOf(s.ctx, s.tenant, s.o)
	if err != nil {
		return nil, nil, &stopped{err}
	}
	return r, orBare(set, s.o, s.zone), nil
}

// holds asks a condition about the record's own fields in memory, and any other the
// database.
func (s *scene) holds(text string) (bool, error) {
	r, set, err := s.own()
	if err != nil {
		return false, err
	}
	x, err := s.g.condition(set, text)
	if err != nil {
		return false, err
	}
	if x.parsed == nil {
		return s.ask(text)
	}
	when := x.steady
	if when == nil {
		if when, err = x.parsed.Compile(set.own(false), nil, momentOf(s.now, s.zone, ID{})); err != nil {
			return false, err
		}
	}
	return storage.Match(when, ownRow{r}), nil
}

// ask asks the database a condition.
func (s *scene) ask(text string) (bool, error) {
	r, err := s.o.reader(s.ctx)
	if err != nil {
		return false, &stopped{err}
	}
	return r.matches(s.ctx, ID(s.in.record), text)
}

// matches reports whether a record the actor may read satisfies a condition, by the
// database. An error that is no fault of the condition's is stopped.
func (r *reader) matches(ctx context.Context, id ID, text string) (bool, error) {
	x, err := r.compile(ctx, condition{text: text})
	if err != nil {
		if _, ok := asExpression(err); ok {
			return false, err
		}
		return false, &stopped{err}
	}
	found := false
	err = r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: r.table, Columns: []int{r.byName["id"].col}, Limit: 1, Where: r.access.reading(storage.And{byID(id), r.lives(), x}),
	}, func() storage.Row {
		found = true
		return r.newRec()
	})
	if err != nil {
		return false, &stopped{err}
	}
	return found, nil
}

func asExpression(err error) (*filter.Error, bool) { return errors.AsType[*filter.Error](err) }

func (s *scene) instant(field string) (time.Time, bool, error) {
	r, set, err := s.own()
	if err != nil {
		return time.Time{}, false, err
	}
	f, ok := set.instantField(field)
	if !ok {
		return time.Time{}, false, errors.New("the record has no date or time " + clip(field))
	}
	switch v := (ownRow{r}).Value(f.At).(type) {
	case time.Time:
		return v, true, nil
	case Date:
		return v.Time(s.zone), true, nil
	case int64:
		return time.UnixMicro(v).UTC(), true, nil
	case string:
		d, err := ParseDate(v)
		return d.Time(s.zone), err == nil, err
	}
	return time.Time{}, false, nil
}

func (s *scene) version() (int64, error) {
	if s.o == nil {
		return 0, notHereError{"this kind of record"}
	}
	if err := s.load(s.o, true, s.in.record); err != nil {
		return 0, &stopped{err}
	}
	r := s.records[recordKey{s.o, s.in.record}]
	if r == nil {
		return 0, errRecordGone
	}
	return r.meta().Version, nil
}

func (s *scene) act(t *token, step *Step) (outcome string, err error) {
	a := s.core.Processes.actions[step.Action]
	if a == nil {
		return "", notHereError{"the action " + clip(step.Action)}
	}
	if a.effect != effectInside {
		if s.room--; s.room < 0 {
			return "", errFull
		}
		return "", outsideError{a.lease}
	}
	call := s.core.callOf(s.ctx, s.g, s.in, s.st, t)
	err = s.core.atomic(s.st.because(s.ctx, s.tenant, ID(s.in.id)), func(ctx context.Context) error {
		outcome, err = s.core.safely(ctx, a, call, step.Args)
		return err
	})
	clear(s.records) // whatever it wrote is there
	if err != nil {
		if s.ctx.Err() != nil || errors.Is(err, ErrRetry) || errors.Is(err, ErrTxLost) {
			return "", &stopped{err}
		}
		return "", err
	}
	return outcome, call.apply(s.st)
}

func (s *scene) backoff(t *token) time.Duration { return backoff(s.in.id, int64(t.Tries)) }

// conditions are the conditions of a process, compiled for the custom fields of a
// moment.
type conditions struct {
	set *fieldSet
	of  map[string]*compiled
}

// compiled is a condition about a record's own fields. Without parsed it is about
// others too.
type compiled struct {
	parsed *filter.Expr
	steady storage.Expr // the condition, when it is the same at any moment
}

// condition returns a condition compiled for custom fields.
func (g *graph) condition(set *fieldSet, text string) (*compiled, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conds == nil || g.conds.set != set && !(g.conds.set.empty() && set.empty() && g.conds.set.zone == set.zone) {
		g.conds = &conditions{set, map[string]*compiled{}}
	}
	if c := g.conds.of[text]; c != nil {
		return c, nil
	}
	if _, err := (filter.Stored{Text: text, Version: int(g.language)}).Parse(); err != nil {
		return nil, err
	}
	c := &compiled{}
	if parsed, steady, err := set.compileOwn(text, false); err == nil {
		c.parsed, c.steady = parsed, steady
	}
	g.conds.of[text] = c
	return c, nil
}

// orBare is a set, or an empty one.
func orBare(s *fieldSet, o *object, zone *time.Location) *fieldSet {
	if s == nil {
		return &fieldSet{o: o, zone: zone}
	}
	return s
}

func (s *fieldSet) empty() bool { return len(s.list) == 0 }

// instantField finds a date or time of a record by its name in expressions.
func (s *fieldSet) instantField(name string) (filter.Field, bool) {
	find := s.own(false).Field
	if custom, is := strings.CutPrefix(name, "custom."); is {
		find, name = s.own(false).Custom, custom
	}
	f, ok := find(name)
	return f, ok && (f.Type == filter.Date || f.Type == filter.Time)
}

// apply keeps what an action set.
func (a *ActionCall) apply(st *state) error {
	vars := cloneVars(st.Vars)
	for name, v := range a.set {
		if v == nil {
			delete(vars, name)
			continue
		}
		vars[name] = v
	}
	if err := checkVariables(vars); err != nil {
		return err
	}
	st.Vars = nil
	if len(vars) > 0 {
		st.Vars = vars
	}
	return nil
}

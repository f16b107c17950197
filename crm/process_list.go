package crm

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// InstanceFilter says which instances are wanted: those that fit all that is given.
type InstanceFilter struct {
	Object  string // the kind of record; it must be given
	Record  ID
	Process string // a process's key
	State   InstanceState
}

// Get returns an instance whose record the actor may read.
func (is *Instances) Get(ctx context.Context, id ID) (Instance, error) {
	in, err := is.get(ctx, id)
	if err != nil {
		return Instance{}, failed("get", "instance", id, err)
	}
	out, err := in.public()
	return out, failed("get", "instance", id, err)
}

func (is *Instances) get(ctx context.Context, id ID) (*instance, error) {
	if err := is.core.ready(); err != nil {
		return nil, err
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	return is.readable(ctx, sc, id)
}

func isID(id ID) *storage.Query { return &storage.Query{Where: byID(id), Limit: 1} }

// List returns a page of the instances on records of a kind, the latest started
// first: those whose record the actor may read, and that is not deleted unless he may
// read every one of the kind. Of the options it takes [Limit] and [After].
func (is *Instances) List(ctx context.Context, f InstanceFilter, opts ...ListOption) (Page[Instance], error) {
	p, err := is.list(ctx, f, opts)
	return p, failed("list", "instance", ID{}, err)
}

func (is *Instances) list(ctx context.Context, f InstanceFilter, opts []ListOption) (Page[Instance], error) {
	o := is.core.objects[f.Object]
	if o == nil {
		return Page[Instance]{}, Invalid("object", "there is no kind of record %q", clip(f.Object))
	}
	r, err := o.reader(ctx)
	if err != nil {
		return Page[Instance]{}, err
	}
	where := storage.And{storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: f.Object}}
	if !f.Record.IsZero() {
		where = append(where, storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(f.Record)})
	}
	if f.Process != "" {
		where = append(where, storage.Is{Field: storage.F("process"), Op: storage.Eq, Value: clip(f.Process)})
	}
	if f.State != "" {
		where = append(where, storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: clip(string(f.State))})
	}
	if !r.access.everything() {
		where = append(where, storage.Exists{
			Rel: storage.Rel{Table: o.table, Column: "id", Key: "record_id"}, Where: r.access.reading(storage.And{r.lives()}),
		})
	}
	return is.page(ctx, r.sc.Tenant, where, opts)
}

// Stuck returns a page of the instances that go on only by hand, of all kinds of
// records, the latest started first. It takes the right to update every process, and
// of the options [Limit] and [After].
func (is *Instances) Stuck(ctx context.Context, opts ...ListOption) (Page[Instance], error) {
	p, err := is.stuck(ctx, opts)
	return p, failed("list", "instance", ID{}, err)
}

func (is *Instances) stuck(ctx context.Context, opts []ListOption) (Page[Instance], error) {
	if err := is.core.ready(); err != nil {
		return Page[Instance]{}, err
	}
	sc, err := scopeOf(ctx)
	if err == nil {
		err = is.maySteer(ctx, sc)
	}
	if err != nil {
		return Page[Instance]{}, err
	}
	return is.page(ctx, sc.Tenant, storage.And{storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: string(InstanceStuck)}}, opts)
}

// page reads a page of instances. Its cursor is an id, which is no secret to who may
// read the instance.
func (is *Instances) page(ctx context.Context, tenant string, where storage.And, opts []ListOption) (Page[Instance], error) {
	limit, after, err := pageOf(opts)
	if err != nil {
		return Page[Instance]{}, err
	}
	q := &storage.Query{Where: where, Limit: limit + 1, Order: []storage.Order{{Field: storage.F("id"), Desc: true}}}
	if after != "" {
		id, err := ParseID(after)
		if err != nil {
			return Page[Instance]{}, errCursor
		}
		q.After = []any{uuid.UUID(id), uuid.UUID(id)}
	}
	list, err := is.core.instances(ctx, tenant, q)
	if err != nil {
		return Page[Instance]{}, err
	}
	p := Page[Instance]{}
	if len(list) > limit {
		list = list[:limit]
		p.Next = ID(list[limit-1].id).String()
	}
	for _, in := range list {
		out, err := in.public()
		if err != nil {
			return Page[Instance]{}, err
		}
		p.Items = append(p.Items, out)
	}
	return p, nil
}

// pageOf reads the options of a list that is neither filtered nor sorted by them.
func pageOf(opts []ListOption) (limit int, after string, err error) {
	o := listOptionsOf(opts)
	switch {
	case len(o.where) > 0 || len(o.order) > 0 || o.deleted:
		return 0, "", Invalid("", "of the options this list takes Limit and After")
	case o.limit == 0:
		o.limit = DefaultPage
	}
	if o.limit < 1 || o.limit > MaxPage {
		return 0, "", Invalid("limit", "a page has 1 to %d items, not %d", MaxPage, o.limit)
	}
	return o.limit, o.after, nil
}

// Visit is a step that an instance was at and left.
type Visit struct {
	Step    string
	Entered time.Time
	Left    time.Time
	// Outcome is how it was left: what an action or answer returned, the case that
	// was taken, the event that came; "timeout", "cancelled", "moved", "retried" (it
	// was not left, but done again by hand); or empty.
	Outcome string
	Actor   string // who did it, as the history names actors
	Reason  string // why, of what was done by hand
}

// visitRow is a row of visitTable.
type visitRow struct {
	Visit

	instance, of uuid.UUID
	n, took      int64
}

// Value returns column i; such a row is only read.
func (r *visitRow) Value(int) any { return nil }

// Dest returns where column i is put.
func (r *visitRow) Dest(i int) any {
	return [...]any{&r.instance, &r.n, &r.of, &r.Step, &r.Entered, &r.Left, &r.took, &r.Outcome, &r.Actor, &r.Reason}[i]
}

// History returns a page of the steps an instance has left, in the order it came to
// them. It is for those who may read the record. Of the options it takes [Limit] and
// [After].
func (is *Instances) History(ctx context.Context, id ID, opts ...ListOption) (Page[Visit], error) {
	p, err := is.history(ctx, id, opts)
	return p, failed("history", "instance", id, err)
}

func (is *Instances) history(ctx context.Context, id ID, opts []ListOption) (Page[Visit], error) {
	limit, after, err := pageOf(opts)
	if err != nil {
		return Page[Visit]{}, err
	}
	where := storage.And{storage.Is{Field: storage.F("instance_id"), Op: storage.Eq, Value: uuid.UUID(id)}}
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil {
			return Page[Visit]{}, errCursor
		}
		where = append(where, storage.Is{Field: storage.F("visit"), Op: storage.Gt, Value: n})
	}
	if _, err := is.get(ctx, id); err != nil {
		return Page[Visit]{}, err
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return Page[Visit]{}, err
	}
	var rows []*visitRow
	err = is.core.session(ctx).Read(ctx, sc.Tenant, &storage.Query{
		Table: visitTable, Where: where, Limit: limit + 1, Order: []storage.Order{{Field: storage.F("visit")}},
	}, func() storage.Row {
		rows = append(rows, &visitRow{})
		return rows[len(rows)-1]
	})
	p := Page[Visit]{}
	if len(rows) > limit {
		rows = rows[:limit]
		p.Next = strconv.FormatInt(rows[limit-1].n, 10)
	}
	for _, r := range rows {
		p.Items = append(p.Items, r.Visit)
	}
	return p, err
}

// StepTime is how long instances of a version were at a step that they left.
type StepTime struct {
	Step   string
	Visits int64
	// Mean is the average, Median and P90 are nearest ranks: the time that half, or
	// nine tenths, of the visits took at most.
	Mean, Median, P90 time.Duration
}

// Times returns how long the steps of a version of a process took, by key: a figure of
// all instances, for which it takes the right to read the version.
func (ps *Processes) Times(ctx context.Context, id ID) ([]StepTime, error) {
	list, err := ps.times(ctx, id)
	return list, failed("times", processKind, id, err)
}

func (ps *Processes) times(ctx context.Context, id ID) ([]StepTime, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := ps.Get(ctx, id); err != nil {
		return nil, err
	}
	var rows []storage.Values
	took := storage.F("took")
	err = ps.core.session(ctx).Aggregate(ctx, sc.Tenant, &storage.Aggregate{
		Table: visitTable,
		Where: storage.And{
			storage.Is{Field: storage.F("process_id"), Op: storage.Eq, Value: uuid.UUID(id)},
			storage.Not{Expr: storage.Is{Field: storage.F("outcome"), Op: storage.Eq, Value: "retried"}},
		},
		Group: []storage.Group{{Field: storage.F("step")}},
		Measure: []storage.Measure{
			{Fn: storage.CountRows}, {Fn: storage.Sum, Field: took}, {Fn: storage.Percentile, Field: took, P: 50}, {Fn: storage.Percentile, Field: took, P: 90},
		},
	}, func() storage.Row {
		rows = append(rows, make(storage.Values, 5))
		return rows[len(rows)-1]
	})
	list := make([]StepTime, len(rows))
	for i, r := range rows {
		step, _ := r[0].(string)
		n, _ := r[1].(int64)
		micros := func(i int) time.Duration { v, _ := r[i].(int64); return time.Duration(v) * time.Microsecond }
		list[i] = StepTime{Step: step, Visits: n, Mean: micros(2) / time.Duration(max(n, 1)), Median: micros(3), P90: micros(4)}
	}
	return list, err
}

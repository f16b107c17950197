package crm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// entering is one call that adds rows to a ledger.
type entering struct {
	*object

	sc     scope
	action storage.Action
	recs   []*rec
	order  []int  // of recs, as they are written
	added  []bool // whether they are new, or nil
}

// inRow says which row of several an error is about.
func inRow(i, of int, err error) error {
	if of == 1 || err == nil {
		return err
	}
	return fmt.Errorf("row %d: %w", i, err)
}

// enter adds rows to a ledger.
func (o *object) enter(ctx context.Context, action storage.Action, recs []*rec, added []bool) error {
	sc, err := scopeOf(ctx)
	if err == nil {
		err = o.core.ready()
	}
	if err == nil {
		err = sc.check()
	}
	if err != nil || len(recs) == 0 {
		return err
	}
	sc.trusted = true
	e := &entering{object: o, sc: sc, action: action, recs: recs, added: added, order: make([]int, len(recs))}
	for i, r := range recs {
		if err := e.prepare(r, nil); err != nil {
			return inRow(i, len(recs), err)
		}
		e.order[i] = i
	}
	if action != storage.Insert {
		e.sort()
	}
	err = chase(func(to leads) error {
		e.follow(to)
		return o.call(ctx, len(recs) > storage.MaxChanges || len(o.references) > 0, e.write)
	})
	if errors.Is(err, ErrConflict) {
		err = e.explain(ctx, err)
	}
	return err
}

// prepare brings a row to the form in which it is kept, and holds it to its tags; the
// fields that are given later are left alone.
func (e *entering) prepare(r *rec, later map[string]string) error {
	if f := e.byName["id"]; f != nil && f.typ == TypeID && slices.Contains(e.key, "id") && r.Value(f.col) == nil && later == nil {
		put(r.Dest(f.col), uuid.UUID(e.core.ids.next(e.core.now())))
	}
	faults := r.normalise()
	r.freeze()
	for _, f := range e.fields {
		if _, given := later[f.name]; !given {
			faults = f.check(r, faults)
		}
	}
	if len(faults) > 0 {
		return &InvalidError{Faults: faults}
	}
	return nil
}

// follow makes rows refer to where records lead that were merged into others.
func (e *entering) follow(to leads) {
	if len(to) == 0 {
		return
	}
	w := &writer{object: e.object}
	for _, r := range e.recs {
		w.follow(to, r)
		r.freeze()
	}
	if e.action != storage.Insert {
		e.sort()
	}
}

// sort puts rows in the order of keys, so that two calls with the same ones wait for
// each other and do not die of it. What has one key keeps its order.
func (e *entering) sort() {
	slices.SortStableFunc(e.order, func(i, j int) int {
		for _, name := range e.key {
			col := e.table.Index(name)
			if c := storage.Compare(e.recs[i].Value(col), e.recs[j].Value(col)); c != 0 {
				return c
			}
		}
		return 0
	})
}

func (e *entering) write(ctx context.Context) error {
	if _, err := e.core.Tenants.forWrite(ctx, e.sc.Tenant); err != nil {
		return err
	}
	for part := range slices.Chunk(e.order, storage.MaxChanges) {
		changes := make([]storage.Change, len(part))
		for n, i := range part {
			changes[n] = storage.Change{Action: e.action, Table: e.table, Row: e.recs[i], Checked: true}
			if e.added != nil {
				changes[n].Added = &e.added[i]
			}
		}
		if err := e.core.session(ctx).Write(ctx, e.sc.Tenant, changes); err != nil {
			return &rowsError{part, err}
		}
	}
	return e.verify(ctx)
}

// rowsError is what a database answered to rows.
type rowsError struct {
	part []int
	err  error
}

func (r *rowsError) Error() string { return r.err.Error() }
func (r *rowsError) Unwrap() error { return r.err }

// verify holds that what rows refer to lives. It is asked after the write, which waits
// for who deletes it: see writer.verifyReferences.
func (e *entering) verify(ctx context.Context) error {
	w := &writer{object: e.object, sc: e.sc}
	for _, f := range e.references {
		first := map[uuid.UUID]int{}
		var ids []uuid.UUID
		for i, r := range e.recs {
			id, set := r.Value(f.col).(uuid.UUID)
			if _, known := first[id]; set && !known {
				first[id] = i
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		missing, err := w.missing(ctx, others{of: f.target}, ids)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			i := first[missing[0]]
			for _, id := range missing {
				i = min(i, first[id])
			}
			fault := inRow(i, len(e.recs), Invalid(f.name, "refers to no %s that lives", f.target.name))
			to, err := f.target.currents(ctx, e.sc.Tenant, missing)
			if err == nil && len(to) > 0 {
				err = &elsewhereError{to, fault}
			}
			return cmp.Or(err, fault)
		}
	}
	return nil
}

// explain says in the row's terms what the database refused.
func (e *entering) explain(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*rowsError](err)
	if !ok {
		return err
	}
	if found := e.verify(ctx); found != nil {
		return found
	}
	conflict := &ConflictError{Field: strings.Join(e.key, ", "), Reason: "a row with this key exists"}
	if known, ok := errors.AsType[*storage.Error](err); ok && known.Change >= 0 && known.Change < len(refused.part) {
		return inRow(refused.part[known.Change], len(e.recs), conflict)
	}
	if len(e.recs) > 1 {
		conflict.Reason = "a row with the key of one of these exists"
	}
	return conflict
}

// clear removes rows that satisfy conditions.
func (o *object) clear(ctx context.Context, opts listOptions) error {
	if len(opts.where)+len(opts.of) == 0 {
		return Invalid("where", `say which rows: Where("true") is all of them`)
	}
	if len(opts.order) > 0 || opts.limit != 0 || opts.after != "" {
		return Invalid("options", "rows are removed by conditions, neither sorted nor cut")
	}
	r, err := o.readerFor(ctx, opts)
	if err != nil {
		return err
	}
	where, err := r.where(ctx, opts)
	if err != nil {
		return err
	}
	tn, err := o.core.Tenants.of(ctx, r.sc.Tenant)
	if err != nil || tn == nil { // without a tenant there are no rows
		return err
	}
	return o.call(ctx, false, func(ctx context.Context) error {
		return o.core.session(ctx).Write(ctx, r.sc.Tenant, []storage.Change{{Action: storage.Clear, Table: o.table, Where: where}})
	})
}

// expand adds rows made of records.
func (o *object) expand(ctx context.Context, kind string, where Filter, row *rec, from map[string]string) (added int64, err error) {
	e := &entering{object: o, recs: []*rec{row}}
	r, err := o.trusted(ctx)
	if err != nil {
		return 0, err
	}
	e.sc = r.sc
	source := o.core.objects[kind]
	if source == nil {
		return 0, Invalid("kind", "there is no kind of record %q", clip(kind))
	}
	if from == nil {
		from = map[string]string{}
	}
	if err := e.prepare(row, from); err != nil {
		return 0, err
	}
	x := &storage.Expansion{Into: o.table, From: source.table}
	if x.Set, err = e.assigned(source, from); err != nil {
		return 0, err
	}
	of, err := source.trusted(ctx)
	if err != nil {
		return 0, err
	}
	opts := listOptions{}
	if !where.IsZero() {
		opts.where = []condition{{text: where.Text, args: where.Args}}
	}
	if x.Where, err = of.where(ctx, opts); err != nil {
		return 0, err
	}
	err = o.call(ctx, len(o.references) > 0, func(ctx context.Context) error {
		if _, err := o.core.Tenants.forWrite(ctx, e.sc.Tenant); err != nil {
			return err
		}
		var err error
		if added, err = o.core.session(ctx).Expand(ctx, e.sc.Tenant, x); err != nil {
			return err
		}
		return e.verify(ctx)
	})
	if errors.Is(err, ErrConflict) {
		if found := e.verify(ctx); found != nil {
			err = found
		}
	}
	if err != nil {
		return 0, err
	}
	return added, nil
}

// assigned are the columns of an expanded row: what the row given has, or a field of
// the source.
func (e *entering) assigned(source *object, from map[string]string) (set []storage.Assign, err error) {
	for name, of := range from {
		f, s := e.byName[name], source.byName[of]
		switch {
		case f == nil:
			return nil, Invalid("from", "%s has no field %s", e.name, clip(name))
		case s == nil:
			return nil, Invalid("from", "%s has no field %s", source.name, clip(of))
		case e.specs[f.col].Kind != source.specs[s.col].Kind || f.typ != s.typ || f.fold:
			return nil, Invalid("from", "%s holds %s and cannot be given %s, which holds %s", name, f.typ, of, s.typ)
		case f.required && !s.always():
			return nil, Invalid("from", "%s must have a value, and %s of a %s need not", name, of, source.name)
		case f.target != nil && f.target != s.target && (of != "id" || f.target != source):
			return nil, Invalid("from", "%s refers to a %s, and %s does not", name, f.target.name, of)
		case f.max > 0 && (s.max == 0 || s.max > f.max), f.enum != nil && !slices.Equal(f.enum, s.enum):
			return nil, Invalid("from", "%s may hold less than %s of a %s does", name, of, source.name)
		}
	}
	for i := range e.columns {
		f := e.columns[i].field
		of, given := from[f.name]
		if !given {
			if v := e.recs[0].Value(i); v != nil {
				set = append(set, storage.Assign{Column: e.specs[i].Name, Value: v})
			}
			continue
		}
		s := source.byName[of]
		set = append(set, storage.Assign{Column: e.specs[i].Name, Value: storage.F(source.specs[s.col+i-f.col].Name)})
	}
	return set, nil
}

// always reports whether a field has a value in every record.
func (f *field) always() bool {
	return f.required || f.kernel && (f.name == "id" || f.name == "version" || f.name == "created" || f.name == "updated") ||
		!f.null && (f.typ == TypeInt || f.typ == TypeBool)
}

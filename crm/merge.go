package crm

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxAbsorbed is how many records one merge absorbs.
const maxAbsorbed = 100

// Merging is a merge as the hook of the kind sees it: see [Object].
type Merging[T any] struct {
	// Survivor is the record that stays, and Absorbed are the others, as they are. They
	// must not be changed.
	Survivor *T
	Absorbed []*T
	// After is what the survivor becomes by the rules. The hook may change it.
	After *T
}

// Merge makes one record of several: the survivor takes what rules say of the fields of
// the absorbed ones, every reference to them becomes one to it, and they are deleted. It
// is one transaction, and each record in it has its event: "company.merged" of the
// survivor, "company.absorbed" and, of each record that referred to one, "deal.relinked".
// Histories stay as they were. [Kind.Unmerge] undoes it.
//
// From then on the id of an absorbed record leads to the survivor: Get and Update by it
// reach the survivor, a reference that is written with it becomes one to the survivor, and
// [Collection.Upsert] by its keys in other systems finds the survivor. The absorbed
// record itself is read by Get with [WithDeleted], and by History and AsOf.
//
// It takes the right to update the survivor, and to update and delete those it absorbs.
// What refers to them is relinked whether or not the actor may read or update it, since a
// part left behind would be lost to everyone. Shares go to the survivor, but where it has
// one with the same member or team.
//
// The same record twice and no record are ErrInvalid, and so is a merge after which the
// survivor would be above itself in a tree. A deleted record, and one that was merged
// already, are ErrConflict, the latter with the record it leads to as its Holder.
func (k *Kind[T]) Merge(ctx context.Context, survivor ID, absorbed []ID, rules MergeRules) (T, Merge, error) {
	r, m, err := k.o.merge(ctx, survivor, absorbed, rules)
	if err != nil {
		var none T
		return none, Merge{}, failed("merge", k.o.name, survivor, err)
	}
	return value[T](r), m, nil
}

// MergePreview is what a merge would do.
type MergePreview[T any] struct {
	// Result is what the survivor would be.
	Result T
	// Fields are those in which the records differ, but for those the actor may not read.
	Fields []MergedField
	// Relinked is how many references would be made to lead to the survivor, by kind.
	Relinked map[string]int64
	// Faults are why the merge would be refused; none: it can be made.
	Faults []Fault
}

// PreviewMerge says what [Kind.Merge] would do, and changes nothing. It takes the same
// rights. What would be refused of the outcome is listed in Faults; records that cannot be
// merged at all are its error.
func (k *Kind[T]) PreviewMerge(ctx context.Context, survivor ID, absorbed []ID, rules MergeRules) (MergePreview[T], error) {
	m, p, err := k.o.previewMerge(ctx, survivor, absorbed, rules)
	if err == nil {
		err = k.o.told(ctx, ReadingRead, m.all...)
	}
	if err != nil {
		return MergePreview[T]{}, failed("preview merge", k.o.name, survivor, err)
	}
	return MergePreview[T]{Result: value[T](m.after), Fields: m.fields, Relinked: p.relinked, Faults: p.faults}, nil
}

func mergeHook[T any](fn func(context.Context, *Merging[T]) error) func(context.Context, *merging) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, m *merging) error {
		w := &Merging[T]{}
		w.Survivor, _ = m.survivor.v.(*T)
		w.After, _ = m.after.v.(*T)
		for _, r := range m.absorbed {
			v, _ := r.v.(*T)
			w.Absorbed = append(w.Absorbed, v)
		}
		return fn(ctx, w)
	}
}

// trusted is a context in which the kernel does what it has looked at the rights for.
func trusted(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.trusted = true
	return context.WithValue(ctx, scopeKey{}, sc)
}

// absorbing begins a merge: the records, held if in a transaction, and the rights to them.
func (o *object) absorbing(ctx context.Context, survivor ID, absorbed []ID, rules MergeRules) (*merging, error) {
	w, err := o.writer(ctx, VerbUpdate)
	if err == nil {
		err = w.access.may(VerbDelete)
	}
	if err != nil {
		return nil, err
	}
	m := &merging{writer: w, rules: rules, ids: map[ID]bool{survivor: true}}
	switch {
	case slices.Index(o.core.order, o) < o.core.own:
		return nil, Invalid("", "%s are the kernel's own, and not merged", o.plural)
	case len(absorbed) == 0:
		return nil, Invalid("absorbed", "names no record: give those that the survivor absorbs")
	case len(absorbed) > maxAbsorbed:
		return nil, Invalid("absorbed", "names %d records, and %d are absorbed by one merge", len(absorbed), maxAbsorbed)
	}
	for _, id := range absorbed {
		switch {
		case id == survivor:
			return nil, Invalid("absorbed", "names the survivor: a record is not merged with itself")
		case m.ids[id]:
			return nil, Invalid("absorbed", "names %s twice", id)
		}
		m.ids[id] = true
	}
	found, err := w.hold(ctx, m.ids)
	if err != nil {
		return nil, err
	}
	for _, id := range append([]ID{survivor}, absorbed...) {
		r := found[id]
		if err := w.mergeable(ctx, id, r); err != nil {
			return nil, err
		}
		if err := w.access.mayWrite(ctx, VerbUpdate, r); err != nil {
			return nil, err
		}
		if id != survivor {
			if err := w.access.mayWrite(ctx, VerbDelete, r); err != nil {
				return nil, err
			}
			m.absorbed = append(m.absorbed, r)
		}
		m.all = append(m.all, r)
	}
	m.survivor = m.all[0]
	m.after = m.survivor.clone()
	return m, nil
}

// hold reads records, living or deleted, that the actor may read. In a transaction they
// are held: in the order of their ids, so that two merges of the same records meet.
func (w *writer) hold(ctx context.Context, ids map[ID]bool) (map[ID]*rec, error) {
	values := make([]any, 0, len(ids))
	for id := range ids {
		values = append(values, uuid.UUID(id))
	}
	var recs []*rec
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: w.read, Limit: len(values), Lock: w.core.tx(ctx) != nil, Order: []storage.Order{{Field: storage.F("id")}},
		Where: w.access.reading(storage.And{storage.In{Field: storage.F("id"), Values: values}}),
	}, func() storage.Row {
		recs = append(recs, w.newRec())
		return recs[len(recs)-1]
	})
	w.custom.show(recs...)
	found := make(map[ID]*rec, len(recs))
	for _, r := range recs {
		found[r.meta().ID] = r
	}
	return found, err
}

// mergeable is nil if a record that was found, or not, can be one of a merge.
func (w *writer) mergeable(ctx context.Context, id ID, r *rec) error {
	if r != nil && r.meta().Deleted.IsZero() {
		return nil
	}
	if r == nil {
		return missingOne(id)
	}
	into, _, err := w.current(ctx, w.sc.Tenant, id)
	if err != nil {
		return err
	}
	if into != id {
		return w.mergedInto(ctx, id, into, "merge that one, or undo its merge by Unmerge first")
	}
	return &ConflictError{Field: "id", Holder: id, Reason: id.String() + " was deleted: restore it first"}
}

// missingOne is the error that one of several records is not there.
func missingOne(id ID) error { return &missingError{id} }

type missingError struct{ id ID }

func (e *missingError) Error() string { return ErrNotFound.Error() + ": " + e.id.String() }
func (e *missingError) Unwrap() error { return ErrNotFound }

// mergedInto is the error that a record was merged into another.
func (w *writer) mergedInto(ctx context.Context, id, into ID, cure string) error {
	conflict := &ConflictError{Field: "id", Reason: id.String() + " was merged into another record: " + cure}
	n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, w.table, w.access.reading(storage.And{byID(into)}))
	if err == nil && n > 0 { // else it is none the actor may read
		conflict.Holder = into
	}
	return conflict
}

// plan decides what the survivor becomes, and holds it against all that can be looked at
// before it is written.
func (m *merging) plan(ctx context.Context) (*change, error) {
	if err := m.decide(ctx); err != nil {
		return nil, err
	}
	if m.object.merging != nil {
		if err := m.object.merging(ctx, m); err != nil {
			return nil, err
		}
	}
	c := &change{o: m.object, verb: VerbUpdate, event: "merged", before: m.survivor, after: m.after, forced: true}
	w, err := m.object.writer(trusted(ctx), VerbUpdate)
	if err != nil {
		return nil, err
	}
	if err := w.prepare(trusted(ctx), c); err != nil {
		return nil, err
	}
	return c, m.circles(ctx)
}

// circles refuses that the survivor would be above itself in a tree: that it is below a
// record that is below one it absorbs.
func (m *merging) circles(ctx context.Context) error {
	for _, f := range m.references {
		if !f.tree {
			continue
		}
		circle, err := m.below(ctx, f, f.reference(m.after))
		if err != nil {
			return err
		}
		if circle {
			return Invalid(f.name, "would make a circle: the survivor is below what is below one of those it absorbs. Move it first, or let the other one survive")
		}
	}
	return nil
}

// below reports whether a record is one of those that become one, or below one in a tree.
// Each on the way up is held, as in any write.
func (m *merging) below(ctx context.Context, f *field, id ID) (bool, error) {
	for depth := 0; !id.IsZero(); depth++ {
		if m.ids[id] {
			return true, nil
		}
		if depth == maxTree {
			return false, Invalid(f.name, "would make a tree deeper than %d", maxTree)
		}
		row := make(storage.Values, len(m.columns))
		err := m.core.session(ctx).Read(ctx, m.sc.Tenant, &storage.Query{
			Table: m.table, Columns: []int{f.col}, Limit: 1, Lock: m.core.tx(ctx) != nil, Where: byID(id),
		}, func() storage.Row { return row })
		if err != nil {
			return false, err
		}
		up, _ := row[f.col].(uuid.UUID)
		id = ID(up)
	}
	return false, nil
}

// bar notes the parents of absorbed records that the survivor cannot have, since they are
// below it or will be: by a rule they are not taken.
func (m *merging) bar(ctx context.Context) error {
	m.barred = map[string]map[ID]bool{}
	for _, f := range m.references {
		if !f.tree {
			continue
		}
		m.barred[f.name] = map[ID]bool{}
		for _, r := range m.absorbed {
			id := f.reference(r)
			if id.IsZero() || id == f.reference(m.survivor) {
				continue
			}
			circle, err := m.below(ctx, f, id)
			if err != nil {
				return err
			}
			m.barred[f.name][id] = circle
		}
	}
	return nil
}

func (o *object) merge(ctx context.Context, survivor ID, absorbed []ID, rules MergeRules) (after *rec, made Merge, err error) {
	err = o.call(ctx, true, func(ctx context.Context) error {
		m, err := o.absorbing(ctx, survivor, absorbed, rules)
		if err != nil {
			return err
		}
		c, err := m.plan(ctx)
		if err != nil {
			return err
		}
		row, err := m.carryOut(trusted(ctx), c)
		if err != nil {
			return err
		}
		made, after = row.merge(), c.after
		after.thaw()
		m.access.mask(after)
		return nil
	})
	return after, made, err
}

// carryOut writes a merge that was planned. Those that are absorbed go first, so that
// what must be unique is free for the survivor.
func (m *merging) carryOut(ctx context.Context, c *change) (*mergeRow, error) {
	w, err := m.object.writer(ctx, VerbUpdate)
	if err != nil {
		return nil, err
	}
	gone := make([]*change, len(m.absorbed))
	for i, r := range m.absorbed {
		g := &change{o: m.object, verb: VerbDelete, event: "absorbed", before: r, after: r.clone(), forced: true}
		g.after.meta().Refs = m.left[r.meta().ID]
		w.stamp(g)
		g.diff()
		gone[i] = g
	}
	if err := w.writeRows(ctx, gone); err != nil {
		return nil, err
	}
	if err := w.write(ctx, []*change{c}); err != nil {
		return nil, err
	}
	row := &mergeRow{
		id: uuid.UUID(m.core.ids.next(m.now)), object: m.name, survivor: uuid.UUID(m.survivor.meta().ID), version: c.after.meta().Version,
		happened: m.at, recorded: m.now, actor: m.sc.actor(), cause: m.sc.cause,
	}
	moved, err := m.relinkAll(ctx, row)
	if err != nil {
		return nil, err
	}
	if n, err := m.takeProcesses(ctx, row, c.after.meta().Version); err != nil {
		return nil, err
	} else if n > 0 {
		moved[instanceKind] = n
	}
	if err := m.relinkLedgers(ctx, row, moved); err != nil {
		return nil, err
	}
	for _, g := range gone { // whatever refers to one: nothing is lost
		if err := w.unused(ctx, g); err != nil {
			return nil, err
		}
	}
	if err := w.written(ctx, gone); err != nil {
		return nil, err
	}
	row.relinked = canonical(moved)
	return row, m.log(ctx, row, c, gone)
}

// log writes the entry of a merge.
func (m *merging) log(ctx context.Context, row *mergeRow, c *change, gone []*change) error {
	var ids []ID
	rows := make([]storage.Change, 0, len(gone)+2)
	part := func(c *change, into any) {
		meta := c.after.meta()
		rows = append(rows, storage.Change{Action: storage.Insert, Table: partTable, Row: storage.Values{
			m.name, uuid.UUID(meta.ID), row.id, into, meta.Version, row.recorded, nil,
		}})
	}
	part(c, nil)
	for _, g := range gone {
		ids = append(ids, g.after.meta().ID)
		part(g, row.survivor)
	}
	row.absorbed = canonical(ids)
	rows = append(rows, storage.Change{Action: storage.Insert, Table: mergeTable, Row: row})
	return m.core.session(ctx).Write(ctx, m.sc.Tenant, rows)
}

// mergeOutlook is what a preview says besides the survivor.
type mergeOutlook struct {
	relinked map[string]int64
	faults   []Fault
}

func (o *object) previewMerge(ctx context.Context, survivor ID, absorbed []ID, rules MergeRules) (*merging, mergeOutlook, error) {
	var p mergeOutlook
	m, err := o.absorbing(ctx, survivor, absorbed, rules)
	if err != nil {
		return nil, p, err
	}
	if err := m.checkRules(m.slots()); err != nil { // about the call, not about the outcome
		return nil, p, err
	}
	_, err = m.plan(ctx)
	if p.faults, err = faultsOnly(p.faults, err); err != nil {
		return nil, p, err
	}
	more, err := m.clashes(ctx)
	p.faults = append(p.faults, more...)
	if err == nil {
		p.relinked, err = m.referring(trusted(ctx))
	}
	m.after.thaw()
	m.access.mask(m.after)
	return m, p, err
}

// faultsOnly adds what err says of fields to faults; another error stays one.
func faultsOnly(faults []Fault, err error) ([]Fault, error) {
	if found, ok := faultsOf(err); ok {
		return append(faults, found...), nil
	}
	if c, ok := errors.AsType[*ConflictError](err); ok {
		return append(faults, Fault{c.Field, c.Reason}), nil
	}
	return faults, err
}

// clashes finds what must be unique and would be there twice: two records that refer to
// those that become one, by a reference that only one record may have.
func (m *merging) clashes(ctx context.Context) (faults []Fault, err error) {
	for _, name := range slices.Sorted(maps.Keys(m.relations)) {
		r := m.relations[name]
		if !r.by.unique {
			continue
		}
		values := make([]any, 0, len(m.ids))
		for id := range m.ids {
			values = append(values, uuid.UUID(id))
		}
		n, err := count(ctx, m.core.session(ctx), m.sc.Tenant, r.of.table, storage.And{
			storage.In{Field: storage.F(r.by.name), Values: values}, living(false),
		})
		if err != nil {
			return nil, err
		}
		if n > 1 {
			faults = append(faults, Fault{name, r.of.counted(n) + " refer to these records by " + r.by.name + ", and one may: change or delete the others first"})
		}
	}
	return faults, nil
}

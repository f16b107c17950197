package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// change is one record on its way through a write.
type change struct {
	o      *object
	verb   Verb
	event  string // what history calls it, without the object's name
	before *rec   // nil when it is created
	after  *rec   // nil when it is purged
	forced bool   // an event even if no field changed
	brings bool   // may change guarded fields, without being a verb
	cols   []int  // the columns in which after differs from before

	happened time.Time // where that is its own, and not the call's
	touched  time.Time // when an imported record was last changed, where that is known
	by       string    // the key of the member who made it, where that is not who calls

	first *change   // how an imported record began, where it has a past
	past  []*change // and the changes since, each to what the next one found
}

// writer is one call that writes records of one object: what was found out for it
// once, and the way each record takes.
type writer struct {
	*object

	sc     scope
	tenant *tenant
	access *access
	now    time.Time // when it is recorded
	at     time.Time // when it happened
	custom *fieldSet // the tenant's own fields and rules

	warnings []Warning // what rules said of the records
}

// writer begins a call: scope, tenant, the right to the verb.
func (o *object) writer(ctx context.Context, verb Verb) (*writer, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.core.ready(); err != nil {
		return nil, err
	}
	w := &writer{object: o, sc: sc, now: o.core.now()}
	w.at = w.now
	if w.access, err = o.core.access(ctx, sc, o); err != nil {
		return nil, err
	}
	if err := w.access.may(verb); err != nil {
		return nil, err
	}
	if sc.quiet || !sc.at.IsZero() {
		if err := w.access.may(VerbImport); err != nil {
			return nil, err
		}
	}
	if !sc.at.IsZero() {
		if sc.at.After(w.now) {
			return nil, Invalid("at", "what has not happened yet cannot be recorded: the time lies in the future")
		}
		w.at = sc.at
	}
	if err := sc.check(); err != nil {
		return nil, err
	}
	if w.custom, err = o.core.fieldsOf(ctx, sc.Tenant, o); err != nil {
		return nil, err
	}
	w.tenant, err = o.core.Tenants.forWrite(ctx, sc.Tenant)
	return w, err
}

// call runs one call that writes. Within a transaction it is a savepoint, so that
// the transaction goes on when the call fails; where it needs one it begins one;
// else its one statement group is all there is.
func (o *object) call(ctx context.Context, needs bool, fn func(context.Context) error) error {
	var err error
	if needs || o.core.tx(ctx) != nil {
		err = o.core.atomic(ctx, fn)
	} else {
		if err = fn(ctx); err == nil {
			o.core.nudge()
		}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.explain(ctx)
	}
	return err
}

// hooks reports whether the object has hooks, which share the write's transaction.
func (o *object) hooks() bool { return o.before != nil || o.after != nil || o.initial != nil }

func (o *object) create(ctx context.Context, recs []*rec) error {
	if len(recs) == 0 {
		return nil
	}
	var given []*rec // a second try begins with what the caller gave
	if o.hooks() {
		given = make([]*rec, len(recs))
		for i, r := range recs {
			given[i] = r.clone()
		}
	}
	return chase(func(to leads) error {
		return o.call(ctx, o.hooks(), func(ctx context.Context) error { return o.createOnce(ctx, recs, given, to) })
	})
}

func (o *object) createOnce(ctx context.Context, recs, given []*rec, to leads) error {
	w, err := o.writer(ctx, VerbCreate)
	if err != nil {
		return err
	}
	changes := make([]*change, len(recs))
	for i, r := range recs {
		if given != nil {
			r.copyFrom(given[i])
		}
		w.follow(to, r)
		changes[i] = &change{o: o, verb: VerbCreate, event: "created", after: r}
	}
	if ctx, err = o.gather(ctx, changes); err != nil {
		return err
	}
	for i, c := range changes {
		if err := w.prepare(ctx, c); err != nil {
			return at(i, len(recs), err)
		}
	}
	err = w.write(ctx, changes)
	for _, r := range recs {
		r.thaw()
		if err == nil { // else it may be written once more
			w.access.mask(r)
		}
	}
	return err
}

// at says which record of several an error is about.
func at(i, of int, err error) error {
	if of == 1 || err == nil {
		return err
	}
	return fmt.Errorf("record %d: %w", i, err)
}

// optimistic is how often an update outside a transaction is tried without locking
// the record.
const optimistic = 3

// update changes one record by fn. Outside a transaction the record is read, then
// written at the version read; who loses that race a few times locks it.
func (o *object) update(ctx context.Context, id ID, event string, fn func(*rec) error, opts []WriteOption) (*rec, error) {
	var kept *rec
	attempt := func(needs bool) error {
		return chase(func(to leads) error {
			return o.call(ctx, needs, func(ctx context.Context) (err error) {
				kept, err = o.updateOnce(ctx, id, event, fn, opts, to)
				return err
			})
		})
	}
	tries := optimistic
	if o.core.tx(ctx) != nil {
		tries = 0
	}
	for range tries {
		if err := attempt(o.hooks()); !raced(err) {
			return kept, done(err, &kept)
		}
	}
	return kept, done(attempt(true), &kept)
}

// done leaves no record where there is an error.
func done(err error, kept **rec) error {
	if err != nil {
		*kept = nil
	}
	return err
}

func (o *object) updateOnce(ctx context.Context, id ID, event string, fn func(*rec) error, opts []WriteOption, to leads) (*rec, error) {
	w, err := o.writer(ctx, VerbUpdate)
	if err != nil {
		return nil, err
	}
	before, err := o.found(ctx, w.sc.Tenant, id, func(id ID) (*rec, error) { return w.load(ctx, id) })
	if err != nil {
		return nil, err
	}
	if err := w.access.mayWrite(ctx, VerbUpdate, before); err != nil {
		return nil, err
	}
	if err := writeOptionsOf(opts).check(before); err != nil {
		return nil, err
	}
	after := before.clone()
	if event == "" { // a verb of the module computes with all there is
		w.access.mask(after)
	}
	var seen *rec
	if w.access.closes() {
		seen = after.clone()
	}
	if err := fn(after); err != nil {
		return nil, err
	}
	if seen != nil {
		if err := w.access.unmask(before, seen, after); err != nil {
			return nil, err
		}
	}
	w.follow(to, after)
	c := &change{o: o, verb: VerbUpdate, event: event, before: before, after: after, forced: event != "", brings: writeOptionsOf(opts).brings}
	if event == "" {
		c.event = "updated"
	}
	if err := w.prepare(ctx, c); err != nil {
		return nil, err
	}
	if c.empty() { // the version it was stamped with is not to be
		after = before
		if err := o.told(ctx, ReadingRead, after); err != nil { // there is no event that would say so
			return nil, err
		}
	} else if err := w.write(ctx, []*change{c}); err != nil {
		return nil, err
	}
	after.thaw()
	w.access.mask(after)
	return after, nil
}

// load reads a record under the read right, as it is when nobody else may change
// it, if in a transaction.
func (w *writer) load(ctx context.Context, id ID) (*rec, error) {
	found, err := w.loadWhere(ctx, id, w.ofLiving())
	if err == nil && found.gone() {
		return nil, ErrNotFound
	}
	return found, err
}

// gone reports whether a record was deleted. Of a record that is read by its key this is
// seen, and not asked for: an index of the living is no way to a key, but a Postgres that
// has not analysed a table yet takes it for one.
func (r *rec) gone() bool { return !r.meta().Deleted.IsZero() }

// loadWhere is load of a record that may be deleted.
func (w *writer) loadWhere(ctx context.Context, id ID, life storage.Expr) (*rec, error) {
	var found *rec
	q := &storage.Query{
		Table: w.table, Columns: w.read, Limit: 1, Lock: w.core.tx(ctx) != nil,
		Where: w.access.reading(storage.And{byID(id), life}),
	}
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, q, func() storage.Row {
		found = w.newRec()
		return found
	})
	if err == nil && found == nil {
		err = ErrNotFound
	}
	if err == nil {
		w.custom.show(found)
	}
	return found, err
}

func byID(id ID) storage.Expr {
	return storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: uuid.UUID(id)}
}

// living is the condition that a record was not deleted, or that it was.
func living(deleted bool) storage.Expr {
	gone := storage.Absent{Field: storage.F("deleted")}
	if deleted {
		return storage.Not{Expr: gone}
	}
	return gone
}

// prepare brings a record to the form in which it is kept, and holds it against all
// rules that can be looked at without the database.
func (w *writer) prepare(ctx context.Context, c *change) error {
	if c.after == nil {
		return nil
	}
	if c.before == nil {
		if err := w.access.mayGive(c.after); err != nil {
			return err
		}
	}
	if err := w.initial(ctx, c); err != nil {
		return err
	}
	if w.before != nil {
		if err := w.before(ctx, c); err != nil {
			return err
		}
	}
	w.stamp(c)
	var faults []Fault
	if c.verb == VerbCreate || c.verb == VerbUpdate {
		faults = c.after.normalise()
	}
	faults = append(faults, w.customValues(c)...)
	c.after.freeze()
	c.diff()
	if err := w.access.mayChange(ctx, c); err != nil {
		return err
	}
	faults = append(faults, c.guarded()...)
	faults = append(faults, c.check()...)
	faults = append(faults, c.halfSubject()...)
	if len(faults) == 0 {
		err := w.validate(c.after.v)
		found, ours := faultsOf(err)
		if err != nil && !ours {
			return err
		}
		faults = found
	}
	if len(faults) == 0 {
		faults = w.core.customRules(ctx, w, c)
	}
	if len(faults) > 0 {
		return &InvalidError{Faults: faults}
	}
	return nil
}

// initial gives guarded fields of a new record their first value. Another than that
// takes the right to import.
func (w *writer) initial(ctx context.Context, c *change) error {
	if c.before != nil || w.object.initial == nil {
		return nil
	}
	first := c.after.clone()
	for _, f := range w.fields {
		if f.tags.guarded {
			f.clear(first)
		}
	}
	if err := w.object.initial(ctx, &change{o: c.o, verb: c.verb, event: c.event, after: first}); err != nil {
		return err
	}
	for _, f := range w.fields {
		switch {
		case !f.tags.guarded:
		case c.after.Value(f.col) == nil:
			f.copy(c.after, first)
		case !f.same(c.after, first) && w.access.may(VerbImport) != nil:
			return forbidden("%s: to create it in another than the initial state takes the right to import", f.name)
		}
	}
	return nil
}

// when is when a change happened.
func (w *writer) when(c *change) time.Time {
	if !c.happened.IsZero() {
		return c.happened
	}
	return w.at
}

// stamp sets what the kernel alone writes.
func (w *writer) stamp(c *change) {
	m := c.after.meta()
	if c.before == nil {
		if m.ID.IsZero() {
			m.ID = w.core.ids.next(w.now)
		}
		if m.OwnerID.IsZero() {
			m.OwnerID = w.access.owner()
		}
		at := w.when(c)
		m.Version, m.Created, m.Updated, m.Deleted = 1, at, later(at, c.touched), time.Time{}
		return
	}
	was := c.before.meta()
	m.ID, m.Created, m.Version = was.ID, was.Created, was.Version+1
	if m.Updated = w.at; m.Updated.Before(was.Updated) {
		m.Updated = was.Updated
	}
	switch c.event {
	case "deleted", "absorbed":
		m.Deleted = m.Updated
	case "restored":
		m.Deleted = time.Time{}
	default:
		m.Deleted = was.Deleted
	}
}

// diff finds the columns that changed, the kernel's own stamps aside. A derived
// column changed with the one it is derived from, which stands before it.
func (c *change) diff() {
	c.cols = c.cols[:0]
	for i := range c.o.columns {
		switch column := &c.o.columns[i]; {
		case column.stamp:
		case column.dest == nil:
			if slices.Contains(c.cols, column.field.col) {
				c.cols = append(c.cols, i)
			}
		default:
			if c.before == nil && c.after.Value(i) != nil || c.before != nil && !column.same(c.before, c.after) {
				c.cols = append(c.cols, i)
			}
		}
	}
}

// empty reports whether there is nothing to write.
func (c *change) empty() bool {
	return c.before != nil && c.after != nil && len(c.cols) == 0 && !c.forced
}

// changed reports whether a field changed.
func (c *change) changed(f *field) bool {
	return slices.Contains(c.cols, f.col) || f.typ == TypeMoney && slices.Contains(c.cols, f.col+1)
}

// guarded finds the fields that changed and belong to the verbs of a module.
func (c *change) guarded() (faults []Fault) {
	if c.before == nil || c.forced || c.brings {
		return nil
	}
	for _, f := range c.o.fields {
		if f.tags.guarded && c.changed(f) {
			faults = append(faults, Fault{f.name, "is changed by its own verbs alone"})
		}
	}
	return faults
}

// write writes changes that were prepared, with all that goes with them, as one.
func (w *writer) write(ctx context.Context, changes []*change) error {
	if w.core.tx(ctx) != nil || !w.needsTx(changes) {
		return w.writeIn(ctx, changes)
	}
	return w.core.atomic(ctx, func(ctx context.Context) error { return w.writeIn(ctx, changes) })
}

// needsTx reports whether changes take more than one statement group.
func (w *writer) needsTx(changes []*change) bool {
	if w.after != nil || w.rights || w.sc.returned && w.access.rights.erased || len(changes) > 1 && len(w.group(changes)) < len(changes) {
		return true
	}
	for _, c := range changes {
		if c.after == nil || c.event == "deleted" || c.holdsSubject() {
			return true
		}
		for _, f := range w.references {
			id, set := c.after.Value(f.col).(uuid.UUID)
			if set && c.changed(f) && (!f.kernel || w.ownerHeld(c, f, id)) {
				return true
			}
		}
		if len(w.customRefs(c)) > 0 {
			return true
		}
	}
	return false
}

func (w *writer) writeIn(ctx context.Context, changes []*change) error {
	if err := w.beforeWrite(ctx, changes); err != nil {
		return err
	}
	if err := w.writeRows(ctx, changes); err != nil {
		return err
	}
	if err := w.verifyReferences(ctx, changes); err != nil {
		return err
	}
	if err := w.verifyParents(ctx, changes); err != nil {
		return err
	}
	if err := w.verifySubjects(ctx, changes); err != nil {
		return err
	}
	return w.written(ctx, changes)
}

// writeRows writes the rows of changes.
func (w *writer) writeRows(ctx context.Context, changes []*change) error {
	for rest := changes; len(rest) > 0; {
		part := w.group(rest)
		rows, of := w.rows(part)
		if err := w.core.session(ctx).Write(ctx, w.sc.Tenant, rows); err != nil {
			return &refusal{w, part, of, err}
		}
		rest = rest[len(part):]
	}
	return nil
}

// written does what follows from changes once they are written.
func (w *writer) written(ctx context.Context, changes []*change) error {
	if err := w.rightsWritten(ctx, changes); err != nil {
		return err
	}
	if w.after != nil {
		for i, c := range changes {
			if c.event == eventErased { // nothing may refuse it
				continue
			}
			if err := w.after(ctx, c); err != nil {
				return at(i, len(changes), err)
			}
		}
	}
	w.warn(ctx, changes)
	return nil
}

// refusal is what a database answered to a write. What it means is found out once
// the scope in which it failed is left, since nothing can be asked there any more.
type refusal struct {
	w    *writer
	part []*change
	of   []int // for each row that was written the index of its change
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// explain says in the record's terms what the database refused.
func (r *refusal) explain(ctx context.Context) error {
	w := r.w
	known, ok := errors.AsType[*storage.Error](r.err)
	if !ok || !errors.Is(r.err, ErrConflict) {
		return r.err
	}
	i := 0
	if known.Change >= 0 && known.Change < len(r.of) {
		i = r.of[known.Change]
	}
	c, of := r.part[i], len(r.part)
	switch {
	case known.Table == w.table.Name && known.Field == "version":
		return &ConflictError{Field: "version", Reason: "another writer changed the record first: read it again", raced: true}
	case c.after == nil:
		return r.err
	case c.before == nil && w.exists(ctx, c.after.meta().ID): // whatever else is taken, it is by this record
		return at(i, of, &ConflictError{Field: "id", Holder: c.after.meta().ID, Reason: "a record with this id exists"})
	case known.Table == refTable.Name:
		return at(i, of, w.refTaken(ctx, c, r.err))
	case known.Table == indexTable.Name:
		return w.customTaken(ctx, r.part, i)
	case known.Field == "id", c.before == nil && (known.Table == eventTable.Name || known.Table == searchTable.Name): // its history is there
		return at(i, of, &ConflictError{Field: "id", Holder: c.after.meta().ID, Reason: "a record with this id exists"})
	}
	col := w.table.Index(known.Field)
	for _, f := range w.fields {
		if f.unique && col >= 0 && (col == f.col || col == f.foldCol || col == f.blindCol) {
			return at(i, of, w.taken(ctx, c, f))
		}
	}
	// What is left is a reference, whose field not every database names.
	if found := w.verifyReferences(ctx, r.part); found != nil {
		return found
	}
	return r.err
}

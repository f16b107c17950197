package crm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// Outcome is what an upsert did.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// byRefs is what an upsert goes by besides unique fields.
const byRefs = "refs"

// Upsert creates a record, or updates the one that is the same by what by names:
// unique fields, "custom.tax_no" for one of the tenant's own, or "refs" for the keys in
// other systems. Without by it goes by the refs of v if it has any, else by all unique
// fields v has, the tenant's own among them once they are ready. Of a record that is
// there the fields are set that v has a value for; the others stay. It is safe
// beside other writers: one record comes of it.
//
// It is ErrConflict when the names lead to two records, or to a deleted one, which
// has to be restored or purged first.
func (c *Collection[T]) Upsert(ctx context.Context, v T, by ...string) (T, Outcome, error) {
	r, outcome, err := c.o.upsert(ctx, c.rec(&v), by)
	if err != nil {
		var none T
		return none, "", failed("upsert", c.o.name, ID{}, err)
	}
	return value[T](r), outcome, nil
}

func (o *object) upsert(ctx context.Context, given *rec, by []string) (*rec, Outcome, error) {
	for try := 1; ; try++ {
		id, theirs, err := o.match(ctx, given, by)
		if err != nil {
			return nil, "", err
		}
		if !id.IsZero() {
			r, outcome, err := o.setGiven(ctx, id, given, theirs)
			if try < maxTries && errors.Is(err, ErrNotFound) { // deleted meanwhile
				continue
			}
			return r, outcome, err
		}
		r := given.clone()
		err = o.create(ctx, []*rec{r})
		if taken, ok := errors.AsType[*ConflictError](err); try < maxTries && ok && (taken.Field != "id" || try == 1) {
			continue // somebody else was first; an id that is taken for good is so again
		}
		return r, Created, err
	}
}

// setGiven sets what given has a value for, but for the keys in those systems that are
// a record's which this one absorbed, and stay with that.
func (o *object) setGiven(ctx context.Context, id ID, given *rec, theirs map[string]bool) (*rec, Outcome, error) {
	var was int64
	r, err := o.update(ctx, id, "", func(r *rec) error {
		was = r.meta().Version
		for _, f := range o.fields {
			if !f.kernel && given.Value(f.col) != nil {
				f.copy(r, given)
			}
		}
		m, g := r.meta(), given.meta()
		if !g.OwnerID.IsZero() {
			m.OwnerID = g.OwnerID
		}
		if len(g.Refs) > len(theirs) && m.Refs == nil {
			m.Refs = Refs{}
		}
		for source, key := range g.Refs {
			if !theirs[source] {
				m.Refs[source] = key
			}
		}
		if len(g.Custom) > 0 && m.Custom == nil {
			m.Custom = Custom{}
		}
		maps.Copy(m.Custom, g.Custom)
		return nil
	}, nil)
	if err != nil {
		return nil, "", err
	}
	if r.meta().Version == was {
		return r, Unchanged, nil
	}
	return r, Updated, nil
}

// keys are what an upsert goes by.
type keys struct {
	refs   Refs
	fields []*field
	custom []*customField
}

// match finds the record that given is the same as, or a zero ID, and in which systems
// the key given is one of a record that this one absorbed.
func (o *object) match(ctx context.Context, given *rec, by []string) (id ID, theirs map[string]bool, err error) {
	r, err := o.reader(ctx)
	if err != nil {
		return ID{}, nil, err
	}
	custom, err := o.core.fieldsOf(ctx, r.sc.Tenant, o)
	if err != nil {
		return ID{}, nil, err
	}
	w := &writer{object: o, sc: r.sc, access: r.access, custom: custom}
	wanted, err := w.keys(given, by)
	if err != nil {
		return ID{}, nil, err
	}
	same := func(found ID, field string, err error) error {
		if err == nil && !found.IsZero() && !id.IsZero() && found != id {
			err = &ConflictError{Field: field, Holder: found, Reason: "belongs to another record than the other keys do: merge the two first"}
		}
		if !found.IsZero() {
			id = found
		}
		return err
	}
	_ = given.normalise() // as it would be kept; its faults are found by the write, which does it again
	for _, source := range slices.Sorted(maps.Keys(wanted.refs)) {
		found, err := w.byRef(ctx, source, wanted.refs[source])
		if err == nil && !found.IsZero() {
			var absorbed bool
			if found, absorbed, err = w.reachable(ctx, found, "refs."+source); absorbed {
				if theirs == nil {
					theirs = map[string]bool{}
				}
				theirs[source] = true
			}
		}
		if err := same(found, "refs."+source, err); err != nil {
			return ID{}, nil, err
		}
	}
	for _, f := range wanted.fields {
		found, err := w.sameBy(ctx, given, f)
		if err := same(found, f.name, err); err != nil {
			return ID{}, nil, err
		}
	}
	for _, f := range wanted.custom {
		found, err := w.sameByCustom(ctx, given, f)
		if err := same(found, f.name, err); err != nil {
			return ID{}, nil, err
		}
	}
	return id, theirs, nil
}

// keys finds what an upsert goes by. Whether a record has a value says something about
// a field, so that it must be one the actor may read.
func (w *writer) keys(given *rec, by []string) (keys, error) {
	find := w.named
	if len(by) == 0 {
		find = w.unnamed
	}
	k, err := find(given, by)
	if err == nil && len(k.refs) > 0 {
		err = w.access.readable(byRefs)
	}
	for _, f := range k.fields {
		if err == nil {
			err = w.access.readable(f.name)
		}
	}
	for _, f := range k.custom {
		if err == nil {
			err = w.access.readable(f.name)
		}
	}
	return k, err
}

// unnamed are the refs a record has, or else its unique values.
func (w *writer) unnamed(given *rec, _ []string) (k keys, err error) {
	m := given.meta()
	if len(m.Refs) > 0 {
		return keys{refs: m.Refs}, nil
	}
	for _, f := range w.fields {
		if f.unique && given.Value(f.col) != nil {
			k.fields = append(k.fields, f)
		}
	}
	for _, f := range w.custom.all() {
		if f.Unique && f.Ready && m.Custom[f.Name] != nil {
			k.custom = append(k.custom, f)
		}
	}
	if len(k.fields)+len(k.custom) == 0 {
		err = Invalid("by", "there is nothing to know the record by: give refs or a unique field")
	}
	return k, err
}

// named are the keys of these names.
func (w *writer) named(given *rec, by []string) (k keys, err error) {
	m := given.meta()
	for _, name := range by {
		if name == byRefs {
			k.refs = m.Refs
			continue
		}
		if custom, ok := strings.CutPrefix(name, "custom."); ok {
			f := w.custom.named(custom)
			switch {
			case f == nil || !f.Unique:
				return k, Invalid("by", "%s: is no unique field", clip(name))
			case !f.Ready:
				return k, Invalid("by", "%s: is not ready, and does not find all records: call Fields.Backfill first", name)
			case m.Custom[custom] == nil:
				return k, Invalid(name, "has no value to know the record by")
			}
			k.custom = append(k.custom, f)
			continue
		}
		f := w.byName[name]
		if f == nil || !f.unique {
			return k, Invalid("by", "%s: is no unique field", clip(name))
		}
		if given.Value(f.col) == nil {
			return k, Invalid(name, "has no value to know the record by")
		}
		k.fields = append(k.fields, f)
	}
	return k, nil
}

// reachable refuses to go by a key of a record that was deleted, or that the actor
// may not read: either way the key is taken. By one of an absorbed record it goes to the
// survivor, and says so.
func (w *writer) reachable(ctx context.Context, id ID, field string) (to ID, absorbed bool, err error) {
	missing, err := w.missing(ctx, others{of: w.object}, idsOf(id))
	if err != nil || len(missing) == 0 {
		return id, false, err
	}
	if to, absorbed, err = w.current(ctx, w.sc.Tenant, id); err != nil {
		return id, false, err
	}
	if absorbed {
		missing, err = w.missing(ctx, others{of: w.object}, idsOf(to))
	}
	if err == nil && len(missing) > 0 {
		err = &ConflictError{Field: field, Reason: "a record has this key that was deleted or that you may not read: restore or purge it first"}
	}
	return to, absorbed, err
}

// sameBy returns the living record with the value given has in a unique field.
func (w *writer) sameBy(ctx context.Context, given *rec, f *field) (ID, error) {
	var found idRow
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: []int{w.byName["id"].col}, Limit: 1,
		Where: w.access.reading(storage.And{w.lives(), f.equals(given)}),
	}, func() storage.Row { return &found })
	return ID(found.id), err
}

// sameByCustom returns the living record with the value given has in a unique field of
// the tenant's own. A value that is none of the field's is found by the write.
func (w *writer) sameByCustom(ctx context.Context, given *rec, f *customField) (ID, error) {
	v, msg := f.normal(given.meta().Custom[f.Name])
	if msg != "" || v == nil {
		return ID{}, nil
	}
	var found indexRow
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: indexTable, Limit: 1,
		Where: append(f.rows(), storage.Is{Field: storage.F("unique_value"), Op: storage.Eq, Value: f.uniqueText(v)}, storage.Exists{
			Rel:   storage.Rel{Table: w.table, Column: "id", Key: "record_id"},
			Where: w.access.reading(storage.And{w.lives()}),
		}),
	}, func() storage.Row { return &found })
	return ID(found.record), err
}

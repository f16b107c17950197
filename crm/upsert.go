package crm

import (
	"context"
	"errors"
	"maps"
	"slices"

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
// unique fields, or "refs" for the keys in other systems. Without by it goes by the
// refs of v if it has any, else by all unique fields v has. Of a record that is
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
		id, err := o.match(ctx, given, by)
		if err != nil {
			return nil, "", err
		}
		if !id.IsZero() {
			r, outcome, err := o.merge(ctx, id, given)
			if try < maxTries && errors.Is(err, ErrNotFound) { // deleted meanwhile
				continue
			}
			return r, outcome, err
		}
		r := given.clone()
		err = o.create(ctx, []*rec{r})
		if taken, ok := errors.AsType[*ConflictError](err); try < maxTries && ok && taken.Field != "id" {
			continue // somebody else was first
		}
		return r, Created, err
	}
}

// merge sets what given has a value for.
func (o *object) merge(ctx context.Context, id ID, given *rec) (*rec, Outcome, error) {
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
		if len(g.Refs) > 0 && m.Refs == nil {
			m.Refs = Refs{}
		}
		maps.Copy(m.Refs, g.Refs)
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

// match finds the record that given is the same as, or a zero ID.
func (o *object) match(ctx context.Context, given *rec, by []string) (ID, error) {
	r, err := o.reader(ctx)
	if err != nil {
		return ID{}, err
	}
	w := &writer{object: o, sc: r.sc, access: r.access}
	fields, refs, err := o.keys(given, by)
	if err != nil {
		return ID{}, err
	}
	var id ID
	same := func(found ID, field string) error {
		if !found.IsZero() && !id.IsZero() && found != id {
			return &ConflictError{Field: field, Holder: found, Reason: "belongs to another record than the other keys do: merge the two first"}
		}
		if !found.IsZero() {
			id = found
		}
		return nil
	}
	given = given.clone()
	_ = given.normalise() // as it would be kept; its faults are found by the write
	for _, source := range slices.Sorted(maps.Keys(refs)) {
		found, err := w.byRef(ctx, source, refs[source])
		if err == nil && !found.IsZero() {
			err = w.reachable(ctx, found, "refs."+source)
		}
		if err == nil {
			err = same(found, "refs."+source)
		}
		if err != nil {
			return ID{}, err
		}
	}
	for _, f := range fields {
		found, err := w.sameBy(ctx, given, f)
		if err == nil {
			err = same(found, f.name)
		}
		if err != nil {
			return ID{}, err
		}
	}
	return id, nil
}

// keys are what an upsert goes by.
func (o *object) keys(given *rec, by []string) ([]*field, Refs, error) {
	var fields []*field
	refs := given.meta().Refs
	if len(by) == 0 {
		if len(refs) > 0 {
			return nil, refs, nil
		}
		for _, f := range o.fields {
			if f.unique && given.Value(f.col) != nil {
				fields = append(fields, f)
			}
		}
		if len(fields) == 0 {
			return nil, nil, Invalid("by", "there is nothing to know the record by: give refs or a unique field")
		}
		return fields, nil, nil
	}
	if !slices.Contains(by, byRefs) {
		refs = nil
	}
	for _, name := range by {
		if name == byRefs {
			continue
		}
		f := o.byName[name]
		if f == nil || !f.unique {
			return nil, nil, Invalid("by", "%s: is no unique field", name)
		}
		if given.Value(f.col) == nil {
			return nil, nil, Invalid(name, "has no value to know the record by")
		}
		fields = append(fields, f)
	}
	return fields, refs, nil
}

// reachable refuses to go by a key of a record that was deleted, or that the actor
// may not read: either way the key is taken.
func (w *writer) reachable(ctx context.Context, id ID, field string) error {
	missing, err := w.missing(ctx, w.object, idsOf(id))
	if err == nil && len(missing) > 0 {
		err = &ConflictError{Field: field, Reason: "a record has this key that was deleted or that you may not read: restore or purge it first"}
	}
	return err
}

// sameBy returns the living record with the value given has in a unique field.
func (w *writer) sameBy(ctx context.Context, given *rec, f *field) (ID, error) {
	var found *rec
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: []int{w.byName["id"].col}, Limit: 1,
		Where: w.access.reading(storage.And{living(false), f.equals(given)}),
	}, func() storage.Row {
		found = w.newRec()
		return found
	})
	if err != nil || found == nil {
		return ID{}, err
	}
	return found.meta().ID, nil
}

package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxParents is how many records a record may belong to one above the other. Each is a
// step in every query about it.
const maxParents = 4

// above is the verb on the parent that a verb on what belongs to it takes.
func (v Verb) above() Verb {
	switch v {
	case VerbRead, VerbExport, VerbImport:
		return v
	case VerbCreate, VerbUpdate, VerbDelete, VerbAssign, VerbShare:
	}
	return VerbUpdate
}

// free reports whether there may be records of the object that belong to no other, and
// so go by their own rights.
func (o *object) free() bool {
	return (o.parent == nil || !o.parent.required) && (o.subject == nil || !o.subject.required)
}

// resolveParents refuses kinds that belong to each other in a circle, or too deep.
func (c *Core) resolveParents() error {
	for _, o := range append(slices.Clone(c.order), c.ledgers...) {
		depth := 0
		for up := o; up.parent != nil; up = up.parent.target {
			switch to := up.parent.target; {
			case to.rights || to.name == shareKind:
				return Invalid(up.name+"."+up.parent.name, "a %s decides over rights, and gives none to what belongs to it: leave parent out", to.name)
			case depth == maxParents:
				return Invalid(o.name+"."+o.parent.name, "kinds belong to each other in a circle, or more than %d deep: leave parent out", maxParents)
			}
			depth++
		}
	}
	return nil
}

// permitted is what is granted by a verb, on records of the object and on those they
// belong to.
func (a *access) permitted(verb Verb) (permit, error) {
	p, err := a.of(a.o, verb)
	if err != nil || len(a.parents) == 0 {
		return p, err
	}
	if !a.o.free() {
		p.level = LevelNone
	}
	for _, above := range a.parents {
		up, err := above.permit(a.o.atLeast(verb))
		if err != nil {
			return p, err
		}
		p.up = p.up || !up.none()
	}
	return p, nil
}

// lets reports whether a role grants a verb on any records of an object.
func (x *charter) lets(o *object, verb Verb) bool {
	if o.free() && x.level(o.name, verb) != LevelNone {
		return true
	}
	return slices.ContainsFunc(o.ups(), func(up *object) bool { return x.lets(up, o.atLeast(verb)) })
}

// belowOr is the condition that a record belongs to one of which can holds, or to none
// and own does; nil holds of any.
func (a *access) belowOr(own storage.Expr, can func(*access) storage.Expr) storage.Expr {
	switch {
	case len(a.parents) == 0:
		return own
	case a.o.subject != nil:
		return a.hangsOr(own, can)
	}
	by := a.o.parent
	up := can(a.parents[0])
	alone := storage.Absent{Field: storage.F(by.name)}
	var below storage.Expr = storage.Not{Expr: alone}
	if up != nil {
		below = storage.Exists{Rel: storage.Rel{Table: by.target.table, Column: "id", Key: by.name}, Where: up}
	}
	switch {
	case !a.o.free() && up == nil, own == nil && up == nil:
		return nil
	case !a.o.free():
		return below
	case own == nil:
		return storage.Or{alone, below}
	}
	return storage.Or{storage.And{alone, own}, below}
}

// writable is the condition that a verb, of which p is granted, reaches a record that
// the actor may read; nil: any.
func (a *access) writable(verb Verb, p permit) storage.Expr {
	var own storage.Expr
	if p.level != LevelAll {
		own = a.reached(p.level)
		if verb == VerbUpdate && p.level != LevelNone && a.shared() {
			own = storage.Or{own, a.sharedTo(ShareWrite)}
		}
	}
	return a.belowOr(own, func(up *access) storage.Expr {
		above := a.o.above(verb)
		p, err := up.permit(above)
		if err != nil {
			return storage.Or{}
		}
		return up.writable(above, p)
	})
}

// mayBelow is nil if the actor may do the verb with what belongs to a record.
func (a *access) mayBelow(ctx context.Context, verb Verb, up *access, id uuid.UUID) error {
	if up == nil {
		return forbidden("%s: it hangs on a record of a kind that is not there", a.o.subject.name)
	}
	denied, err := a.deniedBelow(ctx, verb, up, []uuid.UUID{id})
	if err == nil && len(denied) > 0 {
		err = a.tooFar(verb, up)
	}
	return err
}

func (a *access) tooFar(verb Verb, up *access) error {
	by := a.o.parent
	if by == nil {
		by = a.o.subject
	}
	return forbidden("%s: to %s a %s takes the right to %s the %s it belongs to, and yours does not reach that one",
		by.name, verb, a.o.name, a.o.above(verb), up.o.name)
}

// deniedBelow are those of the records, living or deleted, with whose parts the actor
// may not do the verb.
func (a *access) deniedBelow(ctx context.Context, verb Verb, up *access, ids []uuid.UUID) ([]uuid.UUID, error) {
	above := a.o.above(verb)
	p, err := up.permit(above)
	if err != nil {
		return nil, err
	}
	can := up.writable(above, p)
	if can == nil && up.everything() {
		return nil, nil
	}
	if can == nil {
		can = storage.And{}
	}
	t := up.o.table
	row, at := storage.Values(make([]any, len(t.Columns))), t.Index("id")
	may := map[uuid.UUID]bool{}
	note := func() {
		if id, ok := row[at].(uuid.UUID); ok {
			may[id] = true
		}
	}
	for part := range slices.Chunk(ids, storage.MaxPage) {
		values := make([]any, len(part))
		for i, id := range part {
			values[i] = id
		}
		err := up.o.core.session(ctx).Read(ctx, a.tenant, &storage.Query{
			Table: t, Columns: []int{at}, Limit: len(part), Where: up.reading(storage.And{oneOf(values), can}),
		}, func() storage.Row { note(); return row })
		if err != nil {
			return nil, err
		}
		note()
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return may[id] }), nil
}

// verifyParents holds that the actor may update the records that what he wrote belongs
// to now. That he may read them was seen before; it is asked after the write, as that
// was.
func (w *writer) verifyParents(ctx context.Context, changes []*change) error {
	by := w.object.parent
	if by == nil || len(w.access.parents) == 0 {
		return nil
	}
	of := map[uuid.UUID]int{} // the first change that belongs to it
	for i, c := range changes {
		if c.after == nil || c.before != nil && !c.changed(by) {
			continue // its parent was seen when it was loaded
		}
		if _, id, set := w.access.over(c.after); set {
			if _, known := of[id]; !known {
				of[id] = i
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	up := w.access.parents[0]
	denied, err := w.access.deniedBelow(ctx, VerbCreate, up, slices.Collect(maps.Keys(of)))
	if err != nil || len(denied) == 0 {
		return err
	}
	first := len(changes)
	for _, id := range denied {
		first = min(first, of[id])
	}
	return at(first, len(changes), w.access.tooFar(changes[first].verb, up))
}

// mayStand is nil if the actor may have a record belong to no other after the change.
func (a *access) mayStand(c *change) error {
	verb := c.verb
	if verb == VerbDelete {
		return nil
	}
	var below bool
	if c.before != nil {
		_, _, below = a.over(c.before)
	}
	p, err := a.permit(verb)
	switch {
	case err != nil:
		return err
	case p.level == LevelNone, below && !a.covers(p.level, c.after):
		return forbidden("your right to %s %s does not reach one that belongs to no %s", verb, a.o.plural, a.o.kindsAbove())
	}
	return nil
}

// lives is the condition that a record was not deleted, nor what it belongs to.
func (o *object) lives() storage.Expr {
	if o.parent == nil && o.subject == nil {
		return living(false)
	}
	return append(storage.And{living(false)}, o.ofLiving()...)
}

// purgeParts purges what belongs to a record that is purged, each with its event, and
// removes rows of ledgers.
func (w *writer) purgeParts(ctx context.Context, id ID) error {
	sc := w.sc
	sc.trusted = true // who may purge the record may purge its parts
	ctx = context.WithValue(context.WithValue(ctx, scopeKey{}, sc), alongKey{}, true)
	for _, name := range slices.Sorted(maps.Keys(w.relations)) {
		r := w.relations[name]
		if !r.by.parent {
			continue
		}
		for {
			parts, err := r.some(ctx, w.sc.Tenant, id)
			if err != nil {
				return err
			}
			for _, part := range parts {
				if err := r.of.purge(ctx, part, nil); err != nil {
					return failed("purge", r.of.name, part, err)
				}
			}
			if len(parts) < MaxPage {
				break
			}
		}
	}
	return w.core.clearLedgers(ctx, w.sc.Tenant, w.object, id)
}

// some are records that refer to one, at most a page of them.
func (r *relation) some(ctx context.Context, tenant string, to ID) (ids []ID, err error) {
	v, col := storage.Values(make([]any, len(r.of.columns))), r.of.byName["id"].col
	note := func() {
		if id, ok := v[col].(uuid.UUID); ok {
			ids = append(ids, ID(id))
		}
	}
	err = r.of.core.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: r.of.table, Columns: []int{col}, Limit: MaxPage, Where: r.refersTo(to),
	}, func() storage.Row { note(); return v })
	note()
	return ids, err
}

package crm

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// What hangs on a record of any kind, its subject, goes by that record's rights, as what
// belongs to a record of one kind does by the tag parent. Two things differ. Who made it
// may always change it, as long as he may read the subject; and where the tag says open,
// whoever may read the subject may add to it.

// subject is the record on which another one hangs.
type subject struct {
	object string
	id     uuid.UUID
}

// subjectOf is what a record hangs on, or false.
func (r *rec) subjectOf() (subject, bool) {
	if r.o.subject == nil {
		return subject{}, false
	}
	id, set := r.Value(r.o.subject.col).(uuid.UUID)
	object, _ := r.Value(r.o.subjectKind.col).(string)
	return subject{object, id}, set
}

// planSubject finds the field that names the kind of the subject.
func (o *object) planSubject() error {
	if o.subject == nil {
		return nil
	}
	o.subjectKind = o.byName[o.subject.tags.subject]
	if o.subjectKind == nil || o.subjectKind.typ != TypeText || o.subjectKind.required != o.subject.required {
		return Invalid(o.subject.name, "subject= names a text field for the kind of the record, which is required as the id is")
	}
	return nil
}

// hangers are the kinds whose records hang on others, and hangable reports whether they
// hang on records of this one. What hangs itself, and what the kernel keeps, carries nothing.
func (c *Core) hangable(o *object) bool {
	if o == nil || slices.Index(c.order, o) < c.own {
		return false
	}
	for up := o; up != nil; up = up.parent.target {
		if up.subject != nil {
			return false
		}
		if up.parent == nil {
			break
		}
	}
	return true
}

// ups are the kinds whose rights records of the object go by.
func (o *object) ups() []*object {
	switch {
	case o.parent != nil:
		return []*object{o.parent.target}
	case o.subject == nil:
		return nil
	}
	return slices.DeleteFunc(slices.Clone(o.core.order), func(up *object) bool { return !o.core.hangable(up) })
}

// above is the verb on the other record that a verb on one of the object takes.
func (o *object) above(verb Verb) Verb {
	if o.subject != nil && o.subject.open && verb == VerbCreate {
		return VerbRead
	}
	return verb.above()
}

// atLeast is the verb on the other record without which no record of the object is in
// reach of a verb.
func (o *object) atLeast(verb Verb) Verb {
	if o.subject != nil && (verb == VerbUpdate || verb == VerbDelete) { // of one's own
		return VerbRead
	}
	return o.above(verb)
}

// beginAbove finds out what the actor may read of what records of the object go by.
func (a *access) beginAbove() error {
	for _, o := range a.o.ups() {
		up := *a
		up.o, up.parents = o, nil
		if err := up.begin(); err != nil {
			return err
		}
		a.parents = append(a.parents, &up)
	}
	return nil
}

// over is the record that r goes by, and the access to its kind, which is nil when that
// kind is none one can hang on; false: r goes by its own rights.
func (a *access) over(r *rec) (*access, uuid.UUID, bool) {
	switch {
	case len(a.parents) == 0:
	case a.o.parent != nil:
		id, set := r.Value(a.o.parent.col).(uuid.UUID)
		return a.parents[0], id, set
	default:
		s, set := r.subjectOf()
		i := slices.IndexFunc(a.parents, func(up *access) bool { return up.o.name == s.object })
		if i < 0 {
			return nil, s.id, set
		}
		return a.parents[i], s.id, set
	}
	return nil, uuid.Nil, false
}

// mine reports whether a verb on a record is the actor's for its being his own.
func (a *access) mine(verb Verb, r *rec) bool {
	return a.o.subject != nil && (verb == VerbUpdate || verb == VerbDelete) && !a.me.IsZero() && r.meta().OwnerID == a.me
}

// hangsOr is the condition that a record hangs on one of which can holds, or on none and
// own does; nil holds of any.
func (a *access) hangsOr(own storage.Expr, can func(*access) storage.Expr) storage.Expr {
	kind, alone := storage.F(a.o.subjectKind.name), storage.Absent{Field: storage.F(a.o.subject.name)}
	var some storage.Or
	var whole []any
	for _, up := range a.parents {
		switch x := can(up).(type) {
		case nil:
			whole = append(whole, up.o.name)
		case storage.Or:
			if len(x) > 0 {
				some = append(some, a.hangsOn(up, x))
			}
		default:
			some = append(some, a.hangsOn(up, x))
		}
	}
	if len(whole) == len(a.parents) && (own == nil || !a.o.free()) {
		return nil
	}
	if len(whole) > 0 {
		some = append(storage.Or{storage.In{Field: kind, Values: whole}}, some...)
	}
	switch {
	case !a.o.free():
	case own == nil:
		some = append(some, alone)
	default:
		some = append(some, storage.And{alone, own})
	}
	return some
}

func (a *access) hangsOn(up *access, where storage.Expr) storage.Expr {
	return storage.And{
		storage.Is{Field: storage.F(a.o.subjectKind.name), Op: storage.Eq, Value: up.o.name},
		storage.Exists{Rel: storage.Rel{Table: up.o.table, Column: "id", Key: a.o.subject.name}, Where: where},
	}
}

// hangsOnLiving is the condition that the record on which one of the object hangs, if
// any, was not deleted.
func (o *object) hangsOnLiving() storage.Expr {
	var some storage.Or
	if !o.subject.required {
		some = append(some, storage.Absent{Field: storage.F(o.subject.name)})
	}
	for _, up := range o.ups() {
		some = append(some, storage.And{
			storage.Is{Field: storage.F(o.subjectKind.name), Op: storage.Eq, Value: up.name},
			storage.Exists{Rel: storage.Rel{Table: up.table, Column: "id", Key: o.subject.name}, Where: up.lives()},
		})
	}
	return some
}

// holdsSubject reports whether a change hangs a record on another one, which is held
// then, since no foreign key makes who purges it wait.
func (c *change) holdsSubject() bool {
	if c.after == nil || c.event == "deleted" || c.o.subject == nil {
		return false
	}
	_, set := c.after.subjectOf()
	return set && (c.before == nil || c.changed(c.o.subject) || c.changed(c.o.subjectKind))
}

// halfSubject finds a record whose subject is named by its kind alone, or without it.
func (c *change) halfSubject() []Fault {
	s, set := c.after.subjectOf()
	switch {
	case c.o.subject == nil || c.o.subject.required || set == (s.object != ""):
		return nil
	case set:
		return []Fault{{c.o.subjectKind.name, "is required with " + c.o.subject.name + ": say of what kind the record is"}}
	}
	return []Fault{{c.o.subject.name, "is required with " + c.o.subjectKind.name + ": say which record it is"}}
}

// verifySubjects holds that what changes hang records on is there, that the actor may
// read it and, but for an open one, update it.
func (w *writer) verifySubjects(ctx context.Context, changes []*change) error {
	if w.subject == nil {
		return nil
	}
	by := map[string]map[uuid.UUID][]int{} // the changes by kind and id
	for i, c := range changes {
		if !c.holdsSubject() {
			continue
		}
		s, _ := c.after.subjectOf()
		if by[s.object] == nil {
			by[s.object] = map[uuid.UUID][]int{}
		}
		by[s.object][s.id] = append(by[s.object][s.id], i)
	}
	first, fault := len(changes), error(nil)
	note := func(among []int, err error) {
		if among[0] < first {
			first, fault = among[0], err
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(by)) {
		o, ids := w.core.objects[kind], by[kind]
		if !w.core.hangable(o) {
			for _, among := range ids {
				note(among, Invalid(w.subjectKind.name, "there is no kind %q on whose records others hang", kind))
			}
			continue
		}
		missing, err := w.missing(ctx, others{of: o, held: true}, slices.Collect(maps.Keys(ids)))
		if err != nil {
			return err
		}
		for _, id := range missing {
			note(ids[id], Invalid(w.subject.name, "refers to no %s that lives and that you may read", o.name))
			delete(ids, id)
		}
		if w.access.all || len(ids) == 0 {
			continue
		}
		i := slices.IndexFunc(w.access.parents, func(up *access) bool { return up.o == o })
		up := w.access.parents[i]
		denied, err := w.access.deniedBelow(ctx, VerbCreate, up, slices.Collect(maps.Keys(ids)))
		if err != nil {
			return err
		}
		for _, id := range denied {
			note(ids[id], w.access.tooFar(VerbCreate, up))
		}
	}
	return at(first, len(changes), fault)
}

// mayOwnBelow is nil if the actor may make somebody else the owner of what hangs on a
// record: he made it, or may update that record.
func (a *access) mayOwnBelow(ctx context.Context, c *change) error {
	owner := c.after.meta().OwnerID
	if a.o.subject == nil || c.before == nil && owner == a.me || c.before != nil && c.before.meta().OwnerID == owner {
		return nil
	}
	up, id, _ := a.over(c.after)
	return a.mayBelow(ctx, VerbAssign, up, id)
}

// dropHung purges what hangs on a record that was purged.
func (c *Core) dropHung(ctx context.Context, sc scope, o *object, id ID) error {
	if !c.hangable(o) {
		return nil
	}
	sc.trusted = true
	ctx = context.WithValue(ctx, scopeKey{}, sc)
	for _, h := range c.order {
		if h.subject == nil {
			continue
		}
		var ids []ID
		err := h.eachRow(ctx, c.session(ctx), sc.Tenant, h.hungOn(o, id), []string{"id"}, func(r row) { ids = append(ids, r.id("id")) })
		if err != nil {
			return err
		}
		// The latest first: what answers to another goes before it.
		for _, id := range slices.Backward(ids) {
			if err := h.purge(ctx, id, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// hungOn is the condition on records of the object that they hang on a record.
func (o *object) hungOn(on *object, id ID) storage.And {
	return storage.And{
		storage.Is{Field: storage.F(o.subject.name), Op: storage.Eq, Value: uuid.UUID(id)},
		storage.Is{Field: storage.F(o.subjectKind.name), Op: storage.Eq, Value: on.name},
	}
}

// kindsAbove names what records of the object go by, for errors.
func (o *object) kindsAbove() string {
	if o.parent != nil {
		return o.parent.target.name
	}
	return strings.TrimSuffix(o.subject.name, "_id")
}

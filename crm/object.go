package crm

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/embedcrm/embedcrm/storage"
)

// object is a kind of record, as the engine knows it.
type object struct {
	core         *Core
	name, plural string
	table        *storage.Table
	fields       []*field
	byName       map[string]*field
	columns      []column         // by index of the table's columns
	specs        []storage.Column // the same, as storage describes them
	read         []int            // the columns that are read: those not derived
	deep         []int            // the columns whose values a copy of the struct would share
	recordAt     uintptr          // where Record lies in the struct
	key          []string         // of a ledger, what tells its rows apart; nil: it has records

	searched    []*field             // found by
	parent      *field               // that leads to the record whose rights are its own, or nil
	subject     *field               // that leads to the record of any kind it hangs on, or nil
	subjectKind *field               // that names that kind
	references  []*field             // that lead from here to other records
	relations   map[string]*relation // that lead here, by name
	ledgers     map[string]*relation // the same of ledgers

	make     func() (any, unsafe.Pointer)  // a new *T
	assign   func(to, from unsafe.Pointer) // *to = *from
	validate func(v any) error
	gather   func(ctx context.Context, changes []*change) (context.Context, error)
	initial  func(ctx context.Context, c *change) error
	before   func(ctx context.Context, c *change) error
	after    func(ctx context.Context, c *change) error
	merging  func(ctx context.Context, m *merging) error
	relink   func(ctx context.Context, c *change) error
	rights   bool                                                  // its records decide over rights
	known    func(ctx context.Context, tenant string) (any, error) // reads all of them, of a kind that is known without asking

	appearances []*appearance // in the timelines of other records
}

// relation is a reference seen from its other end.
type relation struct {
	name string
	of   *object // whose records refer
	by   *field  // with this field
}

// rec is one record of an object: a struct, seen by column.
type rec struct {
	o *object
	p unsafe.Pointer
	v any // the same as *T

	frozen []any // the values asked for so far, by column, while nothing changes it
}

var _ storage.Row = (*rec)(nil)

func (o *object) newRec() *rec {
	v, p := o.make()
	return &rec{o: o, p: p, v: v}
}

// Value returns column i.
func (r *rec) Value(i int) any {
	if r.frozen == nil {
		return r.o.columns[i].get(r.p)
	}
	if r.frozen[i] == nil {
		r.frozen[i] = r.o.columns[i].get(r.p)
	}
	return r.frozen[i]
}

// freeze keeps each value from the first time it is asked for, since most are looked at
// several times on the way to the database. Until it thaws the record must not change.
func (r *rec) freeze() { r.frozen = make([]any, len(r.o.columns)) }

func (r *rec) thaw() { r.frozen = nil }

// Dest returns where column i is put.
func (r *rec) Dest(i int) any { return r.o.columns[i].dest(r.p) }

func (r *rec) meta() *Record { return at1[Record](r.p, r.o.recordAt) }

// clone returns a copy whose maps, lists and pointers are its own.
func (r *rec) clone() *rec {
	c := r.o.newRec()
	c.copyFrom(r)
	return c
}

// copyFrom makes r the same record as from, with maps, lists and pointers of its
// own.
func (r *rec) copyFrom(from *rec) {
	r.thaw()
	r.o.assign(r.p, from.p)
	for _, i := range r.o.deep {
		put(r.Dest(i), from.Value(i))
	}
	r.meta().copyCustom(from.meta())
}

// Object is a kind of record to [Define].
type Object[T any] struct {
	// Name is the kind's name, in the singular: lower-case letters, digits and
	// underscores. Its table is crm_name in SQLite and name in the schema of Postgres.
	Name string
	// Plural is what its records are called together; empty: Name and an s.
	Plural string
	// Initial gives the guarded fields of a new record the value they begin with. To
	// create a record with another one takes the right to import.
	Initial func(ctx context.Context, w *Write[T]) error
	// Gather is called before several records are created together, by CreateAll or an
	// import, with all of them as they were given, which it may change. Their BeforeWrite
	// and AfterWrite are called with the context it returns: what they would each ask the
	// database for, it asks for all at once and leaves there.
	Gather func(ctx context.Context, all []*Write[T]) (context.Context, error)
	// BeforeWrite is called before a record is brought to its normal form, when it is
	// created, changed or restored; it may change the record, and its error ends the
	// write. When a merge makes the record refer to another one Relink is called instead.
	BeforeWrite func(ctx context.Context, w *Write[T]) error
	// AfterWrite is called in the transaction once the record is written, or deleted,
	// or purged (After is nil then); its error undoes the write.
	AfterWrite func(ctx context.Context, w *Write[T]) error
	// Merge is called when records are merged, and when that is previewed, once the rules
	// have decided; it may change what the survivor becomes, guarded fields too, and its
	// error refuses the merge. What it sets is taken back by [Kind.Unmerge].
	Merge func(ctx context.Context, m *Merging[T]) error
	// Relink is called when a merge, or undoing one, makes the record refer to another one.
	// It may change what depends on that, and does not refuse: what it changes is taken back
	// when the merge is undone. Where the survivor has a record with the same unique value,
	// one that belongs to the absorbed record, by parent or subject, stays with that.
	Relink func(ctx context.Context, w *Write[T]) error
	// Timeline says how its records appear in the timelines of others; see
	// [Core.Timeline].
	Timeline []Appearance
	// Known says that its records are settings, at most 100 of a tenant, which [Kind.Known]
	// returns without asking the database.
	Known bool
}

// Write is a record being written, as hooks see it. Hooks may run more than once
// for a call, and must do nothing outside the transaction.
type Write[T any] struct {
	// Verb is what is being done.
	Verb Verb
	// Event is what history will call it: "deal.updated", "deal.won".
	Event string
	// Before is the record as it was; nil when it is created. It must not be changed.
	Before *T
	// After is the record as it will be; nil when it is purged. Once it is written it
	// must not be changed.
	After *T
	// Along says that it is purged along with the record it belongs to: what follows from
	// its going, for that one, is of no use any more.
	Along bool
}

// alongKey marks in a context that records are purged along with what they belong to.
type alongKey struct{}

// Validator is a record with rules of its own, asked after the rules of its tags
// held. It returns what [Invalid] returns, or an [InvalidError] of several faults.
type Validator interface{ Validate() error }

// Define makes a kind of record known to a core, before [Core.Migrate]. A struct
// that cannot be kept is ErrInvalid, naming the field.
func Define[T any](c *Core, def Object[T]) (*Kind[T], error) {
	o, err := planned[T](c, def.Name, def.Plural, nil)
	if err != nil {
		return nil, failed("define", def.Name, ID{}, err)
	}
	o.validate = func(v any) error {
		if x, ok := v.(Validator); ok {
			return x.Validate()
		}
		return nil
	}
	o.gather, o.initial = gatherHook(def.Gather), hook(def.Initial)
	o.before, o.after, o.merging = hook(def.BeforeWrite), hook(def.AfterWrite), mergeHook(def.Merge)
	o.relink = hook(def.Relink)
	if def.Known {
		o.rights, o.known = true, func(ctx context.Context, tenant string) (any, error) { return readAll[T](ctx, c, tenant, o) }
	}
	for _, x := range def.Timeline {
		if err := o.appear(x); err != nil {
			return nil, failed("define", def.Name, ID{}, err)
		}
	}
	if err := c.add(o); err != nil {
		return nil, failed("define", def.Name, ID{}, err)
	}
	k := &Kind[T]{}
	k.o = o
	return k, nil
}

// planned is the object of a struct.
func planned[T any](c *Core, name, plural string, key []string) (*object, error) {
	o := &object{
		core: c, name: name, plural: plural, key: key,
		byName: map[string]*field{}, relations: map[string]*relation{},
		make: func() (any, unsafe.Pointer) { v := new(T); return v, unsafe.Pointer(v) }, //nolint:gosec // by column.get alone
	}
	o.assign = func(to, from unsafe.Pointer) { *(*T)(to) = *(*T)(from) }
	if o.plural == "" {
		o.plural = o.name + "s"
	}
	if err := plan(o, reflect.TypeFor[T]()); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "storage: "))
	}
	return o, nil
}

// ledger reports whether rows of the object are no records.
func (o *object) ledger() bool { return o.key != nil }

func hook[T any](fn func(context.Context, *Write[T]) error) func(context.Context, *change) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, c *change) error { return fn(ctx, writeOf[T](ctx, c)) }
}

func gatherHook[T any](fn func(context.Context, []*Write[T]) (context.Context, error)) func(context.Context, []*change) (context.Context, error) {
	if fn == nil {
		return func(ctx context.Context, _ []*change) (context.Context, error) { return ctx, nil }
	}
	return func(ctx context.Context, changes []*change) (context.Context, error) {
		if len(changes) < 2 {
			return ctx, nil
		}
		all := make([]*Write[T], len(changes))
		for i, c := range changes {
			all[i] = writeOf[T](ctx, c)
		}
		return fn(ctx, all)
	}
}

// writeOf is a change as a hook sees it.
func writeOf[T any](ctx context.Context, c *change) *Write[T] {
	w := &Write[T]{Verb: c.verb, Event: c.o.name + "." + c.event, Along: c.after == nil && ctx.Value(alongKey{}) != nil}
	if c.before != nil {
		w.Before, _ = c.before.v.(*T)
	}
	if c.after != nil {
		w.After, _ = c.after.v.(*T)
	}
	return w
}

func (c *Core) add(o *object) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sealed.Load():
		return Invalid("name", "kinds of records are defined before Migrate")
	case c.kind(o.name) != nil:
		return Invalid("name", "the kind %q is defined already", o.name)
	case o.ledger():
		c.ledgers = append(c.ledgers, o)
		return nil
	}
	c.objects[o.name] = o
	c.order = append(c.order, o)
	return nil
}

// resolve finds what references lead to, and names them from the other end. A kind
// that is missing may be defined before it is called again.
func (c *Core) resolve() error {
	for _, o := range c.order {
		o.references, o.relations, o.ledgers = nil, map[string]*relation{}, map[string]*relation{}
	}
	for _, o := range c.order {
		for _, f := range o.fields {
			if f.ref == "" {
				continue
			}
			f.target = c.objects[f.ref]
			if f.target == nil {
				return Invalid(o.name+"."+f.name, "refers to the kind %q, which is not defined: define it, or construct its module, before Migrate", f.ref)
			}
			if here, there := o.byName[f.within], f.target.byName[f.within]; f.within != "" && (here == nil || there == nil || here.ref == "" || here.ref != there.ref) {
				return Invalid(o.name+"."+f.name, "within= names a reference that %s and %s both have, to one kind", o.name, f.ref)
			}
			o.references = append(o.references, f)
			name := f.as
			switch {
			case f.kernel: // the owner
				name = "owned_" + o.plural
			case name == "":
				name = o.plural
			}
			if f.target.relations[name] != nil || f.target.byName[name] != nil {
				return Invalid(o.name+"."+f.name, "%s has %q already: name the relation with as=", f.ref, name)
			}
			f.target.relations[name] = &relation{name, o, f}
		}
	}
	if err := c.resolveAppearances(); err != nil {
		return err
	}
	if err := c.resolveLedgers(); err != nil {
		return err
	}
	if err := c.resolveParents(); err != nil {
		return err
	}
	return c.resolveProtection()
}

// kind is the kind of record or ledger of a name, or nil.
func (c *Core) kind(name string) *object {
	if o := c.objects[name]; o != nil {
		return o
	}
	for _, o := range c.ledgers {
		if o.name == name {
			return o
		}
	}
	return nil
}

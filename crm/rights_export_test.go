package crm

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// AnyKindOf is a kind of record as tests see it that hold for every kind.
type AnyKindOf struct{ o *object }

// KindsOf returns all kinds of a core, as they were defined, but erasures: nobody creates
// or changes one by himself, and tests of their own hold them to rights.
func KindsOf(c *Core) []AnyKindOf {
	kinds := make([]AnyKindOf, 0, len(c.order))
	for _, o := range c.order {
		if o != c.Erasures.o {
			kinds = append(kinds, AnyKindOf{o})
		}
	}
	return kinds
}

// AllVerbs are all verbs.
func AllVerbs() []Verb { return verbs[:] }

func (k AnyKindOf) Name() string { return k.o.name }

// Decides reports whether records of the kind decide over rights.
func (k AnyKindOf) Decides() bool { return k.o.rights }

// Governing are the kinds whose rights decide over records of the kind.
func (k AnyKindOf) Governing() []string {
	names := []string{k.o.name}
	for o := k.o; o.parent != nil; o = o.parent.target {
		names = append(names, o.parent.target.name)
	}
	return names
}

// Fields are the names of the fields that can be taken away.
func (k AnyKindOf) Fields() (names []string) {
	for _, f := range k.o.fields {
		if k.o.closable(f.name) == "" {
			names = append(names, f.name)
		}
	}
	return names
}

// Maskable are the names of the fields that can be shown in part.
func (k AnyKindOf) Maskable() (names []string) {
	for _, name := range k.Fields() {
		if k.o.maskable(nil, name) == "" {
			names = append(names, name)
		}
	}
	return names
}

// Required are the fields that must have a value, with the kind they refer to and
// the first of the texts they may hold.
func (k AnyKindOf) Required(each func(field reflect.Value, name, ref, one string), v any) {
	for _, f := range k.o.fields {
		if !f.required || f.kernel {
			continue
		}
		one := ""
		if len(f.enum) > 0 {
			one = f.enum[0]
		}
		each(FieldOf(v, f.name), f.name, f.ref, one)
	}
}

// References are the fields that refer to other records, with their kinds.
func (k AnyKindOf) References() map[string]string {
	refs := map[string]string{}
	for _, f := range k.o.references {
		refs[f.name] = f.ref
	}
	return refs
}

// FieldOf is the field of a struct with a name in JSON.
func FieldOf(v any, name string) reflect.Value {
	return byJSON(reflect.ValueOf(v).Elem(), name)
}

func byJSON(s reflect.Value, name string) reflect.Value {
	for i := range s.NumField() {
		f := s.Type().Field(i)
		if f.Anonymous {
			if found := byJSON(s.Field(i), name); found.IsValid() {
				return found
			}
			continue
		}
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return s.Field(i)
		}
	}
	return reflect.Value{}
}

// New returns a new struct of the kind.
func (k AnyKindOf) New() any { return k.o.newRec().v }

func (k AnyKindOf) rec(v any) *rec {
	r := k.o.newRec()
	reflect.ValueOf(r.v).Elem().Set(reflect.ValueOf(v).Elem())
	return r
}

// Create adds a record and returns it.
func (k AnyKindOf) Create(ctx context.Context, v any) (any, ID, error) {
	r := k.rec(v)
	err := k.o.create(ctx, []*rec{r})
	return r.v, r.meta().ID, failed("create", k.o.name, ID{}, err)
}

// Get reads a record.
func (k AnyKindOf) Get(ctx context.Context, id ID) (any, error) {
	r, err := k.o.get(ctx, id, []ListOption{WithDeleted()})
	if err != nil {
		return nil, failed("get", k.o.name, id, err)
	}
	return r.v, nil
}

// Update changes a record.
func (k AnyKindOf) Update(ctx context.Context, id ID, fn func(v any)) error {
	_, err := k.o.update(ctx, id, "", func(r *rec) error { fn(r.v); return nil }, nil)
	return failed("update", k.o.name, id, err)
}

// Do changes a record as a module does.
func (k AnyKindOf) Do(ctx context.Context, id ID, fn func(v any)) error {
	_, err := k.o.update(ctx, id, "touched", func(r *rec) error { fn(r.v); return nil }, nil)
	return failed("touch", k.o.name, id, err)
}

// End deletes, restores or purges a record.
func (k AnyKindOf) End(ctx context.Context, id ID, event string) error {
	switch event {
	case "restored":
		_, err := k.o.restore(ctx, id, nil)
		return failed(event, k.o.name, id, err)
	case "deleted":
		return failed(event, k.o.name, id, k.o.remove(ctx, id, nil))
	}
	return failed(event, k.o.name, id, k.o.purge(ctx, id, nil))
}

// History reads what happened to a record.
func (k AnyKindOf) History(ctx context.Context, id ID) ([]Event, error) {
	p, err := k.o.history(ctx, id, listOptions{})
	return p.Items, failed("history", k.o.name, id, err)
}

// AsOf reads a record as it is.
func (k AnyKindOf) AsOf(ctx context.Context, id ID) (any, error) {
	r := k.o.newRec()
	return r.v, failed("as of", k.o.name, id, k.o.asOf(ctx, id, k.o.core.now(), r))
}

// Has reports whether a record is in a list, and whether as many are counted.
func (k AnyKindOf) Has(ctx context.Context, id ID) (listed bool, counted int64, err error) {
	opts := listOptionsOf([]ListOption{WithDeleted(), Where("id == $1", id)})
	p, err := k.o.list(ctx, opts)
	if err != nil {
		return false, 0, err
	}
	n, err := k.o.count(ctx, opts)
	return len(p.recs) > 0, n, err
}

// List reads a list for its error.
func (k AnyKindOf) List(ctx context.Context, opts ...ListOption) error {
	_, err := k.o.list(ctx, listOptionsOf(opts))
	return err
}

// Facets reads the values of a field for the error.
func (k AnyKindOf) Facets(ctx context.Context, field string) error {
	_, err := k.o.facets(ctx, field, listOptions{})
	return err
}

// Readable asks for the right to name a field.
func (k AnyKindOf) Readable(ctx context.Context, field string) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	a, err := k.o.core.access(ctx, sc, k.o)
	if err != nil {
		return err
	}
	return a.readable(field)
}

// May asks whether an actor may do a verb with a record, as the engine does.
func (k AnyKindOf) May(ctx context.Context, verb Verb, id ID) error {
	w, err := k.o.writer(ctx, VerbRead)
	if err != nil {
		return err
	}
	r, err := w.load(ctx, id)
	if err != nil {
		return err
	}
	return w.access.mayWrite(ctx, verb, r)
}

// Exportable counts the records an actor may export.
func (k AnyKindOf) Exportable(ctx context.Context) (int64, error) {
	r, err := k.o.reader(ctx)
	if err != nil {
		return 0, err
	}
	where, err := r.access.exporting(storage.And{living(false)})
	if err != nil {
		return 0, err
	}
	return count(ctx, k.o.core.session(ctx), r.sc.Tenant, k.o.table, where)
}

// Relink gives the rows of ledgers to another record, and tells of each whether the
// other had its like.
func Relink(ctx context.Context, c *Core, object string, from, to ID, each func(ledger string, clashed bool)) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	return c.relinkLedgers(ctx, sc.Tenant, c.objects[object], from, to, func(r relinked) error {
		each(r.of.name, r.clashed)
		return nil
	})
}

// Own reports whether the kind is the kernel's own.
func (k AnyKindOf) Own() bool { return slices.Index(k.o.core.order, k.o) < k.o.core.own }

// Merge merges records.
func (k AnyKindOf) Merge(ctx context.Context, survivor ID, absorbed ...ID) (Merge, error) {
	_, m, err := k.o.merge(ctx, survivor, absorbed, MergeRules{})
	return m, failed("merge", k.o.name, survivor, err)
}

// Unmerge undoes a merge.
func (k AnyKindOf) Unmerge(ctx context.Context, merge ID) error {
	_, err := k.o.unmerge(ctx, merge)
	return failed("unmerge", k.o.name, merge, err)
}

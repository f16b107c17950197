package crm

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
)

// FilterUse is a field that a [Filter] asks about, and how one comes from a record that
// changed to those for which the answer may be another one now.
type FilterUse struct {
	// Object is the kind of record, or the ledger, that has the field.
	Object string
	// Field is its name: "country", "custom.tier". Of a relation, or of a reference, it is
	// the field that refers.
	Field string
	// By is the field of Object that has the id of the record in question: "id" where that
	// is the record itself, "customer_id" of a purchase, as it was before the change and as
	// it is now. It is empty where Where leads there.
	By string
	// Where is the condition of the records in question, $1 being the id of the one that
	// changed: "parent_id == $1", "any(purchases, .product_id == $1)".
	Where string
}

// FilterUses is what a [Filter] depends on.
type FilterUses struct {
	// Fields has each use once; a field that is reached on two ways is there twice.
	Fields []FilterUse
	// Clock says that time is enough to make another record satisfy it: now(), today(),
	// ago() or fromNow() is in it.
	Clock bool
	// Member says that it depends on who asks: me() is in it.
	Member bool
}

// FilterUses says what a filter of records of a kind depends on: for modules that keep
// one and must know when to ask it again. It holds the filter to the actor's rights, as
// a list does: one that cannot be understood is [ErrInvalid] about "where", and one that
// names what he may not read is [ErrForbidden].
func (c *Core) FilterUses(ctx context.Context, object string, f Filter) (FilterUses, error) {
	uses, err := c.filterUses(ctx, object, f)
	return uses, failed("read", object, ID{}, err)
}

func (c *Core) filterUses(ctx context.Context, object string, f Filter) (FilterUses, error) {
	if err := c.ready(); err != nil {
		return FilterUses{}, err
	}
	o := c.objects[object]
	if o == nil {
		return FilterUses{}, Invalid("object", "there is no kind of record %q", clip(object))
	}
	if f.IsZero() {
		return FilterUses{}, nil
	}
	r, err := o.reader(ctx)
	if err != nil {
		return FilterUses{}, err
	}
	if _, err := r.compile(ctx, condition{text: f.Text, args: f.Args}); err != nil {
		return FilterUses{}, whereFault(err, 0, 1)
	}
	x, err := c.expressions.parse(f.Text)
	if err != nil {
		return FilterUses{}, err
	}
	var fail error
	named, err := x.Uses(&vocabulary{object: o, ctx: ctx, sc: r.sc, a: r.access, fail: &fail})
	if fail != nil || err != nil {
		return FilterUses{}, cmp.Or(fail, err)
	}
	calls := x.Calls()
	called := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(calls, name) })
	}
	return FilterUses{Fields: o.usesOf(named), Clock: called("now", "today", "ago", "fromNow"), Member: called("me")}, nil
}

// way leads from records of an object back to those a filter is about.
type way struct {
	relation string // by which it was reached from there; empty: it is that kind itself
	by       string // the field that leads back
	where    string
}

// usesOf are the fields that names stand for, with the ways back to o. A kind may be
// reached on several ways and each field of it is taken to be on all of them: too many
// records are asked about then, and none is missed.
func (o *object) usesOf(named []filter.Use) []FilterUse {
	ways := map[string][]way{o.name: {{by: "id"}}}
	var all []FilterUse
	for _, u := range named {
		if u.Kind == filter.UsesRelation && u.Object == o.name {
			if r := o.relation(u.Name); r != nil {
				ways[r.of.name] = append(ways[r.of.name], way{relation: u.Name, by: r.by.name})
			}
		}
	}
	direct := map[string][]way{}
	for object, list := range ways {
		direct[object] = slices.Clone(list)
	}
	for _, u := range named {
		if u.Kind != filter.UsesRef {
			continue
		}
		of := o.core.kind(u.Object)
		f := of.byName[referenceField(u.Name)]
		if f == nil || f.target == nil {
			continue
		}
		for _, w := range direct[u.Object] {
			where := f.name + " == $1"
			if w.relation != "" {
				where = "any(" + w.relation + ", ." + where + ")"
			}
			ways[f.target.name] = append(ways[f.target.name], way{where: where})
		}
	}
	add := func(object, field string) {
		for _, w := range ways[object] {
			if use := (FilterUse{Object: object, Field: field, By: w.by, Where: w.where}); !slices.Contains(all, use) {
				all = append(all, use)
			}
		}
	}
	for _, u := range named {
		switch u.Kind {
		case filter.UsesField:
			add(u.Object, u.Name)
		case filter.UsesCustom:
			add(u.Object, "custom."+u.Name)
		case filter.UsesRef:
			add(u.Object, referenceField(u.Name))
		case filter.UsesRelation:
			if r := o.relation(u.Name); r != nil {
				add(r.of.name, r.by.name)
			}
		}
	}
	return all
}

// referenceField is the field of a reference as expressions call it.
func referenceField(name string) string { return strings.TrimSuffix(name, "_id") + "_id" }

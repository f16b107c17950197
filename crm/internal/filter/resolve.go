package filter

import (
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// target is a field that an expression names: what it holds, and the way to it.
type target struct {
	at     int
	name   string // as written
	object Object // whose field it is
	field  Field
	folded bool // At is the folded text
	hop    *hop // nil: a field of the record at hand
}

// hop is the step from the record at hand to the one a reference leads to.
type hop struct {
	column string
	to     *storage.Table
	scope  storage.Expr
}

func (t *target) errorf(format string, args ...any) error {
	return &Error{t.at, t.name, fmt.Sprintf(format, args...)}
}

// resolve finds the field a path names from an object.
func resolve(p path, o Object) (*target, error) {
	t := &target{at: p.at, name: strings.Join(p.names, "."), object: o}
	names := p.names
	if len(names) > 1 && names[0] != "custom" {
		column, to, isRef := o.Ref(names[0])
		_, isField := o.Field(names[0])
		switch {
		case isRef && len(to.Table().Key) != 1:
			return t, t.errorf("%s is no record that can be referred to", to.Name())
		case isRef:
			t.hop = &hop{column: column, to: to.Table(), scope: to.Scope()}
			t.object, names = to, names[1:]
		case !isField:
			return t, t.errorf("%s has no field or reference %s", o.Name(), names[0])
		}
	}
	if err := t.find(names); err != nil {
		return t, err
	}
	return t, t.check()
}

// find sets the field that names lead to in the target's own object.
func (t *target) find(names []string) error {
	name := names[0]
	f, ok := t.object.Field(name)
	if name == "custom" && len(names) > 1 {
		names = names[1:]
		name += "." + names[0]
		f, ok = t.object.Custom(names[0])
	}
	switch {
	case !ok && len(names) > 1 && t.hop != nil:
		return t.errorf("a field is named with at most one reference before it")
	case !ok:
		return t.missing(name)
	case len(names) > 2:
		return t.errorf("the name is too long: a field is named with at most one reference before it")
	case len(names) == 1:
		t.field = f
		return nil
	}
	switch part := names[1]; {
	case f.Type == Money && part == "minor":
		t.field = Field{Type: Int, At: f.At}
	case f.Type == Money && part == "currency":
		t.field = Field{Type: Text, At: f.Currency}
	default:
		return t.errorf("%s holds %s, which has no part %s", name, f.Type, part)
	}
	return nil
}

// missing says that the object has no field of the name, and what may be meant.
func (t *target) missing(name string) error {
	if column, _, ok := t.object.Ref(name); ok {
		if t.hop != nil {
			return t.errorf("one reference at a time: %s is a reference of %s", name, t.object.Name())
		}
		return t.errorf("is a reference: name a field of it, such as %s.id, or compare its column %s", name, column)
	}
	if _, _, ok := t.object.Relation(name); ok {
		return t.errorf("is a relation: write count(%s) > 0 or any(%s, …)", name, name)
	}
	return t.errorf("%s has no field %s", t.object.Name(), name)
}

// check holds the object's description of a field to its table.
func (t *target) check() error {
	f := t.field
	fields := []storage.Field{f.At}
	switch {
	case f.At.Ref != nil || f.Lookup != nil && (f.Type == Money || f.Type == Tags) || f.Scale < 0 || f.Scale > 18:
		return t.errorf("is described wrongly by %s", t.object.Name())
	case f.Type == Money:
		fields = append(fields, f.Currency)
	case f.Fold != nil:
		fields = append(fields, *f.Fold)
	}
	for i, at := range fields {
		kind, err := checkField(t.object.Table(), at)
		if err != nil {
			return unfit(t.at, t.name, err)
		}
		holder := f.Type
		if i > 0 {
			holder = Text
		}
		if !holder.keptAs(kind) {
			return t.errorf("is described wrongly by %s: it holds %s and is kept as %s", t.object.Name(), holder, kind)
		}
	}
	if f.Lookup == nil {
		return nil
	}
	kind, err := storage.CheckField(f.Lookup.Rel.Table, f.Lookup.At)
	if err != nil || !f.Type.keptAs(kind) {
		return t.errorf("is described wrongly by %s: its index table does not hold it", t.object.Name())
	}
	return nil
}

// checkField is storage.CheckField that also takes what only Has and Absent read: a
// member that is itself JSON.
func checkField(table *storage.Table, at storage.Field) (storage.Kind, error) {
	if at.Member != "" && at.Kind == storage.JSON {
		return storage.JSON, storage.CheckExpr(table, storage.Absent{Field: at})
	}
	return storage.CheckField(table, at)
}

// keptAs reports whether a value of the type can be kept in a column or member of
// the kind.
func (t Type) keptAs(k storage.Kind) bool {
	switch t {
	case Bool:
		return k == storage.Bool
	case Int, Money, Decimal:
		return k == storage.Int
	case Text:
		return k == storage.Text
	case ID:
		return k == storage.ID || k == storage.Text
	case Time:
		return k == storage.Time || k == storage.Int
	case Date:
		return k == storage.Day || k == storage.Text
	case Tags:
		return k == storage.JSON
	}
	return false
}

// seen returns how a condition on the record at hand sees a field of the target:
// itself, or through the reference.
func (t *target) seen(at storage.Field) storage.Field {
	if t.hop != nil {
		at.Ref = &storage.Ref{Column: t.hop.column, Table: t.hop.to}
	}
	return at
}

// scoped reports whether the way to the field leads through a scope.
func (t *target) scoped() bool { return t.hop != nil && t.hop.scope != nil }

// reached returns the condition that the record the reference leads to is there,
// may be seen, and satisfies a condition on itself.
func (t *target) reached(where storage.Expr) storage.Expr {
	return storage.Exists{
		Rel:   storage.Rel{Table: t.hop.to, Column: t.hop.to.Key[0], Key: t.hop.column},
		Where: both(t.hop.scope, where),
	}
}

// plain returns the condition that is made of where the field is and how it is kept.
func (t *target) plain(of func(storage.Field, storage.Kind) storage.Expr) storage.Expr {
	if t.scoped() {
		return t.reached(of(t.field.At, t.kind()))
	}
	return of(t.seen(t.field.At), t.kind())
}

// indexed is plain for a condition that an index serves: it asks the field's index
// table when there is one.
func (t *target) indexed(of func(storage.Field, storage.Kind) storage.Expr) storage.Expr {
	l := t.field.Lookup
	if l == nil || t.hop != nil && !t.scoped() {
		return t.plain(of)
	}
	found := storage.Exists{Rel: l.Rel, Where: both(l.Where, of(l.At, kindOf(l.Rel.Table, l.At))), First: true}
	if t.scoped() {
		return t.reached(found)
	}
	return found
}

// absent returns the condition that the field has no value.
func (t *target) absent() storage.Expr {
	if t.scoped() {
		return storage.Not{Expr: t.reached(storage.Not{Expr: storage.Absent{Field: t.field.At}})}
	}
	return storage.Absent{Field: t.seen(t.field.At)}
}

// present returns the condition that the field has a value.
func (t *target) present() storage.Expr {
	return t.plain(func(at storage.Field, _ storage.Kind) storage.Expr {
		return storage.Not{Expr: storage.Absent{Field: at}}
	})
}

// kind returns the kind the field is kept as.
func (t *target) kind() storage.Kind { return kindOf(t.object.Table(), t.field.At) }

// kindOf returns the kind of a field that has been checked.
func kindOf(table *storage.Table, at storage.Field) storage.Kind {
	kind, err := checkField(table, at)
	if err != nil {
		return 0
	}
	return kind
}

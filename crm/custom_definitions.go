package crm

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// definitions are the custom fields and rules of a tenant, by object.
type definitions map[string]*fieldSet

// fieldSet are the custom fields and rules of an object of a tenant. A nil one has
// none. It does not change once it is made.
type fieldSet struct {
	o        *object
	list     []*customField // as they are shown
	byName   map[string]*customField
	promoted []*customField
	rules    []*rule
	zone     *time.Location // the calendar of its expressions; nil is UTC
}

// customField is a definition made ready for use.
type customField struct {
	CustomField

	name    string       // custom.name
	seen    filter.Field // as expressions see it
	formula storage.Expr // of a formula; nil when it could not be understood
	err     error        // why it could not
	ref     *field       // of a reference, as far as the check of references needs one
}

// fieldsOf returns the custom fields of an object as a call sees them.
func (c *Core) fieldsOf(ctx context.Context, tenant string, o *object) (*fieldSet, error) {
	if c.Fields == nil || o == c.Fields.kind.o || o == c.Rules.o {
		return nil, nil // what defines fields has none itself
	}
	all, err := c.definitions(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return all[o.name], all[o.name].keyed(c)
}

// readDefinitions reads what a tenant has defined, and in which zone its expressions
// are read.
func (c *Core) readDefinitions(ctx context.Context, tenant string, zone *time.Location) (definitions, error) {
	fields, err := readAll[CustomField](ctx, c, tenant, c.Fields.kind.o)
	if err != nil {
		return nil, err
	}
	rules, err := readAll[Rule](ctx, c, tenant, c.Rules.o)
	if err != nil {
		return nil, err
	}
	return c.define(fields, rules, zone), nil
}

// readAll reads all living records of a kind, without rights: what they define holds
// for everyone.
func readAll[T any](ctx context.Context, c *Core, tenant string, o *object) ([]*T, error) {
	var list []*T
	q := &storage.Query{Table: o.table, Columns: o.read, Where: living(false), Limit: storage.MaxPage}
	for {
		n := 0
		var last *rec
		err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
			last = o.newRec()
			v, _ := last.v.(*T)
			list, n = append(list, v), n+1
			return last
		})
		if err != nil || n < q.Limit {
			return list, err
		}
		q.After = []any{uuid.UUID(last.meta().ID)}
	}
}

// define makes sets of definitions. What could not be understood is noted in its
// definition.
func (c *Core) define(fields []*CustomField, rules []*Rule, zone *time.Location) definitions {
	all := definitions{}
	set := func(name string) *fieldSet {
		if all[name] == nil && c.objects[name] != nil {
			all[name] = &fieldSet{o: c.objects[name], byName: map[string]*customField{}, zone: zone}
		}
		return all[name] // nil where the program no longer knows the object
	}
	for _, def := range fields {
		s := set(def.Object)
		if s == nil {
			continue
		}
		f := newCustomField(def)
		if target := c.objects[f.target()]; target != nil {
			f.ref = &field{name: f.name, target: target}
		}
		s.list, s.byName[f.Name] = append(s.list, f), f
	}
	for _, def := range rules {
		if s := set(def.Object); s != nil {
			s.rules = append(s.rules, &rule{Rule: *def})
		}
	}
	for _, s := range all {
		s.finish()
	}
	return all
}

func newCustomField(def *CustomField) *customField {
	f := &customField{CustomField: *def, name: "custom." + def.Name}
	f.seen = f.field()
	return f
}

// finish sorts a set and reads its expressions, for which it must be complete.
func (s *fieldSet) finish() {
	slices.SortFunc(s.list, func(a, b *customField) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.rules, func(a, b *rule) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range s.list {
		if f.promoted() {
			s.promoted = append(s.promoted, f)
		}
		if f.Type == FieldFormula {
			f.formula, f.err = s.compileFormula(f.Formula)
		}
	}
	for _, r := range s.rules {
		r.parse(s)
	}
}

// target is the object a value refers to, or nothing.
func (f *CustomField) target() string {
	switch f.Type {
	case FieldMember:
		return "member"
	case FieldReference:
		return f.To
	}
	return ""
}

// named finds a field by its name.
func (s *fieldSet) named(name string) *customField {
	if s == nil {
		return nil
	}
	return s.byName[name]
}

// all are the fields, as they are shown.
func (s *fieldSet) all() []*customField {
	if s == nil {
		return nil
	}
	return s.list
}

// field returns a field as expressions see it.
func (f *customField) field() filter.Field {
	at := func(k storage.Kind) storage.Field { return storage.Field{Name: "custom", Member: f.Key, Kind: k} }
	out := filter.Field{Type: filter.Text, At: at(storage.Text)}
	switch f.Type {
	case FieldInt:
		out = filter.Field{Type: filter.Int, At: at(storage.Int)}
	case FieldDecimal:
		out = filter.Field{Type: filter.Decimal, At: at(storage.Int), Scale: int(f.Scale)}
	case FieldMoney:
		out = filter.Field{Type: filter.Money, At: at(storage.Int)}
		out.Currency = storage.Field{Name: "custom", Member: f.Key + currencyMember, Kind: storage.Text}
	case FieldBool, FieldFormula:
		out = filter.Field{Type: filter.Bool, At: at(storage.Bool)}
	case FieldDate:
		out.Type = filter.Date
	case FieldTime:
		out = filter.Field{Type: filter.Time, At: at(storage.Int)}
	case FieldMember, FieldReference:
		out.Type = filter.ID
	case FieldMultiChoice:
		out = filter.Field{Type: filter.Tags, At: at(storage.JSON)}
	}
	out.Protected = f.Protected
	if f.promoted() && f.Ready {
		out.Lookup = f.lookup(out.At.Kind)
	}
	return out
}

// customField returns a custom field of an object as an expression sees it.
func (c *Core) customField(ctx context.Context, sc scope, o *object, name string) (filter.Field, bool, error) {
	s, err := c.fieldsOf(ctx, sc.Tenant, o)
	if err != nil {
		return filter.Field{}, false, err
	}
	if then, ok := ctx.Value(fieldsThen{}).(*fieldSet); ok && then.o == o {
		s = then
	}
	f := s.named(name)
	if f == nil {
		return filter.Field{}, false, nil
	}
	return f.seen, true, nil
}

// own is what an expression may name that is evaluated on one record, without the
// database: its own fields.
type own struct {
	vocabulary

	fields *fieldSet
	// steady leaves out what changes by itself, is computed or is protected: formulas may
	// not be about it.
	steady bool
}

var _ filter.Object = (*own)(nil)

// Field finds a field of the record.
func (v *own) Field(name string) (filter.Field, bool) {
	if v.steady && slices.Contains([]string{"version", "updated", "deleted"}, name) {
		return filter.Field{}, false
	}
	f, ok := v.vocabulary.Field(name)
	return f, ok && !(v.steady && f.Protected) // a formula is kept in the clear
}

// Custom finds a field of the tenant's own.
func (v *own) Custom(name string) (filter.Field, bool) {
	f := v.fields.named(name)
	if f == nil || v.steady && (f.Type == FieldFormula || f.Protected) {
		return filter.Field{}, false
	}
	out := f.seen
	out.Lookup = nil // the record alone is asked
	return out, true
}

// Ref finds nothing: other records are not at hand.
func (v *own) Ref(string) (string, filter.Object, bool) { return "", nil, false }

// Relation finds nothing, as Ref.
func (v *own) Relation(string) (storage.Rel, filter.Object, bool) {
	return storage.Rel{}, nil, false
}

// Scope is nothing: nothing is reached from here.
func (v *own) Scope() storage.Expr { return nil }

func (s *fieldSet) own(steady bool) *own {
	return &own{vocabulary: vocabulary{object: s.o}, fields: s, steady: steady}
}

// momentOf is what an expression takes from the moment.
func momentOf(now time.Time, zone *time.Location, me ID) filter.Env {
	return filter.Env{
		Now: now, Zone: zone, Me: uuid.UUID(me), Fold: Fold,
		Money: func(amount, currency string) (int64, error) {
			m, err := ParseAmount(amount, currency)
			return m.Minor, err
		},
	}
}

// compileOwn reads an expression about the fields of one record. When its meaning
// depends on the moment or the actor the condition is nil.
func (s *fieldSet) compileOwn(text string, steady bool) (*filter.Expr, storage.Expr, error) {
	x, err := filter.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	o := s.own(steady)
	once, err := x.Compile(o, nil, momentOf(time.Date(2001, time.February, 3, 4, 5, 6, 0, time.UTC), s.zone, ID{1}))
	if err != nil {
		return nil, nil, err
	}
	again, err := x.Compile(o, nil, momentOf(time.Date(2032, time.October, 11, 12, 13, 14, 0, time.UTC), s.zone, ID{2}))
	if err != nil {
		return nil, nil, err
	}
	if !reflect.DeepEqual(once, again) {
		return x, nil, nil
	}
	return x, once, nil
}

func (s *fieldSet) compileFormula(text string) (storage.Expr, error) {
	_, x, err := s.compileOwn(text, true)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: a formula is about the record's own fields, and not about version, updated, deleted and other formulas: %w", expressionFault(err), ErrInvalid)
	case x == nil:
		return nil, fmt.Errorf("names now(), today(), ago(), fromNow() or me(), and its value would change without a change of the record: %w", ErrInvalid)
	}
	return x, nil
}

// expressionFault is what is wrong with an expression, in words.
func expressionFault(err error) string { return strings.TrimPrefix(err.Error(), "storage: ") }

// names reports whether an expression names a custom field of its own record.
func (s *fieldSet) names(text, name string) bool {
	x, err := filter.Parse(text)
	if err != nil {
		return false
	}
	uses, err := x.Uses(s.own(false))
	return err == nil && slices.Contains(uses, filter.Use{Object: s.o.name, Kind: filter.UsesCustom, Name: name})
}

// ownRow is a record as storage.Match sees it.
type ownRow struct{ r *rec }

// Value returns a field's value.
func (s ownRow) Value(f storage.Field) any {
	i := s.r.o.table.Index(f.Name)
	if f.Ref != nil || i < 0 {
		return nil
	}
	if f.Member == "" {
		return s.r.Value(i)
	}
	switch v := s.r.meta().kept.values()[f.Member].(type) {
	case string:
		if f.Kind == storage.Text {
			return v
		}
	case int64:
		if f.Kind == storage.Int {
			return v
		}
	case bool:
		if f.Kind == storage.Bool {
			return v
		}
	case []string:
		if f.Kind == storage.JSON {
			return canonical(v)
		}
	}
	return nil
}

// Related returns nothing: other records are not at hand.
func (s ownRow) Related(storage.Rel) iter.Seq[storage.Source] {
	return func(func(storage.Source) bool) {}
}

// definitions returns what a tenant has defined.
func (c *Core) definitions(ctx context.Context, tenant string) (definitions, error) {
	r, err := c.rightsOf(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return r.custom, nil
}

package crm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// vocabulary is what an expression may name of an object, as one call sees it: with
// the tenant's custom fields, and records reached from it under the actor's rights.
type vocabulary struct {
	*object

	ctx   context.Context //nolint:containedctx // it lives for one call
	sc    scope
	a     *access
	fail  *error // what went wrong on the way to another object
	own   bool   // rows of a ledger, reached from the record they belong to
	parts bool   // parts of the record at hand
	on    string // the kind of the record at hand, on which these hang, or empty
}

var _ filter.Object = (*vocabulary)(nil)

// Name is the object's.
func (v *vocabulary) Name() string { return v.object.name }

// Table is where its records are.
func (v *vocabulary) Table() *storage.Table { return v.table }

// Field finds a field: not those kept as JSON, which are not compared.
func (v *vocabulary) Field(name string) (filter.Field, bool) {
	f := v.byName[name]
	if f == nil {
		return filter.Field{}, false
	}
	out := filter.Field{At: storage.F(v.specs[f.col].Name), Protected: f.protected}
	switch f.typ {
	case TypeText:
		out.Type = filter.Text
		if f.foldCol >= 0 {
			fold := storage.F(v.specs[f.foldCol].Name)
			out.Fold = &fold
		}
	case TypeInt:
		out.Type = filter.Int
	case TypeBool:
		out.Type = filter.Bool
	case TypeTime:
		out.Type = filter.Time
	case TypeDate:
		out.Type = filter.Date
	case TypeID:
		out.Type = filter.ID
	case TypeTags:
		out.Type = filter.Tags
	case TypeMoney:
		out.Type, out.Currency = filter.Money, storage.F(v.specs[f.col+1].Name)
	case TypeJSON, TypeDecimal:
		return filter.Field{}, false
	}
	return out, true
}

// Custom finds a field of the tenant's own.
func (v *vocabulary) Custom(name string) (filter.Field, bool) {
	f, ok, err := v.core.customField(v.ctx, v.sc, v.object, name)
	v.note(err)
	return f, ok
}

// Ref finds a reference by the field's name without _id.
func (v *vocabulary) Ref(name string) (string, filter.Object, bool) {
	f := v.byName[name+"_id"]
	if f == nil || f.target == nil {
		return "", nil, false
	}
	return f.name, v.to(f.target), true
}

// Relation finds the records that refer to this one, or hang on it.
func (v *vocabulary) Relation(name string) (storage.Rel, filter.Object, bool) {
	r := v.leading(name)
	if r == nil {
		return storage.Rel{}, nil, false
	}
	to := v.to(r.of)
	if r.by == r.of.parent {
		to.own, to.parts = r.of.ledger(), !r.of.ledger()
	}
	if r.by == r.of.subject {
		to.on = v.object.name
	}
	return storage.Rel{Table: r.of.table, Column: r.by.name, Key: "id"}, to, true
}

// leading is the relation of a name: by a reference, or else of what hangs on records of
// the object.
func (o *object) leading(name string) *relation {
	if r := o.relation(name); r != nil || !o.core.hangable(o) {
		return r
	}
	for _, h := range o.core.order {
		if h.subject != nil && h.plural == name {
			return &relation{name, h, h.subject}
		}
	}
	return nil
}

// Scope is what a record reached from another one must satisfy: to live, and to be
// one the actor may read. Of what hangs on the record at hand, and of a ledger's rows that
// belong to it, that is true; of its parts it is true that what they belong to lives, which to ask again of each would
// be dear.
func (v *vocabulary) Scope() storage.Expr {
	switch {
	case v.a == nil:
		return storage.Or{} // the right could not be found out, which ends the call
	case v.own:
		return nil
	case v.on != "":
		return storage.And{storage.Is{Field: storage.F(v.subjectKind.name), Op: storage.Eq, Value: v.on}, living(false)}
	case v.parts:
		return v.a.reading(storage.And{living(false)})
	case v.ledger():
		return v.a.reading(v.ofLiving())
	}
	return v.a.reading(storage.And{v.lives()})
}

func (v *vocabulary) to(o *object) *vocabulary {
	a, err := v.core.access(v.ctx, v.sc, o)
	if err == nil {
		err = a.may(VerbRead)
	}
	v.note(err)
	return &vocabulary{object: o, ctx: v.ctx, sc: v.sc, a: a, fail: v.fail}
}

func (v *vocabulary) note(err error) {
	if err != nil && *v.fail == nil {
		*v.fail = err
	}
}

// maxExpressions is how many texts are kept parsed.
const maxExpressions = 512

// expressions are texts that were parsed: programs ask with the same few again and
// again, and parsing one costs more than asking.
type expressions struct {
	mu     sync.RWMutex
	parsed map[string]*filter.Expr
}

func (e *expressions) parse(text string) (*filter.Expr, error) {
	e.mu.RLock()
	x := e.parsed[text]
	e.mu.RUnlock()
	if x != nil {
		return x, nil
	}
	x, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.parsed == nil || len(e.parsed) >= maxExpressions { // what is asked often is back at once
		e.parsed = make(map[string]*filter.Expr, maxExpressions)
	}
	e.parsed[text] = x
	return x, nil
}

// condition is a filter: an expression and its arguments.
type condition struct {
	text   string
	args   []any
	system bool // looked at with the tenant's own rights
}

// Where keeps the records for which an expression of the CRM's language holds, as
// in "amount > $1 and company.country == 'DE'". Arguments are string, bool, int,
// int64, Money, Date, time.Time, ID, or for in a []string, []int64 or []ID. Given
// more than once, all of them must hold. The language is in docs/expressions.md. One
// that cannot be understood is an [InvalidError] about "where" with the place in it.
func Where(expression string, args ...any) ListOption {
	return func(o *listOptions) { o.where = append(o.where, condition{text: expression, args: args}) }
}

// WhereSystem is [Where] with the tenant's own rights, for a condition that a module
// stands for and not the actor: it may name every field and sees every related record,
// while the list has the records that the actor may read, as ever. It is for conditions
// of a module's own, or such as were held to somebody's rights when they were written, as
// a segment's; never for what a user wrote just now.
func WhereSystem(expression string, args ...any) ListOption {
	return func(o *listOptions) { o.where = append(o.where, condition{text: expression, args: args, system: true}) }
}

// compileAny is compile, with the tenant's rights where the condition has them.
func (r *reader) compileAny(ctx context.Context, c condition) (storage.Expr, error) {
	if !c.system {
		return r.compile(ctx, c)
	}
	t, err := r.object.trusted(ctx)
	if err != nil {
		return nil, err
	}
	return t.compile(ctx, c)
}

// compile turns a condition into storage's for one call. Fields the actor may not
// read must not be named, here or in the records it leads to.
func (r *reader) compile(ctx context.Context, c condition) (storage.Expr, error) {
	x, err := r.core.expressions.parse(c.text)
	if err != nil {
		return nil, err
	}
	var fail error
	v := &vocabulary{object: r.object, ctx: ctx, sc: r.sc, a: r.access, fail: &fail}
	args := make([]any, len(c.args))
	for i, a := range c.args {
		args[i] = argument(a)
	}
	env := r.env()
	if !r.access.all {
		env.Named = func(u filter.Use) error { return r.mayName(ctx, u) }
	}
	out, err := x.Compile(v, args, env)
	if fail != nil {
		return nil, fail
	}
	return out, err
}

// whereFault is what is wrong with the i-th of several conditions, as an [InvalidError].
func whereFault(err error, i, of int) error {
	if _, ours := faultsOf(err); ours || !errors.Is(err, ErrInvalid) {
		return err
	}
	text := reason(err)
	if x, ok := errors.AsType[*filter.Error](err); ok {
		text = strings.TrimLeft(strings.TrimPrefix(x.Error(), "expression"), ": ")
	}
	if of > 1 {
		text = fmt.Sprintf("condition %d of %d: %s", i+1, of, text)
	}
	return Invalid("where", "%s", text)
}

// mayName is nil if the actor may read what an expression names.
func (r *reader) mayName(ctx context.Context, u filter.Use) error {
	o, a := r.object, r.access
	if u.Object != r.object.name {
		o = r.core.kind(u.Object)
		var err error
		if a, err = r.core.access(ctx, r.sc, o); err != nil {
			return err
		}
	}
	switch u.Kind {
	case filter.UsesField:
		return a.readable(u.Name)
	case filter.UsesCustom:
		return a.readable("custom." + u.Name)
	case filter.UsesRef:
		return a.readable(strings.TrimSuffix(u.Name, "_id") + "_id")
	case filter.UsesRelation:
		by := o.leading(u.Name)
		of, err := r.core.access(ctx, r.sc, by.of)
		if err != nil {
			return err
		}
		return of.readable(by.by.name)
	}
	return fmt.Errorf("crm: an expression uses %v", u.Kind)
}

// env is what expressions take from the call.
func (r *reader) env() filter.Env {
	return momentOf(r.core.now(), r.access.rights.zone, r.access.me)
}

// argument is a caller's argument as the language takes it.
func argument(a any) any {
	switch a := a.(type) {
	case ID:
		return uuid.UUID(a)
	case Money:
		return filter.Amount{Minor: a.Minor, Currency: a.Currency}
	case []ID:
		ids := make([]uuid.UUID, len(a))
		for i, id := range a {
			ids[i] = uuid.UUID(id)
		}
		return ids
	}
	return a
}

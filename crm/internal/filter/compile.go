package filter

import (
	"errors"

	"github.com/embedcrm/embedcrm/storage"
)

// Compile turns the expression into a condition on the rows of an object's table,
// with names and types held to the object and the arguments bound. The condition
// has passed [storage.CheckExpr].
//
// An argument is a string, bool, int, int64, time.Time, storage.Date, uuid.UUID or
// Amount, or for a list a []string, []int64 or []uuid.UUID. All of them must be
// used.
func (e *Expr) Compile(o Object, args []any, env Env) (storage.Expr, error) {
	c := &compiler{expr: e, env: env}
	if err := c.arguments(args); err != nil {
		return nil, err
	}
	out, err := c.condition(e.root, o)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckExpr(o.Table(), out); err != nil {
		return nil, unfit(-1, "", err)
	}
	return out, nil
}

// unfit turns an error of package storage into ours.
func unfit(pos int, field string, err error) error {
	out := &Error{Pos: pos, Field: field, Reason: err.Error()}
	if of := (*storage.Error)(nil); errors.As(err, &of) {
		out.Reason = of.Reason
		if out.Field == "" {
			out.Field = of.Field
		}
	}
	return out
}

// compiler turns one expression into a condition.
type compiler struct {
	expr *Expr
	args []value
	env  Env
}

func never() storage.Expr  { return storage.Or{} }
func always() storage.Expr { return storage.And{} }

// condition compiles a condition on a record of o.
func (c *compiler) condition(x condition, o Object) (storage.Expr, error) {
	switch x := x.(type) {
	case constant:
		if x {
			return always(), nil
		}
		return never(), nil
	case logic:
		return c.logic(x, o)
	case negation:
		of, err := c.condition(x.of, o)
		if err != nil {
			return nil, err
		}
		return storage.Not{Expr: of}, nil
	case holds:
		t, err := c.resolve(x.of, o)
		if err != nil {
			return nil, err
		}
		if t.field.Type != Bool {
			return nil, t.errorf("holds %s and is no condition by itself: compare it with something", t.field.Type)
		}
		return c.equal(t, true)
	case comparison:
		return c.comparison(x, o)
	case membership:
		return c.membership(x, o)
	case search:
		return c.search(x, o)
	case related:
		return c.related(x, o)
	}
	return nil, invalid(-1, "the condition is of a kind that has no meaning")
}

// resolve finds the field a path names, if it may be named.
func (c *compiler) resolve(p path, o Object) (*target, error) {
	t, err := resolve(p, o)
	if err == nil && c.env.Named != nil {
		err = t.uses(p, o, c.env.Named)
	}
	return t, err
}

// resolveOperand resolves a field or fold of one.
func (c *compiler) resolveOperand(x operand, o Object) (*target, error) {
	p, ok := x.(path)
	if ok {
		return c.resolve(p, o)
	}
	f, ok := x.(call)
	if ok {
		p, ok = f.args[0].(path)
	}
	if !ok {
		return nil, invalid(x.pos(), "a field is wanted here")
	}
	t, err := c.resolve(p, o)
	if err != nil {
		return t, err
	}
	if t.field.Type != Text || t.field.Fold == nil {
		return t, t.errorf("is kept without its folded form: compare it as it is")
	}
	t.field, t.folded = Field{Type: Text, At: *t.field.Fold}, true
	return t, nil
}

func (c *compiler) logic(x logic, o Object) (storage.Expr, error) {
	parts := make([]storage.Expr, 0, len(x.list))
	for _, part := range x.list {
		p, err := c.condition(part, o)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if x.or {
		return storage.Or(parts), nil
	}
	return storage.And(parts), nil
}

// relation compiles what stands in the brackets of any, all, none and count: the
// way to the related records and the condition they must satisfy.
func (c *compiler) relation(x related, o Object) (rel storage.Rel, scope, where storage.Expr, err error) {
	rel, of, ok := o.Relation(x.name)
	if !ok {
		return rel, nil, nil, &Error{x.at, x.name, o.Name() + " has no relation of this name"}
	}
	if c.env.Named != nil {
		if err := c.env.Named(Use{o.Name(), UsesRelation, x.name}); err != nil {
			return rel, nil, nil, err
		}
	}
	if x.where != nil {
		where, err = c.condition(x.where, of)
	}
	return rel, of.Scope(), where, err
}

func (c *compiler) related(x related, o Object) (storage.Expr, error) {
	rel, scope, where, err := c.relation(x, o)
	if err != nil {
		return nil, err
	}
	switch x.fn {
	case "any":
		return storage.Exists{Rel: rel, Where: both(scope, where)}, nil
	case "none":
		return storage.Not{Expr: storage.Exists{Rel: rel, Where: both(scope, where)}}, nil
	case "all":
		return storage.Not{Expr: storage.Exists{Rel: rel, Where: both(scope, storage.Not{Expr: where})}}, nil
	}
	return nil, invalid(x.at, "count(…) is a number: compare it, such as count(orders) > 0")
}

// both joins two conditions, each of which may be nil.
func both(a, b storage.Expr) storage.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return storage.And{a, b}
}

// comparison compiles left op right: one side is a field, fold of one, or a count.
func (c *compiler) comparison(x comparison, o Object) (storage.Expr, error) {
	if !isField(x.left) {
		x.left, x.right, x.op = x.right, x.left, flip(x.op)
	}
	if n, ok := x.left.(related); ok {
		return c.count(x, n, o)
	}
	if !isField(x.left) {
		return nil, invalid(x.at, "one side of a comparison is a field")
	}
	t, err := c.resolveOperand(x.left, o)
	if err != nil {
		return nil, err
	}
	switch x.right.(type) {
	case related:
		return nil, t.errorf("is compared with a count: a count is compared with a number")
	case null:
		if x.op != storage.Eq {
			return nil, t.errorf("is put in order with nil: write == nil or != nil")
		}
		if t.folded {
			return nil, t.errorf("is folded and compared with nil: compare the field itself")
		}
		return t.absent(), nil
	}
	if isField(x.right) {
		other, err := c.resolveOperand(x.right, o)
		if err != nil {
			return nil, err
		}
		return compareFields(t, x.op, other)
	}
	v, err := c.value(x.right)
	if err != nil {
		return nil, err
	}
	return c.compare(t, x.op, v, x.right)
}

// isField reports whether an operand is about the record: a field, fold of one, or
// a count.
func isField(o operand) bool {
	switch o := o.(type) {
	case path, related:
		return true
	case call:
		if o.name == "fold" {
			_, ok := o.args[0].(path)
			return ok
		}
	}
	return false
}

func flip(op storage.Op) storage.Op {
	switch op {
	case storage.Lt:
		return storage.Gt
	case storage.Le:
		return storage.Ge
	case storage.Gt:
		return storage.Lt
	case storage.Ge:
		return storage.Le
	default:
		return op
	}
}

// count compiles count(…) op n.
func (c *compiler) count(x comparison, n related, o Object) (storage.Expr, error) {
	rel, scope, where, err := c.relation(n, o)
	if err != nil {
		return nil, err
	}
	switch x.right.(type) {
	case path, related, null, list:
		return nil, invalid(x.at, "a count is compared with a number")
	}
	v, err := c.value(x.right)
	if err != nil {
		return nil, err
	}
	r, ok := rat(v)
	if !ok {
		return nil, invalid(x.at, "a count is compared with a number, and this is %s", describe(v))
	}
	op, m, fixed := whole(x.op, r)
	where = both(scope, where)
	switch {
	case fixed == yes:
		return always(), nil
	case fixed == no:
		return never(), nil
	case op == storage.Gt && m == 0, op == storage.Ge && m == 1:
		return storage.Exists{Rel: rel, Where: where}, nil // an engine stops at the first
	case op == storage.Eq && m == 0, op == storage.Lt && m == 1, op == storage.Le && m == 0:
		return storage.Not{Expr: storage.Exists{Rel: rel, Where: where}}, nil
	}
	return storage.Count{Rel: rel, Where: where, Op: op, N: m}, nil
}

// membership compiles left in right: a value among tags, or a field in a list.
func (c *compiler) membership(x membership, o Object) (storage.Expr, error) {
	if right, ok := x.right.(path); ok {
		return c.tagged(x, right, o)
	}
	t, err := c.fieldOf(x.left, o, "in")
	if err != nil {
		return nil, err
	}
	switch x.right.(type) {
	case list, argument, call:
	default:
		return nil, t.errorf("is looked for in what is no list: write in ['a', 'b'] or in $1")
	}
	v, err := c.value(x.right)
	if err != nil {
		return nil, err
	}
	l, ok := v.(values)
	if !ok {
		return nil, t.errorf("is looked for in what is no list: write in ['a', 'b'], or give the argument a list")
	}
	return c.in(t, l, x.right)
}

// tagged compiles 'vip' in tags.
func (c *compiler) tagged(x membership, right path, o Object) (storage.Expr, error) {
	t, err := c.resolve(right, o)
	if err != nil {
		return nil, err
	}
	if t.field.Type != Tags {
		return nil, t.errorf("holds %s, and in looks into tags or a list: write contains for a part of a text", t.field.Type)
	}
	const cure = "is asked for a text: write 'vip' in %s, joined by or for several"
	switch x.left.(type) {
	case text, argument:
	default:
		return nil, t.errorf(cure, t.name)
	}
	v, err := c.value(x.left)
	if err != nil {
		return nil, err
	}
	s, ok := v.(string)
	if !ok {
		return nil, t.errorf(cure, t.name)
	}
	return t.plain(func(at storage.Field, _ storage.Kind) storage.Expr { return storage.Has{Field: at, Text: s} }), nil
}

// search compiles contains and startsWith.
func (c *compiler) search(x search, o Object) (storage.Expr, error) {
	word := "contains"
	if x.prefix {
		word = "startsWith"
	}
	t, err := c.fieldOf(x.left, o, word)
	if err != nil {
		return nil, err
	}
	switch {
	case t.field.Type == Tags:
		return nil, t.errorf("holds tags: write 'vip' in %s", t.name)
	case t.field.Type != Text:
		return nil, t.errorf("holds %s, and %s is about text", t.field.Type, word)
	case t.field.Protected:
		return nil, t.errorf("is protected, and is found whole alone: write ==, != or in")
	case isField(x.right):
		return nil, t.errorf("is searched for another field: %s takes a text or an argument", word)
	}
	if n, ok := x.right.(null); ok {
		return nil, invalid(n.at, "%s takes a text: write == nil for what is absent", word)
	}
	v, err := c.value(x.right)
	if err != nil {
		return nil, err
	}
	s, err := t.text(v, x.right)
	if err != nil {
		return nil, err
	}
	if x.prefix {
		return t.indexed(func(at storage.Field, _ storage.Kind) storage.Expr { return storage.Prefix{Field: at, Text: s} }), nil
	}
	return t.plain(func(at storage.Field, _ storage.Kind) storage.Expr { return storage.Contains{Field: at, Text: s} }), nil
}

// fieldOf resolves the left side of a word, which must be a field.
func (c *compiler) fieldOf(x operand, o Object, word string) (*target, error) {
	if _, isCount := x.(related); isCount || !isField(x) {
		return nil, invalid(x.pos(), "on the left of %s stands a field", word)
	}
	return c.resolveOperand(x, o)
}

package crm

import (
	"context"

	"github.com/embedcrm/embedcrm/storage"
)

// readerFor begins a read: of a ledger, which is its module's, without rights unless
// the actor's are asked for.
func (o *object) readerFor(ctx context.Context, opts listOptions) (*reader, error) {
	if o.ledger() && !opts.actor {
		return o.trusted(ctx)
	}
	r, err := o.reader(ctx)
	if err == nil && (opts.export || opts.clear) {
		r.access.clearOnly()
	}
	return r, err
}

// trusted is a reader who may read all there is.
func (o *object) trusted(ctx context.Context) (*reader, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.core.ready(); err != nil {
		return nil, err
	}
	sc.trusted = true
	a, err := o.core.access(ctx, sc, o)
	return &reader{o, sc, a}, err
}

// ofLiving is the condition that a row belongs to a living record, or to none.
func (o *object) ofLiving() storage.And {
	by := o.parent
	switch {
	case o.subject != nil:
		return storage.And{o.hangsOnLiving()}
	case by == nil:
		return nil
	}
	lives := storage.Exists{Rel: storage.Rel{Table: by.target.table, Column: "id", Key: by.name}, Where: by.target.lives()}
	if by.required {
		return storage.And{lives}
	}
	return storage.And{storage.Or{storage.Absent{Field: storage.F(by.name)}, lives}}
}

// byKey reports whether the order of a list is that of the ledger's key, past the
// columns that a condition holds to one value.
func (l *listing) byKey(where storage.Expr) bool {
	if len(l.terms) == 0 {
		return true
	}
	held := map[string]bool{}
	pinned(where, held)
	first := l.terms[0]
	for _, name := range l.table.Key {
		if held[name] {
			continue
		}
		return first.field.Ref == nil && first.field.Name == name
	}
	return true
}

// pinned notes the columns that a condition holds to one value.
func pinned(x storage.Expr, held map[string]bool) {
	switch x := x.(type) {
	case storage.And:
		for _, part := range x {
			pinned(part, held)
		}
	case storage.Is:
		if _, field := x.Value.(storage.Field); !field && x.Op == storage.Eq && x.Field.Ref == nil && x.Field.Member == "" {
			held[x.Field.Name] = true
		}
	}
}

// ofCondition is a condition on the record that a reference leads to.
type ofCondition struct {
	condition

	field string
	not   bool
}

// WhereOf keeps what refers by a field to a living record for which an expression
// holds: WhereOf("customer_id", "count(visits) > 3"). It says more than [Where] can of
// the same record, such as what refers to that one in turn.
func WhereOf(field, expression string, args ...any) ListOption {
	return func(o *listOptions) {
		o.of = append(o.of, ofCondition{condition{text: expression, args: args}, field, false})
	}
}

// UnlessOf keeps what WhereOf does not: what refers by the field to another record, to
// one that was deleted, or to none.
func UnlessOf(field, expression string, args ...any) ListOption {
	return func(o *listOptions) {
		o.of = append(o.of, ofCondition{condition{text: expression, args: args}, field, true})
	}
}

// compileOf turns a condition on another record into storage's, under the rights to
// that one.
func (r *reader) compileOf(ctx context.Context, c ofCondition) (storage.Expr, error) {
	f := r.byName[c.field]
	if f == nil || f.target == nil {
		return nil, Invalid("where", "%s is no reference", clip(c.field))
	}
	if err := r.access.readable(f.name); err != nil {
		return nil, err
	}
	a, err := r.core.access(ctx, r.sc, f.target)
	if err == nil {
		err = a.may(VerbRead)
	}
	if err != nil {
		return nil, err
	}
	to := &reader{f.target, r.sc, a}
	x, err := to.compile(ctx, c.condition)
	if err != nil {
		return nil, whereFault(err, 0, 1)
	}
	var found storage.Expr = storage.Exists{
		Rel: storage.Rel{Table: f.target.table, Column: "id", Key: f.name}, Where: a.reading(storage.And{f.target.lives(), x}),
	}
	if c.not {
		found = storage.Not{Expr: found}
	}
	return found, nil
}

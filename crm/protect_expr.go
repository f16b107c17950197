package crm

import (
	"context"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// Union reads several tables together.
func (g guarded) Union(ctx context.Context, tenant string, u *storage.Union, next func() storage.Row) error {
	x := &exprs{guarded: g, ctx: ctx, tenant: tenant}
	asked := *u
	asked.Branches = make([]storage.Branch, len(u.Branches))
	for i, b := range u.Branches {
		for _, f := range b.Fields {
			x.bar(b.Table, f)
		}
		b.Where = x.where(b.Table, b.Where)
		asked.Branches[i] = b
	}
	if x.err != nil {
		return x.err
	}
	return g.bare.Union(ctx, tenant, &asked, next)
}

// Aggregate computes figures, of which a protected field has none.
func (g guarded) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	x := &exprs{guarded: g, ctx: ctx, tenant: tenant}
	asked := *a
	asked.Where = x.where(a.Table, a.Where)
	asked.Group = make([]storage.Group, len(a.Group))
	for i, group := range a.Group {
		x.bar(a.Table, group.Field)
		group.Where = x.where(a.Table, group.Where)
		asked.Group[i] = group
	}
	asked.Measure = make([]storage.Measure, len(a.Measure))
	for i, m := range a.Measure {
		if m.Fn != storage.CountRows && m.Fn != storage.CountOf {
			x.bar(a.Table, m.Field)
		}
		m.Where = x.where(a.Table, m.Where)
		asked.Measure[i] = m
	}
	if x.err != nil {
		return x.err
	}
	return g.bare.Aggregate(ctx, tenant, &asked, next)
}

// Expand adds rows to a ledger, which has no protected fields.
func (g guarded) Expand(ctx context.Context, tenant string, e *storage.Expansion) (int64, error) {
	x := &exprs{guarded: g, ctx: ctx, tenant: tenant}
	asked := *e
	asked.Where = x.where(e.From, e.Where)
	for _, a := range e.Set {
		if f, ok := a.Value.(storage.Field); ok {
			x.bar(e.From, f)
		}
	}
	if x.err != nil {
		return 0, x.err
	}
	return g.bare.Expand(ctx, tenant, &asked)
}

// exprs turns conditions on protected values into conditions on their blinds.
type exprs struct {
	guarded

	ctx    context.Context //nolint:containedctx // it lives for one call
	tenant string
	known  map[string]string // the texts asked for in the index of custom fields, by blind
	err    error             // the first thing wrong
}

// hidden is a protected field in a condition.
type hidden struct {
	at    Place
	blind storage.Field
}

func (h *hidden) refused() error {
	name, _, _ := strings.Cut(h.at.Field, "$")
	return Invalid(name, "%s", protectedHint)
}

// indexOf is which rows of the index of custom fields a condition is about.
type indexOf struct{ object, field string }

// bar refuses a protected field.
func (x *exprs) bar(t *storage.Table, f storage.Field) {
	if h := x.hidden(t, f, indexOf{}); h != nil && x.err == nil {
		x.err = h.refused()
	}
}

// hidden finds out whether a field of a table is protected, and where its blind is.
func (x *exprs) hidden(t *storage.Table, f storage.Field, of indexOf) *hidden {
	if f.Ref != nil {
		t = f.Ref.Table
	}
	if t.Name == indexTable.Name {
		if !keptProtected(of.field) || f.Name != "text_value" && f.Name != "unique_value" {
			return nil
		}
		at := Place{Tenant: x.tenant, Kind: of.object, Field: "custom." + of.field}
		if f.Name == "unique_value" {
			at.Field += uniquePlace
		}
		return &hidden{at, f}
	}
	p := x.core.protections[t.Name]
	if p == nil {
		return nil
	}
	at := Place{Tenant: x.tenant, Kind: t.Name}
	if f.Member != "" {
		if f.Name != "custom" || !keptProtected(f.Member) {
			return nil
		}
		at.Field = "custom." + f.Member
		f.Member += blindMember
		return &hidden{at, f}
	}
	field := p.field(f.Name)
	if field == nil {
		return nil
	}
	at.Field = f.Name
	f.Name = t.Columns[field.blind].Name
	return &hidden{at, f}
}

// where is a condition by blinds. One without protected fields is itself.
func (x *exprs) where(t *storage.Table, e storage.Expr) storage.Expr {
	if e == nil || !x.mentions(t, e, indexOf{}) {
		return e
	}
	return x.expr(t, e, indexOf{})
}

// mentions reports whether a condition names a protected field.
func (x *exprs) mentions(t *storage.Table, e storage.Expr, of indexOf) bool {
	any1 := func(list []storage.Expr) bool {
		for _, part := range list {
			if x.mentions(t, part, of) {
				return true
			}
		}
		return false
	}
	switch e := e.(type) {
	case storage.And:
		if t.Name == indexTable.Name {
			of.find(e)
		}
		return any1(e)
	case storage.Or:
		return any1(e)
	case storage.Not:
		return x.mentions(t, e.Expr, of)
	case storage.Exists:
		return e.Where != nil && x.mentions(e.Rel.Table, e.Where, indexOf{})
	case storage.Count:
		return e.Where != nil && x.mentions(e.Rel.Table, e.Where, indexOf{})
	case storage.Is:
		other, ok := e.Value.(storage.Field)
		return x.hidden(t, e.Field, of) != nil || ok && x.hidden(t, other, of) != nil
	case storage.In:
		return x.hidden(t, e.Field, of) != nil
	case storage.Contains:
		return x.hidden(t, e.Field, of) != nil
	case storage.Prefix:
		return x.hidden(t, e.Field, of) != nil
	case storage.Has:
		return x.hidden(t, e.Field, of) != nil
	}
	return false
}

// find looks in a condition on rows of the index for the object and field they are of.
func (of *indexOf) find(all storage.And) {
	for _, part := range all {
		switch part := part.(type) {
		case storage.And:
			of.find(part)
		case storage.Is:
			text, ok := part.Value.(string)
			switch {
			case !ok || part.Op != storage.Eq || part.Field.Ref != nil:
			case part.Field.Name == "object":
				of.object = text
			case part.Field.Name == "field":
				of.field = text
			}
		}
	}
}

// expr is a condition with blinds in the place of values.
func (x *exprs) expr(t *storage.Table, e storage.Expr, of indexOf) storage.Expr {
	list := func(parts []storage.Expr) []storage.Expr {
		out := make([]storage.Expr, len(parts))
		for i, part := range parts {
			out[i] = x.expr(t, part, of)
		}
		return out
	}
	switch e := e.(type) {
	case storage.And:
		if t.Name == indexTable.Name {
			of.find(e)
		}
		return storage.And(list(e))
	case storage.Or:
		return storage.Or(list(e))
	case storage.Not:
		return storage.Not{Expr: x.expr(t, e.Expr, of)}
	case storage.Exists:
		e.Where = x.where(e.Rel.Table, e.Where)
		return e
	case storage.Count:
		e.Where = x.where(e.Rel.Table, e.Where)
		return e
	case storage.Is:
		text, ok := e.Value.(string)
		if h := x.hidden(t, e.Field, of); h != nil && ok && e.Op == storage.Eq {
			return x.in(h, []any{text})
		}
		if other, ok := e.Value.(storage.Field); ok {
			x.bar(t, other)
		}
		x.refuse(t, e.Field, of)
	case storage.In:
		if h := x.hidden(t, e.Field, of); h != nil {
			return x.in(h, e.Values)
		}
	case storage.Contains:
		x.refuse(t, e.Field, of)
	case storage.Prefix:
		x.refuse(t, e.Field, of)
	case storage.Has:
		x.refuse(t, e.Field, of)
	}
	return e
}

// refuse refuses a condition that goes by more than whether values are equal.
func (x *exprs) refuse(t *storage.Table, f storage.Field, of indexOf) {
	if h := x.hidden(t, f, of); h != nil && x.err == nil {
		x.err = h.refused()
	}
}

// in is the condition that a field's blind is that of one of several texts, under any of
// the keys.
func (x *exprs) in(h *hidden, texts []any) storage.Expr {
	values := make([]any, 0, len(texts))
	for _, v := range texts {
		text, ok := v.(string)
		if !ok || x.err != nil {
			continue
		}
		all, err := x.core.blinds(x.ctx, h.at, text)
		if err != nil {
			x.err = err
			break
		}
		for _, b := range all {
			values = append(values, b)
			if h.blind.Name == "unique_value" {
				if x.known == nil {
					x.known = map[string]string{}
				}
				x.known[b] = text
			}
		}
	}
	if len(values) == 1 {
		return storage.Is{Field: h.blind, Op: storage.Eq, Value: values[0]}
	}
	return storage.In{Field: h.blind, Values: values}
}

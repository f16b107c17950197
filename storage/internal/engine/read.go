package engine

import (
	"context"
	"slices"
	"strconv"

	"github.com/embedcrm/embedcrm/storage"
)

// term is one part of a total order: the terms a query asks for, then the key.
type term struct {
	field storage.Field
	kind  storage.Kind
	null  bool
	desc  bool
	after any // the position's value, when there is a position
}

// Read finds rows with one statement.
func (s *session) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	return s.call(ctx, "read", tableName(q.Table), false, func(ctx context.Context, run *session) error {
		if err := storage.CheckTenant(tenant); err != nil {
			return err
		}
		b := s.e.build(tenant)
		defer s.e.free(b)
		f, err := s.e.writeQuery(b, q)
		if err != nil {
			return err
		}
		if (q.Lock || q.Share) && run.tx == nil {
			return storage.Invalid(q.Table.Name, "", "a locking read needs a transaction: use Atomic")
		}
		rows, err := run.query(ctx, b)
		if err != nil {
			return err
		}
		return f.read(rows, q.Limit, func() *sink { return querySink(q) }, next)
	})
}

// query writes the statement of q. A position is one range of the order where it
// can be, else the union of the ranges that follow it, each with the order and
// limit of the whole, so that each stops as soon as the page is full.
func (b *builder) query(q *storage.Query) error {
	terms := orderTerms(q)
	var ranges []keyRange
	if q.After != nil {
		ranges = after(terms)
	}
	if len(ranges) < 2 {
		b.s("SELECT ").columns(q, "t", false)
		b.s(" FROM ").fromRows(q).s(" WHERE ")
		if len(ranges) == 1 {
			if err := b.selection(q, &ranges[0]); err != nil {
				return err
			}
		} else if err := b.selection(q, nil); err != nil {
			return err
		}
		b.order(terms, func(i int) { b.operand("t", terms[i].field) })
		b.limit(q.Limit)
		switch {
		case q.Lock:
			b.s(b.d.Lock())
		case q.Share:
			b.s(b.d.Share())
		}
		return nil
	}
	n := width(q)
	b.s("SELECT ")
	for i := range n {
		if i > 0 {
			b.s(", ")
		}
		b.s("c", strconv.Itoa(i))
	}
	b.s(" FROM (")
	for i := range ranges {
		if i > 0 {
			b.s(" UNION ALL ")
		}
		b.s("SELECT * FROM (SELECT ").columns(q, "t", true).s(", ", strconv.Itoa(i), " AS part")
		for j := range terms {
			b.s(", ").operand("t", terms[j].field).s(" AS o", strconv.Itoa(j))
		}
		b.s(" FROM ").fromRows(q).s(" WHERE ")
		if err := b.selection(q, &ranges[i]); err != nil {
			return err
		}
		b.order(terms, func(i int) { b.operand("t", terms[i].field) })
		b.limit(q.Limit).s(") AS p", strconv.Itoa(i))
	}
	b.s(") AS u ORDER BY part, ")
	b.terms(terms, func(i int) { b.s("o", strconv.Itoa(i)) })
	b.limit(q.Limit)
	return nil
}

// width is how many columns the statement of q has.
func width(q *storage.Query) int {
	if q.Columns == nil {
		return len(q.Table.Columns) + len(q.Also)
	}
	return max(1, len(q.Columns)+len(q.Also))
}

// columns appends what q selects, named c0, c1 … when asked.
func (b *builder) columns(q *storage.Query, alias string, named bool) *builder {
	n := 0
	next := func() *builder {
		if n++; n > 1 {
			b.s(", ")
		}
		return b
	}
	name := func() {
		if named {
			b.s(" AS c", strconv.Itoa(n-1))
		}
	}
	if q.Columns == nil {
		for i := range q.Table.Columns {
			next().column(alias, q.Table.Columns[i].Name)
			name()
		}
	}
	for _, i := range q.Columns {
		next().column(alias, q.Table.Columns[i].Name)
		name()
	}
	for _, f := range q.Also {
		next().operand(alias, f)
		name()
	}
	if n == 0 { // that there is a row is all the caller wants to know
		b.s("1")
		if named {
			b.s(" AS c0")
		}
	}
	return b
}

// querySink receives what columns selects.
func querySink(q *storage.Query) *sink {
	s := newSink(width(q))
	if q.Columns == nil {
		for i := range q.Table.Columns {
			s.add(q.Table.Columns[i].Kind, i)
		}
	}
	for _, i := range q.Columns {
		s.add(q.Table.Columns[i].Kind, i)
	}
	for k, f := range q.Also {
		of, _ := kind(q.Table, f)
		s.add(of, len(q.Table.Columns)+k)
	}
	if len(s.cells) == 0 {
		s.add(storage.Int, -1)
	}
	return s
}

// selection appends the tenant, the caller's condition as a group of its own,
// and the range.
func (b *builder) selection(q *storage.Query, r *keyRange) error {
	b.begin(q)
	if q.Where != nil {
		b.s(" AND ")
		if err := b.where(q.Table, "t", q.Where, false); err != nil {
			return err
		}
	}
	if r != nil {
		for _, c := range r.conds {
			b.s(" AND ")
			b.rangeCond(c)
		}
	}
	return nil
}

func (b *builder) order(terms []term, operand func(i int)) {
	if len(terms) == 0 {
		return
	}
	b.s(" ORDER BY ")
	b.terms(terms, operand)
}

func (b *builder) terms(terms []term, operand func(i int)) {
	for i := range terms {
		if i > 0 {
			b.s(", ")
		}
		operand(i)
		if terms[i].desc {
			b.s(" DESC")
		}
		if terms[i].null {
			b.s(b.d.Nulls(terms[i].desc))
		}
	}
}

// orderTerms makes the order total: what the query asks for, then the key.
func orderTerms(q *storage.Query) []term {
	if q.Unordered {
		return nil
	}
	terms := make([]term, 0, len(q.Order)+len(q.Table.Key))
	seen := func(f storage.Field) bool {
		for i := range terms {
			if terms[i].field == f {
				return true
			}
		}
		return false
	}
	add := func(f storage.Field, desc bool, at int) {
		if seen(f) {
			return
		}
		k, null := kind(q.Table, f)
		t := term{field: f, kind: k, null: null, desc: desc}
		if q.After != nil {
			t.after = q.After[at]
		}
		terms = append(terms, t)
	}
	desc := false
	for i, o := range q.Order {
		add(o.Field, o.Desc, i)
		desc = o.Desc
	}
	for i, k := range q.Table.Key {
		add(storage.F(k), desc, len(q.Order)+i)
	}
	return terms
}

// keyRange is a contiguous part of the order: all of its conditions hold.
type keyRange struct{ conds []rangeCond }

// rangeCond is one condition on the terms from first to last.
type rangeCond struct {
	what  int // one of the constants below
	terms []term
}

const (
	equal    = iota // the term equals the position's value, or both are absent
	beyond          // the terms, compared as one, lie past the position's values
	isAbsent        // the term is absent
	present         // the term is not absent
)

// after returns the ranges that follow the position, in order. Terms of one
// direction that cannot be absent any more are compared as one row.
func after(terms []term) []keyRange {
	var ranges []keyRange
	prefix := make([]rangeCond, 0, len(terms))
	with := func(c rangeCond) keyRange {
		return keyRange{conds: append(append([]rangeCond{}, prefix...), c)}
	}
	// From the outermost term inwards, what lies past it is remembered; the ranges
	// come out innermost first, for they are nearest to the position.
	var outer [][]keyRange
	for i := range terms {
		t := terms[i]
		if asOne(terms[i:]) {
			ranges = append(ranges, with(rangeCond{beyond, terms[i:]}))
			if t.null && t.desc { // what is absent comes last
				ranges = append(ranges, with(rangeCond{isAbsent, terms[i : i+1]}))
			}
			break
		}
		var past []keyRange
		switch one := terms[i : i+1]; {
		case t.after == nil && !t.desc:
			past = []keyRange{with(rangeCond{present, one})}
		case t.after == nil: // nothing is lower
		default:
			past = []keyRange{with(rangeCond{beyond, one})}
			if t.null && t.desc {
				past = append(past, with(rangeCond{isAbsent, one}))
			}
		}
		outer = append(outer, past)
		prefix = append(prefix, rangeCond{equal, terms[i : i+1]})
	}
	for _, past := range slices.Backward(outer) {
		ranges = append(ranges, past...)
	}
	return ranges
}

// asOne reports whether the terms compare as one row value: one direction, and
// nothing absent but perhaps the first, which its own comparison leaves out.
func asOne(terms []term) bool {
	for i, t := range terms {
		if t.desc != terms[0].desc || t.after == nil || (t.null && i > 0) {
			return false
		}
	}
	return true
}

func (b *builder) rangeCond(c rangeCond) {
	first := c.terms[0]
	x := func(t term) *builder { return b.operand("t", t.field) }
	switch {
	case c.what == isAbsent, c.what == equal && first.after == nil:
		x(first).s(" IS NULL")
	case c.what == present:
		x(first).s(" IS NOT NULL")
	case c.what == equal:
		x(first).s(" = ").bind(first.kind, first.after)
	default:
		sign := " > "
		if first.desc {
			sign = " < "
		}
		if len(c.terms) == 1 {
			x(first).s(sign).bind(first.kind, first.after)
			return
		}
		b.s("(")
		for i, t := range c.terms {
			if i > 0 {
				b.s(", ")
			}
			x(t)
		}
		b.s(")", sign, "(")
		for i, t := range c.terms {
			if i > 0 {
				b.s(", ")
			}
			b.bind(t.kind, t.after)
		}
		b.s(")")
	}
}

func tableName(t *storage.Table) string {
	if t == nil {
		return ""
	}
	return t.Name
}

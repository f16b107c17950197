package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"

	"github.com/embedcrm/embedcrm/storage"
)

// Aggregate computes figures with one statement. Its shape varies more than any
// other's, so bun puts it together; what bun is given to place are fragments of
// the builder, which bind their values and write none into the text.
func (s *session) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	return s.call(ctx, "aggregate", tableName(a.Table), false, func(ctx context.Context, run *session) error {
		if err := storage.CheckTenant(tenant); err != nil {
			return err
		}
		if err := a.Check(); err != nil {
			return err
		}
		b := s.e.build(tenant)
		defer s.e.free(b)
		f, write := &form{}, b.aggregate
		if len(a.Group) == 0 && len(a.Measure) == 1 && a.Measure[0].Fn == storage.CountRows && a.Measure[0].Where == nil {
			f, write = &s.e.counts, b.count // what every list asks for next
		}
		if err := write(s.e.bun, a); err != nil {
			return err
		}
		rows, err := run.query(ctx, b)
		if err != nil {
			return err
		}
		n := 0
		limit := 0
		if len(a.Group) == 0 {
			limit = 1 // there is exactly one
		}
		err = f.read(rows, limit, func() *sink { return aggregateSink(a) }, func() storage.Row {
			if n++; n > storage.MaxGroups {
				return nil
			}
			return next()
		})
		if err == nil && n > storage.MaxGroups {
			return storage.Invalid(a.Table.Name, "", "the answer has more than %d groups: narrow the condition or the groups", storage.MaxGroups)
		}
		return err
	})
}

func aggregateSink(a *storage.Aggregate) *sink {
	s := newSink(len(a.Group) + len(a.Measure))
	for i, g := range a.Group {
		k, _ := kind(a.Table, g.Field)
		if g.Bounds != nil {
			k = storage.Int
		}
		s.add(k, i)
	}
	for i, m := range a.Measure {
		k := storage.Int
		if m.Fn == storage.Min || m.Fn == storage.Max || m.Fn == storage.Percentile {
			k, _ = kind(a.Table, m.Field)
		}
		s.add(k, len(a.Group)+i)
		s.cells[len(s.cells)-1].sum = m.Fn == storage.Sum
	}
	return s
}

// bunDialect returns bun's dialect of a name.
func bunDialect(name string) schema.Dialect {
	if name == "postgres" {
		return pgdialect.New()
	}
	return sqlitedialect.New()
}

// fragment is a piece of SQL that the builder writes when bun comes to it, so that
// arguments are bound in the order of the text.
type fragment struct {
	b     *builder
	write func()
}

// AppendQuery implements schema.QueryAppender.
func (f fragment) AppendQuery(_ schema.QueryGen, to []byte) ([]byte, error) {
	f.b.b = to
	f.write()
	return f.b.b, nil
}

// aggregate writes the statement of a: an inner select with what is grouped and
// measured, and the figures over it. The inner one ranks the values of which a
// percentile is wanted, since neither engine's own agree.
func (b *builder) aggregate(db *bun.DB, a *storage.Aggregate) error {
	var fault error
	piece := func(write func()) fragment { return fragment{b, write} }
	inner := db.NewSelect()
	given := func(where storage.Expr, write func()) fragment {
		if where == nil {
			return piece(write)
		}
		return piece(func() {
			b.s("CASE WHEN ")
			if err := b.where(a.Table, "t", where, false); err != nil {
				fault = err
			}
			b.s(" THEN ")
			write()
			b.s(" END")
		})
	}
	for i, g := range a.Group {
		inner = inner.ColumnExpr("? AS ?", given(g.Where, func() { b.groupValue(a.Table, g) }), bun.Ident("g"+strconv.Itoa(i)))
	}
	names := make([]string, len(a.Measure)) // of the inner select's columns, by measure
	values, ranked := map[storage.Field]string{}, map[string]bool{}
	for i, m := range a.Measure {
		rows := m.Fn == storage.CountRows
		switch {
		case rows && m.Where == nil:
			continue
		case m.Where == nil && values[m.Field] != "":
			names[i] = values[m.Field]
		default:
			names[i] = "m" + strconv.Itoa(i)
			inner = inner.ColumnExpr("? AS ?", given(m.Where, func() {
				if rows {
					b.s("1")
				} else {
					b.operand("t", m.Field)
				}
			}), bun.Ident(names[i]))
		}
		if m.Where == nil {
			values[m.Field] = names[i]
		}
		if m.Fn == storage.Percentile {
			ranked[names[i]] = true
		}
	}
	if len(a.Group) == 0 && !slices.ContainsFunc(names, func(name string) bool { return name != "" }) {
		inner = inner.ColumnExpr("1 AS one")
	}
	inner = inner.
		TableExpr("?", piece(func() { b.from(a.Table, "t") })).
		Where("?", piece(func() { b.ofTenant("t") }))
	if a.Where != nil {
		inner = inner.Where("?", piece(func() { fault = cmp.Or(b.where(a.Table, "t", a.Where, false), fault) }))
	}
	if len(ranked) > 0 {
		inner = rank(db, inner, a, slices.Sorted(maps.Keys(ranked)))
	}

	q := db.NewSelect().TableExpr("(?) AS ?", inner, bun.Ident("s"))
	for i, g := range a.Group {
		name := bun.Ident("g" + strconv.Itoa(i))
		q = q.ColumnExpr("?", name).GroupExpr("?", name)
		if _, null := kind(a.Table, g.Field); null || g.Where != nil {
			q = q.OrderExpr("? ASC"+b.d.Nulls(false), name)
		} else {
			q = q.OrderExpr("? ASC", name)
		}
	}
	for i, m := range a.Measure {
		q = q.ColumnExpr(b.measure(a.Table, m, names[i]))
	}
	if len(a.Group) > 0 {
		q = q.Limit(storage.MaxGroups + 1)
	}
	text, err := q.AppendQuery(db.QueryGen(), b.b[:0])
	if err != nil {
		return err
	}
	b.b = text
	return fault
}

// count writes the statement that counts rows.
func (b *builder) count(_ *bun.DB, a *storage.Aggregate) error {
	b.s("SELECT count(*) FROM ").from(a.Table, "t").s(" WHERE ").ofTenant("t")
	if a.Where == nil {
		return nil
	}
	b.s(" AND ")
	return b.where(a.Table, "t", a.Where, false)
}

// rank adds to each row the ranks of its values within its group, absent ones
// behind all, and how many values the group has.
func rank(db *bun.DB, inner *bun.SelectQuery, a *storage.Aggregate, values []string) *bun.SelectQuery {
	partition := ""
	for i := range a.Group {
		if i == 0 {
			partition = "PARTITION BY "
		} else {
			partition += ", "
		}
		partition += "g" + strconv.Itoa(i)
	}
	q := db.NewSelect().ColumnExpr("*").TableExpr("(?) AS ?", inner, bun.Ident("v"))
	for _, name := range values {
		q = q.ColumnExpr(fmt.Sprintf("row_number() OVER (%[1]s ORDER BY (%[2]s IS NULL), %[2]s) AS r%[2]s", partition, name)).
			ColumnExpr(fmt.Sprintf("count(%[2]s) OVER (%[1]s) AS n%[2]s", partition, name))
	}
	return q
}

// measure returns the SQL of one figure over the column x of the inner select.
func (b *builder) measure(t *storage.Table, m storage.Measure, x string) string {
	switch m.Fn {
	case storage.CountOf:
		return "count(" + x + ")"
	case storage.Distinct:
		return "count(DISTINCT " + x + ")"
	case storage.Sum:
		return b.d.Sum(x)
	case storage.Min, storage.Max:
		fn := "min("
		if m.Fn == storage.Max {
			fn = "max("
		}
		k, _ := kind(t, m.Field)
		return fn + b.d.Comparable(x, k) + ")"
	case storage.Percentile:
		k, _ := kind(t, m.Field)
		return fmt.Sprintf("max(CASE WHEN r%[1]s = (n%[1]s * %[2]d + 99) / 100 THEN %[3]s END)", x, m.P, b.d.Comparable(x, k))
	case storage.CountRows:
		if m.Where != nil {
			return "count(" + x + ")"
		}
	}
	return "count(*)"
}

// groupValue appends what is grouped by: the field, or the bucket it is in.
func (b *builder) groupValue(t *storage.Table, g storage.Group) {
	if g.Bounds == nil {
		b.operand("t", g.Field)
		return
	}
	k, _ := kind(t, g.Field)
	b.d.Bucket(Fragments{b}, func() { b.operand("t", g.Field) }, k, g.Bounds)
}

// Fragments lets a dialect write a piece of a statement.
type Fragments struct{ b *builder }

// SQL appends text.
func (f Fragments) SQL(text string) { f.b.s(text) }

// Bind appends a bound value.
func (f Fragments) Bind(k storage.Kind, v any) { f.b.bind(k, v) }

// Array appends a bound array, for a dialect that has them.
func (f Fragments) Array(d Bulk, k storage.Kind, vs []any) {
	f.b.args = append(f.b.args, d.BindList(k, vs))
	f.b.b = d.Array(f.b.b, f.b.n(), k)
}

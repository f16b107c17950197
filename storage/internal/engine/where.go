package engine

import "github.com/embedcrm/embedcrm/storage"

// where appends the condition e, or its negation, on the row of t under alias.
// SQL's third truth value never leaves a leaf: negation is pushed down to the
// leaves, and a negated leaf over a value that can be absent says so, so that a
// plain comparison stays plain and keeps its index.
func (b *builder) where(t *storage.Table, alias string, e storage.Expr, not bool) error {
	switch e := e.(type) {
	case nil:
		b.s(constant(!not))
	case storage.And:
		return b.group(t, alias, e, not, !not)
	case storage.Or:
		return b.group(t, alias, e, not, not)
	case storage.Not:
		return b.where(t, alias, e.Expr, !not)
	case storage.Exists:
		inner := func(r string) error { return b.where(e.Rel.Table, r, e.Where, false) }
		if e.First && !not && b.joins < maxJoins && b.keys == nil {
			return b.beginWith(alias, e.Rel, inner)
		}
		return b.exists(alias, e.Rel.Table, e.Rel.Column, e.Rel.Key, not, inner)
	case storage.Count:
		if e.Grouped && !t.Columns[t.Index(e.Rel.Key)].Null && b.keys == nil {
			return b.countGrouped(alias, e, not)
		}
		r := b.next()
		b.s("(SELECT count(*) FROM ").from(e.Rel.Table, r).s(" WHERE ").ofTenant(r).s(" AND ").
			column(r, e.Rel.Column).s(" = ").column(alias, e.Rel.Key)
		if e.Where != nil {
			b.s(" AND ")
			if err := b.where(e.Rel.Table, r, e.Where, false); err != nil {
				return err
			}
		}
		b.s(")", sign(e.Op, not)).bind(storage.Int, e.N)
	case storage.Words:
		b.words(alias, e, not)
	case storage.Is:
		if _, ok := e.Value.(storage.Field); ok {
			return b.compareFields(alias, e, not)
		}
		return b.leaf(t, alias, e.Field, not, func(x operand, k storage.Kind, not bool) error {
			x().s(sign(e.Op, not)).bind(k, e.Value)
			return nil
		})
	case storage.In:
		if len(e.Values) > 0 && b.keys == &e.Values[0] {
			b.s(constant(!not))
			return nil
		}
		return b.leaf(t, alias, e.Field, not, func(x operand, k storage.Kind, not bool) error {
			if not {
				b.s("NOT ")
			}
			b.s("(")
			x().among(k, e.Values).s(")")
			return nil
		})
	case storage.Contains:
		return b.leaf(t, alias, e.Field, not, func(x operand, k storage.Kind, not bool) error {
			b.s(b.d.Find(), "(")
			x().s(", ").bind(k, e.Text).s(")", sign(storage.Gt, not), "0")
			return nil
		})
	case storage.Prefix:
		return b.leaf(t, alias, e.Field, not, func(x operand, k storage.Kind, not bool) error {
			b.prefix(x, k, e.Text, not)
			return nil
		})
	case storage.Absent:
		return b.absent(alias, e.Field, not)
	case storage.Has:
		// What can be NULL of it is the column: a member that is missing has nothing.
		whole := storage.Field{Name: e.Field.Name, Ref: e.Field.Ref}
		return b.leaf(t, alias, whole, not, func(x operand, _ storage.Kind, not bool) error {
			if not {
				b.s("NOT ")
			}
			mark := len(b.b)
			x()
			column := string(b.b[mark:])
			var key func([]byte) []byte
			if e.Field.Member != "" {
				key = b.text(b.d.MemberKey(e.Field.Member))
			}
			b.b = b.d.Has(b.b[:mark], column, key, b.text(e.Text))
			return nil
		})
	}
	return nil
}

func constant(v bool) string {
	if v {
		return "1=1"
	}
	return "1=0"
}

// sign returns the operator of a comparison, or of its negation.
func sign(op storage.Op, not bool) string {
	signs := [...][2]string{
		storage.Eq: {" = ", " <> "}, storage.Lt: {" < ", " >= "}, storage.Le: {" <= ", " > "},
		storage.Gt: {" > ", " <= "}, storage.Ge: {" >= ", " < "},
	}
	if not {
		return signs[op][1]
	}
	return signs[op][0]
}

func (b *builder) from(t *storage.Table, alias string) *builder {
	return b.s(b.d.TableName(t.Name), " AS ", alias)
}

// widest is how many terms are joined in one row: SQLite's parser nests each in the ones
// before it, to a depth of at most 1,000.
const widest = 100

// group appends a list joined by AND (and) or OR, a long one in parts.
func (b *builder) group(t *storage.Table, alias string, list []storage.Expr, not, and bool) error {
	if len(list) == 0 {
		b.s(constant(and))
		return nil
	}
	word := " OR "
	if and {
		word = " AND "
	}
	b.s("(")
	for i := 0; i < len(list); {
		if i > 0 {
			b.s(word)
		}
		var err error
		if len(list) > widest {
			part := list[i:min(i+widest, len(list))]
			i += len(part)
			err = b.group(t, alias, part, not, and)
		} else {
			err = b.where(t, alias, list[i], not)
			i++
		}
		if err != nil {
			return err
		}
	}
	b.s(")")
	return nil
}

// exists appends whether a row of to, whose column equals the outer row's key,
// satisfies inner.
func (b *builder) exists(alias string, to *storage.Table, column, key string, not bool, inner func(r string) error) error {
	if not {
		b.s("NOT ")
	}
	r := b.next()
	outside := b.rowwise
	b.rowwise = false
	b.s("EXISTS (SELECT 1 FROM ").from(to, r).s(" WHERE ").ofTenant(r).s(" AND ").
		column(r, column).s(" = ").column(alias, key).s(" AND ")
	if err := inner(r); err != nil {
		return err
	}
	// A planner makes a join of each EXISTS, and the time to plan a join of many
	// tables has no bound: past a handful they stay what they are. So does one that is
	// asked of rows whose keys are given: a join might begin with it.
	if b.joins++; b.joins > maxJoins || b.rowwise || b.keys != nil && alias == "t" {
		b.s(b.d.NoJoin())
	}
	b.rowwise = outside
	b.s(")")
	return nil
}

// countGrouped appends how many related rows there are as a list of keys: those that have
// such a number, or, where none satisfies it too, not those that have another.
func (b *builder) countGrouped(alias string, e storage.Count, not bool) error {
	r := b.next()
	b.column(alias, e.Rel.Key)
	none := zeroIs(e.Op, e.N) != not
	if none {
		b.s(" NOT")
	}
	b.s(" IN (SELECT ").column(r, e.Rel.Column).s(" FROM ").from(e.Rel.Table, r).s(" WHERE ").ofTenant(r)
	if e.Rel.Table.Columns[e.Rel.Table.Index(e.Rel.Column)].Null {
		b.s(" AND ").column(r, e.Rel.Column).s(" IS NOT NULL")
	}
	if e.Where != nil {
		b.s(" AND ")
		if err := b.where(e.Rel.Table, r, e.Where, false); err != nil {
			return err
		}
	}
	b.s(" GROUP BY ").column(r, e.Rel.Column).s(" HAVING count(*)", sign(e.Op, not != none)).bind(storage.Int, e.N).s(")")
	return nil
}

// zeroIs reports whether 0 stands in a relation to n.
func zeroIs(op storage.Op, n int64) bool {
	switch op {
	case storage.Eq:
		return n == 0
	case storage.Lt:
		return 0 < n
	case storage.Le:
		return 0 <= n
	case storage.Gt:
		return 0 > n
	case storage.Ge:
		return 0 >= n
	}
	return false
}

const maxJoins = 4

// beginWith appends that a related row exists, as a list of keys: SQLite never
// begins with the rows of an EXISTS.
func (b *builder) beginWith(alias string, rel storage.Rel, inner func(r string) error) error {
	b.joins++
	r := b.next()
	b.column(alias, rel.Key).s(" IN (SELECT ").column(r, rel.Column).s(" FROM ").from(rel.Table, r).s(" WHERE ").ofTenant(r).s(" AND ")
	if err := inner(r); err != nil {
		return err
	}
	b.s(")")
	return nil
}

// leaf appends a condition on one field. Through a reference it asks for the row
// referred to; otherwise, negated, it also holds where the value is absent.
func (b *builder) leaf(t *storage.Table, alias string, f storage.Field, not bool, cond func(x operand, k storage.Kind, not bool) error) error {
	if f.Ref != nil {
		return b.exists(alias, f.Ref.Table, f.Ref.Table.Key[0], f.Ref.Column, not, func(r string) error {
			return b.leaf(f.Ref.Table, r, storage.Field{Name: f.Name, Member: f.Member, Kind: f.Kind}, false, cond)
		})
	}
	c := t.Columns[t.Index(f.Name)]
	x := func() *builder { return b.value(alias, f) }
	switch {
	case f.Member != "" && not:
		// A member is a CASE, no index serves it, and to repeat it costs more than
		// to ask for the truth of the whole.
		b.s("NOT COALESCE(")
		if err := cond(x, f.Kind, false); err != nil {
			return err
		}
		b.s(", ", constant(false), ")")
		return nil
	case f.Member != "":
		return cond(x, f.Kind, false)
	case not && c.Null:
		b.s("(")
		x().s(" IS NULL OR ")
		if err := cond(x, c.Kind, true); err != nil {
			return err
		}
		b.s(")")
		return nil
	}
	return cond(x, c.Kind, not)
}

// operand appends a value, each time anew with its arguments.
type operand func() *builder

// value appends a column or a member of it.
func (b *builder) value(alias string, f storage.Field) *builder {
	if f.Member == "" {
		return b.column(alias, f.Name)
	}
	b.b = b.d.Member(b.b, alias+`."`+f.Name+`"`, f.Kind, b.text(b.d.MemberKey(f.Member)))
	return b
}

// text returns what appends s as an argument to the SQL a dialect writes.
func (b *builder) text(s string) func([]byte) []byte {
	return func(to []byte) []byte {
		b.b = to
		return b.bind(storage.Text, s).b
	}
}

func (b *builder) absent(alias string, f storage.Field, not bool) error {
	if f.Ref != nil {
		plain := storage.Field{Name: f.Name, Member: f.Member, Kind: f.Kind}
		return b.exists(alias, f.Ref.Table, f.Ref.Table.Key[0], f.Ref.Column, !not, func(r string) error {
			return b.absent(r, plain, true)
		})
	}
	b.operand(alias, f)
	if not {
		b.s(" IS NOT NULL")
	} else {
		b.s(" IS NULL")
	}
	return nil
}

// compareFields appends the comparison of two fields. Neither side can use an
// index, so its negation asks for the truth of the whole.
func (b *builder) compareFields(alias string, e storage.Is, not bool) error {
	right, _ := e.Value.(storage.Field)
	if not {
		b.s("NOT COALESCE(")
	} else {
		b.s("(")
	}
	b.operand(alias, e.Field).s(sign(e.Op, false))
	b.operand(alias, right)
	if not {
		b.s(", ", constant(false))
	}
	b.s(")")
	return nil
}

// operand appends a field as a value, through its reference if it has one.
func (b *builder) operand(alias string, f storage.Field) *builder {
	if f.Ref == nil {
		return b.value(alias, f)
	}
	r := b.next()
	b.s("(SELECT ").value(r, storage.Field{Name: f.Name, Member: f.Member, Kind: f.Kind}).
		s(" FROM ").from(f.Ref.Table, r).s(" WHERE ").ofTenant(r).s(" AND ")
	return b.column(r, f.Ref.Table.Key[0]).s(" = ").column(alias, f.Ref.Column).s(")")
}

// prefix appends that x begins with text, as a range, which an index serves.
func (b *builder) prefix(x operand, k storage.Kind, text string, not bool) {
	end, ok := storage.PrefixEnd(text)
	b.s("(")
	x().s(sign(storage.Ge, not)).bind(k, text)
	if ok {
		word := " AND "
		if not {
			word = " OR "
		}
		b.s(word)
		x().s(sign(storage.Lt, not)).bind(k, end)
	}
	b.s(")")
}

// kind returns a field's kind and whether it can be absent.
func kind(t *storage.Table, f storage.Field) (k storage.Kind, null bool) {
	if f.Ref != nil {
		t, null = f.Ref.Table, true
	}
	c := t.Columns[t.Index(f.Name)]
	if f.Member != "" {
		return f.Kind, true
	}
	return c.Kind, null || c.Null
}

package storage

// Query asks for rows of one table.
type Query struct {
	Table *Table
	// Where is the condition; nil is every row of the tenant.
	Where Expr
	// Order sorts the rows; what it leaves equal is sorted by the table's key, in
	// the direction of the last term. An absent value sorts lowest. JSON cannot
	// sort.
	Order []Order
	// After, when not nil, is the position behind which to begin: the values of
	// the Order terms, then of the key columns, of the last row already read. An
	// index on (tenant, order …, key …) makes every page cost what the first does.
	After []any
	// Limit is the most rows to return, 1 to MaxPage.
	Limit int
	// Columns are the indexes of the columns wanted; nil is all. Only their Dest
	// is used.
	Columns []int
	// Also are further fields wanted with each row; the k-th goes to
	// Dest(len(Table.Columns)+k).
	Also []Field
	// Lock keeps the rows as they were read until the transaction ends: another
	// transaction that would lock or change one waits. It needs a transaction,
	// and a Query without Also and without Refs in its Order.
	Lock bool
}

// Order is one term of a sort.
type Order struct {
	Field Field
	Desc  bool
}

// Check reports what is wrong with a query as [ErrInvalid].
func (q *Query) Check() error {
	t := q.Table
	if err := t.Check(); err != nil {
		return err
	}
	if err := CheckExpr(t, q.Where); err != nil {
		return err
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return Invalid(t.Name, "", "a read asks for 1 to %d rows, not %d", MaxPage, q.Limit)
	}
	if len(q.Order) > MaxOrder {
		return Invalid(t.Name, "", "an order has at most %d terms, not %d", MaxOrder, len(q.Order))
	}
	kinds := make([]Kind, 0, len(q.Order)+len(t.Key))
	for _, o := range q.Order {
		k, err := o.Field.kindOf(t)
		if err != nil {
			return err
		}
		if k == JSON {
			return Invalid(t.Name, o.Field.Name, "JSON as a whole cannot be sorted: name a member")
		}
		if q.Lock && o.Field.Ref != nil {
			return Invalid(t.Name, o.Field.Name, "a locking read cannot be sorted by a reference")
		}
		kinds = append(kinds, k)
	}
	for _, c := range q.Columns {
		if c < 0 || c >= len(t.Columns) {
			return Invalid(t.Name, "", "the table has no column %d", c)
		}
	}
	for _, f := range q.Also {
		if _, err := f.kindOf(t); err != nil {
			return err
		}
	}
	if q.Lock && len(q.Also) > 0 {
		return Invalid(t.Name, "", "a locking read has no further fields")
	}
	if q.After == nil {
		return nil
	}
	for _, name := range t.Key {
		kinds = append(kinds, t.Columns[t.Index(name)].Kind)
	}
	if len(q.After) != len(kinds) {
		return Invalid(t.Name, "", "the position has %d values for an order and key of %d", len(q.After), len(kinds))
	}
	for i, v := range q.After {
		if v == nil && i < len(q.Order) {
			continue
		}
		if msg := fault(kinds[i], v); msg != "" {
			return Invalid(t.Name, "", "value %d of the position %s", i, msg)
		}
	}
	return nil
}

// Aggregate asks for figures over the rows of one table. Its answer has a row
// for each combination of group values that occurs, in their order, absent
// lowest; without groups, exactly one row. In Row indexes the groups come first,
// the measures follow.
type Aggregate struct {
	Table   *Table
	Where   Expr
	Group   []Group
	Measure []Measure
}

// Group is a value to group by. With Bounds, which ascend and are of the field's
// kind (Int, Time, Day or Text), it is instead the number of bounds that are not
// greater than the value, an Int: 0 before the first bound. In rows that do not
// satisfy Where the value is taken as absent; nil is every row.
type Group struct {
	Field  Field
	Bounds []any
	Where  Expr
}

// Fn is what a measure computes.
type Fn uint8

// The measures. All but CountRows are over the rows in which the field has a
// value; over none, the counts are 0 and the others absent. An average is Sum and
// CountOf, divided by the caller.
const (
	CountRows  Fn = iota + 1 // the rows; Int
	CountOf                  // the rows in which the field has a value; Int
	Distinct                 // the different values; Int
	Sum                      // of an Int field; past int64 the call is ErrOverflow
	Min                      // the least; of the field's kind
	Max                      // the greatest; of the field's kind
	Percentile               // the nearest rank: the ⌈P/100·n⌉-th of n values in order
)

// Measure is one figure of an [Aggregate], over the rows that satisfy Where as
// well; nil is all of them.
type Measure struct {
	Fn    Fn
	Field Field // not for CountRows
	P     int   // for Percentile: 1 to 100
	Where Expr
}

// Check reports what is wrong with an aggregate as [ErrInvalid].
func (a *Aggregate) Check() error {
	t := a.Table
	if err := t.Check(); err != nil {
		return err
	}
	if err := CheckExpr(t, a.Where); err != nil {
		return err
	}
	if n := len(a.Measure); n < 1 || n > MaxColumns || len(a.Group) > MaxOrder {
		return Invalid(t.Name, "", "an aggregate has at least one measure and at most %d groups", MaxOrder)
	}
	for _, g := range a.Group {
		k, err := g.Field.kindOf(t)
		if err != nil {
			return err
		}
		if err := g.check(t, k); err != nil {
			return err
		}
		if err := CheckExpr(t, g.Where); err != nil {
			return err
		}
	}
	for _, m := range a.Measure {
		if err := CheckExpr(t, m.Where); err != nil {
			return err
		}
		if m.Fn == CountRows {
			continue
		}
		k, err := m.Field.kindOf(t)
		if err != nil {
			return err
		}
		switch {
		case m.Fn < CountRows || m.Fn > Percentile:
			return Invalid(t.Name, m.Field.Name, "the measure is none of the package's")
		case m.Fn != CountOf && k == JSON:
			return Invalid(t.Name, m.Field.Name, "JSON as a whole can only be counted")
		case m.Fn == Sum && k != Int:
			return Invalid(t.Name, m.Field.Name, "holds %s, and only int has a sum", k)
		case (m.Fn == Min || m.Fn == Max || m.Fn == Percentile) && (k == Bool || k == Bytes):
			return Invalid(t.Name, m.Field.Name, "%s has no order", k)
		case m.Fn == Percentile && (m.P < 1 || m.P > 100):
			return Invalid(t.Name, m.Field.Name, "a percentile is 1 to 100, not %d", m.P)
		}
	}
	return nil
}

func (g Group) check(t *Table, k Kind) error {
	if k == JSON {
		return Invalid(t.Name, g.Field.Name, "JSON as a whole cannot be grouped: name a member")
	}
	if g.Bounds == nil {
		return nil
	}
	if k != Int && k != Time && k != Day && k != Text {
		return Invalid(t.Name, g.Field.Name, "holds %s, and only int, time, date and text have bounds", k)
	}
	if len(g.Bounds) == 0 || len(g.Bounds) > MaxBounds {
		return Invalid(t.Name, g.Field.Name, "a group has 1 to %d bounds, not %d", MaxBounds, len(g.Bounds))
	}
	for i, b := range g.Bounds {
		if msg := fault(k, b); msg != "" {
			return Invalid(t.Name, g.Field.Name, "a bound %s", msg)
		}
		if i > 0 && Compare(g.Bounds[i-1], b) >= 0 {
			return Invalid(t.Name, g.Field.Name, "the bounds do not ascend at %d", i)
		}
	}
	return nil
}

package filter

import (
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// compare compiles a comparison of a field with a value, which is what the operand
// came to.
func (c *compiler) compare(t *target, op storage.Op, v value, from operand) (storage.Expr, error) {
	if t.field.Type == Tags {
		return nil, t.errorf("holds tags: write 'vip' in %s", t.name)
	}
	if op != storage.Eq && (t.field.Type == Bool || t.field.Type == ID) {
		return nil, t.errorf("holds %s, which has no order: write == or !=", t.field.Type)
	}
	if op != storage.Eq && t.field.Protected {
		return nil, t.errorf("is protected, and has no order: write ==, != or in")
	}
	if v == nil {
		return never(), nil
	}
	switch t.field.Type {
	case Int, Decimal:
		if r, ok := t.number(v, from); ok {
			return t.compareNumber(op, r), nil
		}
	case Time:
		if d, ok := v.(storage.Date); ok {
			return c.compareDay(t, op, d)
		}
	case Money:
		if m, ok := v.(Amount); ok {
			return t.plainMoney(m.Currency, func(at storage.Field) storage.Expr { return storage.Is{Field: at, Op: op, Value: m.Minor} }), nil
		}
	default:
	}
	single, err := c.bind(t, v, from)
	if err != nil {
		return nil, err
	}
	return t.indexed(func(at storage.Field, kind storage.Kind) storage.Expr {
		return storage.Is{Field: at, Op: op, Value: encode(single, kind)}
	}), nil
}

// equal is compare for a value of the field's own type.
func (c *compiler) equal(t *target, v value) (storage.Expr, error) {
	return c.compare(t, storage.Eq, v, nil)
}

// bind returns a value as the field's type compares it: a string, bool, uuid.UUID,
// time.Time or storage.Date.
func (c *compiler) bind(t *target, v value, from operand) (value, error) {
	switch t.field.Type {
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case Text:
		return t.text(v, from)
	case ID:
		if id, ok := v.(uuid.UUID); ok {
			return id, nil
		}
	case Time:
		if i, ok := v.(instant); ok {
			v = time.Time(i)
		}
		if at, ok := v.(time.Time); ok {
			return t.time(at.UTC())
		}
	case Date:
		switch d := v.(type) {
		case instant:
			return storage.DateOf(time.Time(d)), nil
		case storage.Date:
			if !d.Valid() {
				return nil, t.errorf("is compared with what is no day of the years 1 to 9999")
			}
			return d, nil
		}
	default:
	}
	return nil, t.mismatch(v, from)
}

func (t *target) time(at time.Time) (value, error) {
	switch {
	case at.Nanosecond()%1000 != 0:
		return nil, t.errorf("is compared with a time finer than a microsecond: truncate it")
	case at.Year() < 1 || at.Year() > 9999:
		return nil, t.errorf("is compared with a time outside the years 1 to 9999")
	}
	return at, nil
}

// text returns the text a text field is compared with: folded exactly when the
// field is.
func (t *target) text(v value, from operand) (string, error) {
	switch s := v.(type) {
	case folded:
		if !t.folded {
			return "", t.errorf("is compared with a folded text: write fold(%s)", t.name)
		}
		return string(s), nil
	case string:
		if t.folded {
			return "", t.errorf("is folded, and the text it is compared with is not: write fold('…') or fold($1)")
		}
		return s, nil
	}
	return "", t.mismatch(v, from)
}

// number returns the number a numeric field is compared with. The argument of a
// decimal may be its text.
func (t *target) number(v value, from operand) (*big.Rat, bool) {
	if _, isArgument := from.(argument); isArgument && t.field.Type == Decimal {
		if s, ok := v.(string); ok {
			r, err := rational(-1, s)
			return r, err == nil && len(s) <= 64
		}
	}
	return rat(v)
}

func rat(v value) (*big.Rat, bool) {
	r, ok := v.(*big.Rat)
	return r, ok
}

// mismatch says that a value is not of the field's type, and what is.
func (t *target) mismatch(v value, from operand) error {
	what := describe(v)
	if a, ok := from.(argument); ok {
		what = "the argument $" + decimal(a.n) + ", " + what
	}
	return t.errorf("holds %s and is compared with %s: %s", t.field.Type, what, t.cure(v))
}

func decimal(n int) string { return big.NewInt(int64(n)).String() }

// cure says what a field of the type is compared with.
func (t *target) cure(v value) string {
	switch t.field.Type {
	case Bool:
		return "compare it with true or false, or an argument that is a bool"
	case Int:
		return "compare it with a number, or an argument that is an int"
	case Text:
		return "compare it with a text in quotes, or an argument that is a string"
	case ID:
		return "compare it with id('…') or me(), or an argument that is an id"
	case Time:
		return "compare it with time('2026-01-31T10:00:00Z'), date('2026-01-31'), ago('90d') or now(), or an argument that is a time or date"
	case Date:
		if _, ok := v.(time.Time); ok {
			return "compare it with date('2026-01-31'), today() or ago('90d'), or an argument that is a date"
		}
		return "compare it with date('2026-01-31') or today(), or an argument that is a date"
	case Money:
		return "compare it with money('10.00', 'EUR') or an argument that is money, or write " + t.name + ".minor"
	case Decimal:
		return "compare it with a number, or an argument that is an int or the number's text"
	default:
		return "write 'vip' in " + t.name
	}
}

// encode returns a value as the kind it is kept as.
func encode(v value, kind storage.Kind) any {
	switch v := v.(type) {
	case time.Time:
		if kind == storage.Int {
			return v.UnixMicro()
		}
	case storage.Date:
		if kind == storage.Text {
			return v.String()
		}
	case uuid.UUID:
		if kind == storage.Text {
			return v.String()
		}
	}
	return v
}

// Whether a comparison of a whole number is the same for all of them.
const (
	open int = iota // it is not
	yes
	no
)

// whole turns a comparison of a whole number with any number into one with a whole
// number, exactly: x > 1.5 is x >= 2. Past the range of int64, and for equality
// with a fraction, it is the same for every x.
func whole(op storage.Op, r *big.Rat) (out storage.Op, n int64, fixed int) {
	if r.IsInt() && r.Num().IsInt64() {
		return op, r.Num().Int64(), open
	}
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: down, as the denominator is positive
	switch {
	case r.IsInt():
	case op == storage.Eq:
		return op, 0, no
	case op == storage.Lt || op == storage.Le:
		op = storage.Le
	default:
		op = storage.Ge
		floor.Add(floor, big.NewInt(1))
	}
	if floor.IsInt64() {
		return op, floor.Int64(), open
	}
	less := op == storage.Lt || op == storage.Le
	if op != storage.Eq && less == (floor.Sign() > 0) {
		return op, 0, yes
	}
	return op, 0, no
}

// scaled returns a number in the units the field is kept in.
func (t *target) scaled(r *big.Rat) *big.Rat {
	if t.field.Scale == 0 {
		return r
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.field.Scale)), nil)
	return new(big.Rat).Mul(r, new(big.Rat).SetInt(unit))
}

func (t *target) compareNumber(op storage.Op, r *big.Rat) storage.Expr {
	op, n, fixed := whole(op, t.scaled(r))
	switch fixed {
	case yes:
		return t.present()
	case no:
		return never()
	}
	return t.indexed(func(at storage.Field, _ storage.Kind) storage.Expr { return storage.Is{Field: at, Op: op, Value: n} })
}

// plainMoney returns a condition on the minor units of an amount in a currency.
func (t *target) plainMoney(currency string, of func(storage.Field) storage.Expr) storage.Expr {
	pair := func(see func(storage.Field) storage.Field) storage.Expr {
		return storage.And{storage.Is{Field: see(t.field.Currency), Op: storage.Eq, Value: currency}, of(see(t.field.At))}
	}
	if t.scoped() {
		return t.reached(pair(func(f storage.Field) storage.Field { return f }))
	}
	return pair(t.seen)
}

// compareDay compares a time with a whole day of the zone: it is equal to a day it
// lies in, and greater than one it lies behind.
func (c *compiler) compareDay(t *target, op storage.Op, d storage.Date) (storage.Expr, error) {
	if !d.Valid() {
		return nil, t.errorf("is compared with what is no day of the years 1 to 9999")
	}
	next := storage.DateOf(time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, time.UTC))
	begin, end := dayStart(d, c.zone()), dayStart(next, c.zone())
	switch op {
	case storage.Lt:
		return t.beside(storage.Lt, begin), nil
	case storage.Le:
		return t.beside(storage.Lt, end), nil
	case storage.Gt:
		return t.beside(storage.Ge, end), nil
	case storage.Ge:
		return t.beside(storage.Ge, begin), nil
	default:
		return storage.And{t.beside(storage.Ge, begin), t.beside(storage.Lt, end)}, nil
	}
}

// beside compares a time with an instant that may lie outside of what can be kept.
func (t *target) beside(op storage.Op, at time.Time) storage.Expr {
	at = at.UTC()
	switch year := at.Year(); {
	case year < 1 && op == storage.Ge, year > 9999 && op == storage.Lt:
		return t.present()
	case year < 1 || year > 9999:
		return never()
	}
	return t.indexed(func(f storage.Field, kind storage.Kind) storage.Expr {
		return storage.Is{Field: f, Op: op, Value: encode(at, kind)}
	})
}

// in compiles a field in a list of values.
func (c *compiler) in(t *target, l values, from operand) (storage.Expr, error) {
	if t.field.Type == Bool {
		return nil, t.errorf("holds true or false, and is looked for in no list: write the field alone")
	}
	if t.field.Type == Tags {
		return nil, t.errorf("holds tags: write 'vip' in %s, joined by or for several", t.name)
	}
	if len(l) > storage.MaxValues {
		return nil, t.errorf("is looked for in a list of more than %d values", storage.MaxValues)
	}
	sorted := sorted{amounts: map[string][]any{}}
	for _, v := range l {
		if err := c.sort(t, v, from, &sorted); err != nil {
			return nil, err
		}
	}
	out := storage.Or{}
	if len(sorted.singles) > 0 {
		out = append(out, t.indexed(func(at storage.Field, kind storage.Kind) storage.Expr {
			list := make([]any, len(sorted.singles))
			for i, v := range sorted.singles {
				list[i] = encode(v, kind)
			}
			return storage.In{Field: at, Values: list}
		}))
	}
	for _, currency := range sorted.currencies {
		out = append(out, t.plainMoney(currency, func(at storage.Field) storage.Expr {
			return storage.In{Field: at, Values: sorted.amounts[currency]}
		}))
	}
	out = append(out, sorted.others...)
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}

// sorted is a list by how its values are looked for.
type sorted struct {
	singles    []any // one value each
	currencies []string
	amounts    map[string][]any // minor units by currency
	others     []storage.Expr   // days of a time
}

// sort puts a value of a list where it belongs; what no field can hold goes nowhere.
func (c *compiler) sort(t *target, v value, from operand, s *sorted) error {
	if v == nil {
		return nil
	}
	switch t.field.Type {
	case Int, Decimal:
		if r, ok := t.number(v, from); ok {
			if r = t.scaled(r); r.IsInt() && r.Num().IsInt64() {
				s.singles = append(s.singles, r.Num().Int64())
			}
			return nil
		}
	case Money:
		if m, ok := v.(Amount); ok {
			if s.amounts[m.Currency] == nil {
				s.currencies = append(s.currencies, m.Currency)
			}
			s.amounts[m.Currency] = append(s.amounts[m.Currency], m.Minor)
			return nil
		}
	case Time:
		if d, ok := v.(storage.Date); ok {
			day, err := c.compareDay(t, storage.Eq, d)
			s.others = append(s.others, day)
			return err
		}
	default:
	}
	single, err := c.bind(t, v, from)
	s.singles = append(s.singles, single)
	return err
}

// compareFields compiles a comparison of two fields. Both must hold the same and
// be kept alike. A record that a reference leads to must be in its scope.
func compareFields(t *target, op storage.Op, other *target) (storage.Expr, error) {
	a, b := t.field, other.field
	switch {
	case a.Type != b.Type || a.Type == Decimal && a.Scale != b.Scale || t.kind() != other.kind():
		return nil, t.errorf("holds %s and is compared with %s, which holds %s or is kept otherwise: compare fields of one type", a.Type, other.name, b.Type)
	case a.Protected || b.Protected:
		return nil, t.errorf("is compared with %s, and one of them is protected: compare it with a text", other.name)
	case a.Type == Tags:
		return nil, t.errorf("holds tags, which are not compared: write 'vip' in %s", t.name)
	case op != storage.Eq && (a.Type == Bool || a.Type == ID):
		return nil, t.errorf("holds %s, which has no order: write == or !=", a.Type)
	case t.folded != other.folded:
		return nil, t.errorf("is compared with %s, and one of them is folded: write fold(…) around both", other.name)
	}
	parts := storage.And{}
	for _, side := range []*target{t, other} {
		if side.scoped() {
			parts = append(parts, side.reached(nil))
		}
	}
	if a.Type == Money {
		parts = append(parts, storage.Is{Field: t.seen(a.Currency), Op: storage.Eq, Value: other.seen(b.Currency)})
	}
	parts = append(parts, storage.Is{Field: t.seen(a.At), Op: op, Value: other.seen(b.At)})
	if len(parts) == 1 {
		return parts[0], nil
	}
	return parts, nil
}

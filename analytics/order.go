package analytics

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Having is a condition on a figure: a number, or an amount of money.
type Having struct {
	// Measure is the name of the figure.
	Measure string `json:"measure"`
	// Op is one of ==, !=, <, <=, > and >=.
	Op string `json:"op"`
	// Value is a number, such as 10 or 0.25, or an amount, such as 1000.00 EUR, which is
	// compared with the figure's amount in that currency. A row without such a figure
	// is left out.
	Value string `json:"value"`
}

// threshold is a Having that was read.
type threshold struct {
	column   int
	holds    func(c int) bool
	number   *big.Rat
	currency string // of an amount, whose minor units are the number
}

// term is one of an order.
type term struct {
	column int
	desc   bool
}

// sorting reads Having and Order.
func (q *query) sorting() error {
	if len(q.Order) > len(q.columns) || len(q.Having) > crm.MaxMeasures {
		return crm.Invalid("order", "a report is sorted by each column once, and has at most %d conditions on figures", crm.MaxMeasures)
	}
	for _, text := range q.Order {
		name, desc := strings.CutPrefix(text, "-")
		i := slices.IndexFunc(q.columns, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return crm.Invalid("order", "there is no column %s", clip(name))
		}
		q.order = append(q.order, term{i, desc})
	}
	ops := map[string]func(c int) bool{
		"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}
	for _, h := range q.Having {
		label := "having " + clip(h.Measure)
		t := threshold{column: slices.IndexFunc(q.columns, func(c Column) bool { return c.Name == h.Measure && !c.Group }), holds: ops[h.Op]}
		switch {
		case t.column < 0:
			return crm.Invalid(label, "the report has no such measure")
		case t.holds == nil:
			return crm.Invalid(label, "a figure is compared by ==, !=, <, <=, > or >=, not %s", clip(h.Op))
		}
		number, ok := decimal(h.Value)
		if !ok {
			m, err := crm.ParseMoney(h.Value)
			if err != nil {
				return crm.Invalid(label, "%s is no number such as 0.25, nor an amount such as 1000.00 EUR", clip(h.Value))
			}
			number, t.currency = big.NewRat(m.Minor, 1), m.Currency
		}
		t.number = number
		q.having = append(q.having, t)
	}
	return nil
}

// decimal reads digits with perhaps a sign before them and a point in them.
func decimal(s string) (*big.Rat, bool) {
	if s == "" || len(s) > 60 || strings.Trim(s, "-0123456789.") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// keeps reports whether a row satisfies every Having.
func (q *query) keeps(row Row) bool {
	return !slices.ContainsFunc(q.having, func(t threshold) bool {
		n, ok := t.of(row[t.column])
		return !ok || !t.holds(n.Cmp(t.number))
	})
}

// of is a figure as the number that is compared.
func (t threshold) of(figure any) (*big.Rat, bool) {
	if t.currency == "" {
		return number(figure)
	}
	all, _ := figure.([]crm.Money)
	for _, m := range all {
		if m.Currency == t.currency {
			return big.NewRat(m.Minor, 1), true
		}
	}
	return nil, false
}

func number(figure any) (*big.Rat, bool) {
	switch v := figure.(type) {
	case int64:
		return big.NewRat(v, 1), true
	case crm.Ratio:
		if v.Den != 0 {
			return big.NewRat(v.Num, v.Den), true
		}
	case string:
		return decimal(v)
	}
	return nil, false
}

// sort brings rows into the report's order. They come in that of the groups.
func (q *query) sort(rows []Row) {
	compare := make([]func(a, b any) int, len(q.order))
	for i, t := range q.order {
		compare[i] = comparison(rows, t.column)
		if t.desc {
			up := compare[i]
			compare[i] = func(a, b any) int { return up(b, a) }
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		for i, t := range q.order {
			if c := compare[i](a[t.column], b[t.column]); c != 0 {
				return c
			}
		}
		return 0
	})
}

// comparison is how a column is sorted: a column of decimals, which are kept as their
// text, as the numbers they are.
func comparison(rows []Row, column int) func(a, b any) int {
	texts := slices.ContainsFunc(rows, func(r Row) bool {
		s, ok := r[column].(string)
		_, isNumber := decimal(s)
		return ok && !isNumber
	})
	return func(a, b any) int {
		x, isX := number(a)
		y, isY := number(b)
		if isX && isY && !texts {
			return x.Cmp(y)
		}
		return compareCells(a, b)
	}
}

// compareCells orders two values of one type, nil lowest.
func compareCells(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(truth(a != nil), truth(b != nil))
	}
	switch a := a.(type) {
	case bool:
		y, _ := b.(bool)
		return cmp.Compare(truth(a), truth(y))
	case string:
		y, _ := b.(string)
		return strings.Compare(a, y)
	case crm.ID:
		y, _ := b.(crm.ID)
		return bytes.Compare(a[:], y[:])
	case crm.Date:
		y, _ := b.(crm.Date)
		return a.Compare(y)
	case time.Time:
		y, _ := b.(time.Time)
		return a.Compare(y)
	case crm.Period:
		y, _ := b.(crm.Period)
		return a.Start.Compare(y.Start)
	case []crm.Money:
		y, _ := b.([]crm.Money)
		return slices.CompareFunc(a, y, func(a, b crm.Money) int {
			return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(a.Minor, b.Minor))
		})
	}
	return 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

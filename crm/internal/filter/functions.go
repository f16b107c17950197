package filter

import (
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// arity returns how many values a function takes, or -1 when there is none of the
// name.
func arity(name string) int {
	switch name {
	case "now", "today", "me":
		return 0
	case "date", "time", "id", "ago", "fromNow", "fold":
		return 1
	case "money":
		return 2
	}
	return -1
}

// takes says what a function's values look like.
func takes(name string) string {
	switch name {
	case "money":
		return "two texts, such as money('10.00', 'EUR')"
	case "date":
		return "a text, such as date('2026-01-31')"
	case "time":
		return "a text, such as time('2026-01-31T10:00:00Z')"
	case "id":
		return "a text, such as id('0190163d-8694-739b-aea5-966c26f8ad90')"
	case "ago", "fromNow":
		return "a whole number and a unit, such as " + name + "('90d'); the units are s, min, h, d, w, mo and y"
	case "fold":
		return "a field or a text, such as fold(name) == fold('ada')"
	}
	return "nothing"
}

// value is what an operand without field comes to: a text, *big.Rat, bool,
// Amount, storage.Date, time.Time, instant, uuid.UUID, folded, a list of them,
// or nil for what is absent.
type value any

type (
	// instant is a time told by the calendar, which is also a date.
	instant time.Time
	// folded is a text that fold() was applied to.
	folded string
	// values is a list.
	values []value
)

// arguments brings the arguments into the language.
func (c *compiler) arguments(args []any) error {
	for n, at := range c.expr.args {
		if n >= len(args) {
			return invalid(max(at, -1), "the argument $%d is not given", n+1)
		}
		if at < 0 {
			return invalid(-1, "the argument $%d is given and not used: number them without gaps", n+1)
		}
	}
	if len(args) > len(c.expr.args) {
		return invalid(-1, "the argument $%d is given and not used: leave it out", len(c.expr.args)+1)
	}
	for n, arg := range args {
		v, ok := argumentValue(arg)
		if !ok {
			return invalid(c.expr.args[n], "the argument $%d is a %T: give a bool, int, string, time, date, id, money, or a list of texts, ints or ids", n+1, arg)
		}
		if l, isList := v.(values); isList && len(l) > storage.MaxValues {
			return invalid(c.expr.args[n], "the argument $%d has %d values, and %d are allowed", n+1, len(l), storage.MaxValues)
		}
		c.args = append(c.args, v)
	}
	return nil
}

func argumentValue(arg any) (value, bool) {
	switch arg := arg.(type) {
	case string, bool, time.Time, storage.Date, uuid.UUID, Amount:
		return arg, true
	case int:
		return new(big.Rat).SetInt64(int64(arg)), true
	case int64:
		return new(big.Rat).SetInt64(arg), true
	case []string:
		return listOf(arg, func(s string) value { return s }), true
	case []int64:
		return listOf(arg, func(n int64) value { return new(big.Rat).SetInt64(n) }), true
	case []uuid.UUID:
		return listOf(arg, func(id uuid.UUID) value { return id }), true
	}
	return nil, false
}

func listOf[T any](items []T, of func(T) value) values {
	l := make(values, len(items))
	for i, item := range items {
		l[i] = of(item)
	}
	return l
}

// value returns what an operand without field comes to.
func (c *compiler) value(o operand) (value, error) {
	switch o := o.(type) {
	case text:
		return o.value, nil
	case boolean:
		return o.value, nil
	case number:
		return rational(o.at, o.value)
	case argument:
		return c.args[o.n-1], nil
	case call:
		return c.call(o)
	case list:
		l := make(values, 0, len(o.items))
		for _, item := range o.items {
			switch item.(type) {
			case null:
				return nil, invalid(item.pos(), "nil is in no list: write x == nil or x in […]")
			case list, path, related:
				return nil, invalid(item.pos(), "a list holds values, not fields or lists")
			}
			v, err := c.value(item)
			if err != nil {
				return nil, err
			}
			if _, isList := v.(values); isList {
				return nil, invalid(item.pos(), "a list holds values, not lists: write x in $1")
			}
			l = append(l, v)
		}
		return l, nil
	}
	return nil, invalid(o.pos(), "a value is wanted here")
}

// rational reads a plain number exactly.
func rational(at int, s string) (*big.Rat, error) {
	digits := strings.TrimPrefix(s, "-")
	r, ok := new(big.Rat).SetString(s)
	if !ok || digits == "" || strings.ContainsFunc(digits, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		return nil, invalid(at, "a number is written with digits and a point, such as 1000 or 12.50")
	}
	return r, nil
}

// call evaluates a function without field.
func (c *compiler) call(f call) (value, error) {
	texts := make([]string, len(f.args))
	for i, arg := range f.args {
		if _, isField := arg.(path); isField {
			return nil, invalid(f.at, "fold of a field stands on the left side: write fold(name) == fold('ada')")
		}
		v, err := c.value(arg)
		if err != nil {
			return nil, err
		}
		if l, isList := v.(values); isList && f.name == "fold" {
			return c.foldList(f, l)
		}
		s, ok := v.(string)
		if !ok {
			return nil, invalid(arg.pos(), "%s(…) takes %s, and the argument holds %s", f.name, takes(f.name), describe(v))
		}
		texts[i] = s
	}
	switch f.name {
	case "fold":
		return c.fold(f.at, texts[0])
	case "money":
		return c.money(f.at, texts[0], texts[1])
	case "me":
		if c.env.Me == uuid.Nil {
			return nil, nil
		}
		return c.env.Me, nil
	case "id":
		id, err := uuid.Parse(texts[0])
		if err != nil || len(texts[0]) != 36 {
			return nil, invalid(f.at, "id(…) takes %s", takes("id"))
		}
		return id, nil
	}
	return c.calendar(f, texts)
}

func (c *compiler) fold(at int, s string) (value, error) {
	if c.env.Fold == nil {
		return nil, invalid(at, "fold(…) is not available here")
	}
	return folded(c.env.Fold(s)), nil
}

func (c *compiler) foldList(f call, l values) (value, error) {
	out := make(values, len(l))
	for i, v := range l {
		s, ok := v.(string)
		if !ok {
			return nil, invalid(f.at, "fold(…) of an argument takes a text or a list of texts")
		}
		var err error
		if out[i], err = c.fold(f.at, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) money(at int, amount, currency string) (value, error) {
	if c.env.Money == nil {
		return nil, invalid(at, "money(…) is not available here")
	}
	minor, err := c.env.Money(amount, currency)
	if err != nil {
		return nil, invalid(at, "money(…) takes an amount and a currency it can be in, such as money('10.00', 'EUR')")
	}
	return Amount{minor, currency}, nil
}

// describe names what a value is, for an error.
func describe(v value) string {
	switch v.(type) {
	case string, folded:
		return "text"
	case *big.Rat:
		return "a number"
	case bool:
		return "true or false"
	case Amount:
		return "money"
	case storage.Date:
		return "a date"
	case time.Time, instant:
		return "a time"
	case uuid.UUID:
		return "an id"
	case values:
		return "a list"
	}
	return "nothing"
}

package filter_test

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// The generator makes records, and expressions about them as text with arguments.
// Beside each text it makes a Go function that says by the language's definition
// whether a record satisfies it. That function knows nothing of package storage's
// conditions, nor of the compiler.

type generator struct {
	*rand.Rand

	objects objects
	args    []any
	rels    int
	inside  bool
}

// generated is a condition as text and as its meaning.
type generated struct {
	text  string
	holds func(*record) bool
}

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

// term is a field an expression can name, and how a record has it.
type term struct {
	text   string
	field  filter.Field
	json   bool
	folded bool
	of     func(*record) any
}

// terms are what can be named of an object.
func (g *generator) terms(o *object) []term {
	list := own(o)
	for _, name := range slices.Sorted(maps.Keys(o.refs)) {
		for _, t := range own(o.refs[name].to) {
			of := t.of
			t.text, t.of = name+"."+t.text, func(r *record) any {
				if r.refs[name] == nil {
					return nil
				}
				return of(r.refs[name])
			}
			list = append(list, t)
		}
	}
	if g.inside {
		for i := range list {
			list[i].text = "." + list[i].text
		}
	}
	return list
}

func own(o *object) (list []term) {
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		list = append(list, term{text: name, field: o.fields[name], of: func(r *record) any { return r.fields[name] }})
	}
	for _, name := range slices.Sorted(maps.Keys(o.custom)) {
		list = append(list, term{text: "custom." + name, json: true, field: o.custom[name], of: func(r *record) any { return r.custom[name] }})
	}
	for _, t := range list {
		of := t.of
		switch {
		case t.field.Type == filter.Money:
			amount := func(r *record) *filter.Amount {
				if a, ok := of(r).(filter.Amount); ok {
					return &a
				}
				return nil
			}
			list = append(list, term{text: t.text + ".minor", json: t.json, field: filter.Field{Type: filter.Int}, of: func(r *record) any {
				if a := amount(r); a != nil {
					return a.Minor
				}
				return nil
			}}, term{text: t.text + ".currency", json: t.json, field: filter.Field{Type: filter.Text}, of: func(r *record) any {
				if a := amount(r); a != nil {
					return a.Currency
				}
				return nil
			}})
		case t.field.Fold != nil:
			list = append(list, term{text: t.text, folded: true, field: filter.Field{Type: filter.Text}, of: func(r *record) any {
				if s, ok := of(r).(string); ok {
					return fold(s)
				}
				return nil
			}})
		}
	}
	return list
}

// write is the text of a term.
func (t term) write() string {
	if t.folded {
		return "fold(" + t.text + ")"
	}
	return t.text
}

// condition draws a condition on records of an object.
func (g *generator) condition(o *object, depth int) generated {
	if depth > 0 && g.chance(2) {
		return g.joint(o, depth)
	}
	if len(o.rels) > 0 && g.rels < 4 && !g.inside && g.chance(5) {
		g.rels++
		return g.related(o, depth)
	}
	if g.chance(40) {
		yes := g.chance(2)
		return generated{strconv.FormatBool(yes), func(*record) bool { return yes }}
	}
	t := pick(g, g.terms(o))
	switch {
	case g.chance(8):
		absent := func(r *record) bool { return t.of(r) == nil }
		if t.folded {
			t.folded = false
		}
		return pick(g, []generated{
			{t.text + " == nil", absent}, {t.text + " != nil", not(absent)}, {"nil == " + t.text, absent}, {"not (" + t.text + " == nil)", not(absent)},
		})
	case t.field.Type == filter.Tags:
		tag := pick(g, tags())
		has := func(r *record) bool { list, _ := t.of(r).([]string); return slices.Contains(list, tag) }
		if g.chance(3) {
			return generated{g.arg(tag) + " not in " + t.text, not(has)}
		}
		return generated{g.pick(quote(g, tag), tag) + " in " + t.text, has}
	case t.field.Type == filter.Bool && g.chance(2):
		return generated{t.text, func(r *record) bool { return t.of(r) == true }}
	case t.field.Type != filter.Bool && g.chance(4):
		return g.list(t)
	case t.field.Type == filter.Text && g.chance(2):
		return g.search(t)
	case g.chance(4):
		if c, ok := g.twoFields(t, o); ok {
			return c
		}
	}
	return g.comparison(t)
}

func not(f func(*record) bool) func(*record) bool { return func(r *record) bool { return !f(r) } }

func (g *generator) joint(o *object, depth int) generated {
	if g.chance(4) {
		c := g.condition(o, depth-1)
		return generated{pick(g, []string{"not (", "!(", "not("}) + c.text + ")", not(c.holds)}
	}
	n, or := 2+g.IntN(2), g.chance(2)
	signs := []string{" and ", " && "}
	if or {
		signs = []string{" or ", " || "}
	}
	var b strings.Builder
	var parts []generated
	for i := range n {
		if i > 0 {
			b.WriteString(pick(g, signs))
		}
		c := g.condition(o, depth-1)
		parts = append(parts, c)
		b.WriteString("(" + c.text + ")")
	}
	return generated{b.String(), func(r *record) bool {
		for _, p := range parts {
			if p.holds(r) == or {
				return or
			}
		}
		return !or
	}}
}

func (g *generator) related(o *object, depth int) generated {
	name := pick(g, slices.Sorted(maps.Keys(o.rels)))
	g.inside = true
	c := g.condition(o.rels[name].of, min(depth, 1))
	g.inside = false
	count := func(r *record) (n, all int64) {
		for _, x := range r.rels[name] {
			if c.holds(x) {
				n++
			}
		}
		return n, int64(len(r.rels[name]))
	}
	switch fn := pick(g, []string{"any", "all", "none", "count", "count"}); fn {
	case "any":
		return generated{"any(" + name + ", " + c.text + ")", func(r *record) bool { n, _ := count(r); return n > 0 }}
	case "none":
		return generated{"none(" + name + ", " + c.text + ")", func(r *record) bool { n, _ := count(r); return n == 0 }}
	case "all":
		return generated{"all(" + name + ", " + c.text + ")", func(r *record) bool { n, all := count(r); return n == all }}
	}
	text, number := "count("+name+", "+c.text+")", pick(g, []string{"0", "1", "2", "3", "1.5", "-1", "99999999999999999999.0"})
	op := pick(g, ops())
	return generated{text + " " + op + " " + number, func(r *record) bool {
		n, _ := count(r)
		return compare(op, n, rat(number))
	}}
}

func ops() []string { return []string{"==", "!=", "<", "<=", ">", ">="} }

func turned(op string) string {
	return map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]
}

// arg makes a value an argument.
func (g *generator) arg(v any) string {
	g.args = append(g.args, v)
	return "$" + strconv.Itoa(len(g.args))
}

// pick writes a value as the literal or as an argument.
func (g *generator) pick(literal string, v any) string {
	if g.chance(3) {
		return g.arg(v)
	}
	return literal
}

// quote writes a text in one of the language's forms.
func quote(g *generator, s string) string {
	if !strings.Contains(s, "`") && g.chance(4) {
		return "`" + s + "`"
	}
	q := pick(g, []string{"'", `"`})
	var b strings.Builder
	for _, r := range s {
		switch {
		case string(r) == q || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r > 127 && r < 0xffff && g.chance(3):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return q + b.String() + q
}

// constant draws a value to compare a term with, as text and as it is meant.
func (g *generator) constant(t term, inList bool) (text string, v any) {
	switch t.field.Type {
	case filter.Bool:
		b := g.chance(2)
		return g.pick(strconv.FormatBool(b), b), b
	case filter.Int, filter.Decimal:
		if g.chance(2) {
			s := pick(g, decimals())
			if t.field.Type == filter.Decimal && !inList && g.chance(3) {
				return g.arg(s), rat(s)
			}
			return s, rat(s)
		}
		n := pick(g, ints())
		if n == math.MinInt64 {
			return g.arg(n), n
		}
		return g.pick(strconv.FormatInt(n, 10), n), n
	case filter.Text:
		s := pick(g, texts())
		if strings.HasSuffix(t.text, ".currency") {
			s = pick(g, currencies())
		}
		if t.folded {
			return "fold(" + g.pick(quote(g, s), s) + ")", fold(s)
		}
		return g.pick(quote(g, s), s), s
	case filter.ID:
		id := pick(g, ids())
		if g.chance(3) {
			return "me()", ids()[0]
		}
		return g.pick("id('"+id.String()+"')", id), id
	case filter.Time:
		return g.moment()
	case filter.Date:
		switch g.IntN(3) {
		case 0:
			name := pick(g, slices.Sorted(maps.Keys(moments())))
			return name, storage.DateOf(moments()[name].In(berlin()))
		case 1:
			return "today()", storage.DateOf(now().In(berlin()))
		}
		d := pick(g, days())
		return g.pick("date('"+d.String()+"')", d), d
	case filter.Money:
		a := filter.Amount{Minor: pick(g, []int64{-100, 0, 1, 1000, 1050}), Currency: pick(g, currencies())}
		return g.pick(fmt.Sprintf("money('%s', '%s')", big.NewRat(a.Minor, 100).FloatString(2), a.Currency), a), a
	default:
		panic("no such type")
	}
}

func (g *generator) moment() (text string, v any) {
	switch g.IntN(5) {
	case 0:
		name := pick(g, slices.Sorted(maps.Keys(moments())))
		return name, moments()[name]
	case 1:
		return "now()", now()
	case 2:
		d := pick(g, days())
		return g.pick("date('"+d.String()+"')", d), d
	case 3:
		return "today()", storage.DateOf(now().In(berlin()))
	}
	t := pick(g, times())
	form := t
	if y := t.Year(); y > 1 && y < 9999 {
		form = t.In(berlin())
	}
	return g.pick("time('"+form.Format(time.RFC3339Nano)+"')", t), t
}

func (g *generator) comparison(t term) generated {
	op := g.op(t)
	text, v := g.constant(t, false)
	holds := func(r *record) bool { return compare(op, t.of(r), v) }
	if g.chance(5) {
		return generated{text + " " + turned(op) + " " + t.write(), holds}
	}
	return generated{t.write() + pick(g, []string{" " + op + " ", op, "\n" + op + "\t"}) + text, holds}
}

func (g *generator) op(t term) string {
	if t.field.Type == filter.Bool || t.field.Type == filter.ID {
		return pick(g, ops()[:2])
	}
	return pick(g, ops())
}

func (g *generator) search(t term) generated {
	s := pick(g, texts())
	find, word := strings.Contains, "contains"
	if g.chance(2) {
		find, word = strings.HasPrefix, "startsWith"
	}
	text := g.pick(quote(g, s), s)
	if t.folded {
		text, s = "fold("+text+")", fold(s)
	}
	holds := func(r *record) bool { v, ok := t.of(r).(string); return ok && find(v, s) }
	if g.chance(3) {
		return generated{t.write() + " not " + word + " " + text, not(holds)}
	}
	return generated{t.write() + " " + word + " " + text, holds}
}

// list draws a field in a list, which is a literal or an argument.
func (g *generator) list(t term) generated {
	var want []any
	var parts, texts []string
	var numbers []int64
	var keys []uuid.UUID
	argument := g.chance(3)
	before := len(g.args)
	for range g.IntN(4) {
		text, v := g.constant(t, true)
		parts, want = append(parts, text), append(want, v)
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case int64:
			numbers = append(numbers, v)
		case uuid.UUID:
			keys = append(keys, v)
		case *big.Rat:
			argument = false
		}
	}
	text := "[" + strings.Join(parts, ", ") + "]"
	if argument {
		var list any
		switch t.field.Type {
		case filter.Text:
			list = texts
		case filter.Int, filter.Decimal:
			list = numbers
		case filter.ID:
			list = keys
		default:
		}
		if list != nil {
			g.args = g.args[:before]
			text = g.arg(list)
			if t.folded {
				text = "fold(" + text + ")"
			}
		}
	}
	holds := func(r *record) bool {
		return slices.ContainsFunc(want, func(v any) bool { return compare("==", t.of(r), v) })
	}
	if g.chance(3) {
		return generated{t.write() + " not in " + text, not(holds)}
	}
	return generated{t.write() + " in " + text, holds}
}

// twoFields draws a comparison of two fields that are kept alike.
func (g *generator) twoFields(t term, o *object) (generated, bool) {
	var others []term
	for _, u := range g.terms(o) {
		jsonDiffers := t.json != u.json && (t.field.Type == filter.Time || t.field.Type == filter.Date || t.field.Type == filter.ID)
		if u.field.Type == t.field.Type && u.folded == t.folded && !jsonDiffers {
			others = append(others, u)
		}
	}
	if len(others) == 0 || t.field.Type == filter.Tags {
		return generated{}, false
	}
	u, op := pick(g, others), g.op(t)
	return generated{t.write() + " " + op + " " + u.write(), func(r *record) bool { return compare(op, t.of(r), u.of(r)) }}, true
}

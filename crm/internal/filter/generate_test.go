package filter_test

import (
	"bytes"
	"cmp"
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

// berlin is a zone whose clocks change, at times other than midnight.
func berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err) // it is in every copy of the database
	}
	return zone
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err) // the tests write it
	}
	return t.UTC()
}

// now is four days after the clocks went forward.
func now() time.Time { return utc("2026-04-02T10:30:00.123456Z") }

func env() filter.Env {
	return filter.Env{Now: now(), Zone: berlin(), Me: ids()[0], Money: money, Fold: fold}
}

func ids() []uuid.UUID {
	var list []uuid.UUID
	for n := range 6 {
		list = append(list, uuid.UUID{0: 0x01, 6: 0x70, 8: 0x80, 15: byte(n + 1)})
	}
	return list
}

func texts() []string {
	return []string{
		"", "a", "A", "ab", "Ada", "ADA", "ada", "b", "é", "É", "e\u0301", "ß", "李", "李雷", "😀", "a%b", "a_b", "%", "_", "'", `"`, `\`, "`", "gold", "Gold",
		"silver", "null", "12", "a\nb", "//", "nil", "$1",
	}
}

func currencies() []string { return []string{"EUR", "USD", "CNY"} }

func tags() []string { return []string{"vip", "VIP", "a b", "李", "", "it's", `"`, "%"} }

func ints() []int64 {
	return []int64{math.MinInt64, -1000, -3, -1, 0, 1, 2, 3, 10, 1 << 53, 1<<53 + 1, math.MaxInt64}
}

func decimals() []string {
	return []string{"-1.01", "-1", "0", "0.5", "1", "1.00", "1.005", "1.01", "-1.005", "2", "12.34", "12.340", "12.345", "1.5", "0.000000001", "99999999999999999999.5", "-99999999999999999999.0"}
}

// moments are spans before and after now, with what they come to in Berlin, where
// clocks were put forward in the night of 29 March.
func moments() map[string]time.Time {
	return map[string]time.Time{
		"ago('90d')": utc("2026-01-02T11:30:00.123456Z"), "ago('1w')": utc("2026-03-26T11:30:00.123456Z"), "ago('2h')": utc("2026-04-02T08:30:00.123456Z"),
		"ago('1mo')": utc("2026-03-02T11:30:00.123456Z"), "ago('2y')": utc("2024-04-02T10:30:00.123456Z"), "fromNow('3d')": utc("2026-04-05T10:30:00.123456Z"),
		"ago('0d')": now(), "ago('11h')": utc("2026-04-01T23:30:00.123456Z"), "fromNow('7mo')": utc("2026-11-02T11:30:00.123456Z"),
		"ago('90min')": utc("2026-04-02T09:00:00.123456Z"), "ago('5s')": utc("2026-04-02T10:29:55.123456Z"),
	}
}

func times() []time.Time {
	list := []time.Time{
		utc("1969-12-31T23:59:59.999999Z"), utc("1970-01-01T00:00:00Z"), utc("2026-03-28T23:00:00Z"), utc("2026-03-28T22:59:59.999999Z"),
		utc("2026-03-29T22:00:00Z"), utc("2026-03-29T21:59:59.999999Z"), utc("2026-04-01T22:00:00Z"), utc("2026-04-01T21:59:59.999999Z"), utc("2026-04-02T22:00:00Z"),
		utc("0001-01-01T00:00:00Z"), utc("9999-12-31T23:59:59.999999Z"), now(), now().Add(time.Microsecond),
	}
	for _, name := range slices.Sorted(maps.Keys(moments())) {
		list = append(list, moments()[name], moments()[name].Add(-time.Microsecond))
	}
	return list
}

func days() []storage.Date {
	return []storage.Date{{Year: 2026, Month: 3, Day: 29}, {Year: 2026, Month: 3, Day: 30}, {Year: 2026, Month: 4, Day: 1}, {Year: 2026, Month: 4, Day: 2}, {Year: 2026, Month: 4, Day: 5}, {Year: 2026, Month: 1, Day: 2}, {Year: 1, Month: 1, Day: 1}, {Year: 1969, Month: 12, Day: 31}, {Year: 2024, Month: 2, Day: 29}, {Year: 9999, Month: 12, Day: 31}}
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s) // the tests write it
	}
	return r
}

// value draws a value a field can have; nil one time in four.
func (g *generator) value(f filter.Field, required bool) any {
	if !required && g.chance(4) {
		return nil
	}
	switch f.Type {
	case filter.Bool:
		return g.chance(2)
	case filter.Int:
		return pick(g, ints())
	case filter.Text:
		return pick(g, texts())
	case filter.ID:
		return pick(g, ids())
	case filter.Time:
		return pick(g, times())
	case filter.Date:
		return pick(g, days())
	case filter.Money:
		return filter.Amount{Minor: pick(g, []int64{-100, 0, 1, 1000, 1050, 1 << 40}), Currency: pick(g, currencies())}
	case filter.Decimal:
		return new(big.Rat).SetFrac64(pick(g, []int64{-101, -100, 0, 50, 100, 101, 1234, 1235, 200, 150}), 100)
	case filter.Tags:
		list := []string{}
		for range g.IntN(3) {
			list = append(list, pick(g, tags()))
		}
		return list
	}
	panic("no such type")
}

// record draws a record of an object.
func (g *generator) record(o *object, id uuid.UUID) *record {
	r := &record{id: id, fields: map[string]any{}, custom: map[string]any{}, refs: map[string]*record{}, rels: map[string][]*record{}, keys: map[string]uuid.UUID{}}
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		f := o.fields[name]
		r.fields[name] = g.value(f, !o.table.Columns[o.table.Index(f.At.Name)].Null)
	}
	for _, name := range slices.Sorted(maps.Keys(o.custom)) {
		r.custom[name] = g.value(o.custom[name], false)
	}
	if _, ok := r.fields["id"]; ok {
		r.fields["id"] = id
	}
	r.deleted = o.scope != nil && g.chance(4)
	return r
}

// world is the records of one tenant, and their rows.
type world struct {
	deals []*record
	rows  memory
}

func (g *generator) world(deals int) world {
	o, w := g.objects, world{rows: memory{}}
	number := byte(0)
	add := func(of *object) *record {
		number++
		id := uuid.UUID{0: 0x02, 6: 0x70, 8: 0x80, 15: number}
		if of != o.deal {
			id[1] = 1
		}
		return g.record(of, id)
	}
	var persons, teams []*record
	for range 6 {
		persons, teams = append(persons, add(o.person)), append(teams, add(o.team))
	}
	refer := func(r *record, name string, to []*record) {
		delete(r.fields, name+"_id")
		if g.chance(5) {
			return
		}
		other := pick(g, to)
		r.keys[name+"_id"] = other.id
		if !other.deleted {
			r.refs[name] = other
		}
	}
	var related []*record
	for range deals {
		d := add(o.deal)
		refer(d, "person", persons)
		refer(d, "team", teams)
		if id, ok := d.keys["person_id"]; ok {
			d.fields["person_id"] = id
		}
		w.deals = append(w.deals, d)
	}
	put := func(of *object, name string, n int) {
		for range n {
			r, d := add(of), pick(g, w.deals)
			if of == o.purchase {
				refer(r, "person", persons)
			}
			if !g.chance(8) {
				r.keys["deal_id"] = d.id
				if !r.deleted {
					d.rels[name] = append(d.rels[name], r)
				}
			}
			related = append(related, r)
			w.rows[of.table] = append(w.rows[of.table], of.row(r))
		}
	}
	put(o.purchase, "purchases", 2*deals)
	put(o.mark, "marks", deals)
	for of, list := range map[*object][]*record{o.person: persons, o.team: teams, o.deal: w.deals} {
		for _, r := range list {
			w.rows[of.table] = append(w.rows[of.table], of.row(r))
			w.index(o, r)
		}
	}
	return w
}

// index writes the looked-up fields of a record into the index table, and others
// that could be taken for them.
func (w *world) index(o objects, r *record) {
	for n, name := range []string{"code", "points", "tier", "n"} {
		if r.custom[name] == nil {
			continue
		}
		v := make(storage.Values, len(o.index.table.Columns))
		id := r.id
		id[2] = byte(n + 1)
		v[0], v[1], v[2] = id, r.id, name
		v[3+n%2] = r.custom[name]
		w.rows[o.index.table] = append(w.rows[o.index.table], v)
	}
}

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

// compare is the language's comparison: false when a side is absent or they are
// money of two currencies, and != the opposite of ==.
func compare(op string, a, b any) bool {
	if op == "!=" {
		return !compare("==", a, b)
	}
	if a == nil || b == nil {
		return false
	}
	c, ok := order(a, b)
	if !ok {
		return false
	}
	switch op {
	case "==":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

//nolint:errcheck // the generator compares alike with alike
func order(a, b any) (c int, ok bool) {
	switch x := a.(type) {
	case string:
		return strings.Compare(x, b.(string)), true
	case bool:
		if x == b.(bool) {
			return 0, true
		}
		return 1, true
	case int64, *big.Rat:
		return exact(a).Cmp(exact(b)), true
	case uuid.UUID:
		y := b.(uuid.UUID)
		return bytes.Compare(x[:], y[:]), true
	case time.Time:
		if d, isDay := b.(storage.Date); isDay {
			y, m, n := x.In(berlin()).Date()
			return cmp.Or(cmp.Compare(y, d.Year), cmp.Compare(m, d.Month), cmp.Compare(n, d.Day)), true
		}
		return x.Compare(b.(time.Time)), true
	case storage.Date:
		return strings.Compare(x.String(), b.(storage.Date).String()), true
	case filter.Amount:
		y := b.(filter.Amount)
		return cmp.Compare(x.Minor, y.Minor), x.Currency == y.Currency
	}
	panic(fmt.Sprintf("no order of %T", a))
}

func exact(v any) *big.Rat {
	if r, ok := v.(*big.Rat); ok {
		return r
	}
	n, _ := v.(int64)
	return new(big.Rat).SetInt64(n)
}

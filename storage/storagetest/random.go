package storagetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/storage"
)

// The values that random rows and conditions are made of: few, so that they meet,
// and each there for a way in which engines differ.
func texts() []string {
	return []string{
		"", "a", "A", "ab", "aB", "Ab", "b", "a b", "é", "e\u0301", "É", "ß", "李", "李雷", "😀", "a%b", "a_b", `a\b`, "%", "_", `\`,
		"'", `"`, `{"a":1}`, "null", "12", "true", "\ufffd", "\ud7ff", "\ue000", "\U0010ffff", "a\U0010ffff", "a\n\tb", "[a]", "a*", "a?",
	}
}

func ints() []int64 {
	return []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, 2, 3, 10, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64}
}

func smallInts() []int64 { return []int64{-7, -1, 0, 1, 2, 3, 10} }

func times() []time.Time {
	return []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Unix(0, 0).UTC(),
		at(0), at(0).Add(time.Microsecond), at(1), time.Date(2024, 3, 31, 1, 30, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	}
}

func days() []storage.Date {
	return []storage.Date{day(1, 1, 1), day(1969, 12, 31), day(1970, 1, 1), day(2024, 2, 29), day(2024, 3, 1), day(9999, 12, 31)}
}

func blobs() [][]byte {
	return [][]byte{{}, {0}, {0, 0}, {0, 1}, {1}, {'a'}, {0x7f}, {0x80}, {0xff}, {0xff, 0}}
}

func members() []string {
	return []string{"tier", "n", "a.b", `a"b`, `a\b`, "a'b", "$", "$.tier", "0", "[0]", "é", "😀", " ", "Tier", "null", "%"}
}

// generator draws rows and conditions over the suite's tables.
type generator struct {
	*tables

	r    *rapid.T
	w    *world // once there is one: conditions are often about its values
	ints []int64
}

func pick[T any](g generator, list []T) T { return list[g.upTo(len(list)-1)] }

func (g generator) coin() bool { return rapid.Bool().Draw(g.r, "coin") }

// upTo draws a number from 0 to n, each as likely: rapid's own numbers are mostly
// small ones.
func (g generator) upTo(n int) int {
	x := 0
	for range bits.Len(uint(n)) + 2 {
		x *= 2
		if g.coin() {
			x++
		}
	}
	return x % (n + 1)
}

func (g generator) value(k storage.Kind) any {
	switch k {
	case storage.Bool:
		return g.coin()
	case storage.Int:
		return pick(g, g.ints)
	case storage.Text:
		return pick(g, texts())
	case storage.Bytes:
		return pick(g, blobs())
	case storage.ID:
		return id(g.upTo(9))
	case storage.Time:
		return pick(g, times())
	case storage.Day:
		return pick(g, days())
	case storage.JSON:
		return g.json()
	}
	panic("storagetest: no such kind")
}

// json draws an object, mostly; or something else whose members are absent.
func (g generator) json() json.RawMessage {
	switch g.upTo(5) {
	case 0:
		return raw(pick(g, []string{`null`, `"tier"`, `12`, `true`, `[]`, `{}`, `["tier"]`, `[0, 1]`, `[{"tier": "a"}]`}))
	case 1:
		return g.list()
	}
	names := members()
	var parts []string
	for range g.upTo(4) {
		i := g.upTo(len(names) - 1)
		value := g.scalar()
		switch g.upTo(5) {
		case 0, 1:
			value = string(g.list())
		case 2:
			value = "null"
		}
		parts = append(parts, g.quote(names[i])+": "+value)
		names = slices.Delete(names, i, i+1) // a name twice has no agreed meaning
	}
	return raw("{" + strings.Join(parts, ", ") + "}")
}

func (g generator) list() json.RawMessage {
	var parts []string
	for range g.upTo(3) {
		parts = append(parts, g.scalar())
	}
	return raw("[" + strings.Join(parts, ",") + "]")
}

func (g generator) scalar() string {
	switch g.upTo(5) {
	case 0:
		return g.quote(pick(g, texts()))
	case 1:
		return g.quote(pick(g, members()))
	case 2:
		return strconv.FormatInt(pick(g, g.ints), 10)
	case 3:
		return pick(g, []string{"true", "false"})
	case 4:
		return pick(g, []string{"null", `{"tier":"a"}`, `["a"]`, `[]`, `{}`})
	}
	return pick(g, []string{
		"1.0", "1.5", "-0", "0.1", "9223372036854775808", "-9223372036854775809", "12345678901234567890123456789012345678",
	})
}

// quote writes a JSON string, as it is or with escapes.
func (g generator) quote(s string) string {
	if g.coin() {
		return quoteJSON(s)
	}
	return escapeJSON(s)
}

func quoteJSON(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // no string fails
	}
	return string(data)
}

// escapeJSON writes every character as an escape.
func escapeJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	b.WriteByte('"')
	return b.String()
}

// row draws a row of t; set fixes some of its values.
func (g generator) row(t *storage.Table, set ...any) storage.Values {
	v := row(t)
	for i, c := range t.Columns {
		if c.Name != t.Version && (!c.Null || g.upTo(2) > 0) {
			v[i] = g.value(c.Kind)
		}
	}
	return change(t, v, set...)
}

// world draws the rows of one tenant, notes at most.
func (g generator) world(notes int) *world {
	w := newWorld()
	authors := g.upTo(4)
	for n := range authors {
		w.rows[g.author] = append(w.rows[g.author], g.row(g.author, "id", id(n)))
	}
	emails := texts()
	for n := range g.upTo(notes) {
		set := []any{"id", id(n), "parent_id", nil, "author_id", nil, "email", nil}
		if n > 0 && g.coin() {
			set[3] = id(g.upTo(n - 1))
		}
		if authors > 0 && g.coin() {
			set[5] = id(g.upTo(authors - 1))
		}
		if g.coin() {
			i := g.upTo(len(emails) - 1)
			set[7] = emails[i]
			emails = slices.Delete(emails, i, i+1)
		}
		w.rows[g.note] = append(w.rows[g.note], g.row(g.note, set...))
	}
	for n := range w.rows[g.note] {
		for i := range g.upTo(2) {
			w.rows[g.mark] = append(w.rows[g.mark], g.row(g.mark, "note_id", id(n), "n", i, "code", nil))
		}
	}
	return w
}

// typed is a field and its kind.
type typed struct {
	field storage.Field
	kind  storage.Kind
}

// fields lists the fields over t: columns, those of rows referred to, members.
func (g generator) fields(t *storage.Table) []typed {
	list := columns(t, nil)
	refs := map[string][]storage.Ref{
		"note": {{Column: "author_id", Table: g.author}, {Column: "token", Table: g.author}, {Column: "parent_id", Table: g.note}},
		"mark": {{Column: "note_id", Table: g.note}, {Column: "link", Table: g.author}},
	}
	for _, ref := range refs[t.Name] {
		list = append(list, columns(ref.Table, &ref)...)
	}
	return list
}

func columns(t *storage.Table, ref *storage.Ref) []typed {
	var list []typed
	for _, c := range t.Columns {
		list = append(list, typed{storage.Field{Name: c.Name, Ref: ref}, c.Kind})
		if c.Kind != storage.JSON {
			continue
		}
		for _, k := range []storage.Kind{storage.Text, storage.Int, storage.Bool, storage.JSON} {
			for _, m := range members() {
				list = append(list, typed{storage.Field{Name: c.Name, Ref: ref, Member: m, Kind: k}, k})
			}
		}
	}
	return list
}

// field draws a field of one of the kinds, mostly one that some row has.
func (g generator) field(t *storage.Table, kinds ...storage.Kind) typed {
	f := g.anyField(t, kinds)
	for range 4 {
		if g.w == nil || slices.ContainsFunc(g.w.rows[t], func(v storage.Values) bool { return record{g.w, t, v}.Value(f.field) != nil }) {
			break
		}
		f = g.anyField(t, kinds)
	}
	return f
}

// anyField draws one of the few columns as often as one of the many members.
func (g generator) anyField(t *storage.Table, kinds []storage.Kind) typed {
	all, wantMember := g.fields(t), g.upTo(2) == 0
	list := slices.DeleteFunc(slices.Clone(all), func(f typed) bool {
		return !slices.Contains(kinds, f.kind) || wantMember != (f.field.Member != "")
	})
	if len(list) == 0 {
		list = slices.DeleteFunc(all, func(f typed) bool { return !slices.Contains(kinds, f.kind) })
	}
	return pick(g, list)
}

func (g generator) rel(t *storage.Table) storage.Rel {
	rels := map[string][]storage.Rel{
		"note": {
			{Table: g.mark, Column: "note_id", Key: "id"}, {Table: g.note, Column: "parent_id", Key: "id"}, {Table: g.note, Column: "author_id", Key: "author_id"},
			{Table: g.author, Column: "id", Key: "author_id"}, {Table: g.note, Column: "body", Key: "title"}, {Table: g.note, Column: "score", Key: "rank"},
			{Table: g.note, Column: "until", Key: "day"}, {Table: g.note, Column: "due", Key: "at"}, {Table: g.note, Column: "seen", Key: "done"},
			{Table: g.note, Column: "sign", Key: "sign"},
		},
		"author": {{Table: g.note, Column: "author_id", Key: "id"}, {Table: g.note, Column: "token", Key: "id"}, {Table: g.author, Column: "city", Key: "city"}},
		"mark":   {{Table: g.note, Column: "id", Key: "note_id"}, {Table: g.mark, Column: "note_id", Key: "note_id"}, {Table: g.author, Column: "id", Key: "link"}},
	}
	return pick(g, rels[t.Name])
}

func ordered() []storage.Kind {
	return []storage.Kind{storage.Int, storage.Text, storage.ID, storage.Time, storage.Day}
}

func comparables() []storage.Kind { return append(ordered(), storage.Bool, storage.Bytes) }

// expr draws a condition on rows of t.
func (g generator) expr(t *storage.Table, depth int) storage.Expr {
	kinds := 10
	if depth <= 0 {
		kinds = 6
	} else if g.upTo(3) == 0 {
		return storage.Not{Expr: g.expr(t, depth-1)}
	}
	switch g.upTo(kinds) {
	case 0, 1:
		f := g.field(t, comparables()...)
		op := storage.Eq
		if f.kind != storage.Bool && f.kind != storage.Bytes {
			op = pick(g, []storage.Op{storage.Eq, storage.Lt, storage.Le, storage.Gt, storage.Ge})
		}
		if g.upTo(3) == 0 {
			return storage.Is{Field: f.field, Op: op, Value: g.field(t, f.kind).field}
		}
		return storage.Is{Field: f.field, Op: op, Value: g.likely(t, f)}
	case 2:
		f := g.field(t, ordered()...)
		list := []any{}
		for range g.upTo(4) {
			list = append(list, g.likely(t, f))
		}
		return storage.In{Field: f.field, Values: list}
	case 3:
		kinds := append(comparables(), storage.JSON)
		if g.upTo(2) == 0 {
			kinds = kinds[len(kinds)-1:]
		}
		return storage.Absent{Field: g.field(t, kinds...).field}
	case 4:
		f := g.field(t, storage.Text).field
		return storage.Contains{Field: f, Text: g.likelyText(t, f, false)}
	case 5:
		f := g.field(t, storage.Text).field
		return storage.Prefix{Field: f, Text: g.likelyText(t, f, true)}
	case 6:
		f := g.field(t, storage.JSON)
		return storage.Has{Field: f.field, Text: g.likelyElement(t, f)}
	case 7:
		return storage.And(g.exprs(t, depth))
	case 8:
		return storage.Or(g.exprs(t, depth))
	case 9:
		rel := g.rel(t)
		return storage.Exists{Rel: rel, Where: g.related(rel, depth), First: g.upTo(3) == 1}
	}
	rel := g.rel(t)
	op := pick(g, []storage.Op{storage.Eq, storage.Lt, storage.Le, storage.Gt, storage.Ge})
	return storage.Count{Rel: rel, Where: g.related(rel, depth), Op: op, N: int64(g.upTo(4) - 1), Grouped: g.upTo(2) == 1}
}

// likely draws a value for a field over t, mostly one that a row has.
func (g generator) likely(t *storage.Table, f typed) any {
	if g.w != nil && len(g.w.rows[t]) > 0 && g.upTo(3) > 0 {
		if v := (record{g.w, t, pick(g, g.w.rows[t])}).Value(f.field); v != nil {
			return v
		}
	}
	return g.value(f.kind)
}

// likelyText draws a text to look for, mostly a part of what a row has.
func (g generator) likelyText(t *storage.Table, f storage.Field, prefix bool) string {
	s, ok := g.likely(t, typed{f, storage.Text}).(string)
	if !ok || s == "" {
		return pick(g, texts())
	}
	runes := []rune(s)
	from := 0
	if !prefix {
		from = g.upTo(len(runes) - 1)
	}
	return string(runes[from : from+1+g.upTo(len(runes)-from-1)])
}

// likelyElement draws a text to look for in an array, mostly one that a row has
// there; or would have, were its object or its text an array.
func (g generator) likelyElement(t *storage.Table, f typed) string {
	data, _ := g.likely(t, f).(json.RawMessage)
	var list []string
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case []any:
			for _, x := range v {
				collect(x)
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) { // a seed draws the same again
				list = append(list, name)
				collect(v[name])
			}
		}
	}
	if v, err := decodeJSON(data); err == nil {
		collect(v)
	}
	if len(list) == 0 || g.upTo(3) == 0 {
		list = append(texts(), members()...)
	}
	return pick(g, list)
}

// condition is expr, drawn anew when it is larger than allowed.
func (g generator) condition(t *storage.Table, depth int) storage.Expr {
	for {
		if e := g.expr(t, depth); storage.CheckExpr(t, e) == nil {
			return e
		}
	}
}

func (g generator) exprs(t *storage.Table, depth int) []storage.Expr {
	list := []storage.Expr{}
	for range g.upTo(3) {
		list = append(list, g.expr(t, depth-1))
	}
	return list
}

func (g generator) related(rel storage.Rel, depth int) storage.Expr {
	if g.upTo(3) == 0 {
		return nil
	}
	return g.expr(rel.Table, depth-1)
}

// order draws the terms of a sort.
func (g generator) order(t *storage.Table, most int) []storage.Order {
	var list []storage.Order
	for range g.upTo(most) {
		list = append(list, storage.Order{Field: g.field(t, comparables()...).field, Desc: g.coin()})
	}
	return list
}

// aggregate draws figures over t.
func (g generator) aggregate(t *storage.Table) *storage.Aggregate {
	a := &storage.Aggregate{Table: t}
	if g.coin() {
		a.Where = g.condition(t, 1)
	}
	for range g.upTo(2) {
		f := g.field(t, comparables()...)
		a.Group = append(a.Group, storage.Group{Field: f.field, Bounds: g.bounds(f.kind), Where: g.seldom(t)})
	}
	for range 1 + g.upTo(3) {
		fn := storage.Fn(1 + g.upTo(6))
		m := storage.Measure{Fn: fn, Where: g.seldom(t)}
		switch fn {
		case storage.CountRows:
		case storage.CountOf:
			m.Field = g.field(t, append(comparables(), storage.JSON)...).field
			if m.Field.Kind == storage.JSON { // a member as JSON is for conditions alone
				m.Field.Member, m.Field.Kind = "", 0
			}
		case storage.Distinct:
			m.Field = g.field(t, comparables()...).field
		case storage.Sum:
			m.Field = g.field(t, storage.Int).field
		case storage.Min, storage.Max:
			m.Field = g.field(t, ordered()...).field
		case storage.Percentile:
			m.Field, m.P = g.field(t, ordered()...).field, 1+g.upTo(99)
		}
		a.Measure = append(a.Measure, m)
	}
	return a
}

// seldom is a condition, or more often none.
func (g generator) seldom(t *storage.Table) storage.Expr {
	if g.upTo(3) > 0 {
		return nil
	}
	return g.condition(t, 1)
}

func (g generator) bounds(k storage.Kind) []any {
	if k != storage.Int && k != storage.Time && k != storage.Day && k != storage.Text || g.coin() {
		return nil
	}
	var list []any
	for range 1 + g.upTo(3) {
		list = append(list, g.value(k))
	}
	slices.SortFunc(list, storage.Compare)
	return slices.CompactFunc(list, func(a, b any) bool { return storage.Compare(a, b) == 0 })
}

// checks is how often rapid runs a property when its flag says nothing.
const checks = 100

// property draws random worlds, writes each for a tenant of its own, and checks
// several cases drawn for each, total in all.
func property[C any](t *testing.T, e *env, notes, total int, ints []int64, draw func(g generator, w *world) C, check func(e *env, w *world, c C)) {
	t.Helper()
	var tenant atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		g := generator{tables: e.tables, ints: ints}
		w := drawn(r, g, func(g generator) *world { return g.world(notes) })
		c := *e.as(fmt.Sprintf("%s-%d", e.tenant, tenant.Add(1)))
		c.t = r
		c.load(w)
		g.w = w
		for range (total + checks - 1) / checks {
			check(&c, w, drawn(r, g, func(g generator) C { return draw(g, w) }))
		}
	})
}

// drawn draws by fn in one step: rapid would print every coin.
func drawn[T any](r *rapid.T, g generator, fn func(g generator) T) T {
	return rapid.Custom(func(r *rapid.T) quiet[T] {
		g.r = r
		return quiet[T]{fn(g)}
	}).Draw(r, "drawn").v
}

// quiet is a value that prints as nothing: a failing test says what it is about.
type quiet[T any] struct{ v T }

func (quiet[T]) GoString() string { return "shown below" }

// load writes the rows of a world.
func (e *env) load(w *world) {
	e.t.Helper()
	for _, t := range []*storage.Table{e.author, e.note, e.mark} {
		if len(w.rows[t]) > 0 {
			e.add(t, w.rows[t]...)
		}
	}
}

// idsOf returns the identifiers of records in order.
func idsOf(rows []record) []uuid.UUID {
	list := []uuid.UUID{}
	for _, r := range rows {
		if x, ok := r.v[0].(uuid.UUID); ok {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b uuid.UUID) int { return storage.Compare(a, b) })
	return list
}

// requirePositions compares rows read with those wanted.
func requirePositions(t tester, want, got [][]any, msg string) {
	t.Helper()
	same := slices.EqualFunc(want, got, func(a, b []any) bool {
		return slices.EqualFunc(a, b, func(x, y any) bool { return differ(x, y) == "" })
	})
	if !same {
		require.Fail(t, "the rows differ", "%s\nwant %s\ngot  %s", msg, showPositions(want), showPositions(got))
	}
}

func showPositions(list [][]any) string {
	parts := []string{}
	for _, p := range list {
		values := []string{}
		for _, v := range p {
			values = append(values, display(v))
		}
		parts = append(parts, "("+strings.Join(values, ", ")+")")
	}
	return strings.Join(parts, " ")
}

package storagetest

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// world is one tenant's rows in memory: what an adapter's answers are compared
// with. It takes nothing from package storage but Match and Compare, which are
// the contract's own meaning.
type world struct {
	rows map[*storage.Table][]storage.Values
}

func newWorld() *world { return &world{rows: map[*storage.Table][]storage.Values{}} }

// record is a row of a world as a [storage.Source].
type record struct {
	w *world
	t *storage.Table
	v storage.Values
}

func (r record) Value(f storage.Field) any {
	if f.Ref != nil {
		to, key := f.Ref.Table, r.v[r.t.Index(f.Ref.Column)]
		for _, v := range r.w.rows[to] {
			if key != nil && storage.Compare(v[to.Index(to.Key[0])], key) == 0 {
				return record{r.w, to, v}.Value(storage.Field{Name: f.Name, Member: f.Member, Kind: f.Kind})
			}
		}
		return nil
	}
	v := r.v[r.t.Index(f.Name)]
	if f.Member == "" || v == nil {
		return v
	}
	data, ok := v.(json.RawMessage)
	if !ok {
		return nil
	}
	return memberOf(data, f.Member, f.Kind)
}

var wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)

// memberOf reads a member of a JSON object: absent when it is of another kind, or
// null.
func memberOf(data json.RawMessage, name string, kind storage.Kind) any {
	decoded, err := decodeJSON(data)
	object, ok := decoded.(map[string]any)
	if err != nil || !ok {
		return nil
	}
	if kind == storage.JSON && object[name] != nil {
		whole, err := json.Marshal(object[name])
		if err != nil {
			panic(err) // it was decoded from JSON
		}
		return json.RawMessage(whole)
	}
	switch v := object[name].(type) {
	case string:
		if kind == storage.Text {
			return v
		}
	case bool:
		if kind == storage.Bool {
			return v
		}
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if kind == storage.Int && err == nil && wholeNumber.MatchString(v.String()) {
			return n
		}
	}
	return nil
}

func (r record) Related(rel storage.Rel) iter.Seq[storage.Source] {
	return func(yield func(storage.Source) bool) {
		key := r.v[r.t.Index(rel.Key)]
		for _, v := range r.w.rows[rel.Table] {
			other := v[rel.Table.Index(rel.Column)]
			if key == nil || other == nil || storage.Compare(key, other) != 0 {
				continue
			}
			if !yield(record{r.w, rel.Table, v}) {
				return
			}
		}
	}
}

// match returns the rows of t that satisfy a condition.
func (w *world) match(t *storage.Table, where storage.Expr) []record {
	list := []record{}
	for _, v := range w.rows[t] {
		if r := (record{w, t, v}); storage.Match(where, r) {
			list = append(list, r)
		}
	}
	return list
}

// position returns the values of an order's terms and of the key.
func position(r record, order []storage.Order) []any {
	list := make([]any, 0, len(order)+len(r.t.Key))
	for _, o := range order {
		list = append(list, r.Value(o.Field))
	}
	for _, k := range r.t.Key {
		list = append(list, r.Value(storage.F(k)))
	}
	return list
}

// comparePositions orders positions: term by term, the key in the direction of
// the last term.
func comparePositions(a, b []any, order []storage.Order) int {
	for i := range a {
		desc := false
		if len(order) > 0 {
			desc = order[min(i, len(order)-1)].Desc
		}
		c := storage.Compare(a[i], b[i])
		if desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// query is what a Read must deliver: positions, in order.
func (w *world) query(q *storage.Query) [][]any {
	list := [][]any{}
	for _, r := range w.match(q.Table, q.Where) {
		if p := position(r, q.Order); q.After == nil || comparePositions(p, q.After, q.Order) > 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b []any) int { return comparePositions(a, b, q.Order) })
	return list[:min(len(list), q.Limit)]
}

// aggregate is what an Aggregate must deliver, and whether it is an overflow.
func (w *world) aggregate(a *storage.Aggregate) (rows []storage.Values, overflow bool) {
	type bucket struct {
		key  storage.Values
		rows []record
	}
	var buckets []*bucket
	if len(a.Group) == 0 {
		buckets = append(buckets, &bucket{})
	}
	for _, r := range w.match(a.Table, a.Where) {
		key := storage.Values{}
		for _, g := range a.Group {
			var v any
			if storage.Match(g.Where, r) {
				v = groupValue(g, r.Value(g.Field))
			}
			key = append(key, v)
		}
		i := slices.IndexFunc(buckets, func(b *bucket) bool { return compareAll(b.key, key) == 0 })
		if i < 0 {
			i = len(buckets)
			buckets = append(buckets, &bucket{key: key})
		}
		buckets[i].rows = append(buckets[i].rows, r)
	}
	slices.SortFunc(buckets, func(x, y *bucket) int { return compareAll(x.key, y.key) })
	for _, b := range buckets {
		out := slices.Clone(b.key)
		for _, m := range a.Measure {
			v, over := measure(m, b.rows)
			overflow = overflow || over
			out = append(out, v)
		}
		rows = append(rows, out)
	}
	return rows, overflow
}

func groupValue(g storage.Group, v any) any {
	if g.Bounds == nil || v == nil {
		return v
	}
	n := int64(0)
	for _, b := range g.Bounds {
		if storage.Compare(b, v) <= 0 {
			n++
		}
	}
	return n
}

func compareAll(a, b storage.Values) int {
	for i := range a {
		if c := storage.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func measure(m storage.Measure, rows []record) (v any, overflow bool) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r record) bool { return !storage.Match(m.Where, r) })
	if m.Fn == storage.CountRows {
		return int64(len(rows)), false
	}
	var values []any
	for _, r := range rows {
		if v := r.Value(m.Field); v != nil {
			values = append(values, v)
		}
	}
	slices.SortFunc(values, storage.Compare)
	n := len(values)
	switch m.Fn {
	case storage.CountOf:
		return int64(n), false
	case storage.Distinct:
		return int64(len(slices.CompactFunc(values, func(a, b any) bool { return storage.Compare(a, b) == 0 }))), false
	}
	if n == 0 {
		return nil, false
	}
	switch m.Fn {
	case storage.Sum:
		sum := new(big.Int)
		for _, v := range values {
			x, _ := v.(int64)
			sum.Add(sum, big.NewInt(x))
		}
		return sum.Int64(), !sum.IsInt64()
	case storage.Min:
		return values[0], false
	case storage.Max:
		return values[n-1], false
	}
	return values[(m.P*n+99)/100-1], false // the nearest rank, ⌈P/100·n⌉
}

// show writes a condition so that a failure can be read.
func show(e storage.Expr) string {
	list := func(sign string, xs []storage.Expr) string {
		parts := []string{}
		for _, x := range xs {
			parts = append(parts, show(x))
		}
		return "(" + sign + " " + strings.Join(parts, " ") + ")"
	}
	switch e := e.(type) {
	case nil:
		return "true"
	case storage.And:
		return list("and", e)
	case storage.Or:
		return list("or", e)
	case storage.Not:
		return "(not " + show(e.Expr) + ")"
	case storage.Is:
		return fmt.Sprintf("(%s %s %s)", showField(e.Field), e.Op, showValue(e.Value))
	case storage.In:
		parts := []string{}
		for _, v := range e.Values {
			parts = append(parts, showValue(v))
		}
		return fmt.Sprintf("(%s in [%s])", showField(e.Field), strings.Join(parts, " "))
	case storage.Absent:
		return fmt.Sprintf("(absent %s)", showField(e.Field))
	case storage.Contains:
		return fmt.Sprintf("(%s contains %q)", showField(e.Field), e.Text)
	case storage.Prefix:
		return fmt.Sprintf("(%s begins %q)", showField(e.Field), e.Text)
	case storage.Has:
		return fmt.Sprintf("(%s has %q)", showField(e.Field), e.Text)
	case storage.Exists:
		return fmt.Sprintf("(exists %s %s)", showRel(e.Rel), show(e.Where))
	case storage.Count:
		return fmt.Sprintf("(count %s %s %s %d)", showRel(e.Rel), show(e.Where), e.Op, e.N)
	}
	return fmt.Sprintf("%#v", e)
}

func showRel(r storage.Rel) string { return fmt.Sprintf("%s.%s=%s", r.Table.Name, r.Column, r.Key) }

func showField(f storage.Field) string {
	s := f.Name
	if f.Ref != nil {
		s = f.Ref.Column + "→" + s
	}
	if f.Member != "" {
		s += fmt.Sprintf("[%q as %s]", f.Member, f.Kind)
	}
	return s
}

func showValue(v any) string {
	if f, ok := v.(storage.Field); ok {
		return showField(f)
	}
	return display(v)
}

func showOrder(order []storage.Order) string {
	parts := []string{}
	for _, o := range order {
		s := showField(o.Field)
		if o.Desc {
			s += " desc"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

func showRow(t *storage.Table, v storage.Values) string {
	parts := []string{}
	for i, c := range t.Columns {
		if v[i] != nil {
			parts = append(parts, c.Name+"="+display(v[i]))
		}
	}
	return t.Name + "{" + strings.Join(parts, " ") + "}"
}

// show writes the rows of a world.
func (w *world) show() string {
	var b strings.Builder
	for t, rows := range w.rows {
		for _, v := range rows {
			b.WriteString(showRow(t, v) + "\n")
		}
	}
	return b.String()
}

package storagetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func aggregateTests() []testCase {
	return []testCase{
		{"figures are those of the rows in memory", shared, testFigures},
		{"sums of great numbers are exact or ErrOverflow", shared, testSums},
		{"without groups the answer is exactly one row", shared, testOneRow},
		{"over no value the counts are 0 and the others absent", shared, testNoValue},
		{"the answer has a row for each combination that occurs, in order, absent lowest", shared, testCombinations},
		{"a group with bounds is the number of bounds not greater than the value", shared, testBounds},
		{"as many bounds as allowed", shared, testMostBounds},
		{"a group's value is absent where its condition does not hold", shared, testGroupWhere},
		{"a measure with a condition is over the rows that satisfy it", shared, testMeasureWhere},
		{"Distinct counts the different values of every kind", shared, testDistinct},
		{"Min and Max are of the field's kind", shared, testMinMax},
		{"Percentile is the nearest rank", shared, testPercentile},
		{"a sum past int64 is ErrOverflow", shared, testOverflow},
		{"a sum within int64 is right whatever came between", shared, testNoOverflow},
		{"measures and groups reach references and members", shared, testFarFigures},
		{"rows are delivered as Read delivers them", shared, testFigureRows},
		{"more than MaxGroups rows are ErrInvalid", shared, testMostGroups},
		{"as many measures as allowed", shared, testMostMeasures},
	}
}

func count() storage.Measure { return storage.Measure{Fn: storage.CountRows} }

func of(fn storage.Fn, column string) storage.Measure {
	return storage.Measure{Fn: fn, Field: storage.F(column)}
}

func testFigures(t *testing.T, e *env) {
	draw := func(g generator, _ *world) *storage.Aggregate {
		return g.aggregate(pick(g, []*storage.Table{g.note, g.note, g.mark, g.author}))
	}
	property(t, e, 12, e.rounds(300, 3000), smallInts(), draw, requireFigures)
}

func testSums(t *testing.T, e *env) {
	draw := func(g generator, _ *world) *storage.Aggregate {
		a := &storage.Aggregate{Table: g.note, Measure: []storage.Measure{of(storage.Sum, pick(g, []string{"rank", "score"})), count()}}
		if g.upTo(3) == 0 {
			a.Where = g.condition(g.note, 0)
		}
		return a
	}
	property(t, e, 6, e.rounds(100, 500), ints(), draw, requireFigures)
}

func requireFigures(e *env, w *world, a *storage.Aggregate) {
	e.t.Helper()
	want, overflow := w.aggregate(a)
	rows, err := e.reckon(a)
	msg := fmt.Sprintf("over %s where %s, groups %s, measures %s\n%s", a.Table.Name, show(a.Where), showGroups(a.Group), showMeasures(a.Measure), w.show())
	if overflow {
		require.ErrorIs(e.t, err, storage.ErrOverflow, msg)
		return
	}
	require.NoError(e.t, err, msg)
	list := func(rows []storage.Values) [][]any {
		out := [][]any{}
		for _, r := range rows {
			out = append(out, r)
		}
		return out
	}
	requirePositions(e.t, list(want), list(rows), msg)
}

func showGroups(list []storage.Group) string {
	var s strings.Builder
	for _, g := range list {
		s.WriteString(showField(g.Field))
		if g.Bounds != nil {
			s.WriteString(" by " + showPositions([][]any{g.Bounds}))
		}
		s.WriteString(showWhere(g.Where) + "; ")
	}
	return s.String()
}

func showWhere(e storage.Expr) string {
	if e == nil {
		return ""
	}
	return " where " + show(e)
}

func showMeasures(list []storage.Measure) string {
	names := [...]string{"", "rows", "count", "distinct", "sum", "min", "max", "percentile"}
	var s strings.Builder
	for _, m := range list {
		fmt.Fprintf(&s, "%s %s %d%s; ", names[m.Fn], showField(m.Field), m.P, showWhere(m.Where))
	}
	return s.String()
}

func testOneRow(t *testing.T, e *env) {
	a := &storage.Aggregate{Table: e.note, Measure: []storage.Measure{count()}}
	require.Equal(t, []storage.Values{{int64(0)}}, e.figures(a), "over no rows")
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	require.Equal(t, []storage.Values{{int64(2)}}, e.figures(a))
	a.Where = storage.Or{}
	require.Equal(t, []storage.Values{{int64(0)}}, e.figures(a))
	a.Group = []storage.Group{{Field: storage.F("rank")}}
	require.Empty(t, e.figures(a), "with groups, none that does not occur")
}

func testNoValue(t *testing.T, e *env) {
	measures := []storage.Measure{
		count(), of(storage.CountOf, "score"), of(storage.Distinct, "score"), of(storage.Sum, "score"), of(storage.Min, "score"), of(storage.Max, "score"),
		{Fn: storage.Percentile, Field: storage.F("score"), P: 50}, of(storage.CountOf, "tags"), of(storage.Min, "until"), of(storage.Max, "token"),
		of(storage.Max, "due"), of(storage.Max, "body"),
	}
	want := storage.Values{int64(0), int64(0), int64(0), nil, nil, nil, nil, int64(0), nil, nil, nil, nil}
	require.Equal(t, []storage.Values{want}, e.figures(&storage.Aggregate{Table: e.note, Measure: measures}))
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	want[0] = int64(2)
	require.Equal(t, []storage.Values{want}, e.figures(&storage.Aggregate{Table: e.note, Measure: measures}))
	e.add(e.note, row(e.note, "id", id(3), "score", 0, "tags", raw("null")))
	got := e.figures(&storage.Aggregate{Table: e.note, Measure: measures})
	require.Equal(t, storage.Values{int64(3), int64(1), int64(1), int64(0), int64(0), int64(0), int64(0), int64(1)}, got[0][:8], "0 is a value, and so is a JSON null")
}

func testCombinations(t *testing.T, e *env) {
	for n, r := range [][]any{{"b", nil, true}, {"a", 1, true}, {"a", nil, false}, {"a", 1, true}, {"B", -1, true}, {"", 5, false}, {nil, 5, false}, {"a", nil, true}} {
		e.add(e.note, row(e.note, "id", id(n), "body", r[0], "score", r[1], "done", r[2]))
	}
	group := func(columns ...string) (list []storage.Group) {
		for _, c := range columns {
			list = append(list, storage.Group{Field: storage.F(c)})
		}
		return list
	}
	for _, c := range []struct {
		group []storage.Group
		want  []storage.Values
	}{
		{group("body"), []storage.Values{{nil, int64(1)}, {"", int64(1)}, {"B", int64(1)}, {"a", int64(4)}, {"b", int64(1)}}},
		{group("done"), []storage.Values{{false, int64(3)}, {true, int64(5)}}},
		{group("body", "score"), []storage.Values{
			{nil, int64(5), int64(1)}, {"", int64(5), int64(1)}, {"B", int64(-1), int64(1)}, {"a", nil, int64(2)}, {"a", int64(1), int64(2)}, {"b", nil, int64(1)},
		}},
		{group("score", "done"), []storage.Values{
			{nil, false, int64(1)}, {nil, true, int64(2)}, {int64(-1), true, int64(1)}, {int64(1), true, int64(2)}, {int64(5), false, int64(2)},
		}},
		{group("done", "done"), []storage.Values{{false, false, int64(3)}, {true, true, int64(5)}}},
	} {
		require.Equal(t, c.want, e.figures(&storage.Aggregate{Table: e.note, Group: c.group, Measure: []storage.Measure{count()}}), showGroups(c.group))
	}
	for _, kind := range []string{"id", "at", "day", "blob", "due", "until", "sign", "token", "seen"} {
		got := e.figures(&storage.Aggregate{Table: e.note, Group: group(kind), Measure: []storage.Measure{count()}})
		require.Len(t, got, map[bool]int{true: 8, false: 1}[kind == "id"], kind)
		require.Empty(t, differ(row(e.note, "id", id(0))[e.note.Index(kind)], got[0][0]), "%s keeps its kind", kind)
	}
}

func testBounds(t *testing.T, e *env) {
	for n, v := range []any{nil, math.MinInt64, 9, 10, 11, 19, 20, math.MaxInt64} {
		r := row(e.note, "id", id(n), "score", v)
		if v != nil {
			r = change(e.note, r, "due", at(n).Add(-time.Microsecond), "until", day(2024, 1, n), "body", string(rune('a'+n-1)))
		}
		e.add(e.note, r)
	}
	by := func(column string, bounds ...any) []storage.Values {
		return e.figures(&storage.Aggregate{
			Table: e.note, Group: []storage.Group{{Field: storage.F(column), Bounds: bounds}}, Measure: []storage.Measure{count()},
		})
	}
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(2)}, {int64(1), int64(3)}, {int64(2), int64(2)}}, by("score", int64(10), int64(20)))
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(1), int64(7)}}, by("score", int64(math.MinInt64)))
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(6)}, {int64(1), int64(1)}}, by("score", int64(math.MaxInt64)))
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(3)}, {int64(2), int64(4)}}, by("due", at(3), at(3).Add(1000)),
		"a microsecond before a bound is below it")
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(2)}, {int64(1), int64(4)}, {int64(2), int64(1)}}, by("until", day(2024, 1, 3), day(2024, 1, 7)))
	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(7)}}, by("until", day(9999, 12, 31)))

	require.Equal(t, []storage.Values{{nil, int64(1)}, {int64(0), int64(1)}, {int64(1), int64(4)}, {int64(2), int64(2)}}, by("body", "b", "f"))

	// Bounds in another zone than UTC are the same instants.
	zone := time.FixedZone("", 3600)
	require.Equal(t, by("due", at(3)), by("due", at(3).In(zone)))
}

// testGroupWhere groups notes by their author's city, but for one author.
func testGroupWhere(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "city", "London"), row(e.author, "id", id(2), "city", "Turin"))
	for n := range 6 {
		e.add(e.note, row(e.note, "id", id(n), "author_id", id(1+n%2), "rank", n, "done", n == 5))
	}
	not := func(city string) storage.Expr {
		return storage.Not{Expr: storage.Is{Field: e.authorField("city"), Op: storage.Eq, Value: city}}
	}
	a := &storage.Aggregate{
		Table: e.note, Measure: []storage.Measure{count(), of(storage.Sum, "rank")},
		Group: []storage.Group{{Field: e.authorField("city"), Where: not("Turin")}},
	}
	require.Equal(t, []storage.Values{{nil, int64(3), int64(9)}, {"London", int64(3), int64(6)}}, e.figures(a))
	a.Group = append(a.Group, storage.Group{Field: storage.F("rank"), Bounds: []any{int64(2)}, Where: not("London")})
	require.Equal(t, []storage.Values{
		{nil, int64(0), int64(1), int64(1)}, {nil, int64(1), int64(2), int64(8)}, {"London", nil, int64(3), int64(6)},
	}, e.figures(a))
	a.Where = storage.Is{Field: storage.F("done"), Op: storage.Eq, Value: true}
	require.Equal(t, []storage.Values{{nil, int64(1), int64(1), int64(5)}}, e.figures(a))
}

func testMeasureWhere(t *testing.T, e *env) {
	for n := range 6 {
		e.add(e.note, row(e.note, "id", id(n), "rank", n, "score", 10*n, "done", n > 2))
	}
	above := func(n int64) storage.Expr {
		return storage.Is{Field: storage.F("rank"), Op: storage.Gt, Value: n}
	}
	var measures []storage.Measure
	for _, m := range []storage.Measure{
		count(), of(storage.CountOf, "score"), of(storage.Distinct, "rank"), of(storage.Sum, "score"), of(storage.Min, "score"), of(storage.Max, "score"),
		{Fn: storage.Percentile, Field: storage.F("score"), P: 50},
	} {
		given := m
		given.Where = above(1)
		measures = append(measures, m, given)
	}
	a := &storage.Aggregate{Table: e.note, Measure: measures}
	n := func(list ...int64) (row storage.Values) {
		for _, v := range list {
			row = append(row, v)
		}
		return row
	}
	require.Equal(t, []storage.Values{n(6, 4, 6, 4, 6, 4, 150, 140, 0, 20, 50, 50, 20, 30)}, e.figures(a))
	a.Group = []storage.Group{{Field: storage.F("done")}}
	require.Equal(t, []storage.Values{
		append(storage.Values{false}, n(3, 1, 3, 1, 3, 1, 30, 20, 0, 20, 20, 20, 10, 20)...),
		append(storage.Values{true}, n(3, 3, 3, 3, 3, 3, 120, 120, 30, 30, 50, 50, 40, 40)...),
	}, e.figures(a))
	a = &storage.Aggregate{Table: e.note, Measure: []storage.Measure{{Fn: storage.CountRows, Where: above(4)}}}
	require.Equal(t, []storage.Values{n(1)}, e.figures(a))
	a.Measure = append(a.Measure, storage.Measure{Fn: storage.Sum, Field: storage.F("score"), Where: storage.Or{}})
	require.Equal(t, []storage.Values{{int64(1), nil}}, e.figures(a), "over no row the count is 0, the sum absent")
}

func testMostBounds(t *testing.T, e *env) {
	bounds := storage.MaxBounds
	if e.short {
		bounds /= 10 // SQLite compiles them in a time that grows with their square
	}
	rows, step := []storage.Values{}, bounds/100
	for n := range 100 {
		rows = append(rows, row(e.note, "id", id(n), "rank", n*step, "at", at(n*step)))
	}
	e.add(e.note, rows...)
	ranks, instants := []any{}, []any{}
	for n := range bounds {
		ranks, instants = append(ranks, int64(n)), append(instants, at(n))
	}
	a := &storage.Aggregate{Table: e.note, Measure: []storage.Measure{count()}, Group: []storage.Group{
		{Field: storage.F("rank"), Bounds: ranks}, {Field: storage.F("at"), Bounds: instants},
	}}
	got := e.figures(a)
	require.Len(t, got, 100)
	for n, r := range got {
		require.Equal(t, storage.Values{int64(n*step + 1), int64(n*step + 1), int64(1)}, r)
	}
}

func testDistinct(t *testing.T, e *env) {
	author := row(e.author, "id", id(1))
	e.add(e.author, author, row(e.author, "id", id(2)))
	e.add(e.note,
		change(e.note, fullNote(e.tables, 1), "author_id", id(1)), change(e.note, fullNote(e.tables, 2), "author_id", id(1)),
		change(e.note, fullNote(e.tables, 3), "body", "lovelace", "score", 0, "seen", false, "due", at(3), "until", day(2024, 2, 28), "sign", []byte{}, "author_id", id(2)),
		row(e.note, "id", id(4)))
	for _, column := range []string{"body", "score", "seen", "due", "until", "sign", "author_id"} {
		got := e.figures(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{of(storage.Distinct, column), of(storage.CountOf, column)}})
		require.Equal(t, []storage.Values{{int64(2), int64(3)}}, got, column)
	}
}

func testMinMax(t *testing.T, e *env) {
	low := row(e.note, "id", id(1), "rank", math.MinInt64, "title", "", "at", times()[0], "day", days()[0])
	high := row(e.note, "id", bytes16(0xff), "rank", math.MaxInt64, "title", "\U0010ffff", "at", times()[len(times())-1], "day", days()[len(days())-1])
	e.add(e.note, high, low, row(e.note, "id", uuid.UUID{0: 0x80}, "title", "Z", "at", at(0), "day", day(2024, 1, 1)))
	for _, column := range []string{"id", "rank", "title", "at", "day"} {
		got := e.figures(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{of(storage.Min, column), of(storage.Max, column)}})
		i := e.note.Index(column)
		require.Empty(t, differ(low[i], got[0][0]), "min of %s", column)
		require.Empty(t, differ(high[i], got[0][1]), "max of %s", column)
	}
}

func testPercentile(t *testing.T, e *env) {
	for n := range 10 { // scores 1 to 10 in two groups: all, and the even ones a second time under done
		e.add(e.note, row(e.note, "id", id(n), "score", 10-n, "body", string(rune('a'+n)), "due", at(n), "until", day(2024, 1, 1+n), "token", id(n)))
	}
	for n := range 5 {
		e.add(e.note, row(e.note, "id", id(10+n), "score", 2+2*n, "done", true))
	}
	e.add(e.note, row(e.note, "id", id(20)), row(e.note, "id", id(21), "done", true)) // absent: of no rank
	p := []storage.Measure{}
	for _, n := range []int{1, 10, 11, 50, 51, 90, 91, 99, 100} {
		p = append(p, storage.Measure{Fn: storage.Percentile, Field: storage.F("score"), P: n})
	}
	got := e.figures(&storage.Aggregate{Table: e.note, Group: []storage.Group{{Field: storage.F("done")}}, Measure: append(p, count())})
	require.Equal(t, []storage.Values{
		{false, int64(1), int64(1), int64(2), int64(5), int64(6), int64(9), int64(10), int64(10), int64(10), int64(11)},
		{true, int64(2), int64(2), int64(2), int64(6), int64(6), int64(10), int64(10), int64(10), int64(10), int64(6)},
	}, got)
	for column, want := range map[string]any{"body": "e", "due": at(4), "until": day(2024, 1, 5), "token": id(4)} {
		got := e.figures(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{{Fn: storage.Percentile, Field: storage.F(column), P: 50}}})
		require.Empty(t, differ(want, got[0][0]), column)
	}
}

func testOverflow(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "rank", math.MaxInt64, "score", math.MinInt64), row(e.note, "id", id(2), "rank", 1, "score", -1))
	for _, column := range []string{"rank", "score"} {
		_, err := e.reckon(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{of(storage.Sum, column)}})
		require.Equal(t, "note", refused(t, err, storage.ErrOverflow).Table)
		_, err = e.reckon(&storage.Aggregate{Table: e.note, Group: []storage.Group{{Field: storage.F("done")}}, Measure: []storage.Measure{of(storage.Sum, column)}})
		refused(t, err, storage.ErrOverflow)
	}
	require.Equal(t, 2, e.count(e.note, nil), "the database goes on")
	got := e.figures(&storage.Aggregate{Table: e.note, Group: []storage.Group{{Field: storage.F("id")}}, Measure: []storage.Measure{of(storage.Sum, "rank")}})
	require.Equal(t, []storage.Values{{id(1), int64(math.MaxInt64)}, {id(2), int64(1)}}, got)
}

func testNoOverflow(t *testing.T, e *env) {
	lists := [][]int64{
		{math.MaxInt64, 1, -1}, {1, math.MaxInt64, -1}, {math.MinInt64, -1, 1}, {math.MaxInt64, math.MinInt64}, {math.MinInt64, math.MaxInt64, 1},
		{math.MaxInt64, math.MaxInt64, math.MinInt64, math.MinInt64, 2}, {1<<53 + 1, 2}, {math.MaxInt64 - 1, 1}, {math.MinInt64}, {-1, math.MinInt64 + 1},
	}
	for n, list := range lists {
		c := e.as(fmt.Sprint(e.tenant, n))
		sum := int64(0)
		for i, v := range list {
			c.add(c.note, row(c.note, "id", id(i), "rank", int(v)))
			sum += v // wraps on the way, and back
		}
		got := c.figures(&storage.Aggregate{Table: c.note, Measure: []storage.Measure{of(storage.Sum, "rank")}})
		require.Equal(t, []storage.Values{{sum}}, got, "the sum of %v", list)
	}
}

func testFarFigures(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "city", "London", "rank", 3), row(e.author, "id", id(2), "city", "Turin", "rank", 4))
	for n := range 6 {
		r := row(e.note, "id", id(n), "custom", raw(fmt.Sprintf(`{"tier":"t%d","n":%d,"ok":%v}`, n%2, n, n > 2)))
		if n > 0 {
			r = change(e.note, r, "author_id", id(1+n%2))
		}
		e.add(e.note, r)
	}
	got := e.figures(&storage.Aggregate{
		Table: e.note,
		Group: []storage.Group{{Field: e.authorField("city")}},
		Measure: []storage.Measure{
			{Fn: storage.Sum, Field: e.authorField("rank")}, {Fn: storage.Sum, Field: member("custom", "n", storage.Int)},
			{Fn: storage.Distinct, Field: member("custom", "tier", storage.Text)}, {Fn: storage.Max, Field: member("custom", "tier", storage.Text)},
		},
	})
	require.Equal(t, []storage.Values{
		{nil, nil, int64(0), int64(1), "t0"}, {"London", int64(6), int64(6), int64(1), "t0"}, {"Turin", int64(12), int64(9), int64(1), "t1"},
	}, got)
	got = e.figures(&storage.Aggregate{
		Table:   e.note,
		Group:   []storage.Group{{Field: member("custom", "ok", storage.Bool)}, {Field: e.authorField("rank"), Bounds: []any{int64(4)}}},
		Measure: []storage.Measure{count()},
		Where:   storage.Exists{Rel: storage.Rel{Table: e.author, Column: "id", Key: "author_id"}},
	})
	require.Equal(t, []storage.Values{
		{false, int64(0), int64(1)}, {false, int64(1), int64(1)}, {true, int64(0), int64(1)}, {true, int64(1), int64(2)},
	}, got)
}

func testFigureRows(t *testing.T, e *env) {
	for n := range 5 {
		e.add(e.note, row(e.note, "id", id(n), "rank", n, "score", n))
	}
	a := &storage.Aggregate{Table: e.note, Group: []storage.Group{{Field: storage.F("rank")}}, Measure: []storage.Measure{of(storage.Sum, "score"), of(storage.Max, "body")}}
	asked := 0
	require.NoError(t, e.s.Aggregate(e.ctx, e.tenant, a, func() storage.Row {
		if asked++; asked > 2 {
			return nil
		}
		return make(storage.Values, 3)
	}))
	require.Equal(t, 3, asked, "next returning nil ends it")
	r := scannedRow{{"left"}, {"left"}, {"left"}}
	require.NoError(t, e.s.Aggregate(e.ctx, e.tenant, a, func() storage.Row { return r }))
	require.Equal(t, scannedRow{{int64(4)}, {int64(4)}, {nil}}, r)
	rank, sum, body := int64(-1), int64(-1), "left"
	require.NoError(t, e.s.Aggregate(e.ctx, e.tenant, a, func() storage.Row { return pointers{&rank, &sum, &body} }))
	require.Equal(t, []any{int64(4), int64(4), ""}, []any{rank, sum, body})
}

// pointers is a Row of places to read into.
type pointers []any

func (p pointers) Value(int) any  { return nil }
func (p pointers) Dest(i int) any { return p[i] }

func testMostGroups(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	rows := []storage.Values{}
	for n := range storage.MaxGroups {
		rows = append(rows, row(e.mark, "note_id", id(1), "kind", "k", "n", n))
	}
	e.add(e.mark, rows...)
	a := &storage.Aggregate{Table: e.mark, Group: []storage.Group{{Field: storage.F("n")}}, Measure: []storage.Measure{count()}}
	got := e.figures(a)
	require.Len(t, got, storage.MaxGroups)
	require.True(t, slices.IsSortedFunc(got, func(a, b storage.Values) int { return storage.Compare(a[0], b[0]) }))
	e.add(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", storage.MaxGroups))
	_, err := e.reckon(a)
	require.Equal(t, "mark", refused(t, err, storage.ErrInvalid).Table)
}

func testMostMeasures(t *testing.T, e *env) {
	for n := range 3 {
		e.add(e.note, row(e.note, "id", id(n), "score", n+1))
	}
	a := &storage.Aggregate{Table: e.note}
	for n := range storage.MaxColumns {
		switch n % 4 {
		case 0:
			a.Measure = append(a.Measure, of(storage.Sum, "score"))
		case 1:
			a.Measure = append(a.Measure, storage.Measure{Fn: storage.Percentile, Field: storage.F("score"), P: 1 + n%100})
		case 2:
			a.Measure = append(a.Measure, of(storage.Distinct, "rank"))
		case 3:
			a.Measure = append(a.Measure, of(storage.Max, "id"))
		}
	}
	got := e.figures(a)
	require.Len(t, got, 1)
	for n, v := range got[0] {
		want := []any{int64(6), int64(max(1, ((1+n%100)*3+99)/100)), int64(1), id(2)}[n%4]
		require.Equal(t, want, v, "measure %d", n)
	}
}

package storagetest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

// page reads one page and returns the positions of its rows.
func (e *env) page(q *storage.Query) [][]any {
	e.t.Helper()
	c := *q
	c.Also = nil
	for _, o := range q.Order {
		c.Also = append(c.Also, o.Field)
	}
	list := [][]any{}
	for _, r := range e.read(&c) {
		p := append([]any{}, r[len(q.Table.Columns):]...)
		for _, k := range q.Table.Key {
			p = append(p, r[q.Table.Index(k)])
		}
		list = append(list, p)
	}
	return list
}

// pages reads to the end, limit rows a page.
func (e *env) pages(q storage.Query, limit int) [][]any {
	e.t.Helper()
	q.Limit = limit
	list := [][]any{}
	for {
		page := e.page(&q)
		require.LessOrEqual(e.t, len(page), limit)
		list = append(list, page...)
		if len(page) < limit {
			return list
		}
		require.LessOrEqual(e.t, len(list), storage.MaxPage, "the pages do not come to an end")
		q.After = page[len(page)-1]
	}
}

func testPages(t *testing.T, e *env) {
	draw := func(g generator, _ *world) storage.Query {
		q := storage.Query{Table: pick(g, []*storage.Table{g.note, g.note, g.mark}), Limit: storage.MaxPage}
		q.Order = g.order(q.Table, 3)
		if g.coin() {
			q.Where = g.condition(q.Table, 1)
		}
		return q
	}
	property(t, e, 8, e.rounds(checks, 3*checks), ints(), draw, func(e *env, w *world, q storage.Query) {
		want := w.query(&q)
		for limit := 1; limit <= len(want)+1; limit++ {
			got := e.pages(q, limit)
			requirePositions(e.t, want, got, fmt.Sprintf("by %d, ordered by %s, where %s\n%s", limit, showOrder(q.Order), show(q.Where), w.show()))
		}
	})
}

func testPositions(t *testing.T, e *env) {
	// A position of a row that is gone, or never was: one field has one value.
	draw := func(g generator, _ *world) storage.Query {
		q := storage.Query{Table: pick(g, []*storage.Table{g.note, g.mark}), Limit: 1 + g.upTo(5)}
		q.Order = g.order(q.Table, 3)
		fields := []storage.Field{}
		for _, o := range q.Order {
			fields = append(fields, o.Field)
		}
		for _, k := range q.Table.Key {
			fields = append(fields, storage.F(k))
		}
		values := map[string]any{}
		for _, f := range fields {
			kind, err := storage.CheckField(q.Table, f)
			require.NoError(g.r, err)
			always := f.Ref == nil && f.Member == "" && !q.Table.Columns[q.Table.Index(f.Name)].Null
			v, known := values[showField(f)]
			if !known && (always || g.upTo(2) > 0) {
				v = g.value(kind)
			}
			values[showField(f)] = v
			q.After = append(q.After, v)
		}
		return q
	}
	property(t, e, 10, e.rounds(300, 1000), ints(), draw, func(e *env, w *world, q storage.Query) {
		msg := fmt.Sprintf("ordered by %s, after %s\n%s", showOrder(q.Order), showPositions([][]any{q.After}), w.show())
		requirePositions(e.t, w.query(&q), e.page(&q), msg)
	})
}

func testEightTerms(t *testing.T, e *env) {
	w := newWorld()
	for n := range 64 {
		set := []any{"id", id(63 - n), "title", strconv.Itoa(n / 32)}
		for bit, column := range []string{"score", "body", "due", "until"} {
			if n>>bit&1 == 1 {
				set = append(set, column, map[string]any{"score": 1, "body": "b", "due": at(1), "until": day(2024, 1, 1)}[column])
			}
		}
		w.rows[e.note] = append(w.rows[e.note], row(e.note, set...))
	}
	e.load(w)
	q := storage.Query{Table: e.note, Limit: storage.MaxPage}
	for i, column := range []string{"title", "score", "rank", "body", "done", "due", "until", "sign"} {
		q.Order = append(q.Order, storage.Order{Field: storage.F(column), Desc: i%2 == 1})
	}
	require.Len(t, q.Order, storage.MaxOrder)
	for _, limit := range []int{1, 3, 7, 63, 64, 65} {
		requirePositions(t, w.query(&q), e.pages(q, limit), fmt.Sprint("by ", limit))
	}
}

func testTies(t *testing.T, e *env) {
	for n := range 5 {
		e.add(e.note, row(e.note, "id", id((n*3)%5), "rank", n%2))
	}
	rank, title := storage.Order{Field: storage.F("rank")}, storage.Order{Field: storage.F("title"), Desc: true}
	for _, c := range []struct {
		order []storage.Order
		want  []int
	}{
		{nil, []int{0, 1, 2, 3, 4}},
		{[]storage.Order{{Field: storage.F("title")}}, []int{0, 1, 2, 3, 4}},
		{[]storage.Order{title}, []int{4, 3, 2, 1, 0}},
		{[]storage.Order{rank}, []int{0, 1, 2, 3, 4}},
		{[]storage.Order{rank, title}, []int{2, 1, 0, 4, 3}},
		{[]storage.Order{{Field: storage.F("rank"), Desc: true}}, []int{4, 3, 2, 1, 0}},
		{[]storage.Order{title, rank}, []int{0, 1, 2, 3, 4}},
	} {
		// Ranks: 0→0, 3→1, 1→0, 4→1, 2→0.
		got := e.read(&storage.Query{Table: e.note, Order: c.order, Limit: 10})
		require.Equal(t, c.want, numbersOf(firsts(t, got)), showOrder(c.order))
	}
}

func testAbsentPages(t *testing.T, e *env) {
	for n := range 6 {
		r := row(e.note, "id", id(n))
		if n >= 3 {
			r = change(e.note, r, "score", n)
		}
		e.add(e.note, r)
	}
	q := storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F("score")}}, Limit: 10}
	read := func(desc bool, after ...any) []int {
		q.Order[0].Desc, q.After = desc, after
		return numbersOf(firsts(t, e.read(&q)))
	}
	require.Equal(t, []int{2, 3, 4, 5}, read(false, nil, id(1)), "the rest of the absent ones, then those with a value")
	require.Equal(t, []int{3, 4, 5}, read(false, nil, id(2)))
	require.Equal(t, []int{4, 5}, read(false, int64(3), id(3)))
	require.Equal(t, []int{3, 2, 1, 0}, read(true, int64(4), id(4)), "the absent ones come last")
	require.Equal(t, []int{0}, read(true, nil, id(1)))
	require.Empty(t, read(true, nil, id(0)))
}

func testWriteBetweenPages(t *testing.T, e *env) {
	const n = 25
	for i := range n {
		e.add(e.note, row(e.note, "id", id(i), "rank", i%3))
	}
	q := storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F("rank")}}, Limit: 4}
	seen := []int{}
	for {
		rows := e.read(&q)
		for _, r := range rows {
			e.write(update(e.note, change(e.note, r, "title", "seen"), 1, "title"))
		}
		got := numbersOf(firsts(t, rows))
		seen = append(seen, got...)
		if len(rows) < q.Limit {
			break
		}
		last := rows[len(rows)-1]
		q.After = []any{last[4], last[0]}
	}
	require.Len(t, seen, n)
	require.Equal(t, n, e.count(e.note, eq("title", "seen")))
}

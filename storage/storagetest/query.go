package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func queryTests() []testCase {
	return []testCase{
		{"an adapter selects what Match accepts", shared, testMatch},
		{"pages hold each row once, in the order of Compare", shared, testPages},
		{"a page begins behind any position", shared, testPositions},
		{"an order has up to eight terms, nullable and of mixed directions", shared, testEightTerms},
		{"what an order leaves equal is sorted by the key in the direction of the last term", shared, testTies},
		{"an absent value is behind none and before all in a page", shared, testAbsentPages},
		{"writing between pages does no harm", shared, testWriteBetweenPages},
		{"a comparison with an absent side is false and its negation true", shared, testTwoValued},
		{"an empty And holds and an empty Or does not", shared, testEmptyTrees},
		{"In holds for none of an empty list and takes the largest", shared, testIn},
		{"Contains and Prefix are byte for byte", shared, testPlainText},
		{"Prefix is right at the ends of Unicode", shared, testPrefixEnds},
		{"Has finds a string in an array alone", shared, testHas},
		{"Exists and Count look at related rows", shared, testRelated},
		{"a Ref is absent where there is no row", shared, testRef},
		{"a member of another type is absent", shared, testMember},
		{"a member may have any name", shared, testMemberNames},
		{"a condition may be as large and as deep as allowed", shared, testLargestTree},
		{"next is asked once for each row", shared, testNextOnce},
		{"next returning nil ends the read", shared, testNextNil},
		{"a row is complete when next is called again", shared, testRowComplete},
		{"Limit is the most rows returned", shared, testLimit},
		{"of Columns alone Dest is used", shared, testColumns},
		{"Also reads further fields", shared, testAlso},
		{"Dest takes a pointer to the kind's type", shared, testDestTyped},
		{"Dest takes a pointer to any", shared, testDestAny},
		{"Dest takes a sql.Scanner", shared, testDestScanner},
		{"an adapter keeps no part of what it put in Dest", shared, testDestOwned},
		{"Tables are told apart by their address", shared, testAddresses},
		{"a table with an empty key has one row a tenant", shared, testEmptyKey},
	}
}

// condition is a random condition on rows of a table.
type condition struct {
	table *storage.Table
	where storage.Expr
}

func testMatch(t *testing.T, e *env) {
	draw := func(g generator, _ *world) condition {
		table := pick(g, []*storage.Table{g.note, g.note, g.author, g.mark})
		return condition{table, g.condition(table, 3)}
	}
	property(t, e, 12, e.rounds(300, 3000), ints(), draw, func(e *env, w *world, c condition) {
		want := [][]any{}
		for _, r := range w.match(c.table, c.where) {
			want = append(want, position(r, nil))
		}
		slices.SortFunc(want, func(a, b []any) int { return comparePositions(a, b, nil) })
		rows, err := e.find(&storage.Query{Table: c.table, Where: c.where, Limit: storage.MaxPage})
		require.NoError(e.t, err, show(c.where))
		got := [][]any{}
		for _, r := range rows {
			got = append(got, position(record{w, c.table, r}, nil))
		}
		requirePositions(e.t, want, got, "of "+c.table.Name+" where "+show(c.where)+"\n"+w.show())
	})
}

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

func testTwoValued(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "score", 1), row(e.note, "id", id(2)), row(e.note, "id", id(3), "score", 3))
	score := storage.F("score")
	for _, c := range []struct {
		where storage.Expr
		want  []int
	}{
		{eq("score", int64(1)), []int{1}},
		{not(eq("score", int64(1))), []int{2, 3}},
		{not(not(eq("score", int64(1)))), []int{1}},
		{cmp("score", storage.Lt, 2), []int{1}},
		{not(cmp("score", storage.Lt, 2)), []int{2, 3}},
		{not(cmp("score", storage.Ge, 2)), []int{1, 2}},
		{storage.Is{Field: score, Op: storage.Eq, Value: score}, []int{1, 3}},
		{not(storage.Is{Field: score, Op: storage.Eq, Value: score}), []int{2}},
		{storage.Is{Field: score, Op: storage.Ge, Value: storage.F("rank")}, []int{1, 3}},
		{not(storage.In{Field: score, Values: []any{int64(1)}}), []int{2, 3}},
		{not(storage.In{Field: score}), []int{1, 2, 3}},
		{not(storage.Contains{Field: storage.F("body"), Text: ""}), []int{1, 2, 3}},
		{not(storage.Prefix{Field: storage.F("body"), Text: ""}), []int{1, 2, 3}},
		{not(storage.Has{Field: storage.F("tags"), Text: ""}), []int{1, 2, 3}},
		{not(storage.And{eq("score", int64(1)), eq("body", "x")}), []int{1, 2, 3}},
		{not(storage.Or{eq("score", int64(1)), eq("body", "x")}), []int{2, 3}},
		{not(storage.Or{not(eq("score", int64(1))), eq("body", "x")}), []int{1}},
		{not(storage.Is{Field: e.authorField("rank"), Op: storage.Gt, Value: int64(0)}), []int{1, 2, 3}},
		{not(storage.Is{Field: member("custom", "x", storage.Bool), Op: storage.Eq, Value: true}), []int{1, 2, 3}},
		{storage.Absent{Field: score}, []int{2}},
		{not(storage.Absent{Field: score}), []int{1, 3}},
		{storage.Absent{Field: storage.F("rank")}, []int{}},
	} {
		require.Equal(t, c.want, e.numbers(e.note, c.where), show(c.where))
	}
	// Below, at and above a value, by each comparison, its negation and by column.
	c := e.as(e.tenant + "x")
	for n := range 3 {
		c.add(e.note, row(e.note, "id", id(n), "rank", n, "score", 1))
	}
	for op, want := range map[storage.Op][]int{storage.Eq: {1}, storage.Lt: {0}, storage.Le: {0, 1}, storage.Gt: {2}, storage.Ge: {1, 2}} {
		others := slices.DeleteFunc([]int{0, 1, 2}, func(n int) bool { return slices.Contains(want, n) })
		for _, where := range []storage.Expr{cmp("rank", op, 1), storage.Is{Field: storage.F("rank"), Op: op, Value: storage.F("score")}} {
			require.Equal(t, want, c.numbers(e.note, where), show(where))
			require.Equal(t, others, c.numbers(e.note, not(where)), "not %s", show(where))
		}
	}
}

func testEmptyTrees(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	for _, yes := range []storage.Expr{nil, storage.And{}, storage.And(nil), not(storage.Or{}), storage.And{storage.And{}}, storage.Or{storage.And{}}} {
		require.Equal(t, []int{1}, e.numbers(e.note, yes), show(yes))
	}
	for _, no := range []storage.Expr{storage.Or{}, storage.Or(nil), not(storage.And{}), storage.And{storage.Or{}}, storage.Or{storage.Or{}, storage.Or{}}} {
		require.Empty(t, e.numbers(e.note, no), show(no))
	}
}

func testIn(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "name", "x"))
	e.add(e.note, fullNote(e.tables, 1), row(e.note, "id", id(2)), row(e.note, "id", id(3), "author_id", id(1), "score", 5))
	lists := map[string][]any{
		"title": {}, "score": {}, "id": {}, "at": {}, "day": {},
	}
	for i := range storage.MaxValues - 1 {
		lists["title"] = append(lists["title"], fmt.Sprint("'other\"", i))
		lists["score"] = append(lists["score"], int64(1000+i))
		lists["id"] = append(lists["id"], id(1000+i))
		lists["at"] = append(lists["at"], at(1000+i))
		lists["day"] = append(lists["day"], storage.DateOf(at(0).AddDate(0, 0, 1+i)))
	}
	full := fullNote(e.tables, 1)
	for column, list := range lists {
		f := storage.F(column)
		require.Empty(t, e.numbers(e.note, storage.In{Field: f, Values: []any{}}), column)
		require.Empty(t, e.numbers(e.note, storage.In{Field: f, Values: list}), column)
		list = append(list, full[e.note.Index(column)])
		require.Len(t, list, storage.MaxValues)
		require.Equal(t, []int{1}, e.numbers(e.note, storage.In{Field: f, Values: list}), column)
		require.Equal(t, []int{2, 3}, e.numbers(e.note, not(storage.In{Field: f, Values: list})), column)
		require.Equal(t, []int{1}, e.numbers(e.note, storage.In{Field: f, Values: append([]any{list[len(list)-1]}, list[:3]...)}), column)
	}
	both := storage.And{
		storage.In{Field: storage.F("title"), Values: append(lists["title"], "Ada")}, storage.In{Field: storage.F("id"), Values: append(lists["id"], id(1))},
	}
	require.Equal(t, []int{1}, e.numbers(e.note, both))
	require.Equal(t, []int{3}, e.numbers(e.note, storage.In{Field: e.authorField("name"), Values: []any{"x", "x", "y"}}))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.In{Field: member("custom", "tier", storage.Text), Values: []any{"gold"}}))
}

func testPlainText(t *testing.T, e *env) {
	list := texts()
	rows, _ := notesWith(e.tables, "title", list)
	for i := range rows {
		rows[i] = change(e.note, rows[i], "body", "x"+list[i]+"y")
	}
	e.add(e.note, rows...)
	for _, s := range append(list, "a%", "%b", "a_", "_b", "a\\", "*", "?", "[", "X", "xA", "\\%", "\\_") {
		contains, prefix := []int{}, []int{}
		for i, title := range list {
			if strings.Contains("x"+title+"y", s) {
				contains = append(contains, i)
			}
			if strings.HasPrefix(title, s) {
				prefix = append(prefix, i)
			}
		}
		require.Equal(t, contains, e.numbers(e.note, storage.Contains{Field: storage.F("body"), Text: s}), "contains %q", s)
		require.Equal(t, prefix, e.numbers(e.note, storage.Prefix{Field: storage.F("title"), Text: s}), "begins %q", s)
		require.Len(t, e.numbers(e.note, not(storage.Prefix{Field: storage.F("title"), Text: s})), len(list)-len(prefix), "does not begin %q", s)
	}
}

func testPrefixEnds(t *testing.T, e *env) {
	list := []string{
		"\ud7fe", "\ud7ff", "\ud7ffz", "\ue000", "\ue001", "\uffff", "\uffffa", "\U00010000", "\U0010fffe", "\U0010ffff", "\U0010ffff\U0010ffff",
		"a\U0010ffff", "a\U0010ffffb", "b", "a", "\u007f", "\u0080", "\u07ff", "\u0800",
	}
	rows, _ := notesWith(e.tables, "title", list)
	e.add(e.note, rows...)
	for _, p := range list {
		want := []int{}
		for i, s := range list {
			if strings.HasPrefix(s, p) {
				want = append(want, i)
			}
		}
		require.Equal(t, want, e.numbers(e.note, storage.Prefix{Field: storage.F("title"), Text: p}), "begins %q", p)
		if end, ok := storage.PrefixEnd(p); ok {
			require.Less(t, p, end)
		}
	}
}

func testHas(t *testing.T, e *env) {
	list := []string{
		`["vip"]`, `["VIP"]`, `[]`, `{"vip":1}`, `"vip"`, `null`, `[["vip"]]`, `[{"vip":"vip"}]`, `[1, null, "vip", true]`, `["\u0076ip"]`,
		`["é😀"]`, `["\u00e9\ud83d\ude00"]`, `[""]`, `["1", "true", "null"]`, `[1, true, null]`, `["a\"b\\c"]`, `["vi", "p"]`, `["vip "]`,
	}
	rows := []storage.Values{row(e.note, "id", id(len(list)))}
	for i, s := range list {
		rows = append(rows, row(e.note, "id", id(i), "tags", raw(s)))
	}
	e.add(e.note, rows...)
	for text, want := range map[string][]int{
		"vip": {0, 8, 9}, "é😀": {10, 11}, "": {12}, "1": {13}, "true": {13}, "null": {13}, `a"b\c`: {15}, "nobody": {}, "VIP": {1},
	} {
		has := storage.Has{Field: storage.F("tags"), Text: text}
		require.Equal(t, want, e.numbers(e.note, has), "has %q", text)
		require.Len(t, e.numbers(e.note, not(has)), len(rows)-len(want), "has not %q", text)
	}
}

func testRelated(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada"), row(e.author, "id", id(2), "name", "Bob"))
	e.add(e.note, row(e.note, "id", id(1), "author_id", id(1), "rank", 1), row(e.note, "id", id(2), "author_id", id(1), "rank", 5), row(e.note, "id", id(3)))
	e.add(e.mark, row(e.mark, "note_id", id(1), "kind", "a", "n", 1), row(e.mark, "note_id", id(1), "kind", "b", "n", 2), row(e.mark, "note_id", id(2), "kind", "a", "n", 9))
	marks, notes := e.marks(), storage.Rel{Table: e.note, Column: "author_id", Key: "id"}
	siblings := storage.Rel{Table: e.note, Column: "author_id", Key: "author_id"}
	for _, c := range []struct {
		table *storage.Table
		where storage.Expr
		want  []int
	}{
		{e.note, storage.Exists{Rel: marks}, []int{1, 2}},
		{e.note, not(storage.Exists{Rel: marks}), []int{3}},
		{e.note, storage.Exists{Rel: marks, Where: eq("kind", "b")}, []int{1}},
		{e.note, storage.Exists{Rel: marks, Where: storage.Or{}}, []int{}},
		{e.note, storage.Count{Rel: marks, Op: storage.Eq, N: 0}, []int{3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Ge, N: 0}, []int{1, 2, 3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Lt, N: -1}, []int{}},
		{e.note, storage.Count{Rel: marks, Where: cmp("n", storage.Gt, 1), Op: storage.Eq, N: 1}, []int{1, 2}},
		{e.note, storage.Count{Rel: siblings, Op: storage.Eq, N: 2}, []int{1, 2}},
		{e.note, storage.Count{Rel: siblings, Op: storage.Eq, N: 0}, []int{3}}, // an absent key leads nowhere
		{e.author, storage.Exists{Rel: notes, Where: storage.Exists{Rel: marks, Where: cmp("n", storage.Eq, 9)}}, []int{1}},
		{e.author, storage.Count{Rel: notes, Where: storage.Count{Rel: marks, Op: storage.Ge, N: 1}, Op: storage.Eq, N: 2}, []int{1}},
		{e.author, not(storage.Exists{Rel: notes, Where: not(storage.Exists{Rel: marks})}), []int{1, 2}},
		// Within a relation a field is one of the related table, even where the outer one has the same name.
		{e.note, storage.Exists{Rel: siblings, Where: cmp("rank", storage.Eq, 5)}, []int{1, 2}},
		{e.note, storage.Exists{Rel: siblings, Where: storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "Ada"}}, []int{1, 2}},
	} {
		require.Equal(t, c.want, e.numbers(c.table, c.where), show(c.where))
	}
}

func testRef(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada", "rank", 3, "data", raw(`{"tier":"gold"}`)), row(e.author, "id", id(2), "name", "Bob"))
	e.add(e.note, row(e.note, "id", id(1), "author_id", id(1), "token", id(2)), row(e.note, "id", id(2), "token", id(77)), row(e.note, "id", id(3), "parent_id", id(1)))
	token := func(column string) storage.Field {
		return storage.Field{Name: column, Ref: &storage.Ref{Column: "token", Table: e.author}}
	}
	parent := storage.Field{Name: "author_id", Ref: &storage.Ref{Column: "parent_id", Table: e.note}}
	tier := e.authorField("data")
	tier.Member, tier.Kind = "tier", storage.Text
	for _, c := range []struct {
		where storage.Expr
		want  []int
	}{
		{storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "Ada"}, []int{1}},
		{storage.Is{Field: token("name"), Op: storage.Gt, Value: "A"}, []int{1}},
		{storage.Is{Field: e.authorField("name"), Op: storage.Lt, Value: token("name")}, []int{1}},
		{storage.Absent{Field: token("name")}, []int{2, 3}},
		{storage.Absent{Field: token("rank")}, []int{1, 2, 3}},
		{storage.Absent{Field: token("id")}, []int{2, 3}},
		{storage.Is{Field: parent, Op: storage.Eq, Value: id(1)}, []int{3}},
		{storage.Is{Field: tier, Op: storage.Eq, Value: "gold"}, []int{1}},
		{storage.Prefix{Field: e.authorField("name"), Text: "Ad"}, []int{1}},
		{storage.Contains{Field: token("name"), Text: "ob"}, []int{1}},
	} {
		require.Equal(t, c.want, e.numbers(e.note, c.where), show(c.where))
	}
	order := []storage.Order{{Field: token("name"), Desc: true}, {Field: e.authorField("rank")}}
	require.Equal(t, []int{1, 2, 3}, numbersOf(firsts(t, e.read(&storage.Query{Table: e.note, Order: []storage.Order{order[0], {Field: storage.F("id")}}, Limit: 9}))))
	require.Len(t, e.pages(storage.Query{Table: e.note, Order: order}, 1), 3)
}

func testMember(t *testing.T, e *env) {
	list := []string{
		`{"m":"text"}`, `{"m":12}`, `{"m":true}`, `{"m":null}`, `{"m":{}}`, `{"m":[]}`, `{}`, `["m"]`, `"m"`, `null`,
		`{"m":12.0}`, `{"m":1.5}`, `{"m":"12"}`, `{"m":"true"}`, `{"m":9223372036854775808}`, `{"m":-9223372036854775808}`, `{"m":-0}`,
		`{"m":false}`, `{"m":""}`, `{"m":["text"]}`, `{"M":"text"}`, `{"n":{"m":"text"}}`,
	}
	for i, s := range list {
		e.add(e.note, row(e.note, "id", id(i), "custom", raw(s)))
	}
	for kind, want := range map[storage.Kind][]int{
		storage.Text: {0, 12, 13, 18}, storage.Int: {1, 15, 16}, storage.Bool: {2, 17},
	} {
		m := member("custom", "m", kind)
		require.Equal(t, want, e.numbers(e.note, not(storage.Absent{Field: m})), "as %s", kind)
		for _, r := range e.read(&storage.Query{Table: e.note, Limit: 100, Also: []storage.Field{m}}) {
			data, _ := r[e.note.Index("custom")].(json.RawMessage)
			require.Equal(t, memberOf(data, "m", kind), r[len(e.note.Columns)], "%s as %s", data, kind)
		}
	}
	require.Equal(t, []int{12}, e.numbers(e.note, storage.Is{Field: member("custom", "m", storage.Text), Op: storage.Eq, Value: "12"}))
	require.Equal(t, []int{15, 16}, e.numbers(e.note, storage.Is{Field: member("custom", "m", storage.Int), Op: storage.Lt, Value: int64(12)}))
	require.Equal(t, []int{17}, e.numbers(e.note, storage.Is{Field: member("custom", "m", storage.Bool), Op: storage.Eq, Value: false}))
	require.Empty(t, e.numbers(e.note, not(storage.Absent{Field: member("tags", "m", storage.Int)})), "of an absent object")
}

func testMemberNames(t *testing.T, e *env) {
	names := append(members(), strings.Repeat("n", 256), "a.b[0]", "#", "#-1", "$[0]", "*", "?", "{a}", "a,b", "'; --", "\n", "\u0001", "İ", "\\u0061", "\"", "\"\"")
	for i, name := range names {
		e.add(e.note, row(e.note, "id", id(i), "custom", raw(fmt.Sprintf(`{%s: %d}`, quoteJSON(name), i)), "tags", raw(fmt.Sprintf(`{%s: "x"}`, escapeJSON(name)))))
	}
	for i, name := range names {
		require.Equal(t, []int{i}, e.numbers(e.note, not(storage.Absent{Field: member("custom", name, storage.Int)})), "%q", name)
		require.Equal(t, []int{i}, e.numbers(e.note, storage.Is{Field: member("tags", name, storage.Text), Op: storage.Eq, Value: "x"}), "%q, escaped", name)
	}
}

func testLargestTree(t *testing.T, e *env) {
	ctx, cancel := context.WithTimeout(e.ctx, patience) // what is within the limits is answered
	defer cancel()
	e.ctx = ctx
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada"))
	e.add(e.note, row(e.note, "id", id(1), "author_id", id(1), "rank", 7, "parent_id", id(1)))
	e.add(e.mark, row(e.mark, "note_id", id(1), "kind", "a", "n", 1))
	leaves := []storage.Expr{
		cmp("rank", storage.Eq, 8), storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "Bob"},
		storage.Exists{Rel: e.marks(), Where: nil}, storage.In{Field: storage.F("rank"), Values: []any{int64(1), int64(2)}},
		storage.Is{Field: member("custom", "x", storage.Text), Op: storage.Eq, Value: "x"}, storage.Contains{Field: storage.F("title"), Text: "x"},
	}
	for i, leaf := range leaves {
		flat := storage.Or{}
		for len(flat) < storage.MaxNodes-1 {
			flat = append(flat, leaf)
		}
		want := 0
		if i == 2 {
			want = 1
		}
		require.Len(t, e.numbers(e.note, flat), want, show(leaf))
		require.Len(t, e.numbers(e.note, storage.And(flat)), want, show(leaf))
	}
	nots, ands, rels := cmp("rank", storage.Eq, 7), cmp("rank", storage.Eq, 7), cmp("rank", storage.Eq, 7)
	for range storage.MaxDepth {
		nots, ands = not(nots), storage.And{storage.Or{}, ands}
		rels = storage.Exists{Rel: storage.Rel{Table: e.note, Column: "parent_id", Key: "id"}, Where: rels}
	}
	require.Equal(t, []int{1}, e.numbers(e.note, nots))
	require.Empty(t, e.numbers(e.note, ands))
	require.Equal(t, []int{1}, e.numbers(e.note, rels), "relations nested as deep as allowed")
}

func testNextOnce(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	for _, limit := range []int{1, 2, 3} {
		asked := 0
		err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: limit}, func() storage.Row {
			asked++
			return make(storage.Values, len(e.note.Columns))
		})
		require.NoError(t, err)
		require.Equal(t, min(limit, 2), asked)
	}
	require.NoError(t, e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.mark, Limit: 1}, func() storage.Row {
		t.Error("next is called though there is no row")
		return nil
	}))
}

func testNextNil(t *testing.T, e *env) {
	for n := range 10 {
		e.add(e.note, row(e.note, "id", id(n)))
	}
	for stop := range 4 {
		asked, rows := 0, []storage.Values{}
		err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: 10}, func() storage.Row {
			if asked++; asked > stop {
				return nil
			}
			rows = append(rows, make(storage.Values, len(e.note.Columns)))
			return rows[len(rows)-1]
		})
		require.NoError(t, err)
		require.Equal(t, stop+1, asked, "next is not called again after nil")
		require.Len(t, firsts(t, rows), stop)
	}
	e.write(update(e.note, row(e.note, "id", id(0)), 1)) // nothing is left open that would be in the way
}

func testRowComplete(t *testing.T, e *env) {
	for n := range 5 {
		e.add(e.note, row(e.note, "id", id(n), "title", strconv.Itoa(n)))
	}
	// One Row for all: what is in it when next is called again is the row before.
	one, seen := make(storage.Values, len(e.note.Columns)), []any{}
	err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: 10}, func() storage.Row {
		seen = append(seen, one[2])
		return one
	})
	require.NoError(t, err)
	require.Equal(t, []any{nil, "0", "1", "2", "3"}, seen)
	require.Equal(t, "4", one[2])
}

func testLimit(t *testing.T, e *env) {
	const n = storage.MaxPage + 1
	e.add(e.note, row(e.note, "id", id(1)))
	rows := []storage.Values{}
	for i := range n {
		rows = append(rows, row(e.mark, "note_id", id(1), "kind", "k", "n", i))
	}
	e.add(e.mark, rows...)
	for _, limit := range []int{1, 100, storage.MaxPage} {
		got := e.read(&storage.Query{Table: e.mark, Order: []storage.Order{{Field: storage.F("n"), Desc: true}}, Limit: limit, Columns: []int{2}})
		require.Len(t, got, limit)
		require.Equal(t, int64(n-limit), got[limit-1][2])
	}
}

// strict is a Row that may be asked only for some columns.
type strict struct {
	t       *testing.T
	allowed []int
	v       storage.Values
}

func (s strict) Value(int) any {
	s.t.Error("a read asks for a value")
	return nil
}

func (s strict) Dest(i int) any {
	if !slices.Contains(s.allowed, i) {
		s.t.Errorf("Dest(%d) is used, and only %v were asked for", i, s.allowed)
	}
	return &s.v[i]
}

func testColumns(t *testing.T, e *env) {
	full := fullNote(e.tables, 1)
	e.add(e.note, full)
	for _, columns := range [][]int{{0}, {2, 4}, {4, 2}, {19, 17, 0}, {8}, {}} {
		v := make(storage.Values, len(e.note.Columns)+1)
		allowed := append([]int{len(e.note.Columns)}, columns...)
		q := &storage.Query{Table: e.note, Limit: 1, Columns: columns, Order: []storage.Order{{Field: storage.F("due")}}, Also: []storage.Field{storage.F("rank")}}
		rows := 0
		require.NoError(t, e.s.Read(e.ctx, e.tenant, q, func() storage.Row { rows++; return strict{t, allowed, v} }))
		require.Equal(t, 1, rows)
		for i := range e.note.Columns {
			if slices.Contains(columns, i) {
				require.Empty(t, differ(full[i], v[i]), e.note.Columns[i].Name)
			} else {
				require.Nil(t, v[i], e.note.Columns[i].Name)
			}
		}
		require.Equal(t, int64(7), v[len(e.note.Columns)])
	}
}

func testAlso(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada", "born", day(1815, 12, 10), "seen", at(5), "data", raw(`{"n":5,"ok":true}`)))
	e.add(e.note, change(e.note, fullNote(e.tables, 1), "author_id", id(1)), row(e.note, "id", id(2)))
	in := func(column, name string, k storage.Kind) storage.Field {
		f := e.authorField(column)
		f.Member, f.Kind = name, k
		return f
	}
	also := []storage.Field{
		storage.F("title"), e.authorField("name"), e.authorField("born"), e.authorField("seen"), e.authorField("data"), e.authorField("id"),
		in("data", "n", storage.Int), in("data", "ok", storage.Bool), member("custom", "tier", storage.Text), storage.F("blob"), storage.F("title"), storage.F("done"),
	}
	rows := e.read(&storage.Query{Table: e.note, Limit: 10, Columns: []int{0}, Also: also})
	require.Len(t, rows, 2)
	want := [][]any{
		{"Ada", "Ada", day(1815, 12, 10), at(5), raw(`{"n":5,"ok":true}`), id(1), int64(5), true, "gold", []byte{1, 2}, "Ada", true},
		{"", nil, nil, nil, nil, nil, nil, nil, nil, []byte{}, "", false},
	}
	for i, r := range rows {
		for k := range also {
			require.Empty(t, differ(want[i][k], r[len(e.note.Columns)+k]), "row %d, %s", i, showField(also[k]))
		}
	}
}

// typedNote is a Row of pointers to each kind's Go type.
type typedNote struct {
	id          uuid.UUID
	version     int64
	title, body string
	rank, score int64
	done, seen  bool
	at, due     time.Time
	day, until  storage.Date
	blob, sign  []byte
	token       uuid.UUID
	parent      uuid.UUID
	author      uuid.UUID
	custom      json.RawMessage
	tags        json.RawMessage
	email       string
}

func (n *typedNote) Value(int) any { return nil }

func (n *typedNote) Dest(i int) any {
	return []any{
		&n.id, &n.version, &n.title, &n.body, &n.rank, &n.score, &n.done, &n.seen, &n.at, &n.due, &n.day, &n.until, &n.blob, &n.sign,
		&n.token, &n.parent, &n.author, &n.custom, &n.tags, &n.email,
	}[i]
}

func testDestTyped(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(3)))
	e.add(e.note, change(e.note, fullNote(e.tables, 1), "author_id", id(3), "parent_id", id(1)), row(e.note, "id", id(2)))
	var n typedNote
	first := typedNote{}
	rows := 0
	err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: 10}, func() storage.Row {
		if rows++; rows == 2 {
			first = n
		}
		return &n // the second row must overwrite what the first left
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"tier":"gold"}`, string(first.custom))
	require.JSONEq(t, `["vip"]`, string(first.tags))
	require.JSONEq(t, `{}`, string(n.custom))
	first.custom, first.tags, n.custom = nil, nil, nil
	require.Equal(t, typedNote{
		id: id(1), version: 1, title: "Ada", body: "Lovelace", rank: 7, score: -7, done: true, seen: true, at: at(1), due: at(2), day: day(2024, 2, 29),
		until: day(2025, 1, 1), blob: []byte{1, 2}, sign: []byte{3}, token: id(99), parent: id(1), author: id(3), email: "ada1@example.com",
	}, first)
	epoch := time.Unix(0, 0).UTC()
	require.Empty(t, n.blob)
	n.blob = nil
	require.Equal(t, typedNote{id: id(2), version: 1, at: epoch, day: day(1970, 1, 1)}, n, "an absent value is the zero value")
}

func testDestAny(t *testing.T, e *env) {
	e.add(e.note, fullNote(e.tables, 1), row(e.note, "id", id(2)))
	v := storage.Values{}
	for range e.note.Columns {
		v = append(v, "left from before")
	}
	rows := e.all(e.note, eq("id", id(1)))
	e.same(e.note, []storage.Values{fullNote(e.tables, 1)}, rows)
	q := &storage.Query{Table: e.note, Where: eq("id", id(2)), Limit: 1}
	require.NoError(t, e.s.Read(e.ctx, e.tenant, q, func() storage.Row { return v }))
	e.same(e.note, []storage.Values{row(e.note, "id", id(2))}, []storage.Values{v})
}

// scanned is a sql.Scanner that remembers what it was given.
type scanned struct{ got any }

func (s *scanned) Scan(v any) error { s.got = v; return nil }

var _ sql.Scanner = (*scanned)(nil)

type scannedRow []scanned

func (r scannedRow) Value(int) any  { return nil }
func (r scannedRow) Dest(i int) any { return &r[i] }

func testDestScanner(t *testing.T, e *env) {
	full, empty := fullNote(e.tables, 1), row(e.note, "id", id(2))
	e.add(e.note, full, empty)
	for n, want := range []storage.Values{full, empty} {
		r := make(scannedRow, len(e.note.Columns)+1)
		for i := range r {
			r[i].got = "left from before"
		}
		q := &storage.Query{Table: e.note, Where: eq("id", id(n+1)), Limit: 1, Also: []storage.Field{member("custom", "tier", storage.Text)}}
		require.NoError(t, e.s.Read(e.ctx, e.tenant, q, func() storage.Row { return r }))
		for i, c := range e.note.Columns {
			require.Empty(t, differ(want[i], r[i].got), c.Name)
		}
	}
	e.add(e.note, row(e.note, "id", id(3)))
	bad := scannerFails{}
	err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: 10, Columns: []int{0}}, func() storage.Row { return bad })
	require.ErrorIs(t, err, errScan, "a scanner's error ends the read")
}

var errScan = errors.New("the scanner refuses")

type scannerFails struct{}

func (scannerFails) Value(int) any  { return nil }
func (s scannerFails) Dest(int) any { return s }
func (scannerFails) Scan(any) error { return errScan }

func testDestOwned(t *testing.T, e *env) {
	for n := range 50 {
		e.add(e.note, row(e.note, "id", id(n), "blob", bytes.Repeat([]byte{byte(n)}, 100), "custom", raw(fmt.Sprintf(`{"n":%d}`, n))))
	}
	first := e.all(e.note, nil)
	for _, r := range first { // scribbling over what was read must reach nobody else
		for _, part := range [][]byte{r[12].([]byte), r[17].(json.RawMessage)} { //nolint:forcetypeassert // a row of values, see above
			for i := range part {
				part[i] = 'x'
			}
		}
	}
	for n, r := range e.all(e.note, nil) {
		require.Empty(t, differ(bytes.Repeat([]byte{byte(n)}, 100), r[12]))
		require.Empty(t, differ(raw(fmt.Sprintf(`{"n":%d}`, n)), r[17]))
	}
	held := e.all(e.note, nil)
	e.all(e.note, nil) // a further read does not write into what an earlier one gave
	for n, r := range held {
		require.Empty(t, differ(bytes.Repeat([]byte{byte(n)}, 100), r[12]))
	}
}

func testAddresses(t *testing.T, e *env) {
	// What a Table does not list is not there for it, whatever another one lists.
	few := &storage.Table{Name: "author", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "city", Kind: storage.Text, Null: true}, {Name: "version", Kind: storage.Int}, {Name: "name", Kind: storage.Text}, {Name: "id", Kind: storage.ID},
	}}
	again := authorTable()
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada", "rank", 7))
	e.add(few, row(few, "id", id(2), "name", "Bob", "city", "Turin"))
	e.add(again, row(again, "id", id(3), "name", "Cy"))
	e.write(update(few, row(few, "id", id(1), "name", "Ada L.", "city", "London"), 1))
	for _, table := range []*storage.Table{e.author, again, e.author} {
		e.same(table, []storage.Values{
			row(table, "id", id(1), "version", 2, "name", "Ada L.", "city", "London", "rank", 7), row(table, "id", id(2), "name", "Bob", "city", "Turin"), row(table, "id", id(3), "name", "Cy"),
		}, e.all(table, nil))
	}
	e.same(few, []storage.Values{
		row(few, "id", id(1), "version", 2, "name", "Ada L.", "city", "London"), row(few, "id", id(2), "name", "Bob", "city", "Turin"), row(few, "id", id(3), "name", "Cy"),
	}, e.all(few, nil))
	_, err := e.find(&storage.Query{Table: few, Where: cmp("rank", storage.Eq, 7), Limit: 1})
	refused(t, err, storage.ErrInvalid)
}

func testEmptyKey(t *testing.T, e *env) {
	one := row(e.registry, "number", 7, "name", "Ada", "order", 3)
	e.add(e.registry, one)
	e.as(e.tenant+"'").add(e.registry, row(e.registry, "number", 8))
	e.same(e.registry, []storage.Values{one}, e.all(e.registry, nil))
	refused(t, e.try(insert(e.registry, one)), storage.ErrConflict)
	one = change(e.registry, one, "version", 2, "order", nil)
	e.write(update(e.registry, one, 1))
	e.same(e.registry, []storage.Values{one}, e.all(e.registry, storage.Absent{Field: storage.F("order")}))
	require.Len(t, e.read(&storage.Query{Table: e.registry, Order: []storage.Order{{Field: storage.F("order"), Desc: true}}, Limit: 5}), 1)
	e.write(remove(e.registry, one, 2))
	require.Empty(t, e.all(e.registry, nil))
	require.Len(t, e.as(e.tenant+"'").all(e.registry, nil), 1)
}

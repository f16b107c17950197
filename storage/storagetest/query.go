package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

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
		{"Has looks into an array that is a member", shared, testHasMember},
		{"a member read as JSON is absent when it is missing or null", shared, testAbsentMember},
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
		{not(storage.Has{Field: member("tags", "x", storage.JSON), Text: ""}), []int{1, 2, 3}},
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

func testHasMember(t *testing.T, e *env) {
	list := []string{
		`{"m":["red"]}`, `{"m":["RED"]}`, `{"m":[]}`, `{"m":{"red":"red"}}`, `{"m":"red"}`, `{"m":null}`, `{}`, `{"m":[["red"]]}`, `{"m":[{"red":"red"}]}`,
		`{"m":[1, null, "red", true]}`, `{"\u006d":["\u0072ed"]}`, `["red"]`, `["m", "red"]`, `"red"`, `null`, `{"M":["red"]}`, `{"n":{"m":["red"]}}`,
		`{"m":[""]}`, `{"m":["1", "true", "null"]}`, `{"m":[1, true, null]}`, `{"m":"[\"red\"]"}`, `{"red":["m"], "m":["é😀", "a\"b\\c"]}`, `[{"m":["red"]}]`, `{"m":true}`,
	}
	rows := []storage.Values{row(e.note, "id", id(len(list)))}
	for i, s := range list {
		rows = append(rows, row(e.note, "id", id(i), "custom", raw(s), "tags", raw(s)))
	}
	e.add(e.note, rows...)
	for text, want := range map[string][]int{
		"red": {0, 9, 10}, "RED": {1}, "": {17}, "1": {18}, "true": {18}, "null": {18}, "é😀": {21}, `a"b\c`: {21}, "m": {}, "nobody": {},
	} {
		for _, column := range []string{"custom", "tags"} { // the second can be absent
			has := storage.Has{Field: member(column, "m", storage.JSON), Text: text}
			require.Equal(t, want, e.numbers(e.note, has), "%s has %q", column, text)
			require.Len(t, e.numbers(e.note, not(has)), len(rows)-len(want), "%s has not %q", column, text)
		}
	}
}

func testAbsentMember(t *testing.T, e *env) {
	list := []string{
		`{"m":"text"}`, `{"m":12}`, `{"m":false}`, `{"m":{}}`, `{"m":[]}`, `{"m":"null"}`, `{"m":""}`, `{"m":[null]}`, `{"\u006d":0}`,
		`{"m":null}`, `{}`, `{"M":1}`, `{"n":{"m":1}}`, `["m"]`, `[{"m":1}]`, `"m"`, `12`, `true`, `null`, `[]`,
	}
	const present = 9 // the rest have no such member
	var there, absent []int
	for i, s := range list {
		e.add(e.note, row(e.note, "id", id(i), "custom", raw(s), "tags", raw(s)))
		if i < present {
			there = append(there, i)
		} else {
			absent = append(absent, i)
		}
	}
	m := storage.Absent{Field: member("custom", "m", storage.JSON)}
	require.Equal(t, absent, e.numbers(e.note, m))
	require.Equal(t, there, e.numbers(e.note, not(m)))
	e.add(e.note, row(e.note, "id", id(len(list))))
	m.Field.Name = "tags"
	require.Equal(t, append(absent, len(list)), e.numbers(e.note, m), "of an absent object too")
	require.Equal(t, there, e.numbers(e.note, not(m)))
	require.Equal(t, []int{len(list)}, e.numbers(e.note, storage.Absent{Field: storage.F("tags")}), "a column that holds null is not absent")
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
		{e.note, storage.Exists{Rel: marks, Where: eq("kind", "b"), First: true}, []int{1}},
		{e.note, not(storage.Exists{Rel: marks, Where: eq("kind", "b"), First: true}), []int{2, 3}},
		{e.note, not(storage.Exists{Rel: siblings, First: true}), []int{3}}, // an absent key leads nowhere
		{e.note, storage.Count{Rel: marks, Op: storage.Eq, N: 0}, []int{3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Ge, N: 0}, []int{1, 2, 3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Lt, N: -1}, []int{}},
		{e.note, storage.Count{Rel: marks, Where: cmp("n", storage.Gt, 1), Op: storage.Eq, N: 1}, []int{1, 2}},
		{e.note, storage.Count{Rel: siblings, Op: storage.Eq, N: 2}, []int{1, 2}},
		{e.note, storage.Count{Rel: siblings, Op: storage.Eq, N: 0}, []int{3}}, // an absent key leads nowhere
		{e.note, storage.Count{Rel: siblings, Op: storage.Eq, N: 0, Grouped: true}, []int{3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Eq, N: 0, Grouped: true}, []int{3}},
		{e.note, storage.Count{Rel: marks, Op: storage.Ge, N: 0, Grouped: true}, []int{1, 2, 3}},
		{e.note, not(storage.Count{Rel: marks, Op: storage.Ge, N: 1, Grouped: true}), []int{3}},
		{e.note, storage.Count{Rel: marks, Where: cmp("n", storage.Gt, 1), Op: storage.Eq, N: 1, Grouped: true}, []int{1, 2}},
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
	e.add(e.author, row(e.author, "id", id(1), "name", "Ada", "rank", 3, "data", raw(`{"tier":"gold","colours":["red"]}`)), row(e.author, "id", id(2), "name", "Bob"))
	e.add(e.note, row(e.note, "id", id(1), "author_id", id(1), "token", id(2)), row(e.note, "id", id(2), "token", id(77)), row(e.note, "id", id(3), "parent_id", id(1)))
	token := func(column string) storage.Field {
		return storage.Field{Name: column, Ref: &storage.Ref{Column: "token", Table: e.author}}
	}
	parent := storage.Field{Name: "author_id", Ref: &storage.Ref{Column: "parent_id", Table: e.note}}
	tier := e.authorField("data")
	tier.Member, tier.Kind = "tier", storage.Text
	colours := e.authorField("data")
	colours.Member, colours.Kind = "colours", storage.JSON
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
		{storage.Has{Field: colours, Text: "red"}, []int{1}},
		{not(storage.Has{Field: colours, Text: "red"}), []int{2, 3}},
		{storage.Has{Field: colours, Text: "blue"}, []int{}},
		{storage.Absent{Field: colours}, []int{2, 3}},
		{not(storage.Absent{Field: colours}), []int{1}},
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
		e.add(e.author, row(e.author, "id", id(i), "data", raw(fmt.Sprintf(`{%s: [%s, []]}`, quoteJSON(name), quoteJSON(name)))))
		e.add(e.author, row(e.author, "id", id(i+100), "data", raw(fmt.Sprintf(`{%s: [%[1]s]}`, escapeJSON(name)))))
	}
	for i, name := range names {
		require.Equal(t, []int{i}, e.numbers(e.note, not(storage.Absent{Field: member("custom", name, storage.Int)})), "%q", name)
		require.Equal(t, []int{i}, e.numbers(e.note, storage.Is{Field: member("tags", name, storage.Text), Op: storage.Eq, Value: "x"}), "%q, escaped", name)
		whole := member("data", name, storage.JSON)
		require.Equal(t, []int{i, i + 100}, e.numbers(e.author, storage.Has{Field: whole, Text: name}), "%q as an array", name)
		require.Equal(t, []int{i, i + 100}, e.numbers(e.author, not(storage.Absent{Field: whole})), "%q as JSON", name)
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
		storage.Has{Field: storage.F("tags"), Text: "x"}, storage.Has{Field: member("custom", "x", storage.JSON), Text: "x"},
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

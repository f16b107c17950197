package storagetest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func inputTests() []testCase {
	return []testCase{
		{"a value its column cannot hold is ErrInvalid", shared, testBadValues},
		{"a value of a condition that its field cannot hold is ErrInvalid", shared, testBadConditions},
		{"a query like one that was answered is looked at as closely", shared, testLikeQueries},
		{"a condition over a limit is ErrInvalid", shared, testBadTrees},
		{"a query that cannot be right is ErrInvalid", shared, testBadQueries},
		{"a position that does not fit is ErrInvalid", shared, testBadPositions},
		{"an aggregate that cannot be right is ErrInvalid", shared, testBadAggregates},
		{"a change that cannot be right is ErrInvalid", shared, testBadChanges},
		{"an expansion that cannot be right is ErrInvalid", shared, testBadExpansions},
		{"a tenant key that cannot be used is ErrInvalid", shared, testBadTenants},
		{"a claim that cannot be right is ErrInvalid", shared, testBadClaims},
		{"a table that cannot be is ErrInvalid", shared, testBadTables},
		{"a text too long for an index is ErrInvalid or kept", shared, testLongIndexed},
	}
}

// testLikeQueries asks again, in the words of a query that was answered, for what cannot
// be right.
func testLikeQueries(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "title", "a"), row(e.note, "id", id(2), "title", "b"))
	ask := func(title any, limit int) ([]storage.Values, error) {
		var rows []storage.Values
		err := e.s.Read(e.ctx, e.tenant, &storage.Query{Table: e.note, Limit: limit, Where: storage.And{
			storage.Is{Field: storage.F("title"), Op: storage.Eq, Value: title}, storage.Absent{Field: storage.F("email")},
		}}, func() storage.Row {
			rows = append(rows, make(storage.Values, len(e.note.Columns)))
			return rows[len(rows)-1]
		})
		return rows, err
	}
	for range 2 {
		for _, title := range []string{"a", "b", "c"} {
			rows, err := ask(title, 10)
			require.NoError(t, err)
			found := slices.ContainsFunc(rows, func(r storage.Values) bool { return r[e.note.Index("title")] == title })
			require.Equal(t, title != "c", found, title)
		}
		for _, wrong := range []any{nil, 1, int64(1), "a\x00", "\xff", []byte("a")} {
			_, err := ask(wrong, 10)
			invalid(t, err, "note", "title", fmt.Sprintf("%T", wrong))
		}
		for _, limit := range []int{-1, 0, storage.MaxPage + 1} {
			_, err := ask("a", limit)
			invalid(t, err, "note", "", "a limit")
		}
	}
}

// invalid requires err to be ErrInvalid about a field of a table, in whatever
// words, and without the value.
func invalid(t tester, err error, table, field, msg string) *storage.Error {
	t.Helper()
	require.Error(t, err, msg)
	require.ErrorIs(t, err, storage.ErrInvalid, msg)
	e := refused(t, err, storage.ErrInvalid)
	require.Equal(t, table, e.Table, "%s: %v", msg, err)
	require.Equal(t, field, e.Field, "%s: %v", msg, err)
	require.NotEmpty(t, e.Reason, msg)
	return e
}

// bad are values that a column cannot hold.
func bad() []struct {
	column string
	value  any
} {
	big := strings.Repeat("x", storage.MaxText+1)
	return []struct {
		column string
		value  any
	}{
		{"title", nil}, {"rank", nil}, {"done", nil}, {"at", nil}, {"day", nil}, {"blob", nil}, {"custom", nil},
		{"title", "a\x00b"}, {"body", "\x00"}, {"title", "\xff"}, {"title", "a\xc3"}, {"title", "\xed\xa0\x80"}, {"title", "\xf4\x90\x80\x80"}, {"body", big},
		{"email", "x\x00"}, {"title", []byte("a")}, {"title", 1}, {"title", int64(1)}, {"title", raw(`"a"`)}, {"title", true}, {"body", strings.NewReader("")},
		{"rank", 1}, {"rank", int32(1)}, {"rank", uint64(1)}, {"rank", 1.0}, {"rank", "1"}, {"score", true}, {"score", json.Number("1")},
		{"done", 1}, {"done", int64(1)}, {"done", "true"}, {"seen", "f"},
		{"at", "2024-01-01T00:00:00Z"}, {"at", int64(1)}, {"at", day(2024, 1, 1)}, {"at", at(0).Add(1)}, {"due", at(0).Add(999)}, {"due", time.Time{}.AddDate(-1, 0, 0)},
		{"at", time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC)}, {"at", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"at", time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200))}, {"due", time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))},
		{"day", storage.Date{}}, {"day", day(2023, 2, 29)}, {"day", day(2024, 4, 31)}, {"until", day(0, 1, 1)}, {"until", day(10000, 1, 1)}, {"until", day(-1, 1, 1)},
		{"day", "2024-01-01"}, {"day", at(0)}, {"until", day(2024, 13, 1)}, {"until", day(2024, 1, 0)},
		{"blob", "a"}, {"blob", [1]byte{1}}, {"sign", []byte(big)}, {"sign", raw("1")},
		{"token", "018f0000-0000-7000-8000-000000000001"}, {"token", [16]byte{}}, {"token", []byte("0123456789abcdef")}, {"parent_id", 1},
		{"custom", raw(``)}, {"custom", raw(`{`)}, {"custom", raw(`{"a":1}x`)}, {"custom", raw(`{a:1}`)}, {"custom", raw(`NaN`)}, {"tags", raw(`[1,]`)}, {"tags", raw(`'a'`)},
		{"custom", raw(`{"a":"\u0000"}`)}, {"custom", raw(`{"a\u0000":1}`)}, {"tags", raw("\"\xff\"")}, {"tags", raw("\"\x00\"")}, {"tags", raw(`1e5`)}, {"tags", raw(`[1.5E-3]`)},
		{"tags", raw(strings.Repeat("9", 39))}, {"tags", raw("0." + strings.Repeat("1", 38))}, {"custom", raw(`"` + big + `"`)}, {"custom", `{}`}, {"custom", []byte(`{}`)},
		{"custom", raw(`{"a":1,"a":2}`)}, {"custom", raw(`{"a":1,"\u0061":2}`)}, {"tags", raw(`[{"b":{"a":1, "c":[], "a":1}}]`)}, {"tags", raw(`"\ud800"`)}, {"tags", raw(`"\udc00"`)},
		{"tags", raw(`["\ud83dx"]`)}, {"custom", raw(`{"\ud83d\ud83d":1}`)}, {"tags", raw(strings.Repeat("[", 101) + strings.Repeat("]", 101))},
		{"custom", map[string]any{}}, {"tags", json.RawMessage(nil)},
	}
}

func testBadValues(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	for _, c := range bad() {
		i := e.note.Index(c.column)
		r := row(e.note, "id", id(2))
		r[i] = c.value
		changed := row(e.note, "id", id(1))
		changed[i] = c.value
		msg := fmt.Sprintf("%s = %.60v (%T)", c.column, c.value, c.value)
		for _, change := range []storage.Change{insert(e.note, r), update(e.note, changed, 1), update(e.note, changed, 1, c.column)} {
			err := invalid(t, e.try(insert(e.note, row(e.note, "id", id(9))), change), "note", c.column, msg)
			require.Equal(t, 1, err.Change, msg)
		}
		ok := row(e.note, "id", id(1))
		ok[i] = c.value // a column that is not set is not looked at
		if c.column != "title" {
			require.NoError(t, e.s.Atomic(e.ctx, func(s storage.Session) error {
				require.NoError(t, e.on(s).try(update(e.note, ok, 1, "title")), msg)
				return s.Write(e.ctx, e.tenant, []storage.Change{remove(e.note, ok, 2), insert(e.note, row(e.note, "id", id(1)))})
			}))
		}
	}
	for _, key := range []any{nil, "x", 1, []byte{1}} {
		r := row(e.note)
		r[0] = key
		for _, change := range []storage.Change{insert(e.note, r), update(e.note, r, 1), remove(e.note, r, 1)} {
			invalid(t, e.try(change), "note", "id", fmt.Sprintf("action %d of %v", change.Action, key))
		}
	}
	r := row(e.note, "id", id(2))
	r[1] = 1
	invalid(t, e.try(insert(e.note, r)), "note", "version", "an int as version")
	e.same(e.note, []storage.Values{row(e.note, "id", id(1))}, e.all(e.note, nil))
}

func testBadConditions(t *testing.T, e *env) {
	field, whole := storage.F, member("custom", "m", storage.JSON)
	theirs := e.authorField("data")
	theirs.Member, theirs.Kind = "m", storage.JSON
	_, err := storage.CheckField(e.note, whole)
	invalid(t, err, "note", "custom", "a member as JSON is a field of Has and Absent alone")
	list := []struct {
		field string
		where storage.Expr
	}{
		{"nothing", eq("nothing", "x")}, {"tenant", eq("tenant", "x")}, {"title; --", eq("title; --", "x")}, {"", eq("", "x")}, {"Title", eq("Title", "x")},
		{"nothing", storage.Absent{Field: field("nothing")}}, {"nothing", storage.In{Field: field("nothing")}}, {"nothing", storage.Is{Field: field("title"), Op: storage.Eq, Value: field("nothing")}},
		{"title", eq("title", nil)}, {"title", eq("title", int64(1))}, {"title", eq("title", "\x00")}, {"title", eq("title", "\xff")}, {"rank", storage.Is{Field: field("rank"), Op: storage.Eq, Value: 1}},
		{"rank", eq("rank", "1")}, {"at", eq("at", at(0).Add(1))}, {"day", eq("day", storage.Date{})}, {"id", eq("id", "x")}, {"title", storage.Is{Field: field("title"), Value: "x"}},
		{"title", storage.Is{Field: field("title"), Op: 99, Value: "x"}}, {"title", storage.Is{Field: field("title"), Op: storage.Eq, Value: field("rank")}},
		{"done", cmp("done", storage.Lt, true)}, {"blob", cmp("blob", storage.Ge, []byte{})}, {"custom", eq("custom", raw("{}"))}, {"custom", storage.In{Field: field("custom"), Values: []any{raw("1")}}},
		{"done", storage.In{Field: field("done"), Values: []any{true}}}, {"blob", storage.In{Field: field("blob"), Values: []any{[]byte{}}}},
		{"title", storage.In{Field: field("title"), Values: []any{"x", nil}}}, {"title", storage.In{Field: field("title"), Values: []any{"x", int64(1)}}}, {"title", storage.In{Field: field("title"), Values: []any{"\x00"}}},
		{"rank", storage.Contains{Field: field("rank"), Text: "1"}}, {"id", storage.Prefix{Field: field("id"), Text: "1"}}, {"title", storage.Contains{Field: field("title"), Text: "\xff"}},
		{"title", storage.Prefix{Field: field("title"), Text: "a\x00"}}, {"title", storage.Has{Field: field("title"), Text: "x"}}, {"tags", storage.Has{Field: field("tags"), Text: "\x00"}},
		{"title", storage.Absent{Field: member("title", "m", storage.Text)}}, {"custom", storage.Absent{Field: member("custom", "m", 0)}}, {"custom", storage.Absent{Field: member("custom", "m", storage.Time)}},
		{"custom", storage.Absent{Field: member("custom", "m", storage.Bytes)}}, {"custom", storage.Absent{Field: member("custom", "m\x00", storage.Text)}}, {"custom", storage.Absent{Field: member("custom", "\xff", storage.Text)}},
		{"custom", storage.Absent{Field: member("custom", strings.Repeat("m", 257), storage.Text)}}, {"custom", storage.Is{Field: member("custom", "m", storage.Int), Op: storage.Eq, Value: "x"}},
		{"custom", eq2(whole, raw(`[]`))}, {"custom", eq2(whole, "x")}, {"custom", eq2(whole, whole)}, {"custom", eq2(field("title"), whole)}, {"custom", eq2(field("custom"), whole)},
		{"custom", storage.In{Field: whole}}, {"custom", storage.In{Field: whole, Values: []any{raw(`[]`)}}}, {"custom", storage.Contains{Field: whole, Text: "x"}}, {"custom", storage.Prefix{Field: whole, Text: "x"}},
		{"custom", storage.Has{Field: whole, Text: "\x00"}}, {"custom", storage.Has{Field: whole, Text: "\xff"}}, {"custom", storage.Has{Field: member("custom", "m", storage.Text), Text: "x"}},
		{"custom", storage.Has{Field: member("custom", "m", 0), Text: "x"}}, {"custom", storage.Has{Field: member("custom", "m\x00", storage.JSON), Text: "x"}},
		{"title", storage.Has{Field: member("title", "m", storage.JSON), Text: "x"}}, {"title", storage.Absent{Field: member("title", "m", storage.JSON)}},
		{"custom", storage.Absent{Field: member("custom", strings.Repeat("m", 257), storage.JSON)}}, {"custom", storage.Absent{Field: member("custom", "\xff", storage.JSON)}},
		{"title", storage.Absent{Field: storage.Field{Name: "name", Ref: &storage.Ref{Column: "title", Table: e.author}}}},
		{"nothing", storage.Absent{Field: storage.Field{Name: "name", Ref: &storage.Ref{Column: "nothing", Table: e.author}}}},
		{"note_id", storage.Absent{Field: storage.Field{Name: "n", Ref: &storage.Ref{Column: "note_id", Table: e.mark}}}},
		{"author_id", storage.Absent{Field: storage.Field{Name: "kind", Ref: &storage.Ref{Column: "author_id", Table: e.mark}}}},
		{"nothing", storage.Exists{Rel: storage.Rel{Table: e.mark, Column: "note_id", Key: "nothing"}}}, {"title", storage.Exists{Rel: storage.Rel{Table: e.mark, Column: "note_id", Key: "title"}}},
		{"custom", storage.Exists{Rel: storage.Rel{Table: e.mark, Column: "data", Key: "custom"}}}, {"", storage.Count{Rel: e.marks(), N: 1}}, {"", not(nil)}, {"", storage.And{nil}},
		{"", storage.Or{storage.And{}, nil}}, {"", &storage.And{}},
	}
	// The table of a fault in another one's column is that one.
	others := map[string]storage.Expr{
		"author.nothing": eq2(e.authorField("nothing"), "x"),
		"author.data":    eq2(theirs, "x"),
		"mark.nothing":   storage.Exists{Rel: e.marks(), Where: eq("nothing", "x")},
		"mark.n":         storage.Count{Rel: e.marks(), Where: eq("n", "x"), Op: storage.Eq},
		"mark.title":     storage.Exists{Rel: storage.Rel{Table: e.mark, Column: "title", Key: "title"}},
		"mark.rank":      storage.Exists{Rel: e.marks(), Where: eq("rank", int64(1))},
	}
	check := func(table, field string, where storage.Expr) {
		t.Helper()
		_, err := e.find(&storage.Query{Table: e.note, Where: where, Limit: 1})
		invalid(t, err, table, field, show(where))
		_, err = e.reckon(&storage.Aggregate{Table: e.note, Where: where, Measure: []storage.Measure{count()}})
		invalid(t, err, table, field, show(where))
		_, err = e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note, Where: where, Set: set("note_id", storage.F("id"), "kind", "k", "n", 1)})
		invalid(t, err, table, field, show(where))
	}
	for _, c := range list {
		check("note", c.field, c.where)
	}
	for name, where := range others {
		table, field, _ := strings.Cut(name, ".")
		check(table, field, where)
	}
	fault := invalid(t, e.try(insert(e.note, row(e.note, "id", id(1))), wipe(e.mark, eq("nothing", "x"))), "mark", "nothing", "clear")
	require.Equal(t, 1, fault.Change)
	require.Equal(t, 0, e.count(e.note, nil))
}

func eq2(f storage.Field, v any) storage.Expr {
	return storage.Is{Field: f, Op: storage.Eq, Value: v}
}

func testBadTrees(t *testing.T, e *env) {
	wide, deep := storage.Or{}, cmp("rank", storage.Eq, 1)
	for range storage.MaxNodes {
		wide = append(wide, cmp("rank", storage.Eq, 1))
	}
	rels := deep
	for range storage.MaxDepth + 1 {
		deep = not(deep)
		rels = storage.Exists{Rel: storage.Rel{Table: e.note, Column: "parent_id", Key: "id"}, Where: rels}
	}
	many := []any{}
	for i := range storage.MaxValues + 1 {
		many = append(many, int64(i))
	}
	for field, list := range map[string][]storage.Expr{
		"":     {wide, deep, rels, storage.Exists{Rel: storage.Rel{Table: e.note, Column: "parent_id", Key: "id"}, Where: wide}},
		"rank": {storage.In{Field: storage.F("rank"), Values: many}},
	} {
		for _, where := range list {
			_, err := e.find(&storage.Query{Table: e.note, Where: where, Limit: 1})
			invalid(t, err, "note", field, "a read")
			_, err = e.reckon(&storage.Aggregate{Table: e.note, Where: where, Measure: []storage.Measure{count()}})
			invalid(t, err, "note", field, "an aggregate")
		}
	}
}

func testBadQueries(t *testing.T, e *env) {
	nine := []storage.Order{}
	for range storage.MaxOrder + 1 {
		nine = append(nine, storage.Order{Field: storage.F("rank")})
	}
	order := func(f storage.Field) []storage.Order { return []storage.Order{{Field: f}} }
	for name, c := range map[string]struct {
		field string
		q     storage.Query
	}{
		"no limit":             {"", storage.Query{}},
		"a negative limit":     {"", storage.Query{Limit: -1}},
		"too much":             {"", storage.Query{Limit: storage.MaxPage + 1}},
		"too many terms":       {"", storage.Query{Limit: 1, Order: nine}},
		"an unknown term":      {"nothing", storage.Query{Limit: 1, Order: order(storage.F("nothing"))}},
		"the tenant as a term": {"tenant", storage.Query{Limit: 1, Order: order(storage.F("tenant"))}},
		"JSON as a term":       {"custom", storage.Query{Limit: 1, Order: order(storage.F("custom"))}},
		"a member of no kind":  {"custom", storage.Query{Limit: 1, Order: order(member("custom", "m", storage.Day))}},
		"a member as JSON":     {"custom", storage.Query{Limit: 1, Order: order(member("custom", "m", storage.JSON))}},
		"more of JSON":         {"custom", storage.Query{Limit: 1, Also: []storage.Field{member("custom", "m", storage.JSON)}}},
		"an unknown column":    {"", storage.Query{Limit: 1, Columns: []int{0, 20}}},
		"a negative column":    {"", storage.Query{Limit: 1, Columns: []int{-1}}},
		"an unknown field":     {"nothing", storage.Query{Limit: 1, Also: []storage.Field{storage.F("nothing")}}},
		"a lock with fields":   {"", storage.Query{Limit: 1, Lock: true, Also: []storage.Field{storage.F("rank")}}},
		"a share with fields":  {"", storage.Query{Limit: 1, Share: true, Also: []storage.Field{storage.F("rank")}}},
		"a share by reference": {"name", storage.Query{Limit: 1, Share: true, Order: order(e.authorField("name"))}},
		"both locks":           {"", storage.Query{Limit: 1, Lock: true, Share: true}},
		"a lock by reference":  {"name", storage.Query{Limit: 1, Lock: true, Order: order(e.authorField("name"))}},
	} {
		c.q.Table = e.note
		_, err := e.find(&c.q)
		invalid(t, err, "note", c.field, name)
		require.NoError(t, e.s.Atomic(e.ctx, func(storage.Session) error { return nil }), "the Store goes on")
	}
}

func testBadPositions(t *testing.T, e *env) {
	rank := []storage.Order{{Field: storage.F("rank")}}
	for name, c := range map[string]struct {
		order []storage.Order
		after []any
	}{
		"empty":                 {nil, []any{}},
		"too short":             {rank, []any{int64(1)}},
		"too long":              {rank, []any{int64(1), id(1), id(2)}},
		"of another kind":       {rank, []any{"1", id(1)}},
		"an int":                {rank, []any{1, id(1)}},
		"a key of another kind": {rank, []any{int64(1), "x"}},
		"a key absent":          {rank, []any{int64(1), nil}},
		"only a key absent":     {nil, []any{nil}},
		"a NUL":                 {[]storage.Order{{Field: storage.F("title")}}, []any{"\x00", id(1)}},
		"a nanosecond":          {[]storage.Order{{Field: storage.F("at")}}, []any{at(0).Add(1), id(1)}},
		"no day":                {[]storage.Order{{Field: storage.F("day")}}, []any{day(2023, 2, 29), id(1)}},
	} {
		_, err := e.find(&storage.Query{Table: e.note, Order: c.order, After: c.after, Limit: 1})
		invalid(t, err, "note", "", name)
	}
}

func testBadAggregates(t *testing.T, e *env) {
	group := func(column string, bounds ...any) []storage.Group {
		return []storage.Group{{Field: storage.F(column), Bounds: bounds}}
	}
	one := []storage.Measure{count()}
	many := []any{}
	for i := range storage.MaxBounds + 1 {
		many = append(many, int64(i))
	}
	nine := []storage.Group{}
	for range storage.MaxOrder + 1 {
		nine = append(nine, storage.Group{Field: storage.F("rank")})
	}
	for name, c := range map[string]struct {
		field string
		a     storage.Aggregate
	}{
		"no measure":               {"", storage.Aggregate{}},
		"too many measures":        {"", storage.Aggregate{Measure: slices.Repeat(one, storage.MaxColumns+1)}},
		"too many groups":          {"", storage.Aggregate{Measure: one, Group: nine}},
		"no function":              {"rank", storage.Aggregate{Measure: []storage.Measure{{Field: storage.F("rank")}}}},
		"an unknown function":      {"rank", storage.Aggregate{Measure: []storage.Measure{{Fn: 99, Field: storage.F("rank")}}}},
		"an unknown field":         {"nothing", storage.Aggregate{Measure: []storage.Measure{of(storage.Sum, "nothing")}}},
		"a sum of text":            {"title", storage.Aggregate{Measure: []storage.Measure{of(storage.Sum, "title")}}},
		"a sum of times":           {"at", storage.Aggregate{Measure: []storage.Measure{of(storage.Sum, "at")}}},
		"the most of bools":        {"done", storage.Aggregate{Measure: []storage.Measure{of(storage.Max, "done")}}},
		"the least of bytes":       {"blob", storage.Aggregate{Measure: []storage.Measure{of(storage.Min, "blob")}}},
		"distinct JSON":            {"custom", storage.Aggregate{Measure: []storage.Measure{of(storage.Distinct, "custom")}}},
		"a count of a JSON member": {"custom", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.CountOf, Field: member("custom", "m", storage.JSON)}}}},
		"distinct JSON members":    {"custom", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.Distinct, Field: member("custom", "m", storage.JSON)}}}},
		"a group by a JSON member": {"custom", storage.Aggregate{Measure: one, Group: []storage.Group{{Field: member("custom", "m", storage.JSON)}}}},
		"no percent":               {"rank", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.Percentile, Field: storage.F("rank")}}}},
		"101 percent":              {"rank", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.Percentile, Field: storage.F("rank"), P: 101}}}},
		"a percentile of bools":    {"done", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.Percentile, Field: storage.F("done"), P: 50}}}},
		"an unknown group":         {"nothing", storage.Aggregate{Measure: one, Group: group("nothing")}},
		"a group by JSON":          {"custom", storage.Aggregate{Measure: one, Group: group("custom")}},
		"bounds of bools":          {"done", storage.Aggregate{Measure: one, Group: group("done", true)}},
		"a measure's condition":    {"nothing", storage.Aggregate{Measure: []storage.Measure{{Fn: storage.CountRows, Where: storage.Absent{Field: storage.F("nothing")}}}}},
		"a group's condition":      {"nothing", storage.Aggregate{Measure: one, Group: []storage.Group{{Field: storage.F("rank"), Where: storage.Absent{Field: storage.F("nothing")}}}}},
		"no bounds":                {"rank", storage.Aggregate{Measure: one, Group: []storage.Group{{Field: storage.F("rank"), Bounds: []any{}}}}},
		"too many bounds":          {"rank", storage.Aggregate{Measure: one, Group: group("rank", many...)}},
		"bounds of another kind":   {"rank", storage.Aggregate{Measure: one, Group: group("rank", "1")}},
		"an absent bound":          {"rank", storage.Aggregate{Measure: one, Group: []storage.Group{{Field: storage.F("rank"), Bounds: []any{nil}}}}},
		"bounds that descend":      {"rank", storage.Aggregate{Measure: one, Group: group("rank", int64(2), int64(1))}},
		"a bound twice":            {"at", storage.Aggregate{Measure: one, Group: group("at", at(1), at(1).In(time.FixedZone("", 3600)))}},
		"a bound finer than a row": {"at", storage.Aggregate{Measure: one, Group: group("at", at(1).Add(1))}},
	} {
		c.a.Table = e.note
		_, err := e.reckon(&c.a)
		invalid(t, err, "note", c.field, name)
	}
}

func testBadChanges(t *testing.T, e *env) {
	one := row(e.note, "id", id(1))
	e.add(e.note, one)
	for name, c := range map[string]struct {
		table, field string
		change       storage.Change
	}{
		"no action":            {"note", "", storage.Change{Table: e.note, Row: one}},
		"an unknown action":    {"note", "", storage.Change{Action: 9, Table: e.note, Row: one}},
		"no row":               {"note", "", storage.Change{Action: storage.Insert, Table: e.note}},
		"clearing records":     {"note", "", wipe(e.note, nil)},
		"clearing by a row":    {"mark", "", storage.Change{Action: storage.Clear, Table: e.mark, Row: row(e.mark)}},
		"setting the key":      {"note", "id", update(e.note, one, 1, "title", "id")},
		"setting the version":  {"note", "version", update(e.note, one, 1, "version")},
		"setting twice":        {"note", "title", update(e.note, one, 1, "title", "rank", "title")},
		"setting nothing":      {"note", "", storage.Change{Action: storage.Update, Table: e.note, Row: one, Version: 1, Columns: []int{}}},
		"an unknown column":    {"note", "", storage.Change{Action: storage.Update, Table: e.note, Row: one, Version: 1, Columns: []int{20}}},
		"a ledger's key set":   {"mark", "kind", update(e.mark, row(e.mark), 0, "kind")},
		"a wrong condition":    {"mark", "n", wipe(e.mark, eq("n", "x"))},
		"a table of no column": {"", "", insert(&storage.Table{Name: "empty"}, nil)},
	} {
		if c.table == "" {
			c.table, c.change.Row = "empty", storage.Values{}
		}
		err := invalid(t, e.try(insert(e.note, row(e.note, "id", id(2))), c.change), c.table, c.field, name)
		require.Equal(t, 1, err.Change, name)
		e.same(e.note, []storage.Values{one}, e.all(e.note, nil))
	}
	refused(t, e.try(storage.Change{Action: storage.Insert, Row: one}), storage.ErrInvalid)
}

func testBadExpansions(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	whole := func(more ...any) []storage.Assign {
		return append(set("note_id", storage.F("id"), "kind", "k", "n", 1), set(more...)...)
	}
	for name, c := range map[string]struct {
		table, field string
		x            storage.Expansion
	}{
		"into records":          {"note", "", storage.Expansion{Into: e.note, From: e.note, Set: whole()}},
		"a required column out": {"mark", "n", storage.Expansion{Into: e.mark, From: e.note, Set: whole()[:2]}},
		"an unknown column":     {"mark", "nothing", storage.Expansion{Into: e.mark, From: e.note, Set: whole("nothing", 1)}},
		"the tenant":            {"mark", "tenant", storage.Expansion{Into: e.mark, From: e.note, Set: whole("tenant", "other")}},
		"a column twice":        {"mark", "kind", storage.Expansion{Into: e.mark, From: e.note, Set: whole("kind", "l")}},
		"a value of a kind":     {"mark", "flag", storage.Expansion{Into: e.mark, From: e.note, Set: whole("flag", 1)}},
		"a NUL":                 {"mark", "code", storage.Expansion{Into: e.mark, From: e.note, Set: whole("code", "\x00")}},
		"an absent value":       {"mark", "n", storage.Expansion{Into: e.mark, From: e.note, Set: append(whole()[:2], set("n", nil)...)}},
		"a field of a kind":     {"mark", "code", storage.Expansion{Into: e.mark, From: e.note, Set: whole("code", storage.F("rank"))}},
		"a member as JSON":      {"note", "custom", storage.Expansion{Into: e.mark, From: e.note, Set: whole("data", member("custom", "m", storage.JSON))}},
		"an unknown field":      {"note", "nothing", storage.Expansion{Into: e.mark, From: e.note, Set: whole("code", storage.F("nothing"))}},
	} {
		n, err := e.s.Expand(e.ctx, e.tenant, &c.x)
		invalid(t, err, c.table, c.field, name)
		require.Zero(t, n)
	}
	_, err := e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, Set: whole()})
	refused(t, err, storage.ErrInvalid)
	require.Equal(t, 0, e.count(e.mark, nil))
}

func testBadTenants(t *testing.T, e *env) {
	for _, tenant := range []string{"", strings.Repeat("x", storage.MaxTenant+1), "a\x00", "\x00", "\xff", strings.Repeat("😀", 16) + "x"} {
		c := e.as(tenant)
		calls := c.calls()
		delete(calls, "atomic") // it names no tenant
		for call, err := range calls {
			require.ErrorIs(t, err, storage.ErrInvalid, "%s for %q", call, tenant)
			require.Equal(t, "tenant", refused(t, err, storage.ErrInvalid).Field, "%s for %q", call, tenant)
		}
		require.ErrorIs(t, c.try(wipe(e.mark, nil)), storage.ErrInvalid)
		if !e.Joined && tenant != "" {
			refused(t, e.Store.Tenants(e.ctx, e.registry, tenant, 1, func(string) storage.Row { return nil }), storage.ErrInvalid)
		}
	}
	require.Equal(t, 0, e.number("select count(*) from %s where length(tenant) = 0 or length(tenant) > 64", e.Table("note")))
}

func testBadClaims(t *testing.T, e *env) {
	if e.Joined {
		t.Skip("Claim is a call on a Store")
	}
	e.add(e.queue, e.job(1, at(0)))
	for name, wrong := range map[string]func(c *storage.Claim){
		"no limit":            func(c *storage.Claim) { c.Limit = 0 },
		"too much":            func(c *storage.Claim) { c.Limit = storage.MaxPage + 1 },
		"no lease":            func(c *storage.Claim) { c.Until = c.Now },
		"a nanosecond":        func(c *storage.Claim) { c.Now = c.Now.Add(1) },
		"a nanosecond later":  func(c *storage.Claim) { c.Until = c.Until.Add(1) },
		"a far time":          func(c *storage.Claim) { c.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a ledger":            func(c *storage.Claim) { c.Queue = storage.Queue{Table: e.mark, Bucket: "n", Due: "at"} },
		"a table with no key": func(c *storage.Claim) { c.Queue = storage.Queue{Table: e.registry, Bucket: "number", Due: "name"} },
		"no bucket":           func(c *storage.Claim) { c.Queue.Bucket = "nothing" },
		"a bucket of text":    func(c *storage.Claim) { c.Queue.Bucket = "kind" },
		"no due":              func(c *storage.Claim) { c.Queue.Due = "kind" },
		"no table":            func(c *storage.Claim) { c.Queue.Table = nil },
		"a wrong After":       func(c *storage.Claim) { c.After = "\x00" },
		"a long After":        func(c *storage.Claim) { c.After = strings.Repeat("x", 65) },
	} {
		c := e.ask(1, 10)
		wrong(&c)
		err := e.Store.Claim(e.ctx, &c, func(string) storage.Row {
			t.Error(name, "delivers a row")
			return nil
		})
		require.Equal(t, "claim", refused(t, err, storage.ErrInvalid).Op, name)
		if c.Queue != e.ask(1, 10).Queue || !c.Now.Equal(at(1)) {
			_, err := e.Store.Due(e.ctx, c.Queue, c.Now)
			require.Equal(t, "due", refused(t, err, storage.ErrInvalid).Op, name)
		}
	}
	for _, limit := range []int{0, -1, storage.MaxPage + 1} {
		refused(t, e.Store.Tenants(e.ctx, e.registry, "", limit, func(string) storage.Row { return nil }), storage.ErrInvalid)
	}
	refused(t, e.Store.Tenants(e.ctx, e.note, "", 1, func(string) storage.Row { return nil }), storage.ErrInvalid)
	e.same(e.queue, []storage.Values{e.job(1, at(0))}, e.all(e.queue, nil))
}

func testBadTables(t *testing.T, e *env) {
	column := []storage.Column{{Name: "id", Kind: storage.ID}}
	many := []storage.Column{}
	for i := range storage.MaxColumns + 1 {
		many = append(many, storage.Column{Name: fmt.Sprintf("c%d", i), Kind: storage.Int})
	}
	for name, table := range map[string]*storage.Table{
		"none":                {},
		"a capital":           {Name: "Note", Columns: column},
		"a quote":             {Name: `note"`, Columns: column},
		"a long name":         {Name: strings.Repeat("n", storage.MaxName+1), Columns: column},
		"too many columns":    {Name: "note", Columns: many},
		"a column's quote":    {Name: "note", Columns: []storage.Column{{Name: `id" or 1=1 --`, Kind: storage.ID}}},
		"no kind":             {Name: "note", Columns: []storage.Column{{Name: "id"}}},
		"the tenant listed":   {Name: "note", Columns: []storage.Column{{Name: "tenant", Kind: storage.Text}}},
		"a column twice":      {Name: "note", Columns: append(column, column...)},
		"a key not there":     {Name: "note", Columns: column, Key: []string{"key"}},
		"a version not there": {Name: "note", Columns: column, Version: "version"},
	} {
		_, err := e.find(&storage.Query{Table: table, Limit: 1})
		refused(t, err, storage.ErrInvalid)
		_, err = e.reckon(&storage.Aggregate{Table: table, Measure: []storage.Measure{count()}})
		refused(t, err, storage.ErrInvalid)
		require.ErrorIs(t, e.try(storage.Change{Action: storage.Insert, Table: table, Row: storage.Values{}}), storage.ErrInvalid, name)
	}
	_, err := e.find(&storage.Query{Limit: 1})
	refused(t, err, storage.ErrInvalid)
}

func testLongIndexed(t *testing.T, e *env) {
	text := long(math.MaxUint16)
	err := e.try(insert(e.author, row(e.author, "id", id(1))), insert(e.note, row(e.note, "id", id(1), "email", text)))
	if e.Dialect == "postgres" {
		require.Equal(t, 1, refused(t, err, storage.ErrInvalid).Change)
		require.Equal(t, 0, e.count(e.note, nil)+e.count(e.author, nil))
		return
	}
	require.NoError(t, err)
	require.Equal(t, []int{1}, e.numbers(e.note, eq("email", text)))
}

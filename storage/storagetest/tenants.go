package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func tenantTests() []testCase {
	return []testCase{
		{"no call sees another tenant's rows", shared, testTenantReads},
		{"no condition reaches round the tenant", shared, testTenantConditions},
		{"no write touches another tenant's rows", shared, testTenantWrites},
		{"Expand takes and adds a tenant's own rows alone", shared, testTenantExpand},
		{"a reference never leads to another tenant", shared, testTenantReferences},
		{"keys and unique values are each tenant's own", shared, testTenantKeys},
		{"a tenant may have any key", shared, testTenantNames},
		{"random conditions never see another tenant", shared, testTenantRandom},
		{"Tenants reads one row a tenant in their order", fresh, testTenants},
	}
}

// neighbours fills two tenants with rows of the same keys and returns them: all
// of the second differ from the first's by what they say.
func (e *env) neighbours() (mine, theirs *env) {
	e.t.Helper()
	mine, theirs = e.as(e.tenant), e.as(e.tenant+"x")
	for i, c := range []*env{mine, theirs} {
		name := []string{"mine", "theirs"}[i]
		c.add(c.author, row(c.author, "id", id(1), "name", name, "rank", 1+i*100, "data", raw(`{"who":["`+name+`"]}`)), row(c.author, "id", id(2), "name", name, "rank", 2+i*100))
		c.add(c.note, row(c.note, "id", id(1), "title", name, "author_id", id(1), "rank", 1+i*100, "custom", raw(`{"who":"`+name+`"}`)),
			row(c.note, "id", id(2), "title", name, "author_id", id(2), "parent_id", id(1), "rank", 2+i*100, "tags", raw(`["`+name+`"]`)))
		c.add(c.mark, row(c.mark, "note_id", id(1), "kind", "k", "n", 1, "code", name))
		c.add(c.registry, row(c.registry, "name", name))
	}
	theirs.add(e.author, row(e.author, "id", id(3), "name", "theirs"))
	theirs.add(e.note, row(e.note, "id", id(3), "title", "theirs", "author_id", id(3), "rank", 103))
	theirs.add(e.mark, row(e.mark, "note_id", id(1), "kind", "theirs", "n", 1), row(e.mark, "note_id", id(3), "kind", "k", "n", 1))
	return mine, theirs
}

// always are conditions that hold for every row there is.
func (e *env) always() []storage.Expr {
	always := storage.Or{storage.Absent{Field: storage.F("body")}, not(storage.Absent{Field: storage.F("body")})}
	return []storage.Expr{
		nil, storage.And{}, not(storage.Or{}), always, not(not(always)), storage.Or{always, cmp("rank", storage.Eq, 1)}, storage.Or{storage.And{}, storage.Or{}},
		storage.Or{cmp("rank", storage.Ge, -1), cmp("rank", storage.Lt, -1)}, not(cmp("rank", storage.Eq, -5)), storage.Prefix{Field: storage.F("title"), Text: ""},
		storage.Contains{Field: storage.F("title"), Text: ""}, storage.Count{Rel: e.marks(), Op: storage.Ge, N: 0},
		storage.Or{storage.Exists{Rel: e.marks(), Where: storage.And{}}, not(storage.Exists{Rel: e.marks()})},
		storage.Exists{Rel: storage.Rel{Table: e.note, Column: "done", Key: "done"}},
		not(storage.In{Field: storage.F("title"), Values: []any{"x') or 1=1 --"}}),
		not(storage.Has{Field: member("custom", "x') or 1=1 --", storage.JSON), Text: "x"}), storage.Absent{Field: member("custom", "x') or 1=1 --", storage.JSON)},
	}
}

func testTenantReads(t *testing.T, e *env) {
	mine, theirs := e.neighbours()
	for n, where := range e.always() {
		require.Equal(t, []int{1, 2}, mine.numbers(e.note, where), show(where))
		require.Equal(t, []int{1, 2, 3}, theirs.numbers(e.note, where), show(where))
		require.Equal(t, 2, mine.count(e.note, where), show(where))
		for _, limit := range []int{1, 2, 3} {
			got := mine.pages(storage.Query{Table: e.note, Where: where, Order: []storage.Order{{Field: e.authorField("name"), Desc: n%2 == 0}}}, limit)
			require.Len(t, got, 2, show(where))
			require.Equal(t, "mine", got[0][0])
		}
		got := mine.figures(&storage.Aggregate{Table: e.note, Where: where, Group: []storage.Group{{Field: storage.F("title")}}, Measure: []storage.Measure{
			count(), of(storage.Sum, "rank"), of(storage.Max, "rank"), of(storage.Distinct, "rank"), {Fn: storage.Percentile, Field: storage.F("rank"), P: 100},
			{Fn: storage.Max, Field: e.authorField("name")},
		}})
		require.Equal(t, []storage.Values{{"mine", int64(2), int64(3), int64(2), int64(2), int64(2), "mine"}}, got, show(where))
	}
	require.Len(t, mine.all(e.mark, nil), 1)
	require.Equal(t, "mine", mine.all(e.registry, nil)[0][2])
	stranger := e.as(e.tenant + "y")
	for _, table := range []*storage.Table{e.author, e.note, e.mark, e.registry} {
		require.Empty(t, stranger.all(table, nil), table.Name)
	}
	q := &storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F("rank")}}, After: []any{int64(-1), id(0)}, Limit: 100}
	require.Len(t, mine.read(q), 2, "behind a position before all rows")
	require.NoError(t, e.s.Atomic(e.ctx, func(s storage.Session) error {
		require.Len(t, mine.on(s).read(&storage.Query{Table: e.note, Where: storage.Or{storage.And{}}, Limit: 100, Lock: true}), 2)
		return nil
	}))
}

func testTenantConditions(t *testing.T, e *env) {
	mine, _ := e.neighbours()
	notes, same := storage.Rel{Table: e.note, Column: "author_id", Key: "id"}, storage.Rel{Table: e.note, Column: "done", Key: "done"}
	parent := storage.Field{Name: "title", Ref: &storage.Ref{Column: "parent_id", Table: e.note}}
	who := e.authorField("data")
	who.Member, who.Kind = "who", storage.JSON
	for _, c := range []struct {
		table *storage.Table
		where storage.Expr
		want  []int
	}{
		{e.note, storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "theirs"}, []int{}},
		{e.note, storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "mine"}, []int{1, 2}},
		{e.note, storage.Is{Field: parent, Op: storage.Eq, Value: "theirs"}, []int{}},
		{e.note, storage.Has{Field: who, Text: "theirs"}, []int{}},
		{e.note, storage.Has{Field: who, Text: "mine"}, []int{1}},
		{e.note, storage.Absent{Field: who}, []int{2}},
		{e.note, storage.Exists{Rel: e.marks(), Where: eq("code", "theirs")}, []int{}},
		{e.note, storage.Exists{Rel: e.marks(), Where: eq("kind", "theirs")}, []int{}},
		{e.note, storage.Count{Rel: e.marks(), Op: storage.Eq, N: 1}, []int{1}},
		{e.note, storage.Count{Rel: same, Op: storage.Eq, N: 2}, []int{1, 2}},
		{e.note, storage.Count{Rel: same, Where: storage.Or{storage.And{}, eq("title", "x")}, Op: storage.Gt, N: 2}, []int{}},
		{e.author, storage.Exists{Rel: notes, Where: storage.Or{eq("title", "theirs"), cmp("rank", storage.Gt, 100)}}, []int{}},
		{e.author, storage.Exists{Rel: notes, Where: storage.Exists{Rel: e.marks(), Where: storage.Or{storage.And{}}}}, []int{1}},
		{e.author, storage.Exists{Rel: notes, Where: storage.Is{Field: e.authorField("name"), Op: storage.Eq, Value: "theirs"}}, []int{}},
		{e.note, storage.Or{cmp("rank", storage.Gt, 100), eq("title", "theirs")}, []int{}},
		{e.note, storage.In{Field: storage.F("id"), Values: []any{id(1), id(3)}}, []int{1}},
		{e.note, storage.Has{Field: storage.F("tags"), Text: "theirs"}, []int{}},
		{e.note, storage.Is{Field: member("custom", "who", storage.Text), Op: storage.Eq, Value: "theirs"}, []int{}},
	} {
		require.Equal(t, c.want, mine.numbers(c.table, c.where), show(c.where))
		require.Equal(t, len(c.want), mine.count(c.table, c.where), show(c.where))
	}
}

func testTenantWrites(t *testing.T, e *env) {
	mine, theirs := e.neighbours()
	tables := []*storage.Table{e.author, e.note, e.mark, e.registry}
	before := map[*storage.Table][]storage.Values{}
	for _, table := range tables {
		before[table] = theirs.all(table, nil)
	}
	unchanged := func() {
		t.Helper()
		for _, table := range tables {
			e.same(table, before[table], theirs.all(table, nil))
		}
	}
	// What only they have is not there.
	refused(t, mine.try(update(e.note, row(e.note, "id", id(3), "title", "taken over"), 1)), storage.ErrNotFound)
	refused(t, mine.try(update(e.note, row(e.note, "id", id(3), "title", "taken over"), 1, "title")), storage.ErrNotFound)
	refused(t, mine.try(remove(e.note, row(e.note, "id", id(3)), 1)), storage.ErrNotFound)
	refused(t, mine.try(update(e.mark, row(e.mark, "note_id", id(1), "kind", "theirs", "n", 1, "flag", true), 0)), storage.ErrNotFound)
	mine.write(remove(e.mark, row(e.mark, "note_id", id(3), "kind", "k", "n", 1), 0))
	unchanged()
	// What both have is changed for one.
	mine.write(update(e.note, row(e.note, "id", id(1), "title", "changed"), 1, "title"), update(e.registry, row(e.registry, "name", "changed"), 1),
		update(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", 1, "flag", true), 0, "flag"))
	unchanged()
	mine.write(remove(e.registry, row(e.registry), 2), wipe(e.mark, storage.Or{storage.And{}, cmp("n", storage.Ge, 0)}))
	unchanged()
	for _, where := range []storage.Expr{nil, storage.And{}, not(storage.Or{}), storage.Or{cmp("n", storage.Ge, 0), cmp("n", storage.Lt, 0)},
		storage.Exists{Rel: storage.Rel{Table: e.note, Column: "done", Key: "flag"}}, not(storage.Exists{Rel: storage.Rel{Table: e.note, Column: "id", Key: "note_id"}, Where: eq("title", "no")})} {
		mine.write(insert(e.mark, row(e.mark, "note_id", id(2), "flag", false)), wipe(e.mark, where))
		require.Equal(t, 0, mine.count(e.mark, nil), show(where))
		unchanged()
	}
	mine.write(remove(e.note, row(e.note, "id", id(2)), 1), remove(e.note, row(e.note, "id", id(1)), 2))
	require.Empty(t, mine.all(e.note, nil))
	unchanged()
}

func testTenantExpand(t *testing.T, e *env) {
	mine, theirs := e.neighbours()
	for n, where := range e.always() {
		x := &storage.Expansion{Into: e.mark, From: e.note, Where: where, Set: set("note_id", storage.F("id"), "kind", fmt.Sprint("x", n), "n", storage.F("rank"), "code", nil)}
		require.Equal(t, 2, mine.expand(x), show(where))
		require.Equal(t, 2, mine.count(e.mark, eq("kind", fmt.Sprint("x", n))))
	}
	require.Equal(t, 3, theirs.count(e.mark, nil))
	require.Equal(t, 0, mine.count(e.mark, cmp("n", storage.Gt, 100)))
	name := &storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", e.authorField("name"), "n", 1)}
	require.Equal(t, 2, mine.expand(name))
	require.Equal(t, 2, mine.count(e.mark, eq("kind", "mine")))
}

func testTenantReferences(t *testing.T, e *env) {
	mine, theirs := e.neighbours()
	refused(t, mine.try(insert(e.note, row(e.note, "id", id(9), "author_id", id(3)))), storage.ErrConflict)
	refused(t, mine.try(update(e.note, row(e.note, "id", id(1), "author_id", id(3)), 1, "author_id")), storage.ErrConflict)
	refused(t, mine.try(insert(e.mark, row(e.mark, "note_id", id(3)))), storage.ErrConflict)
	mine.write(update(e.note, row(e.note, "id", id(1), "token", id(3)), 1, "token")) // no reference, but a Ref over it
	token := storage.Field{Name: "name", Ref: &storage.Ref{Column: "token", Table: e.author}}
	require.Equal(t, []int{1, 2}, mine.numbers(e.note, storage.Absent{Field: token}))
	rows := mine.read(&storage.Query{Table: e.note, Limit: 10, Also: []storage.Field{token, e.authorField("name")}})
	require.Equal(t, []any{nil, "mine"}, []any(rows[0][len(e.note.Columns):]))
	// A row in use by them is not in use by me, and the other way round.
	mine.write(wipe(e.mark, nil))
	theirs.add(e.mark, row(e.mark, "note_id", id(2), "kind", "k", "n", 1))
	mine.write(remove(e.note, row(e.note, "id", id(2)), 1))
	refused(t, theirs.try(remove(e.note, row(e.note, "id", id(2)), 1)), storage.ErrConflict)
}

func testTenantKeys(t *testing.T, e *env) {
	mine, theirs := e.as(e.tenant), e.as(e.tenant+"x")
	for _, c := range []*env{mine, theirs} {
		c.add(e.note, row(e.note, "id", id(1), "email", "ada@example.com", "title", c.tenant))
		refused(t, c.try(insert(e.note, row(e.note, "id", id(1)))), storage.ErrConflict)
		refused(t, c.try(insert(e.note, row(e.note, "id", id(2), "email", "ada@example.com"))), storage.ErrConflict)
	}
	require.Equal(t, mine.tenant, mine.get(e.note, 1)[2])
	require.Equal(t, theirs.tenant, theirs.get(e.note, 1)[2])
}

func odd() []string {
	return []string{
		"a", "A", "é", "e\u0301", "李雷", "😀", " ", "  ", "a ", " a", "%", "_", "'", `"`, `\`, "' or '1'='1", "'; drop table note; --", "$1", "?", ":t",
		"null", "0", "00", "\t", "\n", "\u0001", "\u00a0", "{schema}", "a\x7f", "\U0010ffff", strings.Repeat("x", 64), strings.Repeat("x", 63), strings.Repeat("😀", 16),
	}
}

func testTenantNames(t *testing.T, e *env) {
	for n, tenant := range odd() {
		e.as(tenant).add(e.note, row(e.note, "id", id(1), "title", tenant, "rank", n, "email", "ada@example.com"))
	}
	for n, tenant := range odd() {
		c := e.as(tenant)
		require.Equal(t, []storage.Values{{int64(n), int64(1)}}, c.figures(&storage.Aggregate{
			Table: e.note, Group: []storage.Group{{Field: storage.F("rank")}}, Measure: []storage.Measure{count()},
		}), "%q", tenant)
		require.Equal(t, tenant, c.get(e.note, 1)[2])
		c.write(update(e.note, row(e.note, "id", id(1), "title", "x"), 1, "title"))
	}
	for _, tenant := range odd() {
		e.as(tenant).write(remove(e.note, row(e.note, "id", id(1)), 2))
	}
}

func testTenantRandom(t *testing.T, e *env) {
	draw := func(g generator, _ *world) storage.Expr { return g.condition(g.note, 3) }
	property(t, e, 6, e.rounds(100, 1000), ints(), draw, func(e *env, w *world, where storage.Expr) {
		// The other tenant has the same rows and more; conditions never see them.
		other := e.as(e.tenant + "'")
		if other.count(e.note, nil) == 0 {
			other.load(w)
			other.add(e.note, row(e.note, "id", id(1000)), row(e.note, "id", id(1001)))
		}
		require.Equal(e.t, numbersOf(idsOf(w.match(e.note, where))), e.numbers(e.note, where), "%s\n%s", show(where), w.show())
	})
}

func testTenants(t *testing.T, e *env) {
	if e.Joined {
		t.Skip("Tenants is a call on a Store")
	}
	list := odd()
	for n, tenant := range list {
		e.as(tenant).add(e.registry, row(e.registry, "number", n, "name", tenant, "order", n))
		e.as(tenant).add(e.note, row(e.note, "id", id(1)))
	}
	slices.Sort(list)
	read := func(after string, limit int) []string {
		got := []string{}
		var rows []storage.Values
		require.NoError(t, e.Store.Tenants(e.ctx, e.registry, after, limit, func(tenant string) storage.Row {
			got = append(got, tenant)
			rows = append(rows, make(storage.Values, len(e.registry.Columns)))
			return rows[len(rows)-1]
		}))
		for i, r := range rows {
			require.Equal(t, got[i], r[2], "the row is the tenant's")
			require.Equal(t, int64(1), r[0])
			require.Equal(t, r[1], r[3])
		}
		return got
	}
	require.Equal(t, list, read("", storage.MaxPage))
	require.Equal(t, list[:5], read("", 5))
	for i, tenant := range list {
		require.Equal(t, list[i+1:min(i+4, len(list))], append([]string{}, read(tenant, 3)...))
	}
	behind := slices.IndexFunc(list, func(s string) bool { return s > "Z" })
	require.Equal(t, list[behind:behind+2], read("Z", 2), "after a tenant that is not there")
	asked := 0
	require.NoError(t, e.Store.Tenants(e.ctx, e.registry, "", 10, func(string) storage.Row {
		if asked++; asked == 3 {
			return nil
		}
		return make(storage.Values, len(e.registry.Columns))
	}))
	require.Equal(t, 3, asked, "next returning nil ends it")
}

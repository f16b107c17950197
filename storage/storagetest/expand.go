package storagetest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func expandTests() []testCase {
	return []testCase{
		{"a row is added for every row of the condition", shared, testExpand},
		{"columns left out are absent", shared, testExpandLeftOut},
		{"a value of every kind and a field of every kind is assigned", shared, testExpandKinds},
		{"a repeated Expand adds nothing", shared, testExpandRepeated},
		{"a row the ledger has by a unique value stays as it is", shared, testExpandUnique},
		{"rows that collide among themselves are added once", shared, testExpandCollide},
		{"a ledger can be expanded from itself", shared, testExpandItself},
		{"an Expand that fails adds nothing", shared, testExpandFails},
		{"more rows than a batch may have", shared, testExpandMany},
	}
}

func (e *env) expand(x *storage.Expansion) int {
	e.t.Helper()
	n, err := e.s.Expand(e.ctx, e.tenant, x)
	require.NoError(e.t, err)
	return int(n)
}

func set(pairs ...any) []storage.Assign {
	list := []storage.Assign{}
	for i := 0; i < len(pairs); i += 2 {
		v := pairs[i+1]
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		list = append(list, storage.Assign{Column: fmt.Sprint(pairs[i]), Value: v})
	}
	return list
}

func testExpand(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "rank", 9))
	for n := range 10 {
		e.add(e.note, row(e.note, "id", id(n), "rank", n, "author_id", []any{nil, id(1)}[n%2]))
	}
	x := &storage.Expansion{
		Into: e.mark, From: e.note, Where: cmp("rank", storage.Ge, 6), Set: set("note_id", storage.F("id"), "kind", "sent", "n", e.authorField("rank")),
	}
	x.Where = storage.And{x.Where, storage.Is{Field: e.authorField("rank"), Op: storage.Eq, Value: int64(9)}} // 7 and 9
	require.Equal(t, 2, e.expand(x))
	e.same(e.mark, []storage.Values{
		row(e.mark, "note_id", id(7), "kind", "sent", "n", 9), row(e.mark, "note_id", id(9), "kind", "sent", "n", 9),
	}, e.all(e.mark, nil))
	require.Equal(t, 10, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "all", "n", storage.F("rank"))}))
	require.Equal(t, 0, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Where: storage.Or{}, Set: set("note_id", storage.F("id"), "kind", "none", "n", 1)}))
	require.Equal(t, 12, e.count(e.mark, nil))
	require.Equal(t, 10, e.count(e.note, nil))
}

func testExpandLeftOut(t *testing.T, e *env) {
	e.add(e.note, fullNote(e.tables, 1))
	require.Equal(t, 1, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("n", 1, "kind", "", "note_id", storage.F("id"), "flag", nil)}))
	e.same(e.mark, []storage.Values{row(e.mark, "note_id", id(1), "n", 1)}, e.all(e.mark, nil))
}

func testExpandKinds(t *testing.T, e *env) {
	full := fullNote(e.tables, 1)
	e.add(e.note, full, row(e.note, "id", id(2)))
	values := set("note_id", storage.F("id"), "kind", "values", "n", -1, "at", at(7), "code", nil, "flag", false, "day", day(1, 1, 1), "link", id(8),
		"raw", []byte{0, 0xff}, "data", raw(`{"a":[1,"x"]}`))
	require.Equal(t, 2, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: values}))
	fields := set("note_id", storage.F("id"), "kind", storage.F("title"), "n", storage.F("rank"), "at", storage.F("due"), "code", storage.F("email"),
		"flag", storage.F("seen"), "day", storage.F("until"), "link", storage.F("token"), "raw", storage.F("sign"), "data", storage.F("tags"))
	require.Equal(t, 2, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: fields}))
	members := set("note_id", storage.F("id"), "kind", "member", "n", 1, "code", member("custom", "tier", storage.Text), "flag", member("custom", "none", storage.Bool))
	require.Equal(t, 2, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: members}))
	given := func(n int) storage.Values {
		return row(e.mark, "note_id", id(n), "kind", "values", "n", -1, "at", at(7), "flag", false, "day", day(1, 1, 1), "link", id(8), "raw", []byte{0, 0xff}, "data", raw(`{"a":[1,"x"]}`))
	}
	e.same(e.mark, []storage.Values{
		row(e.mark, "note_id", id(1), "kind", "Ada", "n", 7, "at", at(2), "code", full[19], "flag", true, "day", day(2025, 1, 1), "link", id(99), "raw", []byte{3}, "data", raw(`["vip"]`)),
		row(e.mark, "note_id", id(1), "kind", "member", "n", 1, "code", "gold"),
		given(1),
		row(e.mark, "note_id", id(2), "kind", "", "n", 0),
		row(e.mark, "note_id", id(2), "kind", "member", "n", 1),
		given(2),
	}, e.all(e.mark, nil))
}

func testExpandRepeated(t *testing.T, e *env) {
	for n := range 5 {
		e.add(e.note, row(e.note, "id", id(n), "rank", n))
	}
	x := &storage.Expansion{Into: e.mark, From: e.note, Where: cmp("rank", storage.Lt, 3), Set: set("note_id", storage.F("id"), "kind", "k", "n", 1, "code", storage.F("email"), "flag", true)}
	require.Equal(t, 3, e.expand(x))
	require.Equal(t, 0, e.expand(x))
	e.write(update(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", 1, "link", id(5)), 0))
	x.Where, x.Set = nil, set("note_id", storage.F("id"), "kind", "k", "n", 1, "flag", false)
	require.Equal(t, 2, e.expand(x), "only those not yet there")
	require.Equal(t, 2, e.count(e.mark, eq("flag", true)))
	require.Equal(t, 2, e.count(e.mark, eq("flag", false)))
	require.Equal(t, 1, e.count(e.mark, eq("link", id(5))), "what the ledger has stays as it is")
}

func testExpandUnique(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "email", "a"), row(e.note, "id", id(2), "email", "b"), row(e.note, "id", id(3)))
	old := row(e.mark, "note_id", id(3), "kind", "old", "n", 1, "code", "a")
	e.add(e.mark, old)
	x := &storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "k", "n", 1, "code", storage.F("email"))}
	require.Equal(t, 2, e.expand(x), "a row whose code is taken is not added")
	require.Equal(t, 0, e.expand(x))
	e.same(e.mark, []storage.Values{
		row(e.mark, "note_id", id(2), "kind", "k", "n", 1, "code", "b"), row(e.mark, "note_id", id(3), "kind", "k", "n", 1), old,
	}, e.all(e.mark, nil))
}

func testExpandCollide(t *testing.T, e *env) {
	for n := range 10 {
		e.add(e.note, row(e.note, "id", id(n), "token", id(n%3), "title", strconv.Itoa(n%5)))
	}
	require.Equal(t, 3, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("token"), "kind", "k", "n", 1)}))
	require.Equal(t, 5, e.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "l", "n", 1, "code", storage.F("title"))}))
	require.Equal(t, 8, e.count(e.mark, nil))
}

func testExpandItself(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	for n := range 5 {
		e.add(e.mark, row(e.mark, "note_id", id(1), "kind", "a", "n", n))
	}
	x := &storage.Expansion{Into: e.mark, From: e.mark, Where: cmp("n", storage.Gt, 1), Set: set("note_id", storage.F("note_id"), "kind", "b", "n", storage.F("n"))}
	require.Equal(t, 3, e.expand(x))
	require.Equal(t, 0, e.expand(x))
	require.Equal(t, 8, e.count(e.mark, nil))
}

func testExpandFails(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "score", 1, "token", id(1)), row(e.note, "id", id(2), "token", id(77)))
	for name, c := range map[string]struct {
		set  []storage.Assign
		kind error
	}{
		"a reference missing":                {set("note_id", storage.F("token"), "kind", "k", "n", 1), storage.ErrConflict},
		"an absent value where there is one": {set("note_id", storage.F("id"), "kind", "k", "n", storage.F("score")), storage.ErrInvalid},
	} {
		n, err := e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note, Set: c.set})
		require.Equal(t, "mark", refused(t, err, c.kind).Table, name)
		require.Zero(t, n, name)
		require.Equal(t, 0, e.count(e.mark, nil), name)
	}
}

func testExpandMany(t *testing.T, e *env) {
	const n = storage.MaxChanges + 5_000
	e.add(e.note, row(e.note, "id", id(1)))
	rows := make([]storage.Values, n)
	for i := range rows {
		rows[i] = row(e.mark, "note_id", id(1), "kind", "from", "n", i)
	}
	e.add(e.mark, rows...)
	require.Equal(t, n, e.expand(&storage.Expansion{Into: e.mark, From: e.mark, Set: set("note_id", storage.F("note_id"), "kind", "to", "n", storage.F("n"))}))
	require.Equal(t, 2*n, e.count(e.mark, nil))
}

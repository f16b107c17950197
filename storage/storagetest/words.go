package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/storage"
)

func wordTests() []testCase {
	return []testCase{
		{"Words finds what Match accepts, begun with or not", shared, testWords},
		{"the index follows every change", shared, testWordsFollow},
		{"a write that fails leaves the index as it was", shared, testWordsUndone},
		{"words of another tenant are not found", shared, testWordsTenant},
		{"a related row is found by its words", shared, testWordsRelated},
		{"many rows with words are one write", shared, testWordsMany},
		{"words are checked", shared, testWordsInput},
		{"an unordered read ends with its limit", shared, testUnordered},
		{"Put adds a row or takes the place of one", shared, testPut},
		{"Put of the same row twice keeps the last", shared, testPutTwice},
		{"Put is for ledgers with a key", shared, testPutInput},
		{"Add adds a row unless its key is there, and says so", shared, testAdd},
		{"Add of a row that refers to nothing is ErrConflict", shared, testAddReference},
		{"Add of many rows", shared, testAddMany},
		{"of those who Add one row at once one does", shared, testAddAtOnce},
	}
}

// vocabulary is few words, of which some begin with others.
func vocabulary() []string {
	return []string{"a", "ab", "abc", "b", "0", "01", "9", "zz", "and", "or", "not", "near", strings.Repeat("x", 200)}
}

// term is a row of words about the n-th note.
func (e *env) termOf(n int, kind string, words ...string) storage.Values {
	return row(e.term, "note_id", id(n), "kind", kind, "words", strings.Join(words, " "))
}

func put(t *storage.Table, r storage.Values) storage.Change {
	return storage.Change{Action: storage.Put, Table: t, Row: r}
}

// having is the condition that a row has all of the words.
func (e *env) having(words ...string) storage.Words {
	w := storage.Words{Field: storage.F("words"), First: true}
	for _, text := range words {
		prefix := strings.HasSuffix(text, "*")
		w.All = append(w.All, []storage.Word{{Text: strings.TrimSuffix(text, "*"), Prefix: prefix}})
	}
	return w
}

// holding returns the notes with the words, by both ways of finding them.
func (e *env) holding(words ...string) []int {
	e.t.Helper()
	w := e.having(words...)
	begun := e.numbers(e.term, w)
	w.First = false
	require.Equal(e.t, e.numbers(e.term, w), begun, "with and without First: %s", words)
	return begun
}

func testWords(t *testing.T, e *env) {
	rapid.Check(t, func(rt *rapid.T) {
		e.write(wipe(e.term, nil))
		words := rapid.SampledFrom(vocabulary())
		type kept struct {
			n    int
			text string
		}
		var rows []kept
		for n := range rapid.IntRange(1, 8).Draw(rt, "rows") {
			list := rapid.SliceOfN(words, 0, 5).Draw(rt, "words")
			rows = append(rows, kept{n, strings.Join(list, " ")})
			e.write(insert(e.term, e.termOf(n, "k", list...)))
		}
		w := storage.Words{Field: storage.F("words")}
		for range rapid.IntRange(0, 3).Draw(rt, "lists") {
			var list []storage.Word
			for range rapid.IntRange(0, 3).Draw(rt, "alternatives") {
				list = append(list, storage.Word{Text: words.Draw(rt, "word"), Prefix: rapid.Bool().Draw(rt, "prefix")})
			}
			w.All = append(w.All, list)
		}
		w.First = rapid.Bool().Draw(rt, "first")
		other := storage.Words{Field: w.Field, All: [][]storage.Word{{{Text: words.Draw(rt, "other"), Prefix: true}}}, First: rapid.Bool().Draw(rt, "first")}
		for _, where := range []storage.Expr{w, storage.Not{Expr: w}, storage.And{w, storage.Not{Expr: other}}, storage.Or{w, other}, storage.And{w, storage.And{other}}} {
			want := []int{}
			for _, r := range rows {
				if storage.Match(where, record{nil, e.term, e.termOf(r.n, "k", r.text)}) {
					want = append(want, r.n)
				}
			}
			require.Equal(rt, want, e.numbers(e.term, where), "%+v of %+v", where, rows)
		}
	})
}

func testWordsFollow(t *testing.T, e *env) {
	e.write(insert(e.term, e.termOf(1, "k", "old", "same")), insert(e.term, e.termOf(2, "k", "old")), insert(e.term, e.termOf(3, "k", "old")))
	require.Equal(t, []int{1, 2, 3}, e.holding("ol*"))
	e.write(update(e.term, e.termOf(1, "k", "new", "same"), 0, "words"))
	require.Equal(t, []int{2, 3}, e.holding("old"))
	require.Equal(t, []int{1}, e.holding("new", "same"))
	withN := e.termOf(1, "k", "ignored")
	withN[e.term.Index("n")] = int64(7)
	e.write(update(e.term, withN, 0, "n"))
	require.Equal(t, []int{1}, e.holding("new"))
	require.Empty(t, e.holding("ignored"))
	e.write(put(e.term, e.termOf(2, "k", "put")), put(e.term, e.termOf(4, "k", "put")))
	require.Equal(t, []int{2, 4}, e.holding("put"))
	require.Equal(t, []int{3}, e.holding("old"))
	e.write(remove(e.term, e.termOf(2, "k"), 0), remove(e.term, e.termOf(9, "k"), 0))
	require.Equal(t, []int{4}, e.holding("put"))
	e.write(wipe(e.term, storage.Is{Field: storage.F("note_id"), Op: storage.Eq, Value: id(4)}))
	require.Empty(t, e.holding("put"))
	require.Equal(t, []int{1, 3}, e.numbers(e.term, nil))
	e.write(wipe(e.term, nil))
	e.write(insert(e.term, e.termOf(5, "k", "after")))
	require.Equal(t, []int{5}, e.holding("a*"))
	require.Empty(t, e.holding("same"))
}

func testWordsUndone(t *testing.T, e *env) {
	e.write(insert(e.term, e.termOf(1, "k", "kept")), insert(e.term, e.termOf(2, "k", "kept")))
	err := e.try(
		put(e.term, e.termOf(1, "k", "undone")), remove(e.term, e.termOf(2, "k"), 0), insert(e.term, e.termOf(3, "k", "undone")),
		insert(e.term, e.termOf(3, "k", "twice")),
	)
	require.ErrorIs(t, err, storage.ErrConflict)
	require.Equal(t, []int{1, 2}, e.holding("kept"))
	require.Empty(t, e.holding("undone"))
	err = e.s.Atomic(e.ctx, func(s storage.Session) error {
		in := e.on(s)
		in.write(put(e.term, e.termOf(1, "k", "undone")), remove(e.term, e.termOf(2, "k"), 0))
		require.Equal(t, []int{1}, in.holding("undone"))
		return errors.New("undo")
	})
	require.ErrorContains(t, err, "undo")
	require.Equal(t, []int{1, 2}, e.holding("kept"))
	require.Empty(t, e.holding("undone"))
}

func testWordsTenant(t *testing.T, e *env) {
	other := e.as(e.tenant + "x")
	e.write(insert(e.term, e.termOf(1, "k", "word")))
	other.write(insert(e.term, e.termOf(2, "k", "word")))
	require.Equal(t, []int{1}, e.holding("word"))
	require.Equal(t, []int{2}, other.holding("w*"))
	e.write(wipe(e.term, nil))
	require.Equal(t, []int{2}, other.holding("word"))
}

func testWordsRelated(t *testing.T, e *env) {
	for n := range 6 {
		e.add(e.note, row(e.note, "id", id(n)))
		e.write(insert(e.term, e.termOf(n, []string{"k", "l"}[n%2], "all", fmt.Sprintf("n%d", n%3))))
	}
	related := func(words ...string) []int {
		lists := [][]int{}
		for _, first := range []bool{false, true} {
			w := e.having(words...)
			w.First = first
			lists = append(lists, e.numbers(e.note, storage.Exists{
				Rel: storage.Rel{Table: e.term, Column: "note_id", Key: "id"}, First: first,
				Where: storage.And{storage.Is{Field: storage.F("kind"), Op: storage.Eq, Value: "k"}, w},
			}))
		}
		require.Equal(t, lists[0], lists[1])
		return lists[0]
	}
	require.Equal(t, []int{0, 2, 4}, related("all"))
	require.Equal(t, []int{4}, related("all", "n1"))
	require.Empty(t, related("none*"))
}

func testWordsMany(t *testing.T, e *env) {
	const n = 3000
	changes := make([]storage.Change, n)
	for i := range changes {
		changes[i] = insert(e.term, e.termOf(i, "k", "all", fmt.Sprintf("n%d", i%10)))
	}
	e.write(changes...)
	for i := range changes {
		changes[i] = put(e.term, e.termOf(i, "k", "each", fmt.Sprintf("n%d", i%7)))
	}
	e.write(changes...)
	require.Empty(t, e.holding("all"))
	require.Len(t, e.holding("each"), n)
	require.Len(t, e.holding("n3", "ea*"), (n+3)/7)
}

func testWordsInput(t *testing.T, e *env) {
	refused := func(where storage.Expr) {
		t.Helper()
		_, err := e.find(&storage.Query{Table: e.term, Where: where, Limit: 1})
		require.ErrorIs(t, err, storage.ErrInvalid)
	}
	for _, word := range []string{"", "A", "a b", "ä", "a*", `"`, "a:b", strings.Repeat("x", 201)} {
		refused(storage.Words{Field: storage.F("words"), All: [][]storage.Word{{{Text: word}}}})
	}
	refused(storage.Words{Field: storage.F("kind"), All: [][]storage.Word{{{Text: "a"}}}})
	refused(storage.Words{Field: storage.F("words"), All: [][]storage.Word{slices.Repeat([]storage.Word{{Text: "a"}}, storage.MaxWords+1)}})
	_, err := e.find(&storage.Query{Table: e.note, Where: storage.Words{Field: storage.F("title"), All: [][]storage.Word{{{Text: "a"}}}}, Limit: 1})
	require.ErrorIs(t, err, storage.ErrInvalid)
	e.write(insert(e.term, e.termOf(1, "k", "a")))
	require.Len(t, e.numbers(e.term, storage.Words{
		Field: storage.F("words"), All: [][]storage.Word{slices.Repeat([]storage.Word{{Text: "a", Prefix: true}}, storage.MaxWords/2)}, First: true,
	}), 1)
	_, err = e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.term, From: e.note, Set: set("note_id", storage.F("id"), "kind", "k", "words", "a")})
	require.ErrorIs(t, err, storage.ErrInvalid)
}

func testUnordered(t *testing.T, e *env) {
	for n := range 10 {
		e.write(insert(e.term, e.termOf(n, "k", "all")))
	}
	for _, where := range []storage.Expr{nil, e.having("all"), storage.In{Field: storage.F("note_id"), Values: []any{id(1), id(2), id(3), id(4)}}} {
		got := firsts(t, e.read(&storage.Query{Table: e.term, Where: where, Limit: 3, Unordered: true, Columns: []int{0}}))
		require.Len(t, got, 3)
		seen := map[uuid.UUID]bool{}
		for _, x := range got {
			seen[x] = true
		}
		require.Len(t, seen, 3)
	}
	require.Len(t, e.read(&storage.Query{Table: e.term, Where: e.having("all"), Limit: 50, Unordered: true}), 10)
	other := e.as(e.tenant + "x")
	for n := range 4 {
		e.add(e.note, row(e.note, "id", id(n), "rank", n))
		other.add(e.note, row(e.note, "id", id(n+2), "rank", 9))
	}
	keys := storage.In{Field: storage.F("id"), Values: []any{id(1), id(2), id(3), id(4), id(1)}}
	found := e.read(&storage.Query{Table: e.note, Where: storage.And{storage.Not{Expr: cmp("rank", storage.Eq, 2)}, keys}, Limit: 50, Unordered: true})
	require.ElementsMatch(t, []int{1, 3}, numbersOf(firsts(t, found)))
	require.Len(t, other.read(&storage.Query{Table: e.note, Where: storage.And{storage.And{keys}}, Limit: 50, Unordered: true}), 3)
	require.Empty(t, e.read(&storage.Query{Table: e.note, Where: storage.In{Field: storage.F("id")}, Limit: 50, Unordered: true}))
	for _, q := range []storage.Query{{Order: []storage.Order{{Field: storage.F("kind")}}}, {After: []any{"k", id(1)}}} {
		q.Table, q.Limit, q.Unordered = e.term, 1, true
		_, err := e.find(&q)
		require.ErrorIs(t, err, storage.ErrInvalid)
	}
}

func testPut(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	first := row(e.mark, "note_id", id(1), "kind", "k", "n", 1, "code", "a")
	second := row(e.mark, "note_id", id(1), "kind", "k", "n", 1, "day", day(2026, 1, 2))
	e.write(put(e.mark, first))
	e.same(e.mark, []storage.Values{first}, e.all(e.mark, nil))
	e.write(put(e.mark, second)) // what is left out is absent
	e.same(e.mark, []storage.Values{second}, e.all(e.mark, nil))
	third := row(e.mark, "note_id", id(1), "kind", "l", "n", 2)
	e.write(insert(e.note, row(e.note, "id", id(2))), put(e.mark, first), insert(e.author, row(e.author, "id", id(1))))
	e.same(e.mark, []storage.Values{first}, e.all(e.mark, nil))
	e.write(update(e.note, row(e.note, "id", id(2)), 1, "title"), put(e.mark, third))
	e.same(e.mark, []storage.Values{first, third}, e.all(e.mark, nil))
	// Nothing is put where the update before it does not hit.
	require.ErrorIs(t, e.try(update(e.note, row(e.note, "id", id(2)), 7, "title"), put(e.mark, second)), storage.ErrConflict)
	e.same(e.mark, []storage.Values{first, third}, e.all(e.mark, nil))
	require.ErrorIs(t, e.try(put(e.mark, row(e.mark, "note_id", id(1), "kind", "m", "n", 1, "code", "a"))), storage.ErrConflict) // another's unique value
}

func testPutTwice(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	at := func(n int, code string) storage.Values {
		return row(e.mark, "note_id", id(n), "kind", "k", "n", 1, "code", code)
	}
	e.write(put(e.mark, at(1, "a")), put(e.mark, at(1, "b")))
	e.same(e.mark, []storage.Values{at(1, "b")}, e.all(e.mark, nil))
	e.write(insert(e.mark, at(2, "x")), put(e.mark, at(2, "y")), put(e.mark, at(1, "c")), put(e.mark, at(2, "z")))
	e.same(e.mark, []storage.Values{at(1, "c"), at(2, "z")}, e.all(e.mark, nil))
}

func testPutInput(t *testing.T, e *env) {
	require.ErrorIs(t, e.try(put(e.note, row(e.note, "id", id(1)))), storage.ErrInvalid)
	require.ErrorIs(t, e.try(put(e.registry, row(e.registry, "number", 1))), storage.ErrInvalid)
	require.ErrorIs(t, e.try(storage.Change{Action: storage.Put, Table: e.mark}), storage.ErrInvalid)
}

// adds are changes that add rows, and what they are told.
func adds(t *storage.Table, rows ...storage.Values) ([]storage.Change, []bool) {
	told := make([]bool, len(rows))
	changes := make([]storage.Change, len(rows))
	for i, r := range rows {
		changes[i] = storage.Change{Action: storage.Add, Table: t, Row: r, Added: &told[i]}
	}
	return changes, told
}

func testAdd(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	at := func(n int, code string) storage.Values {
		return row(e.mark, "note_id", id(1), "kind", "k", "n", n, "code", code)
	}
	for _, c := range []struct {
		rows []storage.Values
		told []bool
	}{
		{[]storage.Values{at(1, "a")}, []bool{true}},
		{[]storage.Values{at(1, "b")}, []bool{false}},
		{[]storage.Values{at(1, "b"), at(2, "c"), at(2, "d"), at(1, "e"), at(3, "f")}, []bool{false, true, false, false, true}},
	} {
		changes, told := adds(e.mark, c.rows...)
		e.write(changes...)
		require.Equal(t, c.told, told)
	}
	e.same(e.mark, []storage.Values{at(1, "a"), at(2, "c"), at(3, "f")}, e.all(e.mark, nil))
	changes, _ := adds(e.mark, at(4, "a"))
	require.ErrorIs(t, e.try(changes...), storage.ErrConflict, "another's unique value")
	other := e.as("other")
	other.add(e.note, row(e.note, "id", id(1)))
	changes, told := adds(e.mark, at(1, "a"))
	other.write(changes...)
	require.Equal(t, []bool{true}, told, "the key of another tenant's row")
	for _, table := range []*storage.Table{e.note, e.registry, e.term} {
		require.ErrorIs(t, e.try(storage.Change{Action: storage.Add, Table: table, Row: row(table)}), storage.ErrInvalid)
	}
}

func testAddReference(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	changes, _ := adds(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", 5, "code", "g"), row(e.mark, "note_id", id(9), "kind", "k", "n", 1))
	require.ErrorIs(t, e.try(changes...), storage.ErrConflict)
	require.Zero(t, e.count(e.mark, nil))
}

func testAddMany(t *testing.T, e *env) {
	const n = 5000
	e.add(e.note, row(e.note, "id", id(1)))
	rows := make([]storage.Values, n)
	for i := range rows {
		rows[i] = row(e.mark, "note_id", id(1), "kind", "k", "n", i)
	}
	changes, told := adds(e.mark, rows[:n/2]...)
	e.write(changes...)
	require.NotContains(t, told, false)
	changes, told = adds(e.mark, rows...)
	e.write(changes...)
	for i, is := range told {
		require.Equal(t, i >= n/2, is, "row %d", i)
	}
	require.Equal(t, n, e.count(e.mark, nil))
}

func testAddAtOnce(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	rows := make([]storage.Values, 400)
	for i := range rows {
		rows[i] = row(e.mark, "note_id", id(1), "kind", "k", "n", i)
	}
	told := make([][]bool, 8)
	for _, err := range e.parallel(len(told), func(e *env, i int) error {
		var changes []storage.Change
		changes, told[i] = adds(e.mark, rows...)
		return e.try(changes...)
	}) {
		require.NoError(t, err)
	}
	for i := range rows {
		n := 0
		for _, by := range told {
			if by[i] {
				n++
			}
		}
		require.Equal(t, 1, n, "row %d", i)
	}
}

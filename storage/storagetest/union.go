package storagetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func unionTests() []testCase {
	return []testCase{
		{"a union sorts the rows of several tables together", shared, testUnion},
		{"a union sorts downward", shared, testUnionDown},
		{"a union goes on behind a position", shared, testUnionPages},
		{"what a branch has not is absent, and what does not sort is left out", shared, testUnionAbsent},
		{"each branch of a union has a condition of its own", shared, testUnionWhere},
		{"a union has values of every kind", shared, testUnionKinds},
		{"a union sees a tenant's own rows alone", shared, testUnionTenant},
		{"a union that is none is refused", shared, testUnionInput},
	}
}

// notesAndAuthors are notes by their rank, authors by theirs.
func (e *env) notesAndAuthors(limit int) *storage.Union {
	f := storage.F
	return &storage.Union{
		Kinds: []storage.Kind{storage.Int, storage.ID, storage.Text, storage.Text}, Sorted: 2, Limit: limit,
		Branches: []storage.Branch{
			{Table: e.note, Fields: []storage.Field{f("rank"), f("id"), f("title"), {}}},
			{Table: e.author, Fields: []storage.Field{f("rank"), f("id"), {}, f("city")}},
		},
	}
}

// together reads a union: its values, then the branch.
func (e *env) together(u *storage.Union) ([]storage.Values, error) {
	var rows []storage.Values
	err := e.s.Union(e.ctx, e.tenant, u, func() storage.Row {
		rows = append(rows, make(storage.Values, len(u.Kinds)+1))
		return rows[len(rows)-1]
	})
	return rows, err
}

func (e *env) union(u *storage.Union) []storage.Values {
	e.t.Helper()
	rows, err := e.together(u)
	require.NoError(e.t, err)
	return rows
}

// sameRows requires rows to hold what is wanted, in that order.
func sameRows(t *testing.T, want, got []storage.Values) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Len(t, got[i], len(want[i]))
		for c := range want[i] {
			require.Empty(t, differ(want[i][c], got[i][c]), "row %d, value %d", i, c)
		}
	}
}

// ranks are the first values of rows.
func ranks(rows []storage.Values) (list []int) {
	for _, r := range rows {
		n, _ := r[0].(int64)
		list = append(list, int(n))
	}
	return list
}

// fillUnion adds notes of the ranks 0, 2, 4 … and authors of the ranks 0, 3, 6 …, ten
// of each, and one author without.
func (e *env) fillUnion() {
	for n := range 10 {
		e.add(e.note, row(e.note, "id", id(n), "rank", 2*n, "title", "note"))
		e.add(e.author, row(e.author, "id", id(100+n), "rank", 3*n, "city", "Paris"))
	}
	e.add(e.author, row(e.author, "id", id(200)))
}

func testUnion(t *testing.T, e *env) {
	e.fillUnion()
	rows := e.union(e.notesAndAuthors(7))
	require.Equal(t, []int{0, 0, 2, 3, 4, 6, 6}, ranks(rows))
	sameRows(t, []storage.Values{
		{int64(0), id(0), "note", nil, int64(0)}, {int64(0), id(100), nil, "Paris", int64(1)}, {int64(2), id(1), "note", nil, int64(0)},
	}, rows[:3])
	require.Len(t, e.union(e.notesAndAuthors(1000)), 20)
}

func testUnionDown(t *testing.T, e *env) {
	e.fillUnion()
	u := e.notesAndAuthors(5)
	u.Desc = true
	require.Equal(t, []int{27, 24, 21, 18, 18}, ranks(e.union(u)))
}

func testUnionPages(t *testing.T, e *env) {
	e.fillUnion()
	for _, desc := range []bool{false, true} {
		u := e.notesAndAuthors(1000)
		u.Desc = desc
		all := e.union(u)
		var paged []storage.Values
		for u.Limit = 3; ; {
			rows := e.union(u)
			if len(rows) == 0 {
				break
			}
			paged = append(paged, rows...)
			last := rows[len(rows)-1]
			for i := range u.Branches {
				u.Branches[i].After = last[:2]
			}
		}
		sameRows(t, all, paged)
	}
}

func testUnionAbsent(t *testing.T, e *env) {
	e.fillUnion()
	for _, r := range e.union(e.notesAndAuthors(1000)) {
		require.NotEqual(t, id(200), r[1])
	}
}

func testUnionWhere(t *testing.T, e *env) {
	e.fillUnion()
	u := e.notesAndAuthors(1000)
	u.Branches[0].Where = cmp("rank", storage.Ge, 10)
	u.Branches[1].Where = storage.Or{}
	require.Equal(t, []int{10, 12, 14, 16, 18}, ranks(e.union(u)))
	e.add(e.mark, row(e.mark, "note_id", id(6), "kind", "k", "n", 1))
	u.Branches[0].Where = storage.Exists{Rel: e.marks(), Where: eq("kind", "k")}
	require.Equal(t, []int{12}, ranks(e.union(u)))
}

func testUnionKinds(t *testing.T, e *env) {
	full := fullNote(e.tables, 1)
	e.add(e.note, full)
	u := &storage.Union{Sorted: 1, Limit: 10, Branches: []storage.Branch{{Table: e.note}, {Table: e.note}}}
	first, second := &u.Branches[0], &u.Branches[1]
	add := func(k storage.Kind, f storage.Field) {
		u.Kinds, first.Fields, second.Fields = append(u.Kinds, k), append(first.Fields, f), append(second.Fields, storage.Field{})
	}
	add(storage.ID, storage.F("id"))
	second.Fields[0] = storage.F("id")
	want, none := storage.Values{id(1)}, storage.Values{id(1)}
	for i, c := range e.note.Columns {
		if i > 0 {
			add(c.Kind, storage.F(c.Name))
			want, none = append(want, full[i]), append(none, nil)
		}
	}
	got := e.union(u)
	require.Len(t, got, 2)
	sameRows(t, []storage.Values{append(want, int64(0)), append(none, int64(1))}, got)
}

func testUnionTenant(t *testing.T, e *env) {
	mine, _ := e.neighbours()
	for _, where := range e.always() {
		u := mine.notesAndAuthors(1000)
		u.Branches[0].Where = where
		require.Equal(t, []int{1, 1, 2, 2}, ranks(mine.union(u)))
		u.Branches[0].After = storage.Values{int64(0), id(0)}
		require.Equal(t, []int{1, 1, 2, 2}, ranks(mine.union(u)))
	}
}

func testUnionInput(t *testing.T, e *env) {
	for name, spoil := range map[string]func(u *storage.Union){
		"no branch":          func(u *storage.Union) { u.Branches = nil },
		"too many branches":  func(u *storage.Union) { u.Branches = slices.Repeat(u.Branches, storage.MaxBranches) },
		"no limit":           func(u *storage.Union) { u.Limit = 0 },
		"too high a limit":   func(u *storage.Union) { u.Limit = storage.MaxPage + 1 },
		"no order":           func(u *storage.Union) { u.Sorted = 0 },
		"too long an order":  func(u *storage.Union) { u.Sorted = 5 },
		"no table":           func(u *storage.Union) { u.Branches[0].Table = nil },
		"a field too few":    func(u *storage.Union) { u.Branches[0].Fields = u.Branches[0].Fields[:3] },
		"no such field":      func(u *storage.Union) { u.Branches[0].Fields[2].Name = "nothing" },
		"another kind":       func(u *storage.Union) { u.Branches[0].Fields[2].Name = "done" },
		"no kind":            func(u *storage.Union) { u.Kinds[3] = 0 },
		"an order of none":   func(u *storage.Union) { u.Branches[0].Fields[0].Name = "" },
		"a short position":   func(u *storage.Union) { u.Branches[0].After = []any{int64(1)} },
		"another's position": func(u *storage.Union) { u.Branches[0].After = []any{"1", id(1)} },
		"half a position":    func(u *storage.Union) { u.Branches[0].After = []any{nil, id(1)} },
		"a bad condition":    func(u *storage.Union) { u.Branches[0].Where = eq("nothing", "x") },
	} {
		u := e.notesAndAuthors(10)
		spoil(u)
		_, err := e.together(u)
		require.ErrorIs(t, err, storage.ErrInvalid, name)
	}
}

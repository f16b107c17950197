package storagetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func writeTests() []testCase {
	return []testCase{
		{"Insert adds Row as it is", shared, testInsert},
		{"a row with the key of another is ErrConflict", shared, testDuplicateKey},
		{"a row with a unique value of another is ErrConflict", shared, testDuplicateUnique},
		{"Update sets the columns and adds one to the version", shared, testUpdate},
		{"Update of some columns leaves the others alone", shared, testUpdateColumns},
		{"Update of a row not at Version is ErrConflict", shared, testStale},
		{"Update and Delete of a record that is not there are ErrNotFound", shared, testMissing},
		{"Delete removes the row at its version", shared, testDelete},
		{"a ledger is updated and deleted without versions", shared, testLedger},
		{"Clear removes every row that satisfies Where", shared, testClear},
		{"a reference missing or in use is ErrConflict", shared, testReferences},
		{"the order of changes is kept", shared, testChangeOrder},
		{"changes are as if made one after the other", shared, testOneAfterOther},
		{"a batch may have as many changes as allowed", fresh, testLargestBatch},
		{"a fault in the middle undoes all and is named", shared, testMiddle},
		{"an error names the verb, the table and the change", shared, testErrorNames},
		{"changes of different tables and columns may alternate", shared, testAlternate},
	}
}

func testInsert(t *testing.T, e *env) {
	// The version is a column like the others: a copied record keeps its own.
	want := row(e.note, "id", id(1), "version", 7, "title", "copied")
	e.add(e.note, want)
	e.same(e.note, []storage.Values{want}, e.all(e.note, nil))
	given := row(e.note, "id", id(2), "blob", []byte{1, 2, 3}, "custom", raw(`{"a":1}`))
	held := change(e.note, given)
	e.add(e.note, given)
	require.Equal(t, held, given, "the caller's row is not changed")
	given[12].([]byte)[0] = 9 //nolint:forcetypeassert // given above
	require.Empty(t, differ([]byte{1, 2, 3}, e.get(e.note, 2)[12]), "and not kept")
}

func testDuplicateKey(t *testing.T, e *env) {
	one := row(e.note, "id", id(1), "title", "first")
	e.add(e.note, one)
	err := refused(t, e.try(insert(e.note, change(e.note, one, "title", "second"))), storage.ErrConflict)
	require.Equal(t, "note", err.Table)
	require.NotEmpty(t, err.Field, "the constraint at fault")
	require.Equal(t, 0, err.Change)
	err = refused(t, e.try(insert(e.note, row(e.note, "id", id(2))), insert(e.note, row(e.note, "id", id(3))), insert(e.note, row(e.note, "id", id(2)))), storage.ErrConflict)
	require.Equal(t, 2, err.Change, "the second of two in one batch")
	mark := row(e.mark, "note_id", id(1), "kind", "k", "n", 1)
	e.add(e.mark, mark)
	err = refused(t, e.try(insert(e.mark, mark)), storage.ErrConflict)
	require.Equal(t, "mark", err.Table)
	e.same(e.note, []storage.Values{one}, e.all(e.note, nil))
	require.Equal(t, 1, e.count(e.mark, nil))
}

func testDuplicateUnique(t *testing.T, e *env) {
	one, two := row(e.note, "id", id(1), "email", "ada@example.com"), row(e.note, "id", id(2), "email", "bob@example.com")
	e.add(e.note, one, two, row(e.note, "id", id(3)), row(e.note, "id", id(4))) // absent values do not collide
	for _, c := range []storage.Change{
		insert(e.note, row(e.note, "id", id(5), "email", "ada@example.com")),
		update(e.note, change(e.note, two, "email", "ada@example.com"), 1),
		update(e.note, change(e.note, two, "email", "ada@example.com"), 1, "email"),
	} {
		err := refused(t, e.try(insert(e.note, row(e.note, "id", id(9))), c), storage.ErrConflict)
		require.Equal(t, "note", err.Table)
		require.Contains(t, err.Field, "email", "the field or the constraint is named")
		require.Equal(t, 1, err.Change)
		require.NotContains(t, err.Error(), "bob@example.com", "an error's text has no values")
	}
	require.Equal(t, 4, e.count(e.note, nil))
	e.same(e.note, []storage.Values{two}, e.all(e.note, eq("id", id(2))))
	e.write(update(e.note, change(e.note, one, "email", nil), 1, "email"), update(e.note, change(e.note, two, "email", "ada@example.com"), 1, "email"))
}

func testUpdate(_ *testing.T, e *env) {
	other := row(e.note, "id", id(2), "title", "other")
	e.add(e.note, row(e.note, "id", id(1)), other)
	// The version in the row is not looked at: the change has its own.
	full := change(e.note, fullNote(e.tables, 1), "version", 77)
	e.write(update(e.note, full, 1))
	e.same(e.note, []storage.Values{change(e.note, full, "version", 2), other}, e.all(e.note, nil))
	e.write(update(e.note, row(e.note, "id", id(1)), 2))
	e.same(e.note, []storage.Values{row(e.note, "id", id(1), "version", 3), other}, e.all(e.note, nil))
}

func testUpdateColumns(_ *testing.T, e *env) {
	full := fullNote(e.tables, 1)
	e.add(e.note, full)
	for n, column := range []string{"title", "body", "score", "seen", "due", "until", "sign", "token", "tags", "email"} {
		set := change(e.note, row(e.note, "id", id(1)), "title", "other", "body", "other", "score", 1)
		if n%2 == 1 {
			set = row(e.note, "id", id(1))
		}
		e.write(update(e.note, set, n+1, column))
		i := e.note.Index(column)
		full[i], full[1] = set[i], int64(n+2)
		e.same(e.note, []storage.Values{full}, e.all(e.note, nil))
	}
	e.write(update(e.note, change(e.note, full, "rank", 1, "done", false), 11, "done", "rank"))
	e.same(e.note, []storage.Values{change(e.note, full, "rank", 1, "done", false, "version", 12)}, e.all(e.note, nil))
}

func testStale(t *testing.T, e *env) {
	one := row(e.note, "id", id(1), "version", 5)
	e.add(e.note, one)
	for _, version := range []int{4, 6, 0, -5} {
		for _, c := range []storage.Change{
			update(e.note, change(e.note, one, "title", "stale"), version), update(e.note, change(e.note, one, "title", "stale"), version, "title"),
			remove(e.note, one, version),
		} {
			err := refused(t, e.try(c), storage.ErrConflict)
			require.Equal(t, "note", err.Table)
			require.Equal(t, 0, err.Change)
		}
	}
	e.same(e.note, []storage.Values{one}, e.all(e.note, nil))
}

func testMissing(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	gone := row(e.note, "id", id(2))
	for _, c := range []storage.Change{update(e.note, gone, 1), update(e.note, gone, 1, "title"), remove(e.note, gone, 1)} {
		err := refused(t, e.try(update(e.note, row(e.note, "id", id(1)), 1, "title"), c), storage.ErrNotFound)
		require.Equal(t, 1, err.Change)
		require.NotErrorIs(t, err, storage.ErrConflict)
	}
	refused(t, e.try(update(e.mark, row(e.mark, "note_id", id(1), "n", 1), 0)), storage.ErrNotFound)
	require.Equal(t, int64(1), e.get(e.note, 1)[1])
	require.Equal(t, 1, e.count(e.note, nil), "nothing was added")
}

func testDelete(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2), "version", 3), row(e.note, "id", id(3)))
	e.write(remove(e.note, row(e.note, "id", id(2)), 3))
	require.Equal(t, []int{1, 3}, e.numbers(e.note, nil))
	e.write(remove(e.note, row(e.note, "id", id(1)), 1), remove(e.note, row(e.note, "id", id(3)), 1))
	require.Empty(t, e.numbers(e.note, nil))
	e.add(e.note, row(e.note, "id", id(2), "title", "anew"))
	require.Equal(t, int64(1), e.get(e.note, 2)[1])
}

func testLedger(_ *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	one := row(e.mark, "note_id", id(1), "kind", "k", "n", 1, "code", "c", "flag", true, "day", day(2024, 1, 1), "at", at(1), "raw", []byte{1}, "data", raw("[]"))
	two := row(e.mark, "note_id", id(1), "kind", "k", "n", 2)
	e.add(e.mark, one, two)
	e.same(e.mark, []storage.Values{one, two}, e.all(e.mark, nil))
	one = change(e.mark, one, "code", "d", "flag", nil, "link", id(5))
	e.write(update(e.mark, one, 0))
	e.write(update(e.mark, change(e.mark, two, "day", day(2024, 1, 1), "code", "not this"), 0, "day"))
	two = change(e.mark, two, "day", day(2024, 1, 1))
	e.same(e.mark, []storage.Values{one, two}, e.all(e.mark, nil))
	gone := row(e.mark, "note_id", id(1), "kind", "K", "n", 1)
	e.write(remove(e.mark, one, 0), remove(e.mark, gone, 0), remove(e.mark, one, 0)) // what is not there is no error
	e.same(e.mark, []storage.Values{two}, e.all(e.mark, nil))
}

func testClear(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "rank", 1), row(e.note, "id", id(2), "rank", 2))
	for n := range 10 {
		e.add(e.mark, row(e.mark, "note_id", id(1+n%2), "kind", "k", "n", n))
	}
	rank := storage.Field{Name: "rank", Ref: &storage.Ref{Column: "note_id", Table: e.note}}
	notes := storage.Rel{Table: e.note, Column: "id", Key: "note_id"}
	e.write(wipe(e.mark, cmp("n", storage.Lt, 2)))
	require.Equal(t, 8, e.count(e.mark, nil))
	e.write(wipe(e.mark, storage.And{storage.Is{Field: rank, Op: storage.Eq, Value: int64(1)}, cmp("n", storage.Lt, 6)})) // 2 and 4
	require.Equal(t, 6, e.count(e.mark, nil))
	e.write(wipe(e.mark, storage.And{storage.Exists{Rel: notes, Where: cmp("rank", storage.Eq, 2)}, not(cmp("n", storage.Le, 5))})) // 7 and 9
	require.Equal(t, 4, e.count(e.mark, nil))
	e.write(wipe(e.mark, storage.Or{}))
	require.Equal(t, 4, e.count(e.mark, nil))
	e.write(wipe(e.mark, nil))
	require.Equal(t, 0, e.count(e.mark, nil))
	e.write(wipe(e.mark, nil)) // of nothing is no error
}

func testReferences(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1)))
	e.add(e.note, row(e.note, "id", id(1), "author_id", id(1)), row(e.note, "id", id(2), "parent_id", id(1)))
	e.add(e.mark, row(e.mark, "note_id", id(2), "kind", "k", "n", 1))
	before := [][]storage.Values{e.all(e.author, nil), e.all(e.note, nil), e.all(e.mark, nil)}
	for _, c := range []storage.Change{
		insert(e.note, row(e.note, "id", id(9), "author_id", id(7))),
		insert(e.note, row(e.note, "id", id(9), "parent_id", id(7))),
		insert(e.mark, row(e.mark, "note_id", id(7), "kind", "k", "n", 1)),
		update(e.note, row(e.note, "id", id(1), "author_id", id(7)), 1, "author_id"),
		remove(e.author, row(e.author, "id", id(1)), 1),
		remove(e.note, row(e.note, "id", id(1)), 1),
		remove(e.note, row(e.note, "id", id(2)), 1),
	} {
		err := refused(t, e.try(insert(e.author, row(e.author, "id", id(5))), c), storage.ErrConflict)
		require.Equal(t, 1, err.Change, "action %d of %s", c.Action, c.Table.Name)
		require.Equal(t, c.Table.Name, err.Table)
	}
	e.same(e.author, before[0], e.all(e.author, nil))
	e.same(e.note, before[1], e.all(e.note, nil))
	e.same(e.mark, before[2], e.all(e.mark, nil))
	e.write(wipe(e.mark, nil), remove(e.note, row(e.note, "id", id(2)), 1), remove(e.note, row(e.note, "id", id(1)), 1), remove(e.author, row(e.author, "id", id(1)), 1))
	require.Equal(t, 0, e.count(e.note, nil)+e.count(e.author, nil))
}

func testChangeOrder(t *testing.T, e *env) {
	one := row(e.note, "id", id(1))
	e.write( // a row that is made, changed and taken away in one batch, and made anew
		insert(e.author, row(e.author, "id", id(1))),
		insert(e.note, change(e.note, one, "author_id", id(1))),
		insert(e.note, row(e.note, "id", id(2), "parent_id", id(1))), // the parent comes first
		update(e.note, change(e.note, one, "title", "second"), 1, "title"),
		update(e.note, change(e.note, one, "title", "third"), 2, "title"),
		update(e.note, change(e.note, one, "body", "fourth"), 3, "body", "author_id"),
	)
	e.same(e.note, []storage.Values{change(e.note, one, "title", "third", "body", "fourth", "version", 4)}, e.all(e.note, eq("id", id(1))))
	e.write(
		remove(e.author, row(e.author, "id", id(1)), 1), // no longer in use
		remove(e.note, row(e.note, "id", id(2)), 1), remove(e.note, one, 4),
		insert(e.note, change(e.note, one, "title", "anew", "email", "ada@example.com")),
		update(e.note, change(e.note, one, "email", nil), 1, "email"),
		insert(e.note, row(e.note, "id", id(3), "email", "ada@example.com")), // the value is free again
	)
	require.Equal(t, "anew", e.get(e.note, 1)[2])

	mark := func(n int, code string) storage.Values {
		return row(e.mark, "note_id", id(1), "kind", "k", "n", n, "code", code)
	}
	e.write(insert(e.mark, mark(1, "a")), insert(e.mark, mark(2, "b")))
	e.write(wipe(e.mark, nil), insert(e.mark, mark(1, "b")), insert(e.mark, mark(2, "a"))) // the same keys, the values exchanged
	e.write(remove(e.mark, mark(1, ""), 0), insert(e.mark, mark(1, "c")), insert(e.mark, mark(3, "b")))
	e.write(update(e.mark, mark(1, "d"), 0, "code"), update(e.mark, mark(1, "e"), 0, "code"), update(e.mark, mark(2, "d"), 0))
	e.same(e.mark, []storage.Values{mark(1, "e"), mark(2, "d"), mark(3, "b")}, e.all(e.mark, nil))
	e.write(insert(e.mark, mark(4, "f")), wipe(e.mark, cmp("n", storage.Ge, 3)), insert(e.mark, mark(5, "f")))
	e.same(e.mark, []storage.Values{mark(1, "e"), mark(2, "d"), mark(5, "f")}, e.all(e.mark, nil))
	refused(t, e.try(insert(e.mark, mark(6, "g")), wipe(e.mark, nil), update(e.mark, mark(6, "h"), 0)), storage.ErrNotFound)
}

func testOneAfterOther(t *testing.T, e *env) {
	// Each unique value is free when its turn comes, though not before: a batch
	// that a database checks row by row in an order of its own would fail.
	const n = 200
	email := func(i int) string { return fmt.Sprintf("%03d@example.com", i) }
	rows, up, down, swap := []storage.Values{}, []storage.Change{}, []storage.Change{}, []storage.Change{}
	for i := range n {
		rows = append(rows, row(e.note, "id", id((i*37)%n), "email", email(i)))
	}
	for _, i := range slices.Backward(slices.Collect(seq(n))) {
		up = append(up, update(e.note, change(e.note, rows[i], "email", email(i+1)), 1, "email"))
	}
	for i := range n {
		down = append(down, update(e.note, rows[i], 2, "email"))
	}
	e.add(e.note, rows...)
	e.write(up...)
	require.Equal(t, 0, e.count(e.note, eq("email", email(0))))
	require.Equal(t, 1, e.count(e.note, eq("email", email(n))))
	e.write(down...)
	for i := range rows {
		rows[i] = change(e.note, rows[i], "version", 3)
	}
	slices.SortFunc(rows, func(a, b storage.Values) int { return storage.Compare(a[0], b[0]) })
	e.same(e.note, rows, e.all(e.note, nil))
	swap = append(swap, // three steps through a value nobody has
		update(e.note, change(e.note, rows[0], "email", "free"), 3, "email"),
		update(e.note, change(e.note, rows[1], "email", rows[0][19]), 3, "email"),
		update(e.note, change(e.note, rows[0], "email", rows[1][19]), 4, "email"))
	e.write(swap...)
	require.Equal(t, rows[1][19], e.all(e.note, eq("id", rows[0][0]))[0][19])
	// And what fails one after the other fails together, though the end would be right.
	a, b := rows[2], rows[3]
	err := refused(t, e.try(update(e.note, change(e.note, a, "email", b[19]), 3, "email"), update(e.note, change(e.note, b, "email", a[19]), 3, "email")), storage.ErrConflict)
	require.Equal(t, 0, err.Change)
}

func seq(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func testLargestBatch(t *testing.T, e *env) {
	const n = storage.MaxChanges
	rows := make([]storage.Values, n)
	for i := range rows { // zero, absent and other values side by side
		rows[i] = row(e.note, "id", id(i), "title", fmt.Sprint("note ", i), "rank", i)
		switch i % 4 {
		case 1:
			rows[i] = change(e.note, fullNote(e.tables, i))
		case 2:
			rows[i] = change(e.note, rows[i], "body", "", "score", 0, "seen", false, "sign", []byte{}, "tags", raw("null"))
		case 3:
			rows[i] = change(e.note, rows[i], "due", at(i), "until", day(2024, 1, 1), "token", id(i), "parent_id", id(i-1))
		}
	}
	e.write(inserts(e.note, rows...)...)
	e.same(e.note, rows, e.all(e.note, nil))

	changes := make([]storage.Change, n)
	for i := range rows {
		rows[i] = change(e.note, rows[i], "version", 2, "body", []any{nil, "", "b"}[i%3], "score", []any{nil, 0, i}[i%3], "parent_id", nil)
		changes[i] = update(e.note, rows[i], 1)
	}
	e.write(changes...)
	e.same(e.note, rows, e.all(e.note, nil))

	for i := range rows {
		changes[i] = update(e.note, change(e.note, rows[i], "rank", -i, "title", "not this"), 2, "rank")
		rows[i] = change(e.note, rows[i], "version", 3, "rank", -i)
	}
	e.write(changes...)
	e.same(e.note, rows, e.all(e.note, nil))

	for i := range rows {
		changes[i] = remove(e.note, rows[i], 3)
	}
	e.write(changes[:n-1]...)
	e.same(e.note, rows[n-1:], e.all(e.note, nil))

	err := refused(t, e.try(append(changes[n-1:], inserts(e.note, rows...)...)...), storage.ErrInvalid)
	require.Regexp(t, "10[,_]?000", err.Error(), "the limit is named")
	require.Equal(t, 1, e.count(e.note, nil))
}

func testMiddle(t *testing.T, e *env) {
	const n, bad = 1000, 617
	rows := make([]storage.Values, n)
	for i := range rows {
		rows[i] = row(e.note, "id", id(i), "email", fmt.Sprintf("%d@example.com", i))
	}
	e.add(e.note, rows...)
	before := e.all(e.note, nil)
	batch := func(each func(i int) storage.Change, fault storage.Change) []storage.Change {
		list := []storage.Change{}
		for i := range n {
			list = append(list, each(i))
		}
		list[bad] = fault
		return list
	}
	touch := func(i int) storage.Change { return update(e.note, change(e.note, rows[i], "title", "touched"), 1) }
	touchOne := func(i int) storage.Change { return update(e.note, change(e.note, rows[i], "rank", 5), 1, "rank") }
	add := func(i int) storage.Change { return insert(e.note, row(e.note, "id", id(n+i))) }
	drop := func(i int) storage.Change { return remove(e.note, rows[i], 1) }
	addMark := func(i int) storage.Change { return insert(e.mark, row(e.mark, "note_id", id(i), "kind", "k")) }
	for name, c := range map[string]struct {
		batch []storage.Change
		kind  error
	}{
		"a stale update":             {batch(touch, update(e.note, rows[bad], 2)), storage.ErrConflict},
		"a stale update of a column": {batch(touchOne, update(e.note, rows[bad], 2, "rank")), storage.ErrConflict},
		"an update of nothing":       {batch(touch, update(e.note, row(e.note, "id", id(5000)), 1)), storage.ErrNotFound},
		"a unique value taken": {
			batch(touch, update(e.note, change(e.note, rows[bad], "email", "3@example.com"), 1)), storage.ErrConflict,
		},
		"a key taken":          {batch(add, insert(e.note, row(e.note, "id", id(5)))), storage.ErrConflict},
		"a key twice":          {batch(add, insert(e.note, row(e.note, "id", id(n)))), storage.ErrConflict},
		"a stale delete":       {batch(drop, remove(e.note, rows[bad], 2)), storage.ErrConflict},
		"a delete of nothing":  {batch(drop, remove(e.note, row(e.note, "id", id(5000)), 1)), storage.ErrNotFound},
		"a reference missing":  {batch(addMark, insert(e.mark, row(e.mark, "note_id", id(5000), "kind", "k"))), storage.ErrConflict},
		"a ledger's key twice": {batch(addMark, insert(e.mark, row(e.mark, "note_id", id(3), "kind", "k"))), storage.ErrConflict},
		"a value invalid":      {batch(add, insert(e.note, row(e.note, "id", id(n+bad), "title", "\x00"))), storage.ErrInvalid},
	} {
		err := refused(t, e.try(c.batch...), c.kind)
		require.Equal(t, bad, err.Change, name)
		e.same(e.note, before, e.all(e.note, nil))
		require.Equal(t, 0, e.count(e.mark, nil), name)
	}
}

func testErrorNames(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	err := refused(t, e.try(insert(e.author, row(e.author, "id", id(1))), update(e.note, row(e.note, "id", id(1), "title", "a secret"), 9)), storage.ErrConflict)
	require.Equal(t, "write", err.Op)
	require.Equal(t, "note", err.Table)
	require.Equal(t, 1, err.Change)
	require.NotContains(t, err.Error(), "secret")
	_, readErr := e.find(&storage.Query{Table: e.note, Where: eq("nothing", "a secret"), Limit: 1})
	err = refused(t, readErr, storage.ErrInvalid)
	require.Equal(t, []any{"read", "note", "nothing", -1}, []any{err.Op, err.Table, err.Field, err.Change})
	_, aggregateErr := e.reckon(&storage.Aggregate{Table: e.note})
	require.Equal(t, "aggregate", refused(t, aggregateErr, storage.ErrInvalid).Op)
	_, expandErr := e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note})
	require.Equal(t, "expand", refused(t, expandErr, storage.ErrInvalid).Op)
}

func testAlternate(t *testing.T, e *env) {
	changes := []storage.Change{}
	for n := range 100 {
		changes = append(changes,
			insert(e.author, row(e.author, "id", id(n), "rank", n)),
			insert(e.note, row(e.note, "id", id(n), "author_id", id(n))),
			insert(e.mark, row(e.mark, "note_id", id(n), "kind", "k", "n", n)),
			update(e.author, row(e.author, "id", id(n), "city", "Turin"), 1, "city"),
			update(e.note, row(e.note, "id", id(n), "title", "x", "body", "y"), 1, []string{"title", "body"}[n%2]),
			remove(e.mark, row(e.mark, "note_id", id(n-1), "kind", "k", "n", n-1), 0),
		)
	}
	e.write(changes...)
	require.Equal(t, 100, e.count(e.author, storage.And{eq("city", "Turin"), eq("version", int64(2))}))
	require.Equal(t, 50, e.count(e.note, storage.And{eq("title", "x"), storage.Absent{Field: storage.F("body")}}))
	require.Equal(t, 50, e.count(e.note, storage.And{eq("title", ""), eq("body", "y")}))
	require.Equal(t, 100, e.count(e.note, storage.Exists{Rel: storage.Rel{Table: e.author, Column: "id", Key: "author_id"}}))
	require.Equal(t, 1, e.count(e.mark, nil))
}

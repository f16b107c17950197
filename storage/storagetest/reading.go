package storagetest

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

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

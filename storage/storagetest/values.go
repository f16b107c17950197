package storagetest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func valuesTests() []testCase {
	return []testCase{
		{"every kind is read back as it was written", shared, testEveryKind},
		{"text keeps every character", shared, testTextKept},
		{"text is compared bytewise", shared, testTextBytewise},
		{"identifiers that differ in case are distinct", shared, testCaseDistinct},
		{"empty text is not absent", shared, testEmptyNotAbsent},
		{"an int keeps the whole range of int64", shared, testIntRange},
		{"a time is kept to the microsecond whatever its zone", shared, testTimeZones},
		{"times and dates keep the years 1 to 9999", shared, testFarTimes},
		{"a date is no instant: the zone of the process does not matter", shared, testDateNoInstant},
		{"bytes keep every byte", shared, testBytesKept},
		{"identifiers are compared bytewise", shared, testIDBytewise},
		{"an empty object, a JSON null and an absent value differ", shared, testJSONEmpty},
		{"a JSON number keeps its value up to 38 digits", shared, testJSONNumbers},
		{"JSON keeps its meaning", shared, testJSONMeaning},
		{"false is below true", shared, testBoolOrder},
		{"an absent value sorts lowest in every kind", shared, testAbsentLowest},
		{"text and JSON of the largest size are kept", shared, testLargest},
		{"a row may have the most bytes and columns allowed", fresh, testWidest},
	}
}

func fullNote(tb *tables, n int) storage.Values {
	return row(tb.note, "id", id(n), "title", "Ada", "body", "Lovelace", "rank", 7, "score", -7, "done", true, "seen", true,
		"at", at(1), "due", at(2), "day", day(2024, 2, 29), "until", day(2025, 1, 1), "blob", []byte{1, 2}, "sign", []byte{3},
		"token", id(99), "custom", raw(`{"tier":"gold"}`), "tags", raw(`["vip"]`), "email", fmt.Sprintf("ada%d@example.com", n))
}

func testEveryKind(t *testing.T, e *env) {
	e.add(e.author, row(e.author, "id", id(1), "name", "Babbage"))
	full := change(e.note, fullNote(e.tables, 1), "author_id", id(1))
	zeroes := row(e.note, "id", id(2), "parent_id", id(1))
	for i, c := range e.note.Columns {
		if c.Null && zeroes[i] == nil && c.Name != "author_id" && c.Name != "email" {
			zeroes[i] = zero(c.Kind)
		}
	}
	nothing := row(e.note, "id", id(3))
	// One batch: what is absent in one row must not be taken from another.
	e.add(e.note, full, zeroes, nothing, change(e.note, full, "id", id(4), "email", nil))
	e.same(e.note, []storage.Values{full, zeroes, nothing, change(e.note, full, "id", id(4), "email", nil)}, e.all(e.note, nil))
	require.Equal(t, 3, e.count(e.note, not(storage.Absent{Field: storage.F("tags")})))
}

// find each value again by its equality.
func (e *env) findAll(t *testing.T, column string, values []any) {
	t.Helper()
	for i, v := range values {
		require.Equal(t, []int{i}, e.numbers(e.note, eq(column, v)), "the row with %s = %s", column, display(v))
	}
}

func notesWith[T any](tb *tables, column string, values []T) (rows []storage.Values, list []any) {
	for i, v := range values {
		rows = append(rows, row(tb.note, "id", id(i), column, v))
		list = append(list, v)
	}
	return rows, list
}

func testTextKept(t *testing.T, e *env) {
	rows, values := notesWith(e.tables, "title", append(texts(), "\u0001\u001f\u007f\u0080", " leading and trailing ", "\r\n", "\ufeff", "a\u200db",
		"👩‍👩‍👧", strings.Repeat("李", 1000), `'; drop table note; --`, "$1 ? :name @p {schema} \\x00", "%!s(MISSING)", "?!(0)"))
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	e.findAll(t, "title", values)
}

func testTextBytewise(t *testing.T, e *env) {
	list := texts()
	slices.Reverse(list)
	rows, _ := notesWith(e.tables, "title", list)
	e.add(e.note, rows...)
	slices.Sort(list) // Go's order of strings is bytewise
	for _, desc := range []bool{false, true} {
		got := []string{}
		for _, r := range e.read(&storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F("title"), Desc: desc}}, Limit: 1000}) {
			title, ok := r[2].(string)
			require.True(t, ok)
			got = append(got, title)
		}
		require.Equal(t, list, got)
		slices.Reverse(list)
	}
	for i, pivot := range list {
		require.Equal(t, i, e.count(e.note, cmp("title", storage.Lt, pivot)), "below %q", pivot)
		require.Equal(t, len(list)-i, e.count(e.note, cmp("title", storage.Ge, pivot)), "from %q", pivot)
	}
	key := []string{"a", "B", "A", "é", "e"} // in a key as well
	for i, k := range key {
		e.add(e.mark, row(e.mark, "note_id", id(0), "kind", k, "n", i))
	}
	got := []string{}
	for _, r := range e.all(e.mark, nil) {
		got = append(got, fmt.Sprint(r[1]))
	}
	require.Equal(t, []string{"A", "B", "a", "e", "é"}, got)
}

func testCaseDistinct(t *testing.T, e *env) {
	// In a key, in a unique column and in the tenant.
	e.add(e.note, row(e.note, "id", id(1), "email", "ada@example.com"), row(e.note, "id", id(2), "email", "Ada@example.com"))
	require.Equal(t, []int{2}, e.numbers(e.note, eq("email", "Ada@example.com")))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.In{Field: storage.F("email"), Values: []any{"ada@example.com"}}))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.Contains{Field: storage.F("email"), Text: "ada"}))
	require.Equal(t, []int{2}, e.numbers(e.note, storage.Prefix{Field: storage.F("email"), Text: "Ada"}))
	lower := row(e.mark, "note_id", id(1), "kind", "é", "n", 1)
	e.add(e.mark, lower, row(e.mark, "note_id", id(1), "kind", "É", "n", 1), row(e.mark, "note_id", id(1), "kind", "e\u0301", "n", 1))
	e.write(remove(e.mark, lower, 0))
	require.Equal(t, 2, e.count(e.mark, nil))
	upper := e.as(strings.ToUpper(e.tenant))
	require.NotEqual(t, e.tenant, upper.tenant)
	upper.add(e.note, row(e.note, "id", id(1), "title", "upper", "email", "ada@example.com"))
	require.Equal(t, "upper", upper.get(e.note, 1)[2])
	require.Empty(t, e.get(e.note, 1)[2])
}

func testEmptyNotAbsent(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "body", "", "sign", []byte{}, "score", 0, "seen", false), row(e.note, "id", id(2)))
	for _, column := range []string{"body", "sign", "score", "seen"} {
		require.Equal(t, []int{2}, e.numbers(e.note, storage.Absent{Field: storage.F(column)}), column)
	}
	require.Equal(t, []int{1}, e.numbers(e.note, eq("body", "")))
	require.Equal(t, []int{1}, e.numbers(e.note, eq("sign", []byte{})))
	e.write(update(e.note, row(e.note, "id", id(1)), 1), update(e.note, row(e.note, "id", id(2), "body", "", "sign", []byte{}), 1))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.Absent{Field: storage.F("body")}))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.Absent{Field: storage.F("sign")}))
}

func testIntRange(t *testing.T, e *env) {
	rows, values := notesWith(e.tables, "rank", ints())
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	e.findAll(t, "rank", values)
	require.Equal(t, []int{0}, e.numbers(e.note, cmp("rank", storage.Lt, math.MinInt64+1)))
	require.Equal(t, []int{len(rows) - 1}, e.numbers(e.note, cmp("rank", storage.Gt, math.MaxInt64-1)))
}

func testTimeZones(t *testing.T, e *env) {
	auckland := time.FixedZone("NZDT", 13*3600)
	zones := []*time.Location{time.UTC, time.Local, auckland, time.FixedZone("LMT", -(4*3600 + 56*60 + 2))}
	if newYork, err := time.LoadLocation("America/New_York"); err == nil {
		zones = append(zones, newYork)
	}
	list := []time.Time{}
	for i, z := range zones {
		// One instant a second, on both sides of a change to summer time.
		list = append(list, time.Date(2024, 3, 10, 6, 59, 59, 999_999_000, time.UTC).Add(time.Duration(i)*time.Second).In(z))
	}
	rows, values := notesWith(e.tables, "at", list)
	for i := range rows {
		rows[i] = change(e.note, rows[i], "due", list[i].Add(time.Microsecond))
	}
	e.add(e.note, rows...)
	got := e.all(e.note, nil)
	e.same(e.note, rows, got)
	for i, r := range got {
		require.Equal(t, list[i].UTC(), r[8], "equal with ==, not only at the same instant")
		require.Equal(t, list[i].UTC().Add(time.Microsecond), r[9])
	}
	e.findAll(t, "at", values)
	for i := range list {
		require.Equal(t, []int{i}, e.numbers(e.note, eq("due", list[i].Add(time.Microsecond).In(auckland))))
	}
}

func testFarTimes(t *testing.T, e *env) {
	rows, values := notesWith(e.tables, "at", times())
	for i, d := range days() {
		rows[i] = change(e.note, rows[i], "until", d)
	}
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	e.findAll(t, "at", values)
	for i, x := range times() {
		require.Equal(t, i, e.count(e.note, cmp("at", storage.Lt, x)), "before %s", x)
	}
	for i, d := range days() {
		require.Equal(t, []int{i}, e.numbers(e.note, eq("until", d)))
		require.Equal(t, i+1, e.count(e.note, cmp("until", storage.Le, d)), "until %s", d)
	}
}

func testDateNoInstant(t *testing.T, e *env) {
	// Days on which some zone of the world has no midnight or has it twice.
	list := []storage.Date{
		day(2018, 11, 4), day(2024, 3, 10), day(2024, 3, 31), day(2024, 10, 27), day(2024, 11, 3),
		day(2011, 12, 30), day(1900, 2, 28), day(2000, 2, 29), day(1883, 11, 18),
	}
	// The zone of the process is the run's own: the suite is run under several.
	rows, values := notesWith(e.tables, "day", list)
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	e.findAll(t, "day", values)
	local := time.Date(2024, 3, 10, 23, 59, 59, 0, time.Local)
	e.add(e.note, row(e.note, "id", id(100), "day", storage.DateOf(local), "rank", 1))
	require.Equal(t, []int{100}, e.numbers(e.note, storage.And{eq("day", day(2024, 3, 10)), cmp("rank", storage.Eq, 1)}))
}

func testBytesKept(t *testing.T, e *env) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	rows, values := notesWith(e.tables, "blob", append(blobs(), every, []byte("\\x00"), []byte{0xff, 0xfe, 0}))
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	e.findAll(t, "blob", values)
	got := e.read(&storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F("blob")}}, Limit: 1000})
	require.True(t, slices.IsSortedFunc(got, func(a, b storage.Values) int { return storage.Compare(a[12], b[12]) }))
}

func testIDBytewise(t *testing.T, e *env) {
	list := []uuid.UUID{
		{}, {15: 1}, {0: 0x7f}, {0: 0x80}, {0: 0xff}, {0: 0x0a}, {0: 0xa0}, {3: 0xff, 4: 0x01}, {6: 0x70, 8: 0x80},
		bytes16(0xff),
	}
	rows := []storage.Values{}
	for _, x := range list {
		rows = append(rows, row(e.note, "id", x, "token", x))
	}
	e.add(e.note, rows...)
	slices.SortFunc(list, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	require.Equal(t, list, e.ids(e.note, nil))
	for i, x := range list {
		require.Equal(t, list[i:], e.ids(e.note, cmp("id", storage.Ge, x)))
		require.Equal(t, []uuid.UUID{x}, e.ids(e.note, eq("token", x)))
	}
}

func bytes16(b byte) (x uuid.UUID) {
	for i := range x {
		x[i] = b
	}
	return x
}

func testJSONEmpty(t *testing.T, e *env) {
	rows := []storage.Values{
		row(e.note, "id", id(0), "tags", raw(`{}`)),
		row(e.note, "id", id(1), "tags", raw(`null`)),
		row(e.note, "id", id(2)),
		row(e.note, "id", id(3), "tags", raw(`[]`)),
		row(e.note, "id", id(4), "tags", raw(`""`)),
	}
	e.add(e.note, rows...)
	got := e.all(e.note, nil)
	e.same(e.note, rows, got)
	tags := e.note.Index("tags")
	require.Nil(t, got[2][tags], "an absent value is nil, and no RawMessage")
	require.JSONEq(t, "null", fmt.Sprintf("%s", got[1][tags]))
	require.Equal(t, []int{2}, e.numbers(e.note, storage.Absent{Field: storage.F("tags")}))
}

func testJSONNumbers(t *testing.T, e *env) {
	numbers := []string{
		"0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551616",
		"12345678901234567890123456789012345678", "-99999999999999999999999999999999999999", "0.1", "-0.5", "10.10",
		"0.12345678901234567890123456789012345678"[:39], "1234567890123456789.1234567890123456789",
	}
	rows := []storage.Values{}
	for i, n := range numbers {
		rows = append(rows, row(e.note, "id", id(i), "custom", raw(`{"n":`+n+`}`), "tags", raw(n)))
	}
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	for i, want := range []any{int64(0), int64(-1), int64(9007199254740993), int64(math.MaxInt64), int64(math.MinInt64)} {
		require.Equal(t, []int{i}, e.numbers(e.note, storage.Is{Field: member("custom", "n", storage.Int), Op: storage.Eq, Value: want}), numbers[i])
	}
	require.Len(t, e.numbers(e.note, storage.Absent{Field: member("custom", "n", storage.Int)}), len(numbers)-5, "what is not whole, or past int64, is absent")
}

func testJSONMeaning(t *testing.T, e *env) {
	rows := []storage.Values{}
	for i, s := range []string{
		`{"b":1,"a":{"c":[1,2,{"d":null}],"":"empty name"}}`, ` { "a" : [ true , false ] } `, `"text"`, `12`, `true`, `[[],[[]],{}]`,
		escapeJSON("é😀\"\\/\b\n"), `{"\u0061":"\u00e9","😀":"李"}`, `"a\/b"`, `[1.0,1.50,-0.0]`, `{"` + strings.Repeat("k", 255) + `":1}`,
		`"\u0001\\u0000"`, `[{"a":1},{"a":{"a":2}},{"A":1,"a":2}]`, strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat(`{"a":`, 99) + "[]" + strings.Repeat("}", 99),
	} {
		rows = append(rows, row(e.note, "id", id(i), "custom", raw(s), "tags", raw(s)))
	}
	e.add(e.note, rows...)
	e.same(e.note, rows, e.all(e.note, nil))
	require.Equal(t, []int{7}, e.numbers(e.note, storage.Is{Field: member("custom", "a", storage.Text), Op: storage.Eq, Value: "é"}),
		"an escape in a name or a text is the character")
}

func testBoolOrder(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "done", true, "seen", true), row(e.note, "id", id(2), "seen", false), row(e.note, "id", id(3)))
	for column, want := range map[string][]int{"done": {2, 3, 1}, "seen": {3, 2, 1}} {
		got := e.read(&storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F(column)}}, Limit: 10})
		require.Equal(t, want, numbersOf(firsts(t, got)), column)
	}
	require.Equal(t, []int{1}, e.numbers(e.note, eq("done", true)))
	require.Equal(t, []int{2}, e.numbers(e.note, eq("seen", false)))
}

func testAbsentLowest(t *testing.T, e *env) {
	lowest := map[string]any{
		"body": "", "score": math.MinInt64, "seen": false, "due": times()[0], "until": days()[0], "sign": []byte{}, "token": uuid.Nil,
	}
	for column, v := range lowest {
		c := e.as(e.tenant + column)
		c.add(e.note, row(e.note, "id", id(1), column, v), row(e.note, "id", id(2)))
		up := c.read(&storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F(column)}}, Limit: 10})
		require.Equal(t, []int{2, 1}, numbersOf(firsts(t, up)), column)
		down := c.read(&storage.Query{Table: e.note, Order: []storage.Order{{Field: storage.F(column), Desc: true}}, Limit: 10})
		require.Equal(t, []int{1, 2}, numbersOf(firsts(t, down)), column)
	}
}

func testLargest(t *testing.T, e *env) {
	text := long(storage.MaxText - 2)
	want := row(e.note, "id", id(1), "title", text+"é", "body", strings.Repeat("\t", storage.MaxText), "blob", []byte(text+"\x00\xff"),
		"custom", raw(`"`+text+`"`), "tags", raw(`["`+text[:storage.MaxText-9]+`","x"]`))
	e.add(e.note, want)
	e.same(e.note, []storage.Values{want}, e.all(e.note, nil))
	want = change(e.note, want, "version", 2, "body", text)
	e.write(update(e.note, want, 1))
	e.same(e.note, []storage.Values{want}, e.all(e.note, nil))
	require.Equal(t, []int{1}, e.numbers(e.note, eq("body", text)))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.Has{Field: storage.F("tags"), Text: text[:storage.MaxText-9]}))
	require.Equal(t, []int{1}, e.numbers(e.note, storage.Contains{Field: storage.F("title"), Text: text[1000:]}))

	made := insert(e.note, row(e.note, "id", id(2), "custom", raw(`["`+text+`","`+text+`"]`)))
	require.ErrorIs(t, e.Store.Write(t.Context(), e.tenant, []storage.Change{made}), storage.ErrInvalid)
	made.Checked = true
	e.write(made)
	require.Equal(t, []int{1, 2}, e.numbers(e.note, nil))
}

// wideTable has the most columns a table may have.
func wideTable() *storage.Table {
	t := &storage.Table{Name: "wide", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int},
	}}
	for i := len(t.Columns); i < storage.MaxColumns; i++ {
		t.Columns = append(t.Columns, storage.Column{Name: fmt.Sprintf("c%03d", i), Kind: storage.Text, Null: true})
	}
	return t
}

func wideLine() storage.Line {
	var pg, lite strings.Builder
	pg.WriteString(`create table {schema}.wide (tenant text collate "C" not null, id uuid not null, version bigint not null`)
	lite.WriteString(`create table crm_wide (tenant text not null, id blob not null, version integer not null`)
	for _, c := range wideTable().Columns[2:] {
		fmt.Fprintf(&pg, `, %s text collate "C"`, c.Name)
		fmt.Fprintf(&lite, `, %s text`, c.Name)
	}
	pg.WriteString(", primary key (tenant, id))")
	lite.WriteString(", primary key (tenant, id))")
	return line("wide", "0001_wide", pg.String(), lite.String())
}

func testWidest(t *testing.T, e *env) {
	require.NoError(t, e.Store.Migrate(e.ctx, suiteLine(), wideLine()))
	wide := wideTable()
	rows := []storage.Values{}
	for n := range 20 {
		r := row(wide, "id", id(n))
		for i := 2 + n%2; i < len(r); i += 1 + n%3 {
			r[i] = fmt.Sprintf("%d in %d", n, i)
		}
		rows = append(rows, r)
	}
	e.add(wide, rows...)
	e.same(wide, rows, e.all(wide, nil))
	changes := []storage.Change{}
	for i := range rows {
		rows[i] = change(wide, rows[i], "version", 2, "c002", nil, "c399", "last")
		changes = append(changes, update(wide, rows[i], 1))
	}
	e.write(changes...)
	e.same(wide, rows, e.all(wide, nil))
	m := []storage.Measure{}
	for _, c := range wide.Columns {
		m = append(m, storage.Measure{Fn: storage.CountOf, Field: storage.F(c.Name)})
	}
	got := e.figures(&storage.Aggregate{Table: wide, Measure: m})
	require.Equal(t, int64(20), got[0][399])
	require.Equal(t, int64(0), got[0][2])

	big := row(wide, "id", id(100))
	for i := range 15 {
		big[2+i] = long(storage.MaxText)
	}
	e.add(wide, big)
	e.same(wide, []storage.Values{big}, e.all(wide, eq("id", id(100))))
	for _, action := range []storage.Change{insert(wide, change(wide, big, "id", id(101))), update(wide, big, 1)} {
		r := append(storage.Values(nil), action.Row.(storage.Values)...) //nolint:forcetypeassert // made above
		r[17], r[18] = r[2], r[2]
		action.Row = r
		err := refused(t, e.try(insert(wide, row(wide, "id", id(102))), action), storage.ErrInvalid)
		require.Equal(t, 1, err.Change)
		require.Equal(t, "wide", err.Table)
	}
	require.Equal(t, 21, e.count(wide, nil), "nothing of a row over the limit is written")
}

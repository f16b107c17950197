package filter_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

func compile(t *testing.T, o objects, text string, args ...any) (storage.Expr, error) {
	t.Helper()
	parsed, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	return parsed.Compile(o.deal, args, env())
}

func is(column string, op storage.Op, v any) storage.Expr {
	return storage.Is{Field: storage.F(column), Op: op, Value: v}
}

// TestCompile shows what conditions become: what an index can serve stays plain.
func TestCompile(t *testing.T) {
	t.Parallel()
	o := newObjects()
	living := o.person.scope
	toPerson := storage.Rel{Table: o.person.table, Column: "id", Key: "person_id"}
	purchases, marks := o.deal.rels["purchases"].rel, o.deal.rels["marks"].rel
	custom := func(name string, kind storage.Kind) storage.Field {
		return storage.Field{Name: "custom", Member: name, Kind: kind}
	}
	found := func(name string, where storage.Expr) storage.Expr {
		return storage.Exists{
			Rel:   storage.Rel{Table: o.index.table, Column: "record_id", Key: "id"},
			Where: storage.And{is("field", storage.Eq, name), where},
			First: true,
		}
	}
	for text, want := range map[string]storage.Expr{
		"true":                            storage.And{},
		"false":                           storage.Or{},
		"stage == 'won'":                  is("stage", storage.Eq, "won"),
		"'won' == stage":                  is("stage", storage.Eq, "won"),
		"stage != 'won'":                  storage.Not{Expr: is("stage", storage.Eq, "won")},
		"3 < score":                       is("score", storage.Gt, int64(3)),
		"score > 1.5":                     is("score", storage.Ge, int64(2)),
		"score == 1.5":                    storage.Or{},
		"rate > 1.005":                    is("rate", storage.Ge, int64(101)),
		"open":                            is("open", storage.Eq, true),
		"open and hot and true":           storage.And{is("open", storage.Eq, true), is("hot", storage.Eq, true), storage.And{}},
		"open or (hot or score > 1)":      storage.Or{is("open", storage.Eq, true), storage.Or{is("hot", storage.Eq, true), is("score", storage.Gt, int64(1))}},
		"stage in ['a', 'b']":             storage.In{Field: storage.F("stage"), Values: []any{"a", "b"}},
		"stage in []":                     storage.Or{},
		"'vip' in tags":                   storage.Has{Field: storage.F("tags"), Text: "vip"},
		"'red' in custom.colours":         storage.Has{Field: custom("colours", storage.JSON), Text: "red"},
		"name contains 'a'":               storage.Contains{Field: storage.F("name"), Text: "a"},
		"fold(name) startsWith fold('A')": storage.Prefix{Field: storage.F("name_fold"), Text: "a"},
		"due == nil":                      storage.Absent{Field: storage.F("due")},
		"amount > money('1.00', 'EUR')":   storage.And{is("amount_currency", storage.Eq, "EUR"), is("amount", storage.Gt, int64(100))},
		"amount > cost":                   storage.And{is("amount_currency", storage.Eq, storage.F("cost_currency")), is("amount", storage.Gt, storage.F("cost"))},
		"created == date('2026-03-29')":   storage.And{is("created", storage.Ge, utc("2026-03-28T23:00:00Z")), is("created", storage.Lt, utc("2026-03-29T22:00:00Z"))},
		"custom.at > time('1970-01-01T00:00:01Z')": storage.Is{Field: custom("at", storage.Int), Op: storage.Gt, Value: int64(1e6)},
		"custom.day == date('2026-03-29')":         storage.Is{Field: custom("day", storage.Text), Op: storage.Eq, Value: "2026-03-29"},
		"custom.who == me()":                       storage.Is{Field: custom("who", storage.Text), Op: storage.Eq, Value: ids()[0].String()},
		"custom.code == 'x'":                       found("code", is("text", storage.Eq, "x")),
		"custom.points in [1, 2]":                  found("points", storage.In{Field: storage.F("int"), Values: []any{int64(1), int64(2)}}),
		"custom.code == nil":                       storage.Absent{Field: custom("code", storage.Text)},
		"team.title == 'a'":                        storage.Is{Field: storage.Field{Name: "title", Ref: &storage.Ref{Column: "team_id", Table: o.team.table}}, Op: storage.Eq, Value: "a"},
		"person.country == 'CN'":                   storage.Exists{Rel: toPerson, Where: storage.And{living, is("country", storage.Eq, "CN")}},
		"person.country == nil":                    storage.Not{Expr: storage.Exists{Rel: toPerson, Where: storage.And{living, storage.Not{Expr: storage.Absent{Field: storage.F("country")}}}}},
		"count(marks) > 0":                         storage.Exists{Rel: marks},
		"0 == count(marks)":                        storage.Not{Expr: storage.Exists{Rel: marks}},
		"count(marks) >= 1":                        storage.Exists{Rel: marks},
		"count(marks) < 1":                         storage.Not{Expr: storage.Exists{Rel: marks}},
		"count(marks) <= 0":                        storage.Not{Expr: storage.Exists{Rel: marks}},
		"count(marks) > 1":                         storage.Count{Rel: marks, Op: storage.Gt, N: 1},
		"count(marks) < 99999999999999999999.0":    storage.And{},
		"count(marks, .n > 1) >= 3":                storage.Count{Rel: marks, Where: is("n", storage.Gt, int64(1)), Op: storage.Ge, N: 3},
		"count(purchases) >= 2.5":                  storage.Count{Rel: purchases, Where: living, Op: storage.Ge, N: 3},
		"all(marks, .n > 1)":                       storage.Not{Expr: storage.Exists{Rel: marks, Where: storage.Not{Expr: is("n", storage.Gt, int64(1))}}},
	} {
		got, err := compile(t, o, text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// TestRefused is what the page does not show of what is refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	o := newObjects()
	deep := strings.Repeat("(", 30) + "open" + strings.Repeat(")", 30)
	for text, reason := range map[string]string{
		"":                                 "empty",
		" \n":                              "empty",
		"\xff":                             "UTF-8",
		"open and":                         "the end is not expected",
		"open hot":                         "hot is not expected",
		"(open":                            "the end is not expected",
		"stage == 'won":                    "does not end",
		"open /* x":                        "does not end",
		`stage == '\q'`:                    "backslash",
		`stage == '\x00'`:                  "NUL",
		"stage == b'won'":                  "bytes",
		"open §":                           "character",
		"score == 0x10":                    "digits",
		"score == 1_000":                   "digits",
		"score == 1abc":                    "digits",
		"score == 99999999999999999999":    "too large",
		"-score == 1":                      "before a number only",
		"score - 1 == 1":                   "calculate",
		"1 - 1 == score":                   "calculate",
		"$0 == score":                      "$1 to $100",
		"$101 == score":                    "$1 to $100",
		"$env == score":                    "$1 to $100",
		"open$":                            "$1 to $100",
		"$1":                               "a condition is wanted",
		"$1.a == score":                    "no $",
		"now()":                            "by itself",
		"'a'":                              "a condition is wanted",
		"count(purchases) == nil":          "a number",
		"count(purchases) == count(marks)": "a number",
		"count(purchases) in [1]":          "stands a field",
		"score == count(purchases)":        "",
		"any(purchases, .paid) == true":    "cannot be compared",
		"(score == 1) == true":             "cannot be compared",
		"count(person.purchases) > 1":      "name of a relation",
		"count($1) > 1":                    "name of a relation",
		"count(stage) > 1":                 "no relation of this name",
		"purchases == 1":                   "is a relation",
		"any(purchases, .)":                "",
		"any(purchases, #.paid)":           ".name",
		"any(purchases, .paid; true)":      "one condition",
		"one(purchases, .paid)":            "by itself",
		"filter(purchases, .paid) == 1":    "no function filter",
		"person.name.x == 'a'":             "no part x",
		"stage.minor == 1":                 "no part minor",
		"amount.cents == 1":                "no part cents",
		"amount.minor.x == 1":              "too long",
		"a.b.c.d.e.f.g == 1":               "at most one reference",
		"custom.nope == 1":                 "no field custom.nope",
		"custom == 1":                      "no field custom",
		"stage.foo() == 1":                 "no functions",
		"money('1.00') == amount":          "takes 2 values",
		"money(1, 'EUR') == amount":        "two texts",
		"money('1.005', 'EUR') == amount":  "currency it can be in",
		"date('2026-02-30') == due":        "date('2026-01-31')",
		"time('2026-02-30') == created":    "time('2026-01-31T10:00:00Z')",
		"id('x') == owner_id":              "id('0190163d",
		"fold(name) == fold(score)":        "kept without",
		"name == fold('a')":                "write fold(name)",
		"fold(name) == name":               "around both",
		"fold(name) == nil":                "compare the field itself",
		"fold(1) == name":                  "a field or a text",
		"ago('1000000d') < created":        "the units are",
		"ago('999999y') < created":         "outside the years",
		"open < true":                      "no order",
		"open in [true]":                   "write the field alone",
		"tags in ['a']":                    "in tags",
		"1 in tags":                        "asked for a text",
		"stage in tags":                    "asked for a text",
		"'a' in name":                      "contains",
		"stage in 'abc'":                   "no list",
		"stage in [['a']]":                 "not fields or lists",
		"stage in [name]":                  "not fields or lists",
		"stage contains name":              "another field",
		"stage contains nil":               "absent",
		"score contains '1'":               "about text",
		"'abc' contains stage":             "stands a field",
		"score == rate":                    "fields of one type",
		"due == custom.day":                "kept otherwise",
		"created == time('2026-01-01T00:00:00.0000001Z')": "finer",
		"created == time('0001-01-01T00:00:00+10:00')":    "outside the years",
		deep:                                      "nested deeper",
		strings.Repeat("!", 30) + "open":          "nested deeper",
		strings.Repeat("open or ", 250) + "open":  "more than 200",
		strings.Repeat("open or ", 1000) + "open": "4096 are allowed",
		strings.Repeat("any(purchases, .paid) or ", 11) + "open": "more than 10",
	} {
		_, err := compile(t, o, text)
		if text == "score == count(purchases)" {
			require.Error(t, err)
		}
		require.ErrorIs(t, err, storage.ErrInvalid, text)
		require.ErrorContains(t, err, reason, text)
		require.NotContains(t, err.Error(), "won", "%s: values are not shown", text)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	o := newObjects()
	day := storage.Date{Year: 2026, Month: 1, Day: 31}
	for _, c := range []struct {
		text string
		arg  any
		want storage.Expr
	}{
		{"stage == $1", "won", is("stage", storage.Eq, "won")},
		{"open == $1", true, is("open", storage.Eq, true)},
		{"score == $1", 3, is("score", storage.Eq, int64(3))},
		{"score == $1", int64(math.MinInt64), is("score", storage.Eq, int64(math.MinInt64))},
		{"rate > $1", "12.345", is("rate", storage.Ge, int64(1235))},
		{"rate > $1", 12, is("rate", storage.Gt, int64(1200))},
		{"created < $1", utc("2026-01-31T10:00:00Z").In(berlin()), is("created", storage.Lt, utc("2026-01-31T10:00:00Z"))},
		{"due == $1", day, is("due", storage.Eq, day)},
		{"owner_id == $1", ids()[1], is("owner_id", storage.Eq, ids()[1])},
		{"amount == $1", filter.Amount{Minor: 5, Currency: "USD"}, storage.And{is("amount_currency", storage.Eq, "USD"), is("amount", storage.Eq, int64(5))}},
		{"stage in $1", []string{"a"}, storage.In{Field: storage.F("stage"), Values: []any{"a"}}},
		{"stage in $1", []string(nil), storage.Or{}},
		{"score in $1", []int64{1}, storage.In{Field: storage.F("score"), Values: []any{int64(1)}}},
		{"rate in $1", []int64{1}, storage.In{Field: storage.F("rate"), Values: []any{int64(100)}}},
		{"owner_id in $1", ids()[:1], storage.In{Field: storage.F("owner_id"), Values: []any{ids()[0]}}},
		{"custom.who in $1", ids()[:1], storage.In{Field: storage.Field{Name: "custom", Member: "who", Kind: storage.Text}, Values: []any{ids()[0].String()}}},
		{"$1 in tags", "vip", storage.Has{Field: storage.F("tags"), Text: "vip"}},
		{"count(marks) >= $1", 3, storage.Count{Rel: o.deal.rels["marks"].rel, Op: storage.Ge, N: 3}},
		{"any(marks, .kind == $1)", "a", storage.Exists{Rel: o.deal.rels["marks"].rel, Where: is("kind", storage.Eq, "a")}},
		{"due >= ago($1)", "1d", is("due", storage.Ge, storage.Date{Year: 2026, Month: 4, Day: 1})},
	} {
		got, err := compile(t, o, c.text, c.arg)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got, c.text)
	}
	for _, c := range []struct {
		text   string
		args   []any
		reason string
	}{
		{"amount == $1", []any{10}, "(amount): holds money and is compared with the argument $1, a number: compare it with money('10.00', 'EUR')"},
		{"owner_id == $1", []any{"x"}, "an argument that is an id"},
		{"due == $1", []any{now()}, "an argument that is a date"},
		{"created == $1", []any{"2026"}, "an argument that is a time or date"},
		{"rate == $1", []any{"1e9"}, "the number's text"},
		{"rate == $1", []any{true}, "the number's text"},
		{"rate == '1.5'", nil, "compare it with a number"},
		{"score == $1", []any{1.5}, "float64"},
		{"score == $1", []any{nil}, "<nil>"},
		{"score == $1", []any{[]int64{1}}, "a list"},
		{"score in $1", []any{1}, "no list"},
		{"score in $1", []any{[]string{"a"}}, "compare it with a number"},
		{"score in $1", []any{make([]int64, storage.MaxValues+1)}, "10000 are allowed"},
		{"score == $1", nil, "$1 is not given"},
		{"score == $1", []any{1, 2}, "$2 is given and not used"},
		{"score == $2", []any{1, 2}, "$1 is given and not used"},
		{"stage == $1", []any{"a\x00"}, "NUL"},
		{"stage == $1", []any{"\xff"}, "UTF-8"},
		{"stage in $1", []any{[]string{"\xff"}}, "UTF-8"},
		{"due == $1", []any{storage.Date{}}, "no day"},
		{"created == $1", []any{storage.Date{}}, "no day"},
		{"created == $1", []any{now().Add(1)}, "microsecond"},
		{"due >= ago($1)", []any{1}, "whole number and a unit"},
		{"[$1] == stage", []any{"a"}, ""},
		{"stage in [$1]", []any{[]string{"a"}}, "not lists"},
	} {
		_, err := compile(t, o, c.text, c.args...)
		require.ErrorIs(t, err, storage.ErrInvalid, c.text)
		require.ErrorContains(t, err, c.reason, c.text)
	}
}

// TestWithoutAnEnvironment asks what nobody can answer.
func TestWithoutAnEnvironment(t *testing.T) {
	t.Parallel()
	o := newObjects()
	bare := func(text string) (storage.Expr, error) {
		parsed, err := filter.Parse(text)
		require.NoError(t, err)
		return parsed.Compile(o.deal, nil, filter.Env{})
	}
	for _, text := range []string{"created < now()", "due < today()", "due < ago('1d')", "amount == money('1.00', 'EUR')", "fold(name) == fold('a')"} {
		_, err := bare(text)
		require.ErrorContains(t, err, "not available", text)
	}
	for text, want := range map[string]storage.Expr{
		"owner_id == me()":             storage.Or{},
		"owner_id != me()":             storage.Not{Expr: storage.Or{}},
		"owner_id in [me()]":           storage.Or{},
		"created < date('2026-01-31')": is("created", storage.Lt, utc("2026-01-31T00:00:00Z")),
	} {
		got, err := bare(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// TestDaysOfAZone asks for days whose midnight is not there, or there twice, and for
// months that end early.
func TestDaysOfAZone(t *testing.T) {
	t.Parallel()
	o := newObjects()
	for _, c := range []struct{ zone, day, begin, end string }{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, // begins at 01:00
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z", "2018-02-19T03:00:00Z"}, // the day before had 23:00 twice
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"},    // 00:00 twice
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},      // was left out
		{"Asia/Shanghai", "2026-01-01", "2025-12-31T16:00:00Z", "2026-01-01T16:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		parsed, err := filter.Parse("created == date('" + c.day + "')")
		require.NoError(t, err)
		got, err := parsed.Compile(o.deal, nil, filter.Env{Zone: zone})
		require.NoError(t, err)
		require.Equal(t, storage.And{is("created", storage.Ge, utc(c.begin)), is("created", storage.Lt, utc(c.end))}, got, "%v", c)
	}
	for _, c := range []struct{ now, text, want string }{
		{"2026-03-31T12:00:00Z", "ago('1mo')", "2026-02-28T13:00:00Z"},
		{"2024-03-31T12:00:00Z", "ago('1mo')", "2024-02-29T13:00:00Z"},
		{"2024-02-29T12:00:00Z", "ago('1y')", "2023-02-28T12:00:00Z"},
		{"2026-01-31T12:00:00Z", "fromNow('13mo')", "2027-02-28T12:00:00Z"},
		{"2026-01-31T12:00:00Z", "ago('25mo')", "2023-12-31T12:00:00Z"},
		{"2026-03-30T12:00:00Z", "ago('2d')", "2026-03-28T13:00:00Z"},
		{"2026-03-30T12:00:00Z", "ago('48h')", "2026-03-28T12:00:00Z"},
	} {
		parsed, err := filter.Parse("created == " + c.text)
		require.NoError(t, err)
		got, err := parsed.Compile(o.deal, nil, filter.Env{Now: utc(c.now), Zone: berlin()})
		require.NoError(t, err)
		require.Equal(t, is("created", storage.Eq, utc(c.want)), got, "%v", c)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	o := newObjects()
	parsed, err := filter.Parse("open and amount.minor > 1 and fold(name) == fold(person.name) and person.custom.tier in ['a'] and 'x' in tags and amount == nil" +
		" and count(purchases, .total > $1 and .person.country == 'CN') > 1 and not (custom.n > 1) and name contains 'a'")
	require.NoError(t, err)
	require.Equal(t, 1, parsed.Args())
	got, err := parsed.Uses(o.deal)
	require.NoError(t, err)
	require.Equal(t, []filter.Use{
		{"deal", filter.UsesField, "open"}, {"deal", filter.UsesField, "amount"}, {"deal", filter.UsesField, "name"}, {"deal", filter.UsesRef, "person"},
		{"person", filter.UsesField, "name"}, {"person", filter.UsesCustom, "tier"}, {"deal", filter.UsesField, "tags"}, {"deal", filter.UsesRelation, "purchases"},
		{"purchase", filter.UsesField, "total"}, {"purchase", filter.UsesRef, "person"}, {"person", filter.UsesField, "country"}, {"deal", filter.UsesCustom, "n"},
	}, got)
	for _, text := range []string{"nope", "score == nope", "nope.x == 1", "count(nope) > 1", "any(purchases, .nope)"} {
		parsed, err := filter.Parse(text)
		require.NoError(t, err)
		_, err = parsed.Uses(o.deal)
		require.ErrorIs(t, err, storage.ErrInvalid, text)
	}
}

// TestAWrongDescription is an object that does not agree with its table.
func TestAWrongDescription(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*object){
		"no column":    func(o *object) { o.fields["score"] = field(filter.Int, "nope") },
		"another kind": func(o *object) { o.fields["score"] = field(filter.Int, "name") },
		"no currency":  func(o *object) { o.fields["score"] = field(filter.Money, "score") },
		"too large a scale": func(o *object) {
			o.fields["score"] = filter.Field{Type: filter.Decimal, At: storage.F("score"), Scale: 19}
		},
		"a field elsewhere": func(o *object) {
			o.fields["score"] = filter.Field{Type: filter.Int, At: storage.Field{Name: "size", Ref: &storage.Ref{}}}
		},
		"an index of others": func(o *object) {
			f := o.custom["code"]
			f.Type, f.At = filter.Int, storage.F("score")
			o.fields["score"] = f
		},
		"no type": func(o *object) { o.fields["score"] = field(0, "score") },
	} {
		o := newObjects()
		change(o.deal)
		_, err := compile(t, o, "score > 1")
		require.ErrorIs(t, err, storage.ErrInvalid, name)
	}
}

// TestTheResultIsLimited makes small texts of large conditions.
func TestTheResultIsLimited(t *testing.T) {
	t.Parallel()
	o := newObjects()
	var wide storage.And
	for range 250 {
		wide = append(wide, is("deleted", storage.Eq, false))
	}
	o.person.scope = wide
	_, err := compile(t, o, "person.rank > 1 and person.rank > 2")
	require.NoError(t, err)
	_, err = compile(t, o, "person.rank > 1"+strings.Repeat(" and person.rank > 2", 9))
	require.ErrorContains(t, err, "more than 1000")
}

// TestTimeIsLinear parses texts of one length and four times that. Quadratic time
// would be sixteen times as long; the collector makes linear time about six.
func TestTimeIsLinear(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"and":        func(n int) string { return "open" + strings.Repeat(" and open", n/10) },
		"brackets":   func(n int) string { return strings.Repeat("(", n/2) + "open" + strings.Repeat(")", n/2) },
		"not":        func(n int) string { return strings.Repeat("not ", n/4) + "open" },
		"list":       func(n int) string { return "stage in ['a'" + strings.Repeat(", 'a'", n/6) + "]" },
		"path":       func(n int) string { return "a" + strings.Repeat(".a", n/3) },
		"comparison": func(n int) string { return "1" + strings.Repeat("<1", n/3) },
		"text":       func(n int) string { return "stage == '" + strings.Repeat(`\u00e9`, n/7) + "'" },
		"unfinished": func(n int) string { return "stage == '" + strings.Repeat("x", n-20) },
		"comment":    func(n int) string { return "open /*" + strings.Repeat("*", n-20) + "*/" },
		"minus":      func(n int) string { return "score == " + strings.Repeat("-", n-20) + "1" },
		"number":     func(n int) string { return "rate == 1." + strings.Repeat("3", n-20) },
	} {
		spent := func(best time.Duration, s string) time.Duration {
			begin := time.Now()
			_, _ = filter.Parse(s)
			return min(best, time.Since(begin))
		}
		few, many := text(filter.MaxText/4), text(filter.MaxText-10)
		require.LessOrEqual(t, len(many), filter.MaxText, name)
		short, long := time.Hour, time.Hour
		linear := func() bool { return long < 12*short+100*time.Microsecond }
		for round := range 500 { // a busy machine needs more of them until it was quiet once
			if short, long = spent(short, few), spent(long, many); round >= 20 && linear() {
				break
			}
		}
		require.True(t, linear(), "%s: %v, then %v", name, short, long)
		require.Less(t, long, 50*time.Millisecond, name)
	}
}

// FuzzParse looks for a text that panics, takes long, or compiles to what package
// storage refuses.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"open and (stage == 'won' or score > 1.5)", "count(purchases, .at > ago('90d')) >= 3", "'vip' in tags and not (amount > money('1.00', 'EUR'))",
		"fold(name) in [fold('a'), fold($1)]", "person.custom.tier != nil", "all(marks, .n in [1,2])", "a.b.c", "1<2<3", "{a:1}", "a ? b : c", "let a = 1; a",
		"`raw` == name", "#.a", "::a(1)", "a | b", "if a {b} else {c}", "map(a, #)", "x[1:2]", "a?.b", "'\\u{1F600}' == name", "not in", "((((((((", "!!!!!!!", "$1 == $2",
	} {
		f.Add(text)
	}
	o := newObjects()
	f.Fuzz(func(t *testing.T, text string) {
		begin := time.Now()
		parsed, err := filter.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, storage.ErrInvalid)
			return
		}
		args := []any{"a", 1, []string{"a"}}
		where, err := parsed.Compile(o.deal, args[:min(parsed.Args(), len(args))], env())
		if err != nil {
			require.ErrorIs(t, err, storage.ErrInvalid)
		} else {
			require.NoError(t, storage.CheckExpr(o.deal.table, where))
			_, err = parsed.Uses(o.deal)
			require.NoError(t, err)
		}
		require.Less(t, time.Since(begin), time.Second)
	})
}

func BenchmarkParseAndCompile(b *testing.B) {
	o := newObjects()
	const text = "open and stage in ['a', 'b'] and amount > $1 and count(purchases, .at > ago('90d')) >= 3 and person.country == 'CN'"
	for b.Loop() {
		parsed, err := filter.Parse(text)
		require.NoError(b, err)
		_, err = parsed.Compile(o.deal, []any{filter.Amount{Minor: 1, Currency: "EUR"}}, env())
		require.NoError(b, err)
	}
}

func ExampleExpr_Uses() {
	parsed, err := filter.Parse("custom.tier == 'gold' and count(purchases, .paid) > 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	uses, err := parsed.Uses(newObjects().deal)
	fmt.Println(uses, err)
	// Output: [{deal 2 tier} {deal 4 purchases} {purchase 1 paid}] <nil>
}

func TestErrors(t *testing.T) {
	t.Parallel()
	_, err := filter.Parse("name == '李' and =")
	var detail *filter.Error
	require.ErrorAs(t, err, &detail)
	require.Equal(t, strings.LastIndex("name == '李' and =", "="), detail.Pos)
	require.EqualError(t, &filter.Error{Pos: 3, Field: "amount", Reason: "holds money"}, "expression at byte 3 (amount): holds money")
	require.EqualError(t, &filter.Error{Pos: -1, Reason: "no"}, "expression: no")
	require.Equal(t, "type(77)", filter.Type(77).String())
	require.Equal(t, "money", filter.Money.String())
	require.NotEqual(t, uuid.Nil, ids()[0])
}

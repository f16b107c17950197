package storage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of the contract, the same on every adapter. A database may refuse less
// only where it has to: Postgres cannot index a text over about 2,700 bytes, and
// such a write is [ErrInvalid] as well.
const (
	MaxTenant  = 64       // bytes of a tenant key
	MaxName    = 48       // bytes of a table's or column's name
	MaxColumns = 400      // columns of a table
	MaxText    = 1 << 20  // bytes of a text, bytes or JSON value
	MaxRow     = 16 << 20 // bytes of one row
	MaxChanges = 10_000   // changes of one Write
	MaxPage    = 10_000   // rows of one Read, Claim or Tenants
	MaxNodes   = 1000     // nodes of an expression
	MaxDepth   = 20       // nesting of an expression
	MaxValues  = 10_000   // values of one In
	MaxOrder   = 8        // terms of an order
	MaxBounds  = 10_000   // bucket boundaries of one Group
	MaxGroups  = 10_000   // rows an Aggregate may answer
	MaxWords   = 2_000    // words of one Words
	MaxWord    = 200      // bytes of a word looked for
)

// Kind is what a column holds. Each has one Go type, which [Row.Value] returns
// and [Row.Dest] points to; nil stands for an absent value.
type Kind uint8

// The kinds, with their Go types and how two values compare. JSON that engines
// would read differently is refused: NUL and half a surrogate pair in a string, an
// object with a member twice, numbers with an exponent or over 38 digits.
const (
	Bool  Kind = iota + 1 // bool; false before true
	Int                   // int64
	Text                  // string, valid UTF-8 without NUL; bytewise
	Bytes                 // []byte; bytewise
	ID                    // uuid.UUID; bytewise
	Time                  // time.Time, UTC, whole microseconds, years 1 to 9999
	Day                   // Date, years 1 to 9999
	JSON                  // json.RawMessage, read back as the same value; has no order
)

// String returns the kind's name.
func (k Kind) String() string {
	names := [...]string{"none", "bool", "int", "text", "bytes", "id", "time", "date", "json"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Table describes one table to an adapter. It is made once, checked with
// [Table.Check], used by pointer and not changed afterwards: an adapter keeps
// what it derives from a Table under its address.
type Table struct {
	// Name is the table's name without schema or prefix, such as "deal".
	Name string
	// Key names the columns that, after the tenant, identify a row: "id" for a
	// record, several for a ledger, none for a table with one row a tenant.
	Key []string
	// Version names the Int column that counts a record's changes. Empty: the
	// table is a ledger.
	Version string
	// Columns are the table's columns in the order of [Row] indexes, without the
	// tenant.
	Columns []Column
	// Words names the Text column of a ledger that an index finds by its words: see
	// the condition [Words], which says how the text is written, and what the table's
	// migration makes. Empty: there is none.
	Words string

	// checked is 1 once Check has passed, so that it costs nothing afterwards. It is
	// no atomic.Uint32, which would forbid to copy a Table.
	checked uint32 //nolint:modernize // as said
}

// Column is one column of a [Table].
type Column struct {
	Name string
	Kind Kind
	Null bool // the value may be absent
}

// Index returns the position of the named column, or -1.
func (t *Table) Index(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Check reports what is wrong with a table as [ErrInvalid].
func (t *Table) Check() error {
	if t == nil {
		return Invalid("", "", "no table given")
	}
	if atomic.LoadUint32(&t.checked) == 1 {
		return nil
	}
	if err := t.check(); err != nil {
		return err
	}
	atomic.StoreUint32(&t.checked, 1)
	return nil
}

func (t *Table) check() error {
	switch {
	case !validName(t.Name):
		return Invalid(t.Name, "", "the table's name must be lower-case letters, digits and underscores, begin with a letter and have at most %d bytes", MaxName)
	case len(t.Columns) == 0 || len(t.Columns) > MaxColumns:
		return Invalid(t.Name, "", "a table has 1 to %d columns, not %d", MaxColumns, len(t.Columns))
	}
	for i, c := range t.Columns {
		switch {
		case !validName(c.Name):
			return Invalid(t.Name, c.Name, "a column's name must be lower-case letters, digits and underscores, begin with a letter and have at most %d bytes", MaxName)
		case c.Name == "tenant":
			return Invalid(t.Name, c.Name, "the tenant is in every table and is not listed")
		case c.Kind < Bool || c.Kind > JSON:
			return Invalid(t.Name, c.Name, "the column has no kind")
		case t.Index(c.Name) != i:
			return Invalid(t.Name, c.Name, "the column is listed twice")
		}
	}
	for n, k := range t.Key {
		i := t.Index(k)
		if i < 0 || t.Columns[i].Null || t.Columns[i].Kind == JSON {
			return Invalid(t.Name, k, "a key column must be listed, never absent, and not JSON")
		}
		if slices.Contains(t.Key[:n], k) {
			return Invalid(t.Name, k, "the column is in the key twice")
		}
	}
	if t.Version != "" {
		if i := t.Index(t.Version); i < 0 || t.Columns[i].Kind != Int || t.Columns[i].Null {
			return Invalid(t.Name, t.Version, "the version column must be listed, an int and never absent")
		}
	}
	if t.Words != "" {
		if i := t.Index(t.Words); i < 0 || t.Columns[i].Kind != Text || t.Columns[i].Null || t.Version != "" || len(t.Key) == 0 {
			return Invalid(t.Name, t.Words, "the column of words must be listed, text and never absent, and the table a ledger with a key")
		}
	}
	return nil
}

func validName(s string) bool {
	if s == "" || len(s) > MaxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Row is one row as an adapter sees it: values to write and places to read into,
// by the index of the column in its [Table].
type Row interface {
	// Value returns column i: the Go type of its kind, or nil when absent.
	Value(i int) any
	// Dest returns where to put column i: a pointer to the Go type of its kind,
	// to which an absent value is the zero value; or *any, to which it is nil; or
	// a sql.Scanner, which is given the Go type of the kind or nil. What is put
	// there belongs to the row: an adapter keeps no part of it.
	Dest(i int) any
}

// Values is a Row that holds each column as any. Rows of run-time objects and of
// aggregates are Values, and so are most rows of tests.
type Values []any

// Value returns column i.
func (v Values) Value(i int) any { return v[i] }

// Dest returns a pointer to column i.
func (v Values) Dest(i int) any { return &v[i] }

// Date is a civil date, without time or zone. The zero Date stands for an absent
// one: it is not a date and cannot be stored.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the date of t in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// ParseDate reads the form 2006-01-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Date{}, Invalid("", "", "a date is written 2006-01-02, with a year from 0001 to 9999")
	}
	return DateOf(t), nil
}

// String returns the form 2006-01-02, which sorts as the dates do.
func (d Date) String() string {
	b := make([]byte, 0, 10)
	for _, p := range [...]struct{ n, width int }{{d.Year, 1000}, {int(d.Month), 10}, {d.Day, 10}} {
		if len(b) > 0 {
			b = append(b, '-')
		}
		for w := p.width; w > 0; w /= 10 {
			b = append(b, byte('0'+p.n/w%10))
		}
	}
	return string(b)
}

// Valid reports whether d is a day of the calendar in the years 1 to 9999.
func (d Date) Valid() bool {
	return d.Year >= 1 && d.Year <= 9999 && DateOf(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)) == d
}

// IsZero reports whether d is the zero Date, which stands for an absent one.
func (d Date) IsZero() bool { return d == Date{} }

// MarshalText returns what [Date.String] does, and empty text for the zero Date. A
// date that is not [Date.Valid] is [ErrInvalid].
func (d Date) MarshalText() ([]byte, error) {
	switch {
	case d.IsZero():
		return []byte{}, nil
	case !d.Valid():
		return nil, Invalid("", "", "the date is not a day of the calendar in the years 1 to 9999")
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what [ParseDate] does, and empty text as the zero Date.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Compare returns -1, 0 or +1, as d is before, on or after other. The zero Date is
// before all others.
func (d Date) Compare(other Date) int {
	return cmp.Or(cmp.Compare(d.Year, other.Year), cmp.Compare(d.Month, other.Month), cmp.Compare(d.Day, other.Day))
}

// AddDays returns the date n days after d, before it when n is negative. When d is
// not valid, or the result lies outside the years 1 to 9999, it is the zero Date.
func (d Date) AddDays(n int) Date {
	const most = 9999 * 366 // no two dates are further apart, and far more would overflow
	if !d.Valid() || n < -most || n > most {
		return Date{}
	}
	if sum := DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC)); sum.Valid() {
		return sum
	}
	return Date{}
}

// Time returns the first instant of the day in loc; nil is UTC. That is midnight,
// but for days whose midnight a change of the clocks skips or repeats. Of a day that
// a zone left out altogether, it is the first instant after it.
func (d Date) Time(loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	// time.Date with loc does not say which instant it gives where the clocks
	// change. So go through the periods of one offset, from before midnight comes
	// anywhere, to the first whose clock shows midnight or later.
	for t := midnight.Add(-24 * time.Hour).In(loc); ; {
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		first := midnight.Add(-time.Duration(offset) * time.Second).In(loc)
		if !start.IsZero() && first.Before(start) {
			first = start
		}
		if end.IsZero() || first.Before(end) {
			return first
		}
		t = end
	}
}

// CheckTenant reports an unusable tenant key as [ErrInvalid].
func CheckTenant(tenant string) error {
	switch {
	case tenant == "":
		return Invalid("", "tenant", "the call names no tenant")
	case len(tenant) > MaxTenant:
		return Invalid("", "tenant", "a tenant key has at most %d bytes, not %d", MaxTenant, len(tenant))
	}
	if msg := textFault(tenant); msg != "" {
		return Invalid("", "tenant", "the key %s", msg)
	}
	return nil
}

// CheckValue reports a value that its column cannot hold as [ErrInvalid], naming
// table and column: a wrong Go type, an absent value where there must be one,
// text that is not UTF-8 or holds NUL, something too large.
func CheckValue(t *Table, i int, v any) error {
	c := &t.Columns[i]
	if v == nil {
		if c.Null {
			return nil
		}
		return Invalid(t.Name, c.Name, "a value is required")
	}
	if msg := fault(c.Kind, v); msg != "" {
		return Invalid(t.Name, c.Name, "%s", msg)
	}
	return nil
}

// fault says why v is not a storable value of kind k, or "".
func fault(k Kind, v any) string {
	switch v := v.(type) {
	case bool:
		if k == Bool {
			return ""
		}
	case int64:
		if k == Int {
			return ""
		}
	case string:
		if k == Text {
			return textFault(v)
		}
	case []byte:
		if k == Bytes {
			return sizeFault(len(v))
		}
	case uuid.UUID:
		if k == ID {
			return ""
		}
	case time.Time:
		if k == Time {
			return timeFault(v)
		}
	case Date:
		if k == Day {
			if v.Valid() {
				return ""
			}
			return "is not a day of the calendar in the years 1 to 9999"
		}
	case json.RawMessage:
		if k == JSON {
			return jsonFault(v)
		}
	}
	return fmt.Sprintf("holds %s, and a %T was given", k, v)
}

func textFault(s string) string {
	if len(s) > MaxText {
		return sizeFault(len(s))
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "holds a NUL character: remove it"
	}
	if !utf8.ValidString(s) {
		return "is not valid UTF-8: convert it first"
	}
	return ""
}

func sizeFault(n int) string {
	if n > MaxText {
		return fmt.Sprintf("has %d bytes, and %d are allowed", n, MaxText)
	}
	return ""
}

func timeFault(t time.Time) string {
	switch {
	case t.Nanosecond()%1000 != 0:
		return "is finer than a microsecond: truncate it"
	case t.UTC().Year() < 1 || t.UTC().Year() > 9999:
		return "lies outside the years 1 to 9999"
	}
	return ""
}

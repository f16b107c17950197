package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// dialect is SQLite's part of the engine. Values are stored as INTEGER (bool, int,
// time in microseconds since 1970), TEXT (text, date, JSON) and BLOB (bytes, id in
// 16 bytes), which sort as the contract's kinds do.
type dialect struct{}

var _ engine.Dialect = dialect{}

func (dialect) Name() string                 { return "sqlite" }
func (dialect) TableName(name string) string { return `"crm_` + name + `"` }
func (dialect) Find() string                 { return "instr" }
func (dialect) Nulls(bool) string            { return "" } // NULL is lowest by itself
func (dialect) Lock() string                 { return "" } // a writing transaction is alone
func (dialect) Share() string                { return "" }
func (dialect) NoJoin() string               { return "" }
func (dialect) Analyze() string              { return "" } // statements are written so that it needs none
func (dialect) WordIndex() bool              { return true }
func (dialect) Prepared() bool               { return true }
func (dialect) Mode() any                    { return nil }
func (dialect) SingleWriter() bool           { return true }
func (dialect) ReadsAbort() bool             { return false }

func (dialect) Comparable(x string, _ storage.Kind) string { return x }
func (dialect) SnapshotLevel() sql.IsolationLevel          { return sql.LevelDefault }

// Sum adds the halves apart, since SQLite's own sum fails as soon as a part of it
// passes int64 though the whole does not. Where the whole does, the product is a
// real, which is no Int.
func (dialect) Sum(x string) string {
	hi, lo := "sum("+x+" >> 32)", "sum("+x+" & 4294967295)"
	return "((" + hi + " + (" + lo + " >> 32)) * 4294967296 + (" + lo + " & 4294967295))"
}

// Writer takes the write lock though the transaction may have begun deferred: as
// its first statement, before anything was read, it waits as BEGIN IMMEDIATE does.
func (d dialect) Writer() string {
	return "UPDATE " + d.TableName("migration") + " SET version = version WHERE 0"
}

// Identity is the file, which SQLite resolves to one name; empty in memory.
func (dialect) Identity() string {
	return "SELECT file FROM pragma_database_list WHERE name = 'main'"
}

func (dialect) Placeholder(b []byte, _ int, _ storage.Kind) []byte { return append(b, '?') }

func (dialect) Argument(b []byte, n int, _ storage.Kind) []byte {
	return strconv.AppendInt(append(b, '?'), int64(n), 10)
}

func (dialect) Bind(_ storage.Kind, v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case uuid.UUID:
		return v[:]
	case time.Time:
		return v.UnixMicro()
	case storage.Date:
		return v.String()
	case json.RawMessage:
		return string(v)
	}
	return v
}

// Among reads a list from one JSON argument.
func (dialect) Among(b []byte, _ int, k storage.Kind) []byte {
	if k == storage.ID {
		return append(b, " IN (SELECT unhex(value) FROM json_each(?))"...)
	}
	return append(b, " IN (SELECT value FROM json_each(?))"...)
}

func (dialect) BindList(_ storage.Kind, values []any) any {
	b := append(make([]byte, 0, 24*len(values)+2), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case time.Time:
			b = strconv.AppendInt(b, v.UnixMicro(), 10)
		case uuid.UUID:
			b = append(hex.AppendEncode(append(b, '"'), v[:]), '"')
		case storage.Date:
			b = append(append(append(b, '"'), v.String()...), '"')
		case string:
			b = appendJSON(b, v)
		}
	}
	return string(append(b, ']'))
}

// appendJSON appends a text as a JSON string.
func appendJSON(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) //nolint:errchkjson // a string always encodes
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

func (dialect) Member(b []byte, column string, k storage.Kind, key func([]byte) []byte) []byte {
	call := func(fn string) {
		b = append(append(append(b, fn...), column...), ", "...)
		b = key(b)
		b = append(b, ')')
	}
	if k == storage.JSON {
		b = append(b, "NULLIF("...)
		call("json_type(")
		return append(b, ", 'null')"...)
	}
	b = append(b, "CASE "...)
	call("json_type(")
	switch k {
	case storage.Bool:
		b = append(b, " WHEN 'true' THEN 1 WHEN 'false' THEN 0"...)
	case storage.Int: // past int64 the member reads as a real
		b = append(b, " WHEN 'integer' THEN CASE typeof("...)
		call("json_extract(")
		b = append(b, ") WHEN 'integer' THEN "...)
		call("json_extract(")
		b = append(b, " END"...)
	default:
		b = append(b, " WHEN 'text' THEN "...)
		call("json_extract(")
	}
	return append(b, " END"...)
}

// MemberKey is the path of a member: a quoted label, escaped as JSON is.
func (dialect) MemberKey(name string) string { return string(appendJSON([]byte("$."), name)) }

func (dialect) Has(b []byte, column string, key, text func([]byte) []byte) []byte {
	path := func(b []byte) []byte {
		if key == nil {
			return b
		}
		return key(append(b, ", "...))
	}
	b = append(append(b, "EXISTS (SELECT 1 FROM json_each(CASE json_type("...), column...)
	b = append(append(path(b), ") WHEN 'array' THEN "...), column...)
	b = append(path(append(b, " END"...)), ") WHERE type = 'text' AND atom = "...)
	return append(text(b), ')')
}

// Bucket writes a binary search, since SQLite has none: a row costs the depth of
// the tree.
func (dialect) Bucket(f engine.Fragments, operand func(), k storage.Kind, bounds []any) {
	f.SQL("CASE WHEN ")
	operand()
	f.SQL(" IS NOT NULL THEN ")
	var search func(lo, hi int)
	search = func(lo, hi int) { // lo bounds are known not to be greater; hi is the first known to be, or their number
		if lo == hi {
			f.SQL(strconv.Itoa(lo))
			return
		}
		mid := (lo + hi) / 2
		f.SQL("CASE WHEN ")
		operand()
		f.SQL(" < ")
		f.Bind(k, bounds[mid])
		f.SQL(" THEN ")
		search(lo, mid)
		f.SQL(" ELSE ")
		search(mid+1, hi)
		f.SQL(" END")
	}
	search(0, len(bounds))
	f.SQL(" END")
}

var _ engine.KeyFinder = dialect{}

// Keys compares tenant and key as one: the tenant alone would let SQLite, which knows
// nothing of how many rows there are, take any index that begins with it.
func (dialect) Keys(b []byte, key string, k storage.Kind, tenant, list func([]byte) []byte) []byte {
	value := "value"
	if k == storage.ID {
		value = "unhex(value)"
	}
	b = append(b, `(t."tenant", t."`+key+`") IN (SELECT `...)
	b = append(append(append(tenant(b), ", "...), value...), " FROM json_each("...)
	return append(list(b), "))"...)
}

// WordQuery is what FTS5 takes: a star is outside the quotes.
func (dialect) WordQuery(all [][]storage.Word) string {
	var b strings.Builder
	for i, list := range all {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteByte('(')
		for j, w := range list {
			if j > 0 {
				b.WriteString(" OR ")
			}
			b.WriteString(`"` + w.Text + `"`)
			if w.Prefix {
				b.WriteByte('*')
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}

// Alive asks for a transaction: it is refused where one stands.
func (dialect) Alive(ctx context.Context, tx *sql.Tx) bool {
	if _, err := tx.ExecContext(ctx, "BEGIN"); err != nil {
		return true
	}
	_, _ = tx.ExecContext(ctx, "ROLLBACK")
	return false
}

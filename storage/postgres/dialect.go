package postgres

import (
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

// dialect is PostgreSQL's part of the engine. Every placeholder carries its type,
// so that each of the driver's modes, with and without knowledge of the types,
// sends what the column is compared with. Text columns are COLLATE "C".
type dialect struct {
	schema string
	prefix string // the schema, quoted, with its dot
	copies bool   // the pool's connections are pgx's own
	mode   any    // nil, or the pgx.QueryExecMode that goes before the arguments
}

var _ engine.Bulk = dialect{}

func (dialect) Name() string                   { return "postgres" }
func (d dialect) TableName(name string) string { return d.prefix + `"` + name + `"` }
func (dialect) Find() string                   { return "strpos" }
func (dialect) Lock() string                   { return " FOR UPDATE" }
func (dialect) Share() string                  { return " FOR KEY SHARE" }
func (dialect) NoJoin() string                 { return " OFFSET 0" }
func (dialect) Analyze() string                { return "ANALYZE" }
func (dialect) WordIndex() bool                { return false }
func (dialect) Sum(x string) string            { return "sum(" + x + ")::bigint" }
func (dialect) Prepared() bool                 { return false }
func (d dialect) Mode() any                    { return d.mode }
func (dialect) SingleWriter() bool             { return false }
func (dialect) Writer() string                 { return "" }
func (dialect) ReadsAbort() bool               { return true }
func (dialect) MemberKey(name string) string   { return name }

func (dialect) SnapshotLevel() sql.IsolationLevel { return sql.LevelRepeatableRead }

func (dialect) Nulls(desc bool) string {
	if desc {
		return " NULLS LAST"
	}
	return " NULLS FIRST"
}

// Comparable is for ids, which have no min before version 18; their text sorts as
// they do.
func (dialect) Comparable(x string, k storage.Kind) string {
	if k == storage.ID {
		return "(" + x + `::text COLLATE "C")`
	}
	return x
}

// Identity tells databases of one server apart by their oid, and servers by when
// they started.
func (dialect) Identity() string {
	return "SELECT current_database() || ' ' || oid || ' ' || pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
}

func (dialect) Placeholder(b []byte, n int, k storage.Kind) []byte {
	types := [...]string{
		storage.Bool: "boolean", storage.Int: "bigint", storage.Text: "text", storage.Bytes: "bytea",
		storage.ID: "uuid", storage.Time: "timestamptz", storage.Day: "date", storage.JSON: "jsonb",
	}
	b = strconv.AppendInt(append(b, '$'), int64(n), 10)
	return append(append(b, "::"...), types[k]...)
}

func (d dialect) Argument(b []byte, n int, k storage.Kind) []byte { return d.Placeholder(b, n, k) }

func (dialect) Bind(_ storage.Kind, v any) any {
	switch v := v.(type) {
	case uuid.UUID:
		return v.String()
	case storage.Date:
		return v.String()
	case json.RawMessage:
		return string(v)
	}
	return v
}

func (d dialect) Array(b []byte, n int, k storage.Kind) []byte {
	return append(d.Placeholder(b, n, k), "[]"...)
}

func (d dialect) Among(b []byte, n int, k storage.Kind) []byte {
	return append(d.Array(append(b, " = ANY("...), n, k), ')')
}

// BindList writes PostgreSQL's own text of an array, which every mode of the driver
// takes.
func (dialect) BindList(_ storage.Kind, values []any) any {
	b := append(make([]byte, 0, 24*len(values)+2), '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case nil:
			b = append(b, "NULL"...)
		case bool:
			b = strconv.AppendBool(b, v)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendQuoted(b, v)
		case json.RawMessage:
			b = appendQuoted(b, string(v))
		case []byte:
			b = append(hex.AppendEncode(append(b, `"\\x`...), v), '"')
		case uuid.UUID:
			b = append(b, v.String()...)
		case time.Time:
			b = append(v.UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.999999Z"), '"')
		case storage.Date:
			b = append(b, v.String()...)
		}
	}
	return string(append(b, '}'))
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// Member looks at the type before it converts, and nests the looks, since AND
// promises no order.
func (dialect) Member(b []byte, column string, k storage.Kind, key func([]byte) []byte) []byte {
	get := func(arrow string) {
		b = append(append(append(b, '('), column...), arrow...)
		b = append(key(b), ')')
	}
	if k == storage.JSON {
		b = append(b, "NULLIF("...)
		get(" -> ")
		return append(b, ", 'null'::jsonb)"...)
	}
	b = append(b, "(CASE WHEN jsonb_typeof"...)
	get(" -> ")
	switch k {
	case storage.Bool:
		b = append(b, " = 'boolean' THEN "...)
		get(" ->> ")
		b = append(b, "::boolean"...)
	case storage.Int:
		b = append(b, " = 'number' THEN CASE WHEN "...)
		get(" ->> ")
		b = append(b, " ~ '^-?[0-9]+$' THEN CASE WHEN "...)
		get(" ->> ")
		b = append(b, "::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN "...)
		get(" ->> ")
		b = append(b, "::bigint END"+" END"...)
	default:
		b = append(b, " = 'string' THEN "...)
		get(" ->> ")
		return append(b, ` END COLLATE "C")`...)
	}
	return append(b, " END)"...)
}

func (dialect) Has(b []byte, column string, key, text func([]byte) []byte) []byte {
	value := func(b []byte) []byte {
		b = append(b, column...)
		if key == nil {
			return b
		}
		return key(append(b, " -> "...))
	}
	b = value(append(b, "(CASE WHEN jsonb_typeof("...))
	b = value(append(b, ") = 'array' THEN jsonb_exists("...))
	return append(text(append(b, ", "...)), ") ELSE FALSE END)"...)
}

func (d dialect) Bucket(f engine.Fragments, operand func(), k storage.Kind, bounds []any) {
	f.SQL("width_bucket(")
	operand()
	f.SQL(", ")
	f.Array(d, k, bounds)
	f.SQL(")::bigint")
}

// WordQuery is a tsquery as text.
func (dialect) WordQuery(all [][]storage.Word) string {
	var b strings.Builder
	for i, list := range all {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteByte('(')
		for j, w := range list {
			if j > 0 {
				b.WriteByte('|')
			}
			b.WriteString(w.Text)
			if w.Prefix {
				b.WriteString(":*")
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}

// Alive runs a statement, which an aborted transaction refuses.
func (dialect) Alive(ctx context.Context, tx *sql.Tx) bool {
	_, err := tx.ExecContext(ctx, "SELECT 1")
	return err == nil
}

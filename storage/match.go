package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Source is what [Match] asks about a row.
type Source interface {
	// Value returns a field's value as the Go type of its kind, or nil when it is
	// absent. For a JSON column, or a member read as JSON, that is its
	// json.RawMessage; a member that is null is absent.
	Value(f Field) any
	// Related returns the rows of the same tenant that r leads to.
	Related(r Rel) iter.Seq[Source]
}

// Match reports whether a row satisfies a condition that passed [CheckExpr]. It
// is the meaning of Expr: what an adapter selects is what Match accepts.
func Match(e Expr, row Source) bool {
	switch e := e.(type) {
	case nil:
		return true
	case And:
		for _, x := range e {
			if !Match(x, row) {
				return false
			}
		}
		return true
	case Or:
		for _, x := range e {
			if Match(x, row) {
				return true
			}
		}
		return false
	case Not:
		return !Match(e.Expr, row)
	case Is:
		left, right := row.Value(e.Field), e.Value
		if f, ok := right.(Field); ok {
			right = row.Value(f)
		}
		return left != nil && right != nil && e.Op.holds(Compare(left, right))
	case In:
		v := row.Value(e.Field)
		return v != nil && slices.ContainsFunc(e.Values, func(want any) bool { return Compare(v, want) == 0 })
	case Absent:
		return row.Value(e.Field) == nil
	case Contains:
		s, ok := row.Value(e.Field).(string)
		return ok && strings.Contains(s, e.Text)
	case Prefix:
		s, ok := row.Value(e.Field).(string)
		return ok && strings.HasPrefix(s, e.Text)
	case Has:
		raw, _ := row.Value(e.Field).(json.RawMessage)
		var list []any // stays empty unless the field is an array
		_ = json.Unmarshal(raw, &list)
		return slices.Contains(list, any(e.Text))
	case Exists:
		for r := range row.Related(e.Rel) {
			if Match(e.Where, r) {
				return true
			}
		}
		return false
	case Count:
		var n int64
		for r := range row.Related(e.Rel) {
			if Match(e.Where, r) {
				n++
			}
		}
		return e.Op.holds(cmp.Compare(n, e.N))
	case Words:
		s, ok := row.Value(e.Field).(string)
		return ok && e.matches(s)
	}
	return false
}

func (op Op) holds(c int) bool {
	switch op {
	case Eq:
		return c == 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	case Gt:
		return c > 0
	case Ge:
		return c >= 0
	}
	return false
}

// Compare orders two values of one kind as every engine does: an absent value
// (nil) lowest, text and bytes bytewise, times by instant. Values of different
// kinds, and JSON, compare as equal.
func Compare(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	}
	switch a := a.(type) {
	case bool:
		if b, ok := b.(bool); ok {
			return cmp.Compare(btoi(a), btoi(b))
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case []byte:
		if b, ok := b.([]byte); ok {
			return bytes.Compare(a, b)
		}
	case uuid.UUID:
		if b, ok := b.(uuid.UUID); ok {
			return bytes.Compare(a[:], b[:])
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	case Date:
		if b, ok := b.(Date); ok {
			return strings.Compare(a.String(), b.String())
		}
	}
	return 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

package engine

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// cell receives one column of a result from database/sql and puts it where the
// row wants it. It is made once a read and pointed anew for each row, so that no
// row costs more than the driver does.
type cell struct {
	kind storage.Kind
	dest any
	sum  bool // a sum, which past int64 is a real in SQLite
}

// Scan implements sql.Scanner. The drivers give int64, bool, string, []byte,
// time.Time or nil; what they give as []byte is theirs and is copied.
func (c *cell) Scan(src any) error {
	switch dest := c.dest.(type) {
	case nil:
		return nil
	case *string:
		*dest = text(src)
	case *int64:
		n, ok := src.(int64)
		if !ok && src != nil {
			return c.refuse(src)
		}
		*dest = n
	case *bool:
		*dest = truth(src)
	case *uuid.UUID:
		id, err := id(src)
		*dest = id
		return err
	case *time.Time:
		*dest = instant(src)
	case *storage.Date:
		d, err := date(src)
		*dest = d
		return err
	case *json.RawMessage:
		*dest = nil
		if src != nil {
			*dest = json.RawMessage(text(src))
		}
	case *[]byte:
		*dest = raw(src)
	case *any:
		v, err := c.value(src)
		*dest = v
		return err
	case sql.Scanner:
		v, err := c.value(src)
		if err != nil {
			return err
		}
		return dest.Scan(v)
	default:
		return fmt.Errorf("a row offered %T for %s", dest, c.kind)
	}
	return nil
}

func (c *cell) refuse(src any) error {
	if _, ok := src.(float64); ok && c.sum {
		return &storage.Error{Kind: storage.ErrOverflow, Change: -1, Reason: "the sum is past int64"}
	}
	return fmt.Errorf("the database holds %T where %s is declared", src, c.kind)
}

// value returns src as the Go type of the kind.
func (c *cell) value(src any) (any, error) {
	if src == nil {
		return nil, nil
	}
	switch c.kind {
	case storage.Bool:
		return truth(src), nil
	case storage.Int:
		if _, ok := src.(int64); !ok {
			return nil, c.refuse(src)
		}
		return src, nil
	case storage.Text:
		return text(src), nil
	case storage.Bytes:
		return raw(src), nil
	case storage.ID:
		return id(src)
	case storage.Time:
		return instant(src), nil
	case storage.Day:
		return date(src)
	case storage.JSON:
		return json.RawMessage(text(src)), nil
	}
	return nil, c.refuse(src)
}

func text(src any) string {
	switch v := src.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func raw(src any) []byte {
	switch v := src.(type) {
	case []byte:
		return append([]byte{}, v...)
	case string:
		return []byte(v)
	}
	return nil
}

func truth(src any) bool {
	switch v := src.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	}
	return false
}

func id(src any) (uuid.UUID, error) {
	switch v := src.(type) {
	case nil:
		return uuid.UUID{}, nil
	case []byte:
		if len(v) == len(uuid.UUID{}) {
			return uuid.UUID(v), nil
		}
		return uuid.ParseBytes(v)
	case string:
		return uuid.Parse(v)
	}
	return uuid.UUID{}, fmt.Errorf("the database holds %T where an id is declared", src)
}

func instant(src any) time.Time {
	switch v := src.(type) {
	case time.Time:
		return v.UTC()
	case int64:
		return time.UnixMicro(v).UTC()
	}
	return time.Time{}
}

func date(src any) (storage.Date, error) {
	switch v := src.(type) {
	case nil:
		return storage.Date{}, nil
	case time.Time:
		return storage.DateOf(v), nil
	}
	return storage.ParseDate(text(src))
}

// sink delivers result rows into a caller's rows.
type sink struct {
	cells []cell
	at    []int // the Dest index of each cell
	dests []any
}

func newSink(n int) *sink {
	s := &sink{cells: make([]cell, 0, n), at: make([]int, 0, n), dests: make([]any, 0, n)}
	return s
}

func (s *sink) add(k storage.Kind, at int) {
	s.cells = append(s.cells, cell{kind: k})
	s.at = append(s.at, at)
	s.dests = append(s.dests, &s.cells[len(s.cells)-1]) // never grows past newSink's n
}

// forget lets go of the row that was filled last.
func (s *sink) forget() {
	for i := range s.cells {
		s.cells[i].dest = nil
	}
}

// read fills rows until there are no more, next returns nil, or the statement has
// given all that its limit allows, if it has one: to ask again would cost a step.
// It closes rows.
func (s *sink) read(rows *sql.Rows, limit int, next func() storage.Row) error {
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for n := 0; (limit == 0 || n < limit) && rows.Next(); n++ {
		row := next()
		if row == nil {
			return rows.Close()
		}
		for i := range s.cells {
			if s.at[i] >= 0 {
				s.cells[i].dest = row.Dest(s.at[i])
			}
		}
		if err := rows.Scan(s.dests...); err != nil {
			return err
		}
	}
	return rows.Err()
}

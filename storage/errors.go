package storage

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of failure. Every error of an adapter is one of them, told by
// errors.Is, or the context's own error when a call was cancelled; [Error] says
// more. After each of them nothing of the failed call is in the database.
var (
	// ErrInvalid is a call that cannot be right however often it is made: bad
	// input, an unknown column, something over a limit.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound is a change to a row that is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict is a change that lost: to a newer version of the row, to a row
	// that has the key or the unique value already, to a reference in use or
	// missing, or to another writer while in a transaction that cannot be retried.
	ErrConflict = errors.New("conflict")
	// ErrRetry is a transaction that the database ended for the sake of another
	// one (a deadlock, a serialization failure). Made again from its beginning
	// it may succeed.
	ErrRetry = errors.New("the transaction must be tried again")
	// ErrTxLost is a transaction of which nothing is left in the database. Roll
	// it back and begin again.
	ErrTxLost = errors.New("the transaction is lost")
	// ErrTxDone is the use of a transaction that was committed or rolled back.
	ErrTxDone = errors.New("the transaction is finished")
	// ErrBusy is a lock or a connection that could not be had in the time allowed.
	ErrBusy = errors.New("busy")
	// ErrReadOnly is a write to a database that takes none.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrVersion is a database whose schema this library cannot use: not yet
	// migrated, or migrated by a newer library past what this one can read.
	ErrVersion = errors.New("schema version")
	// ErrOverflow is a sum past the range of int64.
	ErrOverflow = errors.New("overflow")
	// ErrUnavailable is a database that cannot be reached or that failed in
	// itself: connection, disk, memory.
	ErrUnavailable = errors.New("the database is unavailable")
)

// Error is what an adapter's errors are: a kind, what was being done to what,
// and the driver's own error. Its text names fields and limits, never values.
type Error struct {
	Kind   error  // one of the kinds above
	Op     string // the verb: read, aggregate, write, expand, claim, join, migrate …
	Table  string // the table it was about, or empty
	Field  string // the column or constraint at fault, or empty
	Change int    // for Write, the index of the change at fault; else -1
	Reason string // what is wrong and what to do, in words
	Err    error  // the driver's error, or nil
}

// Error returns one line: verb, table, field, kind, reason and the driver's text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("storage: ")
	for _, s := range []string{e.Op, e.Table} {
		if s != "" {
			b.WriteString(s)
			b.WriteByte(' ')
		}
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "(%s) ", e.Field)
	}
	if e.Change >= 0 && e.Op == "write" {
		fmt.Fprintf(&b, "change %d ", e.Change)
	}
	s := strings.TrimSuffix(b.String(), " ")
	if s != "storage:" {
		s += ":"
	}
	s += " " + e.Kind.Error()
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is see the kind and the driver's error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Invalid returns an [ErrInvalid] about a table's field.
func Invalid(table, field, format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Table: table, Field: field, Change: -1, Reason: fmt.Sprintf(format, args...)}
}

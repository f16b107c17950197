package crm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// The kinds of errors, matched with errors.Is.
var (
	// ErrNotFound is a record that is not there, or that the actor may not read:
	// the two are not told apart.
	ErrNotFound = storage.ErrNotFound
	// ErrConflict is a change that lost: to a newer version, to a record that has
	// the unique value, to records that still refer to this one.
	ErrConflict = storage.ErrConflict
	// ErrInvalid is input that is refused. For a record it is an [InvalidError], which
	// lists every field at fault.
	ErrInvalid = storage.ErrInvalid
	// ErrForbidden is what the actor has no right to.
	ErrForbidden = errors.New("forbidden")
	// ErrUnscoped is a call whose context names no tenant and actor; see [As].
	ErrUnscoped = errors.New("the context has no scope: use crm.As or crm.System")
	// ErrRetry is a transaction of the host's that the database ended for the sake
	// of another: roll back and begin again.
	ErrRetry = storage.ErrRetry
	// ErrTxLost is a transaction of which nothing is left: roll back and begin again.
	ErrTxLost = storage.ErrTxLost
)

// Error says what was being done to what when err came up.
type Error struct {
	Op     string // the verb: create, get, update, list …
	Object string // the kind of record, or empty
	ID     ID     // the record, or zero
	Err    error
}

// Error returns "crm: update deal 0198…: conflict: …".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("crm: ")
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	if !e.ID.IsZero() {
		b.WriteString(" " + e.ID.String())
	}
	text := strings.TrimPrefix(e.Err.Error(), "crm: ")
	text = strings.TrimPrefix(text, "storage: ")
	b.WriteString(": " + strings.TrimPrefix(text, e.Op+": "))
	return b.String()
}

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// failed wraps err once, at the public boundary.
func failed(op, object string, id ID, err error) error {
	if err == nil {
		return nil
	}
	if _, wrapped := errors.AsType[*Error](err); wrapped {
		return err
	}
	return &Error{Op: op, Object: object, ID: id, Err: err}
}

// Fault is one thing wrong with the input.
type Fault struct {
	Field  string // the field's JSON name, or empty when it is about the whole
	Reason string // what is wrong and what to do
}

// InvalidError is an [ErrInvalid] that lists everything wrong with a record. A
// type's Validate and a hook return one by [Invalid].
type InvalidError struct{ Faults []Fault }

// Invalid returns an [InvalidError] about one field.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{Faults: []Fault{{Field: field, Reason: fmt.Sprintf(format, args...)}}}
}

// Error names every field at fault.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		parts[i] = f.Reason
		if f.Field != "" {
			parts[i] = f.Field + ": " + f.Reason
		}
	}
	return "invalid: " + strings.Join(parts, "; ")
}

// Is makes it an [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// faultsOf returns the faults in err, and false when it is of another kind.
func faultsOf(err error) ([]Fault, bool) {
	if all, ok := errors.AsType[*InvalidError](err); ok {
		return all.Faults, true
	}
	return nil, false
}

// ConflictError is an [ErrConflict] about a field: a unique value that is taken, or
// a record that others refer to.
type ConflictError struct {
	Field  string // the field at fault
	Holder ID     // who has the value, when it is one record the actor may read
	Reason string

	raced bool // another writer came first, and the call may be made again
}

// Error names the field.
func (e *ConflictError) Error() string { return "conflict: " + e.Field + ": " + e.Reason }

// Is makes it an [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// raced reports a lost race that may be run again.
func raced(err error) bool {
	c, ok := errors.AsType[*ConflictError](err)
	return ok && c.raced
}

// forbidden returns an [ErrForbidden] that says what the actor may not.
func forbidden(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrForbidden, fmt.Sprintf(format, args...))
}

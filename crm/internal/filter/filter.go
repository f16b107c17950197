// Package filter is the expression language of the CRM: one language for lists,
// segments, automation, scoring, row rights and the filters of reports.
//
// A text is parsed once ([Parse]), which needs no records, and compiled for a kind
// of record and the moment it is asked ([Expr.Compile]) into a condition of package
// storage, which an engine turns into SQL and [storage.Match] evaluates in memory.
// The syntax is a closed part of that of expr-lang/expr, whose parser reads it.
// What is in it, and what it means, is on the page docs/expressions.md, whose
// tables are tests.
package filter

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Type is what a field holds, as the language sees it.
type Type uint8

// The types of a field.
const (
	Bool    Type = iota + 1 // true or false
	Int                     // a whole number
	Text                    // text, compared bytewise
	ID                      // an id, which has no order
	Time                    // an instant
	Date                    // a day of the calendar
	Money                   // an amount in a currency
	Decimal                 // a number with a fixed number of digits after the point
	Tags                    // a set of texts
)

// String returns the type's name as errors use it.
func (t Type) String() string {
	names := [...]string{"nothing", "true or false", "a whole number", "text", "an id", "a time", "a date", "money", "a number", "tags"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Field is a field of an object as the language sees it.
//
// How a value is kept is told by the kind of At. A Time is a Time or an Int, the
// microseconds since 1970; a Date is a Day or a Text 2006-01-02; an ID is an ID or
// a Text in lower case. The second form of each is that of members of a JSON column.
type Field struct {
	Type Type
	// At is where the value is: for Money its minor units, for Decimal the value
	// times ten to the power of Scale, both an Int; for Tags a JSON array of texts.
	At storage.Field
	// Currency is where the ISO code of a Money is.
	Currency storage.Field
	// Fold is where the folded form of a Text is, or nil when none is kept.
	Fold *storage.Field
	// Scale is the number of digits a Decimal has after the point, 0 to 18.
	Scale int
	// Protected says that a Text is kept so that nothing but whether it is equal to a
	// text can be told of it.
	Protected bool
	// Lookup, when not nil, is an index table with the value in it as well. Tags
	// and Money have none.
	Lookup *Lookup
}

// Lookup says how to ask an index table for a field's value: the row has a related
// row of Rel that satisfies Where and has the value At. A value that is absent has
// no such row. Comparisons with values, in and startsWith go there when the field
// is one of the record at hand or of one reached under a scope.
type Lookup struct {
	Rel   storage.Rel
	Where storage.Expr // nil is any row
	At    storage.Field
}

// Object is what the language may name of a kind of record. All of it must agree
// with Table: a field, reference or relation that does not is an error of Compile.
type Object interface {
	// Name is the object's name, such as "customer".
	Name() string
	// Table is where its records are.
	Table() *storage.Table
	// Field finds a field of the record by the name it has in the language.
	Field(name string) (Field, bool)
	// Custom finds the field written custom.name.
	Custom(name string) (Field, bool)
	// Ref finds a reference: the column that holds the key of a record of to.
	Ref(name string) (column string, to Object, ok bool)
	// Relation finds the records that refer to this one.
	Relation(name string) (rel storage.Rel, of Object, ok bool)
	// Scope is what every record of this object that a reference or relation leads
	// to must satisfy besides, or nil: that it is not deleted and may be read. One
	// that does not is taken as not being there.
	Scope() storage.Expr
}

// Env is what an expression takes from the moment it is compiled in.
type Env struct {
	// Now is the one instant of now(), today(), ago() and fromNow().
	Now time.Time
	// Zone is the calendar of days and months; nil is UTC.
	Zone *time.Location
	// Me is the member of me(). The zero id is nobody: a comparison with it is false.
	Me uuid.UUID
	// Money turns the amount of money('10.00', 'EUR') into minor units.
	Money func(amount, currency string) (minor int64, err error)
	// Fold is the function that wrote the columns named by Field.Fold.
	Fold func(string) string
	// Named, when not nil, is asked about each name as it is met. Its error ends the
	// compilation and is returned as it is.
	Named func(Use) error
}

// Amount is an amount in minor units of a currency, as an argument.
type Amount struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

// Error is what is wrong with an expression, its arguments or their fit with an
// object. It is a [storage.ErrInvalid]. It names fields and limits, never values.
type Error struct {
	Pos    int    // the byte of the text it begins at, or -1 when it is at none
	Field  string // the field it is about, as written, or empty
	Reason string // what is wrong and what to do, in words
}

// Error returns one line.
func (e *Error) Error() string {
	s := "expression"
	if e.Pos >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Pos)
	}
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	return s + ": " + e.Reason
}

// Unwrap makes errors.Is see storage.ErrInvalid.
func (e *Error) Unwrap() error { return storage.ErrInvalid }

// invalid returns an Error about a place of the text.
func invalid(pos int, format string, args ...any) error {
	return &Error{Pos: pos, Reason: fmt.Sprintf(format, args...)}
}

package storage

import "slices"

// Action is what a [Change] does.
type Action uint8

// The actions.
const (
	// Insert adds Row. A row with its key or one of its unique values is
	// ErrConflict.
	Insert Action = iota + 1
	// Update sets the columns of the row with Row's key. In a table with versions
	// the row must be at Version, else it is ErrConflict, and then is at
	// Version+1; a row that is not there is ErrNotFound.
	Update
	// Delete removes the row with Row's key, under the same conditions as Update;
	// in a ledger a row that is not there is no error.
	Delete
	// Clear removes from a ledger every row that satisfies Where.
	Clear
	// Put adds Row to a ledger, in the place of the row with its key if there is one.
	Put
	// Add adds Row to a ledger unless there is a row with its key, which stays as it
	// is. Another transaction that is adding one is waited for.
	Add
)

// Change is one step of a [Session.Write].
type Change struct {
	Action  Action
	Table   *Table
	Row     Row   // what to write and where; Clear has none
	Columns []int // for Update, the columns to set, key and version excepted; nil is all
	Version int64 // for Update and Delete in a table with versions, the one expected
	Where   Expr  // for Clear

	// Added, when not nil, is set by an Add that returns nil: whether its row is new.
	Added *bool

	// Checked says that whoever made the change has held the row's values against
	// [CheckValue] or made them of values that were, so that an adapter need not; JSON
	// among them may then be larger than MaxText.
	Checked bool
}

// Check reports what is wrong with a change as [ErrInvalid], its values
// excepted: those an adapter checks with [CheckValue] as it takes them.
func (c *Change) Check() error {
	t := c.Table
	if err := t.Check(); err != nil {
		return err
	}
	switch {
	case c.Action < Insert || c.Action > Add:
		return Invalid(t.Name, "", "the change has no action")
	case c.Action == Clear && t.Version != "":
		return Invalid(t.Name, "", "only a ledger is cleared: records are deleted one by one, each at its version")
	case (c.Action == Put || c.Action == Add) && (t.Version != "" || len(t.Key) == 0):
		return Invalid(t.Name, "", "only into a ledger with a key rows are put or added: records are created, and updated at a version")
	case c.Action == Add && t.Words != "":
		return Invalid(t.Name, t.Words, "into a ledger with an index of words rows are put")
	case c.Action == Clear && c.Row != nil, c.Action != Clear && c.Row == nil:
		return Invalid(t.Name, "", "a change has a row, and Clear has none")
	case c.Action == Clear:
		return CheckExpr(t, c.Where)
	case c.Action != Update:
		return nil
	case c.Columns != nil && len(c.Columns) == 0:
		return Invalid(t.Name, "", "the update sets no column")
	}
	for n, i := range c.Columns {
		if i < 0 || i >= len(t.Columns) {
			return Invalid(t.Name, "", "the table has no column %d", i)
		}
		name := t.Columns[i].Name
		if name == t.Version || slices.Contains(t.Key, name) {
			return Invalid(t.Name, name, "a row's key never changes, and its version by itself")
		}
		if slices.Contains(c.Columns[:n], i) {
			return Invalid(t.Name, name, "the update sets the column twice")
		}
	}
	return nil
}

// Expansion adds to a ledger a row for every row of a condition, inside the
// database: an audience frozen, a segment's members written down.
type Expansion struct {
	Into  *Table // a ledger
	From  *Table
	Where Expr // on From
	// Set gives Into's columns their values, each once; those left out are absent.
	Set []Assign
}

// Assign gives a column of an [Expansion]'s target a value: a [Field] of the
// source row or a value of the column's kind.
type Assign struct {
	Column string
	Value  any
}

// Check reports what is wrong with an expansion as [ErrInvalid].
func (e *Expansion) Check() error {
	if err := e.Into.Check(); err != nil {
		return err
	}
	if e.Into.Version != "" {
		return Invalid(e.Into.Name, "", "only a ledger is expanded into: records are written one by one")
	}
	if e.Into.Words != "" {
		return Invalid(e.Into.Name, e.Into.Words, "a ledger with an index of words is not expanded into")
	}
	if err := e.From.Check(); err != nil {
		return err
	}
	if err := CheckExpr(e.From, e.Where); err != nil {
		return err
	}
	set := make([]bool, len(e.Into.Columns))
	for _, a := range e.Set {
		i := e.Into.Index(a.Column)
		if i < 0 || set[i] {
			return Invalid(e.Into.Name, a.Column, "the table has no such column, or it is set twice")
		}
		set[i] = true
		f, ok := a.Value.(Field)
		if !ok {
			if err := CheckValue(e.Into, i, a.Value); err != nil {
				return err
			}
			continue
		}
		k, err := f.kindOf(e.From)
		if err != nil {
			return err
		}
		if k != e.Into.Columns[i].Kind {
			return Invalid(e.Into.Name, a.Column, "holds %s and is given %s", e.Into.Columns[i].Kind, k)
		}
	}
	for i, c := range e.Into.Columns {
		if !set[i] && !c.Null {
			return Invalid(e.Into.Name, c.Name, "a value is required")
		}
	}
	return nil
}

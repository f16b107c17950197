package filter

import "github.com/embedcrm/embedcrm/storage"

// The tree of an expression: conditions, which hold or do not, and the operands
// they are about. It is closed, and never changed once it is made.
type (
	condition interface{ condition() }
	operand   interface{ pos() int }
)

// The conditions.
type (
	// logic is the and, or the or, of a list.
	logic struct {
		or   bool
		list []condition
	}
	// negation is the not of a condition.
	negation struct{ of condition }
	// constant is true or false.
	constant bool
	// holds is a field that is itself a condition.
	holds struct{ of path }
	// comparison compares two operands.
	comparison struct {
		at          int
		op          storage.Op
		left, right operand
	}
	// membership is left in right.
	membership struct {
		at          int
		left, right operand
	}
	// search is left contains right, or left startsWith right.
	search struct {
		at          int
		prefix      bool
		left, right operand
	}
	// related is any, all or none; as an operand it is count.
	related struct {
		at    int
		fn    string
		name  string
		where condition // nil for count(name)
	}
)

func (logic) condition()      {}
func (negation) condition()   {}
func (constant) condition()   {}
func (holds) condition()      {}
func (comparison) condition() {}
func (membership) condition() {}
func (search) condition()     {}
func (related) condition()    {}

// The operands.
type (
	// path is a field, as the names that lead to it.
	path struct {
		at    int
		names []string
	}
	// text is a text in quotes.
	text struct {
		at    int
		value string
	}
	// number is a number as written, with its sign.
	number struct {
		at    int
		value string
	}
	// boolean is true or false.
	boolean struct {
		at    int
		value bool
	}
	// null is nil.
	null struct{ at int }
	// argument is $n.
	argument struct{ at, n int }
	// call is a function of operands.
	call struct {
		at   int
		name string
		args []operand
	}
	// list is operands in brackets.
	list struct {
		at    int
		items []operand
	}
)

func (p path) pos() int     { return p.at }
func (t text) pos() int     { return t.at }
func (n number) pos() int   { return n.at }
func (b boolean) pos() int  { return b.at }
func (n null) pos() int     { return n.at }
func (a argument) pos() int { return a.at }
func (c call) pos() int     { return c.at }
func (l list) pos() int     { return l.at }
func (r related) pos() int  { return r.at }

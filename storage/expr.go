package storage

import (
	"fmt"
	"slices"
)

// Expr is a condition on a row: a closed tree of the types below. It is
// two-valued: a comparison one side of which is absent is false, and Not is the
// plain negation of what it holds, so Not of such a comparison is true. [Match]
// is that meaning as code; an adapter's SQL selects the same rows.
type Expr interface{ expr() }

// Op is how two values are compared.
type Op uint8

// The comparisons. "Not equal" is Not of Eq.
const (
	Eq Op = iota + 1
	Lt
	Le
	Gt
	Ge
)

// The types of an Expr.
type (
	// And holds when all of it hold; an empty And does.
	And []Expr
	// Or holds when any of it holds; an empty Or does not.
	Or []Expr
	// Not holds when Expr does not.
	Not struct{ Expr Expr }
	// Is compares a field with Value: the Go type of the field's kind, or another
	// Field of the same kind. Bool and Bytes compare by Eq alone, JSON not at all.
	Is struct {
		Field Field
		Op    Op
		Value any
	}
	// In holds when the field equals one of Values; never for an empty list. The
	// list travels as one bound argument. Bool, Bytes and JSON have no In.
	In struct {
		Field  Field
		Values []any
	}
	// Absent holds when the field has no value. A JSON column that holds null has
	// one; a member of it that is null has none.
	Absent struct{ Field Field }
	// Contains holds when Text occurs in the text field, byte for byte.
	Contains struct {
		Field Field
		Text  string
	}
	// Prefix holds when the text field begins with Text, byte for byte. An index
	// on the field serves it.
	Prefix struct {
		Field Field
		Text  string
	}
	// Has holds when the JSON field, a column or a member read as JSON, is an array
	// with the string Text in it.
	Has struct {
		Field Field
		Text  string
	}
	// Exists holds when a related row satisfies Where; nil is any row. First is a
	// hint, and changes nothing else: few related rows satisfy Where and an index
	// finds them, so that it is well to begin with those.
	Exists struct {
		Rel   Rel
		Where Expr
		First bool
	}
	// Count compares with N how many related rows satisfy Where. Grouped is a hint, and
	// changes nothing else: it is asked of most rows of the table, so that it is well to
	// count the related rows of all of them at once.
	Count struct {
		Rel     Rel
		Where   Expr
		Op      Op
		N       int64
		Grouped bool
	}
	// Words holds when the table's Words column has, for each list of All, at least
	// one of its words. The column's text is words of the characters a to z and 0 to 9
	// with one space between, in any order. First is a hint, and changes nothing else:
	// as a part of a Query's Where, or of an And in it, it says that it is well to begin
	// with the rows that an index of words finds. It costs what visiting the words'
	// entries in that index does, which all tenants share: a word that begins with
	// something of the tenant's keeps it from visiting another's.
	//
	// A table of words needs in SQLite a column row INTEGER PRIMARY KEY that no Table
	// lists, beside a unique index on the key, and an FTS5 table of its name and
	// "_words", with external content: fts5(words, content='crm_x', content_rowid='row',
	// tokenize='ascii', detail='none', columnsize=0). In Postgres it needs a GIN index
	// on (words::tsvector).
	Words struct {
		Field Field
		All   [][]Word
		First bool
	}
)

// Word is a word that [Words] looks for: itself, or with Prefix all that begin with
// it.
type Word struct {
	Text   string
	Prefix bool
}

func (And) expr()      {}
func (Or) expr()       {}
func (Not) expr()      {}
func (Is) expr()       {}
func (In) expr()       {}
func (Absent) expr()   {}
func (Contains) expr() {}
func (Prefix) expr()   {}
func (Has) expr()      {}
func (Exists) expr()   {}
func (Count) expr()    {}
func (Words) expr()    {}

// Field names a value of a row: a column, a column of the row it refers to, or a
// member of a JSON column.
type Field struct {
	// Name is the column.
	Name string
	// Ref, when not nil, says that Name is a column of the row it leads to. The
	// value is absent when there is no such row.
	Ref *Ref
	// Member is a member of the object in the JSON column Name, and Kind is the
	// kind it is read as: Text (a string), Int (a whole number within int64
	// written without point and exponent) or Bool; or JSON (any value but null),
	// for [Has] and [Absent] alone. A member of another type is absent. Member may
	// be any text but the empty one.
	Member string
	Kind   Kind
}

// F is the Field of a column of the table at hand.
func F(column string) Field { return Field{Name: column} }

// Ref is one step from a row to the row of Table whose single key column equals
// the row's Column.
type Ref struct {
	Column string
	Table  *Table
}

// Rel leads from a row to the rows of Table whose Column equals its own Key, a
// column of the same kind. A field of the related condition is one of Table.
type Rel struct {
	Table  *Table
	Column string
	Key    string
}

// kindOf returns the kind of f over t, and refuses what is not there.
func (f Field) kindOf(t *Table) (Kind, error) { return f.kindIn(t, false) }

// kindIn is kindOf; with whole, a member may be read as JSON.
func (f Field) kindIn(t *Table, whole bool) (Kind, error) {
	if f.Ref != nil {
		i := t.Index(f.Ref.Column)
		if i < 0 {
			return 0, Invalid(t.Name, f.Ref.Column, "the table has no such column")
		}
		to := f.Ref.Table
		if err := to.Check(); err != nil {
			return 0, err
		}
		if len(to.Key) != 1 || to.Columns[to.Index(to.Key[0])].Kind != t.Columns[i].Kind {
			return 0, Invalid(t.Name, f.Ref.Column, "the column does not hold the key of %s", to.Name)
		}
		t = to
	}
	i := t.Index(f.Name)
	if i < 0 {
		return 0, Invalid(t.Name, f.Name, "the table has no such column")
	}
	kind := t.Columns[i].Kind
	if f.Member == "" {
		return kind, nil
	}
	if kind != JSON {
		return 0, Invalid(t.Name, f.Name, "holds %s, and only JSON has members", kind)
	}
	switch {
	case f.Kind == JSON && !whole:
		return 0, Invalid(t.Name, f.Name, "only Has and Absent read a member as JSON")
	case f.Kind != Text && f.Kind != Int && f.Kind != Bool && f.Kind != JSON:
		return 0, Invalid(t.Name, f.Name, "a member of JSON is read as text, int or bool")
	}
	if msg := textFault(f.Member); msg != "" || len(f.Member) > 256 {
		return 0, Invalid(t.Name, f.Name, "a member's name is UTF-8 text of at most 256 bytes without NUL")
	}
	return f.Kind, nil
}

// CheckField reports a field that t does not have as [ErrInvalid], and returns
// its kind. A member read as JSON is no field but to [Has] and [Absent], which
// [CheckExpr] checks.
func CheckField(t *Table, f Field) (Kind, error) { return f.kindOf(t) }

// CheckExpr reports as [ErrInvalid] what is wrong with a condition on rows of t:
// an unknown column, a value of the wrong kind, a comparison the kind has not,
// too many nodes or too deep a tree. A nil Expr holds for every row.
func CheckExpr(t *Table, e Expr) error {
	nodes := 0
	return checkExpr(t, e, 0, &nodes)
}

func checkExpr(t *Table, e Expr, depth int, nodes *int) error {
	if e == nil && depth == 0 {
		return nil
	}
	if *nodes++; *nodes > MaxNodes {
		return Invalid(t.Name, "", "the condition has more than %d nodes", MaxNodes)
	}
	if depth > MaxDepth {
		return Invalid(t.Name, "", "the condition is nested deeper than %d", MaxDepth)
	}
	all := func(list []Expr) error {
		for _, x := range list {
			if err := checkExpr(t, x, depth+1, nodes); err != nil {
				return err
			}
		}
		return nil
	}
	related := func(r Rel, where Expr) error {
		if err := r.Table.Check(); err != nil {
			return err
		}
		in, out := r.Table.Index(r.Column), t.Index(r.Key)
		if in < 0 {
			return Invalid(r.Table.Name, r.Column, "the table has no such column")
		}
		if out < 0 {
			return Invalid(t.Name, r.Key, "the table has no such column")
		}
		if k := t.Columns[out].Kind; k != r.Table.Columns[in].Kind || k == JSON {
			return Invalid(t.Name, r.Key, "does not hold what %s.%s refers to", r.Table.Name, r.Column)
		}
		if where == nil {
			return nil
		}
		return checkExpr(r.Table, where, depth+1, nodes)
	}
	text := func(f Field, want Kind, s string) error {
		k, err := f.kindIn(t, want == JSON)
		if err != nil {
			return err
		}
		if k != want {
			return Invalid(t.Name, f.Name, "holds %s, and the condition is about %s", k, want)
		}
		if msg := textFault(s); msg != "" {
			return Invalid(t.Name, f.Name, "the text compared with %s", msg)
		}
		return nil
	}
	switch e := e.(type) {
	case And:
		return all(e)
	case Or:
		return all(e)
	case Not:
		return checkExpr(t, e.Expr, depth+1, nodes)
	case Is:
		return checkIs(t, e)
	case In:
		return checkIn(t, e)
	case Absent:
		_, err := e.Field.kindIn(t, true)
		return err
	case Contains:
		return text(e.Field, Text, e.Text)
	case Prefix:
		return text(e.Field, Text, e.Text)
	case Has:
		return text(e.Field, JSON, e.Text)
	case Exists:
		return related(e.Rel, e.Where)
	case Count:
		if e.Op < Eq || e.Op > Ge {
			return Invalid(t.Name, "", "the comparison is none of =, <, <=, >, >=")
		}
		return related(e.Rel, e.Where)
	case Words:
		return checkWords(t, e)
	}
	return Invalid(t.Name, "", "a condition holds %T, which is none of the package's", e)
}

func checkIs(t *Table, e Is) error {
	k, err := e.Field.kindOf(t)
	if err != nil {
		return err
	}
	switch {
	case e.Op < Eq || e.Op > Ge:
		return Invalid(t.Name, e.Field.Name, "the comparison is none of =, <, <=, >, >=")
	case k == JSON:
		return Invalid(t.Name, e.Field.Name, "JSON as a whole cannot be compared: name a member")
	case e.Op != Eq && (k == Bool || k == Bytes):
		return Invalid(t.Name, e.Field.Name, "%s has no order", k)
	}
	if other, ok := e.Value.(Field); ok {
		ok, err := other.kindOf(t)
		if err != nil {
			return err
		}
		if ok != k {
			return Invalid(t.Name, e.Field.Name, "holds %s and is compared with %s", k, ok)
		}
		return nil
	}
	if e.Value == nil {
		return Invalid(t.Name, e.Field.Name, "a comparison with nothing is never true: use Absent")
	}
	if msg := fault(k, e.Value); msg != "" {
		return Invalid(t.Name, e.Field.Name, "%s", msg)
	}
	return nil
}

func checkIn(t *Table, e In) error {
	k, err := e.Field.kindOf(t)
	if err != nil {
		return err
	}
	if k == JSON || k == Bytes || k == Bool {
		return Invalid(t.Name, e.Field.Name, "%s has no list comparison", k)
	}
	if len(e.Values) > MaxValues {
		return Invalid(t.Name, e.Field.Name, "the list has %d values, and %d are allowed", len(e.Values), MaxValues)
	}
	for _, v := range e.Values {
		if msg := fault(k, v); msg != "" {
			return Invalid(t.Name, e.Field.Name, "a value of the list %s", msg)
		}
	}
	return nil
}

// PrefixEnd returns the first text after all those that begin with p, in bytewise
// order, and false when there is none: what an adapter needs to serve [Prefix]
// from an index. The answer is valid UTF-8.
func PrefixEnd(p string) (string, bool) {
	runes := []rune(p)
	for i, r := range slices.Backward(runes) {
		switch r {
		case '\U0010FFFF':
			continue
		case 0xD7FF: // the surrogates are no characters
			r = 0xE000
		default:
			r++
		}
		return string(runes[:i]) + string(r), true
	}
	return "", false
}

// String returns the comparison's sign.
func (op Op) String() string {
	if op >= Eq && op <= Ge {
		return [...]string{"=", "<", "<=", ">", ">="}[op-1]
	}
	return fmt.Sprintf("op(%d)", uint8(op))
}

package filter

import "slices"

// Kind is what a name of an expression stands for.
type Kind uint8

// The kinds of names.
const (
	UsesField    Kind = iota + 1 // a field of the record
	UsesCustom                   // a custom field: custom.name, Name being the name
	UsesRef                      // a reference, over which a field is named
	UsesRelation                 // a relation
)

// Use is a name that an expression depends on.
type Use struct {
	Object string // the object whose name it is
	Kind   Kind
	Name   string // as the object knows it
}

// Uses returns what an expression names of an object and of those it leads to, each
// once, in the order of the text. A name that is not there is an error.
func (e *Expr) Uses(o Object) ([]Use, error) {
	u := &uses{}
	if err := u.condition(e.root, o); err != nil {
		return nil, err
	}
	return u.list, nil
}

// uses collects the names of an expression.
type uses struct{ list []Use }

func (u *uses) add(use Use) {
	if !slices.Contains(u.list, use) {
		u.list = append(u.list, use)
	}
}

func (u *uses) condition(x condition, o Object) error {
	switch x := x.(type) {
	case logic:
		for _, part := range x.list {
			if err := u.condition(part, o); err != nil {
				return err
			}
		}
	case negation:
		return u.condition(x.of, o)
	case holds:
		return u.operands(o, x.of)
	case comparison:
		return u.operands(o, x.left, x.right)
	case membership:
		return u.operands(o, x.left, x.right)
	case search:
		return u.operands(o, x.left, x.right)
	case related:
		return u.operands(o, x)
	}
	return nil
}

func (u *uses) operands(o Object, list ...operand) error {
	for _, x := range list {
		var err error
		switch x := x.(type) {
		case path:
			err = u.path(x, o)
		case call:
			err = u.operands(o, x.args...)
		case related:
			err = u.related(x, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *uses) related(x related, o Object) error {
	_, of, ok := o.Relation(x.name)
	if !ok {
		return &Error{x.at, x.name, o.Name() + " has no relation of this name"}
	}
	u.add(Use{o.Name(), UsesRelation, x.name})
	if x.where == nil {
		return nil
	}
	return u.condition(x.where, of)
}

func (u *uses) path(p path, o Object) error {
	t, err := resolve(p, o)
	if err != nil {
		return err
	}
	return t.uses(p, o, func(use Use) error {
		u.add(use)
		return nil
	})
}

// uses calls named for what the path to the target names.
func (t *target) uses(p path, o Object, named func(Use) error) error {
	names := p.names
	if t.hop != nil {
		if err := named(Use{o.Name(), UsesRef, names[0]}); err != nil {
			return err
		}
		names = names[1:]
	}
	if names[0] == "custom" && len(names) > 1 {
		return named(Use{t.object.Name(), UsesCustom, names[1]})
	}
	return named(Use{t.object.Name(), UsesField, names[0]})
}

// Calls returns the names of the functions of values that an expression calls, such as
// now and ago, each once, in the order of the text.
func (e *Expr) Calls() []string {
	c := &calls{}
	c.condition(e.root)
	return c.names
}

// calls collects the functions of an expression.
type calls struct{ names []string }

func (c *calls) condition(x condition) {
	switch x := x.(type) {
	case logic:
		for _, part := range x.list {
			c.condition(part)
		}
	case negation:
		c.condition(x.of)
	case comparison:
		c.operands(x.left, x.right)
	case membership:
		c.operands(x.left, x.right)
	case search:
		c.operands(x.left, x.right)
	case related:
		c.operands(x)
	}
}

func (c *calls) operands(all ...operand) {
	for _, x := range all {
		switch x := x.(type) {
		case call:
			if !slices.Contains(c.names, x.name) {
				c.names = append(c.names, x.name)
			}
			c.operands(x.args...)
		case list:
			c.operands(x.items...)
		case related:
			if x.where != nil {
				c.condition(x.where)
			}
		}
	}
}

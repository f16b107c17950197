package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/embedcrm/embedcrm/storage"
)

// Expr is a parsed expression. It is not changed by its use, so that any number of
// goroutines may share it.
type Expr struct {
	text string
	root condition
	args []int // for each argument, where it is first named; -1 is nowhere
}

// String returns the text.
func (e *Expr) String() string { return e.text }

// Args returns how many arguments the text names: the greatest n of its $n.
func (e *Expr) Args() int { return len(e.args) }

// Parse reads an expression: its syntax, its limits, and that nothing in it is
// outside the language. Names and types are for Compile. The time it takes is
// linear in the length of the text.
func Parse(expression string) (*Expr, error) {
	s, err := scan(expression)
	if err != nil {
		return nil, err
	}
	tree, err := parser.Parse(expression)
	if err != nil {
		return nil, s.syntax(err)
	}
	r := &reader{source: s}
	root, err := r.condition(tree.Node, 0)
	if err != nil {
		return nil, err
	}
	return &Expr{text: expression, root: root, args: r.args}, nil
}

// reader turns the parser's tree into ours.
type reader struct {
	*source

	args      []int
	nodes     int
	relations int
	inside    string // the relation the condition is inside of, or empty
}

func (r *reader) at(n ast.Node) int { return r.pos(n.Location().From) }

func (r *reader) condition(n ast.Node, depth int) (condition, error) {
	if r.nodes++; r.nodes > MaxNodes {
		return nil, invalid(r.at(n), "there are more than %d conditions", MaxNodes)
	}
	if depth > storage.MaxDepth {
		return nil, invalid(r.at(n), "conditions are nested deeper than %d", storage.MaxDepth)
	}
	switch n := n.(type) {
	case *ast.BoolNode:
		return constant(n.Value), nil
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			of, err := r.condition(n.Node, depth+1)
			return negation{of}, err
		}
	case *ast.BinaryNode:
		return r.binary(n, depth)
	case *ast.BuiltinNode:
		if isRelation(n.Name) && n.Name != "count" {
			return r.related(n, depth)
		}
		return nil, invalid(r.at(n), "%s(…) is no condition by itself: compare it with something", n.Name)
	case *ast.IdentifierNode, *ast.MemberNode:
		o, err := r.operand(n)
		if err != nil {
			return nil, err
		}
		if p, ok := o.(path); ok {
			return holds{p}, nil
		}
	}
	return nil, invalid(r.at(n), "a condition is wanted here: a comparison, a field that is true or false, any(…), or these joined by and, or, not")
}

func (r *reader) binary(n *ast.BinaryNode, depth int) (condition, error) {
	op, negated := storage.Op(0), false
	switch n.Operator {
	case "and", "&&", "or", "||":
		return r.logic(n, depth)
	case "in", "contains", "startsWith":
	case "==":
		op = storage.Eq
	case "!=":
		op, negated = storage.Eq, true
	case "<":
		op = storage.Lt
	case "<=":
		op = storage.Le
	case ">":
		op = storage.Gt
	case ">=":
		op = storage.Ge
	default:
		return nil, invalid(r.at(n), "%s is no part of the language, which does not calculate: give the result as an argument", n.Operator)
	}
	left, err := r.operand(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := r.operand(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "in":
		return membership{r.at(n), left, right}, nil
	case "contains", "startsWith":
		return search{r.at(n), n.Operator == "startsWith", left, right}, nil
	}
	c := comparison{r.at(n), op, left, right}
	if negated {
		return negation{c}, nil
	}
	return c, nil
}

// logic reads a chain of the same joint as one list, so that it is not deep.
func (r *reader) logic(n *ast.BinaryNode, depth int) (condition, error) {
	or := isOr(n.Operator)
	var parts []ast.Node
	for next := ast.Node(n); ; {
		b, ok := next.(*ast.BinaryNode)
		if !ok || !isJoint(b.Operator) || isOr(b.Operator) != or {
			parts = append(parts, next)
			break
		}
		// The parser reads 1 < x < 3 as a joint of two comparisons, at the sign.
		if r.source.at[b.Location().From].Value != b.Operator {
			return nil, invalid(r.at(b), "one comparison at a time: write 1 < x and x < 3")
		}
		parts = append(parts, b.Right)
		next = b.Left
	}
	l := logic{or: or}
	for _, part := range slices.Backward(parts) {
		c, err := r.condition(part, depth+1)
		if err != nil {
			return nil, err
		}
		l.list = append(l.list, c)
	}
	return l, nil
}

func isJoint(operator string) bool {
	return isOr(operator) || operator == "and" || operator == "&&"
}

func isOr(operator string) bool { return operator == "or" || operator == "||" }

func isRelation(fn string) bool {
	return fn == "any" || fn == "all" || fn == "none" || fn == "count"
}

// related reads any, all, none and count.
func (r *reader) related(n *ast.BuiltinNode, depth int) (related, error) {
	at := r.at(n)
	if r.inside != "" {
		return related{}, invalid(at, "%s(…) inside %s(…) is no part of the language: keep the count in a field of the record", n.Name, r.inside)
	}
	if r.relations++; r.relations > MaxRelations {
		return related{}, invalid(at, "there are more than %d of any, all, none and count", MaxRelations)
	}
	name, ok := n.Arguments[0].(*ast.IdentifierNode)
	if !ok || strings.Contains(name.Value, "$") {
		return related{}, invalid(at, "%s(…) begins with the name of a relation of the record, such as count(orders)", n.Name)
	}
	out := related{at: at, fn: n.Name, name: name.Value}
	if len(n.Arguments) == 1 {
		return out, nil
	}
	predicate, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return related{}, invalid(at, "%s(…) has a condition after the name, such as .total > 100", n.Name)
	}
	var err error
	r.inside = n.Name
	out.where, err = r.condition(predicate.Node, depth+1)
	r.inside = ""
	return out, err
}

func (r *reader) operand(n ast.Node) (operand, error) {
	at := r.at(n)
	switch n := n.(type) {
	case *ast.NilNode:
		return null{at}, nil
	case *ast.BoolNode:
		return boolean{at, n.Value}, nil
	case *ast.StringNode:
		return text{at, n.Value}, nil
	case *ast.IntegerNode, *ast.FloatNode:
		return number{at, r.source.at[n.Location().From].Value}, nil
	case *ast.IdentifierNode:
		if k := argumentNumber(n.Value); k > 0 {
			return r.argument(at, k), nil
		}
		return r.path(n)
	case *ast.MemberNode:
		return r.path(n)
	case *ast.ArrayNode:
		items, err := r.operands(n.Nodes)
		return list{at, items}, err
	case *ast.BuiltinNode:
		if n.Name == "count" {
			return r.related(n, 0)
		}
		return r.call(at, n.Name, n.Arguments)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return r.call(at, callee.Value, n.Arguments)
		}
		return nil, invalid(at, "a field has no functions")
	case *ast.UnaryNode:
		return r.signed(n)
	case *ast.BinaryNode:
		if n.Operator == "-" {
			return nil, invalid(at, "- is no part of the language, which does not calculate: give the result as an argument")
		}
	}
	return nil, invalid(at, "a condition cannot be compared: write it alone, or its opposite with not (…)")
}

func (r *reader) signed(n *ast.UnaryNode) (operand, error) {
	if n.Operator != "-" {
		return nil, invalid(r.at(n), "%s takes the next word alone: write %[1]s (…) around the whole comparison", n.Operator)
	}
	switch of := n.Node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return number{r.at(n), "-" + r.source.at[of.Location().From].Value}, nil
	}
	return nil, invalid(r.at(n), "- stands before a number only: the language does not calculate")
}

func (r *reader) operands(nodes []ast.Node) (items []operand, err error) {
	for _, n := range nodes {
		o, err := r.operand(n)
		if err != nil {
			return nil, err
		}
		items = append(items, o)
	}
	return items, nil
}

// argument notes where an argument is named first.
func (r *reader) argument(at, n int) argument {
	for len(r.args) < n {
		r.args = append(r.args, -1)
	}
	if r.args[n-1] < 0 {
		r.args[n-1] = at
	}
	return argument{at, n}
}

// argumentNumber returns the n of $n, or 0 when the name is none.
func argumentNumber(name string) int {
	digits, ok := strings.CutPrefix(name, "$")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > MaxArgs || digits[0] == '0' {
		return 0
	}
	return n
}

// path reads a field. Inside a relation it begins with a point, outside it does not.
func (r *reader) path(n ast.Node) (path, error) {
	out := path{at: r.at(n)}
	for {
		switch step := n.(type) {
		case *ast.MemberNode:
			name, ok := step.Property.(*ast.StringNode)
			if !ok || len(out.names) > 4 {
				return out, invalid(out.at, "a field is named with at most one reference before it, such as customer.custom.tier")
			}
			out.names = append(out.names, name.Value)
			n = step.Node
			continue
		case *ast.IdentifierNode:
			out.names = append(out.names, step.Value)
			out.at = r.at(step)
			if r.inside != "" {
				return out, &Error{out.at, step.Value, "inside " + r.inside + "(…) a field of the related record is written ." + step.Value +
					", and the record outside cannot be named"}
			}
		case *ast.PointerNode:
			out.at = r.at(step)
		default:
			return out, invalid(out.at, "only a field's name has a point in it")
		}
		slices.Reverse(out.names)
		if len(out.names) == 0 || slices.ContainsFunc(out.names, func(s string) bool { return strings.Contains(s, "$") }) {
			return out, invalid(out.at, "a field is written as a name, with no $ in it")
		}
		return out, nil
	}
}

// call reads a function, and holds it to the number and form of its arguments.
func (r *reader) call(at int, name string, nodes []ast.Node) (operand, error) {
	want := arity(name)
	if want < 0 {
		if isRelation(name) {
			return nil, invalid(at, "%s(…) is a condition and cannot be compared: write it alone, or count(…) > 0", name)
		}
		return nil, invalid(at, "there is no function %s: there are money, date, time, id, ago, fromNow, now, today, me, fold, any, all, none and count", name)
	}
	if len(nodes) != want {
		return nil, invalid(at, "%s(…) takes %d values, and has %d", name, want, len(nodes))
	}
	args, err := r.operands(nodes)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		_, isField := arg.(path)
		_, isText := arg.(text)
		_, isArgument := arg.(argument)
		if !isText && !isArgument && (!isField || name != "fold") {
			return nil, invalid(at, "%s(…) takes %s", name, takes(name))
		}
	}
	return call{at, name, args}, nil
}

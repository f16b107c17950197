package engine

import (
	"strconv"

	"github.com/embedcrm/embedcrm/storage"
)

// builder writes one statement: text and arguments, in one pass, so that the
// n-th placeholder is the n-th argument, but in a union, where branches share what is
// the same in all. The text of a statement depends on its shape alone, never on a value
// but the limit of a union.
type builder struct {
	d      Dialect
	tenant string
	whose  any // tenant, as an argument
	b      []byte
	args   []any
	alias  int
	joins  int             // EXISTS written so far
	begun  *[]storage.Word // of the Words that the statement begins with
	keys   *any            // of the In that it begins with

	shares bool    // an argument that was bound before is not bound again
	shared []bound // what was

	rowwise bool // a condition was written that is for a row at hand

	again bool // the text stands already, and arguments alone are taken
	brief bool // it changes one row, which it finds by key

	key []byte // the shape of a query, while it is looked up
}

func (e *Engine) build(tenant string) *builder {
	b, ok := e.builders.Get().(*builder)
	if !ok {
		b = &builder{d: e.d, b: make([]byte, 0, 1024), args: make([]any, 0, 32)}
	}
	b.tenant, b.whose = tenant, tenant
	if m := e.d.Mode(); m != nil {
		b.args = append(b.args, m) // the driver takes it off before counting
	}
	return b
}

// free gives the builder back. Its statement has run by then, and the driver has
// taken what it needs of the arguments.
func (e *Engine) free(b *builder) {
	clear(b.args[:cap(b.args)])
	clear(b.shared)
	*b = builder{d: b.d, b: b.b[:0], args: b.args[:0], key: b.key[:0], shared: b.shared[:0]}
	e.builders.Put(b)
}

// n is how many arguments are bound.
func (b *builder) n() int {
	if b.d.Mode() != nil {
		return len(b.args) - 1
	}
	return len(b.args)
}

func (b *builder) s(parts ...string) *builder {
	if b.again {
		return b
	}
	for _, p := range parts {
		b.b = append(b.b, p...)
	}
	return b
}

// bound is a value that is the n-th argument.
type bound struct {
	kind storage.Kind
	v    any
	n    int
}

// bind appends a value as an argument.
func (b *builder) bind(k storage.Kind, v any) *builder {
	if b.shares && k != storage.Bytes && k != storage.JSON || v == nil && b.shares {
		for _, x := range b.shared {
			if x.kind == k && x.v == v {
				b.b = b.d.Argument(b.b, x.n, k)
				return b
			}
		}
		b.shared = append(b.shared, bound{k, v, b.n() + 1})
	}
	if v != nil {
		v = b.d.Bind(k, v)
	}
	b.args = append(b.args, v)
	if !b.again {
		b.b = b.d.Placeholder(b.b, b.n(), k)
	}
	return b
}

// among appends the comparison of what stands before it with a bound list.
func (b *builder) among(k storage.Kind, vs []any) *builder {
	b.args = append(b.args, b.d.BindList(k, vs))
	b.b = b.d.Among(b.b, b.n(), k)
	return b
}

// limit appends a limit. SQLite plans by the value of a bare argument, and then
// parses the statement anew each time one is bound; a sum it leaves alone.
func (b *builder) limit(n int) *builder {
	return b.s(" LIMIT ").bind(storage.Int, int64(n)).s(" + 0")
}

// page appends a limit as a part of the text: a statement of many branches takes Postgres
// longer to plan than to run, and it goes on planning each time where it does not know how
// few rows are wanted.
func (b *builder) page(n int) { b.s(" LIMIT ", strconv.Itoa(n)) }

// ofTenant appends the condition that alias's row is the tenant's.
func (b *builder) ofTenant(alias string) *builder {
	return b.s(alias, `."tenant" = `).bind(storage.Text, b.whose)
}

// next returns a fresh alias.
func (b *builder) next() string {
	b.alias++
	return "r" + strconv.Itoa(b.alias)
}

// column appends alias."name"; names are plain by [storage.Table.Check].
func (b *builder) column(alias, name string) *builder {
	return b.s(alias, `."`, name, `"`)
}

package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// need says that a field of a table refers to the records of another.
type need struct {
	table    *migrated
	field    string
	required bool
	side     bool // it is of a record beside the row's: where it closes a circle it is looked up as it is
}

// order puts the tables so that what others refer to comes first. Where they refer to each
// other in a circle, fields are deferred until there is none.
func (mg *migrating) order() error {
	for _, x := range mg.tables {
		x.needs = mg.needsOf(x)
	}
	left := mg.tables
	mg.tables = nil
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(x *migrated) bool { return len(x.needs) == 0 })
		if i < 0 {
			var err error
			if i, err = breaks(left); err != nil {
				return err
			}
			left[i].postpone()
		}
		next := left[i]
		mg.tables = append(mg.tables, next)
		left = slices.Delete(slices.Clone(left), i, i+1)
		for _, x := range left {
			x.needs = slices.DeleteFunc(x.needs, func(n need) bool { return n.table == next })
		}
	}
	return nil
}

// needsOf are the other tables that a table refers to. What it refers to in itself is found
// within it.
func (mg *migrating) needsOf(x *migrated) (needs []need) {
	for _, c := range x.plan.Columns {
		to := x.refsOf(c)
		_, _, _, _, side := cutSide(c.Field)
		f := x.kind.byName[c.Field]
		for _, other := range mg.tables {
			object := other.plan.Object
			within := !side && object == x.plan.Object && other.plan.System == x.plan.System && !x.crosses[other]
			if other != x && slices.Contains(to, object) && !within && !(side && other.employs()) {
				needs = append(needs, need{table: other, field: c.Field, side: side, required: !side && f != nil && f.Required})
			}
		}
	}
	return needs
}

// refsOf are the kinds that what a column holds may refer to.
func (x *migrated) refsOf(c Column) []string {
	if f := x.kind.subject; f != nil && c.Field == f.Name {
		return x.plan.subjects(x.kind, c)
	}
	if to := x.kind.refOf(c.Field); to != "" {
		return []string{to}
	}
	return nil
}

// employs reports whether a table says where persons work: it is one of persons then, and
// not of those who employ them.
func (x *migrated) employs() bool {
	return slices.ContainsFunc(x.plan.Columns, func(c Column) bool { return c.Field == sideEmployment+"[works_at].other_id" })
}

// breaks is the table of a circle that is imported first, with the fewest references
// deferred.
func breaks(left []*migrated) (int, error) {
	best, fewest := -1, 0
	for i, x := range left {
		cost, possible := 0, x.above(x, map[*migrated]bool{})
		for _, n := range x.needs {
			possible = possible && !n.required
			cost++
			if n.side { // which is lost
				cost += len(x.plan.Columns)
			}
		}
		if possible && (best < 0 || cost < fewest) {
			best, fewest = i, cost
		}
	}
	if best >= 0 {
		return best, nil
	}
	var names []string
	for _, x := range left {
		if x.above(x, map[*migrated]bool{}) {
			names = append(names, x.Name)
		}
	}
	return 0, crm.Invalid("tables", "%q refer to each other in a circle by fields that are all required: import one of them by itself first", names)
}

// above reports whether a table needs another, be it by way of others.
func (x *migrated) above(other *migrated, seen map[*migrated]bool) bool {
	for _, n := range x.needs {
		if n.table == other {
			return true
		}
		if !seen[n.table] {
			seen[n.table] = true
			if n.table.above(other, seen) {
				return true
			}
		}
	}
	return false
}

// postpone defers the fields by which a table needs others that are not there yet.
func (x *migrated) postpone() {
	for _, n := range x.needs {
		if !n.side {
			x.deferred[n.field] = true
		}
	}
	x.needs = nil
}

// keyHash is what a table's key is remembered by.
type keyHash [16]byte

func hashOf(key string) (h keyHash) {
	sum := sha256.Sum256([]byte(key))
	copy(h[:], sum[:])
	return h
}

// distinct refuses tables of one kind that have keys in common, since records of both would
// be taken for one. It sees which of them refer to each other.
func (mg *migrating) distinct(ctx context.Context) error {
	type space struct{ object, system string }
	tables := map[space][]*migrated{}
	for _, x := range mg.tables {
		at := space{x.plan.Object, x.plan.System}
		tables[at] = append(tables[at], x)
	}
	for at, list := range tables {
		if len(list) < 2 {
			continue
		}
		of := map[keyHash]*migrated{}
		to := map[*migrated]map[keyHash]bool{} // what they refer to in their own kind
		for _, x := range list {
			to[x] = map[keyHash]bool{}
			err := mg.rows(ctx, x, func(_ Row, taken *taken) error {
				for _, l := range taken.links {
					if x.kind.refOf(l.field) == at.object {
						to[x][hashOf(l.text)] = true
					}
				}
				key, _ := taken.values[x.plan.Key].(string)
				if other := of[hashOf(key)]; key != "" && other != nil && other != x {
					return crm.Invalid("tables", "%s and %s both have the key %q: give one of their plans a System of its own, as in %s_%s", other.Name, x.Name, clip(key), at.system, x.Name)
				}
				of[hashOf(key)] = x
				return nil
			})
			if err != nil {
				return err
			}
		}
		for x, refs := range to {
			for ref := range refs {
				if other := of[ref]; other != nil && other != x {
					x.crosses[other] = true
				}
			}
		}
	}
	return nil
}

// rows reads the rows of a table.
func (mg *migrating) rows(ctx context.Context, x *migrated, fn func(Row, *taken) error) error {
	src, err := x.Open()
	if err != nil {
		return err
	}
	defer closeSource(src)
	r, err := mg.t.runner(ctx, src, x.plan, Options{})
	if err != nil {
		return fmt.Errorf("table %s: %w", x.Name, err)
	}
	for {
		row, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", x.Name, err)
		}
		got := &taken{faults: []crm.Fault{{Reason: row.Fault}}}
		if row.Fault == "" {
			got = r.cells.read(row)
		}
		if got.empty {
			continue
		}
		if err := fn(row, got); err != nil {
			return err
		}
	}
}

package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// relation is what refers to records of the object, by name.
func (o *object) relation(name string) *relation {
	if r := o.relations[name]; r != nil {
		return r
	}
	return o.ledgers[name]
}

// resolveLedgers finds what references of ledgers lead to, and names them from there.
func (c *Core) resolveLedgers() error {
	for _, o := range c.ledgers {
		o.references = nil
		for _, f := range o.fields {
			if f.ref == "" {
				continue
			}
			if f.target = c.objects[f.ref]; f.target == nil {
				return Invalid(o.name+"."+f.name, "refers to the kind %q, which is not defined: define it, or construct its module, before Migrate", f.ref)
			}
			o.references = append(o.references, f)
			name := f.as
			if name == "" {
				name = o.plural
			}
			if f.target.relation(name) != nil || f.target.byName[name] != nil {
				return Invalid(o.name+"."+f.name, "%s has %q already: name the relation with as=", f.ref, name)
			}
			f.target.ledgers[name] = &relation{name, o, f}
		}
	}
	return nil
}

// ledgersOf are the references by which rows of ledgers lead to records of an object.
func (c *Core) ledgersOf(o *object) []*relation {
	list := make([]*relation, 0, len(o.ledgers))
	for _, name := range slices.Sorted(maps.Keys(o.ledgers)) {
		list = append(list, o.ledgers[name])
	}
	return list
}

// refersTo is the condition that a row refers to a record.
func (r *relation) refersTo(id ID) storage.Expr {
	return storage.Is{Field: storage.F(r.by.name), Op: storage.Eq, Value: uuid.UUID(id)}
}

// clearLedgers removes the rows of a record that is purged or erased, in the
// transaction of the context; a reference that rows can be without is emptied.
func (c *Core) clearLedgers(ctx context.Context, tenant string, o *object, id ID) error {
	for _, r := range c.ledgersOf(o) {
		if r.by.required {
			err := c.session(ctx).Write(ctx, tenant, []storage.Change{{Action: storage.Clear, Table: r.of.table, Where: r.refersTo(id)}})
			if err != nil {
				return err
			}
			continue
		}
		if err := c.relinkLedger(ctx, tenant, r, id, ID{}, nil); err != nil {
			return err
		}
	}
	return nil
}

// relinked is a row of a ledger that was given to another record.
type relinked struct {
	*relation

	was storage.Values // the row as it was
	// clashed says that the other record had a row with its key, which stayed: this one
	// is gone.
	clashed bool
}

// relinkLedgers makes the rows of all ledgers that refer to a record refer to another
// one of its kind, in the transaction of the context. It tells each, which may be nil,
// of every row, in bounded memory.
func (c *Core) relinkLedgers(ctx context.Context, tenant string, o *object, from, to ID, each func(relinked) error) error {
	for _, r := range c.ledgersOf(o) {
		if err := c.relinkLedger(ctx, tenant, r, from, to, each); err != nil {
			return err
		}
	}
	return nil
}

// relinkLedger is relinkLedgers for one reference; a zero id to is none.
func (c *Core) relinkLedger(ctx context.Context, tenant string, r *relation, from, to ID, each func(relinked) error) error {
	var value any
	if !to.IsZero() {
		value = uuid.UUID(to)
	}
	for {
		var page []storage.Values
		err := c.session(ctx).Read(ctx, tenant, &storage.Query{
			Table: r.of.table, Where: r.refersTo(from), Limit: MaxPage, Lock: true,
		}, func() storage.Row {
			page = append(page, make(storage.Values, len(r.of.specs)))
			return page[len(page)-1]
		})
		if err != nil || len(page) == 0 {
			return err
		}
		added := make([]bool, len(page))
		if err := c.session(ctx).Write(ctx, tenant, r.moved(page, value, added)); err != nil {
			return err
		}
		for i, row := range page {
			if each == nil {
				break
			}
			if err := each(relinked{r, row, !added[i]}); err != nil {
				return err
			}
		}
		if len(page) < MaxPage {
			return nil
		}
	}
}

// moved are the changes that give rows another reference. One that is part of their
// key makes other rows of them.
func (r *relation) moved(page []storage.Values, value any, added []bool) []storage.Change {
	inKey := slices.Contains(r.of.key, r.by.name)
	changes := make([]storage.Change, 0, 2*len(page))
	for i, row := range page {
		moved := slices.Clone(row)
		moved[r.by.col] = value
		if !inKey {
			added[i] = true
			changes = append(changes, storage.Change{Action: storage.Update, Table: r.of.table, Row: moved, Columns: []int{r.by.col}})
			continue
		}
		changes = append(changes, storage.Change{Action: storage.Add, Table: r.of.table, Row: moved, Added: &added[i]})
	}
	for _, row := range page {
		if inKey {
			changes = append(changes, storage.Change{Action: storage.Delete, Table: r.of.table, Row: row})
		}
	}
	return changes
}

package crm

import (
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/storage"
)

// Analyze has the database look anew at the tables of kinds of records, and at those that
// all kinds share (history, search, keys in other systems), after very many records came at
// once; without kinds, at all of them. PostgreSQL plans by what it saw last: until it looks
// by itself, which takes a minute, and in a large database until a tenth of it has changed,
// it takes a new tenant for one of few rows, and may read all of them for each page. An
// import does it for itself. With SQLite nothing is done.
//
// It is called outside a transaction; in one it is ErrInvalid, and so is a kind that there
// is not. Tables that belong to another role PostgreSQL passes over.
func (c *Core) Analyze(ctx context.Context, kinds ...string) error {
	return failed("analyze", "", ID{}, c.analyze(ctx, kinds))
}

func (c *Core) analyze(ctx context.Context, kinds []string) error {
	if c.tx(ctx) != nil {
		return Invalid("", "the database looks at its tables outside of transactions: call it when yours has ended")
	}
	if err := c.ready(); err != nil {
		return err
	}
	tables := []*storage.Table{eventTable, logTable, searchTable, refTable, indexTable}
	if len(kinds) == 0 {
		for _, o := range slices.Concat(c.order, c.ledgers) {
			tables = append(tables, o.table)
		}
	}
	for _, kind := range kinds {
		o := c.objects[kind]
		if o == nil {
			return Invalid("kinds", "there is no kind of record %q", clip(kind))
		}
		tables = append(tables, o.table)
	}
	return c.store.Analyze(ctx, tables...)
}

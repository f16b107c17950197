package crm

import (
	"context"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// reindexBatch is how many records one transaction of Reindex holds.
const reindexBatch = 200

// Reindex brings the words by which the records of a kind are found to what their
// fields say: after a field was marked search, or is no more, or [Config.Readings]
// changed. It begins behind a record, with a zero id at the beginning, and works in
// the order of ids, in batches, each in a transaction of its own beside other writers;
// what is right already is not written. It returns the last record it came to, also
// with an error, so that a call after one that failed can go on there. It is for the
// host: the scope is that of [System], in no transaction.
func (c *Core) Reindex(ctx context.Context, object string, after ID) (ID, error) {
	last, err := c.reindex(ctx, object, after)
	return last, failed("reindex", object, ID{}, err)
}

func (c *Core) reindex(ctx context.Context, object string, after ID) (ID, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return after, err
	}
	if err := c.ready(); err != nil {
		return after, err
	}
	o := c.objects[object]
	switch {
	case !sc.system:
		return after, forbidden("to index anew is for the host: use crm.System")
	case o == nil:
		return after, Invalid("object", "there is no kind %q", object)
	case c.tx(ctx) != nil:
		return after, Invalid("", "indexing makes transactions of its own, and is in one: call it outside")
	}
	for {
		var n int
		next := after
		err := c.atomic(ctx, func(ctx context.Context) (err error) {
			n, next, err = o.reindexBatch(ctx, sc.Tenant, after)
			return err
		})
		if err != nil {
			return after, err
		}
		if after = next; n < reindexBatch {
			return after, nil
		}
		if err := ctx.Err(); err != nil {
			return after, err
		}
	}
}

// reindexBatch holds the next records, so that what it writes is not of a time before
// another's write, and returns how many there were and the last.
func (o *object) reindexBatch(ctx context.Context, tenant string, after ID) (int, ID, error) {
	s := o.core.session(ctx)
	columns := []int{o.byName["id"].col}
	for _, f := range o.searched {
		columns = append(columns, f.col)
	}
	var recs []*rec
	err := s.Read(ctx, tenant, &storage.Query{
		Table: o.table, Columns: columns, After: []any{uuid.UUID(after)}, Limit: reindexBatch, Lock: true,
	}, func() storage.Row {
		recs = append(recs, o.newRec())
		return recs[len(recs)-1]
	})
	if err != nil || len(recs) == 0 {
		return 0, after, err
	}
	kept, err := o.keptWords(ctx, s, tenant, recs)
	if err != nil {
		return 0, after, err
	}
	var changes []storage.Change
	for _, r := range recs {
		row := &searchRow{object: o.name, record: uuid.UUID(r.meta().ID), words: o.searchWords(tenant, r)}
		switch was := kept[row.record]; {
		case was == row.words:
		case row.words == "":
			changes = append(changes, storage.Change{Action: storage.Delete, Table: searchTable, Row: row})
		default:
			changes = append(changes, storage.Change{Action: storage.Put, Table: searchTable, Row: row})
		}
	}
	if len(changes) > 0 {
		err = s.Write(ctx, tenant, changes)
	}
	return len(recs), recs[len(recs)-1].meta().ID, err
}

// keptWords reads the words there are of records.
func (o *object) keptWords(ctx context.Context, s storage.Session, tenant string, recs []*rec) (map[uuid.UUID]string, error) {
	ids := make([]any, len(recs))
	for i, r := range recs {
		ids[i] = uuid.UUID(r.meta().ID)
	}
	var rows []*searchRow
	err := s.Read(ctx, tenant, &storage.Query{Table: searchTable, Limit: len(ids), Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: o.name}, storage.In{Field: storage.F("record_id"), Values: ids},
	}}, func() storage.Row {
		rows = append(rows, &searchRow{})
		return rows[len(rows)-1]
	})
	kept := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		kept[r.record] = r.words
	}
	return kept, err
}

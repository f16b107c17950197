package crm

import (
	"context"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// The index as a list sees it: the rows of one object and field, which the record's
// id tells apart. Those with a value are in the order of the value, those without in
// the order of ids, each in an index of its own.
//
//nolint:gochecknoglobals // constants, which an adapter knows by their address
var (
	indexOfInts = &storage.Table{Name: "field_index", Key: []string{"record_id"}, Columns: []storage.Column{
		{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "field", Kind: storage.Text},
		{Name: "int_value", Kind: storage.Int},
	}}
	indexOfTexts = &storage.Table{Name: "field_index", Key: []string{"record_id"}, Columns: []storage.Column{
		{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "field", Kind: storage.Text},
		{Name: "text_value", Kind: storage.Text},
	}}
	indexOfNone = &storage.Table{Name: "field_index", Key: []string{"record_id"}, Columns: []storage.Column{
		{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "field", Kind: storage.Text},
		{Name: "int_value", Kind: storage.Int, Null: true}, {Name: "text_value", Kind: storage.Text, Null: true},
	}}
)

// withoutValue is the condition that a row of the index has no value.
func withoutValue() storage.And {
	return storage.And{storage.Absent{Field: storage.F("int_value")}, storage.Absent{Field: storage.F("text_value")}}
}

// byIndex reports whether the list is read from the index of the custom field it is
// sorted by. Where a condition leaves few records it is quicker to sort those than to
// look for them in the order of all: which of the two it is may change from page to
// page, since both have the same order and position.
func (l *listing) byIndex(ctx context.Context, where storage.Expr) (bool, error) {
	if l.by == nil {
		return false, nil
	}
	if len(l.listOptions.where) == 0 && l.access.everything() {
		return true, nil
	}
	const few = MaxPage
	n := 0
	row := make(storage.Values, len(l.columns))
	err := l.core.session(ctx).Read(ctx, l.sc.Tenant, &storage.Query{
		Table: l.table, Columns: []int{l.byName["id"].col}, Where: where, Limit: few + 1,
	}, func() storage.Row { n++; return row })
	return n > few, err
}

// place is where a record stands in the index.
type place struct {
	value any // int64, string or nil
	id    uuid.UUID
}

// values are what a position is made of.
func (at place) values() []any { return []any{at.value, at.id} }

// readByIndex reads a page: what stands next in the index, then the records of that
// which are of the list, until there are enough. The index is read alone: of one
// question about both, a database that knows little of the tables makes one that goes
// through all records, or through all for each.
func (l *listing) readByIndex(ctx context.Context, tn *tenant, q *storage.Query) (*page, error) {
	w := l.walk(q.After)
	var places []place // of recs
	p := &page{}
	for batch := q.Limit; len(p.recs) < q.Limit && !w.ended(); {
		next, err := w.next(ctx, batch)
		if err != nil {
			return nil, err
		}
		before := len(p.recs)
		if places, p.recs, err = l.recordsAt(ctx, q, next, places, p.recs); err != nil {
			return nil, err
		}
		batch = following(batch, len(p.recs)-before, q.Limit-len(p.recs))
	}
	if len(p.recs) > l.limit {
		p.recs = p.recs[:l.limit]
		var err error
		if p.next, err = l.cursor(tn, places[l.limit-1].values()); err != nil {
			return nil, err
		}
	}
	return p, l.core.shown(ctx, l.sc, l.object, l.access, p.recs)
}

// following is how many places to look at next, to find as many records as are wanted:
// about twice what that took in the last batch.
func following(batch, found, wanted int) int {
	if found == 0 {
		return min(8*batch, storage.MaxPage)
	}
	return min(2*wanted*batch/found+1, storage.MaxPage)
}

// walk is a way through the index, in the order of a list. What has no value is lowest.
type walk struct {
	*listing

	desc  bool
	parts []bool // those that are left: whether there is a value
	after []any  // the position in the first of them; nil is its beginning
}

func (l *listing) walk(after []any) *walk {
	w := &walk{listing: l, desc: l.terms[0].desc, parts: []bool{false, true}, after: after}
	if w.desc {
		w.parts = []bool{true, false}
	}
	if after != nil && w.parts[1] == (after[0] != nil) {
		w.parts = w.parts[1:]
	}
	return w
}

func (w *walk) ended() bool { return len(w.parts) == 0 }

// next returns the next places, fewer only at the end. Where those without a value meet
// the others it reads twice.
func (w *walk) next(ctx context.Context, n int) (list []place, err error) {
	for len(list) < n && !w.ended() {
		had := len(list)
		if list, err = w.read(ctx, n-had, list); err != nil {
			return nil, err
		}
		if len(list) < n {
			w.parts, w.after = w.parts[1:], nil
		} else {
			w.after = list[n-1].values()
		}
	}
	return list, nil
}

// read adds to a list what the part of the index at hand has next.
func (w *walk) read(ctx context.Context, n int, list []place) ([]place, error) {
	q := &storage.Query{Table: indexOfNone, Columns: []int{1}, Order: []storage.Order{{Field: storage.F("record_id"), Desc: w.desc}}, Limit: n}
	has := storage.Expr(withoutValue())
	if w.after != nil {
		q.After = []any{w.after[1], w.after[1]}
	}
	if w.parts[0] {
		q.Table, q.Columns, q.Order[0].Field, q.After = indexOfTexts, []int{1, 3}, w.by.At, w.after
		if w.by.At.Name == "int_value" {
			q.Table = indexOfInts
		}
		has = storage.Not{Expr: storage.Absent{Field: w.by.At}}
	}
	q.Where = storage.And{w.by.Where, has}
	var rows []storage.Values
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, q, func() storage.Row {
		rows = append(rows, make(storage.Values, len(q.Table.Columns)))
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		id, _ := row[1].(uuid.UUID)
		list = append(list, place{row[3], id})
	}
	return list, err
}

// recordsAt adds those of the records at places that are of the list, in their order, to
// what was found before.
func (l *listing) recordsAt(ctx context.Context, q *storage.Query, at, places []place, recs []*rec) ([]place, []*rec, error) {
	if len(at) == 0 {
		return places, recs, nil
	}
	ids := make([]any, len(at))
	for i := range at {
		ids[i] = at[i].id
	}
	found := make(map[ID]*rec, len(at))
	var read []*rec
	err := l.core.session(ctx).Read(ctx, l.sc.Tenant, &storage.Query{
		Table: l.table, Columns: q.Columns, Where: storage.And{storage.In{Field: storage.F("id"), Values: ids}, q.Where}, Limit: len(at),
	}, func() storage.Row {
		read = append(read, l.newRec())
		return read[len(read)-1]
	})
	for _, r := range read {
		found[r.meta().ID] = r
	}
	for i := range at {
		if r := found[ID(at[i].id)]; r != nil {
			places, recs = append(places, at[i]), append(recs, r)
		}
	}
	return places, recs, err
}

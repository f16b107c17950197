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

// readByIndex reads a page from the index, then its records.
func (l *listing) readByIndex(ctx context.Context, tn *tenant, q *storage.Query) (*page, error) {
	places, err := l.places(ctx, q)
	if err != nil || len(places) == 0 {
		return &page{}, err
	}
	p := &page{}
	if len(places) > l.limit {
		places = places[:l.limit]
		last := places[l.limit-1]
		if p.next, err = l.cursor(tn, []any{last.value, last.id}); err != nil {
			return nil, err
		}
	}
	if p.recs, err = l.recordsAt(ctx, q, places); err != nil {
		return nil, err
	}
	return p, l.core.shown(ctx, l.sc, l.object, l.access, p.recs)
}

// places finds the records of a page, and one more, in the index. What has no value is
// lowest. Only the page on which those without one meet the others takes two reads.
func (l *listing) places(ctx context.Context, q *storage.Query) (list []place, err error) {
	parts := []bool{false, true} // whether there is a value
	if l.terms[0].desc {
		parts = []bool{true, false}
	}
	if q.After != nil && parts[1] == (q.After[0] != nil) {
		parts = parts[1:]
	}
	after := q.After
	for _, valued := range parts {
		if list, err = l.placesIn(ctx, valued, q.Where, after, q.Limit, list); err != nil || len(list) == q.Limit {
			return list, err
		}
		after = nil
	}
	return list, nil
}

// placesIn adds to a list what one part of the index has of it behind a position.
func (l *listing) placesIn(ctx context.Context, valued bool, where storage.Expr, after []any, limit int, list []place) ([]place, error) {
	desc := l.terms[0].desc
	q := &storage.Query{
		Table: indexOfNone, Columns: []int{1}, Order: []storage.Order{{Field: storage.F("record_id"), Desc: desc}}, Limit: limit - len(list),
	}
	has := storage.Expr(withoutValue())
	if valued {
		q.Table, q.Columns = indexOfTexts, []int{1, 3}
		if l.by.At.Name == "int_value" {
			q.Table = indexOfInts
		}
		q.Order[0].Field = l.by.At
		has = storage.Not{Expr: storage.Absent{Field: l.by.At}}
	}
	if after != nil {
		q.After = []any{after[1], after[1]}
		if valued {
			q.After = after
		}
	}
	// Each row's record is looked up by its key. Of Exists a planner may make a join,
	// which begins with the first record and not at the position; and it takes what
	// differs from a value for nearly all there is, as it is here.
	none := storage.Count{Rel: storage.Rel{Table: l.table, Column: "id", Key: "record_id"}, Where: where, Op: storage.Eq, N: 0}
	q.Where = storage.And{l.by.Where, has, storage.Not{Expr: none}}
	var rows []storage.Values
	err := l.core.session(ctx).Read(ctx, l.sc.Tenant, q, func() storage.Row {
		rows = append(rows, make(storage.Values, len(q.Table.Columns)))
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		id, _ := row[1].(uuid.UUID)
		list = append(list, place{row[3], id})
	}
	return list, err
}

// recordsAt reads the records that stand at places. One that was changed meanwhile so
// that it is not of the list any more is left out.
func (l *listing) recordsAt(ctx context.Context, q *storage.Query, places []place) ([]*rec, error) {
	ids := make([]any, len(places))
	for i, at := range places {
		ids[i] = at.id
	}
	byID := make(map[ID]*rec, len(places))
	var recs []*rec
	err := l.core.session(ctx).Read(ctx, l.sc.Tenant, &storage.Query{
		Table: l.table, Columns: q.Columns, Where: storage.And{storage.In{Field: storage.F("id"), Values: ids}, q.Where}, Limit: len(places),
	}, func() storage.Row {
		recs = append(recs, l.newRec())
		return recs[len(recs)-1]
	})
	for _, r := range recs {
		byID[r.meta().ID] = r
	}
	recs = recs[:0:0]
	for _, at := range places {
		if r := byID[ID(at.id)]; r != nil {
			recs = append(recs, r)
		}
	}
	return recs, err
}

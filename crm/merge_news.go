package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// findNew lists the references to the survivor that were made since the merge. When each
// was made its history tells.
func (u *unmerging) findNew(ctx context.Context) error {
	links, err := u.links(ctx, u.sc.Tenant)
	if err != nil {
		return err
	}
	for _, l := range links {
		w, err := l.of.writer(ctx, VerbUpdate)
		if err != nil {
			return err
		}
		if err := u.newBy(ctx, w, l); err != nil {
			return err
		}
	}
	return nil
}

func (u *unmerging) newBy(ctx context.Context, w *writer, l link) error {
	survivor := ID(u.row.survivor)
	q := &storage.Query{
		Table: l.of.table, Columns: []int{l.of.byName["id"].col}, Limit: relinkBatch, Where: storage.And{l.where(survivor), living(false)},
	}
	name := l.name
	if strings.HasPrefix(name, "custom.") { // history has names, not keys
		for _, f := range w.custom.all() {
			if "custom."+f.Key == name {
				name = f.name
			}
		}
	}
	for {
		var ids []any
		row := make(storage.Values, len(l.of.columns))
		note := func() {
			if id := row[q.Columns[0]]; id != nil {
				ids = append(ids, id)
			}
		}
		err := u.core.session(ctx).Read(ctx, u.sc.Tenant, q, func() storage.Row { note(); return row })
		if err != nil {
			return err
		}
		if note(); len(ids) == 0 {
			return nil
		}
		if err := u.newAmong(ctx, l, name, ids); err != nil {
			return err
		}
		if len(ids) < q.Limit {
			return nil
		}
		q.After = []any{ids[len(ids)-1]}
	}
}

// newAmong lists those of some records that came to refer to the survivor since the merge,
// and not by it.
func (u *unmerging) newAmong(ctx context.Context, l link, name string, ids []any) error {
	moved := map[any]bool{}
	row := make(storage.Values, len(moveTable.Columns))
	note := func() {
		if row[3] != nil {
			moved[row[3]] = true
		}
	}
	is := func(field string, v any) storage.Expr {
		return storage.Is{Field: storage.F(field), Op: storage.Eq, Value: v}
	}
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{
		Table: moveTable, Columns: []int{3}, Limit: len(ids), Where: storage.And{
			is("merge_id", u.row.id), is("object", l.of.name), is("field", l.name), storage.In{Field: storage.F("record_id"), Values: ids},
		},
	}, func() storage.Row { note(); return row })
	if err != nil {
		return err
	}
	note()
	merged := u.events[ID(u.row.survivor)]
	found := map[ID]bool{}
	take := func(e *eventRow) {
		if e == nil || moved[e.record] ||
			e.name == l.of.name+".relinked" || e.name == l.of.name+".unmerged" || // it came back from a merge that was undone
			e.recorded.Equal(merged.recorded) && bytes.Compare(e.id[:], merged.id[:]) < 0 {
			return
		}
		for _, c := range changesOf(e.changes) {
			var to ID
			if c.Field == name && json.Unmarshal(c.After, &to) == nil && to == ID(u.row.survivor) {
				found[ID(e.record)] = true
			}
		}
	}
	q := &storage.Query{
		Table: eventTable, Limit: relinkBatch, Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		Where: storage.And{
			is("object", l.of.name), storage.In{Field: storage.F("record_id"), Values: ids},
			storage.Is{Field: storage.F("recorded"), Op: storage.Ge, Value: merged.recorded},
		},
	}
	for n := q.Limit; n == q.Limit; {
		n = 0
		var e *eventRow
		err := u.core.session(ctx).Read(ctx, u.sc.Tenant, q, func() storage.Row {
			take(e)
			n, e = n+1, &eventRow{}
			return e
		})
		if err != nil {
			return err
		}
		if take(e); e != nil {
			q.After = []any{e.record, e.version, e.id}
		}
	}
	for _, id := range ids {
		record, _ := id.(uuid.UUID)
		if !found[ID(record)] {
			continue
		}
		if u.newCount++; len(u.news) < maxUnmergeListed {
			u.news = append(u.news, Reference{l.of.name, ID(record), name})
		}
	}
	return nil
}

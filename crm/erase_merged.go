package crm

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// goesWith refuses to erase a record by itself that was merged into another: most of the
// person would stay.
func (w *writer) goesWith(ctx context.Context, id ID) error {
	into, _, err := w.current(ctx, w.sc.Tenant, id)
	if err != nil || into == id {
		return err
	}
	return w.mergedInto(ctx, id, into, "erase that one, and this one goes with it")
}

// mergedAway are the records that were merged into one, directly or before, also those
// purged since, but for those that live again. By the entries of merges, since a survivor
// that was purged has no parts any more.
func (c *Core) mergedAway(ctx context.Context, tenant string, o *object, id ID) ([]any, error) {
	var all []any
	seen := map[uuid.UUID]bool{uuid.UUID(id): true}
	for next := []any{uuid.UUID(id)}; len(next) > 0; {
		var found []any
		for _, survivor := range next {
			err := c.mergesInto(ctx, tenant, o, survivor, func(absorbed ID) {
				if !seen[uuid.UUID(absorbed)] {
					seen[uuid.UUID(absorbed)] = true
					found = append(found, uuid.UUID(absorbed))
				}
			})
			if err != nil {
				return nil, err
			}
		}
		next = nil
		for part := range slices.Chunk(found, eraseRecords) {
			alive := map[any]bool{}
			row := make(storage.Values, len(o.columns))
			at := o.byName["id"].col
			err := c.session(ctx).Read(ctx, tenant, &storage.Query{
				Table: o.table, Columns: []int{at}, Limit: len(part), Where: storage.And{storage.In{Field: storage.F("id"), Values: part}, living(false)},
			}, func() storage.Row {
				alive[row[at]] = true
				return row
			})
			if err != nil {
				return nil, err
			}
			alive[row[at]] = true // the last one read
			for _, id := range part {
				if !alive[id] {
					next = append(next, id)
				}
			}
		}
		all = append(all, next...)
	}
	return all, nil
}

// mergesInto calls fn with what a record absorbed, but for merges that were undone.
func (c *Core) mergesInto(ctx context.Context, tenant string, o *object, survivor any, fn func(ID)) error {
	q := &storage.Query{
		Table: mergeTable, Limit: eraseRecords, Order: []storage.Order{{Field: storage.F("version")}}, Where: storage.And{
			o.ofObject(), storage.Is{Field: storage.F("survivor_id"), Op: storage.Eq, Value: survivor}, storage.Absent{Field: storage.F("undone")},
		},
	}
	for {
		var rows []*mergeRow
		err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
			rows = append(rows, &mergeRow{})
			return rows[len(rows)-1]
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			for _, id := range row.merge().Absorbed {
				fn(id)
			}
			q.After = []any{row.version, row.id}
		}
		if len(rows) < q.Limit {
			return nil
		}
	}
}

// beginMerged ends that merges of a person's records are undone, with what was kept for
// that, and erases the first of those that were merged into his.
func (x *eraser) beginMerged(ctx context.Context, w *writer, id ID) error {
	merged, err := x.core.mergedAway(ctx, x.tenant, w.object, id)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(append([]any{uuid.UUID(id)}, merged...), eraseRecords) {
		if err := x.unmergeable(ctx, w, part); err != nil {
			return err
		}
	}
	x.always = false
	return x.merged(ctx, w, merged[:min(len(merged), eraseRecords)])
}

// unmergeable removes what is kept to undo merges that records had part in: rows of
// ledgers, and why they were merged. Of one that was undone that is of no use any more.
func (x *eraser) unmergeable(ctx context.Context, w *writer, ids []any) error {
	q := &storage.Query{
		Table: partTable, Columns: []int{1, 2}, Limit: eraseRecords, Where: storage.And{
			w.ofObject(), storage.In{Field: storage.F("record_id"), Values: ids},
		},
	}
	for {
		var parts []storage.Values
		err := x.core.session(ctx).Read(ctx, x.tenant, q, func() storage.Row {
			parts = append(parts, make(storage.Values, len(partTable.Columns)))
			return parts[len(parts)-1]
		})
		if err != nil {
			return err
		}
		merges := make([]any, len(parts))
		for i, part := range parts {
			merges[i] = part[2]
			q.After = []any{w.name, part[1], part[2]}
		}
		if err := x.forgetMerges(ctx, w, merges, ids); err != nil || len(parts) < q.Limit {
			return err
		}
	}
}

// forgetMerges does so with some merges, and with the time that a person's record had been
// merged into somebody else's.
func (x *eraser) forgetMerges(ctx context.Context, w *writer, ids, of []any) error {
	if len(ids) == 0 {
		return nil
	}
	var rows []*mergeRow
	err := x.core.session(ctx).Read(ctx, x.tenant, &storage.Query{
		Table: mergeTable, Limit: len(ids), Where: storage.In{Field: storage.F("id"), Values: ids},
	}, func() storage.Row {
		rows = append(rows, &mergeRow{})
		return rows[len(rows)-1]
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	changes := []storage.Change{{Action: storage.Clear, Table: mergeRowTable, Where: storage.In{Field: storage.F("merge_id"), Values: ids}}}
	for _, m := range rows {
		if m.cause = ""; m.erased.IsZero() && m.undone.IsZero() {
			m.erased = w.now
		}
		changes = append(changes, storage.Change{Action: storage.Update, Table: mergeTable, Row: m, Columns: mergeErased})
		if m.undone.IsZero() || slices.Contains(of, any(m.survivor)) {
			continue
		}
		if err := x.while(ctx, w, m); err != nil {
			return err
		}
	}
	return x.core.session(ctx).Write(ctx, x.tenant, changes)
}

// while erases what the history of a survivor has from a merge to its undoing: meanwhile it
// was of the person too. It is not known by that.
func (x *eraser) while(ctx context.Context, w *writer, m *mergeRow) error {
	until := m.version
	for last, depth := m.version-1, 0; ; {
		events, err := w.pastOf(ctx, ID(m.survivor), last, eraseEvents)
		if err != nil {
			return err
		}
		for _, e := range events {
			last, until = e.version, e.version
			switch e.name {
			case w.name + ".merged":
				depth++
			case w.name + ".unmerged":
				depth-- // merges are undone last first
			}
			if depth == 0 {
				break
			}
		}
		if depth == 0 || len(events) < eraseEvents {
			break
		}
	}
	other := *x
	other.ids, other.traces, other.texts, other.events, other.whole = identities{}, newTraces(false), nil, 0, true
	_, err := other.history(ctx, w, []any{m.survivor},
		storage.Is{Field: storage.F("version"), Op: storage.Ge, Value: m.version}, storage.Is{Field: storage.F("version"), Op: storage.Le, Value: until})
	x.events += other.events
	return err
}

// merged erases some of the records that were merged into a person's.
func (x *eraser) merged(ctx context.Context, w *writer, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	var recs []*rec
	err := x.core.session(ctx).Read(ctx, x.tenant, &storage.Query{
		Table: w.table, Columns: w.read, Limit: len(ids), Lock: true, Where: storage.In{Field: storage.F("id"), Values: ids},
	}, func() storage.Row {
		recs = append(recs, w.newRec())
		return recs[len(recs)-1]
	})
	if err != nil {
		return err
	}
	w.custom.show(recs...)
	if err := x.page(ctx, w, recs); err != nil {
		return err
	}
	there := map[ID]bool{}
	for _, r := range recs {
		there[r.meta().ID] = true
	}
	for _, id := range ids {
		if id, _ := id.(uuid.UUID); !there[ID(id)] {
			if err := x.purged(ctx, w, ID(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// eraseMerged erases the rest of the records that were merged into a person's, and what
// hangs on any of them.
func (c *Core) eraseMerged(ctx context.Context, e *Erasure, root *object) error {
	tenant := TenantOf(ctx)
	merged, err := c.mergedAway(ctx, tenant, root, e.RecordID)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(merged, eraseRecords) {
		err := c.eraseBatch(ctx, e, hanging{o: root, part: true}, func(ctx context.Context, x *eraser, w *writer) error {
			x.traces = newTraces(true)
			return x.merged(ctx, w, part)
		})
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(append([]any{uuid.UUID(e.RecordID)}, merged...), eraseRecords) {
		if err := c.eraseBelow(ctx, e, root, part, 0); err != nil {
			return err
		}
	}
	return nil
}

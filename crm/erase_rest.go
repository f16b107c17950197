package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxPartsDeep is how deep records may be parts of others: a comment on a note on a person
// is at two.
const maxPartsDeep = 8

// hanging is a reference by which records of a kind hang on those of another.
type hanging struct {
	o    *object
	by   *field
	part bool   // they are a part of what they hang on, with all that hangs on them in turn
	kind string // where by leads to records of any kind: the one that is meant
}

// hangsOn are the references that lead to an object, but for owners. Records of its own
// kind are persons of their own, unless they are its parts.
func (o *object) hangsOn() (all []hanging) {
	for _, name := range slices.Sorted(maps.Keys(o.relations)) {
		r := o.relations[name]
		if part := r.of.parent == r.by; !r.by.kernel && (part || r.of != o) {
			all = append(all, hanging{o: r.of, by: r.by, part: part})
		}
	}
	if !o.core.hangable(o) {
		return all
	}
	for _, other := range o.core.order {
		if other.subject != nil {
			all = append(all, hanging{o: other, by: other.subject, part: true, kind: o.name})
		}
	}
	return all
}

// on is the condition that a record hangs on one of several.
func (h hanging) on(ids []any) storage.Expr {
	where := storage.And{storage.In{Field: storage.F(h.by.name), Values: ids}}
	if h.kind != "" {
		where = append(where, storage.Is{Field: storage.F(h.o.subjectKind.name), Op: storage.Eq, Value: h.kind})
	}
	return where
}

// finishErasure erases what hangs on a person's record, batch by batch.
func (c *Core) finishErasure(ctx context.Context, e Erasure) (Erasure, error) {
	ctx = trustedNow(Because(ctx, e.Reason))
	root := c.objects[e.Object]
	if root == nil { // the program no longer knows the kind
		return e, nil
	}
	if err := c.eraseMerged(ctx, &e, root); err != nil {
		return e, err
	}
	return c.Erasures.kind.Do(ctx, e.ID, "finished", func(kept *Erasure) error {
		kept.State, kept.Finished = ErasureDone, c.now()
		return nil
	})
}

// eraseBelow erases what hangs on records.
func (c *Core) eraseBelow(ctx context.Context, e *Erasure, o *object, ids []any, depth int) error {
	if depth == maxPartsDeep {
		return nil
	}
	for _, h := range o.hangsOn() {
		if depth > 0 && !h.part {
			continue
		}
		if err := c.eraseHanging(ctx, e, h, ids, depth); err != nil {
			return err
		}
		if err := c.erasePurged(ctx, e, h, ids, depth); err != nil {
			return err
		}
	}
	return nil
}

// eraseBatch is one transaction of an erasure: fn erases, and what it did is counted.
func (c *Core) eraseBatch(ctx context.Context, e *Erasure, h hanging, fn func(context.Context, *eraser, *writer) error) error {
	return c.untilNoConflict(ctx, func(ctx context.Context) error {
		w, err := h.o.writer(ctx, VerbUpdate)
		if err != nil {
			return err
		}
		x, err := c.eraser(ctx, w, e.ID)
		if err != nil {
			return err
		}
		x.whole = h.part
		if err := fn(ctx, x, w); err != nil {
			return err
		}
		if err := x.settle(ctx); err != nil || x.idle() {
			return err
		}
		kept, err := c.Erasures.kind.Do(ctx, e.ID, "continued", func(kept *Erasure) error {
			x.count(kept)
			return nil
		})
		if err == nil {
			*e = kept
		}
		return err
	})
}

// eraseHanging erases the records that hang on others, deleted ones too, and what hangs
// on them.
func (c *Core) eraseHanging(ctx context.Context, e *Erasure, h hanging, on []any, depth int) error {
	for last := uuid.Nil; ; {
		var recs []*rec
		err := c.eraseBatch(ctx, e, h, func(ctx context.Context, x *eraser, w *writer) error {
			recs = nil
			err := c.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
				Table: h.o.table, Columns: h.o.read, After: []any{last}, Limit: eraseRecords, Lock: true, Where: h.on(on),
			}, func() storage.Row {
				recs = append(recs, h.o.newRec())
				return recs[len(recs)-1]
			})
			if err != nil || len(recs) == 0 {
				return err
			}
			w.custom.show(recs...)
			return x.page(ctx, w, recs)
		})
		if err != nil || len(recs) == 0 {
			return err
		}
		if err := c.eraseParts(ctx, e, h, recs, depth); err != nil || len(recs) < eraseRecords {
			return err
		}
		last = uuid.UUID(recs[len(recs)-1].meta().ID)
	}
}

// eraseParts erases what hangs on records that are parts themselves.
func (c *Core) eraseParts(ctx context.Context, e *Erasure, h hanging, recs []*rec, depth int) error {
	if !h.part {
		return nil
	}
	ids := make([]any, len(recs))
	for i, r := range recs {
		ids[i] = uuid.UUID(r.meta().ID)
	}
	return c.eraseBelow(ctx, e, h.o, ids, depth+1)
}

// erasePurged erases the histories of records that hung on others and were purged, and
// of what hung on those.
func (c *Core) erasePurged(ctx context.Context, e *Erasure, h hanging, on []any, depth int) error {
	q := &storage.Query{
		Table: eventTable, Columns: eventPlace(), Limit: eraseEvents, Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: h.o.name},
			storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: h.o.name + ".purged"},
		},
	}
	for {
		var purged []*eventRow
		var hung []any
		err := c.eraseBatch(ctx, e, h, func(ctx context.Context, x *eraser, w *writer) error {
			purged, hung = nil, nil
			err := c.session(ctx).Read(ctx, w.sc.Tenant, q, func() storage.Row {
				purged = append(purged, &eventRow{})
				return purged[len(purged)-1]
			})
			if err != nil {
				return err
			}
			for _, p := range purged {
				did, err := w.hung(ctx, ID(p.record), h, on)
				if err == nil && did {
					hung = append(hung, p.record)
					err = x.purged(ctx, w, ID(p.record))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && h.part && len(hung) > 0 {
			err = c.eraseBelow(ctx, e, h.o, hung, depth+1)
		}
		if err != nil || len(purged) < eraseEvents {
			return err
		}
		last := purged[len(purged)-1]
		q.After = []any{last.record, last.version, last.id}
	}
}

// hung reports whether a record's history says that it hung on one of several.
func (w *writer) hung(ctx context.Context, id ID, h hanging, on []any) (bool, error) {
	known := make(map[string]bool, len(on))
	for _, id := range on {
		known[string(canonical(id))] = true
	}
	for last := int64(0); ; {
		events, err := w.pastOf(ctx, id, last, eraseEvents)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			last = e.version
			for _, c := range changesOf(e.changes) {
				if c.Field == h.by.name && known[string(c.After)] {
					return true, nil
				}
			}
		}
		if len(events) < eraseEvents {
			return false, nil
		}
	}
}

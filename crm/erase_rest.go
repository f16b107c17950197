package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// hanging is a reference by which records of a kind hang on those of another.
type hanging struct {
	o  *object
	by *field
}

// hangsOn are the references that lead to an object, but for owners and for records of
// its own kind, which are persons of their own.
func (o *object) hangsOn() (all []hanging) {
	for _, name := range slices.Sorted(maps.Keys(o.relations)) {
		if r := o.relations[name]; !r.by.kernel && r.of != o {
			all = append(all, hanging{r.of, r.by})
		}
	}
	return all
}

// finishErasure erases what hangs on a person's record, batch by batch.
func (c *Core) finishErasure(ctx context.Context, e Erasure) (Erasure, error) {
	ctx = trusted(Because(ctx, e.Reason))
	root := c.objects[e.Object]
	if root == nil { // the program no longer knows the kind
		return e, nil
	}
	for _, h := range root.hangsOn() {
		if err := c.eraseHanging(ctx, &e, root, h); err != nil {
			return e, err
		}
		if err := c.erasePurged(ctx, &e, root, h); err != nil {
			return e, err
		}
	}
	return c.Erasures.kind.Do(ctx, e.ID, "finished", func(kept *Erasure) error {
		kept.State, kept.Finished = ErasureDone, c.now()
		return nil
	})
}

// eraseBatch is one transaction of an erasure: fn erases, and what it did is counted.
func (c *Core) eraseBatch(ctx context.Context, e *Erasure, root *object, h hanging, fn func(context.Context, *eraser, *writer) error) error {
	return c.untilNoConflict(ctx, func(ctx context.Context) error {
		w, err := h.o.writer(ctx, VerbUpdate)
		if err != nil {
			return err
		}
		x, err := c.eraser(ctx, w, e.RecordID)
		if err != nil {
			return err
		}
		x.root = root
		if err := fn(ctx, x, w); err != nil || x.records == 0 && x.events == 0 {
			return err
		}
		kept, err := c.Erasures.kind.Do(ctx, e.ID, "continued", func(kept *Erasure) error {
			kept.Records += x.records
			kept.Events += x.events
			return nil
		})
		if err == nil {
			*e = kept
		}
		return err
	})
}

// eraseHanging erases the records that refer to the person's by a field.
func (c *Core) eraseHanging(ctx context.Context, e *Erasure, root *object, h hanging) error {
	for last := uuid.Nil; ; {
		var recs []*rec
		err := c.eraseBatch(ctx, e, root, h, func(ctx context.Context, x *eraser, w *writer) error {
			recs = nil
			err := c.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
				Table: h.o.table, Columns: h.o.read, After: []any{last}, Limit: eraseRecords, Lock: true,
				Where: storage.Is{Field: storage.F(h.by.name), Op: storage.Eq, Value: uuid.UUID(e.RecordID)},
			}, func() storage.Row {
				recs = append(recs, h.o.newRec())
				return recs[len(recs)-1]
			})
			if err != nil || len(recs) == 0 {
				return err
			}
			w.custom.show(recs...)
			return x.page(ctx, w, recs, false)
		})
		if err != nil || len(recs) < eraseRecords {
			return err
		}
		last = uuid.UUID(recs[len(recs)-1].meta().ID)
	}
}

// erasePurged erases the histories of records that referred to the person's and were
// purged.
func (c *Core) erasePurged(ctx context.Context, e *Erasure, root *object, h hanging) error {
	q := &storage.Query{
		Table: eventTable, Columns: eventPlace(), Limit: eraseEvents, Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: h.o.name},
			storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: h.o.name + ".purged"},
		},
	}
	for {
		var purged []*eventRow
		err := c.eraseBatch(ctx, e, root, h, func(ctx context.Context, x *eraser, w *writer) error {
			purged = nil
			err := c.session(ctx).Read(ctx, w.sc.Tenant, q, func() storage.Row {
				purged = append(purged, &eventRow{})
				return purged[len(purged)-1]
			})
			if err != nil {
				return err
			}
			for _, p := range purged {
				hung, err := x.hung(ctx, w, ID(p.record), h.by)
				if err == nil && hung {
					err = x.record(ctx, w, ID(p.record), nil, false)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(purged) < eraseEvents {
			return err
		}
		last := purged[len(purged)-1]
		q.After = []any{last.record, last.version, last.id}
	}
}

// hung reports whether a record's history says that it referred to the person's.
func (x *eraser) hung(ctx context.Context, w *writer, id ID, by *field) (bool, error) {
	for last := int64(0); ; {
		events, err := w.pastOf(ctx, id, last, eraseEvents)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			last = e.version
			for _, c := range changesOf(e.changes) {
				if c.Field == by.name && string(c.After) == `"`+x.id.String()+`"` {
					return true, nil
				}
			}
		}
		if len(events) < eraseEvents {
			return false, nil
		}
	}
}

package crm

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// releaseBatch is how many records one transaction of a release holds.
const releaseBatch = 200

// becauseReleased is what the history names as the cause.
const becauseReleased = "the owner was deleted"

// Release takes from members who are gone what they own, and returns how many records
// those were: they have no owner then, so that level all alone reaches them, and their
// history says why.
//
// There are such records where a member made one in the very instant in which he was
// deleted: what was not committed yet, or was made by a process that did not know of it
// for [Config.RightsLag], is not seen by who deletes him. Delete releases what it finds
// once it is committed, if it is not part of a transaction; Release finds the rest, and
// may be called at any time. It looks through the owners of all records, a batch in each
// transaction, and takes the right to update every role.
func (m *Members) Release(ctx context.Context) (int64, error) {
	n, err := m.release(ctx)
	return n, failed("release", memberKind, ID{}, err)
}

func (m *Members) release(ctx context.Context) (int64, error) {
	r, err := m.o.reader(ctx)
	if err == nil {
		err = r.access.administers("owner_id")
	}
	if err != nil {
		return 0, err
	}
	tn, err := m.o.core.Tenants.of(ctx, r.sc.Tenant)
	if err != nil || tn == nil { // without a tenant there are no records
		return 0, err
	}
	there := storage.Exists{Rel: storage.Rel{Table: m.o.table, Column: "id", Key: "owner_id"}, Where: living(false)}
	return m.o.core.disown(ctx, r.sc.Tenant, storage.And{storage.Not{Expr: storage.Absent{Field: storage.F("owner_id")}}, storage.Not{Expr: there}})
}

// released takes from a member whose deletion ended with err what he came to own
// meanwhile, unless its transaction goes on. He is deleted whether or not that succeeds.
func (o *object) released(ctx context.Context, id ID, err error) error {
	c := o.core
	if err != nil || o.name != memberKind || c.tx(ctx) != nil {
		return err
	}
	sc, err := scopeOf(ctx)
	if err == nil {
		_, err = c.disown(ctx, sc.Tenant, storage.And{storage.Is{Field: storage.F("owner_id"), Op: storage.Eq, Value: uuid.UUID(id)}})
	}
	if err != nil {
		c.cfg.Logger.WarnContext(ctx, "crm: what a deleted member owns was not released: call Members.Release", slog.String("member", id.String()), slog.String("kind", kindOf(err)))
	}
	return nil
}

// ownerGone takes the owner from a record that comes back when he was deleted meanwhile:
// it could not come back with him.
func (w *writer) ownerGone(c *change) {
	if m := c.after.meta(); !m.OwnerID.IsZero() && !w.access.knows(m.OwnerID) {
		m.OwnerID = ID{}
	}
}

// disown takes their owner from the living records that satisfy a condition.
func (c *Core) disown(ctx context.Context, tenant string, owned storage.And) (released int64, err error) {
	ctx = Because(System(ctx, tenant), becauseReleased)
	for _, o := range c.order {
		if o.rights { // their owners mean nothing
			continue
		}
		for after := []any(nil); ; {
			var recs []*rec
			err := c.atomic(ctx, func(ctx context.Context) (err error) {
				recs, err = o.releaseSome(ctx, owned, after)
				return err
			})
			if err != nil {
				return released, err
			}
			released += int64(len(recs))
			if len(recs) < releaseBatch {
				break
			}
			after = []any{uuid.UUID(recs[len(recs)-1].meta().ID)}
		}
	}
	return released, nil
}

// releaseSome does a batch.
func (o *object) releaseSome(ctx context.Context, owned storage.And, after []any) ([]*rec, error) {
	w, err := o.writer(ctx, VerbUpdate)
	if err != nil {
		return nil, err
	}
	var recs []*rec
	err = o.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: o.table, Columns: o.read, Where: append(storage.And{living(false)}, owned...), After: after, Limit: releaseBatch, Lock: true,
	}, func() storage.Row {
		recs = append(recs, o.newRec())
		return recs[len(recs)-1]
	})
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	w.custom.show(recs...)
	changes := make([]*change, len(recs))
	for i, r := range recs {
		c := &change{o: o, verb: VerbUpdate, event: "updated", before: r, after: r.clone()}
		c.after.meta().OwnerID = ID{}
		w.stamp(c)
		c.diff()
		changes[i] = c
	}
	return recs, w.write(ctx, changes)
}

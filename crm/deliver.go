package crm

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	deliverBatch  = 200  // events that one transaction hands to a handler
	deliverScan   = 1600 // positions of the log that one transaction looks at, at most
	deliverRounds = 20   // transactions of one subscription before others have their turn
)

// delivery is a subscription of a tenant at work, by the worker that claimed its row.
type delivery struct {
	core   *Core
	sub    *subscription
	tenant string
	row    *subscriptionRow // as it was claimed, or as this worker left it
	scan   int              // positions to look at, more where few events are wanted
}

// deliver hands events to a subscription until it is at the end of the log, or others
// have their turn.
func (c *Core) deliver(ctx context.Context, tenant string, row *subscriptionRow) error {
	d := &delivery{core: c, sub: c.subscribed(row.name), tenant: tenant, row: row, scan: deliverBatch}
	if d.sub == nil { // another version of the program has it
		return d.rest(ctx, elsewhere)
	}
	for range deliverRounds {
		if err := d.some(ctx); err != nil || d.row == nil {
			if ctx.Err() != nil && d.row != nil { // another worker may have it at once
				return errors.Join(ctx.Err(), d.rest(context.WithoutCancel(ctx), 0))
			}
			return err
		}
		if d.row.due.IsZero() {
			return nil
		}
	}
	return d.rest(ctx, 0)
}

// rest gives the claim back for a while.
func (d *delivery) rest(ctx context.Context, wait time.Duration) error {
	row := *d.row
	row.due = d.core.now().Add(wait)
	err := d.core.session(ctx).Write(ctx, d.tenant, []storage.Change{row.change()})
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) { // it is another's already
		return nil
	}
	return err
}

// some delivers a batch. One whose transaction fails as a whole is tried again with a
// single event; if that one fails the transaction, it counts as failed itself.
func (d *delivery) some(ctx context.Context) error {
	if d.sub.outside {
		return d.someOutside(ctx)
	}
	err := d.transaction(ctx, deliverBatch, nil)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if lost, looking := d.lost(ctx); lost || looking != nil {
		d.row = nil
		return looking
	}
	if err = d.transaction(ctx, 1, nil); err == nil || ctx.Err() != nil {
		return err
	}
	return d.transaction(ctx, 1, err)
}

// lost reports whether another worker claimed the row.
func (d *delivery) lost(ctx context.Context) (bool, error) {
	rows, err := d.core.readSubscriptions(ctx, d.tenant, storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: d.row.name}, false)
	return err == nil && (rows[d.row.name] == nil || rows[d.row.name].version != d.row.version), err
}

// batch is a piece of the log.
type batch struct {
	events []placed
	end    int64 // the last position it covers
	whole  bool  // nothing was behind it when it was read
}

// placed is an event at its place in the log.
type placed struct {
	*eventRow

	position int64
}

// read reads the piece of the log behind the row's position, with those events that
// the subscription is to, at most limit.
func (d *delivery) read(ctx context.Context, limit int) (*batch, error) {
	if b, err := d.passOver(ctx); err != nil || b != nil {
		return b, err
	}
	var rows []*logRow
	var places spare[logRow]
	err := d.core.session(ctx).Read(ctx, d.tenant, &storage.Query{
		Table: logTable, After: []any{d.row.position}, Limit: d.scan,
	}, func() storage.Row {
		rows = append(rows, places.next())
		return rows[len(rows)-1]
	})
	b := &batch{end: d.row.position, whole: len(rows) < d.scan}
	if err != nil || len(rows) == 0 {
		return b, err
	}
	b.end = rows[len(rows)-1].position
	ids := make([]any, len(rows))
	for i, row := range rows {
		ids[i] = row.event
	}
	events := make(map[uuid.UUID]*eventRow, len(rows))
	var last *eventRow
	var fresh spare[eventRow]
	err = d.core.session(ctx).Read(ctx, d.tenant, &storage.Query{
		Table: eventTable, Columns: d.sub.columns, Limit: len(ids),
		Where: storage.And{storage.In{Field: storage.F("id"), Values: ids}, d.sub.wants()},
	}, func() storage.Row {
		if last != nil {
			events[last.id] = last
		}
		last = fresh.next()
		return last
	})
	if last != nil {
		events[last.id] = last
	}
	for _, row := range rows {
		if e := events[row.event]; e != nil {
			if len(b.events) == limit {
				b.end, b.whole = b.events[limit-1].position, false
				break
			}
			b.events = append(b.events, placed{e, row.position})
		}
	}
	if !b.whole && len(b.events) < limit/2 {
		d.scan = min(2*d.scan, deliverScan)
	}
	return b, err
}

// held returns which of a batch's records have events that are held. With lock the
// first held event of each stays as it is until the transaction ends, so that what is
// put behind it is not passed by whoever takes it away.
func (d *delivery) held(ctx context.Context, events []placed, lock bool) (records map[uuid.UUID]bool, err error) {
	if len(events) == 0 {
		return map[uuid.UUID]bool{}, nil
	}
	if some, err := d.anyHeld(ctx); err != nil || !some {
		return map[uuid.UUID]bool{}, err
	}
	among := map[uuid.UUID]bool{}
	var values []any
	for _, e := range events {
		if !among[e.record] {
			among[e.record] = true
			values = append(values, e.record)
		}
	}
	for len(values) > 0 {
		if records, err = d.holding(ctx, values, false); err != nil || !lock || len(records) == 0 {
			return records, err
		}
		locked, err := d.holding(ctx, values, true)
		if err != nil {
			return nil, err
		}
		missed := false
		for id := range records { // it was taken away meanwhile, and the next may be the first now
			missed = missed || !locked[id]
		}
		if !missed {
			return locked, nil
		}
	}
	return map[uuid.UUID]bool{}, nil
}

// passOver is all there is in the log when none of it concerns the subscription, or nil.
// The end is read first: what comes into the log after that is looked at again.
func (d *delivery) passOver(ctx context.Context) (*batch, error) {
	if d.sub.unneeded == nil {
		return nil, nil
	}
	head, err := d.core.readHead(ctx, d.tenant, false)
	if err != nil || head == nil {
		return nil, err
	}
	if none, err := d.sub.unneeded(ctx, d.tenant); err != nil || !none {
		return nil, err
	}
	return &batch{end: max(head.position, d.row.position), whole: true}, nil
}

// anyHeld reports whether the subscription has held events at all: as a rule it has
// none, and then need not look for those of each record.
func (d *delivery) anyHeld(ctx context.Context) (bool, error) {
	rows, err := d.core.readHeld(ctx, d.tenant, &storage.Query{
		Where: storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: d.sub.name}, Limit: 1, Unordered: true,
	})
	return len(rows) > 0, err
}

// holding returns which of the records have a held event that is tried or parked: the
// first of each.
func (d *delivery) holding(ctx context.Context, among []any, lock bool) (map[uuid.UUID]bool, error) {
	rows, err := d.core.readHeld(ctx, d.tenant, &storage.Query{
		Where: storage.And{
			storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: d.sub.name},
			storage.In{Field: storage.F("record_id"), Values: among},
			storage.Or{storage.Not{Expr: storage.Absent{Field: storage.F("due")}}, storage.Not{Expr: storage.Absent{Field: storage.F("parked")}}},
		},
		Limit: len(among), Lock: lock,
	})
	records := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		records[row.record] = true
	}
	return records, err
}

func (c *Core) readHeld(ctx context.Context, tenant string, q *storage.Query) (rows []*heldRow, err error) {
	q.Table = heldTable
	err = c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
		rows = append(rows, &heldRow{})
		return rows[len(rows)-1]
	})
	return rows, err
}

// hold returns the row of an event that is held: because it failed, or behind another
// when err is nil.
func (d *delivery) hold(e placed, err error) storage.Change {
	now := d.core.now()
	row := &heldRow{
		id: uuid.UUID(d.core.ids.next(now)), version: 1, bucket: d.row.bucket, subscription: d.sub.name,
		event: e.id, record: e.record, at: e.version, since: now,
	}
	if err != nil {
		row.failed(now, d.sub.attempts, err)
	}
	return storage.Change{Action: storage.Insert, Table: heldTable, Row: row}
}

// context is what the handler of an event works with.
func (c *Core) handling(ctx context.Context, e *eventRow) context.Context {
	if e.quiet {
		ctx = Quietly(ctx)
	}
	return Because(ctx, chained("event", ID(e.id), e.cause))
}

// transaction delivers up to limit events, each handler a savepoint, together with the
// new position. With a verdict the first is not handed over: that is what it failed at.
func (d *delivery) transaction(ctx context.Context, limit int, verdict error) error {
	var next subscriptionRow
	err := d.core.atomic(ctx, func(ctx context.Context) error {
		verdict := verdict
		b, err := d.read(ctx, limit)
		if err != nil {
			return err
		}
		records, err := d.held(ctx, b.events, true)
		if err != nil {
			return err
		}
		wanted, err := d.wanted(ctx, b.events)
		if err != nil {
			return err
		}
		done := map[uuid.UUID]bool{}
		if verdict == nil {
			if done, err = d.handBatch(ctx, b.events, records); err != nil {
				return err
			}
		}
		var changes []storage.Change
		for _, e := range b.events {
			failed := verdict
			switch verdict = nil; {
			case done[e.id]:
				continue
			case records[e.record]:
				changes = append(changes, d.hold(e, nil))
				continue
			case wanted != nil && !wanted[ID(e.id)] && failed == nil:
				continue
			case failed == nil:
				if failed, err = d.hand(ctx, e); err != nil {
					return err
				}
			}
			if failed != nil {
				records[e.record] = true
				changes = append(changes, d.hold(e, failed))
			}
		}
		next, err = d.moved(ctx, b.end, b.whole)
		if err != nil {
			return err
		}
		return d.core.session(ctx).Write(ctx, d.tenant, append(changes, next.change()))
	})
	if err == nil {
		next.version++
		d.row = &next
	}
	return err
}

// wanted returns which of the events the handler is called for; nil is all.
func (d *delivery) wanted(ctx context.Context, events []placed) (map[ID]bool, error) {
	if d.sub.among == nil || len(events) == 0 {
		return nil, nil
	}
	return d.sub.among(ctx, d.tenant, events)
}

// hand gives an event to a handler that works in the transaction.
func (d *delivery) hand(ctx context.Context, e placed) (failed, fatal error) {
	if chain(e.cause) >= maxChain {
		return errChain(), nil
	}
	return d.core.inside(d.core.handling(ctx, e.eventRow), d.sub.name, ID(e.id), func(ctx context.Context) error {
		return d.sub.fn(ctx, e.event(d.tenant))
	})
}

// moved is the row at a position: at rest when that is the end of the log, which is
// looked at while nobody adds to it, and else claimed for as long as a lease. Places
// without a row, at the end of a log that was cut, are passed over.
func (d *delivery) moved(ctx context.Context, to int64, whole bool) (subscriptionRow, error) {
	next := *d.row
	next.position, next.due = to, d.core.now().Add(workLease)
	if !whole {
		return next, nil
	}
	head, err := d.core.readHead(ctx, d.tenant, true)
	if err != nil {
		return next, err
	}
	if head != nil && head.position > to {
		if more, err := d.logBehind(ctx, to); err != nil || more {
			return next, err
		}
		next.position = head.position
	}
	next.due = time.Time{}
	return next, nil
}

// logBehind reports whether the log has a row behind a position.
func (d *delivery) logBehind(ctx context.Context, position int64) (bool, error) {
	found := false
	err := d.core.session(ctx).Read(ctx, d.tenant, &storage.Query{Table: logTable, After: []any{position}, Limit: 1}, func() storage.Row {
		found = true
		return &logRow{}
	})
	return found, err
}

// someOutside delivers events to a handler that reaches out of the database. After
// each the position is moved, so that a crash repeats no more than one.
func (d *delivery) someOutside(ctx context.Context) error {
	b, err := d.read(ctx, deliverBatch)
	if err != nil {
		return err
	}
	records, err := d.held(ctx, b.events, false)
	if err != nil {
		return err
	}
	for _, e := range b.events {
		if records[e.record] {
			behind, err := d.behind(ctx, e)
			if err != nil || d.row == nil {
				return err
			}
			if behind {
				continue
			}
			delete(records, e.record) // what held it was delivered meanwhile
		}
		failed := errChain()
		if chain(e.cause) < maxChain {
			failed = d.core.call(d.core.handling(ctx, e.eventRow), d.sub.name, ID(e.id), func(ctx context.Context) error {
				return d.sub.fn(ctx, e.event(d.tenant))
			})
		}
		if ctx.Err() != nil && failed != nil {
			return ctx.Err()
		}
		var changes []storage.Change
		if failed != nil {
			records[e.record] = true
			changes = append(changes, d.hold(e, failed))
		}
		if err := d.move(context.WithoutCancel(ctx), e.position, false, changes...); err != nil || d.row == nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return d.move(ctx, b.end, b.whole)
}

// behind puts an event behind the held ones of its record, unless there are none any
// more.
func (d *delivery) behind(ctx context.Context, e placed) (behind bool, err error) {
	var next subscriptionRow
	err = d.core.atomic(ctx, func(ctx context.Context) error {
		records, err := d.held(ctx, []placed{e}, true)
		if behind = records[e.record]; err != nil || !behind {
			return err
		}
		if next, err = d.moved(ctx, e.position, false); err != nil {
			return err
		}
		return d.core.session(ctx).Write(ctx, d.tenant, []storage.Change{d.hold(e, nil), next.change()})
	})
	if behind {
		err = d.left(err, next)
	}
	return behind, err
}

// move notes how far the subscription is, and more with it.
func (d *delivery) move(ctx context.Context, to int64, whole bool, more ...storage.Change) error {
	var next subscriptionRow
	err := d.core.atomic(ctx, func(ctx context.Context) (err error) {
		if next, err = d.moved(ctx, to, whole); err != nil {
			return err
		}
		return d.core.session(ctx).Write(ctx, d.tenant, append(slices.Clone(more), next.change()))
	})
	return d.left(err, next)
}

// left takes over how the row was left. One that another worker claimed meanwhile is
// no longer this one's business.
func (d *delivery) left(err error, next subscriptionRow) error {
	switch {
	case err == nil:
		next.version++
		d.row = &next
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		d.row, err = nil, nil
	}
	return err
}

// deliverHeld tries a held event again.
func (c *Core) deliverHeld(ctx context.Context, tenant string, row *heldRow) error {
	h := &again{core: c, sub: c.subscribed(row.subscription), tenant: tenant, row: row}
	if h.sub == nil {
		return h.later(ctx, elsewhere)
	}
	if err := h.find(ctx); err != nil {
		return err
	}
	var err error
	if h.sub.outside || h.event == nil {
		err = h.outside(ctx)
	} else if err = h.transaction(ctx, nil); err != nil && ctx.Err() == nil {
		err = h.transaction(ctx, err)
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), h.later(context.WithoutCancel(ctx), 0))
	}
	return err
}

// again is a held event at work, by the worker that claimed its row.
type again struct {
	core   *Core
	sub    *subscription
	tenant string
	row    *heldRow
	event  *eventRow
}

// later gives the claim back.
func (h *again) later(ctx context.Context, wait time.Duration) error {
	row := *h.row
	row.due = h.core.now().Add(wait)
	err := h.core.session(ctx).Write(ctx, h.tenant, []storage.Change{row.update()})
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (h *again) find(ctx context.Context) error {
	return h.core.session(ctx).Read(ctx, h.tenant, &storage.Query{
		Table: eventTable, Limit: 1, Where: storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: h.row.event},
	}, func() storage.Row {
		h.event = &eventRow{}
		return h.event
	})
}

// mine reports whether the row is still claimed by this worker, and holds it.
func (h *again) mine(ctx context.Context) (bool, error) {
	rows, err := h.core.readHeld(ctx, h.tenant, &storage.Query{
		Where: storage.And{
			storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: h.row.id},
			storage.Is{Field: storage.F("version"), Op: storage.Eq, Value: h.row.version},
		},
		Limit: 1, Lock: true,
	})
	return len(rows) == 1, err
}

// transaction hands the event to a handler that works in the transaction. With a
// verdict it is not handed over: that is what it failed at.
func (h *again) transaction(ctx context.Context, verdict error) error {
	return h.core.atomic(ctx, func(ctx context.Context) error {
		if mine, err := h.mine(ctx); err != nil || !mine {
			return err
		}
		failed := verdict
		if failed == nil {
			var fatal error
			failed, fatal = h.core.inside(h.core.handling(ctx, h.event), h.sub.name, ID(h.event.id), func(ctx context.Context) error {
				return h.sub.fn(ctx, h.event.event(h.tenant))
			})
			if fatal != nil {
				return fatal
			}
		}
		return h.ended(ctx, failed)
	})
}

// outside hands the event to a handler that reaches out of the database. One that is
// no longer there is done with.
func (h *again) outside(ctx context.Context) error {
	var failed error
	if h.event != nil {
		failed = h.core.call(h.core.handling(ctx, h.event), h.sub.name, ID(h.event.id), func(ctx context.Context) error {
			return h.sub.fn(ctx, h.event.event(h.tenant))
		})
	}
	if failed != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return h.core.atomic(context.WithoutCancel(ctx), func(ctx context.Context) error {
		if mine, err := h.mine(ctx); err != nil || !mine {
			return err
		}
		return h.ended(ctx, failed)
	})
}

// ended notes how the attempt ended. The row is held.
func (h *again) ended(ctx context.Context, failed error) error {
	if failed == nil {
		return h.core.release(ctx, h.tenant, h.row)
	}
	row := *h.row
	row.failed(h.core.now(), h.sub.attempts, failed)
	return h.core.session(ctx).Write(ctx, h.tenant, []storage.Change{row.update()})
}

// release takes a held event away, and makes due the one that waits behind it. The
// row is held by the transaction, so that nothing is put behind it meanwhile.
func (c *Core) release(ctx context.Context, tenant string, row *heldRow) error {
	changes := []storage.Change{row.remove()}
	behind, err := c.readHeld(ctx, tenant, &storage.Query{
		Where: storage.And{
			storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: row.subscription},
			storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: row.record},
			storage.Is{Field: storage.F("record_version"), Op: storage.Gt, Value: row.at},
		},
		Order: []storage.Order{{Field: storage.F("record_version")}}, Limit: 1, Lock: true,
	})
	if err != nil {
		return err
	}
	for _, next := range behind {
		next.due = c.now()
		changes = append(changes, next.update())
	}
	return c.session(ctx).Write(ctx, tenant, changes)
}

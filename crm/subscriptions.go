package crm

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Subscriptions are the handlers of events registered with [Core.On], as they get on
// with the events of a tenant. It is for those who look after the system: its calls
// need the tenant's own scope, [System].
type Subscriptions struct{ core *Core }

// SubscriptionStatus is how far a subscription is with the events of a tenant.
type SubscriptionStatus struct {
	Name     string
	Position int64 // of the last event it is done with, or holds
	Head     int64 // of the last event of the tenant's log; Head - Position are yet to come
	Held     int64 // events whose handler failed, and those behind them
	Parked   int64 // those of them that are not tried again by themselves
}

// HeldEvent is an event that a handler failed at, or that waits behind one of the same
// record.
type HeldEvent struct {
	ID           ID // of this entry, for Retry and Drop
	Subscription string
	Event        Event
	Attempts     int64     // how often the handler was called
	Error        string    // what it returned last
	Since        time.Time // when it failed first, or began to wait
	Next         time.Time // when it is tried again; zero when it is parked or waits
	Parked       time.Time // when it was given up; zero when it was not
}

// tenantScope returns the tenant of a context, which must be the tenant's own.
func (c *Core) systemScope(ctx context.Context) (string, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	if !sc.system {
		return "", forbidden("to look after work in the background takes the tenant's own scope: crm.System")
	}
	return sc.Tenant, c.ready()
}

// List returns the subscriptions of the tenant, by name, at most 10,000.
func (s *Subscriptions) List(ctx context.Context) ([]SubscriptionStatus, error) {
	all, err := s.list(ctx)
	return all, failed("list", "subscription", ID{}, err)
}

func (s *Subscriptions) list(ctx context.Context) ([]SubscriptionStatus, error) {
	tenant, err := s.core.systemScope(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.core.readSubscriptions(ctx, tenant, nil, false)
	if err != nil {
		return nil, err
	}
	head, err := s.core.readHead(ctx, tenant, false)
	if err != nil {
		return nil, err
	}
	all := make([]SubscriptionStatus, 0, len(rows))
	for _, row := range rows {
		st := SubscriptionStatus{Name: row.name, Position: row.position}
		if head != nil {
			st.Head = max(head.position, row.position) // which was read first
		}
		of := storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: row.name}
		if st.Held, err = count(ctx, s.core.session(ctx), tenant, heldTable, of); err != nil {
			return nil, err
		}
		if st.Held > 0 {
			given := storage.Not{Expr: storage.Absent{Field: storage.F("parked")}}
			if st.Parked, err = count(ctx, s.core.session(ctx), tenant, heldTable, storage.And{of, given}); err != nil {
				return nil, err
			}
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b SubscriptionStatus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Held returns the events that a subscription holds, in the order they came to be
// held, with the options [Limit] and [After].
func (s *Subscriptions) Held(ctx context.Context, name string, opts ...ListOption) (Page[HeldEvent], error) {
	p, err := s.held(ctx, storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: name}, opts)
	return p, failed("list", "held event", ID{}, err)
}

// Parked returns those of them that are not tried again by themselves, and hold the
// later events of their records, until they are retried or dropped.
func (s *Subscriptions) Parked(ctx context.Context, name string, opts ...ListOption) (Page[HeldEvent], error) {
	p, err := s.held(ctx, storage.And{
		storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: name},
		storage.Not{Expr: storage.Absent{Field: storage.F("parked")}},
	}, opts)
	return p, failed("list", "parked event", ID{}, err)
}

func (s *Subscriptions) held(ctx context.Context, where storage.Expr, opts []ListOption) (Page[HeldEvent], error) {
	var p Page[HeldEvent]
	tenant, err := s.core.systemScope(ctx)
	if err != nil {
		return p, err
	}
	limit, after, err := byKey(opts)
	if err != nil {
		return p, err
	}
	rows, err := s.core.readHeld(ctx, tenant, &storage.Query{Where: where, After: after, Limit: limit + 1})
	if err != nil {
		return p, err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		p.Next = ID(rows[limit-1].id).String()
	}
	ids := make([]any, len(rows))
	for i, row := range rows {
		ids[i] = row.event
	}
	events, err := s.core.eventsByID(ctx, tenant, ids)
	if err != nil {
		return p, err
	}
	for _, row := range rows {
		p.Items = append(p.Items, HeldEvent{
			ID: ID(row.id), Subscription: row.subscription, Event: events[row.event], Attempts: row.attempts,
			Error: row.err, Since: row.since, Next: row.due, Parked: row.parked,
		})
	}
	return p, nil
}

// byKey reads the options of a list in the order of ids.
func byKey(opts []ListOption) (limit int, after []any, err error) {
	o := listOptionsOf(opts)
	if o.limit == 0 {
		o.limit = DefaultPage
	}
	if o.limit < 1 || o.limit > MaxPage {
		return 0, nil, Invalid("limit", "a page has 1 to %d entries, not %d", MaxPage, o.limit)
	}
	if o.after != "" {
		id, err := ParseID(o.after)
		if err != nil {
			return 0, nil, errCursor
		}
		after = []any{uuid.UUID(id)}
	}
	return o.limit, after, nil
}

func (c *Core) eventsByID(ctx context.Context, tenant string, ids []any) (map[uuid.UUID]Event, error) {
	events := make(map[uuid.UUID]Event, len(ids))
	if len(ids) == 0 {
		return events, nil
	}
	var rows []*eventRow
	err := c.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: eventTable, Limit: len(ids), Where: storage.In{Field: storage.F("id"), Values: ids},
	}, func() storage.Row {
		rows = append(rows, &eventRow{})
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		events[row.id] = row.event(tenant)
	}
	return events, err
}

// Retry makes a held event due now, with all its attempts before it again. One that
// waits behind another of its record is ErrConflict.
func (s *Subscriptions) Retry(ctx context.Context, id ID) error {
	err := s.change(ctx, id, func(ctx context.Context, tenant string, row *heldRow) error {
		row.due, row.parked, row.attempts = s.core.now(), time.Time{}, 0
		return s.core.session(ctx).Write(ctx, tenant, []storage.Change{row.update()})
	})
	return failed("retry", "held event", id, err)
}

// Drop gives a held event up for good: the subscription is done with it, and goes on
// with the later events of its record. One that waits behind another is ErrConflict.
func (s *Subscriptions) Drop(ctx context.Context, id ID) error {
	err := s.change(ctx, id, func(ctx context.Context, tenant string, row *heldRow) error {
		return s.core.release(ctx, tenant, row)
	})
	return failed("drop", "held event", id, err)
}

// change changes a held event that is the first of its record.
func (s *Subscriptions) change(ctx context.Context, id ID, fn func(context.Context, string, *heldRow) error) error {
	tenant, err := s.core.systemScope(ctx)
	if err != nil {
		return err
	}
	return s.core.atomic(ctx, func(ctx context.Context) error {
		rows, err := s.core.readHeld(ctx, tenant, &storage.Query{Where: byID(id), Limit: 1, Lock: true})
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return ErrNotFound
		case rows[0].due.IsZero() && rows[0].parked.IsZero():
			return &ConflictError{Field: "id", Reason: "the event waits behind an earlier one of its record: see to that one first"}
		}
		return fn(ctx, tenant, rows[0])
	})
}

// Replay delivers the events of the tenant once more that were recorded at or after a
// time: the zero time is all there ever were. In the order of the log it goes back to
// the first such event, and from there delivers all, those that were held too. Nothing
// is undone before it: what the handler did, it does again.
func (s *Subscriptions) Replay(ctx context.Context, name string, from time.Time) error {
	return failed("replay", "subscription", ID{}, s.replay(ctx, name, instant(from)))
}

func (s *Subscriptions) replay(ctx context.Context, name string, from time.Time) error {
	tenant, err := s.core.systemScope(ctx)
	if err != nil {
		return err
	}
	return s.core.atomic(ctx, func(ctx context.Context) error {
		rows, err := s.core.readSubscriptions(ctx, tenant, storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: name}, true)
		if err != nil {
			return err
		}
		row := rows[name]
		if row == nil {
			return ErrNotFound
		}
		first := &logRow{position: row.position + 1}
		where := storage.And{storage.Is{Field: storage.F("position"), Op: storage.Le, Value: row.position}}
		if !from.IsZero() {
			where = append(where, storage.Is{
				Field: storage.Field{Name: "recorded", Ref: &storage.Ref{Column: "event_id", Table: eventTable}}, Op: storage.Ge, Value: from,
			})
		}
		if err := s.core.session(ctx).Read(ctx, tenant, &storage.Query{Table: logTable, Where: where, Limit: 1}, func() storage.Row { return first }); err != nil {
			return err
		}
		// A worker that is at it now loses its claim by this, with what it would hold.
		row.position, row.due = first.position-1, s.core.now()
		if err := s.core.session(ctx).Write(ctx, tenant, []storage.Change{row.change()}); err != nil {
			return err
		}
		return s.forget(ctx, tenant, name, row.position)
	})
}

// forget takes away the held events that lie behind a position.
func (s *Subscriptions) forget(ctx context.Context, tenant, name string, behind int64) error {
	for {
		rows, err := s.core.readHeld(ctx, tenant, &storage.Query{
			Where: storage.And{
				storage.Is{Field: storage.F("subscription"), Op: storage.Eq, Value: name},
				storage.Exists{
					Rel:   storage.Rel{Table: logTable, Column: "event_id", Key: "event_id"},
					Where: storage.Is{Field: storage.F("position"), Op: storage.Gt, Value: behind},
				},
			},
			Limit: MaxPage, Lock: true,
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		changes := make([]storage.Change, len(rows))
		for i, row := range rows {
			changes[i] = row.remove()
		}
		if err := s.core.session(ctx).Write(ctx, tenant, changes); err != nil {
			return err
		}
	}
}

package crm

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Event is something that happened to a record: a part of its history, and what
// subscribers are told.
type Event struct {
	ID      ID
	Tenant  string
	Object  string
	Record  ID
	Version int64  // of the record after it
	Name    string // "deal.created", "deal.won"
	// Happened is when it did, Recorded when the CRM was told; they differ under [At].
	Happened time.Time
	Recorded time.Time
	Actor    string // "member:" and the host's key, or "system"
	Cause    string // what [Because] said
	Changes  []FieldChange
}

// FieldChange is what an event did to one field, as JSON: null is absent.
type FieldChange struct {
	Field         string
	Before, After json.RawMessage
}

// History returns what happened to a record, the latest first. It is for those who
// may read the record, deleted or not; of a purged one, for those who may read all
// of its kind. Fields the actor may not read are left out of it.
func (c *Collection[T]) History(ctx context.Context, id ID, opts ...ListOption) (Page[Event], error) {
	p, err := c.o.history(ctx, id, listOptionsOf(opts))
	if err != nil {
		return Page[Event]{}, failed("history", c.o.name, id, err)
	}
	return p, nil
}

func (o *object) history(ctx context.Context, id ID, opts listOptions) (Page[Event], error) {
	r, err := o.historian(ctx, id)
	if err != nil {
		return Page[Event]{}, err
	}
	if opts.limit == 0 {
		opts.limit = DefaultPage
	}
	if opts.limit < 1 || opts.limit > MaxPage {
		return Page[Event]{}, Invalid("limit", "a page has 1 to %d events, not %d", MaxPage, opts.limit)
	}
	where := storage.And{}
	if opts.after != "" { // a version is no secret to who may read the record
		before, err := strconv.ParseInt(opts.after, 10, 64)
		if err != nil {
			return Page[Event]{}, errCursor
		}
		where = append(where, storage.Is{Field: storage.F("version"), Op: storage.Lt, Value: before})
	}
	events, err := r.events(ctx, id, where, true, opts.limit+1)
	if err != nil {
		return Page[Event]{}, err
	}
	p := Page[Event]{Items: events}
	if len(events) > opts.limit {
		p.Items = events[:opts.limit]
		p.Next = strconv.FormatInt(p.Items[opts.limit-1].Version, 10)
	}
	return p, nil
}

// historian is a reader who may see a record's history.
func (o *object) historian(ctx context.Context, id ID) (*reader, error) {
	r, err := o.reader(ctx)
	if err != nil || r.access.everything() {
		return r, err
	}
	_, err = o.get(ctx, id, []ListOption{WithDeleted()})
	return r, err
}

// events reads events of a record in the order of versions. A record without any is
// not there.
func (r *reader) events(ctx context.Context, id ID, where storage.And, desc bool, limit int) ([]Event, error) {
	var rows []*eventRow
	where = append(storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: r.object.name},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
	}, where...)
	err := r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: eventTable, Where: where, Limit: limit, Order: []storage.Order{{Field: storage.F("version"), Desc: desc}},
	}, func() storage.Row {
		rows = append(rows, &eventRow{})
		return rows[len(rows)-1]
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 && len(where) == 2 {
		return nil, ErrNotFound
	}
	events := make([]Event, len(rows))
	for i, row := range rows {
		events[i] = row.event(r.sc.Tenant)
		events[i].Changes = slices.DeleteFunc(events[i].Changes, func(c FieldChange) bool { return r.access.readable(c.Field) != nil })
	}
	return events, nil
}

// event is a row as a user sees it.
func (e *eventRow) event(tenant string) Event {
	out := Event{
		ID: ID(e.id), Tenant: tenant, Object: e.object, Record: ID(e.record), Version: e.version, Name: e.name,
		Happened: e.happened, Recorded: e.recorded, Actor: e.actor, Cause: e.cause,
	}
	var changes map[string][2]json.RawMessage
	_ = json.Unmarshal(e.changes, &changes) // the kernel wrote it
	for name, c := range changes {
		out.Changes = append(out.Changes, FieldChange{name, c[0], c[1]})
	}
	slices.SortFunc(out.Changes, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
	return out
}

// AsOf returns a record as it was at a time, made from its history: every change
// that had happened by then. Before it was created, and once it was purged, it is
// ErrNotFound. Fields that the type no longer has are left out, and so are those
// the actor may not read.
func (c *Collection[T]) AsOf(ctx context.Context, id ID, t time.Time) (T, error) {
	r := c.o.newRec()
	if err := c.o.asOf(ctx, id, instant(t), r); err != nil {
		var none T
		return none, failed("as of", c.o.name, id, err)
	}
	return value[T](r), nil
}

func (o *object) asOf(ctx context.Context, id ID, t time.Time, into *rec) error {
	r, err := o.historian(ctx, id)
	if err != nil {
		return err
	}
	fields := map[string]json.RawMessage{}
	custom := map[string]json.RawMessage{}
	meta, gone := Record{}, true
	for last := int64(0); ; {
		events, err := r.events(ctx, id, storage.And{storage.Is{Field: storage.F("version"), Op: storage.Gt, Value: last}}, false, MaxPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			last = e.Version
			if e.Happened.After(t) {
				continue
			}
			if gone = strings.HasSuffix(e.Name, ".purged"); meta.Version == 0 {
				meta.Created = e.Happened
			}
			meta.Version, meta.Updated = e.Version, later(meta.Updated, e.Happened)
			for _, c := range e.Changes {
				if name, ok := strings.CutPrefix(c.Field, "custom."); ok {
					custom[name] = c.After
				} else {
					fields[c.Field] = c.After
				}
			}
		}
		if len(events) < MaxPage {
			break
		}
	}
	if gone {
		return ErrNotFound
	}
	if err := json.Unmarshal(canonical(fields), into.v); err != nil {
		return err
	}
	m := into.meta()
	m.ID, m.Version, m.Created, m.Updated = id, meta.Version, meta.Created, meta.Updated
	return o.core.customAsOf(ctx, r, custom, into)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

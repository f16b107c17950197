package crm

import (
	"bytes"
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
	// Quiet says that it set nothing in motion; see [Quietly].
	Quiet   bool
	Changes []FieldChange
}

// FieldChange is what an event did to one field, as JSON: null is absent.
type FieldChange struct {
	Field         string
	Before, After json.RawMessage
}

// Erased reports whether the values were erased with the person they were of. Both are
// null then, as they are in no change.
func (c FieldChange) Erased() bool { return string(c.Before) == "null" && string(c.After) == "null" }

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
	p, err := o.historyPage(ctx, id, opts)
	if err == nil {
		err = o.toldEvents(ctx, p.Items)
	}
	return p, err
}

func (o *object) historyPage(ctx context.Context, id ID, opts listOptions) (Page[Event], error) {
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
	if opts.merged {
		return r.mergedHistory(ctx, id, opts)
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
	}
	return events, r.maskEvents(ctx, events)
}

// maskEvents takes out of events what the actor may not read: a custom field by the name
// it had then, or by the one it has now.
func (r *reader) maskEvents(ctx context.Context, events []Event) error {
	names := &fieldNames{}
	if r.access.hidesCustom() {
		var err error
		if names, err = r.core.fieldNames(ctx, r.sc.Tenant, r.object.name); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		e.Changes = slices.DeleteFunc(e.Changes, func(c FieldChange) bool {
			if name, ok := strings.CutPrefix(c.Field, "custom."); ok {
				if now, ok := names.now[names.at(name, e.Recorded)]; ok && r.access.hides("custom."+now) {
					return true
				}
			}
			return r.access.hides(c.Field)
		})
	}
	return nil
}

// event is a row as a user sees it.
func (e *eventRow) event(tenant string) Event {
	out := Event{
		ID: ID(e.id), Tenant: tenant, Object: e.object, Record: ID(e.record), Version: e.version, Name: e.name,
		Happened: e.happened, Recorded: e.recorded, Actor: e.actor, Cause: e.cause, Quiet: e.quiet,
	}
	out.Changes = changesOf(e.changes)
	slices.SortFunc(out.Changes, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
	return out
}

// changesOf reads what an event says of fields, which the kernel wrote. Every event
// that is delivered goes through it, so that the form the kernel writes is read here;
// what has names of another kind is encoding/json's.
func changesOf(raw json.RawMessage) []FieldChange {
	r := memberReader{b: raw}
	if list := r.changes(); !r.no {
		return list
	}
	var changes map[string][2]json.RawMessage
	_ = json.Unmarshal(raw, &changes)
	list := make([]FieldChange, 0, len(changes))
	for name, c := range changes {
		list = append(list, FieldChange{name, c[0], c[1]})
	}
	return list
}

// changes reads an object of pairs. The names are parts of one text.
func (r *memberReader) changes() (list []FieldChange) {
	names := string(r.b)
	r.take('{')
	for !r.no && r.next() != '}' {
		if list == nil {
			list = make([]FieldChange, 0, 1+len(r.b)/32) // a change takes about as much
		} else {
			r.take(',')
		}
		from, to := r.plain()
		c := FieldChange{Field: names[from:to]}
		r.take(':')
		r.take('[')
		c.Before = r.raw()
		r.take(',')
		c.After = r.raw()
		r.take(']')
		list = append(list, c)
	}
	r.take('}')
	r.no = r.no || r.i != len(r.b)
	return list
}

// raw passes over a value, whatever it is, and returns it. It is valid JSON, since the
// database keeps no other: of an object or a list only the end is looked for.
func (r *memberReader) raw() json.RawMessage {
	text := r.next() == '"'
	start, depth := r.i, 0
	if text {
		r.quoted()
		r.i = min(r.i+1, len(r.b))
		return r.b[start:r.i:r.i]
	}
	for ; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '"':
			if r.quoted(); r.no {
				return nil
			}
		case '[', '{':
			depth++
		case ',', ']', '}':
			if depth == 0 {
				return bytes.TrimRight(r.b[start:r.i:r.i], " \n\r\t")
			}
			if r.b[r.i] != ',' {
				depth--
			}
		}
	}
	r.no = true
	return nil
}

// quoted goes to the end of a text, which may have escapes.
func (r *memberReader) quoted() {
	r.i++
	if n := bytes.IndexByte(r.b[r.i:], '"'); n >= 0 && bytes.IndexByte(r.b[r.i:r.i+n], '\\') < 0 {
		r.i += n
		return
	}
	for ; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '\\':
			r.i++
		case '"':
			return
		}
	}
	r.i, r.no = len(r.b), true
}

// AsOf returns a record as it was at a time, made from its history: every change
// that had happened by then. Before it was created, and once it was purged, it is
// ErrNotFound. Fields that the type no longer has are left out, and so are those
// the actor may not read. A custom field has the name it has today.
func (c *Collection[T]) AsOf(ctx context.Context, id ID, t time.Time) (T, error) {
	r := c.o.newRec()
	err := c.o.asOf(ctx, id, instant(t), r)
	if err == nil {
		err = c.o.told(ctx, ReadingRead, r)
	}
	if err != nil {
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
	custom := map[ID]json.RawMessage{}
	var names *fieldNames
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
				name, ok := strings.CutPrefix(c.Field, "custom.")
				if !ok {
					fields[c.Field] = c.After
					continue
				}
				if names == nil {
					if names, err = o.core.fieldNames(ctx, r.sc.Tenant, o.name); err != nil {
						return err
					}
				}
				custom[names.at(name, e.Recorded)] = c.After
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

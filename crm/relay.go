package crm

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	// relayBatch is how many events one transaction puts into the log.
	relayBatch = 1000
	// relayRounds is after how many transactions other tenants have their turn.
	relayRounds = 10
	// relayAhead is how far ahead the clocks of others may be: an announced event is
	// due because it is there, whatever its time.
	relayAhead = 24 * time.Hour
	// relayProbe is how many announced events are claimed to learn of their tenants.
	relayProbe = 16
)

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var (
	// logTable gives the events of a tenant positions without gaps.
	logTable = &storage.Table{Name: "event_log", Key: []string{"position"}, Columns: []storage.Column{
		{Name: "position", Kind: storage.Int}, {Name: "event_id", Kind: storage.ID},
	}}
	// headTable has the last position. Who holds its row is the only one to add to the
	// log.
	headTable = &storage.Table{Name: "log_head", Version: "version", Columns: []storage.Column{
		{Name: "version", Kind: storage.Int}, {Name: "position", Kind: storage.Int},
		{Name: "sealed", Kind: storage.Int, Null: true}, {Name: "link", Kind: storage.Bytes, Null: true},
	}}
)

type logRow struct {
	position int64
	event    uuid.UUID
}

func (r *logRow) Value(i int) any {
	if i == 0 {
		return r.position
	}
	return r.event
}

func (r *logRow) Dest(i int) any { return [...]any{&r.position, &r.event}[i] }

type headRow struct {
	version, position int64

	sealed *int64 // how far the chain over the history has come; nil: there is none
	link   []byte // its last link
}

// Value returns column i.
func (r *headRow) Value(i int) any {
	switch {
	case i == 0:
		return r.version
	case i == 1:
		return r.position
	case i == 2 && r.sealed != nil:
		return *r.sealed
	case i == 3 && r.link != nil:
		return r.link
	}
	return nil
}

// Dest returns where column i is put.
func (r *headRow) Dest(i int) any {
	return [...]any{&r.version, &r.position, &optionalInto[int64]{&r.sealed}, &r.link}[i]
}

// announcedRow is a row of the outbox as the relay reads it.
type announcedRow struct {
	outboxRow

	version int64
}

// Value is the outbox row's, with its version as it is.
func (r *announcedRow) Value(i int) any {
	if i == 1 {
		return r.version
	}
	return r.outboxRow.Value(i)
}

// Dest returns where column i is put.
func (r *announcedRow) Dest(i int) any {
	return [...]any{&r.event, &r.version, &r.bucket, &r.due}[i]
}

func (c *Core) defineRelay() {
	c.addQueue(&queue{
		name: "outbox", q: storage.Queue{Table: outboxTable, Bucket: "bucket", Due: "due"},
		batch: relayProbe, lease: time.Minute, ahead: relayAhead,
		row:  func() storage.Row { return &announcedRow{} },
		work: func(ctx context.Context, tenant string, _ []storage.Row) error { return c.relay(ctx, tenant) },
	})
}

// relay puts the announced events of a tenant into its log. The claim on the outbox
// only said that there are any: ids and due times come from clocks that may differ,
// and order nothing.
func (c *Core) relay(ctx context.Context, tenant string) error {
	for range relayRounds {
		n := 0
		err := c.untilNoConflict(System(ctx, tenant), func(ctx context.Context) (err error) {
			r := relay{core: c, s: c.session(ctx), tenant: tenant}
			n, err = r.batch(ctx)
			return err
		})
		if err != nil || n < relayBatch {
			return err
		}
	}
	return nil
}

// untilNoConflict runs a transaction again that lost to another worker.
func (c *Core) untilNoConflict(ctx context.Context, fn func(context.Context) error) error {
	for try := 1; ; try++ {
		err := c.atomic(ctx, fn)
		if try == maxTries || !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// relay is one transaction of the relay.
type relay struct {
	core   *Core
	s      storage.Session
	tenant string
	rows   map[uuid.UUID]*announcedRow
}

// batch moves announced events into the log, and returns how many it found.
func (r *relay) batch(ctx context.Context) (int, error) {
	head, err := r.core.lockHead(ctx, r.tenant)
	if err != nil {
		return 0, err
	}
	r.rows = map[uuid.UUID]*announcedRow{}
	if err := r.announced(ctx, nil); err != nil {
		return 0, err
	}
	found := len(r.rows)
	if found == 0 {
		return 0, nil
	}
	events, err := r.events(ctx)
	if err != nil {
		return 0, err
	}
	if found == relayBatch {
		if events, err = r.whole(ctx, events); err != nil {
			return 0, err
		}
	}
	events = slices.DeleteFunc(events, func(e *eventRow) bool { return r.rows[e.id] == nil })
	inOrder(events)
	changes := make([]storage.Change, 0, 2*len(events)+1)
	first := head.position
	for _, e := range events {
		head.position++
		changes = append(changes, storage.Change{Action: storage.Insert, Table: logTable, Row: &logRow{head.position, e.id}})
	}
	for _, e := range events {
		row := r.rows[e.id]
		changes = append(changes, storage.Change{Action: storage.Delete, Table: outboxTable, Row: row, Version: row.version})
	}
	moved := storage.Change{Action: storage.Update, Table: headTable, Row: head, Version: head.version}
	if head.sealing() {
		if err := r.seal(ctx, head, changes); err != nil {
			return 0, err
		}
		changes = nil
	}
	changes = append(changes, moved)
	if err := r.write(ctx, changes); err != nil {
		return 0, err
	}
	return found, r.core.wakeSubscriptions(ctx, r.tenant, first)
}

func (r *relay) write(ctx context.Context, changes []storage.Change) error {
	for part := range slices.Chunk(changes, storage.MaxChanges) {
		if err := r.s.Write(ctx, r.tenant, part); err != nil {
			return err
		}
	}
	return nil
}

// seal writes what a batch adds to the log, and then the links of the chain for as many
// events and as many again, so that a chain that is behind catches up.
func (r *relay) seal(ctx context.Context, head *headRow, changes []storage.Change) error {
	if err := r.write(ctx, changes); err != nil {
		return err
	}
	for range 1 + len(changes)/sealBatch {
		if _, err := r.core.sealOn(ctx, r.tenant, head); err != nil {
			return err
		}
	}
	return nil
}

// lockHead returns the end of a tenant's log, held until the transaction ends.
func (c *Core) lockHead(ctx context.Context, tenant string) (*headRow, error) {
	head, err := c.readHead(ctx, tenant, true)
	if err != nil || head != nil {
		return head, err
	}
	err = c.atomic(ctx, func(ctx context.Context) error {
		return c.session(ctx).Write(ctx, tenant, []storage.Change{{Action: storage.Insert, Table: headTable, Row: &headRow{version: 1}}})
	})
	if err != nil && !errors.Is(err, ErrConflict) { // another was first
		return nil, err
	}
	return c.readHead(ctx, tenant, true)
}

// readHead returns the end of a tenant's log, or nil before there is one.
func (c *Core) readHead(ctx context.Context, tenant string, lock bool) (*headRow, error) {
	var head *headRow
	err := c.session(ctx).Read(ctx, tenant, &storage.Query{Table: headTable, Limit: 1, Lock: lock}, func() storage.Row {
		head = &headRow{}
		return head
	})
	return head, err
}

// announced reads rows of the outbox and holds them: some, or those of events.
func (r *relay) announced(ctx context.Context, events []any) error {
	q := &storage.Query{Table: outboxTable, Limit: relayBatch, Lock: true}
	if events != nil {
		q.Where = storage.In{Field: storage.F("id"), Values: events}
	}
	var rows []*announcedRow
	var fresh spare[announcedRow]
	err := r.s.Read(ctx, r.tenant, q, func() storage.Row {
		rows = append(rows, fresh.next())
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		r.rows[row.event] = row
	}
	return err
}

// spare has rows of a large batch made ready, several at once.
type spare[T any] struct{ rows []T }

func (s *spare[T]) next() *T {
	if len(s.rows) == 0 {
		s.rows = make([]T, 16)
	}
	row := &s.rows[0]
	s.rows = s.rows[1:]
	return row
}

// eventPlace is what the relay wants to know of an event: columns 0 to 3.
func eventPlace() []int { return []int{0, 1, 2, 3} }

// events reads the events of the announced rows.
func (r *relay) events(ctx context.Context) ([]*eventRow, error) {
	ids := make([]any, 0, len(r.rows))
	for _, id := range slices.SortedFunc(maps.Keys(r.rows), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		ids = append(ids, id) // in the order in which they lie
	}
	return r.read(ctx, &storage.Query{
		Table: eventTable, Columns: eventPlace(), Where: storage.In{Field: storage.F("id"), Values: ids}, Limit: len(ids),
	})
}

func (r *relay) read(ctx context.Context, q *storage.Query) ([]*eventRow, error) {
	var events []*eventRow
	var fresh spare[eventRow]
	err := r.s.Read(ctx, r.tenant, q, func() storage.Row {
		events = append(events, fresh.next())
		return events[len(events)-1]
	})
	return events, err
}

// whole completes a batch that is not all there is, since it may have a later event
// of a record and not an earlier one. Of a record it has from its first version on
// there is none. For the others, kind by kind, it takes the announced events of the
// same records, record by record in the order of versions, as far as they fit: what it
// takes of a record has no earlier one behind it.
func (r *relay) whole(ctx context.Context, batch []*eventRow) ([]*eventRow, error) {
	all, records := fromFirst(batch)
	for object, values := range records {
		found, err := r.read(ctx, &storage.Query{
			Table: eventTable, Columns: eventPlace(), Limit: relayBatch,
			Where: storage.And{
				storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
				storage.In{Field: storage.F("record_id"), Values: values},
				storage.Exists{Rel: storage.Rel{Table: outboxTable, Column: "id", Key: "id"}},
			},
			Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	var missing []any
	for _, e := range all {
		if r.rows[e.id] == nil {
			missing = append(missing, e.id)
		}
	}
	for part := range slices.Chunk(missing, relayBatch) {
		if err := r.announced(ctx, part); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fromFirst divides events into those of records of which they are the first, without a
// gap, and the records of the others, by kind.
func fromFirst(batch []*eventRow) (events []*eventRow, others map[string][]any) {
	type record struct {
		object string
		id     uuid.UUID
	}
	type versions struct{ number, last int64 }
	seen := make(map[record]versions, len(batch))
	for _, e := range batch {
		k := record{e.object, e.record}
		v := seen[k]
		seen[k] = versions{v.number + 1, max(v.last, e.version)}
	}
	events, others = make([]*eventRow, 0, len(batch)), map[string][]any{}
	for _, e := range batch {
		if v := seen[record{e.object, e.record}]; v.number == v.last { // no two events have one version
			events = append(events, e)
		}
	}
	for k, v := range seen {
		if v.number != v.last {
			others[k.object] = append(others[k.object], k.id)
		}
	}
	return events, others
}

// inOrder sorts events as they were made, as far as clocks tell, and those of one
// record by their versions.
func inOrder(events []*eventRow) {
	slices.SortFunc(events, func(a, b *eventRow) int { return bytes.Compare(a.id[:], b.id[:]) })
	type record struct {
		object string
		id     uuid.UUID
	}
	places := map[record][]int{}
	for i, e := range events {
		k := record{e.object, e.record}
		places[k] = append(places[k], i)
	}
	for _, at := range places {
		if len(at) < 2 {
			continue
		}
		of := make([]*eventRow, len(at))
		for n, i := range at {
			of[n] = events[i]
		}
		slices.SortFunc(of, func(a, b *eventRow) int { return int(a.version - b.version) })
		for n, i := range at {
			events[i] = of[n]
		}
	}
}

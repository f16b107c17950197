package crm

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// eventRow is what happened to a record: its history and what is published, in one.
type eventRow struct {
	id       uuid.UUID
	object   string
	record   uuid.UUID
	version  int64
	name     string
	happened time.Time
	recorded time.Time
	actor    string
	cause    string
	changes  json.RawMessage
	quiet    bool // it set nothing in motion

	kept    json.RawMessage   // what is stored of changes, where protected values were opened
	protect map[string]string // of what changed, what is to be sealed, with its place
}

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var (
	eventTable = &storage.Table{Name: "event", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int}, {Name: "name", Kind: storage.Text}, {Name: "happened", Kind: storage.Time},
		{Name: "recorded", Kind: storage.Time}, {Name: "actor", Kind: storage.Text}, {Name: "cause", Kind: storage.Text, Null: true},
		{Name: "changes", Kind: storage.JSON}, {Name: "quiet", Kind: storage.Bool, Null: true},
	}}
	eventHappened, eventActor, eventCause = eventTable.Index("happened"), eventTable.Index("actor"), eventTable.Index("cause")

	// outboxTable holds the events that are yet to be put into the log.
	outboxTable = &storage.Table{Name: "outbox", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int}, {Name: "due", Kind: storage.Time},
	}}
)

func (e *eventRow) Value(i int) any {
	switch i {
	case 0:
		return e.id
	case 1:
		return e.object
	case 2:
		return e.record
	case 3:
		return e.version
	case 4:
		return e.name
	case 5:
		return e.happened
	case 6:
		return e.recorded
	case 7:
		return e.actor
	case 8:
		return orAbsent(e.cause)
	case 9:
		return e.changes
	}
	if e.quiet {
		return true
	}
	return nil
}

func (e *eventRow) Dest(i int) any {
	return [...]any{&e.id, &e.object, &e.record, &e.version, &e.name, &e.happened, &e.recorded, &e.actor, &e.cause, &e.changes, &e.quiet}[i]
}

// eventHead are the columns of an event but for what changed, which is most of it.
func eventHead() []int { return []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 10} }

// outboxRow announces an event to the relay.
type outboxRow struct {
	event  uuid.UUID
	bucket int64
	due    time.Time
}

func (r *outboxRow) Value(i int) any {
	switch i {
	case 0:
		return r.event
	case 1:
		return int64(1)
	case 2:
		return r.bucket
	}
	return r.due
}

func (r *outboxRow) Dest(int) any { return new(any) }

// event returns the row of a change.
func (w *writer) event(c *change) *eventRow {
	m := c.either().meta()
	version, actor := m.Version, w.sc.actor()
	if c.after == nil {
		version++
	}
	if c.by != "" {
		actor = (scope{Actor: Actor{Member: c.by}}).actor()
	}
	return &eventRow{
		id: uuid.UUID(w.core.ids.next(w.now)), object: w.name, record: uuid.UUID(m.ID), version: version, name: w.name + "." + c.event,
		happened: w.when(c), recorded: w.now, actor: actor, cause: w.sc.cause, changes: c.changes(),
		protect: w.protectedNames(), quiet: w.sc.quiet,
	}
}

// either is the record after the change, or before it when it is gone.
func (c *change) either() *rec {
	if c.after != nil {
		return c.after
	}
	return c.before
}

// changes is what changed, as {"name":[before, after]}: null is absent. A custom
// field is custom.name. What was created has all it set, what was purged nothing.
func (c *change) changes() json.RawMessage {
	b := append(make([]byte, 0, 512), '{')
	begin := func(name string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, name), ':', '[') // names are plain
	}
	if c.after == nil {
		return append(b, '}')
	}
	before := c.before
	if c.event == eventErased { // what was there is gone here too
		before = nil
	}
	for _, f := range c.o.fields {
		switch {
		case !c.changed(f):
		case f.name == "custom":
			var was Custom
			if c.before != nil {
				was = c.before.meta().Custom
			}
			eachCustom(was, c.after.meta().Custom, func(name string, before, after []byte) {
				if begin(name); c.event == eventErased {
					before = []byte("null")
				}
				b = append(append(append(append(b, before...), ','), after...), ']')
			})
		default:
			begin(f.name)
			b = append(f.marshal(b, before), ',')
			b = append(f.marshal(b, c.after), ']')
		}
	}
	return append(b, '}')
}

// marshal appends a field's value as its Go type marshals, or null.
func (f *field) marshal(b []byte, r *rec) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	v := r.Value(f.col)
	if f.typ == TypeMoney && v != nil {
		minor, _ := v.(int64)
		currency, _ := r.Value(f.col + 1).(string)
		text, _ := Money{Minor: minor, Currency: currency}.MarshalJSON() // it was checked, as in canonical
		return append(b, text...)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendText(b, v)
	case json.RawMessage:
		return append(b, v...)
	case uuid.UUID:
		return append(append(append(b, '"'), v.String()...), '"')
	case storage.Date:
		if v.Valid() {
			return append(append(append(b, '"'), v.String()...), '"')
		}
	case time.Time:
		return append(v.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	return append(b, canonical(v)...)
}

// appendText appends a text as JSON, as encoding/json does, and quicker where
// nothing has to be escaped.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, canonical(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// rows returns the rows of changes, and for each the index of its change. Rows of
// one table follow each other, so that they travel together. The values of a new
// record were checked as its fields, and what is made of them need not be again.
func (w *writer) rows(part []*change) (rows []storage.Change, of []int) {
	n := 3 * len(part)
	rows, of = make([]storage.Change, 0, n), make([]int, 0, n)
	add := func(i int, changes ...storage.Change) {
		rows = append(rows, changes...)
		of = append(of, slices.Repeat([]int{i}, len(changes))...)
	}
	for i, c := range part {
		add(i, w.recordRow(c))
	}
	events := w.events(part)
	for i := range events {
		add(events[i].of, storage.Change{Action: storage.Insert, Table: eventTable, Row: &events[i].eventRow, Checked: true})
	}
	for i := range events {
		add(events[i].of, storage.Change{Action: storage.Insert, Table: outboxTable, Row: &outboxRow{events[i].id, w.tenant.bucket, w.now}, Checked: true})
	}
	for i, c := range part {
		add(i, c.refRows()...)
	}
	for i, c := range part {
		add(i, w.core.indexRows(w, c)...)
	}
	for i, c := range part {
		add(i, w.searchRows(c)...)
	}
	return rows, of
}

// eventOf is an event of one of several changes.
type eventOf struct {
	eventRow

	of int
}

// events are those of changes: one each, and of a record with a past one for each step.
func (w *writer) events(part []*change) []eventOf {
	n := len(part)
	for _, c := range part {
		n += len(c.past)
	}
	events := make([]eventOf, 0, n)
	for i, c := range part {
		if c.first == nil {
			events = append(events, eventOf{*w.event(c), i})
			continue
		}
		for v, step := range append([]*change{c.first}, c.past...) {
			e := eventOf{*w.event(step), i}
			e.version = int64(v) + 1
			events = append(events, e)
		}
	}
	return events
}

func (w *writer) recordRow(c *change) storage.Change {
	switch {
	case c.before == nil:
		return storage.Change{Action: storage.Insert, Table: w.table, Row: c.after, Checked: true}
	case c.after == nil:
		return storage.Change{Action: storage.Delete, Table: w.table, Row: c.before, Version: c.before.meta().Version}
	}
	cols := append(slices.Clone(c.cols), w.byName["updated"].col)
	return storage.Change{Action: storage.Update, Table: w.table, Row: c.after, Columns: cols, Version: c.before.meta().Version}
}

// group returns as many of the changes as surely fit into one write.
func (w *writer) group(changes []*change) []*change {
	rows, each := 0, 4+w.custom.most() // record, event, outbox, words
	for i, c := range changes {
		rows += each + len(c.either().meta().Refs) + 2*len(c.past)
		if c.before != nil {
			rows += len(c.before.meta().Refs)
		}
		if rows > storage.MaxChanges && i > 0 {
			return changes[:i]
		}
	}
	return changes
}

// eventErased is what history calls that personal values were erased.
const eventErased = "erased"

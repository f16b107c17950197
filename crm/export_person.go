package crm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// PersonFormat is how [Core.ExportPerson] writes.
type PersonFormat string

// The formats.
const (
	PersonJSON PersonFormat = "json" // for machines
	PersonHTML PersonFormat = "html" // a page for the person to read
)

// PersonExport is what [Core.ExportPerson] wrote.
type PersonExport struct {
	Records int64            // the person's own, and what hangs on it
	Events  int64            // of their histories
	Others  map[string]int64 // what modules keep besides, by source
	// Withheld are kinds of records, and fields as "person.phone", that were left out
	// because the actor may not export or read them.
	Withheld []string
}

// ExportPerson writes everything the tenant knows about the person whom a record is of:
// the record, the records that refer to it, deleted ones too, those that are a part of
// these, the history of each, and what modules keep besides, such as the names of files.
// It is written as it is read, at one instant of the database, so that it may be any
// size. It takes the right to export the record; what the actor may not export or read is
// left out, masked fields too, and named in Withheld, so that a whole answer to a person takes [System] or a
// role with all of it. A record that was purged, or that the actor may not read, is
// ErrNotFound.
func (c *Core) ExportPerson(ctx context.Context, w io.Writer, object string, id ID, format PersonFormat) (PersonExport, error) {
	x := &personExport{core: c, done: PersonExport{Others: map[string]int64{}}}
	err := c.ready()
	o := c.objects[object]
	switch {
	case err != nil:
	case o == nil:
		err = Invalid("object", "there is no kind %q", clip(object))
	case format == PersonJSON:
		x.out = &personJSON{w: w}
	case format == PersonHTML:
		x.out = &personHTML{w: w}
	default:
		err = Invalid("format", "is json or html")
	}
	if err == nil {
		err = x.told(ctx, o, id)
	}
	return x.done, failed("export", object, id, err)
}

// ExportPerson is [Core.ExportPerson] for a record of the collection.
func (c *Collection[T]) ExportPerson(ctx context.Context, w io.Writer, id ID, format PersonFormat) (PersonExport, error) {
	return c.o.core.ExportPerson(ctx, w, c.o.name, id, format)
}

// personWriter writes an export in one of its formats: a head, then for each record the
// record, its events and the rest, then an end.
type personWriter interface {
	head(object string, id ID, at time.Time) error
	record(h *hanging, r *rec) error
	event(e Event) error
	other(source string, item any) error
	end(withheld []string) error
}

type personExport struct {
	core *Core
	out  personWriter
	done PersonExport
	// shown are the records that were written out, but for the person's own, where somebody
	// is told of it.
	shown map[*object][]ID
}

// told exports, and tells who watches reads: of the person's own record before anything is
// written out, of what hangs on it after, when more can be written in the database than in
// the instant the export is read in.
func (x *personExport) told(ctx context.Context, o *object, id ID) error {
	if !x.core.watched(ctx) {
		return x.begin(ctx, o, id)
	}
	if _, _, err := x.person(ctx, o, id); err != nil {
		return err
	}
	if err := o.toldIDs(ctx, ReadingExport, []ID{id}); err != nil {
		return err
	}
	x.shown = map[*object][]ID{}
	err := x.begin(untold(ctx), o, id)
	ctx = context.WithoutCancel(ctx) // what is out is told, though nobody waits for the rest
	for _, of := range x.core.order {
		ids := x.shown[of]
		slices.SortFunc(ids, ID.Compare)
		err = errors.Join(err, of.toldIDs(ctx, ReadingExport, slices.Compact(ids)))
	}
	return err
}

func (x *personExport) begin(ctx context.Context, o *object, id ID) error {
	c := x.core
	if c.tx(ctx) != nil {
		return x.export(ctx, o, id)
	}
	return c.store.Snapshot(ctx, func(s storage.Session) error { return x.export(c.within(ctx, s), o, id) })
}

// person reads the person's own record, if the actor may export it.
func (x *personExport) person(ctx context.Context, o *object, id ID) (*reader, *rec, error) {
	r, err := o.readerFor(ctx, listOptions{export: true})
	if err != nil {
		return nil, nil, err
	}
	recs, err := x.read(ctx, r, storage.And{byID(id)}, uuid.Nil, r.access.reading)
	if err == nil && len(recs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	return r, recs[0], r.access.mayWrite(ctx, VerbExport, recs[0])
}

func (x *personExport) export(ctx context.Context, o *object, id ID) error {
	r, own, err := x.person(ctx, o, id)
	if err != nil {
		return err
	}
	x.withhold(r)
	if err := x.out.head(o.name, id, x.core.now()); err != nil {
		return err
	}
	if err := x.one(ctx, r, nil, own, true); err != nil {
		return err
	}
	if err := x.below(ctx, o, []any{uuid.UUID(id)}, 0); err != nil {
		return err
	}
	slices.Sort(x.done.Withheld)
	x.done.Withheld = slices.Compact(x.done.Withheld)
	return x.out.end(x.done.Withheld)
}

// withhold notes the fields of a kind that the actor may not read.
func (x *personExport) withhold(r *reader) {
	for _, f := range r.fields {
		if r.object.closable(f.name) == "" && r.access.hides(f.name) {
			x.done.Withheld = append(x.done.Withheld, r.name+"."+f.name)
		}
	}
	for name := range r.access.read.closed {
		if strings.HasPrefix(name, "custom.") && r.access.hides(name) {
			x.done.Withheld = append(x.done.Withheld, r.name+"."+name)
		}
	}
}

// read reads the next records, as the actor sees them.
func (x *personExport) read(ctx context.Context, r *reader, where storage.And, after uuid.UUID, may func(storage.And) storage.Expr) ([]*rec, error) {
	var recs []*rec
	err := x.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: r.table, Columns: r.access.columns(), Limit: eraseRecords, After: []any{after}, Where: may(where),
	}, func() storage.Row {
		recs = append(recs, r.newRec())
		return recs[len(recs)-1]
	})
	if err != nil {
		return nil, err
	}
	return recs, x.core.shown(ctx, r.sc, r.object, r.access, recs)
}

// below exports what hangs on records.
func (x *personExport) below(ctx context.Context, o *object, on []any, depth int) error {
	if depth == maxPartsDeep {
		return nil
	}
	for _, h := range o.hangsOn() {
		if depth > 0 && !h.part {
			continue
		}
		if err := x.hanging(ctx, h, on, depth); err != nil {
			return err
		}
	}
	return nil
}

func (x *personExport) hanging(ctx context.Context, h hanging, on []any, depth int) error {
	r, err := h.o.readerFor(ctx, listOptions{export: true})
	if err == nil {
		err = r.access.may(VerbExport)
	}
	if errors.Is(err, ErrForbidden) {
		x.done.Withheld = append(x.done.Withheld, h.o.name)
		return nil
	}
	if err != nil {
		return err
	}
	x.withhold(r)
	may, err := r.access.exporting(storage.And{h.on(on)})
	if err != nil {
		return err
	}
	for last := uuid.Nil; ; {
		recs, err := x.read(ctx, r, storage.And{may}, last, func(where storage.And) storage.Expr { return where })
		if err != nil || len(recs) == 0 {
			return err
		}
		ids := make([]any, len(recs))
		for i, found := range recs {
			last = uuid.UUID(found.meta().ID)
			ids[i] = last
			if err := x.one(ctx, r, &h, found, h.part); err != nil {
				return err
			}
		}
		if h.part {
			if err := x.below(ctx, h.o, ids, depth+1); err != nil {
				return err
			}
		}
		if len(recs) < eraseRecords {
			return nil
		}
	}
}

// one exports a record with its history, and what modules keep of it.
func (x *personExport) one(ctx context.Context, r *reader, h *hanging, found *rec, besides bool) error {
	id := found.meta().ID
	if x.shown != nil && h != nil { // before it is written, which may fail halfway
		x.shown[r.object] = append(x.shown[r.object], id)
	}
	if err := x.out.record(h, found); err != nil {
		return err
	}
	x.done.Records++
	for last := int64(0); ; {
		events, err := r.events(ctx, id, storage.And{storage.Is{Field: storage.F("version"), Op: storage.Gt, Value: last}}, false, eraseEvents)
		if err != nil {
			return err
		}
		for _, e := range events {
			last = e.Version
			if err := x.out.event(e); err != nil {
				return err
			}
			x.done.Events++
		}
		if len(events) < eraseEvents {
			break
		}
	}
	if !besides {
		return nil
	}
	for _, p := range x.core.Erasures.sources {
		if p.Export == nil {
			continue
		}
		err := p.Export(ctx, r.name, id, func(item any) error {
			x.done.Others[p.Name]++
			return x.out.other(p.Name, item)
		})
		if err != nil {
			return err
		}
	}
	return x.ledgers(ctx, r, id)
}

// ledgers exports the rows of ledgers that refer to a record. Their fields have no rights
// of their own: they are for who may read all of the record.
func (x *personExport) ledgers(ctx context.Context, r *reader, id ID) error {
	for _, rel := range x.core.ledgersOf(r.object) {
		if len(r.access.read.closed) > 0 && !r.access.all {
			x.done.Withheld = append(x.done.Withheld, rel.of.name)
			continue
		}
		table := rel.of.table
		q := &storage.Query{Table: table, Where: rel.refersTo(id), Limit: eraseEvents}
		for {
			var rows []storage.Values
			err := x.core.session(ctx).Read(ctx, r.sc.Tenant, q, func() storage.Row {
				rows = append(rows, make(storage.Values, len(table.Columns)))
				return rows[len(rows)-1]
			})
			if err != nil {
				return err
			}
			for _, row := range rows {
				item := make(map[string]any, len(row))
				for i, v := range row {
					if v != nil {
						item[table.Columns[i].Name] = v
					}
				}
				x.done.Others[rel.of.name]++
				if err := x.out.other(rel.of.name, item); err != nil {
					return err
				}
			}
			if len(rows) < eraseEvents {
				break
			}
			q.After = nil
			for _, key := range table.Key {
				q.After = append(q.After, rows[len(rows)-1][table.Index(key)])
			}
		}
	}
	return nil
}

// personJSON writes one object: about what it is, and its entries, each a record with
// its history and the rest.
type personJSON struct {
	w       io.Writer
	entries int
	part    string // of the entry that is being written
}

func (p *personJSON) write(parts ...[]byte) error {
	for _, b := range parts {
		if _, err := p.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (p *personJSON) head(object string, id ID, at time.Time) error {
	about := canonical(map[string]any{"object": object, "id": id, "exported": at})
	return p.write(about[:len(about)-1], []byte(`,"entries":[`))
}

// open begins a list within an entry, or goes on in it.
func (p *personJSON) open(part string, item []byte) error {
	begin := ","
	if p.part != part {
		if begin = `,"` + part + `":[`; p.part != "" {
			begin = "]" + begin
		}
	}
	p.part = part
	return p.write([]byte(begin), item)
}

// close ends the entry before.
func (p *personJSON) close() error {
	end := ""
	if p.entries > 0 {
		end = "}"
		if p.part != "" {
			end = "]}"
		}
	}
	p.part = ""
	return p.write([]byte(end))
}

func (p *personJSON) record(h *hanging, r *rec) error {
	if err := p.close(); err != nil {
		return err
	}
	about := map[string]any{"object": r.o.name, "record": r.v}
	if h != nil {
		about["by"] = h.by.name
	}
	entry, err := json.Marshal(about)
	if err != nil {
		return err
	}
	if p.entries > 0 {
		entry = append([]byte(",\n"), entry...)
	}
	p.entries++
	return p.write(entry[:len(entry)-1])
}

// exportedEvent is an event as an export has it.
type exportedEvent struct {
	Name     string                        `json:"name"`
	Version  int64                         `json:"version"`
	Happened time.Time                     `json:"happened"`
	Recorded time.Time                     `json:"recorded"`
	Actor    string                        `json:"actor"`
	Cause    string                        `json:"cause,omitempty"`
	Changes  map[string][2]json.RawMessage `json:"changes,omitempty"`
}

func (p *personJSON) event(e Event) error {
	out := exportedEvent{e.Name, e.Version, e.Happened, e.Recorded, e.Actor, e.Cause, map[string][2]json.RawMessage{}}
	for _, c := range e.Changes {
		out.Changes[c.Field] = [2]json.RawMessage{c.Before, c.After}
	}
	return p.open("history", canonical(out))
}

func (p *personJSON) other(source string, item any) error {
	text, err := json.Marshal(map[string]any{"source": source, "item": item})
	if err != nil {
		return err
	}
	return p.open("others", text)
}

func (p *personJSON) end(withheld []string) error {
	if err := p.close(); err != nil {
		return err
	}
	if withheld == nil {
		withheld = []string{}
	}
	return p.write([]byte(`],"withheld":`), canonical(withheld), []byte("}\n"))
}

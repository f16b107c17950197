package crm

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Problem is something stored that should not be as it is.
type Problem struct {
	Tenant string
	Object string
	Record ID // zero when it is about several
	What   string
}

// String returns one line. It names no value.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s %s: %s", p.Tenant, p.Object, p.Record, p.What)
}

// maxProblems is after how many Check stops looking.
const maxProblems = 100

// Check looks through everything stored, of all tenants, and returns what is not as
// it must be, at most 100 problems: references to records that are gone, versions
// missing in a history, derived columns and indexes that do not fit what they are
// derived from, trees with circles, gaps in the log of events, events nobody would
// deliver, histories that are not as they were sealed, and what modules look at
// themselves. It reads one instant of the database, and takes
// as long as reading all of it does. It is the host's, and needs no scope.
func (c *Core) Check(ctx context.Context) ([]Problem, error) {
	if err := c.ready(); err != nil {
		return nil, failed("check", "", ID{}, err)
	}
	var problems []Problem
	for after := ""; ; {
		tenants, err := c.Tenants.List(ctx, after, MaxPage)
		if err != nil {
			return nil, failed("check", "", ID{}, err)
		}
		for _, key := range tenants {
			after = key
			err := c.store.Snapshot(ctx, func(s storage.Session) error {
				ch := &checker{core: c, ctx: c.within(System(ctx, key), s), s: s, tenant: key, found: &problems}
				return ch.tenantWhole()
			})
			if err != nil || len(problems) >= maxProblems {
				return problems[:min(len(problems), maxProblems)], failed("check", "", ID{}, err)
			}
		}
		if len(tenants) < MaxPage {
			return problems, nil
		}
	}
}

// checker looks through one tenant.
type checker struct {
	core   *Core
	ctx    context.Context //nolint:containedctx // it lives for one call
	s      storage.Session
	tenant string
	found  *[]Problem
}

func (ch *checker) addf(o *object, id ID, format string, args ...any) {
	*ch.found = append(*ch.found, Problem{ch.tenant, o.name, id, fmt.Sprintf(format, args...)})
}

func (ch *checker) tenantWhole() error {
	if err := ch.work(); err != nil {
		return err
	}
	for _, o := range ch.core.order {
		if err := ch.object(o); err != nil {
			return err
		}
		if err := ch.merges(o); err != nil {
			return err
		}
	}
	for _, o := range ch.core.ledgers {
		for _, f := range o.references {
			if err := ch.entries(o, f); err != nil {
				return err
			}
		}
	}
	if err := ch.instancesWhole(); err != nil {
		return err
	}
	return ch.modules()
}

// object goes through the records of an object, and then asks what they refer to: of
// most objects a tenant has none, and most of what a small tenant costs is asking.
func (ch *checker) object(o *object) error {
	some, err := ch.records(o)
	if err != nil || !some {
		return err
	}
	for _, f := range o.references {
		if err := ch.reference(o, f); err != nil {
			return err
		}
	}
	return ch.subjects(o)
}

// subjects finds records that hang on one that is not there, not even deleted.
func (ch *checker) subjects(o *object) error {
	if o.subject == nil {
		return nil
	}
	for _, up := range o.ups() {
		n, err := count(ch.ctx, ch.s, ch.tenant, o.table, storage.And{
			storage.Is{Field: storage.F(o.subjectKind.name), Op: storage.Eq, Value: up.name},
			storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: up.table, Column: "id", Key: o.subject.name}}},
		})
		if err != nil {
			return err
		}
		if n > 0 {
			ch.addf(o, ID{}, "%s on a %s that is gone", records(n, "hangs", "hang"), up.name)
		}
	}
	return nil
}

// reference finds living records that refer to one that is not.
// What a record belongs to may have been deleted, and then has to be there.
func (ch *checker) reference(o *object, f *field) error {
	there := living(false)
	if f.parent {
		there = storage.And{}
	}
	n, err := count(ch.ctx, ch.s, ch.tenant, o.table, storage.And{
		living(false), storage.Not{Expr: storage.Absent{Field: storage.F(f.name)}},
		storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: f.target.table, Column: "id", Key: f.name}, Where: there}},
	})
	if err == nil && n > 0 {
		ch.addf(o, ID{}, "%s by %s to a %s that is gone", records(n, "refers", "refer"), f.name, f.target.name)
	}
	return err
}

// entries finds rows of a ledger that refer to a record that is not there at all: one
// that was deleted may come back, and one that was purged takes them along.
func (ch *checker) entries(o *object, f *field) error {
	n, err := count(ch.ctx, ch.s, ch.tenant, o.table, storage.And{
		storage.Not{Expr: storage.Absent{Field: storage.F(f.name)}},
		storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: f.target.table, Column: "id", Key: f.name}, Where: storage.And{}}},
	})
	if err == nil && n > 0 {
		ch.addf(o, ID{}, "%s by %s to a %s that is gone", records(n, "refers", "refer"), f.name, f.target.name)
	}
	return err
}

// records goes through the records of an object beside their events, both in the
// order of ids, and reports whether there are any.
func (ch *checker) records(o *object) (some bool, err error) {
	events := &eventStream{ch: ch, o: o}
	parents := map[*field]map[uuid.UUID]uuid.UUID{}
	for after := []any(nil); ; {
		var page []*stored
		err := ch.s.Read(ch.ctx, ch.tenant, &storage.Query{
			Table: o.table, Order: []storage.Order{{Field: storage.F("id")}}, After: after, Limit: MaxPage,
		}, func() storage.Row {
			page = append(page, &stored{rec: o.newRec(), derived: make([]any, len(o.columns))})
			return page[len(page)-1]
		})
		if err != nil {
			return some, err
		}
		beside, err := ch.beside(o, page)
		if err != nil {
			return some, err
		}
		for _, r := range page {
			some = true
			id := uuid.UUID(r.meta().ID)
			after = []any{id, id}
			if err := events.until(r); err != nil {
				return some, err
			}
			if err := ch.record(r, beside); err != nil {
				return some, err
			}
			for _, f := range o.references {
				if parent, ok := r.Value(f.col).(uuid.UUID); ok && f.tree {
					if parents[f] == nil {
						parents[f] = map[uuid.UUID]uuid.UUID{}
					}
					parents[f][id] = parent
				}
			}
			if len(*ch.found) >= maxProblems {
				return some, nil
			}
		}
		if len(page) < MaxPage {
			break
		}
	}
	for f, up := range parents {
		ch.circles(o, f, up)
	}
	return some, events.until(nil)
}

// stored is a record with its derived columns as they are stored.
type stored struct {
	*rec

	derived []any
	history int64 // the last version in it
}

// Dest is the record's, and for derived columns a place beside it.
func (r *stored) Dest(i int) any {
	if r.o.columns[i].dest == nil {
		return &r.derived[i]
	}
	return r.rec.Dest(i)
}

// beside is what is kept beside the records of a page.
type beside struct {
	refs  map[refKey]uuid.UUID // whose each key is
	words map[uuid.UUID]string // what each record is found by
}

type refKey struct{ source, key string }

// beside reads it for all of them at once.
func (ch *checker) beside(o *object, page []*stored) (*beside, error) {
	b := &beside{refs: map[refKey]uuid.UUID{}}
	keys := map[string][]any{}
	recs := make([]*rec, len(page))
	for i, r := range page {
		recs[i] = r.rec
		for source, key := range r.meta().Refs {
			keys[source] = append(keys[source], key)
		}
	}
	for source, of := range keys {
		if err := ch.refs(o, source, of, b.refs); err != nil {
			return nil, err
		}
	}
	if len(o.searched) == 0 || len(recs) == 0 {
		return b, nil
	}
	var err error
	b.words, err = o.keptWords(ch.ctx, ch.s, ch.tenant, recs)
	return b, err
}

// refs notes whose the keys of a source are.
func (ch *checker) refs(o *object, source string, keys []any, into map[refKey]uuid.UUID) error {
	var rows []storage.Values
	err := ch.s.Read(ch.ctx, ch.tenant, &storage.Query{Table: refTable, Limit: len(keys), Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: o.name},
		storage.Is{Field: storage.F("source"), Op: storage.Eq, Value: source},
		storage.In{Field: storage.F("key"), Values: keys},
	}}, func() storage.Row {
		rows = append(rows, storage.Values{nil, nil, nil, uuid.Nil})
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		key, _ := row[2].(string)
		into[refKey{source, key}], _ = row[3].(uuid.UUID)
	}
	return err
}

// record holds a record against what is derived from it.
func (ch *checker) record(r *stored, kept *beside) error {
	for i := range r.o.columns {
		if r.o.columns[i].dest != nil {
			continue
		}
		fits := same(r.derived[i], r.Value(i))
		if f := r.o.columns[i].field; i == f.blindCol {
			var err error
			if fits, err = ch.core.blindFits(ch.ctx, ch.tenant, r.rec, f, r.derived[i]); err != nil {
				return err
			}
		}
		if !fits {
			ch.addf(r.o, r.meta().ID, "%s does not fit %s", r.o.specs[i].Name, r.o.columns[i].field.name)
		}
	}
	for _, source := range slices.Sorted(maps.Keys(r.meta().Refs)) {
		if kept.refs[refKey{source, r.meta().Refs[source]}] != uuid.UUID(r.meta().ID) {
			ch.addf(r.o, r.meta().ID, "its key in %s is not noted as its own", source)
		}
	}
	what, err := ch.core.checkIndex(ch.ctx, ch.s, ch.tenant, r.rec)
	if err == nil && what != "" {
		ch.addf(r.o, r.meta().ID, "%s", what)
	}
	if err == nil && len(r.o.searched) > 0 && kept.words[uuid.UUID(r.meta().ID)] != r.o.searchWords(ch.tenant, r.rec) {
		ch.addf(r.o, r.meta().ID, "the words it is found by do not fit its fields: call Reindex")
	}
	return err
}

// circles finds records above themselves.
func (ch *checker) circles(o *object, f *field, up map[uuid.UUID]uuid.UUID) {
	for id := range up {
		at, steps := id, 0
		for ok := true; ok && steps <= maxTree; steps++ {
			if at, ok = up[at]; at == id {
				break
			}
		}
		if at == id || steps > maxTree {
			ch.addf(o, ID(id), "by %s it is above itself, or in a tree deeper than %d", f.name, maxTree)
		}
	}
}

// eventStream goes through the events of an object in the order of records, then of
// versions.
type eventStream struct {
	ch    *checker
	o     *object
	page  []*eventRow
	after []any
	ended bool
}

// next returns the next event without passing it, or nil.
func (e *eventStream) next() (*eventRow, error) {
	if len(e.page) == 0 && !e.ended {
		err := e.ch.s.Read(e.ch.ctx, e.ch.tenant, &storage.Query{
			Table: eventTable, Where: storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: e.o.name}, After: e.after, Limit: MaxPage,
			Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		}, func() storage.Row {
			e.page = append(e.page, &eventRow{})
			return e.page[len(e.page)-1]
		})
		if err != nil {
			return nil, err
		}
		e.ended = len(e.page) < MaxPage
		if len(e.page) > 0 {
			last := e.page[len(e.page)-1]
			e.after = []any{last.record, last.version, last.id}
		}
	}
	if len(e.page) == 0 {
		return nil, nil //nolint:nilnil // the end
	}
	return e.page[0], nil
}

// until passes the events up to those of r, which must be its whole history; nil is
// the end. What lies between are the histories of purged records.
func (e *eventStream) until(r *stored) error {
	var chain int64 // the version of the last event of the record at hand
	var last *eventRow
	ended := func() {
		if last != nil && last.name != e.o.name+".purged" && last.name != e.o.name+"."+eventErased {
			e.ch.addf(e.o, ID(last.record), "the record is gone and was not purged")
		}
	}
	for {
		ev, err := e.next()
		if err != nil {
			return err
		}
		order := -1 // the event's record lies before, at, or behind r
		if ev == nil {
			order = 1
		} else if r != nil {
			id := r.meta().ID
			order = bytes.Compare(ev.record[:], id[:])
		}
		if last != nil && (ev == nil || ev.record != last.record) {
			if r == nil || last.record != uuid.UUID(r.meta().ID) {
				ended()
			}
			last, chain = nil, 0
		}
		if order > 0 {
			break
		}
		if ev.version != chain+1 {
			e.ch.addf(e.o, ID(ev.record), "its history has version %d behind version %d", ev.version, chain)
		}
		chain, last = ev.version, ev
		if order == 0 {
			r.history = ev.version
		}
		e.page = e.page[1:]
	}
	if r != nil && r.history != r.meta().Version {
		e.ch.addf(e.o, r.meta().ID, "it is at version %d, and its history at %d", r.meta().Version, r.history)
	}
	return nil
}

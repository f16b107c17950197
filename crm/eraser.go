package crm

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	eraseRecords = 200 // that are erased in one transaction
	eraseEvents  = 500 // that are read at once
)

// erasedText is what a text that is required becomes.
const erasedText = "erased"

// eraser removes what records of one kind have of a person, in one transaction. It
// holds the head of the log, so that no event is sealed meanwhile with values it is
// about to remove.
type eraser struct {
	core    *Core
	tenant  string
	erasure ID
	head    *headRow
	whole   bool // the records are the person's own, or a part of it: their keys and what modules keep go too
	always  bool // also a record with nothing to erase is noted to be erased

	ids    identities
	traces Traces
	texts  map[string]bool // words of the person's own values, which the reason must not have
	reason string

	records, events, keys int64
	others                map[string]int64
}

func (c *Core) eraser(ctx context.Context, w *writer, erasure ID) (*eraser, error) {
	head, err := c.lockHead(ctx, w.sc.Tenant)
	return &eraser{core: c, tenant: w.sc.Tenant, erasure: erasure, head: head, ids: identities{}, traces: newTraces(false), others: map[string]int64{}}, err
}

// count adds what was done to the proof.
func (x *eraser) count(e *Erasure) {
	e.Records += x.records
	e.Events += x.events
	e.Keys += x.keys
	for name, n := range x.others {
		if e.Others = maps.Clone(e.Others); e.Others == nil {
			e.Others = map[string]int64{}
		}
		e.Others[name] += n
	}
}

// idle reports whether nothing was there to erase.
func (x *eraser) idle() bool { return x.records+x.events+x.keys == 0 && len(x.others) == 0 }

// erases reports whether a field is erased.
func (x *eraser) erases(f *field) bool { return f.personal || x.whole && f.name == "refs" }

// personal reports whether anything of a kind is about a person.
func (x *eraser) personal(o *object, custom *fieldSet) bool {
	return slices.ContainsFunc(o.fields, x.erases) ||
		slices.ContainsFunc(custom.all(), func(f *customField) bool { return f.Personal })
}

// know notes by what a person is known, as a record has it.
func (x *eraser) know(r *rec, custom *fieldSet) {
	x.ids.record(r, custom, func(f *field) bool { return x.erases(f) || f.name == "custom" })
	for _, key := range r.meta().Refs {
		x.traces.key(key)
	}
	for _, f := range r.o.fields {
		if !f.personal || len(f.enum) > 0 {
			continue
		}
		switch v := r.Value(f.col).(type) {
		case string:
			x.text(v)
			x.traces.value(v, f.identifies())
		case Date:
			x.traces.day(v.String())
		}
	}
}

// said notes the same, as a change in the history has it.
func (x *eraser) said(c FieldChange, o *object, f *field, own *customField) {
	for _, raw := range []json.RawMessage{c.Before, c.After} {
		var text string
		switch {
		case c.Field == "refs":
			var refs Refs
			if json.Unmarshal(raw, &refs) == nil {
				x.ids.refs(o.name, refs)
			}
			for _, key := range refs {
				x.traces.key(key)
			}
		case json.Unmarshal(raw, &text) != nil:
		case f != nil:
			if len(f.enum) == 0 {
				x.text(text)
			}
			switch {
			case f.typ == TypeDate:
				x.traces.day(text)
			case f.typ == TypeText && len(f.enum) == 0:
				x.traces.value(text, f.identifies())
			}
			if f.identifies() {
				x.ids.text(f.name, text, f.protected)
			}
		case own != nil:
			x.traces.value(text, own.identifies())
			if own.identifies() {
				x.ids.text(own.name, text, own.Protected)
			}
		}
	}
}

// text notes the words of a value, which a reason must not name. Of what is not written
// with letters of an alphabet two characters are a name.
func (x *eraser) text(text string) {
	if x.texts == nil || strings.HasPrefix(text, erasedText) {
		return
	}
	for _, word := range strings.FieldsFunc(Fold(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if n := utf8.RuneCountInString(word); n >= 4 || n >= 2 && n < len(word)/2 {
			x.texts[word] = true
		}
	}
}

// unnamed refuses a reason that names the person. By then all values are known, and
// the error undoes what was erased.
func (x *eraser) unnamed() error {
	folded := Fold(x.reason)
	for word := range x.texts {
		if strings.Contains(folded, word) {
			return Invalid("reason", "names what is to be erased: say why without it")
		}
	}
	return nil
}

// bury keeps the keyed hashes of what the person was known by.
func (x *eraser) bury(ctx context.Context) error {
	if len(x.ids) == 0 {
		return nil
	}
	tn, err := x.core.Tenants.of(ctx, x.tenant)
	if err != nil {
		return err
	}
	hashes := make([]any, 0, len(x.ids))
	for _, form := range slices.Sorted(maps.Keys(x.ids)) {
		all, err := x.core.identityHashes(ctx, x.tenant, tn, form)
		if err != nil {
			return err
		}
		hashes = append(hashes, all[0])
	}
	now := x.core.now()
	for part := range slices.Chunk(hashes, storage.MaxPage) {
		known, err := x.core.tombstones(ctx, x.tenant, part)
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, row := range known {
			there[row.hash] = true
		}
		var rows []storage.Change
		for _, hash := range part {
			if hash, _ := hash.(string); !there[hash] {
				rows = append(rows, storage.Change{Action: storage.Put, Table: tombstoneTable, Row: &tombstoneRow{hash, uuid.UUID(x.erasure), now}})
			}
		}
		if len(rows) == 0 {
			continue
		}
		if err := x.core.session(ctx).Write(ctx, x.tenant, rows); err != nil {
			return err
		}
		x.keys += int64(len(rows))
	}
	return x.core.watchErased(ctx, x.tenant)
}

// watchErased makes every write of a tenant look whether it brings somebody back.
func (c *Core) watchErased(ctx context.Context, key string) error {
	r, err := c.rightsOf(ctx, key)
	if err != nil || r.erased {
		return err
	}
	yes := true
	err = c.session(ctx).Write(ctx, key, []storage.Change{{
		Action: storage.Update, Table: tenantTable, Row: &tenant{erased: &yes}, Columns: []int{tenantTable.Index("erased")},
	}})
	if err != nil {
		return err
	}
	return c.rightsChanged(ctx, key)
}

// trustedNow is trusted, and not dated back: when something was erased is when it was.
func trustedNow(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.trusted, sc.at = true, time.Time{}
	return context.WithValue(ctx, scopeKey{}, sc)
}

// page erases records that are held, with their histories.
func (x *eraser) page(ctx context.Context, w *writer, recs []*rec) error {
	ids := make([]any, len(recs))
	for i, r := range recs {
		ids[i] = uuid.UUID(r.meta().ID)
		x.know(r, w.custom)
	}
	touched, err := x.history(ctx, w, ids)
	if err == nil {
		err = x.unnamed()
	}
	if err != nil {
		return err
	}
	var changes []*change
	for _, r := range recs {
		c := &change{o: w.object, verb: VerbUpdate, event: eventErased, forced: true, before: r, after: r.clone()}
		x.clear(c.after, w.custom)
		w.stamp(c)
		if c.diff(); len(c.cols) > 0 || touched[r.meta().ID] || x.always {
			changes = append(changes, c)
		}
		if err := x.besides(ctx, w, r.meta().ID); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	x.records += int64(len(changes))
	return w.writeIn(ctx, changes)
}

// purged erases the history of a record that is gone.
func (x *eraser) purged(ctx context.Context, w *writer, id ID) error {
	touched, err := x.history(ctx, w, []any{uuid.UUID(id)})
	if err == nil {
		err = x.unnamed()
	}
	if err == nil {
		err = x.besides(ctx, w, id)
	}
	if err != nil || !touched[id] && !x.always {
		return err
	}
	return x.note(ctx, w, id)
}

// besides removes what modules keep of a record.
func (x *eraser) besides(ctx context.Context, w *writer, id ID) error {
	if !x.whole {
		return nil
	}
	for _, p := range x.core.Erasures.sources {
		if p.Erase == nil {
			continue
		}
		n, err := p.Erase(SystemIn(ctx), w.name, id)
		if err != nil {
			return err
		}
		if n > 0 {
			x.others[p.Name] += n
		}
	}
	return x.ledgers(ctx, w, id)
}

// ledgers removes the rows of ledgers that say something of a person; the others are
// sums and counts.
func (x *eraser) ledgers(ctx context.Context, w *writer, id ID) error {
	for _, r := range x.core.ledgersOf(w.object) {
		if !slices.ContainsFunc(r.of.fields, func(f *field) bool { return f.personal }) {
			continue
		}
		s := x.core.session(ctx)
		n, err := count(ctx, s, x.tenant, r.of.table, r.refersTo(id))
		if err == nil && n > 0 {
			x.others[r.of.name] += n
			err = s.Write(ctx, x.tenant, []storage.Change{{Action: storage.Clear, Table: r.of.table, Where: r.refersTo(id)}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear takes out of a record what is of the person.
func (x *eraser) clear(r *rec, custom *fieldSet) {
	for _, f := range r.o.fields {
		if !x.erases(f) {
			continue
		}
		if f.clear(r); f.required && !f.null {
			put(r.Dest(f.col), f.placeholder(r))
		}
	}
	m := r.meta()
	if m.kept == nil {
		return
	}
	m.Custom, m.kept = nil, &keptCustom{members: custom.impersonal(m.kept.members)}
	custom.show(r)
}

// impersonal are the stored values of fields that there are and that are not personal. What has no field by now may be
// of a person, and goes.
func (s *fieldSet) impersonal(members map[string]any) map[string]any {
	kept := map[string]any{}
	for _, f := range s.all() {
		if f.Personal {
			continue
		}
		for _, name := range f.members() {
			if v, ok := members[name]; ok {
				kept[name] = v
			}
		}
	}
	return kept
}

// placeholder is what stands where there must be a value.
func (f *field) placeholder(r *rec) any {
	switch f.typ {
	case TypeText:
		text := erasedText
		switch {
		case len(f.enum) > 0:
			return f.enum[0]
		case f.unique:
			text += " " + r.meta().ID.String()
		}
		if f.max > 0 && len(text) > f.max {
			text = text[len(text)-f.max:] // the end of an id differs, its beginning does not
		}
		return text
	case TypeTime:
		return time.Unix(0, 0).UTC()
	case TypeDate:
		return Date{Year: 1970, Month: time.January, Day: 1}
	case TypeInt, TypeBool, TypeMoney, TypeID, TypeTags, TypeJSON, TypeDecimal:
	}
	return nil
}

// custom returns the custom field that a change is of, or a zero ID.
func (n *fieldNames) custom(field string, at time.Time) ID {
	if name, ok := strings.CutPrefix(field, "custom."); ok {
		return n.at(name, at)
	}
	return ID{}
}

// byID finds a field that lives.
func (s *fieldSet) byID(id ID) *customField {
	for _, f := range s.all() {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// history removes what events of records have of the person, and returns the records
// that had any. Why a change was made is text of anybody's, and goes with it.
func (x *eraser) history(ctx context.Context, w *writer, ids []any, more ...storage.Expr) (map[ID]bool, error) {
	var names *fieldNames
	touched := map[ID]bool{}
	q := &storage.Query{
		Table: eventTable, Limit: eraseEvents, Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		Where: append(storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name}, storage.In{Field: storage.F("record_id"), Values: ids},
		}, more...),
	}
	if !x.personal(w.object, w.custom) {
		q.Where = append(q.Where.(storage.And), storage.Not{Expr: storage.Absent{Field: storage.F("cause")}}) //nolint:errcheck // as made above
	}
	for {
		var events []*eventRow
		err := x.core.session(ctx).Read(ctx, x.tenant, q, func() storage.Row {
			events = append(events, &eventRow{})
			return events[len(events)-1]
		})
		if err != nil {
			return nil, err
		}
		var rows []storage.Change
		gone := map[uuid.UUID]map[string]bool{}
		was := map[uuid.UUID]*eventRow{}
		for _, e := range events {
			if e.name == w.name+"."+eventErased {
				continue
			}
			if names == nil {
				if names, err = x.core.fieldNames(ctx, x.tenant, w.name); err != nil {
					return nil, err
				}
			}
			if of := x.saidOf(w, e, names); len(of) > 0 {
				before := *e
				was[e.id], gone[e.id], touched[ID(e.record)] = &before, of, true
				rows = append(rows, e.erase(of))
			}
		}
		if err := x.unseal(ctx, was, gone); err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			if err := x.core.session(ctx).Write(ctx, x.tenant, rows); err != nil {
				return nil, err
			}
		}
		if x.events += int64(len(rows)); len(events) < eraseEvents {
			return touched, nil
		}
		last := events[len(events)-1]
		q.After = []any{last.record, last.version, last.id}
	}
}

// saidOf are the names under which an event says something of the person.
func (x *eraser) saidOf(w *writer, e *eventRow, names *fieldNames) map[string]bool {
	gone := map[string]bool{}
	if e.cause != "" {
		gone[sealedCause] = true
	}
	for _, c := range changesOf(e.changes) {
		if string(c.Before) == "null" && string(c.After) == "null" {
			continue // it is gone
		}
		f := w.byName[c.Field]
		own := w.custom.byID(names.custom(c.Field, e.recorded))
		if f != nil && !x.erases(f) || own != nil && !own.Personal {
			continue
		}
		gone[c.Field] = true // also what has no field by now
		x.said(c, w.object, f, own)
	}
	return gone
}

// erase takes values out of an event.
func (e *eventRow) erase(names map[string]bool) storage.Change {
	var changes map[string]json.RawMessage
	_ = json.Unmarshal(e.stored(), &changes) // the kernel wrote it
	for name := range changes {
		if names[name] {
			changes[name] = erasedValue
		}
	}
	e.changes, e.kept = canonical(changes), nil
	if names[sealedCause] {
		e.cause = ""
	}
	return storage.Change{
		Action: storage.Update, Table: eventTable, Row: e, Columns: []int{eventCause, eventTable.Index("changes")}, Checked: true,
	}
}

// unseal takes the salts of values that are removed from events, as they were, out of
// the chain.
func (x *eraser) unseal(ctx context.Context, was map[uuid.UUID]*eventRow, gone map[uuid.UUID]map[string]bool) error {
	if !x.head.sealing() || len(was) == 0 {
		return nil
	}
	ids := make([]any, 0, len(was))
	for id := range was {
		ids = append(ids, id)
	}
	var logged []*logRow
	err := x.core.session(ctx).Read(ctx, x.tenant, &storage.Query{
		Table: logTable, Limit: len(ids), Where: storage.In{Field: storage.F("event_id"), Values: ids},
	}, func() storage.Row {
		logged = append(logged, &logRow{})
		return logged[len(logged)-1]
	})
	if err != nil || len(logged) == 0 {
		return err
	}
	at := make(map[int64]uuid.UUID, len(logged))
	positions := make([]any, len(logged))
	for i, row := range logged {
		at[row.position], positions[i] = row.event, row.position
	}
	var seals []*sealRow
	err = x.core.session(ctx).Read(ctx, x.tenant, &storage.Query{
		Table: sealTable, Limit: len(positions), Where: storage.In{Field: storage.F("position"), Values: positions},
	}, func() storage.Row {
		seals = append(seals, &sealRow{})
		return seals[len(seals)-1]
	})
	if err != nil || len(seals) == 0 {
		return err
	}
	rows := make([]storage.Change, len(seals))
	for i, seal := range seals {
		id := at[seal.position]
		if err := seal.erase(was[id], gone[id]); err != nil {
			return err
		}
		rows[i] = storage.Change{
			Action: storage.Update, Table: sealTable, Row: seal, Columns: []int{sealTable.Index("salt"), sealTable.Index("erased")},
		}
	}
	return x.core.session(ctx).Write(ctx, x.tenant, rows)
}

// note adds to the history of a record that was purged that it was erased.
func (x *eraser) note(ctx context.Context, w *writer, id ID) error {
	last := &eventRow{}
	err := x.core.session(ctx).Read(ctx, x.tenant, &storage.Query{
		Table: eventTable, Columns: eventPlace(), Limit: 1, Order: []storage.Order{{Field: storage.F("version"), Desc: true}}, Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name},
			storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
		},
	}, func() storage.Row { return last })
	if err != nil {
		return err
	}
	e := &eventRow{
		id: uuid.UUID(x.core.ids.next(w.now)), object: w.name, record: uuid.UUID(id), version: last.version + 1, name: w.name + "." + eventErased,
		happened: w.now, recorded: w.now, actor: w.sc.actor(), cause: w.sc.cause, changes: json.RawMessage("{}"),
	}
	x.records++
	return x.core.session(ctx).Write(ctx, x.tenant, []storage.Change{
		{Action: storage.Insert, Table: eventTable, Row: e},
		{Action: storage.Insert, Table: outboxTable, Row: &outboxRow{e.id, w.tenant.bucket, w.now}},
	})
}

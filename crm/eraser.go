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

// eraser removes what records have of one person, in one transaction. It holds the head
// of the log, so that no event is sealed meanwhile with values it is about to remove.
type eraser struct {
	core   *Core
	tenant string
	root   *object // of the person's own record
	id     ID
	head   *headRow

	ids   identities
	texts map[string]bool // values of the person, folded

	records, events int64
}

func (c *Core) eraser(ctx context.Context, w *writer, id ID) (*eraser, error) {
	head, err := c.lockHead(ctx, w.sc.Tenant)
	return &eraser{core: c, tenant: w.sc.Tenant, root: w.object, id: id, head: head, ids: identities{}, texts: map[string]bool{}}, err
}

// erases reports whether a field is erased.
func (x *eraser) erases(o *object, f *field) bool {
	return f.personal || o == x.root && f.name == "refs"
}

// personal reports whether anything of a kind is about a person.
func (x *eraser) personal(o *object, custom *fieldSet) bool {
	return slices.ContainsFunc(o.fields, func(f *field) bool { return x.erases(o, f) }) ||
		slices.ContainsFunc(custom.all(), func(f *customField) bool { return f.Personal })
}

// know collects by what the person is known, from the record and all its history.
func (x *eraser) know(ctx context.Context, r *rec) error {
	w, err := x.root.writer(trusted(ctx), VerbRead)
	if err != nil {
		return err
	}
	if r != nil {
		x.ids.record(r, w.custom, nil)
		for _, f := range x.root.fields {
			if f.personal && f.typ == TypeText && len(f.enum) == 0 {
				text, _ := r.Value(f.col).(string)
				x.text(text)
			}
		}
	}
	names, err := x.core.fieldNames(ctx, x.tenant, x.root.name)
	if err != nil {
		return err
	}
	for last := int64(0); ; {
		events, err := w.pastOf(ctx, x.id, last, eraseEvents)
		if err != nil {
			return err
		}
		for _, e := range events {
			last = e.version
			for _, c := range changesOf(e.changes) {
				x.said(c, w.custom.byID(names.custom(c.Field, e.recorded)))
			}
		}
		if len(events) < eraseEvents {
			return nil
		}
	}
}

// said takes what a change in the history says of the person.
func (x *eraser) said(c FieldChange, own *customField) {
	f := x.root.byName[c.Field]
	for _, raw := range []json.RawMessage{c.Before, c.After} {
		var text string
		switch {
		case c.Field == "refs":
			var refs Refs
			if json.Unmarshal(raw, &refs) == nil {
				x.ids.refs(x.root.name, refs)
			}
		case json.Unmarshal(raw, &text) != nil:
		case f != nil && f.personal:
			if len(f.enum) == 0 {
				x.text(text)
			}
			if f.identifies() && text != erasedText {
				x.ids.text(f.name, text)
			}
		case own != nil && own.identifies():
			x.ids.text(own.name, text)
		}
	}
}

// text notes the words of a value, which a reason must not name. Of what is not written
// with letters of an alphabet two characters are a name.
func (x *eraser) text(text string) {
	if text == erasedText {
		return
	}
	for _, word := range strings.FieldsFunc(Fold(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if n := utf8.RuneCountInString(word); n >= 4 || n >= 2 && n < len(word)/2 {
			x.texts[word] = true
		}
	}
}

// names reports whether a text has a value of the person in it.
func (x *eraser) names(text string) bool {
	folded := Fold(text)
	for value := range x.texts {
		if strings.Contains(folded, value) {
			return true
		}
	}
	return false
}

// bury keeps the keyed hashes of what the person was known by.
func (x *eraser) bury(ctx context.Context, erasure ID) error {
	if len(x.ids) == 0 {
		return nil
	}
	tn, err := x.core.Tenants.of(ctx, x.tenant)
	if err != nil {
		return err
	}
	now := x.core.now()
	rows := make([]storage.Change, 0, len(x.ids))
	for _, form := range slices.Sorted(maps.Keys(x.ids)) {
		row := &tombstoneRow{hash: tn.tombstone(form), erasure: uuid.UUID(erasure), erased: now}
		rows = append(rows, storage.Change{Action: storage.Put, Table: tombstoneTable, Row: row})
	}
	for part := range slices.Chunk(rows, storage.MaxChanges) {
		if err := x.core.session(ctx).Write(ctx, x.tenant, part); err != nil {
			return err
		}
	}
	r, err := x.core.rightsOf(ctx, x.tenant)
	if err != nil || r.erased {
		return err
	}
	yes := true
	err = x.core.session(ctx).Write(ctx, x.tenant, []storage.Change{{
		Action: storage.Update, Table: tenantTable, Row: &tenant{erased: &yes}, Columns: []int{tenantTable.Index("erased")},
	}})
	if err != nil {
		return err
	}
	return x.core.rightsChanged(ctx, x.tenant) // from now on every write looks
}

// trusted is the actor's context once the kernel has looked at his rights itself.
func trusted(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.trusted, sc.at = true, time.Time{}
	return context.WithValue(ctx, scopeKey{}, sc)
}

// record erases the person's own record; before is nil when it was purged.
func (x *eraser) record(ctx context.Context, w *writer, id ID, before *rec, always bool) error {
	if before != nil {
		return x.page(ctx, w, []*rec{before}, always)
	}
	touched, err := x.history(ctx, w, []any{uuid.UUID(id)})
	if err != nil || !touched[id] && !always {
		return err
	}
	return x.note(ctx, w, id)
}

// page erases records that are held, with their histories; always, or as far as there
// is anything to erase.
func (x *eraser) page(ctx context.Context, w *writer, recs []*rec, always bool) error {
	ids := make([]any, len(recs))
	for i, r := range recs {
		ids[i] = uuid.UUID(r.meta().ID)
	}
	touched, err := x.history(ctx, w, ids)
	if err != nil {
		return err
	}
	var changes []*change
	for _, r := range recs {
		c := &change{o: w.object, verb: VerbUpdate, event: eventErased, forced: true, before: r, after: r.clone()}
		x.clear(c.after, w.custom)
		w.stamp(c)
		if c.diff(); len(c.cols) > 0 || touched[r.meta().ID] || always {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	x.records += int64(len(changes))
	return w.writeIn(ctx, changes)
}

// clear takes out of a record what is of the person.
func (x *eraser) clear(r *rec, custom *fieldSet) {
	for _, f := range r.o.fields {
		if !x.erases(r.o, f) {
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
func (x *eraser) history(ctx context.Context, w *writer, ids []any) (map[ID]bool, error) {
	var names *fieldNames
	touched := map[ID]bool{}
	q := &storage.Query{
		Table: eventTable, Limit: eraseEvents, Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
		Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name}, storage.In{Field: storage.F("record_id"), Values: ids},
		},
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
		if f != nil && !x.erases(w.object, f) || own != nil && !own.Personal {
			continue
		}
		gone[c.Field] = true // also what has no field by now
	}
	return gone
}

// erase takes values out of an event.
func (e *eventRow) erase(names map[string]bool) storage.Change {
	var changes map[string]json.RawMessage
	_ = json.Unmarshal(e.changes, &changes) // the kernel wrote it
	for name := range changes {
		if names[name] {
			changes[name] = erasedValue
		}
	}
	e.changes = canonical(changes)
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

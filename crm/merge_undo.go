package crm

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxUnmergeListed is how many records of a kind of news an [Unmerged] lists.
const maxUnmergeListed = 1000

// Unmerged is what undoing a merge did, and what it left as it was since.
type Unmerged[T any] struct {
	Merge    Merge
	Survivor T
	// Absorbed are the records that live again, in the order in which they were merged.
	Absorbed []T
	// Kept are the survivor's fields that were changed since the merge. They keep what
	// they got since; of a list, what was added since stays and what was taken out since
	// stays out. A key in another system that somebody else has by now is there too.
	Kept []KeptField
	// Returned is how many references lead back to the records that live again, by kind.
	Returned map[string]int64
	// Elsewhere are the references the merge had moved that lead to another record by now:
	// they stay there. New are those made to the survivor since: they stay with it. Each
	// lists at most 1,000; ElsewhereCount and NewCount are all.
	Elsewhere, New           []Reference
	ElsewhereCount, NewCount int64
}

// KeptField is a field that [Kind.Unmerge] did not take back, with its values as JSON.
type KeptField struct {
	Record ID
	Name   string
	Before json.RawMessage // the merge
	Merged json.RawMessage // by the merge
	Now    json.RawMessage
}

// Reference is a record that refers to another one by a field.
type Reference struct {
	Object string
	Record ID
	Field  string
}

// Unmerge undoes a merge: those it absorbed live again, with their ids, their keys and
// their fields, the survivor gets back the fields the merge changed, and what the merge
// relinked refers to whom it referred before. What happened since is kept, and said: see
// [Unmerged]. The history has it as "company.unmerged", "company.restored" and
// "deal.relinked".
//
// It takes the right to read and update the survivor and those it absorbed. Merges of a
// record are undone in the reverse order, since a later one was made of what an earlier
// one made: otherwise it is ErrConflict and names the one to undo first. ErrConflict is
// also a merge that was undone, one of a person who was erased since, one of whose records
// was deleted or purged since, and a unique value that another record has by now.
func (k *Kind[T]) Unmerge(ctx context.Context, merge ID) (Unmerged[T], error) {
	u, err := k.o.unmerge(ctx, merge)
	if err != nil {
		return Unmerged[T]{}, failed("unmerge", k.o.name, merge, err)
	}
	out := Unmerged[T]{
		Merge: u.row.merge(), Survivor: value[T](u.after), Kept: u.kept, Returned: u.returned,
		Elsewhere: u.elsewhere, ElsewhereCount: u.elsewhereCount, New: u.news, NewCount: u.newCount,
	}
	for _, r := range u.restored {
		out.Absorbed = append(out.Absorbed, value[T](r))
	}
	return out, nil
}

// unmerging is a merge on the way back.
type unmerging struct {
	*writer

	row      *mergeRow
	survivor *rec
	absorbed []*rec
	events   map[ID]*eventRow // what the merge did to each record

	after    *rec
	restored []*rec
	kept     []KeptField
	returned map[string]int64

	elsewhere, news          []Reference
	elsewhereCount, newCount int64
}

func (o *object) unmerge(ctx context.Context, merge ID) (u *unmerging, err error) {
	err = o.call(ctx, true, func(ctx context.Context) error {
		w, err := o.writer(ctx, VerbUpdate)
		if err != nil {
			return err
		}
		u = &unmerging{writer: w, returned: map[string]int64{}, events: map[ID]*eventRow{}}
		if err := u.load(ctx, merge); err != nil {
			return err
		}
		if err := u.carryOut(trusted(ctx)); err != nil {
			return err
		}
		for _, r := range append([]*rec{u.after}, u.restored...) {
			r.thaw()
			w.access.mask(r)
		}
		u.kept = slices.DeleteFunc(u.kept, func(k KeptField) bool { return w.access.hides(k.Name) })
		return nil
	})
	return u, err
}

// read reads the entry of the merge.
func (u *unmerging) read(ctx context.Context, merge ID) error {
	row := &mergeRow{}
	found := false
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{
		Table: mergeTable, Where: storage.And{byID(merge), u.ofObject()}, Limit: 1,
	}, func() storage.Row { found = true; return row })
	if err == nil && !found {
		err = ErrNotFound
	}
	u.row = row
	return err
}

// load reads and holds what a merge was of, and refuses one that cannot be undone.
func (u *unmerging) load(ctx context.Context, merge ID) error {
	if err := u.read(ctx, merge); err != nil {
		return err
	}
	entry := u.row.merge()
	ids := map[ID]bool{entry.Survivor: true}
	for _, id := range entry.Absorbed {
		ids[id] = true
	}
	found, err := u.hold(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range append([]ID{entry.Survivor}, entry.Absorbed...) {
		r := found[id]
		if r == nil {
			if u.exists(ctx, id) { // none the actor may read
				return ErrNotFound
			}
			return &ConflictError{Field: "merge", Reason: id.String() + " was purged since, and cannot come back"}
		}
		if err := u.access.mayWrite(ctx, VerbUpdate, r); err != nil {
			return err
		}
		if id != entry.Survivor {
			u.absorbed = append(u.absorbed, r)
		}
	}
	u.survivor = found[entry.Survivor]
	if err := u.read(ctx, merge); err != nil { // as it is now that nobody else undoes it
		return err
	}
	return u.undoable(ctx)
}

func (u *unmerging) undoable(ctx context.Context) error {
	if !u.row.undone.IsZero() {
		return &ConflictError{Field: "merge", Reason: "was undone already"}
	}
	if !u.row.erased.IsZero() {
		return &ConflictError{
			Field:  "merge",
			Reason: "is of a person who was erased on " + u.row.erased.Format(time.DateOnly) + ": what it takes to undo it is gone",
		}
	}
	id := u.survivor.meta().ID
	if !u.survivor.meta().Deleted.IsZero() {
		into, _, err := u.current(ctx, u.sc.Tenant, id)
		if err != nil {
			return err
		}
		if into == id {
			return &ConflictError{Field: "merge", Reason: "the survivor was deleted since: restore it first"}
		}
		later, err := u.holding(ctx, id)
		if err != nil {
			return err
		}
		return &ConflictError{Field: "merge", Reason: "the survivor was merged itself since: undo merge " + later.String() + " first"}
	}
	last := &mergeRow{}
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{
		Table: mergeTable, Limit: 1, Order: []storage.Order{{Field: storage.F("version"), Desc: true}},
		Where: storage.And{
			u.ofObject(), storage.Is{Field: storage.F("survivor_id"), Op: storage.Eq, Value: u.row.survivor},
			storage.Absent{Field: storage.F("undone")},
		},
	}, func() storage.Row { return last })
	if err == nil && last.id != u.row.id {
		err = &ConflictError{Field: "merge", Reason: "the survivor absorbed others since: undo merge " + last.id.String() + " first"}
	}
	return err
}

// holding is the merge by which a record leads to another.
func (u *unmerging) holding(ctx context.Context, id ID) (ID, error) {
	row := make(storage.Values, len(partTable.Columns))
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{Table: partTable, Columns: []int{2}, Limit: 1, Where: storage.And{
		u.ofObject(), storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
		storage.Not{Expr: storage.Absent{Field: storage.F("into_id")}}, storage.Absent{Field: storage.F("ended")},
	}}, func() storage.Row { return row })
	merge, _ := row[2].(uuid.UUID)
	return ID(merge), err
}

// carryOut writes it: the survivor first, so that what is unique is free for the others.
func (u *unmerging) carryOut(ctx context.Context) error {
	w, err := u.object.writer(ctx, VerbUpdate)
	if err != nil {
		return err
	}
	if err := u.readEvents(ctx); err != nil {
		return err
	}
	c := &change{o: u.object, verb: VerbUpdate, event: "unmerged", before: u.survivor, after: u.survivor.clone(), forced: true}
	if err := u.takeBack(ctx, c.after); err != nil {
		return err
	}
	changes := []*change{c}
	for _, r := range u.absorbed {
		c := &change{o: u.object, verb: VerbUpdate, event: "restored", before: r, after: r.clone(), forced: true}
		if err := u.giveRefs(ctx, w, c.after, changes[0].after.meta().Refs); err != nil {
			return err
		}
		changes = append(changes, c)
		u.restored = append(u.restored, c.after)
	}
	for i, c := range changes {
		w.ownerGone(c)
		if err := w.prepare(ctx, c); err != nil {
			return at(i, len(changes), err)
		}
	}
	// As one, since they may refer to each other; what is below them goes back before trees
	// are looked at.
	if err := w.writeRows(ctx, changes); err != nil {
		return err
	}
	if err := w.verifyReferences(ctx, changes); err != nil {
		return err
	}
	if err := u.moveBack(ctx); err != nil {
		return err
	}
	if err := u.returnRows(ctx); err != nil {
		return err
	}
	if err := w.written(ctx, changes); err != nil {
		return err
	}
	u.after = c.after
	for i, c := range changes {
		for _, f := range w.references {
			if !f.tree {
				continue
			}
			if err := w.acyclic(ctx, c, f); err != nil { // what was moved since may be in the way
				return at(i, len(changes), err)
			}
		}
	}
	if err := u.findNew(ctx); err != nil {
		return err
	}
	return u.end(ctx)
}

// readEvents reads what the merge did to its records, from their history.
func (u *unmerging) readEvents(ctx context.Context) error {
	versions := map[ID]int64{ID(u.row.survivor): u.row.version}
	var rows []storage.Values
	var ids []any
	for _, r := range u.absorbed {
		ids = append(ids, uuid.UUID(r.meta().ID))
	}
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{
		Table: partTable, Limit: len(ids), Columns: []int{1, partVersion}, Where: storage.And{
			u.ofObject(), storage.In{Field: storage.F("record_id"), Values: ids}, storage.Is{Field: storage.F("merge_id"), Op: storage.Eq, Value: u.row.id},
		},
	}, func() storage.Row {
		rows = append(rows, make(storage.Values, len(partTable.Columns)))
		return rows[len(rows)-1]
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		id, _ := row[1].(uuid.UUID)
		versions[ID(id)], _ = row[partVersion].(int64)
	}
	for id, version := range versions {
		row := &eventRow{}
		err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{Table: eventTable, Limit: 1, Where: storage.And{
			u.ofObject(), storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
			storage.Is{Field: storage.F("version"), Op: storage.Eq, Value: version},
		}}, func() storage.Row { return row })
		if err != nil {
			return err
		}
		u.events[id] = row
	}
	return nil
}

// takeBack gives the survivor what it had before the merge where nothing happened since.
func (u *unmerging) takeBack(ctx context.Context, after *rec) error {
	e := u.events[ID(u.row.survivor)]
	byField := map[string]FieldChange{}
	names := &fieldNames{}
	for _, c := range changesOf(e.changes) {
		if strings.HasPrefix(c.Field, "custom.") && names.given == nil {
			var err error
			if names, err = u.core.fieldNames(ctx, u.sc.Tenant, u.name); err != nil {
				return err
			}
		}
		byField[c.Field] = c
	}
	byID := map[ID]FieldChange{}
	for name, c := range byField {
		if custom, ok := strings.CutPrefix(name, "custom."); ok {
			byID[names.at(custom, e.recorded)] = c
		}
	}
	for _, s := range u.allSlots() {
		c, merged := byField[s.name]
		if s.custom != nil {
			c, merged = byID[s.custom.ID]
		}
		if !merged {
			continue
		}
		if err := u.takeBackOne(ctx, s, c, after); err != nil {
			return err
		}
	}
	if c, ok := byField[byRefs]; ok {
		u.takeBackRefs(c, after)
	}
	return nil
}

// allSlots are those a merge decides over, and the guarded ones that a hook may have set.
func (u *unmerging) allSlots() []slot {
	list := u.slots()
	for _, f := range u.fields {
		if f.guarded && !f.kernel {
			list = append(list, slot{name: f.name, f: f})
		}
	}
	return list
}

func (u *unmerging) takeBackOne(ctx context.Context, s slot, c FieldChange, after *rec) error {
	now := s.get(after)
	before, err := u.leads(ctx, s, c.Before)
	if err != nil {
		return err
	}
	merged, err := u.leads(ctx, s, c.After)
	switch {
	case err != nil:
		return err
	case sameJSON(now, merged):
		return s.set(after, before)
	case sameJSON(now, before):
		return nil
	}
	u.kept = append(u.kept, KeptField{Record: ID(u.row.survivor), Name: s.name, Before: before, Merged: merged, Now: now})
	if isList(now) && (isList(merged) || isNone(merged)) && (isList(before) || isNone(before)) {
		return s.set(after, takenBack(before, merged, now))
	}
	return nil
}

// leads is a value as it is by now: a reference to a record that was absorbed since, by
// another merge, leads to where that went.
func (u *unmerging) leads(ctx context.Context, s slot, raw json.RawMessage) (json.RawMessage, error) {
	to := s.target()
	if to == nil || isNone(raw) {
		return raw, nil
	}
	id, ok := s.id(raw, to)
	if !ok || to == u.object && u.partOf(id) {
		return raw, nil
	}
	into, _, err := to.current(ctx, u.sc.Tenant, id)
	if err != nil || into == id {
		return raw, err
	}
	return canonical(into), nil
}

// partOf reports whether a record is one of the merge.
func (u *unmerging) partOf(id ID) bool { return u.events[id] != nil }

// takeBackRefs takes from the survivor the keys the merge gave it.
func (u *unmerging) takeBackRefs(c FieldChange, after *rec) {
	var before, merged Refs
	_, _ = json.Unmarshal(c.Before, &before), json.Unmarshal(c.After, &merged) // the kernel wrote both
	refs := after.meta().Refs
	for _, source := range slices.Sorted(maps.Keys(merged)) {
		_, had := before[source]
		switch now, has := refs[source]; {
		case had || !has:
		case now == merged[source]:
			delete(refs, source)
		default:
			u.kept = append(u.kept, KeptField{
				Record: ID(u.row.survivor), Name: "refs." + source, Before: json.RawMessage("null"), Merged: canonical(merged[source]), Now: canonical(now),
			})
		}
	}
	if len(refs) == 0 {
		after.meta().Refs = nil
	}
}

// giveRefs gives an absorbed record the keys back that the merge gave to the survivor, but
// for those another record has by now.
func (u *unmerging) giveRefs(ctx context.Context, w *writer, r *rec, survivor Refs) error {
	for _, c := range changesOf(u.events[r.meta().ID].changes) {
		if c.Field != byRefs {
			continue
		}
		var before Refs
		_ = json.Unmarshal(c.Before, &before) // the kernel wrote it
		m := r.meta()
		for _, source := range slices.Sorted(maps.Keys(before)) {
			if _, has := m.Refs[source]; has {
				continue
			}
			holder, err := w.byRef(ctx, source, before[source])
			if err != nil {
				return err
			}
			if holder == ID(u.row.survivor) && survivor[source] != before[source] {
				holder = ID{}
			}
			if !holder.IsZero() {
				u.kept = append(u.kept, KeptField{Record: m.ID, Name: "refs." + source, Before: canonical(before[source])})
				continue
			}
			if m.Refs == nil {
				m.Refs = Refs{}
			}
			m.Refs[source] = before[source]
		}
	}
	return nil
}

// moveBack makes what the merge relinked refer to whom it referred before, unless it
// refers to somebody else by now.
func (u *unmerging) moveBack(ctx context.Context) error {
	links, err := u.links(ctx, u.sc.Tenant)
	if err != nil {
		return err
	}
	q := &storage.Query{
		Table: moveTable, Limit: relinkBatch, Where: storage.Is{Field: storage.F("merge_id"), Op: storage.Eq, Value: u.row.id},
	}
	for {
		var rows []storage.Values
		err := u.core.session(ctx).Read(ctx, u.sc.Tenant, q, func() storage.Row {
			rows = append(rows, make(storage.Values, len(moveTable.Columns)))
			return rows[len(rows)-1]
		})
		if err != nil {
			return err
		}
		for rest := rows; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n][1] == rest[0][1] && rest[n][2] == rest[0][2] {
				n++
			}
			if rest[0][1] == instanceKind {
				if err := u.returnProcesses(ctx, rest[:n]); err != nil {
					return err
				}
			}
			i := slices.IndexFunc(links, func(l link) bool { return l.of.name == rest[0][1] && l.name == rest[0][2] })
			if i >= 0 { // else the field or the kind is there no more
				if err := u.moveSome(ctx, links[i], rest[:n]); err != nil {
					return err
				}
			}
			rest = rest[n:]
		}
		if len(rows) < q.Limit {
			return nil
		}
		last := rows[len(rows)-1]
		q.After = []any{last[0], last[1], last[2], last[3]}
	}
}

func (u *unmerging) moveSome(ctx context.Context, l link, moves []storage.Values) error {
	w, err := l.of.writer(ctx, VerbUpdate)
	if err != nil {
		return err
	}
	from, versions := make(map[ID]ID, len(moves)), make(map[ID]int64, len(moves))
	ids := make([]any, len(moves))
	for i, m := range moves {
		record, _ := m[3].(uuid.UUID)
		to, _ := m[4].(uuid.UUID)
		ids[i], from[ID(record)] = m[3], ID(to)
		versions[ID(record)], _ = m[5].(int64)
	}
	recs, err := w.holdWhere(ctx, storage.In{Field: storage.F("id"), Values: ids})
	if err != nil {
		return err
	}
	survivor := ID(u.row.survivor)
	back := recs[:0]
	for _, r := range recs {
		if l.get(r) == survivor {
			back = append(back, r)
			continue
		}
		if u.elsewhereCount++; len(u.elsewhere) < maxUnmergeListed {
			u.elsewhere = append(u.elsewhere, Reference{l.of.name, r.meta().ID, l.name})
		}
	}
	if len(back) == 0 {
		return nil
	}
	u.returned[l.of.name] += int64(len(back))
	var undo func(*rec) error
	if w.relink != nil {
		undo = func(r *rec) error { return u.takeBackRelinked(ctx, w, r, versions[r.meta().ID]) }
	}
	return w.relinkSome(ctx, l, back, func(r *rec) ID { return from[r.meta().ID] }, undo)
}

// takeBackRelinked gives a record back what its kind changed when the merge relinked it,
// at a version, where that is as it was then.
func (u *unmerging) takeBackRelinked(ctx context.Context, w *writer, r *rec, version int64) error {
	row := &eventRow{}
	err := u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{Table: eventTable, Limit: 1, Where: storage.And{
		w.ofObject(), storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(r.meta().ID)},
		storage.Is{Field: storage.F("version"), Op: storage.Eq, Value: version},
	}}, func() storage.Row { return row })
	if err != nil {
		return err
	}
	for _, c := range changesOf(row.changes) {
		f := w.byName[c.Field]
		if f == nil || f.kernel {
			continue
		}
		if s := (slot{name: f.name, f: f}); sameJSON(s.get(r), c.After) {
			if err := s.set(r, c.Before); err != nil {
				return err
			}
		}
	}
	return nil
}

// end notes that the merge does not hold any more.
func (u *unmerging) end(ctx context.Context) error {
	u.row.undone, u.row.undoneBy = u.now, u.sc.actor()
	rows := []storage.Change{{Action: storage.Update, Table: mergeTable, Row: u.row, Columns: mergeEnd}}
	for _, r := range append([]*rec{u.survivor}, u.absorbed...) {
		rows = append(rows, storage.Change{Action: storage.Update, Table: partTable, Columns: []int{partEnded}, Row: storage.Values{
			u.name, uuid.UUID(r.meta().ID), u.row.id, nil, int64(0), u.now, u.now,
		}})
	}
	return u.core.session(ctx).Write(ctx, u.sc.Tenant, rows)
}

// mergesEnded makes records that were merged into one that was purged ordinary deleted
// ones; where that one was absorbed itself, they lead to where it led.
func (w *writer) mergesEnded(ctx context.Context, id ID) error {
	into, _, err := w.current(ctx, w.sc.Tenant, id)
	if err != nil {
		return err
	}
	for {
		var rows []storage.Change
		var parts []storage.Values
		err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
			Table: partTable, Limit: relinkBatch, Where: storage.And{
				w.ofObject(), storage.Is{Field: storage.F("into_id"), Op: storage.Eq, Value: uuid.UUID(id)}, storage.Absent{Field: storage.F("ended")},
			},
		}, func() storage.Row {
			parts = append(parts, make(storage.Values, len(partTable.Columns)))
			return parts[len(parts)-1]
		})
		if err != nil || len(parts) == 0 {
			return err
		}
		for _, part := range parts {
			part[partInto], part[partEnded] = uuid.UUID(into), nil
			if into == id {
				part[partEnded] = w.now
			}
			rows = append(rows, storage.Change{Action: storage.Update, Table: partTable, Columns: []int{partInto, partEnded}, Row: part})
		}
		if err := w.core.session(ctx).Write(ctx, w.sc.Tenant, rows); err != nil {
			return err
		}
	}
}

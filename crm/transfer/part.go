package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func itoa(n int) string { return strconv.Itoa(n) }

// partWrite is one part being written. It is begun anew when its transaction is.
type partWrite struct {
	*runner

	final   bool
	im      Import // as it is behind the part
	outcome outcome
	parts   int64
	told    map[int64]RowFault // what failed or is flagged, by the row

	created, updated, skipped, failed, flagged, related int64
	postponed                                           []task

	kept int64             // former changes
	left []string          // why others were left out
	why  map[string]string // rows failed, by key
}

// write imports the rows of a part.
func (w *partWrite) write(ctx context.Context, part []task) error {
	var live []*task
	for i := range part {
		t := &part[i]
		switch {
		case t.row.Fault != "":
			w.fail(t, t.row.Fault)
		case t.taken.empty:
			w.skipped++
		case len(t.taken.faults) > 0:
			w.fail(t, reasons(t.taken.faults))
		default:
			live = append(live, t)
		}
	}
	resolved, err := w.lookups.resolve(ctx, w, live)
	if err != nil {
		return err
	}
	return w.records(ctx, resolved)
}

// quoted is a value of the key as reasons name it.
func (w *partWrite) quoted(key string) string {
	f := w.kind.byName[w.plan.Key]
	return quoted(key, f != nil && f.Protected)
}

func (w *partWrite) fail(t *task, reason string) {
	w.failed++
	if w.refused != nil && t.taken != nil {
		if w.why == nil {
			w.why = map[string]string{}
		}
		w.why[w.keyOf(t.taken.values)] = reason
	}
	w.told[t.number] = RowFault{Reason: reason}
	w.settle(t)
}

// settle notes that a row that had been put off is done with.
func (w *partWrite) settle(t *task) {
	if t.number < w.runner.im.Position {
		w.outcome.Settled = append(w.outcome.Settled, t.number)
	}
}

// putOff leaves a row for the end.
func (w *partWrite) putOff(t *task, reason string) {
	switch {
	case w.final:
		w.fail(t, reason)
	case len(w.runner.postponed)+len(w.postponed) >= maxPostponed:
		w.fail(t, reason+", and too many rows wait for others further down: sort the file")
	default:
		w.postponed = append(w.postponed, *t)
		if t.number >= w.runner.im.Position {
			w.outcome.Postponed = append(w.outcome.Postponed, t.number)
		}
	}
}

// ready is a row whose references were found.
type ready struct {
	*task
	asked

	flags  []string
	id     crm.ID         // of the record it changes
	former []formerChange // what happened to its record before
	// written says that its record is as the row has it; created and changed, what it took.
	written, created, changed bool
}

// records creates and changes what rows say. Rows of one record are written in their
// order: the first creates it.
func (w *partWrite) records(ctx context.Context, rows []*ready) error {
	known, err := w.known(ctx, asksOf(rows))
	if err != nil {
		return err
	}
	if err := w.formerOf(ctx, rows); err != nil {
		return err
	}
	var fresh, change []*ready
	first := map[string]*ready{}
	for _, row := range rows {
		key := w.keyOf(row.values)
		ids := known[key]
		switch {
		case w.plan.Mode == Create || key == "" && w.plan.Mode == Upsert:
			fresh = append(fresh, row)
		case key == "":
			w.fail(row.task, w.plan.Key+": has no value, and without it nothing is known to update")
		case len(ids) > 1:
			w.fail(row.task, fmt.Sprintf("%s: %d %s have %s: they are not told apart by it", w.plan.Key, len(ids), w.kind.Plural(), w.quoted(key)))
		case len(ids) == 1:
			row.id = ids[0]
			change = append(change, row)
		case w.plan.Mode == Update:
			w.fail(row.task, fmt.Sprintf("%s: no %s has %s, and none is created", w.plan.Key, w.kind.Kind(), w.quoted(key)))
		case first[key] != nil:
			change = append(change, row)
		default:
			first[key] = row
			fresh = append(fresh, row)
		}
	}
	if err := w.create(ctx, fresh); err != nil {
		return err
	}
	if change, err = w.differing(ctx, change); err != nil {
		return err
	}
	for _, row := range change {
		if row.id.IsZero() {
			before := first[w.keyOf(row.values)]
			if before.id.IsZero() { // it was refused, and this one may be better
				if err := w.create(ctx, []*ready{row}); err != nil {
					return err
				}
				if !row.id.IsZero() {
					first[w.keyOf(row.values)] = row
				}
				continue
			}
			row.id = before.id
		}
		if err := w.update(ctx, row); err != nil {
			return err
		}
	}
	var wrote []*ready
	for _, row := range rows {
		if row.written {
			wrote = append(wrote, row)
		}
	}
	if err := w.sides(ctx, wrote); err != nil {
		return err
	}
	if err := w.inspect(ctx, wrote); err != nil {
		return err
	}
	for _, row := range wrote {
		w.done(row)
	}
	return nil
}

// inspect asks what is wrong with the records that were written.
func (w *partWrite) inspect(ctx context.Context, rows []*ready) error {
	if w.o.Inspect == nil {
		return nil
	}
	var ids []crm.ID
	for _, row := range rows {
		if row.created || row.changed {
			ids = append(ids, row.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	wrong, err := w.o.Inspect(ctx, w.kind.Kind(), ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.flags = append(row.flags, wrong[row.id]...)
	}
	return nil
}

// differing are the rows of a migration that say something else than their records: of a
// delta run most do not, and are read in one go.
func (w *partWrite) differing(ctx context.Context, rows []*ready) ([]*ready, error) {
	if !w.brings {
		return rows, nil
	}
	var ids []crm.ID
	times := map[crm.ID]int{}
	for _, row := range rows {
		if !row.id.IsZero() {
			ids = append(ids, row.id)
			times[row.id]++
		}
	}
	is, err := readAll(ctx, w.kind.Records, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(row *ready) bool {
		row.written = times[row.id] == 1 && w.says(row, is[row.id]) // rows of one record are written in their order
		return row.written
	}), nil
}

// says reports whether a record is as its row has it, and nothing happened to it since.
func (w *partWrite) says(row *ready, is crm.Values) bool {
	updated, _ := is["updated"].(time.Time)
	for _, c := range row.former {
		if c.at.After(updated) {
			return false
		}
	}
	for name, x := range row.values {
		if row.changes(name) && !alikeValues(is[name], x) {
			return false
		}
	}
	return is != nil
}

// keyOf is what a row's record is known by.
func (r *runner) keyOf(v crm.Values) string {
	switch key := v[r.plan.Key].(type) {
	case string:
		return strings.TrimSpace(key)
	case crm.ID:
		return key.String()
	}
	return ""
}

// known finds the records that rows are about, by their keys.
func (r *runner) known(ctx context.Context, rows []*asked) (map[string][]crm.ID, error) {
	if r.plan.Mode == Create {
		return nil, nil
	}
	var keys []string
	for _, row := range rows {
		if key := r.keyOf(row.values); key != "" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	found := map[string][]crm.ID{}
	for part := range slices.Chunk(keys, crm.MaxFind) {
		some, err := findBy(ctx, r.kind.Records, r.plan.Key, part)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, some)
	}
	return found, nil
}

// asksOf are what rows say.
func asksOf(rows []*ready) []*asked {
	list := make([]*asked, len(rows))
	for i, row := range rows {
		list[i] = &row.asked
	}
	return list
}

// create makes the records of rows, as many as can be.
func (w *partWrite) create(ctx context.Context, rows []*ready) error {
	if len(rows) == 0 {
		return nil
	}
	list := make([]crm.Values, len(rows))
	for i, row := range rows {
		if row.values["id"] == nil {
			row.values["id"] = rowID(w.runner.im.ID, row.number, 0)
		}
		list[i] = row.values
	}
	faults, err := w.imported(ctx, rows, list)
	if err != nil {
		return err
	}
	taken := map[*ready]error{}
	for i, row := range rows {
		switch {
		case faults[i] == nil:
			row.id, row.created, row.written = row.values.ID(), true, true
		case w.plan.Mode == Upsert && errors.Is(faults[i], crm.ErrConflict):
			taken[row] = faults[i]
		default:
			w.fail(row.task, reasonOf(faults[i]))
		}
	}
	return w.late(ctx, rows, taken)
}

// late updates the records of rows that somebody else created since they were looked for.
// What is taken by another record than the key leads to is refused.
func (w *partWrite) late(ctx context.Context, rows []*ready, taken map[*ready]error) error {
	if len(taken) == 0 {
		return nil
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row *ready) bool { return taken[row] == nil })
	known, err := w.known(ctx, asksOf(rows))
	if err != nil {
		return err
	}
	for _, row := range rows {
		ids := known[w.keyOf(row.values)]
		if len(ids) != 1 {
			w.fail(row.task, reasonOf(taken[row]))
			continue
		}
		row.id = ids[0]
		if err := w.update(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// done counts a row that was imported, and notes what is doubtful about it.
func (w *partWrite) done(row *ready) {
	w.settle(row.task)
	switch {
	case row.created:
		w.created++
	case row.changed:
		w.updated++
	default:
		w.skipped++
		return
	}
	if len(row.flags) > 0 {
		w.flagged++
		w.told[row.number] = RowFault{Reason: strings.Join(row.flags, "; "), Kept: true}
	}
}

// update sets in a record what a row has values for.
func (w *partWrite) update(ctx context.Context, row *ready) error {
	if err := w.since(ctx, row); err != nil {
		return err
	}
	write := w.kind.Update
	if w.brings {
		write = w.kind.Bring
	}
	var was int64
	kept, err := write(ctx, row.id, func(v crm.Values) error {
		was, _ = v["version"].(int64)
		return w.sets(row)(v)
	})
	switch {
	case err == nil:
	case errors.Is(err, crm.ErrInvalid), errors.Is(err, crm.ErrConflict), errors.Is(err, crm.ErrNotFound), errors.Is(err, crm.ErrForbidden):
		w.fail(row.task, reasonOf(err))
		return nil
	default:
		return err
	}
	if w.brings && !w.as(row, kept) { // a hook of the module's own made something else of a guarded field that changed with another
		again, err := w.kind.Bring(ctx, row.id, w.sets(row))
		if ignoreRefused(err) != nil {
			return err
		}
		if err == nil {
			kept = again
		}
	}
	row.written = true
	row.changed = row.changed || kept["version"] != was
	if row.changed {
		w.outcome.Updated = append(w.outcome.Updated, row.id)
	}
	return nil
}

// changes reports whether a value of a row is one that its record is given when it is there
// already: what only a new one is given are its times, and a kind that was guessed.
func (r *ready) changes(name string) bool {
	return name != "id" && !isTime(name) && !(name == "kind" && r.taken != nil && r.taken.guessed)
}

// sets returns what puts the values of a row into a record.
func (w *partWrite) sets(row *ready) func(crm.Values) error {
	return func(v crm.Values) error {
		for name, x := range row.values {
			if row.changes(name) {
				v[name] = x
			}
		}
		return nil
	}
}

// as reports whether guarded fields are as a row has them.
func (w *partWrite) as(row *ready, kept crm.Values) bool {
	for name, x := range row.values {
		if f := w.kind.byName[name]; f != nil && f.Guarded && !alikeValues(kept[name], x) {
			return false
		}
	}
	return true
}

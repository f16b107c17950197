package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// formerChange is one change of a record before the migration, as its fields have it.
type formerChange struct {
	at       time.Time
	by       string // a member's key, or empty
	field    string
	old, new any  // nil: absent
	known    bool // old is what the history says
}

// formerRead is the history of one record as it was read: of each row the value before and
// the one after, of which those are nil that are to be found.
type formerRead struct {
	asked

	rows    []formerRow
	sides   []any
	reasons []string
}

// formerOf finds what happened to the records of rows before, in order. What a value means
// is found as for the table's own column: stages by their names, owners among the members.
func (w *partWrite) formerOf(ctx context.Context, rows []*ready) error {
	if w.former == nil {
		return nil
	}
	reads := make([]*formerRead, len(rows))
	asks := make([]*asked, len(rows))
	for i, row := range rows {
		list, err := w.former.file.of(w.keyOf(row.values))
		if err != nil {
			return err
		}
		reads[i] = w.readFormer(row, list)
		asks[i] = &reads[i].asked
	}
	if err := w.lookups.locate(ctx, asks); err != nil {
		return err
	}
	for i, row := range rows {
		var err error
		if row.former, err = w.formerChanges(ctx, reads[i]); err != nil {
			return err
		}
	}
	return nil
}

// readFormer reads the values of a record's history.
func (w *partWrite) readFormer(row *ready, list []formerRow) *formerRead {
	read := &formerRead{asked: asked{values: row.values}, rows: list}
	for _, r := range list {
		for _, text := range []string{r.old, r.new} {
			v, l, reason := w.formerValue(row, r.column, text)
			read.sides, read.links, read.reasons = append(read.sides, v), append(read.links, l), append(read.reasons, reason)
		}
	}
	return read
}

// formerValue reads a text of a history as its column would: as a value, or as what is to be
// found. A reason says that it is neither.
func (w *partWrite) formerValue(row *ready, column int, text string) (v any, l link, reason string) {
	c := &w.plan.Columns[column]
	if text = w.cells.clean(c, text); text == "" {
		return nil, link{}, ""
	}
	currency := ""
	if m, ok := row.values[c.Field].(crm.Money); ok {
		currency = m.Currency
	}
	out := &taken{values: crm.Values{}}
	w.cells.value(fieldColumns{name: c.Field, info: w.kind.byName[c.Field]}, c, column, text, currency, out)
	switch {
	case len(out.faults) > 0:
		return nil, link{}, c.Field + ": a value is not understood"
	case len(out.links) > 0:
		l := out.links[0]
		if f := w.kind.subject; f != nil && l.field == f.Name {
			l.kind = textOf(row.values, f.Subject)
		}
		return nil, l, ""
	}
	v = out.values[c.Field]
	if f, text := w.kind.byName[c.Field], fmt.Sprint(v); f != nil && f.Type == crm.TypeText && len(f.Choices) > 0 && !slices.Contains(f.Choices, text) {
		return nil, link{}, c.Field + ": a value is no choice of the field"
	}
	return v, link{}, ""
}

// formerRef is what a text of a history refers to.
func (w *partWrite) formerRef(ctx context.Context, v any, l link) (any, string, error) {
	if l.field == "" {
		return v, "", nil
	}
	to := w.lookups.known[l]
	if l.field == "owner_id" {
		var err error
		if to.id, err = w.lookups.owner(ctx, l.text); err != nil {
			return nil, "", err
		}
	}
	if !to.one() {
		return nil, l.field + ": a value refers to nothing, or to several", nil
	}
	return to.id, "", nil
}

// formerChanges are the rows of one record as changes of its fields.
func (w *partWrite) formerChanges(ctx context.Context, read *formerRead) ([]formerChange, error) {
	var changes []formerChange
	last := map[string]int{} // the latest change of each field
	for i, r := range read.rows {
		c := formerChange{at: time.UnixMicro(r.at).UTC(), field: w.plan.Columns[r.column].Field, known: w.former.old}
		var reason string
		for k, into := range []*any{&c.old, &c.new} {
			k += 2 * i
			v, unfound, err := w.formerRef(ctx, read.sides[k], read.links[k])
			if err != nil {
				return nil, err
			}
			*into, reason = v, cmp.Or(reason, read.reasons[k], unfound)
		}
		k, followed := last[c.field]
		switch {
		case reason != "":
			w.left = append(w.left, reason)
			continue
		case followed && changes[k].at.Equal(c.at) && alikeValues(changes[k].new, c.new): // Salesforce says it by id and by name
			continue
		case !c.known && followed:
			c.old, c.known = changes[k].new, true
		}
		if r.by != "" {
			var err error
			if c.by, err = w.lookups.memberKey(ctx, r.by); err != nil {
				return nil, err
			}
		}
		last[c.field] = len(changes)
		changes = append(changes, c)
	}
	return changes, nil
}

// alikeValues reports whether two values of a field are the same.
func alikeValues(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	return reflect.DeepEqual(a, b)
}

// past is the history of a new record, whose values are as its row has them, and how many
// changes it is. Of more than a record has room for the latest are kept.
func (w *partWrite) past(row *ready) (past []crm.Past, kept int64) {
	all := moments(w.closed(row))
	if n := len(all) - crm.MaxPast; n > 0 {
		all = all[n:]
		row.flags = append(row.flags, fmt.Sprintf("its history is kept from %s on: it has more than %d changes", all[0][0].at.Format(time.DateOnly), crm.MaxPast))
	}
	for _, moment := range all {
		p := crm.Past{At: moment[0].at, By: moment[0].by, Before: map[string]any{}}
		for _, c := range moment {
			p.Before[c.field] = c.old
		}
		past = append(past, p)
		kept += int64(len(moment))
	}
	return past, kept
}

// closed are the former changes of a new record, with what the history leaves open: a value
// that no change accounts for came with the next one, and one that the row has came with the
// last.
func (w *partWrite) closed(row *ready) []formerChange {
	changes := row.former
	created, _ := row.values["created"].(time.Time)
	if created.IsZero() {
		created = changes[0].at
		row.values["created"] = created
	}
	end := changes[len(changes)-1].at
	var out []formerChange
	is := map[string]any{} // what the changes so far left
	for _, c := range changes {
		if c.at.Before(created) { // no record changes before it is there
			c.at = created
		}
		was, followed := is[c.field]
		switch {
		case followed && !alikeValues(was, c.old):
			out = append(out, formerChange{at: c.at, by: c.by, field: c.field, old: was, new: c.old})
		case !followed && !c.known && (!c.at.After(created) || w.kind.byName[c.field] != nil && w.kind.byName[c.field].Required):
			is[c.field] = c.new // what it began with
			continue
		}
		is[c.field] = c.new
		out = append(out, c)
	}
	if end.Before(created) {
		end = created
	}
	for _, field := range slices.Sorted(maps.Keys(is)) {
		if now := row.values[field]; !alikeValues(is[field], now) {
			out = append(out, formerChange{at: end, field: field, old: is[field], new: now})
		}
	}
	return out
}

// imported adds the records of rows with their histories. One whose history is refused is
// added without it, and flagged.
func (w *partWrite) imported(ctx context.Context, rows []*ready, list []crm.Values) ([]error, error) {
	past := make([][]crm.Past, len(rows))
	kept := make([]int64, len(rows))
	some := false
	for i, row := range rows {
		if len(row.former) > 0 {
			past[i], kept[i] = w.past(row)
			some = true
		}
	}
	if !some {
		return w.kind.Import(ctx, list)
	}
	faults, err := w.kind.ImportPast(ctx, list, past)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if faults[i] != nil && ofPast(faults[i]) {
			row.flags = append(row.flags, "its history is left out: "+reasonOf(faults[i]))
			one, err := w.kind.Import(ctx, list[i:i+1])
			if err != nil {
				return nil, err
			}
			faults[i], kept[i] = one[0], 0
		}
		if faults[i] == nil {
			w.kept += kept[i]
		}
	}
	return faults, nil
}

// ofPast reports whether a record is refused for its history alone.
func ofPast(err error) bool {
	invalid, ok := errors.AsType[*crm.InvalidError](err)
	return ok && !slices.ContainsFunc(invalid.Faults, func(f crm.Fault) bool { return f.Field != "past" && !strings.HasPrefix(f.Field, "past.") })
}

// moments are changes that were made at one time by one member, no field twice.
func moments(changes []formerChange) [][]formerChange {
	var out [][]formerChange
	for _, c := range changes {
		if n := len(out); n > 0 {
			last := out[n-1]
			twice := slices.ContainsFunc(last, func(x formerChange) bool { return x.field == c.field })
			if last[0].at.Equal(c.at) && last[0].by == c.by && !twice {
				out[n-1] = append(last, c)
				continue
			}
		}
		out = append(out, []formerChange{c})
	}
	return out
}

// since changes a record that is there by what happened in the former system since it was
// changed last, each change dated when it was. If one of them does not begin where the one
// before ended, none is made: what differs then is one change of now, which the row makes.
func (w *partWrite) since(ctx context.Context, row *ready) error {
	if len(row.former) == 0 {
		return nil
	}
	is, err := w.kind.Get(ctx, row.id)
	if err != nil {
		return ignoreRefused(err)
	}
	updated, _ := is["updated"].(time.Time)
	changes := slices.DeleteFunc(slices.Clone(row.former), func(c formerChange) bool { return !c.at.After(updated) })
	now := maps.Clone(is)
	for _, c := range changes {
		if c.known && !alikeValues(now[c.field], c.old) {
			return nil
		}
		now[c.field] = c.new
	}
	for field, v := range now { // what the row does not confirm did not stay
		if !alikeValues(v, is[field]) && !alikeValues(v, row.values[field]) {
			return nil
		}
	}
	for _, moment := range moments(changes) {
		changed, err := w.kind.Bring(crm.At(ctx, moment[0].at), row.id, func(v crm.Values) error {
			for _, c := range moment {
				v[c.field] = c.new
			}
			return nil
		})
		if err != nil {
			return ignoreRefused(err) // the row says what is wrong
		}
		if changed["version"] != is["version"] {
			row.changed = true
			w.kept += int64(len(moment))
		}
	}
	return nil
}

// ignoreRefused passes over what is wrong with one record.
func ignoreRefused(err error) error {
	for _, kind := range []error{crm.ErrInvalid, crm.ErrConflict, crm.ErrNotFound, crm.ErrForbidden} {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}

// memberKey is the key of the member whom a source calls so, or empty.
func (l *lookups) memberKey(ctx context.Context, text string) (string, error) {
	id, err := l.owner(ctx, text)
	return strings.TrimSpace(l.keys[id]), err
}

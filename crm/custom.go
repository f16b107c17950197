package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// keptCustom is what is stored of a record's custom values. What the tenant's
// fields do not name any more is in it too, so that it is there again when a
// deleted field is restored. It does not change once it is made: copies of a record
// share it.
type keptCustom struct {
	members map[string]any // string, int64, bool, []string; another form is a stranger's
	shown   bool           // Record.Custom has what the fields name of it
}

// values are the members that are stored.
func (k *keptCustom) values() map[string]any {
	if k == nil {
		return nil
	}
	return k.members
}

// customColumn is the column with a record's custom values.
func customColumn(r *Record) any {
	values := r.kept.values()
	if len(values) == 0 {
		return nil
	}
	return json.RawMessage(appendMembers(make([]byte, 0, 64), values))
}

// customInto takes custom values as they are stored.
type customInto struct{ into *Record }

// Scan implements sql.Scanner. The values are in Record.Custom once the record is
// shown, which takes the tenant's fields.
func (c *customInto) Scan(src any) error {
	c.into.Custom, c.into.kept = nil, nil
	raw, ok := src.(json.RawMessage)
	if !ok {
		return nil
	}
	read, err := members(raw)
	if err == nil {
		c.into.kept = &keptCustom{members: read}
	}
	return err
}

// decodeJSON decodes JSON with its numbers as they are written.
func decodeJSON(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// copyCustom gives r the custom values of from, in a map of its own.
func (r *Record) copyCustom(from *Record) {
	r.kept, r.Custom = from.kept, maps.Clone(from.Custom)
	for name, v := range r.Custom {
		switch v := v.(type) {
		case []string:
			r.Custom[name] = slices.Clone(v)
		case []any:
			r.Custom[name] = slices.Clone(v)
		}
	}
}

// Set sets the value of a field; nil removes it.
func (c *Custom) Set(name string, value any) {
	if *c == nil {
		*c = Custom{}
	}
	(*c)[name] = value
}

// show puts into Record.Custom what the fields name of the stored values.
func (s *fieldSet) show(recs ...*rec) {
	for _, r := range recs {
		m := r.meta()
		if m.kept == nil || m.kept.shown {
			continue
		}
		m.Custom = nil
		for _, f := range s.all() {
			if v := f.find(m.kept.members); v != nil {
				if m.Custom == nil {
					m.Custom = Custom{}
				}
				m.Custom[f.Name] = v
			}
		}
		m.kept = &keptCustom{members: m.kept.members, shown: true}
	}
}

// customValues brings the custom values of a record to their form, and names those
// at fault. What did not change is kept as it is, even if it could not be given
// today: an option that was retired, a text that is too long by now.
func (w *writer) customValues(ch *change) []Fault {
	m := ch.after.meta()
	var before *Record
	if ch.before == nil {
		m.kept = nil // a copy of another record may be what is created
	} else {
		before = ch.before.meta()
		w.custom.show(ch.before, ch.after)
	}
	if len(m.Custom) == 0 && len(w.custom.all()) == 0 {
		m.Custom = nil
		if before != nil {
			m.kept = before.kept
		}
		return nil
	}
	v := values{fieldSet: w.custom, before: before, given: m.Custom, now: Custom{}, kept: map[string]any{}}
	if before != nil && maps.EqualFunc(before.Custom, m.Custom, identical) {
		m.kept = before.kept
	} else {
		v.collect()
		m.Custom, m.kept = v.result()
	}
	for _, f := range w.custom.all() {
		if f.formula != nil {
			f.compute(ch.after)
		}
	}
	if before != nil && m.kept == before.kept {
		return nil
	}
	if raw, _ := customColumn(m).(json.RawMessage); len(raw) > MaxCustomBytes {
		v.addf("custom", "has %d bytes, and %d are allowed", len(raw), MaxCustomBytes)
	}
	return v.faults
}

// maxUnknown is how many names that are no fields are listed.
const maxUnknown = 20

// values is the custom values of one record on their way to their form.
type values struct {
	*fieldSet
	faults

	before *Record // nil of a new record
	given  Custom
	now    Custom         // what is given, in normal form
	kept   map[string]any // how it is stored
}

// was is the value a field had.
func (v *values) was(f *customField) any {
	if v.before == nil {
		return nil
	}
	return v.before.Custom[f.Name]
}

func (v *values) collect() {
	var unknown []string
	for name, value := range v.given {
		if value != nil && v.named(name) == nil {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		if len(v.faults) < maxUnknown {
			v.addf("custom."+clip(name), "is no field of %s: define it, or leave it out", v.object())
		}
	}
	if v.before != nil { // fields that were deleted, and what a stranger put there
		maps.Copy(v.kept, v.before.kept.values())
	}
	for _, f := range v.all() {
		v.one(f)
	}
	for _, f := range v.all() {
		v.dependent(f)
	}
}

func (v *values) object() string {
	if v.fieldSet == nil {
		return "the record, which has no custom fields"
	}
	return v.o.name
}

// one takes the value of one field.
func (v *values) one(f *customField) {
	given, named := v.given[f.Name]
	was := v.was(f)
	switch {
	case f.Type == FieldFormula:
		return // computed once the others are there
	case !named && v.before == nil && f.Default != nil:
		given = f.Default
	case was != nil && bytes.Equal(canonical(given), canonical(was)):
		v.now[f.Name] = was
		return
	}
	now, msg := f.normal(given)
	if msg == "" && now != nil && !sameCustom(now, was) {
		msg = f.optionFault(now, was)
	}
	switch {
	case msg != "":
		v.addf(f.name, "%s", msg)
		return
	case now == nil && was == nil && v.before != nil:
		return // what is stored and is no value of the field stays
	}
	for _, member := range f.members() {
		delete(v.kept, member)
	}
	if now != nil {
		v.now[f.Name] = now
		f.keep(v.kept, now)
	} else if f.Required {
		v.addf(f.name, "is required")
	}
}

// dependent holds options against the value they depend on, when either changed.
func (v *values) dependent(f *customField) {
	parent := v.named(f.DependsOn)
	now := v.now[f.Name]
	if f.DependsOn == "" || parent == nil || now == nil {
		return
	}
	if v.before != nil && sameCustom(now, v.was(f)) && sameCustom(v.now[parent.Name], v.was(parent)) {
		return
	}
	if msg := f.whenFault(now, v.now[parent.Name]); msg != "" {
		v.addf(f.name, "%s", msg)
	}
}

// result is the record's values, none being nil.
func (v *values) result() (Custom, *keptCustom) {
	if len(v.now) == 0 {
		v.now = nil
	}
	if len(v.kept) == 0 {
		return v.now, nil
	}
	return v.now, &keptCustom{members: v.kept, shown: true}
}

// compute gives a formula its value.
func (f *customField) compute(r *rec) {
	m := r.meta()
	holds := storage.Match(f.formula, ownRow{r})
	kept := maps.Clone(m.kept.values())
	if kept == nil {
		kept = map[string]any{}
	}
	kept[f.Key] = holds
	if m.Custom == nil {
		m.Custom = Custom{}
	}
	m.Custom[f.Name], m.kept = holds, &keptCustom{members: kept, shown: true}
}

// identical reports whether two values are surely one and the same. Of lists and what
// else has no normal form yet it says no.
func identical(a, b any) bool {
	switch a.(type) {
	case string, int64, bool, Money, Date, ID:
		return a == b
	}
	return false
}

// sameCustom compares two values in their normal form.
func sameCustom(a, b any) bool {
	x, ok := a.([]string)
	if y, both := b.([]string); ok || both {
		return ok == both && slices.Equal(x, y)
	}
	return a == b
}

// eachCustom calls add for each custom field that differs.
func eachCustom(was, is Custom, add func(name string, before, after []byte)) {
	names := slices.AppendSeq(make([]string, 0, len(was)+len(is)), maps.Keys(is))
	for name := range was {
		if _, both := is[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if !sameCustom(was[name], is[name]) {
			add("custom."+name, appendValue(nil, was[name]), appendValue(nil, is[name]))
		}
	}
}

// customRef is a custom field that refers to a record.
type customRef struct {
	field *field
	id    uuid.UUID
	held  bool // what it leads to is not deleted while it does
}

// customRefs are the references among the custom values that a change has to prove:
// those it makes, and those that come back with a record and hold what they lead to.
// What another one leads to may be deleted later.
func (w *writer) customRefs(c *change) (refs []customRef) {
	for _, f := range w.custom.all() {
		if f.ref == nil {
			continue
		}
		id, set := c.after.meta().Custom[f.Name].(ID)
		stays := c.before != nil && c.before.meta().Custom[f.Name] == any(id) && !(f.promoted() && c.event == "restored")
		if !set || stays || f.Type == FieldMember && !f.promoted() && w.access.knows(id) {
			continue
		}
		refs = append(refs, customRef{f.ref, uuid.UUID(id), f.promoted()})
	}
	return refs
}

// unusedByCustom refuses that a record goes while custom fields that are in the index
// lead to it: for a purge those of deleted records too.
func (w *writer) unusedByCustom(ctx context.Context, c *change) error {
	all, err := w.core.definitions(ctx, w.sc.Tenant)
	if err != nil {
		return err
	}
	id := c.before.meta().ID
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		for _, f := range s.promoted {
			if f.ref == nil || f.ref.target != w.object || !f.Ready {
				continue
			}
			where := append(f.rows(), storage.Is{Field: storage.F("text_value"), Op: storage.Eq, Value: id.String()})
			if c.after != nil {
				where = append(where, storage.Exists{Rel: storage.Rel{Table: s.o.table, Column: "id", Key: "record_id"}, Where: living(false)})
			}
			n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, indexTable, where)
			if err != nil {
				return err
			}
			if n > 0 {
				return s.o.inUse(s.o.plural, n, f.name)
			}
		}
	}
	return nil
}

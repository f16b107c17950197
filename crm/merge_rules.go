package crm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// MergeRule says whose value a field has after a merge. Text and references that are
// absent, 0 of a number that is never absent, false and empty lists are no value.
type MergeRule string

// The rules.
const (
	// MergeMaster is the survivor's value, or where it has none that of the first
	// absorbed record that has one.
	MergeMaster MergeRule = "master"
	// MergeNewest is the value that was set last, by the time at which it happened.
	MergeNewest MergeRule = "newest"
	// MergeComplete is the value of the record that has the most fields filled, so that
	// what belongs together stays so; where it has none, of the next.
	MergeComplete MergeRule = "complete"
	// MergeUnion is all elements of lists.
	MergeUnion MergeRule = "union"
)

// MergeRules are how a merge decides over fields. The zero MergeRules take what the
// survivor has, fill in what it has not, and unite lists.
//
// Fields of a module's own verbs stay the survivor's but for what the module says, and
// so do fields that the actor may not write. Keys in other systems are united: where two
// records have one in the same system, the absorbed record keeps its own, by which the
// survivor is found.
type MergeRules struct {
	// Rule is for the fields that have none of their own, lists excepted; empty:
	// MergeMaster.
	Rule MergeRule
	// Fields are rules by the field's name: "phone", "custom.tier".
	Fields map[string]MergeRule
	// From names for a field the record whose value it takes, be it none.
	From map[string]ID
}

// MergedField is a field in which the records of a merge differ.
type MergedField struct {
	Name string
	Rule MergeRule // empty: by [MergeRules].From, or what is said of Kept
	// Values are what the records have, as JSON: null is absent.
	Values map[ID]json.RawMessage
	// From are the records whose values are taken, and Value what comes of it.
	From  []ID
	Value json.RawMessage
	// Kept says that the survivor's value stays because the actor may not write it.
	Kept bool
}

// merging are the records of a merge on the way to one.
type merging struct {
	*writer

	rules    MergeRules
	survivor *rec
	absorbed []*rec
	all      []*rec      // the survivor, then the absorbed as they were given
	ids      map[ID]bool // of all
	after    *rec        // what the survivor becomes
	left     map[ID]Refs // the keys that stay with each absorbed record
	fields   []MergedField

	set    map[ID]map[string]time.Time // when each record's fields were last set
	barred map[string]map[ID]bool      // by field, the parents that would make a circle
}

// decide makes the survivor's values.
func (m *merging) decide(ctx context.Context) error {
	slots := m.slots()
	if err := m.checkRules(slots); err != nil {
		return err
	}
	if err := m.readTimes(ctx, slots); err != nil {
		return err
	}
	if err := m.bar(ctx); err != nil {
		return err
	}
	complete := slices.Clone(m.all)
	slices.SortStableFunc(complete, func(a, b *rec) int { return cmp.Compare(m.filled(b, slots), m.filled(a, slots)) })
	update, err := m.access.permit(VerbUpdate)
	if err != nil {
		return err
	}
	for _, s := range slots {
		f := m.decideOne(s, complete)
		if f == nil || m.access.hides(s.name) {
			if _, asked := m.rules.From[s.name]; asked && m.access.hides(s.name) {
				return m.access.readable(s.name)
			}
			continue
		}
		if err := m.mayTake(s, f, update); err != nil {
			_, from := m.rules.From[s.name]
			_, rule := m.rules.Fields[s.name]
			if from || rule || !errors.Is(err, ErrForbidden) {
				return err
			}
			f.Rule, f.Kept, f.Value, f.From = "", true, m.own(s), []ID{m.survivor.meta().ID}
		}
		if err := s.set(m.after, f.Value); err != nil {
			return err
		}
		m.fields = append(m.fields, *f)
	}
	for _, f := range m.references { // of the verbs of a module
		if f.guarded && f.null && f.target == m.object && m.ids[f.reference(m.after)] {
			f.clear(m.after)
		}
	}
	m.uniteRefs()
	return nil
}

// own is what the survivor keeps of its own: not that it refers to a record that becomes
// itself.
func (m *merging) own(s slot) json.RawMessage {
	if raw := s.get(m.survivor); !m.inside(s, raw) {
		return raw
	}
	return json.RawMessage("null")
}

// inside reports whether a value refers to one of the records that become one.
func (m *merging) inside(s slot, raw json.RawMessage) bool {
	id, ok := s.id(raw, m.object)
	return ok && m.ids[id]
}

// counts reports whether a value is one that can be taken.
func (m *merging) counts(s slot, raw json.RawMessage) bool {
	id, refers := s.id(raw, m.object)
	return s.is(raw) && !(refers && (m.ids[id] || m.barred[s.name][id]))
}

// filled is how many fields a record has a value in.
func (m *merging) filled(r *rec, slots []slot) (n int) {
	for _, s := range slots {
		if m.counts(s, s.get(r)) {
			n++
		}
	}
	return n
}

// checkRules refuses rules for what is no field of a merge.
func (m *merging) checkRules(slots []slot) error {
	var wrong []Fault
	known := map[string]slot{}
	for _, s := range slots {
		known[s.name] = s
	}
	isRule := func(r MergeRule) bool {
		return slices.Contains([]MergeRule{MergeMaster, MergeNewest, MergeComplete, MergeUnion}, r)
	}
	if m.rules.Rule != "" && (!isRule(m.rules.Rule) || m.rules.Rule == MergeUnion) {
		wrong = append(wrong, Fault{"rule", "is none of master, newest, complete: lists are united without it"})
	}
	for _, name := range slices.Sorted(maps.Keys(m.rules.Fields)) {
		switch s, ok := known[name]; {
		case !ok:
			wrong = append(wrong, Fault{"fields." + clip(name), "is no field that a merge decides over"})
		case !isRule(m.rules.Fields[name]):
			wrong = append(wrong, Fault{"fields." + name, "is none of master, newest, complete, union"})
		case m.rules.Fields[name] == MergeUnion && !m.listed(s):
			wrong = append(wrong, Fault{"fields." + name, "is no list, and only lists are united"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.rules.From)) {
		switch s, ok := known[name]; {
		case !ok:
			wrong = append(wrong, Fault{"from." + clip(name), "is no field that a merge decides over"})
		case !m.ids[m.rules.From[name]]:
			wrong = append(wrong, Fault{"from." + name, "is none of the records that are merged"})
		case m.rules.Fields[name] != "":
			wrong = append(wrong, Fault{"from." + s.name, "has a rule too: give one of the two"})
		}
	}
	if len(wrong) > 0 {
		return &InvalidError{Faults: wrong}
	}
	return nil
}

// listed reports whether a field is a list, by its type or by what is in it.
func (m *merging) listed(s slot) bool {
	if s.custom != nil {
		return s.custom.Type == FieldMultiChoice
	}
	if s.f.typ == TypeTags {
		return true
	}
	lists := 0
	for _, r := range m.all {
		switch raw := s.get(r); {
		case isList(raw):
			lists++
		case !isNone(raw):
			return false
		}
	}
	return s.f.typ == TypeJSON && lists > 0
}

// decideOne finds a field's value, or returns nil where all records have the same.
func (m *merging) decideOne(s slot, complete []*rec) *MergedField {
	f := &MergedField{Name: s.name, Values: make(map[ID]json.RawMessage, len(m.all)), Rule: m.rules.Fields[s.name], Value: m.own(s)}
	differ := false
	for _, r := range m.all {
		raw := s.get(r)
		f.Values[r.meta().ID] = raw
		differ = differ || !sameJSON(raw, f.Values[m.survivor.meta().ID])
	}
	if !differ && sameJSON(f.Value, f.Values[m.survivor.meta().ID]) {
		return nil
	}
	if f.Rule == "" {
		if f.Rule = cmp.Or(m.rules.Rule, MergeMaster); m.listed(s) {
			f.Rule = MergeUnion
		}
	}
	if from, ok := m.rules.From[s.name]; ok {
		f.Rule, f.From = "", []ID{from}
		if f.Value = f.Values[from]; m.inside(s, f.Value) {
			f.Value = json.RawMessage("null")
		}
		return f
	}
	var lists []json.RawMessage
	order := m.all
	switch f.Rule {
	case MergeComplete:
		order = complete
	case MergeNewest:
		order = slices.Clone(m.all)
		slices.SortStableFunc(order, func(a, b *rec) int { return m.set[b.meta().ID][s.name].Compare(m.set[a.meta().ID][s.name]) })
	}
	for _, r := range order {
		raw := f.Values[r.meta().ID]
		if !m.counts(s, raw) {
			continue
		}
		f.From = append(f.From, r.meta().ID)
		lists = append(lists, raw)
		if f.Rule != MergeUnion {
			f.Value = raw
			break
		}
	}
	if f.Rule == MergeUnion && len(lists) > 0 {
		f.Value = united(lists...)
	}
	return f
}

// mayTake is nil if the actor may give the field its value.
func (m *merging) mayTake(s slot, f *MergedField, update permit) error {
	if m.access.all || sameJSON(f.Value, s.get(m.survivor)) {
		return nil
	}
	if err := m.access.settable(update, s.name); err != nil {
		return err
	}
	if s.name != "owner_id" {
		return nil
	}
	try := m.survivor.clone()
	if err := s.set(try, f.Value); err != nil {
		return err
	}
	return m.access.mayOwn(&change{o: m.object, verb: VerbUpdate, event: "merged", before: m.survivor, after: try})
}

// uniteRefs gives the survivor the keys in systems in which it has none.
func (m *merging) uniteRefs() {
	m.left = map[ID]Refs{}
	closed := m.access.hides(byRefs)
	for _, r := range m.absorbed {
		left := Refs{}
		for _, source := range slices.Sorted(maps.Keys(r.meta().Refs)) {
			key, mine := r.meta().Refs[source], m.after.meta()
			if _, taken := mine.Refs[source]; taken || closed || len(mine.Refs) >= maxRefs {
				left[source] = key
				continue
			}
			if mine.Refs == nil {
				mine.Refs = Refs{}
			}
			mine.Refs[source] = key
		}
		m.left[r.meta().ID] = left
	}
}

// readTimes finds out when the records' fields were last set, if a rule asks for it.
func (m *merging) readTimes(ctx context.Context, slots []slot) error {
	asked := m.rules.Rule == MergeNewest
	for _, rule := range m.rules.Fields {
		asked = asked || rule == MergeNewest
	}
	if !asked {
		return nil
	}
	names, err := m.core.fieldNames(ctx, m.sc.Tenant, m.name)
	if err != nil {
		return err
	}
	now := map[ID]string{} // custom fields by their names of today
	for _, s := range slots {
		if s.custom != nil {
			now[s.custom.ID] = s.name
		}
	}
	m.set = map[ID]map[string]time.Time{}
	for _, r := range m.all {
		if err := m.readTimesOf(ctx, r.meta().ID, names, now); err != nil {
			return err
		}
	}
	return nil
}

func (m *merging) readTimesOf(ctx context.Context, id ID, names *fieldNames, now map[ID]string) error {
	times := map[string]time.Time{}
	m.set[id] = times
	for last := int64(0); ; {
		var rows []*eventRow
		err := m.core.session(ctx).Read(ctx, m.sc.Tenant, &storage.Query{
			Table: eventTable, Limit: MaxPage, Order: []storage.Order{{Field: storage.F("version")}},
			Where: storage.And{
				m.ofObject(), storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
				storage.Is{Field: storage.F("version"), Op: storage.Gt, Value: last},
			},
		}, func() storage.Row {
			rows = append(rows, &eventRow{})
			return rows[len(rows)-1]
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			last = row.version
			for _, c := range changesOf(row.changes) {
				name := c.Field
				if custom, ok := strings.CutPrefix(name, "custom."); ok {
					name = now[names.at(custom, row.recorded)]
				}
				times[name] = later(times[name], row.happened)
			}
		}
		if len(rows) < MaxPage {
			return nil
		}
	}
}

package crm

import (
	"bytes"
	"encoding/json"
	"slices"
)

// slot is a field that merges decide over, the type's or one of the tenant's own. Its
// values are JSON, as in events, and null is none.
type slot struct {
	name   string
	f      *field       // or
	custom *customField // one of the two
}

// slots are the fields of an object that merges decide over: not what the kernel writes
// but for the owner, not what belongs to the verbs of a module, and no formulas.
func (w *writer) slots() []slot {
	var list []slot
	for _, f := range w.fields {
		if !f.guarded && (!f.kernel || f.name == "owner_id" && !w.rights) {
			list = append(list, slot{name: f.name, f: f})
		}
	}
	for _, f := range w.custom.all() {
		if f.Type != FieldFormula {
			list = append(list, slot{name: f.name, custom: f})
		}
	}
	return list
}

// get is the value of a record.
func (s slot) get(r *rec) json.RawMessage {
	if s.custom == nil {
		return s.f.marshal(nil, r)
	}
	return appendValue(nil, r.meta().Custom[s.custom.Name])
}

// set gives a record a value that another one had.
func (s slot) set(r *rec, raw json.RawMessage) error {
	r.thaw()
	if s.custom != nil {
		v := s.custom.fromHistory(raw)
		if v == nil {
			delete(r.meta().Custom, s.custom.Name)
			return nil
		}
		r.meta().Custom.Set(s.custom.Name, v)
		return nil
	}
	s.f.clear(r)
	if isNone(raw) {
		return nil
	}
	return json.Unmarshal(canonical(map[string]json.RawMessage{s.f.name: raw}), r.v)
}

// target is the object a value refers to, or nil.
func (s slot) target() *object {
	switch {
	case s.custom == nil:
		return s.f.target
	case s.custom.ref != nil:
		return s.custom.ref.target
	}
	return nil
}

// is reports whether a value is some.
func (s slot) is(raw json.RawMessage) bool {
	switch {
	case isNone(raw), isList(raw) && len(elements(raw)) == 0:
		return false
	case s.custom == nil && !s.f.null:
		return string(raw) != "0" && string(raw) != "false"
	}
	return true
}

// id is the record a value refers to, if it is one of an object.
func (s slot) id(raw json.RawMessage, of *object) (id ID, ok bool) {
	if s.target() != of || isNone(raw) {
		return ID{}, false
	}
	return id, json.Unmarshal(raw, &id) == nil
}

func isNone(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func isList(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }

// elements are those of a list, each in the form that equal ones share.
func elements(raw json.RawMessage) []json.RawMessage {
	var list []any
	if decodeJSON(raw, &list) != nil {
		return nil
	}
	out := make([]json.RawMessage, len(list))
	for i, v := range list {
		out[i] = canonical(v)
	}
	return out
}

// sameJSON reports whether two values are equal, whatever the order of their members.
func sameJSON(a, b json.RawMessage) bool {
	if isNone(a) || isNone(b) {
		return isNone(a) && isNone(b)
	}
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return decodeJSON(a, &x) == nil && decodeJSON(b, &y) == nil && bytes.Equal(canonical(x), canonical(y))
}

func has(list []json.RawMessage, v json.RawMessage) bool {
	return slices.ContainsFunc(list, func(x json.RawMessage) bool { return bytes.Equal(x, v) })
}

// united is a list of all elements of several lists, each once.
func united(lists ...json.RawMessage) json.RawMessage {
	all := []json.RawMessage{}
	for _, raw := range lists {
		for _, v := range elements(raw) {
			if !has(all, v) {
				all = append(all, v)
			}
		}
	}
	return asList(all)
}

func asList(all []json.RawMessage) json.RawMessage {
	if len(all) == 0 {
		return json.RawMessage("null")
	}
	return canonical(all)
}

// takenBack is what a list is when what made after of before is taken back, and what
// else was done to it since stays.
func takenBack(before, after, now json.RawMessage) json.RawMessage {
	was, made, is := elements(before), elements(after), elements(now)
	var all []json.RawMessage
	for _, v := range was {
		if has(is, v) || !has(made, v) {
			all = append(all, v)
		}
	}
	for _, v := range is {
		if !has(was, v) && !has(made, v) {
			all = append(all, v)
		}
	}
	return asList(all)
}

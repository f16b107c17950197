package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Values are a record by the names of its fields: string, int64, bool, Money, Date,
// time.Time, ID, []string, a decimal as its text, and JSON as json.RawMessage; what
// JSON makes of these is taken as well. One of the tenant's own fields is
// "custom.tier", and a key in another system "refs.shopify". A field that is absent has
// no entry.
//
// Of what the kernel writes, id counts when a record is created, owner_id always, and
// the rest is passed over.
type Values map[string]any

// ID returns the record's id.
func (v Values) ID() ID {
	id, _ := v["id"].(ID)
	return id
}

// Copy returns a copy without some of the fields: to make another record of it.
func (v Values) Copy(without ...string) Values {
	c := v.clone()
	for _, name := range without {
		delete(c, name)
	}
	return c
}

// clone returns a copy with lists of its own.
func (v Values) clone() Values {
	c := maps.Clone(v)
	for name, x := range c {
		if list, ok := x.([]string); ok {
			c[name] = slices.Clone(list)
		}
	}
	return c
}

// ofRecord reports an error that is about one record, and not about the call.
func ofRecord(err error) bool {
	var refused *refusal
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.As(err, &refused)
}

// valuesOf are the values of a record that was brought to what the actor sees of it.
func valuesOf(r *rec, a *access) Values {
	v := make(Values, len(r.o.fields))
	m := r.meta()
	for _, f := range r.o.fields {
		switch {
		case f.name == "custom" || a.o.closable(f.name) == "" && a.hides(f.name) && !a.veils(f.name):
		case f.name == "refs":
			for source, key := range m.Refs {
				v["refs."+source] = key
			}
		default:
			if x := f.goValue(r); x != nil {
				v[f.name] = x
			}
		}
	}
	for name, x := range m.Custom {
		v["custom."+name] = x
	}
	return v
}

// goValue is the value of a field in Go, nil when it is absent.
func (f *field) goValue(r *rec) any {
	x := r.Value(f.col)
	if x == nil {
		return nil
	}
	switch f.typ {
	case TypeMoney:
		minor, _ := x.(int64)
		currency, _ := r.Value(f.col + 1).(string)
		return Money{Minor: minor, Currency: currency}
	case TypeID:
		id, _ := x.(uuid.UUID)
		return ID(id)
	case TypeTags:
		var list []string
		raw, _ := x.(json.RawMessage)
		_ = json.Unmarshal(raw, &list) // it was made of one
		return list
	}
	return x
}

// into puts values into a new record.
func (v Values) into(r *rec) error {
	var wrong InvalidError
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if msg := v.set(r, name, v[name]); msg != "" && len(wrong.Faults) < maxUnknown {
			wrong.Faults = append(wrong.Faults, Fault{clip(name), msg})
		}
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

// change puts into a record what differs from what it was.
func (v Values) change(was Values, r *rec) error {
	changed := Values{}
	for name := range was {
		if _, ok := v[name]; !ok {
			changed[name] = nil
		}
	}
	for name, x := range v {
		if !reflect.DeepEqual(x, was[name]) {
			changed[name] = x
		}
	}
	return changed.into(r)
}

// set puts one value into a record, and says what is wrong with it.
func (v Values) set(r *rec, name string, x any) string {
	m := r.meta()
	if custom, ok := strings.CutPrefix(name, "custom."); ok {
		if x == nil {
			delete(m.Custom, custom)
		} else {
			m.Custom.Set(custom, x)
		}
		return ""
	}
	if source, ok := strings.CutPrefix(name, "refs."); ok {
		return setRef(m, source, x)
	}
	f := r.o.byName[name]
	switch {
	case f == nil:
		return "is no field of " + r.o.name
	case name == "custom" || name == "refs":
		return setEach(r, name, x)
	case f.kernel && name != "id" && name != "owner_id":
		return ""
	}
	return f.set(r, x)
}

func setRef(m *Record, source string, x any) string {
	key, ok := x.(string)
	switch {
	case x == nil:
		delete(m.Refs, source)
		return ""
	case !ok:
		return wrongType("text: give a string", x)
	case m.Refs == nil:
		m.Refs = Refs{}
	}
	m.Refs[source] = key
	return ""
}

// setEach takes custom fields or refs as one value, as JSON has them.
func setEach(r *rec, name string, x any) string {
	if m := r.meta(); name == "refs" {
		m.Refs = nil
	} else {
		m.Custom = nil
	}
	members := map[string]any{}
	switch x := x.(type) {
	case nil:
	case map[string]any:
		members = x
	case Custom:
		members = x
	case Refs:
		for k, v := range x {
			members[k] = v
		}
	default:
		return wrongType("an object", x)
	}
	for k, v := range members {
		if msg := Values(nil).set(r, name+"."+k, v); msg != "" {
			return k + ": " + msg
		}
	}
	return ""
}

// set puts a value into a field, and says what is wrong with it.
func (f *field) set(r *rec, x any) string {
	if x == nil {
		f.clear(r)
		return ""
	}
	var v any
	msg := ""
	switch f.typ {
	case TypeText:
		s, ok := x.(string)
		if !ok {
			return wrongType("text: give a string", x)
		}
		v = s
	case TypeInt:
		v, msg = wholeNumber(x)
	case TypeBool:
		v, msg = normalBool(x)
	case TypeTime:
		v, msg = normalTime(x)
	case TypeDate:
		v, msg = normalDate(x)
	case TypeID:
		v, msg = normalID(x)
		if id, ok := v.(ID); ok {
			v = uuid.UUID(id)
		}
	case TypeMoney:
		if v, msg = normalMoney(x); msg == "" {
			money, _ := v.(Money)
			put(r.Dest(f.col), money.Minor)
			put(r.Dest(f.col+1), money.Currency)
		}
		return msg
	default:
		return f.setJSON(r, x)
	}
	if msg == "" {
		put(r.Dest(f.col), v)
	}
	return msg
}

// setJSON puts a value into a list of texts or a field kept as JSON.
func (f *field) setJSON(r *rec, x any) string {
	raw, ok := x.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(x); err != nil {
			return fmt.Sprintf("holds JSON, and a %T has none", x)
		}
	}
	into, ok := r.Dest(f.col).(*jsonInto)
	if !ok || into.Scan(raw) != nil {
		return fmt.Sprintf("holds %s, and a %T was given", f.typ, x)
	}
	return ""
}

// wholeNumber takes the forms of a whole number.
func wholeNumber(x any) (any, string) {
	switch n := x.(type) {
	case int64:
		return n, ""
	case int:
		return int64(n), ""
	case float64:
		if n == float64(int64(n)) && n > -1<<53 && n < 1<<53 {
			return int64(n), ""
		}
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i, ""
		}
	}
	return nil, wrongType("a whole number: give an int64", x)
}

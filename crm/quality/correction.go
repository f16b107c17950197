package quality

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
)

// Op is what is done to a field.
type Op string

// What is done to fields. All but Set and Clear are for texts, and leave absent ones
// alone.
const (
	Set   Op = "set"   // to Value
	Clear Op = "clear" // so that it has no value
	Trim  Op = "trim"  // runs of white space become one space
	Upper Op = "upper"
	Lower Op = "lower"
	// Title begins words with capitals, in texts that are all in small or all in capital
	// letters: "ada LOVELACE" and "McDonald" stay as they are.
	Title Op = "title"
	// Map replaces the texts that are keys of Map, whole and without regard to case and
	// accents, by their values. Others stay.
	Map Op = "map"
	// Email and Phone bring an address to its normal form, as [crm.Core.ParseAddress]
	// does. A record in which it is none is left as it is, and counted as refused.
	Email Op = "email"
	Phone Op = "phone"
)

// Change is one change of a field.
type Change struct {
	Field string `json:"field"`
	Op    Op     `json:"op"`
	// Value is what [Set] sets, as in [crm.Values].
	Value any `json:"value,omitempty"`
	// Map is what [Map] replaces, at most 10,000 texts.
	Map map[string]string `json:"map,omitempty"`
	// Region is where phone numbers without a country's code are dialled, a code of ISO
	// 3166-1.
	Region string `json:"region,omitempty"`
}

// Correction says which records are corrected, and how.
type Correction struct {
	// Object is the kind of record.
	Object string
	// Where is the condition of those to correct, such as that of a rule they violate.
	// crm.Filter{Text: "true"} is all.
	Where crm.Filter
	// Changes are made one after the other, at most 50.
	Changes []Change
	// Reason is what it is for, of at most 150 bytes: the history of each record names it.
	Reason string
}

const (
	maxChanges = 50
	maxMap     = 10_000
	maxReason  = 150
)

// correcting is a correction made ready.
type correcting struct {
	Correction

	q       *Quality
	records *crm.Records
	folded  []map[string]string // of the changes that are maps
}

// prepare refuses a correction that cannot be made, or that the actor may not make.
func (q *Quality) prepare(ctx context.Context, c Correction) (*correcting, error) {
	x := &correcting{Correction: c, q: q, folded: make([]map[string]string, len(c.Changes))}
	var err error
	if x.records, err = q.records(c.Object); err != nil {
		return nil, err
	}
	switch {
	case c.Where.Text == "":
		return nil, crm.Invalid("where", `say which records: crm.Filter{Text: "true"} is all of them`)
	case len(c.Changes) == 0 || len(c.Changes) > maxChanges:
		return nil, crm.Invalid("changes", "are %d: give 1 to %d", len(c.Changes), maxChanges)
	case len(c.Reason) > maxReason:
		return nil, crm.Invalid("reason", "has %d bytes, and %d are allowed", len(c.Reason), maxReason)
	}
	if err := understood(ctx, x.records, "where", c.Where); err != nil {
		return nil, err
	}
	fields, err := x.records.Fields(ctx)
	if err != nil {
		return nil, err
	}
	for i, change := range c.Changes {
		if err := change.check(c.Object, fields); err != nil {
			return nil, err
		}
		if change.Op == Map {
			x.folded[i] = make(map[string]string, len(change.Map))
			for from, to := range change.Map {
				x.folded[i][crm.Fold(from)] = to
			}
		}
	}
	return x, nil
}

// check refuses a change that a field cannot have.
func (c *Change) check(object string, fields []crm.FieldInfo) error {
	refuse := func(format string, args ...any) error {
		return crm.Invalid("changes", "%s: "+format, append([]any{c.Field}, args...)...)
	}
	f, ok := fieldOf(fields, c.Field)
	switch {
	case !ok:
		return refuse("is no field of %s", object)
	case !correctable(f):
		return refuse("is not changed by hand, and so by no correction")
	}
	switch c.Op {
	case Set:
		if c.Value == nil {
			return refuse("there is no value to set: clear makes it absent")
		}
		return nil
	case Clear:
		return nil
	case Map:
		if len(c.Map) == 0 || len(c.Map) > maxMap {
			return refuse("there are %d texts to replace: give 1 to %d", len(c.Map), maxMap)
		}
	case Trim, Upper, Lower, Title, Email, Phone:
	default:
		return refuse("%q is no change: there are set, clear, trim, upper, lower, title, map, email and phone", string(c.Op))
	}
	if f.Type != crm.TypeText {
		return refuse("holds %s, and %s is for text", f.Type, c.Op)
	}
	return nil
}

// correctable reports whether a field is changed by hand.
func correctable(f crm.FieldInfo) bool { return !f.Kernel && !f.Guarded && !f.Computed }

// apply makes the changes in a record, and returns the fields that are others now.
func (x *correcting) apply(v crm.Values) ([]string, error) {
	was := v.Copy()
	for i := range x.Changes {
		if err := x.change(v, i); err != nil {
			return nil, err
		}
	}
	var changed []string
	for _, c := range x.Changes {
		if !same(v[c.Field], was[c.Field]) && !slices.Contains(changed, c.Field) {
			changed = append(changed, c.Field)
		}
	}
	return changed, nil
}

// same reports whether two values of a field are one, in whatever form it was given.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, err := json.Marshal(a)
	y, fail := json.Marshal(b)
	return err == nil && fail == nil && bytes.Equal(x, y)
}

// change makes one change in a record.
func (x *correcting) change(v crm.Values, i int) error {
	c := &x.Changes[i]
	switch c.Op {
	case Set:
		v[c.Field] = c.Value
		return nil
	case Clear:
		delete(v, c.Field)
		return nil
	case Trim, Upper, Lower, Title, Map, Email, Phone:
	}
	text, _ := v[c.Field].(string)
	if text == "" {
		return nil
	}
	switch c.Op {
	case Set, Clear:
	case Trim:
		text = strings.Join(strings.Fields(text), " ")
	case Upper:
		text = strings.ToUpper(text)
	case Lower:
		text = strings.ToLower(text)
	case Title:
		text = titled(text)
	case Map:
		if to, ok := x.folded[i][crm.Fold(strings.TrimSpace(text))]; ok {
			text = to
		}
	case Email, Phone:
		a, err := x.q.core.ParseAddress(crm.AddressKind(c.Op), text, c.Region)
		if wrong, ok := errors.AsType[*crm.InvalidError](err); ok {
			return crm.Invalid(c.Field, "%s", wrong.Faults[0].Reason)
		}
		if err != nil {
			return err
		}
		text = a.Value
	}
	if text == "" {
		delete(v, c.Field)
	} else {
		v[c.Field] = text
	}
	return nil
}

// titled is a text whose words begin with capitals.
func titled(text string) string {
	if text != strings.ToUpper(text) && text != strings.ToLower(text) {
		return text // somebody meant it
	}
	inside := false
	return strings.Map(func(r rune) rune {
		was := inside
		inside = unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, text)
}

// Sample is what a correction does to a field of a record. Nil is absent.
type Sample struct {
	Record        crm.ID
	Field         string
	Before, After any
}

// Refusal is a record that a correction leaves as it is, and why.
type Refusal struct {
	Record crm.ID
	Reason string
}

// Preview is what a correction would do.
type Preview struct {
	// Matched are the records it is for, Changed those it would change, and Refused those
	// in which a value has no normal form. The rest are right already.
	Matched, Changed, Refused int64
	// Samples and Refusals are the first of them, at most 20 each.
	Samples  []Sample
	Refusals []Refusal
}

// maxShown is how many samples and refusals are given.
const maxShown = 20

// Preview says what a correction would do, and changes nothing: how many records, and of
// the first ones what from and to. It reads all records it is for. What rules and rights
// would refuse when they are written is not known before that.
func (q *Quality) Preview(ctx context.Context, c Correction) (Preview, error) {
	p, err := q.preview(ctx, c)
	return p, failed("preview", c.Object, crm.ID{}, err)
}

func (q *Quality) preview(ctx context.Context, c Correction) (Preview, error) {
	x, err := q.prepare(ctx, c)
	if err != nil {
		return Preview{}, err
	}
	var p Preview
	for v, err := range x.records.All(ctx, crm.Where(c.Where.Text, c.Where.Args...), crm.OrderBy("id")) {
		if err != nil {
			return Preview{}, err
		}
		p.Matched++
		was := v.Copy()
		changed, err := x.apply(v)
		if err != nil {
			if p.Refused++; len(p.Refusals) < maxShown {
				p.Refusals = append(p.Refusals, Refusal{was.ID(), reasonOf(err)})
			}
			continue
		}
		if len(changed) == 0 {
			continue
		}
		p.Changed++
		for _, name := range changed {
			if len(p.Samples) < maxShown {
				p.Samples = append(p.Samples, Sample{was.ID(), name, was[name], v[name]})
			}
		}
	}
	return p, nil
}

// ofRecord reports an error that is about one record, after which others can go on.
func ofRecord(err error) bool {
	return errors.Is(err, crm.ErrInvalid) || errors.Is(err, crm.ErrConflict) || errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrForbidden)
}

// reasonOf says why a record was left as it is.
func reasonOf(err error) string {
	if known, ok := errors.AsType[*crm.Error](err); ok {
		err = known.Err
	}
	return fmt.Sprint(err)
}

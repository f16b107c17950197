package crm

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/embedcrm/embedcrm/storage"
)

// put puts a storage value where a column is kept.
func put(dest, v any) {
	switch d := dest.(type) {
	case *string:
		*d, _ = v.(string)
	case *int64:
		*d, _ = v.(int64)
	case *bool:
		*d, _ = v.(bool)
	case *uuid.UUID:
		*d, _ = v.(uuid.UUID)
	case *time.Time:
		*d, _ = v.(time.Time)
	case *Date:
		*d, _ = v.(Date)
	case sql.Scanner:
		// Only a struct's own JSON can fail: its type does not write, or not read what it
		// wrote. Where a record is copied the field then stays as it was given, and its check
		// refuses it before anything is written; see [field.formFault].
		_ = d.Scan(v)
	}
}

// columns are where a field is kept.
func (f *field) columns() []int {
	if f.typ == TypeMoney {
		return []int{f.col, f.col + 1}
	}
	return []int{f.col}
}

// clear makes a field absent, or 0.
func (f *field) clear(r *rec) {
	for _, i := range f.columns() {
		put(r.Dest(i), nil)
	}
}

// copy gives a field of r the value it has in from.
func (f *field) copy(r, from *rec) {
	for _, i := range f.columns() {
		put(r.Dest(i), from.Value(i))
	}
}

// same reports whether a field has the same value in two records.
func (f *field) same(a, b *rec) bool {
	for _, i := range f.columns() {
		if !same(a.Value(i), b.Value(i)) {
			return false
		}
	}
	return true
}

// same reports whether a column has the same value in two records. What the struct
// itself holds is compared in place.
func (c *column) same(a, b *rec) bool {
	if c.field.typ == TypeMoney { // absent is what has neither amount nor currency
		return same(c.get(a.p), c.get(b.p))
	}
	switch x, y := c.dest(a.p), c.dest(b.p); x := x.(type) {
	case *string:
		return *x == *y.(*string) //nolint:errcheck // of the same column
	case *int64:
		return *x == *y.(*int64) //nolint:errcheck // as above
	case *bool:
		return *x == *y.(*bool) //nolint:errcheck // as above
	case *uuid.UUID:
		return *x == *y.(*uuid.UUID) //nolint:errcheck // as above
	case *time.Time:
		return x.Equal(*y.(*time.Time)) //nolint:errcheck // as above
	case *Date:
		return *x == *y.(*Date) //nolint:errcheck // as above
	case *customInto:
		if x.into.kept == y.(*customInto).into.kept { //nolint:errcheck // as above
			return true
		}
	}
	return same(c.get(a.p), c.get(b.p))
}

// same compares two values of one column.
func same(a, b any) bool {
	x, ok := a.(json.RawMessage)
	if y, both := b.(json.RawMessage); ok && both {
		return bytes.Equal(x, y)
	}
	return (a == nil) == (b == nil) && storage.Compare(a, b) == 0 && !ok
}

// normalise brings values to the form in which they are kept: text in Unicode's
// NFC without space around it, times in UTC and whole microseconds, tags each once
// and in order. Text that is none is a fault.
func (r *rec) normalise() (faults []Fault) {
	for _, f := range r.o.fields {
		if f.kernel {
			continue
		}
		switch d := r.Dest(f.col).(type) {
		case *string:
			if f.typ != TypeMoney {
				*d = strings.TrimSpace(norm.NFC.String(*d))
			}
		case *time.Time:
			if !d.IsZero() {
				*d = instant(*d)
			}
		case *jsonInto:
			tags, ok := d.into.(*[]string)
			if !ok {
				continue
			}
			*tags = slices.Clone(*tags) // the caller's own stay as they are
			for i, t := range *tags {
				if (*tags)[i] = strings.TrimSpace(norm.NFC.String(t)); (*tags)[i] == "" {
					faults = append(faults, Fault{f.name, "has an empty text in it: remove it"})
				}
			}
			slices.Sort(*tags)
			*tags = slices.Compact(*tags)
		}
	}
	return faults
}

// maxTags is how many texts a list has at most.
const maxTags = 500

// check holds what a change sets against the fields' tags, and names every field at
// fault. A value that stays was kept under the tags of its day.
func (c *change) check() []Fault {
	r := c.after
	faults := r.meta().Refs.check()
	for _, f := range r.o.fields {
		if c.before != nil && !c.changed(f) {
			continue
		}
		faults = f.check(r, faults)
	}
	return faults
}

// check adds what is wrong with a field of a record to faults.
func (f *field) check(r *rec, faults []Fault) []Fault {
	v := r.Value(f.col)
	if v == nil {
		if f.required {
			faults = append(faults, Fault{f.name, "is required"})
		}
		return faults
	}
	if msg := f.fault(v, r); msg != "" {
		faults = append(faults, Fault{f.name, msg})
	}
	return faults
}

// formFault says that what is written of a field of JSON could not be read again, or
// nothing: such a record could be created and never be seen.
func (f *field) formFault(raw json.RawMessage, r *rec) string {
	j, ok := r.Dest(f.col).(*jsonInto)
	if !ok || !f.json {
		return ""
	}
	if err := json.Unmarshal(raw, reflect.New(reflect.TypeOf(j.into).Elem()).Interface()); err != nil {
		return fmt.Sprintf("cannot be read from its JSON form: %s", err)
	}
	return ""
}

// fault says what is wrong with a field's value, or nothing.
func (f *field) fault(v any, r *rec) string {
	switch v := v.(type) {
	case string:
		switch {
		case f.max > 0 && utf8.RuneCountInString(v) > f.max:
			return fmt.Sprintf("has %d characters, and %d are allowed", utf8.RuneCountInString(v), f.max)
		case f.enum != nil && !slices.Contains(f.enum, v):
			return "is none of " + strings.Join(f.enum, ", ")
		case f.protected && len(v) > maxProtected:
			return fmt.Sprintf("has %d bytes, and %d are allowed in what is protected", len(v), maxProtected)
		}
	case int64:
		if f.typ == TypeMoney {
			currency, _ := r.Value(f.col + 1).(string)
			if err := (Money{Minor: v, Currency: currency}).Valid(); err != nil {
				return strings.TrimPrefix(err.Error(), "invalid: ")
			}
		}
	case *formless:
		return fmt.Sprintf("has no JSON form: %s", v.err)
	case json.RawMessage:
		if msg := f.formFault(v, r); msg != "" {
			return msg
		}
		var tags []string
		if f.typ == TypeTags && json.Unmarshal(v, &tags) == nil && len(tags) > maxTags {
			return fmt.Sprintf("has %d texts, and %d are allowed", len(tags), maxTags)
		}
	}
	// The rest is what any column of the kind asks for.
	if err := storage.CheckValue(r.o.table, f.col, v); err != nil {
		return reason(err)
	}
	return ""
}

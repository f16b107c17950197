package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// LanguageVersion is the version of the language this package reads. It goes up
// when a text could come to mean something else.
const LanguageVersion = 1

// Stored is an expression as it is kept: a text, its arguments and the version of
// the language it was written in. As JSON the arguments keep their types:
//
//	{"text":"amount > $1","args":[{"money":{"minor":1000,"currency":"EUR"}}],"version":1}
//
// An int comes back as the int64 it means.
type Stored struct {
	Text    string
	Args    []any
	Version int
}

// Parse parses the text, and refuses a version this package does not read.
func (s Stored) Parse() (*Expr, error) {
	if s.Version < 1 || s.Version > LanguageVersion {
		return nil, invalid(-1, "it was stored in version %d of the language, and this program reads 1 to %d", s.Version, LanguageVersion)
	}
	return Parse(s.Text)
}

type storedJSON struct {
	Text    string         `json:"text"`
	Args    []argumentJSON `json:"args,omitempty"`
	Version int            `json:"version"`
}

// argumentJSON is one argument: the field that is there says its type.
type argumentJSON struct {
	Text  *string      `json:"text,omitempty"`
	Bool  *bool        `json:"bool,omitempty"`
	Int   *int64       `json:"int,omitempty"`
	Time  *time.Time   `json:"time,omitempty"`
	Date  *string      `json:"date,omitempty"`
	ID    *uuid.UUID   `json:"id,omitempty"`
	Money *Amount      `json:"money,omitempty"`
	Texts *[]string    `json:"texts,omitempty"`
	Ints  *[]int64     `json:"ints,omitempty"`
	IDs   *[]uuid.UUID `json:"ids,omitempty"`
}

// MarshalJSON writes the stored form.
func (s Stored) MarshalJSON() ([]byte, error) {
	out := storedJSON{Text: s.Text, Version: s.Version}
	if !utf8.ValidString(s.Text) {
		return nil, invalid(-1, "the text is not valid UTF-8")
	}
	for n, arg := range s.Args {
		a, ok := toJSON(arg)
		if !ok {
			return nil, invalid(-1, "the argument $%d is a %T that cannot be stored", n+1, arg)
		}
		out.Args = append(out.Args, a)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the stored form.
func (s *Stored) UnmarshalJSON(data []byte) error {
	var in storedJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return invalid(-1, "the stored expression cannot be read")
	}
	out := Stored{Text: in.Text, Version: in.Version}
	for n, a := range in.Args {
		arg, err := a.value()
		if err != nil {
			return invalid(-1, "the stored argument $%d %v", n+1, err)
		}
		out.Args = append(out.Args, arg)
	}
	*s = out
	return nil
}

func toJSON(arg any) (a argumentJSON, ok bool) {
	ok = true
	switch v := arg.(type) {
	case string:
		a.Text, ok = &v, utf8.ValidString(v)
	case bool:
		a.Bool = &v
	case int:
		n := int64(v)
		a.Int = &n
	case int64:
		a.Int = &v
	case time.Time:
		v = v.UTC()
		a.Time, ok = &v, v.Year() >= 1 && v.Year() <= 9999
	case storage.Date:
		d := v.String()
		a.Date, ok = &d, v.Valid()
	case uuid.UUID:
		a.ID = &v
	case Amount:
		a.Money, ok = &v, utf8.ValidString(v.Currency)
	case []string:
		for _, s := range v {
			ok = ok && utf8.ValidString(s)
		}
		v = filled(v)
		a.Texts = &v
	case []int64:
		v = filled(v)
		a.Ints = &v
	case []uuid.UUID:
		v = filled(v)
		a.IDs = &v
	default:
		ok = false
	}
	return a, ok
}

// filled returns the list, an empty one for nil, which JSON would write as null.
func filled[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// value returns the one value an argument has.
func (a argumentJSON) value() (any, error) {
	var out []any
	collect(&out, a.Text)
	collect(&out, a.Bool)
	collect(&out, a.Int)
	collect(&out, a.Time)
	collect(&out, a.ID)
	collect(&out, a.Money)
	collect(&out, a.Texts)
	collect(&out, a.Ints)
	collect(&out, a.IDs)
	if a.Date != nil {
		d, err := storage.ParseDate(*a.Date)
		if err != nil {
			return nil, errors.New("is no date")
		}
		out = append(out, d)
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("has %d values of a type this program knows, not one", len(out))
	}
	if t, ok := out[0].(time.Time); ok {
		return t.UTC(), nil
	}
	return out[0], nil
}

func collect[T any](out *[]any, v *T) {
	if v != nil {
		*out = append(*out, *v)
	}
}

package crm

import (
	"bytes"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
)

// Filter is a condition as it is kept and sent: an expression of the CRM's language
// and its arguments, as [Where] takes them. The zero Filter keeps every record. In
// JSON it has the version of the language it was written in, and its arguments keep
// their types:
//
//	{"text":"amount > $1","args":[{"money":{"minor":1000,"currency":"EUR"}}],"version":1}
//
// docs/expressions.md has the language and this form. The zero Filter is null.
type Filter struct {
	Text string
	Args []any
}

// IsZero reports whether f keeps every record.
func (f Filter) IsZero() bool { return f.Text == "" && len(f.Args) == 0 }

// MarshalJSON writes the form that [Filter] describes. An argument that [Where] does
// not take is [ErrInvalid].
func (f Filter) MarshalJSON() ([]byte, error) {
	if f.IsZero() {
		return []byte("null"), nil
	}
	stored := filter.Stored{Text: f.Text, Version: filter.LanguageVersion}
	for _, a := range f.Args {
		stored.Args = append(stored.Args, argument(a))
	}
	return json.Marshal(stored)
}

// UnmarshalJSON reads the form that [Filter] describes. Another version of the
// language than this program reads is [ErrInvalid].
func (f *Filter) UnmarshalJSON(data []byte) error {
	if string(bytes.TrimSpace(data)) == "null" {
		*f = Filter{}
		return nil
	}
	var stored filter.Stored
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	if _, err := stored.Parse(); err != nil {
		return err
	}
	read := Filter{Text: stored.Text}
	for _, a := range stored.Args {
		read.Args = append(read.Args, given(a))
	}
	*f = read
	return nil
}

// given is an argument of the language as [Where] takes it: what argument undoes.
func given(a any) any {
	switch a := a.(type) {
	case uuid.UUID:
		return ID(a)
	case filter.Amount:
		return Money{Minor: a.Minor, Currency: a.Currency}
	case []uuid.UUID:
		ids := make([]ID, len(a))
		for i, id := range a {
			ids[i] = ID(id)
		}
		return ids
	}
	return a
}

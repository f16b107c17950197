package crm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
)

// Cipher keeps the values of protected fields from who has the database and not the
// keys: those of fields marked protected, and of [CustomField.Protected]. crm/fieldcrypt
// is one. It is safe for any number of goroutines.
type Cipher interface {
	// Seal makes ciphertext of a value, another one each time, that opens at this place
	// alone.
	Seal(ctx context.Context, at Place, value []byte) ([]byte, error)
	// Open undoes Seal, whichever of the keys sealed it. Ciphertext of another place, of
	// a key that is not there, or that was altered is an error that says which; it never
	// returns another value than the one sealed.
	Open(ctx context.Context, at Place, sealed []byte) ([]byte, error)
	// Blind returns keyed hashes of a value, one for each key in use, by which equal
	// values of a tenant's field are found. The first is the one to keep, the others may
	// be kept of values from before. Of the place the record does not count.
	Blind(ctx context.Context, at Place, value []byte) ([][]byte, error)
	// Current reports whether ciphertext was sealed by the key that Seal uses now.
	Current(sealed []byte) bool
}

// Place is where a protected value is kept.
type Place struct {
	Tenant string
	Kind   string // of record
	Field  string // for one of the tenant's own "custom." and the field's Key
	Record ID
}

// String returns the field and record, as errors name them.
func (p Place) String() string {
	if p.Record.IsZero() {
		return p.Kind + "." + p.Field
	}
	return fmt.Sprintf("%s.%s of %s", p.Kind, p.Field, p.Record)
}

// ErrSealed is a protected value that the keys at hand do not open: the key it was
// sealed by is missing in [Config.Cipher], or the value was altered or moved. Nothing
// is lost: with the right key it opens.
var ErrSealed = errors.New("a protected value does not open")

const (
	// blindSuffix is what the column with the blind of a protected field is called
	// behind the field's name.
	blindSuffix = "_blind"
	// protectedMark is in the keys of custom fields that are protected, and in no other.
	// That a value is one is then told by the name it is kept under.
	protectedMark = "$p"
	// blindMember is what the member with the blind of a protected custom value is
	// called behind the field's key.
	blindMember = "$blind"
	// maxProtected is how many bytes a protected text has at most: sealed and as text it
	// must still be one that a database keeps.
	maxProtected = 512 << 10
)

// protectedHint is what to do about a protected field that is used as others are.
const protectedHint = "is protected: it is compared by ==, != and in alone, and nothing is sorted, grouped, searched, figured or copied by it"

// keptProtected reports whether custom values under a key are protected.
func keptProtected(key string) bool { return strings.Contains(key, protectedMark) }

// protecting are the fields of a kind of record that are protected, and where they are
// kept.
type protecting struct {
	id, custom int
	fields     []protectedField
	stored     *storage.Table // the same columns without versions: sealing anew is no change
}

type protectedField struct {
	name            string
	col, blind, del int
	unique          bool
}

// protection finds what is protected in a kind's table, or nil where nothing can be.
func (o *object) protection() *protecting {
	if o.ledger() {
		return nil
	}
	p := &protecting{id: o.byName["id"].col, custom: o.byName["custom"].col}
	for _, f := range o.fields {
		if f.protected {
			p.fields = append(p.fields, protectedField{name: f.name, col: f.col, blind: f.blindCol, del: o.byName["deleted"].col, unique: f.unique})
		}
	}
	p.stored = &storage.Table{Name: o.name, Key: []string{"id"}, Columns: []storage.Column{o.specs[p.id], o.specs[p.custom]}}
	for _, f := range p.fields {
		p.stored.Columns = append(p.stored.Columns, o.specs[f.col], o.specs[f.blind])
	}
	return p
}

// field finds a protected field by its column's name.
func (p *protecting) field(name string) *protectedField {
	for i := range p.fields {
		if p.fields[i].name == name {
			return &p.fields[i]
		}
	}
	return nil
}

// resolveProtection refuses protected fields where there is nothing to protect them by.
func (c *Core) resolveProtection() error {
	c.protections = make(map[string]*protecting, len(c.order))
	for _, o := range c.order {
		p := o.protection()
		if len(p.fields) > 0 && c.cfg.Cipher == nil {
			return Invalid(o.name+"."+p.fields[0].name, "is protected, and there is no Config.Cipher: give it the keys, as crm/fieldcrypt makes it of them")
		}
		c.protections[o.name] = p
	}
	return nil
}

// keyed refuses fields that are protected where there is nothing to open them with.
func (s *fieldSet) keyed(c *Core) error {
	if c.cfg.Cipher != nil {
		return nil
	}
	for _, f := range s.all() {
		if f.Protected {
			return fmt.Errorf("%w: %s of %s is protected, and there is no Config.Cipher: give it the keys", ErrSealed, f.name, s.o.name)
		}
	}
	return nil
}

// sealedText is ciphertext as a text column keeps it.
func (g guarded) sealedText(ctx context.Context, at Place, text string) (string, error) {
	b, err := g.core.cfg.Cipher.Seal(ctx, at, []byte(text))
	if err != nil {
		return "", fmt.Errorf("%s: sealing: %w", at, err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func (g guarded) openText(ctx context.Context, at Place, sealed string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("%w: %s: is no ciphertext: a protected field is so from its first value on", ErrSealed, at)
	}
	text, err := g.core.cfg.Cipher.Open(ctx, at, b)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrSealed, at, err)
	}
	return string(text), nil
}

// blinds are the blinds of a text as they are kept, the one of today first.
func (c *Core) blinds(ctx context.Context, at Place, text string) ([]string, error) {
	at.Record = ID{}
	all, err := c.cfg.Cipher.Blind(ctx, at, []byte(text))
	if err == nil && len(all) == 0 {
		err = errors.New("the cipher has no key for it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: blinding: %w", at, err)
	}
	texts := make([]string, len(all))
	for i, b := range all {
		texts[i] = base64.RawURLEncoding.EncodeToString(b)
	}
	return texts, nil
}

// protectedNames are, of the names under which events say what changed, those of
// protected fields, with the place of each.
func (w *writer) protectedNames() map[string]string {
	if w.core.cfg.Cipher == nil {
		return nil
	}
	var names map[string]string
	add := func(name, place string) {
		if names == nil {
			names = map[string]string{}
		}
		names[name] = place
	}
	for _, f := range w.core.protections[w.name].fields {
		add(f.name, f.name)
	}
	for _, f := range w.custom.all() {
		if f.Protected {
			add(f.name, f.place())
		}
	}
	return names
}

// place is the field of a [Place] that a custom field's values are sealed for.
func (f *CustomField) place() string { return "custom." + f.Key }

// blindFits reports whether the blind that is stored of a protected field is one of its
// value.
func (c *Core) blindFits(ctx context.Context, tenant string, r *rec, f *field, stored any) (bool, error) {
	text, _ := r.Value(f.col).(string)
	if text == "" || stored == nil {
		return (text == "") == (stored == nil), nil
	}
	all, err := c.blinds(ctx, Place{Tenant: tenant, Kind: r.o.name, Field: f.name}, text)
	for _, b := range all {
		if stored == b {
			return true, nil
		}
	}
	return false, err
}

var _ storage.Session = guarded{}

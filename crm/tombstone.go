package crm

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// tombstoneTable has keyed hashes of what identified persons who were erased.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var tombstoneTable = &storage.Table{Name: "tombstone", Key: []string{"hash"}, Columns: []storage.Column{
	{Name: "hash", Kind: storage.Text}, {Name: "erasure_id", Kind: storage.ID}, {Name: "erased", Kind: storage.Time},
}}

// ErasedError is an [ErrConflict] about a value that identified a person who was
// erased: see [Returned].
type ErasedError struct {
	Field  string    // the field at fault
	Erased time.Time // when the person was
}

// Error names the field, and not the value.
func (e *ErasedError) Error() string {
	return fmt.Sprintf("conflict: %s: belongs to a person who was erased on %s: leave the record out, or say by Returned why the person is recorded again",
		e.Field, e.Erased.Format(time.DateOnly))
}

// Is makes it an [ErrConflict].
func (e *ErasedError) Is(target error) bool { return target == ErrConflict }

// Returned returns a context whose calls may record a person who was erased, since he
// came back by himself: he signed up again, he called. The reason, of 1 to 200 bytes, is
// the cause of the changes ([Because]). What such a call writes is known again, so that
// calls after it need no reason.
func Returned(ctx context.Context, reason string) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.cause, sc.returned = reason, true
	return context.WithValue(ctx, scopeKey{}, sc)
}

// identities are values that tell who somebody is, by their normal forms, with the
// field that has them.
type identities map[string]string

// identityForm is the same for two ways to write an address or a key. Two telephone
// numbers are taken for the same whose last nine digits are, as in search.
func identityForm(text string) string {
	if a, err := ParseAddress(AddressEmail, text); err == nil {
		return "email:" + Fold(a.Value)
	}
	if a, err := ParseAddress(AddressPhone, text); err == nil {
		digits := strings.TrimPrefix(a.Value, "+")
		return "phone:" + digits[max(0, len(digits)-9):]
	}
	return "text:" + Fold(strings.TrimSpace(text))
}

func refForm(object, source, key string) string {
	return "ref:" + object + "\x00" + source + "\x00" + key
}

func (ids identities) text(field, text string, protected bool) {
	if strings.TrimSpace(text) == "" || strings.HasPrefix(text, erasedText) {
		return
	}
	form := identityForm(text)
	if protected {
		form = protectedForm + form
	}
	ids[form] = field
}

func (ids identities) refs(object string, refs Refs) {
	for source, key := range refs {
		ids[refForm(object, source, key)] = "refs." + source
	}
}

// identifies reports whether a field tells who somebody is. One that only a module writes
// follows another.
func (f *field) identifies() bool {
	return f.personal && f.typ == TypeText && (f.identity || f.unique && !f.guarded)
}

// identifies reports whether a field of the tenant's own does.
func (f *CustomField) identifies() bool {
	return f.Personal && (f.Unique || f.Type == FieldEmail || f.Type == FieldPhone)
}

// record adds what a record is known by; with only, as far as the function says that it
// counts.
func (ids identities) record(r *rec, custom *fieldSet, only func(*field) bool) {
	for _, f := range r.o.fields {
		switch {
		case f.name == "refs" && (only == nil || only(f)):
			ids.refs(r.o.name, r.meta().Refs)
		case f.identifies() && (only == nil || only(f)):
			text, _ := r.Value(f.col).(string)
			ids.text(f.name, text, f.protected)
		case f.name == "custom" && (only == nil || only(f)):
			for _, own := range custom.all() {
				if text, ok := r.meta().Custom[own.Name].(string); ok && own.identifies() {
					ids.text(own.name, text, own.Protected)
				}
			}
		}
	}
}

// tombstone is the keyed hash of a normal form. The key is made of the tenant's secret,
// so that hashes of two tenants have nothing in common.
func (t *tenant) tombstone(form string) string {
	return hex.EncodeToString(keyed(keyed(t.secret, []byte("tombstone")), []byte(form)))
}

// erasedBefore refuses to record what identified a person who was erased, and knows it
// again if he came back.
func (w *writer) erasedBefore(ctx context.Context, changes []*change) error {
	type place struct {
		change int
		field  string
	}
	places := map[string]place{} // by hash
	for i, c := range changes {
		if c.after == nil || c.event == "deleted" || c.event == eventErased {
			continue
		}
		only := c.changed
		if c.event == "restored" {
			only = nil
		}
		ids := identities{}
		ids.record(c.after, w.custom, only)
		for form, field := range ids {
			hashes, err := w.core.identityHashes(ctx, w.sc.Tenant, w.tenant, form)
			if err != nil {
				return err
			}
			for _, hash := range hashes {
				places[hash] = place{i, field}
			}
		}
	}
	values := make([]any, 0, len(places))
	for _, hash := range slices.Sorted(maps.Keys(places)) {
		values = append(values, hash)
	}
	for part := range slices.Chunk(values, storage.MaxPage) {
		found, err := w.core.tombstones(ctx, w.sc.Tenant, part)
		if err != nil {
			return err
		}
		rows := make([]storage.Change, len(found))
		for i, row := range found {
			if !w.sc.returned {
				p := places[row.hash]
				return at(p.change, len(changes), &ErasedError{Field: p.field, Erased: row.erased})
			}
			rows[i] = storage.Change{Action: storage.Delete, Table: tombstoneTable, Row: row}
		}
		if len(rows) == 0 {
			continue
		}
		if err := w.core.session(ctx).Write(ctx, w.sc.Tenant, rows); err != nil {
			return err
		}
	}
	return nil
}

// tombstoneRow is a row of it.
type tombstoneRow struct {
	hash    string
	erasure uuid.UUID
	erased  time.Time
}

// Value returns column i.
func (r *tombstoneRow) Value(i int) any { return [...]any{r.hash, r.erasure, r.erased}[i] }

// Dest returns where column i is put.
func (r *tombstoneRow) Dest(i int) any { return [...]any{&r.hash, &r.erasure, &r.erased}[i] }

// tombstones reads those of some hashes.
func (c *Core) tombstones(ctx context.Context, tenant string, hashes []any) (rows []*tombstoneRow, err error) {
	err = c.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: tombstoneTable, Where: storage.In{Field: storage.F("hash"), Values: hashes}, Limit: len(hashes),
	}, func() storage.Row {
		rows = append(rows, &tombstoneRow{})
		return rows[len(rows)-1]
	})
	return rows, err
}

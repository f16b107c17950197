package crm

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// figured is a field that figures are made of.
type figured struct {
	filter.Field

	// seen is the condition under which the actor sees the value: that the record
	// referred to is there and may be read. nil: always.
	seen storage.Expr
}

// maxPath is how many bytes the name of a field has at most, with what leads to it.
const maxPath = 200

// figured finds a field by its name, as figures take it: with one step to another
// record, if any, and of money perhaps its currency.
func (r *reader) figured(ctx context.Context, name string, deleted bool) (figured, error) {
	if len(name) > maxPath {
		return figured{}, Invalid("", "the name of a field has at most %d bytes", maxPath)
	}
	v := &vocabulary{object: r.object, ctx: ctx, sc: r.sc, a: r.access, fail: new(error)}
	var ref *storage.Ref
	var seen storage.Expr
	rest := name
	if step, of, dotted := strings.Cut(name, "."); dotted && v.byName[step+"_id"] != nil && v.byName[step+"_id"].target != nil {
		f := v.byName[step+"_id"]
		if err := v.a.readable(f.name); err != nil {
			return figured{}, err
		}
		v, rest = v.to(f.target), of
		if *v.fail != nil {
			return figured{}, *v.fail
		}
		ref = &storage.Ref{Column: f.name, Table: v.table}
		if deleted || r.ledger() || !v.a.everything() { // a living record refers to living ones
			seen = storage.Exists{Rel: storage.Rel{Table: v.table, Column: "id", Key: f.name}, Where: v.Scope()}
		}
	}
	f, err := v.part(rest)
	if err != nil {
		return figured{}, err
	}
	f.At.Ref, f.Currency.Ref = ref, ref
	return figured{f, seen}, nil
}

// part finds a field of the object itself, or the currency of one.
func (v *vocabulary) part(name string) (filter.Field, error) {
	kind := "field"
	field := v.Field
	bare := name
	if custom, ok := strings.CutPrefix(name, "custom."); ok {
		kind, field, bare = "custom field", v.Custom, custom
	}
	bare, part, parted := strings.Cut(bare, ".")
	closed := bare
	if kind != "field" {
		closed = "custom." + bare
	}
	if err := v.a.readable(closed); err != nil {
		return filter.Field{}, err
	}
	f, ok := field(bare)
	switch {
	case *v.fail != nil:
		return filter.Field{}, *v.fail
	case !ok:
		return filter.Field{}, Invalid("", "%s has no %s %s that figures can be made of", v.name, kind, clip(bare))
	case parted && (f.Type != filter.Money || part != "currency"):
		return filter.Field{}, Invalid("", "%s has no part %s: of money there is .currency, and of a reference the fields of what it leads to", clip(bare), clip(part))
	case parted:
		return filter.Field{Type: filter.Text, At: f.Currency}, nil
	case f.Protected:
		return filter.Field{}, Invalid("", "%s %s", clip(bare), protectedHint)
	case f.Type == filter.Tags:
		return filter.Field{}, Invalid("", "%s holds several texts, of which there are no figures: filter by them", clip(bare))
	}
	return f, nil
}

// value is what storage has of the field as the field's own Go type.
func (f *figured) value(v any) any {
	switch v := v.(type) {
	case uuid.UUID:
		return ID(v)
	case int64:
		switch f.Type {
		case filter.Decimal:
			return formatDecimal(v, f.Scale)
		case filter.Time:
			return time.UnixMicro(v).UTC()
		}
	case string:
		switch f.Type {
		case filter.ID:
			if id, err := ParseID(v); err == nil {
				return id
			}
		case filter.Date:
			if d, err := ParseDate(v); err == nil {
				return d
			}
		}
	}
	return v
}

// unit is how many of what storage keeps make one.
func (f *figured) unit() int64 { return int64(math.Pow10(f.Scale)) }

// stored is a time or date as storage keeps it in the field.
func (f *figured) stored(v any) any {
	switch v := v.(type) {
	case time.Time:
		if f.At.Member != "" {
			return v.UnixMicro()
		}
	case Date:
		if f.At.Member != "" {
			return v.String()
		}
	}
	return v
}

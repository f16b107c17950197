package crm

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Facet is a value that records of a list have, and how many do.
type Facet struct {
	// Value is of the field's Go type; nil: the records without one.
	Value any
	Count int64
}

// Facets returns the values a field has in a list, the most frequent first. It is
// for fields that hold one value: not for money, tags and JSON. A list in which the
// field has more than storage.MaxGroups values is ErrInvalid.
func (c *Collection[T]) Facets(ctx context.Context, field string, opts ...ListOption) ([]Facet, error) {
	list, err := c.o.facets(ctx, field, listOptionsOf(opts))
	return list, failed("facets", c.o.name, ID{}, err)
}

func (o *object) facets(ctx context.Context, name string, opts listOptions) ([]Facet, error) {
	r, err := o.reader(ctx)
	if err != nil {
		return nil, err
	}
	field, err := r.facet(ctx, name)
	if err != nil {
		return nil, err
	}
	where, err := r.where(ctx, opts)
	if err != nil {
		return nil, err
	}
	var rows []storage.Values
	err = o.core.session(ctx).Aggregate(ctx, r.sc.Tenant, &storage.Aggregate{
		Table: o.table, Where: where, Group: []storage.Group{{Field: field}}, Measure: []storage.Measure{{Fn: storage.CountRows}},
	}, func() storage.Row {
		row := make(storage.Values, 2)
		rows = append(rows, row)
		return row
	})
	if err != nil {
		return nil, err
	}
	list := make([]Facet, len(rows))
	for i, row := range rows {
		list[i].Value = row[0]
		if id, ok := row[0].(uuid.UUID); ok {
			list[i].Value = ID(id)
		}
		list[i].Count, _ = row[1].(int64)
	}
	slices.SortStableFunc(list, func(a, b Facet) int { return cmp.Compare(b.Count, a.Count) })
	return list, nil
}

// facet finds the field whose values are counted.
func (r *reader) facet(ctx context.Context, name string) (storage.Field, error) {
	if err := r.access.readable(name); err != nil {
		return storage.Field{}, err
	}
	if custom, ok := strings.CutPrefix(name, "custom."); ok {
		f, ok, err := r.core.customField(ctx, r.sc, r.object, custom)
		if err == nil && (!ok || f.Currency.Name != "" || f.At.Kind == storage.JSON) {
			err = Invalid("field", "%s: there is no such field, or it holds money or several texts, which have no facets", name)
		}
		if err == nil && f.Protected {
			err = Invalid("field", "%s: %s", name, protectedHint)
		}
		return f.At, err
	}
	f := r.byName[name]
	if f == nil || f.typ == TypeMoney || f.typ == TypeTags || f.typ == TypeJSON {
		return storage.Field{}, Invalid("field", "%s: there is no such field, or it holds money, several texts or JSON, which have no facets", name)
	}
	if f.protected {
		return storage.Field{}, Invalid("field", "%s: %s", name, protectedHint)
	}
	return storage.F(f.name), nil
}

package crm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// shown brings records that were read to what the actor sees of them.
func (c *Core) shown(ctx context.Context, sc scope, o *object, a *access, recs []*rec) error {
	s, err := c.fieldsOf(ctx, sc.Tenant, o)
	if err != nil {
		return err
	}
	s.show(recs...)
	for _, r := range recs {
		a.mask(r)
	}
	return nil
}

// customAsOf puts custom values of a history into a record: those of the fields there
// are today, by the names they have today.
func (c *Core) customAsOf(ctx context.Context, r *reader, values map[ID]json.RawMessage, into *rec) error {
	s, err := c.fieldsOf(ctx, r.sc.Tenant, r.object)
	if err != nil {
		return err
	}
	m := into.meta()
	m.Custom = nil
	for _, f := range s.all() {
		v := f.fromHistory(values[f.ID])
		if v == nil || r.access.hides(f.name) {
			continue
		}
		if m.Custom == nil {
			m.Custom = Custom{}
		}
		m.Custom[f.Name] = v
	}
	return nil
}

// fromHistory is the value an event has of a field, or nil. It is not held against
// limits of today.
func (f *customField) fromHistory(raw json.RawMessage) any {
	var v any
	if raw == nil || decodeJSON(raw, &v) != nil {
		return nil
	}
	free := f.CustomField
	free.Min, free.Max, free.MaxLength = nil, nil, maxFieldLong
	value, msg := free.normal(goForm(v))
	if msg != "" {
		return nil
	}
	return value
}

// checkIndex says what is wrong with a record's rows in the index, or nothing. Those
// of a field that is not ready may be missing, or not be unique yet.
func (c *Core) checkIndex(ctx context.Context, s storage.Session, tenant string, r *rec) (string, error) {
	set, err := c.fieldsOf(ctx, tenant, r.o)
	if err != nil || set == nil {
		return "", err
	}
	var rows []*indexRow
	err = s.Read(ctx, tenant, &storage.Query{Table: indexTable, Limit: storage.MaxPage, Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: r.o.name},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(r.meta().ID)},
	}}, func() storage.Row {
		rows = append(rows, &indexRow{})
		return rows[len(rows)-1]
	})
	if err != nil {
		return "", err
	}
	found := map[string]*indexRow{}
	for _, row := range rows {
		found[row.field] = row
	}
	for _, f := range set.promoted {
		is, want := found[f.Key], f.row(r)
		delete(found, f.Key)
		if is != nil && !f.Ready {
			is.unique, want.unique = nil, nil
		}
		same := is != nil && *is == *want
		if is != nil && f.Protected {
			if same, err = c.blindedSame(ctx, tenant, is, want); err != nil {
				return "", err
			}
		}
		switch {
		case is == nil && !f.Ready:
		case !same:
			return fmt.Sprintf("the index of %s is not what the record has", f.name), nil
		}
	}
	for key := range found {
		return fmt.Sprintf("the index has a row under %s, which is no field that is indexed", key), nil
	}
	return "", nil
}

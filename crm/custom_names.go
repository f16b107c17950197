package crm

import (
	"context"
	"encoding/json"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// fieldNames are the names that the custom fields of an object ever had: its history
// names a field as it was called then.
type fieldNames struct {
	given map[string][]naming // by name, as they were given
	now   map[ID]string       // the last name of each field, deleted and purged ones too
}

// naming is a field getting a name. It has the name until it gets another one or is
// deleted, and then another field may get it.
type naming struct {
	field ID
	from  time.Time
}

// at returns the field that had a name at a time: the last to get it by then. A process
// that has not heard of a new name still writes the old one, and it is right that this
// field is meant. Without one it is the first to have it at all, or a zero ID.
func (n *fieldNames) at(name string, t time.Time) ID {
	var found naming
	for _, x := range n.given[name] {
		in, before := !x.from.After(t), !found.from.After(t)
		if found.field.IsZero() || in && (!before || !x.from.Before(found.from)) || !in && !before && x.from.Before(found.from) {
			found = x
		}
	}
	return found.field
}

// fieldNames reads them from the history of the tenant's fields.
func (c *Core) fieldNames(ctx context.Context, tenant, object string) (*fieldNames, error) {
	n := &fieldNames{given: map[string][]naming{}, now: map[ID]string{}}
	of := map[ID]bool{} // whether a field is the object's
	q := &storage.Query{
		Table: eventTable, Limit: storage.MaxPage, Where: storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: c.Fields.kind.o.name},
		Order: []storage.Order{{Field: storage.F("record_id")}, {Field: storage.F("version")}},
	}
	for {
		var rows []*eventRow
		err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
			rows = append(rows, &eventRow{})
			return rows[len(rows)-1]
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			n.note(row, object, of)
		}
		if len(rows) < q.Limit {
			return n, nil
		}
		last := rows[len(rows)-1]
		q.After = []any{last.record, last.version, last.id}
	}
}

// note takes an event of a field's history.
func (n *fieldNames) note(row *eventRow, object string, of map[ID]bool) {
	var changes struct {
		Object [2]*string `json:"object"`
		Name   [2]*string `json:"name"`
	}
	_ = json.Unmarshal(row.changes, &changes) // the kernel wrote it
	id := ID(row.record)
	if is := changes.Object[1]; is != nil {
		of[id] = *is == object
	}
	if !of[id] {
		return
	}
	name := n.now[id]
	if changes.Name[1] != nil {
		name = *changes.Name[1]
	} else if row.name != "field.restored" {
		return
	}
	n.now[id] = name
	n.given[name] = append(n.given[name], naming{id, row.recorded})
}

package crm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxMergedInto is how many records a history is read of together.
const maxMergedInto = 1000

// mergedHistory is a page of the history of a record and of all that were merged into it,
// directly or before, the latest recorded first.
func (r *reader) mergedHistory(ctx context.Context, id ID, opts listOptions) (Page[Event], error) {
	ids, err := r.mergedInto(ctx, id)
	if err != nil {
		return Page[Event]{}, err
	}
	q := &storage.Query{
		Table: eventTable, Limit: opts.limit + 1,
		Where: storage.And{r.ofObject(), storage.In{Field: storage.F("record_id"), Values: ids}},
		Order: []storage.Order{{Field: storage.F("recorded"), Desc: true}, {Field: storage.F("version"), Desc: true}},
	}
	if opts.after != "" { // none of it is a secret to who may read the record
		if q.After, err = historyPosition(opts.after); err != nil {
			return Page[Event]{}, err
		}
	}
	var rows []*eventRow
	err = r.core.session(ctx).Read(ctx, r.sc.Tenant, q, func() storage.Row {
		rows = append(rows, &eventRow{})
		return rows[len(rows)-1]
	})
	if err != nil {
		return Page[Event]{}, err
	}
	p := Page[Event]{}
	if len(rows) > opts.limit {
		rows = rows[:opts.limit]
		last := rows[opts.limit-1]
		p.Next = strings.Join([]string{strconv.FormatInt(last.recorded.UnixMicro(), 10), strconv.FormatInt(last.version, 10), last.id.String()}, ".")
	}
	for _, row := range rows {
		p.Items = append(p.Items, row.event(r.sc.Tenant))
	}
	return p, r.maskEvents(ctx, p.Items)
}

// historyPosition reads a cursor of such a page.
func historyPosition(cursor string) ([]any, error) {
	parts := strings.Split(cursor, ".")
	if len(parts) != 3 {
		return nil, errCursor
	}
	recorded, err := strconv.ParseInt(parts[0], 10, 64)
	version, wrong := strconv.ParseInt(parts[1], 10, 64)
	id, bad := ParseID(parts[2])
	if err != nil || wrong != nil || bad != nil {
		return nil, errCursor
	}
	return []any{time.UnixMicro(recorded).UTC(), version, uuid.UUID(id)}, nil
}

// mergedInto are the record and those that lead to it, as far as the actor may read them.
func (r *reader) mergedInto(ctx context.Context, id ID) ([]any, error) {
	all := []any{uuid.UUID(id)}
	for next := all; len(next) > 0; {
		row := make(storage.Values, len(partTable.Columns))
		var found []any
		note := func() {
			if row[1] != nil && !slices.Contains(all, row[1]) && !slices.Contains(found, row[1]) {
				found = append(found, row[1])
			}
		}
		err := r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
			Table: partTable, Columns: []int{1}, Limit: maxMergedInto + 1, Where: storage.And{
				r.ofObject(), storage.In{Field: storage.F("into_id"), Values: next}, storage.Absent{Field: storage.F("ended")},
			},
		}, func() storage.Row { note(); return row })
		if err != nil {
			return nil, err
		}
		note()
		if all, next = append(all, found...), found; len(all) > maxMergedInto {
			return nil, Invalid("", "more than %d records were merged into it: read the history of each, by Merges", maxMergedInto)
		}
	}
	if r.access.everything() {
		return all, nil
	}
	var seen []any
	row := make(storage.Values, len(r.columns))
	at := r.byName["id"].col
	note := func() {
		if row[at] != nil {
			seen = append(seen, row[at])
		}
	}
	err := r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: r.table, Columns: []int{at}, Limit: len(all), Where: r.access.reading(storage.And{storage.In{Field: storage.F("id"), Values: all}}),
	}, func() storage.Row { note(); return row })
	note()
	return seen, err
}

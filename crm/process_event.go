package crm

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// processEvents returns which events concern an instance: those of a record that some
// wait is about, and the ends of records. A wait that begins later than this look does
// not want them: it holds its record and remembers the version.
func (c *Core) processEvents(ctx context.Context, tenant string, events []placed) (map[ID]bool, error) {
	records := map[string][]any{}
	wanted := map[ID]bool{}
	for _, e := range events {
		if gone(e.name) {
			wanted[ID(e.id)] = true
		} else if !slices.Contains(records[e.object], any(e.record)) {
			records[e.object] = append(records[e.object], e.record)
		}
	}
	type record struct {
		object string
		id     uuid.UUID
	}
	waited := map[record]bool{}
	for object, ids := range records {
		q := &storage.Query{Table: waitTable, Columns: []int{0, 1, 3}, Limit: MaxPage, Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
			storage.In{Field: storage.F("record_id"), Values: ids},
		}}
		for {
			var page []storage.Values
			err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
				page = append(page, make(storage.Values, len(waitTable.Columns)))
				return page[len(page)-1]
			})
			for _, v := range page {
				id, _ := v[3].(uuid.UUID)
				waited[record{object, id}] = true
			}
			if err != nil {
				return nil, err
			}
			if len(page) < q.Limit {
				break
			}
			q.After = []any{page[len(page)-1][0], page[len(page)-1][1]}
		}
	}
	for _, e := range events {
		if waited[record{e.object, e.record}] {
			wanted[ID(e.id)] = true
		}
	}
	return wanted, nil
}

// withoutInstances reports that a tenant has no instances, not even ended ones, and so
// none that an event concerns. One that is made later begins its waits later.
func (c *Core) withoutInstances(ctx context.Context, tenant string) (bool, error) {
	found := false
	err := c.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: instanceTable, Columns: []int{0}, Limit: 1, Unordered: true,
	}, func() storage.Row {
		found = true
		return &instance{}
	})
	return !found, err
}

// gone reports whether an event is the end of its record.
func gone(event string) bool {
	return strings.HasSuffix(event, ".deleted") || strings.HasSuffix(event, ".absorbed") || strings.HasSuffix(event, ".purged")
}

// processEvent tells the instances that run on a record of what happened to it. It
// is called once for each event, in a transaction, in the scope of the tenant.
func (c *Core) processEvent(ctx context.Context, e Event) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	switch what := strings.TrimPrefix(e.Name, e.Object+"."); what {
	case "deleted", "absorbed", "purged": // of an absorbed record those that did not go over to the survivor
		return c.recordGone(ctx, sc.Tenant, e, what == "purged")
	}
	waits, err := c.waiting(ctx, sc.Tenant, e)
	if err != nil {
		return err
	}
	for _, w := range waits {
		if err := c.hear(ctx, sc.Tenant, w, e); err != nil {
			return err
		}
	}
	return nil
}

// waitRow is a row of waitTable, as far as it is needed.
type waitRow struct {
	instance uuid.UUID
	visit    int64
}

// waiting finds who waits for an event.
func (c *Core) waiting(ctx context.Context, tenant string, e Event) ([]waitRow, error) {
	var all []waitRow
	q := &storage.Query{Table: waitTable, Columns: []int{0, 1}, Limit: MaxPage, Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: e.Object},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(e.Record)},
		storage.In{Field: storage.F("event"), Values: []any{e.Name, e.Object + ".*"}},
	}}
	for {
		var page []storage.Values
		err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
			page = append(page, make(storage.Values, len(waitTable.Columns)))
			return page[len(page)-1]
		})
		for _, v := range page {
			id, _ := v[0].(uuid.UUID)
			visit, _ := v[1].(int64)
			all = append(all, waitRow{id, visit})
		}
		if err != nil || len(page) < q.Limit {
			return all, err
		}
		q.After = []any{all[len(all)-1].instance, all[len(all)-1].visit}
	}
}

// hear tells one wait of an event.
func (c *Core) hear(ctx context.Context, tenant string, w waitRow, e Event) error {
	return c.changeInstance(ctx, tenant, ID(w.instance), func(p *pass, _ *instance) (bool, error) {
		t := p.st.visit(w.visit)
		if t == nil || p.g.nodes[t.Step] == nil {
			return false, nil
		}
		if sc, err := scopeOf(ctx); err == nil {
			p.st.Cause = sc.cause // that of the delivery
		}
		changed, err := p.heard(t, p.g.nodes[t.Step], e.Name, e.Version)
		if err != nil {
			if stop := stoppedBy(err); stop != nil {
				return false, stop
			}
			p.stick(t, err)
			return true, nil
		}
		return changed, nil
	})
}

// recordGone ends what runs on a record that was deleted. Of one that was purged it
// forgets the variables too, which may hold what was in it.
func (c *Core) recordGone(ctx context.Context, tenant string, e Event, purged bool) error {
	where := storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: e.Object},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(e.Record)},
	}
	if !purged {
		where = append(where, unended())
		o := c.objects[e.Object]
		if o == nil {
			return nil
		}
		s, err := c.stage(ctx, tenant)
		if err != nil {
			return err
		}
		if r, err := s.record(o, uuid.UUID(e.Record)); err != nil || r != nil { // it was restored since
			return err
		}
	}
	for q := (&storage.Query{Where: where, Limit: MaxPage}); ; {
		list, err := c.instances(ctx, tenant, q)
		if err != nil {
			return err
		}
		for _, in := range list {
			q.After = []any{in.id}
			err := c.changeInstance(ctx, tenant, ID(in.id), func(p *pass, in *instance) (bool, error) {
				if !in.ended.IsZero() && (!purged || len(p.st.Vars) == 0) {
					return false, nil
				}
				if purged {
					p.st.Vars = nil
				}
				if !in.ended.IsZero() {
					p.ended, p.result, p.now = true, in.result, in.ended
					return true, nil
				}
				p.cancel("system", errRecordGone.Error())
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		if len(list) < q.Limit {
			return nil
		}
	}
}

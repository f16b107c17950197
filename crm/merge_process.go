package crm

import (
	"context"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// instanceKind is what the log of a merge calls processes that run.
const instanceKind = "process_instance"

// instanceRecord are the columns that change when an instance goes over to another record.
var instanceRecord = []int{instanceTable.Index("record_id"), instanceTable.Index("body")} //nolint:gochecknoglobals // a constant

// takeProcesses makes the processes that run on those absorbed run on the survivor. One of
// which the survivor runs already, and that runs once a record, stays: it ends because its
// record is gone.
func (m *merging) takeProcesses(ctx context.Context, row *mergeRow, version int64) (int64, error) {
	survivor := m.survivor.meta().ID
	var total int64
	for _, r := range m.absorbed {
		from := r.meta().ID
		taken, err := m.core.singles(ctx, m.sc.Tenant, m.name, survivor)
		if err != nil {
			return total, err
		}
		for after := []any(nil); ; {
			list, err := m.core.instances(ctx, m.sc.Tenant, &storage.Query{Where: runningOn(m.name, from), After: after, Limit: relinkBatch, Lock: true})
			if err != nil {
				return total, err
			}
			var moved []*instance
			var rows []storage.Change
			for _, in := range list {
				after = []any{in.id}
				if in.single && taken[in.process] {
					continue
				}
				taken[in.process] = taken[in.process] || in.single
				moved = append(moved, in)
				rows = append(rows, storage.Change{Action: storage.Insert, Table: moveTable, Row: storage.Values{
					row.id, instanceKind, "record_id", in.id, uuid.UUID(from), in.version + 1,
				}})
			}
			if err := m.core.session(ctx).Write(ctx, m.sc.Tenant, rows); err != nil {
				return total, err
			}
			if err := m.core.carryOver(ctx, m.sc.Tenant, moved, func(*instance) (ID, int64) { return survivor, version }); err != nil {
				return total, err
			}
			total += int64(len(moved))
			if len(list) < relinkBatch {
				break
			}
		}
	}
	return total, nil
}

// singles are the processes that run on a record, of which no second one may.
func (c *Core) singles(ctx context.Context, tenant, object string, record ID) (map[string]bool, error) {
	found := map[string]bool{}
	for after := []any(nil); ; {
		list, err := c.instances(ctx, tenant, &storage.Query{Where: runningOn(object, record), After: after, Limit: relinkBatch})
		if err != nil {
			return nil, err
		}
		for _, in := range list {
			found[in.process] = found[in.process] || in.single
			after = []any{in.id}
		}
		if len(list) < relinkBatch {
			return found, nil
		}
	}
}

func runningOn(object string, record ID) storage.Expr {
	return storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(record)}, unended(),
	}
}

// carryOver makes instances run on other records, which are at a version: what they wait
// for comes after it.
func (c *Core) carryOver(ctx context.Context, tenant string, list []*instance, to func(*instance) (ID, int64)) error {
	var rows []storage.Change
	for _, in := range list {
		st, err := in.decode()
		if err != nil {
			return err
		}
		record, version := to(in)
		for _, t := range st.Tokens {
			if t.After > 0 {
				t.After = version
			}
		}
		in.record, in.body = uuid.UUID(record), canonical(st)
		rows = append(rows, storage.Change{Action: storage.Update, Table: instanceTable, Row: in, Columns: instanceRecord, Version: in.version})
	}
	for _, in := range list {
		waits, err := c.waitsOf(ctx, tenant, in.id)
		if err != nil {
			return err
		}
		for _, w := range waits {
			w[3] = in.record
			rows = append(rows, storage.Change{Action: storage.Update, Table: waitTable, Row: w, Columns: []int{3}})
		}
	}
	for len(rows) > 0 {
		n := min(len(rows), storage.MaxChanges)
		if err := c.session(ctx).Write(ctx, tenant, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (c *Core) waitsOf(ctx context.Context, tenant string, instance uuid.UUID) (rows []storage.Values, err error) {
	err = c.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: waitTable, Where: storage.Is{Field: storage.F("instance_id"), Op: storage.Eq, Value: instance}, Limit: MaxPage,
	}, func() storage.Row {
		rows = append(rows, make(storage.Values, len(waitTable.Columns)))
		return rows[len(rows)-1]
	})
	return rows, err
}

// returnProcesses gives the processes that still run back to whom the merge took them from.
func (u *unmerging) returnProcesses(ctx context.Context, moves []storage.Values) error {
	from := map[uuid.UUID]ID{}
	ids := make([]uuid.UUID, len(moves))
	for i, m := range moves {
		ids[i], _ = m[3].(uuid.UUID)
		to, _ := m[4].(uuid.UUID)
		from[ids[i]] = ID(to)
	}
	versions := map[ID]int64{}
	for _, r := range u.restored {
		versions[r.meta().ID] = r.meta().Version
	}
	list, err := u.core.lock(ctx, u.sc.Tenant, ids...)
	if err != nil {
		return err
	}
	back := list[:0]
	for _, in := range list {
		if in.ended.IsZero() && in.record == u.row.survivor {
			back = append(back, in)
		}
	}
	if len(back) > 0 {
		u.returned[instanceKind] += int64(len(back))
	}
	return u.core.carryOver(ctx, u.sc.Tenant, back, func(in *instance) (ID, int64) { return from[in.id], versions[from[in.id]] })
}

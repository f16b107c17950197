package crm

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm/internal/cron"
	"github.com/embedcrm/embedcrm/storage"
)

// Schedule is a job that comes again and again.
type Schedule struct {
	Name string // of 1 to 64 bytes, unique in the tenant
	Kind string // of the jobs it enqueues
	// Cron is when: minute, hour, day of the month, month and day of the week, as in
	// crontab: "0 9 * * mon-fri", "*/15 * * * *"; or @hourly, @daily, @weekly, @monthly,
	// @yearly.
	Cron string
	// Zone is whose clocks it goes by: "Europe/Berlin"; empty is UTC. Where they leap
	// over a time, it comes at the leap; where they show one twice, it comes the first
	// time. A schedule that means every hour goes by the minutes as they come.
	Zone        string
	Payload     any // what its jobs are told; see [Job.Decode]
	Priority    Priority
	MaxAttempts int // of its jobs; 0 is 12

	// Next is when it comes next, in UTC: Schedules says it.
	Next time.Time
}

//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var scheduleTable = &storage.Table{Name: "schedule", Key: []string{"name"}, Version: "version", Columns: []storage.Column{
	{Name: "name", Kind: storage.Text}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int},
	{Name: "due", Kind: storage.Time, Null: true}, {Name: "kind", Kind: storage.Text}, {Name: "cron", Kind: storage.Text},
	{Name: "zone", Kind: storage.Text}, {Name: "payload", Kind: storage.JSON, Null: true}, {Name: "priority", Kind: storage.Int},
	{Name: "max_attempts", Kind: storage.Int},
}}

type scheduleRow struct {
	name             string
	version          int64
	bucket           int64
	due              time.Time
	kind, cron, zone string
	payload          json.RawMessage
	priority, most   int64
}

func (r *scheduleRow) Value(i int) any {
	if i == 7 && r.payload == nil {
		return nil
	}
	return [...]any{r.name, r.version, r.bucket, orNever(r.due), r.kind, r.cron, r.zone, r.payload, r.priority, r.most}[i]
}

func (r *scheduleRow) Dest(i int) any {
	return [...]any{&r.name, &r.version, &r.bucket, &r.due, &r.kind, &r.cron, &r.zone, &r.payload, &r.priority, &r.most}[i]
}

func (r *scheduleRow) change() storage.Change {
	return storage.Change{Action: storage.Update, Table: scheduleTable, Row: r, Version: r.version}
}

// next is when a schedule comes after a time.
func (r *scheduleRow) next(after time.Time) (time.Time, error) {
	s, err := cron.Parse(r.cron)
	if err != nil {
		return time.Time{}, Invalid("cron", "%s", err)
	}
	if len(r.zone) > 64 {
		return time.Time{}, Invalid("zone", "has more than 64 bytes")
	}
	loc, err := time.LoadLocation(r.zone)
	if err != nil || r.zone == "Local" {
		return time.Time{}, Invalid("zone", "is not known here: write one like Europe/Berlin")
	}
	return instant(s.Next(after, loc)), nil
}

func (c *Core) defineSchedules() {
	c.addQueue(&queue{
		name: "schedules", q: storage.Queue{Table: scheduleTable, Bucket: "bucket", Due: "due"},
		batch: 100, lease: time.Minute,
		row: func() storage.Row { return &scheduleRow{} },
		work: func(ctx context.Context, tenant string, rows []storage.Row) error {
			var errs []error
			for _, row := range rows {
				row, _ := row.(*scheduleRow)
				errs = append(errs, lost(c.Jobs.scheduled(System(ctx, tenant), tenant, row)))
			}
			return errors.Join(errs...)
		},
	})
}

// scheduled enqueues the job of a schedule that has come, and says when it comes next:
// after now, so that what was missed is done once. While the job of the last time is
// not finished, none is added.
func (j *Jobs) scheduled(ctx context.Context, tenant string, r *scheduleRow) error {
	return j.core.atomic(ctx, func(ctx context.Context) error {
		next, err := r.next(j.core.now())
		if err != nil { // its zone is no longer known
			return err
		}
		job := Job{Kind: r.kind, Key: "schedule:" + r.name, Priority: Priority(r.priority), MaxAttempts: int(r.most)}
		if r.payload != nil {
			job.Payload = r.payload
		}
		if _, err := j.enqueue(ctx, []Job{job}); err != nil {
			return err
		}
		after := *r
		after.due = next
		return j.write(ctx, tenant, after.change())
	})
}

// Schedule enqueues a job at the times that s means, from now on. A schedule of the
// same name is changed; called with what it is already it changes nothing, so that a
// host may call it each time it starts. A time that is missed because no process works
// is made up for once. While the job of the last time is not finished there is no
// second one.
func (j *Jobs) Schedule(ctx context.Context, s Schedule) error {
	return failed("schedule", "job", ID{}, j.schedule(ctx, s))
}

func (j *Jobs) schedule(ctx context.Context, s Schedule) error {
	tenant, err := j.core.systemScope(ctx)
	if err != nil {
		return err
	}
	if !validWorkName(s.Name) {
		return Invalid("name", "a schedule's name is UTF-8 text of 1 to 64 bytes")
	}
	// What it enqueues is checked as one of its jobs is.
	job, err := j.row(scope{Actor: Actor{Tenant: tenant}}, &Job{Kind: s.Kind, Payload: s.Payload, Priority: s.Priority, MaxAttempts: s.MaxAttempts})
	if err != nil {
		return err
	}
	row := &scheduleRow{
		name: s.Name, version: 1, bucket: bucketOf(tenant), kind: s.Kind, cron: s.Cron, zone: s.Zone,
		payload: job.payload, priority: int64(s.Priority), most: job.most,
	}
	if row.zone == "" {
		row.zone = "UTC"
	}
	if row.due, err = row.next(j.core.now()); err != nil {
		return err
	}
	if _, err := j.core.Tenants.forWrite(ctx, tenant); err != nil {
		return err
	}
	return j.core.untilNoConflict(ctx, func(ctx context.Context) error {
		rows, err := j.schedules(ctx, tenant, storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: s.Name}, true)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return j.write(ctx, tenant, storage.Change{Action: storage.Insert, Table: scheduleTable, Row: row})
		}
		was := rows[0]
		row.version = was.version
		if was.cron == row.cron && was.zone == row.zone { // what is due already stays so
			row.due = was.due
		}
		return j.write(ctx, tenant, row.change())
	})
}

func (j *Jobs) schedules(ctx context.Context, tenant string, where storage.Expr, lock bool) (rows []*scheduleRow, err error) {
	err = j.core.session(ctx).Read(ctx, tenant, &storage.Query{Table: scheduleTable, Where: where, Limit: storage.MaxPage, Lock: lock}, func() storage.Row {
		rows = append(rows, &scheduleRow{})
		return rows[len(rows)-1]
	})
	return rows, err
}

// Unschedule ends a schedule. A job it enqueued stays. One that is not there is no
// error.
func (j *Jobs) Unschedule(ctx context.Context, name string) error {
	tenant, err := j.core.systemScope(ctx)
	if err == nil {
		err = j.core.atomic(ctx, func(ctx context.Context) error {
			rows, err := j.schedules(ctx, tenant, storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: name}, true)
			if err != nil || len(rows) == 0 {
				return err
			}
			return j.write(ctx, tenant, storage.Change{Action: storage.Delete, Table: scheduleTable, Row: rows[0], Version: rows[0].version})
		})
	}
	return failed("unschedule", "job", ID{}, err)
}

// Schedules returns the schedules of the tenant, by name, at most 10,000.
func (j *Jobs) Schedules(ctx context.Context) ([]Schedule, error) {
	tenant, err := j.core.systemScope(ctx)
	if err != nil {
		return nil, failed("list", "schedule", ID{}, err)
	}
	rows, err := j.schedules(ctx, tenant, nil, false)
	if err != nil {
		return nil, failed("list", "schedule", ID{}, err)
	}
	all := make([]Schedule, len(rows))
	for i, r := range rows {
		all[i] = Schedule{
			Name: r.name, Kind: r.kind, Cron: r.cron, Zone: r.zone, Priority: Priority(r.priority), MaxAttempts: int(r.most), Next: r.due,
		}
		if r.payload != nil {
			all[i].Payload = r.payload
		}
	}
	return all, nil
}

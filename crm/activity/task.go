package activity

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Priority says how urgent a task is.
type Priority string

// The priorities; empty is PriorityNormal.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
)

// Task is something somebody has to do: its owner is who. It hangs on a record, or on
// none; then it goes by its owner, as any record does.
type Task struct {
	crm.Record

	// Object and RecordID are the record it hangs on, of any kind; or neither.
	Object   string `crm:"max=48"         json:"object,omitempty"`
	RecordID crm.ID `crm:"subject=object" json:"record_id,omitzero"`
	Title    string `crm:"required,max=500,search,personal" json:"title"`
	Text     string `crm:"max=100000,search,personal"       json:"text,omitempty"`
	// DueOn is the day by whose end it is due, in the tenant's zone. Without it, Due may
	// be any time.
	DueOn crm.Date `json:"due_on,omitzero"`
	// Due is when it is due; with DueOn, the end of that day.
	Due time.Time `crm:"sort" json:"due,omitzero"`
	// RemindAt is when its owner is reminded, by the event task.reminded, once for each
	// time it is set to. Reminded is when that was last.
	RemindAt time.Time `json:"remind_at,omitzero"`
	Reminded time.Time `crm:"guarded" json:"reminded,omitzero"`
	// Repeat is the rule by which it comes again, in the form of RFC 5545: see [Repeats].
	// When it is done the next one is made. It counts from when this one is due.
	Repeat   string   `crm:"max=500" json:"repeat,omitempty"`
	Priority Priority `crm:"required,enum=low|normal|high" json:"priority"`
	// Done is when it was done; zero: it is open.
	Done time.Time `crm:"guarded" json:"done,omitzero"`
	// PreviousID is the task whose repetition it is.
	PreviousID crm.ID `crm:"guarded" json:"previous_id,omitzero"`
}

var _ crm.Validator = (*Task)(nil)

// Validate refuses a rule without a day from which it counts, or of another form.
func (t *Task) Validate() error {
	switch {
	case t.Repeat == "":
		return nil
	case t.Due.IsZero():
		return crm.Invalid("repeat", "counts from when the task is due: give due or due_on")
	}
	_, err := Repeats(t.Repeat, t.Due, t.Due, 1)
	return err
}

// Tasks are a tenant's tasks.
type Tasks struct {
	crm.Collection[Task]

	kind *crm.Kind[Task]
	core *crm.Core
}

// remindJob is the kind of the jobs that remind of tasks.
const remindJob = "task.remind"

func (a *Activity) defineTasks() error {
	t := &Tasks{core: a.core}
	kind, err := crm.Define(a.core, crm.Object[Task]{
		Name: "task", BeforeWrite: t.complete, AfterWrite: t.schedule,
		Timeline: []crm.Appearance{{On: "record_id", Title: "title"}, {On: "record_id", At: "done", Title: "title", Kind: "task.done"}},
	})
	if err != nil {
		return err
	}
	t.kind, t.Collection = kind, kind.Collection
	a.Tasks = t
	return crm.HandleJob(a.core.Jobs, remindJob, t.remind)
}

// complete gives a task what follows from the rest: the time by which it is due.
func (t *Tasks) complete(ctx context.Context, w *crm.Write[Task]) error {
	is := w.After
	if is.Priority == "" {
		is.Priority = PriorityNormal
	}
	var was Task
	if w.Before != nil {
		was = *w.Before
		if is.DueOn == was.DueOn && !is.Due.Equal(was.Due) { // it is moved to a time of its own
			is.DueOn = crm.Date{}
		}
	}
	if is.DueOn == (crm.Date{}) {
		if was.DueOn != (crm.Date{}) && is.Due.Equal(was.Due) {
			is.Due = time.Time{}
		}
		return nil
	}
	zone, err := t.core.Tenants.Zone(ctx)
	if err == nil {
		is.Due = endOf(is.DueOn, zone)
	}
	return err
}

// endOf is when a day is over in a zone.
func endOf(d crm.Date, zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, zone).UTC()
}

// Complete says that a task was done, now or at the time of [crm.At]. Of one that
// repeats the next is made in the same transaction, open, due when the rule says, and
// with its ID as PreviousID. A task that is done already is ErrInvalid.
func (t *Tasks) Complete(ctx context.Context, id crm.ID, opts ...crm.WriteOption) (Task, error) {
	var done Task
	err := t.core.Tx(ctx, func(ctx context.Context) (err error) {
		var next Task
		done, err = t.kind.Do(ctx, id, "done", func(task *Task) error {
			if !task.Done.IsZero() {
				return crm.Invalid("done", "the task is done already")
			}
			var err error
			if next, err = t.next(ctx, task); err != nil {
				return err
			}
			task.Done = t.core.Now(ctx)
			return nil
		}, opts...)
		if err == nil && next.Title != "" { // for an owner who may do the task, and add none
			_, err = t.Create(crm.Because(crm.SystemIn(ctx), "task.done"), next)
		}
		return err
	})
	if err != nil {
		return Task{}, err
	}
	return done, nil
}

// Reopen takes back that a task was done. The next one, of a task that repeats, stays.
func (t *Tasks) Reopen(ctx context.Context, id crm.ID, opts ...crm.WriteOption) (Task, error) {
	return t.kind.Do(ctx, id, "reopened", func(task *Task) error {
		if task.Done.IsZero() {
			return crm.Invalid("done", "the task is open")
		}
		task.Done = time.Time{}
		return nil
	}, opts...)
}

// next is the task that comes after one that is done, or a zero one.
func (t *Tasks) next(ctx context.Context, task *Task) (Task, error) {
	if task.Repeat == "" {
		return Task{}, nil
	}
	page, err := t.List(crm.SystemIn(ctx), crm.WithDeleted(), crm.Limit(1), crm.OrderBy("id"), crm.Where("previous_id == $1", task.ID))
	if err != nil || len(page.Items) > 0 { // it was done before, and reopened
		return Task{}, err
	}
	zone, err := t.core.Tenants.Zone(ctx)
	if err != nil {
		return Task{}, err
	}
	start, now := task.Due.In(zone), t.core.Now(ctx).In(zone)
	if byDay := task.DueOn != (crm.Date{}); byDay {
		start, now = beginOf(task.DueOn, zone), beginOf(crm.DateOf(now), zone)
	}
	at, rule, err := following(task.Repeat, start, now)
	if err != nil || at.IsZero() {
		return Task{}, err
	}
	next := Task{
		Object: task.Object, RecordID: task.RecordID, Title: task.Title, Text: task.Text,
		Priority: task.Priority, Repeat: rule, PreviousID: task.ID, Due: at,
	}
	next.OwnerID, next.Custom = task.OwnerID, task.Custom
	if task.DueOn != (crm.Date{}) {
		next.DueOn, next.Due = crm.DateOf(at), endOf(crm.DateOf(at), zone)
	}
	if !task.RemindAt.IsZero() {
		next.RemindAt = next.Due.Add(task.RemindAt.Sub(task.Due))
	}
	return next, nil
}

func beginOf(d crm.Date, zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
}

// remindTomorrow tries again a day later where the record that a task hangs on is deleted
// and may be restored; a task that is deleted is not reminded of.
func (t *Tasks) remindTomorrow(ctx context.Context, of reminder) error {
	task, err := t.Get(ctx, of.Task, crm.WithDeleted())
	if errors.Is(err, crm.ErrNotFound) || err == nil && (!task.Deleted.IsZero() || !task.reminds() || !task.RemindAt.Equal(of.At)) {
		return nil
	}
	if err != nil {
		return err
	}
	due := t.core.Now(ctx).Add(24 * time.Hour)
	_, err = t.core.Jobs.Enqueue(ctx, crm.Job{Kind: remindJob, Key: of.Task.String() + " " + due.Format(time.RFC3339Nano), Due: due, Payload: of})
	return err
}

// reminder is what a job knows of a task to remind of.
type reminder struct {
	Task crm.ID    `json:"task"`
	At   time.Time `json:"at"`
}

// reminds reports whether its owner is yet to be reminded of a task.
func (t *Task) reminds() bool {
	return !t.RemindAt.IsZero() && t.Done.IsZero() && t.Reminded.Before(t.RemindAt)
}

// schedule has the owner of a task reminded when he wants to be.
func (t *Tasks) schedule(ctx context.Context, w *crm.Write[Task]) error {
	is := w.After
	if is == nil || !is.Deleted.IsZero() || !is.reminds() {
		return nil
	}
	if was := w.Before; was != nil && was.RemindAt.Equal(is.RemindAt) && was.Done.IsZero() && was.Deleted.IsZero() {
		return nil
	}
	if crm.IsQuiet(ctx) && !is.RemindAt.After(t.core.Now(ctx)) { // that was elsewhere
		return nil
	}
	_, err := t.core.Jobs.Enqueue(crm.SystemIn(ctx), crm.Job{
		Kind: remindJob, Key: is.ID.String() + " " + is.RemindAt.Format(time.RFC3339Nano), Due: is.RemindAt,
		Payload: reminder{is.ID, is.RemindAt},
	})
	return err
}

// remind says that it is time to remind of a task, unless that has changed meanwhile.
func (t *Tasks) remind(ctx context.Context, _ crm.Job, of reminder) error {
	task, err := t.Get(ctx, of.Task)
	switch {
	case errors.Is(err, crm.ErrNotFound):
		return t.remindTomorrow(ctx, of)
	case err != nil:
		return err
	case !task.reminds() || !task.RemindAt.Equal(of.At):
		return nil
	}
	_, err = t.kind.Do(ctx, task.ID, "reminded", func(task *Task) error {
		task.Reminded = t.core.Now(ctx)
		return nil
	})
	return err
}

package crm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Jobs is work that the host's program does later, or not in the way of its user: once
// it is enqueued, and the transaction committed, it is done, also when the process
// ends before that.
type Jobs struct {
	core     *Core
	handlers map[string]*jobHandler
}

// Job is a piece of work. What Enqueue is given is above the line, what it and the
// other calls return is all of it.
type Job struct {
	Kind string // which handler does it
	// Key makes it the only one of its kind and key that is not finished, at most 255
	// bytes; empty: there may be many.
	Key string
	// Payload is what the handler is told, kept as JSON of at most 1 MiB; see
	// [Job.Decode].
	Payload any
	// Due is when it is done, if not at once.
	Due      time.Time
	Priority Priority
	// MaxAttempts is how often it is tried before it is given up; 0 is 12.
	MaxAttempts int

	// ----

	ID    ID
	State JobState
	// Existing says that Enqueue found a job of this key that is not finished, and
	// returned that one.
	Existing bool
	Created  time.Time
	Attempts int64  // how often it failed
	Error    string // what it failed at last
	// Done of Total is how far it is, as its handler said by [Progress].
	Done, Total int64
}

// Decode reads the payload of a job that was read into a pointer, as encoding/json
// does. A payload of another form is [ErrInvalid].
func (j Job) Decode(into any) error {
	text, _ := j.Payload.(json.RawMessage)
	if text == nil {
		text = json.RawMessage("null")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return failed("decode", "job", j.ID, Invalid("payload", "does not have the form of a %T", into))
	}
	return nil
}

// Priority is which jobs go before others of the same tenants. One that is lower is
// slowed by those above it, and never stopped.
type Priority int

// The priorities.
const (
	PriorityNormal Priority = 0
	PriorityHigh   Priority = 1
	PriorityLow    Priority = -1
)

// JobState is what is the matter with a job.
type JobState string

// The states. A job that is finished is no longer there.
const (
	// JobWaiting is one that is due, will be, or is being done.
	JobWaiting JobState = "waiting"
	// JobFailed is one that was given up: see Jobs.Retry and Jobs.Cancel.
	JobFailed JobState = "failed"
	// JobUncertain is one marked [AtMostOnce] of which nobody knows whether it was
	// done: see Jobs.Resolve.
	JobUncertain JobState = "uncertain"
)

// effect is where a handler works, and what may be promised of it.
type effect uint8

const (
	effectInside effect = iota
	effectIdempotent
	effectAtMostOnce
)

type jobHandler struct {
	fn     func(context.Context, Job) error
	effect effect
	lease  time.Duration
}

// JobOption says something about the handler of a kind of jobs; see [Jobs.Handle].
type JobOption func(*jobHandler)

// Idempotent calls the handler outside any transaction, for effects elsewhere that may
// be repeated: it is called again when it failed, and when the process ended before
// it was noted that it had succeeded. The job's ID is the key by which the other side
// knows a repetition.
func Idempotent() JobOption { return func(h *jobHandler) { h.effect = effectIdempotent } }

// AtMostOnce calls the handler outside any transaction, and never a second time unless
// somebody says so: that it begins is committed before. When it returns an error, or
// the process ends in the middle, nobody knows whether the other side did it: the job
// is then [JobUncertain] until [Jobs.Resolve]. An error marked by [NotDone] says that
// nothing was done, and is tried again.
func AtMostOnce() JobOption { return func(h *jobHandler) { h.effect = effectAtMostOnce } }

// Lease is for how long a handler outside a transaction may be silent before another
// worker takes its job; 5 minutes if it is not given. [Progress] begins it anew. Clocks
// of processes that differ by more than that cost work done twice, and nothing else.
func Lease(d time.Duration) JobOption { return func(h *jobHandler) { h.lease = d } }

// notDoneError is an error of a handler that has done nothing.
type notDoneError struct{ err error }

func (e notDoneError) Error() string { return e.err.Error() }
func (e notDoneError) Unwrap() error { return e.err }

// NotDone says that what a handler marked [AtMostOnce] was to do was surely not done:
// the connection was refused. The job is tried again. A nil err stays nil.
func NotDone(err error) error {
	if err == nil {
		return nil
	}
	return notDoneError{err}
}

func isNotDone(err error) bool {
	_, ok := errors.AsType[notDoneError](err)
	return ok
}

// Handle makes fn do the jobs of a kind, of 1 to 64 bytes. It is called before the
// first work. A job of a kind without a handler waits for a process that has one.
//
// fn's context is the tenant's own ([System]), and changes it makes name the job as
// their cause. It runs in a transaction with the note that the job is done, so that
// what it does by that context happens exactly once; [Idempotent] and [AtMostOnce] are
// for effects elsewhere. When it fails or panics, what it wrote is undone and it is
// called again later: after ten seconds, and each time twice that, up to six hours,
// until Job.MaxAttempts; [Permanent] ends that.
func (j *Jobs) Handle(kind string, fn func(ctx context.Context, job Job) error, opts ...JobOption) error {
	h := &jobHandler{fn: fn, lease: workLease}
	for _, opt := range opts {
		opt(h)
	}
	j.core.mu.Lock()
	defer j.core.mu.Unlock()
	var err error
	switch {
	case j.core.sealed.Load():
		err = Invalid("kind", "handlers are registered before Migrate")
	case !validWorkName(kind):
		err = Invalid("kind", "a kind of jobs is UTF-8 text of 1 to 64 bytes")
	case fn == nil:
		err = Invalid("fn", "there is no handler")
	case h.lease < time.Second:
		err = Invalid("lease", "a lease is at least a second")
	case j.handlers[kind] != nil:
		err = Invalid("kind", "there is a handler of %q already", kind)
	}
	if err == nil {
		j.handlers[kind] = h
	}
	return failed("handle", "job", ID{}, err)
}

// HandleJob is [Jobs.Handle] with the payload read into a T. A job whose payload has
// another form fails at once.
func HandleJob[T any](j *Jobs, kind string, fn func(ctx context.Context, job Job, payload T) error, opts ...JobOption) error {
	if fn == nil {
		return failed("handle", "job", ID{}, Invalid("fn", "there is no handler"))
	}
	return j.Handle(kind, func(ctx context.Context, job Job) error {
		var payload T
		if err := job.Decode(&payload); err != nil {
			return Permanent(err)
		}
		return fn(ctx, job, payload)
	}, opts...)
}

//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var jobTable = &storage.Table{Name: "job", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
	{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int},
	{Name: "due", Kind: storage.Time, Null: true}, {Name: "stopped", Kind: storage.Time, Null: true}, {Name: "state", Kind: storage.Text},
	{Name: "kind", Kind: storage.Text}, {Name: "key", Kind: storage.Text, Null: true}, {Name: "payload", Kind: storage.JSON, Null: true},
	{Name: "attempts", Kind: storage.Int}, {Name: "max_attempts", Kind: storage.Int}, {Name: "error", Kind: storage.Text, Null: true},
	{Name: "created", Kind: storage.Time}, {Name: "started", Kind: storage.Time, Null: true},
	{Name: "done", Kind: storage.Int}, {Name: "total", Kind: storage.Int}, {Name: "cause", Kind: storage.Text, Null: true},
}}

type jobRow struct {
	id           uuid.UUID
	version      int64
	bucket       int64
	due, stopped time.Time
	state        string
	kind, key    string
	payload      json.RawMessage
	attempts     int64
	most         int64
	err          string
	created      time.Time
	started      time.Time // when a handler of at-most-once effects began
	done, total  int64
	cause        string // what led to it, if it was due at once
}

func (r *jobRow) Value(i int) any {
	switch i {
	case 0:
		return r.id
	case 1:
		return r.version
	case 2:
		return r.bucket
	case 3:
		return orNever(r.due)
	case 4:
		return orNever(r.stopped)
	case 5:
		return r.state
	case 6:
		return r.kind
	case 7:
		return orAbsent(r.key)
	case 8:
		if r.payload == nil {
			return nil
		}
		return r.payload
	case 9:
		return r.attempts
	case 10:
		return r.most
	case 11:
		return orAbsent(r.err)
	case 12:
		return r.created
	case 13:
		return orNever(r.started)
	case 14:
		return r.done
	case 15:
		return r.total
	}
	return orAbsent(r.cause)
}

func (r *jobRow) Dest(i int) any {
	return [...]any{
		&r.id, &r.version, &r.bucket, &r.due, &r.stopped, &r.state, &r.kind, &r.key, &r.payload, &r.attempts, &r.most, &r.err,
		&r.created, &r.started, &r.done, &r.total, &r.cause,
	}[i]
}

// change is the update of the row at its version: all but what never changes.
func (r *jobRow) change() storage.Change {
	return storage.Change{Action: storage.Update, Table: jobTable, Row: r, Columns: []int{2, 3, 4, 5, 9, 11, 13, 14, 15}, Version: r.version}
}

func (r *jobRow) remove() storage.Change {
	return storage.Change{Action: storage.Delete, Table: jobTable, Row: r, Version: r.version}
}

// job is the row as a user sees it.
func (r *jobRow) job() Job {
	j := Job{
		ID: ID(r.id), Kind: r.kind, Key: r.key, Due: r.due, Priority: priorityOf(r.bucket), MaxAttempts: int(r.most),
		State: JobState(r.state), Created: r.created, Attempts: r.attempts, Error: r.err, Done: r.done, Total: r.total,
	}
	if r.payload != nil {
		j.Payload = r.payload
	}
	return j
}

// failed notes an attempt that failed.
func (r *jobRow) failed(now time.Time, err error) {
	r.attempts++
	r.err, r.started = errorText(err), time.Time{}
	if r.due = retried(now, r.id, r.attempts, r.most, err); r.due.IsZero() {
		r.stop(now, JobFailed)
	}
}

// stop makes it wait for somebody.
func (r *jobRow) stop(now time.Time, state JobState) {
	r.due, r.stopped, r.state = time.Time{}, now, string(state)
}

// wait makes it wait for its time.
func (r *jobRow) wait(until time.Time) {
	r.due, r.stopped, r.state, r.started = until, time.Time{}, string(JobWaiting), time.Time{}
}

// outsideBuckets is the first bucket of jobs whose handlers work outside a transaction.
// They are claimed one by one, since each may take long.
const outsideBuckets = Buckets * classes

// bucket is where jobs of a tenant are queued. Where the kind has no handler in this
// process, whoever claims the job puts it where it belongs.
func (j *Jobs) bucket(tenant, kind string, p Priority) int64 {
	b := bucketOf(tenant) + Buckets*int64(PriorityHigh-p)
	if h := j.handlers[kind]; h != nil && h.effect != effectInside {
		b += outsideBuckets
	}
	return b
}

func priorityOf(bucket int64) Priority {
	return PriorityHigh - Priority(bucket%outsideBuckets/Buckets)
}

// Enqueue puts a job into its queue, in the transaction of the context if there is
// one: then it is done if that commits, and only then. Any scope may enqueue, and the
// job is its tenant's. When a job of the same kind and key is not finished yet, that
// one is returned, marked Existing, and nothing is added.
func (j *Jobs) Enqueue(ctx context.Context, job Job) (Job, error) {
	all, err := j.enqueue(ctx, []Job{job})
	if err != nil {
		return Job{}, failed("enqueue", "job", ID{}, err)
	}
	return all[0], nil
}

// EnqueueAll is [Jobs.Enqueue] for many, all or none, at most 5,000.
func (j *Jobs) EnqueueAll(ctx context.Context, jobs []Job) ([]Job, error) {
	all, err := j.enqueue(ctx, jobs)
	return all, failed("enqueue", "job", ID{}, err)
}

const maxEnqueue = 5000

func (j *Jobs) enqueue(ctx context.Context, jobs []Job) ([]Job, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.core.ready(); err != nil {
		return nil, err
	}
	if len(jobs) > maxEnqueue {
		return nil, Invalid("", "%d jobs are too many for one call, and %d are allowed", len(jobs), maxEnqueue)
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	rows := make([]*jobRow, len(jobs))
	for i := range jobs {
		if rows[i], err = j.row(sc, &jobs[i]); err != nil {
			return nil, at(i, len(jobs), err)
		}
	}
	if _, err := j.core.Tenants.forWrite(ctx, sc.Tenant); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		all, err := j.insert(ctx, sc.Tenant, rows)
		if try == maxTries || !errors.Is(err, ErrConflict) { // else another has the key since
			return all, err
		}
	}
}

// row is a new job as it is kept.
func (j *Jobs) row(sc scope, job *Job) (*jobRow, error) {
	now := j.core.now()
	r := &jobRow{
		id: uuid.UUID(job.ID), version: 1, due: instant(job.Due), state: string(JobWaiting), kind: job.Kind, key: job.Key,
		most: int64(job.MaxAttempts), created: now,
	}
	if job.ID.IsZero() {
		r.id = uuid.UUID(j.core.ids.next(now))
	}
	if job.Due.IsZero() {
		r.due = now
	}
	if r.most == 0 {
		r.most = defaultAttempts
	}
	if !r.due.After(now) {
		r.cause = sc.cause
	}
	switch {
	case !validWorkName(job.Kind):
		return nil, Invalid("kind", "a kind of jobs is UTF-8 text of 1 to 64 bytes")
	case len(job.Key) > 255:
		return nil, Invalid("key", "has %d bytes, and 255 are allowed", len(job.Key))
	case job.Priority < PriorityLow || job.Priority > PriorityHigh:
		return nil, Invalid("priority", "is none of low, normal and high")
	case r.most < 1:
		return nil, Invalid("max_attempts", "a job is tried at least once")
	case len(sc.cause) > 200:
		return nil, Invalid("cause", "has %d bytes, and 200 are allowed", len(sc.cause))
	}
	if job.Payload != nil {
		text, err := json.Marshal(job.Payload)
		if err != nil {
			return nil, Invalid("payload", "has no JSON form: %s", kindOf(err))
		}
		r.payload = text
	}
	r.bucket = j.bucket(sc.Tenant, job.Kind, job.Priority)
	return r, nil
}

// insert adds those jobs whose key nobody has.
func (j *Jobs) insert(ctx context.Context, tenant string, rows []*jobRow) ([]Job, error) {
	known, err := j.holders(ctx, tenant, rows)
	if err != nil {
		return nil, err
	}
	all := make([]Job, len(rows))
	changes := make([]storage.Change, 0, len(rows))
	for i, r := range rows {
		of := [2]string{r.kind, r.key}
		if holder := known[of]; holder != nil {
			all[i] = holder.job()
			all[i].Existing = true
			continue
		}
		if r.key != "" {
			known[of] = r
		}
		all[i] = r.job()
		changes = append(changes, storage.Change{Action: storage.Insert, Table: jobTable, Row: r})
	}
	if len(changes) == 0 {
		return all, nil
	}
	if j.core.tx(ctx) != nil { // a conflict is no end of the caller's transaction
		err = j.core.atomic(ctx, func(ctx context.Context) error { return j.core.session(ctx).Write(ctx, tenant, changes) })
	} else if err = j.core.store.Write(ctx, tenant, changes); err == nil {
		j.core.nudge()
	}
	if fault, ok := errors.AsType[*storage.Error](err); ok && errors.Is(err, ErrConflict) && fault.Field == "id" {
		return nil, &ConflictError{Field: "id", Reason: "a job with this id exists"}
	}
	return all, err
}

// holders returns the unfinished jobs that have the keys.
func (j *Jobs) holders(ctx context.Context, tenant string, rows []*jobRow) (map[[2]string]*jobRow, error) {
	keys := map[string][]any{}
	for _, r := range rows {
		if r.key != "" {
			keys[r.kind] = append(keys[r.kind], r.key)
		}
	}
	known := map[[2]string]*jobRow{}
	for kind, values := range keys {
		found, err := j.read(ctx, tenant, &storage.Query{
			Where: storage.And{
				storage.Is{Field: storage.F("kind"), Op: storage.Eq, Value: kind},
				storage.In{Field: storage.F("key"), Values: values},
				storage.Not{Expr: storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: string(JobFailed)}},
			},
			Limit: len(values),
		})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			known[[2]string{r.kind, r.key}] = r
		}
	}
	return known, nil
}

func (j *Jobs) read(ctx context.Context, tenant string, q *storage.Query) (rows []*jobRow, err error) {
	q.Table = jobTable
	err = j.core.session(ctx).Read(ctx, tenant, q, func() storage.Row {
		rows = append(rows, &jobRow{})
		return rows[len(rows)-1]
	})
	return rows, err
}

// Get returns a job that is not finished. It takes the tenant's own scope, as all
// calls below do: see [System].
func (j *Jobs) Get(ctx context.Context, id ID) (Job, error) {
	tenant, err := j.core.systemScope(ctx)
	if err != nil {
		return Job{}, failed("get", "job", id, err)
	}
	rows, err := j.read(ctx, tenant, &storage.Query{Where: byID(id), Limit: 1})
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Job{}, failed("get", "job", id, err)
	}
	return rows[0].job(), nil
}

// JobFilter says which jobs List returns; the zero JobFilter all that are not finished.
type JobFilter struct {
	State JobState
	Kind  string
}

// List returns jobs in the order they were enqueued, as far as clocks tell, with the
// options [Limit] and [After].
func (j *Jobs) List(ctx context.Context, of JobFilter, opts ...ListOption) (Page[Job], error) {
	p, err := j.list(ctx, of, opts)
	return p, failed("list", "job", ID{}, err)
}

func (j *Jobs) list(ctx context.Context, of JobFilter, opts []ListOption) (Page[Job], error) {
	var p Page[Job]
	tenant, err := j.core.systemScope(ctx)
	if err != nil {
		return p, err
	}
	limit, after, err := byKey(opts)
	if err != nil {
		return p, err
	}
	where := storage.And{}
	if of.Kind != "" {
		where = append(where, storage.Is{Field: storage.F("kind"), Op: storage.Eq, Value: of.Kind})
	}
	switch of.State {
	case "":
	case JobWaiting, JobFailed, JobUncertain:
		where = append(where, storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: string(of.State)})
	default:
		return p, Invalid("state", "is none of waiting, failed and uncertain")
	}
	rows, err := j.read(ctx, tenant, &storage.Query{Where: where, After: after, Limit: limit + 1})
	if err != nil {
		return p, err
	}
	if len(rows) > limit {
		rows = slices.Clip(rows[:limit])
		p.Next = ID(rows[limit-1].id).String()
	}
	for _, r := range rows {
		p.Items = append(p.Items, r.job())
	}
	return p, nil
}

// Cancel removes a job, whatever its state. One that is being done inside a
// transaction is undone; what a handler outside one has done stays done.
func (j *Jobs) Cancel(ctx context.Context, id ID) error {
	err := j.change(ctx, id, func(r *jobRow) (storage.Change, error) { return r.remove(), nil })
	return failed("cancel", "job", id, err)
}

// Retry makes a job due now, with all its attempts before it again. One whose outcome
// is uncertain is ErrConflict: see Resolve.
func (j *Jobs) Retry(ctx context.Context, id ID) error {
	err := j.change(ctx, id, func(r *jobRow) (storage.Change, error) {
		if r.state == string(JobUncertain) || !r.started.IsZero() {
			return storage.Change{}, &ConflictError{Field: "state", Reason: "it may have been done: find out, and call Resolve"}
		}
		r.attempts = 0
		r.wait(j.core.now())
		return r.change(), nil
	})
	return failed("retry", "job", id, err)
}

// Resolve says whether a job was done of which that was uncertain: it is then finished,
// or due again.
func (j *Jobs) Resolve(ctx context.Context, id ID, done bool) error {
	err := j.change(ctx, id, func(r *jobRow) (storage.Change, error) {
		switch {
		case r.state != string(JobUncertain):
			return storage.Change{}, &ConflictError{Field: "state", Reason: "its outcome is not uncertain"}
		case done:
			return r.remove(), nil
		}
		r.attempts = 0
		r.wait(j.core.now())
		return r.change(), nil
	})
	return failed("resolve", "job", id, err)
}

// change changes a job that nobody else changes meanwhile.
func (j *Jobs) change(ctx context.Context, id ID, fn func(*jobRow) (storage.Change, error)) error {
	tenant, err := j.core.systemScope(ctx)
	if err != nil {
		return err
	}
	err = j.core.atomic(ctx, func(ctx context.Context) error {
		rows, err := j.read(ctx, tenant, &storage.Query{Where: byID(id), Limit: 1, Lock: true})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return ErrNotFound
		}
		change, err := fn(rows[0])
		if err != nil {
			return err
		}
		return j.core.session(ctx).Write(ctx, tenant, []storage.Change{change})
	})
	if _, known := errors.AsType[*ConflictError](err); !known && errors.Is(err, ErrConflict) {
		return &ConflictError{Field: "key", Reason: "another job of its kind has the key meanwhile"}
	}
	return err
}

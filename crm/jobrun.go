package crm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

func (c *Core) defineJobs() {
	c.Jobs = &Jobs{core: c, handlers: map[string]*jobHandler{}}
	q := storage.Queue{Table: jobTable, Bucket: "bucket", Due: "due"}
	row := func() storage.Row { return &jobRow{} }
	c.addQueue(&queue{name: "jobs", q: q, until: outsideBuckets, batch: 200, lease: workLease, row: row, work: c.Jobs.work})
	c.addQueue(&queue{name: "jobs outside", q: q, from: outsideBuckets, batch: 1, lease: workLease, row: row, work: c.Jobs.work})
}

// work does claimed jobs of a tenant: those whose handlers work in a transaction
// together in one, the others one by one.
func (j *Jobs) work(ctx context.Context, tenant string, rows []storage.Row) error {
	ctx = System(ctx, tenant)
	var inside []*jobRow
	var errs []error
	for _, row := range rows {
		r, _ := row.(*jobRow)
		switch h := j.handlers[r.kind]; {
		case h == nil:
			errs = append(errs, j.elsewhere(ctx, tenant, r))
		case h.effect == effectInside && r.bucket < outsideBuckets:
			inside = append(inside, r)
		case h.effect == effectInside, r.bucket < outsideBuckets: // another version of the program thinks otherwise
			errs = append(errs, j.move(ctx, tenant, r))
		default:
			errs = append(errs, j.outside(ctx, tenant, h, r))
		}
	}
	return errors.Join(append(errs, j.insides(ctx, tenant, inside))...)
}

// lost takes the loss of a lease for what it is: the job is another worker's, or gone.
func lost(err error) error {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (j *Jobs) write(ctx context.Context, tenant string, changes ...storage.Change) error {
	return j.core.session(ctx).Write(ctx, tenant, changes)
}

// elsewhere leaves a job to a process that knows its kind.
func (j *Jobs) elsewhere(ctx context.Context, tenant string, r *jobRow) error {
	r.due = j.core.now().Add(elsewhere)
	return lost(j.write(ctx, tenant, r.change()))
}

// move puts a job among those of its effect.
func (j *Jobs) move(ctx context.Context, tenant string, r *jobRow) error {
	r.bucket, r.due = j.bucket(tenant, r.kind, priorityOf(r.bucket)), j.core.now()
	return lost(j.write(ctx, tenant, r.change()))
}

// insides does jobs in one transaction. If that fails as a whole, each has one of its
// own; if that fails too, the job counts as failed itself.
func (j *Jobs) insides(ctx context.Context, tenant string, rows []*jobRow) error {
	if len(rows) == 0 || j.together(ctx, tenant, rows, nil) == nil {
		return nil
	}
	var errs []error
	for _, r := range rows {
		if ctx.Err() != nil { // another worker may have it at once
			r.due = j.core.now()
			errs = append(errs, lost(j.write(context.WithoutCancel(ctx), tenant, r.change())))
			continue
		}
		err := j.together(ctx, tenant, []*jobRow{r}, nil)
		if err == nil || ctx.Err() != nil {
			continue
		}
		found, reading := j.read(ctx, tenant, &storage.Query{Where: byID(ID(r.id)), Limit: 1})
		if reading != nil || len(found) == 0 || found[0].version != r.version {
			errs = append(errs, reading)
			continue
		}
		errs = append(errs, lost(j.together(ctx, tenant, []*jobRow{r}, err)))
	}
	return errors.Join(errs...)
}

// together does jobs in one transaction, each a savepoint, with the note of how they
// ended. With a verdict they are not done: that is what they failed at.
func (j *Jobs) together(ctx context.Context, tenant string, rows []*jobRow, verdict error) error {
	return j.core.atomic(ctx, func(ctx context.Context) error {
		var finished, failures []storage.Change
		for _, r := range rows {
			failed := verdict
			if failed == nil {
				var fatal error
				running := context.WithValue(j.handling(ctx, r), runningKey{}, &running{inside: true})
				failed, fatal = j.core.inside(running, r.kind, ID(r.id), func(ctx context.Context) error {
					return j.handlers[r.kind].fn(ctx, r.job())
				})
				if fatal != nil {
					return fatal
				}
			}
			if failed == nil {
				finished = append(finished, r.remove())
				continue
			}
			after := *r
			after.failed(j.core.now(), failed)
			failures = append(failures, after.change())
		}
		return j.write(ctx, tenant, append(finished, failures...)...)
	})
}

// handling is what the handler of a job works with.
func (j *Jobs) handling(ctx context.Context, r *jobRow) context.Context {
	return Because(ctx, chained("job", ID(r.id), r.cause))
}

// outside does a job whose handler works outside a transaction. One of at-most-once
// effects that was begun before is not begun again.
func (j *Jobs) outside(ctx context.Context, tenant string, h *jobHandler, r *jobRow) error {
	run := &running{core: j.core, tenant: tenant, lease: h.lease, row: *r}
	if !r.started.IsZero() {
		return lost(run.end(ctx, func(r *jobRow) storage.Change {
			r.err = "a worker began it and did not say how it ended"
			r.stop(j.core.now(), JobUncertain)
			return r.change()
		}))
	}
	if h.effect == effectAtMostOnce {
		run.row.started = j.core.now()
	}
	if h.effect == effectAtMostOnce || h.lease != workLease {
		if err := run.extend(ctx); err != nil {
			return lost(err)
		}
	}
	err := j.core.call(context.WithValue(j.handling(ctx, r), runningKey{}, run), r.kind, ID(r.id), func(ctx context.Context) error {
		return h.fn(ctx, r.job())
	})
	cancelled := ctx.Err() != nil
	return lost(run.end(context.WithoutCancel(ctx), func(r *jobRow) storage.Change {
		now := j.core.now()
		switch {
		case err == nil:
			return r.remove()
		case h.effect == effectAtMostOnce && !isNotDone(err) && !isPermanent(err):
			r.err = errorText(err)
			r.attempts++
			r.stop(now, JobUncertain)
		case cancelled && !isPermanent(err):
			r.wait(now)
		default:
			r.failed(now, err)
		}
		return r.change()
	}))
}

type runningKey struct{}

// running is a job at work in a handler.
type running struct {
	core   *Core
	tenant string
	lease  time.Duration
	inside bool // a transaction, whose end is the only news of it

	mu  sync.Mutex
	row jobRow // its version is the fencing token
}

// extend begins the lease anew. It writes outside any transaction of the handler's.
func (r *running) extend(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.row.due = r.core.now().Add(r.lease)
	return r.write(ctx, r.row.change())
}

func (r *running) write(ctx context.Context, change storage.Change) error {
	err := r.core.store.Write(ctx, r.tenant, []storage.Change{change})
	if err == nil {
		r.row.version++
	}
	return err
}

// end writes how the job ended.
func (r *running) end(ctx context.Context, fn func(*jobRow) storage.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.write(ctx, fn(&r.row))
	if err == nil {
		r.core.nudge()
	}
	return err
}

// Progress says in the handler of a job, marked [Idempotent] or [AtMostOnce], how far
// it is: done of total, in units of its own. It begins the job's [Lease] anew, so that
// a long job calls it often enough. ErrConflict says that the lease was lost: another
// worker may have the job, and this one should stop.
func Progress(ctx context.Context, done, total int64) error {
	run, _ := ctx.Value(runningKey{}).(*running)
	var err error
	switch {
	case run == nil:
		err = Invalid("", "the context is not one of a job's handler")
	case run.inside:
		err = Invalid("", "a job inside a transaction is done at once or not at all: mark its kind Idempotent")
	default:
		err = run.progress(ctx, done, total)
	}
	return failed("progress", "job", ID{}, err)
}

func (r *running) progress(ctx context.Context, done, total int64) error {
	r.mu.Lock()
	r.row.done, r.row.total = done, total
	r.mu.Unlock()
	err := r.extend(ctx)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return &ConflictError{Field: "lease", Reason: "it ran out and another worker may have the job, or it was cancelled: stop"}
	}
	return err
}

package privacy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// dueJob is the kind of jobs that say that a request's time is nearly up, or over.
const dueJob = "data_request.due"

// reminder is what such a job is told. It is about one day: when that moves, others come.
type reminder struct {
	ID   crm.ID
	Due  crm.Date
	Over bool
}

// instants are when the last days of a request begin, and when its time is over.
func (r *Requests) instants(ctx context.Context, due crm.Date) (soon, over time.Time, err error) {
	zone, err := r.core.Tenants.Zone(crm.SystemIn(ctx))
	if err != nil {
		return soon, over, err
	}
	return plusDays(due, -r.guard.policyOf(ctx).SoonDays).Time(zone), plusDays(due, 1).Time(zone), nil
}

// schedule has somebody told, each at its time.
func (r *Requests) schedule(ctx context.Context, q *Request) error {
	soon, over, err := r.instants(ctx, q.Due)
	if err != nil {
		return err
	}
	job := func(what string, at time.Time) crm.Job {
		return crm.Job{Kind: dueJob, Key: q.ID.String() + " " + what + " " + q.Due.String(), Due: at, Payload: reminder{q.ID, q.Due, what == "over"}}
	}
	_, err = r.core.Jobs.EnqueueAll(crm.SystemIn(ctx), []crm.Job{job("soon", soon), job("over", over)})
	return err
}

// remind is what the job does.
func (r *Requests) remind(ctx context.Context, _ crm.Job, is reminder) error {
	q, err := r.Get(ctx, is.ID)
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	if err != nil || !q.open() || q.Due != is.Due {
		return err
	}
	_, over, err := r.instants(ctx, q.Due)
	if err != nil || !is.Over && !r.core.Now(ctx).Before(over) { // it is over already, which the other job says
		return err
	}
	event := "due_soon"
	if is.Over {
		event = "overdue"
	}
	_, err = r.kind.Do(ctx, q.ID, event, func(q *Request) error {
		if is.Over {
			q.Overdue = true
		} else {
			q.DueSoon = true
		}
		return nil
	})
	return err
}

// Notice is what a person has to be told, and until when.
type Notice struct {
	Request Request
	// By is the last day on which he is told.
	By crm.Date
	// Reason is why, as it was given, and Until the day until which he waits, of an
	// extension.
	Reason string
	Until  crm.Date
	// Complaint says that he is told, too, that he may complain to a supervisory authority
	// and go to court (GDPR Article 12 (4); of PIPL Article 50, that he may go to court).
	Complaint bool
}

// Extend gives a request two months more, once, since it is complex or there are many:
// GDPR Article 12 (3). It ends three months after it came in. He is told why within the
// first month: what comes later is crm.ErrConflict. PIPL gives no more time, nor does
// [OtherLaw]: that is crm.ErrInvalid. Who is to be told, and what, is the Notice; telling
// him is the host's.
func (r *Requests) Extend(ctx context.Context, id crm.ID, reason string) (Notice, error) {
	n, err := r.extend(ctx, id, reason)
	return n, failed("extend", "data_request", id, err)
}

func (r *Requests) extend(ctx context.Context, id crm.ID, reason string) (n Notice, err error) {
	if strings.TrimSpace(reason) == "" {
		return n, crm.Invalid("reason", "is required: the person is told it")
	}
	err = r.core.Tx(ctx, func(ctx context.Context) error {
		q, err := r.held(ctx, id)
		if err != nil {
			return err
		}
		zone, err := r.core.Tenants.Zone(crm.SystemIn(ctx))
		if err != nil {
			return err
		}
		now, received := r.core.Now(ctx), crm.DateOf(q.Received.In(zone))
		by := plusMonths(received, 1)
		switch {
		case q.Law != GDPR:
			return crm.Invalid("law", "is %s, which gives no more time", q.Law)
		case !q.Extended.IsZero():
			return &crm.ConflictError{Field: "extended", Reason: "it was extended already, and that is done once"}
		case crm.DateOf(now.In(zone)).Compare(by) > 0:
			return &crm.ConflictError{Field: "extended", Reason: "the month is over within which the person is told of it"}
		}
		n = Notice{By: by, Reason: reason, Until: plusMonths(received, 3)}
		n.Request, err = r.kind.Do(ctx, id, "extended", func(q *Request) error {
			q.Due, q.Extended, q.ExtendedFor, q.DueSoon, q.Overdue = n.Until, now, reason, false, false
			return nil
		})
		return err
	})
	return n, err
}

// Refuse closes a request that is not answered: it is unfounded or excessive (GDPR Article
// 12 (5)), the law wants the data kept, nobody can tell who asks (Article 12 (6)), or
// nothing is known of him. He is told why within the time of the request, as the Notice
// says.
func (r *Requests) Refuse(ctx context.Context, id crm.ID, reason string) (Notice, error) {
	n, err := r.refuse(ctx, id, reason)
	return n, failed("refuse", "data_request", id, err)
}

func (r *Requests) refuse(ctx context.Context, id crm.ID, reason string) (n Notice, err error) {
	if strings.TrimSpace(reason) == "" {
		return n, crm.Invalid("reason", "is required: the person is told it")
	}
	q, err := r.opened(ctx, id)
	if err != nil {
		return n, err
	}
	n = Notice{By: q.Due, Reason: reason, Complaint: true}
	n.Request, err = r.kind.Do(ctx, id, "refused", func(q *Request) error {
		if !q.open() {
			return ErrClosed
		}
		q.State, q.Reason, q.Closed, q.ClosedBy = Refused, reason, r.core.Now(ctx), crm.ActorOf(ctx)
		return nil
	})
	return n, err
}

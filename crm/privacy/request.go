package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Kind is what a person asks for.
type Kind string

// What persons ask for: GDPR Articles 15, 16, 17, 18 and 21; PIPL 45, 46, 47 and 44.
const (
	Access   Kind = "access"   // what is known of him, and a copy
	Correct  Kind = "correct"  // that what is wrong is put right
	Erase    Kind = "erase"    // that it goes
	Restrict Kind = "restrict" // that it is kept and not used
	Object   Kind = "object"   // that it is not used for advertising
)

// State is how far a request is.
type State string

// The states of a request.
const (
	Open     State = "open"     // nobody looked yet who asks
	Verified State = "verified" // it is known who asks, and to be answered
	Done     State = "done"
	Refused  State = "refused"
)

// Request is what a person asks of the tenant about his data. It has rights of its own
// (the kind is data_request), and is no part of the record it is about: who answers
// requests reads them all, and a request stays when that record is deleted or purged, as
// the proof that it was answered. When the person is erased it loses what it says of him.
//
// Its history calls what happens data_request.created, verified, extended, due_soon,
// overdue, answered, lifted and refused.
type Request struct {
	crm.Record

	Kind Kind `crm:"required,enum=access|correct|erase|restrict|object" json:"kind"`
	// Object and RecordID are the record of the person. Both may be missing at first:
	// Update sets them, until somebody looked who asks. It stays the record that was
	// named: where that leads after a merge is found out when the request is answered.
	Object   string `crm:"max=48" json:"object,omitempty"`
	RecordID crm.ID `json:"record_id,omitzero"`
	// Contact is how to reach who asks, and Text what he wrote.
	Contact string `crm:"max=500,personal"  json:"contact,omitempty"`
	Text    string `crm:"max=5000,personal" json:"text,omitempty"`
	// Received is when it came in, from which on the time runs; zero: now. It stays.
	Received time.Time `crm:"required" json:"received"`
	// Law is by which it is answered; empty: that of the [Policy]. It stays.
	Law Law `crm:"required,enum=gdpr|pipl|other" json:"law"`
	// Due is the last day on which it is answered, by the tenant's clocks.
	Due   crm.Date `crm:"required,guarded,sort"                            json:"due"`
	State State    `crm:"required,guarded,enum=open|verified|done|refused" json:"state"`
	// DueSoon and Overdue say that subscribers were told so.
	DueSoon bool `crm:"guarded" json:"due_soon,omitempty"`
	Overdue bool `crm:"guarded" json:"overdue,omitempty"`
	// Extended is when the time was extended, and ExtendedFor why.
	Extended    time.Time `crm:"guarded"                   json:"extended,omitzero"`
	ExtendedFor string    `crm:"guarded,max=1000,personal" json:"extended_for,omitempty"`
	// Checked is when somebody looked who asks, CheckedBy who did, as the history names
	// him, or "token" where the person answered by one, and CheckedHow how.
	Checked    time.Time `crm:"guarded"                   json:"checked,omitzero"`
	CheckedBy  string    `crm:"guarded,max=250"           json:"checked_by,omitempty"`
	CheckedHow string    `crm:"guarded,max=1000,personal" json:"checked_how,omitempty"`
	// Closed is when it was done or refused, ClosedBy who did it, and Reason why it was
	// refused.
	Closed   time.Time `crm:"guarded"                   json:"closed,omitzero"`
	ClosedBy string    `crm:"guarded,max=250"           json:"closed_by,omitempty"`
	Reason   string    `crm:"guarded,max=1000,personal" json:"reason,omitempty"`
	// Proof shows that it was done: each verb says what it keeps there. Outcome is what
	// there is to say of it besides, as what an answer left out.
	Proof   string `crm:"guarded,max=1000" json:"proof,omitempty"`
	Outcome string `crm:"guarded,max=2000" json:"outcome,omitempty"`
	// Lifted is when a restriction ended, and LiftedFor why.
	Lifted    time.Time `crm:"guarded"                   json:"lifted,omitzero"`
	LiftedFor string    `crm:"guarded,max=1000,personal" json:"lifted_for,omitempty"`
}

var _ crm.Validator = (*Request)(nil)

// Validate refuses a record that is named by half, and an end without its proof.
func (q *Request) Validate() error {
	switch {
	case (q.Object == "") != q.RecordID.IsZero():
		return crm.Invalid("record_id", "and object go together: say which record of which kind it is about")
	case (q.State == Verified || q.State == Done) && q.Checked.IsZero():
		return crm.Invalid("checked", "is required of a request that is %s", q.State)
	case q.State == Done && q.Proof == "":
		return crm.Invalid("proof", "is required of a request that is done")
	}
	return nil
}

// open reports whether it is yet to be answered.
func (q *Request) open() bool { return q.State == Open || q.State == Verified }

// cause is what histories say of what is done for a request. It names nobody.
func (q *Request) cause() string { return "data request " + q.ID.String() }

// Requests are what persons ask of a tenant. What is open, and what is overdue:
//
//	crm.Where("state in ['open', 'verified']"), crm.OrderBy("due")
//	crm.Where("state in ['open', 'verified'] and due < today()")
type Requests struct {
	crm.Collection[Request]

	kind  *crm.Kind[Request]
	guard *Privacy
	core  *crm.Core
}

func (p *Privacy) defineRequests() error {
	r := &Requests{guard: p, core: p.core}
	kind, err := crm.Define(p.core, crm.Object[Request]{
		Name: "data_request", Initial: r.initial, BeforeWrite: r.check, AfterWrite: r.written,
	})
	if err != nil {
		return err
	}
	r.kind, r.Collection = kind, kind.Collection
	p.Requests = r
	p.core.AddCheck(r.sound)
	if err := p.core.AddPersonalData(crm.PersonalData{Name: "data_requests", Export: r.export, Erase: r.erase, Forget: r.forget}); err != nil {
		return err
	}
	if err := p.core.On("erasure.created", "privacy.erased", r.erased); err != nil {
		return err
	}
	return crm.HandleJob(p.core.Jobs, dueJob, r.remind)
}

// Open records that a request came in: Kind, and the record it is about or Contact. It
// says by which day it is answered: see [Law]. It is Create by its own name. To name a
// record takes the right to read that.
func (r *Requests) Open(ctx context.Context, q Request) (Request, error) { return r.Create(ctx, q) }

// Of returns a page of the requests about a record, the latest changed first, and of those
// about the records that were merged into it.
func (r *Requests) Of(ctx context.Context, object string, record crm.ID, opts ...crm.ListOption) (crm.Page[Request], error) {
	ids, err := r.guard.with(ctx, object, record)
	if err != nil {
		return crm.Page[Request]{}, failed("list", "data_request", crm.ID{}, err)
	}
	return r.List(ctx, append([]crm.ListOption{crm.Where("object == $1 and record_id in $2", object, ids)}, opts...)...)
}

// with is a record with those that lead to it. One that was deleted stands alone.
func (p *Privacy) with(ctx context.Context, object string, record crm.ID) ([]crm.ID, error) {
	ids, err := p.core.Absorbed(crm.SystemIn(ctx), object, record)
	if err != nil && !errors.Is(err, crm.ErrNotFound) {
		return nil, err
	}
	return append(ids, record), nil
}

// initial says how a request begins.
func (r *Requests) initial(ctx context.Context, w *crm.Write[Request]) error {
	q, policy := w.After, r.guard.policyOf(ctx)
	r.defaults(ctx, q)
	zone, err := r.core.Tenants.Zone(crm.SystemIn(ctx))
	if err != nil {
		return err
	}
	q.State = Open
	q.Due, err = policy.due(q.Law, crm.DateOf(q.Received.In(zone)))
	return err
}

// defaults are what is not given.
func (r *Requests) defaults(ctx context.Context, q *Request) {
	if q.Received.IsZero() {
		q.Received = r.core.Now(ctx)
	}
	if q.Law == "" {
		q.Law = r.guard.policyOf(ctx).Law
	}
}

// check holds that what the time and the answer rest on stays.
func (r *Requests) check(ctx context.Context, w *crm.Write[Request]) error {
	q, was := w.After, w.Before
	if was == nil {
		r.defaults(ctx, q)
		if q.Received.After(r.core.Now(ctx)) {
			return crm.Invalid("received", "lies in the future: record it once it came in")
		}
		if q.RecordID.IsZero() && q.Contact == "" {
			return crm.Invalid("contact", "is required as long as it is not known which record it is about")
		}
		return r.names(ctx, q)
	}
	if q.Kind != was.Kind || !q.Received.Equal(was.Received) || q.Law != was.Law {
		return crm.Invalid("kind", "law and when it was received stay as they are: open another request")
	}
	if q.Object == was.Object && q.RecordID == was.RecordID {
		return nil
	}
	if was.State != Open {
		return crm.Invalid("record_id", "stays, since it is the one for which somebody looked who asks: open another request")
	}
	return r.names(ctx, q)
}

// names refuses a record that is not there, or that the actor may not read.
func (r *Requests) names(ctx context.Context, q *Request) error {
	if q.RecordID.IsZero() {
		return nil
	}
	if !r.guard.admits(q.Object) {
		return crm.Invalid("object", "there are no requests about records of the kind %q: Privacy.Acts admits some", q.Object)
	}
	records, err := r.core.Records(q.Object)
	if err == nil {
		_, err = records.Get(ctx, q.RecordID, crm.WithDeleted())
	}
	if errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrForbidden) {
		return crm.Invalid("record_id", "refers to no %s that you may read", q.Object)
	}
	return err
}

// written holds that a request stays, and has somebody told when its time is nearly up.
func (r *Requests) written(ctx context.Context, w *crm.Write[Request]) error {
	switch {
	case w.Verb == crm.VerbDelete:
		return &crm.ConflictError{Field: "id", Reason: "a request is a proof, and stays: Refuse it"}
	case w.After.open() && (w.Before == nil || w.Before.Due != w.After.Due):
		return r.schedule(ctx, w.After)
	}
	return nil
}

// held holds a request that is to be answered, in a transaction, for an actor who may
// change it.
func (r *Requests) held(ctx context.Context, id crm.ID) (Request, error) {
	if _, err := r.kind.Hold(ctx, id); err != nil {
		return Request{}, err
	}
	return r.opened(ctx, id)
}

// opened is a request that is to be answered, for an actor who may change it.
func (r *Requests) opened(ctx context.Context, id crm.ID) (Request, error) {
	if err := r.May(ctx, crm.VerbUpdate, id); err != nil {
		return Request{}, err
	}
	q, err := r.Get(crm.SystemIn(ctx), id) // whole, whatever is hidden from the actor
	if err == nil && !q.open() {
		err = ErrClosed
	}
	return q, err
}

// toAnswer holds a request to be one of a kind, from somebody who is known.
func (q *Request) toAnswer(kind Kind) error {
	switch {
	case q.Kind != kind:
		return crm.Invalid("kind", "is %s, and is answered by the verb for that", q.Kind)
	case q.RecordID.IsZero():
		return ErrUnknown
	case q.State != Verified:
		return ErrUnverified
	}
	return nil
}

// person is the record that a request is about by now: where the one it names leads to.
// One that was deleted or purged is itself.
func (r *Requests) person(ctx context.Context, q *Request) (crm.ID, error) {
	id, err := r.core.Current(crm.SystemIn(ctx), q.Object, q.RecordID)
	if errors.Is(err, crm.ErrNotFound) {
		return q.RecordID, nil
	}
	return id, err
}

// living refuses a person who was erased and of whom nothing was recorded since.
func (r *Requests) living(ctx context.Context, object string, id crm.ID) error {
	records, err := r.core.Records(object)
	if err != nil {
		return err
	}
	page, err := records.History(crm.SystemIn(ctx), id, crm.Limit(1))
	if err == nil && len(page.Items) > 0 && page.Items[0].Name == object+".erased" {
		err = ErrErased
	}
	if errors.Is(err, crm.ErrNotFound) { // purged: the verb says what can be done
		return nil
	}
	return err
}

// close notes that a request was done.
func (r *Requests) close(ctx context.Context, id crm.ID, proof, outcome string) (Request, error) {
	return r.kind.Do(ctx, id, "answered", func(q *Request) error {
		if !q.open() {
			return ErrClosed
		}
		q.State, q.Proof, q.Outcome = Done, proof, outcome
		q.Closed, q.ClosedBy = r.core.Now(ctx), crm.ActorOf(ctx)
		return nil
	})
}

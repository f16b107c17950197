package crm

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// ErasureState is how far an erasure is.
type ErasureState string

// The states.
const (
	ErasureRunning ErasureState = "running" // the person is erased, and what hangs on him is being
	ErasureDone    ErasureState = "done"
)

// Erasure is the proof that a person was erased: who asked for it, when and why is in
// its history. It has no value of the person, is changed by nobody and not deleted.
type Erasure struct {
	Record

	// Object and RecordID say which record was the person's.
	Object   string `crm:"required,max=48,guarded" json:"object"`
	RecordID ID     `crm:"required,guarded"        json:"record_id"`
	// Reason is why.
	Reason string       `crm:"required,max=200,guarded"           json:"reason"`
	State  ErasureState `crm:"required,guarded,enum=running|done" json:"state"`
	// Records and Events are how many of them lost values.
	Records int64 `crm:"guarded" json:"records"`
	Events  int64 `crm:"guarded" json:"events"`
	// Keys is how many keyed hashes stay, by which the person is known should somebody
	// bring him back.
	Keys int64 `crm:"guarded" json:"keys"`
	// Others is how much was removed that is in no record, by source: see
	// [Core.AddPersonalData].
	Others map[string]int64 `crm:"guarded,json" json:"others,omitempty"`
	// Finished is when all of it was done.
	Finished time.Time `crm:"guarded" json:"finished,omitzero"`
}

// Erasures are a tenant's erasures. They are made by [Core.ErasePerson] alone.
type Erasures struct {
	Collection[Erasure]

	kind    *Kind[Erasure]
	sources []PersonalData
}

// PersonalData is what a module keeps about persons besides fields marked personal:
// files, ledgers, records that follow from others. Hooks are not called for an erasure,
// which nothing may refuse; this is.
type PersonalData struct {
	Name string // "files"
	// Export calls yield with all there is of a record, each as it is to be in JSON.
	Export func(ctx context.Context, object string, id ID, yield func(item any) error) error
	// Erase removes what there is of a record, and returns how much that was. It is
	// called in the transaction of the erasure: what it does outside the database it
	// leaves to a job.
	Erase func(ctx context.Context, object string, id ID) (int64, error)
	// Forget removes texts that may name a person and belong to no record of his, such as
	// conditions that somebody typed, where [Traces.In] says so, and returns how many it
	// removed. It is called in the transaction of the erasure.
	Forget func(ctx context.Context, of Traces) (int64, error)
}

// AddPersonalData registers what a module keeps about persons besides records, before
// Migrate. It is asked about the person's record and those that are a part of it. It has
// an Export and an Erase, or a Forget, or all three.
func (c *Core) AddPersonalData(p PersonalData) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch {
	case c.sealed.Load():
		err = Invalid("name", "sources of personal data are registered before Migrate")
	case p.Name == "" || (p.Export == nil) != (p.Erase == nil) || p.Erase == nil && p.Forget == nil:
		err = Invalid("name", "a source of personal data has a name, and an export and an erase, or a forget")
	case slices.ContainsFunc(c.Erasures.sources, func(o PersonalData) bool { return o.Name == p.Name }):
		err = Invalid("name", "there is a source %q already", p.Name)
	default:
		c.Erasures.sources = append(c.Erasures.sources, p)
	}
	return failed("add", "personal data", ID{}, err)
}

// eraseJob is the kind of jobs that finish an erasure whose process ended.
const eraseJob = "crm.erase"

// erasing marks the context of the kernel's own writes of erasures.
type erasing struct{}

func (c *Core) definePrivacy() error {
	k, err := Define(c, Object[Erasure]{
		Name: "erasure",
		BeforeWrite: func(ctx context.Context, w *Write[Erasure]) error {
			if ctx.Value(erasing{}) == nil && w.Before == nil {
				return forbidden("an erasure is made by ErasePerson")
			}
			return nil
		},
		AfterWrite: func(_ context.Context, w *Write[Erasure]) error {
			if w.Verb == VerbDelete {
				return &ConflictError{Field: "id", Reason: "an erasure is a proof, and stays"}
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	c.Erasures = &Erasures{Collection: k.Collection, kind: k}
	if err := c.defineRetentions(); err != nil {
		return err
	}
	return HandleJob(c.Jobs, eraseJob, func(ctx context.Context, _ Job, id ID) error {
		e, err := c.Erasures.Get(ctx, id)
		if err != nil || e.State == ErasureDone {
			return err
		}
		_, err = c.finishErasure(ctx, e)
		return err
	}, Idempotent())
}

// ErasePerson removes what the tenant knows about the person whom a record is of, and
// returns the proof of it: the values of all fields marked personal, of the record and
// of those that refer to it, deleted ones too, with their histories, words, index rows
// and causes that name one; the record's keys in other systems; and what modules keep
// besides. What is required gets the text "erased". Records stay, and with them sums and
// counts; the history says that values were erased, when and by whom, and a sealed one
// goes on to prove the rest. Of addresses, unique values and keys that were the person's a keyed
// hash stays: who records one of them again, by whatever verb, gets an [ErasedError],
// unless the context says why: see [Returned]. A record that was purged is erased as
// well, by the id it had.
//
// Records that were merged into the person's are erased with it, and so is what was kept
// to undo those merges: from then on [Kind.Unmerge] refuses to. A record that was merged
// into another is [ErrConflict], which names that one: erase that.
//
// The person's own record is erased in one transaction; what hangs on it follows in
// batches. If the process ends meanwhile, a job or a repeated call goes on. A person
// erased before is erased again, with what was recorded since.
//
// It takes the rights to delete the record and to create erasures; then it reaches
// whatever hangs on the record, readable to the actor or not. The reason, of 1 to 200
// bytes, must not name the person.
//
// What left the database is the host's: backups, exports, messages that were sent,
// what subscribers told other systems. So are texts in fields that are not marked
// personal. See docs/privacy.md.
func (c *Core) ErasePerson(ctx context.Context, object string, id ID, reason string) (Erasure, error) {
	e, err := c.erasePerson(ctx, object, id, reason, true)
	return e, failed("erase", object, id, err)
}

// ErasePerson is [Core.ErasePerson] for a record of the collection.
func (c *Collection[T]) ErasePerson(ctx context.Context, id ID, reason string) (Erasure, error) {
	return c.o.core.ErasePerson(ctx, c.o.name, id, reason)
}

// erasePerson erases; a reason that a person wrote is looked at, lest it names one.
func (c *Core) erasePerson(ctx context.Context, object string, id ID, reason string, written bool) (Erasure, error) {
	if err := c.ready(); err != nil {
		return Erasure{}, err
	}
	o := c.objects[object]
	if o == nil {
		return Erasure{}, Invalid("object", "there is no kind %q", clip(object))
	}
	if reason == "" || len(reason) > 200 {
		return Erasure{}, Invalid("reason", "has 1 to 200 bytes: an erasure says why")
	}
	var e Erasure
	err := c.atomic(Because(ctx, reason), func(ctx context.Context) (err error) {
		e, err = c.beginErasure(ctx, o, id, reason, written)
		return err
	})
	if err != nil {
		return Erasure{}, err
	}
	return c.finishErasure(ctx, e)
}

// beginErasure erases the person's own record, with the note that the rest is to be
// done.
func (c *Core) beginErasure(ctx context.Context, o *object, id ID, reason string, written bool) (Erasure, error) {
	w, err := o.writer(ctx, VerbDelete)
	if err != nil {
		return Erasure{}, err
	}
	before, err := w.toErase(ctx, id)
	if err != nil {
		return Erasure{}, err
	}
	if written { // a rule may find only that one's time over
		if err := w.goesWith(ctx, id); err != nil {
			return Erasure{}, err
		}
	}
	kept := Erasure{Object: o.name, RecordID: id, Reason: reason, State: ErasureRunning}
	kept.ID = c.ids.next(w.now)
	x, err := c.eraser(ctx, w, kept.ID)
	if err != nil {
		return Erasure{}, err
	}
	x.whole, x.always, x.reason = true, true, reason
	if written {
		x.texts = map[string]bool{}
	}
	x.traces = newTraces(true)
	if before != nil {
		err = x.page(ctx, w, []*rec{before})
	} else {
		err = x.purged(ctx, w, id)
	}
	if err == nil {
		err = x.beginMerged(ctx, w, id)
	}
	if err == nil {
		err = x.settle(ctx)
	}
	if err != nil {
		return Erasure{}, err
	}
	x.count(&kept)
	if kept, err = c.Erasures.Create(context.WithValue(ctx, erasing{}, true), kept); err != nil {
		return Erasure{}, err
	}
	_, err = c.Jobs.enqueue(System(ctx, w.sc.Tenant), []Job{{Kind: eraseJob, Key: kept.ID.String(), Payload: kept.ID}})
	return kept, err
}

// toErase loads the record of a person, living or deleted. Of a purged one it is nil:
// who may read all of its kind may erase what its history has.
func (w *writer) toErase(ctx context.Context, id ID) (*rec, error) {
	before, err := w.loadWhere(ctx, id, storage.And{})
	if err == nil {
		return before, w.access.mayWrite(ctx, VerbDelete, before)
	}
	if !errors.Is(err, ErrNotFound) || !w.access.everything() || w.exists(ctx, id) {
		return nil, err
	}
	if p, err := w.access.permit(VerbDelete); err != nil || p.level != LevelAll {
		return nil, errors.Join(ErrNotFound, err)
	}
	events, err := w.pastOf(ctx, id, 0, 1)
	if err == nil && len(events) == 0 {
		err = ErrNotFound
	}
	return nil, err
}

// pastOf reads events of a record behind a version.
func (w *writer) pastOf(ctx context.Context, id ID, after int64, limit int) (events []*eventRow, err error) {
	err = w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: eventTable, Limit: limit, Order: []storage.Order{{Field: storage.F("version")}}, Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name},
			storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
			storage.Is{Field: storage.F("version"), Op: storage.Gt, Value: after},
		},
	}, func() storage.Row {
		events = append(events, &eventRow{})
		return events[len(events)-1]
	})
	return events, err
}

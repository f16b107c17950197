package quality

import (
	"context"
	"errors"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// State is how far a bulk correction has come.
type State string

// The states of a bulk correction.
const (
	Running State = "running" // or stopped on the way: Resume goes on with it
	Done    State = "done"
	Undoing State = "undoing" // or stopped on the way: Undo goes on with it
	Undone  State = "undone"
)

// Run is one bulk correction.
type Run struct {
	crm.Record

	// ObjectName is the kind of record it is of.
	ObjectName string `crm:"required,guarded,max=48" json:"object"`
	// Where, Changes and Reason are as they were given. They are gone, all three, once a
	// person was erased whom one of them names: such a run is undone like others, and
	// cannot be resumed.
	Where   crm.Filter `crm:"json,guarded,personal"                             json:"filter"`
	Changes []Change   `crm:"json,guarded,personal"                             json:"changes"`
	Reason  string     `crm:"max=150,guarded,personal"                          json:"reason,omitempty"`
	State   State      `crm:"required,guarded,enum=running|done|undoing|undone" json:"state"`
	// Changed is how many records it changed, Refused how many it left as they are since
	// a rule or a right refused the change, or a value has no normal form.
	Changed int64 `crm:"guarded" json:"changed_count"`
	Refused int64 `crm:"guarded" json:"refused_count"`
}

// corrected is a record that a run changed: which version that made is all there is to
// know, since its history has the rest.
type corrected struct {
	RunID    crm.ID `crm:"required,ref=quality_run,parent,as=corrected" json:"run_id"`
	RecordID crm.ID `crm:"required"                                     json:"record_id"`
	Version  int64  `json:"version"`
	// Settled says that undoing it came by here, and Restored that it was restored.
	Settled  bool `json:"settled"`
	Restored bool `json:"restored"`
}

func (q *Quality) defineRuns() error {
	kind, err := crm.Define(q.core, crm.Object[Run]{
		Name: "quality_run",
		Initial: func(ctx context.Context, w *crm.Write[Run]) error { // so that only Apply makes one, or an import
			if begun, ok := ctx.Value(begunKey{}).(Run); ok {
				*w.After = begun
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	q.runs, q.Runs = kind, &kind.Collection
	q.corrected, err = crm.DefineLedger[corrected](q.core, crm.LedgerOf[corrected]{
		Name: "quality_corrected", Plural: "quality_corrected", Key: []string{"run_id", "record_id"},
	})
	return err
}

// begunKey marks in a context the run that Apply begins.
type begunKey struct{}

// Applied is what a bulk correction did.
type Applied struct {
	Run Run
	// Unchanged are the records it was for that are right already.
	Unchanged int64
	// Refusals are the first of those it left as they are, at most 20.
	Refusals []Refusal
}

// batch is how many records are corrected in one transaction.
const batch = 200

// Apply corrects records: those the actor may read and update, each by the ordinary way
// of changing it, with all rules, rights and its history, in which the cause is
// "correction", the id of the run and the reason. It takes the right to create a run. It commits as it goes, 200 records
// at a time; ended in between, also by the end of the process, it is gone on with by
// [Quality.Resume]. Many records take long: call it in a job that is [crm.Idempotent],
// whose lease it keeps. Within a transaction it is a part of that.
func (q *Quality) Apply(ctx context.Context, c Correction) (Applied, error) {
	x, err := q.prepare(ctx, c)
	if err != nil {
		return Applied{}, failed("apply", c.Object, crm.ID{}, err)
	}
	begun := Run{ObjectName: c.Object, Where: c.Where, Changes: c.Changes, Reason: c.Reason, State: Running}
	run, err := q.Runs.Create(context.WithValue(ctx, begunKey{}, begun), begun)
	if err != nil {
		return Applied{}, failed("apply", c.Object, crm.ID{}, err)
	}
	done, err := x.run(ctx, run)
	return done, failed("apply", c.Object, crm.ID{}, err)
}

// Resume goes on with a bulk correction that did not come to its end. It takes the right
// to update the run. One that is done or undone is [crm.ErrConflict], and so is one whose
// condition was erased.
func (q *Quality) Resume(ctx context.Context, run crm.ID) (Applied, error) {
	done, err := q.resume(ctx, run)
	return done, failed("resume", "quality_run", run, err)
}

func (q *Quality) resume(ctx context.Context, id crm.ID) (Applied, error) {
	if err := q.Runs.May(ctx, crm.VerbUpdate, id); err != nil {
		return Applied{}, err
	}
	run, err := q.Runs.Get(crm.SystemIn(ctx), id)
	if err != nil {
		return Applied{}, err
	}
	if err := run.is(Running); err != nil {
		return Applied{}, err
	}
	if run.erased() {
		return Applied{}, &crm.ConflictError{Field: "where", Reason: "was erased with a person it named: undo the correction, or apply another"}
	}
	x, err := q.prepare(ctx, Correction{Object: run.ObjectName, Where: run.Where, Changes: run.Changes, Reason: run.Reason})
	if err != nil {
		return Applied{}, err
	}
	return x.run(ctx, run)
}

// is refuses what takes another state than the run is in.
func (r *Run) is(state State) error {
	if r.State == state {
		return nil
	}
	return &crm.ConflictError{Field: "state", Reason: "the correction is " + string(r.State)}
}

// cause is what the history of a record says of a correction.
func (r *Run) cause() string {
	if r.Reason == "" {
		return "correction " + r.ID.String()
	}
	return "correction " + r.ID.String() + " " + r.Reason
}

// run corrects what there is to correct.
func (x *correcting) run(ctx context.Context, run Run) (Applied, error) {
	done := Applied{Run: run}
	ctx = crm.Because(ctx, run.cause())
	for cursor := ""; ; {
		next, err := x.step(ctx, run.ID, cursor, &done)
		if err != nil {
			return done, err
		}
		if err := crm.Progress(ctx, done.Run.Changed, 0); err != nil && !errors.Is(err, crm.ErrInvalid) { // which it is outside a job
			return done, err
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	system := crm.SystemIn(ctx)
	changed, err := x.q.corrected.Count(system, crm.Where("run_id == $1", run.ID))
	if err != nil {
		return done, err
	}
	refused := done.Run.Refused
	done.Run, err = x.q.runs.Do(system, run.ID, "done", func(r *Run) error {
		if err := r.is(Running); err != nil {
			return err
		}
		r.State, r.Changed, r.Refused = Done, changed, refused
		return nil
	})
	return done, err
}

// step corrects the records of one page, in one transaction.
func (x *correcting) step(ctx context.Context, run crm.ID, cursor string, done *Applied) (next string, err error) {
	before := *done
	err = x.q.core.Tx(ctx, func(ctx context.Context) error {
		*done = before
		done.Refusals = slices.Clip(before.Refusals)
		held, err := x.q.runs.Hold(crm.SystemIn(ctx), run) // two who go on with it take turns
		if err == nil {
			err = held.is(Running)
		}
		if err != nil {
			return err
		}
		page, err := x.records.List(ctx, crm.Where(x.Where.Text, x.Where.Args...), crm.OrderBy("id"), crm.Limit(batch), crm.After(cursor))
		if err != nil {
			return err
		}
		next = page.Next
		return x.correct(ctx, run, page.Items, done)
	})
	return next, err
}

// correct corrects records, and notes those it changed.
func (x *correcting) correct(ctx context.Context, run crm.ID, list []crm.Values, done *Applied) error {
	before, err := x.before(ctx, run, list)
	if err != nil {
		return err
	}
	var rows []corrected
	for _, v := range list {
		if before[v.ID()] {
			continue
		}
		version, err := x.one(ctx, v)
		switch {
		case err == nil && version == 0:
			done.Unchanged++
		case err == nil:
			done.Run.Changed++
			rows = append(rows, corrected{RunID: run, RecordID: v.ID(), Version: version})
		case ofRecord(err):
			if done.Run.Refused++; len(done.Refusals) < maxShown {
				done.Refusals = append(done.Refusals, Refusal{v.ID(), reasonOf(err)})
			}
		default:
			return err
		}
	}
	return x.q.corrected.Append(ctx, rows...)
}

// before are those of some records that the run changed before it was stopped.
func (x *correcting) before(ctx context.Context, run crm.ID, list []crm.Values) (map[crm.ID]bool, error) {
	ids := make([]crm.ID, len(list))
	for i, v := range list {
		ids[i] = v.ID()
	}
	page, err := x.q.corrected.List(ctx, crm.Where("run_id == $1 and record_id in $2", run, ids), crm.Limit(crm.MaxPage))
	before := map[crm.ID]bool{}
	for _, row := range page.Items {
		before[row.RecordID] = true
	}
	return before, err
}

// still refuses the record that another one was merged into in the place of that one.
func still(v crm.Values, id crm.ID) error {
	if v.ID() == id {
		return nil
	}
	return &crm.ConflictError{Field: "id", Reason: "it was merged into " + v.ID().String()}
}

// one corrects one record, and returns the version that made; 0: it is right already.
func (x *correcting) one(ctx context.Context, listed crm.Values) (int64, error) {
	changed, err := x.apply(listed.Copy())
	if err != nil || len(changed) == 0 {
		return 0, err
	}
	was, _ := listed["version"].(int64)
	kept, err := x.records.Update(ctx, listed.ID(), func(v crm.Values) error {
		if err := still(v, listed.ID()); err != nil {
			return err
		}
		_, err := x.apply(v)
		return err
	}, crm.IfVersion(was))
	if err != nil {
		return 0, err
	}
	is, _ := kept["version"].(int64)
	if is == was { // a hook brought it back to what it was
		return 0, nil
	}
	return is, nil
}

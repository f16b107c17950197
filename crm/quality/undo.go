package quality

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Undo is what became of a bulk correction that was undone.
type Undo struct {
	Run Run
	// Restored are the records that have their former values again, Left those that were
	// changed since, or cannot be changed back: they are as they were.
	Restored, Left int64
	// Reasons are why, of the first that were left: at most 100.
	Reasons []Refusal
}

const maxReasons = 100

// Undo gives the records that a bulk correction changed their former values back, from
// their history. A field that somebody changed since stays as it is, and its record is
// reported, and so is one that the actor may not change or that rules refuse. It takes
// the right to update the run, commits as it goes, may be stopped at any point and be
// called again. What was erased of a person does not come back, and is reported. One that was undone is [crm.ErrConflict]. A correction that did not come
// to its end is undone as far as it came.
func (q *Quality) Undo(ctx context.Context, run crm.ID) (Undo, error) {
	done, err := q.undo(ctx, run)
	return done, failed("undo", "quality_run", run, err)
}

func (q *Quality) undo(ctx context.Context, id crm.ID) (Undo, error) {
	if err := q.Runs.May(ctx, crm.VerbUpdate, id); err != nil {
		return Undo{}, err
	}
	system := crm.SystemIn(ctx)
	run, err := q.runs.Do(system, id, "undoing", func(r *Run) error {
		if r.State == Undone {
			return r.is(Undoing)
		}
		r.State = Undoing
		return nil
	})
	if err != nil {
		return Undo{}, err
	}
	u := &undoing{q: q, run: run, done: Undo{Run: run}}
	if u.records, err = q.core.Records(run.ObjectName); err != nil {
		return u.done, err
	}
	if u.fields, err = u.records.Fields(system); err != nil {
		return u.done, err
	}
	ctx = crm.Because(ctx, "undo "+run.cause())
	for more := true; more; {
		if more, err = u.step(ctx); err != nil {
			return u.done, err
		}
		if err := crm.Progress(ctx, u.done.Restored, 0); err != nil && !errors.Is(err, crm.ErrInvalid) { // which it is outside a job
			return u.done, err
		}
	}
	if u.done.Restored, err = q.corrected.Count(system, crm.Where("run_id == $1 and restored", id)); err != nil {
		return u.done, err
	}
	if u.done.Left, err = q.corrected.Count(system, crm.Where("run_id == $1 and not restored", id)); err != nil {
		return u.done, err
	}
	u.done.Run, err = q.runs.Do(system, id, "undone", func(r *Run) error {
		if err := r.is(Undoing); err != nil {
			return err
		}
		r.State = Undone
		return nil
	})
	return u.done, err
}

// undoing is a run being undone.
type undoing struct {
	q       *Quality
	run     Run
	records *crm.Records
	fields  []crm.FieldInfo
	done    Undo
}

// step undoes some records, in one transaction, and reports whether there may be more.
func (u *undoing) step(ctx context.Context) (more bool, err error) {
	before := u.done
	err = u.q.core.Tx(ctx, func(ctx context.Context) error {
		u.done = before
		u.done.Reasons = slices.Clip(before.Reasons)
		held, err := u.q.runs.Hold(crm.SystemIn(ctx), u.run.ID)
		if err == nil {
			err = held.is(Undoing)
		}
		if err != nil {
			return err
		}
		page, err := u.q.corrected.List(ctx, crm.Where("run_id == $1 and not settled", u.run.ID), crm.Limit(batch))
		if err != nil {
			return err
		}
		more = len(page.Items) == batch
		for i := range page.Items {
			row := &page.Items[i]
			row.Settled = true
			left, err := u.restore(ctx, row)
			switch {
			case err != nil && !ofRecord(err):
				return err
			case err != nil:
				left = reasonOf(err)
			}
			row.Restored = left == ""
			u.note(row, left)
		}
		return u.q.corrected.Put(ctx, page.Items...)
	})
	return more, err
}

// note counts a record that was restored, or left as it is for a reason.
func (u *undoing) note(row *corrected, left string) {
	if left == "" {
		u.done.Restored++
		return
	}
	u.done.Left++
	if len(u.done.Reasons) < maxReasons {
		u.done.Reasons = append(u.done.Reasons, Refusal{row.RecordID, left})
	}
}

// restore gives a record its former values, and says why some are not.
func (u *undoing) restore(ctx context.Context, row *corrected) (left string, err error) {
	latest, changes, since, err := u.history(crm.SystemIn(ctx), row)
	if err != nil {
		return "", err
	}
	former := crm.Values{}
	var kept []string
	for _, c := range changes {
		switch {
		case c.Erased():
			kept = append(kept, c.Field+" was erased")
		case slices.Contains(since, c.Field):
			kept = append(kept, c.Field+" was changed since")
		default:
			d := json.NewDecoder(bytes.NewReader(c.Before))
			d.UseNumber()
			var was any
			if err := d.Decode(&was); err != nil {
				return "", err
			}
			former[c.Field] = was
		}
	}
	if len(former) > 0 {
		_, err = u.records.Update(ctx, row.RecordID, func(v crm.Values) error {
			maps.Copy(v, former)
			return still(v, row.RecordID)
		}, crm.IfVersion(latest))
	}
	return strings.Join(kept, ", "), err
}

// history is what a run changed in a record, and what was changed since.
func (u *undoing) history(ctx context.Context, row *corrected) (latest int64, changes []crm.FieldChange, since []string, err error) {
	for cursor := ""; ; {
		page, err := u.records.History(ctx, row.RecordID, crm.After(cursor))
		if err != nil {
			return 0, nil, nil, err
		}
		for _, e := range page.Items {
			latest = max(latest, e.Version)
			if e.Version == row.Version {
				return latest, slices.DeleteFunc(e.Changes, u.follows), since, nil
			}
			for _, c := range e.Changes {
				since = append(since, c.Field)
			}
		}
		if cursor = page.Next; cursor == "" {
			return latest, nil, nil, crm.ErrNotFound
		}
	}
}

// follows reports whether a change was no one of the run's, but followed from it by a
// hook: undoing the run's, it follows again. Of a run whose changes were erased it is what
// no correction changes.
func (u *undoing) follows(c crm.FieldChange) bool {
	if u.run.erased() {
		f, ok := fieldOf(u.fields, c.Field)
		return !ok || !correctable(f)
	}
	return !slices.ContainsFunc(u.run.Changes, func(of Change) bool { return of.Field == c.Field })
}

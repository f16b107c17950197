package crm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// MaxPast is how many past changes a record is imported with at most.
const MaxPast = 1000

// Past is a change that a record went through before it was imported, as another system
// has it on record.
type Past struct {
	At time.Time
	// By is the key of the member who made it; empty: it is not known, and the history names
	// who imports it.
	By string
	// Before has the values that the changed fields had before it, by name: "stage_id",
	// "custom.tier". After it they have those of the next change, or of the record.
	Before map[string]any
}

// ImportPast adds records as [Records.Import] does, each with what happened to it before:
// past[i] is of list[i], in any order. The histories then tell it, each change at its time,
// and the records are at the version behind. A record whose own time of creation is not given
// was created at its first change. Values before are held against their fields' types alone:
// what rules and references allow today they need not have met.
func (r *Records) ImportPast(ctx context.Context, list []Values, past [][]Past) ([]error, error) {
	if len(past) > len(list) {
		return nil, failed("import", r.o.name, ID{}, Invalid("past", "is of %d records, and %d are given", len(past), len(list)))
	}
	faults, err := r.o.importAll(ctx, list, past)
	return faults, failed("import", r.o.name, ID{}, err)
}

// dated gives a record that is imported the time of its creation, where its past says it.
func (w *writer) dated(c *change, past []Past) error {
	if len(past) == 0 {
		return nil
	}
	if len(past) > MaxPast {
		return Invalid("past", "has %d changes, and %d are allowed", len(past), MaxPast)
	}
	first := past[0].At
	for _, p := range past {
		if p.At.IsZero() || p.At.After(w.now) {
			return Invalid("past", "a change has no time, or one that lies in the future")
		}
		if err := storage.CheckValue(eventTable, eventActor, p.By); err != nil {
			return Invalid("past", "by: %s", reason(err))
		}
		if p.At.Before(first) {
			first = p.At
		}
	}
	if first = instant(first); c.happened.IsZero() {
		c.happened = first
	}
	if first.Before(c.happened) {
		return Invalid("past", "a change lies before the record was created")
	}
	return nil
}

// recall gives a record that was prepared the changes that led to it. What each one left is
// what the next one found.
func (w *writer) recall(c *change, past []Past) error {
	past = slices.Clone(past)
	slices.SortStableFunc(past, func(a, b Past) int { return a.At.Compare(b.At) })
	is := c.after
	for _, p := range slices.Backward(past) {
		was, err := w.earlier(is, p.Before)
		if err != nil {
			return err
		}
		step := &change{o: c.o, verb: VerbUpdate, event: "updated", before: was, after: is, happened: instant(p.At), by: p.By}
		if step.diff(); len(step.cols) > 0 {
			c.past = append(c.past, step)
			is = was
		}
	}
	if len(c.past) == 0 {
		return nil
	}
	slices.Reverse(c.past)
	c.first = &change{o: c.o, verb: VerbCreate, event: c.event, after: is, happened: c.happened}
	c.first.diff()
	m := c.after.meta()
	m.Version, m.Updated = int64(1+len(c.past)), later(m.Updated, c.past[len(c.past)-1].happened)
	c.after.freeze()
	return nil
}

// earlier is a record as it was when fields of it had other values.
func (w *writer) earlier(is *rec, values map[string]any) (*rec, error) {
	was := is.clone()
	var wrong InvalidError
	fault := func(name, msg string) { wrong.Faults = append(wrong.Faults, Fault{"past." + clip(name), msg}) }
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(wrong.Faults) == maxUnknown {
			break
		}
		if f := w.byName[name]; !strings.HasPrefix(name, "custom.") && (f == nil || f.kernel && name != "owner_id") {
			fault(name, "is no field whose past values are kept")
		} else if err := w.settable(name); err != nil {
			return nil, err
		} else if msg := (Values{}).set(was, name, values[name]); msg != "" {
			fault(name, msg)
		}
	}
	of := func(f Fault) bool { _, given := values[f.Field]; return given }
	for _, f := range append(was.normalise(), w.customValues(&change{o: is.o, verb: VerbCreate, after: was})...) {
		if of(f) {
			fault(f.Field, f.Reason)
		}
	}
	if len(wrong.Faults) > 0 {
		return nil, &wrong
	}
	was.freeze()
	return was, nil
}

// settable is nil if the actor may write a field.
func (w *writer) settable(name string) error {
	if w.access.all {
		return nil
	}
	p, err := w.access.permit(VerbCreate)
	if err != nil {
		return err
	}
	return w.access.settable(p, name)
}

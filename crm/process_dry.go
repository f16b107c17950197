package crm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// DryStep is a step that an instance would come to.
type DryStep struct {
	Step string
	Kind StepKind
	// Outcome is how it would be left: by a case of a choose, "otherwise", or the
	// outcome that is assumed.
	Outcome string
	// Waits says that it would wait, and Until when that would end, where a time says.
	Waits bool
	Until time.Time
	// Conditions are those that were looked at, and what they are now.
	Conditions []DryCondition
}

// DryCondition is a condition, and whether it holds for the record now.
type DryCondition struct {
	If    string
	Holds bool
}

// DryRun tells which steps a version of a process, a draft too, would take for a
// record as it is now, and does nothing. Actions are taken to succeed, and waits to
// end by what they wait for, with Next or else their first outcome by name. It ends
// where the process goes round. It takes the right to read the version, the record,
// and every field that conditions name.
func (ps *Processes) DryRun(ctx context.Context, id, record ID) ([]DryStep, error) {
	steps, err := ps.dryRun(ctx, id, record)
	if stop := stoppedBy(err); stop != nil {
		err = stop
	}
	return steps, failed("dry run", processKind, id, err)
}

func (ps *Processes) dryRun(ctx context.Context, id, record ID) ([]DryStep, error) {
	p, err := ps.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	g, found := newGraph(&p)
	if len(found) > 0 {
		return nil, &InvalidError{Faults: found}
	}
	o := ps.core.objects[p.Object]
	if o == nil {
		return nil, Invalid("object", "there is no kind of record %q", clip(p.Object))
	}
	r, err := o.reader(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := o.get(ctx, record, nil); err != nil {
		return nil, err
	}
	s, err := ps.core.stage(ctx, r.sc.Tenant)
	if err != nil {
		return nil, err
	}
	st := begin(g, s.now, nil)
	d := &dryWorld{scene: scene{stage: s, g: g, in: &instance{object: p.Object, record: uuid.UUID(record)}, st: st, o: o}, r: r}
	return d.run(&pass{g: g, st: st, now: s.now, zone: s.zone, w: d})
}

// dryWorld is a world in which nothing is done.
type dryWorld struct {
	scene

	r    *reader
	seen []DryCondition // of the step at hand
}

var _ world = (*dryWorld)(nil)

func (d *dryWorld) holds(text string) (bool, error) {
	ok, err := d.r.matches(d.ctx, ID(d.in.record), text)
	d.seen = append(d.seen, DryCondition{text, ok})
	return ok, err
}

func (d *dryWorld) instant(field string) (time.Time, bool, error) {
	if err := d.r.access.readable(field); err != nil {
		return time.Time{}, false, err
	}
	return d.scene.instant(field)
}

func (d *dryWorld) version() (int64, error)               { return 0, nil }
func (d *dryWorld) act(_ *token, s *Step) (string, error) { return assumed(s), nil }
func (d *dryWorld) backoff(*token) time.Duration          { return 0 }

// assumed is the outcome of a step that nobody knows.
func assumed(s *Step) string {
	if s.Next != "" || len(s.Outcomes) == 0 {
		return ""
	}
	return slices.Min(slices.Collect(maps.Keys(s.Outcomes)))
}

// run follows the process.
func (d *dryWorld) run(p *pass) (path []DryStep, err error) {
	been := map[string]bool{}
	for !p.ended {
		t := p.st.runnable(p.now)
		waits := t == nil
		if waits {
			if t = d.waiting(p.st); t == nil {
				break
			}
		}
		n := p.g.nodes[t.Step]
		if at := fmt.Sprint(t.Step, t.In); n.Kind != StepJoin && !waits {
			if been[at] {
				break
			}
			been[at] = true
		}
		d.seen = nil
		left := len(p.left)
		if waits {
			err = p.leave(t, assumed(n.Step), n.follows(assumed(n.Step)))
		} else {
			err = p.step(t)
		}
		if err != nil {
			return path, err
		}
		if waits { // it is in the path already
			continue
		}
		step := DryStep{Step: n.Key, Kind: n.Kind, Conditions: d.seen}
		switch {
		case len(p.left) > left:
			step.Outcome = p.left[len(p.left)-1].outcome
		case t.State == tokenWaiting:
			step.Waits, step.Until = true, t.Due
		case t.State == tokenArrived:
			continue
		}
		path = append(path, step)
	}
	return path, nil
}

// waiting is a token that waits, or nil.
func (d *dryWorld) waiting(st *state) *token {
	for _, t := range st.Tokens {
		if t.State == tokenWaiting {
			return t
		}
	}
	return nil
}

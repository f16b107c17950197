package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const maxReason = 500 // bytes of why something was done by hand

// errEnded says that there is nothing more to do to an instance.
var errEnded = &ConflictError{Field: "state", Reason: "the instance has ended"}

// operate changes an instance by hand. What goes beyond the record, steering, takes
// the right to update all processes; all else the right to update the record.
func (is *Instances) operate(ctx context.Context, id ID, steering bool, fn func(ctx context.Context, p *pass, in *instance) (bool, error)) error {
	if err := is.core.ready(); err != nil {
		return err
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	return is.core.atomic(ctx, func(ctx context.Context) error {
		if _, err := is.readable(ctx, sc, id); err != nil {
			return err
		}
		return is.core.changeInstance(ctx, sc.Tenant, id, func(p *pass, in *instance) (bool, error) {
			var err error
			if steering {
				err = is.maySteer(ctx, sc)
			} else {
				_, err = is.core.mayStart(ctx, in.object, ID(in.record))
			}
			if err != nil {
				return false, err
			}
			return fn(ctx, p, in)
		})
	})
}

// maySteer is nil if the actor may update every process.
func (is *Instances) maySteer(ctx context.Context, sc scope) error {
	a, err := is.core.access(ctx, sc, is.core.Processes.o)
	if err != nil {
		return err
	}
	p, err := a.grant(VerbUpdate)
	if err == nil && p.level != LevelAll {
		err = forbidden("to steer instances takes the right to update every process")
	}
	return err
}

// reasonFault is what is wrong with the reason of something done by hand.
func reasonFault(reason string) error {
	if n := len(strings.TrimSpace(reason)); n == 0 || n > maxReason {
		return Invalid("reason", "say why, in at most %d bytes: the history keeps it", maxReason)
	}
	return nil
}

// Cancel ends an instance. It takes the right to update the record; the history keeps
// who did it and why.
func (is *Instances) Cancel(ctx context.Context, id ID, reason string) error {
	err := reasonFault(reason)
	if err == nil {
		err = is.operate(ctx, id, false, func(ctx context.Context, p *pass, in *instance) (bool, error) {
			if !in.ended.IsZero() {
				return false, errEnded
			}
			sc, err := scopeOf(ctx)
			p.cancel(sc.actor(), reason)
			return true, err
		})
	}
	return failed("cancel", "instance", id, err)
}

// Move brings an instance to a step by hand. Within a fork the branch that is moved is
// the one that is within the same forks as the step; where that is not exactly one,
// from names the step it is at. A step outside of all forks ends all branches. It
// takes the right to update every process; the history keeps who did it and why.
func (is *Instances) Move(ctx context.Context, id ID, from, to, reason string) error {
	err := reasonFault(reason)
	if err == nil {
		err = is.operate(ctx, id, true, func(ctx context.Context, p *pass, in *instance) (bool, error) {
			if !in.ended.IsZero() {
				return false, errEnded
			}
			sc, err := scopeOf(ctx)
			if err != nil {
				return false, err
			}
			return true, p.move(from, to, sc.actor(), reason)
		})
	}
	return failed("move", "instance", id, err)
}

// move brings a token to a step.
func (p *pass) move(from, to, actor, reason string) error {
	n := p.g.nodes[to]
	if n == nil {
		return Invalid("to", "the process has no step %q", clip(to))
	}
	var found []*token
	for _, t := range p.st.Tokens {
		if (from == "" || t.Step == from) && (len(n.forks) == 0 || slices.EqualFunc(t.In, n.forks, func(f frame, fork string) bool { return f.Fork == fork })) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return Invalid("from", "nothing is at a step within the same forks as %q", clip(to))
	case len(found) > 1 && len(n.forks) > 0:
		return Invalid("from", "%d branches are within the same forks: name the step of the one to be moved", len(found))
	}
	at, first := found[0], len(p.left)
	if len(n.forks) == 0 {
		for _, t := range p.st.Tokens {
			if t != at {
				p.note(t, "cancelled")
			}
		}
		p.st.Tokens, at.In = []*token{at}, nil
	}
	p.note(at, "moved")
	at.Hops = 0
	p.st.enter(at, to, p.now)
	p.by(first, actor, reason)
	return nil
}

// Retry does again at once what an instance is stuck at, or waits to try again. It
// takes the right to update the record. What is uncertain takes Resolve.
func (is *Instances) Retry(ctx context.Context, id ID) error {
	err := is.operate(ctx, id, false, func(ctx context.Context, p *pass, in *instance) (bool, error) {
		if !in.ended.IsZero() {
			return false, errEnded
		}
		sc, err := scopeOf(ctx)
		if err != nil {
			return false, err
		}
		again := 0
		for _, t := range p.st.Tokens {
			if t.State == tokenStuck || t.State == tokenReady && t.Tries > 0 {
				p.retried(t, sc.actor(), "")
				again++
			}
		}
		if again == 0 {
			return false, &ConflictError{Field: "state", Reason: "it is not stuck"}
		}
		return true, nil
	})
	return failed("retry", "instance", id, err)
}

// retried makes a token do its step again, and notes that.
func (p *pass) retried(t *token, actor, reason string) {
	p.st.Seq++
	p.left = append(p.left, visit{
		token: token{Step: t.Step, Visit: p.st.Seq, Since: p.now}, at: p.now, outcome: "retried", actor: actor, reason: reason,
	})
	t.State, t.Due, t.Tries, t.Hops, t.Error = tokenReady, time.Time{}, 0, 0, ""
}

// Resolve says what became of an action of which nobody knew: it was done, with this
// outcome, and the instance goes on; or it was not, and is done now. It takes the
// right to update every process; the history keeps who did it and why.
func (is *Instances) Resolve(ctx context.Context, id ID, step string, done bool, outcome, reason string) error {
	err := reasonFault(reason)
	if err == nil {
		err = is.operate(ctx, id, true, func(ctx context.Context, p *pass, _ *instance) (bool, error) {
			sc, err := scopeOf(ctx)
			if err != nil {
				return false, err
			}
			for _, t := range p.st.Tokens {
				if t.Step == step && t.State == tokenUncertain {
					return true, p.resolve(t, done, outcome, sc.actor(), reason)
				}
			}
			return false, &ConflictError{Field: "step", Reason: fmt.Sprintf("nothing is uncertain at %q", clip(step))}
		})
	}
	return failed("resolve", "instance", id, err)
}

func (p *pass) resolve(t *token, done bool, outcome, actor, reason string) error {
	if !done {
		p.retried(t, actor, reason)
		return nil
	}
	n := p.g.nodes[t.Step]
	if n == nil || n.follows(outcome) == "" {
		return Invalid("outcome", "nothing follows the outcome %q", clip(outcome))
	}
	first := len(p.left)
	err := p.leave(t, outcome, n.follows(outcome))
	p.by(first, actor, reason)
	return err
}

// readable returns an instance whose record the actor may read, deleted or not.
func (is *Instances) readable(ctx context.Context, sc scope, id ID) (*instance, error) {
	list, err := is.core.instances(ctx, sc.Tenant, isID(id))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrNotFound
	}
	in := list[0]
	if err := is.mayRead(ctx, in.object, in.record); err != nil {
		return nil, err
	}
	return in, nil
}

// mayRead is nil if the actor may read a record, deleted or not; of one that was
// purged, every record of its kind.
func (is *Instances) mayRead(ctx context.Context, object string, record uuid.UUID) error {
	o := is.core.objects[object]
	if o == nil {
		return ErrNotFound
	}
	_, err := o.historian(ctx, ID(record))
	return err
}

package crm

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// world is what steps need of the world. The interpreter below knows no database.
type world interface {
	// holds reports whether a condition holds for the record.
	holds(text string) (bool, error)
	// instant is the time in a field of the record, and false when it is empty.
	instant(field string) (time.Time, bool, error)
	// version holds the record, so that nothing happens to it till the transaction
	// ends, and returns its version.
	version() (int64, error)
	// act does an action of the transaction's, and returns its outcome. One with an
	// effect outside it does not: it returns an outsideError.
	act(t *token, s *Step) (outcome string, err error)
	// backoff is how long to wait after a token's last attempt failed.
	backoff(t *token) time.Duration
}

// outsideError says that an action is not the transaction's to do: whoever does it has so
// long.
type outsideError struct{ lease time.Duration }

func (outsideError) Error() string { return "the action has an effect outside" }

// errFull says that a worker has as many actions to do outside as it does within their
// leases: another, or the same when it has done them, takes up the rest.
var errFull = errors.New("the worker has enough to do")

// notHereError says that another version of the program knows how to go on, perhaps.
type notHereError struct{ what string }

func (n notHereError) Error() string { return "this version of the program does not know " + n.what }

// stopped is an error that ends the pass, and the transaction with it: nothing is
// known of the step.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }
func (s *stopped) Unwrap() error { return s.err }

// passSteps is how many steps an instance takes in one transaction.
const passSteps = 100

// pass moves the tokens of an instance until all rest. Who made it keeps what it
// says: the state, the history, the actions to be done outside.
type pass struct {
	g   *graph
	st  *state
	w   world
	now time.Time

	zone *time.Location // the calendar of spans; nil is UTC

	left    []visit  // the steps that were left, for the history
	outside []*token // those whose action is to be done outside, by whoever made the pass
	result  string   // the end that was reached
	ended   bool
	full    bool // no more in this transaction
}

// visit is a line of an instance's history: a step that was left.
type visit struct {
	token

	at      time.Time
	outcome string
	actor   string // who did it by hand
	reason  string
}

// run does what there is to do, at most so many steps.
func (p *pass) run(most int) error {
	for ; most > 0 && !p.ended && !p.full; most-- {
		t := p.st.runnable(p.now)
		if t == nil {
			return nil
		}
		err := p.step(t)
		if _, ok := errors.AsType[*stopped](err); ok {
			return err
		}
		if _, ok := errors.AsType[notHereError](err); ok {
			err = p.later(t, err)
		}
		if err != nil {
			p.stick(t, err)
		}
	}
	return nil
}

// later looks at a token again after a while, unless it was done so too often.
func (p *pass) later(t *token, err error) error {
	if t.Tries++; t.Tries >= defaultAttempts {
		return err
	}
	t.Due, t.Error = p.now.Add(p.w.backoff(t)), errorText(err)
	return nil
}

// stick stops a token until somebody looks.
func (p *pass) stick(t *token, err error) {
	t.State, t.Due, t.Error = tokenStuck, time.Time{}, errorText(err)
}

// step does the next thing a token has to do. An error means that it is stuck.
func (p *pass) step(t *token) error {
	n := p.g.nodes[t.Step]
	switch {
	case p.g.fault != nil:
		return p.g.fault
	case n == nil:
		return fmt.Errorf("the process has no step %q", t.Step)
	case t.State == tokenStarted:
		t.State, t.Due, t.Error = tokenUncertain, time.Time{}, "the action was begun, and how it ended is unknown"
		return nil
	case t.State == tokenWaiting:
		return p.wake(t, n)
	case t.Hops >= MaxStepsUnwaiting:
		return fmt.Errorf("it took %d steps without a wait: the process goes round", t.Hops)
	}
	switch n.Kind {
	case StepAction:
		return p.action(t, n)
	case StepWait:
		return p.wait(t, n)
	case StepChoose:
		for i, c := range n.Cases {
			ok, err := p.w.holds(c.If)
			if err != nil {
				return err
			}
			if ok {
				return p.leave(t, fmt.Sprintf("case %d", i+1), c.Next)
			}
		}
		return p.leave(t, "otherwise", n.Next)
	case StepFork:
		p.fork(t, n)
		return nil
	case StepJoin:
		return p.join(t, n)
	case StepEnd:
		p.end(n.Key)
		return nil
	}
	return fmt.Errorf("the step is of kind %q, which this program does not know", n.Kind)
}

// leave goes on to the next step.
func (p *pass) leave(t *token, outcome, next string) error {
	if p.g.nodes[next] == nil {
		return fmt.Errorf("nothing follows the outcome %q", clip(outcome))
	}
	p.note(t, outcome)
	p.st.enter(t, next, p.now).Hops++
	return nil
}

// note ends a visit in the history, and the round of a callback with it.
func (p *pass) note(t *token, outcome string) {
	p.left = append(p.left, visit{token: *t, at: p.now, outcome: outcome})
	if n := p.g.nodes[t.Step]; n != nil && n.Callback {
		if p.st.Rounds == nil {
			p.st.Rounds = map[string]int64{}
		}
		p.st.Rounds[t.Step]++
		delete(p.st.Answers, t.Step)
	}
}

// action does an action, or leaves it to be done outside.
func (p *pass) action(t *token, n *node) error {
	t.Tries++
	if t.Tries > defaultAttempts { // its workers died with it
		return fmt.Errorf("it was begun %d times and never ended", defaultAttempts)
	}
	outcome, err := p.w.act(t, n.Step)
	if _, stop := errors.AsType[*stopped](err); stop {
		return err
	}
	if errors.Is(err, errFull) {
		t.Tries--
		t.State, t.Due, p.full = tokenReady, p.now, true
		return nil
	}
	if out, ok := errors.AsType[outsideError](err); ok {
		t.State, t.Due = tokenOutside, p.now.Add(out.lease)
		p.outside = append(p.outside, t)
		return nil
	}
	return p.acted(t, n, outcome, err)
}

// acted goes on behind an action that was done, or tries it again later.
func (p *pass) acted(t *token, n *node, outcome string, err error) error {
	switch {
	case err != nil && (t.Tries >= defaultAttempts || isPermanent(err)):
		return err
	case err != nil:
		t.State, t.Due, t.Error = tokenReady, p.now.Add(p.w.backoff(t)), errorText(err)
		return nil
	}
	return p.leave(t, outcome, n.follows(outcome))
}

// follows is the step behind an outcome, or nothing.
func (n *node) follows(outcome string) string {
	if outcome == "" {
		return n.Next
	}
	return n.Outcomes[outcome]
}

// wait begins a wait, or goes on at once where there is nothing to wait for.
func (p *pass) wait(t *token, n *node) error {
	answer, answered := p.st.Answers[n.Key]
	switch {
	case n.Callback && answered:
		return p.leave(t, answer, n.follows(answer))
	case t.Came != "":
		return p.leave(t, t.Came, n.Next)
	}
	if n.onEvents(p.g.object) != "" {
		v, err := p.w.version()
		if err != nil {
			return err
		}
		t.After = v
	}
	due := time.Time{}
	switch {
	case n.Until != "":
		at, ok, err := p.till(n)
		if err != nil {
			return err
		}
		if ok && !at.After(p.now) {
			return p.leave(t, "", n.Next)
		}
		if ok {
			due = at
		}
	case n.For != "":
		due = p.moved(t.Since, n.For)
		if !due.After(p.now) {
			return p.leave(t, "", n.Next)
		}
	case n.If != "" && n.Event == "":
		ok, err := p.w.holds(n.If)
		if err != nil {
			return err
		}
		if ok {
			return p.leave(t, "", n.Next)
		}
	}
	if n.Timeout != "" {
		due = p.moved(t.Since, n.Timeout)
	}
	t.State, t.Due, t.Hops = tokenWaiting, due, 0
	return nil
}

// till is the time of a wait by a field of the record.
func (p *pass) till(n *node) (time.Time, bool, error) {
	at, ok, err := p.w.instant(n.Until)
	if err == nil && ok && n.For != "" {
		at = p.moved(at, n.For)
	}
	return at, ok, err
}

// wake looks at a wait whose time has come. What time sets off is no chain.
func (p *pass) wake(t *token, n *node) error {
	p.st.Cause = ""
	switch {
	case n.Kind != StepWait:
		return fmt.Errorf("it waits at a step of kind %q", n.Kind)
	case n.Until != "": // the field may have changed
		at, ok, err := p.till(n)
		switch {
		case err != nil:
			return err
		case !ok:
			t.Due = time.Time{}
			return nil
		case at.After(p.now):
			t.Due = at
			return nil
		}
		return p.leave(t, "", n.Next)
	case n.For != "":
		return p.leave(t, "", n.Next)
	}
	return p.leave(t, "timeout", cmp.Or(n.OnTimeout, n.Next))
}

// heard tells a waiting token of an event of its record. It reports whether that
// changed anything.
func (p *pass) heard(t *token, n *node, event string, version int64) (bool, error) {
	if t.State != tokenWaiting || version <= t.After {
		return false, nil
	}
	if n.Until != "" {
		t.Due = p.now
		return true, nil
	}
	if n.Event != "" && n.Event != event && n.Event != p.g.object+".*" {
		return false, nil
	}
	if n.If != "" {
		if ok, err := p.w.holds(n.If); err != nil || !ok {
			return false, err
		}
	}
	t.State, t.Due, t.Came = tokenReady, time.Time{}, event
	return true, nil
}

// fork goes on in every branch.
func (p *pass) fork(t *token, n *node) {
	p.note(t, "")
	p.st.remove(t)
	for i, to := range n.Branches {
		child := &token{In: make([]frame, 0, len(t.In)+1), Hops: t.Hops + 1}
		child.In = append(append(child.In, t.In...), frame{n.Key, t.Visit, i})
		p.st.Tokens = append(p.st.Tokens, p.st.enter(child, to, p.now))
	}
}

// join goes on when all branches have come, or with the first.
func (p *pass) join(t *token, n *node) error {
	if len(t.In) == 0 {
		return errors.New("it came to a join, and is in no branch of a fork")
	}
	of := t.In[len(t.In)-1]
	var others []*token
	for _, u := range p.st.Tokens {
		if u == t || !u.within(of) {
			continue
		}
		others = append(others, u)
		if !n.Any && (u.State != tokenArrived || u.Step != n.Key || len(u.In) != len(t.In)) {
			t.State, t.Due, t.Hops = tokenArrived, time.Time{}, min(t.Hops, MaxStepsUnwaiting-1)
			return nil
		}
	}
	for _, u := range others {
		outcome := "cancelled"
		if u.State == tokenArrived {
			outcome = ""
		}
		p.note(u, outcome)
		p.st.remove(u)
		t.Hops = max(t.Hops, u.Hops)
	}
	t.In = t.In[:len(t.In)-1]
	return p.leave(t, "", n.Next)
}

// end ends the instance, with all its branches.
func (p *pass) end(key string) {
	for _, t := range p.st.Tokens {
		outcome := "cancelled"
		if t.Step == key && t.State == tokenReady {
			outcome = ""
		}
		p.note(t, outcome)
	}
	p.st.Tokens, p.result, p.ended = nil, key, true
}

// cancel ends the instance from without.
func (p *pass) cancel(actor, reason string) {
	from := len(p.left)
	for _, t := range p.st.Tokens {
		p.note(t, "cancelled")
	}
	p.by(from, actor, reason)
	p.st.Tokens, p.ended = nil, true
}

// by says in the history who did what it has from a line on.
func (p *pass) by(from int, actor, reason string) {
	for i := range p.left[from:] {
		p.left[from+i].actor, p.left[from+i].reason = actor, reason
	}
}

// stoppedBy returns what ended a pass, or nil when err is about a step alone.
func stoppedBy(err error) error {
	if s, ok := errors.AsType[*stopped](err); ok {
		return s.err
	}
	return nil
}

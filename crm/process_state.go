package crm

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// state is where an instance is: what its row keeps as JSON.
type state struct {
	// Seq counts visits to steps. Each visit has a number, and in the end exactly one
	// row of the instance's history.
	Seq    int64                      `json:"seq"`
	Tokens []*token                   `json:"tokens,omitempty"`
	Vars   map[string]json.RawMessage `json:"vars,omitempty"`
	// Cause is what it was started by, or by which it last went on, as the history says
	// it: so a chain of events that set each other off has an end, also by way of here.
	Cause string `json:"cause,omitempty"`
	// Rounds is how often a wait for a callback was left, so that a token serves one
	// round. Answers are those that came before their wait was reached, or waits go on.
	Rounds  map[string]int64  `json:"rounds,omitempty"`
	Answers map[string]string `json:"answers,omitempty"`
}

// token is a place where an instance is: one, or one in each branch.
type token struct {
	Step  string     `json:"step"`
	Visit int64      `json:"visit"`
	In    []frame    `json:"in,omitempty"` // the forks it is within, the outermost first
	State tokenState `json:"state"`
	Since time.Time  `json:"since"`         // when it came to the step
	Due   time.Time  `json:"due,omitzero"`  // when it is to be looked at; zero: see due
	Hops  int        `json:"hops,omitzero"` // steps without a wait
	Tries int        `json:"tries,omitzero"`
	Error string     `json:"error,omitempty"`
	// After is the version of the record when a wait for an event began: earlier
	// events do not end it. Came is what ended it.
	After int64  `json:"after,omitzero"`
	Came  string `json:"came,omitempty"`
}

// frame is a fork that a token is within.
type frame struct {
	Fork   string `json:"fork"`
	Visit  int64  `json:"visit"` // of the fork
	Branch int    `json:"branch"`
}

// tokenState is what a token does.
type tokenState string

const (
	tokenReady     tokenState = "ready"     // its step is to be done, at Due at the earliest
	tokenWaiting   tokenState = "waiting"   // until Due, or something comes
	tokenArrived   tokenState = "arrived"   // at a join, before the others
	tokenOutside   tokenState = "outside"   // a worker has its action, until Due
	tokenStarted   tokenState = "started"   // the same, and it may be done at most once
	tokenStuck     tokenState = "stuck"     // somebody has to look
	tokenUncertain tokenState = "uncertain" // whether its action was done nobody knows
)

// due is when a token is to be looked at, and false for never.
func (t *token) due(now time.Time) (time.Time, bool) {
	switch t.State {
	case tokenReady:
		if t.Due.IsZero() {
			return now, true
		}
		return t.Due, true
	case tokenWaiting, tokenOutside, tokenStarted:
		return t.Due, !t.Due.IsZero()
	case tokenArrived, tokenStuck, tokenUncertain:
	}
	return time.Time{}, false
}

// due is when an instance is to be looked at, or zero.
func (s *state) due(now time.Time) (due time.Time) {
	for _, t := range s.Tokens {
		if at, ok := t.due(now); ok && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// runnable returns a token that has something to do, or nil.
func (s *state) runnable(now time.Time) *token {
	for _, t := range s.Tokens {
		if at, ok := t.due(now); ok && !at.After(now) {
			return t
		}
	}
	return nil
}

// summary is the instance's state, as its tokens make it.
func (s *state) summary() InstanceState {
	waiting := true
	for _, t := range s.Tokens {
		switch t.State {
		case tokenStuck, tokenUncertain:
			return InstanceStuck
		case tokenWaiting, tokenArrived:
		case tokenReady, tokenOutside, tokenStarted:
			waiting = false
		}
	}
	if waiting {
		return InstanceWaiting
	}
	return InstanceRunning
}

// visit finds a token by its visit.
func (s *state) visit(n int64) *token {
	for _, t := range s.Tokens {
		if t.Visit == n {
			return t
		}
	}
	return nil
}

// begin is the state of a new instance.
func begin(g *graph, now time.Time, vars map[string]json.RawMessage) *state {
	s := &state{Vars: vars}
	s.Tokens = []*token{s.enter(&token{}, g.first.Key, now)}
	return s
}

// enter brings a token to a step, which it has yet to do.
func (s *state) enter(t *token, step string, now time.Time) *token {
	s.Seq++
	*t = token{Step: step, Visit: s.Seq, In: t.In, State: tokenReady, Since: now, Hops: t.Hops}
	return t
}

func (s *state) remove(t *token) {
	s.Tokens = slices.DeleteFunc(s.Tokens, func(u *token) bool { return u == t })
}

// within reports whether a token is in a branch of a fork's visit.
func (t *token) within(f frame) bool {
	return slices.ContainsFunc(t.In, func(g frame) bool { return g.Visit == f.Visit })
}

// waits are the events that an instance's tokens wait for, by visit.
func (s *state) waits(g *graph) map[int64]string {
	var all map[int64]string
	for _, t := range s.Tokens {
		n := g.nodes[t.Step]
		if t.State != tokenWaiting || n == nil || n.onEvents(g.object) == "" {
			continue
		}
		if all == nil {
			all = map[int64]string{}
		}
		all[t.Visit] = n.onEvents(g.object)
	}
	return all
}

// because is the context of a step's action: the tenant's own, which names the instance
// as the cause of what is changed.
func (s *state) because(ctx context.Context, tenant string, id ID) context.Context {
	return Because(System(ctx, tenant), chained("process", id, s.Cause))
}

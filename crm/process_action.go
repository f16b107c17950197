package crm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// ActionCall is one call of an action, by a step of an instance.
type ActionCall struct {
	Instance ID
	Process  string // its key
	Step     string // the step's key
	Object   string // the kind of the record
	Record   ID     // the record it runs on
	Attempt  int    // from 1

	visit int64
	vars  map[string]json.RawMessage // as they were
	set   map[string]json.RawMessage // what the action changes of them; nil is removed
	token func(step string) (string, error)
}

// Key names the visit to the step: the same for each attempt, and another whenever an
// instance comes to the step again. An action with an effect outside gives it to
// whoever it calls, so that a second attempt is known to be one.
func (a *ActionCall) Key() string { return fmt.Sprintf("%s:%s:%d", a.Instance, a.Step, a.visit) }

// Variable reads a variable of the instance into a pointer, and reports whether there
// is one. The answer to a callback is in the variable of its step's key.
func (a *ActionCall) Variable(name string, into any) (bool, error) {
	raw, ok := a.set[name]
	if !ok {
		raw = a.vars[name]
	}
	if raw == nil {
		return false, nil
	}
	return true, json.Unmarshal(raw, into)
}

// SetVariable keeps a value for later steps, as JSON; nil removes it. It holds once
// the action has returned without an error. An instance has at most [MaxVariables]
// variables, of 16 KiB together.
func (a *ActionCall) SetVariable(name string, v any) error {
	var raw json.RawMessage
	if v != nil {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return Invalid(name, "is no JSON: %v", err)
		}
	}
	next := maps.Clone(a.set)
	if next == nil {
		next = map[string]json.RawMessage{}
	}
	next[name] = raw
	if err := (&ActionCall{set: next}).apply(&state{Vars: a.vars}); err != nil {
		return err
	}
	a.set = next
	return nil
}

// CallbackToken returns the token that answers a wait for a callback, which the
// instance comes to, or is at: an action sends it out, in a link. It serves once.
func (a *ActionCall) CallbackToken(step string) (string, error) { return a.token(step) }

func checkVariables(vars map[string]json.RawMessage) error {
	size := 0
	for name, v := range vars {
		if name == "" || len(name) > maxFieldName {
			return Invalid("variables", "a variable's name has 1 to %d bytes", maxFieldName)
		}
		if !json.Valid(v) {
			return Invalid("variables."+clip(name), "is no JSON")
		}
		size += len(name) + len(v)
	}
	if len(vars) > MaxVariables || size > maxVariables {
		return Invalid("variables", "are %d with %d bytes, and %d with %d are allowed", len(vars), size, MaxVariables, maxVariables)
	}
	return nil
}

// action is an action as steps call it.
type action struct {
	effect effect
	lease  time.Duration
	check  func(args json.RawMessage) error
	do     func(ctx context.Context, call *ActionCall, args json.RawMessage) (string, error)
}

// DefineAction makes an action known, that steps of processes name, before
// [Core.Migrate]. Its arguments are a struct: when a process is written the step's
// JSON is decoded into one, strictly, and its Validate asked, if it has one.
//
// The function is called with every right of the tenant, and returns an outcome, by
// which [Step].Outcomes chooses what follows, or "". It runs in a transaction with the
// move to the next step, so that what it does by its context happens exactly once. The
// options are those of a job's handler, for effects elsewhere: [Idempotent] is called
// outside any transaction, each attempt with the same [ActionCall.Key]; of [AtMostOnce]
// that it begins is committed first, and where its end is unknown the instance is
// stuck until [Instances.Resolve]; [Lease] is how long a worker has.
//
// When it fails or panics, what it wrote is undone and it is called again later: after
// ten seconds, and each time twice that, up to six hours. After twelve attempts, or at
// once with [Permanent], the instance is stuck. An error of an AtMostOnce action leaves its
// end unknown unless it is marked by [NotDone].
func DefineAction[A any](c *Core, name string, fn func(ctx context.Context, call *ActionCall, args A) (outcome string, err error), opts ...JobOption) error {
	decode := func(raw json.RawMessage) (A, error) {
		var args A
		if len(raw) == 0 {
			raw = json.RawMessage("{}")
		}
		if msg := strictly(raw, &args); msg != "" {
			return args, Invalid("", "%s", msg)
		}
		if v, ok := any(&args).(Validator); ok {
			return args, v.Validate()
		}
		return args, nil
	}
	h := &jobHandler{lease: workLease}
	for _, opt := range opts {
		opt(h)
	}
	a := &action{
		effect: h.effect, lease: h.lease,
		check: func(raw json.RawMessage) error { _, err := decode(raw); return err },
		do: func(ctx context.Context, call *ActionCall, raw json.RawMessage) (string, error) {
			args, err := decode(raw)
			if err != nil {
				return "", Permanent(err)
			}
			return fn(ctx, call, args)
		},
	}
	return failed("define", "action", ID{}, c.addAction(name, a, fn == nil))
}

func (c *Core) addAction(name string, a *action, empty bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sealed.Load():
		return Invalid("name", "actions are defined before Migrate")
	case len(name) > 100 || !actionName(name):
		return Invalid("name", `an action's name is like a field's, in parts where that helps: "sales.assign"`)
	case c.Processes.actions[name] != nil:
		return Invalid("name", "the action %q is defined already", name)
	case empty:
		return Invalid("fn", "there is no function")
	case a.lease < time.Second:
		return Invalid("lease", "a lease is at least a second")
	}
	c.Processes.actions[name] = a
	return nil
}

func actionName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if !isFieldName(part) {
			return false
		}
	}
	return true
}

// call makes the call of a step's action.
func (c *Core) callOf(ctx context.Context, g *graph, in *instance, st *state, t *token) *ActionCall {
	return &ActionCall{
		Instance: ID(in.id), Process: g.key, Step: t.Step, Object: g.object, Record: ID(in.record), Attempt: t.Tries,
		visit: t.Visit, vars: st.Vars,
		token: func(step string) (string, error) { return c.Instances.token(ctx, in, g, st, step) },
	}
}

func cloneVars(vars map[string]json.RawMessage) map[string]json.RawMessage {
	made := make(map[string]json.RawMessage, len(vars))
	maps.Copy(made, vars)
	return made
}

// safely calls an action. A panic is an error.
func (c *Core) safely(ctx context.Context, a *action, call *ActionCall, args json.RawMessage) (outcome string, err error) {
	err = c.call(ctx, "process "+call.Process+": "+call.Step, call.Instance, func(ctx context.Context) (err error) {
		outcome, err = a.do(ctx, call, args)
		return err
	})
	if err == nil && len(outcome) > maxFieldName {
		err = Permanent(errors.New("the outcome is too long"))
	}
	return outcome, err
}

package crm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
)

// StepKind is what a step does.
type StepKind string

// The kinds of steps.
const (
	StepAction StepKind = "action" // does something the program defined
	StepWait   StepKind = "wait"   // waits for a time, an event, a condition or a callback
	StepChoose StepKind = "choose" // goes on by the first condition that holds
	StepFork   StepKind = "fork"   // goes on in several branches at once
	StepJoin   StepKind = "join"   // goes on when the branches of a fork have come
	StepEnd    StepKind = "end"    // ends the instance, with all its branches
)

// Step is a part of a [Process]. What follows a step is named by its key. Spans of
// time are those of the expression language: "90min", "3d", "2mo", by the calendar of
// the tenant's zone. Conditions are in that language too, and about the record; see
// docs/expressions.md.
type Step struct {
	// Key names the step in its process: lower-case letters, digits and underscores.
	Key string `json:"key"`
	// Name is how the tenant calls it.
	Name string `json:"name,omitempty"`
	// Kind says what the step does, and so which of the fields below it has.
	Kind StepKind `json:"kind"`
	// Next is the step that follows: of a choose when no case holds. A fork and an
	// end have none.
	Next string `json:"next,omitempty"`

	// Action is what an action does, by the name it has in [DefineAction]; Args is
	// what is given to it.
	Action string          `json:"action,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
	// Outcomes lead from what an action or the answer to a callback returns to the
	// step that follows then. Without an outcome Next follows.
	Outcomes map[string]string `json:"outcomes,omitempty"`

	// For is how long a wait waits. With Until it moves that time, back with a minus
	// sign: "-3d".
	For string `json:"for,omitempty"`
	// Until is the field of the record that says till when a wait waits: a time, or a
	// date, whose first instant in the tenant's zone is meant. The wait follows the field when that
	// changes, and lasts while it is empty.
	Until string `json:"until,omitempty"`
	// Event is what a wait waits for: "deal.won", or "deal.*" for anything that
	// happens to the record.
	Event string `json:"event,omitempty"`
	// If is a condition. Of a wait for an event, what must hold besides, when the
	// event is delivered. Without an event the wait lasts until it holds: it is looked
	// at when the wait begins and whenever something happens to the record.
	If string `json:"if,omitempty"`
	// Callback makes a wait one for an answer from outside; see [Instances.Answer].
	Callback bool `json:"callback,omitempty"`
	// Timeout is how long a wait for an event, a condition or an answer lasts at
	// most, and OnTimeout what follows then; empty is Next.
	Timeout   string `json:"timeout,omitempty"`
	OnTimeout string `json:"on_timeout,omitempty"`

	// Cases are the ways of a choose; the first whose condition holds is taken.
	Cases []Case `json:"cases,omitempty"`

	// Branches are the steps a fork goes on with, all at once. Each must lead to the
	// step Join, or to an end, which ends all of them.
	Branches []string `json:"branches,omitempty"`
	Join     string   `json:"join,omitempty"`
	// Any makes a join go on with the first branch that comes, and end the others.
	Any bool `json:"any,omitempty"`
}

// Case is a way of a choose.
type Case struct {
	If   string `json:"if"`   // the condition
	Next string `json:"next"` // the step that follows when it holds
}

// strictly decodes JSON, and says what is wrong with it: a member that is unknown,
// a value of another type.
func strictly(data []byte, into any) string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		return "has something behind its end"
	}
	if err != nil {
		return "cannot be read: " + clip(strings.TrimPrefix(err.Error(), "json: "))
	}
	return ""
}

// stepName reports whether a text can be a step's key.
func stepName(s string) bool { return isFieldName(s) }

// fields are what a step has set, by name.
func (s *Step) fields() map[string]bool {
	return map[string]bool{
		"next": s.Next != "", "action": s.Action != "", "args": len(s.Args) > 0, "outcomes": len(s.Outcomes) > 0,
		"for": s.For != "", "until": s.Until != "", "event": s.Event != "", "if": s.If != "", "callback": s.Callback,
		"timeout": s.Timeout != "", "on_timeout": s.OnTimeout != "", "cases": len(s.Cases) > 0,
		"branches": len(s.Branches) > 0, "join": s.Join != "", "any": s.Any,
	}
}

// stepFields are the fields of each kind of step.
//
//nolint:gochecknoglobals // a constant
var stepFields = map[StepKind][]string{
	StepAction: {"next", "action", "args", "outcomes"},
	StepWait:   {"next", "for", "until", "event", "if", "callback", "timeout", "on_timeout", "outcomes"},
	StepChoose: {"next", "cases"},
	StepFork:   {"branches", "join"},
	StepJoin:   {"next", "any"},
	StepEnd:    {},
}

// moved returns a time moved by a span that was checked.
func (p *pass) moved(t time.Time, text string) time.Time {
	at, ok := filter.Shift(t, text, p.zone)
	if !ok {
		return t
	}
	return at
}

// isSpan reports whether a text is a span, and not back where that makes no sense.
func isSpan(text string, back bool) bool {
	_, ok := filter.Shift(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC), text, nil)
	return ok && (back || !strings.HasPrefix(text, "-"))
}

// onEvents is what a wait hears of: the event it waits for, or all of the record.
func (s *Step) onEvents(object string) string {
	switch {
	case s.Kind != StepWait:
		return ""
	case s.Event != "":
		return s.Event
	case s.If != "" || s.Until != "":
		return object + ".*"
	}
	return ""
}

// targets are the steps that may follow by the step's own fields, with the name of
// the field: branches of a fork too.
func (s *Step) targets(each func(field, to string)) {
	if s.Next != "" {
		each("next", s.Next)
	}
	if s.OnTimeout != "" {
		each("on_timeout", s.OnTimeout)
	}
	for n, c := range s.Cases {
		each(fmt.Sprintf("cases[%d].next", n), c.Next)
	}
	for name, to := range s.Outcomes {
		each(fmt.Sprintf("outcomes[%q]", clip(name)), to)
	}
	for n, to := range s.Branches {
		each(fmt.Sprintf("branches[%d]", n), to)
	}
}

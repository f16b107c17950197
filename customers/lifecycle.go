package customers

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Lifecycle is how far a customer has come with the business; empty: he is not looked at
// so.
type Lifecycle string

// The stages, in order.
const (
	StageSubscriber  Lifecycle = "subscriber"
	StageLead        Lifecycle = "lead"
	StageQualified   Lifecycle = "qualified"
	StageOpportunity Lifecycle = "opportunity"
	StageCustomer    Lifecycle = "customer"
	StageLoyal       Lifecycle = "loyal"
	// StageLapsed is a customer, or a loyal one, who buys no more.
	StageLapsed Lifecycle = "lapsed"
)

// Lifecycles returns the stages in their order.
func Lifecycles() []Lifecycle {
	return []Lifecycle{StageSubscriber, StageLead, StageQualified, StageOpportunity, StageCustomer, StageLoyal, StageLapsed}
}

// rank is the place in the order, from 0 on; -1: none.
func (l Lifecycle) rank() int { return slices.Index(Lifecycles(), l) }

// before reports whether going from l to another stage is going forward. Who lapsed and
// buys again goes forward too.
func (l Lifecycle) before(to Lifecycle) bool {
	if l == StageLapsed {
		return to == StageCustomer || to == StageLoyal
	}
	return to.rank() > l.rank()
}

// Advance takes a customer forward to a stage. One who is there, or further, stays where he
// is, and that is no error: so whatever shows that a customer has come so far may call it.
// A customer who lapsed comes back as StageCustomer or StageLoyal; to lapse takes that he was one. The
// history calls it customer.became_lead, customer.became_customer and so on.
func (c *Customers) Advance(ctx context.Context, id crm.ID, to Lifecycle, opts ...crm.WriteOption) (Customer, error) {
	kept, err := c.kind.Do(ctx, id, "became_"+string(to), func(o *Customer) error {
		switch {
		case to.rank() < 0:
			return crm.Invalid("lifecycle", "%q is no stage: the stages are %s", string(to), stageNames())
		case !o.Lifecycle.before(to):
			return errStays
		case to == StageLapsed && o.Lifecycle != StageCustomer && o.Lifecycle != StageLoyal:
			return crm.Invalid("lifecycle", "is %q, and only who bought can lapse", string(o.Lifecycle))
		}
		o.Lifecycle = to
		return nil
	}, opts...)
	if errors.Is(err, errStays) {
		kept, err = c.Get(ctx, id)
	}
	return kept, failed("advance", "customer", id, err)
}

// errStays ends a step to where a customer is already.
var errStays = errors.New("the customer is as far already")

// SetBack takes a customer back to an earlier stage, for a reason of at most 200 bytes,
// which the history keeps as the cause of customer.set_back. Nothing does so by itself. To
// the empty stage he is not looked at so any more.
func (c *Customers) SetBack(ctx context.Context, id crm.ID, to Lifecycle, reason string, opts ...crm.WriteOption) (Customer, error) {
	kept, err := c.kind.Do(crm.Because(ctx, reason), id, "set_back", func(o *Customer) error {
		switch {
		case strings.TrimSpace(reason) == "":
			return crm.Invalid("reason", "is required: say why the customer goes back")
		case to != "" && to.rank() < 0:
			return crm.Invalid("lifecycle", "%q is no stage: the stages are %s", string(to), stageNames())
		case to.rank() >= o.Lifecycle.rank():
			return crm.Invalid("lifecycle", "%q is not before %q: forward it goes by Customers.Advance", string(to), string(o.Lifecycle))
		}
		o.Lifecycle = to
		return nil
	}, opts...)
	return kept, failed("set back", "customer", id, err)
}

func stageNames() string {
	var names []string
	for _, l := range Lifecycles() {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}

// dateStage notes since when a customer is at his stage: BeforeWrite.
func (c *Customers) dateStage(ctx context.Context, w *crm.Write[Customer]) {
	is, was := w.After, w.Before
	switch {
	case is.Lifecycle == "":
		is.LifecycleSince = time.Time{}
	case was == nil && is.LifecycleSince.IsZero(), was != nil && was.Lifecycle != is.Lifecycle:
		is.LifecycleSince = c.core.Now(ctx)
	}
}

// LifecycleSpan is the time a customer spent at a stage.
type LifecycleSpan struct {
	Stage   Lifecycle
	Entered time.Time
	Left    time.Time // zero: he is there still
	Actor   string    // who took him there, as in [crm.Event]
	Cause   string    // why: the reason he was set back, the event that took him on
}

// maxSpans is how many spans LifecycleHistory returns at most.
const maxSpans = 1000

// LifecycleHistory returns the stages a customer has been at, the first first; of more
// than 1,000 the latest. It is read from his history, by those who may read him and his
// lifecycle.
func (c *Customers) LifecycleHistory(ctx context.Context, id crm.ID) ([]LifecycleSpan, error) {
	spans, err := c.lifecycleSpans(ctx, id)
	return spans, failed("lifecycle history", "customer", id, err)
}

func (c *Customers) lifecycleSpans(ctx context.Context, id crm.ID) ([]LifecycleSpan, error) {
	var spans []LifecycleSpan
	var left time.Time
	for cursor := ""; ; {
		page, err := c.History(ctx, id, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return nil, err
		}
		for _, e := range page.Items { // the latest first
			stage, changed := stageOf(e)
			if !changed || len(spans) == maxSpans {
				continue
			}
			if stage != "" {
				spans = append(spans, LifecycleSpan{Stage: stage, Entered: e.Happened, Left: left, Actor: e.Actor, Cause: e.Cause})
			}
			left = e.Happened
		}
		if cursor = page.Next; cursor == "" || len(spans) == maxSpans {
			slices.Reverse(spans)
			return spans, nil
		}
	}
}

// stageOf returns the stage at which an event put a customer.
func stageOf(e crm.Event) (stage Lifecycle, changed bool) {
	for _, c := range e.Changes {
		if c.Field == "lifecycle" {
			_ = json.Unmarshal(c.After, &stage) // absent: he has none any more
			return stage, true
		}
	}
	return "", false
}

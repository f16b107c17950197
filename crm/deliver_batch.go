package crm

import (
	"context"
	"slices"

	"github.com/google/uuid"
)

// OnBatch is [Core.On] for handlers to which many events at once cost less than each by
// itself: fn is called with those at hand, from one to 200, in the order of the log. What
// it writes is committed with the note that all of them are done.
//
// When fn fails, what it wrote is undone, and it is called with each of them alone: one
// that it fails at again waits as with On, and holds up nothing but its record's. All
// events of a call are quiet, or none is ([Quietly]). What fn changes names the one of
// them as its cause that is at the end of the longest chain, the first of several.
//
// The option [Outside] is refused: in one call some of the events could have had their
// effect and others not.
func (c *Core) OnBatch(event, name string, fn func(ctx context.Context, events []Event) error, opts ...SubscribeOption) error {
	if fn == nil {
		return c.On(event, name, nil, opts...)
	}
	return c.On(event, name, func(ctx context.Context, e Event) error { return fn(ctx, []Event{e}) },
		append(slices.Clip(opts), func(s *subscription) { s.batch = fn })...)
}

// handBatch gives the events of a batch, from the first on, to a handler of many, and
// returns those that it took. The others are handed over one by one, as those from a call
// on that failed: of one record the order stays as it is.
func (d *delivery) handBatch(ctx context.Context, events []placed, held map[uuid.UUID]bool) (done map[uuid.UUID]bool, fatal error) {
	done = map[uuid.UUID]bool{}
	if d.sub.batch == nil || len(events) == 1 {
		return done, nil
	}
	var run []placed
	hand := func() (ok bool, fatal error) {
		if len(run) == 0 {
			return true, nil
		}
		failed, fatal := d.core.inside(d.core.handling(ctx, lastOfChain(run)), d.sub.name, ID(run[0].id), func(ctx context.Context) error {
			all := make([]Event, len(run))
			for i, e := range run {
				all[i] = e.event(d.tenant)
			}
			return d.sub.batch(ctx, all)
		})
		if failed != nil || fatal != nil {
			return false, fatal
		}
		for _, e := range run {
			done[e.id] = true
		}
		run = run[:0]
		return true, nil
	}
	for _, e := range events {
		if held[e.record] {
			continue
		}
		if chain(e.cause) >= maxChain { // it is parked, and what comes after it of its record waits
			break
		}
		if len(run) > 0 && run[0].quiet != e.quiet {
			if ok, fatal := hand(); !ok || fatal != nil {
				return done, fatal
			}
		}
		run = append(run, e)
	}
	_, fatal = hand()
	return done, fatal
}

// lastOfChain is the event to which the most others led.
func lastOfChain(events []placed) *eventRow {
	last := events[0]
	for _, e := range events[1:] {
		if chain(e.cause) > chain(last.cause) {
			last = e
		}
	}
	return last.eventRow
}

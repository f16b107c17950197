package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	counting  = "count" // the subscription, the kind of jobs and the action: their handlers count, and do nothing else
	patience  = "rest"  // the process
	items     = 1000    // events or jobs of a repetition
	instances = 500     // of a repetition
	steps     = 3       // of an instance: a wait, an action and the end
	waited    = time.Hour
)

// handle registers what works in the background.
func (c *crmCore) handle() error {
	return errors.Join(
		c.On("customer.created", counting, func(context.Context, crm.Event) error { c.handled++; return nil }),
		c.Jobs.Handle(counting, func(context.Context, crm.Job) error { c.handled++; return nil }),
		crm.DefineAction(c.Core, counting, func(context.Context, *crm.ActionCall, struct{}) (string, error) {
			c.handled++
			return "", nil
		}),
	)
}

// work is what is due, by crm. It returns how often a handler was called.
func (o byCRM) work(ctx context.Context) (int, error) {
	before := o.handled
	err := o.RunDue(ctx)
	return o.handled - before, err
}

func (o byCRM) deliver(ctx context.Context, _ string) (int, error) { return o.work(ctx) }
func (o byCRM) finish(ctx context.Context, _ string) (int, error)  { return o.work(ctx) }
func (o byCRM) move(ctx context.Context, _ string) (int, error)    { return o.work(ctx) }

// crmDeliver delivers the events of customers that it adds before: from the outbox into the log, and from there to the one
// subscription that wants them and to the processes, for which none waits.
func crmDeliver(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	if err := w.rest(ctx); err != nil {
		return nil, err
	}
	_, err := w.base.createAll(ctx, bulk, w.buyers(bulk, n*items))
	return atOnce(n*items, func(s crmSide) (int, error) { return s.deliver(ctx, bulk) }), err
}

// crmFinish does jobs that it enqueues before.
func crmFinish(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	if err := w.rest(ctx); err != nil {
		return nil, err
	}
	jobs := make([]crm.Job, items)
	for i := range jobs {
		jobs[i] = crm.Job{Kind: counting, Payload: map[string]string{"to": strconv.Itoa(i) + "@example.com"}}
	}
	for range n {
		if _, err := w.core.Jobs.EnqueueAll(crm.System(ctx, bulk), jobs); err != nil {
			return nil, err
		}
	}
	return atOnce(n*items, func(s crmSide) (int, error) { return s.finish(ctx, bulk) }), nil
}

// crmMove takes instances that it starts before through a process: they begin to wait, an hour goes by, they go on to
// their end.
func crmMove(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	if err := w.rest(ctx); err != nil {
		return nil, err
	}
	list, err := w.base.createAll(ctx, bulk, w.buyers(bulk, n*instances))
	if err == nil {
		err = w.start(crm.System(ctx, bulk), list)
	}
	if err == nil {
		err = w.forget(ctx)
	}
	return atOnce(n*instances, func(s crmSide) (int, error) {
		done, err := s.move(ctx, bulk)
		if err = expect(done, 0, err); err != nil {
			return done, err
		}
		w.core.clock.ahead.Add(int64(waited))
		return s.move(ctx, bulk)
	}), err
}

// start starts the process for each customer of a list.
func (w *crmWorld) start(ctx context.Context, list []buyer) error {
	return w.core.Tx(ctx, func(ctx context.Context) error {
		if !w.published {
			p, err := w.core.Processes.Create(ctx, crm.Process{Key: patience, Name: "Wait", Object: "customer", Steps: []crm.Step{
				{Key: "rest", Kind: crm.StepWait, For: "1h", Next: "act"},
				{Key: "act", Kind: crm.StepAction, Action: counting, Next: "done"},
				{Key: "done", Kind: crm.StepEnd},
			}})
			if err == nil {
				_, err = w.core.Processes.Publish(ctx, p.ID)
			}
			if err != nil {
				return err
			}
			w.published = true
		}
		for i := range list {
			if _, err := w.core.Processes.Start(ctx, patience, list[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// atOnce is operations of which the first does all there is, which want things are.
func atOnce(want int, do func(s crmSide) (int, error)) func(crmSide, int) error {
	return func(s crmSide, i int) error {
		if i > 0 {
			return nil
		}
		done, err := do(s)
		return expect(done, want, err)
	}
}

// rest leaves nothing to be done, and the tenant whose work is measured without records. What the last side left is done
// first: a log may only be cleared behind those who read it.
func (w *crmWorld) rest(ctx context.Context) error {
	if err := w.forget(ctx); err != nil {
		return err
	}
	if err := w.core.RunDue(ctx); err != nil {
		return err
	}
	if err := w.clear(ctx); err != nil {
		return err
	}
	// A log that was never added to has no head.
	_, err := w.db.ExecContext(ctx, w.sql("INSERT INTO {log_head} (tenant, version, position) VALUES (?, 1, 0) ON CONFLICT DO NOTHING"), bulk)
	return err
}

// forget takes away the events that are yet to be put into the log.
func (w *crmWorld) forget(ctx context.Context) error {
	_, err := w.db.ExecContext(ctx, w.sql("DELETE FROM {outbox}"))
	return err
}

package crm

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	instanceBatch = 200
	instanceLease = 5 * time.Minute
)

// processQueue is how instances are worked on.
func (c *Core) processQueue() *queue {
	return &queue{
		name: "process", q: storage.Queue{Table: instanceTable, Bucket: "bucket", Due: "due"},
		batch: instanceBatch, lease: instanceLease,
		row: func() storage.Row { return &instance{} }, work: c.runInstances,
	}
}

// runInstances moves claimed instances of a tenant: all of them in one transaction,
// each by itself where that fails, so that one does not stop the others.
func (c *Core) runInstances(ctx context.Context, tenant string, rows []storage.Row) error {
	ctx = System(ctx, tenant)
	claimed := map[uuid.UUID]int64{}
	for _, row := range rows {
		if in, ok := row.(*instance); ok {
			claimed[in.id] = in.version
		}
	}
	todo, err := c.runTogether(ctx, tenant, claimed)
	if err != nil && len(claimed) > 1 && ctx.Err() == nil {
		err = nil
		for id, version := range claimed {
			alone, failed := c.runTogether(ctx, tenant, map[uuid.UUID]int64{id: version})
			if failed != nil {
				failed = c.failInstance(ctx, tenant, id, version, failed)
			}
			todo, err = append(todo, alone...), errors.Join(err, failed)
		}
	} else if err != nil && ctx.Err() == nil {
		for id, version := range claimed {
			err = c.failInstance(ctx, tenant, id, version, err)
		}
	}
	for _, e := range todo {
		err = errors.Join(err, c.runOutside(ctx, tenant, e))
	}
	return err
}

// runTogether moves instances in one transaction, and returns the actions that are to
// be done outside it.
func (c *Core) runTogether(ctx context.Context, tenant string, claimed map[uuid.UUID]int64) (todo []errand, err error) {
	ids := make([]uuid.UUID, 0, len(claimed))
	for id := range claimed {
		ids = append(ids, id)
	}
	err = c.atomic(ctx, func(ctx context.Context) error {
		todo = nil
		s, err := c.stage(ctx, tenant)
		if err != nil {
			return err
		}
		list, err := c.lock(ctx, tenant, ids...)
		if err != nil {
			return err
		}
		// What was changed since it was claimed is due again for whoever changed it.
		list = slices.DeleteFunc(list, func(in *instance) bool { return in.version != claimed[in.id] || !in.ended.IsZero() })
		if err := s.preload(list); err != nil {
			return err
		}
		var out saved
		for _, in := range list {
			more, err := s.move(in, &out)
			if err != nil {
				return err
			}
			todo = append(todo, more...)
		}
		return out.write(ctx, c, tenant)
	})
	return todo, err
}

// move moves one instance.
func (s *stage) move(in *instance, out *saved) ([]errand, error) {
	p, err := s.open(in, true)
	if err != nil {
		return nil, err
	}
	before := p.st.waits(p.g)
	if o := s.core.objects[in.object]; o != nil {
		switch r, err := s.record(o, in.record); {
		case err != nil:
			return nil, err
		case r == nil:
			p.cancel("system", errRecordGone.Error())
		}
	}
	if err := p.run(passSteps); err != nil {
		return nil, err
	}
	out.add(in, p, before)
	var todo []errand
	for _, t := range p.outside {
		todo = append(todo, errand{id: in.id, visit: t.Visit, try: t.Tries, until: t.Due})
	}
	return todo, nil
}

// failInstance notes that an instance could not be moved at all: it is tried again as
// an action is, then stuck.
func (c *Core) failInstance(ctx context.Context, tenant string, id uuid.UUID, version int64, cause error) error {
	if errors.Is(cause, ErrRetry) { // it lost its races: after the lease again
		return cause
	}
	err := c.changeInstance(ctx, tenant, ID(id), func(p *pass, in *instance) (bool, error) {
		t := p.st.runnable(p.now)
		if t == nil || in.version != version {
			return false, nil
		}
		if t.Tries++; t.Tries >= defaultAttempts || isPermanent(cause) {
			p.stick(t, cause)
			return true, nil
		}
		t.Error = errorText(cause)
		if t.State == tokenReady || t.State == tokenWaiting {
			t.Due = p.now.Add(p.w.backoff(t))
		}
		return true, nil
	})
	return errors.Join(cause, err)
}

// changeInstance changes an instance that nobody else changes meanwhile, by a pass.
// fn reports whether it changed anything.
func (c *Core) changeInstance(ctx context.Context, tenant string, id ID, fn func(p *pass, in *instance) (bool, error)) error {
	return c.atomic(ctx, func(ctx context.Context) error {
		list, err := c.lock(ctx, tenant, uuid.UUID(id))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return ErrNotFound
		}
		s, err := c.stage(ctx, tenant)
		if err != nil {
			return err
		}
		p, err := s.open(list[0], false)
		if err != nil {
			return err
		}
		before := p.st.waits(p.g)
		changed, err := fn(p, list[0])
		if err != nil || !changed {
			return err
		}
		var out saved
		out.add(list[0], p, before)
		return out.write(ctx, c, tenant)
	})
}

// errand is an action to be done outside any transaction, by the worker that was
// given it, until its lease ends.
type errand struct {
	id    uuid.UUID
	visit int64
	try   int
	until time.Time
}

// token is the errand's token, if it is still this worker's.
func (e errand) token(p *pass, states ...tokenState) *token {
	t := p.st.visit(e.visit)
	if t == nil || t.Tries != e.try || !slices.Contains(states, t.State) {
		return nil
	}
	return t
}

// runOutside does an errand. That it begins is committed first where it must not be
// done twice; else only its lease is looked at.
func (c *Core) runOutside(ctx context.Context, tenant string, e errand) error {
	if !c.now().Before(e.until) || ctx.Err() != nil { // it is somebody else's by now, or will be
		return ctx.Err()
	}
	var a *action
	var call *ActionCall
	var step *Step
	within := ctx
	err := c.changeInstance(ctx, tenant, ID(e.id), func(p *pass, in *instance) (bool, error) {
		a = nil
		t := e.token(p, tokenOutside)
		if t == nil {
			return false, nil
		}
		step, within = p.g.nodes[t.Step].Step, p.st.because(ctx, tenant, ID(e.id))
		a, call = c.Processes.actions[step.Action], c.callOf(ctx, p.g, in, p.st, t)
		if a != nil && a.effect == effectAtMostOnce {
			t.State, t.Due = tokenStarted, p.now.Add(a.lease)
			return true, nil
		}
		return false, nil
	})
	if err != nil || a == nil {
		return err
	}
	outcome, failed := c.safely(within, a, call, step.Args)
	unknown := a.effect == effectAtMostOnce && failed != nil && !isNotDone(failed)
	// That it is done is kept even if the host is ending.
	return c.changeInstance(context.WithoutCancel(ctx), tenant, ID(e.id), func(p *pass, _ *instance) (bool, error) {
		t := e.token(p, tokenOutside, tokenStarted, tokenUncertain)
		if t == nil {
			return false, nil
		}
		if unknown {
			t.State, t.Due, t.Error = tokenUncertain, time.Time{}, errorText(failed)
			return true, nil
		}
		result, err := outcome, failed
		if err == nil {
			err = call.apply(p.st)
			if err != nil { // it was done, and must not be done again
				p.stick(t, err)
				return true, nil
			}
		}
		if err := p.acted(t, p.g.nodes[t.Step], result, err); err != nil {
			p.stick(t, err)
		}
		return true, nil
	})
}

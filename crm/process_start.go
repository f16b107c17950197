package crm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// StartOption is a choice about a start.
type StartOption func(*startOptions)

type startOptions struct {
	vars map[string]any
}

// WithVariables gives an instance its first variables, as JSON; see
// [ActionCall.Variable].
func WithVariables(vars map[string]any) StartOption {
	return func(o *startOptions) { o.vars = vars }
}

// Start starts the published version of a process on a record, in the caller's
// transaction if there is one. The first step is done in the background. It takes
// the right to update the record, since what the steps do is done with every right.
//
// Where the process is Single and runs on the record already it is ErrConflict, whose
// Holder is the instance; of several starts at once one goes through.
func (ps *Processes) Start(ctx context.Context, key string, record ID, opts ...StartOption) (Instance, error) {
	in, err := ps.start(ctx, key, record, opts)
	if err != nil {
		return Instance{}, failed("start", processKind, ID{}, err)
	}
	out, err := in.public()
	return out, failed("start", processKind, ID{}, err)
}

func (ps *Processes) start(ctx context.Context, key string, record ID, opts []StartOption) (*instance, error) {
	var o startOptions
	for _, opt := range opts {
		opt(&o)
	}
	var made *instance
	var single bool
	err := ps.core.atomic(ctx, func(ctx context.Context) (err error) {
		made, err = ps.make(ctx, key, record, o)
		if err != nil {
			return err
		}
		single = made.single
		sc, err := scopeOf(ctx)
		if err != nil {
			return err
		}
		return ps.core.session(ctx).Write(ctx, sc.Tenant, []storage.Change{{Action: storage.Insert, Table: instanceTable, Row: made}})
	})
	if known, ok := errors.AsType[*storage.Error](err); ok && single && known.Table == instanceTable.Name && errors.Is(err, ErrConflict) {
		return nil, ps.runsAlready(ctx, key, record)
	}
	return made, err
}

// make makes an instance under the rights of the call.
func (ps *Processes) make(ctx context.Context, key string, record ID, opts startOptions) (*instance, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	p, err := ps.published(ctx, sc.Tenant, key)
	if err != nil {
		return nil, err
	}
	w, err := ps.core.mayStart(ctx, p.Object, record)
	if err != nil {
		return nil, err
	}
	vars := map[string]json.RawMessage{}
	for name, v := range opts.vars {
		if vars[name], err = json.Marshal(v); err != nil {
			return nil, Invalid("variables."+clip(name), "is no JSON: %v", err)
		}
	}
	if err := checkVariables(vars); err != nil {
		return nil, err
	}
	g, err := ps.graph(ctx, sc.Tenant, uuid.UUID(p.ID), false)
	if err != nil {
		return nil, err
	}
	st := begin(g, w.now, vars)
	st.Cause = sc.cause
	return &instance{
		id: uuid.UUID(ps.core.ids.next(w.now)), version: 1, bucket: w.tenant.bucket, due: w.now, of: uuid.UUID(p.ID), process: p.Key, object: p.Object,
		record: uuid.UUID(record), single: p.Single, state: string(InstanceRunning), starter: w.sc.actor(), started: w.now, updated: w.now,
		body: canonical(st),
	}, nil
}

// published finds the version that starts, without its steps, which may be known.
func (ps *Processes) published(ctx context.Context, tenant, key string) (*Process, error) {
	if err := ps.core.ready(); err != nil {
		return nil, err
	}
	steps := ps.o.byName["steps"].col
	columns := slices.DeleteFunc(slices.Clone(ps.o.read), func(i int) bool { return i == steps })
	p, err := ps.one(ctx, tenant, columns, storage.And{
		storage.Is{Field: storage.F("key"), Op: storage.Eq, Value: clip(key)},
		storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: string(ProcessPublished)}, living(false),
	})
	if err == nil && p == nil {
		err = Invalid("process", "no version of %q is published", clip(key))
	}
	return p, err
}

// mayStart is nil if the actor may have a record changed by a process.
func (c *Core) mayStart(ctx context.Context, object string, record ID) (*writer, error) {
	o := c.objects[object]
	if o == nil {
		return nil, Invalid("object", "there is no kind of record %q", clip(object))
	}
	w, err := o.writer(ctx, VerbUpdate)
	if err != nil {
		return nil, err
	}
	r, err := w.load(ctx, record)
	if err != nil {
		return nil, err
	}
	return w, w.access.mayWrite(ctx, VerbUpdate, r)
}

// runsAlready says which instance a start came too late for.
func (ps *Processes) runsAlready(ctx context.Context, key string, record ID) error {
	conflict := &ConflictError{Field: "process", Reason: "the process runs on the record already"}
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	list, err := ps.core.instances(ctx, sc.Tenant, &storage.Query{Limit: 1, Where: storage.And{
		storage.Is{Field: storage.F("process"), Op: storage.Eq, Value: key},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(record)}, unended(),
	}})
	if err == nil && len(list) > 0 {
		conflict.Holder = ID(list[0].id)
	}
	return conflict
}

package crm

import (
	"context"
	"errors"

	"github.com/embedcrm/embedcrm/storage"
)

// remove deletes a record so that it can be restored.
func (o *object) remove(ctx context.Context, id ID, opts []WriteOption) error {
	_, err := o.end(ctx, id, VerbDelete, "deleted", opts)
	return o.released(ctx, id, err)
}

// restore brings a deleted record back.
func (o *object) restore(ctx context.Context, id ID, opts []WriteOption) (*rec, error) {
	return o.end(ctx, id, VerbUpdate, "restored", opts)
}

// purge removes a record for good.
func (o *object) purge(ctx context.Context, id ID, opts []WriteOption) error {
	_, err := o.end(ctx, id, VerbDelete, "purged", opts)
	return o.released(ctx, id, err)
}

// end makes a change to a record's life. It holds the record meanwhile, since who
// refers to it must wait.
func (o *object) end(ctx context.Context, id ID, verb Verb, event string, opts []WriteOption) (*rec, error) {
	var after *rec
	err := o.call(ctx, true, func(ctx context.Context) error {
		w, err := o.writer(ctx, verb)
		if err != nil {
			return err
		}
		before, err := w.find(ctx, id, event)
		if err == nil && event == "restored" || err == ErrNotFound && event == "deleted" { //nolint:errorlint // load's own
			err = w.notAbsorbed(ctx, id, err)
		}
		if err != nil {
			return err
		}
		if err := w.access.mayWrite(ctx, verb, before); err != nil {
			return err
		}
		if err := writeOptionsOf(opts).check(before); err != nil {
			return err
		}
		c := &change{o: o, verb: verb, event: event, before: before, forced: true}
		if event != "purged" {
			c.after = before.clone()
		}
		if event == "restored" {
			w.ownerGone(c)
			err = w.prepare(ctx, c)
		} else if c.after != nil {
			w.stamp(c)
			c.diff()
		}
		if err == nil {
			err = w.write(ctx, []*change{c})
		}
		if after = c.after; after != nil {
			after.thaw()
			w.access.mask(after)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// find loads the record an end is made to: one that lives to delete it, a deleted
// one to restore it, either to purge it.
func (w *writer) find(ctx context.Context, id ID, event string) (*rec, error) {
	switch event {
	case "restored":
		return w.loadWhere(ctx, id, living(true))
	case "purged":
		return w.loadWhere(ctx, id, storage.And{})
	}
	return w.load(ctx, id)
}

// notAbsorbed refuses to delete or restore a record by itself that was merged into
// another; else it returns err. Who may read neither does not learn of it.
func (w *writer) notAbsorbed(ctx context.Context, id ID, err error) error {
	into, _, unknown := w.current(ctx, w.sc.Tenant, id)
	if unknown != nil || into == id {
		return errors.Join(unknown, err)
	}
	conflict := w.mergedInto(ctx, id, into, "undo that by Unmerge first, or go by the id of the other one")
	if known, ok := errors.AsType[*ConflictError](conflict); ok && known.Holder.IsZero() && err != nil {
		return err
	}
	return conflict
}

// get reads a record.
func (o *object) get(ctx context.Context, id ID, opts []ListOption) (*rec, error) {
	asked := listOptionsOf(opts)
	r, err := o.readerFor(ctx, asked)
	if err != nil {
		return nil, err
	}
	return r.record(ctx, id, asked.deleted)
}

// record reads a record as the actor sees it.
func (r *reader) record(ctx context.Context, id ID, deleted bool) (*rec, error) {
	o := r.object
	once := func(id ID) (found *rec, err error) {
		where := storage.And{byID(id)}
		if !deleted {
			where = append(where, o.ofLiving()...)
		}
		err = o.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
			Table: o.table, Columns: r.access.columns(), Limit: 1, Where: r.access.reading(where),
		}, func() storage.Row {
			found = o.newRec()
			return found
		})
		if err == nil && (found == nil || !deleted && found.gone()) {
			err = ErrNotFound
		}
		return found, err
	}
	var found *rec
	var err error
	if deleted {
		found, err = once(id)
	} else {
		found, err = o.found(ctx, r.sc.Tenant, id, once)
	}
	if err != nil {
		return nil, err
	}
	return found, o.core.shown(ctx, r.sc, o, r.access, []*rec{found})
}

// reader is one call that reads records of one object.
type reader struct {
	*object

	sc     scope
	access *access
}

func (o *object) reader(ctx context.Context) (*reader, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.core.ready(); err != nil {
		return nil, err
	}
	a, err := o.core.access(ctx, sc, o)
	if err == nil {
		err = a.may(VerbRead)
	}
	return &reader{o, sc, a}, err
}

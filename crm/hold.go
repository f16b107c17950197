package crm

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Hold returns a record and makes whoever changes it, or holds it too, wait until the
// transaction of the context has ended. It is for verbs of a module that look at several
// records before they write one: those of the same record take turns. Outside a
// transaction it is ErrInvalid.
func (k *Kind[T]) Hold(ctx context.Context, id ID) (T, error) {
	r, err := k.o.hold(ctx, id)
	if err != nil {
		var none T
		return none, failed("hold", k.o.name, id, err)
	}
	return value[T](r), nil
}

// HoldAll is Hold of many, as the first thing a verb does with them: two that hold some of
// the same take turns, and do not wait for each other. What is no living record that the
// actor may read is passed over.
func (k *Kind[T]) HoldAll(ctx context.Context, ids []ID) error {
	return failed("hold", k.o.name, ID{}, k.o.holdAll(ctx, ids))
}

func (o *object) holdAll(ctx context.Context, ids []ID) error {
	w, err := o.holder(ctx)
	if err != nil {
		return err
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, ID.Compare)
	ids = slices.Compact(ids)
	for part := range slices.Chunk(ids, storage.MaxPage) {
		values := make([]any, len(part))
		for i, id := range part {
			values[i] = uuid.UUID(id)
		}
		var row idRow
		err := o.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
			Table: o.table, Columns: []int{o.byName["id"].col}, Limit: len(part), Lock: true, Order: []storage.Order{{Field: storage.F("id")}},
			Where: w.access.reading(append(storage.And{oneOf(values)}, o.ofLiving()...)),
		}, func() storage.Row { return &row })
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *object) hold(ctx context.Context, id ID) (*rec, error) {
	w, err := o.holder(ctx)
	if err != nil {
		return nil, err
	}
	r, err := w.load(ctx, id)
	if err == nil {
		w.access.clearOnly() // the module computes with it
		w.access.mask(r)
	}
	return r, err
}

// holder is one call that holds records.
func (o *object) holder(ctx context.Context) (*writer, error) {
	if o.core.tx(ctx) == nil {
		return nil, Invalid("", "there is no transaction whose end could be waited for: call it within Core.Tx")
	}
	return o.writer(ctx, VerbRead)
}

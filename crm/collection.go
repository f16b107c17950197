package crm

import (
	"context"
	"unsafe"
)

// Collection is the records of one kind. It is safe for any number of goroutines.
type Collection[T any] struct{ o *object }

// Kind is a kind of record as its module holds it: the collection it gives to
// everyone, and the right to change guarded fields, which it keeps to itself.
type Kind[T any] struct{ Collection[T] }

// rec is v as the engine sees it.
func (c *Collection[T]) rec(v *T) *rec { return &rec{o: c.o, p: unsafe.Pointer(v), v: v} } //nolint:gosec // by column.get alone

// value is the record r as the caller's type.
func value[T any](r *rec) T {
	if v, ok := r.v.(*T); ok {
		return *v
	}
	var none T
	return none
}

// Create adds a record and returns it as it was kept. What the type, its tags or the
// tenant's rules refuse is ErrInvalid, listing every field at fault; a unique value
// that is taken is ErrConflict.
func (c *Collection[T]) Create(ctx context.Context, v T) (T, error) {
	r := c.rec(&v)
	err := c.o.create(ctx, []*rec{r})
	if err != nil {
		var none T
		return none, failed("create", c.o.name, ID{}, err)
	}
	return v, nil
}

// CreateAll adds records, all or none, and returns them as they were kept. It is
// much faster than as many calls of Create, and the same in all else.
func (c *Collection[T]) CreateAll(ctx context.Context, list []T) ([]T, error) {
	kept := make([]T, len(list))
	recs := make([]*rec, len(list))
	for i := range list {
		kept[i] = list[i]
		recs[i] = c.rec(&kept[i])
	}
	if err := c.o.create(ctx, recs); err != nil {
		return nil, failed("create", c.o.name, ID{}, err)
	}
	return kept, nil
}

// Get returns a record. One that was deleted is ErrNotFound but for [WithDeleted],
// and so is one the actor may not read.
func (c *Collection[T]) Get(ctx context.Context, id ID, opts ...ListOption) (T, error) {
	r, err := c.o.get(ctx, id, opts)
	if err == nil {
		err = c.o.told(ctx, ReadingRead, r)
	}
	if err != nil {
		var none T
		return none, failed("get", c.o.name, id, err)
	}
	return value[T](r), nil
}

// Update changes a record by a function on it, and returns it as it was kept. It
// is the only way to save: fn gets the record as it is now, and changes what it
// means to change. Where another writer comes first fn is called again, on the
// record as he left it; in a transaction that cannot happen. With [IfVersion] a
// record at another version is ErrConflict. When nothing changed, nothing is
// written.
func (c *Collection[T]) Update(ctx context.Context, id ID, fn func(*T) error, opts ...WriteOption) (T, error) {
	return c.update(ctx, id, "", fn, opts)
}

// Do is Update as a verb of the kind's module: it may change guarded fields, and
// the history calls it by the event's name: "won" makes "deal.won". A verb that
// changes no field is an event all the same.
func (k *Kind[T]) Do(ctx context.Context, id ID, event string, fn func(*T) error, opts ...WriteOption) (T, error) {
	return k.update(ctx, id, event, fn, opts)
}

func (c *Collection[T]) update(ctx context.Context, id ID, event string, fn func(*T) error, opts []WriteOption) (T, error) {
	r, err := c.o.update(ctx, id, event, func(r *rec) error {
		v, _ := r.v.(*T)
		return fn(v)
	}, opts)
	if err != nil {
		var none T
		op := event
		if op == "" {
			op = "update"
		}
		return none, failed(op, c.o.name, id, err)
	}
	return value[T](r), nil
}

// Delete deletes a record so that it can be restored: it is found no more, its
// unique values are free, its keys in other systems stay taken. A record that
// others refer to is ErrConflict, with their number.
func (c *Collection[T]) Delete(ctx context.Context, id ID, opts ...WriteOption) error {
	return failed("delete", c.o.name, id, c.o.remove(ctx, id, opts))
}

// Restore brings a deleted record back, and returns it, without an owner when he was
// deleted since. It is ErrConflict when one of its unique values has been taken since.
func (c *Collection[T]) Restore(ctx context.Context, id ID, opts ...WriteOption) (T, error) {
	r, err := c.o.restore(ctx, id, opts)
	if err != nil {
		var none T
		return none, failed("restore", c.o.name, id, err)
	}
	return value[T](r), nil
}

// Purge removes a record, living or deleted, for good, and frees its keys in other
// systems. Its history stays. A record that others refer to, even deleted ones, is
// ErrConflict, with their number.
func (c *Collection[T]) Purge(ctx context.Context, id ID, opts ...WriteOption) error {
	return failed("purge", c.o.name, id, c.o.purge(ctx, id, opts))
}

// WriteOption is a condition on a write.
type WriteOption func(*writeOptions)

type writeOptions struct {
	version int64
	brings  bool // guarded fields as well: see Records.Bring
}

func writeOptionsOf(opts []WriteOption) writeOptions {
	var o writeOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// IfVersion makes a write fail as ErrConflict unless the record is at version v.
func IfVersion(v int64) WriteOption { return func(o *writeOptions) { o.version = v } }

// check is what IfVersion asks for.
func (w writeOptions) check(r *rec) error {
	if w.version != 0 && r.meta().Version != w.version {
		return &ConflictError{Field: "version", Reason: "the record has been changed since it was read: read it again"}
	}
	return nil
}

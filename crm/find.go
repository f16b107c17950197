package crm

import (
	"context"
)

// Find returns the record that has a key in another system: what [Refs] has under
// source. There is none, it was deleted, or the actor may not read it: that is
// ErrNotFound.
func (c *Collection[T]) Find(ctx context.Context, source, key string) (T, error) {
	r, err := c.o.findByRef(ctx, source, key)
	if err == nil {
		err = c.o.told(ctx, ReadingRead, r)
	}
	if err != nil {
		var none T
		return none, failed("find", c.o.name, ID{}, err)
	}
	return value[T](r), nil
}

func (o *object) findByRef(ctx context.Context, source, key string) (*rec, error) {
	r, err := o.reader(ctx)
	if err == nil {
		err = r.access.readable(byRefs)
	}
	if err != nil {
		return nil, err
	}
	if faults := (Refs{source: key}).check(); len(faults) > 0 {
		return nil, ErrNotFound // nothing can have such a key
	}
	w := &writer{object: o, sc: r.sc, access: r.access}
	id, err := w.byRef(ctx, source, key)
	if err == nil && id.IsZero() {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return o.get(ctx, id, nil)
}

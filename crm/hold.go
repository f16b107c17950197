package crm

import (
	"context"
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

func (o *object) hold(ctx context.Context, id ID) (*rec, error) {
	if o.core.tx(ctx) == nil {
		return nil, Invalid("", "there is no transaction whose end could be waited for: call it within Core.Tx")
	}
	w, err := o.writer(ctx, VerbRead)
	if err != nil {
		return nil, err
	}
	r, err := w.load(ctx, id)
	if err == nil {
		w.access.mask(r)
	}
	return r, err
}

package crm

import (
	"errors"
	"maps"

	"github.com/google/uuid"
)

// leads are records that were absorbed, and those they lead to.
type leads map[uuid.UUID]uuid.UUID

func (l leads) and(more leads, err error) (leads, error) {
	if l == nil || err != nil {
		return more, err
	}
	maps.Copy(l, more)
	return l, nil
}

// elsewhereError is a reference to a record that was absorbed: written once more, to where
// it leads, it holds.
type elsewhereError struct {
	to  leads
	err error // what is wrong if that is given up
}

func (e *elsewhereError) Error() string { return e.err.Error() }
func (e *elsewhereError) Unwrap() error { return e.err }

// chase makes a write again when it referred to records that were absorbed, with where
// they lead to. Only who names such a record pays for it.
func chase(write func(to leads) error) error {
	var to leads
	for try := 1; ; try++ {
		err := write(to)
		led, ok := errors.AsType[*elsewhereError](err)
		if !ok || try > lookups {
			return err
		}
		to, _ = to.and(led.to, nil)
	}
}

// follow makes a record refer to where absorbed ones lead.
func (w *writer) follow(to leads, r *rec) {
	if len(to) == 0 {
		return
	}
	r.thaw()
	for _, f := range w.references {
		if into, ok := to[uuid.UUID(f.reference(r))]; ok {
			f.refer(r, ID(into))
		}
	}
	for _, f := range w.custom.all() {
		if f.ref == nil {
			continue
		}
		id, msg := normalID(r.meta().Custom[f.Name])
		if known, ok := id.(ID); ok && msg == "" {
			if into, ok := to[uuid.UUID(known)]; ok {
				r.meta().Custom[f.Name] = ID(into)
			}
		}
	}
}

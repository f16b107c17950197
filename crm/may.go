package crm

import (
	"context"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// May is nil if the actor may do a verb with living records: ErrNotFound if he may not
// read one of them, ErrForbidden if he may do no more than that. Modules ask it before
// they do for him what is no change of the record. There are at most [MaxPage] of them
// for a call; without any, it says whether he may do the verb with any record at all.
func (c *Collection[T]) May(ctx context.Context, verb Verb, ids ...ID) error {
	id := ID{}
	if len(ids) == 1 {
		id = ids[0]
	}
	return failed(string(verb), c.o.name, id, c.o.may(ctx, verb, ids))
}

func (o *object) may(ctx context.Context, verb Verb, ids []ID) error {
	if len(ids) > MaxPage {
		return Invalid("ids", "are %d, and %d are allowed", len(ids), MaxPage)
	}
	r, err := o.reader(ctx)
	if err != nil {
		return err
	}
	p, err := r.access.grant(verb)
	if err != nil {
		return err
	}
	known := map[ID]bool{}
	var values []any
	for _, id := range ids {
		if !known[id] {
			known[id] = true
			values = append(values, uuid.UUID(id))
		}
	}
	if len(values) == 0 {
		return nil
	}
	among := storage.And{oneOf(values), o.lives()}
	n, err := count(ctx, o.core.session(ctx), r.sc.Tenant, o.table, r.access.reading(among))
	if err != nil {
		return err
	}
	if n < int64(len(values)) {
		return ErrNotFound
	}
	if verb == VerbRead || r.access.all {
		return nil
	}
	if o.name == roleKind {
		if err := r.access.administers("a role"); err != nil {
			return err
		}
	}
	can := r.access.writable(verb, p)
	if can == nil {
		return nil
	}
	n, err = count(ctx, o.core.session(ctx), r.sc.Tenant, o.table, append(among, can))
	if err == nil && n < int64(len(values)) {
		err = forbidden("your right to %s %s does not reach this one", verb, o.plural)
	}
	return err
}

package crm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	maxReveal       = 100 // fields of one call
	maxRevealReason = 200 // bytes
)

// Reveal returns a record as [Collection.Get] does, but with these fields in clear that
// are masked for the actor ([FieldMasked]). "custom.phone" is a custom field. The watchers
// of [Core.WatchReads] are told before he sees them who revealed which, and why; this
// holds for every actor, the tenant itself too. Whether somebody reveals too much is for
// them to say: their error refuses it.
//
// It takes the right to read the record and a reason, of 1 to 200 bytes. A field that is
// open to the actor may be among them; a hidden one is [ErrForbidden]. Where nobody
// watches reads it is [ErrInvalid].
func (c *Collection[T]) Reveal(ctx context.Context, id ID, reason string, fields ...string) (T, error) {
	_, found, err := c.o.reveal(ctx, id, reason, fields)
	if err != nil {
		var none T
		return none, failed("reveal", c.o.name, id, err)
	}
	return value[T](found), nil
}

// Reveal returns a record with masked fields in clear as [Collection.Reveal] does.
func (r *Records) Reveal(ctx context.Context, id ID, reason string, fields ...string) (Values, error) {
	rd, found, err := r.o.reveal(ctx, id, reason, fields)
	if err != nil {
		return nil, failed("reveal", r.o.name, id, err)
	}
	return valuesOf(found, rd.access), nil
}

func (o *object) reveal(ctx context.Context, id ID, reason string, fields []string) (*reader, *rec, error) {
	r, err := o.reader(ctx)
	if err != nil {
		return nil, nil, err
	}
	reason = strings.TrimSpace(reason)
	switch fault := textFault(reason, len(reason)); {
	case len(o.core.watchers) == 0:
		return nil, nil, Invalid("", "nobody is told who saw what: register package crm/privacy, or a function of the host's by Core.WatchReads, before Migrate")
	case reason == "" || len(reason) > maxRevealReason:
		return nil, nil, Invalid("reason", "has 1 to %d bytes: say why it is to be seen", maxRevealReason)
	case fault != "":
		return nil, nil, Invalid("reason", "%s", fault)
	case len(fields) == 0 || len(fields) > maxReveal:
		return nil, nil, Invalid("fields", "are 1 to %d: name those to be seen", maxReveal)
	}
	own, err := o.core.fieldsOf(ctx, r.sc.Tenant, o)
	if err != nil {
		return nil, nil, err
	}
	if err := r.access.open(own, fields); err != nil {
		return nil, nil, err
	}
	found, err := r.record(ctx, id, false)
	if err != nil {
		return nil, nil, err
	}
	return r, found, o.core.tell(ctx, Reading{
		Object: o.name, Records: []ID{found.meta().ID}, How: ReadingReveal, Fields: slices.Clone(fields), Reason: reason,
	})
}

// open lets the actor read fields that he sees in part.
func (a *access) open(own *fieldSet, fields []string) error {
	closed, masked := maps.Clone(a.read.closed), maps.Clone(a.read.masked)
	for i, name := range fields {
		custom, ok := strings.CutPrefix(name, "custom.")
		switch {
		case a.veils(name):
			delete(closed, name)
			delete(masked, name)
		case a.hides(name):
			return a.readable(name)
		case ok && own.named(custom) == nil, !ok && a.o.byName[name] == nil:
			return Invalid(fmt.Sprintf("fields[%d]", i), "%s has no field %q", a.o.name, clip(name))
		}
	}
	a.read.closed, a.read.masked = closed, masked
	return nil
}

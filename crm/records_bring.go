package crm

import "context"

// Bring changes a record as [Records.Update] does, and the guarded fields too that
// [Records.Import] may set: for a record that another system goes on changing until it
// is given up. What the module's hooks make of a field that it keeps itself holds. It
// takes the right to import besides that to update.
func (r *Records) Bring(ctx context.Context, id ID, fn func(Values) error, opts ...WriteOption) (Values, error) {
	if _, err := r.o.writer(ctx, VerbImport); err != nil {
		return nil, failed("bring", r.o.name, id, err)
	}
	v, err := r.update(ctx, id, fn, append(opts, func(o *writeOptions) { o.brings = true }))
	return v, failed("bring", r.o.name, id, err)
}

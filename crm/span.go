package crm

import (
	"context"
	"iter"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Span is a run of records in the order of their ids: those behind After, up to To. A
// zero To is no end. The zero Span is all of them.
type Span struct{ After, To ID }

// within is the condition that a record is in the span.
func (s *Span) within() (all storage.And) {
	if !s.After.IsZero() {
		all = append(all, storage.Is{Field: storage.F("id"), Op: storage.Gt, Value: uuid.UUID(s.After)})
	}
	if !s.To.IsZero() {
		all = append(all, storage.Is{Field: storage.F("id"), Op: storage.Le, Value: uuid.UUID(s.To)})
	}
	return all
}

// InSpan keeps the records of a span; see [Collection.Spans].
func InSpan(s Span) ListOption { return func(o *listOptions) { o.span = &s } }

// Spans divides the records that the actor may read, deleted ones too, into runs of n, 1
// to 10,000: for work that goes over all of them in many short transactions. The last
// run is open, so that it has what is created meanwhile. Between two nothing is held. An
// error ends it.
func (c *Collection[T]) Spans(ctx context.Context, n int) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		for s := (Span{}); ; s.After = s.To {
			var err error
			s.To, err = c.o.boundary(ctx, s.After, n)
			if err != nil {
				yield(Span{}, failed("list", c.o.name, ID{}, err))
				return
			}
			if !yield(s, nil) || s.To.IsZero() {
				return
			}
		}
	}
}

// boundary is the id of the n-th record behind one, or zero when so many are not there.
func (o *object) boundary(ctx context.Context, after ID, n int) (ID, error) {
	if n < 1 || n > storage.MaxPage {
		return ID{}, Invalid("n", "a span has 1 to %d records, not %d", storage.MaxPage, n)
	}
	r, err := o.reader(ctx)
	if err != nil {
		return ID{}, err
	}
	var last idRow
	found := 0
	err = o.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: o.table, Columns: []int{o.byName["id"].col}, Where: r.access.reading(storage.And{}), After: []any{uuid.UUID(after)}, Limit: n,
	}, func() storage.Row {
		found++
		return &last
	})
	if err != nil || found < n {
		return ID{}, err
	}
	return ID(last.id), nil
}

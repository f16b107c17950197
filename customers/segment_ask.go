package customers

import (
	"context"
	"fmt"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Count returns how many customers are in a segment at this instant, of those the actor
// may read. Where and the other conditions of a list say more of which ones. It is for
// those who may read the segment.
func (s *Segments) Count(ctx context.Context, key string, opts ...crm.ListOption) (int64, error) {
	g, err := s.byKey(ctx, key)
	if err != nil {
		return 0, failed("count", "segment", crm.ID{}, err)
	}
	n, err := s.people.Count(ctx, append(asTenant(g.wanted()...), opts...)...)
	return n, failed("count", "segment", g.ID, err)
}

// Members returns a page of the customers who are in a segment at this instant, of those
// the actor may read, by the options of any list. It is for those who may read the
// segment.
func (s *Segments) Members(ctx context.Context, key string, opts ...crm.ListOption) (crm.Page[Customer], error) {
	g, err := s.byKey(ctx, key)
	if err != nil {
		return crm.Page[Customer]{}, failed("list", "segment", crm.ID{}, err)
	}
	page, err := s.people.List(ctx, append(asTenant(g.wanted()...), opts...)...)
	return page, failed("list", "segment", g.ID, err)
}

// Contains reports whether a customer is in a segment at this instant. It is for those
// who may read both.
func (s *Segments) Contains(ctx context.Context, key string, customer crm.ID) (bool, error) {
	g, err := s.byKey(ctx, key)
	if err == nil {
		err = s.people.May(ctx, crm.VerbRead, customer)
	}
	var n int64
	if err == nil {
		n, err = s.people.Count(ctx, append(asTenant(g.wanted()...), crm.Where("id == $1", customer))...)
	}
	return n > 0, failed("read", "segment", g.ID, err)
}

// Of returns the segments that a customer is written down to be in, by name, of those
// the actor may read, at most 1,000. It is for those who may read the customer.
func (s *Segments) Of(ctx context.Context, customer crm.ID) ([]Segment, error) {
	if err := s.people.May(ctx, crm.VerbRead, customer); err != nil {
		return nil, failed("list", "segment", customer, err)
	}
	rows, err := s.members.List(ctx, crm.Where("customer_id == $1", customer), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, failed("list", "segment", customer, err)
	}
	ids := make([]crm.ID, len(rows.Items))
	for i, m := range rows.Items {
		ids[i] = m.SegmentID
	}
	page, err := s.List(ctx, crm.Where("id in $1", ids), crm.OrderBy("name"), crm.Limit(crm.MaxPage))
	return page.Items, failed("list", "segment", customer, err)
}

// Overlap is how many customers are in all of some segments.
type Overlap struct {
	Keys  []string // of the segments, in the order they were asked for
	Count int64
}

// maxOverlap is how many segments are compared: each more doubles the questions.
const maxOverlap = 5

// Overlap returns how many customers are in each of 2 to 5 segments, in each two of them,
// and so on up to all, at this instant, of those the actor may read: single ones first.
// Who is in A and not in B is A less A and B. Each number is a statement of its own.
func (s *Segments) Overlap(ctx context.Context, keys ...string) ([]Overlap, error) {
	list, err := s.overlap(ctx, keys)
	return list, failed("overlap", "segment", crm.ID{}, err)
}

func (s *Segments) overlap(ctx context.Context, keys []string) ([]Overlap, error) {
	if len(keys) < 2 || len(keys) > maxOverlap {
		return nil, crm.Invalid("keys", "are %d: give 2 to %d", len(keys), maxOverlap)
	}
	all := make([]Segment, len(keys))
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			return nil, crm.Invalid("keys", "%q is there twice", clipped(key))
		}
		var err error
		if all[i], err = s.byKey(ctx, key); err != nil {
			return nil, fmt.Errorf("segment %q: %w", clipped(key), err)
		}
	}
	var list []Overlap
	for set := 1; set < 1<<len(all); set++ {
		var o Overlap
		var opts []crm.ListOption
		for i := range all {
			if set&(1<<i) != 0 {
				o.Keys = append(o.Keys, keys[i])
				opts = append(opts, asTenant(all[i].wanted()...)...)
			}
		}
		var err error
		if o.Count, err = s.people.Count(ctx, opts...); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(a, b Overlap) int { return len(a.Keys) - len(b.Keys) })
	return list, nil
}

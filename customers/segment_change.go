package customers

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// MembershipChange is that a customer came into a segment, or left it.
type MembershipChange struct {
	SegmentID crm.ID `crm:"required,ref=segment,as=changes" json:"segment_id"`
	// Batch is the transaction in which it was written down, ascending in a segment.
	Batch      int64  `json:"batch"`
	CustomerID crm.ID `crm:"required,ref=customer,parent,as=segment_changes" json:"customer_id"`
	// At is when it was written down.
	At time.Time `crm:"required,personal" json:"at"`
	// Entered says that he came in; otherwise he left.
	Entered bool `json:"entered"`
	// ByHand says that it was by Add or Remove, and not by the condition.
	ByHand bool `json:"by_hand"`
}

// Changes returns a page of who came into a segment and who left it, the first first,
// of the customers the actor may read. Of the options it takes [crm.Where], [crm.Limit]
// and [crm.After]. It is for those who may read the segment.
func (s *Segments) Changes(ctx context.Context, key string, opts ...crm.ListOption) (crm.Page[MembershipChange], error) {
	g, err := s.byKey(ctx, key)
	if err != nil {
		return crm.Page[MembershipChange]{}, failed("list", "segment_change", crm.ID{}, err)
	}
	opts = append([]crm.ListOption{crm.AsActor(), crm.Where("segment_id == $1", g.ID)}, opts...)
	return s.changes.List(ctx, opts...)
}

// OnChange calls fn for customers who came into segments or left them, each once, in
// lists of 1 to 1,000 of one segment and batch: by a durable subscription of the name, as
// [crm.Core.On] has it, with its order, retries and options. All changes of a batch are told
// in one transaction. It is called before the core's Migrate.
func (s *Segments) OnChange(name string, fn func(ctx context.Context, changes []MembershipChange) error, opts ...crm.SubscribeOption) error {
	if fn == nil {
		return failed("subscribe", "segment", crm.ID{}, crm.Invalid("fn", "there is no handler"))
	}
	return s.core.On("segment_roll.changed", name, func(ctx context.Context, e crm.Event) error {
		roll, err := s.rolls.Get(ctx, e.Record, crm.WithDeleted())
		if err != nil {
			return err
		}
		for cursor := ""; ; {
			page, err := s.changes.List(ctx, crm.Where("segment_id == $1 and batch == $2", roll.SegmentID, e.Version), crm.Limit(crm.MaxPage), crm.After(cursor))
			if err == nil && len(page.Items) > 0 {
				err = fn(ctx, page.Items)
			}
			if err != nil {
				return err
			}
			if cursor = page.Next; cursor == "" {
				return nil
			}
		}
	}, opts...)
}

package customers

import (
	"context"
	"errors"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Evaluation is what an evaluation of a segment came to.
type Evaluation struct {
	// Entered and Left are how many customers came into the segment and left it.
	Entered, Left int64
}

// segmentSpan is how many customers one transaction of an evaluation looks at: a fraction
// of a second, in which SQLite lets nobody else write.
const segmentSpan = 10_000

// Evaluate writes down who is in a segment by now, by its key, and returns how many came
// and went since it was last written down. The database does it, in transactions of
// 10,000 customers each: ended in between, it goes on when it is called again, and
// nobody is said to have come or gone twice. It happens in the background too, soon
// after something changed and, where the condition names times, every hour; to call it
// is for who will not wait. It takes the right to update the segment. A static segment
// is written down already.
func (s *Segments) Evaluate(ctx context.Context, key string) (Evaluation, error) {
	g, err := s.byKey(ctx, key)
	if err == nil {
		err = s.May(ctx, crm.VerbUpdate, g.ID)
	}
	var e Evaluation
	if err == nil {
		e, err = s.evaluate(crm.SystemIn(ctx), g.ID, func(Evaluation) error { return nil })
	}
	return e, failed("evaluate", "segment", g.ID, err)
}

// evaluate looks at all customers. It calls progress between two transactions.
func (s *Segments) evaluate(ctx context.Context, id crm.ID, progress func(Evaluation) error) (Evaluation, error) {
	var all Evaluation
	for span, err := range s.people.Spans(ctx, s.span) {
		if err != nil {
			return all, err
		}
		e, err := s.correct(ctx, id, crm.InSpan(span))
		all.Entered, all.Left = all.Entered+e.Entered, all.Left+e.Left
		if err == nil {
			err = progress(all)
		}
		if err != nil {
			return all, err
		}
	}
	roll, err := s.roll(ctx, id)
	if err == nil {
		now := s.core.Now(ctx)
		_, err = s.rolls.Do(ctx, roll.ID, "evaluated", func(r *segmentRoll) error { r.Evaluated = now; return nil })
	}
	if errors.Is(err, crm.ErrNotFound) { // the segment is gone
		err = nil
	}
	return all, err
}

// correct sets right who is written down to be in a dynamic segment, among some
// customers, in one transaction. Evaluations of a segment take turns. Those who come are
// found by one statement, which writes what is said of them; and who is in follows from
// that, so that the two cannot differ whatever is changed meanwhile.
func (s *Segments) correct(ctx context.Context, id crm.ID, among crm.ListOption) (e Evaluation, err error) {
	err = s.core.Tx(ctx, func(ctx context.Context) error {
		e = Evaluation{}
		g, lives, err := s.living(ctx, id)
		if err != nil || !lives || g.Kind != DynamicSegment {
			return err
		}
		b, err := s.begin(ctx, &g)
		if err == nil {
			err = b.enter(ctx, among)
		}
		if err == nil {
			err = b.leave(ctx, among)
		}
		if err == nil {
			err = b.end(ctx)
		}
		e = b.Evaluation
		return err
	})
	if err != nil {
		return Evaluation{}, err
	}
	return e, nil
}

// membershipBatch is what one transaction writes down of a segment.
type membershipBatch struct {
	*Segments
	Evaluation

	segment *Segment
	roll    segmentRoll // held
	change  MembershipChange
}

// begin holds the segment's roll, so that whoever else would write it down waits.
func (s *Segments) begin(ctx context.Context, g *Segment) (*membershipBatch, error) {
	roll, err := s.roll(ctx, g.ID)
	if err == nil {
		roll, err = s.rolls.Hold(ctx, roll.ID)
	}
	if err != nil {
		return &membershipBatch{}, err
	}
	return &membershipBatch{
		Segments: s, segment: g, roll: roll,
		change: MembershipChange{SegmentID: g.ID, Batch: roll.Version + 1, At: s.core.Now(ctx)},
	}, nil
}

// roll is the roll of a segment.
func (s *Segments) roll(ctx context.Context, id crm.ID) (segmentRoll, error) {
	page, err := s.rolls.List(ctx, crm.Where("segment_id == $1", id), crm.OrderBy("created"), crm.Limit(1))
	if err != nil || len(page.Items) > 0 {
		if err != nil {
			return segmentRoll{}, err
		}
		return page.Items[0], nil
	}
	return s.rolls.Create(ctx, segmentRoll{SegmentID: id}) // it was deleted, past the segment
}

// customerID is where rows made of customers have their id.
func customerID() map[string]string { return map[string]string{"customer_id": "id"} }

// enter writes down who is in by the condition and was not.
func (b *membershipBatch) enter(ctx context.Context, among crm.ListOption) (err error) {
	g := b.segment
	opts := []crm.ListOption{among, crm.Where("none(memberships, .segment_id == $1)", g.ID)}
	if g.ByHand {
		opts = append(opts, crm.Where("none(segment_exclusions, .segment_id == $1)", g.ID))
	}
	change := b.change
	change.Entered = true
	if b.Entered, err = b.changes.Expand(ctx, "customer", g.Where, change, customerID(), opts...); err != nil || b.Entered == 0 {
		return err
	}
	said := crm.Filter{Text: "any(segment_changes, .segment_id == $1 and .batch == $2)", Args: []any{g.ID, change.Batch}}
	_, err = b.members.Expand(ctx, "customer", said, segmentMember{SegmentID: g.ID, Since: change.At}, customerID(), among)
	return err
}

// leave writes down who was in by the condition and is not. One who is deleted is left
// alone: he is not seen, and is looked at when he comes back.
func (b *membershipBatch) leave(ctx context.Context, among crm.ListOption) (err error) {
	g := b.segment
	in := crm.Where("any(memberships, .segment_id == $1 and not .by_hand)", g.ID)
	if b.Left, err = b.changes.Expand(ctx, "customer", not(g.Where), b.change, customerID(), among, in); err != nil || b.Left == 0 {
		return err
	}
	said := crm.Where("segment_id == $1 and batch == $2 and not entered", g.ID, b.change.Batch)
	for cursor := ""; ; {
		page, err := b.changes.List(ctx, said, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return err
		}
		ids := make([]crm.ID, len(page.Items))
		for i, c := range page.Items {
			ids[i] = c.CustomerID
		}
		if err := b.members.Remove(ctx, crm.Where("segment_id == $1 and customer_id in $2", g.ID, ids)); err != nil {
			return err
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// end says that somebody came or went.
func (b *membershipBatch) end(ctx context.Context) error {
	if b.Entered == 0 && b.Left == 0 {
		return nil
	}
	_, err := b.rolls.Do(ctx, b.roll.ID, "changed", func(r *segmentRoll) error {
		r.Entered, r.Left = b.Entered, b.Left
		return nil
	})
	return err
}

// maxByHand is how many customers one call adds or removes.
const maxByHand = crm.MaxPage

// Add puts customers into a segment by hand, at most 1,000 in a call, and returns how
// many were not in. In a dynamic segment they stay whatever its condition says, until
// Remove or Reset. It takes the right to update the segment and to read the customers.
func (s *Segments) Add(ctx context.Context, key string, customers ...crm.ID) (int64, error) {
	var n int64
	err := s.byHand(ctx, key, customers, func(ctx context.Context, b *membershipBatch, ids []crm.ID) (err error) {
		n, err = b.add(ctx, ids)
		return err
	})
	return n, failed("add", "segment", crm.ID{}, err)
}

// Remove takes customers out of a segment by hand, at most 1,000 in a call, and returns
// how many were in. They stay out of a dynamic segment whatever its condition says, until
// Add or Reset. It takes the right to update the segment and to read the customers.
func (s *Segments) Remove(ctx context.Context, key string, customers ...crm.ID) (int64, error) {
	var n int64
	err := s.byHand(ctx, key, customers, func(ctx context.Context, b *membershipBatch, ids []crm.ID) (err error) {
		n, err = b.remove(ctx, ids)
		return err
	})
	return n, failed("remove", "segment", crm.ID{}, err)
}

// Reset leaves customers to the condition of a dynamic segment again, at most 1,000 in a
// call, and returns how many came and went by that. It takes the right to update the
// segment and to read the customers.
func (s *Segments) Reset(ctx context.Context, key string, customers ...crm.ID) (Evaluation, error) {
	var e Evaluation
	err := s.byHand(ctx, key, customers, func(ctx context.Context, b *membershipBatch, ids []crm.ID) error {
		g := b.segment
		if g.Kind != DynamicSegment {
			return crm.Invalid("kind", "is static: who is in it is a matter of hands alone")
		}
		if err := b.exclusions.Remove(ctx, crm.Where("segment_id == $1 and customer_id in $2", g.ID, ids)); err != nil {
			return err
		}
		kept, err := b.members.List(ctx, crm.Where("segment_id == $1 and customer_id in $2 and by_hand", g.ID, ids), crm.Limit(crm.MaxPage))
		if err != nil {
			return err
		}
		for i := range kept.Items {
			kept.Items[i].ByHand = false
		}
		if err := b.members.Put(ctx, kept.Items...); err != nil {
			return err
		}
		among := crm.Where("id in $1", ids)
		if err := b.enter(ctx, among); err != nil {
			return err
		}
		err = b.leave(ctx, among)
		e = b.Evaluation
		return err
	})
	return e, failed("reset", "segment", crm.ID{}, err)
}

// byHand calls fn for customers who may be put in and out, in one transaction.
func (s *Segments) byHand(ctx context.Context, key string, ids []crm.ID, fn func(context.Context, *membershipBatch, []crm.ID) error) error {
	if len(ids) > maxByHand {
		return crm.Invalid("customers", "are %d, and %d are allowed in a call", len(ids), maxByHand)
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, crm.ID.Compare)
	ids = slices.Compact(ids)
	return s.core.Tx(ctx, func(ctx context.Context) error {
		g, err := s.byKey(ctx, key)
		if err == nil {
			err = s.May(ctx, crm.VerbUpdate, g.ID)
		}
		if err == nil {
			err = s.people.May(ctx, crm.VerbRead, ids...)
		}
		if err != nil || len(ids) == 0 {
			return err
		}
		ctx = crm.SystemIn(ctx)
		if g.Kind == DynamicSegment && !g.ByHand {
			if g, err = s.kind.Do(ctx, g.ID, "adjusted", func(g *Segment) error { g.ByHand = true; return nil }); err != nil {
				return err
			}
		}
		b, err := s.begin(ctx, &g)
		if err == nil {
			err = fn(ctx, b, ids)
		}
		if err == nil {
			err = b.end(ctx)
		}
		return err
	})
}

// among are the members among some customers.
func (b *membershipBatch) among(ctx context.Context, ids []crm.ID) (map[crm.ID]segmentMember, error) {
	page, err := b.members.List(ctx, crm.Where("segment_id == $1 and customer_id in $2", b.segment.ID, ids), crm.Limit(crm.MaxPage))
	in := make(map[crm.ID]segmentMember, len(page.Items))
	for _, m := range page.Items {
		in[m.CustomerID] = m
	}
	return in, err
}

// say writes what is to be said of customers.
func (b *membershipBatch) say(ctx context.Context, ids []crm.ID, entered bool) error {
	rows := make([]MembershipChange, len(ids))
	for i, id := range ids {
		rows[i] = b.change
		rows[i].CustomerID, rows[i].Entered, rows[i].ByHand = id, entered, true
	}
	return b.changes.Append(ctx, rows...)
}

func (b *membershipBatch) add(ctx context.Context, ids []crm.ID) (int64, error) {
	in, err := b.among(ctx, ids)
	if err != nil {
		return 0, err
	}
	var come []crm.ID
	rows := make([]segmentMember, len(ids))
	for i, id := range ids {
		m, is := in[id]
		if !is {
			come = append(come, id)
			m = segmentMember{SegmentID: b.segment.ID, CustomerID: id, Since: b.change.At}
		}
		m.ByHand = true
		rows[i] = m
	}
	b.Entered = int64(len(come))
	if err := b.members.Put(ctx, rows...); err != nil {
		return 0, err
	}
	if b.segment.Kind == DynamicSegment {
		if err := b.exclusions.Remove(ctx, crm.Where("segment_id == $1 and customer_id in $2", b.segment.ID, ids)); err != nil {
			return 0, err
		}
	}
	return b.Entered, b.say(ctx, come, true)
}

func (b *membershipBatch) remove(ctx context.Context, ids []crm.ID) (int64, error) {
	in, err := b.among(ctx, ids)
	if err != nil {
		return 0, err
	}
	var gone []crm.ID
	out := make([]segmentExclusion, len(ids))
	for i, id := range ids {
		if _, is := in[id]; is {
			gone = append(gone, id)
		}
		out[i] = segmentExclusion{SegmentID: b.segment.ID, CustomerID: id, Since: b.change.At}
	}
	b.Left = int64(len(gone))
	if err := b.members.Remove(ctx, crm.Where("segment_id == $1 and customer_id in $2", b.segment.ID, ids)); err != nil {
		return 0, err
	}
	if b.segment.Kind == DynamicSegment {
		if _, err := b.exclusions.Add(ctx, out...); err != nil {
			return 0, err
		}
	}
	return b.Left, b.say(ctx, gone, false)
}

// sound finds what is written down of segments and cannot be: AddCheck.
func (s *Segments) sound(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	for g, err := range s.All(ctx) {
		if err != nil {
			return err
		}
		n, err := s.members.Count(ctx, crm.Where("segment_id == $1", g.ID), crm.WhereOf("customer_id", "any(segment_exclusions, .segment_id == $1)", g.ID))
		if err != nil {
			return err
		}
		if n > 0 {
			found("segment", g.ID, "customers are in it who were removed by hand")
		}
	}
	return nil
}

package customers

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Audience is who was in a segment at an instant, and stays so: for a campaign that is
// sent to those alone, and for comparing with later.
type Audience struct {
	crm.Record

	SegmentID crm.ID `crm:"required,ref=segment" json:"segment_id"`
	// Name is what it is called: "Spring mailing".
	Name string `crm:"required,max=200,search" json:"name"`
	// Taken is the instant, Members how many they were.
	Taken   time.Time `crm:"guarded" json:"taken,omitzero"`
	Members int64     `crm:"guarded" json:"members"`
}

// audienceMember is that a customer is in an audience.
type audienceMember struct {
	AudienceID crm.ID `crm:"required,ref=audience,as=audience_members"    json:"audience_id"`
	CustomerID crm.ID `crm:"required,ref=customer,parent,as=audiences" json:"customer_id"`
}

// Audiences are segments as they were once; see [Segments.Snapshot]. Expressions of
// customers know them as any(audiences, .audience.name == 'Spring mailing').
type Audiences struct {
	crm.Collection[Audience]

	kind    *crm.Kind[Audience]
	people  *Customers
	members *crm.Ledger[audienceMember]
}

func (s *Segments) defineAudiences(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[Audience]{
		Name: "audience", BeforeWrite: keepSegment,
		Initial: func(context.Context, *crm.Write[Audience]) error { return nil }, // so that Snapshot alone says how many they are, or an import
	})
	if err != nil {
		return err
	}
	s.Audiences = &Audiences{Collection: kind.Collection, kind: kind, people: s.people}
	s.Audiences.members, err = crm.DefineLedger[audienceMember](core, crm.LedgerOf[audienceMember]{
		Name: "audience_member", Key: []string{"audience_id", "customer_id"},
	})
	return err
}

// keepSegment holds that an audience stays one of its segment.
func keepSegment(_ context.Context, w *crm.Write[Audience]) error {
	if w.Before != nil && w.After.SegmentID != w.Before.SegmentID {
		return crm.Invalid("segment_id", "is whose customers they were: take another snapshot")
	}
	return nil
}

// Snapshot keeps who is in a segment at this instant, all of them, under a name. It is
// one transaction of the database, so that nobody is in it who was not in the segment
// with the others. It takes the right to read the segment and to create audiences; who
// is in it shows to each as far as he may read customers.
func (s *Segments) Snapshot(ctx context.Context, key, name string) (Audience, error) {
	var made Audience
	err := s.core.Tx(ctx, func(ctx context.Context) error {
		g, err := s.byKey(ctx, key)
		if err == nil {
			made, err = s.Audiences.Create(ctx, Audience{SegmentID: g.ID, Name: name})
		}
		if err == nil {
			made, err = s.Audiences.take(crm.SystemIn(ctx), &g, made.ID)
		}
		return err
	})
	return made, failed("snapshot", "segment", crm.ID{}, err)
}

// take fills an audience.
func (a *Audiences) take(ctx context.Context, g *Segment, id crm.ID) (Audience, error) {
	now, wanted := a.people.core.Now(ctx), g.wanted()
	n, err := a.members.Expand(ctx, "customer", wanted[0], audienceMember{AudienceID: id}, customerID(), asTenant(wanted[1:]...)...)
	if err != nil {
		return Audience{}, err
	}
	return a.kind.Do(ctx, id, "taken", func(a *Audience) error { a.Taken, a.Members = now, n; return nil })
}

// Customers returns a page of the customers in an audience, of those the actor may read
// and who are still there, by the options of any list. It is for those who may read the
// audience.
func (a *Audiences) Customers(ctx context.Context, audience crm.ID, opts ...crm.ListOption) (crm.Page[Customer], error) {
	if err := a.May(ctx, crm.VerbRead, audience); err != nil {
		return crm.Page[Customer]{}, failed("list", "audience", audience, err)
	}
	opts = append(opts, crm.WhereSystem("any(audiences, .audience_id == $1)", audience))
	page, err := a.people.List(ctx, opts...)
	return page, failed("list", "audience", audience, err)
}

package customers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// SegmentKind says who decides who is in a segment.
type SegmentKind string

// The kinds of segments.
const (
	// StaticSegment has the customers who were added to it.
	StaticSegment SegmentKind = "static"
	// DynamicSegment has the customers for whom its condition holds.
	DynamicSegment SegmentKind = "dynamic"
)

// Segment is a group of customers: those who were added, or those for whom a condition
// holds.
type Segment struct {
	crm.Record

	// Key is what code calls it: lower-case letters, digits, - and _, at most 48.
	Key  string `crm:"required,max=48,unique"        json:"key"`
	Name string `crm:"required,max=200,sort,search" json:"name"`
	// Kind never changes.
	Kind SegmentKind `crm:"required,enum=static|dynamic" json:"kind"`
	// Where is the condition of a dynamic segment, on customers, in at most 3,500 bytes and
	// with at most 90 arguments: Filter{Text: "count(purchases, .at > ago('90d')) >= 3"}.
	// It is held to the rights of who sets it, and from then on asked as the tenant, so that
	// everybody sees the same segment. It names neither me() nor other segments.
	Where       crm.Filter `crm:"json"     json:"where,omitzero"`
	Description string     `crm:"max=2000" json:"description,omitempty"`
	// ByHand says that customers were added to a dynamic segment, or removed from it, by
	// hand.
	ByHand bool `crm:"guarded" json:"by_hand,omitempty"`
}

var _ crm.Validator = (*Segment)(nil)

const (
	maxSegmentText = 3500 // bytes of a condition, so that it fits into others
	maxSegmentArgs = 90
)

// Validate refuses a segment of which nobody could say who is in it.
func (s *Segment) Validate() error {
	if strings.Trim(s.Key, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return crm.Invalid("key", "%q is no key: lower-case letters, digits, - and _ make one", clipped(s.Key))
	}
	switch {
	case s.Kind == StaticSegment && !s.Where.IsZero():
		return crm.Invalid("where", "is for dynamic segments: leave it out, and add customers")
	case s.Kind == DynamicSegment && strings.TrimSpace(s.Where.Text) == "":
		return crm.Invalid("where", "is the condition of a dynamic segment, with arguments that crm.Where takes: true is everybody")
	case len(s.Where.Text) > maxSegmentText:
		return crm.Invalid("where", "has %d bytes, and %d are allowed", len(s.Where.Text), maxSegmentText)
	case len(s.Where.Args) > maxSegmentArgs:
		return crm.Invalid("where", "has %d arguments, and %d are allowed", len(s.Where.Args), maxSegmentArgs)
	}
	return nil
}

// Segments are groups of customers. Who is in one is answered in two ways. Count,
// Members, Contains and Overlap ask the condition itself, at that instant. Besides, who
// is in is written down, by [Segments.Evaluate] and in the background soon after
// something changed: as the relation memberships of customers in expressions, and as
// changes, each of which is told once ([Segments.OnChange]).
type Segments struct {
	crm.Collection[Segment]

	// Audiences are segments as they were once.
	Audiences *Audiences

	span       int // how many customers one transaction of an evaluation looks at
	core       *crm.Core
	people     *Customers
	kind       *crm.Kind[Segment]
	rolls      *crm.Kind[segmentRoll]
	members    *crm.Ledger[segmentMember]
	exclusions *crm.Ledger[segmentExclusion]
	changes    *crm.Ledger[MembershipChange]
	uses       *crm.Ledger[segmentUse]
	stale      *crm.Ledger[staleMember]
}

// segmentRoll is how far it is written down who is in a segment. Its event
// segment_roll.changed says that somebody came or went: the changes have its version as
// their batch.
type segmentRoll struct {
	crm.Record

	SegmentID crm.ID `crm:"required,ref=segment,parent,unique" json:"segment_id"`
	// Evaluated is when all customers were looked at last.
	Evaluated time.Time `crm:"guarded" json:"evaluated,omitzero"`
	// Entered and Left are how many came and went by the last batch.
	Entered int64 `crm:"guarded" json:"entered"`
	Left    int64 `crm:"guarded" json:"left"`
}

// segmentMember is that a customer is in a segment. Expressions know it as memberships.
type segmentMember struct {
	SegmentID  crm.ID    `crm:"required,ref=segment,as=memberships"         json:"segment_id"`
	CustomerID crm.ID    `crm:"required,ref=customer,parent,as=memberships" json:"customer_id"`
	Since      time.Time `crm:"required"                                    json:"since"`
	ByHand     bool      `json:"by_hand"`
}

// segmentExclusion is that a customer was removed by hand, and stays out.
type segmentExclusion struct {
	SegmentID  crm.ID    `crm:"required,ref=segment,as=exclusions"                 json:"segment_id"`
	CustomerID crm.ID    `crm:"required,ref=customer,parent,as=segment_exclusions" json:"customer_id"`
	Since      time.Time `crm:"required"                                           json:"since"`
}

// segmentUse is a field that a segment's condition asks about; see [crm.FilterUse]. The
// field * stands for all: a record that comes, goes or is merged.
type segmentUse struct {
	Object    string `crm:"max=48"  json:"object"`
	Field     string `crm:"max=100" json:"field"`
	SegmentID crm.ID `json:"segment_id"`
	// Way is the field or the condition that leads to the customers.
	Way string `crm:"max=300" json:"way"`
}

// staleMember is a customer who is to be looked at again. A row of its own for each
// reason, so that one who writes it waits for nobody.
type staleMember struct {
	SegmentID  crm.ID `json:"segment_id"`
	ID         crm.ID `json:"id"`
	CustomerID crm.ID `crm:"required" json:"customer_id"`
	// Quiet says that what made him so was to set nothing in motion.
	Quiet bool `json:"quiet"`
}

func (c *Customers) defineSegments(core *crm.Core) (err error) {
	s := &Segments{span: segmentSpan, core: core, people: c}
	c.Segments = s
	if s.kind, err = crm.Define(core, crm.Object[Segment]{
		Name: "segment", BeforeWrite: s.check, AfterWrite: s.written,
		Initial: func(context.Context, *crm.Write[Segment]) error { return nil },
	}); err != nil {
		return err
	}
	s.Collection = s.kind.Collection
	if s.rolls, err = crm.Define(core, crm.Object[segmentRoll]{
		Name: "segment_roll", Initial: func(context.Context, *crm.Write[segmentRoll]) error { return nil },
	}); err != nil {
		return err
	}
	if err := s.defineLedgers(core); err != nil {
		return err
	}
	if err := s.defineAudiences(core); err != nil {
		return err
	}
	core.Fields.UsedBy(s.naming)
	core.AddCheck(s.sound)
	return s.defineFollowing(core)
}

func (s *Segments) defineLedgers(core *crm.Core) (err error) {
	if s.members, err = crm.DefineLedger[segmentMember](core, crm.LedgerOf[segmentMember]{
		Name: "segment_member", Key: []string{"segment_id", "customer_id"},
	}); err != nil {
		return err
	}
	if s.exclusions, err = crm.DefineLedger[segmentExclusion](core, crm.LedgerOf[segmentExclusion]{
		Name: "segment_exclusion", Key: []string{"segment_id", "customer_id"},
	}); err != nil {
		return err
	}
	if s.changes, err = crm.DefineLedger[MembershipChange](core, crm.LedgerOf[MembershipChange]{
		Name: "segment_change", Key: []string{"segment_id", "batch", "customer_id"},
	}); err != nil {
		return err
	}
	if s.uses, err = crm.DefineLedger[segmentUse](core, crm.LedgerOf[segmentUse]{
		Name: "segment_use", Key: []string{"object", "field", "segment_id", "way"},
	}); err != nil {
		return err
	}
	s.stale, err = crm.DefineLedger[staleMember](core, crm.LedgerOf[staleMember]{Name: "segment_stale", Key: []string{"segment_id", "id"}})
	return err
}

// check holds a condition that is new to the rights of who sets it.
func (s *Segments) check(ctx context.Context, w *crm.Write[Segment]) error {
	if w.Before != nil && w.After.Kind != w.Before.Kind {
		return crm.Invalid("kind", "is %s, and stays so: create another segment", w.Before.Kind)
	}
	if w.After.Kind != DynamicSegment || w.Before != nil && sameFilter(w.Before.Where, w.After.Where) {
		return nil
	}
	if err := w.After.Validate(); err != nil {
		return err
	}
	uses, err := s.people.core.FilterUses(ctx, "customer", w.After.Where)
	if err != nil {
		return err
	}
	if uses.Member {
		return crm.Invalid("where", "me() is nobody in a segment, which is the same for all who ask: name the member, as in owner_id == id('…')")
	}
	for _, u := range uses.Fields {
		if slices.Contains([]string{"segment", "segment_roll", "segment_member", "segment_exclusion", "segment_change", "audience_member"}, u.Object) {
			return crm.Invalid("where", "a segment does not ask about segments: repeat the other one's condition")
		}
	}
	byHand := *w.After
	byHand.ByHand = true
	for _, c := range byHand.wanted() { // it must not grow too large by what is asked besides
		if _, err := s.core.FilterUses(crm.SystemIn(ctx), "customer", c); err != nil {
			return err
		}
	}
	return nil
}

func sameFilter(a, b crm.Filter) bool {
	x, errX := a.MarshalJSON()
	y, errY := b.MarshalJSON()
	return errX == nil && errY == nil && string(x) == string(y)
}

// wanted are the conditions of who is in a segment now.
func (s *Segment) wanted() []crm.Filter {
	if s.Kind == StaticSegment {
		return []crm.Filter{{Text: "any(memberships, .segment_id == $1)", Args: []any{s.ID}}}
	}
	if !s.ByHand {
		return []crm.Filter{s.Where}
	}
	n := len(s.Where.Args) + 1
	return []crm.Filter{
		{
			Text: fmt.Sprintf("(\n%s\n) or any(memberships, .segment_id == $%d and .by_hand)", s.Where.Text, n),
			Args: append(slices.Clone(s.Where.Args), s.ID),
		},
		{Text: "none(segment_exclusions, .segment_id == $1)", Args: []any{s.ID}},
	}
}

// not is the condition that a filter does not hold.
func not(f crm.Filter) crm.Filter { return crm.Filter{Text: "not (\n" + f.Text + "\n)", Args: f.Args} }

// asTenant are filters as options of a list.
func asTenant(filters ...crm.Filter) []crm.ListOption {
	opts := make([]crm.ListOption, len(filters))
	for i, f := range filters {
		opts[i] = crm.WhereSystem(f.Text, f.Args...)
	}
	return opts
}

// written notes what a segment asks about, and has it evaluated soon.
func (s *Segments) written(ctx context.Context, w *crm.Write[Segment]) error {
	is, was := w.After, w.Before
	system := crm.SystemIn(ctx)
	if was == nil {
		if _, err := s.rolls.Create(system, segmentRoll{SegmentID: is.ID}); err != nil {
			return err
		}
	}
	if is == nil || !is.Deleted.IsZero() {
		return s.uses.Remove(system, crm.Where("segment_id == $1", was.ID))
	}
	revived := was != nil && !was.Deleted.IsZero()
	if is.Kind != DynamicSegment || was != nil && !revived && sameFilter(was.Where, is.Where) {
		return nil
	}
	if err := s.noteUses(system, is); err != nil {
		return err
	}
	if err := s.scheduleSweep(system); err != nil {
		return err
	}
	return s.wake(system, segmentJob, is.ID)
}

// noteUses writes down what a segment asks about.
func (s *Segments) noteUses(ctx context.Context, of *Segment) error {
	uses, err := s.core.FilterUses(ctx, "customer", of.Where)
	if err != nil {
		return err
	}
	rows := []segmentUse{{"customer", everyField, of.ID, "id"}} // who comes is in it or not, whatever it asks
	for _, u := range uses.Fields {
		way := u.By
		if way == "" {
			way = u.Where
		}
		for _, field := range []string{u.Field, everyField} {
			if row := (segmentUse{u.Object, field, of.ID, way}); !slices.Contains(rows, row) {
				rows = append(rows, row)
			}
		}
	}
	if err := s.uses.Remove(ctx, crm.Where("segment_id == $1", of.ID)); err != nil {
		return err
	}
	_, err = s.uses.Add(ctx, rows...)
	return err
}

// everyField in a use stands for every field.
const everyField = "*"

// naming names the segments whose conditions name a custom field.
func (s *Segments) naming(ctx context.Context, object, field string) (names []string, err error) {
	page, err := s.uses.List(ctx, crm.Where("object == $1 and field == $2", object, field), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, err
	}
	var ids []crm.ID
	for _, u := range page.Items {
		ids = append(ids, u.SegmentID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	for g, err := range s.All(crm.SystemIn(ctx), crm.Where("id in $1", ids)) {
		if err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprintf("segment %q", g.Name))
	}
	return names, nil
}

// ByKey returns the segment of a key.
func (s *Segments) ByKey(ctx context.Context, key string) (Segment, error) {
	g, err := s.byKey(ctx, key)
	return g, failed("get", "segment", crm.ID{}, err)
}

func (s *Segments) byKey(ctx context.Context, key string) (Segment, error) {
	page, err := s.List(ctx, crm.Where("key == $1", key), crm.Limit(1))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Segment{}, err
	}
	return page.Items[0], nil
}

// living is a segment by its id, as the tenant sees it, and false when it is gone.
func (s *Segments) living(ctx context.Context, id crm.ID) (Segment, bool, error) {
	g, err := s.Get(crm.SystemIn(ctx), id)
	if errors.Is(err, crm.ErrNotFound) {
		return g, false, nil
	}
	return g, err == nil, err
}

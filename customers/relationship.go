package customers

import (
	"context"
	"errors"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// RelationshipKind says how two customers are related.
type RelationshipKind string

// The kinds of relationships.
const (
	// WorksAt is a person at an organisation.
	WorksAt RelationshipKind = "works_at"
	// LivesIn is a person in a household.
	LivesIn RelationshipKind = "lives_in"
	// Related is any other, of any two customers; its Role says what it is.
	Related RelationshipKind = "related"
)

// Relationship is what one customer is to another: Ada works at Acme as an engineer since
// May. It belongs to the first of the two, here to Ada. That one organisation belongs to
// another is the other's ParentID.
type Relationship struct {
	crm.Record

	CustomerID crm.ID           `crm:"required,ref=customer,parent"              json:"customer_id"`
	OtherID    crm.ID           `crm:"required,ref=customer,as=relations"        json:"other_id"`
	Kind       RelationshipKind `crm:"required,enum=works_at|lives_in|related" json:"kind"`
	// Role is what the customer is to the other: decision maker, spouse, tax adviser.
	// Related takes one.
	Role string `crm:"max=100,personal" json:"role,omitempty"`
	// Title and Department are where he works in an organisation.
	Title      string `crm:"max=100,personal" json:"title,omitempty"`
	Department string `crm:"max=100"          json:"department,omitempty"`
	// Since and Until are its first and its last day; zero: they are not known, or it
	// goes on.
	Since crm.Date `json:"since,omitzero"`
	Until crm.Date `json:"until,omitzero"`
	// Main is the one that counts when there are several of a kind. A customer has at most
	// one of each: his first becomes it, and one that is made it takes it from the other.
	Main bool `json:"main,omitempty"`
}

var _ crm.Validator = (*Relationship)(nil)

// Validate refuses what a relationship cannot be.
func (r *Relationship) Validate() error {
	switch {
	case r.CustomerID == r.OtherID:
		return crm.Invalid("other_id", "is the customer himself")
	case r.Kind == Related && r.Role == "":
		return crm.Invalid("role", "is required: say what the customer is to the other")
	case r.Kind != WorksAt && r.Title+r.Department != "":
		return crm.Invalid("title", "and department are for those who work there: leave them out")
	case r.Since != crm.Date{} && r.Until != crm.Date{} && r.Until.Compare(r.Since) < 0:
		return crm.Invalid("until", "lies before since")
	}
	return nil
}

// Relationships are what customers are to each other.
type Relationships struct {
	crm.Collection[Relationship]

	people *Customers
}

func (c *Customers) defineRelationships(core *crm.Core) error {
	r := &Relationships{people: c}
	kind, err := crm.Define(core, crm.Object[Relationship]{Name: "relationship", Gather: r.gather, BeforeWrite: r.fit, AfterWrite: r.only, Relink: r.yield})
	if err != nil {
		return err
	}
	r.Collection = kind.Collection
	c.Relationships = r
	return nil
}

// related is whose relationships of which kind.
type related struct {
	customer crm.ID
	kind     RelationshipKind
}

// gather decides over the main relationships of all customers who are given some, and reads
// what those are who are to be related.
func (r *Relationships) gather(ctx context.Context, all []*crm.Write[Relationship]) (context.Context, error) {
	list := make([]given[related], len(all))
	for i, w := range all {
		list[i] = given[related]{related{w.After.CustomerID, w.After.Kind}, w.After.CustomerID, &w.After.Main, w.After.Validate() != nil}
	}
	ctx, err := gatherMains(ctx, r.people, list, func(system context.Context, of []crm.ListOption, note func(related, crm.ID, bool)) error {
		for a, err := range r.All(system, of...) {
			if err != nil {
				return err
			}
			note(related{a.CustomerID, a.Kind}, a.ID, a.Main)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ends, err := r.ends(ctx, all)
	return context.WithValue(ctx, endsKey{}, ends), err
}

// between are the kinds of customers that a kind of relationship is between; empty: of any.
func (k RelationshipKind) between() [2]Kind {
	return map[RelationshipKind][2]Kind{WorksAt: {Person, Organisation}, LivesIn: {Person, Household}}[k]
}

// endsKey marks a context that has the kinds of customers who are to be related, by id.
type endsKey struct{}

// ends reads the customers whose kinds are asked for all relationships at once. Whom it does
// not find, as one who was absorbed, is looked for by [Relationships.fit].
func (r *Relationships) ends(ctx context.Context, all []*crm.Write[Relationship]) (map[crm.ID]Kind, error) {
	var ids []crm.ID
	for _, w := range all {
		if w.After.Kind.between()[0] != "" {
			ids = append(ids, w.After.CustomerID, w.After.OtherID)
		}
	}
	slices.SortFunc(ids, crm.ID.Compare)
	kinds := map[crm.ID]Kind{}
	for part := range slices.Chunk(slices.Compact(ids), crm.MaxPage) {
		for c, err := range r.people.All(ctx, crm.Where("id in $1", part)) {
			if errors.Is(err, crm.ErrForbidden) { // fit says of whom
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			kinds[c.ID] = c.Kind
		}
	}
	return kinds, nil
}

// kindOf is what a customer is, as far as the actor may read it.
func (r *Relationships) kindOf(ctx context.Context, id crm.ID) (Kind, error) {
	known, _ := ctx.Value(endsKey{}).(map[crm.ID]Kind)
	if kind, ok := known[id]; ok {
		return kind, nil
	}
	c, err := r.people.Get(ctx, id)
	return c.Kind, err
}

// fit holds that those related are what the kind is of, and makes the first of a kind
// the main one.
func (r *Relationships) fit(ctx context.Context, w *crm.Write[Relationship]) error {
	is, was := w.After, w.Before
	if was != nil && is.CustomerID == was.CustomerID && is.OtherID == was.OtherID && is.Kind == was.Kind {
		return nil
	}
	wanted := is.Kind.between()
	for i, end := range []struct {
		field string
		id    crm.ID
	}{{"customer_id", is.CustomerID}, {"other_id", is.OtherID}} {
		if wanted[i] == "" {
			continue
		}
		kind, err := r.kindOf(ctx, end.id)
		switch {
		case errors.Is(err, crm.ErrNotFound): // the reference is refused once it is written
		case err != nil:
			return err
		case kind != "" && kind != wanted[i]: // else he may not read what it is
			return crm.Invalid(end.field, "refers to %s, and %s is %s", kind.one(), is.Kind, wanted[0].one()+" at "+wanted[1].one())
		}
	}
	if was != nil || is.Main || mainsIn[related](ctx) != nil {
		return nil
	}
	n, err := r.Count(crm.SystemIn(ctx), crm.Where("customer_id == $1 and kind == $2", is.CustomerID, string(is.Kind)))
	is.Main = n == 0
	return err
}

// yield leaves the main one of a kind to the customer with whom the other one is merged, if
// it has one.
func (r *Relationships) yield(ctx context.Context, w *crm.Write[Relationship]) error {
	if !w.After.Main {
		return nil
	}
	n, err := r.Count(crm.SystemIn(ctx), crm.Where("customer_id == $1 and kind == $2 and main and id != $3", w.After.CustomerID, string(w.After.Kind), w.After.ID))
	w.After.Main = n == 0
	return err
}

// only takes from others of the kind that they are the main one.
func (r *Relationships) only(ctx context.Context, w *crm.Write[Relationship]) error {
	is, was := w.After, w.Before
	if is == nil || !is.Main || !is.Deleted.IsZero() ||
		was != nil && was.Main && was.Deleted.IsZero() && was.CustomerID == is.CustomerID && was.Kind == is.Kind {
		return nil
	}
	system := crm.SystemIn(ctx)
	yield := func(id crm.ID) error {
		_, err := r.Update(system, id, func(o *Relationship) error { o.Main = false; return nil })
		return err
	}
	if before := mainsIn[related](ctx); before != nil {
		if id, had := before[related{is.CustomerID, is.Kind}]; had {
			return yield(id)
		}
		return nil
	}
	if _, err := r.people.kind.Hold(system, is.CustomerID); err != nil {
		return err
	}
	others, err := r.List(system, crm.Where("customer_id == $1 and kind == $2 and main and id != $3", is.CustomerID, string(is.Kind), is.ID))
	for _, o := range others.Items {
		if err == nil {
			err = yield(o.ID)
		}
	}
	return err
}

// Of returns the relationships of a customer that are in force today, by the calendar of
// the tenant, whichever of the two he is: the main ones first, then the oldest. They are at
// most 2,000, and only those whose other customer the actor may read as well.
func (r *Relationships) Of(ctx context.Context, id crm.ID) ([]Relationship, error) {
	if _, err := r.people.Get(ctx, id); err != nil {
		return nil, failed("of", "relationship", id, err)
	}
	const today = "(since == nil or since <= today()) and (until == nil or until >= today()) and other.kind != nil"
	var list []Relationship
	for _, end := range []string{"customer_id == $1", "other_id == $1"} {
		page, err := r.List(ctx, crm.Where(end, id), crm.Where(today), crm.Limit(crm.MaxPage))
		if err != nil {
			return nil, failed("of", "relationship", id, err)
		}
		list = append(list, page.Items...)
	}
	slices.SortStableFunc(list, func(a, b Relationship) int {
		if a.Main != b.Main {
			return map[bool]int{true: -1, false: 1}[a.Main]
		}
		return older(&a.Record, &b.Record)
	})
	return list, nil
}

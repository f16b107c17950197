package customers

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// PostalKind says what a postal address is for.
type PostalKind string

// The kinds of postal addresses.
const (
	PostalHome     PostalKind = "home"
	PostalWork     PostalKind = "work"
	PostalBilling  PostalKind = "billing"
	PostalShipping PostalKind = "shipping"
	PostalOther    PostalKind = "other"
)

// PostalAddress is where a customer lives, works, is billed or gets parcels.
type PostalAddress struct {
	crm.Record

	CustomerID crm.ID     `crm:"required,ref=customer,parent,as=postal_addresses"    json:"customer_id"`
	Kind       PostalKind `crm:"required,enum=home|work|billing|shipping|other" json:"kind"`
	// Main is the one to use when nothing says which. A customer has at most one: his first
	// becomes it, and one that is made it takes it from the other.
	Main bool `json:"main,omitempty"`
	// Recipient is the name on the parcel where it is not the customer's.
	Recipient string `crm:"max=200,personal" json:"recipient,omitempty"`
	// Street has house number and unit, on as many lines as it takes.
	Street     string `crm:"max=500,personal" json:"street,omitempty"`
	District   string `crm:"max=100"          json:"district,omitempty"`
	City       string `crm:"max=100"          json:"city,omitempty"`
	Region     string `crm:"max=100"          json:"region,omitempty"` // state, province
	PostalCode string `crm:"max=20,personal"  json:"postal_code,omitempty"`
	// Country is the code of ISO 3166-1, of two capital letters: DE.
	Country string `crm:"max=2" json:"country,omitempty"`
}

var _ crm.Validator = (*PostalAddress)(nil)

// Validate refuses an address that says nothing, and a country that is none.
func (p *PostalAddress) Validate() error {
	if fault := countryFault(p.Country); fault != "" {
		return crm.Invalid("country", "%s", fault)
	}
	if p.Street+p.District+p.City+p.Region+p.PostalCode+p.Country == "" {
		return crm.Invalid("street", "there is nothing in the address: give at least a street, a city, a postal code or a country")
	}
	return nil
}

// PostalAddresses are the postal addresses of customers.
type PostalAddresses struct {
	crm.Collection[PostalAddress]

	people *Customers
}

func (c *Customers) definePostalAddresses(core *crm.Core) error {
	p := &PostalAddresses{people: c}
	kind, err := crm.Define(core, crm.Object[PostalAddress]{
		Name: "postal_address", Plural: "postal_addresses", Gather: p.gather, BeforeWrite: p.first, AfterWrite: p.only, Relink: p.yield,
	})
	if err != nil {
		return err
	}
	p.Collection = kind.Collection
	c.PostalAddresses = p
	return nil
}

// gather decides over the main addresses of all customers who are given some.
func (p *PostalAddresses) gather(ctx context.Context, all []*crm.Write[PostalAddress]) (context.Context, error) {
	list := make([]given[crm.ID], len(all))
	for i, w := range all {
		list[i] = given[crm.ID]{w.After.CustomerID, w.After.CustomerID, &w.After.Main, w.After.Validate() != nil}
	}
	return gatherMains(ctx, p.people, list, func(system context.Context, of []crm.ListOption, note func(crm.ID, crm.ID, bool)) error {
		for a, err := range p.All(system, of...) {
			if err != nil {
				return err
			}
			note(a.CustomerID, a.ID, a.Main)
		}
		return nil
	})
}

// first makes a customer's first address the main one.
func (p *PostalAddresses) first(ctx context.Context, w *crm.Write[PostalAddress]) error {
	if w.Before != nil || w.After.Main || mainsIn[crm.ID](ctx) != nil {
		return nil
	}
	n, err := p.Count(crm.SystemIn(ctx), crm.Where("customer_id == $1", w.After.CustomerID))
	w.After.Main = n == 0
	return err
}

// yield leaves the main address to the customer with whom the other one is merged, if it
// has one.
func (p *PostalAddresses) yield(ctx context.Context, w *crm.Write[PostalAddress]) error {
	if !w.After.Main {
		return nil
	}
	n, err := p.Count(crm.SystemIn(ctx), crm.Where("customer_id == $1 and main and id != $2", w.After.CustomerID, w.After.ID))
	w.After.Main = n == 0
	return err
}

// only takes from other addresses of the customer that they are the main one.
func (p *PostalAddresses) only(ctx context.Context, w *crm.Write[PostalAddress]) error {
	is, was := w.After, w.Before
	if is == nil || !is.Main || !is.Deleted.IsZero() || was != nil && was.Main && was.Deleted.IsZero() && was.CustomerID == is.CustomerID {
		return nil
	}
	system := crm.SystemIn(ctx)
	yield := func(id crm.ID) error {
		_, err := p.Update(system, id, func(o *PostalAddress) error { o.Main = false; return nil })
		return err
	}
	if before := mainsIn[crm.ID](ctx); before != nil {
		if id, had := before[is.CustomerID]; had {
			return yield(id)
		}
		return nil
	}
	if _, err := p.people.kind.Hold(system, is.CustomerID); err != nil {
		return err
	}
	others, err := p.List(system, crm.Where("customer_id == $1 and main and id != $2", is.CustomerID, is.ID))
	for _, o := range others.Items {
		if err == nil {
			err = yield(o.ID)
		}
	}
	return err
}

package customers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Identity is one more address of a customer, besides the Email and Phone he has
// himself: a second mailbox, a mobile number, a handle in a network. What is known of
// the address itself, that it bounced or opted out, is its [ContactPoint]'s. Keys in
// other systems are the customer's Refs.
type Identity struct {
	crm.Record

	CustomerID crm.ID `crm:"required,ref=customer,parent,as=identities" json:"customer_id"`
	// Kind says in what it is an address: email, phone, or a network such as wechat.
	Kind crm.AddressKind `crm:"required,max=32" json:"kind"`
	// Value is the address in its normal form; see [crm.Core.ParseAddress]. What has none
	// is kept as it was given.
	Value string `crm:"required,max=500,fold,search,personal,identity" json:"value"`
	// Label says which of several it is: work, home, mobile.
	Label string `crm:"max=50" json:"label,omitempty"`
	// Malformed is that Value is no address of its kind. It follows Value, and what is
	// given is ignored.
	Malformed bool `json:"malformed,omitempty"`
}

var _ crm.Validator = (*Identity)(nil)

// Validate refuses a kind that no address has.
func (i *Identity) Validate() error {
	if i.Kind == crm.AddressEmail || i.Kind == crm.AddressPhone {
		return nil
	}
	if _, err := crm.ParseAddress(i.Kind, "x"); err != nil { // of a network any handle is one
		return crm.Invalid("kind", "is email, phone or a network's name, of 1 to 32 small letters, digits, _ and -")
	}
	return nil
}

// Address returns the address; the zero one when it is malformed.
func (i *Identity) Address() crm.Address {
	if i.Malformed {
		return crm.Address{}
	}
	return crm.Address{Kind: i.Kind, Value: i.Value}
}

// Identities are the further addresses of customers.
type Identities struct {
	crm.Collection[Identity]

	people *Customers
}

func (c *Customers) defineIdentities(core *crm.Core) error {
	i := &Identities{people: c}
	kind, err := crm.Define(core, crm.Object[Identity]{
		Name: "identity", Plural: "identities", BeforeWrite: i.normalise, AfterWrite: i.written,
	})
	if err != nil {
		return err
	}
	i.Collection = kind.Collection
	c.Identities = i
	return nil
}

// maxIdentities is how many further addresses a customer has at most.
const maxIdentities = 200

// normalise brings an address to its normal form, and holds that a customer has it once.
func (i *Identities) normalise(ctx context.Context, w *crm.Write[Identity]) error {
	is, was := w.After, w.Before
	if was != nil && is.CustomerID == was.CustomerID && is.Kind == was.Kind && is.Value == was.Value && was.Deleted.IsZero() {
		is.Malformed = was.Malformed
		return nil
	}
	system := crm.SystemIn(ctx)
	owner, err := i.people.Get(system, is.CustomerID)
	switch {
	case errors.Is(err, crm.ErrNotFound): // the reference is refused once it is written
		return nil
	case err != nil:
		return err
	}
	is.Value, is.Malformed = i.people.normal(ctx, is.Kind, is.Value, owner.Country)
	a := is.Address()
	if a.IsZero() {
		return nil
	}
	all, err := i.people.reach(system, &owner)
	if err != nil {
		return err
	}
	if len(all) > maxIdentities {
		return crm.Invalid("customer_id", "has %d addresses, and %d are allowed", len(all), maxIdentities)
	}
	for _, r := range all {
		if r.Same(a) && (was == nil || r.IdentityID != was.ID) {
			return crm.Invalid("value", "the customer has this address already")
		}
	}
	return nil
}

// written is what follows once an identity is written.
func (i *Identities) written(ctx context.Context, w *crm.Write[Identity]) error {
	if err := i.claim(ctx, w); err != nil {
		return err
	}
	return i.people.Duplicates.identityWritten(ctx, w)
}

// claim refuses an address that another customer has, where the tenant asks for that.
func (i *Identities) claim(ctx context.Context, w *crm.Write[Identity]) error {
	is, was := w.After, w.Before
	switch {
	case is == nil || !is.Deleted.IsZero():
		return nil
	case was != nil && was.Deleted.IsZero() && is.CustomerID == was.CustomerID && is.Kind == was.Kind && is.Value == was.Value:
		return nil
	}
	return i.people.claim(ctx, is.CustomerID, "value", is.Address())
}

// normal returns an address in its normal form; what has none, as it was given.
func (c *Customers) normal(ctx context.Context, kind crm.AddressKind, value, country string) (text string, malformed bool) {
	if value = strings.TrimSpace(value); value == "" {
		return "", false
	}
	a, err := c.core.ParseAddress(kind, value, cmp.Or(country, c.policyOf(ctx).Region))
	if err != nil {
		return value, true
	}
	return a.Value, false
}

// Reach is one address of a customer, and what is known of it.
type Reach struct {
	crm.Address

	// IdentityID is the identity it is; zero: it is the customer's own Email or Phone.
	IdentityID crm.ID
	Label      string
	// Malformed is that it is no address of its kind.
	Malformed bool
	// Point is what is known of the address, whoever has it.
	Point ContactPoint
}

// Usable reports whether nothing is known that speaks against sending something there.
// Whether the customer agreed is another matter.
func (r Reach) Usable() bool {
	return !r.Malformed && r.Point.Invalid.IsZero() && r.Point.OptedOut.IsZero()
}

// Addresses returns the addresses of a customer: his own Email and Phone first, then his
// identities, the oldest first; and of each what is known of it. It is for those who may
// read the customer and his identities; what is masked for the actor is no address.
func (c *Customers) Addresses(ctx context.Context, id crm.ID) ([]Reach, error) {
	list, err := c.addresses(ctx, id)
	return list, failed("addresses", "customer", id, err)
}

func (c *Customers) addresses(ctx context.Context, id crm.ID) ([]Reach, error) {
	owner, err := c.Get(ctx, id, crm.WithoutMasked())
	if err != nil {
		return nil, err
	}
	list, err := c.reach(ctx, &owner)
	if err != nil {
		return nil, err
	}
	var wellFormed []crm.Address
	for _, r := range list {
		if !r.Malformed {
			wellFormed = append(wellFormed, r.Address)
		}
	}
	known, err := c.ContactPoints.known(crm.SystemIn(ctx), wellFormed)
	for i := range list {
		if !list[i].Malformed {
			list[i].Point = known[list[i].Key()]
		}
	}
	return list, err
}

// reach lists the addresses of a customer. What he has himself and as an identity too is
// listed once.
func (c *Customers) reach(ctx context.Context, owner *Customer) ([]Reach, error) {
	var list []Reach
	add := func(r Reach) {
		if r.Value != "" && !slices.ContainsFunc(list, func(o Reach) bool { return o.Same(r.Address) }) {
			list = append(list, r)
		}
	}
	add(Reach{Address: crm.Address{Kind: crm.AddressEmail, Value: owner.Email}, Malformed: owner.EmailMalformed})
	add(Reach{Address: crm.Address{Kind: crm.AddressPhone, Value: owner.Phone}, Malformed: owner.PhoneMalformed})
	page, err := c.Identities.List(ctx, crm.Where("customer_id == $1", owner.ID), crm.Limit(crm.MaxPage), crm.WithoutMasked())
	slices.SortFunc(page.Items, func(a, b Identity) int { return older(&a.Record, &b.Record) })
	for _, i := range page.Items {
		add(Reach{Address: crm.Address{Kind: i.Kind, Value: i.Value}, IdentityID: i.ID, Label: i.Label, Malformed: i.Malformed})
	}
	return list, err
}

// older compares two records by when they came to be.
func older(a, b *crm.Record) int {
	return cmp.Or(a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
}

// SetPrimary makes an identity the customer's own Email or Phone, and what he had there
// the identity, in one step. Only a mailbox or a phone number can be it.
func (c *Customers) SetPrimary(ctx context.Context, identity crm.ID) (Customer, error) {
	var owner Customer
	err := c.core.Tx(ctx, func(ctx context.Context) error {
		i, err := c.Identities.Get(ctx, identity)
		if err != nil {
			return err
		}
		var was string
		owner, err = c.Update(ctx, i.CustomerID, func(o *Customer) error {
			switch i.Kind {
			case crm.AddressEmail:
				was, o.Email = o.Email, i.Value
			case crm.AddressPhone:
				was, o.Phone = o.Phone, i.Value
			default:
				return crm.Invalid("kind", "is %s, and a customer's own addresses are an email and a phone", i.Kind)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if was == "" {
			return c.Identities.Delete(ctx, identity)
		}
		_, err = c.Identities.Update(ctx, identity, func(i *Identity) error {
			i.Value, i.Label = was, ""
			return nil
		})
		return err
	})
	return owner, failed("set primary", "identity", identity, err)
}

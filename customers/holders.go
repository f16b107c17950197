package customers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// ByAddress returns the living customers who have an address, as their own or as an
// identity, the oldest first: all whom the actor may read, up to 1,000.
func (c *Customers) ByAddress(ctx context.Context, a crm.Address) ([]Customer, error) {
	normal, err := c.core.ParseAddress(a.Kind, a.Value, c.policyOf(ctx).Region)
	if err != nil {
		return nil, failed("by address", "customer", crm.ID{}, err)
	}
	found, err := c.holders(ctx, []crm.Address{normal})
	if err != nil {
		return nil, failed("by address", "customer", crm.ID{}, err)
	}
	list := make([]Customer, 0, len(found))
	for _, id := range found.oldest() {
		list = append(list, found[id].customer)
	}
	return list, nil
}

// A holder is a customer, with those of the addresses looked for that he has.
type holder struct {
	customer Customer
	has      []crm.Address
}

type holders map[crm.ID]*holder

func (h holders) oldest() []crm.ID {
	return slices.SortedFunc(maps.Keys(h), func(a, b crm.ID) int { return older(&h[a].customer.Record, &h[b].customer.Record) })
}

func (h holders) note(o Customer, a crm.Address) {
	if h[o.ID] == nil {
		h[o.ID] = &holder{customer: o}
	}
	if !slices.ContainsFunc(h[o.ID].has, a.Same) {
		h[o.ID].has = append(h[o.ID].has, a)
	}
}

// holders returns the living customers who have any of the addresses, which are in their
// normal form. Each address is two questions, each with an index that has the answer in
// the order of a list: asked for several values at once, a database without statistics
// would rather read all customers in that order.
func (c *Customers) holders(ctx context.Context, list []crm.Address) (holders, error) {
	found := holders{}
	for _, a := range list {
		own, err := c.ownersOf(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, o := range own {
			found.note(o, a)
		}
		page, err := c.Identities.List(ctx, crm.Where("fold(value) == fold($1)", a.Value), crm.Limit(crm.MaxPage))
		if err != nil {
			return nil, err
		}
		for _, i := range page.Items {
			if !a.Same(i.Address()) {
				continue
			}
			o, err := c.Get(ctx, i.CustomerID)
			switch {
			case err == nil:
				found.note(o, a)
			case !errors.Is(err, crm.ErrNotFound): // else he was deleted meanwhile
				return nil, err
			}
		}
	}
	return found, nil
}

// ownersOf returns the customers whose own Email or Phone an address is.
func (c *Customers) ownersOf(ctx context.Context, a crm.Address) ([]Customer, error) {
	var where string
	switch a.Kind {
	case crm.AddressEmail:
		where = "fold(email) == fold($1)"
	case crm.AddressPhone:
		where = "phone == $1"
	default:
		return nil, nil
	}
	page, err := c.List(ctx, crm.Where(where, a.Value), crm.Limit(crm.MaxPage))
	return slices.DeleteFunc(page.Items, func(o Customer) bool {
		return !a.Same(crm.Address{Kind: a.Kind, Value: *o.own(a.Kind)}) // accents tell addresses apart, and fold does not
	}), err
}

// claim refuses that a customer has an address which another one has too, where the
// tenant asks for that. Whoever claims the same address at the same time waits.
func (c *Customers) claim(ctx context.Context, id crm.ID, field string, list ...crm.Address) error {
	unique := c.policyOf(ctx).Unique
	list = slices.DeleteFunc(list, func(a crm.Address) bool { return !slices.Contains(unique, a.Kind) })
	if len(list) == 0 {
		return nil
	}
	if err := c.hold(ctx, list); err != nil {
		return err
	}
	taken, err := c.holders(crm.SystemIn(ctx), list)
	delete(taken, id)
	if err != nil || len(taken) == 0 {
		return err
	}
	conflict := &crm.ConflictError{Field: field, Reason: "another customer has this address, and here they are nobody's but one's"}
	if other, err := c.Get(ctx, taken.oldest()[0]); err == nil { // else he is none the actor may read
		conflict.Holder = other.ID
	}
	return conflict
}

// hold makes others who hold one of the addresses wait for the end of this transaction.
// All take them in the same order, so that no two wait for each other.
func (c *Customers) hold(ctx context.Context, list []crm.Address) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b crm.Address) int { return strings.Compare(a.Key(), b.Key()) })
	for _, a := range slices.CompactFunc(list, crm.Address.Same) {
		if err := c.ContactPoints.hold(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// keepAddresses follows a customer's own addresses: BeforeWrite.
func (c *Customers) keepAddresses(ctx context.Context, w *crm.Write[Customer]) {
	is, was := w.After, w.Before
	if was == nil {
		was = &Customer{}
	}
	is.EmailMalformed, is.PhoneMalformed = was.EmailMalformed, was.PhoneMalformed
	if is.Email != was.Email {
		is.Email, is.EmailMalformed = c.normal(ctx, crm.AddressEmail, is.Email, is.Country)
	}
	if is.Phone != was.Phone {
		is.Phone, is.PhoneMalformed = c.normal(ctx, crm.AddressPhone, is.Phone, is.Country)
	}
}

// claimAddresses holds what a customer came to have to what the tenant asks of
// addresses: AfterWrite.
func (c *Customers) claimAddresses(ctx context.Context, w *crm.Write[Customer]) error {
	is, was := w.After, w.Before
	if is == nil || !is.Deleted.IsZero() || len(c.policyOf(ctx).Unique) == 0 {
		return nil
	}
	if was != nil && !was.Deleted.IsZero() { // restored, with all he had
		all, err := c.reach(crm.SystemIn(ctx), is)
		if err != nil {
			return err
		}
		var list []crm.Address
		for _, r := range all {
			if !r.Malformed {
				list = append(list, r.Address)
			}
		}
		return c.claim(ctx, is.ID, "identities", list...)
	}
	if was == nil {
		was = &Customer{}
	}
	if is.Email != "" && is.Email != was.Email && !is.EmailMalformed {
		if err := c.claim(ctx, is.ID, "email", crm.Address{Kind: crm.AddressEmail, Value: is.Email}); err != nil {
			return err
		}
	}
	if is.Phone != "" && is.Phone != was.Phone && !is.PhoneMalformed {
		return c.claim(ctx, is.ID, "phone", crm.Address{Kind: crm.AddressPhone, Value: is.Phone})
	}
	return nil
}

package customers

import (
	"context"
	"errors"

	"github.com/embedcrm/embedcrm/crm"
)

// definePrivacy says what is kept of a customer in no record of his own: what is known
// of his addresses.
func (c *Customers) definePrivacy(core *crm.Core) error {
	return core.AddPersonalData(crm.PersonalData{Name: "contact_points", Export: c.exportPoints, Erase: c.erasePoints})
}

// exportPoints gives what is known of a customer's addresses.
func (c *Customers) exportPoints(ctx context.Context, object string, id crm.ID, yield func(any) error) error {
	list, err := c.addressesOf(ctx, object, id)
	if err != nil {
		return err
	}
	known, err := c.ContactPoints.known(ctx, list)
	if errors.Is(err, crm.ErrForbidden) { // the actor may read none
		return nil
	}
	for _, a := range list {
		if point, ok := known[a.Key()]; ok && err == nil {
			err = yield(point)
		}
	}
	return err
}

// erasePoints removes what is known of a customer's addresses that nobody else has.
func (c *Customers) erasePoints(ctx context.Context, object string, id crm.ID) (int64, error) {
	list, err := c.addressesOf(ctx, object, id)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	known, err := c.ContactPoints.known(ctx, list)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, a := range list {
		point, ok := known[a.Key()]
		if !ok || point.ID.IsZero() {
			continue
		}
		others, err := c.holders(ctx, []crm.Address{a})
		if err != nil {
			return n, err
		}
		delete(others, id)
		if object == "identity" {
			i, err := c.Identities.Get(ctx, id, crm.WithDeleted())
			if err != nil {
				return n, err
			}
			delete(others, i.CustomerID)
		}
		if len(others) > 0 {
			continue
		}
		if _, err := c.ContactPoints.ErasePerson(ctx, point.ID, "as who had it"); err != nil { // in words too short to be of an address
			return n, err
		}
		if err := c.ContactPoints.Purge(context.WithValue(ctx, erasingKey{}, true), point.ID); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// addressesOf are the addresses that a record itself has, a customer or an identity.
func (c *Customers) addressesOf(ctx context.Context, object string, id crm.ID) (list []crm.Address, err error) {
	add := func(a crm.Address, malformed bool) {
		if a.Value != "" && !malformed {
			list = append(list, a)
		}
	}
	switch object {
	case "customer":
		var o Customer
		if o, err = c.Get(ctx, id, crm.WithDeleted(), crm.WithoutMasked()); err == nil {
			add(crm.Address{Kind: crm.AddressEmail, Value: o.Email}, o.EmailMalformed)
			add(crm.Address{Kind: crm.AddressPhone, Value: o.Phone}, o.PhoneMalformed)
		}
	case "identity":
		var i Identity
		if i, err = c.Identities.Get(ctx, id, crm.WithDeleted(), crm.WithoutMasked()); err == nil {
			add(i.Address(), false)
		}
	}
	if errors.Is(err, crm.ErrNotFound) { // it was purged
		err = nil
	}
	return list, err
}

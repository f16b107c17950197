package customers

import (
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Merge makes one customer of several: the survivor takes what rules say of the others'
// fields, everything that refers to them refers to it, in one transaction, and from then
// on their ids lead to it. [Customers.Unmerge] undoes it. See [crm.Kind.Merge] for the
// rights it takes and what it refuses; to merge a person with an organisation is
// ErrInvalid.
//
// The main e-mail addresses and phone numbers that the survivor does not take become
// further addresses of it, so that it is found by all of them.
func (c *Customers) Merge(ctx context.Context, survivor crm.ID, absorbed []crm.ID, rules crm.MergeRules) (kept Customer, made crm.Merge, err error) {
	err = c.core.Tx(ctx, func(ctx context.Context) error {
		if kept, made, err = c.kind.Merge(uncounted(ctx), survivor, absorbed, rules); err != nil {
			return err
		}
		if kept, err = c.Purchases.counted(ctx, kept); err != nil {
			return err
		}
		if err := c.Consents.resettle(ctx, kept.ID); err != nil {
			return err
		}
		return c.keepMainAddresses(crm.At(crm.SystemIn(ctx), made.Happened), made)
	})
	if err != nil {
		return Customer{}, crm.Merge{}, err
	}
	return kept, made, nil
}

// keepMainAddresses makes further addresses of those that were the absorbed customers'
// main ones and are none of the survivor's.
func (c *Customers) keepMainAddresses(ctx context.Context, m crm.Merge) error {
	survivor, err := c.Get(ctx, m.Survivor, crm.WithoutMasked())
	if err != nil {
		return err
	}
	for _, id := range m.Absorbed {
		other, err := c.Get(ctx, id, crm.WithDeleted(), crm.WithoutMasked())
		if err != nil {
			return err
		}
		for _, a := range other.mainAddresses() {
			all, err := c.reach(ctx, &survivor)
			if err != nil {
				return err
			}
			if len(all) >= maxIdentities || slices.ContainsFunc(all, func(r Reach) bool { return r.Same(a) }) {
				continue
			}
			if _, err := c.Identities.Create(ctx, Identity{CustomerID: survivor.ID, Kind: a.Kind, Value: a.Value}); err != nil {
				return err
			}
		}
	}
	return nil
}

// mainAddresses are a customer's e-mail address and phone number, as far as they are.
func (c *Customer) mainAddresses() (list []crm.Address) {
	if c.Email != "" && !c.EmailMalformed {
		list = append(list, crm.Address{Kind: crm.AddressEmail, Value: c.Email})
	}
	if c.Phone != "" && !c.PhoneMalformed {
		list = append(list, crm.Address{Kind: crm.AddressPhone, Value: c.Phone})
	}
	return list
}

// PreviewMerge says what [Customers.Merge] would do, and changes nothing: whose value each
// field would have, how many records would be relinked, and why it would be refused.
func (c *Customers) PreviewMerge(ctx context.Context, survivor crm.ID, absorbed []crm.ID, rules crm.MergeRules) (crm.MergePreview[Customer], error) {
	return c.kind.PreviewMerge(ctx, survivor, absorbed, rules)
}

// Unmerge undoes a merge: the absorbed customers live again with their ids and fields,
// what was theirs refers to them again, and what happened since stays with the survivor
// and is said. See [crm.Kind.Unmerge].
func (c *Customers) Unmerge(ctx context.Context, merge crm.ID) (u crm.Unmerged[Customer], err error) {
	err = c.core.Tx(ctx, func(ctx context.Context) error {
		if err := c.dropMainAddresses(ctx, merge); err != nil {
			return err
		}
		if u, err = c.kind.Unmerge(uncounted(ctx), merge); err != nil {
			return err
		}
		if u.Survivor, err = c.Purchases.counted(ctx, u.Survivor); err != nil {
			return err
		}
		for i := range u.Absorbed {
			if u.Absorbed[i], err = c.Purchases.counted(ctx, u.Absorbed[i]); err != nil {
				return err
			}
		}
		ids := []crm.ID{u.Survivor.ID}
		for _, absorbed := range u.Absorbed {
			ids = append(ids, absorbed.ID)
		}
		return c.Consents.resettle(ctx, ids...)
	})
	return u, err
}

// dropMainAddresses takes the further addresses from the survivor that the merge made of
// the others' main ones. They are known by the instant in which they were made.
func (c *Customers) dropMainAddresses(ctx context.Context, merge crm.ID) error {
	m, err := c.kind.MergeOf(ctx, merge)
	if err != nil || !m.Undone.IsZero() { // Unmerge says what is wrong with it
		return nil
	}
	system := crm.SystemIn(ctx)
	for _, id := range m.Absorbed {
		other, err := c.Get(system, id, crm.WithDeleted())
		if err != nil {
			continue // as above
		}
		main := other.mainAddresses()
		for i, err := range c.Identities.All(system, crm.Where("customer_id == $1 and created == $2", m.Survivor, m.Happened)) {
			if err != nil {
				return err
			}
			if slices.ContainsFunc(main, func(a crm.Address) bool { return a.Same(i.Address()) }) {
				if err := c.Identities.Purge(system, i.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkMerge holds that what becomes one is of one kind.
func (c *Customers) checkMerge(_ context.Context, m *crm.Merging[Customer]) error {
	for _, other := range m.Absorbed {
		if other.Kind != m.Survivor.Kind {
			return crm.Invalid("kind", "is %s of the survivor and %s of one it would absorb: only customers of one kind are merged", m.Survivor.Kind, other.Kind)
		}
	}
	return nil
}

package customers

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Merge makes one customer of several: the survivor takes what rules say of the others'
// fields, everything that refers to them refers to it, in one transaction, and from then
// on their ids lead to it. [Customers.Unmerge] undoes it. See [crm.Kind.Merge] for the
// rights it takes and what it refuses; to merge a person with an organisation is
// ErrInvalid.
func (c *Customers) Merge(ctx context.Context, survivor crm.ID, absorbed []crm.ID, rules crm.MergeRules) (Customer, crm.Merge, error) {
	return c.kind.Merge(ctx, survivor, absorbed, rules)
}

// PreviewMerge says what [Customers.Merge] would do, and changes nothing: whose value each
// field would have, how many records would be relinked, and why it would be refused.
func (c *Customers) PreviewMerge(ctx context.Context, survivor crm.ID, absorbed []crm.ID, rules crm.MergeRules) (crm.MergePreview[Customer], error) {
	return c.kind.PreviewMerge(ctx, survivor, absorbed, rules)
}

// Unmerge undoes a merge: the absorbed customers live again with their ids and fields,
// what was theirs refers to them again, and what happened since stays with the survivor
// and is said. See [crm.Kind.Unmerge].
func (c *Customers) Unmerge(ctx context.Context, merge crm.ID) (crm.Unmerged[Customer], error) {
	return c.kind.Unmerge(ctx, merge)
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

package customers

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Policy is what a tenant asks of its customers' addresses. The zero Policy lets
// customers share them, and reads phone numbers as the customer's country dials them.
type Policy struct {
	// Region is where a phone number without a country's code is dialled when the
	// customer has no Country: a code of ISO 3166-1.
	Region string
	// Unique are the kinds of addresses that two living customers never share, such as
	// crm.AddressEmail. What a second customer brings is ErrConflict then. It asks nothing
	// of customers that are there already.
	Unique []crm.AddressKind
	// Channels are the kinds of addresses to which channels send that are not called as
	// these are: whatsapp sends to crm.AddressPhone. That sms and call do is known.
	Channels map[string]crm.AddressKind
}

// SetPolicy sets how the host answers what a tenant asks of addresses. It is called
// once, before the core's Migrate. The function is called during calls and
// transactions, by many goroutines, so it answers from memory.
func (c *Customers) SetPolicy(of func(tenant string) Policy) { c.policy = of }

func (c *Customers) policyOf(ctx context.Context) Policy {
	if c.policy == nil {
		return Policy{}
	}
	return c.policy(crm.TenantOf(ctx))
}

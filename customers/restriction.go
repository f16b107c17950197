package customers

import (
	"context"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// ErrRestricted is that nothing is found out about a customer whose data is kept and not
// used: see [Customers.Restrict]. It is also [crm.ErrConflict].
var ErrRestricted = fmt.Errorf("%w: the customer's data is restricted: it is kept, and not used", crm.ErrConflict)

// unrestricted keeps the customers whose data may be used.
func unrestricted() crm.ListOption {
	return crm.WhereSystem("none(suppressions, .reason == 'restricted')")
}

// Restrict has a customer's data kept and not used (GDPR Article 18): by a [Suppression]
// of that reason he is contacted by no channel, and gets no new score and no new grade.
// Those he has stay, with their history, and he is read as before. Who is restricted
// already stays so. It takes the right to update the customer. The text why is kept as the
// source; it names nobody. It returns what shows it, as "suppression" and its id.
func (c *Customers) Restrict(ctx context.Context, id crm.ID, why string) (string, error) {
	var is Suppression
	err := c.core.Tx(ctx, func(ctx context.Context) error {
		owner, err := c.kind.Hold(ctx, id)
		if err == nil {
			err = c.May(ctx, crm.VerbUpdate, owner.ID)
		}
		if err != nil {
			return err
		}
		known, err := c.restriction(ctx, owner.ID)
		if len(known) > 0 && err == nil {
			is = known[0]
			return nil
		}
		if err == nil {
			is, err = c.Suppressions.Create(ctx, Suppression{CustomerID: owner.ID, Reason: SuppressedRestricted, Source: why})
		}
		return err
	})
	return "suppression " + is.ID.String(), failed("restrict", "customer", id, err)
}

// restriction is what restricts a customer.
func (c *Customers) restriction(ctx context.Context, id crm.ID) ([]Suppression, error) {
	page, err := c.Suppressions.List(crm.SystemIn(ctx), crm.Where("customer_id == $1 and reason == 'restricted'", id))
	return page.Items, err
}

// LiftRestriction ends what Restrict began. He is contacted as his consents say, graded
// within the hour and scored within the day; [Health.EvaluateCustomer] does so at once. Who
// is not restricted is crm.ErrConflict. The text why is in the history. It returns what
// shows it.
func (c *Customers) LiftRestriction(ctx context.Context, id crm.ID, why string) (string, error) {
	var proof []string
	err := c.core.Tx(ctx, func(ctx context.Context) error {
		owner, err := c.kind.Hold(ctx, id)
		if err == nil {
			err = c.May(ctx, crm.VerbUpdate, owner.ID)
		}
		var known []Suppression
		if err == nil {
			known, err = c.restriction(ctx, owner.ID)
		}
		if err == nil && len(known) == 0 {
			err = &crm.ConflictError{Field: "reason", Reason: "the customer is not restricted"}
		}
		proof = nil
		for _, s := range known {
			if err == nil {
				err = c.Suppressions.Delete(crm.Because(ctx, why), s.ID)
				proof = append(proof, "suppression "+s.ID.String())
			}
		}
		return err
	})
	return strings.Join(proof, ", "), failed("lift restriction", "customer", id, err)
}

// maxProofs is how many consents Object names in what it returns.
const maxProofs = 15

// Object records that a customer objects to being written to (GDPR Article 21 (2)): he
// withdraws from every topic that may be refused, in each of its channels, as
// [Consents.Withdraw] does. What he has to be told, as that his order is on its way, he
// still is. A topic that is made later is not among them. The text why is kept as the
// source; it names nobody. It returns what shows it: how many consents stand withdrawn,
// and the ids of the first. A tenant without such topics is crm.ErrInvalid: suppress
// him.
func (c *Customers) Object(ctx context.Context, id crm.ID, why string) (string, error) {
	var ids []string
	n := 0
	err := c.core.Tx(ctx, func(ctx context.Context) error {
		ids, n = nil, 0
		for topic, err := range c.Consents.Topics.All(crm.SystemIn(ctx), crm.OrderBy("id")) {
			if err != nil {
				return err
			}
			if !topic.Basis.refusable() {
				continue
			}
			for _, channel := range topic.Channels {
				kept, err := c.Consents.Withdraw(ctx, ConsentAct{CustomerID: id, Channel: channel, Topic: topic.Key, Source: why})
				if err != nil {
					return err
				}
				if n++; n <= maxProofs {
					ids = append(ids, kept.ID.String())
				}
			}
		}
		if n == 0 {
			return crm.Invalid("topic", "there is none that may be refused: suppress the customer by Suppressions.Create")
		}
		return nil
	})
	return fmt.Sprintf("%d consents withdrawn: %s", n, strings.Join(ids, ", ")), failed("object", "customer", id, err)
}

// usable refuses to find out more about a customer whose data is restricted.
func (c *Customers) usable(ctx context.Context, id crm.ID) error {
	known, err := c.restriction(ctx, id)
	if err == nil && len(known) > 0 {
		err = ErrRestricted
	}
	return err
}

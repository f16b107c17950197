package sales

import (
	"context"
	"errors"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// advance takes the customer of a deal forward: with an open deal he is an opportunity,
// with a won one a customer. It is done in the background, so that it costs nobody who
// writes deals anything, and his history names the deal's event as the cause.
func (s *Sales) advance(ctx context.Context, e crm.Event) error {
	came := slices.ContainsFunc(e.Changes, func(c crm.FieldChange) bool { return c.Field == "customer_id" || c.Field == "status" })
	if !came {
		return nil
	}
	deal, err := s.Deals.Get(ctx, e.Record)
	if errors.Is(err, crm.ErrNotFound) || err == nil && (deal.CustomerID.IsZero() || deal.Status == Lost) {
		return nil // gone since, nobody's, or come to nothing
	}
	if err != nil {
		return err
	}
	to := customers.StageOpportunity
	if deal.Status == Won {
		to = customers.StageCustomer
	}
	_, err = s.people.Advance(ctx, deal.CustomerID, to)
	if errors.Is(err, crm.ErrNotFound) { // deleted since
		err = nil
	}
	return err
}

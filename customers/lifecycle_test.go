package customers_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
)

func TestALifecycleGoesForward(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		step := func(to customers.Lifecycle) customers.Customer {
			d.Clock.Advance(time.Hour)
			kept, err := d.Advance(ctx, ada.ID, to)
			require.NoError(t, err)
			return kept
		}
		require.Equal(t, customers.StageLead, step(customers.StageLead).Lifecycle)
		require.Equal(t, customers.StageOpportunity, step(customers.StageOpportunity).Lifecycle)
		version := step(customers.StageLead).Version
		kept := step(customers.StageOpportunity)
		require.Equal(t, customers.StageOpportunity, kept.Lifecycle, "forward only")
		require.Equal(t, version, kept.Version, "what changes nothing writes nothing")
		require.Equal(t, crmtest.Start().Add(2*time.Hour), kept.LifecycleSince)

		_, err := d.Advance(ctx, ada.ID, customers.StageLapsed)
		require.ErrorContains(t, err, "only who bought can lapse")
		_, err = d.Advance(ctx, ada.ID, "visitor")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Lifecycle = customers.StageLoyal; return nil })
		require.ErrorContains(t, err, "verbs alone")

		step(customers.StageCustomer)
		step(customers.StageLapsed)
		require.Equal(t, customers.StageLapsed, step(customers.StageOpportunity).Lifecycle)
		require.Equal(t, customers.StageCustomer, step(customers.StageCustomer).Lifecycle, "who buys again is back")

		d.Clock.Advance(time.Hour)
		_, err = d.SetBack(ctx, ada.ID, customers.StageLead, " ")
		require.ErrorContains(t, err, "reason")
		_, err = d.SetBack(ctx, ada.ID, customers.StageLoyal, "x")
		require.ErrorContains(t, err, "Customers.Advance")
		kept, err = d.SetBack(ctx, ada.ID, customers.StageLead, "the order was a test")
		require.NoError(t, err)
		require.Equal(t, customers.StageLead, kept.Lifecycle)

		spans, err := d.LifecycleHistory(ctx, ada.ID)
		require.NoError(t, err)
		var stages []customers.Lifecycle
		for i, s := range spans {
			stages = append(stages, s.Stage)
			if i < len(spans)-1 {
				require.Equal(t, spans[i+1].Entered, s.Left)
			}
		}
		require.Equal(t, []customers.Lifecycle{"lead", "opportunity", "customer", "lapsed", "customer", "lead"}, stages)
		last := spans[len(spans)-1]
		require.True(t, last.Left.IsZero())
		require.Equal(t, "the order was a test", last.Cause)
		require.Equal(t, "member:dana", last.Actor)

		kept, err = d.SetBack(ctx, ada.ID, "", "no customer at all")
		require.NoError(t, err)
		require.True(t, kept.LifecycleSince.IsZero())
		spans, err = d.LifecycleHistory(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, spans, 6)
		require.False(t, spans[5].Left.IsZero())

		history, err := d.History(ctx, ada.ID, crm.Limit(1000))
		require.NoError(t, err)
		names := map[string]bool{}
		for _, e := range history.Items {
			names[e.Name] = true
		}
		require.True(t, names["customer.became_customer"] && names["customer.became_lapsed"] && names["customer.set_back"])
		n, err := d.Count(ctx, crm.Where("lifecycle == nil and lifecycle_since == nil"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

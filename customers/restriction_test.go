package customers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestWhoIsRestrictedIsReadAndNotScored restricts one of two who are alike, lets both change, and lifts it.
func TestWhoIsRestrictedIsReadAndNotScored(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{Region: "DE"})
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		ada, bob := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Bob", "bob@example.com")
		_, err := d.Health.Scorecards.Create(ctx, usage())
		require.NoError(t, err)
		_, err = d.Levels.Schemes.Create(ctx, customers.LevelScheme{Key: "use", Name: "Use", Grades: []customers.Grade{{Name: "A", When: "count(events) >= 3"}, {Name: "B"}}})
		require.NoError(t, err)
		_, err = d.Segments.Create(ctx, customers.Segment{Key: "all", Name: "All", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "name != nil"}})
		require.NoError(t, err)
		_, err = d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "orders", Name: "Orders", Channels: []string{"email"}, Basis: customers.BasisContract})
		require.NoError(t, err)
		grades := func() map[string]string {
			all := map[string]string{}
			for l, err := range d.Levels.All(ctx) {
				require.NoError(t, err)
				c, err := d.Get(ctx, l.CustomerID)
				require.NoError(t, err)
				all[c.Name] = l.Grade
			}
			return all
		}
		evaluate := func() {
			_, err := d.Health.Evaluate(ctx, "usage")
			require.NoError(t, err)
			_, err = d.Levels.Evaluate(ctx, "use")
			require.NoError(t, err)
		}
		d.acts(ctx, t, ada, 1)
		d.acts(ctx, t, bob, 1)
		evaluate()
		require.Equal(t, map[string]string{"Ada": "50 watch +0 +0", "Bob": "50 watch +0 +0"}, d.healths(ctx, t))

		proof, err := d.Restrict(ctx, ada.ID, "letter of 5 January")
		require.NoError(t, err)
		again, err := d.Restrict(ctx, ada.ID, "another letter")
		require.NoError(t, err)
		require.Equal(t, proof, again)
		d.Clock.Advance(day)
		d.acts(ctx, t, ada, 3)
		d.acts(ctx, t, bob, 3)
		evaluate()
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "50 watch +0 +0", "Bob": "100 good +50 +50"}, d.healths(ctx, t))
		require.Equal(t, map[string]string{"Ada": "B", "Bob": "A"}, grades())
		_, err = d.Health.EvaluateCustomer(ctx, ada.ID)
		require.ErrorIs(t, err, customers.ErrRestricted)
		_, err = d.Health.Explain(ctx, ada.ID)
		require.ErrorIs(t, err, customers.ErrRestricted)
		_, err = d.Levels.EvaluateCustomer(ctx, ada.ID)
		require.ErrorIs(t, err, customers.ErrRestricted)
		is, err := d.MayContact(ctx, ada.ID, "email", "orders")
		require.NoError(t, err)
		require.Equal(t, customers.CauseRestricted, is.Cause)
		read, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "Ada", read.Name)
		trend, err := d.Health.Trend(ctx, ada.ID, "usage", ada.Created, d.Clock.Now())
		require.NoError(t, err)
		require.Len(t, trend, 1)
		in, err := d.Segments.Contains(ctx, "all", ada.ID)
		require.NoError(t, err)
		require.True(t, in, "she may be listed")
		fresh := d.person(ctx, t, "Eve", "eve@example.com")
		_, err = d.Restrict(ctx, fresh.ID, "from the first day")
		require.NoError(t, err)
		evaluate()
		require.NotContains(t, d.healths(ctx, t), "Eve")
		require.NotContains(t, grades(), "Eve")

		lifted, err := d.LiftRestriction(ctx, ada.ID, "settled")
		require.NoError(t, err)
		require.Equal(t, proof, lifted)
		_, err = d.LiftRestriction(ctx, ada.ID, "settled")
		require.ErrorIs(t, err, crm.ErrConflict)
		evaluate()
		require.Equal(t, "100 good +50 +50", d.healths(ctx, t)["Ada"])
		require.Equal(t, "A", grades()["Ada"])
		is, err = d.MayContact(ctx, ada.ID, "email", "orders")
		require.NoError(t, err)
		require.True(t, is.Allowed)
		_, err = d.Restrict(ctx, crm.ID{1}, "x")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

// TestWhoObjectsIsWrittenToAboutNothingHeMayRefuse has a customer object to what rests on consent and on interests, and
// get what the contract is for.
func TestWhoObjectsIsWrittenToAboutNothingHeMayRefuse(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		d.give(ctx, t, ada, "news")
		require.Equal(t, "yes", d.may(ctx, t, ada, "surveys"))
		proof, err := d.Object(ctx, ada.ID, "data request")
		require.NoError(t, err)
		require.Contains(t, proof, " consents withdrawn: ")
		require.Equal(t, []string{"withdrawn", "withdrawn", "withdrawn", "yes"},
			[]string{d.may(ctx, t, ada, "news"), d.may(ctx, t, ada, "offers"), d.may(ctx, t, ada, "surveys"), d.may(ctx, t, ada, "orders")})
		again, err := d.Object(ctx, ada.ID, "data request")
		require.NoError(t, err)
		require.Equal(t, proof, again)
		_, err = d.Object(ctx, crm.ID{1}, "x")
		require.ErrorIs(t, err, crm.ErrNotFound)

		none := crm.System(ctx, "globex")
		bob := d.person(none, t, "Bob", "bob@example.com")
		_, err = d.Object(none, bob.ID, "data request")
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

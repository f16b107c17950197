package customers_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// counter counts events of consents, by their names.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) of(event string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[event]
}

// atCounter runs fn on a desk with the topics news (consent), offers (double opt-in, for a
// year), surveys (legitimate interests) and orders (contract) in either engine, as dana of
// acme, and in the end holds everything stored to be whole.
func atCounter(t *testing.T, fn func(ctx context.Context, t *testing.T, d *desk, events *counter)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		events := &counter{n: map[string]int{}}
		d := newDeskWith(t, e.Store, customers.Policy{Region: "DE", Channels: map[string]crm.AddressKind{"whatsapp": crm.AddressPhone}}, func(c *crm.Core) error {
			return c.On("consent.*", "count", func(_ context.Context, e crm.Event) error {
				events.mu.Lock()
				defer events.mu.Unlock()
				events.n[e.Name]++
				return nil
			})
		})
		ctx := as(t, "dana")
		for _, topic := range []customers.ConsentTopic{
			{Key: "news", Name: "News", Channels: []string{"email", "sms", "whatsapp"}, Basis: customers.BasisConsent},
			{Key: "offers", Name: "Offers", Channels: []string{"email"}, Basis: customers.BasisConsent, DoubleOptIn: true, ValidDays: 365},
			{Key: "surveys", Name: "Surveys", Channels: []string{"email"}, Basis: customers.BasisLegitimateInterests},
			{Key: "orders", Name: "Orders", Channels: []string{"email"}, Basis: customers.BasisContract},
		} {
			_, err := d.Consents.Topics.Create(ctx, topic)
			require.NoError(t, err)
		}
		fn(ctx, t, d, events)
		d.whole(t)
	})
}

// act is an act of a customer about a topic by mail.
func act(c customers.Customer, topic string) customers.ConsentAct {
	return customers.ConsentAct{CustomerID: c.ID, Channel: "email", Topic: topic, Source: "form"}
}

// may is what is decided of a topic by mail: the cause, or yes.
func (d *desk) may(ctx context.Context, tb testing.TB, c customers.Customer, topic string) string {
	tb.Helper()
	is, err := d.MayContact(ctx, c.ID, "email", topic)
	require.NoError(tb, err)
	if is.Allowed {
		require.NotZero(tb, is.Address)
		require.NotZero(tb, is.Basis)
		return "yes"
	}
	require.Zero(tb, is.Address)
	require.NotZero(tb, is.RecordID)
	require.NotEmpty(tb, is.Object)
	return string(is.Cause)
}

func (d *desk) give(ctx context.Context, tb testing.TB, c customers.Customer, topic string) customers.Consent {
	tb.Helper()
	kept, err := d.Consents.Give(ctx, act(c, topic))
	require.NoError(tb, err)
	return kept
}

func (d *desk) withdraw(ctx context.Context, tb testing.TB, c customers.Customer, topic string) customers.Consent {
	tb.Helper()
	kept, err := d.Consents.Withdraw(ctx, act(c, topic))
	require.NoError(tb, err)
	return kept
}

// confirm has a customer asked by mail, and answer.
func (d *desk) confirm(ctx context.Context, tb testing.TB, c customers.Customer, topic string) customers.Consent {
	tb.Helper()
	asked, err := d.Consents.Ask(ctx, act(c, topic))
	require.NoError(tb, err)
	kept, err := d.Consents.Confirm(tb.Context(), asked.Token, customers.ConsentVisit{IP: "203.0.113.7"})
	require.NoError(tb, err)
	return kept
}

// link is a token sent to a customer by mail.
func (d *desk) link(ctx context.Context, tb testing.TB, c customers.Customer) string {
	tb.Helper()
	token, err := d.Consents.Token(ctx, customers.ConsentToken{CustomerID: c.ID, Address: email(c.Email)})
	require.NoError(tb, err)
	return token
}

func second[T any](_ T, err error) error { return err }

package customers_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestTheFirstNoDecides(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "")
		suppress := func(s customers.Suppression) customers.Suppression {
			s.CustomerID, s.Source = ada.ID, "letter"
			made, err := d.Suppressions.Create(ctx, s)
			require.NoError(t, err)
			return made
		}
		lift := func(s customers.Suppression) { require.NoError(t, d.Suppressions.Delete(ctx, s.ID)) }
		decide := func() customers.Decision {
			is, err := d.MayContact(ctx, ada.ID, "email", "news")
			require.NoError(t, err)
			return is
		}
		excluded := suppress(customers.Suppression{Reason: customers.SuppressedExcluded, Topic: "news"})
		channel := suppress(customers.Suppression{Reason: customers.SuppressedAltogether, Channel: "email"})
		never := suppress(customers.Suppression{Reason: customers.SuppressedAltogether})
		restricted := suppress(customers.Suppression{Reason: customers.SuppressedRestricted})
		require.Equal(t, customers.CauseNoAddress, decide().Cause)
		_, err := d.Update(ctx, ada.ID, func(c *customers.Customer) error {
			c.Email = "no address"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, customers.CauseInvalid, decide().Cause)
		require.Equal(t, "customer", decide().Object)
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "ada@example.com"})
		require.NoError(t, err)
		bounced, err := d.ContactPoints.MarkInvalid(ctx, email("ada@example.com"), "550")
		require.NoError(t, err)
		require.Equal(t, customers.CauseInvalid, decide().Cause)
		require.Equal(t, bounced.ID, decide().RecordID)
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "lovelace@example.com"})
		require.NoError(t, err)
		_, err = d.ContactPoints.OptOut(ctx, email("ADA@example.com"), "link")
		require.NoError(t, err)
		require.Equal(t, customers.CauseOptedOut, decide().Cause, "one of her addresses speaks for her")
		_, err = d.ContactPoints.Complain(ctx, email("ada@example.com"), "feedback loop")
		require.NoError(t, err)
		require.Equal(t, customers.CauseComplained, decide().Cause)
		require.Equal(t, "feedback loop", decide().Reason)
		_, err = d.ContactPoints.OptIn(ctx, email("ada@example.com"), "signed form")
		require.NoError(t, err)
		require.Equal(t, customers.CauseRestricted, decide().Cause)
		require.Equal(t, restricted.ID, decide().RecordID)
		lift(restricted)
		require.Equal(t, customers.CauseDoNotContact, decide().Cause)
		require.Equal(t, never.ID, decide().RecordID)
		lift(never)
		require.Equal(t, customers.CauseChannelClosed, decide().Cause)
		lift(channel)
		require.Equal(t, customers.CauseNotAsked, decide().Cause)
		d.give(ctx, t, ada, "news")
		require.Equal(t, customers.CauseExcluded, decide().Cause)
		require.Equal(t, excluded.ID, decide().RecordID)
		lift(excluded)
		is := decide()
		require.True(t, is.Allowed)
		require.Equal(t, email("lovelace@example.com"), is.Address, "the one that reaches her")
		d.withdraw(ctx, t, ada, "news")
		require.Equal(t, customers.CauseWithdrawn, decide().Cause)
		require.Equal(t, "consent", decide().Object)

		require.Equal(t, "yes", d.may(ctx, t, ada, "surveys"), "nobody need ask")
		require.Equal(t, "yes", d.may(ctx, t, ada, "orders"))
		d.withdraw(ctx, t, ada, "surveys")
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "surveys"))

		for _, none := range []customers.Suppression{
			{Reason: customers.SuppressedExcluded}, {Reason: customers.SuppressedExcluded, Topic: "nonsense"}, {Reason: customers.SuppressedOptedOut},
			{Reason: customers.SuppressedRestricted, Channel: "email"}, {Reason: customers.SuppressedAltogether, Topic: "news"},
			{Reason: customers.SuppressedAltogether, Channel: "E-Mail"}, {Reason: "mood"},
		} {
			none.CustomerID, none.Source = ada.ID, "x"
			_, err := d.Suppressions.Create(ctx, none)
			require.ErrorIs(t, err, crm.ErrInvalid, "%+v", none)
		}
		suppress(customers.Suppression{Reason: customers.SuppressedRestricted})
		_, err = d.Suppressions.Create(ctx, customers.Suppression{CustomerID: ada.ID, Reason: customers.SuppressedRestricted, Source: "again"})
		require.ErrorIs(t, err, crm.ErrConflict)
	})
}

func TestPhoneChannels(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Phone: "030 901820"})
		require.NoError(t, err)
		_, err = d.Consents.Give(ctx, customers.ConsentAct{CustomerID: ada.ID, Channel: "whatsapp", Topic: "news", Source: "chat"})
		require.NoError(t, err)
		is, err := d.MayContact(ctx, ada.ID, "whatsapp", "news")
		require.NoError(t, err)
		require.Equal(t, number("+4930901820"), is.Address)
		is, err = d.MayContact(ctx, ada.ID, "sms", "news")
		require.NoError(t, err)
		require.Equal(t, customers.CauseNotAsked, is.Cause, "the same number, another channel")
	})
}

// TestDecisionsOfManyAreThoseOfEach holds the decisions of a batch to those of single
// calls, and to few statements.
func TestDecisionsOfManyAreThoseOfEach(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent})
		require.NoError(t, err)
		list := make([]customers.Customer, 1500)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: "Ada", Email: fmt.Sprintf("a%d@example.com", i)}
		}
		list, err = d.CreateAll(ctx, list)
		require.NoError(t, err)
		var ids []crm.ID
		for i, c := range list {
			ids = append(ids, c.ID)
			switch {
			case i >= 60:
			case i%3 == 0:
				d.give(ctx, t, c, "news")
			case i%3 == 1:
				d.withdraw(ctx, t, c, "news")
			}
			if i < 60 && i%5 == 0 {
				_, err := d.ContactPoints.OptOut(ctx, email(c.Email), "x")
				require.NoError(t, err)
			}
		}
		ids = append(ids, crm.ID{1}, ids[0])
		heard.Forget()
		_, err = d.MayContact(ctx, ids[0], "email", "news")
		require.NoError(t, err)
		require.LessOrEqual(t, len(heard.Reads()), 6, "one for each kind that is looked at")
		heard.Forget()
		all, err := d.MayContactAll(ctx, ids, "email", "news")
		require.NoError(t, err)
		require.Less(t, len(heard.Reads()), 22)
		require.Len(t, all, 1502)
		require.Equal(t, customers.CauseNotFound, all[1500].Cause)
		require.Equal(t, all[0], all[1501])
		for i := range 60 {
			one, err := d.MayContact(ctx, ids[i], "email", "news")
			require.NoError(t, err)
			require.Equal(t, one, all[i])
		}
		_, err = d.MayContactAll(ctx, make([]crm.ID, 100_001), "email", "news")
		require.ErrorIs(t, err, crm.ErrInvalid)
		none, err := d.MayContactAll(ctx, nil, "email", "news")
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

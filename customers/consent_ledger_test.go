package customers_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func TestAConsentIsNotWrittenPastItsLedger(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		kept := d.give(ctx, t, ada, "news")
		d.withdraw(ctx, t, ada, "news")
		system := crm.System(ctx, "acme")
		_, err := d.Consents.Create(system, customers.Consent{
			CustomerID: ada.ID, Channel: "sms", TopicID: kept.TopicID, Topic: "news", Key: "x", Status: customers.ConsentGiven,
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "Consents.Give")
		_, err = d.Consents.Update(system, kept.ID, func(c *customers.Consent) error {
			c.Status = customers.ConsentGiven
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		bob := d.person(ctx, t, "Bob", "bob@example.com")
		_, err = d.Consents.Update(system, kept.ID, func(c *customers.Consent) error {
			c.CustomerID = bob.ID
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, d.Consents.Delete(system, kept.ID), crm.ErrInvalid)
		require.ErrorIs(t, d.Consents.Purge(system, kept.ID), crm.ErrInvalid)
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"))

		require.NoError(t, d.Delete(ctx, ada.ID))
		_, err = d.Restore(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"), "she comes back as she was")
		require.NoError(t, d.Customers.Purge(ctx, ada.ID), "and goes with all of it")
		n, err := d.Consents.Count(ctx, crm.WithDeleted())
		require.NoError(t, err)
		require.Zero(t, n)

		_, err = d.ContactPoints.Complain(ctx, email("bob@example.com"), "feedback loop")
		require.NoError(t, err)
		point, err := d.ContactPoints.Of(ctx, email("bob@example.com"))
		require.NoError(t, err)
		require.ErrorIs(t, d.ContactPoints.Delete(system, point.ID), crm.ErrInvalid)
		require.ErrorIs(t, d.ContactPoints.Purge(system, point.ID), crm.ErrInvalid)
		require.Equal(t, "complained", d.may(ctx, t, bob, "orders"))
	})
}

func TestTheProofStaysAndThePersonGoes(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		d.confirm(ctx, t, ada, "offers")
		evident := act(ada, "news")
		evident.Evidence, evident.UserAgent = "form 77 in the archive", "Firefox"
		_, err := d.Consents.Give(ctx, evident)
		require.NoError(t, err)
		require.NoError(t, d.Consents.Unsubscribe(t.Context(), d.link(ctx, t, ada), customers.ConsentVisit{Source: "mail"}))
		_, err = d.Suppressions.Create(ctx, customers.Suppression{CustomerID: ada.ID, Reason: customers.SuppressedRestricted, Source: "letter", Note: "lives in Marylebone"})
		require.NoError(t, err)

		var out bytes.Buffer
		_, err = d.Customers.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		for _, part := range []string{"203.0.113.7", "form 77 in the archive", "double_opt_in", "Marylebone", `"offers"`} {
			require.Contains(t, out.String(), part)
		}
		_, err = d.Customers.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		d.whole(t)
		out.Reset()
		_, err = d.Customers.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		for _, part := range []string{"203.0.113.7", "form 77", "Firefox", "Marylebone", "ada@example"} {
			require.NotContains(t, out.String(), part)
		}
		page, err := d.Consents.EntriesOf(ctx, email("ADA@example.com"))
		require.NoError(t, err)
		require.Len(t, page.Items, 3, "who says that she never agreed is answered")
		require.Equal(t, customers.ProofConfirmed, page.Items[2].Proof)
		require.Zero(t, page.Items[2].Trace)
		page, err = d.Consents.EntriesOf(crm.As(t.Context(), crm.Actor{Tenant: "globex", Member: "eve"}), email("ada@example.com"))
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

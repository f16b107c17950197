package customers_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func TestWhatAnActCannotBe(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		news, err := d.Consents.Topics.List(ctx, crm.Where("key == 'news'"))
		require.NoError(t, err)
		text, err := d.Consents.Texts.Create(ctx, customers.ConsentText{TopicID: news.Items[0].ID, Language: "en", Text: "I want news."})
		require.NoError(t, err)
		now := d.Clock.Now()
		for field, change := range map[string]func(*customers.ConsentAct){
			"topic":   func(a *customers.ConsentAct) { a.Topic = "nonsense" },
			"channel": func(a *customers.ConsentAct) { a.Channel = "post" },
			"source":  func(a *customers.ConsentAct) { a.Source = " " },
			"at":      func(a *customers.ConsentAct) { a.At = now.Add(time.Hour) },
			"expires": func(a *customers.ConsentAct) { a.Expires = now.Add(-time.Hour) },
			"text_id": func(a *customers.ConsentAct) { a.Topic, a.TextID, a.Evidence = "offers", text.ID, "x" },
			"address": func(a *customers.ConsentAct) { a.Address = number("+49 30 1") },
			"ip":      func(a *customers.ConsentAct) { a.IP = string(make([]byte, 100)) },
			"basis":   func(a *customers.ConsentAct) { a.Basis = "because" },
		} {
			wrong := act(ada, "news")
			change(&wrong)
			_, err := d.Consents.Give(ctx, wrong)
			var invalid *crm.InvalidError
			require.ErrorAs(t, err, &invalid, field)
			require.Equal(t, field, invalid.Faults[0].Field, "%v", err)
		}
		_, err = d.Consents.Give(ctx, act(ada, "offers"))
		require.ErrorContains(t, err, "call Ask")
		_, err = d.Consents.Withdraw(ctx, act(ada, "orders"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Consents.Give(ctx, act(customers.Customer{}, "news"))
		require.ErrorIs(t, err, crm.ErrNotFound)
		nobody := d.person(ctx, t, "Nobody", "")
		_, err = d.Consents.Ask(ctx, act(nobody, "news"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		n, err := d.Consents.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "what is refused leaves nothing")
		_, err = d.MayContact(ctx, ada.ID, "email", "nonsense")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.MayContact(ctx, crm.ID{1}, "email", "news")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestTextsStayAsTheyWereShown(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		news, err := d.Consents.Topics.List(ctx, crm.Where("key == 'news'"))
		require.NoError(t, err)
		topic := news.Items[0]
		first, err := d.Consents.Texts.Create(ctx, customers.ConsentText{TopicID: topic.ID, Language: "en", Text: " I want news.\n"})
		require.NoError(t, err)
		second, err := d.Consents.Texts.Create(ctx, customers.ConsentText{TopicID: topic.ID, Language: "en", Text: "I want news each week."})
		require.NoError(t, err)
		german, err := d.Consents.Texts.Create(ctx, customers.ConsentText{TopicID: topic.ID, Language: "de", Text: "Neues, bitte."})
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2, 1}, []int64{first.Number, second.Number, german.Number})
		sum := sha256.Sum256([]byte("I want news."))
		require.Equal(t, hex.EncodeToString(sum[:]), first.Hash)
		_, err = d.Consents.Texts.Update(ctx, first.ID, func(x *customers.ConsentText) error {
			x.Text = "Whatever."
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, d.Consents.Texts.Delete(ctx, first.ID), crm.ErrInvalid)
		_, err = d.Consents.Topics.Update(ctx, topic.ID, func(x *customers.ConsentTopic) error {
			x.Key = "other"
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, d.Consents.Topics.Delete(ctx, topic.ID), crm.ErrConflict)

		ada := d.person(ctx, t, "Ada", "ada@example.com")
		said := act(ada, "news")
		said.TextID = first.ID
		_, err = d.Consents.Give(ctx, said)
		require.NoError(t, err)
		page, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, first.ID, page.Items[0].TextID)
		require.Equal(t, first.Hash, page.Items[0].TextHash)
	})
}

func TestConsentExpiresByTheClock(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, events *counter) {
		ada, bob := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Bob", "bob@example.com")
		d.confirm(ctx, t, ada, "offers")
		d.confirm(ctx, t, bob, "offers")
		d.Clock.Advance(300 * 24 * time.Hour)
		require.NoError(t, d.RunDue(ctx))
		d.confirm(ctx, t, bob, "offers") // for another year
		d.Clock.Advance(65*24*time.Hour - time.Microsecond)
		require.NoError(t, d.RunDue(ctx))
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"))
		d.Clock.Advance(time.Microsecond)
		require.Equal(t, "expired", d.may(ctx, t, ada, "offers"), "whether or not the job ran")
		require.Equal(t, "yes", d.may(ctx, t, bob, "offers"))
		require.Zero(t, events.of("consent.expired"))
		for range 3 {
			require.NoError(t, d.RunDue(ctx))
		}
		require.Equal(t, 1, events.of("consent.expired"))
		require.Equal(t, 1, events.of("consent.renewed"))
		expired, err := d.Count(ctx, crm.Where("any(consents, .topic == 'offers' and .status == 'expired')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, expired)
		require.Equal(t, "expired", d.may(ctx, t, ada, "offers"))
		evident := act(ada, "offers")
		evident.Evidence = "confirmed in the shop"
		_, err = d.Consents.Give(ctx, evident)
		require.NoError(t, err, "what expired was not refused")
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"))
	})
}

func TestRightsToConsents(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		d.give(ctx, t, ada, "news")
		d.role(t, "reader", crm.Allow("customer", crm.LevelAll, crm.VerbRead))
		d.role(t, "stranger", crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate))
		d.role(t, "clerk", crm.Allow("customer", crm.LevelAll, crm.VerbRead, crm.VerbUpdate))
		reader, stranger, clerk := as(t, "reader"), as(t, "stranger"), as(t, "clerk")
		is, err := d.MayContact(reader, ada.ID, "email", "news")
		require.NoError(t, err)
		require.True(t, is.Allowed)
		for _, err := range []error{
			second(d.Consents.Give(reader, act(ada, "news"))), second(d.Consents.Withdraw(reader, act(ada, "news"))),
			second(d.Consents.Ask(reader, act(ada, "news"))), second(d.Consents.Token(reader, customers.ConsentToken{CustomerID: ada.ID})),
		} {
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		for _, err := range []error{
			second(d.Consents.Give(stranger, act(ada, "news"))), second(d.Consents.Withdraw(stranger, act(ada, "news"))),
			second(d.Consents.Ask(stranger, act(ada, "news"))), second(d.Consents.Token(stranger, customers.ConsentToken{CustomerID: ada.ID})),
			second(d.MayContact(stranger, ada.ID, "email", "news")), second(d.Consents.Entries(stranger, ada.ID)),
		} {
			require.ErrorIs(t, err, crm.ErrNotFound)
		}
		page, err := d.Consents.EntriesOf(stranger, email("ada@example.com"))
		require.NoError(t, err)
		require.Empty(t, page.Items)
		all, err := d.MayContactAll(stranger, []crm.ID{ada.ID}, "email", "news")
		require.NoError(t, err)
		require.Equal(t, customers.CauseNotFound, all[0].Cause)

		d.withdraw(clerk, t, ada, "news")
		past := act(ada, "offers")
		past.At, past.Evidence = d.Clock.Now().Add(-time.Hour), "x"
		_, err = d.Consents.Give(clerk, past)
		require.ErrorIs(t, err, crm.ErrForbidden, "what was earlier takes the right to import")
		globex := crm.As(t.Context(), crm.Actor{Tenant: "globex", Member: "eve"})
		_, err = d.Consents.Give(globex, act(ada, "news"))
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Consents.Entries(t.Context(), ada.ID)
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

package customers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func TestAnUnsubscribeIsTakenBackByTheCustomerAlone(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, events *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		require.Equal(t, "not_asked", d.may(ctx, t, ada, "news"))
		given := d.give(ctx, t, ada, "news")
		require.Equal(t, customers.ConsentGiven, given.Status)
		require.Equal(t, customers.BasisConsent, given.Basis)
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"))
		require.Equal(t, "not_asked", d.may(ctx, t, ada, "offers"), "one topic is not another")
		sms, err := d.MayContact(ctx, ada.ID, "sms", "news")
		require.NoError(t, err)
		require.Equal(t, customers.CauseNoAddress, sms.Cause, "nor one channel another")

		d.Clock.Advance(time.Hour)
		d.withdraw(ctx, t, ada, "news")
		d.withdraw(ctx, t, ada, "news") // which changes nothing
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"))

		d.Clock.Advance(time.Hour)
		for _, again := range []customers.ConsentAct{
			act(ada, "news"),
			{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "list", Evidence: "he said so on the phone", Basis: customers.BasisContract},
			{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "import", At: given.Since},
		} {
			_, err = d.Consents.Give(ctx, again)
			require.ErrorIs(t, err, crm.ErrConflict)
			require.ErrorContains(t, err, "only he takes that back")
			_, err = d.Consents.Give(crm.System(ctx, "acme"), again)
			require.ErrorIs(t, err, crm.ErrConflict)
		}
		found, _, err := d.Upsert(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "ada@example.com", Record: crm.Record{Refs: crm.Refs{"list": "1"}}}, "refs")
		require.NoError(t, err, "an import makes her once more")
		_, _, err = d.Merge(ctx, ada.ID, []crm.ID{found.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"))

		again := d.confirm(ctx, t, ada, "news")
		require.Equal(t, customers.ConsentGiven, again.Status)
		require.NotZero(t, again.Confirmed)
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"))

		page, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		var story []string
		for _, e := range page.Items {
			story = append(story, fmt.Sprint(e.N, " ", e.Status, " ", e.Proof))
		}
		require.Equal(t, []string{"1 given ", "2 withdrawn ", "3 asked ", "4 given double_opt_in"}, story)
		require.Equal(t, "203.0.113.7", page.Items[3].Trace.IP)
		require.Equal(t, page.Items[2].ID, page.Items[3].AskID)
		require.NoError(t, d.RunDue(ctx))
		require.Equal(t, 2, events.of("consent.given"))
		require.Equal(t, 1, events.of("consent.withdrawn"))
		require.NoError(t, d.RunDue(ctx))
		require.Equal(t, 2, events.of("consent.given"))
	})
}

func TestDoubleOptIn(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		asked, err := d.Consents.Ask(ctx, act(ada, "offers"))
		require.NoError(t, err)
		require.Equal(t, email("ada@example.com"), asked.Address)
		require.Equal(t, "not_confirmed", d.may(ctx, t, ada, "offers"))

		outside := t.Context() // whoever follows a link has no scope
		for i := range asked.Token {
			forged := []byte(asked.Token)
			forged[i] ^= 1
			_, err := d.Consents.Confirm(outside, string(forged), customers.ConsentVisit{})
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		for _, none := range []string{"", "x", asked.Token + "A", d.link(ctx, t, ada)} {
			_, err := d.Consents.Confirm(outside, none, customers.ConsentVisit{})
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, "is none that this CRM gave out")
		}
		_, err = d.Consents.Confirm(crm.As(outside, crm.Actor{Tenant: "globex", Member: "eve"}), asked.Token, customers.ConsentVisit{})
		require.ErrorIs(t, err, crm.ErrInvalid, "a token of another tenant")
		_, err = d.Consents.Choices(outside, asked.Token)
		require.ErrorIs(t, err, crm.ErrInvalid, "a token for something else")

		kept, err := d.Consents.Confirm(outside, asked.Token, customers.ConsentVisit{IP: "203.0.113.7", UserAgent: "Firefox"})
		require.NoError(t, err)
		require.Equal(t, d.Clock.Now().AddDate(0, 0, 365).Truncate(time.Microsecond), kept.Expires)
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"))
		point, err := d.ContactPoints.Of(ctx, email("ada@example.com"))
		require.NoError(t, err)
		require.False(t, point.Verified.IsZero())
		_, err = d.Consents.Confirm(outside, asked.Token, customers.ConsentVisit{})
		require.ErrorIs(t, err, crm.ErrConflict, "once")

		asked, err = d.Consents.Ask(ctx, act(ada, "offers"))
		require.NoError(t, err)
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"), "to be asked takes nothing away")
		d.withdraw(ctx, t, ada, "offers")
		_, err = d.Consents.Confirm(outside, asked.Token, customers.ConsentVisit{})
		require.ErrorIs(t, err, crm.ErrConflict, "she withdrew since")

		asked, err = d.Consents.Ask(ctx, act(ada, "offers"))
		require.NoError(t, err)
		d.Clock.Advance(7 * 24 * time.Hour)
		_, err = d.Consents.Confirm(outside, asked.Token, customers.ConsentVisit{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "has expired")

		asked, err = d.Consents.Ask(ctx, act(ada, "offers"))
		require.NoError(t, err)
		_, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error {
			c.Email = "new@example.com"
			return nil
		})
		require.NoError(t, err)
		_, err = d.Consents.Confirm(outside, asked.Token, customers.ConsentVisit{})
		require.ErrorIs(t, err, crm.ErrConflict, "the address is hers no more")
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "offers"))
	})
}

func TestATokenIsUsedOnceByMany(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, events *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		asked, err := d.Consents.Ask(ctx, act(ada, "offers"))
		require.NoError(t, err)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = d.Consents.Confirm(t.Context(), asked.Token, customers.ConsentVisit{}) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				require.ErrorIs(t, err, crm.ErrConflict)
			}
		}
		require.Equal(t, 1, won)
		require.NoError(t, d.RunDue(ctx))
		require.Equal(t, 1, events.of("consent.given"))
	})
}

func TestChoices(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		d.give(ctx, t, ada, "news")
		link, outside := d.link(ctx, t, ada), t.Context()
		list, err := d.Consents.Choices(outside, link)
		require.NoError(t, err)
		show := func(list []customers.ConsentChoice) (shown []string) {
			for _, c := range list {
				if c.Channel == "email" {
					shown = append(shown, fmt.Sprint(c.Topic, " ", c.Agreed))
				}
			}
			return shown
		}
		require.Equal(t, []string{"news true", "offers false", "surveys true", " true"}, show(list))

		list, err = d.Consents.Choose(outside, link, []customers.ConsentChoice{
			{Channel: "email", Topic: "news"}, {Channel: "email", Topic: "offers", Agreed: true},
		}, customers.ConsentVisit{IP: "203.0.113.7", Source: "choices"})
		require.NoError(t, err)
		require.Equal(t, []string{"news false", "offers true", "surveys true", " true"}, show(list))
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"), "the link that reached her is the proof")
		_, err = d.Consents.Choose(outside, link, []customers.ConsentChoice{{Channel: "email", Topic: "news", Agreed: true}}, customers.ConsentVisit{})
		require.NoError(t, err)
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"), "she takes back herself what she withdrew")
		before, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		list, err = d.Consents.Choices(outside, link)
		require.NoError(t, err)
		_, err = d.Consents.Choose(outside, link, list, customers.ConsentVisit{})
		require.NoError(t, err)
		after, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, before, after, "what is so already is not recorded again")

		for _, wrong := range [][]customers.ConsentChoice{
			{{Channel: "email", Topic: "orders"}}, {{Channel: "email", Topic: "orders", Agreed: true}}, {{Channel: "email", Topic: "nonsense"}},
			{{Channel: "post", Topic: "news"}}, {{Channel: ""}}, {{Channel: "email", Topic: "news"}, {Channel: "email", Topic: "news", Agreed: true}},
			make([]customers.ConsentChoice, 501),
			{{Channel: "email", Topic: "news"}, {Channel: "email", Topic: "orders"}},
		} {
			_, err := d.Consents.Choose(outside, link, wrong, customers.ConsentVisit{})
			require.ErrorIs(t, err, crm.ErrInvalid, "%+v", wrong)
		}
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"), "nothing half done")
		_, err = d.Consents.Choices(crm.As(outside, crm.Actor{Tenant: "globex", Member: "eve"}), link)
		require.ErrorIs(t, err, crm.ErrInvalid)
		d.Clock.Advance(90 * 24 * time.Hour)
		_, err = d.Consents.Choices(outside, link)
		require.ErrorContains(t, err, "has expired")
	})
}

func TestWhoClosedAChannelOpensItForWhatHeAsksFor(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada, bob := d.person(ctx, t, "Ada", "family@example.com"), d.person(ctx, t, "Bob", "Family@example.com")
		for _, c := range []customers.Customer{ada, bob} {
			d.give(ctx, t, c, "news")
		}
		link, outside := d.link(ctx, t, ada), t.Context()
		one, err := d.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID, Address: email(ada.Email), Channel: "email", Topic: "news"})
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, d.Consents.Unsubscribe(outside, one, customers.ConsentVisit{Source: "one click"}))
		}
		require.Equal(t, []string{"withdrawn", "yes"}, []string{d.may(ctx, t, ada, "news"), d.may(ctx, t, bob, "news")})
		d.confirm(ctx, t, ada, "news")

		for range 2 {
			require.NoError(t, d.Consents.Unsubscribe(outside, link, customers.ConsentVisit{Source: "one click"}))
		}
		for _, c := range []customers.Customer{ada, bob} {
			for _, topic := range []string{"news", "surveys", "orders"} {
				require.Equal(t, "opted_out", d.may(ctx, t, c, topic), "whoever reads there wants nothing more")
			}
		}
		point, err := d.ContactPoints.Of(ctx, email("family@example.com"))
		require.NoError(t, err)
		require.Equal(t, "one click", point.OptOutReason)
		n, err := d.Suppressions.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "it is kept in one place")

		d.confirm(ctx, t, ada, "offers")
		for topic, want := range map[string]string{"news": "withdrawn", "surveys": "withdrawn", "offers": "yes", "orders": "yes"} {
			require.Equal(t, want, d.may(ctx, t, ada, topic), topic)
		}
		require.Equal(t, "withdrawn", d.may(ctx, t, bob, "news"), "Bob asked for nothing")

		_, err = d.Consents.Choose(outside, link, []customers.ConsentChoice{{Channel: "sms"}, {Channel: "email"}}, customers.ConsentVisit{})
		require.NoError(t, err)
		closed, err := d.Suppressions.List(ctx)
		require.NoError(t, err)
		require.Len(t, closed.Items, 1, "the link was sent to no phone")
		require.Equal(t, customers.SuppressedOptedOut, closed.Items[0].Reason)
		require.ErrorIs(t, d.Suppressions.Delete(crm.System(ctx, "acme"), closed.Items[0].ID), crm.ErrInvalid, "only she takes it back")
		_, err = d.Suppressions.Update(ctx, closed.Items[0].ID, func(s *customers.Suppression) error {
			s.Channel = "fax"
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Consents.Choose(outside, link, []customers.ConsentChoice{{Channel: "sms", Agreed: true}, {Channel: "email", Agreed: true}}, customers.ConsentVisit{})
		require.NoError(t, err)
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"), "all she had agreed to")
		n, err = d.Suppressions.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)

		signedIn, err := d.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID})
		require.NoError(t, err)
		_, err = d.ContactPoints.OptOut(ctx, email("family@example.com"), "by Bob")
		require.NoError(t, err)
		_, err = d.Consents.Choose(outside, signedIn, []customers.ConsentChoice{{Channel: "email", Agreed: true}}, customers.ConsentVisit{})
		require.NoError(t, err)
		require.Equal(t, "opted_out", d.may(ctx, t, ada, "offers"), "a link that did not reach the address says nothing of it")
	})
}

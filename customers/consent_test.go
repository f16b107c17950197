package customers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

func TestConsentsOfMergedCustomers(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada, twin := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "A. Lovelace", "lovelace@example.com")
		d.withdraw(ctx, t, twin, "news")
		d.Clock.Advance(time.Hour)
		d.confirm(ctx, t, ada, "news")
		d.give(ctx, t, twin, "surveys")
		d.confirm(ctx, t, twin, "offers")
		_, err := d.Suppressions.Create(ctx, customers.Suppression{CustomerID: twin.ID, Reason: customers.SuppressedExcluded, Topic: "surveys", Source: "x"})
		require.NoError(t, err)
		old := d.link(ctx, t, twin)

		_, merge, err := d.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"), "the most restrictive wins, whichever came last")
		require.Equal(t, "withdrawn", d.may(ctx, t, twin, "news"), "by the old id too")
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"))
		require.Equal(t, "excluded", d.may(ctx, t, ada, "surveys"))
		_, err = d.Consents.Give(ctx, act(ada, "news"))
		require.ErrorIs(t, err, crm.ErrConflict)
		page, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, 6, "the entries of both")

		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, []string{"yes", "withdrawn"}, []string{d.may(ctx, t, ada, "news"), d.may(ctx, t, twin, "news")})
		require.Equal(t, []string{"not_asked", "yes"}, []string{d.may(ctx, t, ada, "offers"), d.may(ctx, t, twin, "offers")})
		require.Equal(t, []string{"yes", "excluded"}, []string{d.may(ctx, t, ada, "surveys"), d.may(ctx, t, twin, "surveys")})

		_, merge, err = d.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, err = d.Consents.Choose(t.Context(), old, []customers.ConsentChoice{{Channel: "email", Topic: "news", Agreed: true}}, customers.ConsentVisit{})
		require.NoError(t, err, "a link to one who was merged is one to the survivor")
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"), "said since, it speaks for both")
		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, []string{"yes", "withdrawn"}, []string{d.may(ctx, t, ada, "news"), d.may(ctx, t, twin, "news")}, "what was said since stays with the survivor")
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

func second[T any](_ T, err error) error { return err }

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

// TestANoSaidWhileMergedIsHisOwn is a customer who says no when somebody merged into him had said it already: once they
// are two again, both said so.
func TestANoSaidWhileMergedIsHisOwn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent})
		require.NoError(t, err)
		ada, bob := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Bob", "bob@example.com")
		d.withdraw(ctx, t, bob, "news")
		_, m, err := d.Merge(ctx, ada.ID, []crm.ID{bob.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.withdraw(ctx, t, ada, "news")
		d.withdraw(ctx, t, ada, "news") // by now it is recorded
		entries, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, entries.Items, 2)
		_, err = d.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		for _, c := range []customers.Customer{ada, bob} {
			require.Equal(t, "withdrawn", d.may(ctx, t, c, "news"), c.Name)
		}
		d.whole(t)
	})
}

// TestNothingButHisOwnActRevivesAWithdrawal tries any order of acts of two customers, who
// are merged and unmerged meanwhile, and holds that who withdrew is not written to until he
// confirmed, whatever else is recorded.
func TestNothingButHisOwnActRevivesAWithdrawal(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent})
		require.NoError(t, err)
		tries, enough := 0, 60
		if testing.Short() {
			enough = 15
		}
		rapid.Check(t, func(r *rapid.T) {
			if tries++; tries > enough { // each is long
				return
			}
			people := []customers.Customer{
				d.person(ctx, t, "Ada", fmt.Sprintf("ada%d@example.com", tries)), d.person(ctx, t, "Bob", fmt.Sprintf("bob%d@example.com", tries)),
			}
			refused, either, phase := make([]bool, 2), false, 0 // apart, merged, apart again
			var merge crm.ID
			say := func(who int, no bool) {
				if phase == 1 {
					who, either = 0, no // the survivor speaks
				}
				refused[who] = no
			}
			for range rapid.IntRange(1, 10).Draw(r, "acts") {
				who := rapid.IntRange(0, 1).Draw(r, "who")
				if rapid.Bool().Draw(r, "later") {
					d.Clock.Advance(time.Minute)
				}
				var err error
				switch rapid.SampledFrom([]string{"give", "import", "withdraw", "confirm", "merge"}).Draw(r, "act") {
				case "give":
					_, err = d.Consents.Give(ctx, act(people[who], "news"))
				case "import":
					old := act(people[who], "news")
					old.At = d.Clock.Now().Add(-time.Hour)
					_, err = d.Consents.Give(ctx, old)
				case "withdraw":
					d.withdraw(ctx, t, people[who], "news")
					say(who, true)
				case "confirm":
					d.confirm(ctx, t, people[who], "news")
					say(who, false)
				case "merge":
					switch phase++; phase {
					case 1:
						var m crm.Merge
						_, m, err = d.Merge(ctx, people[0].ID, []crm.ID{people[1].ID}, crm.MergeRules{})
						merge, either = m.ID, refused[0] || refused[1]
					case 2:
						_, err = d.Unmerge(ctx, merge)
					}
				}
				if err != nil {
					require.ErrorIs(t, err, crm.ErrConflict)
				}
				for i, p := range people {
					want := refused[i]
					if phase == 1 {
						want = either
					}
					require.Equal(r, want, d.may(ctx, t, p, "news") == "withdrawn")
				}
			}
		})
		d.whole(t)
	})
}

package customers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ConsentAct says what a customer said, or is asked, and how it is known.
type ConsentAct struct {
	CustomerID crm.ID
	// Channel and Topic are what it is about: "email" and the key of a [ConsentTopic].
	Channel, Topic string
	// Basis is by what law he may be written to; empty: the topic's.
	Basis LegalBasis
	// TextID is the [ConsentText] he was shown, if any.
	TextID crm.ID
	// Source is where he said so, in at most 200 characters: the address of a page, the
	// name of a form or a list. It is required, and names no person.
	Source string
	// At is when; zero is now. An earlier time takes the right to import.
	At time.Time
	// Expires is when what he gave ends; zero: after the topic's ValidDays.
	Expires time.Time
	// Address is where he is written to; zero: his first of the channel.
	Address crm.Address
	// IP and UserAgent are where his answer came from, Evidence what shows it besides, in
	// at most 1,000 characters. They go when he is erased.
	IP, UserAgent, Evidence string
}

func (a *ConsentAct) trace(address crm.Address) ConsentTrace {
	return ConsentTrace{Address: address.Value, IP: a.IP, UserAgent: a.UserAgent, Evidence: a.Evidence}
}

// acting is an act that is being recorded, and what was found out for it.
type acting struct {
	*Consents
	ConsentAct

	owner   Customer
	topic   ConsentTopic
	entry   ConsentEntry
	all     []ConsentEntry // so far
	stands  standing
	address crm.Address
}

// begin finds out what an act is about, in a transaction, and holds the customer.
func (s *Consents) begin(ctx context.Context, act ConsentAct, status ConsentStatus) (*acting, error) {
	a := &acting{Consents: s, ConsentAct: act}
	var err error
	if a.owner, err = s.hold(ctx, act.CustomerID); err != nil {
		return nil, err
	}
	if a.topic, err = s.topicFor(ctx, act.Topic, act.Channel); err != nil {
		return nil, err
	}
	now := s.people.core.Now(ctx)
	if !act.At.IsZero() {
		if act.At.After(now) {
			return nil, crm.Invalid("at", "lies in the future: record it once he said so")
		}
		if err := s.people.May(ctx, crm.VerbImport, a.owner.ID); err != nil {
			return nil, err
		}
		now = act.At
	}
	a.entry = ConsentEntry{CustomerID: a.owner.ID, At: now, Channel: act.Channel, Status: status, TextID: act.TextID, Source: act.Source}
	if err := a.readText(ctx); err != nil {
		return nil, err
	}
	if err := a.readAddress(ctx); err != nil {
		return nil, err
	}
	if a.all, err = s.of(ctx, a.owner.ID, act.Channel, act.Topic); err != nil {
		return nil, err
	}
	a.stands = fold(a.all)
	return a, nil
}

// readText takes the text over that was shown.
func (a *acting) readText(ctx context.Context) error {
	if a.TextID.IsZero() {
		return nil
	}
	text, err := a.Texts.Get(crm.SystemIn(ctx), a.TextID)
	if errors.Is(err, crm.ErrNotFound) || err == nil && text.TopicID != a.topic.ID {
		return crm.Invalid("text_id", "is no text of the topic %s: create it in Consents.Texts", a.topic.Key)
	}
	a.entry.TextHash = text.Hash
	return err
}

// readAddress finds the address an act is about.
func (a *acting) readAddress(ctx context.Context) (err error) {
	kind := a.people.addressKind(ctx, a.Channel)
	if !a.Address.IsZero() {
		if a.Address.Kind != kind {
			return crm.Invalid("address", "is of the kind %q, and %s sends to %q", a.Address.Kind, a.Channel, kind)
		}
		a.address, err = a.people.core.ParseAddress(kind, a.Address.Value, cmp.Or(a.owner.Country, a.people.policyOf(ctx).Region))
	} else {
		var list []Reach
		list, err = a.people.reach(crm.SystemIn(ctx), &a.owner)
		i := slices.IndexFunc(list, func(r Reach) bool { return r.Kind == kind && !r.Malformed })
		if i >= 0 {
			a.address = list[i].Address
		}
	}
	if err == nil {
		a.entry.Digest, err = a.digest(ctx, a.address)
	}
	return err
}

// give makes the entry one that gives consent.
func (a *acting) give() error {
	a.entry.Basis = cmp.Or(a.Basis, a.topic.Basis)
	if err := a.entry.Basis.fault(); err != nil {
		return err
	}
	a.entry.Expires = a.Expires
	if a.entry.Expires.IsZero() && a.topic.ValidDays > 0 {
		a.entry.Expires = a.entry.At.AddDate(0, 0, int(a.topic.ValidDays))
	}
	if !a.entry.Expires.IsZero() && !a.entry.Expires.After(a.entry.At) {
		return crm.Invalid("expires", "is not after it was given")
	}
	return nil
}

func (a *acting) note(ctx context.Context) (Consent, ConsentEntry, error) {
	return a.Consents.note(ctx, &a.topic, a.all, a.entry, a.trace(a.address))
}

// current is the consent as it is, where nothing changes.
func (s *Consents) current(ctx context.Context, customer crm.ID, channel, topic string) (Consent, error) {
	page, err := s.List(ctx, crm.Where("key == $1", consentKey(customer, channel, topic)))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Consent{}, err
	}
	return page.Items[0], nil
}

// Give records that a customer agreed, as somebody else says: a form, a list that is
// brought in, a member. For a topic with DoubleOptIn, Evidence says how he confirmed it
// elsewhere; else [Consents.Ask] him. Given again, it is renewed.
//
// Who withdrew is not brought back by it: that is ErrConflict, and he himself does so by a
// token that reached him; see [Consents.Ask] and [Consents.Token].
func (s *Consents) Give(ctx context.Context, act ConsentAct) (Consent, error) {
	var kept Consent
	err := s.people.core.Tx(ctx, func(ctx context.Context) error {
		a, err := s.begin(ctx, act, ConsentGiven)
		if err != nil {
			return err
		}
		if a.topic.DoubleOptIn && act.Evidence == "" {
			return crm.Invalid("evidence", "the topic %s asks for a confirmation: call Ask, or say what shows that he confirmed it", a.topic.Key)
		}
		if a.stands.status == ConsentWithdrawn {
			return &crm.ConflictError{
				Field:  "status",
				Reason: "he withdrew on " + a.stands.since.Format(time.DateOnly) + ", and only he takes that back: call Ask, or give him a token of Consents.Token",
			}
		}
		if err = a.give(); err == nil {
			kept, _, err = a.note(ctx)
		}
		return err
	})
	return kept, failed("give", "consent", crm.ID{}, err)
}

// Withdraw records that a customer wants something no more, or that he objects to it. Who
// withdrew already stays as he is. A topic that rests on a contract, a duty or an
// emergency has no no: that is ErrInvalid.
func (s *Consents) Withdraw(ctx context.Context, act ConsentAct) (Consent, error) {
	var kept Consent
	err := s.people.core.Tx(ctx, func(ctx context.Context) error {
		a, err := s.begin(ctx, act, ConsentWithdrawn)
		if err == nil {
			kept, err = a.withdraw(ctx)
		}
		return err
	})
	return kept, failed("withdraw", "consent", crm.ID{}, err)
}

func (a *acting) withdraw(ctx context.Context) (Consent, error) {
	if !a.topic.Basis.refusable() {
		return Consent{}, crm.Invalid("topic", "the topic %s rests on %s, which nobody withdraws", a.topic.Key, a.topic.Basis)
	}
	// A no of somebody who was merged into him alone is not yet his own, should they part.
	if a.stands.status == ConsentWithdrawn && !a.stands.mixed && slices.Contains(parties(a.all), a.owner.ID) {
		return a.current(ctx, a.owner.ID, a.Channel, a.Topic)
	}
	kept, _, err := a.note(ctx)
	return kept, err
}

// ConsentRequest is a question to a customer, for the host to send him.
type ConsentRequest struct {
	// Token confirms the consent, once, until Expires; see [Consents.Confirm].
	Token   string
	Expires time.Time
	// Address is where it is sent: nowhere else, since who has it answers for him.
	Address crm.Address
	Consent Consent
}

// askFor is how long a customer may take to answer.
const askFor = 7 * 24 * time.Hour

// Ask begins a double opt-in: it records that a customer was asked, and returns the token
// that the host sends to his address in a link. It is good for seven days. Until he
// confirms, he stands to the topic as before. Without an address of the channel it is
// ErrInvalid.
func (s *Consents) Ask(ctx context.Context, act ConsentAct) (ConsentRequest, error) {
	var asked ConsentRequest
	err := s.people.core.Tx(ctx, func(ctx context.Context) error {
		a, err := s.begin(ctx, act, ConsentAsked)
		if err != nil {
			return err
		}
		if a.address.IsZero() {
			return crm.Invalid("address", "the customer has none to be asked at by %s", a.Channel)
		}
		if err := a.give(); err != nil { // what it will be, when he confirms
			return err
		}
		kept, entry, err := a.note(ctx)
		if err != nil {
			return err
		}
		asked = ConsentRequest{Expires: s.people.core.Now(ctx).Add(askFor), Address: a.address, Consent: kept}
		asked.Token, err = s.people.core.SealToken(ctx, confirmPurpose, slices.Concat(a.owner.ID[:], entry.ID[:]), asked.Expires)
		return err
	})
	if err != nil {
		return ConsentRequest{}, failed("ask", "consent", crm.ID{}, err)
	}
	return asked, nil
}

const confirmPurpose = "consent confirm"

var errConsentToken = crm.Invalid("token", "is none that this CRM gave out, or what it is about is gone")

// ConsentVisit is where an answer by a token comes from. It is kept with what was said, as
// its proof.
type ConsentVisit struct {
	// Source is the page or mail of the answer, in at most 200 characters; empty: "link".
	Source        string
	IP, UserAgent string
}

// Confirm ends a double opt-in: the customer agreed, and the token proves that it reached
// him. It needs no scope, and no member's rights: whoever has the token is him. So his
// address is verified by it, and if he wanted nothing more there, he does again: what he
// confirmed, and nothing else that he had agreed to before.
//
// A token that was not given out or has expired is ErrInvalid; one that was used, or since
// which he withdrew, is ErrConflict. Call it for a press of a button and not for the mere
// opening of a link, which programs do too.
func (s *Consents) Confirm(ctx context.Context, token string, from ConsentVisit) (Consent, error) {
	tenant, data, err := s.people.core.OpenToken(ctx, confirmPurpose, token)
	if err == nil && len(data) != 32 {
		err = errConsentToken
	}
	var kept Consent
	if err == nil {
		err = s.people.core.Tx(crm.System(ctx, tenant), func(ctx context.Context) (err error) {
			kept, err = s.confirm(ctx, crm.ID(data[:16]), crm.ID(data[16:]), from)
			return err
		})
	}
	return kept, failed("confirm", "consent", crm.ID{}, err)
}

func (s *Consents) confirm(ctx context.Context, customer, entry crm.ID, from ConsentVisit) (Consent, error) {
	owner, err := s.people.Get(ctx, customer)
	if errors.Is(err, crm.ErrNotFound) {
		return Consent{}, errConsentToken
	}
	if err != nil {
		return Consent{}, err
	}
	page, err := s.entries.List(ctx, crm.Where("customer_id == $1 and id == $2", owner.ID, entry))
	if err == nil && len(page.Items) == 0 {
		err = errConsentToken
	}
	if err != nil {
		return Consent{}, err
	}
	asked := page.Items[0]
	was, err := s.addressOf(ctx, &owner, asked.Digest)
	if err == nil && was.IsZero() {
		err = &crm.ConflictError{Field: "token", Reason: "the address it was sent to is the customer's no more: ask again"}
	}
	if err != nil {
		return Consent{}, err
	}
	a, err := s.begin(ctx, ConsentAct{
		CustomerID: owner.ID, Channel: asked.Channel, Topic: asked.Topic, Basis: asked.Basis, TextID: asked.TextID, Source: asked.Source,
		Address: was, IP: from.IP, UserAgent: from.UserAgent,
	}, ConsentGiven)
	if err != nil {
		return Consent{}, err
	}
	for _, e := range a.all {
		switch {
		case e.AskID == asked.ID:
			return Consent{}, &crm.ConflictError{Field: "token", Reason: "it was used"}
		case e.Status == ConsentWithdrawn && (e.At.After(asked.At) || e.At.Equal(asked.At) && e.N > asked.N):
			return Consent{}, &crm.ConflictError{Field: "token", Reason: "he withdrew since he was asked: ask again"}
		}
	}
	a.entry.Proof, a.entry.AskID, a.entry.TextHash = ProofConfirmed, asked.ID, asked.TextHash
	if !asked.Expires.IsZero() { // as long as it was meant to last, from now on
		a.Expires = a.entry.At.Add(asked.Expires.Sub(asked.At))
	}
	if err := a.give(); err != nil {
		return Consent{}, err
	}
	kept, _, err := a.note(ctx)
	if err == nil {
		_, err = s.people.ContactPoints.MarkVerified(ctx, was)
	}
	if err == nil {
		err = s.reopen(ctx, &owner, asked.Channel, was, []string{asked.Topic}, cmp.Or(from.Source, "link"))
	}
	return kept, err
}

// addressOf is the address of a customer that a digest was made of; zero: he has it no
// more.
func (s *Consents) addressOf(ctx context.Context, owner *Customer, digest string) (crm.Address, error) {
	if digest == "" {
		return crm.Address{}, nil
	}
	list, err := s.people.reach(crm.SystemIn(ctx), owner)
	for _, r := range list {
		if err != nil || r.Malformed {
			continue
		}
		var of string
		if of, err = s.digest(ctx, r.Address); of == digest && err == nil {
			return r.Address, nil
		}
	}
	return crm.Address{}, err
}

// consentExpiryJob is the kind of the jobs that end consents, each at its time.
const consentExpiryJob = "consent.expire"

// expireAt has consents ended at a time.
func (s *Consents) expireAt(ctx context.Context, at time.Time) error {
	_, err := s.people.core.Jobs.Enqueue(crm.SystemIn(ctx), crm.Job{Kind: consentExpiryJob, Key: strconv.FormatInt(at.UnixMicro(), 10), Due: at})
	return err
}

const expiryBatch = 200

// expire ends consents whose time has come, a batch in a transaction.
func (s *Consents) expire(ctx context.Context) error {
	for {
		now := s.people.core.Now(ctx)
		ended := 0
		page, err := s.List(ctx, crm.Where("status == 'given' and expires <= $1", now), crm.OrderBy("expires"), crm.Limit(expiryBatch))
		if err != nil {
			return failed("expire", "consent", crm.ID{}, err)
		}
		err = s.people.core.Tx(ctx, func(ctx context.Context) error {
			ended = 0
			for _, c := range page.Items {
				is, err := s.end(ctx, c, now)
				if err != nil {
					return failed("expire", "consent", c.ID, err)
				}
				if is {
					ended++
				}
			}
			return nil
		})
		if err != nil || ended == 0 {
			return err
		}
	}
}

// end records that a consent has expired, if it has.
func (s *Consents) end(ctx context.Context, c Consent, now time.Time) (bool, error) {
	_, err := s.hold(ctx, c.CustomerID)
	if errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrConflict) { // he was deleted meanwhile
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := s.of(ctx, c.CustomerID, c.Channel, c.Topic)
	if err != nil {
		return false, err
	}
	is := fold(all)
	if !is.expired(now) {
		return false, nil
	}
	t := ConsentTopic{Key: c.Topic}
	_, _, err = s.note(ctx, &t, all, ConsentEntry{
		CustomerID: c.CustomerID, At: now, Channel: c.Channel, Status: ConsentExpired, Basis: is.by.Basis, TextID: is.by.TextID, TextHash: is.by.TextHash,
		Source: is.by.Source, Expires: is.by.Expires, Digest: is.by.Digest,
	}, ConsentTrace{})
	return err == nil, err
}

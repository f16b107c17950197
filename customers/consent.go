package customers

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ConsentStatus says how a customer stands to a topic in a channel.
type ConsentStatus string

// How customers stand to a topic. Without any of them nobody asked them yet.
const (
	ConsentAsked     ConsentStatus = "asked" // he is yet to confirm that he wants it
	ConsentGiven     ConsentStatus = "given"
	ConsentWithdrawn ConsentStatus = "withdrawn"
	ConsentExpired   ConsentStatus = "expired"
)

// Consent is how a customer stands to a [ConsentTopic] in a channel. It follows his
// [ConsentEntry] rows, which are the proof: the verbs of [Consents] write both. Expressions
// know it: any(consents, .topic == 'news' and .channel == 'email' and .status == 'given').
type Consent struct {
	crm.Record

	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	// Channel is what it is sent by: email, sms, wechat. See [Policy].Channels.
	Channel string `crm:"required,guarded,max=32" json:"channel"`
	// Topic is the key of what it is about.
	TopicID crm.ID `crm:"required,guarded,ref=consent_topic" json:"topic_id"`
	Topic   string `crm:"required,guarded,max=48"            json:"topic"`
	// Key is customer, channel and topic in one: he stands in one way to it.
	Key string `crm:"required,guarded,max=130,unique" json:"key"`

	Status ConsentStatus `crm:"guarded,enum=asked|given|withdrawn|expired" json:"status,omitempty"`
	// Since is when it came to stand so.
	Since time.Time `crm:"guarded" json:"since,omitzero"`
	// Basis is by what law he may be written to, once it is given.
	Basis LegalBasis `crm:"guarded,max=32" json:"basis,omitempty"`
	// TextID is what he was shown, Source where it came from.
	TextID crm.ID `crm:"guarded,ref=consent_text" json:"text_id,omitzero"`
	Source string `crm:"guarded,max=200"          json:"source,omitempty"`
	// Expires is when what was given ends by itself; zero: it does not.
	Expires time.Time `crm:"guarded,sort" json:"expires,omitzero"`
	// Confirmed is when he himself said so last, by a token that reached him; zero: he did
	// not.
	Confirmed time.Time `crm:"guarded" json:"confirmed,omitzero"`
}

// Consents are what customers agreed to, and what they withdrew.
//
// What is recorded is never altered: each act is an entry in a ledger, with the text that
// was shown, its source, time, address and proof, and Consent is how matters stand by it.
// Who withdrew stays so, whatever is imported or recorded for him, until he himself takes
// it back by a token that reached him: [Consents.Confirm] and [Consents.Choose].
//
// To record takes the right to update the customer, to read the one to read him. Events
// are consent.asked, consent.given, consent.renewed, consent.withdrawn and
// consent.expired, each once, when it comes to be so.
type Consents struct {
	crm.Collection[Consent]

	// Topics are what customers can agree to, Texts what they were shown.
	Topics *ConsentTopics
	Texts  *ConsentTexts

	kind    *crm.Kind[Consent]
	entries *crm.Ledger[ConsentEntry]
	traces  *crm.Ledger[ConsentTrace]
	people  *Customers
}

func (c *Customers) defineConsents(core *crm.Core) error {
	s := &Consents{people: c}
	c.Consents = s
	if err := s.defineTopics(core); err != nil {
		return err
	}
	kind, err := crm.Define(core, crm.Object[Consent]{
		Name: "consent", BeforeWrite: s.byVerbs, AfterWrite: s.kept,
		Relink: func(_ context.Context, w *crm.Write[Consent]) error {
			w.After.Key = consentKey(w.After.CustomerID, w.After.Channel, w.After.Topic)
			return nil
		},
	})
	if err != nil {
		return err
	}
	s.kind, s.Collection = kind, kind.Collection
	if s.entries, err = crm.DefineLedger[ConsentEntry](core, crm.LedgerOf[ConsentEntry]{
		Name: "consent_entry", Plural: "consent_entries", Key: []string{"customer_id", "at", "id"},
	}); err != nil {
		return err
	}
	if s.traces, err = crm.DefineLedger[ConsentTrace](core, crm.LedgerOf[ConsentTrace]{
		Name: "consent_trace", Key: []string{"customer_id", "entry_id"},
	}); err != nil {
		return err
	}
	core.AddCheck(s.check)
	return core.Jobs.Handle(consentExpiryJob, func(ctx context.Context, _ crm.Job) error { return s.expire(ctx) }, crm.Idempotent())
}

func consentKey(customer crm.ID, channel, topic string) string {
	return customer.String() + " " + channel + " " + topic
}

// recordingKey marks in a context that a consent follows its entries.
type recordingKey struct{}

func recording(ctx context.Context) context.Context {
	return context.WithValue(ctx, recordingKey{}, true)
}

func isRecording(ctx context.Context) bool { return ctx.Value(recordingKey{}) != nil }

// byVerbs holds that a consent is written with its entry: BeforeWrite.
func (s *Consents) byVerbs(ctx context.Context, w *crm.Write[Consent]) error {
	switch {
	case isRecording(ctx):
		return nil
	case w.Before == nil:
		return crm.Invalid("status", "a consent is recorded with its proof: call Consents.Give, Ask or Withdraw")
	case w.After.CustomerID != w.Before.CustomerID:
		return crm.Invalid("customer_id", "a consent stays whose it is")
	}
	return nil
}

var errConsentStays = crm.Invalid("status", "what a customer said stays: call Consents.Withdraw")

// kept holds that a consent is not deleted: who did not want something would be as if he
// had never said so. It goes when its customer is purged.
func (s *Consents) kept(_ context.Context, w *crm.Write[Consent]) error {
	if w.After == nil && !w.Along || w.After != nil && !w.After.Deleted.IsZero() && w.Before != nil && w.Before.Deleted.IsZero() {
		return errConsentStays
	}
	return nil
}

// topic returns a topic by its key.
func (s *Consents) topic(ctx context.Context, key string) (ConsentTopic, error) {
	page, err := s.Topics.List(crm.SystemIn(ctx), crm.Where("key == $1", key))
	if err == nil && len(page.Items) == 0 {
		err = crm.Invalid("topic", "there is no topic %q: create it in Consents.Topics", clipped(key))
	}
	if err != nil {
		return ConsentTopic{}, err
	}
	return page.Items[0], nil
}

// topicFor returns a topic that is sent by a channel.
func (s *Consents) topicFor(ctx context.Context, key, channel string) (ConsentTopic, error) {
	t, err := s.topic(ctx, key)
	if err == nil {
		err = t.sentBy(channel)
	}
	return t, err
}

// hold returns a customer, whom the actor may write to, and makes whoever records
// something of him wait.
func (s *Consents) hold(ctx context.Context, customer crm.ID) (Customer, error) {
	owner, err := s.people.Get(ctx, customer) // who was merged is the survivor
	if err != nil {
		return Customer{}, err
	}
	if err := s.people.May(ctx, crm.VerbUpdate, owner.ID); err != nil {
		return Customer{}, err
	}
	held, err := s.people.kind.Hold(ctx, owner.ID)
	if errors.Is(err, crm.ErrNotFound) {
		return Customer{}, &crm.ConflictError{Field: "customer_id", Reason: "the customer was deleted or merged meanwhile: try again"}
	}
	return held, err
}

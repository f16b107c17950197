package customers

import (
	"context"
	"errors"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// SuppressionReason says why a customer is not written to, whatever he agreed to.
type SuppressionReason string

// The reasons. That an address bounced, complained or opted out is known of the address,
// for all who have it: see [ContactPoint].
const (
	// SuppressedAltogether is that he is not to be contacted, by any channel or by one.
	SuppressedAltogether SuppressionReason = "do_not_contact"
	// SuppressedRestricted is that his data may be kept and not used (GDPR Article 18).
	SuppressedRestricted SuppressionReason = "restricted"
	// SuppressedOptedOut is that he himself closed a channel; see [Consents.Choose]. Only he
	// opens it again.
	SuppressedOptedOut SuppressionReason = "opted_out"
	// SuppressedExcluded is that he is left out of a topic for the host's own reasons: he
	// has a contact of his own, he is a competitor.
	SuppressedExcluded SuppressionReason = "excluded"
)

// Suppression is that a customer is not written to. It stands above consents, and changes
// none of them. Creating one begins it and deleting one ends it, with [crm.Because] for the
// reason; an import may bring some, and takes none away.
type Suppression struct {
	crm.Record

	CustomerID crm.ID            `crm:"required,ref=customer,parent"                                        json:"customer_id"`
	Reason     SuppressionReason `crm:"required,enum=do_not_contact|restricted|opted_out|excluded" json:"reason"`
	// Channel is the only one meant, of do_not_contact, opted_out and excluded; empty: all.
	Channel string `crm:"max=32" json:"channel,omitempty"`
	// Topic is the key of the topic of excluded.
	Topic string `crm:"max=48" json:"topic,omitempty"`
	// Key is the customer and what is meant in one. It follows them, and what is given is
	// ignored.
	Key string `crm:"required,max=150,unique" json:"key"`
	// Source is how it is known: "letter of 3 May", "list of competitors".
	Source string `crm:"required,max=200"      json:"source"`
	Note   string `crm:"max=1000,personal" json:"note,omitempty"`
}

var _ crm.Validator = (*Suppression)(nil)

// Validate refuses what would mean nothing.
func (s *Suppression) Validate() error {
	switch {
	case s.Reason == SuppressedExcluded && s.Topic == "":
		return crm.Invalid("topic", "is required: what he is excluded from")
	case s.Reason != SuppressedExcluded && s.Topic != "":
		return crm.Invalid("topic", "is for the reason excluded: he himself withdraws a topic by Consents.Withdraw")
	case s.Reason == SuppressedRestricted && s.Channel != "":
		return crm.Invalid("channel", "a restriction is of all that is done with his data: leave it out")
	case s.Reason == SuppressedOptedOut && s.Channel == "":
		return crm.Invalid("channel", "is required: which channel he closed")
	case s.Channel != "":
		return channelFault("channel", s.Channel)
	}
	return nil
}

// Suppressions are those of a tenant's customers.
type Suppressions struct {
	crm.Collection[Suppression]

	people *Customers
}

func (c *Customers) defineSuppressions(core *crm.Core) error {
	s := &Suppressions{people: c}
	kind, err := crm.Define(core, crm.Object[Suppression]{Name: "suppression", BeforeWrite: s.prepare, AfterWrite: s.kept, Relink: s.follow})
	if err != nil {
		return err
	}
	s.Collection = kind.Collection
	c.Suppressions = s
	return nil
}

func (s *Suppressions) follow(_ context.Context, w *crm.Write[Suppression]) error {
	is := w.After
	is.Key = strings.Join([]string{is.CustomerID.String(), string(is.Reason), is.Channel, is.Topic}, " ")
	return nil
}

// prepare makes what follows from the rest: BeforeWrite.
func (s *Suppressions) prepare(ctx context.Context, w *crm.Write[Suppression]) error {
	is, was := w.After, w.Before
	is.Channel, is.Topic = strings.TrimSpace(is.Channel), strings.TrimSpace(is.Topic)
	if was != nil && (is.CustomerID != was.CustomerID || is.Reason != was.Reason || is.Channel != was.Channel || is.Topic != was.Topic) {
		return crm.Invalid("reason", "and whom it is about stay: create another suppression")
	}
	if was == nil && is.Topic != "" {
		if _, err := s.people.Consents.topic(ctx, is.Topic); err != nil {
			return err
		}
	}
	return s.follow(ctx, w)
}

var errOptOutStays = crm.Invalid("reason", "he himself closed the channel, and only he opens it: give him a token of Consents.Token")

// kept holds that nobody ends what the customer himself said: AfterWrite.
func (s *Suppressions) kept(ctx context.Context, w *crm.Write[Suppression]) error {
	gone := w.After == nil && !w.Along || w.After != nil && !w.After.Deleted.IsZero()
	if gone && w.Before != nil && w.Before.Reason == SuppressedOptedOut && !isRecording(ctx) {
		return errOptOutStays
	}
	return nil
}

// closeChannel notes that a customer himself closed a channel.
func (s *Suppressions) closeChannel(ctx context.Context, customer crm.ID, channel, source string) error {
	err := s.people.core.Tx(ctx, func(ctx context.Context) error {
		_, err := s.Create(ctx, Suppression{CustomerID: customer, Reason: SuppressedOptedOut, Channel: channel, Source: source})
		return err
	})
	if errors.Is(err, crm.ErrConflict) { // it is closed
		return nil
	}
	return err
}

// openChannel ends that, and reports whether it was so.
func (s *Suppressions) openChannel(ctx context.Context, customer crm.ID, channel string) (bool, error) {
	page, err := s.List(ctx, crm.Where("customer_id == $1 and reason == 'opted_out' and channel == $2", customer, channel))
	for _, is := range page.Items {
		if err == nil {
			err = s.Delete(recording(ctx), is.ID)
		}
	}
	return len(page.Items) > 0, err
}

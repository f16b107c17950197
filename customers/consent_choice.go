package customers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ConsentToken is what a token lets a customer do who is no member: see and choose what he
// wants.
type ConsentToken struct {
	CustomerID crm.ID
	// Address is where it is sent, one of his; zero: it is given to him otherwise, such as
	// on a page where he is signed in. Only with it he takes back that the address opted out.
	Address crm.Address
	// Channel and Topic are what [Consents.Unsubscribe] ends; without a topic it is all
	// that is sent to Address, or by the channel.
	Channel, Topic string
	// Expires is until when it is good; zero: for 90 days.
	Expires time.Time
}

const choicePurpose = "consent choices"

// chooseFor is how long a token of choices is good: a link in an old mail should do still.
const chooseFor = 90 * 24 * time.Hour

// Token returns a token for a customer, as a link carries it: to the page where he says
// what he wants ([Consents.Choices], [Consents.Choose]), or to unsubscribe with one click
// ([Consents.Unsubscribe]). Whoever has it acts for him. It takes the right to update the
// customer.
func (s *Consents) Token(ctx context.Context, of ConsentToken) (string, error) {
	text, err := s.token(ctx, of)
	return text, failed("token", "consent", crm.ID{}, err)
}

func (s *Consents) token(ctx context.Context, of ConsentToken) (string, error) {
	if err := s.people.May(ctx, crm.VerbUpdate, of.CustomerID); err != nil {
		return "", err
	}
	if of.Channel == "" && of.Topic != "" {
		return "", crm.Invalid("channel", "is required with a topic")
	}
	if of.Topic != "" {
		if _, err := s.topicFor(ctx, of.Topic, of.Channel); err != nil {
			return "", err
		}
	} else if of.Channel != "" {
		if err := channelFault("channel", of.Channel); err != nil {
			return "", err
		}
	}
	var digest string
	if !of.Address.IsZero() {
		a, err := s.people.core.ParseAddress(of.Address.Kind, of.Address.Value, s.people.policyOf(ctx).Region)
		if err == nil {
			digest, err = s.digest(ctx, a)
		}
		if err != nil {
			return "", err
		}
	}
	expires := of.Expires
	if expires.IsZero() {
		expires = s.people.core.Now(ctx).Add(chooseFor)
	}
	data := slices.Clone(of.CustomerID[:])
	for _, part := range []string{digest, of.Channel, of.Topic} {
		data = append(append(data, byte(len(part))), part...)
	}
	return s.people.core.SealToken(ctx, choicePurpose, data, expires)
}

// chooser is a customer, as a token names him.
type chooser struct {
	*Consents

	owner          Customer
	address        crm.Address // that the token was sent to, as far as he has it still
	channel, topic string
	unsubscribes   bool // his no is said, and no box that he left empty
}

// chooser opens a token, in the tenant whose it is.
func (s *Consents) chooser(ctx context.Context, token string, fn func(ctx context.Context, who *chooser) error) error {
	tenant, data, err := s.people.core.OpenToken(ctx, choicePurpose, token)
	if err != nil {
		return err
	}
	if len(data) < 16 {
		return errConsentToken
	}
	customer, rest := crm.ID(data[:16]), data[16:]
	var parts [3]string
	for i := range parts {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return errConsentToken
		}
		parts[i], rest = string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	}
	return s.people.core.Tx(crm.System(ctx, tenant), func(ctx context.Context) error {
		who := &chooser{Consents: s, channel: parts[1], topic: parts[2]}
		if who.owner, err = s.hold(ctx, customer); errors.Is(err, crm.ErrNotFound) {
			return errConsentToken
		}
		if err == nil {
			who.address, err = s.addressOf(ctx, &who.owner, parts[0])
		}
		if err != nil {
			return err
		}
		return fn(ctx, who)
	})
}

// ConsentChoice is one thing a customer says yes or no to: a topic in a channel, or, without
// a Topic, the channel as a whole, which must be open for any of its topics.
type ConsentChoice struct {
	Channel string
	Topic   string
	// Name and Description are the topic's, for him to read. [Consents.Choose] ignores them.
	Name, Description string
	Agreed            bool
	// TextID is the text he was shown when he chose, if any.
	TextID crm.ID
}

// Choices returns what a customer can choose by a token, and what he chose: each topic that
// he may refuse, by its name, in each channel, and each channel. It needs no scope.
func (s *Consents) Choices(ctx context.Context, token string) ([]ConsentChoice, error) {
	var list []ConsentChoice
	err := s.chooser(ctx, token, func(ctx context.Context, who *chooser) (err error) {
		list, err = who.choices(ctx)
		return err
	})
	return list, failed("choices", "consent", crm.ID{}, err)
}

// refusable are the topics that a customer may refuse, by their names.
func (s *Consents) refusable(ctx context.Context) ([]ConsentTopic, error) {
	page, err := s.Topics.List(ctx, crm.OrderBy("name"), crm.Limit(crm.MaxPage))
	return slices.DeleteFunc(page.Items, func(t ConsentTopic) bool { return !t.Basis.refusable() }), err
}

func (c *chooser) choices(ctx context.Context) ([]ConsentChoice, error) {
	topics, err := c.refusable(ctx)
	if err != nil {
		return nil, err
	}
	stands, err := c.standings(ctx, c.owner.ID)
	if err != nil {
		return nil, err
	}
	now := c.people.core.Now(ctx)
	var list []ConsentChoice
	var channels []string
	for _, t := range topics {
		for _, channel := range t.Channels {
			is := stands[subject{c.owner.ID, channel, t.Key}]
			list = append(list, ConsentChoice{Channel: channel, Topic: t.Key, Name: t.Name, Description: t.Description, Agreed: is.agreed(t.Basis, now)})
			channels = append(channels, channel)
		}
	}
	slices.Sort(channels)
	for _, channel := range slices.Compact(channels) {
		closed, err := c.closed(ctx, channel)
		if err != nil {
			return nil, err
		}
		list = append(list, ConsentChoice{Channel: channel, Agreed: !closed})
	}
	return list, nil
}

// standings is how a customer stands to all he said something of.
func (s *Consents) standings(ctx context.Context, customer crm.ID) (map[subject]standing, error) {
	entries, err := s.by(ctx, []crm.ID{customer})
	found := map[subject]standing{}
	for about, list := range entries {
		found[about] = fold(list)
	}
	return found, err
}

// agreed reports whether one may be written to, as far as he himself says.
func (s *standing) agreed(basis LegalBasis, now time.Time) bool {
	switch s.status {
	case ConsentGiven:
		return !s.expired(now)
	case ConsentWithdrawn:
		return false
	case ConsentAsked, ConsentExpired:
	}
	return basis != BasisConsent
}

// closed reports whether the customer closed a channel, or somebody who reads at the
// address the token was sent to.
func (c *chooser) closed(ctx context.Context, channel string) (bool, error) {
	if c.sentBy(ctx, channel) {
		point, err := c.people.ContactPoints.Of(ctx, c.address)
		if err != nil || !point.OptedOut.IsZero() {
			return true, err
		}
	}
	n, err := c.people.Suppressions.Count(ctx, crm.Where("customer_id == $1 and reason == 'opted_out' and channel == $2", c.owner.ID, channel))
	return n > 0, err
}

// sentBy reports whether the token was sent by a channel.
func (c *chooser) sentBy(ctx context.Context, channel string) bool {
	return !c.address.IsZero() && c.address.Kind == c.people.addressKind(ctx, channel)
}

const maxChoices = 500

// Choose records what a customer chose by a token, all or none, and returns what he can
// choose now. It needs no scope. What he does not name stays; what is so already is not
// recorded again.
//
// His yes to a topic is his own act, with the token as its proof: it takes back that he
// withdrew, and opens a channel that he closed, for this topic alone. To close a channel,
// by a choice without a Topic, opts out the address that the token was sent to, for
// everyone who has it; where the token was sent to none of that channel, it is the
// customer's own [Suppression]. Yes to the channel takes either back.
func (s *Consents) Choose(ctx context.Context, token string, choices []ConsentChoice, from ConsentVisit) ([]ConsentChoice, error) {
	var list []ConsentChoice
	err := s.chooser(ctx, token, func(ctx context.Context, who *chooser) (err error) {
		if err = who.choose(ctx, choices, from); err == nil {
			list, err = who.choices(ctx)
		}
		return err
	})
	return list, failed("choose", "consent", crm.ID{}, err)
}

// Unsubscribe ends what a token names, with one click (RFC 8058): its topic in its channel,
// or, when it names none, all that is sent to its address or by its channel. It needs no
// scope, and may be called again.
func (s *Consents) Unsubscribe(ctx context.Context, token string, from ConsentVisit) error {
	err := s.chooser(ctx, token, func(ctx context.Context, who *chooser) error {
		who.unsubscribes = true
		channel := who.channel
		if channel == "" {
			channel = string(who.address.Kind)
		}
		if channel == "" {
			return crm.Invalid("token", "names no topic, channel or address to unsubscribe from: seal another one")
		}
		return who.choose(ctx, []ConsentChoice{{Channel: channel, Topic: who.topic}}, from)
	})
	return failed("unsubscribe", "consent", crm.ID{}, err)
}

func (c *chooser) choose(ctx context.Context, choices []ConsentChoice, from ConsentVisit) error {
	if len(choices) > maxChoices {
		return crm.Invalid("choices", "are %d, and %d are allowed", len(choices), maxChoices)
	}
	from.Source = cmp.Or(from.Source, "link")
	wanted := map[string][]string{} // topics by channel
	for i, choice := range choices {
		if slices.ContainsFunc(choices[:i], func(o ConsentChoice) bool { return o.Channel == choice.Channel && o.Topic == choice.Topic }) {
			return crm.Invalid("choices", "name %s %s twice", clipped(choice.Channel), clipped(choice.Topic))
		}
		if err := channelFault("channel", choice.Channel); err != nil {
			return err
		}
		if choice.Topic == "" {
			continue
		}
		if err := c.say(ctx, choice, from); err != nil {
			return err
		}
		if choice.Agreed {
			wanted[choice.Channel] = append(wanted[choice.Channel], choice.Topic)
		}
	}
	for _, choice := range choices {
		if choice.Topic != "" {
			continue
		}
		delete(wanted, choice.Channel) // he says himself how the channel is to be
		if err := c.turn(ctx, choice, from); err != nil {
			return err
		}
	}
	for channel, topics := range wanted {
		if err := c.reopen(ctx, &c.owner, channel, c.address, topics, from.Source); err != nil {
			return err
		}
	}
	return nil
}

// say records a choice of a topic.
func (c *chooser) say(ctx context.Context, choice ConsentChoice, from ConsentVisit) error {
	status := ConsentWithdrawn
	if choice.Agreed {
		status = ConsentGiven
	}
	act := ConsentAct{
		CustomerID: c.owner.ID, Channel: choice.Channel, Topic: choice.Topic, TextID: choice.TextID, Source: from.Source,
		IP: from.IP, UserAgent: from.UserAgent,
	}
	if c.sentBy(ctx, choice.Channel) {
		act.Address = c.address
	}
	a, err := c.begin(ctx, act, status)
	if err != nil {
		return err
	}
	a.entry.Proof = ProofChosen
	if !choice.Agreed {
		unasked := a.topic.Basis == BasisConsent && (a.stands.status == "" || a.stands.status == ConsentExpired)
		if unasked && !c.unsubscribes {
			return nil
		}
		_, err := a.withdraw(ctx)
		return err
	}
	if !a.topic.Basis.refusable() {
		return crm.Invalid("topic", "the topic %s rests on %s, and is not chosen", a.topic.Key, a.topic.Basis)
	}
	if a.stands.status == ConsentGiven && !a.stands.expired(a.entry.At) || a.stands.status == "" && a.topic.Basis != BasisConsent {
		return nil
	}
	if err = a.give(); err == nil {
		_, _, err = a.note(ctx)
	}
	return err
}

// turn closes a channel, or opens it with all that was agreed to.
func (c *chooser) turn(ctx context.Context, choice ConsentChoice, from ConsentVisit) error {
	points := c.people.ContactPoints
	switch {
	case choice.Agreed:
		_, err := c.open(ctx, &c.owner, choice.Channel, c.address, from.Source)
		return err
	case c.sentBy(ctx, choice.Channel):
		_, err := points.OptOut(ctx, c.address, from.Source)
		return err
	}
	return c.people.Suppressions.closeChannel(ctx, c.owner.ID, choice.Channel, from.Source)
}

// open opens a channel that a customer closed, or somebody who reads at the address that
// he answered from. It reports whether it was closed.
func (s *Consents) open(ctx context.Context, owner *Customer, channel string, from crm.Address, source string) (opened bool, err error) {
	if from.Kind == s.people.addressKind(ctx, channel) {
		point, err := s.people.ContactPoints.Of(ctx, from)
		if err != nil {
			return false, err
		}
		if !point.OptedOut.IsZero() {
			if _, err := s.people.ContactPoints.OptIn(ctx, from, source); err != nil {
				return false, err
			}
			opened = true
		}
	}
	was, err := s.people.Suppressions.openChannel(ctx, owner.ID, channel)
	return opened || was, err
}

// reopen opens a channel for the topics that a customer asks for. What else he, or whoever
// shares his address, had agreed to before it was closed is withdrawn, since nobody asked
// for that.
func (s *Consents) reopen(ctx context.Context, owner *Customer, channel string, from crm.Address, topics []string, source string) error {
	opened, err := s.open(ctx, owner, channel, from, source)
	if err != nil || !opened {
		return err
	}
	if err := s.withdrawOthers(ctx, owner.ID, channel, topics, source); err != nil {
		return err
	}
	if from.Kind != s.people.addressKind(ctx, channel) {
		return nil
	}
	others, err := s.people.holders(ctx, []crm.Address{from})
	if err != nil {
		return err
	}
	for _, id := range others.oldest() {
		if id == owner.ID {
			continue
		}
		if err := s.withdrawOthers(ctx, id, channel, nil, source); err != nil {
			return err
		}
	}
	return nil
}

// withdrawOthers withdraws what a customer agreed to in a channel, but for some topics.
func (s *Consents) withdrawOthers(ctx context.Context, customer crm.ID, channel string, but []string, source string) error {
	topics, err := s.refusable(ctx)
	if err != nil {
		return err
	}
	stands, err := s.standings(ctx, customer)
	if err != nil {
		return err
	}
	now := s.people.core.Now(ctx)
	for _, t := range topics {
		is := stands[subject{customer, channel, t.Key}]
		if slices.Contains(but, t.Key) || !slices.Contains(t.Channels, channel) || !is.agreed(t.Basis, now) {
			continue
		}
		a, err := s.begin(ctx, ConsentAct{
			CustomerID: customer, Channel: channel, Topic: t.Key, Source: source, Evidence: "the channel was closed, and opened for something else",
		}, ConsentWithdrawn)
		if err == nil {
			_, err = a.withdraw(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package customers

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ConsentProof says how it is known that a customer himself said so.
type ConsentProof string

// The proofs. Without any of them somebody else says so: a form, a list, a member.
const (
	// ProofConfirmed is that he was asked, and answered by the token that was sent to him:
	// double opt-in.
	ProofConfirmed ConsentProof = "double_opt_in"
	// ProofChosen is that he chose by a token that was given to him, where he says what he
	// wants.
	ProofChosen ConsentProof = "choice"
)

// ConsentEntry is one act: somebody was asked, agreed, withdrew. It is never altered. When
// customers are merged the survivor has the entries of both; when one is erased they stay
// as the proof, without the Trace.
type ConsentEntry struct {
	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	// At is when it happened.
	At time.Time `json:"at"`
	ID crm.ID    `json:"id"`
	// N numbers the entries of a customer, channel and topic: 1, 2, 3.
	N int64 `json:"n"`
	// Origin is whose it was when it was recorded, Parties are customers who were merged
	// into that one by then, for whom it speaks too.
	Origin  crm.ID        `json:"origin"`
	Parties []crm.ID      `crm:"json" json:"parties,omitempty"`
	Channel string        `crm:"required,max=32" json:"channel"`
	Topic   string        `crm:"required,max=48" json:"topic"`
	Status  ConsentStatus `crm:"required,enum=asked|given|withdrawn|expired" json:"status"`
	Basis   LegalBasis    `crm:"max=32" json:"basis,omitempty"`
	// TextID is the [ConsentText] he was shown, TextHash the SHA-256 of its words.
	TextID   crm.ID       `json:"text_id,omitzero"`
	TextHash string       `crm:"max=64" json:"text_hash,omitempty"`
	Source   string       `crm:"required,max=200" json:"source"`
	Proof    ConsentProof `crm:"enum=double_opt_in|choice" json:"proof,omitempty"`
	// AskID is the entry that this one confirms.
	AskID   crm.ID    `json:"ask_id,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	// Digest is a keyed hash of the address it was about, by which [Consents.EntriesOf]
	// finds it, also when the customer was erased.
	Digest string `crm:"max=64" json:"digest,omitempty"`

	// Trace is what is personal of it.
	Trace ConsentTrace `json:"-"`
}

// ConsentTrace is what is personal of a [ConsentEntry]: gone when the customer is erased.
type ConsentTrace struct {
	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	EntryID    crm.ID `json:"entry_id"`
	// Address is where he is written to, IP where his answer came from.
	Address   string `crm:"max=600,personal" json:"address,omitempty"`
	IP        string `crm:"max=64,personal"  json:"ip,omitempty"`
	UserAgent string `crm:"max=500,personal" json:"user_agent,omitempty"`
	// Evidence is what shows it besides: where the signed form is kept.
	Evidence string `crm:"max=1000,personal" json:"evidence,omitempty"`
}

func (t *ConsentTrace) empty() bool {
	return t.Address == "" && t.IP == "" && t.UserAgent == "" && t.Evidence == ""
}

// Entries returns a page of what was recorded of a customer, the oldest first, for those
// who may read him. Of the options it takes [crm.Where], [crm.Limit] and [crm.After].
func (s *Consents) Entries(ctx context.Context, customer crm.ID, opts ...crm.ListOption) (crm.Page[ConsentEntry], error) {
	owner, err := s.people.Get(ctx, customer)
	if err != nil {
		return crm.Page[ConsentEntry]{}, failed("entries", "consent", customer, err)
	}
	page, err := s.page(ctx, append(slices.Clone(opts), crm.Where("customer_id == $1", owner.ID)))
	return page, failed("entries", "consent", customer, err)
}

// EntriesOf returns a page of what was recorded about an address, the oldest first:
// whoever has it, or had it and was erased. It is what answers who says that he never
// agreed. It shows entries of customers whom the actor may read.
func (s *Consents) EntriesOf(ctx context.Context, a crm.Address, opts ...crm.ListOption) (crm.Page[ConsentEntry], error) {
	var page crm.Page[ConsentEntry]
	normal, err := s.people.core.ParseAddress(a.Kind, a.Value, s.people.policyOf(ctx).Region)
	if err == nil {
		var digest string
		if digest, err = s.digest(ctx, normal); err == nil {
			page, err = s.page(ctx, append(slices.Clone(opts), crm.Where("digest == $1", digest)))
		}
	}
	return page, failed("entries of", "consent", crm.ID{}, err)
}

func (s *Consents) page(ctx context.Context, opts []crm.ListOption) (crm.Page[ConsentEntry], error) {
	page, err := s.entries.List(ctx, append(opts, crm.AsActor(), crm.OrderBy("at", "n"))...)
	if err != nil || len(page.Items) == 0 {
		return page, err
	}
	owners, ids := make([]crm.ID, len(page.Items)), make([]crm.ID, len(page.Items))
	for i, e := range page.Items {
		owners[i], ids[i] = e.CustomerID, e.ID
	}
	slices.SortFunc(owners, crm.ID.Compare)
	traces, err := s.traces.List(ctx, crm.AsActor(), crm.Where("customer_id in $1 and entry_id in $2", slices.Compact(owners), ids), crm.Limit(crm.MaxPage))
	for _, t := range traces.Items {
		for i := range page.Items {
			if page.Items[i].ID == t.EntryID {
				page.Items[i].Trace = t
			}
		}
	}
	return page, err
}

// digest is a keyed hash of an address, the same for addresses that reach the same person.
// It is the hash of a sealed text, which nobody can make who has not the tenant's secret.
func (s *Consents) digest(ctx context.Context, a crm.Address) (string, error) {
	if a.IsZero() {
		return "", nil
	}
	key := sha256.Sum256([]byte(a.Key()))
	sealed, err := s.people.core.SealToken(ctx, "consent address", key[:], time.Time{})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(sealed))
	return hex.EncodeToString(sum[:16]), nil
}

// A standing is how somebody stands to a topic, by what he said.
type standing struct {
	status    ConsentStatus
	since     time.Time
	by        *ConsentEntry // that says so last
	confirmed time.Time
	mixed     bool // of customers who were merged, not all stand so
}

// take goes on with an entry.
func (s *standing) take(e *ConsentEntry) {
	switch e.Status {
	case ConsentAsked:
		if s.status == "" || s.status == ConsentExpired || s.status == ConsentAsked {
			s.become(e)
		}
	case ConsentGiven:
		if s.status == ConsentWithdrawn && e.Proof == "" { // nobody but himself takes that back
			return
		}
		s.become(e)
	case ConsentWithdrawn:
		if s.status != ConsentWithdrawn {
			s.become(e)
		}
	case ConsentExpired:
		if s.expired(e.At) {
			s.become(e)
		}
	}
}

func (s *standing) become(e *ConsentEntry) {
	if s.status != e.Status {
		s.status, s.since = e.Status, e.At
	}
	s.by = e
	if e.Proof != "" {
		s.confirmed = e.At
	}
}

// expired reports whether what was given has ended by a time.
func (s *standing) expired(at time.Time) bool {
	return s.status == ConsentGiven && !s.by.Expires.IsZero() && !at.Before(s.by.Expires)
}

// over reports whether a standing is to be gone by, and not that of somebody else who
// turned out to be the same person: a withdrawal before all, then what was given, for the
// longest time.
func (s *standing) over(o *standing) bool {
	rank := map[ConsentStatus]int{ConsentWithdrawn: 4, ConsentGiven: 3, ConsentExpired: 2, ConsentAsked: 1}
	if c := cmp.Compare(rank[s.status], rank[o.status]); c != 0 {
		return c > 0
	}
	if s.status == ConsentGiven && !s.by.Expires.Equal(o.by.Expires) {
		return s.by.Expires.IsZero() || !o.by.Expires.IsZero() && s.by.Expires.After(o.by.Expires)
	}
	return s.since.After(o.since)
}

// fold is how a customer stands to a topic by his entries about it. Each customer who was
// merged into him stands for himself, until an entry that was recorded since speaks for all
// of them: so nothing that one of them said before undoes what another one did.
func fold(entries []ConsentEntry) standing {
	slices.SortFunc(entries, func(a, b ConsentEntry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.N, b.N), a.ID.Compare(b.ID))
	})
	each := map[crm.ID]*standing{}
	for i := range entries {
		e := &entries[i]
		for _, party := range append([]crm.ID{e.Origin}, e.Parties...) {
			if each[party] == nil {
				each[party] = &standing{}
			}
			each[party].take(e)
		}
	}
	var all standing
	for _, party := range parties(entries) {
		s, mixed := each[party], all.mixed || all.status != "" && all.status != each[party].status
		if all.status == "" || s.over(&all) {
			all = *s
		}
		all.mixed = mixed
	}
	return all
}

// parties are those whom entries speak for, in order.
func parties(entries []ConsentEntry) []crm.ID {
	var list []crm.ID
	for _, e := range entries {
		list = append(append(list, e.Origin), e.Parties...)
	}
	slices.SortFunc(list, crm.ID.Compare)
	return slices.Compact(list)
}

// of returns the entries of a customer about a topic in a channel.
func (s *Consents) of(ctx context.Context, customer crm.ID, channel, topic string) (list []ConsentEntry, err error) {
	for e, err := range s.entries.All(ctx, crm.Where("customer_id == $1 and channel == $2 and topic == $3", customer, channel, topic)) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// note adds an entry to those of a customer who is held, and makes his consent follow.
func (s *Consents) note(ctx context.Context, t *ConsentTopic, all []ConsentEntry, e ConsentEntry, trace ConsentTrace) (Consent, ConsentEntry, error) {
	_, _ = rand.Read(e.ID[:])                               // never fails
	e.ID[6], e.ID[8] = e.ID[6]&0x0f|0x40, e.ID[8]&0x3f|0x80 // version 4 of RFC 9562
	e.At, e.Expires = e.At.UTC().Truncate(time.Microsecond), e.Expires.UTC().Truncate(time.Microsecond)
	e.Topic, e.Origin = t.Key, e.CustomerID
	e.Parties = slices.DeleteFunc(parties(all), func(id crm.ID) bool { return id == e.Origin })
	if len(e.Parties) == 0 {
		e.Parties = nil
	}
	e.N = 1
	for i := range all {
		e.N = max(e.N, all[i].N+1)
	}
	if err := s.entries.Append(ctx, e); err != nil {
		return Consent{}, e, err
	}
	if !trace.empty() {
		trace.CustomerID, trace.EntryID = e.CustomerID, e.ID
		if err := s.traces.Append(ctx, trace); err != nil {
			return Consent{}, e, err
		}
	}
	if !e.Expires.IsZero() && e.Status == ConsentGiven {
		if err := s.expireAt(ctx, e.Expires); err != nil {
			return Consent{}, e, err
		}
	}
	kept, err := s.settle(ctx, e.CustomerID, e.Channel, t.Key, append(all, e))
	return kept, e, err
}

// settle makes a customer's consent what his entries say. What it became is the event.
func (s *Consents) settle(ctx context.Context, customer crm.ID, channel, topic string, all []ConsentEntry) (Consent, error) {
	ctx = recording(ctx)
	is := fold(all)
	page, err := s.List(crm.SystemIn(ctx), crm.Where("key == $1", consentKey(customer, channel, topic)))
	if err != nil {
		return Consent{}, err
	}
	var known Consent
	if len(page.Items) > 0 {
		known = page.Items[0]
	} else {
		t, err := s.topic(ctx, topic)
		if err == nil {
			known, err = s.Create(ctx, Consent{
				CustomerID: customer, Channel: channel, TopicID: t.ID, Topic: topic, Key: consentKey(customer, channel, topic),
			})
		}
		if err != nil {
			return Consent{}, err
		}
	}
	if is.of(&known) {
		return known, nil
	}
	event := string(is.status)
	if known.Status == ConsentGiven && is.status == ConsentGiven {
		event = "renewed"
	}
	return s.kind.Do(ctx, known.ID, event, func(c *Consent) error {
		is.into(c)
		return nil
	})
}

// into makes a consent what was found.
func (s *standing) into(c *Consent) {
	c.Status, c.Since, c.Confirmed = s.status, s.since, s.confirmed
	c.Basis, c.TextID, c.Source, c.Expires = s.by.Basis, s.by.TextID, s.by.Source, s.by.Expires
	if s.status != ConsentGiven && s.status != ConsentExpired {
		c.Expires = time.Time{}
	}
}

// of reports whether a consent is what was found.
func (s *standing) of(c *Consent) bool {
	if s.by == nil {
		return c.Status == ""
	}
	is := *c
	s.into(&is)
	return is.Status == c.Status && is.Since.Equal(c.Since) && is.Confirmed.Equal(c.Confirmed) && is.Basis == c.Basis &&
		is.TextID == c.TextID && is.Source == c.Source && is.Expires.Equal(c.Expires)
}

// resettle makes all consents of customers what their entries say, once these were moved
// by a merge or its undoing.
func (s *Consents) resettle(ctx context.Context, customers ...crm.ID) error {
	ctx = crm.SystemIn(ctx)
	for _, id := range customers {
		entries, err := s.by(ctx, []crm.ID{id})
		if err != nil {
			return err
		}
		for at, list := range entries {
			if _, err := s.settle(ctx, at.customer, at.channel, at.topic, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// subject is what an entry is about.
type subject struct {
	customer       crm.ID
	channel, topic string
}

// by returns the entries of customers by what they are about.
func (s *Consents) by(ctx context.Context, customers []crm.ID) (map[subject][]ConsentEntry, error) {
	found := map[subject][]ConsentEntry{}
	for e, err := range s.entries.All(ctx, crm.Where("customer_id in $1", customers)) {
		if err != nil {
			return nil, err
		}
		about := subject{e.CustomerID, e.Channel, e.Topic}
		found[about] = append(found[about], e)
	}
	return found, nil
}

// check finds consents that are not what their entries say.
func (s *Consents) check(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	for cursor := ""; ; {
		page, err := s.List(ctx, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return err
		}
		var ids []crm.ID
		for _, c := range page.Items {
			ids = append(ids, c.CustomerID)
		}
		slices.SortFunc(ids, crm.ID.Compare)
		entries, err := s.by(ctx, slices.Compact(ids))
		if err != nil {
			return err
		}
		for i := range page.Items {
			c := &page.Items[i]
			if is := fold(entries[subject{c.CustomerID, c.Channel, c.Topic}]); !is.of(c) {
				found("consent", c.ID, "it is not what its entries say")
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

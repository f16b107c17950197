package customers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ContactCause says why a customer may not be contacted.
type ContactCause string

// The causes, in the order in which they decide.
const (
	// CauseNotFound is that there is no such customer, or none whom the actor may read.
	CauseNotFound ContactCause = "not_found"
	// CauseNoAddress is that he has no address of the channel, CauseInvalid that he has
	// none where anybody is reached.
	CauseNoAddress ContactCause = "no_address"
	CauseInvalid   ContactCause = "invalid"
	// CauseComplained and CauseOptedOut are of one of his addresses.
	CauseComplained ContactCause = "complained"
	CauseOptedOut   ContactCause = "opted_out"
	// CauseDoNotContact and CauseRestricted are of a [Suppression] of all channels.
	CauseDoNotContact ContactCause = "do_not_contact"
	CauseRestricted   ContactCause = "restricted"
	// CauseChannelClosed is a [Suppression] of the channel.
	CauseChannelClosed ContactCause = "channel_closed"
	// CauseNotAsked is that the topic rests on consent and nobody asked him,
	// CauseNotConfirmed that he did not confirm yet, CauseWithdrawn that he withdrew or
	// objected, CauseExpired that what he gave has ended.
	CauseNotAsked     ContactCause = "not_asked"
	CauseNotConfirmed ContactCause = "not_confirmed"
	CauseWithdrawn    ContactCause = "withdrawn"
	CauseExpired      ContactCause = "expired"
	// CauseExcluded is a [Suppression] of the topic.
	CauseExcluded ContactCause = "excluded"
)

// Decision says whether a customer may be contacted, and what decides.
type Decision struct {
	// CustomerID is who was asked for.
	CustomerID crm.ID
	Allowed    bool
	// Cause is why not; empty when it is allowed.
	Cause ContactCause
	// Object and RecordID are the record that decides: a contact_point, a suppression, a
	// consent, or, where it is that there is none, the customer.
	Object   string
	RecordID crm.ID
	// Since is when it came to be so, if that is known, and Reason what is noted of it.
	Since  time.Time
	Reason string
	// Address is where he is reached, when it is allowed: his first that is not known to
	// be invalid. Basis is by what law.
	Address crm.Address
	Basis   LegalBasis
}

// String says it in words, without naming the person.
func (d Decision) String() string {
	if d.Allowed {
		return "yes: " + string(d.Basis)
	}
	return fmt.Sprintf("no: %s, by %s %s", d.Cause, d.Object, d.RecordID)
}

// refuse makes it a no.
func refuse(d *Decision, cause ContactCause, object string, id crm.ID, since time.Time, reason string) {
	d.Allowed, d.Cause, d.Object, d.RecordID, d.Since, d.Reason = false, cause, object, id, since, reason
}

// MayContact says whether a customer may be written to about a topic in a channel, and what
// decides. It is asked in this order, and the first no holds: an address that reaches
// him; whether an address of his complained or opted out, or he is suppressed; whether he
// closed the channel; what he said of the topic; whether he is excluded from it. How often
// and at what hour he may be written to is another matter.
//
// It is as things are now: a consent whose time has come has expired, whether or not a
// job has seen it yet. It takes the right to read the customer. What it looks at besides,
// it looks at as the tenant's own.
func (c *Customers) MayContact(ctx context.Context, customer crm.ID, channel, topic string) (Decision, error) {
	list, err := c.mayContact(ctx, []crm.ID{customer}, channel, topic)
	if err == nil && list[0].Cause == CauseNotFound {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Decision{}, failed("may contact", "customer", customer, err)
	}
	return list[0], nil
}

const maxContacts = 100_000

// MayContactAll is [Customers.MayContact] of many customers, at most 100,000, in a few
// statements for every thousand. The decisions are in the order of the ids; who is not
// there is one of them.
func (c *Customers) MayContactAll(ctx context.Context, customers []crm.ID, channel, topic string) ([]Decision, error) {
	list, err := c.mayContact(ctx, customers, channel, topic)
	return list, failed("may contact", "customer", crm.ID{}, err)
}

func (c *Customers) mayContact(ctx context.Context, ids []crm.ID, channel, topic string) ([]Decision, error) {
	if len(ids) > maxContacts {
		return nil, crm.Invalid("customers", "are %d, and %d are allowed: ask for them in parts", len(ids), maxContacts)
	}
	t, err := c.Consents.topicFor(ctx, topic, channel)
	if err != nil {
		return nil, err
	}
	list := make([]Decision, 0, len(ids))
	for part := range slices.Chunk(ids, crm.MaxPage) {
		q := &contacting{Customers: c, topic: t, channel: channel, kind: c.addressKind(ctx, channel), now: c.core.Now(ctx)}
		if err := q.read(ctx, part); err != nil {
			return nil, err
		}
		for _, id := range part {
			list = append(list, q.decide(id))
		}
	}
	return list, nil
}

// addressKind is the kind of addresses that a channel sends to.
func (c *Customers) addressKind(ctx context.Context, channel string) crm.AddressKind {
	if kind := c.policyOf(ctx).Channels[channel]; kind != "" {
		return kind
	}
	if channel == "sms" || channel == "call" {
		return crm.AddressPhone
	}
	return crm.AddressKind(channel)
}

// contacting is what is known of some customers, for one topic in one channel.
type contacting struct {
	*Customers

	topic   ConsentTopic
	channel string
	kind    crm.AddressKind
	now     time.Time

	owners       map[crm.ID]*Customer // by the id that was asked for
	addresses    map[crm.ID][]Reach
	points       map[string]ContactPoint // by the key of an address
	suppressions map[crm.ID][]Suppression
	consents     map[crm.ID]Consent
}

// read reads all of it, kind by kind.
func (q *contacting) read(ctx context.Context, ids []crm.ID) error {
	if err := q.readOwners(ctx, ids); err != nil {
		return err
	}
	ctx = crm.SystemIn(ctx)
	known := map[crm.ID]bool{}
	var owners []crm.ID
	for _, o := range q.owners {
		if !known[o.ID] {
			known[o.ID] = true
			owners = append(owners, o.ID)
		}
	}
	if len(owners) == 0 {
		return nil
	}
	slices.SortFunc(owners, crm.ID.Compare)
	if err := q.readAddresses(ctx, owners); err != nil {
		return err
	}
	q.suppressions = map[crm.ID][]Suppression{}
	for s, err := range q.Suppressions.All(ctx, of(owners)...) {
		if err != nil {
			return err
		}
		q.suppressions[s.CustomerID] = append(q.suppressions[s.CustomerID], s)
	}
	keys := make([]string, len(owners))
	for i, id := range owners {
		keys[i] = consentKey(id, q.channel, q.topic.Key)
	}
	page, err := q.Consents.List(ctx, crm.Where("key in $1", keys), crm.OrderBy("created"), crm.Limit(crm.MaxPage)) // by the index of keys, not that of an order
	q.consents = map[crm.ID]Consent{}
	for _, c := range page.Items {
		q.consents[c.CustomerID] = c
	}
	return err
}

// readOwners reads the customers, and of those who were merged into others these.
func (q *contacting) readOwners(ctx context.Context, ids []crm.ID) error {
	q.owners = map[crm.ID]*Customer{}
	page, err := q.List(ctx, crm.Where("id in $1", ids), crm.OrderBy("created"), crm.Limit(crm.MaxPage), crm.WithoutMasked())
	if err != nil {
		return err
	}
	for i := range page.Items {
		q.owners[page.Items[i].ID] = &page.Items[i]
	}
	for _, id := range ids {
		if q.owners[id] != nil {
			continue
		}
		switch o, err := q.Get(ctx, id, crm.WithoutMasked()); {
		case err == nil:
			q.owners[id] = &o
		case !errors.Is(err, crm.ErrNotFound):
			return err
		}
	}
	return nil
}

// of keeps what belongs to customers. What belongs to one is in the order of its index,
// which costs no look at how much there is to sort.
func of(owners []crm.ID) []crm.ListOption {
	if len(owners) == 1 {
		return []crm.ListOption{crm.Where("customer_id == $1", owners[0]), crm.OrderBy("updated")}
	}
	return []crm.ListOption{crm.Where("customer_id in $1", owners), crm.OrderBy("created")}
}

// readAddresses reads the addresses of the channel: their own first, then the oldest
// identities, and what is known of them.
func (q *contacting) readAddresses(ctx context.Context, owners []crm.ID) error {
	q.addresses = map[crm.ID][]Reach{}
	add := func(id crm.ID, r Reach) {
		if r.Value != "" && !slices.ContainsFunc(q.addresses[id], func(o Reach) bool { return o.Same(r.Address) }) {
			q.addresses[id] = append(q.addresses[id], r)
		}
	}
	for _, o := range q.owners {
		switch q.kind {
		case crm.AddressEmail:
			add(o.ID, Reach{Address: crm.Address{Kind: q.kind, Value: o.Email}, Malformed: o.EmailMalformed})
		case crm.AddressPhone:
			add(o.ID, Reach{Address: crm.Address{Kind: q.kind, Value: o.Phone}, Malformed: o.PhoneMalformed})
		}
	}
	var known []Identity
	for i, err := range q.Identities.All(ctx, append(of(owners), crm.Where("kind == $1", string(q.kind)), crm.WithoutMasked())...) {
		if err != nil {
			return err
		}
		known = append(known, i)
	}
	slices.SortFunc(known, func(a, b Identity) int { return cmp.Or(a.Created.Compare(b.Created), a.ID.Compare(b.ID)) })
	for _, i := range known {
		add(i.CustomerID, Reach{Address: crm.Address{Kind: i.Kind, Value: i.Value}, IdentityID: i.ID, Malformed: i.Malformed})
	}
	var keys []string
	for _, list := range q.addresses {
		for _, r := range list {
			if !r.Malformed {
				keys = append(keys, r.Key())
			}
		}
	}
	slices.Sort(keys)
	q.points = map[string]ContactPoint{}
	for part := range slices.Chunk(slices.Compact(keys), crm.MaxPage) {
		page, err := q.ContactPoints.List(ctx, crm.Where("key in $1", part), crm.OrderBy("created"), crm.Limit(crm.MaxPage))
		if err != nil {
			return err
		}
		for _, p := range page.Items {
			q.points[p.Key] = p
		}
	}
	return nil
}

// decide decides of one customer.
func (q *contacting) decide(id crm.ID) Decision {
	d := Decision{CustomerID: id, Allowed: true, Basis: q.topic.Basis}
	owner := q.owners[id]
	if owner == nil {
		refuse(&d, CauseNotFound, "customer", id, time.Time{}, "")
		return d
	}
	for _, ask := range []func(*Decision, *Customer){q.reached, q.suppressed, q.channelOpen, q.wanted, q.included} {
		if ask(&d, owner); !d.Allowed {
			d.Address, d.Basis = crm.Address{}, ""
			return d
		}
	}
	return d
}

// reached asks for an address that reaches him.
func (q *contacting) reached(d *Decision, owner *Customer) {
	list := q.addresses[owner.ID]
	if len(list) == 0 {
		refuse(d, CauseNoAddress, "customer", owner.ID, time.Time{}, "")
		return
	}
	for _, r := range list {
		if point := q.points[r.Key()]; !r.Malformed && point.Invalid.IsZero() {
			d.Address = r.Address
			return
		}
	}
	for _, r := range list {
		if point := q.points[r.Key()]; !r.Malformed {
			refuse(d, CauseInvalid, "contact_point", point.ID, point.Invalid, point.InvalidReason)
			return
		}
	}
	if id := list[0].IdentityID; !id.IsZero() {
		refuse(d, CauseInvalid, "identity", id, time.Time{}, "is no address of its kind")
		return
	}
	refuse(d, CauseInvalid, "customer", owner.ID, time.Time{}, "is no address of its kind")
}

// suppressed asks whether he, or who reads at one of his addresses, wants nothing more.
func (q *contacting) suppressed(d *Decision, owner *Customer) {
	for _, r := range q.addresses[owner.ID] {
		switch point := q.points[r.Key()]; {
		case r.Malformed:
		case !point.Complained.IsZero():
			refuse(d, CauseComplained, "contact_point", point.ID, point.Complained, point.OptOutReason)
			return
		case !point.OptedOut.IsZero():
			refuse(d, CauseOptedOut, "contact_point", point.ID, point.OptedOut, point.OptOutReason)
			return
		}
	}
	if s := q.suppression(owner, SuppressedRestricted, "", ""); s != nil {
		refuse(d, CauseRestricted, "suppression", s.ID, s.Created, s.Source)
		return
	}
	if s := q.suppression(owner, SuppressedAltogether, "", ""); s != nil {
		refuse(d, CauseDoNotContact, "suppression", s.ID, s.Created, s.Source)
	}
}

// suppression is the one of a customer for a reason, a channel and a topic; nil: none.
func (q *contacting) suppression(owner *Customer, reason SuppressionReason, channel, topic string) *Suppression {
	list := q.suppressions[owner.ID]
	i := slices.IndexFunc(list, func(s Suppression) bool { return s.Reason == reason && s.Channel == channel && s.Topic == topic })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (q *contacting) channelOpen(d *Decision, owner *Customer) {
	for _, reason := range []SuppressionReason{SuppressedOptedOut, SuppressedAltogether} {
		if s := q.suppression(owner, reason, q.channel, ""); s != nil {
			refuse(d, CauseChannelClosed, "suppression", s.ID, s.Created, s.Source)
			return
		}
	}
}

// wanted asks what he said of the topic.
func (q *contacting) wanted(d *Decision, owner *Customer) {
	is, said := q.consents[owner.ID]
	no := func(cause ContactCause, since time.Time) { refuse(d, cause, "consent", is.ID, since, is.Source) }
	switch {
	case said && is.Status == ConsentWithdrawn && q.topic.Basis.refusable():
		no(CauseWithdrawn, is.Since)
	case said && is.Status == ConsentGiven && (is.Expires.IsZero() || q.now.Before(is.Expires)):
		d.Basis = is.Basis
	case q.topic.Basis != BasisConsent:
	case !said || is.Status == "":
		refuse(d, CauseNotAsked, "customer", owner.ID, time.Time{}, "")
	case is.Status == ConsentAsked:
		no(CauseNotConfirmed, is.Since)
	default:
		no(CauseExpired, is.Expires)
	}
}

func (q *contacting) included(d *Decision, owner *Customer) {
	for _, channel := range []string{"", q.channel} {
		if s := q.suppression(owner, SuppressedExcluded, channel, q.topic.Key); s != nil {
			refuse(d, CauseExcluded, "suppression", s.ID, s.Created, s.Source)
			return
		}
	}
}

package customers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Identification says what [Customers.Identify] did.
type Identification string

// What Identify did.
const (
	// IdentifyCreated is that nobody had any of the identities: there is a customer now.
	IdentifyCreated Identification = "created"
	// IdentifyFound is that one customer has all of them. What he lacked of the profile
	// was added.
	IdentifyFound Identification = "found"
	// IdentifyAttached is that one customer had some of them, and has all of them now.
	IdentifyAttached Identification = "attached"
	// IdentifyAmbiguous is that they are several customers'. One was chosen; whether they
	// are the same person is for a merge to say, and nobody's identity was taken from him.
	IdentifyAmbiguous Identification = "ambiguous"
)

// Identified is what [Customers.Identify] found or made.
type Identified struct {
	Customer Customer
	Outcome  Identification
	// Attached are the addresses that the customer did not have before.
	Attached []crm.Address
	// Others are the other customers who have one of the identities, the oldest first:
	// candidates for a merge.
	Others []crm.ID
}

// maxClues is how many addresses one call of Identify takes.
const maxClues = 100

// Identify finds the customer who has any of a set of identities, or makes him. The
// identities are the profile's Refs, Email and Phone, and the addresses in more. Those
// nobody has yet become his; what he lacks of the profile he gets; what he has stays.
// A profile without Kind is a Person's, and one without a name is called by its first
// identity. What is no address of its kind is kept as it was given, and identifies
// nobody; without any other it is ErrInvalid.
//
// When the identities lead to several customers, the first that leads to anybody
// decides: refs by the names of their systems, then Email, Phone and more in the order
// given. Of several customers who share that one, it is the one to whom most identities
// lead, and of these the oldest.
//
// It is one transaction, and safe beside others: of any number of calls, in any number
// of processes, that bring the same new identity, one makes the customer and the others
// find him. It takes the right to read customers, and that to create or to update them
// when it comes to that. As everywhere, customers whom the actor may not read are not
// there for him: he makes one of his own, and is told ErrConflict where a ref or, by the
// tenant's [Policy], an address is taken.
func (c *Customers) Identify(ctx context.Context, profile Customer, more ...crm.Address) (Identified, error) {
	var done Identified
	err := c.core.Tx(ctx, func(ctx context.Context) error {
		i, err := c.identification(ctx, profile, more)
		if err == nil {
			done, err = i.run(ctx)
		}
		return err
	})
	if err != nil {
		return Identified{}, failed("identify", "customer", crm.ID{}, err)
	}
	return done, nil
}

// identification is one call of Identify.
type identification struct {
	*Customers

	profile   Customer
	clues     []crm.Address // in the order in which they decide, each once
	malformed []crm.Address // what is only kept
	own       []crm.Address // of these, what the profile has itself
}

func (c *Customers) identification(ctx context.Context, profile Customer, more []crm.Address) (*identification, error) {
	i := &identification{Customers: c, profile: profile}
	if len(more) > maxClues {
		return nil, crm.Invalid("more", "are %d addresses, and %d are allowed", len(more), maxClues)
	}
	own := []crm.Address{{Kind: crm.AddressEmail, Value: profile.Email}, {Kind: crm.AddressPhone, Value: profile.Phone}}
	for at, a := range slices.Concat(own, more) {
		value, malformed := c.normal(ctx, a.Kind, a.Value, profile.Country)
		a.Value = value
		switch {
		case value == "":
		case malformed && at < len(own):
			i.own = append(i.own, a)
		case malformed:
			i.malformed = append(i.malformed, a)
		case !slices.ContainsFunc(i.clues, a.Same):
			i.clues = append(i.clues, a)
		}
	}
	if len(i.clues) == 0 && len(profile.Refs) == 0 {
		return nil, crm.Invalid("identities", "there is nothing to know anybody by: give refs, an email, a phone or another address")
	}
	i.profile.Kind = cmp.Or(profile.Kind, Person)
	return i, nil
}

// seen is what a look at the identities found.
type seen struct {
	holders

	order []crm.ID // whom the first identity that leads to anybody leads to
}

// run looks, and where something is to be written, makes others wait and looks again.
func (i *identification) run(ctx context.Context) (Identified, error) {
	for try := 1; ; try++ {
		s, err := i.look(ctx)
		if err != nil {
			return Identified{}, err
		}
		if winner := s.winner(); winner != nil && len(s.holders) == 1 && len(i.missing(winner)) == 0 {
			return i.settle(ctx, s)
		}
		if try == 1 {
			if err := i.hold(ctx, i.clues); err != nil {
				return Identified{}, err
			}
			continue
		}
		done, err := i.settle(ctx, s)
		if taken, ok := errors.AsType[*crm.ConflictError](err); ok && strings.HasPrefix(taken.Field, "refs.") && try < 4 {
			continue // somebody else made him meanwhile
		}
		return done, err
	}
}

// look finds whom the identities lead to.
func (i *identification) look(ctx context.Context) (seen, error) {
	found, err := i.Customers.holders(ctx, i.clues)
	s := seen{holders: found}
	if err != nil {
		return s, err
	}
	for _, source := range slices.Sorted(maps.Keys(i.profile.Refs)) {
		o, err := i.Find(ctx, source, i.profile.Refs[source])
		switch {
		case errors.Is(err, crm.ErrNotFound):
			continue
		case err != nil:
			return s, err
		case s.holders[o.ID] == nil:
			s.holders[o.ID] = &holder{customer: o}
		}
		s.order = append(s.order, o.ID)
	}
	if len(s.order) > 0 {
		s.order = s.order[:1]
		return s, nil
	}
	for _, a := range i.clues {
		for _, id := range s.oldest() {
			if slices.ContainsFunc(s.holders[id].has, a.Same) {
				s.order = append(s.order, id)
			}
		}
		if len(s.order) > 0 {
			slices.SortStableFunc(s.order, func(a, b crm.ID) int { return len(s.holders[b].has) - len(s.holders[a].has) })
			return s, nil
		}
	}
	return s, nil
}

func (s seen) winner() *holder {
	if len(s.order) == 0 {
		return nil
	}
	return s.holders[s.order[0]]
}

// missing are the clues that a customer does not have.
func (i *identification) missing(h *holder) (list []crm.Address) {
	for _, a := range i.clues {
		if !slices.ContainsFunc(h.has, a.Same) {
			list = append(list, a)
		}
	}
	return list
}

// settle brings about what was found out.
func (i *identification) settle(ctx context.Context, s seen) (Identified, error) {
	winner := s.winner()
	if winner == nil {
		return i.create(ctx)
	}
	done := Identified{Outcome: IdentifyFound}
	for _, id := range s.oldest() {
		if id != winner.customer.ID {
			done.Others = append(done.Others, id)
		}
	}
	var free []crm.Address // that nobody has
	for _, a := range i.missing(winner) {
		if !slices.ContainsFunc(done.Others, func(id crm.ID) bool { return slices.ContainsFunc(s.holders[id].has, a.Same) }) {
			free = append(free, a)
		}
	}
	var err error
	done.Customer, done.Attached, err = i.attach(ctx, winner.customer, free, s)
	switch {
	case len(done.Others) > 0:
		done.Outcome = IdentifyAmbiguous
	case len(done.Attached) > 0:
		done.Outcome = IdentifyAttached
	}
	return done, err
}

// create makes the customer, with all of the identities.
func (i *identification) create(ctx context.Context) (Identified, error) {
	o := i.profile
	rest := i.clues
	for _, a := range i.clues {
		switch own := o.own(a.Kind); {
		case own != nil && *own == "":
			*own = a.Value
		case own == nil || !a.Same(crm.Address{Kind: a.Kind, Value: i.ownValue(ctx, &o, a.Kind)}):
			continue
		}
		rest = slices.DeleteFunc(slices.Clone(rest), a.Same)
	}
	if !o.named() {
		o.Name = i.firstIdentity()
	}
	made, err := i.Create(ctx, o)
	if err != nil {
		return Identified{}, err
	}
	if err := i.addIdentities(ctx, made.ID, slices.Concat(rest, i.malformed)); err != nil {
		return Identified{}, err
	}
	return Identified{Customer: made, Outcome: IdentifyCreated, Attached: i.clues}, nil
}

// ownValue is a customer's own address of a kind, in its normal form.
func (i *identification) ownValue(ctx context.Context, o *Customer, kind crm.AddressKind) string {
	value, malformed := i.normal(ctx, kind, *o.own(kind), o.Country)
	if malformed {
		return ""
	}
	return value
}

func (i *identification) firstIdentity() string {
	if len(i.clues) > 0 {
		return i.clues[0].Value
	}
	source := slices.Min(slices.Collect(maps.Keys(i.profile.Refs)))
	return source + " " + i.profile.Refs[source]
}

// attach gives a customer what he lacks: addresses that nobody has, refs, and what else
// the profile says.
func (i *identification) attach(ctx context.Context, o Customer, free []crm.Address, s seen) (Customer, []crm.Address, error) {
	known, err := i.reach(ctx, &o)
	if err != nil {
		return o, nil, err
	}
	rest := free
	give := func(o *Customer) bool {
		rest = slices.Clone(free)
		if i.profile.named() && slices.ContainsFunc(known, func(r Reach) bool { return r.Value == o.Name }) {
			o.Name = "" // he was called by an address until his name was known
		}
		gave := o.fill(&i.profile)
		for _, a := range free {
			if own := o.own(a.Kind); own != nil && *own == "" {
				*own, gave = a.Value, true
				rest = slices.DeleteFunc(rest, a.Same)
			}
		}
		for source, key := range i.profile.Refs {
			if o.Refs[source] == "" && !s.refTaken(source, key, o.ID) {
				refs := crm.Refs{source: key}
				maps.Copy(refs, o.Refs)
				o.Refs, gave = refs, true
			}
		}
		return gave
	}
	if trial := o; give(&trial) { // else one who may only read finds him too
		if o, err = i.Update(ctx, o.ID, func(o *Customer) error { give(o); return nil }); err != nil {
			return o, nil, err
		}
	}
	for _, a := range slices.Concat(i.own, i.malformed) {
		if !slices.ContainsFunc(known, func(r Reach) bool { return r.Address == a }) {
			rest = append(rest, a)
		}
	}
	return o, free, i.addIdentities(ctx, o.ID, rest)
}

// refTaken reports whether a ref is another customer's.
func (s seen) refTaken(source, key string, but crm.ID) bool {
	for id, h := range s.holders {
		if id != but && h.customer.Refs[source] == key {
			return true
		}
	}
	return false
}

func (i *identification) addIdentities(ctx context.Context, id crm.ID, list []crm.Address) error {
	for _, a := range list {
		if _, err := i.Identities.Create(ctx, Identity{CustomerID: id, Kind: a.Kind, Value: a.Value}); err != nil {
			return err
		}
	}
	return nil
}

package customers

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Event is something a customer did, or a visitor nobody knows yet: opened a page, put
// something into a basket, used a feature.
type Event struct {
	// CustomerID is who did it; zero: only the Visitor is known.
	CustomerID crm.ID
	// Visitor is the host's own id of a browser or device, at most 128 characters. Once
	// it is known whose it is (see Behaviour.Stitch), its events are the customer's.
	Visitor string
	// Name is what was done, in at most 64 characters: "price viewed".
	Name string
	// At is when; zero is now. It may be long ago, and events come in any order.
	At time.Time
	// Key tells events of one customer or visitor apart, in at most 200 bytes: one that
	// is sent again with the same key and time is there once. Empty: it is another one.
	// With a key comes a time, since now is another time when it is sent again.
	Key string
	// Props says more: texts, numbers, truth, times as RFC 3339.
	Props map[string]any
	// UserAgent is what the browser calls itself, by which programs are left out. It is
	// not kept.
	UserAgent string
}

// Tracked is what became of an [Event].
type Tracked string

// What becomes of events.
const (
	TrackedKept   Tracked = "kept"
	TrackedKnown  Tracked = "known"      // it was sent before
	TrackedBot    Tracked = "bot"        // a program did it
	TrackedDenied Tracked = "no consent" // the host's policy does not allow to keep it
)

// Action is an [Event] as it is kept.
type Action struct {
	CustomerID crm.ID    `crm:"required,ref=customer,parent" json:"customer_id"`
	At         time.Time `json:"at"`
	ID         crm.ID    `json:"id"`
	Name       string    `crm:"required,max=64" json:"name"`
	// Unknown says that the catalogue did not have it, or not with these properties.
	Unknown bool           `json:"unknown"`
	Visitor string         `crm:"max=128,personal" json:"visitor,omitempty"`
	Props   map[string]any `crm:"json,personal"    json:"props,omitempty"`
}

// anonymous is an event of a visitor who is nobody yet.
type anonymous struct {
	Visitor string         `crm:"max=128,personal" json:"visitor"`
	At      time.Time      `json:"at"`
	ID      crm.ID         `json:"id"`
	Name    string         `crm:"required,max=64" json:"name"`
	Unknown bool           `json:"unknown"`
	Props   map[string]any `crm:"json,personal"    json:"props,omitempty"`
}

// visitor is who a visitor turned out to be.
type visitor struct {
	Visitor    string    `crm:"max=128,personal"                         json:"visitor"`
	CustomerID crm.ID    `crm:"required,ref=customer,parent,as=visitors" json:"customer_id"`
	Since      time.Time `crm:"required"                                 json:"since"`
}

// dayCount is how often a customer did something on a day, of events that are no
// longer kept one by one.
type dayCount struct {
	CustomerID crm.ID   `crm:"required,ref=customer,parent,as=event_days" json:"customer_id"`
	Day        crm.Date `json:"day"`
	Name       string   `crm:"max=64" json:"name"`
	// Origin is whose they were when they were counted, so that counts of two customers
	// who are merged stay apart.
	Origin crm.ID `json:"origin"`
	N      int64  `json:"n"`
}

// Behaviour is what customers do, event by event. In expressions it is the relation
// events: count(events, .name == 'price viewed' and .at > ago('30d')) >= 3. Figures are
// core.Aggregate's of the ledger behaviour. In a customer's timeline are those of the kind
// behaviour, each with its name as the title, where they are asked for: they are many.
type Behaviour struct {
	core      *crm.Core
	customers *Customers
	actions   *crm.Ledger[Action]
	anonymous *crm.Ledger[anonymous]
	visitors  *crm.Ledger[visitor]
	days      *crm.Ledger[dayCount]
	policy    func(tenant string) BehaviourPolicy
}

func (c *Customers) defineBehaviour(core *crm.Core) (err error) {
	b := &Behaviour{core: core, customers: c}
	c.Behaviour = b
	if b.actions, err = crm.DefineLedger[Action](core, crm.LedgerOf[Action]{
		Name: "behaviour", Plural: "events", Key: []string{"customer_id", "at", "id"},
		Timeline: []crm.Appearance{{On: "customer_id", At: "at", Title: "name", Asked: true}},
	}); err != nil {
		return err
	}
	if b.anonymous, err = crm.DefineLedger[anonymous](core, crm.LedgerOf[anonymous]{
		Name: "anonymous_behaviour", Key: []string{"visitor", "at", "id"},
	}); err != nil {
		return err
	}
	if b.visitors, err = crm.DefineLedger[visitor](core, crm.LedgerOf[visitor]{Name: "visitor", Key: []string{"visitor"}}); err != nil {
		return err
	}
	if b.days, err = crm.DefineLedger[dayCount](core, crm.LedgerOf[dayCount]{
		Name: "behaviour_day", Key: []string{"customer_id", "day", "name", "origin"},
	}); err != nil {
		return err
	}
	return core.Jobs.Handle(UpkeepJob, func(ctx context.Context, _ crm.Job) error {
		_, err := b.Upkeep(ctx)
		return err
	}, crm.Idempotent())
}

// maxTracked is how many events one call takes.
const maxTracked = 10_000

// Track keeps events, all or none, and says what became of each, in their order. It
// takes the right to update the customers, and for visitors who are nobody yet the one
// to create some. A customer who is not there is ErrNotFound; what the catalogue or a
// limit refuses is ErrInvalid, naming the event. At most 10,000 events come in a call,
// and many in one are much faster than one by one.
func (b *Behaviour) Track(ctx context.Context, events ...Event) ([]Tracked, error) {
	outcome, err := b.track(ctx, events)
	return outcome, failed("track", "behaviour", crm.ID{}, err)
}

func (b *Behaviour) track(ctx context.Context, events []Event) ([]Tracked, error) {
	if len(events) > maxTracked {
		return nil, crm.Invalid("events", "are %d, and %d are allowed in a call", len(events), maxTracked)
	}
	t := &tracking{Behaviour: b, policy: b.policyOf(ctx), now: b.core.Now(ctx), outcome: make([]Tracked, len(events))}
	rows := make([]*Action, len(events))
	for i := range events {
		row, err := t.row(ctx, i, &events[i])
		if err != nil {
			return nil, inEvent(i, len(events), err)
		}
		rows[i] = row
	}
	err := b.core.Tx(ctx, func(ctx context.Context) error { return t.keep(ctx, rows) })
	if err != nil {
		return nil, err
	}
	return t.outcome, nil
}

// tracking is one call of Track.
type tracking struct {
	*Behaviour

	policy  BehaviourPolicy
	now     time.Time
	outcome []Tracked
}

// row is an event as it is to be kept; nil: it is not.
func (t *tracking) row(ctx context.Context, i int, e *Event) (*Action, error) {
	switch {
	case e.CustomerID.IsZero() && e.Visitor == "":
		return nil, crm.Invalid("customer_id", "say who did it: a customer, or a visitor")
	case len(e.Key) > 200:
		return nil, crm.Invalid("key", "has %d bytes, and 200 are allowed", len(e.Key))
	case e.Key != "" && e.At.IsZero():
		return nil, crm.Invalid("at", "is needed with a key, so that the event is the same when it is sent again")
	case t.policy.bot(e):
		t.outcome[i] = TrackedBot
		return nil, nil //nolint:nilnil // as said
	}
	unknown, err := t.policy.know(e)
	if err != nil {
		return nil, err
	}
	if t.policy.Consent != nil {
		allowed, err := t.policy.Consent(ctx, *e)
		if err != nil {
			return nil, err
		}
		if !allowed {
			t.outcome[i] = TrackedDenied
			return nil, nil //nolint:nilnil // as said
		}
	}
	row := &Action{CustomerID: e.CustomerID, At: e.At, Name: e.Name, Unknown: unknown, Visitor: e.Visitor, Props: e.Props}
	if row.At.IsZero() {
		row.At = t.now
	}
	if e.Key != "" {
		row.ID = keyed(e)
	}
	return row, nil
}

// keyed is the id of an event with a key: that of another customer or visitor is
// another event.
func keyed(e *Event) (id crm.ID) {
	who := "visitor " + e.Visitor
	if !e.CustomerID.IsZero() {
		who = "customer " + e.CustomerID.String()
	}
	sum := sha256.Sum256([]byte(who + "\x00" + e.Key))
	copy(id[:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8 of RFC 9562: an id of one's own making
	return id
}

// keep keeps rows, each with the customer if he is known by now.
func (t *tracking) keep(ctx context.Context, rows []*Action) error {
	known, err := t.known(ctx, rows)
	if err != nil {
		return err
	}
	var ids []crm.ID
	var actions []Action
	var others []anonymous
	var at, otherAt []int // in rows
	for i, r := range rows {
		if r == nil {
			continue
		}
		row := *r
		if row.CustomerID.IsZero() {
			row.CustomerID = known[row.Visitor]
		}
		if row.CustomerID.IsZero() {
			others, otherAt = append(others, anonymous{row.Visitor, row.At, row.ID, row.Name, row.Unknown, row.Props}), append(otherAt, i)
			continue
		}
		actions, at, ids = append(actions, row), append(at, i), append(ids, row.CustomerID)
	}
	slices.SortFunc(ids, crm.ID.Compare)
	ids = slices.Compact(ids)
	for part := range slices.Chunk(ids, crm.MaxPage) {
		if err := t.customers.May(ctx, crm.VerbUpdate, part...); err != nil {
			return err
		}
	}
	if len(others) > 0 {
		if err := t.customers.May(ctx, crm.VerbCreate); err != nil {
			return err
		}
	}
	if err := add(ctx, t.actions, actions, at, t.outcome); err != nil {
		return err
	}
	if err := t.customers.Segments.touch(ctx, "behaviour", ids); err != nil {
		return err
	}
	return add(ctx, t.Behaviour.anonymous, others, otherAt, t.outcome)
}

// add adds rows to a ledger; at says which events they are.
func add[T any](ctx context.Context, l *crm.Ledger[T], rows []T, at []int, outcome []Tracked) error {
	added, err := l.Add(ctx, rows...)
	if err != nil {
		return err
	}
	for i, is := range added {
		outcome[at[i]] = TrackedKnown
		if is {
			outcome[at[i]] = TrackedKept
		}
	}
	return nil
}

// known are the customers whom visitors turned out to be.
func (t *tracking) known(ctx context.Context, rows []*Action) (map[string]crm.ID, error) {
	names := map[string]bool{}
	for _, r := range rows {
		if r != nil && r.CustomerID.IsZero() {
			names[strings.TrimSpace(r.Visitor)] = true
		}
	}
	known := map[string]crm.ID{}
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	for part := range slices.Chunk(list, crm.MaxPage) {
		page, err := t.visitors.List(ctx, crm.Where("visitor in $1", part), crm.Limit(crm.MaxPage))
		if err != nil {
			return nil, err
		}
		for _, v := range page.Items {
			known[v.Visitor] = v.CustomerID
		}
	}
	return known, nil
}

// Stitch says that a visitor is a customer: what he did so far and does from now on is
// the customer's. It returns how many events became his. It may be said again; a visitor
// who is another customer already is ErrConflict. It takes the right to update the
// customer.
func (b *Behaviour) Stitch(ctx context.Context, visitorID string, customer crm.ID) (int64, error) {
	var moved int64
	err := b.core.Tx(ctx, func(ctx context.Context) error {
		if err := b.customers.May(ctx, crm.VerbUpdate, customer); err != nil {
			return err
		}
		moved = 0
		known := visitor{Visitor: visitorID, CustomerID: customer, Since: b.core.Now(ctx)}
		added, err := b.visitors.Add(ctx, known)
		if err != nil {
			return err
		}
		if !added[0] {
			page, err := b.visitors.List(ctx, crm.Where("visitor == $1", strings.TrimSpace(visitorID)))
			if err != nil {
				return err
			}
			if len(page.Items) == 0 || page.Items[0].CustomerID != customer {
				return &crm.ConflictError{Field: "visitor", Reason: "the visitor is another customer already: merge the two if they are one"}
			}
		}
		if err := b.customers.Segments.touch(ctx, "visitor", []crm.ID{customer}); err != nil {
			return err
		}
		moved, err = b.claim(ctx, strings.TrimSpace(visitorID), customer)
		return err
	})
	return moved, failed("stitch", "customer", customer, err)
}

// claim gives a visitor's anonymous events to the customer.
func (b *Behaviour) claim(ctx context.Context, of string, customer crm.ID) (moved int64, err error) {
	where := crm.Where("visitor == $1", of)
	for {
		page, err := b.anonymous.List(ctx, where, crm.Limit(crm.MaxPage))
		if err != nil {
			return moved, err
		}
		if len(page.Items) == 0 {
			if moved > 0 {
				err = b.customers.Segments.touch(ctx, "behaviour", []crm.ID{customer})
			}
			return moved, err
		}
		rows, ids := make([]Action, len(page.Items)), make([]crm.ID, len(page.Items))
		for i, a := range page.Items {
			rows[i] = Action{customer, a.At, a.ID, a.Name, a.Unknown, a.Visitor, a.Props}
			ids[i] = a.ID
		}
		added, err := b.actions.Add(ctx, rows...)
		if err != nil {
			return moved, err
		}
		for _, is := range added {
			if is {
				moved++
			}
		}
		last := page.Items[len(page.Items)-1].At
		if err := b.anonymous.Remove(ctx, where, crm.Where("at <= $1 and id in $2", last, ids)); err != nil {
			return moved, err
		}
	}
}

// List returns a page of what a customer did, the latest first, for those who may read
// him. Of the options it takes [crm.Where], [crm.Limit] and [crm.After].
func (b *Behaviour) List(ctx context.Context, customer crm.ID, opts ...crm.ListOption) (crm.Page[Action], error) {
	if err := b.customers.May(ctx, crm.VerbRead, customer); err != nil {
		return crm.Page[Action]{}, failed("list", "behaviour", customer, err)
	}
	opts = append(slices.Clone(opts), crm.AsActor(), crm.Where("customer_id == $1", customer), crm.OrderBy("-at"))
	return b.actions.List(ctx, opts...)
}

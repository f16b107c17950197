package crm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// subscription is a handler of events as it was registered.
type subscription struct {
	name, event string
	fn          func(context.Context, Event) error
	batch       func(context.Context, []Event) error // when not nil, what it is called with many by
	// among returns, when not nil, which of the events of a batch fn is to be called
	// for: one look for all of them, in the delivery's transaction.
	among func(ctx context.Context, tenant string, events []placed) (map[ID]bool, error)
	// unneeded reports, when not nil, that no event there is by now concerns anybody.
	unneeded  func(ctx context.Context, tenant string) (bool, error)
	columns   []int // of events that fn wants; nil is all
	outside   bool
	beginning bool
	quiet     bool // also events of quiet changes
	attempts  int64
}

// SubscribeOption says something about a subscription; see [Core.On].
type SubscribeOption func(*subscription)

// FromBeginning gives a new subscription all events there ever were, and not only
// those from now on.
func FromBeginning() SubscribeOption { return func(s *subscription) { s.beginning = true } }

// Outside calls the handler outside any transaction, for what reaches out of the
// database: a webhook, an e-mail, a call of another service. It is called at least
// once for each event, and again when the process ended between its return and the
// note of it, or when it takes longer than five minutes: the event's id is the key by
// which the other side knows a repetition.
// An effect that must not be repeated is a job marked [AtMostOnce], which the handler
// of an ordinary subscription enqueues.
func Outside() SubscribeOption { return func(s *subscription) { s.outside = true } }

// Attempts is how often the handler is called for an event before the event is
// parked; 12 if it is not given.
func Attempts(n int) SubscribeOption { return func(s *subscription) { s.attempts = int64(n) } }

// OnlyIf asks fn, in the tenant's scope, before events are looked at: when it says no,
// nothing in the log so far concerns the subscription, and all of it is passed over. It
// is for what few tenants use. An event that comes into the log after fn was asked is
// asked about anew.
func OnlyIf(fn func(ctx context.Context) (bool, error)) SubscribeOption {
	return func(s *subscription) {
		s.unneeded = func(ctx context.Context, _ string) (bool, error) {
			needed, err := fn(ctx)
			return !needed, err
		}
	}
}

// On calls fn for events: "deal.won", "deal.*" for all of deals, "*" for all. The name
// is the subscription's, of 1 to 64 bytes, and durable: a handler of the same name
// goes on where the last one ended, also in another process. It is called before the
// first work, and for all tenants.
//
// fn's context is the tenant's own ([System]), and what it changes names the event as
// its cause. It runs in a transaction with the note that the event is done, so that
// what it does by that context happens exactly once; [Outside] is for effects
// elsewhere. Events of one record come in the order of their versions. When fn fails,
// or panics, what it wrote is undone and it is called again later, each time after a
// longer while: ten seconds, doubled up to six hours. Later events of the same record
// wait so long; those of other records go on. After [Attempts] the event is parked:
// see [Subscriptions].
//
// A subscription begins, for each tenant, when a process that has it first works in
// the background: events not yet in the log by then are the first. A tenant that
// such a process makes later is served from its first event on.
//
// A handler whose change leads to its own event again, straight or by way of others,
// would go on for ever: an event at the end of a chain of 32 such is parked.
func (c *Core) On(event, name string, fn func(ctx context.Context, e Event) error, opts ...SubscribeOption) error {
	s := &subscription{name: name, event: event, fn: fn, attempts: defaultAttempts}
	for _, opt := range opts {
		opt(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	object, verb, dotted := strings.Cut(event, ".")
	switch {
	case c.sealed.Load():
		err = Invalid("name", "handlers are registered before Migrate")
	case !validWorkName(name):
		err = Invalid("name", "a subscription's name is UTF-8 text of 1 to 64 bytes")
	case event != "*" && (!dotted || object == "" || strings.Contains(object, "*") || verb == "" || verb != "*" && strings.Contains(verb, "*")):
		err = Invalid("event", `%q is none: write "deal.won", "deal.*" or "*"`, event)
	case fn == nil:
		err = Invalid("fn", "there is no handler")
	case s.outside && s.batch != nil:
		err = Invalid("outside", "a handler of many events works in a transaction: use On for what reaches out of the database")
	case s.attempts < 1:
		err = Invalid("attempts", "a handler is called at least once")
	case slices.ContainsFunc(c.subscriptions, func(o *subscription) bool { return o.name == name }):
		err = Invalid("name", "there is a subscription %q already", name)
	}
	if err != nil {
		return failed("subscribe", "", ID{}, err)
	}
	c.subscriptions = append(c.subscriptions, s)
	return nil
}

func validWorkName(name string) bool { return storage.CheckTenant(name) == nil }

// resolveSubscriptions refuses events of kinds that there are not.
func (c *Core) resolveSubscriptions() error {
	for _, s := range c.subscriptions {
		if object, _, _ := strings.Cut(s.event, "."); object != "*" && c.objects[object] == nil {
			return Invalid(s.name, "the subscription is to %q, and there is no kind %q: define it before Migrate", s.event, object)
		}
	}
	return nil
}

// subscribed returns a subscription, or nil when this process does not have it.
func (c *Core) subscribed(name string) *subscription {
	for _, s := range c.subscriptions {
		if s.name == name {
			return s
		}
	}
	return nil
}

// wants is the condition that an event is one the subscription is to.
func (s *subscription) wants() storage.Expr {
	if s.quiet {
		return s.named()
	}
	return storage.And{s.named(), storage.Absent{Field: storage.F("quiet")}}
}

// named is the condition that an event has the name of those it is to.
func (s *subscription) named() storage.Expr {
	name := storage.F("name")
	object, all := strings.CutSuffix(s.event, "*")
	switch {
	case !all:
		return storage.Is{Field: name, Op: storage.Eq, Value: s.event}
	case object == "":
		return storage.And{}
	}
	return storage.Prefix{Field: name, Text: object}
}

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var subscriptionTable = &storage.Table{Name: "subscription", Key: []string{"name"}, Version: "version", Columns: []storage.Column{
	{Name: "name", Kind: storage.Text}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int},
	{Name: "due", Kind: storage.Time, Null: true}, {Name: "position", Kind: storage.Int},
}}

// subscriptionRow is how far a subscription is in a tenant's log. Without a due time it
// is at the end.
type subscriptionRow struct {
	name     string
	version  int64
	bucket   int64
	due      time.Time
	position int64
}

func (r *subscriptionRow) Value(i int) any {
	return [...]any{r.name, r.version, r.bucket, orNever(r.due), r.position}[i]
}

func (r *subscriptionRow) Dest(i int) any {
	return [...]any{&r.name, &r.version, &r.bucket, &r.due, &r.position}[i]
}

// change is the update of the row at the version it was read at.
func (r *subscriptionRow) change() storage.Change {
	return storage.Change{Action: storage.Update, Table: subscriptionTable, Row: r, Columns: []int{3, 4}, Version: r.version}
}

// readSubscriptions returns the subscriptions a tenant has, by name.
func (c *Core) readSubscriptions(ctx context.Context, tenant string, where storage.Expr, lock bool) (map[string]*subscriptionRow, error) {
	rows := map[string]*subscriptionRow{}
	var last *subscriptionRow
	keep := func() {
		if last != nil {
			rows[last.name] = last
		}
	}
	err := c.session(ctx).Read(ctx, tenant, &storage.Query{Table: subscriptionTable, Where: where, Limit: storage.MaxPage, Lock: lock}, func() storage.Row {
		keep()
		last = &subscriptionRow{}
		return last
	})
	keep()
	return rows, err
}

// wakeSubscriptions makes due those that were at the end of the log, and begins those
// the tenant does not have yet: at first, which is where the log ended before. The
// end of the log is held, so that a worker that is about to rest waits, and then sees
// that there is more.
func (c *Core) wakeSubscriptions(ctx context.Context, tenant string, first int64) error {
	rows, err := c.readSubscriptions(ctx, tenant, nil, false)
	if err != nil {
		return err
	}
	idle := false
	for _, row := range rows {
		idle = idle || row.due.IsZero()
	}
	var changes []storage.Change
	if idle {
		resting, err := c.readSubscriptions(ctx, tenant, storage.Absent{Field: storage.F("due")}, true)
		if err != nil {
			return err
		}
		for _, row := range resting {
			row.due = c.now()
			changes = append(changes, row.change())
		}
	}
	for _, s := range c.subscriptions {
		if rows[s.name] == nil {
			changes = append(changes, c.newSubscription(s, tenant, first))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return c.session(ctx).Write(ctx, tenant, changes)
}

func (c *Core) newSubscription(s *subscription, tenant string, position int64) storage.Change {
	if s.beginning {
		position = 0
	}
	return storage.Change{Action: storage.Insert, Table: subscriptionTable, Row: &subscriptionRow{
		name: s.name, version: 1, bucket: bucketOf(tenant), due: c.now(), position: position,
	}}
}

// firstSubscriptions are those of a tenant that comes to be: they rest until it has
// its first event, whoever puts that into the log.
func (c *Core) firstSubscriptions(tenant string) []storage.Change {
	changes := make([]storage.Change, len(c.subscriptions))
	for i, s := range c.subscriptions {
		changes[i] = storage.Change{Action: storage.Insert, Table: subscriptionTable, Row: &subscriptionRow{
			name: s.name, version: 1, bucket: bucketOf(tenant),
		}}
	}
	return changes
}

// beginSubscriptions begins the subscriptions of this process for all tenants that do
// not have them: at the end of their logs, or at the beginning. Each is due at once,
// so that its worker looks for what came into the log meanwhile.
func (c *Core) beginSubscriptions(ctx context.Context) error {
	if len(c.subscriptions) == 0 {
		return nil
	}
	for after := ""; ; {
		tenants, err := c.Tenants.List(ctx, after, MaxPage)
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			after = tenant
			if err := c.beginTenant(System(ctx, tenant), tenant); err != nil {
				return err
			}
		}
		if len(tenants) < MaxPage {
			return nil
		}
	}
}

func (c *Core) beginTenant(ctx context.Context, tenant string) error {
	for try := 1; ; try++ {
		rows, err := c.readSubscriptions(ctx, tenant, nil, false)
		if err != nil {
			return err
		}
		head, err := c.readHead(ctx, tenant, false)
		if err != nil {
			return err
		}
		if head == nil {
			head = &headRow{}
		}
		var changes []storage.Change
		for _, s := range c.subscriptions {
			if rows[s.name] == nil {
				changes = append(changes, c.newSubscription(s, tenant, head.position))
			}
		}
		if len(changes) == 0 {
			return nil
		}
		err = c.session(ctx).Write(ctx, tenant, changes)
		if try == maxTries || !errors.Is(err, ErrConflict) { // else another process was first
			return err
		}
	}
}

func (c *Core) defineSubscriptions() {
	c.Subscriptions = &Subscriptions{c}
	c.onBegin(c.beginSubscriptions)
	c.addQueue(&queue{
		name: "subscriptions", q: storage.Queue{Table: subscriptionTable, Bucket: "bucket", Due: "due"},
		batch: 20, lease: workLease,
		row: func() storage.Row { return &subscriptionRow{} },
		work: func(ctx context.Context, tenant string, rows []storage.Row) error {
			var errs []error
			for _, row := range rows {
				row, _ := row.(*subscriptionRow)
				errs = append(errs, c.deliver(System(ctx, tenant), tenant, row))
			}
			return errors.Join(errs...)
		},
	})
	c.addQueue(&queue{
		name: "held events", q: storage.Queue{Table: heldTable, Bucket: "bucket", Due: "due"},
		batch: 50, lease: workLease,
		row: func() storage.Row { return &heldRow{} },
		work: func(ctx context.Context, tenant string, rows []storage.Row) error {
			var errs []error
			for _, row := range rows {
				row, _ := row.(*heldRow)
				errs = append(errs, c.deliverHeld(System(ctx, tenant), tenant, row))
			}
			return errors.Join(errs...)
		},
	})
}

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var heldTable = &storage.Table{Name: "held_event", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
	{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int},
	{Name: "due", Kind: storage.Time, Null: true}, {Name: "parked", Kind: storage.Time, Null: true},
	{Name: "subscription", Kind: storage.Text}, {Name: "event_id", Kind: storage.ID}, {Name: "record_id", Kind: storage.ID},
	{Name: "record_version", Kind: storage.Int}, {Name: "attempts", Kind: storage.Int}, {Name: "error", Kind: storage.Text, Null: true},
	{Name: "since", Kind: storage.Time},
}}

// heldRow is an event that a subscription's handler failed at, or that waits behind
// one of its record: then it is neither due nor parked.
type heldRow struct {
	id           uuid.UUID
	version      int64
	bucket       int64
	due, parked  time.Time
	subscription string
	event        uuid.UUID
	record       uuid.UUID
	at           int64 // the record's version
	attempts     int64
	err          string
	since        time.Time
}

func (r *heldRow) Value(i int) any {
	return [...]any{r.id, r.version, r.bucket, orNever(r.due), orNever(r.parked), r.subscription, r.event, r.record, r.at, r.attempts, orAbsent(r.err), r.since}[i]
}

func (r *heldRow) Dest(i int) any {
	return [...]any{&r.id, &r.version, &r.bucket, &r.due, &r.parked, &r.subscription, &r.event, &r.record, &r.at, &r.attempts, &r.err, &r.since}[i]
}

func (r *heldRow) update() storage.Change {
	return storage.Change{Action: storage.Update, Table: heldTable, Row: r, Columns: []int{3, 4, 9, 10}, Version: r.version}
}

func (r *heldRow) remove() storage.Change {
	return storage.Change{Action: storage.Delete, Table: heldTable, Row: r, Version: r.version}
}

// failed notes an attempt that failed.
func (r *heldRow) failed(now time.Time, most int64, err error) {
	r.attempts++
	r.err = errorText(err)
	r.due, r.parked = retried(now, r.event, r.attempts, most, err), time.Time{}
	if r.due.IsZero() {
		r.parked = now
	}
}

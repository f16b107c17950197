package crm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// rights is what a tenant's members may do, as it was read at one count of changes.
// It is not changed any more; what is derived from it is kept with it.
type rights struct {
	counter int64 // of the tenant's row, read before all else
	members map[ID]*seat
	byKey   map[string]*seat
	teams   map[ID]*unit
	roles   map[ID]*charter
	shared  map[string]bool // the kinds of which there is a share, living or deleted
	custom  definitions     // what the tenant defined, which counts as a change of rights
	zone    *time.Location  // its calendar, of which the same is true; nil is UTC
	erased  bool            // whether somebody was erased, who must not come back unseen
	known   map[*object]any // the records of kinds that are known without asking

	circles     sync.Map // of the teams' ids: *circle
	permissions sync.Map // of the roles' ids and the kind: *permission
}

// seat is a member, unit a team, charter a role.
type (
	seat struct {
		id           ID
		key          string
		inactive     bool
		teams, roles []ID

		once sync.Once // makes held
		held struct {
			roles []held
			key   string // the same for the same roles
		}
	}
	unit struct {
		id, parent ID
		name       string
		roles      []ID
	}
	charter struct {
		id     ID
		name   string
		grants []Grant
		fields []FieldRule
	}
)

// closed reports whether roles decide.
func (r *rights) closed() bool { return len(r.roles) > 0 }

const (
	// maxCached is of how many tenants the rights are held in memory.
	maxCached = 4096
	// watchFor is how long a transaction of the host's that changed rights is waited
	// for. Past it the tenant is looked at as any other.
	watchFor = 15 * time.Minute
)

// rightsCache holds what was read of the tenants' rights. A change made through this
// Core holds at once; one made elsewhere once RightsLag has passed.
type rightsCache struct {
	mu sync.Mutex
	of map[string]*cached
	// generation goes up whenever rights change under a reader who may be about to
	// keep what he read before.
	generation uint64
}

type cached struct {
	rights  *rights
	checked time.Time // when its counter was last seen to be the tenant's; zero: look
	floor   int64     // no counter that a transaction reads below it is news
	// old is the counter before a change in a host's transaction, of which nobody
	// says whether it was committed: until another is seen, or the time is over, the
	// counter is looked at by each call.
	old     int64
	watched time.Time
	loading chan struct{} // held by who reads all of it
}

func (rc *rightsCache) entry(tenant string) *cached {
	e := rc.of[tenant]
	if e == nil {
		if rc.of == nil {
			rc.of = map[string]*cached{}
		}
		for other := range rc.of {
			if len(rc.of) < maxCached {
				break
			}
			delete(rc.of, other) // any one: it is read anew when it is needed
		}
		e = &cached{loading: make(chan struct{}, 1)}
		rc.of[tenant] = e
	}
	return e
}

// fresh returns what is known of a tenant if it is new enough to be used unseen.
func (rc *rightsCache) fresh(tenant string, now time.Time, lag time.Duration) *rights {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	e := rc.of[tenant]
	if e == nil || e.rights == nil || now.Before(e.watched) || !within(e.checked, now, lag) {
		return nil
	}
	return e.rights
}

// within reports whether what was true at checked may be taken for true at now.
func within(checked, now time.Time, lag time.Duration) bool {
	since := now.Sub(checked)
	return !checked.IsZero() && since >= 0 && since < lag
}

// settled reports whether nothing is known to have happened to a tenant's rights since
// a generation.
func (rc *rightsCache) settled(tenant string, now time.Time, generation uint64) bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	e := rc.of[tenant]
	return rc.generation == generation && (e == nil || !now.Before(e.watched))
}

// look begins a reading: what is known, and the generation it must still be when the
// answer is kept.
func (rc *rightsCache) look(tenant string) (known *rights, generation uint64, loading chan struct{}) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	e := rc.entry(tenant)
	return e.rights, rc.generation, e.loading
}

// keep keeps what was read. What was read in a transaction may be older than what is
// known: it replaces nothing newer.
func (rc *rightsCache) keep(tenant string, r *rights, began time.Time, generation uint64, inTx bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.generation != generation {
		return
	}
	e := rc.entry(tenant)
	if inTx && (r.counter < e.floor || e.rights != nil && r.counter < e.rights.counter) {
		return
	}
	if began.Before(e.watched) && r.counter > e.old { // its transaction has ended
		e.watched = time.Time{}
		rc.generation++
	}
	e.rights, e.checked = r, began
}

// changed makes readers look: a transaction of this Core changed rights.
func (rc *rightsCache) changed(tenant string, counter int64, committed bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.generation++
	e := rc.entry(tenant)
	e.checked = time.Time{}
	if committed {
		e.floor = max(e.floor, counter)
	}
}

// watch makes readers look at each call until another counter than old is seen.
func (rc *rightsCache) watch(tenant string, old int64, until time.Time) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.generation++
	e := rc.entry(tenant)
	e.old, e.watched = old, until
}

// noted is what a transaction knows of a tenant's rights.
type noted struct {
	rights     *rights
	checked    time.Time
	generation uint64
}

// rightsOf returns the rights of a tenant.
func (c *Core) rightsOf(ctx context.Context, tenant string) (*rights, error) {
	now := c.now()
	t := c.tx(ctx)
	if t == nil || t.rights[tenant] == 0 {
		if r := c.rights.fresh(tenant, now, c.cfg.RightsLag); r != nil {
			return r, nil
		}
	}
	if t != nil {
		return c.rightsIn(ctx, t, tenant, now)
	}
	known, generation, loading := c.rights.look(tenant)
	counter, err := c.rightsCounter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if known == nil || known.counter != counter {
		select { // one reads, the others wait for what he read
		case loading <- struct{}{}:
			defer func() { <-loading }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if known, _, _ = c.rights.look(tenant); known == nil || known.counter != counter {
			if known, err = c.loadRights(ctx, tenant, counter); err != nil {
				return nil, err
			}
		}
	}
	if counter != noTenant {
		c.rights.keep(tenant, known, now, generation, false)
	}
	return known, nil
}

// rightsIn is rightsOf in a transaction. Once rights were changed in it, it goes by
// what it sees itself, and nobody else does. It waits for no other reader, who may
// wait for its connection.
func (c *Core) rightsIn(ctx context.Context, t *tx, tenant string, now time.Time) (*rights, error) {
	own, first := t.noted[tenant], false
	if t.rights[tenant] == 0 {
		if within(own.checked, now, c.cfg.RightsLag) && c.rights.settled(tenant, now, own.generation) {
			return own.rights, nil
		}
		first = own.rights == nil
	}
	known, generation, _ := c.rights.look(tenant)
	counter, err := c.rightsCounter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	switch {
	case own.rights != nil && own.rights.counter == counter:
		known = own.rights
	case known == nil || known.counter != counter:
		if known, err = c.loadRights(ctx, tenant, counter); err != nil {
			return nil, err
		}
	}
	t.noted[tenant] = noted{known, now, generation}
	if first && counter != noTenant { // later it may see an instant long past
		c.rights.keep(tenant, known, now, generation, true)
	}
	return known, nil
}

// noTenant is the count of a tenant that is not there yet.
const noTenant = -1

// rightsCounter reads how far the changes of a tenant's rights have come.
func (c *Core) rightsCounter(ctx context.Context, tenant string) (int64, error) {
	t, err := c.counterRow(ctx, tenant, false)
	if err != nil || t == nil {
		return noTenant, err
	}
	return t.rights, nil
}

func (c *Core) counterRow(ctx context.Context, key string, lock bool) (*tenant, error) {
	var t *tenant
	err := c.session(ctx).Read(ctx, key, &storage.Query{
		Table: tenantTable, Columns: []int{tenantTable.Index("rights")}, Limit: 1, Lock: lock,
	}, func() storage.Row {
		t = &tenant{}
		return t
	})
	return t, err
}

// rightsChanged counts a change of rights in the transaction that makes it, and
// makes it hold: in the transaction at once, for others when it is committed.
//
// The tenant's row is held from here to the transaction's end, so that changes of a
// tenant's rights come one after the other, and what is asked afterwards in the same
// transaction stays true. The count goes up by a number nobody guesses: a value seen
// in a transaction that was rolled back does not come again with another meaning.
func (c *Core) rightsChanged(ctx context.Context, tenant string) error {
	row, err := c.counterRow(ctx, tenant, true)
	if err != nil {
		return err
	}
	if row == nil {
		return ErrConflict // its row is made before anything of it
	}
	old := row.rights
	row.rights += 1 + step()
	err = c.session(ctx).Write(ctx, tenant, []storage.Change{{
		Action: storage.Update, Table: tenantTable, Row: row, Columns: []int{tenantTable.Index("rights")},
	}})
	if err != nil {
		return err
	}
	t := c.tx(ctx)
	if t.rights[tenant] == 0 && t.joined {
		c.rights.watch(tenant, old, c.now().Add(watchFor))
	}
	t.rights[tenant] = row.rights
	return nil
}

// step is a random number below 2³⁰.
func step() int64 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.BigEndian.Uint32(b[:]) >> 2)
}

// rightsEnded tells the cache of a transaction of the Core's own that is over.
func (c *Core) rightsEnded(t *tx, committed bool) {
	if t == nil {
		return
	}
	for tenant, counter := range t.rights {
		c.rights.changed(tenant, counter, committed)
	}
}

// rightsWritten does what follows for rights from records just written, in their
// transaction.
func (w *writer) rightsWritten(ctx context.Context, changes []*change) error {
	switch {
	case w.rights:
		if err := w.core.rightsChanged(ctx, w.sc.Tenant); err != nil {
			return err
		}
		return w.roomFor(ctx, changes)
	case w.name == shareKind:
		return w.sharesChanged(ctx, changes)
	}
	for _, c := range changes {
		if c.after == nil {
			if err := w.core.dropHung(ctx, w.sc, w.object, c.before.meta().ID); err != nil {
				return err
			}
			if err := w.core.dropShares(ctx, w.sc, w.object, c.before.meta().ID); err != nil {
				return err
			}
			if err := w.mergesEnded(ctx, c.before.meta().ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// roomFor refuses more members, teams or roles than are held in memory.
func (w *writer) roomFor(ctx context.Context, changes []*change) error {
	most := map[string]int64{memberKind: maxMembers, teamKind: maxTeams, roleKind: maxRoles}[w.name]
	if w.known != nil {
		most = maxKnown
	}
	if most == 0 { // custom fields and rules are counted by object
		return nil
	}
	if !slices.ContainsFunc(changes, func(c *change) bool { return c.before == nil || c.event == "restored" }) {
		return nil
	}
	n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, w.table, living(false))
	if err == nil && n > most {
		err = Invalid("", "a tenant has at most %d %s", most, w.plural)
	}
	return err
}

// loadRights reads the rights of a tenant whose counter was read before: what it
// reads may be newer, and then the counter says so the next time.
func (c *Core) loadRights(ctx context.Context, tenant string, counter int64) (*rights, error) {
	r := &rights{
		counter: counter, members: map[ID]*seat{}, byKey: map[string]*seat{},
		teams: map[ID]*unit{}, roles: map[ID]*charter{}, shared: map[string]bool{},
	}
	if counter <= 0 { // nothing was ever changed
		return r, nil
	}
	s := c.session(ctx)
	err := c.Members.o.eachRow(ctx, s, tenant, living(false), []string{"id", "key", "inactive", "team_ids", "role_ids"}, func(v row) {
		m := &seat{id: v.id("id"), key: v.text("key"), inactive: v.bool("inactive"), teams: v.ids("team_ids"), roles: v.ids("role_ids")}
		r.members[m.id], r.byKey[m.key] = m, m
	})
	if err == nil {
		err = c.Teams.o.eachRow(ctx, s, tenant, living(false), []string{"id", "name", "parent_id", "role_ids"}, func(v row) {
			t := &unit{id: v.id("id"), parent: v.id("parent_id"), name: v.text("name"), roles: v.ids("role_ids")}
			r.teams[t.id] = t
		})
	}
	if err == nil {
		err = c.Roles.o.eachRow(ctx, s, tenant, living(false), []string{"id", "name", "grants", "fields"}, func(v row) {
			x := &charter{id: v.id("id"), name: v.text("name"), fields: v.rules("fields")}
			v.json("grants", &x.grants)
			r.roles[x.id] = x
		})
	}
	if err != nil {
		return nil, err
	}
	kind := storage.Values{nil}
	note := func() {
		if name, ok := kind[0].(string); ok {
			r.shared[name] = true
		}
	}
	err = s.Aggregate(ctx, tenant, &storage.Aggregate{
		Table: c.Shares.o.table, Group: []storage.Group{{Field: storage.F("object")}}, Measure: []storage.Measure{{Fn: storage.CountRows}},
	}, func() storage.Row { note(); kind = storage.Values{nil, nil}; return kind })
	note()
	if err == nil {
		r.zone, r.erased, err = c.zoneOf(ctx, tenant)
	}
	if err == nil {
		r.custom, err = c.readDefinitions(ctx, tenant, r.zone)
	}
	if err == nil {
		r.known, err = c.readKnown(ctx, tenant)
	}
	return r, err
}

// row is a record read by column, without being made a struct of.
type row struct {
	o *object
	v storage.Values
}

// eachRow reads the named columns of all records that satisfy a condition.
func (o *object) eachRow(ctx context.Context, s storage.Session, tenant string, where storage.Expr, names []string, fn func(row)) error {
	cols := make([]int, len(names))
	for i, name := range names {
		cols[i] = o.byName[name].col
	}
	for after := []any(nil); ; {
		n := 0
		v := row{o, make(storage.Values, len(o.columns))}
		err := s.Read(ctx, tenant, &storage.Query{Table: o.table, Columns: cols, Where: where, Limit: storage.MaxPage, After: after}, func() storage.Row {
			if n++; n > 1 {
				fn(v)
			}
			return v.v
		})
		if err != nil || n == 0 {
			return err
		}
		fn(v)
		if n < storage.MaxPage {
			return nil
		}
		after = []any{uuid.UUID(v.id("id"))}
	}
}

func (r row) at(name string) any      { return r.v[r.o.byName[name].col] }
func (r row) id(name string) ID       { u, _ := r.at(name).(uuid.UUID); return ID(u) }
func (r row) text(name string) string { s, _ := r.at(name).(string); return s }
func (r row) bool(name string) bool   { b, _ := r.at(name).(bool); return b }
func (r row) json(name string, v any) {
	raw, _ := r.at(name).(json.RawMessage)
	_ = json.Unmarshal(raw, v)
}
func (r row) ids(name string) (l []ID) { r.json(name, &l); return l }

// rules reads what a role takes away. What this library does not know hides.
func (r row) rules(name string) (rules []FieldRule) {
	r.json(name, &rules)
	for i := range rules {
		if rules[i].Access != FieldReadOnly && rules[i].Access != FieldMasked {
			rules[i].Access = FieldHidden
		}
	}
	return rules
}

// circle is the people around a member, by the teams he is in.
type circle struct {
	direct, below, above map[ID]bool // his teams; with those below them; with those above them
	mates, subtree       []any       // the ids of the members of direct, and of below
}

// circle returns the circle of members who are in these teams, which ascend.
func (r *rights) circle(teams []ID) *circle {
	key := joined(teams)
	if known, ok := r.circles.Load(key); ok {
		if c, ok := known.(*circle); ok {
			return c
		}
	}
	made := r.makeCircle(teams)
	r.circles.Store(key, made)
	return made
}

func (r *rights) makeCircle(teams []ID) *circle {
	c := &circle{direct: map[ID]bool{}, below: map[ID]bool{}, above: map[ID]bool{}}
	for _, id := range teams {
		if r.teams[id] != nil {
			c.direct[id] = true
		}
		for at, depth := r.teams[id], 0; at != nil && depth <= maxTree; at, depth = r.teams[at.parent], depth+1 {
			c.above[at.id] = true
		}
	}
	for _, t := range r.teams {
		for at, depth := t, 0; at != nil && depth <= maxTree; at, depth = r.teams[at.parent], depth+1 {
			if c.direct[at.id] {
				c.below[t.id] = true
				break
			}
		}
	}
	for id, m := range r.members {
		if slices.ContainsFunc(m.teams, func(t ID) bool { return c.direct[t] }) {
			c.mates = append(c.mates, uuid.UUID(id))
		}
		if slices.ContainsFunc(m.teams, func(t ID) bool { return c.below[t] }) {
			c.subtree = append(c.subtree, uuid.UUID(id))
		}
	}
	slices.SortFunc(c.mates, compareIDs) // so that equal questions are equal texts
	slices.SortFunc(c.subtree, compareIDs)
	return c
}

func compareIDs(a, b any) int { return storage.Compare(a, b) }

// joined is a list of ids as one key.
func joined(ids []ID) string {
	var b strings.Builder
	for _, id := range ids {
		b.Write(id[:])
	}
	return b.String()
}

// idValues are the ids of a set, as a list in a condition.
func idValues(set map[ID]bool) []any {
	list := make([]any, 0, len(set))
	for _, id := range slices.SortedFunc(maps.Keys(set), ID.Compare) {
		list = append(list, uuid.UUID(id))
	}
	return list
}

// held is a role a member has, and the team he has it from, or nil.
type held struct {
	role *charter
	team *unit
}

// held returns the roles a member has: his own first, then his teams'.
func (r *rights) held(m *seat) []held {
	m.once.Do(func() {
		list := r.all(m.roles, nil, nil)
		for _, id := range m.teams {
			if team := r.teams[id]; team != nil {
				list = r.all(team.roles, team, list)
			}
		}
		m.held.roles = list
		ids := make([]ID, len(list))
		for i, h := range list {
			ids[i] = h.role.id
		}
		slices.SortFunc(ids, ID.Compare)
		m.held.key = joined(slices.Compact(ids))
	})
	return m.held.roles
}

// all adds roles to a list, by name.
func (r *rights) all(ids []ID, team *unit, list []held) []held {
	n := len(list)
	for _, id := range ids {
		if role := r.roles[id]; role != nil {
			list = append(list, held{role, team})
		}
	}
	slices.SortFunc(list[n:], func(a, b held) int { return strings.Compare(a.role.name, b.role.name) })
	return list
}

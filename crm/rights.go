package crm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// access is what an actor may do with the records of one object, found out once a
// call. The zero access may nothing.
type access struct {
	me ID // the actor's own member, or zero
	o  *object

	tenant  string
	rights  *rights
	seat    *seat   // the actor's, or nil
	circle  *circle // of the actor's teams, or nil
	all     bool    // every right to everything: the tenant itself, an open tenant
	denied  string  // why the actor may nothing at all
	policed bool    // a Policy answers, and no roles
	of      func(o *object, verb Verb) (permit, error)
	read    permit
	// parents are to the records that those of the object go by: of one kind, or of any.
	parents []*access
}

// permit is how far one verb reaches.
type permit struct {
	level Level
	// up says that there may be records it reaches by what they hang on.
	up bool
	// closed are the fields the actor does not read, and for another verb than read
	// those he does not write.
	closed map[string]bool
	// masked are those of closed that he reads in part.
	masked map[string]bool
}

// none reports whether a verb reaches nothing at all.
func (p permit) none() bool { return p.level == LevelNone && !p.up }

// access finds out what the actor of a scope may do with the records of an object.
func (c *Core) access(ctx context.Context, sc scope, o *object) (*access, error) {
	r, err := c.rightsOf(ctx, sc.Tenant)
	if err != nil {
		return nil, err
	}
	a := &access{o: o, tenant: sc.Tenant, rights: r}
	if !sc.system {
		a.seat = r.byKey[sc.Member]
	}
	if a.seat != nil {
		a.me, a.circle = a.seat.id, r.circle(a.seat.teams)
	}
	c.decide(ctx, sc, a)
	if a.all || a.denied != "" {
		return a, nil
	}
	return a, a.begin()
}

// begin finds out what the actor may read, of the object and of what its records hang
// on.
func (a *access) begin() (err error) {
	if err := a.beginAbove(); err != nil {
		return err
	}
	a.read, err = a.permitted(VerbRead)
	return err
}

// decide says who answers for an actor: nobody, his roles or the host's policy.
func (c *Core) decide(ctx context.Context, sc scope, a *access) {
	switch r := a.rights; {
	case sc.trusted || sc.system && sc.policy == nil:
		a.all = true
	case sc.policy != nil:
		a.of, a.policed = a.policy(ctx, sc.Actor, sc.policy), true
	case c.cfg.Policy != nil:
		a.of, a.policed = a.policy(ctx, sc.Actor, c.cfg.Policy), true
	case a.seat != nil && a.seat.inactive:
		a.denied = "you are no active member"
	case !r.closed():
		a.all = true
	case a.seat == nil:
		a.denied = "you are no member"
	default:
		a.of = func(o *object, verb Verb) (permit, error) { return r.permit(a.seat, o, verb), nil }
	}
}

// policy asks rules of a host's or a module's own, once for each kind and verb.
func (a *access) policy(ctx context.Context, actor Actor, of Policy) func(*object, Verb) (permit, error) {
	type question struct {
		o    *object
		verb Verb
	}
	var mu sync.Mutex // one call may be several goroutines'
	known := map[question]permit{}
	return func(o *object, verb Verb) (permit, error) {
		mu.Lock()
		defer mu.Unlock()
		if p, ok := known[question{o, verb}]; ok {
			return p, nil
		}
		granted, err := of.Grant(ctx, actor, o.name, verb)
		if err != nil {
			return permit{}, err
		}
		p := permit{level: granted.Level, closed: map[string]bool{}}
		names := granted.ReadOnly
		if verb == VerbRead {
			names = granted.Hidden
		}
		for _, name := range names {
			if msg := o.closable(name); msg != "" {
				return permit{}, Invalid("", "the policy is wrong: %s", msg)
			}
			p.closed[name] = true
		}
		if verb == VerbRead {
			if p.masked, err = p.maskOnly(o, a.rights.custom[o.name], granted.Masked); err != nil {
				return permit{}, err
			}
		}
		if p.level > LevelAll {
			return permit{}, Invalid("", "the policy is wrong: there is no %s", p.level)
		}
		known[question{o, verb}] = p
		return p, nil
	}
}

// permission is what members with the same roles may do with records of one kind, by
// the index of the verb.
type permission [len(verbs)]permit

// permit returns what a member's roles allow him with records of a kind.
func (r *rights) permit(m *seat, o *object, verb Verb) permit {
	i := slices.Index(verbs[:], verb)
	if i < 0 {
		return permit{}
	}
	type key struct{ roles, object string }
	roles := r.held(m)
	if known, ok := r.permissions.Load(key{m.held.key, o.name}); ok {
		if p, ok := known.(*permission); ok {
			return p[i]
		}
	}
	p := &permission{}
	for i, v := range verbs {
		p[i] = merged(roles, o, v)
		for name := range p[i].masked { // what is no text any more, or not yet, is hidden
			if o.closable(name) != "" || o.maskable(r.custom[o.name], name) != "" {
				delete(p[i].masked, name)
			}
		}
	}
	r.permissions.Store(key{m.held.key, o.name}, p)
	return p[i]
}

// merged is what several roles allow together: the widest level, and of a field only
// what all of them take away that grant the verb at all. Where the verb is granted on
// records of the kind and on those they hang on, what either takes away is.
func merged(roles []held, o *object, verb Verb) (p permit) {
	var own, up closing
	for _, h := range roles {
		level, closed, masked := h.role.level(o.name, verb), h.role.closed(o.name, verb), h.role.masked(o.name, verb)
		if level != LevelNone && o.free() {
			own.add(closed, masked)
			p.level = max(p.level, level)
		}
		if slices.ContainsFunc(o.ups(), func(above *object) bool { return h.role.lets(above, o.atLeast(verb)) }) {
			up.add(closed, masked)
		}
	}
	if p.closed, p.masked = own.names, own.masked; len(up.names) > 0 {
		p.closed, p.masked = maps.Clone(up.names), maps.Clone(up.masked)
		maps.Copy(p.closed, own.names)
		if p.masked == nil {
			p.masked = map[string]bool{}
		}
		maps.Copy(p.masked, own.masked)
		maps.DeleteFunc(p.masked, func(name string, _ bool) bool { return own.hides(name) || up.hides(name) })
	}
	if o.name == shareKind && slices.Contains([]Verb{VerbRead, VerbCreate, VerbUpdate, VerbDelete}, verb) {
		p.level = max(p.level, LevelOwn) // the right to share is one on what is shared
	}
	return p
}

// closing are the fields that all of several roles take away, and those of them that at
// least one of the roles leaves masked.
type closing struct {
	names, masked map[string]bool
	any           bool
}

func (c *closing) add(names, masked map[string]bool) {
	if c.any {
		names = both(c.names, names)
		mild := map[string]bool{}
		for name := range names {
			if c.masked[name] || masked[name] {
				mild[name] = true
			}
		}
		masked = mild
	}
	c.names, c.masked, c.any = names, masked, true
}

// hides reports whether all of the roles take a field away and none leaves it masked.
func (c *closing) hides(name string) bool { return isClosed(c.names, name) && !c.masked[name] }

// maskOnly closes the fields that a policy masks, where it does not hide them, and returns
// those that are masked.
func (p permit) maskOnly(o *object, own *fieldSet, names []string) (map[string]bool, error) {
	all := map[string]bool{}
	for _, name := range names {
		if isClosed(p.closed, name) {
			continue
		}
		msg := o.closable(name)
		if msg == "" {
			msg = o.maskable(own, name)
		}
		if msg != "" && !strings.HasPrefix(name, "custom.") {
			return nil, Invalid("", "the policy is wrong: %s", msg)
		}
		p.closed[name] = true
		if msg == "" {
			all[name] = true
		}
	}
	return all, nil
}

// level is how far a role's grants of a verb reach.
func (x *charter) level(object string, verb Verb) Level {
	most := LevelNone
	for _, g := range x.grants {
		if (g.Object == object || g.Object == AnyKind) && (g.Verb == verb || g.Verb == AnyVerb) && g.Level <= LevelAll {
			most = max(most, g.Level)
		}
	}
	return most
}

// closed are the fields a role takes away from a verb.
func (x *charter) closed(object string, verb Verb) map[string]bool {
	var names map[string]bool
	for _, f := range x.fields {
		if f.Object != object || verb == VerbRead && f.Access == FieldReadOnly {
			continue
		}
		if names == nil {
			names = map[string]bool{}
		}
		names[f.Field] = true
	}
	return names
}

// masked are those of them of which it leaves a part to be read.
func (x *charter) masked(object string, verb Verb) map[string]bool {
	if verb != VerbRead {
		return nil
	}
	var names, hidden map[string]bool
	for _, f := range x.fields {
		if f.Object != object || f.Access == FieldReadOnly {
			continue
		}
		of := &names
		if f.Access == FieldHidden {
			of = &hidden
		}
		if *of == nil {
			*of = map[string]bool{}
		}
		(*of)[f.Field] = true
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return isClosed(hidden, name) })
	return names
}

// both are the fields closed in a and in b.
func both(a, b map[string]bool) map[string]bool {
	names := map[string]bool{}
	for _, set := range []map[string]bool{a, b} {
		for name := range set {
			if isClosed(a, name) && isClosed(b, name) {
				names[name] = true
			}
		}
	}
	return names
}

// isClosed reports whether a field is closed, by itself or as one of all custom ones.
func isClosed(names map[string]bool, name string) bool {
	return names[name] || names["custom"] && strings.HasPrefix(name, "custom.")
}

// permit is what the actor may do by a verb.
func (a *access) permit(verb Verb) (permit, error) {
	switch {
	case a.all:
		return permit{level: LevelAll}, nil
	case a.of == nil:
		return permit{}, nil
	case verb == VerbRead:
		return a.read, nil
	}
	return a.permitted(verb)
}

// may is nil if the actor may do the verb with any records at all.
func (a *access) may(verb Verb) error {
	_, err := a.grant(verb)
	return err
}

// grant is permit, and forbids where nothing is permitted.
func (a *access) grant(verb Verb) (permit, error) {
	p, err := a.permit(verb)
	switch {
	case err != nil:
		return permit{}, err
	case !p.none():
		return p, nil
	case a.denied != "":
		return permit{}, forbidden("%s: somebody who may update every role has to make you one", a.denied)
	case !a.o.free():
		return permit{}, forbidden("you have no right to %s %s: it takes the right to %s the %s they belong to",
			verb, a.o.plural, a.o.atLeast(verb), a.o.kindsAbove())
	}
	if a.policed {
		return permit{}, forbidden("you have no right to %s %s: the host's policy does not grant it", verb, a.o.plural)
	}
	return permit{}, forbidden("you have no right to %s %s: a role has to grant it", verb, a.o.plural)
}

// mayWrite is nil if the actor may do the verb with this record, which was read
// under his read right.
func (a *access) mayWrite(ctx context.Context, verb Verb, r *rec) error {
	p, err := a.grant(verb)
	if err != nil || a.all {
		return err
	}
	if a.o.name == roleKind {
		if err := a.administers("a role"); err != nil {
			return err
		}
	}
	if up, id, set := a.over(r); set {
		if a.mine(verb, r) {
			return nil
		}
		return a.mayBelow(ctx, verb, up, id)
	}
	if a.covers(p.level, r) {
		return nil
	}
	if verb == VerbUpdate && p.level != LevelNone && a.shared() {
		where := append(sharesOf(a.o.name, r.meta().ID), living(false), a.givenTo(ShareWrite))
		n, err := count(ctx, a.o.core.session(ctx), a.tenant, a.o.core.Shares.o.table, where)
		if err != nil || n > 0 {
			return err
		}
	}
	return forbidden("your right to %s %s does not reach this one", verb, a.o.plural)
}

// covers reports whether a level reaches a record.
func (a *access) covers(level Level, r *rec) bool {
	switch m := r.meta(); {
	case level == LevelAll:
		return true
	case a.o.name == memberKind: // everyone is his own
		return a.coversOwner(level, m.ID)
	case a.o.name == teamKind:
		return level != LevelNone && a.circle != nil && (a.circle.direct[m.ID] || level == LevelSubtree && a.circle.below[m.ID])
	default:
		return a.coversOwner(level, m.OwnerID)
	}
}

// coversOwner reports whether a level reaches what a member owns.
func (a *access) coversOwner(level Level, owner ID) bool {
	switch {
	case level == LevelAll:
		return true
	case level == LevelNone || owner.IsZero() || a.seat == nil:
		return false
	case owner == a.me:
		return true
	}
	teams := map[Level]map[ID]bool{LevelTeam: a.circle.direct, LevelSubtree: a.circle.below}[level]
	m := a.rights.members[owner]
	return m != nil && slices.ContainsFunc(m.teams, func(t ID) bool { return teams[t] })
}

// reached is the condition that a level reaches a record: what covers is in memory.
func (a *access) reached(level Level) storage.Expr {
	switch {
	case level == LevelAll:
		return storage.And{}
	case level == LevelNone || a.seat == nil || a.o.ledger(): // its rows are nobody's
		return storage.Or{}
	case a.o.name == teamKind:
		teams := a.circle.direct
		if level == LevelSubtree {
			teams = a.circle.below
		}
		return storage.In{Field: storage.F("id"), Values: idValues(teams)}
	}
	owner := storage.F("owner_id")
	if a.o.name == memberKind {
		owner = storage.F("id")
	}
	switch {
	case level == LevelOwn || len(a.circle.direct) == 0:
		return storage.Is{Field: owner, Op: storage.Eq, Value: uuid.UUID(a.me)}
	case level == LevelTeam:
		return storage.In{Field: owner, Values: a.circle.mates}
	}
	return storage.In{Field: owner, Values: a.circle.subtree}
}

// shared reports whether records of the object may be shared with the actor.
func (a *access) shared() bool {
	return a.seat != nil && a.rights.shared[a.o.name]
}

// givenTo is the condition that a share is with the actor; with write it gives that
// too.
func (a *access) givenTo(access ShareAccess) storage.Expr {
	to := storage.Or{storage.Is{Field: storage.F("member_id"), Op: storage.Eq, Value: uuid.UUID(a.me)}}
	if len(a.circle.direct) > 0 {
		to = append(to, storage.In{Field: storage.F("team_id"), Values: idValues(a.circle.direct)})
	}
	if len(a.circle.above) > len(a.circle.direct) {
		to = append(to, storage.And{
			storage.Is{Field: storage.F("below"), Op: storage.Eq, Value: true},
			storage.In{Field: storage.F("team_id"), Values: idValues(a.circle.above)},
		})
	}
	if access == ShareWrite {
		return storage.And{to, storage.Is{Field: storage.F("access"), Op: storage.Eq, Value: string(ShareWrite)}}
	}
	return to
}

// reading returns a condition with the read right in it, as a group of its own.
func (a *access) reading(where storage.And) storage.Expr {
	can := a.seen()
	if can == nil {
		return where
	}
	return append(slices.Clone(where), can)
}

// seen is the condition that the actor may read a record; nil: any.
func (a *access) seen() storage.Expr {
	p, _ := a.permit(VerbRead) // never an error
	if p.level == LevelAll {
		return a.belowOr(nil, (*access).seen)
	}
	can := a.reached(p.level)
	if p.level != LevelNone && a.shared() {
		can = storage.Or{can, a.sharedTo(ShareRead)}
	}
	return a.belowOr(can, (*access).seen)
}

// sharedTo is the condition that a share of the record with the actor gives access.
func (a *access) sharedTo(access ShareAccess) storage.Expr {
	return storage.Exists{
		Rel: storage.Rel{Table: a.o.core.Shares.o.table, Column: "record_id", Key: "id"},
		Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: a.o.name},
			living(false),
			a.givenTo(access),
		},
	}
}

// exporting is reading for an export: of the records the actor may read those his
// right to export reaches.
func (a *access) exporting(where storage.And) (storage.Expr, error) {
	p, err := a.grant(VerbExport)
	if err != nil {
		return nil, err
	}
	if can := a.writable(VerbExport, p); can != nil {
		where = append(slices.Clone(where), can)
	}
	return a.reading(where), nil
}

// mayGive is nil if the actor may write what he gave to a record to be created.
func (a *access) mayGive(r *rec) error {
	p, err := a.permit(VerbCreate)
	if err != nil || len(p.closed) == 0 && len(a.read.closed) == 0 {
		return err
	}
	none := a.o.newRec()
	for _, f := range a.o.fields {
		if f.name == "custom" || a.o.closable(f.name) != "" || f.same(r, none) {
			continue
		}
		if err := a.settable(p, f.name); err != nil {
			return err
		}
	}
	for name := range r.meta().Custom {
		if err := a.settable(p, "custom."+name); err != nil {
			return err
		}
	}
	return nil
}

// mayChange is nil if the actor could have put the record where it is after the
// change, and gives nobody rights he does not administer.
func (a *access) mayChange(ctx context.Context, c *change) error {
	if a.all {
		return nil
	}
	if name := c.decidesRights(); name != "" {
		return a.administers(name)
	}
	if a.o.rights {
		return nil // their owners mean nothing
	}
	if _, _, below := a.over(c.after); below {
		return a.mayOwnBelow(ctx, c)
	}
	if len(a.parents) > 0 {
		if err := a.mayStand(c); err != nil {
			return err
		}
	}
	return a.mayOwn(c)
}

// mayOwn is nil if the actor may give the record the owner it has after the change.
// To take it from one member and give it to another takes the right to assign what
// the first one has; and the new owner must be in reach of that right, or of the one
// to create or update.
func (a *access) mayOwn(c *change) error {
	owner, verb := c.after.meta().OwnerID, VerbUpdate
	if c.before == nil {
		verb = VerbCreate
		if !owner.IsZero() && owner == a.me {
			return nil // reached by any level
		}
	} else if c.before.meta().OwnerID == owner || c.event == "restored" && owner.IsZero() {
		return nil
	}
	p, err := a.grant(verb)
	if err != nil {
		return err
	}
	if c.before == nil && owner.IsZero() && p.level == LevelAll {
		return nil
	}
	assign, err := a.grant(VerbAssign)
	if err != nil {
		return err
	}
	if c.before != nil && !a.covers(assign.level, c.before) {
		return forbidden("owner_id: your right to assign %s does not reach this one", a.o.plural)
	}
	if !a.coversOwner(max(p.level, assign.level), owner) {
		return forbidden("owner_id: your right to assign %s does not reach that owner", a.o.plural)
	}
	return nil
}

// decidesRights names the field by which a change decides over rights, or is empty.
func (c *change) decidesRights() string {
	var names []string
	switch c.o.name {
	case roleKind:
		return "a role"
	case memberKind:
		names = []string{"inactive", "team_ids", "role_ids"}
		if c.before != nil {
			names = append(names, "key")
		}
	case teamKind:
		names = []string{"parent_id", "role_ids"}
	}
	for _, name := range names {
		f := c.o.byName[name]
		v := c.after.Value(f.col)
		if c.before == nil || c.event == "restored" {
			if v != nil && v != false {
				return name
			}
		} else if c.changed(f) {
			return name
		}
	}
	return ""
}

// MayAdminister is nil if the actor may update every role, and so decide over rights;
// else it is ErrForbidden. Modules ask it before they let him write what opens records to
// others.
func (c *Core) MayAdminister(ctx context.Context) error {
	sc, err := scopeOf(ctx)
	if err == nil {
		err = c.ready()
	}
	if err != nil {
		return err
	}
	a, err := c.access(ctx, sc, c.Roles.o)
	if err != nil {
		return err
	}
	return a.administers("")
}

// administers is nil if the actor may update every role, and so decide over rights.
func (a *access) administers(what string) error {
	if a.all {
		return nil
	}
	if a.of != nil {
		p, err := a.of(a.o.core.Roles.o, VerbUpdate)
		if err != nil {
			return err
		}
		if p.level == LevelAll {
			return nil
		}
	}
	if what != "" {
		what += ": "
	}
	return forbidden("%sto decide over rights takes the right to update every role", what)
}

// owner is who owns a record to be created that names nobody: members, teams and
// roles have no owner.
func (a *access) owner() ID {
	if a.o.rights {
		return ID{}
	}
	return a.me
}

// knows reports whether a member is one of the tenant's living ones, as far as is
// known without asking.
func (a *access) knows(id ID) bool {
	return a.rights != nil && a.rights.members[id] != nil
}

// defineRights makes the kinds of records that decide over rights.
func (c *Core) defineRights() error {
	for _, define := range []func() error{c.defineMembers, c.defineTeams, c.defineRoles, c.defineShares} {
		if err := define(); err != nil {
			return err
		}
	}
	return nil
}

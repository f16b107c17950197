package crm

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Cause is what decides whether a member may do something.
type Cause string

// The causes. The first five allow, the others do not; CausePolicy does either.
const (
	CauseSystem Cause = "system" // it is the tenant's own work
	CauseOpen   Cause = "open"   // the tenant has no roles
	CauseGrant  Cause = "grant"  // a role grants it
	CauseShare  Cause = "share"  // the record is shared with him
	CauseOwn    Cause = "own"    // he made the share himself
	CausePolicy Cause = "policy" // the host's own rules say so

	CauseNoMember Cause = "no member" // there is none of this key
	CauseInactive Cause = "inactive"  // the member has left
	CauseNoGrant  Cause = "no grant"  // no role of his grants it
	CauseReach    Cause = "reach"     // the widest grant he has does not reach the record
	CauseRights   Cause = "rights"    // it decides over rights, and he may not update every role
)

// Explanation says whether a member may do a verb, and what decides it. As text it
// is one sentence.
type Explanation struct {
	Allowed bool

	Member string // the host's key; empty: the tenant itself
	Verb   Verb
	Object string
	ID     ID // zero: of the kind at large

	// By is the verb that decides: what is asked, or read, which it takes first.
	By Verb
	// Parent and ParentID are the record it belongs to, whose rights decide, by the
	// verb that takes: to read, or to update. Empty: it goes by rights of its own.
	Parent   string
	ParentID ID

	Cause Cause
	Level Level // of the grant, or of the policy

	RoleID ID // the role with the grant
	Role   string
	TeamID ID // the team by which he has the role; zero: it is his own
	Team   string

	ShareID ID // the share
}

// String returns the explanation as a sentence.
func (e Explanation) String() string {
	who, may := "member "+e.Member, "may"
	if e.Member == "" {
		who = "the tenant itself"
	}
	if !e.Allowed {
		may = "may not"
	}
	what := e.Object + " records"
	if !e.ID.IsZero() {
		what = fmt.Sprintf("%s %s", e.Object, e.ID)
	}
	why := e.why()
	switch {
	case e.Parent != "" && e.ParentID.IsZero():
		why = fmt.Sprintf("it takes the right to %s the %s it belongs to, and %s", e.By, e.Parent, why)
	case e.Parent != "":
		why = fmt.Sprintf("it takes the right to %s %s %s, to which it belongs, and %s", e.By, e.Parent, e.ParentID, why)
	case e.By != e.Verb:
		why = fmt.Sprintf("it takes the right to %s, and %s", e.By, why)
	}
	return fmt.Sprintf("%s %s %s %s: %s.", who, may, e.Verb, what, why)
}

func (e Explanation) why() string {
	role := fmt.Sprintf("role %q", e.Role)
	if !e.TeamID.IsZero() {
		role += fmt.Sprintf(", which team %q has,", e.Team)
	}
	switch e.Cause {
	case CauseSystem:
		return "the host's own work has every right"
	case CauseOpen:
		return "the tenant has no roles, and is open to everyone"
	case CauseGrant:
		return fmt.Sprintf("%s grants it at level %s", role, e.Level)
	case CauseShare:
		return fmt.Sprintf("the record is shared with him or a team of his by share %s", e.ShareID)
	case CauseOwn:
		return "who shares a record may see to the share"
	case CausePolicy:
		return fmt.Sprintf("the host's policy grants it at level %s", e.Level)
	case CauseNoMember:
		return "the tenant has roles, and no member of this key"
	case CauseInactive:
		return "the member is inactive"
	case CauseNoGrant:
		return "no role he has grants it"
	case CauseReach:
		if e.Role == "" {
			return fmt.Sprintf("his right reaches level %s, and not this record", e.Level)
		}
		return fmt.Sprintf("%s grants it at level %s, which does not reach this record", role, e.Level)
	case CauseRights:
		return "it decides over rights, which takes the right to update every role"
	}
	return string(e.Cause)
}

// Explain says whether a member may do a verb with a record, or with a zero id with
// any records of the kind, and which grant decides it. An empty key asks for the
// tenant itself. It is for who may read roles, about records he may read.
func (c *Core) Explain(ctx context.Context, memberKey string, verb Verb, object string, id ID) (Explanation, error) {
	e, err := c.explain(ctx, memberKey, verb, object, id)
	if err != nil {
		return Explanation{}, failed("explain", object, id, err)
	}
	return e, nil
}

func (c *Core) explain(ctx context.Context, memberKey string, verb Verb, object string, id ID) (Explanation, error) {
	asker, err := c.Roles.o.reader(ctx)
	if err != nil {
		return Explanation{}, err
	}
	o := c.objects[object]
	switch {
	case o == nil:
		return Explanation{}, Invalid("object", "there is no kind %q", object)
	case !slices.Contains(verbs[:], verb):
		return Explanation{}, Invalid("verb", "there is no verb %q", verb)
	case verb == VerbCreate && !id.IsZero():
		return Explanation{}, Invalid("id", "what is yet to be created has none")
	}
	x := &explainer{explained: scope{Actor: Actor{asker.sc.Tenant, memberKey}, system: memberKey == ""}}
	if !id.IsZero() {
		if x.record, err = o.get(ctx, id, []ListOption{WithDeleted()}); err != nil {
			return Explanation{}, err
		}
		if x.record, err = o.whole(ctx, asker.sc.Tenant, id); err != nil {
			return Explanation{}, err
		}
	}
	if x.access, err = c.access(ctx, x.explained, o); err != nil {
		return Explanation{}, err
	}
	e := Explanation{Member: memberKey, Verb: verb, Object: object, ID: id, By: verb}
	if verb != VerbRead && verb != VerbCreate {
		e.By = VerbRead
		if err := x.explain(ctx, &e); err != nil || !e.Allowed {
			return e, err
		}
		e = Explanation{Member: memberKey, Verb: verb, Object: object, ID: id, By: verb}
	}
	return e, x.explain(ctx, &e)
}

// whole reads what of a record rights go by, which the one who asks for an
// explanation may not read himself.
func (o *object) whole(ctx context.Context, tenant string, id ID) (*rec, error) {
	found := o.newRec()
	columns := []int{o.byName["id"].col, o.byName["owner_id"].col}
	if o.parent != nil {
		columns = append(columns, o.parent.col)
	}
	if o.subject != nil {
		columns = append(columns, o.subject.col, o.subjectKind.col)
	}
	return found, o.core.session(ctx).Read(ctx, tenant, &storage.Query{
		Table: o.table, Columns: columns, Limit: 1, Where: byID(id),
	}, func() storage.Row { return found })
}

// explainer knows what is asked about.
type explainer struct {
	explained scope
	access    *access
	record    *rec // or nil
}

// explain finds out what decides over e.By.
func (x *explainer) explain(ctx context.Context, e *Explanation) error {
	a := x.access
	if done := x.simply(e); done {
		return nil
	}
	if up, err := x.up(ctx, e); up || err != nil {
		return err
	}
	p, err := a.permit(e.By)
	if err != nil {
		return err
	}
	e.Cause, e.Level = CausePolicy, p.level
	if a.o.core.cfg.Policy == nil {
		x.widest(e)
	}
	switch {
	case p.level == LevelNone:
		e.Allowed = false
	case x.decides(e.By) && a.administers("") != nil:
		e.Cause = CauseRights
	case x.record == nil || a.covers(p.level, x.record):
		e.Allowed = true
	default:
		e.Cause = CauseReach
		return x.share(ctx, e)
	}
	return nil
}

// up finds out what decides over the record that this one belongs to, and reports
// whether that is what decides.
func (x *explainer) up(ctx context.Context, e *Explanation) (bool, error) {
	a := x.access
	if len(a.parents) == 0 {
		return false, nil
	}
	above := &explainer{explained: x.explained, access: a.parents[0]}
	switch {
	case x.record != nil:
		up, id, set := a.over(x.record)
		if !set || up == nil {
			return false, nil
		}
		if a.mine(e.By, x.record) {
			e.Allowed, e.Cause = true, CauseOwn
			return true, nil
		}
		above.access = up
		var err error
		if above.record, err = up.o.whole(ctx, a.tenant, ID(id)); err != nil {
			return false, err
		}
	case a.o.free():
		if p, err := a.permit(e.By); err != nil || p.level != LevelNone || !p.up {
			return false, err
		}
	}
	if e.By == VerbShare {
		return false, nil
	}
	verb := a.o.above(e.By)
	if x.record == nil { // any record: the first kind that lets him
		verb = a.o.atLeast(e.By)
		for _, up := range a.parents {
			if p, err := up.permit(verb); err == nil && !p.none() {
				above.access = up
				break
			}
		}
	}
	e.By, e.Parent, e.ParentID = verb, above.access.o.name, ID{}
	if above.record != nil {
		e.ParentID = above.record.meta().ID
	}
	return true, above.explain(ctx, e)
}

// simply answers where no grant does.
func (x *explainer) simply(e *Explanation) bool {
	a := x.access
	switch {
	case x.explained.system:
		e.Cause = CauseSystem
	case a.all:
		e.Cause = CauseOpen
	case a.denied != "" && a.seat != nil:
		e.Cause = CauseInactive
	case a.denied != "":
		e.Cause = CauseNoMember
	default:
		return false
	}
	e.Allowed = a.all
	return true
}

// widest names the role that grants the most: his own before a team's.
func (x *explainer) widest(e *Explanation) {
	a := x.access
	e.Cause = CauseNoGrant
	if e.Level > LevelNone {
		e.Cause = CauseOwn
	}
	most := LevelNone
	for _, h := range a.rights.held(a.seat) {
		level := h.role.level(a.o.name, e.By)
		if level <= most || level < e.Level {
			continue
		}
		most = level
		e.Cause, e.RoleID, e.Role = CauseGrant, h.role.id, h.role.name
		if h.team != nil {
			e.TeamID, e.Team = h.team.id, h.team.name
		}
	}
}

// decides reports whether a verb decides over rights whatever it does.
func (x *explainer) decides(verb Verb) bool {
	return x.access.o.name == roleKind && slices.Contains([]Verb{VerbCreate, VerbUpdate, VerbDelete}, verb)
}

// share finds the share that lets him do it after all.
func (x *explainer) share(ctx context.Context, e *Explanation) error {
	a := x.access
	access := map[Verb]ShareAccess{VerbRead: ShareRead, VerbUpdate: ShareWrite}[e.By]
	if access == "" || !a.shared() {
		return nil
	}
	o := a.o.core.Shares.o
	v := storage.Values(make([]any, len(o.columns)))
	col := o.byName["id"].col
	err := a.o.core.session(ctx).Read(ctx, a.tenant, &storage.Query{
		Table: o.table, Columns: []int{col}, Limit: 1,
		Where: append(sharesOf(a.o.name, x.record.meta().ID), living(false), a.givenTo(access)),
	}, func() storage.Row { return v })
	if id, found := v[col].(uuid.UUID); err == nil && found {
		*e = Explanation{
			Allowed: true, Member: e.Member, Verb: e.Verb, Object: e.Object, ID: e.ID, By: e.By,
			Parent: e.Parent, ParentID: e.ParentID, Cause: CauseShare, ShareID: ID(id),
		}
	}
	return err
}

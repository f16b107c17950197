package crm

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// The kinds of records that decide over rights.
const (
	memberKind = "member"
	teamKind   = "team"
	roleKind   = "role"
	shareKind  = "share"
)

// Member is a user of the host, as a tenant's records know him: who owns them, is
// in teams and has roles. Actors need no member while a tenant is open.
//
// His name and e-mail address are his own to change under a right to update at
// LevelOwn. What decides over rights (key, inactive, teams, roles) takes the right
// to update every role.
type Member struct {
	Record

	// Key is the host's own key of the user, the Member of an [Actor].
	Key   string `crm:"required,unique,max=200"         json:"key"`
	Name  string `crm:"required,max=200,fold,sort,search" json:"name"`
	Email string `crm:"max=254,search,personal"         json:"email,omitempty"`
	// Inactive is one who has left: he may do nothing, even in an open tenant, and
	// keeps the records he owns until they are given to others.
	Inactive bool `json:"inactive,omitempty"`
	// TeamIDs are the teams he is in, at most 50.
	TeamIDs []ID `crm:"json" json:"team_ids,omitempty"`
	// RoleIDs are the roles he has besides those of his teams, at most 50.
	RoleIDs []ID `crm:"json" json:"role_ids,omitempty"`
}

// Members are a tenant's members. One who owns records, or with whom records are
// shared, is not deleted: give them to others first, or make him inactive. Nobody can
// give him one meanwhile; of what he makes himself in that instant see
// [Members.Release].
type Members struct{ Collection[Member] }

const (
	maxMembers = 10_000 // of a tenant: all are held in memory, and a level is a list of them
	maxLinks   = 50     // teams or roles of one member, roles of one team
)

func (c *Core) defineMembers() error {
	kind, err := Define(c, Object[Member]{Name: memberKind, BeforeWrite: checkMember, AfterWrite: c.checkMemberLinks})
	if err != nil {
		return err
	}
	kind.o.rights = true
	c.Members = &Members{kind.Collection}
	return nil
}

// Ensure returns the member of a key, and makes him if there is none, with a name
// or, without one, the key as name. It is idempotent, and safe beside others who do
// the same. A member who is there stays as he is.
func (m *Members) Ensure(ctx context.Context, key, name string) (Member, error) {
	kept, err := m.ensure(ctx, key, name)
	return kept, failed("ensure", memberKind, ID{}, err)
}

func (m *Members) ensure(ctx context.Context, key, name string) (Member, error) {
	found, err := m.byKey(ctx, key)
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	if name == "" {
		name = key
	}
	made := Member{Key: key, Name: name}
	err = m.o.create(ctx, []*rec{m.rec(&made)}) // the caller says what failed
	if errors.Is(err, ErrConflict) {            // somebody else was first
		return m.byKey(ctx, key)
	}
	return made, err
}

// ByKey returns the member of a key; without one, or when the actor may not read
// him, it is [ErrNotFound].
func (m *Members) ByKey(ctx context.Context, key string) (Member, error) {
	found, err := m.byKey(ctx, key)
	if err == nil && m.o.core.watched(ctx) {
		err = m.o.toldIDs(ctx, ReadingRead, []ID{found.ID})
	}
	if err != nil {
		return Member{}, failed("get", memberKind, ID{}, err)
	}
	return found, nil
}

// Me returns the member whom the actor of ctx is, whatever he may read; where he is none,
// or the tenant itself acts, it is [ErrNotFound].
func (m *Members) Me(ctx context.Context) (Member, error) {
	sc, err := scopeOf(ctx)
	if err == nil && sc.system {
		err = ErrNotFound
	}
	var found Member
	if err == nil {
		found, err = m.byKey(SystemIn(ctx), sc.Member)
	}
	return found, failed("get", memberKind, ID{}, err)
}

func (m *Members) byKey(ctx context.Context, key string) (Member, error) {
	r, err := m.o.reader(ctx)
	if err != nil {
		return Member{}, err
	}
	if err := r.access.readable("key"); err != nil {
		return Member{}, err
	}
	found, err := r.one(ctx, storage.And{living(false), storage.Is{Field: storage.F("key"), Op: storage.Eq, Value: key}})
	if err != nil {
		return Member{}, err
	}
	return value[Member](found), nil
}

// one reads the record that satisfies a condition.
func (r *reader) one(ctx context.Context, where storage.And) (*rec, error) {
	var found *rec
	err := r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: r.table, Columns: r.access.columns(), Limit: 1, Where: r.access.reading(where),
	}, func() storage.Row {
		found = r.newRec()
		return found
	})
	if err == nil && found == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return found, r.core.shown(ctx, r.sc, r.object, r.access, []*rec{found})
}

func checkMember(_ context.Context, w *Write[Member]) error {
	m := w.After
	if !m.OwnerID.IsZero() {
		return Invalid("owner_id", "a member is nobody's but his own: leave it out")
	}
	if err := links("team_ids", &m.TeamIDs); err != nil {
		return err
	}
	return links("role_ids", &m.RoleIDs)
}

// links brings a list of ids to its form: each once, in order.
func links(field string, list *[]ID) error {
	slices.SortFunc(*list, ID.Compare)
	*list = slices.Compact(*list)
	switch {
	case len(*list) == 0:
		*list = nil
	case len(*list) > maxLinks:
		return Invalid(field, "has %d ids, and %d are allowed", len(*list), maxLinks)
	case (*list)[0].IsZero():
		return Invalid(field, "has an empty id in it: remove it")
	}
	return nil
}

// checkMemberLinks holds that a member's teams and roles are there.
func (c *Core) checkMemberLinks(ctx context.Context, w *Write[Member]) error {
	if w.Verb == VerbDelete {
		return nil
	}
	var was Member
	if w.Before != nil && w.Before.Deleted.IsZero() {
		was = *w.Before
	}
	if err := c.linked(ctx, c.Teams.o, "team_ids", was.TeamIDs, w.After.TeamIDs); err != nil {
		return err
	}
	return c.linked(ctx, c.Roles.o, "role_ids", was.RoleIDs, w.After.RoleIDs)
}

// linked holds that the ids a list did not have before are living records. It is
// asked after the tenant's count of changes of rights was written, which lets one
// writer of rights at a time go on: nobody deletes one of them meanwhile.
func (c *Core) linked(ctx context.Context, to *object, field string, was, is []ID) error {
	var added []any
	for _, id := range is {
		if !slices.Contains(was, id) {
			added = append(added, uuid.UUID(id))
		}
	}
	if len(added) == 0 {
		return nil
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	n, err := count(ctx, c.session(ctx), sc.Tenant, to.table, storage.And{storage.In{Field: storage.F("id"), Values: added}, living(false)})
	if err == nil && n < int64(len(added)) {
		err = Invalid(field, "refers to no %s that lives", to.name)
	}
	return err
}

// unlisted refuses that a record goes while records of another kind have it in a
// list: for a purge deleted ones too.
func (c *Core) unlisted(ctx context.Context, id ID, by *object, field string, purge bool) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	where := storage.And{storage.Has{Field: storage.F(field), Text: id.String()}}
	if !purge {
		where = append(where, living(false))
	}
	n, err := count(ctx, c.session(ctx), sc.Tenant, by.table, where)
	if err == nil && n > 0 {
		err = by.inUse(by.plural, n, field)
	}
	return err
}

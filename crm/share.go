package crm

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// ShareAccess is what a share gives.
type ShareAccess string

// What a share gives.
const (
	ShareRead  ShareAccess = "read"  // to read the record
	ShareWrite ShareAccess = "write" // to read and to update it
)

// Share lets a member or a team read or update one record that their level does not
// reach. It widens a right and makes none: who may read no deals at all reads no
// shared deal either. To make one, or to change what it gives, takes the right to
// share the record, to read it and, for ShareWrite, to update it. Who made it owns
// it, and may change it back or delete it.
type Share struct {
	Record

	Object   string `crm:"required,max=48" json:"object"`
	RecordID ID     `crm:"required"        json:"record_id"`
	// MemberID or TeamID, one of the two, is with whom the record is shared.
	MemberID ID `crm:"ref=member,as=shares" json:"member_id,omitzero"`
	TeamID   ID `crm:"ref=team,as=shares"   json:"team_id,omitzero"`
	// Below shares with the members of all teams below TeamID too, as with a
	// department.
	Below  bool        `json:"below,omitempty"`
	Access ShareAccess `crm:"required,enum=read|write" json:"access"`
}

// Validate holds that a share is with a member or a team.
func (s *Share) Validate() error {
	switch {
	case s.MemberID.IsZero() == s.TeamID.IsZero():
		return Invalid("member_id", "a share is with a member or with a team, one of the two")
	case s.Below && s.TeamID.IsZero():
		return Invalid("below", "is for a share with a team")
	}
	return nil
}

// Shares are a tenant's shares. Members, teams, roles and shares are not shared
// themselves.
type Shares struct{ Collection[Share] }

func (c *Core) defineShares() error {
	kind, err := Define(c, Object[Share]{Name: shareKind, BeforeWrite: c.checkShare})
	if err != nil {
		return err
	}
	c.Shares = &Shares{kind.Collection}
	return nil
}

// Party is with whom a record is shared: see [WithMember], [WithTeam], [WithSubtree].
type Party struct {
	member, team ID
	below        bool
}

// WithMember is one member.
func WithMember(id ID) Party { return Party{member: id} }

// WithTeam is the members of a team.
func WithTeam(id ID) Party { return Party{team: id} }

// WithSubtree is the members of a team and of all teams below it: a department.
func WithSubtree(id ID) Party { return Party{team: id, below: true} }

// Share shares a record with a member or a team, or changes what the share they
// have gives. It is idempotent.
func (s *Shares) Share(ctx context.Context, object string, id ID, with Party, access ShareAccess) (Share, error) {
	var kept Share
	again := func(ctx context.Context) (err error) {
		kept, err = s.share(ctx, object, id, with, access)
		return err
	}
	err := s.o.core.atomic(ctx, again)
	if errors.Is(err, ErrConflict) { // somebody else was first
		err = s.o.core.atomic(ctx, again)
	}
	return kept, failed("share", object, id, err)
}

func (s *Shares) share(ctx context.Context, object string, id ID, with Party, access ShareAccess) (Share, error) {
	found, err := s.find(ctx, object, id, with)
	if err != nil {
		return Share{}, err
	}
	if found.ID.IsZero() {
		made := Share{Object: object, RecordID: id, MemberID: with.member, TeamID: with.team, Below: with.below, Access: access}
		err := s.o.create(ctx, []*rec{s.rec(&made)}) // the caller says what failed
		return made, err
	}
	return s.Update(ctx, found.ID, func(s *Share) error {
		s.Access, s.Below = access, with.below
		return nil
	})
}

// Withdraw ends a share. It is no error when there is none, nor when there is one
// that the actor may not read.
func (s *Shares) Withdraw(ctx context.Context, object string, id ID, with Party) error {
	err := s.o.core.atomic(ctx, func(ctx context.Context) error {
		found, err := s.find(ctx, object, id, with)
		if err == nil && !found.ID.IsZero() {
			err = s.Delete(ctx, found.ID)
		}
		return err
	})
	return failed("withdraw", object, id, err)
}

// find returns the living share of a record with a party, as far as the actor may
// read it, or a zero one.
func (s *Shares) find(ctx context.Context, object string, id ID, with Party) (Share, error) {
	r, err := s.o.reader(ctx)
	if err != nil {
		return Share{}, err
	}
	column, party := "member_id", with.member
	if party.IsZero() {
		column, party = "team_id", with.team
	}
	found, err := r.one(ctx, append(sharesOf(object, id), living(false), storage.Is{Field: storage.F(column), Op: storage.Eq, Value: uuid.UUID(party)}))
	if err == ErrNotFound { //nolint:errorlint // one's own
		return Share{}, nil
	}
	if err != nil {
		return Share{}, err
	}
	return value[Share](found), nil
}

// sharesOf is the condition on shares that they are of a record.
func sharesOf(object string, id ID) storage.And {
	return storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)},
	}
}

// checkShare holds that the record is there and the actor's to share.
func (c *Core) checkShare(ctx context.Context, w *Write[Share]) error {
	s := w.After
	o := c.objects[s.Object]
	switch {
	case o == nil || o.rights || o.name == shareKind || !o.free():
		return Invalid("object", "there is no kind %q whose records are shared", s.Object)
	case w.Before != nil && (s.Object != w.Before.Object || s.RecordID != w.Before.RecordID || s.MemberID != w.Before.MemberID || s.TeamID != w.Before.TeamID):
		return Invalid("record_id", "a share stays with its record and with whom it is: make another one")
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	target := &writer{object: o, sc: sc}
	if target.access, err = c.access(ctx, sc, o); err != nil {
		return err
	}
	if err := target.access.may(VerbShare); err != nil {
		return err
	}
	shared, err := target.load(ctx, s.RecordID)
	if err != nil {
		return err
	}
	if _, hangs := shared.subjectOf(); hangs || o.parent != nil && shared.Value(o.parent.col) != nil {
		return Invalid("record_id", "it is seen by who may read the %s it belongs to: share that one", o.kindsAbove())
	}
	if err := target.access.mayWrite(ctx, VerbShare, shared); err != nil {
		return err
	}
	if s.Access != ShareWrite {
		return nil
	}
	return target.access.mayWrite(ctx, VerbUpdate, shared)
}

// sharesChanged makes known that there are shares of a kind, or none any more:
// before the first one no query asks for them.
func (w *writer) sharesChanged(ctx context.Context, changes []*change) error {
	made := map[string][]any{}
	for _, c := range changes {
		switch {
		case c.after == nil:
			return w.core.rightsChanged(ctx, w.sc.Tenant)
		case c.before == nil:
			s, _ := c.after.v.(*Share)
			made[s.Object] = append(made[s.Object], uuid.UUID(s.ID))
		}
	}
	for object, ids := range made {
		others, err := w.sharedBefore(ctx, object, ids)
		if err != nil {
			return err
		}
		if !others {
			return w.core.rightsChanged(ctx, w.sc.Tenant)
		}
	}
	return nil
}

// sharedBefore reports whether records of a kind had shares before those just made.
// It holds the one it finds, so that it is not purged meanwhile.
func (w *writer) sharedBefore(ctx context.Context, object string, made []any) (found bool, err error) {
	if len(made) > storage.MaxValues {
		return false, nil
	}
	v := make(storage.Values, len(w.columns))
	err = w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: []int{w.byName["id"].col}, Limit: 1, Lock: true,
		Where: storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
			storage.Not{Expr: storage.In{Field: storage.F("id"), Values: made}},
		},
	}, func() storage.Row {
		found = true
		return v
	})
	return found, err
}

// dropShares purges the shares of a record that was purged.
func (c *Core) dropShares(ctx context.Context, sc scope, o *object, id ID) error {
	if o.rights || o.name == shareKind {
		return nil
	}
	sc.trusted = true
	ctx = context.WithValue(ctx, scopeKey{}, sc)
	var ids []ID
	err := c.Shares.o.eachRow(ctx, c.session(ctx), sc.Tenant, sharesOf(o.name, id), []string{"id"}, func(r row) {
		ids = append(ids, r.id("id"))
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := c.Shares.o.purge(ctx, id, nil); err != nil {
			return err
		}
	}
	return nil
}

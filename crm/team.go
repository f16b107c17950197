package crm

import "context"

// Team is a group of members, and part of a tree: departments with teams below
// them. Its members have its roles. The roles of the teams above are not theirs.
//
// Its parent and its roles decide over rights; to change them takes the right to
// update every role.
type Team struct {
	Record

	Name     string `crm:"required,max=200,fold,sort"  json:"name"`
	ParentID ID     `crm:"ref=team,tree,as=subteams"   json:"parent_id,omitzero"`
	// RoleIDs are the roles its members have, at most 50.
	RoleIDs []ID `crm:"json" json:"role_ids,omitempty"`
}

// Teams are a tenant's teams. One that has members or teams below it, or with which
// records are shared, is not deleted.
type Teams struct{ Collection[Team] }

const maxTeams = 1_000 // of a tenant

func (c *Core) defineTeams() error {
	kind, err := Define(c, Object[Team]{
		Name: teamKind,
		BeforeWrite: func(_ context.Context, w *Write[Team]) error {
			return links("role_ids", &w.After.RoleIDs)
		},
		AfterWrite: c.checkTeamLinks,
	})
	if err != nil {
		return err
	}
	kind.o.rights = true
	c.Teams = &Teams{kind.Collection}
	return nil
}

// checkTeamLinks holds that a team's roles are there, and that a team that goes is
// nobody's.
func (c *Core) checkTeamLinks(ctx context.Context, w *Write[Team]) error {
	if w.Verb == VerbDelete {
		return c.unlisted(ctx, w.Before.ID, c.Members.o, "team_ids", w.After == nil)
	}
	var was Team
	if w.Before != nil && w.Before.Deleted.IsZero() {
		was = *w.Before
	}
	return c.linked(ctx, c.Roles.o, "role_ids", was.RoleIDs, w.After.RoleIDs)
}

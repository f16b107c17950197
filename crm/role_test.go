package crm_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestRolesSpeakOfWhatThereIs(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		for says, r := range map[string]crm.Role{
			`grants[1]: there is no kind "deals"`: {Grants: []crm.Grant{{Object: "deal", Verb: crm.VerbRead}, {Object: "deals", Verb: crm.VerbRead}}},
			`there is no verb "write"`:            {Grants: []crm.Grant{{Object: "deal", Verb: "write"}}},
			"level":                               {Grants: []crm.Grant{{Object: "deal", Verb: crm.VerbRead, Level: 9}}},
			`fields[0]: there is no kind "*"`:     {Fields: []crm.FieldRule{{Object: "*", Field: "name", Access: crm.FieldHidden}}},
			`deal has no field "amont"`:           {Fields: []crm.FieldRule{{Object: "deal", Field: "amont", Access: crm.FieldHidden}}},
			"hidden, masked or readonly":          {Fields: []crm.FieldRule{{Object: "deal", Field: "amount", Access: "none"}}},
			"id is the kernel's own":              {Fields: []crm.FieldRule{{Object: "deal", Field: "id", Access: crm.FieldHidden}}},
		} {
			r.Name = "R"
			_, err := f.Roles.Create(f.sys, r)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
		}
		_, err := f.Roles.Create(f.sys, crm.Role{Name: "R", Fields: []crm.FieldRule{{Object: "deal", Field: "custom.tier", Access: crm.FieldHidden}}})
		require.NoError(t, err)
		_, err = f.Roles.Create(f.sys, crm.Role{Name: "r"})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = f.Members.Create(f.sys, crm.Member{Key: "x", Name: "x", TeamIDs: []crm.ID{{1}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "team_ids")
		_, err = f.Members.Update(f.sys, f.ada.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{{1}}; return nil })
		require.ErrorContains(t, err, "role_ids")
		_, err = f.Teams.Update(f.sys, f.board.ID, func(x *crm.Team) error { x.ParentID = f.north.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, f.Teams.Delete(f.sys, f.north.ID), "1 member still refers")
		require.ErrorContains(t, f.Teams.Delete(f.sys, f.board.ID), "2 teams")
		_, err = f.Members.Create(f.sys, crm.Member{Key: "ada", Name: "another"})
		require.ErrorIs(t, err, crm.ErrConflict)

		again, err := f.Members.Ensure(f.sys, "ada", "not this")
		require.NoError(t, err)
		require.Equal(t, f.ada.ID, again.ID)
		made, err := f.Members.Ensure(f.sys, "new", "")
		require.NoError(t, err)
		require.Equal(t, "new", made.Name)
	})
}

func TestRolesInUseStay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		for range 10 { // one gives the role, the other deletes it
			r := f.role(t, "Fleeting", nil)
			var given, deleted error
			var both sync.WaitGroup
			both.Go(func() {
				_, given = f.Members.Update(f.sys, f.ada.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{r.ID}; return nil })
			})
			both.Go(func() { deleted = f.Roles.Delete(f.sys, r.ID) })
			both.Wait()
			require.NotEqual(t, given == nil, deleted == nil, "%v, %v", given, deleted)
			if given != nil {
				require.ErrorIs(t, given, crm.ErrInvalid)
			} else {
				require.ErrorIs(t, deleted, crm.ErrConflict)
				f.give(t, f.ada)
				require.NoError(t, f.Roles.Delete(f.sys, r.ID))
			}
		}
	})
}

func TestATenantHasRoomForSoManyRoles(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		roles := make([]crm.Role, 201)
		for i := range roles {
			roles[i].Name = fmt.Sprint("role ", i)
		}
		_, err := f.Roles.CreateAll(f.sys, roles)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "200 roles")
		_, err = f.Roles.CreateAll(f.sys, roles[1:])
		require.NoError(t, err)
		_, err = f.Roles.Create(f.sys, roles[0])
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

package crmtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
)

func TestActors(t *testing.T) {
	t.Parallel()
	core := crmtest.New(t, nil)
	team, err := core.Teams.Create(crmtest.As(t, "dana"), crm.Team{Name: "North"})
	require.NoError(t, err, "the tenant is open")
	_, err = core.Roles.Create(crmtest.System(t), crm.Role{Name: "Guest"})
	require.NoError(t, err)
	_, err = core.Teams.Create(crmtest.As(t, "dana"), crm.Team{Name: "South"})
	require.ErrorIs(t, err, crm.ErrForbidden, "it is closed")
	past, err := core.Teams.History(crm.System(t.Context(), "acme"), team.ID)
	require.NoError(t, err)
	require.Equal(t, "member:dana", past.Items[0].Actor)
}

package activity_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// account and project are kinds of a host's own; a project belongs to nobody but its owner.
type account struct {
	crm.Record

	Name string `crm:"required,max=200,search" json:"name"`
}

type project struct {
	crm.Record

	Name      string `crm:"required,max=200,search" json:"name"`
	AccountID crm.ID `crm:"ref=account"             json:"account_id,omitzero"`
}

// desk is a core with two kinds of a host's own, and what is done about them.
type desk struct {
	*crmtest.Core
	*activity.Activity

	config   crm.Config
	accounts *crm.Collection[account]
	projects *crm.Collection[project]
}

func newDesk(tb testing.TB, store storage.Store) *desk {
	tb.Helper()
	blobs, err := activity.NewDirectory(tb.TempDir())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = blobs.Close() })
	return openDesk(tb, store, crm.Config{Blobs: blobs, MaxBlob: 1 << 20})
}

func openDesk(tb testing.TB, store storage.Store, cfg crm.Config) *desk {
	tb.Helper()
	d := &desk{config: cfg}
	d.Core = crmtest.On(tb, store, cfg, func(c *crm.Core) (err error) {
		accounts, err := crm.Define(c, crm.Object[account]{Name: "account"})
		if err != nil {
			return err
		}
		projects, err := crm.Define(c, crm.Object[project]{
			Name: "project", Timeline: []crm.Appearance{{On: "account_id", Title: "name"}},
		})
		if err != nil {
			return err
		}
		d.accounts, d.projects = &accounts.Collection, &projects.Collection
		c.AddLine(storage.Line{Name: "desk", Files: lines(), Needs: map[string]int{"crm": 3}})
		d.Activity, err = activity.New(c)
		return err
	})
	return d
}

// onBoth runs fn on a desk in either engine, as dana of acme.
func onBoth(t *testing.T, fn func(ctx context.Context, t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		fn(as(t, "dana"), t, newDesk(t, e.Store))
	})
}

// as and system are the contexts of a member, and of the tenant itself.
var as, system = crmtest.As, crmtest.System

func (d *desk) account(ctx context.Context, tb testing.TB) account {
	tb.Helper()
	made, err := d.accounts.Create(ctx, account{Name: "Lovelace & Co"})
	require.NoError(tb, err)
	return made
}

func (d *desk) project(ctx context.Context, tb testing.TB, of crm.ID) project {
	tb.Helper()
	made, err := d.projects.Create(ctx, project{Name: "Engine", AccountID: of})
	require.NoError(tb, err)
	return made
}

// member makes a member of acme, and gives him a role of the grants.
func (d *desk) member(tb testing.TB, key string, grants ...crm.Grant) crm.Member {
	tb.Helper()
	m := crm.Member{Key: key, Name: key}
	if grants != nil {
		role, err := d.Roles.Create(system(tb), crm.Role{Name: "role of " + key, Grants: grants})
		require.NoError(tb, err)
		m.RoleIDs = []crm.ID{role.ID}
	}
	made, err := d.Members.Create(system(tb), m)
	require.NoError(tb, err)
	return made
}

// whole holds everything stored to the kernel's invariants.
func (d *desk) whole(tb testing.TB) {
	tb.Helper()
	problems, err := d.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

// newStore is a store in a file of the test's.
func newStore(tb testing.TB) storage.Store {
	tb.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(tb.TempDir(), "crm.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

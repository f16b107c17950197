// Package embedcrmtest gives a host's tests a CRM on a database of their own, with a
// clock they move.
//
//	app := embedcrmtest.New(t)
//	app.Clock.Advance(72 * time.Hour)
package embedcrmtest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver of the test's database

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// App is an [embedcrm.App] for a test.
type App struct {
	*embedcrm.App

	// Clock stands still, at [crmtest.Start], until the test moves it.
	Clock *crmtest.Clock
	Store storage.Store
}

// New returns a CRM in a temporary SQLite file, migrated. It ends with the test.
func New(tb testing.TB) *App {
	tb.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(tb.TempDir(), "crm.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return On(tb, store, crm.Config{})
}

// On is [New] on a store of the test's own, with its own configuration but for the
// Clock, which is the App's.
func On(tb testing.TB, store storage.Store, cfg crm.Config) *App {
	tb.Helper()
	clock := &crmtest.Clock{}
	cfg.Clock = clock
	app, err := embedcrm.New(store, cfg)
	require.NoError(tb, err)
	require.NoError(tb, app.Migrate(tb.Context()))
	return &App{App: app, Clock: clock, Store: store}
}

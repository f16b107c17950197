// Package crmtest gives tests a CRM kernel on a database of their own, with a clock
// they move.
//
//	core := crmtest.New(t, func(c *crm.Core) error { … crm.Define … })
//	ctx := crmtest.As(t, "dana")
//	core.Clock.Advance(72 * time.Hour)
package crmtest

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver of the test's database

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Start is the time at which a [Clock] begins.
func Start() time.Time { return time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC) } // a Monday

// Clock is a clock that stands still until the test moves it. The zero Clock is at
// [Start].
type Clock struct {
	mu    sync.Mutex
	moved time.Duration
}

var _ crm.Clock = (*Clock)(nil)

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Start().Add(c.moved)
}

// Advance moves the clock, backward if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// Core is a [crm.Core] for a test.
type Core struct {
	*crm.Core

	Clock *Clock
	Store storage.Store
}

// New returns a Core in a temporary SQLite file, with the kinds of records that
// define defines, migrated. It ends with the test.
func New(tb testing.TB, define func(*crm.Core) error) *Core {
	tb.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(tb.TempDir(), "crm.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return On(tb, store, crm.Config{}, define)
}

// On is [New] on a store of the test's own, with its own configuration but for a
// Clock that is not given.
func On(tb testing.TB, store storage.Store, cfg crm.Config, define func(*crm.Core) error) *Core {
	tb.Helper()
	clock := &Clock{}
	if cfg.Clock == nil {
		cfg.Clock = clock
	}
	core, err := crm.New(store, cfg)
	require.NoError(tb, err)
	if define != nil {
		require.NoError(tb, define(core))
	}
	require.NoError(tb, core.Migrate(tb.Context()))
	return &Core{Core: core, Clock: clock, Store: store}
}

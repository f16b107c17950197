// Package dbtest runs the storage suite over what hosts bring: drivers, versions and poolers. It is a module of its
// own, so that nothing it needs reaches the go.sum of a program that uses embedcrm.
//
// A [Config] is one way a host has its database. With -short a part of a few runs; without, all. The package itself
// imports no driver of SQLite, since two of them do not belong in one process: modernc's is tested here, mattn's in
// the package mattn.
package dbtest

import (
	"maps"
	"slices"
	"testing"

	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// Config is one way a host has its database.
type Config struct {
	Name string
	// Quick are the groups of the suite that run with -short, too.
	Quick []string
	// Skip is what the host gave up by having its database so, as [storagetest.Harness] takes it.
	Skip map[string]string
	Open func(t *testing.T) storagetest.Database
}

// Run runs the suite on each configuration, two at a time or as -parallel says. The random and concurrent tests go
// fewer rounds here: what a configuration changes shows in the first, and the adapters' own tests go the whole way.
func Run(t *testing.T, configs ...Config) {
	t.Helper()
	groups := []string{
		"Values", "Query", "Aggregate", "Write", "Expand", "Claim", "Transactions", "Join", "Concurrency", "Migration", "Tenants", "Input",
	}
	for _, c := range configs {
		t.Run(c.Name, func(t *testing.T) {
			const slow = "the whole matrix runs without -short"
			skip := map[string]string{}
			maps.Copy(skip, c.Skip)
			if testing.Short() {
				if len(c.Quick) == 0 {
					t.Skip(slow)
				}
				for _, group := range groups {
					if !slices.Contains(c.Quick, group) {
						skip[group] = slow
					}
				}
			}
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{Open: c.Open, Skip: skip, Short: true})
		})
	}
}

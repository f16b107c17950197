// Package dbtest runs the storage suite over what hosts bring: drivers, versions and poolers. It is a module of its
// own, so that nothing it needs reaches the go.sum of a program that uses embedcrm.
//
// A [Config] is one way a host has its database. With -short a few cheap ones run; without, all. The package itself
// imports no driver of SQLite, since two of them do not belong in one process: modernc's is tested here, mattn's in
// the package mattn.
package dbtest

import (
	"testing"

	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// Config is one way a host has its database.
type Config struct {
	Name string
	// Cheap configurations run with -short, too.
	Cheap bool
	// Skip is what the host gave up by having its database so, as [storagetest.Harness] takes it.
	Skip map[string]string
	Open func(t *testing.T) storagetest.Database
}

// Run runs the suite on each configuration, two at a time or as -parallel says. The random and concurrent tests go
// fewer rounds here: what a configuration changes shows in the first, and the adapters' own tests go the whole way.
func Run(t *testing.T, configs ...Config) {
	t.Helper()
	for _, c := range configs {
		t.Run(c.Name, func(t *testing.T) {
			if testing.Short() && !c.Cheap {
				t.Skip("the whole matrix runs without -short")
			}
			t.Parallel()
			storagetest.Run(t, storagetest.Harness{Open: c.Open, Skip: c.Skip, Short: true})
		})
	}
}

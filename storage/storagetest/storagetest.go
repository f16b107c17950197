// Package storagetest is the conformance suite of the storage contract: every
// sentence of package storage that promises something is a test here, named after
// it. An adapter, one of this module's or anyone's, is right when it passes:
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, storagetest.Harness{Open: open})
//	}
//
// The tests are grouped: Values, Query, Aggregate, Write, Expand, Claim,
// Transactions, Join, Concurrency, Migration, Tenants and Input. The suite brings
// its own tables and never sleeps; a deadline in it only bounds what would hang.
package storagetest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

// Harness says how to make databases for the suite.
type Harness struct {
	// Open returns a fresh database with nothing of the CRM in it. What it opened
	// it closes by t.Cleanup.
	Open func(t *testing.T) Database
	// Skip names groups ("Claim") and tests ("Join/cancellation storm") that this
	// adapter or configuration cannot pass, each with the reason.
	Skip map[string]string
	// Short runs fewer rounds of the random and concurrent tests.
	Short bool
}

// Database is one database of a [Harness], as a host has it.
type Database struct {
	// Store is the adapter under test. Each test uses it from one goroutine or
	// from many, as the contract allows.
	Store storage.Store
	// SQL is the host's own pool on the same database.
	SQL *sql.DB
	// Dialect is "postgres" or "sqlite": which migration files are run, and which
	// SQL the suite writes where it plays the host.
	Dialect string
	// Reopen returns another Store on the same database, as another process has
	// one. Nil says that there can be none.
	Reopen func(t *testing.T) storage.Store
	// Begin begins a transaction as this host does; nil is SQL.BeginTx(ctx, nil).
	Begin func(ctx context.Context) (*sql.Tx, error)
	// Joined runs the tests of data (Values, Query, Aggregate, Write, Expand,
	// Tenants and Input) with every call inside a transaction of the host's, and
	// skips the other groups: it is a second run beside the plain one.
	Joined bool
	// Table returns a table's name in the host's own SQL, such as crm_note or
	// "crm".note.
	Table func(name string) string
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	require.NotNil(t, h.Open, "the harness has no Open")
	all := groups()
	for name := range h.Skip {
		known := slices.ContainsFunc(all, func(g group) bool {
			return g.name == name || slices.ContainsFunc(g.tests, func(c testCase) bool { return g.name+"/"+c.name == name })
		})
		require.True(t, known, "the harness skips %q, which is no test of the suite", name)
	}
	for _, g := range all {
		t.Run(g.name, func(t *testing.T) { g.run(t, h) })
	}
}

// group is a part of the suite.
type group struct {
	name string
	// data says that the tests use nothing of a Store but the calls of a Session,
	// so that they can run joined.
	data  bool
	tests []testCase
}

// testCase is one promise of the contract.
type testCase struct {
	name string
	on   database
	run  func(t *testing.T, e *env)
}

// database says which database a test is given.
type database int

const (
	shared database = iota // the group's, with a tenant of the test's own
	fresh                  // one of its own
	bare                   // one of its own in which nothing is migrated
)

func groups() []group {
	return []group{
		{"Values", true, valuesTests()},
		{"Query", true, queryTests()},
		{"Union", true, unionTests()},
		{"Aggregate", true, aggregateTests()},
		{"Write", true, writeTests()},
		{"Words", true, wordTests()},
		{"Expand", true, expandTests()},
		{"Claim", false, claimTests()},
		{"Transactions", false, transactionTests()},
		{"Join", false, joinTests()},
		{"Concurrency", false, concurrencyTests()},
		{"Migration", false, migrationTests()},
		{"Tenants", true, tenantTests()},
		{"Input", true, inputTests()},
	}
}

func (g group) run(t *testing.T, h Harness) {
	if reason, ok := h.Skip[g.name]; ok {
		t.Skip(reason)
	}
	var common *env // opened by the first test that shares it, closed with the group
	for n, c := range g.tests {
		t.Run(c.name, func(sub *testing.T) {
			if reason, ok := h.Skip[g.name+"/"+c.name]; ok {
				sub.Skip(reason)
			}
			var e *env
			switch {
			case c.on != shared:
				e = open(sub, h, g, c.on == fresh)
			default:
				if common == nil {
					common = open(t, h, g, true)
				}
				e = common
			}
			if e.Joined && !g.data {
				sub.Skip("only the groups of data run inside a host's transaction")
			}
			e = e.with(sub, fmt.Sprintf("t%03d", n))
			if c.on == bare { // migrations wait for each other, and must not do so for ever
				ctx, cancel := context.WithTimeout(e.ctx, patience)
				defer cancel()
				e.ctx = ctx
			}
			c.run(sub, e)
		})
	}
}

// open returns an env on a database of its own.
func open(t *testing.T, h Harness, g group, migrated bool) *env {
	t.Helper()
	d := h.Open(t)
	require.NotNil(t, d.Store, "the harness opened no Store")
	require.NotNil(t, d.SQL, "the harness opened no pool")
	require.NotNil(t, d.Table, "the harness names no tables")
	require.Contains(t, []string{"postgres", "sqlite"}, d.Dialect)
	if d.Begin == nil {
		d.Begin = func(ctx context.Context) (*sql.Tx, error) { return d.SQL.BeginTx(ctx, nil) }
	}
	e := &env{Database: d, tables: newTables(), t: t, ctx: t.Context(), s: d.Store, short: h.Short}
	e.another = func(t *testing.T) *env { return open(t, h, g, true) }
	if d.Joined && g.data {
		e.s = joined{t: t, d: d}
	}
	if migrated && (!d.Joined || g.data) {
		require.NoError(t, d.Store.Migrate(t.Context(), suiteLine()), "migrating the suite's tables")
	}
	return e
}

// joined is a Session whose every call is a transaction of the host's. The host
// commits after a call that failed, too: nothing of that call may be left.
type joined struct {
	t *testing.T
	d Database
}

func (j joined) in(ctx context.Context, call func(storage.Session) error) error {
	tx, err := j.d.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer tx.Rollback()
	s, err := j.d.Store.Join(ctx, tx)
	if err != nil {
		return err
	}
	err = call(s)
	if commit := tx.Commit(); commit != nil {
		j.t.Errorf("the host's commit after a call that returned %v: %v", err, commit)
	}
	return err
}

func (j joined) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	return j.in(ctx, func(s storage.Session) error { return s.Read(ctx, tenant, q, next) })
}

func (j joined) Union(ctx context.Context, tenant string, u *storage.Union, next func() storage.Row) error {
	return j.in(ctx, func(s storage.Session) error { return s.Union(ctx, tenant, u, next) })
}

func (j joined) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	return j.in(ctx, func(s storage.Session) error { return s.Aggregate(ctx, tenant, a, next) })
}

func (j joined) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	return j.in(ctx, func(s storage.Session) error { return s.Write(ctx, tenant, changes) })
}

func (j joined) Expand(ctx context.Context, tenant string, x *storage.Expansion) (n int64, err error) {
	err = j.in(ctx, func(s storage.Session) error {
		n, err = s.Expand(ctx, tenant, x)
		return err
	})
	return n, err
}

func (j joined) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return j.in(ctx, func(s storage.Session) error { return s.Atomic(ctx, fn) })
}

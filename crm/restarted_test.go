//go:build unix

package crm_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/internal/pgtest"
)

// TestPostgresIsRestarted breaks Postgres while a process writes and works in the
// background: one of the server's processes is killed, upon which it ends all sessions,
// recovers from its log and goes on. So must the CRM, in the same process, and what
// was acknowledged is there, and nothing is applied twice.
func TestPostgresIsRestarted(t *testing.T) {
	t.Parallel()
	// The server is this test's own; a commit is in the log before it is acknowledged.
	dsn := pgtest.Server(t, pgtest.UTF8, "synchronous_commit=on").Database(t)
	payments := filepath.Join(t.TempDir(), "payments")
	s := bookshop(t, enginetest.Shared{Name: "postgres", DSN: dsn}.Pool(t).Store, payments)
	stop := s.Start(t.Context())

	var mu sync.Mutex
	acknowledged := map[string]bool{}
	failures := 0
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	var writers sync.WaitGroup
	writing, end := context.WithCancel(system(t))
	defer end()
	for range 2 {
		writers.Go(func() {
			for writing.Err() == nil {
				var c company
				err := s.Tx(writing, func(ctx context.Context) (err error) {
					if c, err = s.companies.Create(ctx, company{Name: "Customer"}); err == nil {
						_, err = s.Jobs.EnqueueAll(ctx, []crm.Job{{Kind: "invite", Payload: c.ID}, {Kind: "pay", Payload: c.ID, Key: c.ID.String()}})
					}
					return err
				})
				mu.Lock()
				if err == nil { // any other company may be there or not, and only whole
					acknowledged[c.ID.String()] = true
				} else if writing.Err() == nil {
					failures++
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		until := count() + 5 + rand.IntN(20)
		require.Eventually(t, func() bool { return count() >= until }, time.Minute, time.Millisecond, "the writers go on after a restart")
		breakServer(t, dsn)
	}
	until := count() + 20
	require.Eventually(t, func() bool { return count() >= until }, time.Minute, time.Millisecond, "the writers go on after the last restart")
	end()
	writers.Wait()
	require.NoError(t, stop(t.Context()))
	require.NotZero(t, failures, "the restarts were noticed")
	for range 3 { // past the leases of what was cut off
		s.Clock.Advance(time.Hour)
		s.work(t)
	}
	s.whole(t)
	settled(t, s, payments, acknowledged)
}

// breakServer kills the server's process for a connection of its own.
func breakServer(t *testing.T, dsn string) {
	t.Helper()
	db := openPlain(t, dsn)
	defer db.Close() //nolint:errcheck // it is broken
	var pid int
	require.Eventually(t, func() bool {
		return db.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid) == nil
	}, time.Minute, 5*time.Millisecond, "the server answers")
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func openPlain(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	return db
}

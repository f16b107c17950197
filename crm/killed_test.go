package crm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// bookshop is a host whose every company gets a deal by a handler of events, one by a
// job, and pays by a job of at-most-once effects.
func bookshop(tb testing.TB, store storage.Store, payments string) *shop {
	tb.Helper()
	s := &shop{}
	offer := func(ctx context.Context, id crm.ID, name string) error {
		_, err := s.deals.Create(ctx, deal{Name: name, CompanyID: id})
		return err
	}
	s.Core = crmtest.On(tb, store, crm.Config{}, func(c *crm.Core) error {
		return errors.Join(s.define(c),
			c.On("company.created", "welcome", func(ctx context.Context, e crm.Event) error { return offer(ctx, e.Record, "by an event") }),
			c.On("*", "counts", func(context.Context, crm.Event) error { return nil }, crm.Outside()),
			crm.HandleJob(c.Jobs, "invite", func(ctx context.Context, _ crm.Job, id crm.ID) error { return offer(ctx, id, "by a job") }),
			crm.HandleJob(c.Jobs, "pay", func(_ context.Context, _ crm.Job, id crm.ID) error {
				f, err := os.OpenFile(payments, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err == nil {
					_, err = fmt.Fprintln(f, id)
					err = errors.Join(err, f.Close())
				}
				return err
			}, crm.AtMostOnce()),
		)
	})
	return s
}

// TestVictim is no test but the process that TestKilled kills: it writes, says what was
// acknowledged, and works in the background, until it is killed.
func TestVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	s := bookshop(t, db.Pool(t).Store, words[0])
	hour, err := strconv.Atoi(words[1])
	require.NoError(t, err)
	s.Clock.Advance(time.Duration(hour) * time.Hour)
	stop := s.Start(t.Context())
	defer stop(t.Context()) //nolint:errcheck // it is killed before
	ctx := system(t)
	for n := 0; ; n++ {
		var c company
		err := s.Tx(ctx, func(ctx context.Context) (err error) {
			if c, err = s.companies.Create(ctx, company{Name: "Customer"}); err == nil {
				_, err = s.Jobs.EnqueueAll(ctx, []crm.Job{{Kind: "invite", Payload: c.ID}, {Kind: "pay", Payload: c.ID, Key: c.ID.String()}})
			}
			return err
		})
		if err != nil {
			return // its killer has ended
		}
		if _, err := fmt.Fprintln(os.Stdout, "acknowledged", c.ID); err != nil {
			return
		}
	}
}

// TestKilled kills processes at random moments while they write, relay, deliver and do
// jobs. Nothing acknowledged may be lost, nothing applied twice, nothing paid twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		payments := filepath.Join(t.TempDir(), "payments")
		s := bookshop(t, db.Pool(t).Store, payments)
		times := 10
		if os.Getenv("EMBEDCRM_SOAK") != "" {
			times = 200
		}
		acknowledged := map[string]bool{}
		for n := range times {
			s.Clock.Advance(time.Hour) // past all leases of the one before
			kill(db.Start(t, "TestVictim", payments, n+1), 1+rand.IntN(40), acknowledged)
		}
		for range 2 {
			s.Clock.Advance(time.Hour)
			s.work(t)
		}
		s.whole(t)
		settled(t, s, payments, acknowledged)
	})
}

// kill kills a process once it has acknowledged so much.
func kill(v *enginetest.Victim, after int, acknowledged map[string]bool) {
	n := 0
	for line := range v.Lines() {
		if id, ok := strings.CutPrefix(line, "acknowledged "); ok {
			acknowledged[id] = true
			if n++; n == after {
				v.Kill(0)
			}
		}
	}
	v.Killed()
}

// settled holds what is there against what was acknowledged.
func settled(t *testing.T, s *shop, payments string, acknowledged map[string]bool) {
	t.Helper()
	ctx := system(t)
	offers := map[string]int{}
	for d, err := range s.deals.All(ctx) {
		require.NoError(t, err)
		offers[d.Name+" "+d.CompanyID.String()]++
	}
	paid := map[string]int{}
	text, err := os.ReadFile(payments)
	require.NoError(t, err)
	for id := range strings.FieldsSeq(string(text)) {
		paid[id]++
	}
	uncertain := map[string]bool{}
	for after := ""; ; {
		jobs, err := s.Jobs.List(ctx, crm.JobFilter{}, crm.After(after))
		require.NoError(t, err)
		for _, j := range jobs.Items {
			require.Equal(t, crm.JobUncertain, j.State, "all others are done")
			uncertain[j.Key] = true
		}
		if after = jobs.Next; after == "" {
			break
		}
	}
	n := 0
	for c, err := range s.companies.All(ctx) {
		require.NoError(t, err)
		n++
		id := c.ID.String()
		delete(acknowledged, id)
		require.Equal(t, 1, offers["by an event "+id], "by its event, once")
		require.Equal(t, 1, offers["by a job "+id], "by its job, once")
		require.LessOrEqual(t, paid[id], 1, "paid at most once")
		require.True(t, paid[id] == 1 || uncertain[id], "paid, or known to be uncertain")
	}
	require.Empty(t, acknowledged, "nothing acknowledged is lost")
	require.Len(t, offers, 2*n)
	t.Logf("%d customers, %d payments, %d of them uncertain", n, len(paid), len(uncertain))
	list, err := s.Subscriptions.List(ctx)
	require.NoError(t, err)
	for _, sub := range list {
		require.Equal(t, sub.Head, sub.Position)
		require.Zero(t, sub.Held)
	}
}

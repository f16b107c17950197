package crm_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// tableIn is how a statement of a test names a table of the CRM.
func tableIn(e enginetest.Engine, name string) string {
	if e.Name == "postgres" {
		return "crm." + name
	}
	return "crm_" + name
}

// change runs a statement behind the CRM's back; {x} is the table x.
func change(tb testing.TB, e enginetest.Engine, statement string) sql.Result {
	tb.Helper()
	for _, name := range []string{"event_log", "event_seal", "log_head", "event", "outbox"} {
		statement = strings.ReplaceAll(statement, "{"+name+"}", tableIn(e, name))
	}
	r, err := e.DB.ExecContext(tb.Context(), statement)
	require.NoError(tb, err, statement)
	return r
}

func verified(tb testing.TB, s *shop, known ...crm.HistoryHead) crm.HistoryReport {
	tb.Helper()
	r, err := s.VerifyHistory(system(tb), known...)
	require.NoError(tb, err)
	return r
}

func TestSealedHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		_, err := s.VerifyHistory(system(t))
		require.ErrorIs(t, err, crm.ErrInvalid, "there is nothing to verify")
		_, err = s.SealHistory(ctx)
		require.ErrorIs(t, err, crm.ErrForbidden)

		c := s.company(t, ctx, "Analytical Engines")
		require.NoError(t, s.RunDue(t.Context()))
		first, err := s.SealHistory(system(t))
		require.NoError(t, err)
		require.Equal(t, int64(1), first.Position)
		require.Nil(t, verified(t, s, first).Broken)

		_, err = s.companies.Update(crm.Because(ctx, "a call"), c.ID, func(c *company) error { c.VIP, c.Country = true, "DE"; return nil })
		require.NoError(t, err)
		r := verified(t, s, first)
		require.Nil(t, r.Broken)
		require.Equal(t, int64(1), r.Pending, "it is not in the log yet")
		require.NoError(t, s.RunDue(t.Context()))
		r = verified(t, s, first)
		require.Nil(t, r.Broken)
		require.Equal(t, int64(2), r.Head.Position)
		require.Zero(t, r.Pending)
		again, err := s.SealHistory(system(t))
		require.NoError(t, err)
		require.Equal(t, r.Head, again, "once more changes nothing")

		require.NotNil(t, verified(t, s, crm.HistoryHead{Position: 1, Hash: strings.Repeat("0", 64)}).Broken)
		require.NotNil(t, verified(t, s, crm.HistoryHead{Position: 3, Hash: first.Hash}).Broken)
		_, err = s.VerifyHistory(crm.System(t.Context(), "other"))
		require.ErrorIs(t, err, crm.ErrInvalid, "each tenant has a chain of its own")
		problems, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestSealedByManyWriters holds that events that are committed late, and writers side by
// side, do no harm to a chain.
func TestSealedByManyWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.company(t, ctx, "First")
		require.NoError(t, s.RunDue(t.Context()))
		_, err := s.SealHistory(system(t))
		require.NoError(t, err)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 10 {
					err := s.Tx(ctx, func(ctx context.Context) error {
						_, err := s.companies.Create(ctx, company{Name: fmt.Sprintf("%d of %d", i, w)})
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			for range 5 {
				if err := s.RunDue(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		require.NoError(t, s.RunDue(t.Context()))
		r := verified(t, s)
		require.Nil(t, r.Broken)
		require.Equal(t, int64(41), r.Head.Position)
	})
}

// TestTampering alters a history in every way, and finds each.
func TestTampering(t *testing.T) {
	t.Parallel()
	const swap = "UPDATE {event_log} SET event_id = (SELECT l.event_id FROM {event_log} l WHERE l.position = %d) WHERE position = %d"
	ways := map[string][]string{
		"value":          {`UPDATE {event} SET changes = '{"name": [null, "Another"]}' WHERE name = 'company.created' AND version = 1`},
		"name":           {"UPDATE {event} SET name = 'company.other' WHERE version = 2"},
		"actor":          {"UPDATE {event} SET actor = 'member:lee' WHERE version = 2"},
		"cause":          {"UPDATE {event} SET cause = 'a mail' WHERE version = 2"},
		"cause removed":  {"UPDATE {event} SET cause = NULL WHERE version = 2"},
		"version":        {"UPDATE {event} SET version = 9 WHERE version = 3"},
		"recorded":       {"UPDATE {event} SET recorded = happened, happened = recorded WHERE version = 2"},
		"object":         {"UPDATE {event} SET object = 'deal' WHERE version = 2"},
		"removed":        {"DELETE FROM {event} WHERE version = 2"},
		"removed whole":  {"DELETE FROM {event} WHERE version = 3", "DELETE FROM {event_seal} WHERE position = 3", "DELETE FROM {event_log} WHERE position = 3"},
		"link removed":   {"DELETE FROM {event_seal} WHERE position = 2"},
		"log removed":    {"DELETE FROM {event_log} WHERE position = 2"},
		"end removed":    {"DELETE FROM {event_seal} WHERE position = 3"},
		"salt":           {"UPDATE {event_seal} SET salt = link WHERE position = 2"},
		"erased falsely": {`UPDATE {event_seal} SET erased = '{"digests":{"vip":"00"},"salts":{}}' WHERE position = 2`},
		"head":           {"UPDATE {log_head} SET sealed = 2"},
		"added":          {"INSERT INTO {event} SELECT tenant, record_id, object, record_id, 7, name, happened, recorded, actor, cause, changes, quiet FROM {event} WHERE version = 3"},
		"reordered":      {fmt.Sprintf(swap, 2, 3)},
	}
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		c := s.company(t, ctx, "Analytical Engines")
		for i := range 2 {
			s.Clock.Advance(1)
			_, err := s.companies.Update(crm.At(crm.Because(ctx, "a call"), s.Clock.Now().Add(-1000)), c.ID, func(c *company) error {
				c.VIP = i == 0
				return nil
			})
			require.NoError(t, err)
		}
		require.NoError(t, s.RunDue(t.Context()))
		head, err := s.SealHistory(system(t))
		require.NoError(t, err)
		require.Nil(t, verified(t, s, head).Broken)
		backup := []string{"event", "event_log", "event_seal", "log_head"}
		for _, name := range backup {
			change(t, e, "CREATE TABLE backup_"+name+" AS SELECT * FROM {"+name+"}")
		}
		for what, statements := range ways {
			if what == "reordered" {
				change(t, e, "DROP INDEX "+tableIn(e, "event_log_event"))
			}
			for _, statement := range statements {
				n, err := change(t, e, statement).RowsAffected()
				require.NoError(t, err)
				require.NotZero(t, n, what)
			}
			r := verified(t, s)
			require.NotNil(t, r.Broken, what)
			t.Log(what, r.Broken)
			for _, name := range backup {
				change(t, e, "DELETE FROM {"+name+"}")
				change(t, e, "INSERT INTO {"+name+"} SELECT * FROM backup_"+name)
			}
			require.Nil(t, verified(t, s, head).Broken, "it is whole again after: "+what)
		}
		// Who computes the chain anew is found by an end that was kept elsewhere.
		change(t, e, "UPDATE {event} SET name = 'company.other' WHERE version = 2")
		change(t, e, "DELETE FROM {event_seal}")
		change(t, e, "UPDATE {log_head} SET sealed = NULL, link = NULL")
		_, err = s.SealHistory(system(t))
		require.NoError(t, err)
		require.Nil(t, verified(t, s).Broken)
		require.NotNil(t, verified(t, s, head).Broken)
	})
}

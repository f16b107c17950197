package crm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

func TestRevokedRightsEndAtOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		f := newOffice(t, s)
		ctx := as(t, "ada")
		open, closed := crm.Allow(crm.AnyKind, crm.LevelAll), crm.Allow("company", crm.LevelAll)
		f.grant(t, open)
		may := func(ctx context.Context) bool {
			_, err := f.deals.Count(ctx)
			return ok(t, err)
		}
		set := func(t *testing.T, ctx context.Context, grants []crm.Grant) {
			t.Helper()
			tenant := crm.System(ctx, "acme")
			_, err := f.Roles.Update(tenant, f.rep.ID, func(r *crm.Role) error { r.Grants = grants; return nil })
			require.NoError(t, err)
		}
		actor := func(ctx context.Context) context.Context {
			return crm.As(ctx, crm.Actor{Tenant: "acme", Member: "ada"})
		}
		require.True(t, may(ctx))
		set(t, t.Context(), closed)
		require.False(t, may(ctx))
		set(t, t.Context(), open)
		require.True(t, may(ctx))

		// Inside a transaction its own changes count, outside once it is committed.
		require.NoError(t, f.Tx(t.Context(), func(ctx context.Context) error {
			require.True(t, may(actor(ctx)))
			set(t, ctx, closed)
			require.False(t, may(actor(ctx)))
			boom := errors.New("boom")
			require.ErrorIs(t, f.Tx(ctx, func(ctx context.Context) error {
				set(t, ctx, open)
				require.True(t, may(actor(ctx)))
				return boom
			}), boom)
			require.False(t, may(actor(ctx)), "the savepoint was rolled back")
			return nil
		}))
		require.False(t, may(ctx))
		require.Error(t, f.Tx(t.Context(), func(ctx context.Context) error {
			set(t, ctx, open)
			require.True(t, may(actor(ctx)))
			return errors.New("rolled back")
		}))
		require.False(t, may(ctx))

		join := func(end func(*sql.Tx) error, grants []crm.Grant, want bool) {
			tx, err := e.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			joined, err := f.Join(t.Context(), tx)
			require.NoError(t, err)
			set(t, joined, grants)
			require.Equal(t, want, may(actor(joined)))
			require.NoError(t, end(tx))
		}
		join((*sql.Tx).Rollback, open, true)
		require.False(t, may(ctx))
		join((*sql.Tx).Commit, open, true)
		require.True(t, may(ctx))
		require.True(t, may(ctx))
		join((*sql.Tx).Commit, closed, false)
		require.False(t, may(ctx))
		join((*sql.Tx).Rollback, open, true)
		join((*sql.Tx).Commit, open, true)
		require.True(t, may(ctx))

		// Another process learns of it within RightsLag.
		other := newShop(t, e.Store, crm.Config{Clock: f.Clock})
		elsewhere := func() bool {
			_, err := other.deals.Count(ctx)
			return ok(t, err)
		}
		require.True(t, elsewhere())
		set(t, t.Context(), closed)
		require.True(t, elsewhere(), "it looks once in RightsLag")
		f.Clock.Advance(999 * time.Millisecond)
		require.True(t, elsewhere())
		f.Clock.Advance(time.Millisecond)
		require.False(t, elsewhere())
		eager := newShop(t, e.Store, crm.Config{Clock: f.Clock, RightsLag: -1})
		_, err := eager.deals.Count(ctx)
		require.ErrorIs(t, err, crm.ErrForbidden)
		set(t, t.Context(), open)
		_, err = eager.deals.Count(ctx)
		require.NoError(t, err)
		require.False(t, elsewhere())
		f.Clock.Advance(-time.Hour)
		require.True(t, elsewhere(), "a clock that went back is no reason to believe what is old")
	})
}

func TestFreshRightsCostNoStatement(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		counting := &countingStore{Store: e.Store}
		s := newShop(t, counting, crm.Config{})
		f := newOffice(t, s)
		d := f.owned(t, f.ada.ID)
		get := func() int64 {
			before := counting.calls()
			_, err := f.deals.Get(as(t, "ada"), d.ID)
			require.NoError(t, err)
			return counting.calls() - before
		}
		_ = get()
		require.EqualValues(t, 1, get(), "open")
		f.grant(t, crm.Allow("deal", crm.LevelSubtree))
		_ = get()
		require.EqualValues(t, 1, get(), "closed")
		f.Clock.Advance(time.Hour)
		require.EqualValues(t, 2, get(), "the count of changes is looked at")
		require.EqualValues(t, 1, get())
	})
}

// countingStore counts what is read outside transactions.
type countingStore struct {
	storage.Store

	mu sync.Mutex
	n  int64
}

func (s *countingStore) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	return s.Store.Read(ctx, tenant, q, next)
}

func (s *countingStore) calls() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func TestRightsBesideReaders(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		f.grant(t, crm.Allow("deal", crm.LevelAll))
		f.owned(t, f.ada.ID)
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := f.deals.Count(as(t, "ada")); err != nil && !errors.Is(err, crm.ErrForbidden) {
						t.Errorf("count: %v", err)
						return
					}
				}
			})
		}
		for i := range 20 {
			level := crm.LevelNone
			if i%2 == 1 {
				level = crm.LevelTeam
			}
			f.grant(t, crm.Allow("deal", level))
			_, err := f.deals.Count(as(t, "ada"))
			require.Equal(t, level > crm.LevelNone, ok(t, err), "round %d", i)
		}
		close(stop)
		readers.Wait()
	})
}

func TestWritersOfRightsLoseNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		f.grant(t, crm.Allow("deal", crm.LevelAll))
		var writers sync.WaitGroup
		for i := range 4 {
			writers.Go(func() {
				for j := range 5 {
					_, err := f.Members.Create(f.sys, crm.Member{Key: fmt.Sprint(i, "-", j), Name: "x", RoleIDs: []crm.ID{f.rep.ID}})
					if err != nil {
						t.Errorf("create: %v", err)
					}
				}
			})
		}
		writers.Wait()
		for i := range 4 {
			for j := range 5 {
				_, err := f.deals.Count(as(t, fmt.Sprint(i, "-", j)))
				require.NoError(t, err)
			}
		}
	})
}

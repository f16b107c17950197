package crm_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestUpsert(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		ref := func(key string) crm.Record { return crm.Record{Refs: crm.Refs{"shop": key}} }
		a, did, err := s.companies.Upsert(ctx, company{Record: ref("1"), Name: "Ada", Email: "ada@example.com", Country: "GB"})
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)

		again, did, err := s.companies.Upsert(ctx, company{Record: ref("1"), Name: "Ada"})
		require.NoError(t, err)
		require.Equal(t, crm.Unchanged, did)
		require.Equal(t, a, again, "what is not given stays")

		b, did, err := s.companies.Upsert(ctx, company{Email: "ada@example.com", Name: "Ada Lovelace"})
		require.NoError(t, err)
		require.Equal(t, crm.Updated, did)
		require.Equal(t, a.ID, b.ID)
		require.Equal(t, "GB", b.Country)

		_, _, err = s.companies.Upsert(ctx, company{Name: "Nobody"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, _, err = s.companies.Upsert(ctx, company{Name: "Nobody"}, "name")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, _, err = s.companies.Upsert(ctx, company{Name: "Nobody"}, "email")
		require.ErrorIs(t, err, crm.ErrInvalid)

		other, _, err := s.companies.Upsert(ctx, company{Record: ref("2"), Name: "Bob", Email: "bob@example.com"})
		require.NoError(t, err)
		_, _, err = s.companies.Upsert(ctx, company{Record: ref("1"), Name: "Both", Email: "bob@example.com"}, "refs", "email")
		require.ErrorIs(t, err, crm.ErrConflict)

		require.NoError(t, s.companies.Delete(ctx, other.ID))
		_, _, err = s.companies.Upsert(ctx, company{Record: ref("2"), Name: "Bob"})
		require.ErrorIs(t, err, crm.ErrConflict, "a key stays taken until the record is purged")
		_, did, err = s.companies.Upsert(ctx, company{Name: "New Bob", Email: "bob@example.com"})
		require.NoError(t, err)
		require.Equal(t, crm.Created, did, "a unique value is free once its record is deleted")
		_, err = s.companies.Restore(ctx, other.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NoError(t, s.companies.Purge(ctx, other.ID))
		_, did, err = s.companies.Upsert(ctx, company{Record: ref("2"), Name: "Bob"})
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)
	})
}

func TestUniqueValues(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, err := s.companies.Create(ctx, company{Record: crm.Record{Refs: crm.Refs{"erp": "7"}}, Name: "Ada", Email: "ada@example.com"})
		require.NoError(t, err)
		for _, c := range []struct {
			field string
			with  company
		}{
			{"email", company{Name: "Eve", Email: "ada@example.com"}},
			{"refs.erp", company{Record: crm.Record{Refs: crm.Refs{"erp": "7"}}, Name: "Eve"}},
			{"id", company{Record: crm.Record{ID: a.ID}, Name: "Eve"}},
		} {
			_, err := s.companies.Create(ctx, c.with)
			var taken *crm.ConflictError
			require.ErrorAs(t, err, &taken, c.field)
			require.Equal(t, c.field, taken.Field)
			require.Equal(t, a.ID, taken.Holder)
		}
		// Of a batch, the error says which, and nothing is left of it.
		_, err = s.companies.CreateAll(ctx, []company{{Name: "One"}, {Name: "Two", Email: "ada@example.com"}, {Name: "Three"}})
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "record 1")
		n, err := s.companies.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

// TestRacesLeaveOneRecord lets many writers want the same at once.
func TestRacesLeaveOneRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		const writers = 16
		outcomes := make([]crm.Outcome, writers)
		together(t, writers, func(n int) error {
			_, did, err := s.companies.Upsert(ctx, company{Record: crm.Record{Refs: crm.Refs{"shop": "1"}}, Name: fmt.Sprint("Name ", n)})
			outcomes[n] = did
			return err
		})
		created := 0
		for _, did := range outcomes {
			if did == crm.Created {
				created++
			}
		}
		require.Equal(t, 1, created)
		var mu sync.Mutex
		made := 0
		together(t, writers, func(int) error {
			_, err := s.companies.Create(ctx, company{Name: "Bob", Email: "bob@example.com"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, crm.ErrConflict) {
				return err
			}
			return nil
		})
		require.Equal(t, 1, made)
		s.whole(t)
	})
}

// TestNoUpdateIsLost lets 32 writers change one record.
func TestNoUpdateIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		const writers, each = 32, 5
		d, err := s.deals.Create(ctx, deal{Name: "Engine"})
		require.NoError(t, err)
		together(t, writers, func(n int) error {
			for i := range each {
				change := func(d *deal) error { d.Score++; return nil }
				var err error
				switch (n + i) % 3 {
				case 0:
					err = s.Tx(ctx, func(ctx context.Context) error {
						_, err := s.deals.Update(ctx, d.ID, change)
						return err
					})
				default:
					_, err = s.deals.Update(ctx, d.ID, change)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		d, err = s.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.EqualValues(t, writers*each, d.Score)
		require.EqualValues(t, writers*each+1, d.Version)
		events, err := s.deals.History(ctx, d.ID, crm.Limit(crm.MaxPage))
		require.NoError(t, err)
		require.Len(t, events.Items, writers*each+1)
		for i, e := range events.Items {
			require.EqualValues(t, writers*each+1-i, e.Version)
		}
		s.whole(t)
	})
}

// TestTreesStayTrees lets writers close circles in any way they can.
func TestTreesStayTrees(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		a, b, c := s.company(t, ctx, "A"), s.company(t, ctx, "B"), s.company(t, ctx, "C")
		under := func(child, parent crm.ID) error {
			_, err := s.companies.Update(ctx, child, func(c *company) error { c.ParentID = parent; return nil })
			return err
		}
		require.NoError(t, under(b.ID, a.ID))
		require.NoError(t, under(c.ID, b.ID))
		require.ErrorIs(t, under(a.ID, c.ID), crm.ErrInvalid)
		require.ErrorIs(t, under(a.ID, a.ID), crm.ErrInvalid)
		_, err := s.companies.Create(ctx, company{Record: crm.Record{ID: crm.ID{9}}, Name: "Self", ParentID: crm.ID{9}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		for range 10 {
			x, y := s.company(t, ctx, "X"), s.company(t, ctx, "Y")
			together(t, 2, func(n int) error {
				err := under(x.ID, y.ID)
				if n == 1 {
					err = under(y.ID, x.ID)
				}
				if errors.Is(err, crm.ErrInvalid) {
					err = nil
				}
				return err
			})
		}
		s.whole(t)
	})
}

// TestReferencesHoldBesideDeletes lets one writer refer to what another deletes.
func TestReferencesHoldBesideDeletes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		for range 20 {
			c := s.company(t, ctx, "Target")
			together(t, 3, func(n int) error {
				var err error
				if n == 0 {
					err = s.companies.Delete(ctx, c.ID)
				} else {
					_, err = s.deals.Create(ctx, deal{Name: "Deal", CompanyID: c.ID})
				}
				if errors.Is(err, crm.ErrConflict) || errors.Is(err, crm.ErrInvalid) {
					err = nil
				}
				return err
			})
		}
		s.whole(t)
	})
}

// together runs fn in many goroutines at once.
func together(t *testing.T, many int, fn func(n int) error) {
	t.Helper()
	errs := make([]error, many)
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() { errs[n] = fn(n) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// whole holds everything stored to what it must be.
func (s *shop) whole(t *testing.T) {
	t.Helper()
	problems, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, problems)
}

package crm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// branch are two processes on one database: what one does the other learns of late.
type branch struct {
	*office

	far *shop
	e   enginetest.Engine
}

func onBranch(t *testing.T, fn func(t *testing.T, b branch)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		b := branch{newOffice(t, newShop(t, e.Store, crm.Config{})), newShop(t, e.Store, crm.Config{RightsLag: time.Hour}), e}
		b.learn(t)
		fn(t, b)
	})
}

// learn makes the other process know who the members are.
func (b branch) learn(t *testing.T) {
	t.Helper()
	b.far.Clock.Advance(2 * time.Hour)
	_, err := b.far.companies.List(b.sys)
	require.NoError(t, err)
}

// ownerless are the companies nobody owns.
func (b branch) ownerless(t *testing.T) []company {
	t.Helper()
	list, err := b.companies.List(b.sys, crm.Where("owner_id == nil"), crm.OrderBy("name"))
	require.NoError(t, err)
	return list.Items
}

// blocked waits until somebody waits for a lock, or done is closed.
func (b branch) blocked(t *testing.T, done <-chan struct{}) {
	t.Helper()
	for n := 0; n == 0; {
		select {
		case <-done:
			return
		default:
		}
		require.NoError(t, b.e.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&n))
	}
}

// TestNobodyGetsADeletedOwner gives records to a member whom another process deletes.
func TestNobodyGetsADeletedOwner(t *testing.T) {
	onBranch(t, func(t *testing.T, b branch) {
		given := company{Name: "given", Record: crm.Record{OwnerID: b.bob.ID}}

		// While a transaction that gives him one is open, deleting him waits, and is
		// refused once it is committed.
		done := make(chan struct{})
		var deleted error
		require.NoError(t, b.far.Tx(b.sys, func(ctx context.Context) error {
			_, err := b.far.companies.Create(ctx, given)
			require.NoError(t, err)
			go func() {
				defer close(done)
				deleted = b.Members.Delete(b.sys, b.bob.ID)
			}()
			if b.e.Name == "postgres" { // on SQLite writers take turns
				// Others may give him records meanwhile.
				_, err := b.companies.Create(b.sys, company{Name: "too", Record: crm.Record{OwnerID: b.bob.ID}})
				require.NoError(t, err)
				b.blocked(t, done)
			}
			select {
			case <-done:
				require.Fail(t, "who deletes him did not wait")
			default:
			}
			return nil
		}))
		<-done
		require.ErrorIs(t, deleted, crm.ErrConflict)
		require.ErrorContains(t, deleted, "still refer")

		// Once he is deleted nobody gives him one, not even who has not heard of it.
		for c, err := range b.companies.All(b.sys) {
			require.NoError(t, err)
			require.NoError(t, b.companies.Purge(b.sys, c.ID))
		}
		mine, err := b.far.companies.Create(b.sys, company{Name: "mine", Record: crm.Record{OwnerID: b.ada.ID}})
		require.NoError(t, err)
		require.NoError(t, b.Members.Delete(b.sys, b.bob.ID))
		_, err = b.far.companies.Create(b.sys, given)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "owner_id: refers to no member that lives")
		_, err = b.far.companies.CreateAll(b.sys, []company{{Name: "one"}, given})
		require.ErrorContains(t, err, "record 1: invalid: owner_id")
		_, err = b.far.companies.Update(b.sys, mine.ID, func(c *company) error { c.OwnerID = b.bob.ID; return nil })
		require.ErrorContains(t, err, "owner_id: refers to no member that lives")
		b.whole(t)
	})
}

// TestWhatADeletedMemberMadeIsReleased lets a member make records in the instant in which
// another process deletes him.
func TestWhatADeletedMemberMadeIsReleased(t *testing.T) {
	onBranch(t, func(t *testing.T, b branch) {
		ada := as(t, "ada")
		if b.e.Name == "postgres" {
			// He is deleted while a transaction of his is open.
			require.NoError(t, b.far.Tx(ada, func(ctx context.Context) error {
				_, err := b.far.companies.Create(ctx, company{Name: "open"})
				require.NoError(t, err)
				return b.Members.Delete(b.sys, b.ada.ID)
			}))
		} else {
			require.NoError(t, b.Members.Delete(b.sys, b.ada.ID))
		}
		made, err := b.far.companies.Create(ada, company{Name: "unheard", Email: "u@example.com"})
		require.NoError(t, err)
		require.Equal(t, b.ada.ID, made.OwnerID)
		problems, err := b.Check(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, problems)

		_, err = b.Members.Release(as(t, "cid"))
		require.NoError(t, err, "the tenant is open")
		n, err := b.Members.Release(b.sys)
		require.NoError(t, err)
		require.Zero(t, n, "it was done already")
		b.whole(t)
		last := b.ownerless(t)
		require.Equal(t, "unheard", last[len(last)-1].Name)
		history, err := b.companies.History(b.sys, made.ID)
		require.NoError(t, err)
		require.Equal(t, "the owner was deleted", history.Items[0].Cause)
		require.Equal(t, "system", history.Items[0].Actor)
		require.Equal(t, "owner_id", history.Items[0].Changes[0].Field)

		// It decides over who reaches records.
		b.give(t, b.bob, b.role(t, "Own", crm.Allow(crm.AnyKind, crm.LevelOwn)))
		_, err = b.Members.Release(as(t, "bob"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		n, err = b.Members.Release(crm.System(t.Context(), "nowhere"))
		require.NoError(t, err)
		require.Zero(t, n)
		tenants, err := b.Tenants.List(t.Context(), "", 10)
		require.NoError(t, err)
		require.NotContains(t, tenants, "nowhere")
	})
}

// steps is a store that does something before the n-th call of its sessions.
type steps struct {
	storage.Store

	left int64
	do   func()
}

func (s *steps) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return s.Store.Atomic(ctx, func(in storage.Session) error { return fn(stepping{in, s}) })
}

type stepping struct {
	storage.Session

	s *steps
}

func (s stepping) step() {
	if s.s.left--; s.s.left == 0 {
		s.s.do()
	}
}

func (s stepping) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	s.step()
	return s.Session.Read(ctx, tenant, q, next)
}

func (s stepping) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	s.step()
	return s.Session.Aggregate(ctx, tenant, a, next)
}

func (s stepping) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	s.step()
	return s.Session.Write(ctx, tenant, changes)
}

// TestDeleteReleasesWhatCameBetween lets a member make a record at each step of the call
// that deletes him. It is counted, or released by the same call, or by the next Release.
func TestDeleteReleasesWhatCameBetween(t *testing.T) {
	onBranch(t, func(t *testing.T, b branch) {
		if b.e.Name == "sqlite" {
			t.Skip("writers take turns: nothing comes between")
		}
		store := &steps{Store: b.e.Store}
		near := newShop(t, store, crm.Config{RightsLag: -1})
		refused, released := 0, 0
		for step := int64(1); ; step++ {
			eve, err := b.Members.Create(b.sys, crm.Member{Key: "eve", Name: "Eve"})
			require.NoError(t, err)
			b.learn(t)
			var made company
			store.left, store.do = step, func() {
				made, err = b.far.companies.Create(as(t, "eve"), company{Name: "between"})
				require.NoError(t, err)
			}
			err = near.Members.Delete(b.sys, eve.ID)
			if made.ID.IsZero() { // the call has no such step
				require.NoError(t, err)
				break
			}
			store.left = 0
			if errors.Is(err, crm.ErrConflict) {
				refused++
				require.NoError(t, b.companies.Purge(b.sys, made.ID))
				require.NoError(t, b.Members.Delete(b.sys, eve.ID))
				continue
			}
			require.NoError(t, err)
			c, err := b.companies.Get(b.sys, made.ID)
			require.NoError(t, err)
			if c.OwnerID.IsZero() {
				released++
			}
		}
		require.Positive(t, refused)
		require.Positive(t, released)
		_, err := b.Members.Release(b.sys)
		require.NoError(t, err)
		b.whole(t)
	})
}

// TestAReleaseGoesThroughAll releases more than fits into one batch, with hooks and custom
// fields.
func TestAReleaseGoesThroughAll(t *testing.T) {
	onBranch(t, func(t *testing.T, b branch) {
		b.field(t, b.sys, crm.CustomField{Name: "city", Type: crm.FieldText, Indexed: true})
		b.learn(t)
		require.NoError(t, b.Members.Delete(b.sys, b.ada.ID))
		list := make([]company, 450)
		for i := range list {
			list[i] = company{Name: "x", Record: crm.Record{Custom: crm.Custom{"city": "Bonn"}}}
		}
		made, err := b.far.companies.CreateAll(as(t, "ada"), list)
		require.NoError(t, err)
		_, err = b.far.deals.Create(as(t, "ada"), deal{Name: "y"})
		require.NoError(t, err)
		require.NoError(t, b.companies.Delete(b.sys, made[0].ID))
		n, err := b.Members.Release(b.sys)
		require.NoError(t, err)
		require.EqualValues(t, 450, n, "deleted records keep whom they were of")
		c, err := b.companies.Get(b.sys, made[7].ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"city": "Bonn"}, c.Custom)
		b.whole(t)
	})
}

// TestARecordComesBackWithoutAnOwnerWhoIsGone restores what was of a member who was
// deleted after it.
func TestARecordComesBackWithoutAnOwnerWhoIsGone(t *testing.T) {
	onBranch(t, func(t *testing.T, b branch) {
		c, err := b.companies.Create(as(t, "ada"), company{Name: "a"})
		require.NoError(t, err)
		require.Equal(t, b.ada.ID, c.OwnerID)
		require.NoError(t, b.companies.Delete(b.sys, c.ID))
		require.NoError(t, b.Members.Delete(b.sys, b.ada.ID))
		role := b.role(t, "Mender", append(crm.Allow("company", crm.LevelAll, crm.VerbRead, crm.VerbUpdate), crm.Allow("role", crm.LevelOwn, crm.VerbRead)...))
		b.give(t, b.bob, role)
		_, err = b.far.companies.Restore(b.sys, c.ID)
		require.ErrorContains(t, err, "owner_id: refers to no member that lives", "who has not heard of it")
		c, err = b.companies.Restore(as(t, "bob"), c.ID)
		require.NoError(t, err)
		require.Zero(t, c.OwnerID)
		b.whole(t)
	})
}

// TestHeldCustomReferences deletes what custom fields in the index lead to.
func TestHeldCustomReferences(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		eve, err := s.Members.Create(ctx, crm.Member{Key: "eve", Name: "Eve"})
		require.NoError(t, err)
		s.field(t, ctx, crm.CustomField{Name: "partner", Type: crm.FieldReference, To: "company", Indexed: true})
		s.field(t, ctx, crm.CustomField{Name: "loose", Type: crm.FieldReference, To: "company"})
		s.field(t, ctx, crm.CustomField{Name: "contact", Type: crm.FieldMember, Indexed: true})
		target := s.company(t, ctx, "target")
		a := s.with(t, ctx, "a", crm.Custom{"partner": target.ID, "contact": eve.ID})
		s.with(t, ctx, "b", crm.Custom{"loose": target.ID})

		held := func(err error, says string) {
			t.Helper()
			taken, ok := errors.AsType[*crm.ConflictError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "companies", taken.Field)
			require.Equal(t, says, taken.Reason)
		}
		held(s.companies.Delete(ctx, target.ID), "1 company still refers to it by custom.partner: change or delete it first")
		held(s.Members.Delete(ctx, eve.ID), "1 company still refers to it by custom.contact: change or delete it first")
		c := s.with(t, ctx, "c", crm.Custom{"partner": target.ID})
		held(s.companies.Purge(ctx, target.ID), "2 companies still refer to it by custom.partner: change or delete them first")

		// Who is deleted himself lets go, and comes back only if what he leads to is there.
		require.NoError(t, s.companies.Delete(ctx, a.ID))
		require.NoError(t, s.companies.Delete(ctx, c.ID))
		require.NoError(t, s.companies.Delete(ctx, target.ID))
		require.NoError(t, s.Members.Delete(ctx, eve.ID))
		_, err = s.companies.Restore(ctx, c.ID)
		require.ErrorContains(t, err, "custom.partner: refers to no company that lives")
		_, err = s.companies.Restore(ctx, target.ID)
		require.NoError(t, err)
		_, err = s.companies.Restore(ctx, c.ID)
		require.NoError(t, err)
		_, err = s.companies.Restore(ctx, a.ID)
		require.ErrorContains(t, err, "custom.contact: refers to no member that lives")
		held(s.companies.Delete(ctx, target.ID), "1 company still refers to it by custom.partner: change or delete it first")
		s.whole(t)
	})
}

// TestHeldCustomReferencesBesideDeletes lets one writer refer to what another deletes.
func TestHeldCustomReferencesBesideDeletes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "partner", Type: crm.FieldReference, To: "company", Indexed: true})
		for range 20 {
			target := s.company(t, ctx, "Target")
			var made [3]company
			var deleted error
			together(t, 3, func(n int) error {
				var err error
				if n == 0 {
					deleted = s.companies.Delete(ctx, target.ID)
					err = deleted
				} else {
					made[n], err = s.companies.Create(ctx, company{Name: "Deal", Record: crm.Record{Custom: crm.Custom{"partner": target.ID}}})
				}
				if errors.Is(err, crm.ErrConflict) || errors.Is(err, crm.ErrInvalid) {
					err = nil
				}
				return err
			})
			if deleted == nil {
				require.Zero(t, made[1].ID)
				require.Zero(t, made[2].ID)
			}
		}
		s.whole(t)
	})
}

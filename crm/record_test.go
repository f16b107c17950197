package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestCreateAndGet(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		ten := int64(10)
		made, err := s.companies.Create(ctx, company{
			Record: crm.Record{Refs: crm.Refs{"shopify": "4711"}},
			Name:   "  Analytical Engines ", Email: "ada@example.com", Country: "GB", Tags: []string{"vip", "a", "vip"},
			Employees: &ten, VIP: true, Founded: crm.Date{Year: 1843, Month: time.September, Day: 1},
		})
		require.NoError(t, err)
		require.Equal(t, "Analytical Engines", made.Name)
		require.Equal(t, []string{"a", "vip"}, made.Tags)
		require.EqualValues(t, 1, made.Version)
		require.Equal(t, s.Clock.Now(), made.Created)

		got, err := s.companies.Get(ctx, made.ID)
		require.NoError(t, err)
		require.Equal(t, made, got)

		_, err = s.companies.Get(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"}), made.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = s.companies.Get(t.Context(), made.ID)
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

func TestUpdate(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		c := s.company(t, ctx, "Ada")
		d, err := s.deals.Create(ctx, deal{Name: "Engine", CompanyID: c.ID, Amount: crm.EUR(1200)})
		require.NoError(t, err)
		require.Equal(t, "new", d.Stage)

		s.Clock.Advance(time.Hour)
		d, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Amount = crm.EUR(1500); return nil }, crm.IfVersion(1))
		require.NoError(t, err)
		require.EqualValues(t, 2, d.Version)
		require.Equal(t, s.Clock.Now(), d.Updated)

		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Name = "x"; return nil }, crm.IfVersion(1))
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Stage = "won"; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "stage")
		d, err = s.deals.Do(ctx, d.ID, "won", func(d *deal) error { d.Stage = "won"; return nil })
		require.NoError(t, err)
		require.Equal(t, "won", d.Stage)

		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.CompanyID = crm.ID{1}; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "company_id")

		require.ErrorIs(t, s.companies.Delete(ctx, c.ID), crm.ErrConflict)
		require.NoError(t, s.deals.Delete(ctx, d.ID))
		require.NoError(t, s.companies.Delete(ctx, c.ID))
		_, err = s.deals.Restore(ctx, d.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.companies.Restore(ctx, c.ID)
		require.NoError(t, err)
		d, err = s.deals.Restore(ctx, d.ID)
		require.NoError(t, err)
		require.True(t, d.Deleted.IsZero())
		require.ErrorIs(t, s.companies.Purge(ctx, c.ID), crm.ErrConflict)
		require.NoError(t, s.deals.Purge(ctx, d.ID))
		require.NoError(t, s.companies.Purge(ctx, c.ID))
	})
}

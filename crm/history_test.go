package crm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestHistoryAndAsOf(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		began := s.Clock.Now()
		c := s.company(t, ctx, "Ada")
		d0, err := s.deals.Create(ctx, deal{Name: "Engine", CompanyID: c.ID, Amount: crm.EUR(1200), Notes: map[string]any{"a": 1.0}})
		require.NoError(t, err)
		s.Clock.Advance(time.Hour)
		d1, err := s.deals.Update(crm.Because(ctx, "a call"), d0.ID, func(d *deal) error {
			d.Amount, d.CompanyID, d.Refs = crm.EUR(1500), crm.ID{}, crm.Refs{"erp": "1"}
			return nil
		})
		require.NoError(t, err)
		s.Clock.Advance(time.Hour)
		d2, err := s.deals.Do(ctx, d0.ID, "won", func(d *deal) error { d.Stage = "won"; return nil })
		require.NoError(t, err)
		same, err := s.deals.Update(ctx, d0.ID, func(d *deal) error { d.Name = " Engine"; return nil })
		require.NoError(t, err)
		require.Equal(t, d2, same, "where nothing changes nothing is written")
		s.Clock.Advance(time.Hour)
		require.NoError(t, s.deals.Delete(ctx, d0.ID))

		p, err := s.deals.History(ctx, d0.ID, crm.Limit(3))
		require.NoError(t, err)
		var names []string
		for _, e := range p.Items {
			names = append(names, e.Name)
		}
		require.Equal(t, []string{"deal.deleted", "deal.won", "deal.updated"}, names)
		update := p.Items[2]
		require.Equal(t, "member:dana", update.Actor)
		require.Equal(t, "a call", update.Cause)
		require.Equal(t, began.Add(time.Hour), update.Happened)
		require.Len(t, update.Changes, 3)
		require.Equal(t, "amount", update.Changes[0].Field)
		require.JSONEq(t, `{"amount":"12.00","currency":"EUR"}`, string(update.Changes[0].Before))
		require.JSONEq(t, `{"amount":"15.00","currency":"EUR"}`, string(update.Changes[0].After))
		p, err = s.deals.History(ctx, d0.ID, crm.Limit(3), crm.After(p.Next))
		require.NoError(t, err)
		require.Len(t, p.Items, 1)
		require.Equal(t, "deal.created", p.Items[0].Name)
		require.Empty(t, p.Next)

		for at, want := range map[time.Duration]deal{0: d0, 59 * time.Minute: d0, time.Hour: d1, 2 * time.Hour: d2} {
			got, err := s.deals.AsOf(ctx, d0.ID, began.Add(at))
			require.NoError(t, err)
			require.Equal(t, want, got, at)
		}
		gone, err := s.deals.AsOf(ctx, d0.ID, s.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, s.Clock.Now(), gone.Deleted)
		_, err = s.deals.AsOf(ctx, d0.ID, began.Add(-time.Second))
		require.ErrorIs(t, err, crm.ErrNotFound)

		require.NoError(t, s.deals.Purge(ctx, d0.ID))
		_, err = s.deals.AsOf(ctx, d0.ID, s.Clock.Now())
		require.ErrorIs(t, err, crm.ErrNotFound)
		p, err = s.deals.History(ctx, d0.ID)
		require.NoError(t, err)
		require.Len(t, p.Items, 5, "the history stays")
		_, err = s.deals.History(ctx, crm.ID{7})
		require.ErrorIs(t, err, crm.ErrNotFound)
		s.whole(t)
	})
}

func TestAt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		then := s.Clock.Now().AddDate(-1, 0, 0)
		d, err := s.deals.Create(crm.At(ctx, then), deal{Name: "Old", Stage: "offer"})
		require.NoError(t, err)
		require.Equal(t, then, d.Created)
		d, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Name = "New"; return nil })
		require.NoError(t, err)
		d, err = s.deals.Update(crm.At(ctx, then), d.ID, func(d *deal) error { d.Score = 1; return nil })
		require.NoError(t, err)
		require.Equal(t, s.Clock.Now(), d.Updated, "updated never goes back")
		p, err := s.deals.History(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, then, p.Items[0].Happened)
		require.Equal(t, s.Clock.Now(), p.Items[0].Recorded)
		_, err = s.deals.Create(crm.At(ctx, s.Clock.Now().Add(time.Second)), deal{Name: "Soon"})
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestFacets(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.fill(t, ctx)
		got, err := s.deals.Facets(ctx, "score", crm.Where("score < 2"))
		require.NoError(t, err)
		require.Equal(t, []crm.Facet{{int64(0), 6}, {int64(1), 6}}, got)
		byCompany, err := s.deals.Facets(ctx, "company_id")
		require.NoError(t, err)
		require.Len(t, byCompany, 5)
		for _, field := range []string{"amount", "notes", "nothing", "custom.nothing"} {
			_, err := s.deals.Facets(ctx, field)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
		}
	})
}

// TestTransactions holds the CRM's records and a host's own rows to one fate.
func TestTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		var kept company
		err := s.Tx(ctx, func(ctx context.Context) error {
			var err error
			kept, err = s.companies.Create(ctx, company{Name: "Kept", Email: "a@example.com"})
			require.NoError(t, err)
			_, err = s.companies.Create(ctx, company{Name: "Refused", Email: "a@example.com"})
			require.ErrorIs(t, err, crm.ErrConflict, "and the transaction goes on")
			_, err = s.deals.Create(ctx, deal{Name: "Kept too", CompanyID: kept.ID})
			return err
		})
		require.NoError(t, err)
		n, err := s.deals.Count(ctx, crm.Where("company_id == $1", kept.ID))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		err = s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.companies.Create(ctx, company{Name: "Gone"})
			require.NoError(t, err)
			return context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)
		n, err = s.companies.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		s.whole(t)
	})
}

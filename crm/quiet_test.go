package crm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestQuietChangesSetNothingInMotion(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var loud, outside, derived heard
		var s *shop
		s = subscribed(t, e.Store, crm.Config{}, func(c *crm.Core) error {
			return errors.Join(
				c.On("company.*", "welcome", loud.on),
				c.On("*", "webhook", outside.on, crm.Outside()),
				c.On("company.created", "derive", func(ctx context.Context, e crm.Event) error {
					if err := derived.on(ctx, e); err != nil {
						return err
					}
					_, err := s.deals.Create(ctx, deal{Name: "First", CompanyID: e.Record})
					return err
				}, crm.AlsoQuiet()),
			)
		})
		s.work(t)
		ctx := as(t, "dana")
		quiet, err := s.companies.Create(crm.Quietly(ctx), company{Name: "Former"})
		require.NoError(t, err)
		_, err = s.companies.Update(crm.SystemIn(crm.Quietly(ctx)), quiet.ID, func(c *company) error { c.VIP = true; return nil })
		require.NoError(t, err)
		s.work(t)
		require.Empty(t, loud.events)
		require.Empty(t, outside.events, "what a handler does about a quiet event is quiet too")
		require.Equal(t, []string{"company.created"}, derived.names())
		require.True(t, derived.events[0].Quiet)
		n, err := s.deals.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		h, err := s.companies.History(ctx, quiet.ID)
		require.NoError(t, err)
		require.Len(t, h.Items, 2, "they are in the history all the same")
		require.True(t, h.Items[0].Quiet && h.Items[1].Quiet)
		require.False(t, crm.IsQuiet(ctx))

		_, err = s.companies.Update(ctx, quiet.ID, func(c *company) error { c.VIP = false; return nil })
		require.NoError(t, err)
		s.work(t)
		require.Equal(t, []string{"company.updated"}, loud.names())
		require.Equal(t, []string{"company.updated"}, outside.names())
		problems, err := s.Check(crm.System(ctx, "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestToBeQuietTakesTheRightToImport(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		sys := crm.System(t.Context(), "acme")
		clerk, err := s.Roles.Create(sys, crm.Role{Name: "clerk", Grants: crm.Allow("company", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate)})
		require.NoError(t, err)
		_, err = s.Members.Create(sys, crm.Member{Key: "kim", Name: "Kim", RoleIDs: []crm.ID{clerk.ID}})
		require.NoError(t, err)
		ctx := as(t, "kim")
		_, err = s.companies.Create(crm.Quietly(ctx), company{Name: "Unseen"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = s.companies.Create(ctx, company{Name: "Seen"})
		require.NoError(t, err)
	})
}

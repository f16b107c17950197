package crm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// rules is a host's own policy.
type rules map[string]crm.Permission // by object and verb

func (r rules) Grant(_ context.Context, a crm.Actor, object string, verb crm.Verb) (crm.Permission, error) {
	if a.Member == "broken" {
		return crm.Permission{}, errors.New("the directory is away")
	}
	return r[object+" "+string(verb)], nil
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		policy := rules{
			"deal read":   {Level: crm.LevelTeam, Hidden: []string{"amount"}},
			"deal create": {Level: crm.LevelOwn},
			"deal update": {Level: crm.LevelOwn, ReadOnly: []string{"score"}},
			"role read":   {Level: crm.LevelAll},
		}
		f := newOffice(t, newShop(t, e.Store, crm.Config{Policy: policy}))
		ctx := as(t, "ada")
		mine, mates, others := f.owned(t, f.ada.ID), f.owned(t, f.bob.ID), f.owned(t, f.sue.ID)
		n, err := f.deals.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		_, err = f.deals.Get(ctx, others.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		got, err := f.deals.Get(ctx, mates.ID)
		require.NoError(t, err)
		require.Zero(t, got.Amount)
		name := func(d *deal) error { d.Name = "y"; return nil }
		_, err = f.deals.Update(ctx, mates.ID, name)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = f.deals.Update(ctx, mine.ID, name)
		require.NoError(t, err)
		_, err = f.deals.Update(ctx, mine.ID, func(d *deal) error { d.Score = 5; return nil })
		require.ErrorContains(t, err, "score")
		require.ErrorIs(t, f.deals.Delete(ctx, mine.ID), crm.ErrForbidden)
		_, err = f.Roles.Create(ctx, crm.Role{Name: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = f.deals.Create(as(t, "stranger"), deal{Name: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden, "it would be nobody's")
		_, err = f.deals.Count(as(t, "broken"))
		require.ErrorContains(t, err, "the directory is away")
		ex, err := f.Explain(ctx, "ada", crm.VerbUpdate, "deal", mine.ID)
		require.NoError(t, err)
		require.True(t, ex.Allowed)
		require.Equal(t, crm.CausePolicy, ex.Cause)

		policy["deal read"] = crm.Permission{Level: crm.LevelAll, Hidden: []string{"amont"}}
		_, err = f.deals.Count(ctx)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "amont")
	})
}

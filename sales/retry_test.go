package sales_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage"
)

// losing is a store whose next transaction is ended by the database when it is done.
type losing struct {
	storage.Store

	next bool
}

func (l *losing) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return l.Store.Atomic(ctx, func(s storage.Session) error {
		err := fn(s)
		if l.next && err == nil {
			l.next, err = false, storage.ErrRetry
		}
		return err
	})
}

// TestADealBegunAgainFindsItsPipeline makes a tenant's first deal in a transaction
// that is begun again, so that the pipeline it saw first is gone.
func TestADealBegunAgainFindsItsPipeline(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		store := &losing{Store: e.Store, next: true}
		d := newDesk(t, store)
		made, err := d.Deals.CreateAll(as(t, "dana"), []sales.Deal{{Name: "One"}, {Name: "Two"}})
		require.NoError(t, err)
		require.False(t, store.next, "it was ended once")
		pipeline, err := d.Pipelines.Get(as(t, "dana"), made[1].PipelineID)
		require.NoError(t, err)
		require.Equal(t, "sales", pipeline.Key)
		store.next = true
		won, err := d.Deals.Win(as(t, "dana"), made[0].ID)
		require.NoError(t, err)
		require.False(t, store.next)
		require.Equal(t, made[0].Version+1, won.Version)
		d.whole(t)
	})
}

// TestATenantOlderThanTheModule has a tenant come to be before sales did.
func TestATenantOlderThanTheModule(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		before, err := crm.New(e.Store, crm.Config{})
		require.NoError(t, err)
		require.NoError(t, before.Migrate(t.Context()))
		require.NoError(t, before.Tenants.Ensure(t.Context(), "acme"))
		seller, err := before.Members.Create(crm.System(t.Context(), "acme"), crm.Member{Key: "dana", Name: "Dana"})
		require.NoError(t, err)

		d := newDesk(t, e.Store)
		role, err := d.Roles.Create(crm.System(t.Context(), "acme"), crm.Role{Name: "Seller", Grants: append(
			crm.Allow("deal", crm.LevelAll, crm.VerbCreate, crm.VerbRead),
			append(crm.Allow("pipeline", crm.LevelAll, crm.VerbRead), crm.Allow("stage", crm.LevelAll, crm.VerbRead)...)...,
		)})
		require.NoError(t, err)
		_, err = d.Members.Update(crm.System(t.Context(), "acme"), seller.ID, func(m *crm.Member) error {
			m.RoleIDs = []crm.ID{role.ID}
			return nil
		})
		require.NoError(t, err)

		first, err := d.Deals.Create(as(t, "dana"), sales.Deal{Name: "One"})
		require.NoError(t, err, "the pipeline is the tenant's, whoever's deal is the first")
		second, err := d.Deals.Create(as(t, "dana"), sales.Deal{Name: "Two"})
		require.NoError(t, err)
		require.Equal(t, first.PipelineID, second.PipelineID)

		system := crm.System(t.Context(), "acme")
		for _, id := range []crm.ID{first.ID, second.ID} {
			require.NoError(t, d.Deals.Delete(system, id))
		}
		for s, err := range d.Stages.All(system) {
			require.NoError(t, err)
			require.NoError(t, d.Stages.Delete(system, s.ID))
		}
		require.NoError(t, d.Pipelines.Delete(system, first.PipelineID))
		_, err = d.Deals.Create(as(t, "dana"), sales.Deal{Name: "Three"})
		require.ErrorIs(t, err, crm.ErrInvalid, "who deleted his pipelines is given none again")
	})
}

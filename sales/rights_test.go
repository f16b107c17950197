package sales_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/sales"
)

// role makes dana of acme one who may what a role says.
func (d *desk) role(ctx context.Context, t *testing.T, r crm.Role) {
	t.Helper()
	system := crm.SystemIn(ctx)
	r.Name = "Seller"
	made, err := d.Roles.Create(system, r)
	require.NoError(t, err)
	_, err = d.Members.Create(system, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{made.ID}})
	require.NoError(t, err)
}

func TestADealOneMayNotReadIsNotThere(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(ctx, t, crm.Role{Grants: append(crm.Allow("deal", crm.LevelOwn),
			append(crm.Allow("pipeline", crm.LevelAll, crm.VerbRead), crm.Allow("stage", crm.LevelAll, crm.VerbRead)...)...)})
		theirs := d.deal(crm.SystemIn(ctx), t)
		_, err := d.Deals.Move(ctx, theirs.ID, "proposal")
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Deals.StageHistory(ctx, theirs.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Deals.Move(ctx, d.deal(ctx, t).ID, "proposal")
		require.NoError(t, err)
	})
}

func TestWhoMayNotReadThePipelineMovesNoDeal(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(ctx, t, crm.Role{
			Grants: crm.Allow(crm.AnyKind, crm.LevelAll),
			Fields: []crm.FieldRule{{Object: "deal", Field: "pipeline_id", Access: crm.FieldHidden}},
		})
		deal := d.deal(crm.SystemIn(ctx), t)
		for _, do := range []func() (sales.Deal, error){
			func() (sales.Deal, error) { return d.Deals.Move(ctx, deal.ID, "proposal") },
			func() (sales.Deal, error) { return d.Deals.Reopen(ctx, deal.ID) },
		} {
			_, err := do()
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, "pipeline_id")
		}
	})
}

func TestStagesBelongToWhoMayUpdateTheirPipeline(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(ctx, t, crm.Role{Grants: append(crm.Allow("stage", crm.LevelAll), crm.Allow("pipeline", crm.LevelAll, crm.VerbRead)...)})
		won := d.stage(ctx, t, "won")
		_, err := d.Stages.Create(ctx, sales.Stage{PipelineID: won.PipelineID, Key: "x", Name: "X"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Stages.Update(ctx, won.ID, func(s *sales.Stage) error { s.Name = "Signed"; return nil })
		require.NoError(t, err, "a name is no matter of the pipeline")
	})
}

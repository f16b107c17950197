package sales_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/sales"
)

func TestATenantBeginsWithAPipeline(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		require.NoError(t, d.Tenants.Ensure(ctx, "acme"))
		pipelines, err := d.Pipelines.List(ctx)
		require.NoError(t, err)
		require.Len(t, pipelines.Items, 1)
		require.Equal(t, "sales", pipelines.Items[0].Key)
		stages, err := d.Stages.List(ctx, crm.OrderBy("position"))
		require.NoError(t, err)
		var all []string
		for _, s := range stages.Items {
			all = append(all, fmt.Sprintf("%s: %s, %d", s.Key, s.Kind, s.Probability))
		}
		require.Equal(t, []string{
			"prospecting: open, 10", "qualification: open, 20", "proposal: open, 50", "negotiation: open, 75", "won: won, 100", "lost: lost, 0",
		}, all)
		d.whole(t)
	})
}

func TestTheFirstPipelineIsTheOneByPosition(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		p, err := d.Pipelines.Create(ctx, sales.Pipeline{Name: "Before", Key: "before", Position: -1})
		require.NoError(t, err)
		_, err = d.Deals.Create(ctx, sales.Deal{Name: "X"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "pipeline_id: is no pipeline with a stage that is open and that you may read: its stages are none")
		_, err = d.Stages.CreateAll(ctx, []sales.Stage{
			{PipelineID: p.ID, Key: "b", Name: "B", Position: 2}, {PipelineID: p.ID, Key: "a", Name: "A", Position: 1},
		})
		require.NoError(t, err)
		deal := d.deal(ctx, t)
		require.Equal(t, p.ID, deal.PipelineID)
		deal, err = d.Deals.Move(ctx, deal.ID, "b")
		require.NoError(t, err)
		require.Equal(t, sales.Open, deal.Status)
	})
}

func TestStagesFitTheirPipeline(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		p, err := d.Pipelines.Create(ctx, sales.Pipeline{Name: "Other", Key: "other"})
		require.NoError(t, err)
		stage := func(key string, kind sales.Status) sales.Stage {
			return sales.Stage{PipelineID: p.ID, Key: key, Name: key, Kind: kind}
		}
		won, err := d.Stages.Create(ctx, stage("won", sales.Won)) // the other pipeline has this key too
		require.NoError(t, err)
		require.EqualValues(t, 100, won.Probability)

		_, err = d.Stages.Create(ctx, stage("won", sales.Open))
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "key: another stage of the pipeline has it")
		_, err = d.Stages.Create(ctx, stage("really-won", sales.Won))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "kind: the pipeline has a stage that is won: won")
		_, err = d.Stages.CreateAll(ctx, []sales.Stage{stage("x", sales.Open), stage("x", sales.Open)})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.Stages.CreateAll(ctx, []sales.Stage{stage("lost", sales.Lost), stage("lost-too", sales.Lost)})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Stages.Create(ctx, sales.Stage{PipelineID: crm.ID{1}, Key: "x", Name: "X"})
		require.ErrorIs(t, err, crm.ErrNotFound)
		for _, wrong := range []sales.Stage{
			{}, {PipelineID: p.ID, Key: "Über", Name: "X"}, {PipelineID: p.ID, Key: "x", Name: "X", Probability: 101},
			{PipelineID: p.ID, Key: "x", Name: "X", Probability: -1}, {PipelineID: p.ID, Key: "x", Name: "X", Kind: "maybe"},
		} {
			_, err = d.Stages.Create(ctx, wrong)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}

		for _, change := range []func(*sales.Stage){
			func(s *sales.Stage) { s.Kind = sales.Lost },
			func(s *sales.Stage) { s.PipelineID = d.stage(ctx, t, "won").PipelineID },
		} {
			_, err = d.Stages.Update(ctx, won.ID, func(s *sales.Stage) error { change(s); return nil })
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		renamed, err := d.Stages.Update(ctx, won.ID, func(s *sales.Stage) error { s.Key, s.Name = "signed", "Signed"; return nil })
		require.NoError(t, err)
		require.Equal(t, "signed", renamed.Key)

		require.NoError(t, d.Stages.Delete(ctx, won.ID))
		_, err = d.Stages.Create(ctx, stage("won", sales.Won))
		require.NoError(t, err, "a deleted stage is in nobody's way")
		_, err = d.Stages.Restore(ctx, won.ID)
		require.ErrorIs(t, err, crm.ErrInvalid, "and does not come back beside another that is won")
		n, err := d.Stages.Count(ctx, crm.Where("pipeline_id == $1", p.ID))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		d.whole(t)
	})
}

func TestTwoWritersMakeOneWonStage(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		p, err := d.Pipelines.Create(ctx, sales.Pipeline{Name: "Other", Key: "other"})
		require.NoError(t, err)
		var made sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := d.Stages.Create(ctx, sales.Stage{PipelineID: p.ID, Key: fmt.Sprint("won", i), Name: "Won", Kind: sales.Won})
				made.Store(i, err)
			})
		}
		all.Wait()
		won := 0
		made.Range(func(_, v any) bool {
			err, _ := v.(error)
			if err == nil {
				won++
			} else if !errors.Is(err, crm.ErrInvalid) {
				t.Errorf("%v", err)
			}
			return true
		})
		require.Equal(t, 1, won)
	})
}

func TestAStageWithDealsIsNotDeleted(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		err := d.Stages.Delete(ctx, deal.StageID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "1 deal still refers to it")
		require.ErrorIs(t, d.Pipelines.Delete(ctx, deal.PipelineID), crm.ErrConflict)

		moved, err := d.Deals.Move(ctx, deal.ID, "proposal")
		require.NoError(t, err)
		require.NoError(t, d.Stages.Delete(ctx, deal.StageID))
		_, err = d.Deals.Move(ctx, deal.ID, "prospecting")
		require.ErrorContains(t, err, `no stage "prospecting"`)
		spans, err := d.Deals.StageHistory(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, "prospecting", spans[0].Stage.Key, "history knows deleted stages")
		require.Equal(t, moved.StageID, spans[1].Stage.ID)

		require.NoError(t, d.Stages.Purge(ctx, deal.StageID))
		spans, err = d.Deals.StageHistory(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, sales.Stage{Record: crm.Record{ID: deal.StageID}}, spans[0].Stage)
		d.whole(t)
	})
}

func TestProductsAndPipelinesAreChecked(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		_, err := d.Products.Create(ctx, sales.Product{Name: "GTX", Price: crm.USD(-1)})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "price: is -0.01 USD")
		gtx, err := d.Products.Create(ctx, sales.Product{Name: "GTX Basic", Series: "GTX", Price: crm.USD(550_00)})
		require.NoError(t, err)
		_, err = d.Deals.Create(ctx, sales.Deal{Name: "X", ProductID: gtx.ID})
		require.NoError(t, err)
		require.ErrorIs(t, d.Products.Delete(ctx, gtx.ID), crm.ErrConflict)
		_, err = d.Pipelines.Create(ctx, sales.Pipeline{Name: "Again", Key: "sales"})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.Pipelines.Create(ctx, sales.Pipeline{Name: "Blank", Key: "no key"})
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

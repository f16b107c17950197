package embedcrm_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/sales"
)

// twoPipelines adds pipelines beside the one called Sales, with stages of the same names.
func twoPipelines(ctx context.Context, t *testing.T, app *embedcrmtest.App) {
	t.Helper()
	require.NoError(t, app.Tenants.Ensure(crm.System(t.Context(), "acme"), "acme"))
	for i, name := range []string{"Partners", "Renewals"} {
		p, err := app.Sales.Pipelines.Create(ctx, sales.Pipeline{Name: name, Key: strings.ToLower(name), Position: int64(i + 5)})
		require.NoError(t, err)
		stages := []sales.Stage{
			{PipelineID: p.ID, Position: 1, Key: "first", Name: "First call", Probability: 5},
			{PipelineID: p.ID, Position: 2, Key: "won", Name: "Won", Kind: sales.Won},
			{PipelineID: p.ID, Position: 3, Key: "only-" + strings.ToLower(name), Name: "Only " + name},
		}
		_, err = app.Sales.Stages.CreateAll(ctx, stages)
		require.NoError(t, err)
	}
}

// stagesOf are the stages that deals are at, with their pipelines, by the deal's name.
func stagesOf(ctx context.Context, t *testing.T, app *embedcrmtest.App) map[string]string {
	t.Helper()
	at := map[string]string{}
	for d, err := range app.Sales.Deals.All(ctx) {
		require.NoError(t, err)
		stage, err := app.Sales.Stages.Get(ctx, d.StageID)
		require.NoError(t, err)
		require.Equal(t, d.PipelineID, stage.PipelineID)
		p, err := app.Sales.Pipelines.Get(ctx, d.PipelineID)
		require.NoError(t, err)
		at[d.Name] = p.Name + ": " + stage.Name
	}
	return at
}

func TestAStageIsLookedForInThePipelineOfItsRow(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := dana(t)
		twoPipelines(ctx, t, app)
		deals := transfer.Plan{Object: "deal", System: "crm"}
		report := carried(ctx, t, app, "ID,Deal Name,Pipeline,Stage\n1,Engine,Partners,Won\n2,Loom,renewals,won\n3,Mill,,Won\n4,Wheel,,First call\n5,Axle,,Only Partners\n"+
			"6,Cog,Sales,First call\n7,Nut,Sales,\n", deals)
		require.Equal(t, []string{
			`stage_id: several stages are called "First call", in the pipelines "Partners", "Renewals": say which is meant by a column that goes into pipeline_id, or by its value in the plan's Set`,
			`stage_id: no stage of its pipeline is called "First call"`,
		}, reasonsOf(report))
		require.Equal(t, map[string]string{
			"Engine": "Partners: Won", "Loom": "Renewals: Won", "Mill": "Sales: Won", "Axle": "Partners: Only Partners", "Nut": "Sales: Prospecting",
		}, stagesOf(ctx, t, app))
		set := deals
		set.Set = map[string]string{"pipeline_id": "Renewals"}
		require.Empty(t, reasonsOf(carried(ctx, t, app, "ID,Deal Name,Stage\n4,Wheel,First call\n", set)))
		require.Equal(t, "Renewals: First call", stagesOf(ctx, t, app)["Wheel"])
	})
}

// TestStagesOfFormerDeals brings deals of two pipelines in, with their histories, and then
// what happened to them since in a file without the pipelines.
func TestStagesOfFormerDeals(t *testing.T) {
	onEither(t, func(t *testing.T, app *embedcrmtest.App) {
		ctx := dana(t)
		twoPipelines(ctx, t, app)
		former := func(deals string) transfer.Migration {
			x := table("deal", deals)
			x.History = &transfer.History{Open: export("Deal ID,CreatedDate,Field,OldValue,NewValue\nD1,2021-02-03,Stage,First call,Won\nD2,2021-02-04,Stage,Prospecting,Negotiation\n")}
			return transfer.Migration{System: "pipedrive", Tables: []transfer.Table{x}}
		}
		report := brought(t, app, former("ID,Deal Name,Pipeline,Stage,Created\nD1,Engine,Renewals,Won,2021-01-02\nD2,Loom,,Negotiation,2021-01-02\n"))
		require.Empty(t, report.Tables[0].History.Left)
		for d, err := range app.Sales.Deals.All(ctx, crm.Where("name == 'Engine'")) {
			require.NoError(t, err)
			spans, err := app.Sales.Deals.StageHistory(ctx, d.ID)
			require.NoError(t, err)
			require.Len(t, spans, 2)
			require.Equal(t, []any{"first", d.PipelineID}, []any{spans[0].Stage.Key, spans[0].Stage.PipelineID})
		}
		again, err := app.Transfer.Migrate(ctx, former("ID,Deal Name,Stage,Created\nD1,Engine,First call,2021-01-02\nD2,Loom,Won,2021-01-02\n"), transfer.Options{})
		require.NoError(t, err)
		require.EqualValues(t, 2, again.Tables[0].Report.Updated, "%v", again.Tables[0].Report.Faults)
		require.True(t, again.Reconciliation.Agrees(), "%+v", again.Reconciliation)
		require.Equal(t, map[string]string{"Engine": "Renewals: First call", "Loom": "Sales: Won"}, stagesOf(ctx, t, app), "the stage is one of the pipeline in which the deal is")
	})
}

package sales_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		crmtest.RequireSchema(t, newDesk(t, e.Store).Core.Core, e.DB, e.Name)
	})
}

func TestADealGoesItsWay(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		require.Equal(t, d.stage(ctx, t, "prospecting").ID, deal.StageID)
		require.Equal(t, sales.Open, deal.Status)
		began := d.Clock.Now()

		d.Clock.Advance(24 * time.Hour)
		deal, err := d.Deals.Move(ctx, deal.ID, "negotiation")
		require.NoError(t, err)
		require.Equal(t, d.stage(ctx, t, "negotiation").ID, deal.StageID)
		require.Equal(t, sales.Open, deal.Status)
		require.Zero(t, deal.Closed)

		d.Clock.Advance(24 * time.Hour)
		deal, err = d.Deals.Win(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, sales.Won, deal.Status)
		require.Equal(t, began.Add(48*time.Hour), deal.Closed)

		d.Clock.Advance(24 * time.Hour)
		deal, err = d.Deals.Reopen(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, d.stage(ctx, t, "negotiation").ID, deal.StageID, "it goes on where it was")
		require.Equal(t, sales.Open, deal.Status)
		require.Zero(t, deal.Closed)

		d.Clock.Advance(24 * time.Hour)
		deal, err = d.Deals.Lose(ctx, deal.ID, "price")
		require.NoError(t, err)
		require.Equal(t, sales.Lost, deal.Status)
		require.Equal(t, "price", deal.LostReason)
		require.Equal(t, began.Add(96*time.Hour), deal.Closed)
		kept, err := d.Deals.Get(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, deal, kept)

		page, err := d.Deals.History(ctx, deal.ID)
		require.NoError(t, err)
		var names []string
		for _, e := range page.Items {
			names = append(names, e.Name)
		}
		require.Equal(t, []string{"deal.lost", "deal.reopened", "deal.won", "deal.moved", "deal.created"}, names)

		spans, err := d.Deals.StageHistory(ctx, deal.ID)
		require.NoError(t, err)
		require.Len(t, spans, 5)
		for i, key := range []string{"prospecting", "negotiation", "won", "negotiation", "lost"} {
			require.Equal(t, key, spans[i].Stage.Key)
			require.Equal(t, began.Add(time.Duration(i)*24*time.Hour), spans[i].Entered)
			require.Equal(t, "member:dana", spans[i].Actor)
			if i < 4 {
				require.Equal(t, spans[i+1].Entered, spans[i].Left)
			}
		}
		require.Zero(t, spans[4].Left)
		d.whole(t)
	})
}

func TestMoveToWonWins(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal, err := d.Deals.Move(ctx, d.deal(ctx, t).ID, "won")
		require.NoError(t, err)
		require.Equal(t, sales.Won, deal.Status)
		page, err := d.Deals.History(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, "deal.won", page.Items[0].Name)
	})
}

func TestMoveToWhereItIsChangesNothing(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		d.Clock.Advance(time.Hour)
		same, err := d.Deals.Move(ctx, deal.ID, "prospecting")
		require.NoError(t, err)
		require.Equal(t, deal, same)
		require.NoError(t, d.Tx(ctx, func(ctx context.Context) error { // also where it is a savepoint
			_, err := d.Deals.Move(ctx, deal.ID, "prospecting")
			return err
		}))
	})
}

func TestWhatADealDoesNotDo(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		won, err := d.Deals.Win(ctx, d.deal(ctx, t).ID)
		require.NoError(t, err)
		other, err := d.Pipelines.Create(ctx, sales.Pipeline{Name: "Other", Key: "other", Position: 1})
		require.NoError(t, err)
		theirs, err := d.Stages.Create(ctx, sales.Stage{PipelineID: other.ID, Name: "Talk", Key: "talk"})
		require.NoError(t, err)
		elsewhere, err := d.Deals.Create(ctx, sales.Deal{Name: "There", PipelineID: other.ID})
		require.NoError(t, err)
		require.Equal(t, theirs.ID, elsewhere.StageID)

		for name, c := range map[string]struct {
			do   func() (sales.Deal, error)
			want error
			says string
		}{
			"move to a stage there is not": {
				func() (sales.Deal, error) { return d.Deals.Move(ctx, deal.ID, "nowhere") }, crm.ErrInvalid,
				`stage: the deal's pipeline has no stage "nowhere": its stages are prospecting, qualification, proposal, negotiation, won, lost`,
			},
			"move to another pipeline's stage": {func() (sales.Deal, error) { return d.Deals.Move(ctx, deal.ID, "talk") }, crm.ErrInvalid, `no stage "talk"`},
			"move to lost":                     {func() (sales.Deal, error) { return d.Deals.Move(ctx, deal.ID, "lost") }, crm.ErrInvalid, "use Deals.Lose"},
			"lose without a reason":            {func() (sales.Deal, error) { return d.Deals.Lose(ctx, deal.ID, " ") }, crm.ErrInvalid, "lost_reason: is required"},
			"reopen what is open":              {func() (sales.Deal, error) { return d.Deals.Reopen(ctx, deal.ID) }, crm.ErrInvalid, "open already"},
			"move what is closed":              {func() (sales.Deal, error) { return d.Deals.Move(ctx, won.ID, "proposal") }, crm.ErrInvalid, "Deals.Reopen"},
			"win what is won":                  {func() (sales.Deal, error) { return d.Deals.Win(ctx, won.ID) }, crm.ErrInvalid, "the deal is won"},
			"lose what is won":                 {func() (sales.Deal, error) { return d.Deals.Lose(ctx, won.ID, "price") }, crm.ErrInvalid, "the deal is won"},
			"win where nothing is won":         {func() (sales.Deal, error) { return d.Deals.Win(ctx, elsewhere.ID) }, crm.ErrInvalid, "is no pipeline with a stage that is won"},
			"win what is not there":            {func() (sales.Deal, error) { return d.Deals.Win(ctx, crm.ID{1}) }, crm.ErrNotFound, "crm: win deal"},
			"move at an old version":           {func() (sales.Deal, error) { return d.Deals.Move(ctx, deal.ID, "proposal", crm.IfVersion(7)) }, crm.ErrConflict, "version"},
			"write the stage": {func() (sales.Deal, error) {
				return d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.StageID = won.StageID; return nil })
			}, crm.ErrInvalid, "stage_id: is changed by its own verbs alone"},
			"write the status": {func() (sales.Deal, error) {
				return d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.Status = sales.Won; return nil })
			}, crm.ErrInvalid, "status"},
			"write a reason": {func() (sales.Deal, error) {
				return d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.LostReason = "price"; return nil })
			}, crm.ErrInvalid, "lost_reason"},
			"change the pipeline": {func() (sales.Deal, error) {
				return d.Deals.Update(ctx, deal.ID, func(x *sales.Deal) error { x.PipelineID = other.ID; return nil })
			}, crm.ErrInvalid, "pipeline_id: a deal stays in its pipeline"},
			"begin in no pipeline": {func() (sales.Deal, error) { return d.Deals.Create(ctx, sales.Deal{Name: "X", PipelineID: crm.ID{1}}) }, crm.ErrInvalid, "pipeline_id"},
			"begin at another pipeline's stage": {
				func() (sales.Deal, error) { return d.Deals.Create(ctx, sales.Deal{Name: "X", StageID: theirs.ID}) }, crm.ErrInvalid,
				"stage_id: is no stage of the deal's pipeline",
			},
		} {
			_, err := c.do()
			require.ErrorIs(t, err, c.want, name)
			require.ErrorContains(t, err, c.says, name)
		}
		kept, err := d.Deals.Get(ctx, deal.ID)
		require.NoError(t, err)
		require.Equal(t, deal, kept, "what is refused changes nothing")
		d.whole(t)
	})
}

func TestBringingInDealsAsTheyWere(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		_, err := d.Pipelines.List(ctx) // no tenant yet, and so no pipeline
		require.NoError(t, err)
		require.NoError(t, d.Tenants.Ensure(ctx, "acme"))
		spring := time.Date(2025, time.April, 1, 0, 0, 0, 0, time.UTC)
		summer := spring.AddDate(0, 3, 0)
		won, lost, talks := d.stage(ctx, t, "won"), d.stage(ctx, t, "lost"), d.stage(ctx, t, "negotiation")

		made, err := d.Deals.CreateAll(crm.At(ctx, spring), []sales.Deal{
			{Name: "Closed in spring", StageID: won.ID, Amount: crm.EUR(1)},
			{Name: "Closed before", StageID: lost.ID, LostReason: "unknown", Closed: spring.AddDate(0, -1, 0)},
			{Name: "Still open", StageID: talks.ID},
		})
		require.NoError(t, err)
		require.Equal(t, spring, made[0].Closed)
		require.Equal(t, sales.Won, made[0].Status)
		require.Equal(t, spring.AddDate(0, -1, 0), made[1].Closed)
		require.Equal(t, sales.Lost, made[1].Status)
		require.Equal(t, sales.Open, made[2].Status)

		deal, err := d.Deals.Win(crm.At(ctx, summer), made[2].ID)
		require.NoError(t, err)
		require.Equal(t, summer, deal.Closed, "when it happened, not when it was told")
		require.Equal(t, spring, deal.Created)

		deal, err = d.Deals.Reopen(ctx, made[0].ID)
		require.NoError(t, err)
		require.Equal(t, d.stage(ctx, t, "prospecting").ID, deal.StageID, "it was created closed")

		_, err = d.Deals.Create(ctx, sales.Deal{Name: "Open and closed", Closed: spring})
		require.ErrorContains(t, err, "closed: the deal is open")
		_, err = d.Deals.Create(ctx, sales.Deal{Name: "Won at no stage", Status: sales.Won})
		require.ErrorContains(t, err, "status: is won, and at the stage prospecting a deal is open")
		_, err = d.Deals.Create(ctx, sales.Deal{Name: "No reason", StageID: lost.ID})
		require.ErrorContains(t, err, "lost_reason: is required")
		d.whole(t)
	})
}

func TestToBeginElsewhereTakesTheRightToImport(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		talks := func() sales.Stage { return d.stage(crm.System(ctx, "acme"), t, "negotiation") }
		system := crm.System(ctx, "acme")
		seller, err := d.Roles.Create(system, crm.Role{Name: "Seller", Grants: append(
			crm.Allow("deal", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate),
			append(crm.Allow("pipeline", crm.LevelAll, crm.VerbRead), crm.Allow("stage", crm.LevelAll, crm.VerbRead)...)...,
		)})
		require.NoError(t, err)
		_, err = d.Members.Create(system, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{seller.ID}})
		require.NoError(t, err)

		_, err = d.Deals.Create(ctx, sales.Deal{Name: "There", StageID: talks().ID})
		require.ErrorIs(t, err, crm.ErrForbidden)
		deal := d.deal(ctx, t)
		deal, err = d.Deals.Move(ctx, deal.ID, "negotiation")
		require.NoError(t, err, "to read pipelines and stages is all it takes")
		_, err = d.Deals.Win(crm.At(ctx, d.Clock.Now().Add(-time.Hour)), deal.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "to date what happened is an import")
		_, err = d.Stages.Create(ctx, sales.Stage{PipelineID: deal.PipelineID, Key: "x", Name: "X"})
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}

func TestWhoMayNotReadAFieldIsNotTold(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		system := crm.System(ctx, "acme")
		seller, err := d.Roles.Create(system, crm.Role{
			Name: "Seller", Grants: crm.Allow(crm.AnyKind, crm.LevelAll),
			Fields: []crm.FieldRule{{Object: "deal", Field: "amount", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		_, err = d.Members.Create(system, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{seller.ID}})
		require.NoError(t, err)
		deal := d.deal(system, t)
		for _, stage := range []string{"prospecting", "proposal", "won"} {
			moved, err := d.Deals.Move(ctx, deal.ID, stage)
			require.NoError(t, err)
			require.Zero(t, moved.Amount)
		}
		kept, err := d.Deals.Get(system, deal.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(12_000_00), kept.Amount)
	})
}

func TestADealOfAnotherTenantIsNotThere(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		deal := d.deal(ctx, t)
		other := crm.As(ctx, crm.Actor{Tenant: "globex", Member: "dana"})
		for name, do := range map[string]func() error{
			"move":    func() error { _, err := d.Deals.Move(other, deal.ID, "won"); return err },
			"win":     func() error { _, err := d.Deals.Win(other, deal.ID); return err },
			"lose":    func() error { _, err := d.Deals.Lose(other, deal.ID, "price"); return err },
			"reopen":  func() error { _, err := d.Deals.Reopen(other, deal.ID); return err },
			"history": func() error { _, err := d.Deals.StageHistory(other, deal.ID); return err },
		} {
			require.ErrorIs(t, do(), crm.ErrNotFound, name)
		}
		_, err := d.Deals.Create(other, sales.Deal{Name: "X", PipelineID: deal.PipelineID})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Deals.Create(other, sales.Deal{Name: "X", StageID: deal.StageID})
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

package embedcrm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// The code of docs/pool.md.
func Example_pools() {
	clock := &crmtest.Clock{}
	app := must(embedcrm.New(must(sqlite.Open("sqlite", ":memory:")), crm.Config{Clock: clock}))
	_ = app.On("pool_move.warned", "mail", func(ctx context.Context, e crm.Event) error {
		m, err := app.Pools.Moves.Get(ctx, e.Record)
		if err == nil {
			fmt.Println("on", m.Until.Format("2 January"), "you lose a", m.Object)
		}
		return err
	})
	if err := app.Migrate(context.Background()); err != nil {
		panic(err)
	}
	tenant := crm.System(context.Background(), "acme")
	team := must(app.Teams.Create(tenant, crm.Team{Name: "North"}))
	rep := must(app.Roles.Create(tenant, crm.Role{Name: "Rep", Grants: crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)}))
	must(app.Members.Create(tenant, crm.Member{Key: "dana", Name: "Dana", TeamIDs: []crm.ID{team.ID}, RoleIDs: []crm.ID{rep.ID}}))
	must(app.Customers.Create(tenant, customers.Customer{Kind: customers.Person, Name: "李雷", Region: "North", Phone: "138 1234 0000"}))

	north := must(app.Pools.Create(tenant, pool.Pool{
		Name: "North", Object: "customer", Where: "region == 'North'", TeamIDs: []crm.ID{team.ID},
		Show: []string{"name", "industry"}, Mask: []string{"phone", "email"},
		MaxHeld: 50, Counted: "none(deals, .status == 'won')", MaxPerDay: 10, BanDays: 7,
		RecycleDays: 30, WarnDays: 5, FollowedUp: "any(interactions, .at > $1) or any(deals, .status == 'open' or .created > $1)",
	}))
	noBudget := must(app.Pools.Reasons.Create(tenant, pool.Reason{Name: "No budget"}))

	dana := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})
	page := must(app.Pools.Cards(dana, north.ID, crm.Where("name == '李雷'"), crm.OrderBy("name")))
	card := page.Items[0] // card.Values["phone"] is 138****0000
	must(app.Pools.Claim(dana, north.ID, card.ID))
	must(app.Activity.Interactions.Create(dana, activity.Interaction{Object: "customer", RecordID: card.ID, Kind: activity.Call}))
	must(app.Pools.Return(dana, north.ID, card.ID, noBudget.ID, "asks again in spring"))
	_, err := app.Pools.Claim(dana, north.ID, card.ID)
	fmt.Println(card.Values["phone"], errors.Is(err, pool.ErrBanned))

	clock.Advance(8 * 24 * time.Hour)
	must(app.Pools.Claim(dana, north.ID, card.ID))
	clock.Advance(26 * 24 * time.Hour)
	must(0, app.RunDue(context.Background()))
	// Output:
	// 138****0000 true
	// on 13 February you lose a customer
}

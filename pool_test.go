package embedcrm_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/sales"
)

// TestCustomersInAPool goes through the days of a customer in a pool, with what hangs on him and refers to him.
func TestCustomersInAPool(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		system := crm.System(t.Context(), "acme")
		role, err := app.Roles.Create(system, crm.Role{Name: "Rep", Grants: append(
			crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate, crm.VerbCreate),
			append(append(crm.Allow("deal", crm.LevelOwn, crm.AnyVerb),
				crm.Allow("pipeline", crm.LevelAll, crm.VerbRead)...), crm.Allow("stage", crm.LevelAll, crm.VerbRead)...)...)})
		require.NoError(t, err)
		for _, key := range []string{"dana", "lee"} {
			_, err := app.Members.Create(system, crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{role.ID}})
			require.NoError(t, err)
		}
		dana := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		sea, err := app.Pools.Create(system, pool.Pool{
			Name: "High sea", Object: "customer", Where: "country == 'CN'",
			Show: []string{"name", "industry"}, Mask: []string{"phone", "email"}, MaxHeld: 10, Counted: "none(deals, .status == 'won')",
			RecycleDays: 30, WarnDays: 5, FollowedUp: "any(interactions, .at > $1) or any(deals, .created > $1 or .status == 'open') or any(purchases, .at > $1)",
		})
		require.NoError(t, err)
		li, err := app.Customers.Create(system, customers.Customer{Kind: customers.Person, Name: "李雷", Country: "CN", Phone: "13812340000", Email: "lilei@example.com"})
		require.NoError(t, err)
		_, err = app.Customers.Identities.Create(system, customers.Identity{CustomerID: li.ID, Kind: crm.AddressEmail, Value: "lei@example.org"})
		require.NoError(t, err)
		_, err = app.Activity.Notes.Create(system, activity.Note{Object: "customer", RecordID: li.ID, Text: "wants an engine"})
		require.NoError(t, err)

		page, err := app.Pools.Cards(dana, sea.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Values{"name": "李雷", "phone": crm.Mask(li.Phone), "email": "l***@example.com"}, page.Items[0].Values)
		require.NotContains(t, page.Items[0].Values["phone"], "1234")
		identities, err := app.Customers.Identities.List(dana)
		require.NoError(t, err)
		require.Empty(t, identities.Items)
		for _, text := range []string{"13812340000", "lilei@example.com", "lei@example.org", "李雷", "engine"} {
			found, err := app.Search(dana, text)
			require.NoError(t, err)
			require.Empty(t, found, text)
		}
		_, err = app.Pools.Cards(dana, sea.ID, crm.Where("any(notes, .text contains 'engine')"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = app.Pools.Cards(dana, sea.ID, crm.Where("any(identities, .value contains 'lei')"))
		require.ErrorIs(t, err, crm.ErrForbidden)

		_, err = app.Pools.Claim(dana, sea.ID, li.ID)
		require.NoError(t, err)
		_, err = app.Pools.Claim(crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "lee"}), sea.ID, li.ID)
		require.ErrorIs(t, err, pool.ErrClaimed)
		identities, err = app.Customers.Identities.List(dana)
		require.NoError(t, err)
		require.Len(t, identities.Items, 1)

		pass := func(days int) {
			app.Clock.Advance(time.Duration(days) * 24 * time.Hour)
			require.NoError(t, app.RunDue(t.Context()))
		}
		owned := func(ctx context.Context) bool {
			_, err := app.Customers.Get(ctx, li.ID)
			return err == nil
		}
		pass(20)
		_, err = app.Activity.Interactions.Create(dana, activity.Interaction{Object: "customer", RecordID: li.ID, Kind: activity.Call, Title: "Asked again"})
		require.NoError(t, err)
		pass(20)
		deal, err := app.Sales.Deals.Create(dana, sales.Deal{Name: "Engine", CustomerID: li.ID})
		require.NoError(t, err)
		pass(40)
		require.True(t, owned(dana), "the deal is open")
		_, err = app.Sales.Deals.Lose(dana, deal.ID, "price")
		require.NoError(t, err)
		pass(1)
		require.True(t, owned(dana), "she is warned first")
		pass(5)
		require.False(t, owned(dana))
		moves, err := app.Pools.Moves.Of(system, "customer", li.ID)
		require.NoError(t, err)
		kinds := make([]pool.MoveKind, len(moves.Items))
		for i := range moves.Items {
			kinds[i] = moves.Items[i].Kind
		}
		require.Equal(t, []pool.MoveKind{pool.Recycled, pool.Warned, pool.Claimed}, kinds)
		problems, err := app.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestThePageOnPoolsShowsTheCode holds the code in docs/pool.md to the example, but for white space.
func TestThePageOnPoolsShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/pool.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_pool_test.go")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```")
	require.Len(t, blocks, 5, "the example, and the line of another kind")
	_, code, _ := strings.Cut(blocks[1], "\n")
	for part := range strings.SplitSeq(code, "\n\n") {
		require.Contains(t, strings.Join(strings.Fields(string(source)), " "), strings.Join(strings.Fields(part), " "))
	}
}

package customers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestConsentsOfMergedCustomers(t *testing.T) {
	atCounter(t, func(ctx context.Context, t *testing.T, d *desk, _ *counter) {
		ada, twin := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "A. Lovelace", "lovelace@example.com")
		d.withdraw(ctx, t, twin, "news")
		d.Clock.Advance(time.Hour)
		d.confirm(ctx, t, ada, "news")
		d.give(ctx, t, twin, "surveys")
		d.confirm(ctx, t, twin, "offers")
		_, err := d.Suppressions.Create(ctx, customers.Suppression{CustomerID: twin.ID, Reason: customers.SuppressedExcluded, Topic: "surveys", Source: "x"})
		require.NoError(t, err)
		old := d.link(ctx, t, twin)

		_, merge, err := d.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, "withdrawn", d.may(ctx, t, ada, "news"), "the most restrictive wins, whichever came last")
		require.Equal(t, "withdrawn", d.may(ctx, t, twin, "news"), "by the old id too")
		require.Equal(t, "yes", d.may(ctx, t, ada, "offers"))
		require.Equal(t, "excluded", d.may(ctx, t, ada, "surveys"))
		_, err = d.Consents.Give(ctx, act(ada, "news"))
		require.ErrorIs(t, err, crm.ErrConflict)
		page, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, 6, "the entries of both")

		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, []string{"yes", "withdrawn"}, []string{d.may(ctx, t, ada, "news"), d.may(ctx, t, twin, "news")})
		require.Equal(t, []string{"not_asked", "yes"}, []string{d.may(ctx, t, ada, "offers"), d.may(ctx, t, twin, "offers")})
		require.Equal(t, []string{"yes", "excluded"}, []string{d.may(ctx, t, ada, "surveys"), d.may(ctx, t, twin, "surveys")})

		_, merge, err = d.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, err = d.Consents.Choose(t.Context(), old, []customers.ConsentChoice{{Channel: "email", Topic: "news", Agreed: true}}, customers.ConsentVisit{})
		require.NoError(t, err, "a link to one who was merged is one to the survivor")
		require.Equal(t, "yes", d.may(ctx, t, ada, "news"), "said since, it speaks for both")
		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		d.whole(t)
		require.Equal(t, []string{"yes", "withdrawn"}, []string{d.may(ctx, t, ada, "news"), d.may(ctx, t, twin, "news")}, "what was said since stays with the survivor")
	})
}

// TestANoSaidWhileMergedIsHisOwn is a customer who says no when somebody merged into him had said it already: once they
// are two again, both said so.
func TestANoSaidWhileMergedIsHisOwn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent})
		require.NoError(t, err)
		ada, bob := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Bob", "bob@example.com")
		d.withdraw(ctx, t, bob, "news")
		_, m, err := d.Merge(ctx, ada.ID, []crm.ID{bob.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.withdraw(ctx, t, ada, "news")
		d.withdraw(ctx, t, ada, "news") // by now it is recorded
		entries, err := d.Consents.Entries(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, entries.Items, 2)
		_, err = d.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		for _, c := range []customers.Customer{ada, bob} {
			require.Equal(t, "withdrawn", d.may(ctx, t, c, "news"), c.Name)
		}
		d.whole(t)
	})
}

// TestNothingButHisOwnActRevivesAWithdrawal tries any order of acts of two customers, who
// are merged and unmerged meanwhile, and holds that who withdrew is not written to until he
// confirmed, whatever else is recorded.
func TestNothingButHisOwnActRevivesAWithdrawal(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent})
		require.NoError(t, err)
		tries, enough := 0, 60
		if testing.Short() {
			enough = 15
		}
		rapid.Check(t, func(r *rapid.T) {
			if tries++; tries > enough { // each is long
				return
			}
			people := []customers.Customer{
				d.person(ctx, t, "Ada", fmt.Sprintf("ada%d@example.com", tries)), d.person(ctx, t, "Bob", fmt.Sprintf("bob%d@example.com", tries)),
			}
			refused, either, phase := make([]bool, 2), false, 0 // apart, merged, apart again
			var merge crm.ID
			say := func(who int, no bool) {
				if phase == 1 {
					who, either = 0, no // the survivor speaks
				}
				refused[who] = no
			}
			for range rapid.IntRange(1, 10).Draw(r, "acts") {
				who := rapid.IntRange(0, 1).Draw(r, "who")
				if rapid.Bool().Draw(r, "later") {
					d.Clock.Advance(time.Minute)
				}
				var err error
				switch rapid.SampledFrom([]string{"give", "import", "withdraw", "confirm", "merge"}).Draw(r, "act") {
				case "give":
					_, err = d.Consents.Give(ctx, act(people[who], "news"))
				case "import":
					old := act(people[who], "news")
					old.At = d.Clock.Now().Add(-time.Hour)
					_, err = d.Consents.Give(ctx, old)
				case "withdraw":
					d.withdraw(ctx, t, people[who], "news")
					say(who, true)
				case "confirm":
					d.confirm(ctx, t, people[who], "news")
					say(who, false)
				case "merge":
					switch phase++; phase {
					case 1:
						var m crm.Merge
						_, m, err = d.Merge(ctx, people[0].ID, []crm.ID{people[1].ID}, crm.MergeRules{})
						merge, either = m.ID, refused[0] || refused[1]
					case 2:
						_, err = d.Unmerge(ctx, merge)
					}
				}
				if err != nil {
					require.ErrorIs(t, err, crm.ErrConflict)
				}
				for i, p := range people {
					want := refused[i]
					if phase == 1 {
						want = either
					}
					require.Equal(r, want, d.may(ctx, t, p, "news") == "withdrawn")
				}
			}
		})
		d.whole(t)
	})
}

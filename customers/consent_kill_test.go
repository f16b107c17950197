package customers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// counterAt is a desk with the topic offers, which asks for a confirmation.
func counterAt(t *testing.T, db enginetest.Shared) *desk {
	t.Helper()
	d := &desk{}
	d.Core = crmtest.On(t, db.Open(t), crm.Config{}, func(c *crm.Core) (err error) {
		d.Customers, err = customers.New(c)
		return err
	})
	return d
}

// TestSayerVictim is no test but the process that TestConsentsKilled kills: again and
// again each customer is asked, confirms, twice at once, and then takes it all back.
func TestSayerVictim(t *testing.T) {
	db, _ := enginetest.Orders(t)
	d := counterAt(t, db)
	ctx := crm.System(t.Context(), "acme")
	page, err := d.List(ctx)
	require.NoError(t, err)
	for {
		for _, who := range page.Items {
			asked, err := d.Consents.Ask(ctx, act(who, "offers"))
			require.NoError(t, err)
			fmt.Println("asked", asked.Token)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { _, _ = d.Consents.Confirm(t.Context(), asked.Token, customers.ConsentVisit{}) })
			}
			both.Wait()
			fmt.Println("confirmed", asked.Token)
			token, err := d.Consents.Token(ctx, customers.ConsentToken{CustomerID: who.ID}) // as on a page where he is signed in
			require.NoError(t, err)
			_, err = d.Consents.Choose(t.Context(), token, []customers.ConsentChoice{{Channel: "email", Topic: "offers"}, {Channel: "email"}}, customers.ConsentVisit{})
			require.NoError(t, err)
		}
	}
}

// TestConsentsKilled kills processes while customers confirm and take back. What a customer
// said is there with all that follows from it or not at all, and no token is good twice.
func TestConsentsKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		rounds := 10
		if testing.Short() {
			rounds = 4
		}
		d := counterAt(t, db)
		ctx := crm.System(t.Context(), "acme")
		_, err := d.Consents.Topics.Create(ctx, customers.ConsentTopic{
			Key: "offers", Name: "Offers", Channels: []string{"email"}, Basis: customers.BasisConsent, DoubleOptIn: true,
		})
		require.NoError(t, err)
		var people []customers.Customer
		for _, name := range []string{"ada", "bob", "cai"} {
			people = append(people, d.person(ctx, t, name, name+"@example.com"))
		}
		asked, confirmed := map[string]bool{}, map[string]bool{}
		for range rounds {
			killedSaying(db.Start(t, "TestSayerVictim"), asked, confirmed)
			for _, who := range people {
				d.saidWhole(ctx, t, who)
			}
			d.whole(t)
		}
		for token := range asked {
			_, err := d.Consents.Confirm(t.Context(), token, customers.ConsentVisit{})
			if confirmed[token] || err != nil {
				require.ErrorIs(t, err, crm.ErrConflict, "it was used, or he took it back")
			}
			_, err = d.Consents.Confirm(t.Context(), token, customers.ConsentVisit{})
			require.ErrorIs(t, err, crm.ErrConflict)
		}
		for _, who := range people {
			d.saidWhole(ctx, t, who)
		}
		d.whole(t)
	})
}

// saidWhole holds that what follows from what a customer said is there, and nothing else:
// with his no the channel is closed, with his yes it is open and his address is known to
// be his. What he was asked he answered once at most.
func (d *desk) saidWhole(ctx context.Context, t *testing.T, who customers.Customer) {
	t.Helper()
	answers, last, asked := map[crm.ID]int{}, customers.ConsentStatus(""), 0
	for cursor := ""; ; {
		page, err := d.Consents.Entries(ctx, who.ID, crm.Limit(crm.MaxPage), crm.After(cursor))
		require.NoError(t, err)
		for _, e := range page.Items {
			if e.Status == customers.ConsentAsked {
				asked++
			} else {
				last = e.Status // the newest is the last one
			}
			if !e.AskID.IsZero() {
				answers[e.AskID]++
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for ask, n := range answers {
		require.Equal(t, 1, n, "%s was answered", ask)
	}
	closed, err := d.Suppressions.Count(ctx, crm.Where("customer_id == $1 and reason == 'opted_out'", who.ID))
	require.NoError(t, err)
	point, err := d.ContactPoints.Of(ctx, email(who.Email))
	require.True(t, err == nil || errors.Is(err, crm.ErrNotFound), "%v", err)
	switch last {
	case customers.ConsentWithdrawn:
		require.EqualValues(t, 1, closed)
		require.Equal(t, "channel_closed", d.may(ctx, t, who, "offers"))
	case customers.ConsentGiven:
		require.Zero(t, closed)
		require.False(t, point.Verified.IsZero())
		require.Equal(t, "yes", d.may(ctx, t, who, "offers"))
	case customers.ConsentAsked, customers.ConsentExpired:
		require.Fail(t, "nothing expires here", last)
	default:
		require.Zero(t, closed)
		want := "not_asked"
		if asked > 0 {
			want = "not_confirmed"
		}
		require.Equal(t, want, d.may(ctx, t, who, "offers"))
	}
}

// killedSaying kills the victim somewhere in what it does.
func killedSaying(v *enginetest.Victim, asked, confirmed map[string]bool) {
	n := 1 + rand.IntN(8)
	for line := range v.Lines() {
		what, token, _ := strings.Cut(line, " ")
		switch what {
		case "asked":
			asked[token] = true
		case "confirmed":
			confirmed[token] = true
		}
		if n--; n == 0 {
			v.Kill(time.Duration(rand.IntN(int(15 * time.Millisecond))))
		}
	}
	v.Killed()
}

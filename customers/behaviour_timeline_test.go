package customers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestBehaviourInTimelines holds that what a customer did is in his timeline where it is asked for, in its order, for
// who may read him, and that a page reads no more of it than it shows.
func TestBehaviourInTimelines(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := crm.System(t.Context(), "acme")
		ada, bob := d.person(ctx, t, "Ada", "ada@example.com"), d.person(ctx, t, "Bob", "bob@example.com")
		begin := d.Clock.Now()
		events := make([]customers.Event, 4000)
		for i := range events {
			events[i] = customers.Event{CustomerID: ada.ID, Name: fmt.Sprint("viewed ", i), At: begin.Add(-time.Duration(i/2) * time.Second)} // two at a time
		}
		_, err := d.Behaviour.Track(ctx, events...)
		require.NoError(t, err)
		_, err = d.Behaviour.Track(ctx, customers.Event{CustomerID: bob.ID, Name: "left"})
		require.NoError(t, err)
		_, err = d.Purchases.Record(ctx, customers.Purchase{CustomerID: ada.ID, At: begin.Add(-time.Second), Number: "81", Amount: crm.EUR(1_00), Record: crm.Record{Refs: crm.Refs{"shop": "1"}}})
		require.NoError(t, err)
		_, err = e.DB.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)

		line, err := d.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		require.False(t, slices.ContainsFunc(line.Items, func(e crm.TimelineEntry) bool { return e.Kind == "behaviour" }), "they would hide the rest")
		require.Len(t, line.Items, 3)

		kinds := crm.TimelineFilter{Kinds: []string{"behaviour", "purchase"}}
		titles := map[string]int{}
		last := crm.TimelineEntry{At: begin}
		n := 0
		for cursor := ""; n < 600; {
			page, err := d.Timeline(ctx, "customer", ada.ID, kinds, crm.Limit(97), crm.After(cursor))
			require.NoError(t, err)
			for _, x := range page.Items {
				require.False(t, x.At.After(last.At))
				titles[x.Kind+" "+x.Title]++
				last = x
				n++
			}
			cursor = page.Next
		}
		require.Len(t, titles, n, "each once")
		require.Equal(t, 1, titles["purchase 81"])
		require.Equal(t, 1, titles["behaviour viewed 0"])
		require.Equal(t, "behaviour", last.Object)

		heard.Forget()
		page, err := d.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{Kinds: []string{"behaviour"}, To: begin.Add(-time.Minute)}, crm.Limit(2))
		require.NoError(t, err)
		require.Equal(t, begin.Add(-61*time.Second), page.Items[0].At)
		reads := heard.Reads()
		plan := e.Explain(t, reads[len(reads)-1])
		require.NotContains(t, plan, "Seq Scan")
		require.NotContains(t, plan, "Sort Key: behaviour", "a page is read from the key")
		require.Regexp(t, `behaviour_pkey|PRIMARY KEY \(tenant=\? AND customer_id=\?`, plan)

		// It is for who may read her, while she lives; and a row is nobody's own.
		d.role(t, "rep", crm.Allow("customer", crm.LevelOwn, crm.VerbRead))
		_, err = d.Timeline(as(t, "rep"), "customer", ada.ID, kinds)
		require.ErrorIs(t, err, crm.ErrNotFound)
		d.role(t, "clerk", crm.Allow("customer", crm.LevelAll, crm.VerbRead))
		seen, err := d.Timeline(as(t, "clerk"), "customer", ada.ID, crm.TimelineFilter{Kinds: []string{"behaviour"}})
		require.NoError(t, err)
		require.Len(t, seen.Items, crm.DefaultPage)
		members, err := d.Members.List(ctx)
		require.NoError(t, err)
		seen, err = d.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{Kinds: []string{"behaviour"}, Member: members.Items[0].ID})
		require.NoError(t, err)
		require.Empty(t, seen.Items)
		_, _, err = d.Merge(ctx, bob.ID, []crm.ID{ada.ID}, crm.MergeRules{})
		require.NoError(t, err)
		seen, err = d.Timeline(ctx, "customer", bob.ID, crm.TimelineFilter{Kinds: []string{"behaviour"}}, crm.Limit(1))
		require.NoError(t, err)
		require.Contains(t, []string{"left", "viewed 0", "viewed 1"}, seen.Items[0].Title)
		require.NoError(t, d.Delete(ctx, bob.ID))
		seen, err = d.Timeline(ctx, "customer", bob.ID, crm.TimelineFilter{Kinds: []string{"behaviour"}})
		require.NoError(t, err)
		require.Empty(t, seen.Items, "nobody sees them until he is restored")
	})
}

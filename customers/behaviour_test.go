package customers_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// website is a desk whose customers are watched.
type website struct {
	*desk

	policy customers.BehaviourPolicy
	sys    context.Context
}

func onWebsite(t *testing.T, fn func(ctx context.Context, t *testing.T, w *website)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		w := &website{sys: crm.System(t.Context(), "acme")}
		w.desk = &desk{}
		w.Core = crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) (err error) {
			if w.Customers, err = customers.New(c); err == nil {
				w.Behaviour.SetPolicy(func(string) customers.BehaviourPolicy { return w.policy })
			}
			return err
		})
		fn(as(t, "dana"), t, w)
		problems, err := w.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func (w *website) track(ctx context.Context, t *testing.T, events ...customers.Event) []customers.Tracked {
	t.Helper()
	outcome, err := w.Behaviour.Track(ctx, events...)
	require.NoError(t, err)
	return outcome
}

// did are the names of what a customer did, the latest first.
func (w *website) did(ctx context.Context, t *testing.T, id crm.ID) string {
	t.Helper()
	page, err := w.Behaviour.List(ctx, id)
	require.NoError(t, err)
	var names []string
	for _, a := range page.Items {
		names = append(names, a.Name)
	}
	return strings.Join(names, " ")
}

func minute(n int) time.Time { return crmtest.Start().Add(time.Duration(n) * time.Minute) }

func TestEventsAreKeptOnce(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		ada, bob := w.person(ctx, t, "Ada", ""), w.person(ctx, t, "Bob", "")
		a := customers.Event{CustomerID: ada.ID, Name: "price", At: minute(2), Key: "1", Props: map[string]any{"plan": "pro"}}
		late := customers.Event{CustomerID: ada.ID, Name: "home", At: minute(1), Key: "2"}
		his := customers.Event{CustomerID: bob.ID, Name: "price", At: minute(2), Key: "1"}
		require.Equal(t, []customers.Tracked{"kept", "known", "kept"}, w.track(ctx, t, a, a, his))
		require.Equal(t, []customers.Tracked{"known", "kept"}, w.track(ctx, t, a, late))
		require.Equal(t, "price home", w.did(ctx, t, ada.ID), "in the order in which it happened")
		w.Clock.Advance(time.Hour)
		require.Equal(t, []customers.Tracked{"kept", "kept"}, w.track(ctx, t, customers.Event{CustomerID: bob.ID, Name: "x"}, customers.Event{CustomerID: bob.ID, Name: "x"}))
		page, err := w.Behaviour.List(ctx, ada.ID, crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, map[string]any{"plan": "pro"}, page.Items[0].Props)
		page, err = w.Behaviour.List(ctx, ada.ID, crm.Limit(1), crm.After(page.Next))
		require.NoError(t, err)
		require.Equal(t, "home", page.Items[0].Name)

		// In expressions.
		for text, want := range map[string]int64{
			"count(events, .name == 'price') >= 1": 2, "count(events) >= 3": 1, "any(events, .at < ago('61min'))": 0, "any(events, .at > ago('57min'))": 1,
		} {
			n, err := w.Count(ctx, crm.Where(text))
			require.NoError(t, err, text)
			require.Equal(t, want, n, text)
		}
		figures, err := w.Core.Aggregate(ctx, "behaviour", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: "name"}}})
		require.NoError(t, err)
		require.Len(t, figures.Rows, 3)

		for what, e := range map[string]customers.Event{
			"nobody": {Name: "x"}, "no name": {CustomerID: ada.ID}, "a key without a time": {CustomerID: ada.ID, Name: "x", Key: "k"},
			"a long key": {CustomerID: ada.ID, Name: "x", At: minute(1), Key: strings.Repeat("k", 201)},
			"long name":  {CustomerID: ada.ID, Name: strings.Repeat("x", 65)}, "long visitor": {Visitor: strings.Repeat("x", 129), Name: "x"},
			"what is no text": {CustomerID: ada.ID, Name: "x", Props: map[string]any{"a": "\x00"}},
		} {
			_, err := w.Behaviour.Track(ctx, customers.Event{CustomerID: ada.ID, Name: "good"}, e)
			require.ErrorIs(t, err, crm.ErrInvalid, what)
		}
		_, err = w.Behaviour.Track(ctx, customers.Event{CustomerID: crm.ID{1}, Name: "x"})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = w.Behaviour.Track(ctx, make([]customers.Event, 10_001)...)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.NotContains(t, w.did(ctx, t, ada.ID), "good", "all or none")
	})
}

func TestVisitorsBecomeKnown(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		ada, bob := w.person(ctx, t, "Ada", ""), w.person(ctx, t, "Bob", "")
		first := customers.Event{Visitor: "v1", Name: "home", At: minute(1), Key: "1"}
		require.Equal(t, []customers.Tracked{"kept", "kept"}, w.track(ctx, t, first, customers.Event{Visitor: "v2", Name: "other", At: minute(1)}))
		require.Equal(t, []customers.Tracked{"known"}, w.track(ctx, t, first))
		n, err := w.Behaviour.Stitch(ctx, "v1", ada.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = w.Behaviour.Stitch(ctx, "v1", ada.ID)
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = w.Behaviour.Stitch(ctx, "v1", bob.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = w.Behaviour.Stitch(ctx, "v9", crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.Equal(t, []customers.Tracked{"known", "kept"}, w.track(ctx, t, first, customers.Event{Visitor: "v1", Name: "price", At: minute(2)}), "sent again it is known still")
		require.Equal(t, "price home", w.did(ctx, t, ada.ID))

		// Many, and more than a page of them.
		var many []customers.Event
		for i := range 1500 {
			many = append(many, customers.Event{Visitor: "v3", Name: "click", At: minute(i / 2), Key: strconv.Itoa(i)})
		}
		w.track(ctx, t, many...)
		n, err = w.Behaviour.Stitch(ctx, "v3", bob.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1500, n)

		require.NoError(t, w.Purge(ctx, bob.ID), "they go with him")
		figures, err := w.Core.Aggregate(w.sys, "behaviour", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}})
		require.NoError(t, err)
		require.EqualValues(t, 2, figures.Rows[0].Values[0])
	})
}

func TestWhatIsKeptOfBehaviour(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		ada := w.person(ctx, t, "Ada", "")
		w.policy = customers.BehaviourPolicy{
			Catalogue: []customers.EventType{{Name: "price", Props: map[string]customers.PropType{"plan": customers.PropText, "n": customers.PropNumber}}},
			Consent:   func(_ context.Context, e customers.Event) (bool, error) { return e.Props["plan"] != "secret", nil },
		}
		e := func(name string, props map[string]any) customers.Event {
			return customers.Event{CustomerID: ada.ID, Name: name, Props: props, UserAgent: "Mozilla/5.0"}
		}
		robot := e("price", nil)
		robot.UserAgent = "Mozilla/5.0 (compatible; Googlebot/2.1)"
		require.Equal(t, []customers.Tracked{"kept", "no consent", "bot"},
			w.track(ctx, t, e("price", map[string]any{"plan": "pro", "n": 2}), e("price", map[string]any{"plan": "secret"}), robot))
		for _, bad := range []customers.Event{e("prise", nil), e("price", map[string]any{"plan": 1}), e("price", map[string]any{"other": 1}), e("price", map[string]any{"n": "2"})} {
			_, err := w.Behaviour.Track(ctx, bad)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		w.policy.Note = true
		w.track(ctx, t, e("prise", nil))
		page, err := w.Behaviour.List(ctx, ada.ID, crm.Where("unknown"))
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, "prise", page.Items[0].Name)
	})
}

func TestSessions(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		ada := w.person(ctx, t, "Ada", "")
		for _, m := range []int{80, 0, 29, 50, 81} { // out of order
			w.track(ctx, t, customers.Event{CustomerID: ada.ID, Name: fmt.Sprint("m", m), At: minute(m)})
		}
		got, err := w.Behaviour.Sessions(ctx, ada.ID, minute(0), minute(1000))
		require.NoError(t, err)
		require.Equal(t, []customers.Session{
			{Began: minute(80), Ended: minute(81), Events: 2, First: "m80", Last: "m81"},
			{Began: minute(0), Ended: minute(50), Events: 3, First: "m0", Last: "m50"},
		}, got)
		// One that comes late may join two.
		w.track(ctx, t, customers.Event{CustomerID: ada.ID, Name: "late", At: minute(60)})
		got, err = w.Behaviour.Sessions(ctx, ada.ID, minute(0), minute(1000))
		require.NoError(t, err)
		require.Len(t, got, 1)
		_, err = w.Behaviour.Sessions(ctx, crm.ID{1}, minute(0), minute(1))
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestOldEventsAreCounted(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		w.policy.Keep = 30 * 24 * time.Hour
		ada, bob := w.person(ctx, t, "Ada", ""), w.person(ctx, t, "Bob", "")
		var events []customers.Event
		for i := range 2500 {
			events = append(events, customers.Event{CustomerID: ada.ID, Name: fmt.Sprint("e", i%2), At: minute(i)})
		}
		events = append(events, customers.Event{CustomerID: bob.ID, Name: "e0", At: minute(0)}, customers.Event{Visitor: "v", Name: "e0", At: minute(0)})
		w.track(ctx, t, events...)
		day := crm.DateOf(minute(0))
		daily := func() []customers.DayCount {
			list, err := w.Behaviour.Daily(ctx, ada.ID, day, day.AddDays(40))
			require.NoError(t, err)
			return list
		}
		before := daily()
		require.Len(t, before, 6)
		require.NoError(t, w.Jobs.Schedule(w.sys, crm.Schedule{Name: "behaviour", Kind: customers.UpkeepJob, Cron: "@daily"}))
		w.Clock.Advance(24 * time.Hour)
		require.NoError(t, w.RunDue(t.Context()))
		require.Equal(t, before, daily())
		page, err := w.Behaviour.List(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, crm.DefaultPage)

		w.Clock.Advance(30 * 24 * time.Hour)
		require.NoError(t, w.RunDue(t.Context()))
		require.Equal(t, before, daily(), "the counts are kept")
		page, err = w.Behaviour.List(ctx, ada.ID, crm.Where("at < $1", day.AddDays(1).Time(time.UTC)))
		require.NoError(t, err)
		require.Empty(t, page.Items)
		// A late one is counted with its day, once.
		w.track(ctx, t, customers.Event{CustomerID: ada.ID, Name: "e0", At: minute(0)})
		for range 2 {
			_, err = w.Behaviour.Upkeep(w.sys)
			require.NoError(t, err)
			require.Equal(t, before[0].N+1, daily()[0].N)
		}
		require.Empty(t, w.did(ctx, t, bob.ID))
		_, err = w.Behaviour.Daily(ctx, ada.ID, day, day.AddDays(-1))
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestBehaviourUnderRights(t *testing.T) {
	onWebsite(t, func(ctx context.Context, t *testing.T, w *website) {
		dana, err := w.Members.Create(w.sys, crm.Member{Key: "dana", Name: "Dana"})
		require.NoError(t, err)
		mine := w.person(ctx, t, "Ada", "")
		theirs := w.person(w.sys, t, "Bob", "")
		w.track(w.sys, t, customers.Event{CustomerID: theirs.ID, Name: "x"}, customers.Event{CustomerID: mine.ID, Name: "x"})
		rep, err := w.Roles.Create(w.sys, crm.Role{Name: "Rep", Grants: crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)})
		require.NoError(t, err)
		_, err = w.Members.Update(w.sys, dana.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{rep.ID}; return nil })
		require.NoError(t, err)
		w.track(ctx, t, customers.Event{CustomerID: mine.ID, Name: "y"})
		_, track := w.Behaviour.Track(ctx, customers.Event{CustomerID: mine.ID, Name: "y"}, customers.Event{CustomerID: theirs.ID, Name: "y"})
		_, list := w.Behaviour.List(ctx, theirs.ID)
		_, stitch := w.Behaviour.Stitch(ctx, "v", theirs.ID)
		_, sessions := w.Behaviour.Sessions(ctx, theirs.ID, minute(0), minute(9))
		_, daily := w.Behaviour.Daily(ctx, theirs.ID, crm.DateOf(minute(0)), crm.DateOf(minute(0)))
		for _, err := range []error{track, list, stitch, sessions, daily} {
			require.ErrorIs(t, err, crm.ErrNotFound)
		}
		_, err = w.Behaviour.Track(ctx, customers.Event{Visitor: "v", Name: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Behaviour.Upkeep(ctx)
		require.ErrorIs(t, err, crm.ErrForbidden)
		n, err := w.Count(ctx, crm.Where("count(events) > 0"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		_, err = w.Behaviour.List(crm.System(t.Context(), "other"), mine.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

package customers_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

const day = 24 * time.Hour

// usage measures what customers do, three times as much as what they buy.
func usage() customers.Scorecard {
	return customers.Scorecard{Key: "usage", Name: "Usage", Measures: []customers.HealthMeasure{
		{Key: "active", Name: "Activity", Weight: 3, Steps: []customers.HealthStep{
			{When: "count(events, .at > ago('30d')) >= 3", Points: 100, Says: "active this month"},
			{When: "any(events, .at > ago('30d'))", Points: 50, Says: "seen this month"},
			{Points: 0, Says: "not seen this month"},
		}},
		{Key: "buys", Weight: 1, Applies: "purchase_count > 0", Steps: []customers.HealthStep{
			{When: "last_purchase > ago('90d')", Points: 100},
		}},
	}}
}

func (d *desk) acts(ctx context.Context, tb testing.TB, who customers.Customer, times int) {
	tb.Helper()
	for i := range times {
		_, err := d.Behaviour.Track(ctx, customers.Event{CustomerID: who.ID, Name: "used", At: d.Clock.Now(), Key: fmt.Sprint(d.Clock.Now(), i)})
		require.NoError(tb, err)
	}
}

func (d *desk) buys(ctx context.Context, tb testing.TB, who customers.Customer, key string) {
	tb.Helper()
	_, err := d.Purchases.Record(ctx, customers.Purchase{Record: crm.Record{Refs: crm.Refs{"shop": key}}, CustomerID: who.ID, Amount: crm.EUR(10_00)})
	require.NoError(tb, err)
}

// healths are scores, bands and trends, by the customers' names.
func (d *desk) healths(ctx context.Context, tb testing.TB) map[string]string {
	tb.Helper()
	all := map[string]string{}
	for s, err := range d.Health.All(ctx) {
		require.NoError(tb, err)
		c, err := d.Get(ctx, s.CustomerID)
		require.NoError(tb, err)
		all[c.Name] = fmt.Sprintf("%d %s %+d %+d", s.Score, s.Band, s.Delta30, s.Delta90)
	}
	return all
}

func TestHealthFollowsWhatCustomersDoAndTheClock(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := &desk{}
		heard := map[string]int{}
		d.Core = crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) (err error) {
			if d.Customers, err = customers.New(c); err != nil {
				return err
			}
			return c.On("health_score.band_changed", "heard", func(ctx context.Context, e crm.Event) error {
				s, err := d.Health.Get(ctx, e.Record)
				heard[s.CustomerID.String()]++
				return err
			})
		})
		ctx := as(t, "dana")
		ada, bob, cy := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", ""), d.person(ctx, t, "Cy", "")
		d.acts(ctx, t, ada, 3)
		d.buys(ctx, t, ada, "1")
		d.acts(ctx, t, bob, 1)
		_, err := d.Health.Scorecards.Create(ctx, usage())
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "100 good +0 +0", "Bob": "50 watch +0 +0", "Cy": "0 poor +0 +0"}, d.healths(ctx, t),
			"who never bought is not judged by it")
		n, err := d.Count(ctx, crm.Where("any(health_scores, .scorecard.key == 'usage' and .band == 'watch' and .score >= 50)"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		page, err := d.Health.List(ctx, crm.OrderBy("-score"), crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, ada.ID, page.Items[0].CustomerID)

		d.Clock.Advance(10 * time.Minute)
		d.buys(ctx, t, bob, "2")
		d.Clock.Advance(10 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, "63 watch +13 +13", d.healths(ctx, t)["Bob"], "soon after his facts changed: (3·50 + 100) / 4, half up")
		require.Empty(t, heard, "within the band")

		d.Clock.Advance(31 * day)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "25 poor -75 -75", "Bob": "25 poor -38 -25", "Cy": "0 poor +0 +0"}, d.healths(ctx, t),
			"when only time passed; what Bob rose is more than 30 days ago")
		require.Equal(t, map[string]int{ada.ID.String(): 1, bob.ID.String(): 1}, heard)
		changed, err := d.Health.Evaluate(ctx, "usage")
		require.NoError(t, err)
		require.Zero(t, changed, "what is right is not written again")

		trend, err := d.Health.Trend(ctx, bob.ID, "usage", d.Clock.Now().Add(-day), d.Clock.Now())
		require.NoError(t, err)
		require.Len(t, trend, 2, "with the one he came with")
		require.EqualValues(t, 63, trend[0].Score)
		require.Equal(t, customers.HealthPoint{At: d.Clock.Now(), Score: 25, Band: "poor"}, trend[1])

		d.acts(ctx, t, cy, 1)
		scores, err := d.Health.EvaluateCustomer(ctx, cy.ID)
		require.NoError(t, err)
		require.EqualValues(t, 50, scores[0].Score, "for who will not wait")
		d.Clock.Advance(91 * day)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, "0 poor -50 -50", d.healths(ctx, t)["Cy"])
		require.Equal(t, "0 poor -25 -25", d.healths(ctx, t)["Ada"])
		require.Equal(t, map[string]int{ada.ID.String(): 1, bob.ID.String(): 1, cy.ID.String(): 2}, heard, "each step into another band, once")
		d.whole(t)
	})
}

func TestHealthOfWhomAScorecardIsFor(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		card := usage()
		card.Whom = "'vip' in tags"
		card.Bands = []customers.HealthBand{{Name: "green", From: 50}, {Name: "red", From: 0}}
		card, err := d.Health.Scorecards.Create(ctx, card)
		require.NoError(t, err)
		_, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Tags = []string{"vip"}; return nil })
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "0 red +0 +0"}, d.healths(ctx, t))
		explained, err := d.Health.Explain(ctx, bob.ID)
		require.NoError(t, err)
		require.Empty(t, explained)

		_, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Tags = nil; return nil })
		require.NoError(t, err)
		d.Clock.Advance(5 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		require.Empty(t, d.healths(ctx, t), "it is for her no more")

		_, err = d.Health.Scorecards.Update(ctx, card.ID, func(s *customers.Scorecard) error {
			s.Whom, s.Measures = "", s.Measures[1:] // which applies to nobody
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		require.Empty(t, d.healths(ctx, t))
		d.buys(ctx, t, bob, "1")
		d.Clock.Advance(5 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Bob": "100 green +0 +0"}, d.healths(ctx, t))

		require.NoError(t, d.Health.Drop(ctx, "usage"))
		require.Empty(t, d.healths(ctx, t))
		d.Clock.Advance(day)
		require.NoError(t, d.RunDue(t.Context()))
		_, err = d.Health.Evaluate(ctx, "usage")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestHealthIsExplainedToWhoMayKnow(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		d.acts(ctx, t, ada, 1)
		d.buys(ctx, t, ada, "1")
		_, err := d.Health.Scorecards.Create(ctx, usage())
		require.NoError(t, err)
		explained, err := d.Health.Explain(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, []customers.CustomerHealth{{Scorecard: "usage", Name: "Usage", Score: 63, Band: "watch", Measures: []customers.MeasureHealth{
			{Key: "active", Name: "Activity", Weight: 3, Applies: true, Points: 50, When: "any(events, .at > ago('30d'))", Says: "seen this month"},
			{Key: "buys", Weight: 1, Applies: true, Points: 100, When: "last_purchase > ago('90d')"},
		}}}, explained)

		d.role(t, "eve", crm.Allow("customer", crm.LevelAll, crm.VerbRead), crm.FieldRule{Object: "customer", Field: "last_purchase", Access: crm.FieldHidden})
		explained, err = d.Health.Explain(as(t, "eve"), ada.ID)
		require.NoError(t, err)
		require.Equal(t, customers.MeasureHealth{Key: "buys", Weight: 1, Withheld: true}, explained[0].Measures[1])
		require.EqualValues(t, 50, explained[0].Measures[0].Points)

		d.role(t, "mallory", crm.Allow("customer", crm.LevelOwn, crm.VerbRead))
		for _, try := range []func(ctx context.Context) error{
			func(ctx context.Context) error { _, err := d.Health.Explain(ctx, ada.ID); return err },
			func(ctx context.Context) error { _, err := d.Health.EvaluateCustomer(ctx, ada.ID); return err },
			func(ctx context.Context) error {
				_, err := d.Health.Trend(ctx, ada.ID, "usage", time.Time{}, d.Clock.Now())
				return err
			},
		} {
			require.ErrorIs(t, try(as(t, "mallory")), crm.ErrNotFound)
		}
		require.NoError(t, d.RunDue(t.Context()))
		page, err := d.Health.List(as(t, "mallory"))
		require.NoError(t, err)
		require.Empty(t, page.Items)
		_, err = d.Health.Create(as(t, "eve"), customers.HealthScore{CustomerID: ada.ID, ScorecardID: crm.ID{1}, Score: 100, Band: "good", Since: d.Clock.Now(), Key: "x"})
		require.Error(t, err, "nobody is healthy by hand")
	})
}

func TestWhatAScorecardCannotBe(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		for says, change := range map[string]func(*customers.Scorecard){
			"is no key":                       func(s *customers.Scorecard) { s.Key = "By Use" },
			"measures: are 0":                 func(s *customers.Scorecard) { s.Measures = nil },
			`measure "active" is there twice`: func(s *customers.Scorecard) { s.Measures[1].Key = "active" },
			`has the weight 0`:                func(s *customers.Scorecard) { s.Measures[0].Weight = 0 },
			`has 0 steps`:                     func(s *customers.Scorecard) { s.Measures[0].Steps = nil },
			`a step of 101 points`:            func(s *customers.Scorecard) { s.Measures[0].Steps[0].Points = 101 },
			`put it last`:                     func(s *customers.Scorecard) { s.Measures[0].Steps[0].When = "" },
			`measure "buys" applies: `:        func(s *customers.Scorecard) { s.Measures[1].Applies = "bought > 1" },
			`measure "active" step 2: `:       func(s *customers.Scorecard) { s.Measures[0].Steps[1].When = "any(events" },
			`whom: `:                          func(s *customers.Scorecard) { s.Whom = "vip" },
			`let it begin at 0`:               func(s *customers.Scorecard) { s.Bands = []customers.HealthBand{{Name: "good", From: 50}} },
			`put the best first`: func(s *customers.Scorecard) {
				s.Bands = []customers.HealthBand{{Name: "poor"}, {Name: "good", From: 50}}
			},
			`have 60 conditions with whom`: func(s *customers.Scorecard) {
				s.Measures = nil
				for i := range 6 {
					m := customers.HealthMeasure{Key: fmt.Sprintf("m%d", i), Weight: 1}
					for range 10 {
						m.Steps = append(m.Steps, customers.HealthStep{When: "true", Points: 1})
					}
					s.Measures = append(s.Measures, m)
				}
			},
		} {
			card := usage()
			change(&card)
			_, err := d.Health.Scorecards.Create(ctx, card)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
	})
}

// TestHealthOfManyAtOnce has more customers than one step writes, and several who
// evaluate them.
func TestHealthOfManyAtOnce(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		list := make([]customers.Customer, 1100)
		for i := range list {
			size := int64(i)
			list[i] = customers.Customer{Kind: customers.Organisation, Name: fmt.Sprintf("Company %d", i), Employees: &size}
		}
		_, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		_, err = d.Health.Scorecards.Create(ctx, customers.Scorecard{Key: "size", Name: "Size", Measures: []customers.HealthMeasure{
			{Key: "size", Weight: 1, Steps: []customers.HealthStep{{When: "employees >= 1000", Points: 90}, {When: "employees >= 100", Points: 45}}},
		}})
		require.NoError(t, err)
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			all.Go(func() { _, errs[i] = d.Health.Evaluate(ctx, "size") })
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		for band, want := range map[string]int64{"good": 100, "watch": 900, "poor": 100} {
			n, err := d.Health.Count(ctx, crm.Where("band == $1", band))
			require.NoError(t, err)
			require.Equal(t, want, n, band)
		}
		n, err := d.Health.Count(ctx, crm.Where("count(trend) == 1"))
		require.NoError(t, err)
		require.EqualValues(t, 1100, n, "a point each, whoever wrote it")
	})
}

func TestHealthThroughMergeAndErasure(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, twin := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "A. L.", "")
		d.acts(ctx, t, ada, 1)
		_, err := d.Health.Scorecards.Create(ctx, usage())
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		d.Clock.Advance(time.Hour)
		d.acts(ctx, t, twin, 2)
		_, err = d.Health.EvaluateCustomer(ctx, twin.ID)
		require.NoError(t, err)
		before := d.healths(ctx, t)
		require.Equal(t, map[string]string{"Ada": "50 watch +0 +0", "A. L.": "50 watch +50 +50"}, before)

		_, m, err := d.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		d.Clock.Advance(5 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "100 good +50 +50"}, d.healths(ctx, t), "of what both did")
		_, err = d.Unmerge(ctx, m.ID)
		require.NoError(t, err)
		d.Clock.Advance(5 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Ada": "50 watch +0 +0", "A. L.": "50 watch +50 +50"}, d.healths(ctx, t))

		var out bytes.Buffer
		_, err = d.Customers.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Contains(t, out.String(), `"health_score"`)
		_, err = d.Customers.ErasePerson(ctx, ada.ID, "asked")
		require.NoError(t, err)
		trend, err := d.Health.Trend(ctx, ada.ID, "usage", time.Time{}, d.Clock.Now())
		require.NoError(t, err)
		require.Empty(t, trend)
	})
}

// TestTrendsAreDifferences holds the trend to the scores there were, whenever they
// changed.
func TestTrendsAreDifferences(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	d := newDesk(t, store, customers.Policy{})
	ctx := as(t, "dana")
	_, err = d.Health.Scorecards.Create(ctx, customers.Scorecard{Key: "age", Name: "Age", Measures: []customers.HealthMeasure{
		{Key: "a", Weight: 1, Steps: []customers.HealthStep{{When: "'a' in tags", Points: 100}}},
		{Key: "b", Weight: 2, Steps: []customers.HealthStep{{When: "'b' in tags", Points: 70}}},
	}})
	require.NoError(t, err)
	people := 0
	rapid.Check(t, func(rt *rapid.T) {
		people++
		who := d.person(ctx, t, fmt.Sprintf("P %d", people), "")
		type kept struct {
			at    time.Time
			score int64
		}
		var all []kept
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			tags := rapid.SampledFrom([][]string{nil, {"a"}, {"b"}, {"a", "b"}}).Draw(rt, "tags")
			_, err := d.Update(ctx, who.ID, func(c *customers.Customer) error { c.Tags = tags; return nil })
			require.NoError(rt, err)
			scores, err := d.Health.EvaluateCustomer(ctx, who.ID)
			require.NoError(rt, err)
			all = append(all, kept{d.Clock.Now(), scores[0].Score})
			for span, got := range map[time.Duration]int64{30 * day: scores[0].Delta30, 90 * day: scores[0].Delta90} {
				then := all[0].score
				for _, k := range all {
					if !k.at.After(d.Clock.Now().Add(-span)) {
						then = k.score
					}
				}
				require.Equal(rt, scores[0].Score-then, got)
			}
			d.Clock.Advance(time.Duration(rapid.IntRange(0, 50).Draw(rt, "days")) * day)
		}
	})
}

package crm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
)

func TestARecordIsImportedWithItsPast(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		_, err := s.Fields.Create(ctx, crm.CustomField{Object: "deal", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		day := func(n int) time.Time { return time.Date(2021, 3, n, 12, 0, 0, 0, time.UTC) }
		deals := records(t, s, "deal")
		faults, err := deals.ImportPast(ctx, []crm.Values{
			{"name": "Big", "stage": "won", "amount": crm.EUR(900), "created": day(1), "custom.tier": "A"},
			{"name": "Plain"},
		}, [][]crm.Past{{
			{At: day(9), By: "kim", Before: map[string]any{"stage": "offer", "amount": crm.EUR(500)}},
			{At: day(4), By: "lee", Before: map[string]any{"stage": "new", "custom.tier": nil}},
			{At: day(6), Before: map[string]any{"amount": crm.EUR(500)}}, // as it was: nothing happened
		}})
		require.NoError(t, err)
		require.Equal(t, []error{nil, nil}, faults)

		found, err := s.deals.List(ctx, crm.Where("name == 'Big'"))
		require.NoError(t, err)
		big := found.Items[0]
		require.EqualValues(t, 3, big.Version)
		require.Equal(t, []time.Time{day(1), day(9)}, []time.Time{big.Created, big.Updated})

		h, err := s.deals.History(ctx, big.ID)
		require.NoError(t, err)
		told := []string{}
		for _, e := range slices.Backward(h.Items) {
			line := []string{fmt.Sprint(e.Version, " ", e.Name, " ", e.Happened.Format("01-02"), " ", e.Actor)}
			for _, c := range e.Changes {
				if c.Field == "stage" || c.Field == "custom.tier" {
					line = append(line, fmt.Sprintf("%s %s>%s", c.Field, c.Before, c.After))
				}
			}
			told = append(told, strings.Join(line, " "))
		}
		require.Equal(t, []string{
			`1 deal.created 03-01 member:dana stage null>"new"`,
			`2 deal.updated 03-04 member:lee custom.tier null>"A" stage "new">"offer"`,
			`3 deal.updated 03-09 member:kim stage "offer">"won"`,
		}, told)
		for at, want := range map[time.Time]deal{
			day(2):  {Stage: "new", Amount: crm.EUR(500)},
			day(5):  {Stage: "offer", Amount: crm.EUR(500), Record: crm.Record{Custom: crm.Custom{"tier": "A"}}},
			day(10): {Stage: "won", Amount: crm.EUR(900), Record: crm.Record{Custom: crm.Custom{"tier": "A"}}},
		} {
			was, err := s.deals.AsOf(ctx, big.ID, at)
			require.NoError(t, err)
			require.Equal(t, want.Stage, was.Stage)
			require.Equal(t, want.Amount, was.Amount)
			require.Equal(t, want.Custom, was.Custom)
		}
		_, err = s.deals.AsOf(ctx, big.ID, day(1).Add(-time.Second))
		require.ErrorIs(t, err, crm.ErrNotFound)

		_, err = s.deals.Update(ctx, big.ID, func(d *deal) error { d.Name = "Bigger"; return nil }, crm.IfVersion(3))
		require.NoError(t, err, "life goes on behind the past")
		s.work(t)
		problems, err := s.Check(crm.System(ctx, "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestAPastThatCannotBeIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		deals := records(t, s, "deal")
		now := s.Clock.Now()
		year := now.AddDate(-1, 0, 0)
		for want, past := range map[string][]crm.Past{
			"a change lies before the record was created":           {{At: year.Add(-time.Hour), Before: map[string]any{"score": int64(1)}}},
			"a change has no time, or one that lies in the future":  {{At: now.Add(time.Hour), Before: map[string]any{"score": int64(1)}}},
			"past.nonsense: is no field whose past values are kept": {{At: now, Before: map[string]any{"nonsense": 1}}},
			"past.version: is no field whose past values are kept":  {{At: now, Before: map[string]any{"version": 1}}},
			"past.score": {{At: now, Before: map[string]any{"score": "much"}}},
			"past.custom.none: is no field of the record":  {{At: now, Before: map[string]any{"custom.none": "x"}}},
			"past: has 1001 changes, and 1000 are allowed": slices.Repeat([]crm.Past{{At: now}}, 1001),
			"past: by: ": {{At: now, By: "\xff"}},
			"past: a change has no time, or one that lies in the fut": {{}},
		} {
			faults, err := deals.ImportPast(ctx, []crm.Values{{"name": "D", "created": year}, {"name": want}}, [][]crm.Past{past})
			require.NoError(t, err, want)
			require.ErrorIs(t, faults[0], crm.ErrInvalid, want)
			require.ErrorContains(t, faults[0], want)
			require.NoError(t, faults[1], "the other record is kept")
		}
		_, err := deals.ImportPast(ctx, nil, [][]crm.Past{{}})
		require.ErrorContains(t, err, "past: is of 1 records, and 0 are given")
		n, err := s.deals.Count(ctx, crm.Where("name == 'D'"))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// Whatever a record's past is, the record is what it was imported as, and at any time what
// the changes up to then had left.
func TestAnyPastIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx, deals, serial := as(t, "dana"), records(t, s, "deal"), 0
		rapid.Check(t, func(rt *rapid.T) {
			serial++
			name := fmt.Sprint("Deal ", serial)
			base := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
			last := rapid.Int64Range(0, 3).Draw(rt, "score")
			n := rapid.IntRange(0, 12).Draw(rt, "changes")
			hours := rapid.SliceOfNDistinct(rapid.IntRange(1, 1000), n, n, rapid.ID[int]).Draw(rt, "hours")
			past := make([]crm.Past, n)
			for i, h := range hours {
				past[i] = crm.Past{At: base.Add(time.Duration(h) * time.Hour), Before: map[string]any{"score": rapid.Int64Range(0, 3).Draw(rt, "before")}}
			}
			faults, err := deals.ImportPast(ctx, []crm.Values{{"name": name, "score": last, "created": base}}, [][]crm.Past{past})
			require.NoError(rt, err)
			require.NoError(rt, faults[0])
			page, err := s.deals.List(ctx, crm.Where("name == $1", name))
			require.NoError(rt, err)
			require.Equal(rt, last, page.Items[0].Score)
			slices.SortFunc(past, func(a, b crm.Past) int { return a.At.Compare(b.At) })
			at := rapid.IntRange(0, 1001).Draw(rt, "at")
			moment, want := base.Add(time.Duration(at)*time.Hour), any(last)
			for _, p := range slices.Backward(past) {
				if p.At.After(moment) {
					want = p.Before["score"]
				}
			}
			was, err := s.deals.AsOf(ctx, page.Items[0].ID, moment)
			require.NoError(rt, err)
			require.EqualValues(rt, want, was.Score)
		})
	})
}

package crm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// closings are deals closed at these times, and the labels of their buckets with how
// many fall in each.
func closings(t *testing.T, s *shop, f crm.Figures, bucket crm.Bucket, fill bool, at ...string) []string {
	t.Helper()
	ctx := as(t, "ada")
	for _, text := range at {
		closed, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		_, err = s.deals.Create(ctx, deal{Name: text, Closed: closed})
		require.NoError(t, err)
	}
	f.GroupBy = []crm.GroupBy{{Field: "closed", Bucket: bucket, Fill: fill}}
	f.Measures = []crm.Measure{{Fn: crm.FnCount}}
	got, err := s.deals.Aggregate(ctx, f)
	require.NoError(t, err)
	var list []string
	for _, r := range got.Rows {
		p, ok := r.Groups[0].(crm.Period)
		require.True(t, ok)
		n, err := s.deals.Count(ctx, crm.Where("closed >= $1 and closed < $2", p.From, p.To))
		require.NoError(t, err)
		require.Equal(t, r.Values[0], n, "From and To are where the period begins and ends")
		list = append(list, fmt.Sprint(p, " ", r.Values[0]))
	}
	return list
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func TestDaysOnWhichClocksChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone string
		at   []string
		want []string
	}{
		"a day of 23 hours": {
			"Europe/Berlin",
			[]string{"2026-03-28T22:59:59.999999Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z", "2026-03-29T22:00:00Z"},
			[]string{"2026-03-28 1", "2026-03-29 2", "2026-03-30 1"},
		},
		"a day of 25 hours": {
			"Europe/Berlin",
			[]string{"2026-10-24T21:59:59.999999Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z", "2026-10-25T23:00:00Z"},
			[]string{"2026-10-24 1", "2026-10-25 2", "2026-10-26 1"},
		},
		"a midnight that is skipped": {
			"America/Sao_Paulo",
			[]string{"2018-11-04T02:59:59.999999Z", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59Z"},
			[]string{"2018-11-03 1", "2018-11-04 2"},
		},
		"an hour before midnight that is repeated": {
			"America/Sao_Paulo",
			[]string{"2018-02-18T02:30:00Z", "2018-02-18T01:30:00Z", "2018-02-18T03:00:00Z"},
			[]string{"2018-02-17 2", "2018-02-18 1"},
		},
		"a day that was left out": {
			"Pacific/Apia",
			[]string{"2011-12-30T09:59:59.999999Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
			[]string{"2011-12-29 1", "2011-12-31 1", "2012-01-01 1"},
		},
		"midnight after a day begun twice": { // at 00:01 the clocks went back to 23:01
			"America/St_Johns",
			[]string{"2010-11-07T02:29:59Z", "2010-11-07T02:30:30Z", "2010-11-07T03:00:00Z", "2010-11-07T03:30:00Z"},
			[]string{"2010-11-06 1", "2010-11-07 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *shop) {
				require.Equal(t, c.want, closings(t, s, crm.Figures{Zone: zone(t, c.zone)}, crm.ByDay, true, c.at...))
			})
		})
	}
}

func TestFiscalYearsAndWeeks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		at := []string{"2025-12-29T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z", "2027-01-03T12:00:00Z"}
		require.Equal(t, []string{"2026-W01 2", "2026-W14 2", "2026-W53 1"}, closings(t, s, crm.Figures{}, crm.ByWeek, false, at...))
		for _, c := range []struct {
			fiscal time.Month
			bucket crm.Bucket
			want   []string
		}{
			{0, crm.ByYear, []string{"2025 1", "2026 3", "2027 1"}},
			{time.January, crm.ByQuarter, []string{"2025-Q4 1", "2026-Q1 2", "2026-Q2 1", "2027-Q1 1"}},
			{time.April, crm.ByYear, []string{"2025/26 3", "2026/27 2"}},
			{time.April, crm.ByQuarter, []string{"2025/26-Q3 1", "2025/26-Q4 2", "2026/27-Q1 1", "2026/27-Q4 1"}},
			{time.December, crm.ByQuarter, []string{"2025/26-Q1 2", "2025/26-Q2 2", "2026/27-Q1 1"}},
			{time.April, crm.ByMonth, []string{"2025-12 1", "2026-01 1", "2026-03 1", "2026-04 1", "2027-01 1"}},
		} {
			require.Equal(t, c.want, closings(t, s, crm.Figures{FiscalYear: c.fiscal}, c.bucket, false), "%v by %s", c.fiscal, c.bucket)
		}
	})
}

func TestBucketsAtTheEndsOfTheCalendar(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		first, last := time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
		_, err := s.deals.CreateAll(ctx, []deal{
			{Name: "a", Closed: first, CloseOn: crm.DateOf(first)}, {Name: "b", Closed: last, CloseOn: crm.DateOf(last)},
		})
		require.NoError(t, err)
		for _, z := range []*time.Location{time.UTC, zone(t, "America/New_York"), zone(t, "Asia/Tokyo")} {
			for _, field := range []string{"closed", "close_on"} {
				for _, bucket := range []crm.Bucket{crm.ByDay, crm.ByWeek, crm.ByMonth, crm.ByQuarter, crm.ByYear} {
					for _, name := range []string{"a", "b"} {
						got, err := s.deals.Aggregate(ctx, crm.Figures{
							Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: field, Bucket: bucket}}, Zone: z, FiscalYear: time.March,
						}, crm.Where("name == $1", name))
						require.NoError(t, err)
						require.Len(t, got.Rows, 1, "%s in %s by %s", field, z, bucket)
						require.Equal(t, []any{int64(1)}, got.Rows[0].Values)
					}
				}
				_, err := s.deals.Aggregate(ctx, crm.Figures{
					Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: field, Bucket: crm.ByMonth}}, Zone: z,
				})
				require.ErrorIs(t, err, crm.ErrInvalid)
				require.ErrorContains(t, err, "group "+field+": there are more than 10000 of a month")
			}
		}
		// Days of a date need no bounds, however far apart.
		got, err := s.deals.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: "close_on", Bucket: crm.ByDay}}})
		require.NoError(t, err)
		require.Equal(t, []any{crm.Period{Start: crm.DateOf(last), Label: "9999-12-31"}}, got.Rows[1].Groups, "no day comes behind the last")
		_, err = s.deals.Aggregate(ctx, crm.Figures{
			Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: "close_on", Bucket: crm.ByDay, Fill: true}},
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "leave gaps")
	})
}

func TestGapsAreFilledForEachGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		on := func(month time.Month) crm.Date { return crm.Date{Year: 2026, Month: month, Day: 15} }
		_, err := s.deals.CreateAll(ctx, []deal{
			{Name: "a", Score: 1, CloseOn: on(1), Amount: crm.EUR(5)}, {Name: "b", Score: 2, CloseOn: on(3)}, {Name: "c", Score: 2},
		})
		require.NoError(t, err)
		got, err := s.deals.Aggregate(ctx, crm.Figures{
			Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnSum, Field: "amount"}},
			GroupBy:  []crm.GroupBy{{Field: "score"}, {Field: "close_on", Bucket: crm.ByMonth, Fill: true}},
		})
		require.NoError(t, err)
		var list []string
		for _, r := range got.Rows {
			list = append(list, fmt.Sprint(r.Groups, r.Values))
		}
		require.Equal(t, []string{
			"[1 2026-01] [1 [0.05 EUR]]", "[1 2026-02] [0 <nil>]", "[1 2026-03] [0 <nil>]",
			"[2 <nil>] [1 <nil>]", "[2 2026-01] [0 <nil>]", "[2 2026-02] [0 <nil>]", "[2 2026-03] [1 <nil>]",
		}, list)
		got, err = s.deals.Aggregate(ctx, crm.Figures{
			Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: "close_on", Bucket: crm.ByMonth, Fill: true}},
		}, crm.Where("score == 9"))
		require.NoError(t, err)
		require.Empty(t, got.Rows, "where nothing occurs there is nothing between")
	})
}

package crm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

func TestFiguresThatCannotBe(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		s.company(t, ctx, "Argo")
		count := []crm.Measure{{Fn: crm.FnCount}}
		by := func(g ...crm.GroupBy) crm.Figures { return crm.Figures{Measures: count, GroupBy: g} }
		of := func(m crm.Measure) crm.Figures { return crm.Figures{Measures: []crm.Measure{m}} }
		for want, f := range map[string]crm.Figures{
			"measures: figures have 1 to 50":                                 {},
			"group_by: figures are grouped by at most 6":                     by(make([]crm.GroupBy, 7)...),
			"fiscal_year: a year begins":                                     {Measures: count, FiscalYear: 13},
			"group 1: deal has no field":                                     by(crm.GroupBy{}),
			"group nothing: deal has no field nothing":                       by(crm.GroupBy{Field: "nothing"}),
			"group company.nothing: company has no field nothing":            by(crm.GroupBy{Field: "company.nothing"}),
			"group company.parent.name: company has no field parent":         by(crm.GroupBy{Field: "company.parent.name"}),
			"group custom.nothing: deal has no custom field":                 by(crm.GroupBy{Field: "custom.nothing"}),
			"group amount: amount holds money":                               by(crm.GroupBy{Field: "amount"}),
			"group amount.minor: amount has no part minor":                   by(crm.GroupBy{Field: "amount.minor"}),
			"group notes: deal has no field notes":                           by(crm.GroupBy{Field: "notes"}),
			"group company.tags: tags holds several texts":                   by(crm.GroupBy{Field: "company.tags"}),
			"group score: score holds a whole number, and only dates":        by(crm.GroupBy{Field: "score", Bucket: crm.ByDay}),
			"group close_on: there is no bucket \"decade\"":                  by(crm.GroupBy{Field: "close_on", Bucket: "decade"}),
			"group close_on: only buckets are filled":                        by(crm.GroupBy{Field: "close_on", Fill: true}),
			"group_by: one group may be filled":                              by(crm.GroupBy{Field: "close_on", Bucket: crm.ByDay, Fill: true}, crm.GroupBy{Field: "closed", Bucket: crm.ByDay, Fill: true}),
			"measure x: there is no measure \"mean\"":                        of(crm.Measure{Name: "x", Fn: "mean", Field: "score"}),
			"measure 1: count is of records":                                 of(crm.Measure{Fn: crm.FnCount, Field: "score"}),
			"measure 1: name the field that sum is of":                       of(crm.Measure{Fn: crm.FnSum}),
			"measure 1: name holds text, which has no sum":                   of(crm.Measure{Fn: crm.FnSum, Field: "name"}),
			"measure 1: close_on holds a date, which has no avg":             of(crm.Measure{Fn: crm.FnAverage, Field: "close_on"}),
			"measure 1: name holds text, which has no median":                of(crm.Measure{Fn: crm.FnMedian, Field: "name"}),
			"measure 1: company_id holds an id, which has no max":            of(crm.Measure{Fn: crm.FnMax, Field: "company_id"}),
			"measure 1: amount holds money, whose amounts":                   of(crm.Measure{Fn: crm.FnDistinct, Field: "amount"}),
			"measure 1: a percentile is 1 to 100":                            of(crm.Measure{Fn: crm.FnPercentile, Field: "score", Percent: 101}),
			"measure 1: only a percentile has a percent":                     of(crm.Measure{Fn: crm.FnMedian, Field: "score", Percent: 50}),
			"measure 1: name the field with the weight":                      of(crm.Measure{Fn: crm.FnWeighted, Field: "amount"}),
			"measure 1: only weighted has a weight":                          of(crm.Measure{Fn: crm.FnSum, Field: "amount", Weight: "score"}),
			"measure 1: score holds a whole number, which has no weighted":   of(crm.Measure{Fn: crm.FnWeighted, Field: "score", Weight: "score"}),
			"measure 1: a weight is an int":                                  of(crm.Measure{Fn: crm.FnWeighted, Field: "amount", Weight: "cost"}),
			"measure won: expression at byte 0 (nothing): deal has no field": of(crm.Measure{Name: "won", Fn: crm.FnCount, Where: crm.Filter{Text: "nothing == 1"}}),
			"measure won: expression: the argument $1 is given":              of(crm.Measure{Name: "won", Fn: crm.FnCount, Where: crm.Filter{Text: "score == 1", Args: []any{1}}}),
		} {
			_, err := s.deals.Aggregate(ctx, f)
			require.ErrorIs(t, err, crm.ErrInvalid, want)
			require.ErrorContains(t, err, want)
		}
		_, err := s.deals.Aggregate(ctx, by(), crm.Limit(3))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.Aggregate(ctx, "nothing", by())
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, `there is no kind of record "nothing"`)
		_, err = s.Aggregate(t.Context(), "deal", by())
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

func TestSumsAreExactOrRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		_, err := s.deals.CreateAll(ctx, []deal{
			{Name: "a", Amount: crm.EUR(math.MaxInt64), Score: 1}, {Name: "b", Amount: crm.USD(math.MaxInt64), Score: 200}, {Name: "c", Amount: crm.EUR(-1)},
		})
		require.NoError(t, err)
		sum := crm.Measure{Name: "value", Fn: crm.FnSum, Field: "amount"}
		got, err := s.deals.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{sum}})
		require.NoError(t, err)
		require.Equal(t, []any{[]crm.Money{crm.EUR(math.MaxInt64 - 1), crm.USD(math.MaxInt64)}}, got.Rows[0].Values)
		_, err = s.deals.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{{Name: "weighted", Fn: crm.FnWeighted, Field: "amount", Weight: "score"}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "measure weighted: the amount is out of range")
		_, err = s.deals.Create(ctx, deal{Name: "d", Amount: crm.EUR(2)})
		require.NoError(t, err)
		_, err = s.deals.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{sum, {Fn: crm.FnCount}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "measure value: the sum is past 2^63-1: filter more")
	})
}

func TestFiguresWithoutRecords(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnSum, Field: "amount"}, {Fn: crm.FnAverage, Field: "score"}}, Total: true}
		grouped := f
		grouped.GroupBy = []crm.GroupBy{{Field: "close_on", Bucket: crm.ByMonth, Fill: true}}
		for range 2 { // before there is a tenant, and after
			got, err := s.deals.Aggregate(as(t, "ada"), f)
			require.NoError(t, err)
			none := crm.FigureRow{Groups: []any{}, Values: []any{int64(0), nil, nil}}
			require.Equal(t, crm.FigureTable{Rows: []crm.FigureRow{none}, Total: &none}, got)
			got, err = s.deals.Aggregate(as(t, "ada"), grouped)
			require.NoError(t, err)
			require.Empty(t, got.Rows)
			require.Equal(t, none.Values, got.Total.Values)
			s.company(t, as(t, "ada"), "Argo")
		}
	})
}

// meddler is a store in whose transactions something happens between two figures.
type meddler struct {
	storage.Store

	between *func()
}

type meddled struct {
	storage.Session

	between *func()
}

func (m meddler) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return m.Store.Atomic(ctx, func(s storage.Session) error { return fn(meddled{s, m.between}) })
}

func (m meddler) Snapshot(ctx context.Context, fn func(storage.Session) error) error {
	return m.Store.Snapshot(ctx, func(s storage.Session) error { return fn(meddled{s, m.between}) })
}

func (m meddled) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	err := m.Session.Aggregate(ctx, tenant, a, next)
	if f := *m.between; f != nil && a.Table.Name == "deal" {
		*m.between = nil
		f()
	}
	return err
}

func TestFiguresInATransaction(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var between func()
		s := &shop{}
		s.Core = crmtest.On(t, meddler{e.Store, &between}, crm.Config{}, s.define)
		add := func(ctx context.Context, d deal) {
			d.Name = "deal"
			_, err := s.deals.Create(ctx, d)
			require.NoError(t, err)
		}
		on := func(month time.Month) crm.Date { return crm.Date{Year: 2026, Month: month, Day: 1} }
		add(as(t, "ada"), deal{CloseOn: on(3), Amount: crm.EUR(1)})
		f := crm.Figures{
			Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnSum, Field: "amount"}}, Total: true,
			GroupBy: []crm.GroupBy{{Field: "close_on", Bucket: crm.ByMonth}},
		}
		require.NoError(t, s.Tx(as(t, "ada"), func(ctx context.Context) error {
			add(ctx, deal{CloseOn: on(5), Amount: crm.EUR(2)})
			got, err := s.deals.Aggregate(ctx, f)
			require.NoError(t, err)
			require.Equal(t, "[2026-03] [1 [0.01 EUR]] [2026-05] [1 [0.02 EUR]] [2 [0.03 EUR]]",
				fmt.Sprint(got.Rows[0].Groups, got.Rows[0].Values, got.Rows[1].Groups, got.Rows[1].Values, got.Total.Values), "what it wrote counts")
			// What comes in between must not be missing in one figure and be in another.
			for _, d := range []deal{{CloseOn: on(1)}, {CloseOn: on(12)}} {
				between = func() { add(ctx, d) }
				_, err = s.deals.Aggregate(ctx, f)
				require.ErrorIs(t, err, crm.ErrConflict)
				require.ErrorContains(t, err, "ask again")
				_, err = s.deals.Aggregate(ctx, f)
				require.NoError(t, err)
			}
			byStage := f
			byStage.GroupBy = []crm.GroupBy{{Field: "score"}}
			between = func() { add(ctx, deal{Score: 7, Amount: crm.EUR(2)}) }
			_, err = s.deals.Aggregate(ctx, byStage)
			require.ErrorIs(t, err, crm.ErrConflict)
			return nil
		}))
	})
}

func TestFiguresAreOfOneInstant(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var between func()
		s := &shop{}
		s.Core = crmtest.On(t, meddler{e.Store, &between}, crm.Config{}, s.define)
		ctx, asked := as(t, "ada"), 0
		add := func() {
			_, err := s.deals.Create(ctx, deal{Name: "deal", CloseOn: crm.Date{Year: 2026, Month: 1, Day: 1 + asked}, Amount: crm.EUR(1)})
			require.NoError(t, err)
			asked++
		}
		add()
		for n := int64(1); n < 4; n++ {
			between = add
			got, err := s.deals.Aggregate(ctx, crm.Figures{
				Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnSum, Field: "amount"}}, Total: true,
				GroupBy: []crm.GroupBy{{Field: "close_on", Bucket: crm.ByYear}},
			})
			require.NoError(t, err)
			require.Equal(t, int64(asked-1), n, "somebody came in between")
			require.Equal(t, []any{n, []crm.Money{crm.EUR(n)}}, got.Rows[0].Values)
			require.Equal(t, got.Rows[0].Values, got.Total.Values)
		}
	})
}

func TestFiltersKeepTheTypesOfTheirArguments(t *testing.T) {
	t.Parallel()
	id := crm.ID{15: 1}
	for text, f := range map[string]crm.Filter{
		`null`: {},
		`{"text":"a == $1 and b == $2","args":[{"text":"x"},{"bool":true}],"version":1}`:           {Text: "a == $1 and b == $2", Args: []any{"x", true}},
		`{"text":"a == $1","args":[{"money":{"minor":-5,"currency":"JPY"}}],"version":1}`:          {Text: "a == $1", Args: []any{crm.JPY(-5)}},
		`{"text":"a == $1","args":[{"id":"00000000-0000-0000-0000-000000000001"}],"version":1}`:    {Text: "a == $1", Args: []any{id}},
		`{"text":"a in $1","args":[{"ids":["00000000-0000-0000-0000-000000000001"]}],"version":1}`: {Text: "a in $1", Args: []any{[]crm.ID{id}}},
		`{"text":"a == $1","args":[{"date":"2026-01-31"}],"version":1}`:                            {Text: "a == $1", Args: []any{crm.Date{Year: 2026, Month: 1, Day: 31}}},
		`{"text":"a == $1","args":[{"time":"2026-01-31T10:00:00Z"}],"version":1}`:                  {Text: "a == $1", Args: []any{time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)}},
		`{"text":"a in $1","args":[{"ints":[1,2]}],"version":1}`:                                   {Text: "a in $1", Args: []any{[]int64{1, 2}}},
	} {
		written, err := json.Marshal(f)
		require.NoError(t, err)
		require.JSONEq(t, text, string(written))
		var read crm.Filter
		require.NoError(t, json.Unmarshal([]byte(text), &read))
		require.Equal(t, f, read)
	}
	_, err := json.Marshal(crm.Filter{Text: "a == $1", Args: []any{1.5}})
	require.ErrorIs(t, err, crm.ErrInvalid)
	for _, text := range []string{`{"text":"a == 1"}`, `{"text":"a == 1","version":2}`, `{"text":"a ==","version":1}`, `{"text":"a == $1","args":[{}],"version":1}`, `7`} {
		require.ErrorIs(t, json.Unmarshal([]byte(text), &crm.Filter{}), crm.ErrInvalid, text)
	}
}

func TestRatios(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]crm.Ratio{
		"": {1, 0}, "0": {0, 5}, "100": {100, 1}, "0.6667": {2, 3}, "-0.5": {-1, 2}, "0.0001": {1, 20_000}, "1": {math.MaxInt64, math.MaxInt64},
	} {
		require.Equal(t, want, r.String())
	}
	require.Equal(t, "0", crm.Ratio{Num: -1, Den: 1_000_000}.String(), "never a negative nothing")
	require.Zero(t, crm.Ratio{Num: 1, Den: 0}.Float64())
	require.InDelta(t, 1.0, crm.Ratio{Num: math.MaxInt64, Den: math.MaxInt64 - 1}.Float64(), 0)
}

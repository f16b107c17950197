package analytics_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
)

// sell makes the deals that the tests report on.
func (p *pipeline) sell(ctx context.Context, tb testing.TB) {
	tb.Helper()
	customer := func(name, sector string) crm.ID {
		c, err := p.customers.Create(ctx, Customer{Name: name, Sector: sector})
		require.NoError(tb, err)
		return c.ID
	}
	bakery, bank := customer("Bakery", "food"), customer("Bank", "=finance")
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 12, 0, 0, 0, time.UTC) }
	_, err := p.deals.CreateAll(ctx, []Deal{
		{Name: "a", StageID: p.stage["Won"], CustomerID: bakery, Amount: crm.EUR(100_00), Closed: day(1, 10), Product: "oven"},
		{Name: "b", StageID: p.stage["Won"], CustomerID: bank, Amount: crm.EUR(300_00), Closed: day(2, 1), Product: "safe"},
		{Name: "c", StageID: p.stage["Lost"], CustomerID: bank, Amount: crm.USD(50_00), Closed: day(3, 31), Product: "safe"},
		{Name: "d", StageID: p.stage["Won"], CustomerID: bank, Amount: crm.USD(70_00), Closed: day(9, 1), Product: "safe"},
		{Name: "e", StageID: p.stage["Offer"], CustomerID: bakery, Amount: crm.EUR(33), Product: "oven"},
		{Name: "f", StageID: p.stage["Lead"], Amount: crm.EUR(10_00)},
		{Name: "g", StageID: p.stage["Lead"]},
	})
	require.NoError(tb, err)
}

func won() crm.Filter  { return crm.Filter{Text: "stage.kind == $1", Args: []any{"won"}} }
func lost() crm.Filter { return crm.Filter{Text: "stage.kind == $1", Args: []any{"lost"}} }

func table(t *testing.T, r analytics.Result) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.WriteTable(&b))
	return b.String()
}

func TestReportsOfAPipeline(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		for _, c := range []struct {
			report analytics.Report
			want   string
		}{
			{analytics.Report{
				Object:   "deal",
				Groups:   []analytics.Group{{Field: "stage.name", Name: "stage"}},
				Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}},
				Total:    true,
			}, `
stage  deals  value
Lead   2      10.00 EUR
Lost   1      50.00 USD
Offer  1      0.33 EUR
Won    3      400.00 EUR, 70.00 USD
Total  7      410.33 EUR, 120.00 USD
`},
			{analytics.Report{
				Object: "deal",
				Where:  crm.Filter{Text: "closed != nil"},
				Groups: []analytics.Group{{Field: "closed", Name: "quarter", Bucket: crm.ByQuarter, Fill: true}},
				Measures: []analytics.Measure{
					{Name: "won", Fn: crm.FnCount, Where: won()}, {Name: "lost", Fn: crm.FnCount, Where: lost()},
					{Name: "won value", Fn: crm.FnSum, Field: "amount", Where: won()},
					{Name: "win rate", Fn: analytics.FnRatio, Of: []string{"won"}, Per: []string{"won", "lost"}},
				},
				Total: true,
			}, `
quarter  won  lost  won value              win rate
2026-Q1  2    1     400.00 EUR             0.6667
2026-Q2  0    0
2026-Q3  1    0     70.00 USD              1
Total    3    1     400.00 EUR, 70.00 USD  0.75
`},
			{analytics.Report{
				Object: "deal",
				Where:  crm.Filter{Text: "stage.kind == 'open'"},
				Measures: []analytics.Measure{
					{Name: "open", Fn: crm.FnSum, Field: "amount"},
					{Name: "weighted", Fn: crm.FnWeighted, Field: "amount", Weight: "stage.probability"},
				},
			}, `
open       weighted
10.33 EUR  1.16 EUR
`},
			{analytics.Report{
				Object:   "deal",
				Groups:   []analytics.Group{{Field: "customer.sector"}, {Field: "product"}},
				Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}},
				Having:   []analytics.Having{{Measure: "deals", Op: ">=", Value: "2"}},
				Order:    []string{"-deals", "-product"},
				Limit:    2,
				Total:    true,
			}, `
customer.sector  product  deals
=finance         safe     3
food             oven     2
Total                     7
`},
		} {
			got, err := p.Run(ctx, c.report)
			require.NoError(t, err)
			require.Equal(t, strings.TrimPrefix(c.want, "\n"), table(t, got))
		}
	})
}

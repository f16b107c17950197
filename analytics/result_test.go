package analytics_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
)

func TestRecordsBehindACellAreThoseItCounts(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		_, err := p.Fields.Create(ctx, crm.CustomField{Object: "deal", Name: "rate", Type: crm.FieldDecimal, Scale: 2})
		require.NoError(t, err)
		d, err := p.deals.Create(ctx, Deal{Name: "h", StageID: p.stage["Won"], Amount: crm.EUR(1), CloseOn: crm.Date{Year: 9999, Month: 12, Day: 31}})
		require.NoError(t, err)
		_, err = p.deals.Update(ctx, d.ID, func(d *Deal) error { d.Custom = crm.Custom{"rate": "12.50"}; return nil })
		require.NoError(t, err)
		for _, groups := range [][]analytics.Group{
			nil, {{Field: "stage_id"}}, {{Field: "stage.kind"}, {Field: "customer.sector"}}, {{Field: "stage.probability"}}, {{Field: "product"}},
			{{Field: "amount.currency"}}, {{Field: "custom.rate"}}, {{Field: "closed"}}, {{Field: "closed", Bucket: crm.ByMonth}},
			{{Field: "close_on", Bucket: crm.ByWeek}}, {{Field: "closed", Bucket: crm.ByQuarter, Fill: true}, {Field: "product"}}, {{Field: "created", Bucket: crm.ByDay}},
		} {
			got, err := p.Run(ctx, analytics.Report{
				Object: "deal", Where: crm.Filter{Text: "name != $1", Args: []any{"b"}}, Groups: groups, Total: true, Zone: "Asia/Tokyo", FiscalYear: 3,
				Measures: []analytics.Measure{
					{Name: "all", Fn: crm.FnCount}, {Name: "won", Fn: crm.FnCount, Where: won()}, {Name: "closed ones", Fn: crm.FnCountOf, Field: "closed", Where: won()},
				},
			})
			require.NoError(t, err)
			for i := -1; i < len(got.Rows); i++ {
				row := *got.Total
				if i >= 0 {
					row = got.Rows[i]
				}
				for k, measure := range []string{"all", "won", "closed ones"} {
					records, err := got.Records(i, measure)
					require.NoError(t, err)
					kept, err := json.Marshal(records)
					require.NoError(t, err)
					var again analytics.Records
					require.NoError(t, json.Unmarshal(kept, &again))
					list, err := p.deals.List(ctx, again.Options()...)
					require.NoError(t, err)
					require.Equal(t, row[len(groups)+k], int64(len(list.Items)), "%v %v %s", groups, row, measure)
				}
				records, err := got.Records(i, "")
				require.NoError(t, err)
				n, err := p.deals.Count(ctx, records.Options()...)
				require.NoError(t, err)
				require.Equal(t, row[len(groups)], n)
			}
		}
	})
}

func TestRecordsThatThereAreNot(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		got, err := p.Run(ctx, analytics.Report{Object: "deal", Measures: []analytics.Measure{
			{Name: "won", Fn: crm.FnCount, Where: won()}, {Name: "rate", Fn: analytics.FnRatio, Of: []string{"won"}, Per: []string{"won"}},
		}})
		require.NoError(t, err)
		for want, ask := range map[string]func() (analytics.Records, error){
			"and no row 1":         func() (analytics.Records, error) { return got.Records(1, "won") },
			"and no row -2":        func() (analytics.Records, error) { return got.Records(-2, "won") },
			"has no measure lost":  func() (analytics.Records, error) { return got.Records(0, "lost") },
			"rate is a ratio: ask": func() (analytics.Records, error) { return got.Records(0, "rate") },
		} {
			_, err := ask()
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, want)
		}
	})
}

func TestAReportIsKeptAsJSON(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		text := `{"title":"Won","object":"deal","where":{"text":"amount \u003e $1","args":[{"money":{"minor":100,"currency":"EUR"}}],"version":1},
			"groups":[{"name":"month","field":"closed","bucket":"month"}],"measures":[{"name":"value","fn":"sum","field":"amount"}],
			"having":[{"measure":"value","op":">","value":"50.00 EUR"}],"order":["-value"],"limit":5,"zone":"Europe/Berlin","fiscal_year":4,"total":true}`
		var r analytics.Report
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		again, err := json.Marshal(r)
		require.NoError(t, err)
		require.JSONEq(t, text, string(again))
		got, err := p.Run(ctx, r)
		require.NoError(t, err)
		written, err := json.Marshal(got)
		require.NoError(t, err)
		berlin := func(month string) string {
			return `{"start":"` + month + `-01","end":"2026-0` + map[string]string{"2026-01": "2", "2026-02": "3"}[month] + `-01",` +
				`"from":"` + month + `-01T00:00:00+01:00","to":"2026-0` + map[string]string{"2026-01": "2", "2026-02": "3"}[month] + `-01T00:00:00+01:00","label":"` + month + `"}`
		}
		eur := func(amount string) string { return `[{"amount":"` + amount + `","currency":"EUR"}]` }
		require.JSONEq(t, `{"title":"Won","columns":[{"name":"month","group":true},{"name":"value"}],"rows":[[`+
			berlin("2026-02")+`,`+eur("300.00")+`],[`+berlin("2026-01")+`,`+eur("100.00")+`]],"total":[null,`+eur("410.00")+`]}`, string(written))
	})
}

func TestCSVIsSafeForSpreadsheets(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		for _, name := range []string{"=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "a\tb", "plain, \"quoted\"", "-7", "李雷"} {
			_, err := p.deals.Create(ctx, Deal{Name: "x", StageID: p.stage["Lost"], Product: name, Amount: crm.EUR(-100)})
			require.NoError(t, err)
		}
		got, err := p.Run(ctx, analytics.Report{
			Object: "deal", Groups: []analytics.Group{{Field: "product", Name: "=product"}}, Total: true,
			Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}, {Name: "none", Fn: crm.FnMax, Field: "closed", Where: lost()}},
		})
		require.NoError(t, err)
		var b strings.Builder
		require.NoError(t, got.WriteCSV(&b))
		require.Equal(t, `'=product,deals,value EUR,value USD,none
,2,10.00,,
'+1,1,-1.00,,
'-1+1,1,-1.00,,
-7,1,-1.00,,
'=cmd|' /C calc'!A0,1,-1.00,,
'@SUM(A1),1,-1.00,,
a	b,1,-1.00,,
oven,2,100.33,,
"plain, ""quoted""",1,-1.00,,
safe,3,300.00,120.00,2026-03-31T12:00:00Z
李雷,1,-1.00,,
Total,15,402.33,120.00,2026-03-31T12:00:00Z
`, b.String())
		b.Reset()
		require.NoError(t, got.WriteTable(&b))
		require.Contains(t, b.String(), "李雷                1      -1.00 EUR\n", "as wide as a terminal shows it")
		require.Contains(t, b.String(), "a b                 1      -1.00 EUR\n", "nothing breaks a line")
	})
}

func TestHavingOrderAndLimit(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		report := func(having []analytics.Having, limit int, order ...string) []string {
			got, err := p.Run(ctx, analytics.Report{
				Object: "deal", Groups: []analytics.Group{{Field: "stage.name", Name: "stage"}}, Having: having, Order: order, Limit: limit,
				Measures: []analytics.Measure{
					{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}, {Name: "won", Fn: crm.FnCount, Where: won()},
					{Name: "rate", Fn: analytics.FnRatio, Of: []string{"won"}, Per: []string{"deals"}},
					{Name: "latest", Fn: crm.FnMax, Field: "closed"}, {Name: "weight", Fn: crm.FnAverage, Field: "stage.probability"},
				},
			})
			require.NoError(t, err)
			names := []string{}
			for _, r := range got.Rows {
				name, _ := r[0].(string)
				names = append(names, name)
			}
			return names
		}
		only := func(measure, op, value string) []analytics.Having {
			return []analytics.Having{{Measure: measure, Op: op, Value: value}}
		}
		require.Equal(t, []string{"Lead", "Lost", "Offer", "Won"}, report(nil, 0))
		require.Equal(t, []string{"Won", "Offer", "Lost", "Lead"}, report(nil, 0, "-stage"))
		require.Equal(t, []string{"Won", "Lead", "Lost", "Offer"}, report(nil, 0, "-deals"), "equal ones by their groups")
		require.Equal(t, []string{"Won", "Lead"}, report(nil, 2, "-deals"))
		require.Equal(t, []string{"Offer", "Lead", "Won", "Lost"}, report(nil, 0, "value"), "EUR, then USD")
		require.Equal(t, []string{"Lead", "Offer", "Lost", "Won"}, report(nil, 0, "latest", "stage"), "what is absent first")
		require.Equal(t, []string{"Won", "Offer", "Lead", "Lost"}, report(nil, 0, "-rate", "-weight"))
		require.Equal(t, []string{"Lead", "Won"}, report(only("deals", ">", "1"), 0))
		require.Equal(t, []string{"Won"}, report(only("rate", ">=", "0.9"), 0))
		require.Equal(t, []string{"Lead", "Won"}, report(only("value", ">=", "10.00 EUR"), 0))
		require.Equal(t, []string{"Lost", "Won"}, report(only("value", "!=", "0.00 USD"), 0), "only those that have dollars")
		require.Empty(t, report(only("latest", "!=", "0"), 0), "a time is no number")
		require.Equal(t, []string{"Won"}, report(append(only("deals", "<=", "3"), only("weight", "==", "100")...), 0))
	})
}

func TestReportsThatCannotBe(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		with := func(change func(r *analytics.Report)) analytics.Report {
			r := analytics.Report{Object: "deal", Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}}}
			change(&r)
			return r
		}
		measure := func(m analytics.Measure) analytics.Report {
			return with(func(r *analytics.Report) { r.Measures = append(r.Measures, m) })
		}
		for want, r := range map[string]analytics.Report{
			"there is no kind of record":              with(func(r *analytics.Report) { r.Object = "nothing" }),
			"limit: a report has":                     with(func(r *analytics.Report) { r.Limit = -1 }),
			`zone: "Local" is no zone`:                with(func(r *analytics.Report) { r.Zone = "Local" }),
			`zone: "Mars/Base" is no zone`:            with(func(r *analytics.Report) { r.Zone = "Mars/Base" }),
			"fiscal_year: a year begins":              with(func(r *analytics.Report) { r.FiscalYear = 13 }),
			"measures: figures have 1 to 50":          with(func(r *analytics.Report) { r.Measures = nil }),
			"measures: a report has at most 50":       with(func(r *analytics.Report) { r.Measures = make([]analytics.Measure, 51) }),
			"name each measure":                       measure(analytics.Measure{Fn: crm.FnCount}),
			"a name does not begin with a minus":      measure(analytics.Measure{Name: "-x", Fn: crm.FnCount}),
			"two columns have the name deals":         measure(analytics.Measure{Name: "deals", Fn: crm.FnCount}),
			"measure x: only a ratio is of measures":  measure(analytics.Measure{Name: "x", Fn: crm.FnCount, Of: []string{"deals"}}),
			"measure x: a ratio names the measures":   measure(analytics.Measure{Name: "x", Fn: analytics.FnRatio, Of: []string{"deals"}}),
			"measure x: value is no measure":          measure(analytics.Measure{Name: "x", Fn: analytics.FnRatio, Of: []string{"value"}, Per: []string{"deals"}}),
			"measure x: nothing is no measure":        measure(analytics.Measure{Name: "x", Fn: analytics.FnRatio, Of: []string{"nothing"}, Per: []string{"deals"}}),
			"measure x: a ratio is of measures: a fi": measure(analytics.Measure{Name: "x", Fn: analytics.FnRatio, Field: "amount", Of: []string{"deals"}, Per: []string{"deals"}}),
			"measure x: closed holds a time":          measure(analytics.Measure{Name: "x", Fn: crm.FnSum, Field: "closed"}),
			"order: there is no column x":             with(func(r *analytics.Report) { r.Order = []string{"-x"} }),
			"order: a report is sorted":               with(func(r *analytics.Report) { r.Order = []string{"deals", "deals", "deals"} }),
			"having x: the report has no such":        with(func(r *analytics.Report) { r.Having = []analytics.Having{{Measure: "x", Op: ">", Value: "1"}} }),
			"having deals: a figure is compared":      with(func(r *analytics.Report) { r.Having = []analytics.Having{{Measure: "deals", Op: "=", Value: "1"}} }),
			"having deals: many is no number":         with(func(r *analytics.Report) { r.Having = []analytics.Having{{Measure: "deals", Op: ">", Value: "many"}} }),
			"group nothing: deal has no field":        with(func(r *analytics.Report) { r.Groups = []analytics.Group{{Field: "nothing"}} }),
			"deal has no field nothing":               with(func(r *analytics.Report) { r.Where = crm.Filter{Text: "nothing > 1"} }),
		} {
			_, err := p.Run(ctx, r)
			require.ErrorIs(t, err, crm.ErrInvalid, want)
			require.ErrorContains(t, err, want)
		}
	})
}

func TestAReportObeysTheRightsOfWhoRunsIt(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, p *pipeline) {
		p.sell(ctx, t)
		role, err := p.Roles.Create(ctx, crm.Role{
			Name: "Rep", Grants: append(crm.Allow("deal", crm.LevelOwn), crm.Allow("stage", crm.LevelAll)...),
			Fields: []crm.FieldRule{{Object: "deal", Field: "amount", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		ada, err := p.Members.Create(ctx, crm.Member{Key: "ada", Name: "Ada", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		_, err = p.deals.Create(ctx, Deal{Record: crm.Record{OwnerID: ada.ID}, Name: "hers", StageID: p.stage["Won"], Amount: crm.EUR(1), Closed: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
		hers := crm.As(ctx, crm.Actor{Tenant: "acme", Member: "ada"})
		report := analytics.Report{Object: "deal", Groups: []analytics.Group{{Field: "stage.name"}}, Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}}, Total: true}
		got, err := p.Run(hers, report)
		require.NoError(t, err)
		require.Equal(t, []analytics.Row{{"Won", int64(1)}}, got.Rows)
		require.Equal(t, int64(1), (*got.Total)[1])
		for _, change := range []func(r *analytics.Report){
			func(r *analytics.Report) {
				r.Measures[0] = analytics.Measure{Name: "value", Fn: crm.FnSum, Field: "amount"}
			},
			func(r *analytics.Report) { r.Measures[0].Where = crm.Filter{Text: "amount != nil"} },
			func(r *analytics.Report) { r.Groups = []analytics.Group{{Field: "amount.currency"}} },
			func(r *analytics.Report) { r.Where = crm.Filter{Text: "amount.minor > 5"} },
			func(r *analytics.Report) { r.Groups = []analytics.Group{{Field: "customer.sector"}} },
			func(r *analytics.Report) { r.Object = "customer"; r.Groups = nil },
		} {
			r := report
			r.Measures = append([]analytics.Measure{}, report.Measures...)
			change(&r)
			_, err := p.Run(hers, r)
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		other, err := p.Run(crm.System(ctx, "other"), report)
		require.NoError(t, err)
		require.Empty(t, other.Rows)
	})
}

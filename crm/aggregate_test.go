package crm_test

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// These tests hold figures to those of the same records, listed and reckoned with in
// memory.

// seen is a deal as an actor sees it, with its company if he sees that.
type seen struct {
	deal

	of *company
}

// field is what a field of a deal holds for the reckoning: nil, a bool, string,
// crm.ID, crm.Date, time.Time, crm.Money or *big.Rat.
type field func(s seen) any

func fieldsOfDeals() map[string]field {
	orNil := func(v any, absent bool) any {
		if absent {
			return nil
		}
		return v
	}
	custom := func(name string) field { return func(s seen) any { return s.Custom[name] } }
	ofCompany := func(of func(c *company) any) field {
		return func(s seen) any {
			if s.of == nil {
				return nil
			}
			return of(s.of)
		}
	}
	return map[string]field{
		"name":       func(s seen) any { return s.Name },
		"stage":      func(s seen) any { return s.Stage },
		"score":      func(s seen) any { return big.NewRat(s.Score, 1) },
		"amount":     func(s seen) any { return orNil(s.Amount, s.Amount.IsZero()) },
		"cost":       func(s seen) any { return orNil(s.Cost, s.Cost.IsZero()) },
		"close_on":   func(s seen) any { return orNil(s.CloseOn, s.CloseOn.IsZero()) },
		"closed":     func(s seen) any { return orNil(s.Closed, s.Closed.IsZero()) },
		"company_id": func(s seen) any { return orNil(s.CompanyID, s.CompanyID.IsZero()) },
		"custom.rate": func(s seen) any {
			text, ok := s.Custom["rate"].(string)
			r, _ := new(big.Rat).SetString(cmp.Or(text, "0"))
			return orNil(r, !ok)
		},
		"custom.budget":       custom("budget"),
		"custom.due":          custom("due"),
		"custom.at":           custom("at"),
		"custom.hot":          custom("hot"),
		"amount.currency":     func(s seen) any { return orNil(s.Amount.Currency, s.Amount.IsZero()) },
		"company.country":     ofCompany(func(c *company) any { return orNil(c.Country, c.Country == "") }),
		"company.founded":     ofCompany(func(c *company) any { return orNil(c.Founded, c.Founded.IsZero()) }),
		"company.vip":         ofCompany(func(c *company) any { return c.VIP }),
		"company.custom.tier": ofCompany(func(c *company) any { return c.Custom["tier"] }),
		"company.employees": ofCompany(func(c *company) any {
			if c.Employees == nil {
				return nil
			}
			return big.NewRat(*c.Employees, 1)
		}),
	}
}

// condition is an expression and its meaning.
type meant struct {
	filter crm.Filter
	holds  func(s seen) bool
}

func conditions() []meant {
	return []meant{
		{crm.Filter{}, func(seen) bool { return true }},
		{crm.Filter{Text: "stage == $1", Args: []any{"won"}}, func(s seen) bool { return s.Stage == "won" }},
		{crm.Filter{Text: "score > $1 and score < $2", Args: []any{3, 7}}, func(s seen) bool { return s.Score > 3 && s.Score < 7 }},
		{crm.Filter{Text: "company.country == 'DE'"}, func(s seen) bool { return s.of != nil && s.of.Country == "DE" }},
		{crm.Filter{Text: "amount >= $1", Args: []any{crm.EUR(500)}}, func(s seen) bool { return s.Amount.Currency == "EUR" && s.Amount.Minor >= 500 }},
		{crm.Filter{Text: "custom.hot"}, func(s seen) bool { return s.Custom["hot"] == true }},
		{crm.Filter{Text: "score > 100"}, func(seen) bool { return false }},
	}
}

// figured shows a value as both sides of a comparison can say it.
func figured(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case *big.Rat:
		return v.RatString()
	case crm.Ratio:
		return big.NewRat(v.Num, v.Den).RatString()
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case string:
		if r, ok := new(big.Rat).SetString(v); ok {
			return r.RatString()
		}
		return v
	}
	return fmt.Sprint(v)
}

// labelled is a date or time's bucket, by the calendar as it is written.
func labelled(v any, b crm.Bucket, f crm.Figures) any {
	var d time.Time
	switch v := v.(type) {
	case crm.Date:
		d = time.Date(v.Year, v.Month, v.Day, 0, 0, 0, 0, time.UTC)
	case time.Time:
		d = v.In(f.Zone)
	default:
		return v
	}
	begins := max(f.FiscalYear, time.January)
	year := d.Year()
	if d.Month() < begins {
		year--
	}
	name := strconv.Itoa(year)
	if begins > time.January {
		name = fmt.Sprintf("%d/%02d", year, (year+1)%100)
	}
	switch b {
	case crm.ByDay:
		return d.Format(time.DateOnly)
	case crm.ByWeek:
		y, w := d.ISOWeek()
		return fmt.Sprintf("%d-W%02d", y, w)
	case crm.ByMonth:
		return d.Format("2006-01")
	case crm.ByQuarter:
		return fmt.Sprintf("%s-Q%d", name, (int(d.Month())-int(begins)+12)%12/3+1)
	case crm.ByYear:
		return name
	}
	return v
}

// reckon is a measure over deals, in memory.
func reckon(m crm.Measure, given []seen) any {
	fields := fieldsOfDeals()
	var deals []seen
	for _, c := range conditions() {
		if c.filter.Text == m.Where.Text {
			deals = slices.DeleteFunc(slices.Clone(given), func(s seen) bool { return !c.holds(s) })
		}
	}
	var values []any
	amounts := map[string][]any{}
	for _, s := range deals {
		if m.Fn == crm.FnCount {
			break
		}
		switch v := fields[m.Field](s).(type) {
		case nil:
		case crm.Money:
			amounts[v.Currency] = append(amounts[v.Currency], big.NewRat(v.Minor, 1))
			if m.Fn == crm.FnCountOf {
				values = append(values, v)
			}
			if w, ok := weightOf(s, m.Weight); ok {
				values = append(values, crm.Money{Minor: v.Minor * w, Currency: v.Currency})
			}
		default:
			values = append(values, v)
		}
	}
	switch {
	case m.Fn == crm.FnCount:
		return int64(len(deals))
	case m.Fn == crm.FnWeighted:
		return weighted(values)
	case len(amounts) > 0 && m.Fn != crm.FnCountOf:
		var list []crm.Money
		for currency, of := range amounts {
			r, _ := reckoned(m, of).(*big.Rat)
			list = append(list, crm.Money{Minor: toEven(r), Currency: currency})
		}
		slices.SortFunc(list, func(a, b crm.Money) int { return cmp.Compare(a.Currency, b.Currency) })
		return list
	}
	return reckoned(m, values)
}

func weightOf(s seen, name string) (int64, bool) {
	switch name {
	case "score":
		return s.Score, true
	case "company.employees":
		if s.of != nil && s.of.Employees != nil {
			return *s.of.Employees, true
		}
	}
	return 0, false
}

func weighted(values []any) any {
	sums := map[string]int64{}
	for _, v := range values {
		x, _ := v.(crm.Money)
		sums[x.Currency] += x.Minor
	}
	var list []crm.Money
	for currency, n := range sums {
		list = append(list, crm.Money{Minor: toEven(big.NewRat(n, 100)), Currency: currency})
	}
	slices.SortFunc(list, func(a, b crm.Money) int { return cmp.Compare(a.Currency, b.Currency) })
	if list == nil {
		return nil
	}
	return list
}

func toEven(r *big.Rat) int64 {
	floor := new(big.Int).Div(r.Num(), r.Denom()).Int64()
	switch rest := new(big.Rat).Sub(r, big.NewRat(floor, 1)); rest.Cmp(big.NewRat(1, 2)) {
	case -1:
		return floor
	case 0:
		return floor + floor&1
	}
	return floor + 1
}

// reckoned is a measure over values that are there.
func reckoned(m crm.Measure, values []any) any {
	values = slices.Clone(values)
	slices.SortFunc(values, compared)
	n := len(values)
	switch m.Fn {
	case crm.FnCountOf:
		return int64(n)
	case crm.FnDistinct:
		return int64(len(slices.CompactFunc(values, func(a, b any) bool { return figured(a) == figured(b) })))
	}
	if n == 0 {
		return nil
	}
	sum := new(big.Rat)
	for _, v := range values {
		if r, ok := v.(*big.Rat); ok {
			sum.Add(sum, r)
		}
	}
	switch m.Fn {
	case crm.FnSum:
		return sum
	case crm.FnAverage:
		return sum.Quo(sum, big.NewRat(int64(n), 1))
	case crm.FnMin:
		return values[0]
	case crm.FnMax:
		return values[n-1]
	case crm.FnMedian:
		m.Percent = 50
	}
	return values[(m.Percent*n+99)/100-1]
}

// compared orders values of one type, nil lowest.
func compared(a, b any) int {
	if x, ok := a.(*big.Rat); ok {
		if y, ok := b.(*big.Rat); ok {
			return x.Cmp(y)
		}
	}
	if x, ok := a.(crm.Period); ok {
		if y, ok := b.(crm.Period); ok {
			return x.Start.Compare(y.Start)
		}
	}
	if x, ok := a.(crm.ID); ok {
		if y, ok := b.(crm.ID); ok {
			return strings.Compare(x.String(), y.String())
		}
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			if p, ok := new(big.Rat).SetString(x); ok {
				if q, ok := new(big.Rat).SetString(y); ok {
					return p.Cmp(q)
				}
			}
		}
	}
	return storage.Compare(a, b)
}

// table is what figures must come to: by the groups' values, the figures.
func reckonTable(f crm.Figures, deals []seen) map[string][]string {
	fields := fieldsOfDeals()
	groups := map[string][]seen{}
	if len(f.GroupBy) == 0 {
		groups["[]"] = nil
	}
	for _, s := range deals {
		key := []string{}
		for _, g := range f.GroupBy {
			key = append(key, figured(labelled(fields[g.Field](s), g.Bucket, f)))
		}
		groups[fmt.Sprint(key)] = append(groups[fmt.Sprint(key)], s)
	}
	table := map[string][]string{}
	for key, of := range groups {
		for _, m := range f.Measures {
			table[key] = append(table[key], figured(reckon(m, of)))
		}
	}
	return table
}

func shownFigures(rows []crm.FigureRow) map[string][]string {
	table := map[string][]string{}
	for _, r := range rows {
		key := []string{}
		for _, g := range r.Groups {
			key = append(key, figured(g))
		}
		for _, v := range r.Values {
			table[fmt.Sprint(key)] = append(table[fmt.Sprint(key)], figured(v))
		}
	}
	return table
}

// bazaar is an office with many deals of all sorts.
type bazaar struct{ *office }

func newBazaar(t *testing.T, s *shop) *bazaar {
	t.Helper()
	b := &bazaar{newOffice(t, s)}
	for _, f := range []crm.CustomField{
		{Object: "deal", Name: "rate", Type: crm.FieldDecimal, Scale: 2},
		{Object: "deal", Name: "budget", Type: crm.FieldMoney},
		{Object: "deal", Name: "due", Type: crm.FieldDate},
		{Object: "deal", Name: "at", Type: crm.FieldTime},
		{Object: "deal", Name: "hot", Type: crm.FieldBool},
		{Object: "company", Name: "tier", Type: crm.FieldText},
	} {
		_, err := s.Fields.Create(b.sys, f)
		require.NoError(t, err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	one := func(n int) bool { return random.IntN(n) == 0 }
	owner := func() crm.Record {
		return crm.Record{OwnerID: []crm.ID{{}, b.ada.ID, b.bob.ID, b.sue.ID}[random.IntN(4)]}
	}
	day := func() crm.Date {
		return crm.Date{Year: 2024 + random.IntN(3), Month: time.Month(1 + random.IntN(12)), Day: 1 + random.IntN(28)}
	}
	money := func() crm.Money {
		return crm.Money{Minor: int64(random.IntN(2001) - 1000), Currency: []string{"EUR", "JPY", "USD"}[random.IntN(3)]}
	}
	var companies []crm.ID
	for i := range 12 {
		c := company{Record: owner(), Name: fmt.Sprint("company ", i), Country: []string{"", "DE", "FR", "de"}[random.IntN(4)], VIP: one(2)}
		if one(2) {
			c.Employees = new(int64)
			*c.Employees = int64(random.IntN(120))
		}
		if one(2) {
			c.Founded, c.Custom = day(), crm.Custom{"tier": []string{"gold", "silver"}[random.IntN(2)]}
		}
		made, err := s.companies.Create(b.sys, c)
		require.NoError(t, err)
		companies = append(companies, made.ID)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	var deals []deal
	for i := range 150 {
		d := deal{Record: owner(), Name: fmt.Sprint("d", i%40), Stage: []string{"new", "offer", "won", "lost"}[random.IntN(4)], Score: int64(random.IntN(10)), Amount: money()}
		d.Custom = crm.Custom{}
		if one(4) && d.Stage != "won" {
			d.Amount = crm.Money{}
		}
		if one(2) {
			d.CompanyID, d.Cost, d.CloseOn = companies[random.IntN(len(companies))], money(), day()
		}
		if one(2) {
			d.Closed = day().Time(berlin).Add(time.Duration(random.IntN(3)-1) * time.Microsecond)
			d.Custom["at"], d.Custom["due"] = day().Time(berlin).Add(-time.Microsecond).UTC(), day()
		}
		if one(2) {
			d.Custom["rate"], d.Custom["budget"], d.Custom["hot"] = fmt.Sprintf("%d.%d5", random.IntN(20)-10, random.IntN(2)), money(), one(2)
		}
		deals = append(deals, d)
	}
	made, err := s.deals.CreateAll(b.sys, deals)
	require.NoError(t, err)
	for i := range 20 {
		require.NoError(t, s.deals.Delete(b.sys, made[7*i].ID))
	}
	// A deleted company, which only deleted deals refer to, is not there.
	gone, err := s.companies.Create(b.sys, company{Record: crm.Record{OwnerID: b.ada.ID}, Name: "gone", Country: "IT"})
	require.NoError(t, err)
	for i := range 5 {
		d, err := s.deals.Create(b.sys, deal{Record: crm.Record{OwnerID: b.ada.ID}, Name: fmt.Sprint("gone ", i), CompanyID: gone.ID})
		require.NoError(t, err)
		require.NoError(t, s.deals.Delete(b.sys, d.ID))
	}
	require.NoError(t, s.companies.Delete(b.sys, gone.ID))
	_, err = s.deals.CreateAll(crm.System(t.Context(), "other"), []deal{{Name: "not ours", Amount: crm.EUR(1)}, {Name: "nor this", Stage: "won", Amount: crm.USD(1)}})
	require.NoError(t, err)
	b.grant(t, append(crm.Allow("deal", crm.LevelTeam), crm.Allow("company", crm.LevelOwn)...))
	return b
}

// see lists the deals an actor reads, with their companies.
func (b *bazaar) see(ctx context.Context, t require.TestingT, opts ...crm.ListOption) (list []seen) {
	companies := map[crm.ID]*company{}
	for c, err := range b.companies.All(ctx) {
		require.NoError(t, err)
		companies[c.ID] = &c
	}
	for d, err := range b.deals.All(ctx, opts...) {
		require.NoError(t, err)
		list = append(list, seen{d, companies[d.CompanyID]})
	}
	return list
}

func drawFigures(t *rapid.T) crm.Figures {
	zones := []*time.Location{time.UTC}
	for _, name := range []string{"Europe/Berlin", "America/St_Johns"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		zones = append(zones, zone)
	}
	f := crm.Figures{
		Zone: rapid.SampledFrom(zones).Draw(t, "zone"), FiscalYear: time.Month(rapid.IntRange(0, 12).Draw(t, "fiscal year")), Total: rapid.Bool().Draw(t, "total"),
	}
	where := rapid.SampledFrom(conditions())
	numbers := []string{"score", "amount", "cost", "custom.rate", "custom.budget", "company.employees"}
	dates := []string{"close_on", "closed", "custom.due", "custom.at", "company.founded"}
	values := []string{"name", "stage", "score", "company_id", "custom.hot", "amount.currency", "company.country", "company.vip", "company.custom.tier", "custom.rate"}
	ordered := slices.Concat(numbers, dates)
	for range rapid.IntRange(0, 3).Draw(t, "groups") {
		g := crm.GroupBy{Field: rapid.SampledFrom(slices.Concat(values, dates)).Draw(t, "group")}
		if slices.Contains(dates, g.Field) {
			g.Bucket = rapid.SampledFrom([]crm.Bucket{crm.ByDay, crm.ByWeek, crm.ByMonth, crm.ByQuarter, crm.ByYear}).Draw(t, "bucket")
		}
		f.GroupBy = append(f.GroupBy, g)
	}
	for range rapid.IntRange(1, 4).Draw(t, "measures") {
		m := crm.Measure{Where: where.Draw(t, "where").filter}
		m.Fn = rapid.SampledFrom([]crm.Fn{
			crm.FnCount, crm.FnCountOf, crm.FnDistinct, crm.FnSum, crm.FnMin, crm.FnMax, crm.FnAverage, crm.FnMedian, crm.FnPercentile, crm.FnWeighted,
		}).Draw(t, "fn")
		from := ordered
		switch m.Fn {
		case crm.FnCount:
			from = []string{""}
		case crm.FnCountOf:
			from = slices.Concat(values, ordered)
		case crm.FnDistinct:
			from = slices.Concat(values, dates)
		case crm.FnSum, crm.FnAverage:
			from = numbers
		case crm.FnMin, crm.FnMax:
			from = append(slices.Clone(ordered), "stage", "company.country")
		case crm.FnPercentile:
			m.Percent = rapid.IntRange(1, 100).Draw(t, "percent")
		case crm.FnWeighted:
			from = []string{"amount", "cost", "custom.budget"}
			m.Weight = rapid.SampledFrom([]string{"score", "company.employees"}).Draw(t, "weight")
		}
		m.Field = rapid.SampledFrom(from).Draw(t, "field")
		f.Measures = append(f.Measures, m)
	}
	return f
}

func TestFiguresAreThoseOfTheRecordsInMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		b := newBazaar(t, s)
		rapid.Check(t, func(rt *rapid.T) {
			ctx := rapid.SampledFrom([]context.Context{b.sys, as(t, "ada")}).Draw(rt, "actor")
			var opts []crm.ListOption
			if where := rapid.SampledFrom(conditions()).Draw(rt, "where"); where.filter.Text != "" && rapid.Bool().Draw(rt, "filtered") {
				opts = append(opts, crm.Where(where.filter.Text, where.filter.Args...))
			}
			if rapid.Bool().Draw(rt, "deleted too") {
				opts = append(opts, crm.WithDeleted())
			}
			deals := b.see(ctx, rt, opts...)
			for range 5 {
				f := drawFigures(rt)
				got, err := s.deals.Aggregate(ctx, f, opts...)
				require.NoError(rt, err, "%+v", f)
				require.Equal(rt, reckonTable(f, deals), shownFigures(got.Rows), "%+v", f)
				require.Equal(rt, f.Total, got.Total != nil)
				if f.Total {
					all := f
					all.GroupBy = nil
					got.Total.Groups = nil
					require.Equal(rt, reckonTable(all, deals), shownFigures([]crm.FigureRow{*got.Total}), "%+v", f)
				}
				require.True(rt, slices.IsSortedFunc(got.Rows, func(a, b crm.FigureRow) int { return slices.CompareFunc(a.Groups, b.Groups, compared) }))
			}
		})
	})
}

func TestWhatIsNotSeenThroughAReferenceIsAbsent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		b := newBazaar(t, s)
		by := func(ctx context.Context, path string, opts ...crm.ListOption) map[string][]string {
			got, err := s.deals.Aggregate(ctx, crm.Figures{
				GroupBy:  []crm.GroupBy{{Field: path}},
				Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnCountOf, Field: path}, {Fn: crm.FnMax, Field: path}},
			}, opts...)
			require.NoError(t, err)
			return shownFigures(got.Rows)
		}
		all := by(b.sys, "company.name", crm.WithDeleted())
		require.Len(t, all, 13, "twelve, and nil")
		require.NotContains(t, all, "[gone]", "a deleted company")
		hers, err := s.companies.Count(as(t, "ada"))
		require.NoError(t, err)
		got := by(as(t, "ada"), "company.name")
		require.LessOrEqual(t, len(got), int(hers)+1, "companies of others")
		require.Less(t, len(got), len(all))
		require.Equal(t, []string{"0", "nil"}, got["[nil]"][1:], "and nothing of them in another figure")
	})
}

package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// figuring is one call of Aggregate: figures with their names looked up and their
// filters compiled under the actor's rights.
type figuring struct {
	*reader

	figures  Figures
	where    storage.Expr
	groups   []*grouping
	measures []*measuring
}

// grouping is a group as storage knows it.
type grouping struct {
	field    figured
	calendar *calendar // nil: by the value itself
}

// measuring is a measure as storage knows it.
type measuring struct {
	Measure

	field, weight figured
	where         storage.Expr // the measure's own, or nil
}

// planFigures refuses what has no figures, and what the actor may not name.
func (r *reader) planFigures(ctx context.Context, f Figures, opts listOptions) (*figuring, error) {
	switch {
	case len(f.Measures) < 1 || len(f.Measures) > MaxMeasures:
		return nil, Invalid("measures", "figures have 1 to %d measures, not %d", MaxMeasures, len(f.Measures))
	case len(f.GroupBy) > MaxGroupBy:
		return nil, Invalid("group_by", "figures are grouped by at most %d fields, not %d", MaxGroupBy, len(f.GroupBy))
	case f.FiscalYear < 0 || f.FiscalYear > time.December:
		return nil, Invalid("fiscal_year", "a year begins in one of the months 1 to 12")
	}
	f.FiscalYear = max(f.FiscalYear, time.January)
	if f.Zone == nil {
		f.Zone = r.env().Zone
	}
	if f.Zone == nil {
		f.Zone = time.UTC
	}
	p := &figuring{reader: r, figures: f}
	var err error
	if p.where, err = r.where(ctx, opts); err != nil {
		return nil, err
	}
	for i, g := range f.GroupBy {
		x, err := p.group(ctx, g, opts.deleted)
		if err != nil {
			return nil, named(g.label(i), err)
		}
		p.groups = append(p.groups, x)
	}
	for i, m := range f.Measures {
		x, err := p.measure(ctx, m, opts.deleted)
		if err != nil {
			return nil, named(m.label(i), err)
		}
		p.measures = append(p.measures, x)
	}
	if filled := slices.DeleteFunc(slices.Clone(f.GroupBy), func(g GroupBy) bool { return !g.Fill }); len(filled) > 1 {
		return nil, Invalid("group_by", "one group may be filled, and %s and %s are to be", clip(filled[0].Field), clip(filled[1].Field))
	}
	return p, nil
}

// label is how errors call a group.
func (g GroupBy) label(i int) string {
	if g.Field == "" {
		return fmt.Sprintf("group %d", i+1)
	}
	return "group " + clip(g.Field)
}

// label is how errors call a measure.
func (m Measure) label(i int) string {
	if m.Name == "" {
		return fmt.Sprintf("measure %d", i+1)
	}
	return "measure " + clip(m.Name)
}

// named is err as one about a group or measure.
func named(label string, err error) error {
	faults, ours := faultsOf(err)
	switch {
	case errors.Is(err, ErrForbidden):
		return fmt.Errorf("%w (%s)", err, label)
	case !errors.Is(err, ErrInvalid):
		return err
	case !ours:
		return Invalid(label, "%s", reason(err))
	}
	all := &InvalidError{}
	for _, f := range faults {
		if f.Field != "" {
			f.Reason = f.Field + ": " + f.Reason
		}
		all.Faults = append(all.Faults, Fault{label, f.Reason})
	}
	return all
}

func (p *figuring) group(ctx context.Context, g GroupBy, deleted bool) (*grouping, error) {
	f, err := p.figured(ctx, g.Field, deleted)
	if err != nil {
		return nil, err
	}
	x := &grouping{field: f}
	dated := f.Type == filter.Date || f.Type == filter.Time
	switch {
	case f.Type == filter.Money:
		return nil, Invalid("", "%s holds money, which makes no groups: group by %s.currency", clip(g.Field), clip(g.Field))
	case g.Bucket != "" && !slices.Contains([]Bucket{ByDay, ByWeek, ByMonth, ByQuarter, ByYear}, g.Bucket):
		return nil, Invalid("", "there is no bucket %q: there are day, week, month, quarter and year", clip(string(g.Bucket)))
	case g.Bucket != "" && !dated:
		return nil, Invalid("", "%s holds %s, and only dates and times have buckets", clip(g.Field), f.Type)
	case g.Fill && g.Bucket == "":
		return nil, Invalid("", "only buckets are filled: name one, such as month")
	case g.Bucket != "":
		x.calendar = &calendar{GroupBy: g, field: &x.field, zone: p.figures.Zone, fiscal: p.figures.FiscalYear}
	}
	return x, nil
}

func (p *figuring) measure(ctx context.Context, m Measure, deleted bool) (*measuring, error) {
	x := &measuring{Measure: m}
	if err := m.check(); err != nil {
		return nil, err
	}
	var err error
	if m.Fn != FnCount {
		if x.field, err = p.figured(ctx, m.Field, deleted); err != nil {
			return nil, err
		}
		if err := x.fits(); err != nil {
			return nil, err
		}
	}
	if m.Fn == FnWeighted {
		if x.weight, err = p.figured(ctx, m.Weight, deleted); err != nil {
			return nil, err
		}
		if x.weight.Type != filter.Int {
			return nil, Invalid("", "a weight is an int, in percent, and %s holds %s", clip(m.Weight), x.weight.Type)
		}
	}
	if !m.Where.IsZero() {
		x.where, err = p.compile(ctx, condition{text: m.Where.Text, args: m.Where.Args})
	}
	return x, err
}

// check refuses parts that a measure has not.
func (m Measure) check() error {
	switch known := []Fn{FnCount, FnCountOf, FnDistinct, FnSum, FnMin, FnMax, FnAverage, FnMedian, FnPercentile, FnWeighted}; {
	case !slices.Contains(known, m.Fn):
		return Invalid("", "there is no measure %q: there are %v", clip(string(m.Fn)), known)
	case len(m.Name) > maxPath:
		return Invalid("", "a name has at most %d bytes", maxPath)
	case m.Fn == FnCount && m.Field != "":
		return Invalid("", "count is of records and has no field: to count those with a value, take count_of")
	case m.Fn != FnCount && m.Field == "":
		return Invalid("", "name the field that %s is of", m.Fn)
	case m.Fn == FnPercentile && (m.Percent < 1 || m.Percent > 100):
		return Invalid("", "a percentile is 1 to 100, not %d", m.Percent)
	case m.Fn != FnPercentile && m.Percent != 0:
		return Invalid("", "only a percentile has a percent")
	case m.Fn == FnWeighted && m.Weight == "":
		return Invalid("", "name the field with the weight in percent")
	case m.Fn != FnWeighted && m.Weight != "":
		return Invalid("", "only weighted has a weight")
	}
	return nil
}

// fits refuses what cannot be computed of the field's type.
func (m *measuring) fits() error {
	numbers := []filter.Type{filter.Int, filter.Decimal, filter.Money}
	ranked := []filter.Type{filter.Int, filter.Decimal, filter.Money, filter.Date, filter.Time}
	ordered := []filter.Type{filter.Int, filter.Decimal, filter.Money, filter.Date, filter.Time, filter.Text}
	types := map[Fn][]filter.Type{
		FnSum: numbers, FnAverage: numbers, FnMedian: ranked, FnPercentile: ranked, FnMin: ordered, FnMax: ordered, FnWeighted: {filter.Money},
	}
	switch of, some := types[m.Fn]; {
	case m.Fn == FnDistinct && m.field.Type == filter.Money:
		return Invalid("", "%s holds money, whose amounts are of several currencies: count the different %s.currency, or those of another field", clip(m.Field), clip(m.Field))
	case some && !slices.Contains(of, m.field.Type):
		return Invalid("", "%s holds %s, which has no %s", clip(m.Field), m.field.Type, m.Fn)
	}
	return nil
}

// amounts reports whether the measure comes to money.
func (m *measuring) amounts() bool {
	return m.field.Type == filter.Money && m.Fn != FnCountOf && m.Fn != FnWeighted
}

// parts are what storage computes of the measure, for result.
func (m *measuring) parts() []storage.Measure {
	part := func(fn storage.Fn) storage.Measure {
		return storage.Measure{Fn: fn, Field: m.field.At, Where: allOf(m.where, m.field.seen)}
	}
	percentile := func(n int) storage.Measure {
		x := part(storage.Percentile)
		x.P = n
		return x
	}
	switch m.Fn {
	case FnCountOf:
		return []storage.Measure{part(storage.CountOf)}
	case FnDistinct:
		return []storage.Measure{part(storage.Distinct)}
	case FnSum, FnWeighted:
		return []storage.Measure{part(storage.Sum)}
	case FnMin:
		return []storage.Measure{part(storage.Min)}
	case FnMax:
		return []storage.Measure{part(storage.Max)}
	case FnAverage:
		return []storage.Measure{part(storage.Sum), part(storage.CountOf)}
	case FnMedian:
		return []storage.Measure{percentile(50)}
	case FnPercentile:
		return []storage.Measure{percentile(m.Percent)}
	}
	return []storage.Measure{{Fn: storage.CountRows, Where: m.where}}
}

// none is what the measure is over no records.
func (m *measuring) none() any {
	if slices.Contains([]Fn{FnCount, FnCountOf, FnDistinct}, m.Fn) {
		return int64(0)
	}
	return nil
}

// result is what its parts come to, as the field's own Go type.
func (m *measuring) result(parts []any) any {
	if parts[0] == nil {
		return nil
	}
	switch m.Fn {
	case FnCount, FnCountOf, FnDistinct:
		return parts[0]
	case FnAverage:
		sum, _ := parts[0].(int64)
		n, _ := parts[1].(int64)
		return Ratio{sum, n * m.field.unit()}
	}
	return m.field.value(parts[0])
}

// amount is what its parts come to in one currency.
func (m *measuring) amount(currency string, parts []any) (Money, error) {
	minor, _ := parts[0].(int64)
	sum := Money{minor, currency}
	if err := sum.Valid(); err != nil || m.Fn != FnAverage {
		return sum, err
	}
	n, _ := parts[1].(int64)
	return sum.Mul(1, n)
}

// allOf is the condition that two hold; nil always does.
func allOf(a, b storage.Expr) storage.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return storage.And{a, b}
}

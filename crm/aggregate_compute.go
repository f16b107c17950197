package crm

import (
	"context"
	"errors"
	"math"
	"math/big"
	"slices"

	"github.com/embedcrm/embedcrm/storage"
)

// line is a row of figures while it is put together.
type line struct {
	key    []any // the groups' values as storage gives them; of a calendar the number of the period
	values []any // the figures
}

// compute asks storage for the figures, as few times as there are currencies of their
// own, and puts the answers together by their groups.
func (p *figuring) compute(ctx context.Context) (FigureTable, error) {
	tn, err := p.core.Tenants.of(ctx, p.sc.Tenant)
	if err != nil {
		return FigureTable{}, err
	}
	var lines, total []*line
	ask := func(s storage.Session) (err error) {
		if lines, err = p.lines(ctx, s, p.groups); err != nil || !p.figures.Total {
			return err
		}
		total, err = p.lines(ctx, s, nil)
		return err
	}
	switch t := p.core.tx(ctx); {
	case tn == nil: // without a tenant there are no records
		if len(p.groups) == 0 {
			lines = []*line{p.empty(nil)}
		}
		total = []*line{p.empty(nil)}
	case t != nil:
		err = ask(t.session)
	case p.single():
		err = ask(p.core.store)
	default:
		err = p.core.store.Snapshot(ctx, ask)
	}
	if err != nil {
		return FigureTable{}, p.overflow(err)
	}
	if lines, err = p.fill(lines); err != nil {
		return FigureTable{}, err
	}
	out := FigureTable{Rows: make([]FigureRow, len(lines))}
	for i, l := range lines {
		out.Rows[i] = p.row(l)
	}
	if p.figures.Total {
		out.Total = &FigureRow{Groups: make([]any, len(p.groups)), Values: total[0].values}
	}
	return out, nil
}

// single reports whether one statement answers all.
func (p *figuring) single() bool {
	return !p.figures.Total &&
		!slices.ContainsFunc(p.groups, func(g *grouping) bool { return g.calendar != nil }) &&
		!slices.ContainsFunc(p.measures, func(m *measuring) bool { return m.amounts() || m.Fn == FnWeighted })
}

// overflow says of a sum that is too great what to do.
func (p *figuring) overflow(err error) error {
	if !errors.Is(err, storage.ErrOverflow) {
		return err
	}
	label := "measures"
	for i, m := range p.measures {
		if !slices.Contains([]Fn{FnSum, FnAverage, FnWeighted}, m.Fn) {
			continue
		}
		if label != "measures" {
			return Invalid("measures", "a sum is past 2^63-1: filter more, or group by another field")
		}
		label = m.label(i)
	}
	return Invalid(label, "the sum is past 2^63-1: filter more, or group by another field")
}

// moved is what a transaction that does not see one instant may come upon.
func moved() error {
	return &ConflictError{Field: "records", Reason: "they were changed while figures were computed of them: ask again"}
}

// lines computes the figures for groups, or over all records for none.
func (p *figuring) lines(ctx context.Context, s storage.Session, groups []*grouping) ([]*line, error) {
	if err := p.span(ctx, s, groups); err != nil {
		return nil, err
	}
	lines, err := p.plain(ctx, s, groups)
	if err != nil {
		return nil, err
	}
	for i, m := range p.measures {
		switch {
		case m.Fn == FnWeighted:
			err = p.weigh(ctx, s, groups, i, lines)
		case m.amounts() && p.firstOf(i):
			err = p.amounts(ctx, s, groups, i, lines)
		}
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// firstOf reports whether no measure before the i-th comes to money of its field.
func (p *figuring) firstOf(i int) bool {
	return !slices.ContainsFunc(p.measures[:i], func(m *measuring) bool { return m.amounts() && m.Field == p.measures[i].Field })
}

// span finds how far the calendars of groups reach.
func (p *figuring) span(ctx context.Context, s storage.Session, groups []*grouping) error {
	a := &storage.Aggregate{Table: p.table, Where: p.where}
	var of []*calendar
	bounds := 0
	for _, g := range groups {
		if g.calendar == nil {
			continue
		}
		of = append(of, g.calendar)
		for _, fn := range []storage.Fn{storage.Min, storage.Max} {
			a.Measure = append(a.Measure, storage.Measure{Fn: fn, Field: g.field.At, Where: g.field.seen})
		}
	}
	if len(of) == 0 {
		return nil
	}
	rows, err := p.ask(ctx, s, a, nil)
	if err != nil {
		return err
	}
	for i, c := range of {
		least, greatest := rows[0][2*i], rows[0][2*i+1]
		if least == nil {
			continue
		}
		if err := c.span(least, greatest); err != nil {
			return named(c.label(0), err)
		}
		if bounds += len(c.bounds); bounds > storage.MaxBounds {
			return Invalid("group_by", "the buckets of all groups are more than %d: take longer ones, or filter by them", storage.MaxBounds)
		}
	}
	return nil
}

// ask reads the rows of an aggregate, by groups and behind them by its own.
func (p *figuring) ask(ctx context.Context, s storage.Session, a *storage.Aggregate, groups []*grouping) ([]storage.Values, error) {
	var lead []storage.Group
	for _, g := range groups {
		x := storage.Group{Field: g.field.At, Where: g.field.seen}
		if g.calendar != nil {
			x.Bounds = g.calendar.bounds
		}
		lead = append(lead, x)
	}
	a.Group = append(lead, a.Group...)
	var rows []storage.Values
	err := s.Aggregate(ctx, p.sc.Tenant, a, func() storage.Row {
		row := make(storage.Values, len(a.Group)+len(a.Measure))
		rows = append(rows, row)
		return row
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i, g := range groups {
			if g.calendar == nil || row[i] == nil {
				continue
			}
			n, ok := g.calendar.number(row[i])
			if !ok {
				return nil, moved()
			}
			row[i] = n
		}
	}
	return rows, nil
}

// plain computes the measures that are not money. Its lines are those of all groups.
func (p *figuring) plain(ctx context.Context, s storage.Session, groups []*grouping) ([]*line, error) {
	a := &storage.Aggregate{Table: p.table, Where: p.where}
	at := make([]int, len(p.measures)) // where the parts of a measure begin
	for i, m := range p.measures {
		at[i] = len(a.Measure)
		if !m.amounts() && m.Fn != FnWeighted {
			a.Measure = append(a.Measure, m.parts()...)
		}
	}
	if len(a.Measure) == 0 { // the groups alone
		a.Measure = []storage.Measure{{Fn: storage.CountRows}}
	}
	rows, err := p.ask(ctx, s, a, groups)
	if err != nil {
		return nil, err
	}
	lines := make([]*line, len(rows))
	for n, row := range rows {
		l := p.empty(row[:len(groups)])
		for i, m := range p.measures {
			if !m.amounts() && m.Fn != FnWeighted {
				l.values[i] = m.result(row[len(groups)+at[i]:])
			}
		}
		lines[n] = l
	}
	return lines, nil
}

// empty is a line over no records.
func (p *figuring) empty(key []any) *line {
	l := &line{key, make([]any, len(p.measures))}
	for i, m := range p.measures {
		l.values[i] = m.none()
	}
	return l
}

// amounts computes all measures that come to money of the first one's field, by
// currency, and adds them to the lines.
func (p *figuring) amounts(ctx context.Context, s storage.Session, groups []*grouping, first int, lines []*line) error {
	of := &p.measures[first].field
	a := &storage.Aggregate{Table: p.table, Where: p.where, Group: []storage.Group{{Field: of.Currency, Where: of.seen}}}
	at := map[int]int{}
	for i, m := range p.measures {
		if m.amounts() && m.Field == p.measures[first].Field {
			at[i] = len(groups) + 1 + len(a.Measure)
			a.Measure = append(a.Measure, m.parts()...)
		}
	}
	rows, err := p.ask(ctx, s, a, groups)
	if err != nil {
		return err
	}
	for _, row := range rows {
		currency, ok := row[len(groups)].(string)
		if !ok { // the records without an amount
			continue
		}
		l := lineOf(lines, row[:len(groups)])
		if l == nil {
			return moved()
		}
		for i, from := range at {
			if row[from] == nil {
				continue
			}
			x, err := p.measures[i].amount(currency, row[from:])
			if err != nil {
				return named(p.measures[i].label(i), err)
			}
			l.add(i, x)
		}
	}
	return nil
}

// add puts an amount of another currency to a figure.
func (l *line) add(i int, x Money) {
	all, _ := l.values[i].([]Money)
	l.values[i] = append(all, x)
}

// lineOf is the line of a key, or nil. Lines are in the order of their keys.
func lineOf(lines []*line, key []any) *line {
	i, ok := slices.BinarySearchFunc(lines, key, func(l *line, key []any) int { return compareKeys(l.key, key) })
	if !ok {
		return nil
	}
	return lines[i]
}

func compareKeys(a, b []any) int {
	for i := range a {
		if c := storage.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// weigh computes a weighted measure: the sums by currency and weight, each times its
// weight.
func (p *figuring) weigh(ctx context.Context, s storage.Session, groups []*grouping, i int, lines []*line) error {
	m := p.measures[i]
	rows, err := p.ask(ctx, s, &storage.Aggregate{
		Table: p.table, Where: p.where, Measure: m.parts(),
		Group: []storage.Group{{Field: m.field.Currency, Where: m.field.seen}, {Field: m.weight.At, Where: m.weight.seen}},
	}, groups)
	if err != nil {
		return err
	}
	n := len(groups)
	for from := 0; from < len(rows); { // the rows of one line and currency follow each other
		to, hundredths := from, new(big.Int)
		weighed := false
		for ; to < len(rows) && compareKeys(rows[from][:n+1], rows[to][:n+1]) == 0; to++ {
			weight, heavy := rows[to][n+1].(int64)
			sum, some := rows[to][n+2].(int64)
			if heavy && some {
				hundredths.Add(hundredths, new(big.Int).Mul(big.NewInt(sum), big.NewInt(weight)))
				weighed = true
			}
		}
		row := rows[from]
		from = to
		currency, ok := row[n].(string)
		if !ok || !weighed {
			continue
		}
		l := lineOf(lines, row[:n])
		if l == nil {
			return moved()
		}
		minor, ok := rounded(hundredths, 100)
		if !ok {
			return Invalid(m.label(i), "%s", reasonRange)
		}
		l.add(i, Money{minor, currency})
	}
	return nil
}

// rounded is num / den, den above zero, rounded half to even; false when it is out of
// the range of an amount.
func rounded(num *big.Int, den int64) (int64, bool) {
	d := big.NewInt(den)
	quotient, rest := new(big.Int).DivMod(num, d, new(big.Int)) // the rest is not negative
	half := new(big.Int).Lsh(rest, 1).Cmp(d)
	if half > 0 || half == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return quotient.Int64(), quotient.IsInt64() && quotient.Int64() != math.MinInt64
}

// fill adds the lines of the buckets that have no records.
func (p *figuring) fill(lines []*line) ([]*line, error) {
	at := slices.IndexFunc(p.groups, func(g *grouping) bool { return g.calendar != nil && g.calendar.Fill })
	if at < 0 {
		return lines, nil
	}
	periods := p.groups[at].calendar.count()
	var others []*line // one line for each combination of the other groups
	for _, l := range lines {
		key := slices.Clone(l.key)
		key[at] = nil
		others = append(others, &line{key: key})
	}
	byKey := func(a, b *line) int { return compareKeys(a.key, b.key) }
	slices.SortFunc(others, byKey)
	others = slices.CompactFunc(others, func(a, b *line) bool { return byKey(a, b) == 0 })
	if periods*len(others) > storage.MaxGroups {
		return nil, Invalid(p.groups[at].calendar.label(at), "filled, there are more than %d groups: take a longer bucket, filter more, or leave gaps", storage.MaxGroups)
	}
	out := slices.Clip(lines)
	for _, o := range others {
		for n := range periods {
			key := slices.Clone(o.key)
			key[at] = int64(n + 1)
			if lineOf(lines, key) == nil {
				out = append(out, p.empty(key))
			}
		}
	}
	slices.SortFunc(out, byKey)
	return out, nil
}

// row is a line as the caller sees it.
func (p *figuring) row(l *line) FigureRow {
	r := FigureRow{Groups: make([]any, len(l.key)), Values: l.values}
	for i, v := range l.key {
		g := p.groups[i]
		switch n, ok := v.(int64); {
		case v == nil:
		case g.calendar != nil && ok:
			r.Groups[i] = g.calendar.numbered(n)
		default:
			r.Groups[i] = g.field.value(v)
		}
	}
	return r
}

package analytics

import (
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Records are the conditions that select the records behind a cell: all must hold.
type Records []crm.Filter

// Options are the conditions as a list takes them, such as
// deals.List(ctx, records.Options()...).
func (r Records) Options() []crm.ListOption {
	opts := make([]crm.ListOption, len(r))
	for i, f := range r {
		opts[i] = crm.Where(f.Text, f.Args...)
	}
	return opts
}

// Records returns what selects the records behind a cell: those of the row's group, a
// measure's own filter among the conditions. The row is an index of Rows, or -1 for
// the total; measure is a name, or empty for all records of the row. A ratio has none
// of its own: ask for those of the measures it is of, or per.
//
// A list by it gives the records the figure was made of, as long as nobody changes
// them. A filter that is relative to now is read anew.
func (r *Result) Records(row int, measure string) (Records, error) {
	if row < -1 || row >= len(r.Rows) {
		return nil, r.fault(crm.Invalid("row", "the report has %d rows, counted from 0, and no row %d", len(r.Rows), row))
	}
	var all Records
	if !r.report.Where.IsZero() {
		all = append(all, r.report.Where)
	}
	if row >= 0 {
		for i, g := range r.report.Groups {
			all = append(all, with(g.Field, r.Rows[row][i]))
		}
	}
	if measure == "" {
		return all, nil
	}
	i := slices.IndexFunc(r.report.Measures, func(m Measure) bool { return m.Name == measure })
	if i < 0 {
		return nil, r.fault(crm.Invalid("measure", "the report has no measure %s", clip(measure)))
	}
	m := r.report.Measures[i]
	switch m.Fn {
	case FnRatio:
		return nil, r.fault(crm.Invalid("measure", "%s is a ratio: ask for the records of a measure it is of, or per", clip(measure)))
	case crm.FnCountOf:
		all = append(all, crm.Filter{Text: m.Field + " != nil"})
	}
	if !m.Where.IsZero() {
		all = append(all, m.Where)
	}
	return all, nil
}

func (r *Result) fault(err error) error {
	return &crm.Error{Op: "records", Object: r.report.Object, Err: err}
}

// with is the condition that a field has a group's value.
func with(field string, value any) crm.Filter {
	p, ok := value.(crm.Period)
	switch {
	case value == nil:
		return crm.Filter{Text: field + " == nil"}
	case !ok:
		return crm.Filter{Text: field + " == $1", Args: []any{value}}
	}
	args := []any{p.Start, p.End}
	if !p.From.IsZero() {
		args = []any{p.From, p.To}
	}
	if p.End.IsZero() {
		return crm.Filter{Text: field + " >= $1", Args: args[:1]}
	}
	return crm.Filter{Text: field + " >= $1 and " + field + " < $2", Args: args}
}

package analytics

import (
	"github.com/embedcrm/embedcrm/crm"
)

// Result is a table of what a report came to.
type Result struct {
	Title   string   `json:"title,omitempty"`
	Columns []Column `json:"columns"`
	Rows    []Row    `json:"rows"`
	// Total is the row over all records, when the report asks for one. Its groups are
	// nil.
	Total *Row `json:"total,omitempty"`

	report Report
}

// Column is a heading: those of the groups come first.
type Column struct {
	Name string `json:"name"`
	// Group says that the column is a group's, not a measure's.
	Group bool `json:"group,omitempty"`
}

// Row is one row: a cell for each column, of the Go types that [crm.FigureRow] and
// [crm.Measure] tell, and [crm.Ratio] for a ratio; nil is no value.
type Row []any

// result makes the table.
func (q *query) result(t crm.FigureTable) Result {
	out := Result{Title: q.Title, Columns: q.columns, report: q.Report, Rows: []Row{}}
	for _, r := range t.Rows {
		if row := q.row(r); q.keeps(row) {
			out.Rows = append(out.Rows, row)
		}
	}
	q.sort(out.Rows)
	if q.Limit > 0 && len(out.Rows) > q.Limit {
		out.Rows = out.Rows[:q.Limit:q.Limit]
	}
	if t.Total != nil {
		total := q.row(*t.Total)
		out.Total = &total
	}
	return out
}

func (q *query) row(r crm.FigureRow) Row {
	row := make(Row, 0, len(q.columns))
	row = append(row, r.Groups...)
	for i, m := range q.Measures {
		if q.at[i] >= 0 {
			row = append(row, r.Values[q.at[i]])
			continue
		}
		ratio := crm.Ratio{Num: q.sum(m.Of, r), Den: q.sum(m.Per, r)}
		if ratio.Den == 0 {
			row = append(row, nil)
			continue
		}
		row = append(row, ratio)
	}
	return row
}

// sum adds up what measures count.
func (q *query) sum(names []string, r crm.FigureRow) int64 {
	var sum int64
	for i, m := range q.Measures {
		for _, name := range names {
			if m.Name == name {
				n, _ := r.Values[q.at[i]].(int64)
				sum += n
			}
		}
	}
	return sum
}

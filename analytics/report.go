package analytics

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Report is a question about the records of a kind, as data: it can be kept as JSON
// and run by whom it is given to.
type Report struct {
	// Title is the heading of the whole.
	Title string `json:"title,omitempty"`
	// Object is the kind of record, such as deal.
	Object string `json:"object"`
	// Where keeps the records the report is about; without a text it is all.
	Where crm.Filter `json:"where,omitzero"`
	// Groups make the rows; without any there is one, over all records.
	Groups []Group `json:"groups,omitempty"`
	// Measures are the figures of each row.
	Measures []Measure `json:"measures"`
	// Having keeps the rows whose figures satisfy all of it.
	Having []Having `json:"having,omitempty"`
	// Order sorts the rows by names of groups and measures, a minus sign before one
	// turning it round: "-value". What is equal, and a report without an order, is
	// sorted by the groups, from the first on. What is absent is lowest; money is
	// sorted by currency, then amount.
	Order []string `json:"order,omitempty"`
	// Limit is how many rows are wanted, the first ones; 0 is all.
	Limit int `json:"limit,omitempty"`
	// Zone is the calendar by which times fall into days and months, by its name in
	// the IANA database; empty is the tenant's.
	Zone string `json:"zone,omitempty"`
	// FiscalYear is the month a year begins with, 1 to 12; 0 is January.
	FiscalYear int `json:"fiscal_year,omitempty"`
	// Total asks for a row over all records the report is about, those of rows that
	// Having and Limit leave out among them.
	Total bool `json:"total,omitempty"`
}

// Group makes the rows of a report by the values of a field: see [crm.GroupBy].
type Group struct {
	// Name is the column's heading; empty is Field.
	Name   string     `json:"name,omitempty"`
	Field  string     `json:"field"`
	Bucket crm.Bucket `json:"bucket,omitempty"`
	Fill   bool       `json:"fill,omitempty"`
}

// FnRatio divides what other measures count: see [Measure].
const FnRatio crm.Fn = "ratio"

// Measure is one figure of a report: see [crm.Measure]. A [FnRatio] is what the
// measures in Of count, added up, over what those in Per do: a win rate is of won, per
// won and lost. It is a [crm.Ratio]; per nothing it has no value.
type Measure struct {
	// Name is the column's heading. No two columns share one.
	Name    string     `json:"name"`
	Fn      crm.Fn     `json:"fn"`
	Field   string     `json:"field,omitempty"`
	Percent int        `json:"percent,omitempty"`
	Weight  string     `json:"weight,omitempty"`
	Where   crm.Filter `json:"where,omitzero"`
	Of      []string   `json:"of,omitempty"`
	Per     []string   `json:"per,omitempty"`
}

// maxName is how many bytes a heading has at most.
const maxName = 100

// Run computes a report as the actor may read its records. What is wrong with the
// report is crm.ErrInvalid, naming the measure, group or part at fault; a field the
// actor may not read is crm.ErrForbidden, wherever it is named.
func (a *Analytics) Run(ctx context.Context, r Report) (Result, error) {
	q, err := compile(r)
	if err != nil {
		return Result{}, &crm.Error{Op: "report", Object: r.Object, Err: err}
	}
	var opts []crm.ListOption
	if !r.Where.IsZero() {
		opts = append(opts, crm.Where(r.Where.Text, r.Where.Args...))
	}
	t, err := a.core.Aggregate(ctx, r.Object, q.figures, opts...)
	if err != nil {
		return Result{}, err
	}
	return q.result(t), nil
}

// query is a report as it is asked.
type query struct {
	Report

	figures crm.Figures
	columns []Column
	at      []int // of a measure, its place in the figures; -1: a ratio
	having  []threshold
	order   []term
}

func compile(r Report) (*query, error) {
	q := &query{Report: r, figures: crm.Figures{FiscalYear: time.Month(r.FiscalYear), Total: r.Total}}
	if r.Limit < 0 {
		return nil, crm.Invalid("limit", "a report has a number of rows, or 0 for all of them")
	}
	if r.Zone != "" {
		zone, err := time.LoadLocation(r.Zone)
		if err != nil || r.Zone == "Local" { // which is another one on every machine
			return nil, crm.Invalid("zone", "%q is no zone that this program knows: it is a name such as Europe/Berlin", clip(r.Zone))
		}
		q.figures.Zone = zone
	}
	for _, g := range r.Groups {
		q.figures.GroupBy = append(q.figures.GroupBy, crm.GroupBy{Field: g.Field, Bucket: g.Bucket, Fill: g.Fill})
		name := g.Name
		if name == "" {
			name = g.Field
		}
		q.columns = append(q.columns, Column{Name: name, Group: true})
	}
	for _, m := range r.Measures {
		q.columns = append(q.columns, Column{Name: m.Name})
		if m.Fn == FnRatio {
			q.at = append(q.at, -1)
			continue
		}
		if len(m.Of)+len(m.Per) > 0 {
			return nil, crm.Invalid("measure "+clip(m.Name), "only a ratio is of measures, and per measures")
		}
		q.at = append(q.at, len(q.figures.Measures))
		q.figures.Measures = append(q.figures.Measures, crm.Measure{
			Name: m.Name, Fn: m.Fn, Field: m.Field, Percent: m.Percent, Weight: m.Weight, Where: m.Where,
		})
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	return q, q.sorting()
}

// check refuses what only a report can have wrong; the rest the kernel does.
func (q *query) check() error {
	if len(q.Measures) > crm.MaxMeasures {
		return crm.Invalid("measures", "a report has at most %d measures, not %d", crm.MaxMeasures, len(q.Measures))
	}
	for i, c := range q.columns {
		switch {
		case c.Name == "" || len(c.Name) > maxName:
			return crm.Invalid("measures", "a column has a name of 1 to %d bytes: name each measure", maxName)
		case strings.HasPrefix(c.Name, "-"):
			return crm.Invalid("measures", "%s: a name does not begin with a minus sign, which turns an order round", clip(c.Name))
		case slices.ContainsFunc(q.columns[:i], func(other Column) bool { return other.Name == c.Name }):
			return crm.Invalid("measures", "two columns have the name %s: name one otherwise", clip(c.Name))
		}
	}
	for _, m := range q.Measures {
		if m.Fn != FnRatio {
			continue
		}
		if err := q.checkRatio(m); err != nil {
			return err
		}
	}
	return nil
}

func (q *query) checkRatio(m Measure) error {
	label := "measure " + clip(m.Name)
	switch {
	case m.Field != "" || m.Percent != 0 || m.Weight != "" || !m.Where.IsZero():
		return crm.Invalid(label, "a ratio is of measures: a field, percent, weight or filter belongs to those")
	case len(m.Of) == 0 || len(m.Per) == 0:
		return crm.Invalid(label, "a ratio names the measures it is of, and those it is per")
	case len(m.Of)+len(m.Per) > crm.MaxMeasures:
		return crm.Invalid(label, "a ratio names at most %d measures", crm.MaxMeasures)
	}
	for _, name := range slices.Concat(m.Of, m.Per) {
		i := slices.IndexFunc(q.Measures, func(m Measure) bool { return m.Name == name })
		if i < 0 || !slices.Contains([]crm.Fn{crm.FnCount, crm.FnCountOf, crm.FnDistinct}, q.Measures[i].Fn) {
			return crm.Invalid(label, "%s is no measure of the report that counts", clip(name))
		}
	}
	return nil
}

// clip shortens what a caller gave for an error.
func clip(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}

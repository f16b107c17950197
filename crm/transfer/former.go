package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// History is a table of what changed in the records of another table before the
// migration: a row for each change of a field. Its columns are found by their headings,
// as Salesforce (OpportunityFieldHistory), HubSpot (property history) and others write
// them; what is given here stays.
type History struct {
	// Open returns the rows, in any order. What it returns is closed if it is an io.Closer.
	Open func() (Source, error)
	// Record, Field, New and At are the headings of the record's key, of what the field is
	// called there, of its value after the change and of when it was.
	Record, Field, New, At string
	// Old is the heading of the value before the change. Without such a column it is what
	// the change before left; of the first one, nothing is known.
	Old string
	// By is the heading of who did it; without one it was nobody.
	By string
	// Fields says which fields are meant: {"StageName": "stage_id"}. Who is not in it is
	// looked for among the columns of the table.
	Fields map[string]string
	// Dates is the order of dates; empty is found out.
	Dates DateOrder
}

// HistoryReport is what became of a history.
type HistoryReport struct {
	Rows int64 `json:"rows"`
	// Kept are the changes that records of this run got in their histories.
	Kept int64 `json:"kept"`
	// Left are rows that were left out, by the reason.
	Left map[string]int64 `json:"left,omitempty"`
}

// maxLeft is how many reasons a report lists.
const maxLeft = 50

func (r *HistoryReport) leave(reason string) {
	if r.Left == nil {
		r.Left = map[string]int64{}
	}
	if _, ok := r.Left[reason]; !ok && len(r.Left) >= maxLeft {
		reason = "other reasons"
	}
	r.Left[reason]++
}

// formerHeadings are what columns of a history are called, without what people write
// differently, the surest first.
//
//nolint:gochecknoglobals // constants
var (
	formerRecord = []string{"recordid", "objectid", "parentid", "hsobjectid", "entityid", "recordkey", "record", "key", "记录id", "记录"}
	formerField  = []string{"field", "fieldname", "property", "propertyname", "attribute", "changedfield", "字段", "字段名"}
	formerOld    = []string{"oldvalue", "old", "previousvalue", "originalvalue", "before", "from", "旧值", "原值", "修改前"}
	formerNew    = []string{"newvalue", "new", "propertyvalue", "value", "currentvalue", "after", "to", "新值", "修改后"}
	formerAt     = []string{
		"createddate", "timestamp", "changedat", "changedate", "dateofchange", "datechanged", "editdate", "modifieddate", "lastmodifieddate", "at", "when",
		"date", "time", "修改时间", "时间",
	}
	formerBy = []string{
		"createdbyid", "createdby", "changedby", "editedby", "modifiedby", "updatedby", "updatedbyuserid", "by", "who", "user", "author", "修改人", "操作人",
	}
)

// formerColumns are where the parts of a change stand. -1: there is no such column.
type formerColumns struct{ record, field, old, new, at, by int }

// columns finds the columns of a history.
func (h *History) columns(headings []string, k *kind) (formerColumns, error) {
	plain := make([]string, len(headings))
	for i, name := range headings {
		plain[i] = plainName(name)
	}
	var missing error
	at := func(given, what string, names []string, required bool) int {
		if given != "" {
			i, err := find(headings, given)
			missing = errors.Join(missing, err)
			return i
		}
		for _, name := range names {
			if i := slices.Index(plain, name); i >= 0 {
				return i
			}
		}
		if required {
			missing = errors.Join(missing, crm.Invalid("history", "no column is understood as %s: say which is by History.%s", what, what))
		}
		return -1
	}
	record := h.Record
	for i, m := range heading.Guess(headings) {
		if record == "" && m.Role == heading.ExternalID && means(k.Kind(), m.Of) {
			record = headings[i]
		}
	}
	c := formerColumns{
		record: at(record, "Record", formerRecord, true), field: at(h.Field, "Field", formerField, true), old: at(h.Old, "Old", formerOld, false),
		new: at(h.New, "New", formerNew, true), at: at(h.At, "At", formerAt, true), by: at(h.By, "By", formerBy, false),
	}
	return c, missing
}

// former is the history of a table, by its records.
type former struct {
	file   *formerFile
	old    bool // it says what was before
	report *HistoryReport
}

// readFormer sorts a history by record. What cannot be part of one is left out, and why is
// in the report.
func (t *Transfer) readFormer(ctx context.Context, h *History, p *Plan, k *kind, limit int, report *HistoryReport) (*former, error) {
	src, err := h.Open()
	if err != nil {
		return nil, err
	}
	defer closeSource(src)
	kept := &buffered{Source: src}
	if err := kept.fill(); err != nil {
		return nil, err
	}
	at, err := h.columns(src.Headings(), k)
	if err != nil {
		return nil, err
	}
	dates := Column{Heading: src.Headings()[at.at], Dates: h.Dates}
	g := guesser{plan: p, kind: k, sample: kept.ahead}
	if err := (&Plan{}).dates(&dates, g.texts(at.at)); err != nil {
		return nil, err
	}
	times := &timeReader{order: dates.Dates, zone: p.zone}
	now := t.core.Now(ctx)
	columns := map[string]int{}
	s := &formerSorter{limit: limit}
	defer s.close()
	for {
		row, err := kept.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if row.Fault != "" {
			report.Rows++
			report.leave(row.Fault)
			continue
		}
		r, reason := at.read(row, times, now)
		if reason == blank {
			continue
		}
		report.Rows++
		if reason == "" {
			r.column, reason = h.column(tidy(row.Cells[at.field]), columns, p)
		}
		if reason != "" {
			report.leave(reason)
			continue
		}
		if err := s.add(r); err != nil {
			return nil, err
		}
	}
	file, err := s.sorted()
	return &former{file: file, old: at.old >= 0, report: report}, err
}

// blank is the reason for which a row without a value is passed over.
const blank = "blank"

// read is one row of a history.
func (c formerColumns) read(row Row, times *timeReader, now time.Time) (r formerRow, reason string) {
	cell := func(i int) string {
		if i < 0 {
			return ""
		}
		return tidy(row.Cells[i])
	}
	if !slices.ContainsFunc(row.Cells, func(cell string) bool { return tidy(cell) != "" }) {
		return r, blank
	}
	r = formerRow{key: cell(c.record), old: cell(c.old), new: cell(c.new), by: cell(c.by)}
	when, ok := times.read(cell(c.at))
	r.at = when.UnixMicro()
	switch {
	case r.key == "":
		reason = "it names no record"
	case !ok:
		reason = "when it was is no time that is understood"
	case when.After(now):
		reason = "it lies in the future"
	case c.old >= 0 && r.old == r.new:
		reason = "nothing changed"
	}
	return r, reason
}

// column is the column of the table that a history calls so.
func (h *History) column(name string, known map[string]int, p *Plan) (int, string) {
	i, ok := known[name]
	if !ok {
		i = h.find(name, p)
		if len(known) < maxKnown {
			known[name] = i
		}
	}
	if i < 0 {
		return 0, fmt.Sprintf("no field is known as %q", clip(name))
	}
	return i, ""
}

// find looks for a column by its field, its heading, or what that means.
func (h *History) find(name string, p *Plan) int {
	usable := func(c Column) bool {
		_, _, _, _, beside := cutSide(c.Field)
		whole := c.Part == "" || c.Part == heading.FullName || c.Part == heading.Title || c.Part == heading.Organisation
		return c.Field != "" && whole && !beside && c.Field != p.Key && !isTime(c.Field) && c.Field != "id"
	}
	if field := h.Fields[name]; field != "" {
		return slices.IndexFunc(p.Columns, func(c Column) bool { return usable(c) && c.Field == field })
	}
	if i := slices.IndexFunc(p.Columns, func(c Column) bool { return usable(c) && plainName(c.Heading) == plainName(name) }); i >= 0 {
		return i
	}
	if i := slices.IndexFunc(p.Columns, func(c Column) bool { return usable(c) && c.Field == name }); i >= 0 {
		return i
	}
	m := heading.One(name)
	best := -1
	for i, c := range p.Columns {
		if m.Role != "" && usable(c) && c.role.Role == m.Role && (best < 0 || c.Rank < p.Columns[best].Rank) {
			best = i
		}
	}
	return best
}

// closeSource closes what Open returned, where it can be closed.
func closeSource(src Source) {
	if c, ok := src.(io.Closer); ok {
		_ = c.Close() // it was only read
	}
}

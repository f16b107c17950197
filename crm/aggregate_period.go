package crm

import (
	"fmt"
	"time"
)

// Bucket is a part of the calendar by which dates and times are grouped.
type Bucket string

// The buckets. Weeks are those of ISO 8601, from Monday. Quarters and years begin
// with the month of [Figures.FiscalYear].
const (
	ByDay     Bucket = "day"
	ByWeek    Bucket = "week"
	ByMonth   Bucket = "month"
	ByQuarter Bucket = "quarter"
	ByYear    Bucket = "year"
)

// Period is one bucket: the days from Start to before End.
type Period struct {
	Start Date `json:"start"`
	// End is the first day behind the period; zero: there is none, in the year 9999.
	End Date `json:"end,omitzero"`
	// From and To are the instants at which the two days begin, when the field holds
	// times. A day on which the clocks are changed has 23 or 25 hours.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Label is 2026-01-31, 2026-W05, 2026-01, 2026-Q1 or 2026. Where a year does not
	// begin in January it is named by both it is part of: 2026/27 and 2026/27-Q1.
	Label string `json:"label"`
}

// String returns the label.
func (p Period) String() string { return p.Label }

// months is how many months a bucket has, 0 for days and weeks.
func (b Bucket) months() int {
	return map[Bucket]int{ByMonth: 1, ByQuarter: 3, ByYear: 12}[b]
}

// period is the one of its bucket that a day lies in.
func (b Bucket) period(d Date, fiscal time.Month) Period {
	switch b {
	case ByDay:
		return Period{Start: d, End: d.AddDays(1), Label: d.String()}
	case ByWeek:
		at := d.Time(time.UTC)
		monday := d.AddDays(-(int(at.Weekday()) + 6) % 7)
		year, week := at.ISOWeek()
		return Period{Start: monday, End: monday.AddDays(7), Label: fmt.Sprintf("%04d-W%02d", year, week)}
	}
	shift := int(fiscal) - 1
	month := d.Year*12 + int(d.Month) - 1 - shift // from the beginning of a year of ours
	month -= month % b.months()
	p := Period{Start: monthly(month + shift), End: monthly(month + shift + b.months())}
	if p.Start.IsZero() { // it begins before the year 1
		p.Start = Date{Year: 1, Month: time.January, Day: 1}
	}
	year := month / 12
	name := fmt.Sprintf("%04d", year)
	if shift > 0 {
		name = fmt.Sprintf("%04d/%02d", year, (year+1)%100)
	}
	switch b {
	case ByMonth:
		p.Label = fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	case ByQuarter:
		p.Label = fmt.Sprintf("%s-Q%d", name, month%12/3+1)
	default:
		p.Label = name
	}
	return p
}

// monthly is the first day of a month counted from the year 0, or zero when there is
// no such day.
func monthly(month int) Date {
	d := Date{Year: month / 12, Month: time.Month(month%12 + 1), Day: 1}
	if !d.Valid() {
		return Date{}
	}
	return d
}

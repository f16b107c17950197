package filter

import (
	"strconv"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// calendar evaluates the functions about time.
func (c *compiler) calendar(f call, texts []string) (value, error) {
	switch f.name {
	case "date":
		d, err := storage.ParseDate(texts[0])
		if err != nil {
			return nil, invalid(f.at, "date(…) takes %s, with a year from 0001 to 9999", takes("date"))
		}
		return d, nil
	case "time":
		t, err := time.Parse(time.RFC3339Nano, texts[0])
		if err != nil {
			return nil, invalid(f.at, "time(…) takes %s", takes("time"))
		}
		return t.UTC(), nil
	}
	if c.env.Now.IsZero() {
		return nil, invalid(f.at, "%s(…) is not available here: there is no present time", f.name)
	}
	now := c.env.Now.Truncate(time.Microsecond).In(c.zone())
	switch f.name {
	case "now":
		return now.UTC(), nil
	case "today":
		return storage.DateOf(now), nil
	}
	n, unit, ok := span(texts[0])
	if !ok {
		return nil, invalid(f.at, "%s(…) takes %s", f.name, takes(f.name))
	}
	if f.name == "ago" {
		n = -n
	}
	t := shift(now, n, unit)
	if y := t.UTC().Year(); y < 1 || y > 9999 || t.Year() < 1 || t.Year() > 9999 {
		return nil, invalid(f.at, "%s(…) leads outside the years 1 to 9999", f.name)
	}
	return instant(t), nil
}

func (c *compiler) zone() *time.Location {
	if c.env.Zone == nil {
		return time.UTC
	}
	return c.env.Zone
}

// span reads a whole number of at most six digits and its unit.
func span(s string) (n int, unit string, ok bool) {
	unit = strings.TrimLeft(s, "0123456789")
	digits := s[:len(s)-len(unit)]
	n, err := strconv.Atoi(digits)
	switch unit {
	case "s", "min", "h", "d", "w", "mo", "y":
		return n, unit, err == nil && len(digits) <= 6
	}
	return 0, "", false
}

// shift moves a time: by the clock for seconds, minutes and hours, by the calendar
// of its zone for the rest. A day that a month does not have is its last.
func shift(t time.Time, n int, unit string) time.Time {
	switch unit {
	case "s":
		return t.Add(time.Duration(n) * time.Second)
	case "min":
		return t.Add(time.Duration(n) * time.Minute)
	case "h":
		return t.Add(time.Duration(n) * time.Hour)
	case "d":
		return t.AddDate(0, 0, n)
	case "w":
		return t.AddDate(0, 0, 7*n)
	case "y":
		n *= 12
	}
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, n, 0)
	last := first.AddDate(0, 1, -1).Day()
	return time.Date(first.Year(), first.Month(), min(t.Day(), last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// dayStart returns the first instant of a day in a zone. Where clocks are put
// forward at midnight that is the instant of the change, and where they are put
// back over midnight the first of the two.
func dayStart(d storage.Date, zone *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
	begin, end := t.ZoneBounds()
	if day := storage.DateOf(t); !end.IsZero() && (day.Year < d.Year || day.Year == d.Year && t.YearDay() < yearDay(d)) {
		return end
	}
	if begin.IsZero() {
		return t
	}
	_, offset := t.Zone()
	_, before := begin.Add(-1).Zone()
	if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(begin) && storage.DateOf(earlier) == d {
		return earlier
	}
	return t
}

func yearDay(d storage.Date) int {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).YearDay()
}

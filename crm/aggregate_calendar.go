package crm

import (
	"time"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// calendar is a group by buckets: the periods from the first that occurs to the last.
// A group's value is then the number of its period, from 1.
type calendar struct {
	GroupBy

	field  *figured
	zone   *time.Location
	fiscal time.Month

	periods []Period
	bounds  []any // where they begin, and behind them where the last one ends
	// Days of a date are what storage has, and no bounds are needed: first is the day
	// of period 1, and days how many there are.
	first Date
	days  int
}

// plain reports whether the group is by days of a date.
func (c *calendar) plain() bool { return c.Bucket == ByDay && c.field.Type == filter.Date }

// span finds the periods from the least value to the greatest that storage has.
func (c *calendar) span(least, greatest any) error {
	first := c.dayOf(least)
	if c.plain() {
		c.first, c.days = first, 1+daysBetween(first, c.dayOf(greatest))
		return nil
	}
	p := c.period(first)
	c.periods, c.bounds = []Period{p}, []any{least}
	for !p.End.IsZero() {
		p = c.period(p.End)
		begin, last := c.begin(p), len(c.bounds)-1
		switch {
		case storage.Compare(begin, greatest) > 0:
			if _, ok := begin.(time.Time); !ok || p.From.UTC().Year() <= 9999 {
				c.bounds = append(c.bounds, begin)
			}
			return nil
		case storage.Compare(begin, c.bounds[last]) <= 0:
			// Clocks that were put back repeated the end of the day before, or a
			// zone left a day out.
			c.periods[last] = p
		default:
			c.periods, c.bounds = append(c.periods, p), append(c.bounds, begin)
		}
		if len(c.bounds) >= storage.MaxBounds {
			return Invalid("", "there are more than %d of a %s between its first value and its last: take a longer bucket, or filter by it", storage.MaxBounds, c.Bucket)
		}
	}
	return nil
}

// period is the one a day lies in.
func (c *calendar) period(d Date) Period {
	p := c.Bucket.period(d, c.fiscal)
	if c.field.Type == filter.Time {
		p.From = p.Start.Time(c.zone)
		if !p.End.IsZero() {
			p.To = p.End.Time(c.zone)
		}
	}
	return p
}

// begin is where a period begins, as storage keeps such a value.
func (c *calendar) begin(p Period) any {
	if c.field.Type == filter.Time {
		return c.field.stored(p.From.UTC())
	}
	return c.field.stored(p.Start)
}

// dayOf is the day a value lies in.
func (c *calendar) dayOf(v any) Date {
	switch v := c.field.value(v).(type) {
	case Date:
		return v
	case time.Time:
		switch d := DateOf(v.In(c.zone)); {
		case d.Year < 1:
			return Date{Year: 1, Month: time.January, Day: 1}
		case d.Year > 9999:
			return Date{Year: 9999, Month: time.December, Day: 31}
		default:
			return d
		}
	}
	return Date{Year: 1, Month: time.January, Day: 1}
}

// number is the number of the period that a group's value from storage stands for,
// and false when it is none of them.
func (c *calendar) number(v any) (int64, bool) {
	n, ok := v.(int64)
	if c.plain() {
		n, ok = int64(1+daysBetween(c.first, c.dayOf(v))), true
	}
	return n, ok && n >= 1 && n <= int64(c.count())
}

// count is how many periods there are.
func (c *calendar) count() int {
	if c.plain() {
		return c.days
	}
	return len(c.periods)
}

// numbered is a period by its number.
func (c *calendar) numbered(n int64) Period {
	if c.plain() {
		return c.period(c.first.AddDays(int(n - 1)))
	}
	return c.periods[n-1]
}

// daysBetween is how many days b lies behind a.
func daysBetween(a, b Date) int {
	return int((b.Time(time.UTC).Unix() - a.Time(time.UTC).Unix()) / (24 * 60 * 60))
}

// Package cron reads the five fields of a crontab line and tells the next time they
// mean, in a time zone.
package cron

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Schedule is the times that a text means.
type Schedule struct {
	minute, hour, day, month, weekday uint64 // bit n is set when n is meant
}

// field is what one of the five may hold.
type field struct {
	name     string
	min, max int
	names    []string // of min and up
}

func fields() [5]field {
	return [5]field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// maxText bounds what is read.
const maxText = 200

// Parse reads minute, hour, day of the month, month and day of the week, each a list
// of values, ranges (1-5) and steps (*/15, 8-18/2), months and days also by their
// first three letters; or @hourly, @daily, @weekly, @monthly, @yearly. Where both days
// are restricted, either will do, as in crontab. What never comes is an error.
func Parse(text string) (*Schedule, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("has more than %d bytes", maxText)
	}
	switch text {
	case "@hourly":
		text = "0 * * * *"
	case "@daily":
		text = "0 0 * * *"
	case "@weekly":
		text = "0 0 * * 0"
	case "@monthly":
		text = "0 0 1 * *"
	case "@yearly":
		text = "0 0 1 1 *"
	}
	parts := strings.Fields(text)
	if len(parts) != 5 {
		return nil, errors.New("needs five fields: minute, hour, day, month and day of the week")
	}
	s := &Schedule{}
	into := [5]*uint64{&s.minute, &s.hour, &s.day, &s.month, &s.weekday}
	for i, f := range fields() {
		set, err := f.parse(parts[i])
		if err != nil {
			return nil, err
		}
		*into[i] = set
	}
	if s.weekday&(1<<7) != 0 { // Sunday is 0 and 7
		s.weekday = s.weekday&^(1<<7) | 1
	}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC).IsZero() {
		return nil, errors.New("never comes: there is no such day")
	}
	return s, nil
}

func (f *field) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.max {
				return 0, fmt.Errorf("%s: a step is a number from 1 to %d", f.name, f.max)
			}
		}
		low, high := f.min, f.max
		if span != "*" {
			from, to, ranged := strings.Cut(span, "-")
			if low, err = f.value(from); err != nil {
				return 0, err
			}
			switch {
			case ranged:
				if high, err = f.value(to); err != nil {
					return 0, err
				}
			case !stepped:
				high = low
			}
			if high < low {
				return 0, fmt.Errorf("%s: a range ascends", f.name)
			}
		}
		for n := low; n <= high; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

func (f *field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max || text[0] == '+' {
		return 0, fmt.Errorf("%s: a value is a number from %d to %d", f.name, f.min, f.max)
	}
	return n, nil
}

// Next returns the first time after another that the schedule means, by the clocks of
// a zone; zero if there is none for nine years.
//
// Where it names hours, a time that a change of the clocks leaves out is taken for the
// moment of that change, and one that comes twice for the first: such a schedule comes
// once a day it means. Where it means every hour, it goes by the minutes as they come,
// and an hour that comes twice counts twice.
func (s *Schedule) Next(after time.Time, loc *time.Location) time.Time {
	const years = 9 // between two 29ths of February lie at most eight
	last := after.AddDate(years, 0, 0)
	if bits.OnesCount64(s.hour) == 24 {
		return s.nextMinute(after.In(loc), last)
	}
	y, m, d := after.In(loc).Date()
	for ; ; d++ {
		day := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
		if day.AddDate(0, 0, -2).After(last) {
			return time.Time{}
		}
		if !s.means(day) {
			continue
		}
		for h := range 24 {
			for minute := range 60 {
				if s.hour>>h&1 == 0 || s.minute>>minute&1 == 0 {
					continue
				}
				if t := first(day, h, minute, loc); t.After(after) {
					return t
				}
			}
		}
	}
}

// nextMinute goes by the minutes as they come.
func (s *Schedule) nextMinute(after, last time.Time) time.Time {
	t := after.Truncate(time.Minute).Add(time.Minute)
	if off := t.Second(); off != 0 { // a zone of the past, off by seconds
		t = t.Add(time.Duration(60-off) * time.Second)
	}
	for !t.After(last) {
		switch {
		case !s.means(t):
			next := time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
			if !next.After(t) { // midnight is left out that day
				next = t.Add(time.Minute)
			}
			t = next
		case s.minute>>t.Minute()&1 == 0:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// means reports whether the schedule means the day of t.
func (s *Schedule) means(t time.Time) bool {
	if s.month>>t.Month()&1 == 0 {
		return false
	}
	const days, weekdays = 1<<32 - 2, 1<<7 - 1
	day, weekday := s.day>>t.Day()&1 == 1, s.weekday>>t.Weekday()&1 == 1
	if s.day&days != days && s.weekday&weekdays != weekdays {
		return day || weekday
	}
	return day && weekday
}

// first returns the first moment at which the clocks of a zone show a time of a day,
// or if they never do, the moment at which they leap over it.
func first(day time.Time, hour, minute int, loc *time.Location) time.Time {
	y, m, d := day.Date()
	t := time.Date(y, m, d, hour, minute, 0, 0, loc)
	wanted := time.Date(y, m, d, hour, minute, 0, 0, time.UTC)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	switch shown := t.Add(time.Duration(offset) * time.Second).UTC(); {
	case shown.After(wanted):
		return start
	case shown.Before(wanted):
		return end
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Second).Zone()
	if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(start) {
		return earlier
	}
	return t
}

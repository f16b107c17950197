package activity

import (
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	maxInterval = 1000
	maxRepeats  = 10_000
	horizon     = 50 // years within which a rule must come again
)

// Repeats returns the times after a given one at which a rule comes again, at most n of
// them and at most 1,000. The rule is one of RFC 5545, such as
// "FREQ=WEEKLY;BYDAY=MO,TH" or "FREQ=MONTHLY;BYDAY=-1FR;COUNT=12". It counts from
// start, in start's zone: what is at nine o'clock stays at nine when clocks change.
//
// A rule says a day and leaves the time to start: FREQ is DAILY, WEEKLY, MONTHLY or
// YEARLY, and BYHOUR, BYMINUTE, BYSECOND and BYEASTER are refused, as is what RFC 5545
// refuses. INTERVAL is at most 1,000, COUNT at most 10,000. A rule that never comes, as
// on 30 February, is [crm.ErrInvalid] like one of another form.
func Repeats(rule string, start, after time.Time, n int) ([]time.Time, error) {
	r, err := parseRule(rule, start)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > crm.MaxPage {
		return nil, crm.Invalid("n", "is %d, and 1 to %d times are asked for", n, crm.MaxPage)
	}
	if after.Before(start) {
		after = start.Add(-time.Second)
	}
	var times []time.Time
	end := after.AddDate(horizon, 0, 0)
	for next := r.Iterator(); len(times) < n; {
		t, more := next()
		if !more || t.After(end) {
			break
		}
		if t.After(after) {
			times = append(times, t)
		}
	}
	return times, nil
}

func parseRule(rule string, start time.Time) (*rrule.RRule, error) {
	o, err := ruleOptions(rule, start.Location())
	if err != nil {
		return nil, err
	}
	o.Dtstart = start
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, crm.Invalid("repeat", "%s", err)
	}
	once := *o
	once.Count, once.Until = 1, time.Time{}
	if first, err := rrule.NewRRule(once); err != nil || first.Before(start.AddDate(horizon, 0, 0), true).IsZero() {
		return nil, crm.Invalid("repeat", "comes at no time: there is no such day in the calendar")
	}
	return r, nil
}

// ruleOptions reads a rule, and refuses what would not come once a day at most.
func ruleOptions(rule string, zone *time.Location) (*rrule.ROption, error) {
	if strings.ContainsAny(rule, "\r\n") || strings.Contains(rule, "DTSTART") {
		return nil, crm.Invalid("repeat", "is one rule, and counts from when the task is due: leave DTSTART out")
	}
	o, err := rrule.StrToROptionInLocation(rule, zone)
	if err != nil {
		return nil, crm.Invalid("repeat", "is no rule of RFC 5545 such as FREQ=WEEKLY;BYDAY=MO: %s", err)
	}
	nth := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	switch {
	case o.Freq > rrule.DAILY:
		return nil, crm.Invalid("repeat", "FREQ is DAILY, WEEKLY, MONTHLY or YEARLY")
	case len(o.Byhour)+len(o.Byminute)+len(o.Bysecond)+len(o.Byeaster) > 0:
		return nil, crm.Invalid("repeat", "says a day, and the time is that at which the task is due: leave BYHOUR, BYMINUTE, BYSECOND and BYEASTER out")
	case o.Interval < 0 || o.Interval > maxInterval:
		return nil, crm.Invalid("repeat", "INTERVAL is 1 to %d", maxInterval)
	case o.Count < 0 || o.Count > maxRepeats:
		return nil, crm.Invalid("repeat", "COUNT is 1 to %d", maxRepeats)
	case o.Count > 0 && !o.Until.IsZero():
		return nil, crm.Invalid("repeat", "has COUNT or UNTIL, not both")
	case o.Freq >= rrule.WEEKLY && (nth || len(o.Bymonthday)+len(o.Byyearday)+len(o.Byweekno)+len(o.Bysetpos) > 0):
		return nil, crm.Invalid("repeat", "DAILY and WEEKLY go with BYDAY of plain weekdays and with BYMONTH alone")
	case o.Freq == rrule.MONTHLY && len(o.Byyearday)+len(o.Byweekno) > 0:
		return nil, crm.Invalid("repeat", "BYYEARDAY and BYWEEKNO go with YEARLY")
	}
	return o, nil
}

// following is when a task comes again that was due at start and was done at now: the
// first time after both. It is zero, with the rule, when that was the last time. The
// rule is the one that counts from there.
func following(rule string, start, now time.Time) (time.Time, string, error) {
	if now.Before(start) {
		now = start
	}
	o, err := ruleOptions(rule, start.Location())
	if err != nil {
		return time.Time{}, "", err
	}
	r, err := parseRule(rule, start)
	if err != nil {
		return time.Time{}, "", err
	}
	end := now.AddDate(horizon, 0, 0)
	seen := 0
	for next := r.Iterator(); ; seen++ {
		t, more := next()
		if !more || t.After(end) {
			return time.Time{}, "", nil
		}
		if !t.After(now) {
			continue
		}
		if o.Count > 0 {
			o.Count -= seen
			rule = o.RRuleString()
		}
		return t, rule, nil
	}
}

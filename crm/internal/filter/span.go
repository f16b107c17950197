package filter

import (
	"strings"
	"time"
)

// Shift moves a time by a span as ago() and fromNow() read it: "36h", "3d", "2mo", by
// the calendar of a zone, nil being UTC. A minus sign before it moves back. It is false when the text is
// no span, or leads outside the years 1 to 9999.
func Shift(t time.Time, text string, zone *time.Location) (time.Time, bool) {
	text, back := strings.CutPrefix(text, "-")
	n, unit, ok := span(text)
	if !ok {
		return time.Time{}, false
	}
	if back {
		n = -n
	}
	if zone == nil {
		zone = time.UTC
	}
	t = shift(t.In(zone), n, unit).UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}

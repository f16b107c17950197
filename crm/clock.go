package crm

import (
	"context"
	"time"
)

// Clock tells the time to a [Core]. Everything the CRM dates, and everything it
// does when its time has come, goes by it.
type Clock interface{ Now() time.Time }

// SystemClock is the machine's clock, which an empty [Config] uses.
type SystemClock struct{}

// Now returns the time.
func (SystemClock) Now() time.Time { return time.Now() } //nolint:forbidigo // here it comes from

// now is the instant as the CRM keeps it: UTC, in whole microseconds.
func (c *Core) now() time.Time { return instant(c.cfg.Clock.Now()) }

func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// pause waits in real time for d, for a token of woken, or for the end of the work,
// whichever comes first, and reports whether it was woken.
func pause(ctx context.Context, stopping, woken <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-woken:
		return true
	case <-timer.C:
	case <-stopping:
	case <-ctx.Done():
	}
	return false
}

package crm

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Health is how the work in the background gets on.
type Health struct {
	// Queues are the kinds of work: "outbox" is events on their way into the log.
	Queues []QueueHealth
	// Parked is how many events are parked: see [Subscriptions].
	Parked int64
	// Failed is how many jobs were given up, Uncertain of how many nobody knows
	// whether they were done: see [Jobs].
	Failed, Uncertain int64
}

// QueueHealth is how one kind of work gets on.
type QueueHealth struct {
	Name string
	// Lag is how long the oldest of what is due has waited, in whole seconds rounded
	// up; 0: nothing is. What a worker is at does not count.
	Lag time.Duration
}

// Health says how far the work in the background is behind, over all tenants, by a
// few questions that cost little while it is not. It is the host's, and needs no
// scope.
func (c *Core) Health(ctx context.Context) (Health, error) {
	h := Health{}
	if err := c.ready(); err != nil {
		return h, failed("health", "", ID{}, err)
	}
	for _, q := range c.queues {
		lag, err := c.lag(ctx, q)
		if err != nil {
			return Health{}, failed("health", "", ID{}, err)
		}
		h.Queues = append(h.Queues, QueueHealth{q.name, lag})
	}
	var err error
	if h.Parked, err = c.stopped(ctx, storage.Queue{Table: heldTable, Bucket: "bucket", Due: "parked"}, storage.Not{Expr: storage.Absent{Field: storage.F("parked")}}); err != nil {
		return Health{}, failed("health", "", ID{}, err)
	}
	stopped := storage.Queue{Table: jobTable, Bucket: "bucket", Due: "stopped"}
	for state, n := range map[JobState]*int64{JobFailed: &h.Failed, JobUncertain: &h.Uncertain} {
		if *n, err = c.stopped(ctx, stopped, storage.Is{Field: storage.F("state"), Op: storage.Eq, Value: string(state)}); err != nil {
			return Health{}, failed("health", "", ID{}, err)
		}
	}
	return h, nil
}

// stopped counts rows that wait for somebody: q is their table as a queue of what has
// stopped, by which a tenant without any costs nothing.
func (c *Core) stopped(ctx context.Context, q storage.Queue, where storage.Expr) (n int64, err error) {
	buckets, err := c.store.Due(ctx, q, lastTime())
	if err != nil || len(buckets) == 0 {
		return 0, err
	}
	with := map[int64]bool{}
	for _, bucket := range buckets {
		with[bucket%Buckets] = true
	}
	for after := ""; ; {
		tenants, err := c.Tenants.List(ctx, after, MaxPage)
		if err != nil {
			return 0, err
		}
		for _, after = range tenants {
			if with[bucketOf(after)] {
				more, err := count(ctx, c.store, after, q.Table, where)
				if err != nil {
					return 0, err
				}
				n += more
			}
		}
		if len(tenants) < MaxPage {
			return n, nil
		}
	}
}

// lastTime is the last that a store holds, whatever a clock says.
func lastTime() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

// lag finds how long the oldest row has been due: by doubling the time looked back
// until nothing is that old, then by halves.
func (c *Core) lag(ctx context.Context, q *queue) (time.Duration, error) {
	now := c.now()
	older := func(d time.Duration) (bool, error) {
		buckets, err := c.store.Due(ctx, q.q, now.Add(-d))
		for _, b := range buckets {
			if b >= q.from && (q.until == 0 || b < q.until) {
				return true, err
			}
		}
		return false, err
	}
	if found, err := older(0); err != nil || !found {
		return 0, err
	}
	low, high := time.Duration(0), time.Second
	for high < longAgo {
		found, err := older(high)
		if err != nil {
			return 0, err
		}
		if !found {
			break
		}
		low, high = high, 2*high
	}
	for high-low > time.Second {
		middle := (low + (high-low)/2).Truncate(time.Second)
		found, err := older(middle)
		if err != nil {
			return 0, err
		}
		if found {
			low = middle
		} else {
			high = middle
		}
	}
	return high, nil
}

// longAgo is the longest lag told apart.
const longAgo = 20 * 365 * 24 * time.Hour

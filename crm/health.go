package crm

import (
	"context"
	"time"
)

// Health is how the work in the background gets on.
type Health struct {
	// Queues are the kinds of work: "outbox" is events on their way into the log.
	Queues []QueueHealth
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
	return h, nil
}

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

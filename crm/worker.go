package crm

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// classes is how many classes of priority a queue may have: class n of a tenant is in
// the bucket Buckets*n above its own.
const classes = 3

// settle is how long a worker that was told of a write waits for others to come with
// it.
const settle = 5 * time.Millisecond

// queue is durable work that a Core does in the background: rows of a table, claimed
// under a lease.
type queue struct {
	name  string
	q     storage.Queue
	batch int           // rows claimed at a time
	lease time.Duration // after which what a dead worker held comes back
	row   func() storage.Row
	// work does the claimed rows of one tenant; each row's version is its fencing
	// token. What it leaves as it is comes back after the lease. An error is logged.
	work func(ctx context.Context, tenant string, rows []storage.Row) error

	ahead time.Duration // how long before its due time a row is due
	from  int64         // the first of its buckets, where two queues share a table
	until int64         // the bucket behind the last; 0: all

	mu     sync.Mutex
	served map[int64]string // by bucket, the tenant served last
	rounds int
}

// addQueue registers a queue: by the kernel's own parts, before the first work.
func (c *Core) addQueue(q *queue) {
	q.served = map[int64]string{}
	c.queues = append(c.queues, q)
}

// onBegin registers what is done once by a Core before its first background work.
func (c *Core) onBegin(fn func(context.Context) error) { c.begins = append(c.begins, fn) }

// background is the state of a Core's work in the background.
type background struct {
	queues []*queue
	begins []func(context.Context) error

	subscriptions []*subscription

	wake chan struct{} // holds one when there may be work

	mu    sync.Mutex // guards begun
	begun bool
}

// nudge tells the workers of this process that something was written.
func (c *Core) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// unbound is a context for work in the background: without the scope and the
// transaction of ctx.
func (c *Core) unbound(ctx context.Context) context.Context {
	return context.WithValue(context.WithValue(ctx, scopeKey{}, nil), txKey{c}, (*tx)(nil))
}

// RunDue does all that is due now by the Clock, in the goroutine of its caller, and
// what becomes due by it, and returns when nothing is due any more: for tests, for
// cron and for hosts without a process that stays. What a handler fails at is tried
// again later or given up, and is no error of RunDue. Any number of processes may
// call it at once. It needs no scope.
func (c *Core) RunDue(ctx context.Context) error {
	if c.tx(ctx) != nil {
		return failed("run due", "", ID{}, Invalid("", "work is done in transactions of its own: call it outside yours"))
	}
	return failed("run due", "", ID{}, c.runDue(c.unbound(ctx), nil))
}

// runDue works until nothing is due, or stopping says so.
func (c *Core) runDue(ctx context.Context, stopping <-chan struct{}) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	for {
		worked := false
		for _, q := range c.queues {
			did, err := c.serve(ctx, q, stopping)
			if err != nil {
				return err
			}
			worked = worked || did
		}
		if !worked {
			return ctx.Err()
		}
	}
}

// begin does once what comes before all work.
func (c *Core) begin(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	c.background.mu.Lock()
	defer c.background.mu.Unlock()
	if c.begun {
		return nil
	}
	for _, fn := range c.begins {
		if err := fn(ctx); err != nil {
			return err
		}
	}
	c.begun = true
	return nil
}

// serve goes once through the due buckets of a queue and takes a batch of each. Those
// of a lower class wait while there are any of a higher, but for every eighth round.
func (c *Core) serve(ctx context.Context, q *queue, stopping <-chan struct{}) (worked bool, err error) {
	buckets, err := c.store.Due(ctx, q.q, c.now().Add(q.ahead))
	if err != nil {
		return false, err
	}
	q.mu.Lock()
	q.rounds++
	all := q.rounds%8 == 0
	q.mu.Unlock()
	top := int64(-1)
	for _, bucket := range buckets {
		if bucket < q.from || q.until > 0 && bucket >= q.until {
			continue
		}
		if class := (bucket - q.from) / Buckets; top < 0 {
			top = class
		} else if class > top && !all {
			break
		}
		select {
		case <-stopping:
			return false, nil
		default:
		}
		did, err := c.claim(ctx, q, bucket)
		if err != nil {
			return worked, err
		}
		worked = worked || did
	}
	return worked, nil
}

// claim takes a batch of a bucket and works on it.
func (c *Core) claim(ctx context.Context, q *queue, bucket int64) (bool, error) {
	q.mu.Lock()
	after := q.served[bucket]
	q.mu.Unlock()
	now := c.now().Add(q.ahead)
	claim := storage.Claim{Queue: q.q, Bucket: bucket, Now: now, Until: now.Add(q.lease), Limit: q.batch, After: after}
	rows := map[string][]storage.Row{}
	var tenants []string // as they were served
	err := c.store.Claim(ctx, &claim, func(tenant string) storage.Row {
		if rows[tenant] == nil {
			tenants = append(tenants, tenant)
		}
		row := q.row()
		rows[tenant] = append(rows[tenant], row)
		return row
	})
	if err != nil || len(tenants) == 0 {
		return false, err
	}
	q.mu.Lock()
	q.served[bucket] = tenants[len(tenants)-1]
	q.mu.Unlock()
	for _, tenant := range tenants {
		if err := q.work(ctx, tenant, rows[tenant]); err != nil {
			c.cfg.Logger.LogAttrs(ctx, slog.LevelError, "crm: work failed and comes back after its lease",
				slog.String("queue", q.name), slog.String("tenant", tenant), slog.String("kind", kindOf(err)))
		}
	}
	return true, ctx.Err()
}

// kindOf names the kind of an error, for logs: its text may hold values.
func kindOf(err error) string {
	for _, kind := range []error{
		ErrNotFound, ErrConflict, ErrInvalid, ErrForbidden, ErrUnscoped, ErrRetry, ErrTxLost, context.Canceled, context.DeadlineExceeded,
		storage.ErrTxDone, storage.ErrBusy, storage.ErrReadOnly, storage.ErrVersion, storage.ErrOverflow, storage.ErrUnavailable,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "other"
}

// Run works in the background until ctx ends, in Config.Workers goroutines that end
// before it returns: what is due, what this process writes as soon as it is written,
// and what others write within Config.Poll. The contexts of handlers end with ctx;
// what they were at comes back after its lease, here or elsewhere. [Core.Start] lets
// them finish. It returns nil once ctx has ended, and an error when it cannot begin.
func (c *Core) Run(ctx context.Context) error {
	if err := c.mayRun(ctx); err != nil {
		return failed("run", "", ID{}, err)
	}
	c.workers(c.unbound(ctx), nil).Wait()
	return nil
}

// Start works in the background as [Core.Run] does, and returns. stop ends it: it
// takes up nothing more, waits for what runs, and when its own context ends before
// that, ends the contexts of handlers and says so. It may be called more than once.
// The end of ctx ends all at once.
func (c *Core) Start(ctx context.Context) (stop func(context.Context) error) {
	if err := c.mayRun(ctx); err != nil {
		c.cfg.Logger.LogAttrs(ctx, slog.LevelError, "crm: the background work does not begin", slog.String("kind", kindOf(err)))
		return func(context.Context) error { return failed("start", "", ID{}, err) }
	}
	ctx, cancel := context.WithCancel(c.unbound(ctx))
	stopping := make(chan struct{})
	working := c.workers(ctx, stopping)
	ended := make(chan struct{})
	go func() {
		working.Wait()
		cancel()
		close(ended)
	}()
	var once sync.Once
	return func(within context.Context) error {
		once.Do(func() { close(stopping) })
		select {
		case <-ended:
			return nil
		case <-within.Done():
		}
		cancel()
		return failed("stop", "", ID{}, within.Err())
	}
}

// mayRun refuses to work inside a transaction, or before the kinds are complete.
func (c *Core) mayRun(ctx context.Context) error {
	if c.tx(ctx) != nil {
		return Invalid("", "work is done in transactions of its own: call it outside yours")
	}
	return c.ready()
}

// workers starts the goroutines of Run.
func (c *Core) workers(ctx context.Context, stopping <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range c.cfg.Workers {
		wg.Go(func() {
			for woken := false; ; {
				if woken {
					pause(ctx, stopping, nil, settle)
				}
				if err := c.runDue(ctx, stopping); err != nil && ctx.Err() == nil {
					c.cfg.Logger.LogAttrs(ctx, slog.LevelError, "crm: the background work was interrupted and goes on", slog.String("kind", kindOf(err)))
				}
				select {
				case <-ctx.Done():
					return
				case <-stopping:
					return
				default:
				}
				woken = pause(ctx, stopping, c.wake, c.cfg.Poll)
			}
		})
	}
	return &wg
}

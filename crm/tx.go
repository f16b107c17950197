package crm

import (
	"context"
	"database/sql"
	"errors"

	"github.com/embedcrm/embedcrm/storage"
)

// txKey finds the transaction of one Core in a context, so that two CRMs in a
// process never use each other's.
type txKey struct{ core *Core }

// tx is the transaction a context carries.
type tx struct {
	*facts

	session storage.Session
}

// facts are what is known of a transaction, in all of its parts.
type facts struct {
	// made are the tenants that came to be in it, which nobody else knows yet.
	made map[string]*tenant
	// rights are, by tenant, how far changes of rights made in it have come; noted is
	// what it knows of rights itself.
	rights map[string]int64
	noted  map[string]noted
	// joined is one of the host's, of whose end nobody tells.
	joined bool
}

// Join returns a context in which calls happen in the host's transaction: they are
// committed or rolled back with it, by the host. A call that fails changes nothing
// and leaves the transaction usable, unless it is ErrTxLost or ErrRetry. One
// goroutine uses the context, and no longer than the transaction.
func (c *Core) Join(ctx context.Context, host *sql.Tx) (context.Context, error) {
	s, err := c.store.Join(ctx, host)
	if err != nil {
		return nil, failed("join", "", ID{}, err)
	}
	ctx = c.within(ctx, s)
	c.tx(ctx).joined = true
	return ctx, nil
}

func (c *Core) within(ctx context.Context, s storage.Session) context.Context {
	return context.WithValue(ctx, txKey{c}, &tx{&facts{made: map[string]*tenant{}, rights: map[string]int64{}, noted: map[string]noted{}}, s})
}

// maxTries is how often a transaction of the Core's own is begun again after it
// lost a race.
const maxTries = 8

// Tx calls fn with a context whose calls take effect together: all when fn returns
// nil, none when it returns an error or panics. A call that fails changes nothing,
// and fn may go on. What the database ends for the sake of another
// transaction is begun again, so that fn may run more than once: it must do
// nothing outside. Within a transaction Tx is a savepoint. Only the context given
// to fn is in the transaction.
func (c *Core) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	return failed("tx", "", ID{}, c.atomic(ctx, fn))
}

func (c *Core) atomic(ctx context.Context, fn func(ctx context.Context) error) error {
	if t := c.tx(ctx); t != nil {
		return t.session.Atomic(ctx, func(s storage.Session) error {
			return fn(context.WithValue(ctx, txKey{c}, &tx{t.facts, s}))
		})
	}
	for try := 1; ; try++ {
		var t *tx
		err := c.store.Atomic(ctx, func(s storage.Session) error {
			inner := c.within(ctx, s)
			t = c.tx(inner)
			return fn(inner)
		})
		if err == nil {
			c.Tenants.committed(t)
			c.nudge()
		}
		c.rightsEnded(t, err == nil)
		if try == maxTries || !errors.Is(err, ErrRetry) {
			return err
		}
	}
}

// tx returns the transaction of a context, or nil.
func (c *Core) tx(ctx context.Context) *tx {
	t, _ := ctx.Value(txKey{c}).(*tx)
	return t
}

// session is where a call reads and writes.
func (c *Core) session(ctx context.Context) storage.Session {
	if t := c.tx(ctx); t != nil {
		return t.session
	}
	return c.store
}

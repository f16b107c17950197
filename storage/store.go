package storage

import (
	"context"
	"database/sql"
	"time"
)

// Session is where work is done: a [Store], each call then being a transaction of
// its own, or a transaction begun by [Session.Atomic], [Store.Join] or
// [Store.Snapshot]. Every call is for one tenant and touches no other's rows.
type Session interface {
	// Read finds rows. For each, in order, it asks next for a Row and fills it;
	// next returning nil ends the read. A Row is complete when next is called
	// again or Read returns nil.
	Read(ctx context.Context, tenant string, q *Query, next func() Row) error

	// Union finds the first rows of several tables together, in one order, with one
	// statement; rows are delivered as Read delivers them.
	Union(ctx context.Context, tenant string, u *Union, next func() Row) error

	// Aggregate computes figures; rows are delivered as Read delivers them. More
	// than MaxGroups rows are ErrInvalid.
	Aggregate(ctx context.Context, tenant string, a *Aggregate, next func() Row) error

	// Write applies changes, all or none, as if one after the other in the order
	// given. An error about one of them says which; only within an Atomic may it be
	// that a database does not tell (Error.Change is -1). Changes of the same
	// action and table that follow each other travel together, so a large batch
	// is fastest sorted by them.
	Write(ctx context.Context, tenant string, changes []Change) error

	// Expand adds rows to a ledger and returns how many. A row the ledger has
	// already, by its key or a unique value, stays as it is, so that a repeated
	// Expand adds nothing.
	Expand(ctx context.Context, tenant string, e *Expansion) (int64, error)

	// Atomic calls fn with a Session whose calls take effect together: all of
	// them when fn returns nil, none when it returns an error or panics, and none
	// when one of them failed, even if fn passes over it (every call after the
	// failed one returns its error, and so does Atomic). On a Store it is a
	// transaction, within one a savepoint. The Session is dead once fn returns.
	// Nothing is tried again.
	Atomic(ctx context.Context, fn func(Session) error) error
}

// Store is one database with the tables of the CRM in it. It is safe for any
// number of goroutines.
type Store interface {
	Session

	// Join returns a Session in a transaction the host began. It refuses one that
	// is finished (ErrTxDone) and one of another database (ErrInvalid), reads
	// what tells them apart and changes nothing. The host commits or rolls back;
	// the Session is used by its goroutine and no longer than its transaction.
	Join(ctx context.Context, tx *sql.Tx) (Session, error)

	// Snapshot calls fn with a Session that reads one instant of the database
	// however long it takes, and writes nothing (ErrReadOnly).
	Snapshot(ctx context.Context, fn func(Session) error) error

	// Claim takes due rows of a queue, whichever tenant they are of; see [Claim].
	// next is called for each and must return a Row; the rows are claimed only if
	// Claim returns nil.
	Claim(ctx context.Context, c *Claim, next func(tenant string) Row) error

	// Due returns, in order, the buckets of a queue that have rows whose due time is
	// not after now. It takes nothing, and what it costs grows with the tenants that
	// have rows in the queue, not with their rows.
	Due(ctx context.Context, q Queue, now time.Time) ([]int64, error)

	// Tenants reads t, a table with one row a tenant, in the order of tenants
	// greater than after.
	Tenants(ctx context.Context, t *Table, after string, limit int, next func(tenant string) Row) error

	// Migrate brings the database to the newest version of each line. Any number
	// of processes may call it at once: each migration is applied once, and each
	// either whole, with its mark, or not at all. What is applied already is not
	// touched.
	Migrate(ctx context.Context, lines ...Line) error

	// Script returns, as SQL for another migration tool, what Migrate would do
	// now, marks included. Empty: nothing.
	Script(ctx context.Context, lines ...Line) (string, error)

	// Verify reports as ErrVersion that a line is behind this library's files, or
	// that it was brought past what they can read.
	Verify(ctx context.Context, lines ...Line) error

	// Analyze has the database look anew at tables, after very much was written to them:
	// one that plans by figures of what it saw last may take a tenant that came since for
	// one without rows. It is done in no transaction. What plans by no such figures does
	// nothing.
	Analyze(ctx context.Context, tables ...*Table) error

	// Ping reports whether the database can be reached.
	Ping(ctx context.Context) error

	// Close ends a Store that opened its own database. A pool the host gave stays
	// open, with the limits it had.
	Close() error
}

// Queue is a table of work, claimed under a lease. Its Version column is the
// fencing token: every claim adds one, and finishing a row is a Delete or Update
// at the version that was claimed, refused once another claim came between. It
// needs an index on (bucket, tenant, due, key …), which may leave out the rows
// whose due time is absent.
type Queue struct {
	Table  *Table
	Bucket string // the Int column that spreads work over workers
	Due    string // the Time column that says when; absent is never
}

// Claim asks for work. It takes rows of one bucket whose due time is not after
// Now, at most Limit, as evenly over the tenants that have such rows as they
// allow, beginning with the first tenant greater than After and going round; of
// one tenant, those longest due first. Each is made due again at Until and its
// version goes up by one, so that what a dead worker held comes back by itself.
// It is delivered as it then is. Of two claims at the same time none gets a row
// of the other's.
type Claim struct {
	Queue  Queue
	Bucket int64
	Now    time.Time
	Until  time.Time
	Limit  int
	After  string
}

// Check reports what is wrong with a queue as [ErrInvalid].
func (q *Queue) Check() error {
	t := q.Table
	if err := t.Check(); err != nil {
		return err
	}
	b, d := t.Index(q.Bucket), t.Index(q.Due)
	switch {
	case t.Version == "" || len(t.Key) == 0:
		return Invalid(t.Name, "", "a queue has a key and a version column")
	case b < 0 || t.Columns[b].Kind != Int || t.Columns[b].Null:
		return Invalid(t.Name, q.Bucket, "a queue's bucket is an int, never absent")
	case d < 0 || t.Columns[d].Kind != Time:
		return Invalid(t.Name, q.Due, "a queue's due column is a time")
	}
	return nil
}

// CheckAt is Check, and reports a time that the due column cannot hold.
func (q *Queue) CheckAt(at time.Time) error {
	if err := q.Check(); err != nil {
		return err
	}
	if msg := timeFault(at); msg != "" {
		return Invalid(q.Table.Name, q.Due, "the time %s", msg)
	}
	return nil
}

// Check reports what is wrong with a claim as [ErrInvalid].
func (c *Claim) Check() error {
	if err := c.Queue.CheckAt(c.Now); err != nil {
		return err
	}
	if err := c.Queue.CheckAt(c.Until); err != nil {
		return err
	}
	t := c.Queue.Table
	switch {
	case c.Limit < 1 || c.Limit > MaxPage:
		return Invalid(t.Name, "", "a claim asks for 1 to %d rows, not %d", MaxPage, c.Limit)
	case !c.Until.After(c.Now):
		return Invalid(t.Name, c.Queue.Due, "the claim must end after it begins")
	}
	if c.After == "" {
		return nil
	}
	return CheckTenant(c.After)
}

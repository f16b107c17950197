// Package engine is what the adapters share: it turns the contract's queries and
// changes into SQL with bound arguments, runs them on database/sql, and keeps
// the promises about transactions. A [Dialect] supplies what differs.
//
// bun gives the quoting of names and builds the statements that are rare and
// varied (aggregate.go); the few shapes every request runs are written here, with
// one constant text a shape, since bun writes arguments into the text.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/embedcrm/embedcrm/storage"
)

// Options are what an adapter's options come down to.
type Options struct {
	// Wait is how long a call waits for a connection or for its turn to write.
	Wait time.Duration
	// CarefulCommit says that a commit may find the database locked (SQLite without
	// WAL) and then waits.
	CarefulCommit bool
	// Immediate says that transactions of the pool begin with the right to write, so
	// that it need not be taken by a statement.
	Immediate bool
}

// Engine is a storage.Store on a host's pool, or on its own.
type Engine struct {
	session // the calls made outside any transaction

	d       Dialect
	db      *sql.DB // writes, and everything in a transaction
	readers *sql.DB // reads outside a transaction; often the same
	owned   bool
	opts    Options
	bun     *bun.DB

	turn  chan struct{} // held by the own writing transaction, when they take turns
	kept  *stmts        // prepared on db
	rkept *stmts        // prepared on readers

	builders sync.Pool // of *builder
	noCopy   sync.Map  // names of tables into which a copy was refused

	mu       sync.Mutex
	identity string    // what Join compares
	probe    *sql.Stmt // by which Join knows a transaction of the same pool
	forms    map[shape]*form

	counts form // of counting rows, whose text varies
}

var _ storage.Store = (*Engine)(nil)

// New returns an engine on db. Reads outside transactions go to readers, which may
// be db. Close closes both only if owned.
func New(d Dialect, db, readers *sql.DB, owned bool, opts Options) *Engine {
	e := &Engine{d: d, db: db, readers: readers, owned: owned, opts: opts, turn: make(chan struct{}, 1), forms: map[shape]*form{}}
	if e.opts.Wait <= 0 {
		e.opts.Wait = 5 * time.Second
	}
	e.bun = bun.NewDB(db, bunDialect(d.Name()))
	e.kept = newStmts(db)
	e.rkept = e.kept
	if readers != db {
		e.rkept = newStmts(readers)
	}
	e.session = session{e: e}
	return e
}

// Ping reports whether the database answers.
func (e *Engine) Ping(ctx context.Context) error {
	if err := e.db.PingContext(ctx); err != nil {
		return e.classify(ctx, "ping", "", err)
	}
	return nil
}

// Close ends what the engine opened.
func (e *Engine) Close() error {
	e.kept.close()
	e.rkept.close()
	if e.probe != nil {
		_ = e.probe.Close()
	}
	if !e.owned {
		return nil
	}
	err := e.db.Close()
	if e.readers != e.db {
		err = errors.Join(err, e.readers.Close())
	}
	return err
}

// await gives up when a bounded pool has had no free connection for the time
// allowed: the caller itself may hold the last one, and would wait for ever.
func (e *Engine) await(ctx context.Context, db *sql.DB) error {
	st := db.Stats()
	full := st.InUse >= st.MaxOpenConnections
	if st.MaxOpenConnections == 0 {
		full = st.Idle == 0 // a new one may come from a pool below this one, which has bounds of its own
	}
	if !full {
		return nil
	}
	conn, err := e.conn(ctx, db)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (e *Engine) conn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, e.opts.Wait)
	defer cancel()
	conn, err := db.Conn(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return nil, &storage.Error{
			Kind: storage.ErrBusy, Change: -1,
			Reason: fmt.Sprintf("no connection of the pool was free for %s: if this goroutine holds a transaction, "+
				"make the call in it (the Session of Atomic, or Join), else let the pool have more connections", e.opts.Wait),
		}
	}
	return conn, err
}

// own runs fn in a transaction of the engine's own, which reads alone or writes as
// well. What fn returns is returned as it is; the engine's failures are op's.
func (e *Engine) own(ctx context.Context, op string, write bool, fn func(*session) error) error {
	if write && e.d.SingleWriter() {
		if err := e.takeTurn(ctx); err != nil {
			return e.classify(ctx, op, "", err)
		}
		defer func() { <-e.turn }()
	}
	db, kept := e.db, e.kept
	if !write {
		db, kept = e.readers, e.rkept
	}
	conn, err := e.conn(ctx, db)
	if err != nil {
		return e.classify(ctx, op, "", err)
	}
	defer kept.prepareWanted(ctx) // once the connection is free again
	defer conn.Close()            //nolint:errcheck // it only goes back to the pool
	tx, err := e.begin(ctx, conn, write)
	if err != nil {
		return e.classify(ctx, op, "", err)
	}
	s := &session{e: e, tx: &txState{tx: tx, kept: kept, readOnly: !write, unlocked: write && e.d.SingleWriter() && !e.opts.Immediate}, atomic: true}
	finished := false
	defer func() {
		if s.done = true; !finished {
			_ = tx.Rollback() // whatever it says, the connection is out of the transaction
		}
	}()
	if err = fn(s); err == nil {
		err = s.failed
	}
	if err != nil {
		return err
	}
	finished = true
	return e.classify(ctx, op, "", e.commit(ctx, tx))
}

// takeTurn waits to be the one own writing transaction of this process.
func (e *Engine) takeTurn(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(e.opts.Wait)
	defer timer.Stop()
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &storage.Error{
			Kind: storage.ErrBusy, Change: -1,
			Reason: fmt.Sprintf("another transaction of this process has been writing for %s: inside Atomic use the Session it gives, and keep what waits out of it", e.opts.Wait),
		}
	}
}

// begin opens the transaction. Where writers take turns, one that writes waits for
// other processes with its first statement, before it has read anything, so that
// waiting cannot lose a race.
func (e *Engine) begin(ctx context.Context, conn *sql.Conn, write bool) (*sql.Tx, error) {
	opts := &sql.TxOptions{}
	if !write {
		opts = &sql.TxOptions{ReadOnly: true, Isolation: e.d.SnapshotLevel()}
	}
	var tx *sql.Tx
	err := e.patiently(ctx, func() error {
		// The context is not the transaction's: database/sql would roll back by
		// itself, at a moment of its own choosing.
		var err error
		if tx == nil {
			if tx, err = conn.BeginTx(context.WithoutCancel(ctx), opts); err != nil {
				tx = nil
				return err
			}
		}
		if !write && e.d.SingleWriter() {
			err = beginReading(ctx, tx)
		}
		return err
	})
	if err != nil && tx != nil {
		_ = tx.Rollback()
	}
	return tx, err
}

// beginReading begins the transaction anew without the write lock, which a driver
// may have taken though asked for a transaction that only reads.
func beginReading(ctx context.Context, tx *sql.Tx) error {
	for _, text := range []string{"ROLLBACK", "BEGIN"} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the turn at the database for a transaction that reads before it writes.
func (s *session) lock(ctx context.Context) error {
	err := s.e.patiently(ctx, func() error {
		st, err := s.tx.stmt(ctx, []byte(s.e.d.Writer()))
		if err == nil {
			_, err = st.ExecContext(ctx)
		}
		return err
	})
	if err == nil || errors.Is(s.e.d.Classify(err).Kind, storage.ErrVersion) { // before the first migration there is nothing to lock by
		s.tx.unlocked = false
		return nil
	}
	return err
}

func (e *Engine) commit(ctx context.Context, tx *sql.Tx) error {
	if !e.opts.CarefulCommit {
		return tx.Commit()
	}
	// By statement: a Commit that finds the database locked is a rollback to
	// database/sql, and here it can still succeed.
	err := e.patiently(context.WithoutCancel(ctx), func() error {
		_, err := tx.ExecContext(context.WithoutCancel(ctx), "COMMIT")
		return err
	})
	_ = tx.Rollback()
	return err
}

// patiently repeats fn while the database says it is locked by another process.
func (e *Engine) patiently(ctx context.Context, fn func() error) error {
	return Patiently(ctx, e.d, e.opts.Wait, fn)
}

// Patiently calls fn, and calls it again while it says the database is locked, for
// as long as wait.
func Patiently(ctx context.Context, d Dialect, wait time.Duration, fn func() error) error {
	err := fn()
	if err == nil || !errors.Is(d.Classify(err).Kind, storage.ErrBusy) {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 25*time.Millisecond) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limit.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		if err = fn(); err == nil || !errors.Is(d.Classify(err).Kind, storage.ErrBusy) {
			return err
		}
	}
}

// Snapshot reads one instant.
func (e *Engine) Snapshot(ctx context.Context, fn func(storage.Session) error) error {
	return e.own(ctx, "snapshot", false, func(s *session) error { return fn(s) })
}

// classify makes err the contract's: an error that is one already passes, a
// cancelled call is the context's own error, and the driver's are told apart by
// the dialect.
func (e *Engine) classify(ctx context.Context, op, table string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*storage.Error](err); ok {
		if known.Op == "" {
			named := *known
			named.Op = op
			if named.Table == "" {
				named.Table = table
			}
			return &named
		}
		return err
	}
	f := e.d.Classify(err)
	if cause := ctx.Err(); cause != nil && (f.Kind == nil || errors.Is(f.Kind, storage.ErrUnavailable) || errors.Is(f.Kind, storage.ErrBusy)) {
		return fmt.Errorf("storage: %s %s: %w", op, table, cause)
	}
	out := &storage.Error{Kind: storage.ErrUnavailable, Op: op, Table: table, Change: -1, Err: err}
	switch {
	case f.Kind != nil:
		out.Kind, out.Field, out.Reason = f.Kind, f.Field, f.Reason
		if f.Table != "" {
			out.Table = f.Table
		}
	case errors.Is(err, sql.ErrTxDone):
		out.Kind, out.Reason = storage.ErrTxDone, "the host committed it, rolled it back, or its context ended"
	}
	return out
}

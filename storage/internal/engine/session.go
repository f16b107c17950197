package engine

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/embedcrm/embedcrm/storage"
)

// session is a storage.Session: outside any transaction (tx is nil), in a host's
// transaction, or in the scope of an Atomic.
type session struct {
	e      *Engine
	tx     *txState
	atomic bool  // the scope of an Atomic: its calls stand or fall together
	failed error // why an atomic scope cannot succeed any more
	done   bool  // the Atomic returned

	above   *session // the scope around this one
	pending string   // the savepoint that the scope makes with its first call
}

// txState is one transaction, shared by the sessions in it.
type txState struct {
	tx       *sql.Tx
	joined   bool // the host's: nothing in it is cancelled in flight
	readOnly bool
	lost     *storage.Error // set once the transaction is gone
	depth    int            // open savepoints
	unlocked bool           // the first statement is yet to take the turn at the database
	busy     atomic.Bool    // a call is running
	misused  atomic.Bool    // another was made meanwhile

	kept  *stmts // prepared outside the transaction; nil if of another pool
	bound map[string]*sql.Stmt
}

// call runs one public call. It decides what the call stands in, and that a
// failed call leaves nothing behind.
func (s *session) call(ctx context.Context, op, table string, writes bool, fn func(context.Context, *session) error) error {
	if s.tx == nil {
		return s.e.classify(ctx, op, table, fn(ctx, s))
	}
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.tx.busy.Store(false)
	fn = s.tx.undisturbed(fn)
	if writes && s.tx.readOnly {
		return s.fail(&storage.Error{Kind: storage.ErrReadOnly, Op: op, Table: table, Change: -1, Reason: "a snapshot is for reading"})
	}
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	if s.atomic {
		return s.fail(s.e.classify(ctx, op, table, finished(fn(ctx, s))))
	}
	if !writes && !s.e.d.ReadsAbort() {
		err := s.e.classify(ctx, op, table, finished(fn(ctx, s)))
		if err != nil {
			err = s.tx.prove(ctx, s.e, op, err)
		}
		return err
	}
	return s.savepoint(ctx, op, false, func(inner *session) error {
		return s.e.classify(ctx, op, table, fn(ctx, inner))
	})
}

// errMisused fails both calls that met: neither can be told what the other did.
var errMisused = &storage.Error{
	Kind: storage.ErrInvalid, Change: -1,
	Reason: "a session was called in the middle of another of its calls: one goroutine uses it, and not from inside a read",
}

// undisturbed makes a call fail in whose middle another was made.
func (t *txState) undisturbed(fn func(context.Context, *session) error) func(context.Context, *session) error {
	return func(ctx context.Context, run *session) error {
		err := fn(ctx, run)
		if t.misused.Swap(false) && err == nil {
			err = errMisused
		}
		return err
	}
}

// finished knows the error of a statement that was bound to a transaction and
// ended with it. database/sql has no name for it, and no statement of the engine
// is closed while in use for another reason.
func finished(err error) error {
	if err != nil && err.Error() == "sql: statement is closed" {
		return sql.ErrTxDone
	}
	return err
}

// enter refuses a session that is finished, lost, failed or in use.
func (s *session) enter(ctx context.Context, op string) error {
	fault := &storage.Error{Op: op, Change: -1}
	switch {
	case s.done:
		fault.Kind, fault.Reason = storage.ErrTxDone, "the function of Atomic returned"
	case s.tx.lost != nil:
		return s.tx.lost
	case s.failed != nil:
		return s.failed
	case ctx.Err() != nil:
		return s.fail(s.e.classify(ctx, op, "", ctx.Err()))
	case !s.tx.busy.CompareAndSwap(false, true):
		s.tx.misused.Store(true)
		return errMisused
	default:
		return nil
	}
	return fault
}

// fail remembers the error of a call in an atomic scope.
func (s *session) fail(err error) error {
	if err != nil && s.atomic {
		s.failed = err
	}
	return err
}

// Atomic makes the calls of fn one. In a transaction of the engine's own, where
// nobody else sends statements, the savepoint is made with the first of them: fn may
// make none, as a handler does that finds nothing to do. In a host's it is made before
// fn, for what the host itself does in it.
func (s *session) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	if s.tx == nil {
		return s.e.own(ctx, "atomic", true, func(in *session) error { return fn(in) })
	}
	if err := s.enter(ctx, "atomic"); err != nil {
		return err
	}
	// The flag guards statements; fn makes calls of its own.
	s.tx.busy.Store(false)
	err := s.savepoint(ctx, "atomic", !s.tx.joined, func(in *session) error { return fn(in) })
	if s.tx.lost != nil {
		return s.fail(err)
	}
	return err
}

// savepoint runs fn in a scope of its own inside the transaction, and undoes it
// if it fails. After an error the transaction is proven to stand. With late the
// savepoint is made by the first call in the scope.
func (s *session) savepoint(ctx context.Context, op string, late bool, fn func(*session) error) (err error) {
	t := s.tx
	name := "crm_" + strconv.Itoa(t.depth+1)
	inner := &session{e: s.e, tx: t, atomic: true, above: s, pending: name}
	if !late {
		if err := inner.begin(ctx, op); err != nil {
			return s.fail(err)
		}
	}
	t.depth++
	returned := false
	defer func() {
		t.depth--
		if inner.done = true; !returned && inner.pending == "" { // fn panicked
			_ = t.undo(ctx, s.e, name)
		}
	}()
	if err = fn(inner); err == nil {
		err = inner.failed
	}
	returned = true
	switch {
	case t.lost != nil:
		return t.lost
	case inner.pending != "": // nothing was sent
		return err
	case err == nil:
		// Past this point the work is done: the context no longer counts.
		if err = t.exec(context.WithoutCancel(ctx), s.e, "RELEASE SAVEPOINT "+name); err == nil {
			return nil
		}
		err = s.e.classify(ctx, op, "", err)
	}
	if undoing := t.undo(ctx, s.e, name); undoing != nil {
		return t.lose(op, err)
	}
	return err
}

// begin makes the savepoints of a scope and of those around it that have none yet.
func (s *session) begin(ctx context.Context, op string) error {
	if s.pending == "" {
		return nil
	}
	if err := s.above.begin(ctx, op); err != nil {
		return s.fail(err)
	}
	if err := s.tx.exec(ctx, s.e, "SAVEPOINT "+s.pending); err != nil {
		return s.fail(s.tx.prove(ctx, s.e, op, s.e.classify(ctx, op, "", err)))
	}
	s.pending = ""
	return nil
}

// undo goes back to a savepoint; an error means that it is no longer there.
func (t *txState) undo(ctx context.Context, e *Engine, name string) error {
	ctx = context.WithoutCancel(ctx)
	if err := t.exec(ctx, e, "ROLLBACK TO SAVEPOINT "+name); err != nil {
		return err
	}
	return t.exec(ctx, e, "RELEASE SAVEPOINT "+name)
}

// prove returns err if the transaction stands though no savepoint can tell, and
// ErrTxLost if it does not. An error without a driver's behind it was found
// before anything was sent.
func (t *txState) prove(ctx context.Context, e *Engine, op string, err error) error {
	if fault, ok := errors.AsType[*storage.Error](err); ok && (fault.Err == nil || errors.Is(err, sql.ErrTxDone)) {
		return err
	}
	if !e.d.Alive(context.WithoutCancel(ctx), t.tx) {
		return t.lose(op, err)
	}
	return err
}

// lose marks the transaction as gone.
func (t *txState) lose(op string, err error) error {
	if errors.Is(err, storage.ErrTxDone) {
		return err
	}
	t.lost = &storage.Error{
		Kind: storage.ErrTxLost, Op: op, Change: -1, Err: err,
		Reason: "the database ended it: roll back and begin again",
	}
	return t.lost
}

// exec runs one of the transaction's own statements.
func (t *txState) exec(ctx context.Context, e *Engine, text string) error {
	if t.joined {
		ctx = context.WithoutCancel(ctx)
	}
	if !e.d.Prepared() {
		_, err := t.tx.ExecContext(ctx, text)
		return err
	}
	st, err := t.stmt(ctx, []byte(text))
	if err == nil {
		_, err = st.ExecContext(ctx)
	}
	return finished(err)
}

// stmt returns a prepared statement bound to the transaction. One kept by the
// pool costs nothing more; another is prepared here, and kept for the next time
// once the connection is free.
func (t *txState) stmt(ctx context.Context, text []byte) (*sql.Stmt, error) {
	if st, ok := t.bound[string(text)]; ok {
		return st, nil
	}
	if t.bound == nil {
		t.bound = map[string]*sql.Stmt{}
	}
	if t.kept != nil {
		if k := t.kept.peek(text); k != nil {
			defer t.kept.release(k)
			bound := t.tx.StmtContext(ctx, k.stmt)
			t.bound[k.text] = bound
			return bound, nil
		}
	}
	st, err := t.tx.PrepareContext(ctx, string(text))
	if err != nil {
		return nil, err
	}
	if t.kept != nil {
		t.kept.want(text)
	}
	t.bound[string(text)] = st
	return st, nil
}

// query runs a statement that answers rows. In a host's transaction it is not
// cancelled once it runs.
func (s *session) query(ctx context.Context, b *builder) (*sql.Rows, error) {
	e := s.e
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case s.tx == nil:
		if err := e.await(ctx, e.readers); err != nil {
			return nil, err
		}
		if !e.d.Prepared() {
			return e.readers.QueryContext(ctx, e.rkept.text(b.b), b.args...)
		}
		e.kept.prepareWanted(ctx)
		// To prepare it reads the schema already, which a lock keeps waiting too.
		var rows *sql.Rows
		err := e.patiently(ctx, func() error {
			k, err := e.rkept.get(ctx, b.b)
			if err != nil {
				return err
			}
			defer e.rkept.release(k)
			rows, err = k.stmt.QueryContext(ctx, b.args...) //nolint:rowserrcheck // whoever reads them looks
			return err
		})
		return rows, err
	case s.tx.joined:
		ctx = context.WithoutCancel(ctx)
	}
	if !e.d.Prepared() {
		return s.tx.tx.QueryContext(ctx, e.kept.text(b.b), b.args...)
	}
	if s.tx.unlocked {
		if err := s.lock(ctx); err != nil {
			return nil, err
		}
	}
	var rows *sql.Rows
	ask := func() error {
		st, err := s.tx.stmt(ctx, b.b)
		if err == nil {
			rows, err = st.QueryContext(ctx, b.args...) //nolint:rowserrcheck // whoever reads them looks
		}
		return err
	}
	var err error
	if s.tx.readOnly { // until it reads it holds nothing that another waits for, and then it is kept from nothing
		err = e.patiently(ctx, ask)
	} else {
		err = ask()
	}
	return rows, err
}

// exec runs a statement that changes rows, and returns how many. Outside a
// transaction the statement is one by itself. One that is over in no time, because it
// has the turn to write and changes one row, is not made ready to be cancelled in the
// middle, which takes a driver a goroutine.
func (s *session) exec(ctx context.Context, b *builder) (int64, error) {
	e := s.e
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var (
		res sql.Result
		err error
	)
	if t := s.tx; t != nil && (t.joined || b.brief && e.d.SingleWriter() && !t.unlocked) {
		ctx = context.WithoutCancel(ctx)
	}
	switch {
	case s.tx == nil:
		if err := e.await(ctx, e.db); err != nil {
			return 0, err
		}
		res, err = e.db.ExecContext(ctx, e.kept.text(b.b), b.args...)
	case !e.d.Prepared():
		res, err = s.tx.tx.ExecContext(ctx, e.kept.text(b.b), b.args...)
	default:
		run := func() error {
			var st *sql.Stmt
			if st, err = s.tx.stmt(ctx, b.b); err == nil {
				res, err = st.ExecContext(ctx, b.args...)
			}
			return err
		}
		if !s.tx.unlocked {
			_ = run()
			break
		}
		// Nothing was read yet, so that waiting for the turn cannot lose a race.
		if err = e.patiently(ctx, run); err == nil {
			s.tx.unlocked = false
		}
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Join brings calls into a host's transaction.
func (e *Engine) Join(ctx context.Context, tx *sql.Tx) (storage.Session, error) {
	if tx == nil {
		return nil, &storage.Error{Kind: storage.ErrInvalid, Op: "join", Change: -1, Reason: "no transaction given"}
	}
	if err := ctx.Err(); err != nil {
		return nil, e.classify(ctx, "join", "", err)
	}
	same, err := e.samePool(ctx, tx)
	if err != nil {
		return nil, e.classify(ctx, "join", "", err)
	}
	joined := &txState{tx: tx, joined: true}
	if same {
		joined.kept = e.kept
		return &session{e: e, tx: joined}, nil
	}
	if err := e.sameDatabase(ctx, tx); err != nil {
		return nil, e.classify(ctx, "join", "", err)
	}
	return &session{e: e, tx: joined}, nil
}

// samePool reports whether tx was begun on the pool of e, which only a statement
// prepared there can tell. A false no costs a comparison and no more.
func (e *Engine) samePool(ctx context.Context, tx *sql.Tx) (bool, error) {
	if e.probe == nil {
		return false, nil
	}
	var name sql.NullString
	err := tx.StmtContext(context.WithoutCancel(ctx), e.probe).QueryRowContext(context.WithoutCancel(ctx)).Scan(&name)
	if errors.Is(err, sql.ErrTxDone) {
		return false, err
	}
	return err == nil, nil
}

// sameDatabase compares what the database says of itself inside tx with what it
// said to the pool, which is asked again when they differ: it may have restarted.
func (e *Engine) sameDatabase(ctx context.Context, tx *sql.Tx) error {
	ctx = context.WithoutCancel(ctx)
	theirs, err := identity(ctx, e.d, tx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	ours := e.identity
	e.mu.Unlock()
	if ours != theirs || ours == "" {
		if ours, err = e.Identify(ctx); err != nil {
			return err
		}
	}
	if ours != theirs || ours == "" {
		return storage.Invalid("", "", "the transaction is on another database than the store: begin it on the pool the store was made with, or on one of the same database")
	}
	return nil
}

// Identify reads and keeps what tells the store's database from others, and
// prepares what Join tells the pool by. Adapters call it from New.
func (e *Engine) Identify(ctx context.Context) (string, error) {
	conn, err := e.conn(ctx, e.db)
	if err != nil {
		return "", err
	}
	id, err := identity(ctx, e.d, conn)
	_ = conn.Close()
	if err != nil {
		return "", e.classify(ctx, "open", "", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.identity = id
	if e.d.Prepared() && e.probe == nil {
		if e.probe, err = e.db.PrepareContext(ctx, e.d.Identity()); err != nil {
			return "", e.classify(ctx, "open", "", err)
		}
	}
	return id, nil
}

func identity(ctx context.Context, d Dialect, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (string, error) {
	var id sql.NullString
	err := q.QueryRowContext(ctx, d.Identity()).Scan(&id)
	return id.String, err
}

package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func transactionTests() []testCase {
	return []testCase{
		{"Atomic takes effect when fn returns nil", shared, testAtomicCommits},
		{"Atomic leaves nothing when fn returns an error", shared, testAtomicFails},
		{"Atomic leaves nothing when fn panics", shared, testAtomicPanics},
		{"after a failed call every call and Atomic return its error", shared, testAtomicPoisoned},
		{"an Atomic within one is a savepoint", shared, testNested},
		{"a Session is dead once fn returns", shared, testDead},
		{"nothing is tried again", shared, testNotTriedAgain},
		{"Lock needs a transaction", shared, testLockNeedsTransaction},
		{"Snapshot reads one instant", shared, testSnapshotInstant},
		{"Snapshot writes nothing", shared, testSnapshotReadOnly},
		{"a call on a Store is a transaction of its own", shared, testCallOwnTransaction},
		{"a cancelled call returns the context's error and writes nothing", shared, testCancelled},
		{"a Store used within its own Atomic answers", shared, testStoreWithinAtomic},
		{"a call within another's next does no harm", shared, testWithinNext},
		{"Ping reports whether the database can be reached", shared, testPing},
		{"Analyze takes any tables", shared, testAnalyze},
		{"a database that is gone is ErrUnavailable", fresh, testGone},
		{"Close leaves the host's pool open with the limits it had", fresh, testClose},
	}
}

func (e *env) atomic(fn func(e *env) error) error {
	return e.s.Atomic(e.ctx, func(s storage.Session) error { return fn(e.on(s)) })
}

// calls makes one call of each kind on a Session and returns their errors.
func (e *env) calls() map[string]error {
	_, read := e.find(&storage.Query{Table: e.note, Limit: 1})
	_, union := e.together(e.notesAndAuthors(1))
	_, aggregate := e.reckon(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{count()}})
	_, expand := e.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "calls", "n", 1)})
	return map[string]error{
		"read": read, "union": union, "aggregate": aggregate, "expand": expand,
		"write":  e.try(insert(e.note, row(e.note, "id", id(1_000_000)))),
		"atomic": e.s.Atomic(e.ctx, func(storage.Session) error { return nil }),
	}
}

func testAtomicCommits(t *testing.T, e *env) {
	err := e.atomic(func(tx *env) error {
		tx.add(e.note, row(e.note, "id", id(1)))
		require.Equal(t, []int{1}, tx.numbers(e.note, nil), "it sees its own writes")
		tx.write(update(e.note, row(e.note, "id", id(1), "title", "x"), 1))
		require.Equal(t, 1, tx.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "k", "n", 1)}))
		locked := tx.read(&storage.Query{Table: e.note, Limit: 1, Lock: true})
		require.Len(t, locked, 1)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "x", e.get(e.note, 1)[2])
	require.Equal(t, 1, e.count(e.mark, nil))
}

var errHost = errors.New("the host's own error")

func testAtomicFails(t *testing.T, e *env) {
	err := e.atomic(func(tx *env) error {
		tx.add(e.note, row(e.note, "id", id(1)))
		tx.expand(&storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "k", "n", 1)})
		return fmt.Errorf("wrapped: %w", errHost)
	})
	require.ErrorIs(t, err, errHost)
	require.Equal(t, 0, e.count(e.note, nil)+e.count(e.mark, nil))
}

func testAtomicPanics(t *testing.T, e *env) {
	require.PanicsWithValue(t, "the host panics", func() {
		_ = e.atomic(func(tx *env) error {
			tx.add(e.note, row(e.note, "id", id(1)))
			panic("the host panics")
		})
	})
	require.Equal(t, 0, e.count(e.note, nil))
	require.PanicsWithValue(t, "again", func() {
		_ = e.atomic(func(tx *env) error {
			tx.add(e.note, row(e.note, "id", id(1)))
			return tx.atomic(func(*env) error { panic("again") })
		})
	})
	require.Equal(t, 0, e.count(e.note, nil))
	err := e.atomic(func(tx *env) error { // and a panic caught on the way out of the inner one
		tx.add(e.note, row(e.note, "id", id(1)))
		func() {
			defer func() { recover() }()
			_ = tx.atomic(func(in *env) error {
				in.add(e.note, row(e.note, "id", id(2)))
				panic("inner")
			})
		}()
		require.Equal(t, []int{1}, tx.numbers(e.note, nil))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int{1}, e.numbers(e.note, nil), "nothing of the inner one")
}

func testAtomicPoisoned(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(9), "email", "taken"))
	for name, c := range map[string]struct {
		call func(tx *env) error
		kind error
	}{
		"a conflict":        {func(tx *env) error { return tx.try(insert(e.note, row(e.note, "id", id(9)))) }, storage.ErrConflict},
		"a unique value":    {func(tx *env) error { return tx.try(insert(e.note, row(e.note, "id", id(3), "email", "taken"))) }, storage.ErrConflict},
		"nothing to update": {func(tx *env) error { return tx.try(update(e.note, row(e.note, "id", id(5)), 1)) }, storage.ErrNotFound},
		"an invalid write":  {func(tx *env) error { return tx.try(insert(e.note, row(e.note, "id", id(5), "title", "\x00"))) }, storage.ErrInvalid},
		"an invalid read": {func(tx *env) error {
			_, err := tx.find(&storage.Query{Table: e.note})
			return err
		}, storage.ErrInvalid},
	} {
		err := e.atomic(func(tx *env) error {
			tx.add(e.note, row(e.note, "id", id(1)))
			require.ErrorIs(t, c.call(tx), c.kind, name)
			for call, err := range tx.calls() {
				require.ErrorIs(t, err, c.kind, "%s after %s", call, name)
			}
			return nil // fn passes over it
		})
		require.ErrorIs(t, err, c.kind, name)
		require.Equal(t, []int{9}, e.numbers(e.note, nil), name)
		require.Equal(t, 0, e.count(e.mark, nil), name)
	}
}

func testNested(t *testing.T, e *env) {
	err := e.atomic(func(tx *env) error {
		tx.add(e.note, row(e.note, "id", id(1)))
		err := tx.atomic(func(in *env) error {
			in.add(e.note, row(e.note, "id", id(2)))
			require.Equal(t, []int{1, 2}, in.numbers(e.note, nil))
			return errHost
		})
		require.ErrorIs(t, err, errHost)
		require.Equal(t, []int{1}, tx.numbers(e.note, nil), "the outer one goes on without what the inner did")
		err = tx.atomic(func(in *env) error {
			in.add(e.note, row(e.note, "id", id(3)))
			require.ErrorIs(t, in.try(insert(e.note, row(e.note, "id", id(1)))), storage.ErrConflict)
			return nil
		})
		require.ErrorIs(t, err, storage.ErrConflict)
		require.NoError(t, tx.atomic(func(in *env) error {
			in.add(e.note, row(e.note, "id", id(4)))
			return in.atomic(func(in *env) error { return in.try(insert(e.note, row(e.note, "id", id(5)))) })
		}))
		require.Equal(t, []int{1, 4, 5}, tx.numbers(e.note, nil))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int{1, 4, 5}, e.numbers(e.note, nil))
	err = e.atomic(func(tx *env) error {
		require.NoError(t, tx.atomic(func(in *env) error { return in.try(insert(e.note, row(e.note, "id", id(6)))) }))
		return errHost
	})
	require.ErrorIs(t, err, errHost)
	require.Equal(t, []int{1, 4, 5}, e.numbers(e.note, nil), "the outer one undoes the inner")
	require.NoError(t, e.atomic(func(tx *env) error {
		err := tx.atomic(func(silent *env) error {
			require.NoError(t, silent.atomic(func(in *env) error { return in.try(insert(e.note, row(e.note, "id", id(7)))) }))
			return errHost
		})
		require.ErrorIs(t, err, errHost)
		require.Equal(t, []int{1, 4, 5}, tx.numbers(e.note, nil), "one without a call of its own undoes those within it")
		require.ErrorIs(t, tx.atomic(func(*env) error { return errHost }), errHost)
		tx.add(e.note, row(e.note, "id", id(8)))
		return nil
	}))
	require.Equal(t, []int{1, 4, 5, 8}, e.numbers(e.note, nil), "one in which nothing was done has nothing to undo")
}

func testDead(t *testing.T, e *env) {
	sessions := map[string]*env{}
	keep := func(name string, result error) func(tx *env) error {
		return func(tx *env) error {
			sessions[name] = tx
			return result
		}
	}
	require.NoError(t, e.atomic(keep("committed", nil)))
	require.Error(t, e.atomic(keep("rolled back", errHost)))
	require.NoError(t, e.atomic(func(tx *env) error { return tx.atomic(keep("inner", nil)) }))
	require.NoError(t, e.Store.Snapshot(e.ctx, func(s storage.Session) error { return keep("snapshot", nil)(e.on(s)) }))
	require.NoError(t, e.atomic(func(tx *env) error {
		require.NoError(t, tx.atomic(keep("inner, the outer still open", nil)))
		for call, err := range sessions["inner, the outer still open"].calls() {
			require.ErrorIs(t, err, storage.ErrTxDone, call)
		}
		return nil
	}))
	for name, dead := range sessions {
		for call, err := range dead.calls() {
			require.ErrorIs(t, err, storage.ErrTxDone, "%s of one %s", call, name)
		}
	}
	require.Equal(t, 0, e.count(e.note, nil), "no call went to the pool instead")
}

func testNotTriedAgain(t *testing.T, e *env) {
	for _, result := range []error{storage.ErrRetry, storage.ErrConflict, storage.ErrBusy} {
		n := 0
		err := e.atomic(func(*env) error {
			n++
			return result
		})
		require.ErrorIs(t, err, result)
		require.Equal(t, 1, n)
	}
}

func testLockNeedsTransaction(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	for _, q := range []*storage.Query{{Table: e.note, Limit: 1, Lock: true}, {Table: e.note, Limit: 1, Share: true}} {
		_, err := e.find(q)
		refused(t, err, storage.ErrInvalid)
		require.NoError(t, e.atomic(func(tx *env) error {
			require.Len(t, tx.read(q), 1)
			return nil
		}))
	}
	_, joined := e.join(t)
	require.Len(t, joined.read(&storage.Query{Table: e.note, Limit: 1, Share: true}), 1)
	require.Len(t, joined.read(&storage.Query{Table: e.note, Limit: 1, Lock: true}), 1)
}

func testSnapshotInstant(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "title", "before"))
	written := errors.New("nothing can be written beside a snapshot on one connection")
	require.NoError(t, e.Store.Snapshot(e.ctx, func(s storage.Session) error {
		snap := e.on(s)
		require.Equal(t, 1, snap.count(e.note, nil))
		if !e.single() {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			written = e.Store.Write(ctx, e.tenant, []storage.Change{
				insert(e.note, row(e.note, "id", id(2))), update(e.note, row(e.note, "id", id(1), "title", "after"), 1),
			})
		}
		require.Equal(t, 1, snap.count(e.note, nil))
		require.Equal(t, "before", snap.get(e.note, 1)[2])
		require.Equal(t, []int{1}, snap.numbers(e.note, nil))
		return nil
	}))
	if written != nil {
		// SQLite's journal may keep writers out.
		require.True(t, e.Dialect == "sqlite" || e.single(), "a writer beside a snapshot: %v", written)
		require.Equal(t, 1, e.count(e.note, nil))
		t.Log(written)
		return
	}
	require.Equal(t, "after", e.get(e.note, 1)[2])
	require.Equal(t, 2, e.count(e.note, nil))
}

func testSnapshotReadOnly(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	for name, call := range map[string]func(snap *env) error{
		"write": func(snap *env) error { return snap.try(insert(e.note, row(e.note, "id", id(2)))) },
		"clear": func(snap *env) error { return snap.try(wipe(e.mark, nil)) },
		"expand": func(snap *env) error {
			_, err := snap.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("id"), "kind", "k", "n", 1)})
			return err
		},
	} {
		var got error
		_ = e.Store.Snapshot(e.ctx, func(s storage.Session) error {
			got = call(e.on(s))
			return nil
		})
		refused(t, got, storage.ErrReadOnly)
		require.Equal(t, 1, e.count(e.note, nil), name)
		require.Equal(t, 0, e.count(e.mark, nil), name)
	}
	require.ErrorIs(t, e.Store.Snapshot(e.ctx, func(storage.Session) error { return errHost }), errHost)
	e.add(e.note, row(e.note, "id", id(3))) // the connection that was used writes again
	e.add(e.note, row(e.note, "id", id(4)))
}

func testCallOwnTransaction(t *testing.T, e *env) {
	require.Error(t, e.try(insert(e.note, row(e.note, "id", id(1))), insert(e.author, row(e.author, "id", id(1))), update(e.note, row(e.note, "id", id(5)), 1)))
	require.Equal(t, 0, e.count(e.note, nil)+e.count(e.author, nil), "all or none, over several tables")
	e.add(e.note, row(e.note, "id", id(1)))
	require.Error(t, e.try(insert(e.note, row(e.note, "id", id(1)))))
	e.add(e.note, row(e.note, "id", id(2))) // a failure is not remembered
}

func testCancelled(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(9)))
	gone, cancel := context.WithCancel(e.ctx)
	cancel()
	c := *e
	c.ctx = gone
	for call, err := range c.calls() {
		require.ErrorIs(t, err, context.Canceled, call)
	}
	require.ErrorIs(t, e.Store.Ping(gone), context.Canceled)
	claim := e.ask(1, 1)
	require.ErrorIs(t, e.Store.Claim(gone, &claim, func(string) storage.Row { return nil }), context.Canceled)
	late, cancelLate := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancelLate()
	c.ctx = late
	for call, err := range c.calls() {
		require.ErrorIs(t, err, context.DeadlineExceeded, call)
	}

	// Half-way through an Atomic.
	half, cancel := context.WithCancel(e.ctx)
	defer cancel()
	err := e.Store.Atomic(half, func(s storage.Session) error {
		tx := e.on(s)
		tx.ctx = half
		tx.add(e.note, row(e.note, "id", id(1)))
		cancel()
		err := tx.try(insert(e.note, row(e.note, "id", id(2))))
		require.ErrorIs(t, err, context.Canceled)
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []int{9}, e.numbers(e.note, nil))
	require.Equal(t, 0, e.count(e.mark, nil))
}

func testStoreWithinAtomic(t *testing.T, e *env) {
	// Whether the other transaction finds room depends on the database: that it
	// answers, and what it says when it does not, is what is tested.
	var inner error
	require.NoError(t, e.atomic(func(tx *env) error {
		tx.add(e.note, row(e.note, "id", id(1)))
		ctx, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
		defer cancel()
		inner = e.Store.Write(ctx, e.tenant, []storage.Change{insert(e.note, row(e.note, "id", id(2)))})
		tx.add(e.note, row(e.note, "id", id(3)))
		return nil
	}))
	want := []int{1, 3}
	if inner == nil {
		want = []int{1, 2, 3}
	} else {
		require.True(t, cancelled(inner) || errors.Is(inner, storage.ErrBusy), "%v", inner)
	}
	require.Equal(t, want, e.numbers(e.note, nil))
}

func testWithinNext(t *testing.T, e *env) {
	// A Session makes one call at a time. A second one from within next may be
	// refused; what it said it did it did.
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	var inner error
	err := e.s.Atomic(ctx, func(s storage.Session) error {
		tx := e.on(s)
		tx.ctx = ctx
		return s.Read(ctx, e.tenant, &storage.Query{Table: e.note, Limit: 2}, func() storage.Row {
			inner = errors.Join(inner, tx.try(update(e.note, row(e.note, "id", id(1), "title", "within"), 1, "title")))
			return make(storage.Values, len(e.note.Columns))
		})
	})
	if inner == nil {
		require.NoError(t, err)
		require.Equal(t, "within", e.get(e.note, 1)[2])
		return
	}
	require.ErrorIs(t, inner, storage.ErrInvalid)
	require.Error(t, err, "one of the calls failed")
	require.Equal(t, int64(1), e.get(e.note, 1)[1])
}

func testPing(t *testing.T, e *env) { require.NoError(t, e.Store.Ping(e.ctx)) }

func testAnalyze(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	require.NoError(t, e.Store.Analyze(e.ctx))
	require.NoError(t, e.Store.Analyze(e.ctx, e.note, e.mark))
	e.get(e.note, 1)
}

func testGone(t *testing.T, e *env) {
	require.NoError(t, e.SQL.Close())
	calls := e.calls()
	calls["ping"] = e.Store.Ping(e.ctx)
	for call, err := range calls {
		if err != nil { // a Store with a pool of its own goes on
			refused(t, err, storage.ErrUnavailable)
			t.Log(call, err)
		}
	}
}

func testClose(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	limit := e.SQL.Stats().MaxOpenConnections
	require.NoError(t, e.Store.Close())
	require.NoError(t, e.SQL.PingContext(e.ctx), "the host's pool is open")
	require.Equal(t, limit, e.SQL.Stats().MaxOpenConnections)
	require.Equal(t, 1, e.number("select count(*) from %s", e.Table("note")))
}

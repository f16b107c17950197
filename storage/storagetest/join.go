package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func joinTests() []testCase {
	return []testCase{
		{"the host's commit makes both visible and its rollback none", shared, testJoinBoth},
		{"a joined call sees the host's and its own writes", shared, testJoinSees},
		{"a failing call leaves the host's transaction usable", shared, testJoinFailing},
		{"Atomic in a joined transaction is a savepoint", shared, testJoinAtomic},
		{"a finished transaction is ErrTxDone", shared, testJoinDone},
		{"no transaction is ErrInvalid", shared, testJoinNil},
		{"a transaction of another database is ErrInvalid", fresh, testJoinOther},
		{"Join changes nothing", shared, testJoinChangesNothing},
		{"Join may be called several times in a transaction", shared, testJoinTwice},
		{"a lost race is ErrConflict at once", shared, testJoinRace},
		{"a context that is done stops a joined call before it is sent", shared, testJoinCancelled},
		{"a lost transaction is ErrTxLost and so is every further call", fresh, testJoinLost},
		{"cancellation storm", fresh, func(t *testing.T, e *env) { testStorm(t, e, false) }},
		{"cancellation storm of the host's own transaction", fresh, func(t *testing.T, e *env) { testStorm(t, e, true) }},
	}
}

// hostTable makes a table of the host's own.
func (e *env) hostTable() string {
	e.t.Helper()
	name := "host_" + e.tenant
	e.exec("create table %s (n bigint not null primary key, round bigint not null default 0)", name)
	return name
}

// hostAdds writes rows of the host's.
func hostAdds(t *testing.T, tx *sql.Tx, table string, rows ...int) {
	t.Helper()
	for _, n := range rows {
		_, err := tx.ExecContext(t.Context(), fmt.Sprintf("insert into %s (n) values (%d)", table, n))
		require.NoError(t, err, "the host's transaction is usable")
	}
}

func testJoinBoth(t *testing.T, e *env) {
	host := e.hostTable()
	for n, commit := range []bool{true, false} {
		tx, joined := e.join(t)
		hostAdds(t, tx, host, 10*n)
		joined.add(e.note, row(e.note, "id", id(10*n)))
		hostAdds(t, tx, host, 10*n+1)
		joined.expand(&storage.Expansion{Into: e.mark, From: e.note, Where: eq("id", id(10*n)), Set: set("note_id", storage.F("id"), "kind", "k", "n", n)})
		joined.write(update(e.note, row(e.note, "id", id(10*n), "title", "x"), 1, "title"))
		hostAdds(t, tx, host, 10*n+2)
		if commit {
			require.NoError(t, tx.Commit())
		} else {
			require.NoError(t, tx.Rollback())
		}
	}
	require.Equal(t, 3, e.number("select count(*) from %s", host))
	require.Equal(t, []int{0}, e.numbers(e.note, nil))
	require.Equal(t, 1, e.count(e.mark, nil))
	require.Equal(t, "x", e.get(e.note, 0)[2])
}

func testJoinSees(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	tx, joined := e.join(t)
	_, err := tx.ExecContext(e.ctx, fmt.Sprintf("update %s set title = 'by the host' where tenant = '%s'", e.Table("note"), e.tenant))
	require.NoError(t, err)
	require.Equal(t, "by the host", joined.get(e.note, 1)[2])
	joined.add(e.note, row(e.note, "id", id(2)))
	n := 0
	require.NoError(t, tx.QueryRowContext(e.ctx, fmt.Sprintf("select count(*) from %s where tenant = '%s'", e.Table("note"), e.tenant)).Scan(&n))
	require.Equal(t, 2, n)
	require.Equal(t, 2, joined.count(e.note, nil))
	require.NoError(t, tx.Rollback())
	require.Equal(t, []int{1}, e.numbers(e.note, eq("title", "")))
}

// failing are calls that fail, each for another reason.
func (e *env) failing() map[string]struct {
	call func(s *env) error
	kind error
} {
	return map[string]struct {
		call func(s *env) error
		kind error
	}{
		"a key taken":      {func(s *env) error { return s.try(insert(e.note, row(e.note, "id", id(9)))) }, storage.ErrConflict},
		"a unique value":   {func(s *env) error { return s.try(insert(e.note, row(e.note, "id", id(8), "email", "taken"))) }, storage.ErrConflict},
		"a stale version":  {func(s *env) error { return s.try(update(e.note, row(e.note, "id", id(9)), 7)) }, storage.ErrConflict},
		"no reference":     {func(s *env) error { return s.try(insert(e.note, row(e.note, "id", id(8), "author_id", id(7)))) }, storage.ErrConflict},
		"nothing there":    {func(s *env) error { return s.try(remove(e.note, row(e.note, "id", id(8)), 1)) }, storage.ErrNotFound},
		"an invalid value": {func(s *env) error { return s.try(insert(e.note, row(e.note, "id", id(8), "body", "\xff"))) }, storage.ErrInvalid},
		"a half-way batch": {func(s *env) error {
			return s.try(insert(e.note, row(e.note, "id", id(7))), insert(e.author, row(e.author, "id", id(7))), remove(e.note, row(e.note, "id", id(6)), 1))
		}, storage.ErrNotFound},
		"an invalid read": {func(s *env) error {
			_, err := s.find(&storage.Query{Table: e.note})
			return err
		}, storage.ErrInvalid},
		"an overflow": {func(s *env) error {
			_, err := s.reckon(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{of(storage.Sum, "rank")}})
			return err
		}, storage.ErrOverflow},
		"an expand": {func(s *env) error {
			_, err := s.s.Expand(e.ctx, e.tenant, &storage.Expansion{Into: e.mark, From: e.note, Set: set("note_id", storage.F("token"), "kind", "k", "n", 1)})
			return err
		}, storage.ErrConflict},
		"an atomic": {func(s *env) error {
			return s.atomic(func(in *env) error {
				in.add(e.note, row(e.note, "id", id(5)))
				return errHost
			})
		}, errHost},
	}
}

func testJoinFailing(t *testing.T, e *env) {
	host := e.hostTable()
	big := int64(1<<63 - 1)
	e.add(e.note, row(e.note, "id", id(9), "email", "taken", "rank", big, "token", id(70)), row(e.note, "id", id(10), "rank", big, "token", id(70)))
	n := 0
	for name, c := range e.failing() {
		tx, joined := e.join(t)
		hostAdds(t, tx, host, 3*n)
		joined.add(e.author, row(e.author, "id", id(100+n)))
		require.ErrorIs(t, c.call(joined), c.kind, name)
		hostAdds(t, tx, host, 3*n+1)
		require.ErrorIs(t, c.call(joined), c.kind, "%s, again", name)
		joined.add(e.author, row(e.author, "id", id(200+n)))
		hostAdds(t, tx, host, 3*n+2)
		require.NoError(t, tx.Commit(), name)
		n++
		require.Equal(t, 3*n, e.number("select count(*) from %s", host), "the host's rows after %s", name)
		require.Equal(t, 2*n, e.count(e.author, nil), "the calls before and after %s", name)
		require.Equal(t, []int{9, 10}, e.numbers(e.note, nil), "nothing of %s", name)
		require.Equal(t, 0, e.count(e.mark, nil), name)
	}
}

func testJoinAtomic(t *testing.T, e *env) {
	host := e.hostTable()
	tx, joined := e.join(t)
	hostAdds(t, tx, host, 1)
	require.NoError(t, joined.atomic(func(in *env) error {
		in.add(e.note, row(e.note, "id", id(1)))
		hostAdds(t, tx, host, 2)
		return nil
	}))
	require.ErrorIs(t, joined.atomic(func(in *env) error {
		in.add(e.note, row(e.note, "id", id(2)))
		require.ErrorIs(t, in.try(insert(e.note, row(e.note, "id", id(1)))), storage.ErrConflict)
		require.ErrorIs(t, in.try(insert(e.note, row(e.note, "id", id(3)))), storage.ErrConflict, "poisoned")
		return nil
	}), storage.ErrConflict)
	require.PanicsWithValue(t, "the host panics", func() {
		_ = joined.atomic(func(in *env) error {
			in.add(e.note, row(e.note, "id", id(4)))
			panic("the host panics")
		})
	})
	joined.add(e.note, row(e.note, "id", id(5)))
	hostAdds(t, tx, host, 3)
	require.NoError(t, tx.Commit())
	require.Equal(t, []int{1, 5}, e.numbers(e.note, nil))
	require.Equal(t, 3, e.number("select count(*) from %s", host))
}

func testJoinDone(t *testing.T, e *env) {
	for name, finish := range map[string]func(*sql.Tx) error{"committed": (*sql.Tx).Commit, "rolled back": (*sql.Tx).Rollback} {
		tx, joined := e.join(t)
		require.Equal(t, 0, joined.count(e.note, nil))
		require.NoError(t, finish(tx))
		for call, err := range joined.calls() {
			require.ErrorIs(t, err, storage.ErrTxDone, "%s in one %s", call, name)
		}
		_, err := e.Store.Join(e.ctx, tx)
		refused(t, err, storage.ErrTxDone)
		tx = e.begin(t)
		require.NoError(t, finish(tx))
		_, err = e.Store.Join(e.ctx, tx)
		refused(t, err, storage.ErrTxDone)
	}
	require.Equal(t, 0, e.count(e.note, nil), "no call went to the pool instead")
}

func testJoinNil(t *testing.T, e *env) {
	_, err := e.Store.Join(e.ctx, nil)
	refused(t, err, storage.ErrInvalid)
}

func testJoinOther(t *testing.T, e *env) {
	other := e.another(t).as("other")
	tx := other.begin(t)
	_, err := e.Store.Join(e.ctx, tx)
	refused(t, err, storage.ErrInvalid)
	s, err := other.Store.Join(e.ctx, tx)
	require.NoError(t, err, "the refusal did no harm")
	other.on(s).add(other.note, row(other.note, "id", id(1)))
	require.NoError(t, tx.Commit())
	require.Equal(t, 0, e.count(e.note, nil))
	require.Equal(t, 1, other.count(other.note, nil))
}

func testJoinChangesNothing(t *testing.T, e *env) {
	tx := e.begin(t)
	look := "select total_changes()" // of the connection
	if e.Dialect == "postgres" {
		look = "select coalesce(pg_current_xact_id_if_assigned()::text, 'none')"
	}
	var before, after string
	require.NoError(t, tx.QueryRowContext(e.ctx, look).Scan(&before))
	_, err := e.Store.Join(e.ctx, tx)
	require.NoError(t, err)
	require.NoError(t, tx.QueryRowContext(e.ctx, look).Scan(&after))
	require.Equal(t, before, after)
}

func testJoinTwice(t *testing.T, e *env) {
	tx, first := e.join(t)
	first.add(e.note, row(e.note, "id", id(1)))
	s, err := e.Store.Join(e.ctx, tx)
	require.NoError(t, err)
	second := e.on(s)
	require.Equal(t, 1, second.count(e.note, nil))
	second.add(e.note, row(e.note, "id", id(2)))
	require.Equal(t, 2, first.count(e.note, nil))
	require.NoError(t, tx.Commit())
	require.Equal(t, 2, e.count(e.note, nil))
}

func testJoinRace(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)), row(e.note, "id", id(2)))
	tx, joined := e.join(t)
	require.Equal(t, int64(1), joined.get(e.note, 1)[1])
	// Another writer comes between, if the host's transaction lets it.
	ctx, cancel := context.WithTimeout(e.ctx, 200*time.Millisecond)
	defer cancel()
	between := e.Store.Write(ctx, e.tenant, []storage.Change{update(e.note, row(e.note, "id", id(1), "title", "between"), 1)})
	err := joined.try(update(e.note, row(e.note, "id", id(1), "title", "joined"), 1))
	if between == nil {
		refused(t, err, storage.ErrConflict)
		require.NotErrorIs(t, err, storage.ErrRetry)
		require.NoError(t, tx.Rollback())
		require.Equal(t, "between", e.get(e.note, 1)[2])
		return
	}
	require.True(t, cancelled(between) || errors.Is(between, storage.ErrBusy), "%v", between)
	require.NoError(t, err, "who keeps the others out wins")
	require.NoError(t, tx.Commit())
	require.Equal(t, "joined", e.get(e.note, 1)[2])
}

func testJoinCancelled(t *testing.T, e *env) {
	host := e.hostTable()
	tx, joined := e.join(t)
	hostAdds(t, tx, host, 1)
	joined.add(e.note, row(e.note, "id", id(9)))
	gone := *joined
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	gone.ctx = ctx
	for call, err := range gone.calls() {
		require.ErrorIs(t, err, context.Canceled, call)
	}
	hostAdds(t, tx, host, 2)
	joined.add(e.note, row(e.note, "id", id(1)))

	// In the middle of an Atomic: what it did is undone, the host's is not.
	half, cancel := context.WithCancel(e.ctx)
	defer cancel()
	err := joined.s.Atomic(half, func(s storage.Session) error {
		in := joined.on(s)
		in.ctx = half
		in.add(e.note, row(e.note, "id", id(2)))
		cancel()
		err := in.try(insert(e.note, row(e.note, "id", id(3))))
		require.ErrorIs(t, err, context.Canceled)
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	hostAdds(t, tx, host, 3)
	require.NoError(t, tx.Commit())
	require.Equal(t, 3, e.number("select count(*) from %s", host))
	require.Equal(t, []int{1, 9}, e.numbers(e.note, nil))
	require.Equal(t, 0, e.count(e.mark, nil))
}

func testJoinLost(t *testing.T, e *env) {
	// A trigger of the host's takes the transaction away in the middle of a call,
	// as a full disk or a broken connection does.
	host := e.hostTable()
	if e.Dialect == "postgres" {
		e.exec(`create function host_ends() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$`)
		e.exec(`create trigger host_ends before insert on %s for each row when (new.title = 'boom') execute function host_ends()`, e.Table("note"))
	} else {
		e.exec(`create trigger host_ends before insert on %s when new.title = 'boom' begin select raise(rollback, 'boom'); end`, e.Table("note"))
	}
	for _, nested := range []bool{false, true} {
		tx, joined := e.join(t)
		hostAdds(t, tx, host, 1)
		joined.add(e.note, row(e.note, "id", id(1)))
		boom := func(s *env) error {
			return s.try(insert(e.note, row(e.note, "id", id(2))), insert(e.note, row(e.note, "id", id(3), "title", "boom")))
		}
		err := boom(joined)
		if nested {
			err = joined.atomic(boom)
		}
		refused(t, err, storage.ErrTxLost)
		for call, err := range joined.calls() {
			require.ErrorIs(t, err, storage.ErrTxLost, call)
		}
		_ = tx.Rollback() // it may say that there is nothing to roll back
		require.Equal(t, 0, e.number("select count(*) from %s", host))
		require.Equal(t, 0, e.count(e.note, nil))
	}
	e.add(e.note, row(e.note, "id", id(1))) // the Store goes on
}

// stormMarks is how many rows of the ledger go with a record of the storm: a few,
// each of a statement of its own perhaps, or many of one statement, which is long
// enough to be met while it runs.
func stormMarks(n int) int { return [...]int{8, 8, 200}[n%3] }

// stormSource is the note whose marks the long statements copy.
const stormSource = 1_000_000

// round is what one transaction of the storm did.
type round struct {
	host2     error // the host's second insert
	call      error // the CRM's call
	took      time.Duration
	committed error // nil when the host's commit said so
	rollback  bool  // the host rolled back
}

// testStorm cancels calls of the CRM at random instants inside transactions of
// the host's, and afterwards holds what is in the database against what each call
// said. With own, it is the host's transaction that is cancelled.
func testStorm(t *testing.T, e *env, own bool) {
	host := e.hostTable()
	random := rand.New(rand.NewPCG(1, 2))
	rounds := e.rounds(100, 1000)

	source := []storage.Values{}
	for i := range stormMarks(2) {
		source = append(source, row(e.mark, "note_id", id(stormSource), "kind", "source", "n", i))
	}
	e.add(e.note, row(e.note, "id", id(stormSource)))
	e.add(e.mark, source...)
	usual := [3][]time.Duration{} // of each sort of call
	for n := range 20 {
		r := e.stormRound(context.Background(), context.Background(), t, host, n, func() {}, false)
		require.NoError(t, errors.Join(r.host2, r.call, r.committed))
		usual[n%3] = append(usual[n%3], r.took)
	}
	for _, list := range usual {
		slices.Sort(list)
	}
	e.exec("delete from %s", host)
	changes := []storage.Change{wipe(e.mark, eq("kind", "storm"))}
	for _, r := range e.all(e.note, not(eq("id", id(stormSource)))) {
		changes = append(changes, remove(e.note, r, 1))
	}
	e.write(changes...)

	said := make([]round, rounds)
	for n := range said {
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(time.Hour, cancel)
		typical := usual[n%3][len(usual[n%3])/2]
		arm := func() { timer.Reset(time.Duration(random.Int64N(int64(2*typical) + 1))) }
		txCtx := context.Background()
		if own {
			txCtx = ctx
		}
		said[n] = e.stormRound(txCtx, ctx, t, host, n, arm, random.IntN(2) == 0)
		timer.Stop()
		cancel()
	}
	e.judge(t, host, said, own)
}

// stormRound is one transaction of the host's with two rows of its own, n and n
// from behind, and the CRM's record n between them.
func (e *env) stormRound(txCtx, ctx context.Context, t *testing.T, host string, n int, arm func(), rollback bool) (r round) {
	t.Helper()
	r.rollback = rollback
	const never = "the host's transaction did not begin"
	tx, err := e.Begin(txCtx)
	if err != nil {
		require.Error(t, txCtx.Err(), never)
		return round{committed: err, call: err, host2: err}
	}
	defer tx.Rollback()
	hostRow := func(k int) error {
		_, err := tx.ExecContext(context.Background(), fmt.Sprintf("insert into %s (n, round) values (%d, %d)", host, k, n))
		return err
	}
	if err := hostRow(2 * n); err != nil {
		require.Error(t, txCtx.Err(), "the host's first insert: %v", err)
		return round{committed: err, call: err, host2: err}
	}
	note := row(e.note, "id", id(n))
	marks := []storage.Change{}
	for i := range stormMarks(n) {
		marks = append(marks, insert(e.mark, row(e.mark, "note_id", id(n), "kind", "storm", "n", i)))
	}
	many := &storage.Expansion{
		Into: e.mark, From: e.mark, Where: eq("note_id", id(stormSource)), Set: set("note_id", id(n), "kind", "storm", "n", storage.F("n")),
	}
	s, err := e.Store.Join(context.WithoutCancel(ctx), tx)
	began := time.Now()
	arm()
	if err == nil && n%3 == 0 {
		err = s.Write(ctx, e.tenant, append([]storage.Change{insert(e.note, note)}, marks...))
	} else if err == nil {
		err = s.Atomic(ctx, func(s storage.Session) error {
			if err := s.Write(ctx, e.tenant, []storage.Change{insert(e.note, note)}); err != nil {
				return err
			}
			err := s.Read(ctx, e.tenant, &storage.Query{Table: e.note, Limit: 1}, func() storage.Row { return make(storage.Values, len(e.note.Columns)) })
			if err != nil {
				return err
			}
			if n%3 == 2 {
				_, err = s.Expand(ctx, e.tenant, many)
				return err
			}
			return s.Write(ctx, e.tenant, marks)
		})
	}
	r.call, r.took = err, time.Since(began)
	if s != nil && errors.Is(err, storage.ErrTxLost) {
		again := s.Write(context.Background(), e.tenant, []storage.Change{insert(e.note, note)})
		require.ErrorIs(t, again, storage.ErrTxLost, "a further call after ErrTxLost")
		r.committed = err // nobody commits it
		return r
	}
	r.host2 = hostRow(2*n + 1)
	if rollback {
		_ = tx.Rollback()
		return r
	}
	r.committed = tx.Commit()
	return r
}

// judge compares the database with what the rounds said.
func (e *env) judge(t *testing.T, host string, said []round, own bool) {
	t.Helper()
	hostRows, records, marks := map[int]int{}, map[int]bool{}, map[int]int{}
	rows, err := e.SQL.QueryContext(e.ctx, "select n from "+host)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		hostRows[n/2]++
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	for _, n := range e.numbers(e.note, nil) {
		records[n] = true
	}
	counts := e.figures(&storage.Aggregate{Table: e.mark, Group: []storage.Group{{Field: storage.F("note_id")}}, Measure: []storage.Measure{count()}})
	for i, n := range numbersOf(firsts(t, counts)) {
		got, _ := counts[i][1].(int64)
		marks[n] = int(got)
	}
	interrupted := 0
	for n, r := range said {
		if r.call != nil {
			interrupted++
			require.True(t, cancelled(r.call) || known(r.call) || own && r.committed != nil, "round %d: %v", n, r.call)
		}
		if !own { // what runs is not cancelled: the transaction is never lost by it
			require.NoError(t, r.host2, "round %d: the host's second insert after %v", n, r.call)
			require.NoError(t, r.committed, "round %d: the host's commit after %v", n, r.call)
			require.True(t, r.call == nil || cancelled(r.call), "round %d: %v", n, r.call)
		}
		got := fmt.Sprintf("%d host rows, record %v, %d marks", hostRows[n], records[n], marks[n])
		wantHost := 2
		if r.host2 != nil {
			wantHost = 1
		}
		nothing := "0 host rows, record false, 0 marks"
		all := fmt.Sprintf("%d host rows, record %v, %d marks", wantHost, r.call == nil, map[bool]int{true: stormMarks(n)}[r.call == nil])
		msg := fmt.Sprintf("round %d: the call said %v, the host's second insert %v, its commit %v, rolled back %v", n, r.call, r.host2, r.committed, r.rollback)
		switch {
		case r.rollback:
			require.Equal(t, nothing, got, msg)
		case r.committed == nil:
			require.Equal(t, all, got, msg)
		case own && got != nothing: // a commit cut off may have arrived, but then all of it
			require.Equal(t, all, got, msg)
		default:
			require.Equal(t, nothing, got, msg)
		}
	}
	t.Logf("%d of %d rounds were interrupted", interrupted, len(said))
	require.NotZero(t, interrupted, "no round was interrupted: the storm tests nothing")
	require.NotEqual(t, len(said), interrupted, "every round was interrupted: the storm tests nothing")
}

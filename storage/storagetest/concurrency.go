package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func concurrencyTests() []testCase {
	return []testCase{
		{"writers of one record lose no update", shared, testCounter},
		{"writers of different records do not disturb each other", shared, testInserters},
		{"of two writers of one key or unique value one wins", shared, testSameKey},
		{"Lock makes another transaction wait", shared, testLock},
		{"Share makes one that would Lock or Delete wait", shared, testShare},
		{"one Read or Aggregate sees one instant", shared, testOneInstant},
		{"what is not committed is not seen", shared, testUncommitted},
		{"two claims at once share no row", fresh, testClaimers},
		{"updates in opposite order end in success or ErrRetry", shared, testOppositeOrder},
		{"a cancelled transaction returns promptly and leaves nothing", shared, testCancelledTransaction},
		{"a reference and a delete of what it refers to do not both succeed", shared, testReferenceRace},
		{"two Stores on one database are as one", shared, testTwoStores},
	}
}

const writers = 32

// parallel runs fn n times at once, bounded by patience, and returns the errors.
func (e *env) parallel(n int, fn func(e *env, i int) error) []error {
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		c := *e
		c.ctx = ctx
		wg.Go(func() {
			<-start
			errs[i] = fn(&c, i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// lost reports whether a change may be made anew: another one came first.
func lost(err error) bool {
	return errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrRetry)
}

// one reads the note n without a test's require, which is not for other goroutines.
func (e *env) one(n int, lock bool) (storage.Values, error) {
	rows, err := e.find(&storage.Query{Table: e.note, Where: eq("id", id(n)), Limit: 1, Lock: lock})
	if err != nil || len(rows) == 0 {
		return nil, errors.Join(err, ifNone(rows))
	}
	return rows[0], nil
}

func ifNone(rows []storage.Values) error {
	if len(rows) == 0 {
		return errors.New("the note is not there")
	}
	return nil
}

// raised is the row with its rank one up, as an update at its own version.
func (e *env) raised(v storage.Values) storage.Change {
	rank, _ := v[4].(int64)
	version, _ := v[1].(int64)
	return update(e.note, change(e.note, v, "rank", int(rank)+1), int(version), "rank")
}

func testCounter(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	each := e.rounds(3, 10)
	errs := e.parallel(writers, func(e *env, _ int) error {
		for done := 0; done < each; {
			v, err := e.one(1, false)
			if err != nil {
				return err
			}
			switch err := e.try(e.raised(v)); {
			case err == nil:
				done++
			case !lost(err):
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(t, err, "a writer met something else than a lost race")
	}
	v := e.get(e.note, 1)
	require.Equal(t, int64(1+writers*each), v[1])
	require.Equal(t, int64(writers*each), v[4])
}

func testInserters(t *testing.T, e *env) {
	each := e.rounds(5, 25)
	errs := e.parallel(writers, func(e *env, i int) error {
		for n := range each {
			k := i*each + n
			err := e.try(insert(e.note, row(e.note, "id", id(k))), insert(e.mark, row(e.mark, "note_id", id(k), "kind", "k", "n", n)))
			if err != nil {
				return err
			}
			if _, err := e.one(k, false); err != nil {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, writers*each, e.count(e.note, nil))
	require.Equal(t, writers*each, e.count(e.mark, nil))
}

func testSameKey(t *testing.T, e *env) {
	for n := range e.rounds(3, 20) {
		errs := e.parallel(8, func(e *env, i int) error {
			if n%2 == 0 {
				return e.try(insert(e.note, row(e.note, "id", id(n), "rank", i)))
			}
			return e.try(insert(e.note, row(e.note, "id", id(1000+8*n+i), "email", strconv.Itoa(n))))
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				require.True(t, lost(err), "%v", err)
			}
		}
		require.Equal(t, 1, won)
		require.Equal(t, n+1, e.count(e.note, nil))
	}
}

func testLock(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1)))
	const lockers = 8
	each := e.rounds(3, 10)
	errs := e.parallel(lockers, func(e *env, _ int) error {
		for range each {
			err := e.s.Atomic(e.ctx, func(s storage.Session) error {
				tx := e.on(s)
				v, err := tx.one(1, true)
				if err != nil {
					return err
				}
				// The row stays as it was read: no version can be lost.
				return tx.try(tx.raised(v))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(t, err, "who locks first need not try again")
	}
	require.Equal(t, int64(lockers*each), e.get(e.note, 1)[4])

	// A writer that does not lock waits, too.
	locked, release := make(chan struct{}), make(chan struct{})
	var written atomic.Bool
	errs = e.parallel(2, func(e *env, i int) error {
		if i == 1 {
			<-locked
			go func() { close(release) }()
			err := e.try(update(e.note, row(e.note, "id", id(1), "title", "late"), 1+lockers*each, "title"))
			written.Store(true)
			return err
		}
		return e.s.Atomic(e.ctx, func(s storage.Session) error {
			tx := e.on(s)
			v, err := tx.one(1, true)
			close(locked)
			if err != nil {
				return err
			}
			<-release
			if written.Load() {
				return errors.New("the row was changed while it was locked")
			}
			again, err := tx.one(1, true)
			if err == nil && differ(v[1], again[1]) != "" {
				return errors.New("the row is not as it was read")
			}
			return errors.Join(err, tx.try(tx.raised(v)))
		})
	})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], storage.ErrConflict, "after waiting it finds another version")
}

// testShare holds a row by Share while others would lock it or delete it: what they do
// comes after the transaction that holds it.
func testShare(t *testing.T, e *env) {
	for n, change := range []func(tx *env) error{
		func(tx *env) error {
			v, err := tx.one(1, true)
			if err != nil {
				return err
			}
			return tx.try(tx.raised(v))
		},
		func(tx *env) error { return tx.try(remove(tx.note, row(tx.note, "id", id(2)), 1)) },
	} {
		of := n + 1
		e.add(e.note, row(e.note, "id", id(of)))
		held, release := make(chan struct{}), make(chan struct{})
		var changed atomic.Bool
		errs := e.parallel(2, func(e *env, i int) error {
			if i == 1 {
				<-held
				go func() { close(release) }()
				err := e.s.Atomic(e.ctx, func(s storage.Session) error { return change(e.on(s)) })
				changed.Store(true)
				return err
			}
			return e.s.Atomic(e.ctx, func(s storage.Session) error {
				q := &storage.Query{Table: e.note, Where: eq("id", id(of)), Limit: 1, Share: true}
				rows, err := e.on(s).find(q)
				close(held)
				if err != nil || len(rows) == 0 {
					return errors.Join(err, ifNone(rows))
				}
				<-release
				for range e.rounds(20, 200) { // time in which the other would come through
					if rows, err = e.on(s).find(q); err != nil || len(rows) == 0 {
						return errors.Join(err, ifNone(rows))
					}
				}
				if changed.Load() || differ(rows[0][1], int64(1)) != "" {
					return errors.New("the row was changed while it was held")
				}
				return nil
			})
		})
		require.NoError(t, errors.Join(errs...))
	}
}

func testOneInstant(t *testing.T, e *env) {
	const notes, total = 20, 1000
	for n := range notes {
		e.add(e.note, row(e.note, "id", id(n), "rank", total/notes))
	}
	stop := make(chan struct{})
	var stopOnce sync.Once
	finish := func() { stopOnce.Do(func() { close(stop) }) }
	rounds := e.rounds(50, 300)
	errs := e.parallel(2, func(e *env, i int) error {
		if i == 0 { // moves ranks from one to another; their sum stays
			ranks := [notes]int{}
			versions := [notes]int{}
			for n := range notes {
				ranks[n], versions[n] = total/notes, 1
			}
			for n := 0; ; n++ {
				select {
				case <-stop:
					return nil
				default:
				}
				a, b := n%notes, (n*7+3)%notes
				if a == b {
					continue
				}
				ranks[a]--
				ranks[b]++
				err := e.try(update(e.note, row(e.note, "id", id(a), "rank", ranks[a]), versions[a], "rank"),
					update(e.note, row(e.note, "id", id(b), "rank", ranks[b]), versions[b], "rank"))
				if err != nil {
					finish()
					return err
				}
				versions[a]++
				versions[b]++
			}
		}
		defer finish()
		for range rounds {
			got, err := e.reckon(&storage.Aggregate{Table: e.note, Measure: []storage.Measure{of(storage.Sum, "rank")}})
			if err != nil {
				return err
			}
			if got[0][0] != int64(total) {
				return fmt.Errorf("an aggregate saw a sum of %v", got[0][0])
			}
			rows, err := e.find(&storage.Query{Table: e.note, Limit: notes})
			if err != nil {
				return err
			}
			sum := int64(0)
			for _, r := range rows {
				rank, _ := r[4].(int64)
				sum += rank
			}
			if sum != total {
				return fmt.Errorf("a read saw a sum of %d", sum)
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
}

func testUncommitted(t *testing.T, e *env) {
	e.add(e.note, row(e.note, "id", id(1), "title", "before"))
	look := func() (string, error) {
		ctx, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
		defer cancel()
		c := *e
		c.ctx = ctx
		v, err := c.one(1, false)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(v[2]), nil
	}
	require.ErrorIs(t, e.atomic(func(tx *env) error {
		tx.write(update(e.note, row(e.note, "id", id(1), "title", "uncommitted"), 1, "title"))
		title, err := look()
		if err != nil { // no connection, or a journal that keeps readers out
			require.True(t, e.Dialect == "sqlite" || e.single(), "a reader beside a writer: %v", err)
			require.True(t, cancelled(err) || errors.Is(err, storage.ErrBusy), "%v", err)
			return errHost
		}
		require.Equal(t, "before", title)
		return errHost
	}), errHost)
	require.Equal(t, "before", e.get(e.note, 1)[2])
}

func testClaimers(t *testing.T, e *env) {
	jobs := e.rounds(500, 5000)
	for tenant := range 5 {
		rows := []storage.Values{}
		for n := range jobs / 5 {
			rows = append(rows, e.job(n, at(-n)))
		}
		e.as(fmt.Sprint("tenant", tenant)).add(e.queue, rows...)
	}
	type taken struct {
		tenant string
		id     uuid.UUID
	}
	var mu sync.Mutex
	seen := map[taken]int{}
	errs := e.parallel(8, func(e *env, i int) error {
		c := e.ask(1, 7+i)
		c.After = fmt.Sprint("tenant", i%5)
		for {
			var got []claimed
			err := e.Store.Claim(e.ctx, &c, func(tenant string) storage.Row {
				got = append(got, claimed{tenant, make(storage.Values, len(e.queue.Columns))})
				return got[len(got)-1].row
			})
			if errors.Is(err, storage.ErrRetry) {
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			for _, g := range got {
				x, _ := g.row[0].(uuid.UUID)
				seen[taken{g.tenant, x}]++
			}
			all := len(seen) >= jobs
			mu.Unlock()
			if all {
				return nil
			}
		}
	})
	require.NoError(t, errors.Join(errs...))
	require.Len(t, seen, jobs)
	for k, n := range seen {
		require.Equal(t, 1, n, "%v was claimed by two", k)
	}
	for tenant := range 5 {
		require.Equal(t, jobs/5, e.as(fmt.Sprint("tenant", tenant)).count(e.queue, eq("version", int64(2))))
	}
}

func testOppositeOrder(t *testing.T, e *env) {
	const marks = 20
	e.add(e.note, row(e.note, "id", id(1)))
	up, down := []storage.Change{}, []storage.Change{}
	for n := range marks {
		e.add(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", n))
		up = append(up, update(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", n, "flag", true), 0, "flag"))
		down = append([]storage.Change{update(e.mark, row(e.mark, "note_id", id(1), "kind", "k", "n", n, "flag", false), 0, "flag")}, down...)
	}
	rounds := e.rounds(6, 12) // Postgres looks for a deadlock after a second, and most rounds make one
	errs := e.parallel(4, func(e *env, i int) error {
		for n := range rounds {
			var err error
			list := [][]storage.Change{up, down}[i%2]
			if n%2 == 0 {
				err = e.try(list...)
			} else { // one call a row: the locks are taken in the order of the calls
				err = e.s.Atomic(e.ctx, func(s storage.Session) error {
					for _, c := range list[:3] {
						if err := s.Write(e.ctx, e.tenant, []storage.Change{c}); err != nil {
							return err
						}
					}
					return s.Write(e.ctx, e.tenant, list[marks-3:])
				})
			}
			if err != nil && !errors.Is(err, storage.ErrRetry) {
				return err
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, marks, e.count(e.mark, not(storage.Absent{Field: storage.F("flag")})))
}

func testCancelledTransaction(t *testing.T, e *env) {
	random := rand.New(rand.NewPCG(3, 4))
	rounds := e.rounds(50, 300)
	batch := func(n int) []storage.Change {
		list := []storage.Change{}
		for i := range 50 {
			list = append(list, insert(e.note, row(e.note, "id", id(100*n+i), "rank", n)))
		}
		return list
	}
	began := time.Now()
	e.write(batch(0)...)
	typical := time.Since(began)
	done := map[int]bool{0: true}
	for n := 1; n <= rounds; n++ {
		ctx, cancel := context.WithCancel(e.ctx)
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(2*typical))), cancel)
		var err error
		if n%2 == 0 {
			err = e.Store.Write(ctx, e.tenant, batch(n))
		} else {
			err = e.Store.Atomic(ctx, func(s storage.Session) error {
				if err := s.Write(ctx, e.tenant, batch(n)[:25]); err != nil {
					return err
				}
				return s.Write(ctx, e.tenant, batch(n)[25:])
			})
		}
		timer.Stop()
		if ctx.Err() == nil {
			require.NoError(t, err)
		} else if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		cancel()
		done[n] = err == nil
	}
	for n := range rounds + 1 {
		want := 0
		if done[n] {
			want = 50
		}
		require.Equal(t, want, e.count(e.note, eq("rank", int64(n))), "round %d", n)
	}

	// While it waits for another: the lock is held until the waiter has given up.
	held, waited := make(chan struct{}), make(chan error, 1)
	go func() {
		<-held
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 50*time.Millisecond)
		defer cancel()
		waited <- e.Store.Write(ctx, e.tenant, []storage.Change{update(e.note, row(e.note, "id", id(1), "title", "waited"), 1, "title")})
	}()
	err := e.atomic(func(tx *env) error {
		err := tx.try(update(e.note, row(e.note, "id", id(1), "title", "held"), 1, "title"))
		close(held)
		select {
		case late := <-waited:
			require.True(t, errors.Is(late, context.DeadlineExceeded) || errors.Is(late, storage.ErrBusy), "%v", late)
		case <-time.After(patience):
			require.Fail(t, "a cancelled call did not return")
		}
		return err
	})
	require.NoError(t, err)
	require.Equal(t, "held", e.get(e.note, 1)[2])
}

func testReferenceRace(t *testing.T, e *env) {
	for n := range e.rounds(10, 50) {
		e.add(e.author, row(e.author, "id", id(n)))
		errs := e.parallel(2, func(e *env, i int) error {
			if i == 0 {
				return e.try(insert(e.note, row(e.note, "id", id(n), "author_id", id(n))))
			}
			return e.try(remove(e.author, row(e.author, "id", id(n)), 1))
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				require.True(t, lost(err), "%v", err)
			}
		}
		require.Equal(t, 1, won)
	}
	dangling := storage.And{not(storage.Absent{Field: storage.F("author_id")}), not(storage.Exists{Rel: storage.Rel{Table: e.author, Column: "id", Key: "author_id"}})}
	require.Equal(t, 0, e.count(e.note, dangling))
}

func testTwoStores(t *testing.T, e *env) {
	if e.Reopen == nil {
		t.Skip("this database has one Store")
	}
	other := *e
	other.Store = e.Reopen(t)
	other.s, other.tables = other.Store, newTables()
	e.add(e.note, row(e.note, "id", id(1)))
	stores := []*env{e, &other}
	each := e.rounds(5, 25)
	errs := e.parallel(4, func(c *env, i int) error {
		s := *stores[i%2]
		s.ctx = c.ctx
		for done := 0; done < each; {
			v, err := s.one(1, false)
			if err != nil {
				return err
			}
			switch err := s.try(s.raised(v)); {
			case err == nil:
				done++
			case !lost(err):
				return err
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, int64(4*each), other.get(other.note, 1)[4])
}

package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func claimTests() []testCase {
	return []testCase{
		{"rows whose due time is not after Now are taken", fresh, testClaimDue},
		{"rows of one bucket are taken", fresh, testClaimBucket},
		{"at most Limit rows are taken", fresh, testClaimLimit},
		{"of one tenant those longest due are taken first", fresh, testClaimOldest},
		{"tenants are served as evenly as their rows allow", fresh, testClaimEven},
		{"one tenant's many rows do not keep the others waiting", fresh, testClaimFair},
		{"a claim begins with the first tenant after After and goes round", fresh, testClaimRound},
		{"a row is delivered as it then is", fresh, testClaimDelivered},
		{"rows are claimed only if Claim returns nil", fresh, testClaimRefused},
		{"what a dead worker held comes back", fresh, testClaimLease},
		{"finishing is refused once another claim came between", fresh, testClaimFence},
		{"tenants with the same identifiers are kept apart", fresh, testClaimTenants},
		{"a claim may take as many rows as a page has", fresh, testClaimMost},
		{"Due lists the buckets that have due rows", fresh, testDue},
		{"Due takes nothing", fresh, testDueTakesNothing},
	}
}

// claimed is a row delivered by a claim.
type claimed struct {
	tenant string
	row    storage.Values
}

func (e *env) claim(c storage.Claim) []claimed {
	e.t.Helper()
	var list []claimed
	err := e.Store.Claim(e.ctx, &c, func(tenant string) storage.Row {
		list = append(list, claimed{tenant, make(storage.Values, len(e.queue.Columns))})
		return list[len(list)-1].row
	})
	require.NoError(e.t, err)
	return list
}

// ask is a claim of bucket 1 for a minute from the n-th second.
func (e *env) ask(n, limit int) storage.Claim {
	return storage.Claim{
		Queue: storage.Queue{Table: e.queue, Bucket: "bucket", Due: "due"}, Bucket: 1, Now: at(n), Until: at(n + 60), Limit: limit,
	}
}

func (e *env) job(n int, due any, set ...any) storage.Values {
	return change(e.queue, row(e.queue, "id", id(n), "bucket", 1, "due", due, "kind", "mail"), set...)
}

// served counts the rows of each tenant.
func served(list []claimed) map[string]int {
	m := map[string]int{}
	for _, c := range list {
		m[c.tenant]++
	}
	return m
}

func claimedNumbers(list []claimed) []int {
	ids := []uuid.UUID{}
	for _, c := range list {
		if x, ok := c.row[0].(uuid.UUID); ok {
			ids = append(ids, x)
		}
	}
	numbers := numbersOf(ids)
	slices.Sort(numbers)
	return numbers
}

func testClaimDue(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(-10)), e.job(2, at(0)), e.job(3, at(0).Add(time.Microsecond)), e.job(4, nil), e.job(5, times()[0]), e.job(6, at(100)))
	require.Equal(t, []int{1, 2, 5}, claimedNumbers(e.claim(e.ask(0, 100))))
	require.Empty(t, e.claim(e.ask(0, 100)), "what is taken is no longer due")
	require.Equal(t, []int{3}, claimedNumbers(e.claim(e.ask(1, 100))))
	far := e.ask(0, 100)
	far.Now, far.Until = times()[6], times()[7]
	require.Equal(t, []int{1, 2, 3, 5, 6}, claimedNumbers(e.claim(far)), "an absent due time is never")
}

func testClaimBucket(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(0)), e.job(2, at(0), "bucket", 2), e.job(3, at(0), "bucket", -1), e.job(4, at(0), "bucket", 0))
	for bucket, want := range map[int64]int{2: 2, -1: 3, 0: 4} {
		c := e.ask(1, 100)
		c.Bucket = bucket
		require.Equal(t, []int{want}, claimedNumbers(e.claim(c)))
	}
	require.Equal(t, []int{1}, claimedNumbers(e.claim(e.ask(1, 100))))
}

func testClaimLimit(t *testing.T, e *env) {
	for n := range 10 {
		e.as(fmt.Sprint("tenant", n%3)).add(e.queue, e.job(n, at(0)))
	}
	seen := []int{}
	for _, want := range []int{1, 4, 4, 1, 0} {
		limit := min(max(want, 1), 4)
		if want == 1 && len(seen) > 0 {
			limit = 4
		}
		got := e.claim(e.ask(1, limit))
		require.Len(t, got, want)
		seen = append(seen, claimedNumbers(got)...)
	}
	slices.Sort(seen)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, seen, "each is taken once")
}

func testClaimOldest(t *testing.T, e *env) {
	for n := range 20 {
		e.add(e.queue, e.job(n, at(-((n*7)%20))))
	}
	for age := 19; age >= 0; age -= 4 {
		want := []time.Time{at(-age), at(1 - age), at(2 - age), at(3 - age)}
		got := []int{}
		for _, n := range claimedNumbers(e.claim(e.ask(1, 4))) {
			got = append(got, (n*7)%20)
		}
		slices.Sort(got)
		require.Equal(t, []int{age - 3, age - 2, age - 1, age}, got, "those due since %s", want[0])
	}
}

func testClaimEven(t *testing.T, e *env) {
	for tenant, n := range map[string]int{"a": 5, "b": 2, "c": 9, "d": 1} {
		for i := range n {
			e.as(tenant).add(e.queue, e.job(i, at(-i)))
		}
	}
	got := served(e.claim(e.ask(1, 11)))
	require.Equal(t, map[string]int{"a": 4, "b": 2, "c": 4, "d": 1}, got)
	got = served(e.claim(e.ask(1, 100)))
	require.Equal(t, map[string]int{"a": 1, "c": 5}, got, "the rest")
}

func testClaimFair(t *testing.T, e *env) {
	rows := make([]storage.Values, 10_000)
	for n := range rows {
		rows[n] = e.job(n, at(-n))
	}
	e.as("m").add(e.queue, rows...)
	want := map[string]int{"m": 10}
	for n := range 10 {
		tenant := string(rune('h' + n)) // before and behind it
		if tenant == "m" {
			tenant = "z"
		}
		e.as(tenant).add(e.queue, e.job(n, at(0)))
		want[tenant] = 1
	}
	c := e.ask(1, 20)
	c.After = "m"
	require.Equal(t, want, served(e.claim(c)))
	require.Equal(t, map[string]int{"m": 20}, served(e.claim(e.ask(1, 20))))
}

func testClaimRound(t *testing.T, e *env) {
	tenants := []string{"B", "a", "b", "é"}
	for _, tenant := range tenants {
		for n := range 12 {
			e.as(tenant).add(e.queue, e.job(n, at(0)))
		}
	}
	for after, want := range map[string][]string{
		"": {"B", "a"}, "B": {"a", "b"}, "a": {"b", "é"}, "b": {"é", "B"}, "é": {"B", "a"}, "A": {"B", "a"}, "aa": {"b", "é"}, "zz": {"é", "B"}, "李": {"B", "a"},
	} {
		c := e.ask(1, 2)
		c.After = after
		got := served(e.claim(c))
		require.Equal(t, map[string]int{want[0]: 1, want[1]: 1}, got, "after %q", after)
	}
	c := e.ask(1, 5)
	c.After = "b"
	require.Equal(t, map[string]int{"é": 2, "B": 1, "a": 1, "b": 1}, served(e.claim(c)), "the one more goes to the first")
}

func testClaimDelivered(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(0), "data", raw(`{"to":"ada"}`), "version", 5), e.job(2, at(0)), e.job(3, at(100)))
	got := e.claim(e.ask(1, 100))
	require.Len(t, got, 2)
	rows := []storage.Values{}
	for _, c := range got {
		require.Equal(t, e.tenant, c.tenant)
		rows = append(rows, c.row)
	}
	slices.SortFunc(rows, func(a, b storage.Values) int { return storage.Compare(a[0], b[0]) })
	want := []storage.Values{e.job(1, at(61), "data", raw(`{"to":"ada"}`), "version", 6), e.job(2, at(61), "version", 2)}
	e.same(e.queue, want, rows)
	e.same(e.queue, append(want, e.job(3, at(100))), e.all(e.queue, nil))
}

func testClaimRefused(t *testing.T, e *env) {
	rows := []storage.Values{e.job(1, at(0)), e.job(2, at(0)), e.job(3, at(0))}
	e.add(e.queue, rows...)
	ctx, cancel := context.WithCancel(e.ctx)
	for name, row := range map[string]storage.Row{"no row": nil, "no room": scannerFails{}} {
		c, n := e.ask(1, 3), 0
		require.Error(t, e.Store.Claim(ctx, &c, func(string) storage.Row {
			if n++; n < 2 {
				return make(storage.Values, len(e.queue.Columns))
			}
			return row
		}), name)
		e.same(e.queue, rows, e.all(e.queue, nil))
	}
	c := e.ask(1, 3)
	err := e.Store.Claim(ctx, &c, func(string) storage.Row {
		cancel() // the worker is told to stop as it takes its work
		return make(storage.Values, len(e.queue.Columns))
	})
	version := int64(1)
	if err == nil {
		version = 2
	} else {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, 3, e.count(e.queue, eq("version", version)))
}

func testClaimLease(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(0)))
	require.Len(t, e.claim(e.ask(0, 1)), 1)
	require.Empty(t, e.claim(e.ask(59, 1)), "the lease runs")
	got := e.claim(e.ask(60, 1))
	require.Len(t, got, 1, "the lease has ended")
	require.Equal(t, int64(3), got[0].row[1])
}

func testClaimFence(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(0)), e.job(2, at(0)))
	late := e.claim(e.ask(0, 2))
	require.Len(t, e.claim(e.ask(60, 2)), 2)
	for _, c := range late {
		version, ok := c.row[1].(int64)
		require.True(t, ok)
		refused(t, e.try(remove(e.queue, c.row, int(version))), storage.ErrConflict)
		refused(t, e.try(update(e.queue, change(e.queue, c.row, "due", nil), int(version), "due")), storage.ErrConflict)
	}
	e.write(remove(e.queue, e.job(1, nil), 3), update(e.queue, e.job(2, nil), 3, "due"))
	e.same(e.queue, []storage.Values{e.job(2, nil, "version", 4)}, e.all(e.queue, nil))
	require.Empty(t, e.claim(e.ask(1000, 2)))
}

func testClaimTenants(t *testing.T, e *env) {
	for _, tenant := range []string{"a", "A", "a'b"} {
		e.as(tenant).add(e.queue, e.job(1, at(0), "kind", tenant), e.job(2, at(50), "kind", tenant))
	}
	e.as("b").add(e.queue, e.job(1, at(50), "kind", "b"))
	got := e.claim(e.ask(1, 100))
	require.Equal(t, map[string]int{"a": 1, "A": 1, "a'b": 1}, served(got))
	for _, c := range got {
		require.Equal(t, c.tenant, c.row[4], "the row is its tenant's")
	}
	e.as("b").same(e.queue, []storage.Values{e.job(1, at(50), "kind", "b")}, e.as("b").all(e.queue, nil))
}

func (e *env) due(n int) []int64 {
	e.t.Helper()
	c := e.ask(n, 1)
	buckets, err := e.Store.Due(e.ctx, c.Queue, c.Now)
	require.NoError(e.t, err)
	return buckets
}

func testDue(t *testing.T, e *env) {
	require.Empty(t, e.due(100))
	e.as("a").add(e.queue, e.job(1, at(10)), e.job(2, at(0), "bucket", 7), e.job(3, nil, "bucket", 8), e.job(4, at(50), "bucket", 9))
	e.as("b").add(e.queue, e.job(1, at(5)), e.job(2, at(50), "bucket", 7), e.job(3, nil, "bucket", 8), e.job(4, at(-1), "bucket", -3))
	for n := range 30 {
		e.as(fmt.Sprint("c", n)).add(e.queue, e.job(1, at(60), "bucket", 9), e.job(2, at(20), "bucket", 11))
	}
	require.Empty(t, e.due(-2))
	require.Equal(t, []int64{-3}, e.due(-1))
	require.Equal(t, []int64{-3, 7}, e.due(4))
	require.Equal(t, []int64{-3, 1, 7}, e.due(5))
	require.Equal(t, []int64{-3, 1, 7, 11}, e.due(20))
	require.Equal(t, []int64{-3, 1, 7, 9, 11}, e.due(1000), "an absent due time is never")
}

func testDueTakesNothing(t *testing.T, e *env) {
	e.add(e.queue, e.job(1, at(0)))
	require.Equal(t, []int64{1}, e.due(0))
	require.Equal(t, []int64{1}, e.due(0))
	e.same(e.queue, []storage.Values{e.job(1, at(0))}, e.all(e.queue, nil))
	require.Len(t, e.claim(e.ask(0, 1)), 1)
	require.Empty(t, e.due(0), "what is claimed is not due")
	require.Equal(t, []int64{1}, e.due(60), "but comes back")
}

func testClaimMost(t *testing.T, e *env) {
	rows := make([]storage.Values, storage.MaxPage)
	for n := range rows {
		rows[n] = e.job(n, at(-n))
	}
	e.add(e.queue, rows...)
	require.Len(t, claimedNumbers(e.claim(e.ask(1, storage.MaxPage))), storage.MaxPage)
	require.Equal(t, storage.MaxPage, e.count(e.queue, storage.And{eq("due", at(61)), eq("version", int64(2))}))
}

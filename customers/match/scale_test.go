package match_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/customers/match"
)

// TestScale finds the duplicates of EMBEDCRM_SCALE people, and says how long that takes
// and in how much memory:
//
//	EMBEDCRM_SCALE=1000000 go test -run TestScale -v -timeout 1h ./customers/match
func TestScale(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("EMBEDCRM_SCALE"))
	if err != nil {
		t.Skip("EMBEDCRM_SCALE is not set to a number of rows")
	}
	w := newWorld(1)
	w.surnames = append(w.surnames, w.madeUp(n/20, 3, 5)...)
	w.streets = append(w.streets, w.madeUp(n/50, 2, 4)...)
	w.places = append(w.places, w.madeUp(n/200, 3, 5)...)
	r, err := match.NewRecords(append(personFields(), match.Field{Name: "email", Kind: match.Email})...)
	require.NoError(t, err)
	var entity []int
	add := func(e int, row []string) {
		email := ""
		if len(row[0])*len(row[1])*len(row[8]) > 0 && e%3 > 0 {
			email = strings.ReplaceAll(row[0]+"."+row[1]+row[8][2:4]+"."+strconv.Itoa(e%997), " ", "") + "@example.com"
		}
		_, err := r.Add(append(row, email)...)
		require.NoError(t, err)
		entity = append(entity, e)
	}
	for e := 0; len(entity) < n; e++ {
		row := w.person()
		add(e, row)
		if e%10 == 0 {
			add(e, w.spoil(row, 3, w.person))
		}
	}
	began := processor(t)
	said := int64(-1)
	o := match.Options{Workers: runtime.GOMAXPROCS(0), Progress: func(done, total int64) {
		if tenth := 10 * done / total; tenth != said {
			said = tenth
			t.Logf("%d of %d steps, %v of processor time, %d MiB", done, total, processor(t), peak(t))
		}
	}}
	m, err := match.Learn(t.Context(), r, o)
	require.NoError(t, err)
	learned := processor(t)
	clusters, err := match.Find(t.Context(), r, m, o)
	require.NoError(t, err)
	var right, found int
	for _, c := range clusters {
		for _, p := range c.Pairs() {
			found++
			if entity[p[0]] == entity[p[1]] {
				right++
			}
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("%d rows: learning %v, finding %v of processor time; at most %d MiB, of which the heap had %d MiB from the system; precision %.4f, %d of about %d pairs",
		len(entity), learned-began, processor(t)-learned, peak(t), mem.HeapSys>>20, float64(right)/float64(max(found, 1)), right, n/11)
}

// processor is the processor time this process has taken.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// peak is the most memory this process has had, in MiB.
func peak(t *testing.T) int64 {
	t.Helper()
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return use.Maxrss >> 10
}

package customers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// mostMemory is what a scan of a million customers may have of the machine, with its database.
const mostMemory = 1 << 30

// TestScanScale makes EMBEDCRM_SCALE people, one in eleven of them a spoiled copy of another,
// in a database. Another process scans them, says how long that took, and fails if it took
// more memory than mostMemory:
//
//	EMBEDCRM_SCALE=1000000 go test -run TestScanScale/sqlite -v -timeout 3h ./customers
func TestScanScale(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("EMBEDCRM_SCALE"))
	if err != nil {
		t.Skip("EMBEDCRM_SCALE is not set to a number of customers")
	}
	for _, engine := range []string{"sqlite", "postgres"} { // one after the other
		t.Run(engine, func(t *testing.T) {
			db := enginetest.NewShared(t, engine)
			began := processor(t)
			openDesk(t, db).populate(crm.System(t.Context(), "acme"), t, n)
			t.Logf("%d customers were made in %v of processor time", n, processor(t)-began)
			scanner := db.Command(t.Context(), t, "TestScanScaleProcess")
			scanner.Args = append(scanner.Args, "-test.v", "-test.timeout=0")
			scanner.Stdout, scanner.Stderr = os.Stdout, os.Stderr
			require.NoError(t, scanner.Run())
		})
	}
}

// TestScanScaleProcess is no test but the process that TestScanScale measures.
func TestScanScaleProcess(t *testing.T) {
	db, _ := enginetest.Orders(t)
	d := openDesk(t, db)
	ctx := crm.System(t.Context(), "acme")
	began := time.Now()
	var said int64
	scan, err := d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{Workers: runtime.GOMAXPROCS(0), Progress: func(done, total int64) error {
		if total > 0 && done*10/total > said {
			said = done * 10 / total
			t.Logf("%d of %d steps: %v, of processor time %v, at most %d MiB", done, total, time.Since(began), processor(t), peak(t)>>20)
		}
		return nil
	}})
	require.NoError(t, err)
	took, used, most := time.Since(began), processor(t), peak(t)
	var right, found int
	for s, err := range d.Duplicates.Sets(ctx, customers.Person, 0) {
		require.NoError(t, err)
		page, err := d.List(ctx, crm.Where("id in $1", s.Customers), crm.Limit(crm.MaxPage))
		require.NoError(t, err)
		for i, a := range page.Items {
			for _, b := range page.Items[:i] {
				if found++; a.Source == b.Source {
					right++
				}
			}
		}
		if found > 10_000 { // each set reads its customers: the surest ones are enough
			break
		}
	}
	t.Logf("%d customers: scanned in %v, of processor time %v, with at most %d MiB; %d sets of about %d; of the first %d pairs %.4f are right",
		scan.Customers, took, used, most>>20, scan.Sets, scan.Customers/11, found, float64(right)/float64(max(found, 1)))
	require.Less(t, most, int64(mostMemory))
}

// peak is the most memory this process has had, in bytes; 0 where the system doesn't say.
func peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// processor is the processor time this process has taken.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// populate makes n people. Who is whom is said by their Source.
func (d *desk) populate(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 7)) // made up
	word := func(least, most int) string {
		var b strings.Builder
		for range least + random.IntN(most-least+1) {
			b.WriteString(syllable(random.IntN(1 << 20)))
		}
		return b.String()
	}
	given, family := make([]string, 500), make([]string, n/20+100)
	for i := range given {
		given[i] = word(2, 3)
	}
	for i := range family {
		family[i] = word(3, 5)
	}
	often := func(list []string) string { return list[int(float64(len(list))*random.Float64()*random.Float64())] }
	var list []customers.Customer
	made := 0
	flush := func() {
		_, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		made += len(list)
		list = list[:0]
	}
	for e := 0; made+len(list) < n; e++ {
		c := customers.Customer{
			Kind: customers.Person, Name: often(given) + " " + often(family), Country: "DE", Region: []string{"North", "South", "East", "West"}[random.IntN(4)],
			Source: strconv.Itoa(e), Birthday: crm.Date{Year: 1930 + random.IntN(75), Month: time.Month(1 + random.IntN(12)), Day: 1 + random.IntN(28)},
		}
		if random.IntN(3) > 0 {
			c.Email = fmt.Sprintf("%s%d@example.com", strings.ReplaceAll(c.Name, " ", "."), e)
		}
		if random.IntN(2) > 0 {
			c.Phone = fmt.Sprintf("+4930%07d", random.IntN(10_000_000))
		}
		list = append(list, c)
		if e%10 == 0 {
			at := 1 + random.IntN(len(c.Name)-1)
			c.Name = c.Name[:at] + c.Name[at-1:at] + c.Name[at:]
			switch random.IntN(3) {
			case 0:
				c.Email = ""
			case 1:
				c.Phone = ""
			}
			list = append(list, c)
		}
		if len(list) > 2000 {
			flush()
		}
	}
	flush()
}

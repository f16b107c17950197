package customers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// TestScanScale makes EMBEDCRM_SCALE people, one in eleven of them a spoiled copy of another,
// in a database, scans them and says how long that took and in how much memory:
//
//	EMBEDCRM_SCALE=1000000 go test -run TestScanScale -v -timeout 2h ./customers
func TestScanScale(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("EMBEDCRM_SCALE"))
	if err != nil {
		t.Skip("EMBEDCRM_SCALE is not set to a number of customers")
	}
	d := openDesk(t, "sqlite", filepath.Join(t.TempDir(), "crm.db"))
	ctx := crm.System(t.Context(), "acme")
	entity := d.populate(ctx, t, n)
	t.Logf("%d customers were made in %v of processor time", n, processor(t))
	runtime.GC()
	began := processor(t)
	var said int64
	scan, err := d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{Workers: runtime.GOMAXPROCS(0), Progress: func(done, total int64) error {
		if total > 0 && done*10/total > said {
			said = done * 10 / total
			t.Logf("%d of %d steps, %v of processor time", done, total, processor(t)-began)
		}
		return nil
	}})
	require.NoError(t, err)
	took := processor(t) - began
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	var right, found int
	for s, err := range d.Duplicates.Sets(ctx, customers.Person, 0) {
		require.NoError(t, err)
		for i, a := range s.Customers {
			for _, b := range s.Customers[:i] {
				if found++; entity[a] == entity[b] {
					right++
				}
			}
		}
		if found > 10_000 { // each set reads its customers: the surest ones are enough
			break
		}
	}
	t.Logf("%d customers: scanned in %v of processor time, with at most %d MiB of the process; %d sets of about %d; of the first %d pairs %.4f are right",
		scan.Customers, took, use.Maxrss>>10, scan.Sets, n/11, found, float64(right)/float64(max(found, 1)))
}

// processor is the processor time this process has taken.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// populate makes n people, and says who is whom.
func (d *desk) populate(ctx context.Context, t *testing.T, n int) map[crm.ID]int32 {
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
	entity := make(map[crm.ID]int32, n)
	var list []customers.Customer
	var of []int32
	flush := func() {
		made, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		for i := range made {
			entity[made[i].ID] = of[i]
		}
		list, of = list[:0], of[:0]
	}
	for e := int32(0); len(entity)+len(list) < n; e++ {
		c := customers.Customer{
			Kind: customers.Person, Name: often(given) + " " + often(family), Country: "DE", Region: []string{"North", "South", "East", "West"}[random.IntN(4)],
			Birthday: crm.Date{Year: 1930 + random.IntN(75), Month: time.Month(1 + random.IntN(12)), Day: 1 + random.IntN(28)},
		}
		if random.IntN(3) > 0 {
			c.Email = fmt.Sprintf("%s%d@example.com", strings.ReplaceAll(c.Name, " ", "."), e)
		}
		if random.IntN(2) > 0 {
			c.Phone = fmt.Sprintf("+4930%07d", random.IntN(10_000_000))
		}
		list, of = append(list, c), append(of, e)
		if e%10 == 0 {
			at := 1 + random.IntN(len(c.Name)-1)
			c.Name = c.Name[:at] + c.Name[at-1:at] + c.Name[at:]
			switch random.IntN(3) {
			case 0:
				c.Email = ""
			case 1:
				c.Phone = ""
			}
			list, of = append(list, c), append(of, e)
		}
		if len(list) > 2000 {
			flush()
		}
	}
	flush()
	return entity
}

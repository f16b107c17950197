package transfer_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// BenchmarkImport brings companies in from text, and BenchmarkCreateAll writes the same
// ones in bulk from memory: an import is to take at most twice as long.
func BenchmarkImport(b *testing.B) {
	s := benched(b)
	var text strings.Builder
	text.WriteString("ID,Name,Email,Country,Tags,Employees\n")
	for i := range b.N {
		fmt.Fprintf(&text, "%d,Company %d,info%d@example.com,Germany,\"vip, t%d\",%d\n", i, i, i, i%7, i%500)
	}
	src, err := transfer.ReadCSV(strings.NewReader(text.String()), transfer.CSVOptions{})
	require.NoError(b, err)
	b.ResetTimer()
	p, rows, err := s.transfer.Plan(as(b), src, transfer.Plan{Object: "company"})
	require.NoError(b, err)
	report, err := s.transfer.Import(as(b), rows, p, transfer.Options{})
	require.NoError(b, err)
	require.EqualValues(b, b.N, report.Created)
}

func BenchmarkCreateAll(b *testing.B) {
	s := benched(b)
	for i := 0; i < b.N; i += 1000 {
		list := make([]company, 0, 1000)
		for n := i; n < min(i+1000, b.N); n++ {
			list = append(list, company{
				Record: crm.Record{Refs: crm.Refs{"import": strconv.Itoa(n)}}, Name: fmt.Sprintf("Company %d", n), Email: fmt.Sprintf("info%d@example.com", n),
				Country: "DE", Tags: []string{"vip", fmt.Sprintf("t%d", n%7)}, Employees: new(int64(n % 500)),
			})
		}
		_, err := s.companies.CreateAll(as(b), list)
		require.NoError(b, err)
	}
}

func benched(b *testing.B) *shop {
	b.Helper()
	store, err := sqlite.Open("sqlite", b.TempDir()+"/crm.db")
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	return newShop(b, store)
}

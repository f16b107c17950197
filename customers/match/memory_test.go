package match_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/customers/match"
)

// What a search keeps in memory of a record is a few hundred bytes, whatever it has in
// common with how many others: a million of them are found in less than a GiB.
func TestMemoryOfARecord(t *testing.T) { //nolint:paralleltest // it looks at the heap of the process
	const n, most = 20_000, 350
	w := newWorld(1)
	fields := personFields()
	before := heap()
	r, err := match.NewRecords(fields...)
	require.NoError(t, err)
	for range n {
		_, err := r.Add(w.person()...)
		require.NoError(t, err)
	}
	m, err := match.Usual(.0001, fields...)
	require.NoError(t, err)
	s, err := match.NewSearch(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	each := (heap() - before) / n
	t.Logf("%d bytes", each)
	require.Less(t, each, int64(most))
	runtime.KeepAlive(s)
}

// heap is what is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

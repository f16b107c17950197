package transfer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAHistoryInAnyOrderIsReadByRecord sorts histories that do not fit into memory.
func TestAHistoryInAnyOrderIsReadByRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &formerSorter{limit: rapid.IntRange(1, 4000).Draw(t, "limit")}
		want := map[string][]formerRow{}
		n := rapid.IntRange(0, 400).Draw(t, "rows")
		for i := range n {
			r := formerRow{
				key: fmt.Sprintf("k%d", rapid.IntRange(0, 60).Draw(t, "key")), at: rapid.Int64Range(-5, 5).Draw(t, "at"), column: i % 7,
				old: rapid.StringN(0, 20, -1).Draw(t, "old"), new: strconv.Itoa(i), by: "dana",
			}
			want[r.key] = append(want[r.key], r)
			if err := s.add(r); err != nil {
				t.Fatal(err)
			}
		}
		f, err := s.sorted()
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		for i := range 62 {
			key := fmt.Sprintf("k%d", i)
			slices.SortStableFunc(want[key], compareFormer)
			got, err := f.of(key)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[key]) {
				t.Fatalf("%s: %v and not %v", key, got, want[key])
			}
		}
	})
}

func TestSortingLeavesNoFilesBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := &formerSorter{limit: 1000}
	for i := range 20_000 {
		require.NoError(t, s.add(formerRow{key: fmt.Sprintf("%05d", i*7919%20_000), at: int64(i), new: "x"}))
	}
	f, err := s.sorted()
	require.NoError(t, err)
	require.Greater(t, len(f.index), 50)
	require.Less(t, len(f.index), 1000, "not every record has a place")
	for _, key := range []string{"00000", "12345", "19999"} {
		rows, err := f.of(key)
		require.NoError(t, err)
		require.Len(t, rows, 1, key)
	}
	none, err := f.of("")
	require.NoError(t, err)
	require.Empty(t, none)
	f.close()
	left, err := filepath.Glob(filepath.Join(dir, "embedcrm-history-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

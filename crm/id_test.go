package crm

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIDText(t *testing.T) {
	t.Parallel()
	const text = "0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d"
	id, err := ParseID(strings.ToUpper(text))
	require.NoError(t, err)
	require.Equal(t, text, id.String())
	require.Equal(t, ID(uuid.MustParse(text)), id)

	type holder struct {
		ID    ID `json:"id"`
		Owner ID `json:"owner,omitzero"`
	}
	b, err := json.Marshal(holder{ID: id})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+text+`"}`, string(b))
	b, err = json.Marshal(holder{Owner: id})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"","owner":"`+text+`"}`, string(b))
	h := holder{ID: id}
	require.NoError(t, json.Unmarshal([]byte(`{"id":"","owner":"`+text+`"}`), &h))
	require.Equal(t, holder{Owner: id}, h)
	require.True(t, h.ID.IsZero())

	for _, wrong := range []string{
		"", " ", text + " ", text[1:], "urn:uuid:" + text, "{" + text + "}", strings.ReplaceAll(text, "-", ""),
		strings.Replace(text, "0", "g", 1), strings.Replace(text, "-", "0", 1), uuid.Nil.String(), strings.Repeat("é", 18),
	} {
		_, err := ParseID(wrong)
		require.ErrorIs(t, err, ErrInvalid, wrong)
		if wrong != "" {
			got := id
			require.ErrorIs(t, got.UnmarshalText([]byte(wrong)), ErrInvalid, wrong)
			require.Equal(t, id, got, "what can't be read changes nothing")
		}
	}
}

func TestIDCompare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) ID { return ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")) })
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if !a.IsZero() && !b.IsZero() {
			require.Equal(t, strings.Compare(a.String(), b.String()), a.Compare(b))
		}
		var back ID
		text, err := a.MarshalText()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, a, back)
	})
}

func TestIDsAscendWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var g ids
		var last ID
		var latest int64
		for _, step := range rapid.SliceOfN(rapid.Int64Range(-5_000, 5_000), 1, 50).Draw(t, "milliseconds") {
			latest += step
			for range rapid.SampledFrom([]int{1, 2, 100, 5_000}).Draw(t, "ids") {
				id := g.next(time.UnixMilli(1_700_000_000_000 + latest))
				if u := uuid.UUID(id); u.Version() != 7 || u.Variant() != uuid.RFC4122 || id.Compare(last) <= 0 {
					t.Fatalf("%s follows %s", id, last)
				}
				last = id
			}
		}
	})
}

func TestIDsTellTheTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		now  time.Time
		want int64
	}{
		{time.Date(2026, 1, 31, 12, 0, 0, 123_999_999, time.UTC), time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC).UnixMilli() + 123},
		{time.Unix(0, 0), 0},
		{time.Time{}, 0},
		{time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		{time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), lastMilli},
		{time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), lastMilli},
	} {
		var g ids
		first := g.next(c.now)
		require.Equal(t, c.want, milliOf(first))
		// A millisecond has room for half the counter at least, and then borrows.
		last := first
		for range 2_047 {
			last = g.next(c.now)
		}
		require.Equal(t, c.want, milliOf(last))
		for range 2_049 {
			last = g.next(c.now)
		}
		require.Equal(t, c.want+1, milliOf(last))
	}
}

func milliOf(id ID) int64 {
	var n int64
	for _, b := range id[:6] {
		n = n<<8 | int64(b)
	}
	return n
}

func TestIDsAreUniqueOverGoroutines(t *testing.T) {
	t.Parallel()
	var g ids
	made := make([][]ID, 8)
	var wg sync.WaitGroup
	for n := range made {
		wg.Go(func() {
			for i := range 5_000 {
				made[n] = append(made[n], g.next(time.UnixMilli(int64(i/100))))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(made...)
	for _, own := range made {
		require.True(t, slices.IsSortedFunc(own, ID.Compare))
	}
	slices.SortFunc(all, ID.Compare)
	require.Len(t, slices.Compact(all), 40_000)
}

func TestIDsOfTwoProcessesDiffer(t *testing.T) {
	t.Parallel()
	var a, b ids
	seen := map[ID]bool{}
	tails := map[[8]byte]bool{}
	for range 10_000 {
		for _, g := range []*ids{&a, &b} {
			id := g.next(time.UnixMilli(1))
			seen[id] = true
			tails[[8]byte(id[8:])] = true
		}
	}
	require.Len(t, seen, 20_000)
	require.Len(t, tails, 20_000, "the random bits are given out once")
}

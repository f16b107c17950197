package enginetest_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestVictim is no test but the process that the tests below start: it adds rows until it
// is killed, or as many as it was told.
func TestVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	require.Len(t, words, 2)
	pool := db.Pool(t)
	for n := 0; words[1] == "endless" || strconv.Itoa(n) != words[1]; n++ {
		_, err := pool.DB.ExecContext(t.Context(), "INSERT INTO victim (n) VALUES ("+words[0]+")")
		require.NoError(t, err)
		fmt.Println("added", n)
	}
}

// count is how many rows there are.
func count(t *testing.T, e enginetest.Engine) (n int) {
	t.Helper()
	require.NoError(t, e.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM victim WHERE n = 7").Scan(&n))
	return n
}

func onVictims(t *testing.T, fn func(t *testing.T, db enginetest.Shared, e enginetest.Engine)) {
	t.Helper()
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		require.NoError(t, db.Open(t).Ping(t.Context()))
		e := db.Pool(t)
		require.Equal(t, db.Name, e.Name)
		require.NoError(t, e.Store.Ping(t.Context()))
		_, err := e.DB.ExecContext(t.Context(), "CREATE TABLE victim (n INTEGER)")
		require.NoError(t, err)
		fn(t, db, e)
	})
}

func TestAVictimIsKilled(t *testing.T) {
	onVictims(t, func(t *testing.T, db enginetest.Shared, e enginetest.Engine) {
		v := db.Start(t, "TestVictim", 7, "endless")
		added := 0
		for line := range v.Lines() {
			require.Equal(t, fmt.Sprint("added ", added), line)
			if added++; added == 3 {
				v.Kill(time.Millisecond)
			}
		}
		v.Killed()
		require.GreaterOrEqual(t, added, 3)
		require.Contains(t, []int{added, added + 1}, count(t, e), "it said what it had done")
	})
}

func TestAVictimIsKilledWhenThereIsEnough(t *testing.T) {
	onVictims(t, func(t *testing.T, db enginetest.Shared, e enginetest.Engine) {
		v := db.Start(t, "TestVictim", 7, "endless")
		v.KillWhen(func() bool { return count(t, e) >= 3 })
		require.GreaterOrEqual(t, count(t, e), 3)
		v = db.Start(t, "TestVictim", 7, 2)
		v.KillWhen(func() bool { return false })
		said := strings.Join(collect(v), "\n")
		require.Empty(t, said, "it has ended")
	})
}

func collect(v *enginetest.Victim) (lines []string) {
	for line := range v.Lines() {
		lines = append(lines, line)
	}
	return lines
}

func TestAVictimEnds(t *testing.T) {
	onVictims(t, func(t *testing.T, db enginetest.Shared, e enginetest.Engine) {
		v := db.Start(t, "TestVictim", 7, 2)
		require.Subset(t, collect(v), []string{"added 0", "added 1", "PASS"})
		v.Ended()
		require.Equal(t, 2, count(t, e))
	})
}

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUpper compares with the tables of the sign test.
func TestUpper(t *testing.T) {
	for n, want := range map[int]int{6: 6, 15: 12, 20: 15, 25: 18, 50: 33, 100: 61} {
		require.Equal(t, want, upper(n), "%d values", n)
	}
}

// TestRuns runs every operation but those in bulk, which look at what they get, on few rows and hardly more than once: in
// one round with -short, and else in three.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			rounds := 3
			if testing.Short() {
				rounds = 1
			}
			c := config{rows: 5000, rounds: rounds, slice: time.Microsecond, engine: "all", layer: "all", run: regexp.MustCompile("^([^bct]|cl|co|crm [^b])")}
			var out strings.Builder
			err := c.on(t.Context(), engine, func(format string, args ...any) { fmt.Fprintf(&out, format, args...) })
			if errors.Is(err, errAbsent) {
				t.Skip(err)
			}
			require.NoError(t, err)
			const layers, purchases, newcomers, consents, pools = 3, 2, 2, 2, 1
			lines := len(operations) - 1 + len(crmOperations(&crmWorld{})) - 1 + purchases + len(segmentCounts()) + newcomers + consents + pools
			require.Equal(t, 2*layers+lines, strings.Count(out.String(), "\n"), out.String())
		})
	}
}

package privacy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageShowsTheCode holds the code of requests, the log and alarms in docs/privacy.md to the example of the whole
// CRM, but for white space.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/privacy.md")
	require.NoError(t, err)
	source, err := os.ReadFile("../../example_privacy_test.go")
	require.NoError(t, err)
	shown := 0
	for _, block := range strings.Split(string(page), "```go\n")[1:] {
		code, _, _ := strings.Cut(block, "```")
		if strings.Contains(code, "app.Privacy") {
			shown++
			for part := range strings.SplitSeq(code, "\n\n") {
				require.Contains(t, strings.Join(strings.Fields(string(source)), " "), strings.Join(strings.Fields(part), " "))
			}
		}
	}
	require.Equal(t, 3, shown)
}

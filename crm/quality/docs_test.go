package quality_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageShowsTheCode holds the code in docs/quality.md to the examples, but for white
// space.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/quality.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```go\n")
	require.Len(t, blocks, 6)
	for _, block := range blocks[1:] {
		code, _, _ := strings.Cut(block, "```")
		require.Contains(t, strings.Join(strings.Fields(string(source)), " "), strings.Join(strings.Fields(code), " "))
	}
}

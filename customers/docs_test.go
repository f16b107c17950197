package customers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageShowsTheCode holds the code in docs/customers.md to be what is in the examples of this
// package, but for white space.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/customers.md")
	require.NoError(t, err)
	names, err := filepath.Glob("example_*test.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		source.WriteString(strings.Join(strings.Fields(string(content)), " ") + "\n")
	}
	blocks := strings.Split(string(page), "```")
	require.Greater(t, len(blocks), 6)
	for i := 1; i < len(blocks); i += 2 {
		_, code, _ := strings.Cut(blocks[i], "\n")
		for part := range strings.SplitSeq(code, "\n\n") {
			require.Contains(t, source.String(), strings.Join(strings.Fields(part), " "))
		}
	}
}

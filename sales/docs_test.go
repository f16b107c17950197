package sales_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageShowsTheCode holds the code in docs/adding-a-kind.md to be what is in
// this package, but for white space.
func TestThePageShowsTheCode(t *testing.T) {
	page, err := os.ReadFile("../docs/adding-a-kind.md")
	require.NoError(t, err)
	var source strings.Builder
	for _, pattern := range []string{"*.go", "migrations/sqlite/*.sql"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			source.WriteString(plain(string(content)) + "\n")
		}
	}
	blocks := strings.Split(string(page), "```")
	require.Len(t, blocks, 7, "three blocks of code")
	for i := 1; i < len(blocks); i += 2 {
		_, code, _ := strings.Cut(blocks[i], "\n")
		for part := range strings.SplitSeq(code, "\n\n") {
			require.Contains(t, source.String(), plain(part))
		}
	}
}

func plain(code string) string { return strings.Join(strings.Fields(code), " ") }

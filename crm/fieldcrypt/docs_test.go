package fieldcrypt_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageShowsTheCode holds the code in docs/protection.md to what is in the tests of this package, but for white
// space.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/protection.md")
	require.NoError(t, err)
	var source strings.Builder
	for _, name := range []string{"example_test.go", "fixtures_test.go"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		source.WriteString(strings.Join(strings.Fields(string(content)), " "))
	}
	blocks := strings.Split(string(page), "```")
	require.Len(t, blocks, 3)
	_, code, _ := strings.Cut(blocks[1], "\n")
	for part := range strings.SplitSeq(code, "\n\n") {
		require.Contains(t, source.String(), strings.Join(strings.Fields(part), " "))
	}
}

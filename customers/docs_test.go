package customers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageOnPurchasesShowsTheCode holds two blocks of docs/purchases.md to the examples.
func TestThePageOnPurchasesShowsTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/purchases.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_purchase_test.go")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```")
	require.Len(t, blocks, 9, "a sketch, two blocks of the examples, and expressions")
	for _, block := range []string{blocks[3], blocks[5]} {
		_, code, _ := strings.Cut(block, "\n")
		require.Contains(t, strings.Join(strings.Fields(string(source)), " "), strings.Join(strings.Fields(code), " "))
	}
}

// TestThePagesShowTheCode holds the code in docs/customers.md and docs/consent.md to be what is in the
// examples of this package, but for white space.
func TestThePagesShowTheCode(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("example_*test.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		source.WriteString(strings.Join(strings.Fields(string(content)), " ") + "\n")
	}
	for _, name := range []string{"../docs/customers.md", "../docs/consent.md"} {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks := strings.Split(string(page), "```")
		require.Greater(t, len(blocks), 6)
		for i := 1; i < len(blocks); i += 2 {
			_, code, _ := strings.Cut(blocks[i], "\n")
			for part := range strings.SplitSeq(code, "\n\n") {
				require.Contains(t, source.String(), strings.Join(strings.Fields(part), " "))
			}
		}
	}
}

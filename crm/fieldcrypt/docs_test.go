package fieldcrypt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pagetest"
)

// TestThePageShowsTheCode holds the code in docs/protection.md to what is in the tests of this
// package.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.Blocks(t, "../../docs/protection.md", "")
	require.Len(t, blocks, 1)
	pagetest.Shown(t, pagetest.Paragraphs(blocks), "example_test.go", "fixtures_test.go")
}

package quality_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pagetest"
)

// TestThePageShowsTheCode holds the code in docs/quality.md to the examples.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.Blocks(t, "../../docs/quality.md", "go")
	require.Len(t, blocks, 5)
	pagetest.Shown(t, blocks, "example_test.go")
}

package sales_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pagetest"
)

// TestThePageShowsTheCode holds the code in docs/adding-a-kind.md to be what is in this
// package.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.Blocks(t, "../docs/adding-a-kind.md", "")
	require.Len(t, blocks, 3)
	pagetest.Shown(t, pagetest.Paragraphs(blocks), "*.go", "migrations/sqlite/*.sql")
}

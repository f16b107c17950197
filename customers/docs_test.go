package customers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pagetest"
)

// TestThePagesShowTheCode holds the code of customers in docs to the examples of this package.
func TestThePagesShowTheCode(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"customers", "consent"} {
		blocks := pagetest.Blocks(t, "../docs/"+name+".md", "")
		require.GreaterOrEqual(t, len(blocks), 3)
		pagetest.Shown(t, pagetest.Paragraphs(blocks), "example_*test.go")
	}
}

// TestThePageOnPurchasesShowsTheCode holds two blocks of docs/purchases.md to the examples.
func TestThePageOnPurchasesShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.Blocks(t, "../docs/purchases.md", "")
	require.Len(t, blocks, 4, "a sketch, two blocks of the examples, and expressions")
	pagetest.Shown(t, blocks[1:3], "example_purchase_test.go")
}

// TestThePageOnDuplicatesShowsTheCode holds the blocks of docs/duplicates.md about customers
// to the examples.
func TestThePageOnDuplicatesShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.With(pagetest.Blocks(t, "../docs/duplicates.md", ""), "app.Customers")
	require.Len(t, blocks, 4)
	pagetest.Shown(t, blocks, "example_duplicate_test.go")
}

// TestThePageOnHealthShowsTheCode holds the code of docs/health.md to the examples.
func TestThePageOnHealthShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.Blocks(t, "../docs/health.md", "go")
	require.Len(t, blocks, 3)
	pagetest.Shown(t, blocks, "example_health_test.go")
}

package privacy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pagetest"
)

// TestThePageShowsTheCode holds the code of requests, the log and alarms in docs/privacy.md to
// the example of the whole CRM.
func TestThePageShowsTheCode(t *testing.T) {
	t.Parallel()
	blocks := pagetest.With(pagetest.Blocks(t, "../../docs/privacy.md", "go"), "app.Privacy")
	require.Len(t, blocks, 3)
	pagetest.Shown(t, pagetest.Paragraphs(blocks), "../../example_privacy_test.go")
}

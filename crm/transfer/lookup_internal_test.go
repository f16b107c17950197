package transfer

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// TestReferencesThatAreForgottenAreLookedForAgain has an import remember more than it keeps.
func TestReferencesThatAreForgottenAreLookedForAgain(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	core, err := crm.New(store, crm.Config{})
	require.NoError(t, err)
	transfers, err := New(core)
	require.NoError(t, err)
	require.NoError(t, core.Migrate(t.Context()))
	ctx := crm.System(t.Context(), "acme")
	p := Plan{Object: "import_part", Columns: []Column{{Heading: "Import", Field: "import_id"}}, Mode: Create, System: "erp"}
	im, err := transfers.Imports.Create(ctx, Import{Record: crm.Record{Refs: crm.Refs{"erp": "1"}}, ObjectName: "import_part", State: Running, Digest: "x"})
	require.NoError(t, err)
	r, err := transfers.runner(ctx, noRows{"Import"}, p, Options{})
	require.NoError(t, err)
	want := link{field: "import_id", text: "1"}
	for range 2 {
		row := &asked{values: crm.Values{}, links: []link{want}}
		require.NoError(t, r.lookups.locate(ctx, []*asked{row}))
		require.Equal(t, im.ID, r.lookups.known[want].id)
		for n := range maxKnown + 1 {
			r.lookups.known[link{field: "import_id", text: fmt.Sprint("other ", n)}] = hit{}
		}
	}
}

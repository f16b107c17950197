package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// TestImportsLeaveTheSame has a file imported, and its customers written in bulk: what is compared in time must be the same
// work.
func TestImportsLeaveTheSame(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, err := openCRM(t.Context(), engine, 10*tenants*pageSize)
			if errors.Is(err, errAbsent) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer w.close()
			const many = 30
			list := w.buyers(bulk, many)
			keys := map[crm.ID]string{}
			for i, id := range w.owners[bulk] {
				keys[id] = ownerKey(i)
			}
			text, err := csvOf(list, keys)
			require.NoError(t, err)
			var left [2]map[string]buyer
			for i, by := range []writer{w.imported, func(ctx context.Context, list []buyer, _ []byte) (int, error) {
				kept, err := w.base.createAll(ctx, bulk, list)
				return len(kept), err
			}} {
				require.NoError(t, w.clear(t.Context()))
				made, err := by(t.Context(), list, text)
				require.NoError(t, err)
				require.Equal(t, many, made)
				left[i] = map[string]buyer{}
				for b, err := range w.core.customers.All(as(t.Context(), bulk, clerk)) {
					require.NoError(t, err)
					left[i][b.Email] = forgotten(b)
				}
			}
			require.Equal(t, left[0], left[1])
		})
	}
}

package crm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// restless is a store of which something is done before each read outside a transaction.
type restless struct {
	storage.Store

	before *func(table string)
}

func (r restless) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	if f := *r.before; f != nil {
		f(q.Table.Name)
	}
	return r.Store.Read(ctx, tenant, q, next)
}

// TestARecordIsFoundWhileItIsMergedAndMergesAreUndone has a record absorbed whenever it is
// read, and back whenever it is asked where it was absorbed.
func TestARecordIsFoundWhileItIsMergedAndMergesAreUndone(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		var before func(table string)
		reads := &shop{}
		reads.Core = crmtest.On(t, restless{e.Store, &before}, crm.Config{}, reads.define)
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		survivor, absorbed := s.company(t, ctx, "Survivor"), s.company(t, ctx, "Absorbed")
		var merged crm.ID
		moves := 0
		before = func(table string) {
			wanted := table == "company"
			if moves == 12 || wanted != merged.IsZero() {
				return
			}
			moves++
			if wanted {
				_, m, err := s.companies.Merge(ctx, survivor.ID, []crm.ID{absorbed.ID}, crm.MergeRules{})
				require.NoError(t, err)
				merged = m.ID
				return
			}
			_, err := s.companies.Unmerge(ctx, merged)
			require.NoError(t, err)
			merged = crm.ID{}
		}
		got, err := reads.companies.Get(ctx, absorbed.ID)
		require.NoError(t, err)
		require.Equal(t, absorbed.ID, got.ID)
		require.Equal(t, 12, moves)
		before = nil
		s.whole(t)
	})
}

package crm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestAnalyze(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.company(t, ctx, "One")
		require.NoError(t, s.Analyze(ctx))
		require.NoError(t, s.Analyze(ctx, "company", "deal"))
		err := s.Analyze(ctx, "compny")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, `"compny"`)
		require.NoError(t, s.Tx(ctx, func(ctx context.Context) error {
			require.ErrorIs(t, s.Analyze(ctx), crm.ErrInvalid, "in a transaction it would wait for itself")
			return nil
		}))
		s.whole(t)
	})
}

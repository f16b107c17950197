package crm_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// What a field of JSON cannot keep is refused, and not left out.
func TestWhatHasNoJSONFormIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		given := map[string]any{"left": "alone"}
		d, err := s.deals.Create(ctx, deal{Name: "Engine", Notes: given})
		require.NoError(t, err)
		for says, v := range map[string]any{
			"notes: has no JSON form: json: unsupported value: NaN": math.NaN(),
			"notes: has no JSON form: json: unsupported type":       make(chan int),
			"notes: cannot be read from its JSON form: json":        json.Number("1e999"),
		} {
			notes := map[string]any{"v": v}
			_, err := s.deals.Create(ctx, deal{Name: "Engine", Notes: notes})
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
			_, err = s.deals.CreateAll(ctx, []deal{{Name: "Engine", Notes: notes}})
			require.ErrorIs(t, err, crm.ErrInvalid)
			_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Notes = notes; return nil })
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
			require.Len(t, notes, 1, "the caller's own is left alone")
		}
		got, err := s.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, given, got.Notes)
		n, err := s.deals.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

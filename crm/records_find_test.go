package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

// TestFindFindsAllOfAName though there are more than one read of the storage brings.
func TestFindFindsAllOfAName(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		const most = 1000
		want := 0
		for want <= storage.MaxPage {
			list := make([]company, most)
			for i := range list {
				list[i].Name = []string{"Straße", "STRASSE"}[i%2]
			}
			_, err := s.companies.CreateAll(ctx, list)
			require.NoError(t, err)
			want += most
		}
		last := s.company(t, ctx, "Zebra")
		companies, err := s.Records("company")
		require.NoError(t, err)
		found, err := companies.Find(ctx, "name", []string{"strasse", " zebra "})
		require.NoError(t, err)
		require.Len(t, found["strasse"], want)
		require.Len(t, found[" zebra "], 1)
		require.Equal(t, last.ID, found[" zebra "][0])
	})
}

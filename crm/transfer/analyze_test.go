package transfer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestALargeImportHasTheDatabaseLookAtItsTables: what follows on Postgres is planned by what
// it brought, and not by what was there before. SQLite's statements are written for a
// database that has no figures, and it gets none.
func TestALargeImportHasTheDatabaseLookAtItsTables(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store)
		ask := "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sqlite_stat%'"
		if e.Name == "postgres" {
			ask = "SELECT reltuples FROM pg_class WHERE oid = 'crm.company'::regclass"
			_, err := e.DB.ExecContext(t.Context(), "ALTER TABLE crm.company SET (autovacuum_enabled = false)")
			require.NoError(t, err)
		}
		known := func() (rows float64) {
			require.NoError(t, e.DB.QueryRowContext(t.Context(), ask).Scan(&rows))
			return rows
		}
		bring := func(from, to int) {
			var b strings.Builder
			b.WriteString("name\n")
			for i := from; i < to; i++ {
				fmt.Fprintf(&b, "Company %d\n", i)
			}
			report, _ := s.bring(t, b.String(), transfer.Plan{Object: "company"})
			require.EqualValues(t, to-from, report.Created)
		}
		bring(0, 1000)
		require.LessOrEqual(t, known(), float64(0), "a small one costs nothing more")
		bring(1000, 12_000)
		if e.Name == "postgres" {
			require.InDelta(t, 11_000, known(), 1000)
		} else {
			require.Zero(t, known())
		}
	})
}

package privacy_test

import (
	"fmt"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of Postgres
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver of SQLite

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// BenchmarkLogged compares reads that are logged with those that are not.
func BenchmarkLogged(b *testing.B) {
	for engine, open := range map[string]func(b *testing.B) (storage.Store, error){
		"sqlite": func(b *testing.B) (storage.Store, error) {
			b.Helper()
			return sqlite.Open("sqlite", filepath.Join(b.TempDir(), "crm.db"))
		},
		"postgres": func(b *testing.B) (storage.Store, error) {
			b.Helper()
			return postgres.Open(pgtest.Server(b, pgtest.UTF8).Database(b))
		},
	} {
		store := need(open(b))(b)
		w := openWard(b, store)
		ctx := as(b, "dana")
		ids := make([]crm.ID, 200)
		for i := range ids {
			ids[i] = w.patient(b, fmt.Sprint("patient ", i), "").ID
		}
		for _, logged := range []string{"off", "on", "off", "on"} {
			w.policy = privacy.Policy{}
			if logged == "on" {
				w.policy.Log = []string{"patient"}
			}
			b.Run(engine+"/get/"+logged, func(b *testing.B) {
				for i := range b.N {
					_, err := w.patients.Get(ctx, ids[i%len(ids)])
					require.NoError(b, err)
				}
			})
			b.Run(engine+"/list50/"+logged, func(b *testing.B) {
				for range b.N {
					page, err := w.patients.List(ctx, crm.Limit(50))
					require.NoError(b, err)
					require.Len(b, page.Items, 50)
				}
			})
		}
		require.NoError(b, store.Close())
	}
}

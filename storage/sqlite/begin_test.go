package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

func TestHowAPoolBeginsIsFound(t *testing.T) {
	t.Parallel()
	immediate := DSN(filepath.Join(t.TempDir(), "a.db"))
	rollback := strings.ReplaceAll(immediate, "WAL", "DELETE")
	for dsn, want := range map[string]bool{
		immediate: true,
		strings.Replace(immediate, "_txlock=immediate", "_txlock=deferred", 1): false,
		rollback + "&_txlock=exclusive":                                        true,
		strings.Replace(rollback, "_txlock=immediate", "", 1):                  false,
		":memory:": false,
	} {
		db, err := sql.Open("sqlite", dsn)
		require.NoError(t, err)
		db.SetMaxOpenConns(1)
		require.Equal(t, want, beginsImmediate(t.Context(), db), dsn)
		require.NoError(t, db.PingContext(t.Context()), "the connection is free again")
		require.NoError(t, db.Close())
	}
}

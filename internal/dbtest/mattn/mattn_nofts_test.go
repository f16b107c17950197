//go:build cgo && !sqlite_fts5 && !fts5

package mattn_test

import (
	"os"
	"testing"
)

func TestSQLite(t *testing.T) {
	const how = "github.com/mattn/go-sqlite3 searches words only with FTS5: go test -tags sqlite_fts5"
	if os.Getenv("CI") != "" {
		t.Fatal(how)
	}
	t.Skip(how)
}

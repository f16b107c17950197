//go:build !cgo

package mattn_test

import (
	"os"
	"testing"
)

func TestSQLite(t *testing.T) {
	const how = "github.com/mattn/go-sqlite3 is C: set CGO_ENABLED=1 and install a C compiler"
	if os.Getenv("CI") != "" {
		t.Fatal(how)
	}
	t.Skip(how)
}

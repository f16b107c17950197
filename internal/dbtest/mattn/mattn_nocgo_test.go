//go:build !cgo

package mattn_test

import "testing"

func TestSQLite(t *testing.T) {
	t.Skip("github.com/mattn/go-sqlite3 is C: set CGO_ENABLED=1 and install a C compiler")
}

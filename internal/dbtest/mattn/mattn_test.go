//go:build cgo && (sqlite_fts5 || fts5)

package mattn_test

import (
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/embedcrm/embedcrm/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestSQLite(t *testing.T) {
	dbtest.Run(t,
		dbtest.SQLiteFile("sqlite3"),
		dbtest.SQLiteOneConnection("sqlite3"),
		dbtest.SQLiteOpen("sqlite3"),
	)
}

func TestSQLiteProcesses(t *testing.T) { dbtest.SQLiteProcesses(t, "sqlite3") }

func TestSQLiteSnapshot(t *testing.T) { dbtest.SQLiteSnapshot(t, "sqlite3") }

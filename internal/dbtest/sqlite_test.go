package dbtest

import (
	"testing"

	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) { Main(m) }

// TestSQLite leaves out what the adapter's own test runs on: a pool as sqlite.DSN makes it.
func TestSQLite(t *testing.T) {
	Run(t,
		SQLiteOneConnection("sqlite"),
		SQLiteJournal("sqlite"),
		SQLitePlain("sqlite"),
		SQLiteOpen("sqlite"),
		SQLiteJoined("sqlite"),
	)
}

func TestSQLiteProcesses(t *testing.T) { SQLiteProcesses(t, "sqlite") }

func TestSQLiteSnapshot(t *testing.T) { SQLiteSnapshot(t, "sqlite") }

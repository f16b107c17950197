package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// last runs the command, and returns the JSON of its last line.
func last(t *testing.T, args ...string) (map[string]any, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var said map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &said))
	return said, err
}

func TestImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, file, failed := filepath.Join(dir, "crm.db"), filepath.Join(dir, "a.csv"), filepath.Join(dir, "failed.csv")
	require.NoError(t, os.WriteFile(file, []byte("Record ID,First Name,Last Name,Email,Country/Region\n1,Ada,Lovelace,ada@example.com,UK\n2,,,,\n3,李,雷,lilei@example.com,中国\n"), 0o600))
	dry, err := last(t, "-db", db, "-dry-run", file)
	require.NoError(t, err)
	require.EqualValues(t, 2, dry["created"])
	require.NotContains(t, dry, "id")
	said, err := last(t, "-db", db, "-object", "customer", "-errors", failed, file)
	require.NoError(t, err)
	require.EqualValues(t, 3, said["rows"])
	require.EqualValues(t, 2, said["created"])
	require.EqualValues(t, 1, said["failed"])
	rows, err := os.ReadFile(failed)
	require.NoError(t, err)
	require.Contains(t, string(rows), "2,,,,,3,name: is required")
	again, err := last(t, "-db", db, file)
	require.NoError(t, err)
	require.EqualValues(t, 2, again["skipped"])
	undone, err := last(t, "-db", db, "-revert", said["id"].(string)) //nolint:errcheck // a text
	require.NoError(t, err)
	require.EqualValues(t, 2, undone["removed"])
	wrong, err := last(t, "-db", db, "-map", "Nom=name", file)
	require.Error(t, err)
	require.Contains(t, wrong["error"], `there is no heading "Nom"`)
}

// TestOtherPeoplesFiles imports each file there is, or has it refused with a reason.
func TestOtherPeoplesFiles(t *testing.T) {
	t.Parallel()
	data := os.Getenv("EMBEDCRM_TEST_DATA")
	var files []string
	for _, pattern := range []string{"csv_samples/*.csv", "csv_samples/*/*.csv", "csv_samples/*/*/*.csv", "vcard/*.vcf", "northwind/customers.csv", "chinook/Customer.csv"} {
		found, _ := filepath.Glob(filepath.Join(data, pattern))
		files = append(files, found...)
	}
	if data == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with csv_samples")
	}
	require.NotEmpty(t, files)
	db := filepath.Join(t.TempDir(), "crm.db")
	for _, file := range files {
		said, err := last(t, "-db", db, "-tenant", strings.ReplaceAll(filepath.Base(file), ".", "-"), file)
		if err != nil {
			require.Contains(t, said["error"], "is understood as a field of customer", file)
			continue
		}
		require.EqualValues(t, said["rows"], said["created"].(float64)+said["updated"].(float64)+said["skipped"].(float64)+said["failed"].(float64), file) //nolint:errcheck,testifylint // whole numbers
		require.NotZero(t, said["rows"], file)
		require.LessOrEqual(t, said["failed"], 1.0, file)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// last is what the last line says.
func last(t *testing.T, out string) (precision, recall, f1 float64, pairs int) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	m := regexp.MustCompile(`^precision (\d\.\d{4}) recall (\d\.\d{4}) f1 (\d\.\d{4}) pairs (\d+)$`).FindStringSubmatch(lines[len(lines)-1])
	require.NotNil(t, m, out)
	for i, into := range []*float64{&precision, &recall, &f1} {
		*into, _ = strconv.ParseFloat(m[i+1], 64)
	}
	pairs, err := strconv.Atoi(m[4])
	require.NoError(t, err)
	return precision, recall, f1, pairs
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rows.csv")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

const people = `rec_id; Vorname; First Name; Last Name; Date of Birth; E-mail; Land
rec-0-org;x; Ada; Lovelace; 1815-12-10; ada@example.com; UK
rec-0-dup-0;x; Lovelace; Ada; 1815-10-12; ada@example.com; UK
rec-1-org;x; Charles; Babbage; 1791-12-26; cb@example.com; UK
rec-1-dup-0;x; Charles; Babage; 1791-12-26; ; UK
rec-2-org;x; Grace; Hopper; 1906-12-09; grace@example.com; US
rec-3-org;x; Alan; Turing; 1912-06-23; alan@example.com; UK
`

func TestAnyHeadingsAndDelimiter(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), options{in: write(t, people), truth: "REC_ID", threshold: .5, explain: 2}, &out))
	precision, recall, f1, pairs := last(t, out.String())
	require.Equal(t, []float64{1, 1, 1}, []float64{precision, recall, f1}, out.String())
	require.Equal(t, 2, pairs)
	require.Contains(t, out.String(), "6 rows, compared by\n")
	require.Contains(t, out.String(), "day and month exchanged")
	require.NotContains(t, out.String(), "Vorname", "it is always the same")
	require.NotContains(t, out.String(), "rec_id", "the truth is not compared")
}

func TestTheTruthByAPattern(t *testing.T) {
	file := write(t, strings.NewReplacer("-org", "/a", "-dup-0", "/b").Replace(people))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), options{in: file, truth: "rec_id", pattern: `^(.*)/`, threshold: .5}, &out))
	_, recall, _, _ := last(t, out.String()) //nolint:dogsled // of the four figures
	require.InDelta(t, 1., recall, 0)

	require.ErrorContains(t, run(t.Context(), options{in: file, truth: "entity", threshold: .5}, &out), `there is no column "entity"`)
	require.ErrorContains(t, run(t.Context(), options{in: file, truth: "rec_id", pattern: "x", threshold: .5}, &out), "has no group")
	require.Error(t, run(t.Context(), options{in: filepath.Join(t.TempDir(), "none"), threshold: .5}, &out))
	out.Reset()
	require.NoError(t, run(t.Context(), options{in: file, threshold: .5}, &out))
	require.NotContains(t, out.String(), "precision", "without a truth there is nothing to measure")
}

// TestRealFiles finds the duplicates of labelled files, in the directory EMBEDCRM_TEST_DATA
// or one of that name below it, febrl/dataset1.csv for one.
func TestRealFiles(t *testing.T) {
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	if dir == "" {
		t.Skip("EMBEDCRM_TEST_DATA is not set to a directory of labelled files")
	}
	for _, c := range []struct {
		file, truth           string
		precision, recall, f1 float64
	}{
		{"febrl/dataset1.csv", "rec_id", .99, .96, .97},
		{"restaurants/dedupe_restaurant-nophone-training.csv", "unique_id", 0, 0, .88},
	} {
		t.Run(c.file, func(t *testing.T) {
			name := filepath.Join(dir, filepath.FromSlash(c.file))
			var out bytes.Buffer
			require.NoError(t, run(t.Context(), options{in: name, truth: c.truth, threshold: .5}, &out))
			precision, recall, f1, _ := last(t, out.String())
			require.GreaterOrEqual(t, precision, c.precision, out.String())
			require.GreaterOrEqual(t, recall, c.recall, out.String())
			require.GreaterOrEqual(t, f1, c.f1, out.String())
		})
	}
}

package phone_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/phone"
)

func TestOneNumberHasOneForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ number, region, want string }{
		{"030 901820", "DE", "+4930901820"},
		{"+49 (30) 90 18 20", "", "+4930901820"},
		{"0049-30-901820", "DE", "+4930901820"},
		{"１３８０１３８００００", "CN", "+8613801380000"},
		{"400 820 8820", "CN", "+864008208820"},
		{"(202) 456-1111", "US", "+12024561111"},
	} {
		got, err := phone.Normal(c.number, c.region)
		require.NoError(t, err, c.number)
		require.Equal(t, c.want, got, c.number)
		again, err := phone.Normal(got, "")
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, c := range []struct{ number, region, says string }{
		{"030 901820", "", "country's code"},
		{"call me", "DE", "no phone number"},
		{"", "DE", "no phone number"},
		{"+49 1", "", "no phone number"},
		{"+1 202 456 1111 ext. 5", "", "extension"},
		{"+1 000 000 0000", "", "numbering plan"},
		{strings.Repeat("1", 100_000), "DE", "no phone number"},
	} {
		_, err := phone.Normal(c.number, c.region)
		require.ErrorIs(t, err, crm.ErrInvalid, c.number)
		require.ErrorContains(t, err, c.says)
	}
}

// TestNumbersOfTheWorld holds the forms to those of another port of libphonenumber, in the
// directory EMBEDCRM_TEST_DATA names. Its numbering plans are some years older.
func TestNumbersOfTheWorld(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	content, err := os.ReadFile(filepath.Join(dir, "phones", "phone_cases.csv"))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with phones/phone_cases.csv")
	}
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	var valid, other int
	for _, row := range rows[1:] {
		input, region, e164, kind := row[0], row[1], row[3], row[7]
		if row[8] != "true" || kind != "FIXED_LINE" && kind != "MOBILE" {
			continue
		}
		valid++
		if got, err := phone.Normal(input, region); err != nil || got != e164 {
			other++
			t.Logf("%q in %s: %s, and was %s (%v)", input, region, got, e164, err)
		}
	}
	require.Positive(t, valid)
	require.LessOrEqual(t, other*100, valid*2, "of %d numbers at most 2 in 100 may have moved in the plans since", valid)
}

package heading_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// field is a Meaning in the words of the layouts in EMBEDCRM_TEST_DATA, which name
// the fields of a contact alone, and each once.
func field(m heading.Meaning) string {
	if m.Of != "" && m.Of != "person" && m.Role != heading.Organisation {
		return ""
	}
	switch m.Role {
	case heading.Email:
		switch {
		case m.Place != "" && m.Place != "main":
			return ""
		case m.Number < 2:
			return "email"
		case m.Number == 2:
			return "email_2"
		}
		return ""
	case heading.Phone:
		switch {
		case m.Number > 1:
			return ""
		case m.Place == "home", m.Place == "work":
			if m.Of == "organisation" {
				return ""
			}
			return m.Place + "_phone"
		case m.Place != "":
			return ""
		}
	}
	names := map[heading.Role]string{
		heading.FullName: "full_name", heading.GivenName: "first_name", heading.FamilyName: "last_name", heading.MiddleName: "middle_name",
		heading.NamePrefix: "name_prefix", heading.Birthday: "birthday", heading.Notes: "notes", heading.Tags: "tags",
		heading.Email: "email", heading.Phone: "phone", heading.Mobile: "mobile", heading.Organisation: "company", heading.JobTitle: "job_title",
		heading.ExternalID: "external_id", heading.Consent: "email_consent", heading.Spent: "lifetime_value", heading.Orders: "order_count",
		heading.Created: "created_at", heading.Status: "lead_status", heading.Owner: "owner",
	}
	return names[m.Role]
}

func TestLayoutsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	f, err := os.Open(filepath.Join(dir, "csv_samples", "crm_export_headers.csv"))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with csv_samples")
	}
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // it was only read
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	layouts, expected := map[string][]string{}, map[string][]string{}
	var order []string
	for _, r := range rows[1:] {
		if layouts[r[0]] == nil {
			order = append(order, r[0])
		}
		layouts[r[0]] = append(layouts[r[0]], r[2])
		expected[r[0]] = append(expected[r[0]], r[3])
	}
	right, all := 0, 0
	for _, name := range order {
		for i, m := range heading.Guess(layouts[name]) {
			want, got := expected[name][i], field(m)
			if want == "" {
				continue
			}
			all++
			if want == got {
				right++
			} else {
				t.Logf("%s: %q is %s, and was taken for %q (%+v)", name, layouts[name][i], want, got, m)
			}
		}
	}
	require.GreaterOrEqual(t, right*100, all*95, "%d of %d", right, all)
}

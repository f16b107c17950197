package transfer_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestWhatIsExportedImportsToTheSameRecords writes records of any values out, and brings
// them into another tenant: there they are the same.
func TestWhatIsExportedImportsToTheSameRecords(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store)
		for _, tenant := range []string{"from", "to"} {
			for name, typ := range map[string]crm.FieldType{"tier": crm.FieldText, "ratio": crm.FieldDecimal, "seen": crm.FieldTime} {
				_, err := s.Fields.Create(crm.System(t.Context(), tenant), crm.CustomField{Object: "deal", Name: name, Type: typ, Scale: map[string]int64{"ratio": 3}[name]})
				require.NoError(t, err)
			}
		}
		run := 0
		rapid.Check(t, func(r *rapid.T) {
			run++
			from, to := crm.System(t.Context(), "from"), crm.System(t.Context(), "to")
			text := rapid.StringOfN(rapid.RuneFrom([]rune("aé李🙂=+-@'\",;|\t\n\r 01.")), 0, 12, -1)
			mother, err := s.companies.Create(from, company{Name: fmt.Sprintf("Mother %d", run), Tags: rapid.SliceOfN(rapid.SampledFrom([]string{"vip", "a,b", "=x", "[y", "c;d", "-"}), 0, 3).Draw(r, "tags")})
			require.NoError(t, err)
			want, err := s.deals.Create(from, deal{
				Name: "x" + text.Draw(r, "name"), CompanyID: mother.ID, Amount: crm.Money{Minor: rapid.Int64Range(-1_000_000, 1_000_000).Draw(r, "amount"), Currency: rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(r, "currency")},
				CloseOn: crm.DateOf(time.Date(2024, 1, rapid.IntRange(1, 300).Draw(r, "day"), 0, 0, 0, 0, time.UTC)), Score: rapid.Int64().Draw(r, "score"),
				Closed: time.UnixMicro(rapid.Int64Range(0, 1_700_000_000_000_000).Draw(r, "closed")), Stage: rapid.SampledFrom([]string{"new", "offer", "lost"}).Draw(r, "stage"),
				Notes:  map[string]any{"note": text.Draw(r, "note")},
				Record: crm.Record{Custom: crm.Custom{"tier": text.Draw(r, "tier"), "ratio": fmt.Sprintf("1.%03d", rapid.IntRange(0, 999).Draw(r, "ratio")), "seen": "2024-03-04T05:06:07.000008Z"}, Refs: crm.Refs{"shop": fmt.Sprintf("=%d'%d", run, run)}},
			})
			require.NoError(t, err)
			for _, object := range []string{"company", "deal"} {
				id := map[string]crm.ID{"company": mother.ID, "deal": want.ID}[object]
				var b bytes.Buffer
				sink, err := transfer.WriteCSV(&b, 0)
				require.NoError(t, err)
				_, err = s.transfer.Export(from, object, nil, sink, crm.Where("id == $1", id))
				require.NoError(t, err)
				requireHarmless(t, b.String())
				src, err := transfer.ReadCSV(&b, transfer.CSVOptions{})
				require.NoError(t, err)
				p, rows, err := s.transfer.Plan(to, src, transfer.Plan{Object: object})
				require.NoError(t, err)
				report, err := s.transfer.Import(to, rows, p, transfer.Options{})
				require.NoError(t, err)
				require.EqualValues(t, 1, report.Created, "%+v", report)
			}
			got, err := s.deals.Get(to, want.ID)
			require.NoError(t, err)
			want, err = s.deals.Get(from, want.ID)
			require.NoError(t, err)
			want.Updated = got.Updated
			require.Equal(t, want, got)
			sister, err := s.companies.Get(to, mother.ID)
			require.NoError(t, err)
			mother, err = s.companies.Get(from, mother.ID)
			require.NoError(t, err)
			require.Equal(t, mother.Tags, sister.Tags)
		})
	})
}

// requireHarmless holds that no cell is a formula.
func requireHarmless(t *testing.T, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF"))).ReadAll()
	require.NoError(t, err)
	for _, cell := range rows[1] {
		if cell != "" && strings.IndexByte("=+@\t\r", cell[0]) >= 0 || strings.HasPrefix(cell, "-") && strings.Trim(cell, "-0123456789. EURJPYKWD") != "" {
			t.Errorf("the cell %q is a formula to a spreadsheet", cell)
		}
	}
}

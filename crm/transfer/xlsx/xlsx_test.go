package xlsx_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/crm/transfer/xlsx"
)

// sheet is a spreadsheet with these cells.
func sheet(t *testing.T, cells map[string]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	for at, v := range cells {
		if formula, ok := v.(string); ok && strings.HasPrefix(formula, "=") {
			require.NoError(t, f.SetCellFormula("Sheet1", at, formula))
			continue
		}
		require.NoError(t, f.SetCellValue("Sheet1", at, v))
	}
	var b bytes.Buffer
	require.NoError(t, f.Write(&b))
	return b.Bytes()
}

func rows(t *testing.T, b []byte) (s *xlsx.Sheet, list []transfer.Row) {
	t.Helper()
	s, err := xlsx.Read(bytes.NewReader(b), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			return s, list
		}
		require.NoError(t, err)
		list = append(list, r)
	}
}

func TestASheetIsASource(t *testing.T) {
	t.Parallel()
	s, list := rows(t, sheet(t, map[string]any{
		"A2": "Name", "B2": "Born", "C2": "Amount", "A3": "Ada", "B3": time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC), "C3": 1234.5,
		"A4": "李雷", "B4": time.Date(2024, 3, 31, 12, 0, 0, 0, time.UTC), "A6": "X", "D6": "too many", "A7": "Y", "C7": "#REF!",
	}))
	require.Equal(t, []string{"Name", "Born", "Amount"}, s.Headings())
	require.Len(t, list, 4, "blank rows are passed over")
	require.Equal(t, []string{"李雷", "45382.5", ""}, list[1].Cells)
	require.Equal(t, "1234.5", list[0].Cells[2])
	require.Equal(t, 6, list[2].Line)
	require.Equal(t, "has 4 cells, and there are 3 headings", list[2].Fault)
	require.Equal(t, "column 3: the formula has no value but #REF!", list[3].Fault)
}

func TestWhatIsNoSpreadsheetIsRefused(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	require.NoError(t, err)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, err := w.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	for why, b := range map[string][]byte{
		"is no spreadsheet (xlsx)":           []byte("a,b\n1,2\n"),
		"unpacks to more than a spreadsheet": bomb.Bytes(),
		`the sheet "Sheet1" is empty`:        sheet(t, nil),
		"is no spreadsheet that can be read": emptyZip(t),
	} {
		_, err := xlsx.Read(bytes.NewReader(b), "")
		require.ErrorIs(t, err, crm.ErrInvalid, why)
		require.ErrorContains(t, err, why)
	}
	_, err = xlsx.Read(bytes.NewReader(sheet(t, map[string]any{"A1": "Name"})), "Other")
	require.ErrorContains(t, err, `there is no sheet "Other": there are Sheet1`)
}

func emptyZip(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("readme.txt")
	require.NoError(t, err)
	_, err = w.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := xlsx.Write(&b)
	require.NoError(t, err)
	require.NoError(t, w.Write([]string{"name", "note"}))
	require.NoError(t, w.Write([]string{"=1+1", "a\nb"}))
	require.NoError(t, w.Close())
	s, list := rows(t, b.Bytes())
	require.Equal(t, []string{"name", "note"}, s.Headings())
	require.Equal(t, []string{"=1+1", "a\nb"}, list[0].Cells, "text, and no formula")

	w, err = xlsx.Write(io.Discard)
	require.NoError(t, err)
	require.ErrorIs(t, w.Write([]string{strings.Repeat("x", 40_000)}), crm.ErrInvalid)
}

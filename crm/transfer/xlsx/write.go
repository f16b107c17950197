package xlsx

import (
	"errors"
	"io"

	"github.com/xuri/excelize/v2"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// Writer writes a spreadsheet of one sheet. All cells are text, so that none is taken for
// a formula.
type Writer struct {
	to   io.Writer
	file *excelize.File
	rows *excelize.StreamWriter
	row  int
}

var _ transfer.Sink = (*Writer)(nil)

// Write returns a sink that writes a spreadsheet when it is closed. Rows wait in a
// temporary file.
func Write(w io.Writer) (*Writer, error) {
	f := excelize.NewFile()
	rows, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Writer{to: w, file: f, rows: rows}, nil
}

// Write writes a row. More than 1,048,576 rows, and a cell of more than 32,767
// characters, are [crm.ErrInvalid]: a spreadsheet holds no more.
func (w *Writer) Write(cells []string) error {
	if w.row == excelize.TotalRows {
		return crm.Invalid("rows", "a spreadsheet has %d rows at most: write CSV", excelize.TotalRows)
	}
	w.row++
	values := make([]any, len(cells))
	for i, c := range cells {
		if len([]rune(c)) > excelize.TotalCellChars {
			return crm.Invalid("cell", "row %d, column %d: a cell of a spreadsheet has %d characters at most: write CSV", w.row, i+1, excelize.TotalCellChars)
		}
		values[i] = c
	}
	at, err := excelize.CoordinatesToCellName(1, w.row)
	if err != nil {
		return err
	}
	return w.rows.SetRow(at, values)
}

// Close writes the spreadsheet. The writer below stays open.
func (w *Writer) Close() error {
	err := w.rows.Flush()
	if err == nil {
		err = w.file.Write(w.to)
	}
	return errors.Join(err, w.file.Close())
}

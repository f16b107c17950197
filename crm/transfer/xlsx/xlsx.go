// Package xlsx reads and writes spreadsheets (Office Open XML) as sources of imports and
// targets of exports. It is a package of its own since it brings a library most programs
// should not compile.
package xlsx

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// Limits of a spreadsheet. What is beyond them is refused.
const (
	// MaxFile is how many bytes a file has at most.
	MaxFile = 128 << 20
	// MaxUnpacked is how many bytes there are in it at most, unpacked.
	MaxUnpacked = 1 << 30
	// maxParts is how many files are packed into one at most.
	maxParts = 10_000
	// maxRatio is how much smaller packing makes a large spreadsheet at most: text shrinks
	// to a tenth or a fiftieth, and what is made to fill a disk to a thousandth.
	maxRatio = 300
	// inMemory is how much of one part is unpacked in memory; what is more goes through a
	// temporary file.
	inMemory = 16 << 20
)

// Sheet is a sheet of a spreadsheet, read from the front.
type Sheet struct {
	file     *excelize.File
	rows     *excelize.Rows
	headings []string
	row      int
	epoch    transfer.DateOrder
}

var _ transfer.Source = (*Sheet)(nil)

// Read returns a sheet of a spreadsheet; without a name the first. Its first row that is
// not blank has the headings. Formulas are read as the values they had when the file was
// saved. What is no spreadsheet, or unpacks to more than it should, is
// [crm.ErrInvalid]. The caller closes it.
func Read(r io.Reader, name string) (*Sheet, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if err := check(b); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(b), excelize.Options{RawCellValue: true, UnzipSizeLimit: MaxUnpacked, UnzipXMLSizeLimit: inMemory})
	if err != nil {
		return nil, crm.Invalid("file", "is no spreadsheet that can be read: %s", err)
	}
	s := &Sheet{file: f, epoch: transfer.Serial1900}
	if props, err := f.GetWorkbookProps(); err == nil && props.Date1904 != nil && *props.Date1904 {
		s.epoch = transfer.Serial1904
	}
	if err := s.open(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// check looks at how much a file unpacks to, before it is.
func check(b []byte) error {
	if len(b) > MaxFile {
		return crm.Invalid("file", "has more than %d bytes", MaxFile)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return crm.Invalid("file", "is no spreadsheet (xlsx)")
	}
	if len(z.File) > maxParts {
		return crm.Invalid("file", "is made of %d parts, and %d are allowed", len(z.File), maxParts)
	}
	var size uint64
	for _, part := range z.File {
		size += part.UncompressedSize64
		if part.UncompressedSize64 > inMemory && part.UncompressedSize64/max(part.CompressedSize64, 1) > maxRatio || size > MaxUnpacked {
			return crm.Invalid("file", "unpacks to more than a spreadsheet would (%s): it may be made to fill memory", part.Name)
		}
	}
	return nil
}

// open finds the sheet and its headings.
func (s *Sheet) open(name string) error {
	names := s.file.GetSheetList()
	if len(names) == 0 {
		return crm.Invalid("file", "has no sheet")
	}
	if name == "" {
		name = names[0]
	}
	rows, err := s.file.Rows(name)
	if err != nil {
		return crm.Invalid("sheet", "there is no sheet %q: there are %s", name, strings.Join(names, ", "))
	}
	s.rows = rows
	for {
		cells, err := s.cells()
		if errors.Is(err, io.EOF) {
			return crm.Invalid("file", "the sheet %q is empty: begin it with a row of headings", name)
		}
		if err != nil {
			return err
		}
		if len(cells) == 0 {
			continue
		}
		if len(cells) > transfer.MaxColumns {
			return crm.Invalid("headings", "there are %d columns, and %d are allowed", len(cells), transfer.MaxColumns)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		s.headings = cells
		return nil
	}
}

// cells reads a row, without the blank cells at its end.
func (s *Sheet) cells() ([]string, error) {
	if !s.rows.Next() {
		if err := s.rows.Error(); err != nil {
			return nil, crm.Invalid("file", "cannot be read behind row %d: %s", s.row, err)
		}
		return nil, io.EOF
	}
	s.row++
	cells, err := s.rows.Columns(excelize.Options{RawCellValue: true})
	if err != nil {
		return nil, crm.Invalid("file", "cannot be read behind row %d: %s", s.row, err)
	}
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells, nil
}

// Headings are the names of the columns.
func (s *Sheet) Headings() []string { return s.headings }

// Dates says that dates are numbers of days, and since when they are counted.
func (s *Sheet) Dates() transfer.DateOrder { return s.epoch }

// Close removes what reading took.
func (s *Sheet) Close() error { return errors.Join(s.rows.Close(), s.file.Close()) }

// Next returns the next row that is not blank. A row may have cells behind the last
// heading only if they are empty; a formula without a value is a fault.
func (s *Sheet) Next() (transfer.Row, error) {
	for {
		cells, err := s.cells()
		if err != nil {
			return transfer.Row{}, err
		}
		if len(cells) == 0 {
			continue
		}
		row := transfer.Row{Line: s.row, Cells: cells}
		if n := len(s.headings); len(cells) > n {
			row.Fault = fmt.Sprintf("has %d cells, and there are %d headings", len(cells), n)
		}
		for len(row.Cells) < len(s.headings) {
			row.Cells = append(row.Cells, "")
		}
		for i, c := range row.Cells {
			switch {
			case row.Fault != "":
			case len(c) > transfer.MaxCell:
				row.Fault = fmt.Sprintf("column %d: the cell has more than %d bytes", i+1, transfer.MaxCell)
			case formulaFault(c):
				row.Fault = fmt.Sprintf("column %d: the formula has no value but %s", i+1, c)
			}
		}
		return row, nil
	}
}

// formulaFault reports whether a cell has what a formula has instead of a value.
func formulaFault(cell string) bool {
	switch cell {
	case "#REF!", "#N/A", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!":
		return true
	}
	return false
}

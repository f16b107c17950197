package transfer

import (
	"fmt"
	"io"

	"github.com/embedcrm/embedcrm/crm"
)

// Source is a table of texts under headings, read from the front.
type Source interface {
	// Headings are the names of the columns, as they stand in the file.
	Headings() []string
	// Next returns the next row. io.EOF is the end; any other error is about the whole
	// source, and ends it. What is wrong with one row alone is in the row.
	Next() (Row, error)
}

// Row is one row of a source.
type Row struct {
	// Line is where it begins in the file, from 1: of a spreadsheet the row's number.
	Line int
	// Cells are its texts, one for each heading. Of a row that is at fault they are what
	// could be read.
	Cells []string
	// Fault is what is wrong with the row as a whole, and empty if nothing is: it has too
	// few cells, or a cell that is too long. Such a row is not imported.
	Fault string
	// Notes say what of the row stands in no cell, so that it is left out. The row is
	// imported, and flagged with them.
	Notes []string
}

// Limits of a source. What is beyond them is refused and named, never cut off.
const (
	// MaxCell is the longest cell, in bytes.
	MaxCell = 1 << 20
	// MaxRow is the longest row, in bytes.
	MaxRow = 16 << 20
	// MaxColumns is how many columns a source has at most.
	MaxColumns = 2000
)

// fit holds a row against the number of its headings. Empty cells behind the last
// heading are no fault: spreadsheets write them.
func (r *Row) fit(headings int) {
	for len(r.Cells) > headings && r.Cells[len(r.Cells)-1] == "" {
		r.Cells = r.Cells[:len(r.Cells)-1]
	}
	if n := len(r.Cells); n != headings && r.Fault == "" {
		r.Fault = fmt.Sprintf("has %s, and there are %s: look for a missing or an unquoted delimiter or line break", counted(n, "cell"), counted(headings, "heading"))
	}
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// checkHeadings refuses headings that no row could be read under.
func checkHeadings(headings []string) error {
	if len(headings) > MaxColumns {
		return crm.Invalid("headings", "there are %d columns, and %d are allowed", len(headings), MaxColumns)
	}
	for _, h := range headings {
		if h != "" {
			return nil
		}
	}
	return crm.Invalid("headings", "the first line names no column: begin the file with a line of headings")
}

// noRows is a source of headings alone.
type noRows []string

// Headings implements [Source].
func (s noRows) Headings() []string { return s }

// Next implements [Source].
func (noRows) Next() (Row, error) { return Row{}, io.EOF }

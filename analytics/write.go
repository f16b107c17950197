package analytics

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
)

// WriteTable writes the result as text, in columns: for a terminal, a log or a test.
func (r *Result) WriteTable(w io.Writer) error {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	lines := [][]string{names}
	for _, row := range r.Rows {
		lines = append(lines, texts(row))
	}
	if r.Total != nil {
		lines = append(lines, r.totalled(texts(*r.Total)))
	}
	widths := make([]int, len(r.Columns))
	for _, cells := range lines {
		for i, c := range cells {
			cells[i] = strings.Map(printable, c)
			widths[i] = max(widths[i], width(cells[i]))
		}
	}
	var out bytes.Buffer
	for _, cells := range lines {
		for i, c := range cells {
			cells[i] = c + strings.Repeat(" ", widths[i]-width(c))
		}
		out.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

// printable is a character of a cell; what would begin another line is a space.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// width is how many columns of a terminal a text takes: those of East Asia's scripts
// that are twice as wide are two.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r <= 0x303f || r >= 0xff01 && r <= 0xff60 {
			n++
		}
	}
	return n
}

// totalled marks a line as the total, where it has a group's cell to say so.
func (r *Result) totalled(cells []string) []string {
	if len(r.Columns) > 0 && r.Columns[0].Group {
		cells[0] = "Total"
	}
	return cells
}

func texts(row Row) []string {
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = text(v)
	}
	return cells
}

// text is a cell as it is read; a money's amounts follow each other.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []crm.Money:
		parts := make([]string, len(v))
		for i, m := range v {
			parts[i] = m.String()
		}
		return strings.Join(parts, ", ")
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

// WriteCSV writes the result as CSV for spreadsheets, a column of money as one column
// for each currency that occurs, with amounts alone. A text that a spreadsheet would
// take for a formula begins with an apostrophe.
func (r *Result) WriteCSV(w io.Writer) error {
	rows := r.Rows
	if r.Total != nil {
		rows = append(slices.Clone(rows), *r.Total)
	}
	split := make([][]string, len(r.Columns)) // the currencies of a column
	for i := range r.Columns {
		split[i] = currencies(rows, i)
	}
	out := csv.NewWriter(w)
	var names []string
	for i, c := range r.Columns {
		if split[i] == nil {
			names = append(names, safe(c.Name))
		}
		for _, currency := range split[i] {
			names = append(names, safe(c.Name+" "+currency))
		}
	}
	_ = out.Write(names) // Error says what went wrong
	for n, row := range rows {
		var cells []string
		for i, v := range row {
			if split[i] == nil {
				cells = append(cells, cell(v))
			}
			for _, currency := range split[i] {
				cells = append(cells, amount(v, currency))
			}
		}
		if n == len(r.Rows) {
			cells = r.totalled(cells)
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}

// currencies are those of a column, by code; nil: it holds no money.
func currencies(rows []Row, column int) (list []string) {
	for _, row := range rows {
		all, _ := row[column].([]crm.Money)
		for _, m := range all {
			if !slices.Contains(list, m.Currency) {
				list = append(list, m.Currency)
			}
		}
	}
	slices.Sort(list)
	return list
}

func amount(v any, currency string) string {
	all, _ := v.([]crm.Money)
	for _, m := range all {
		if m.Currency == currency {
			return m.Amount()
		}
	}
	return ""
}

// cell is a value in CSV. Only a text can be taken for a formula; a decimal, which is
// kept as text, is a number.
func cell(v any) string {
	if s, ok := v.(string); ok {
		if _, isNumber := decimal(s); !isNumber {
			return safe(s)
		}
	}
	return text(v)
}

// safe is a text that no spreadsheet takes for a formula.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

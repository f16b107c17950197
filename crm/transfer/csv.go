package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/embedcrm/embedcrm/crm"
)

// CSVOptions say what is known of a file. The zero CSVOptions finds it out.
type CSVOptions struct {
	// Encoding of the file; empty finds it out.
	Encoding Encoding
	// Delimiter between cells, one ASCII character; 0 finds it out among , ; tab and |.
	Delimiter byte
	// Headings of a file that has no line of them; nil takes its first line.
	Headings []string
}

// CSV is a file of delimited text, read from the front in bounded memory.
type CSV struct {
	in        *bufio.Reader
	decoded   *decoded
	delimiter byte
	headings  []string

	line  int    // of the next byte
	row   []byte // the cells of the row being read, one behind the other
	ends  []int  // where each ends in row
	fault string // what is wrong with it
	cell  int    // where the cell being read begins in row
	after bool   // a byte was read in the row
}

var _ Source = (*CSV)(nil)

// ReadCSV reads delimited text as [RFC 4180] has it, and as programs write it: lines
// end in LF, CRLF or CR; a cell in double quotes may hold delimiters, line breaks and
// doubled quotes, and blanks before its first quote are passed over; a line that says
// sep=; names the delimiter, as Excel does. Blank lines are passed over. Encoding and
// delimiter are found out. A file without headings, or one that is no text, is
// [crm.ErrInvalid].
//
// A row with too few or too many cells, with a cell past [MaxCell], with a quote that
// is not closed or with characters that cannot be decoded is reported by its Fault; the
// rows behind it are read.
//
// [RFC 4180]: https://www.rfc-editor.org/rfc/rfc4180
func ReadCSV(r io.Reader, o CSVOptions) (*CSV, error) {
	d, err := newDecoded(r, o.Encoding)
	if err != nil {
		return nil, err
	}
	c := &CSV{in: bufio.NewReaderSize(d, window), decoded: d, delimiter: o.Delimiter, headings: o.Headings, line: 1}
	if strings.IndexByte("\r\n\"", o.Delimiter) >= 0 || o.Delimiter >= utf8.RuneSelf {
		return nil, crm.Invalid("delimiter", "is one ASCII character between cells, such as , or ;")
	}
	if err := c.findDelimiter(); err != nil {
		return nil, err
	}
	if c.headings != nil {
		return c, checkHeadings(c.headings)
	}
	first, err := c.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, crm.Invalid("file", "is empty: begin it with a line of headings")
	case err != nil:
		return nil, err
	case first.Fault != "":
		return nil, crm.Invalid("headings", "line %d: %s", first.Line, first.Fault)
	}
	for i, h := range first.Cells {
		first.Cells[i] = strings.TrimSpace(strings.Trim(h, "\uFEFF\u200B"))
	}
	for len(first.Cells) > 1 && first.Cells[len(first.Cells)-1] == "" { // delimiters at the end of each line
		first.Cells = first.Cells[:len(first.Cells)-1]
	}
	c.headings = first.Cells
	return c, checkHeadings(c.headings)
}

// Headings are the names of the columns.
func (c *CSV) Headings() []string { return c.headings }

// Encoding is what the file was found to be in; of a file of which all was ASCII so
// far it is [UTF8].
func (c *CSV) Encoding() Encoding {
	if c.decoded.enc == "" {
		return UTF8
	}
	return c.decoded.enc
}

// Delimiter is what stands between cells.
func (c *CSV) Delimiter() byte { return c.delimiter }

// Next returns the next row.
func (c *CSV) Next() (Row, error) {
	r, err := c.next()
	if err == nil {
		r.fit(len(c.headings))
	}
	return r, err
}

// next reads a row, however many cells it has.
func (c *CSV) next() (Row, error) {
	for {
		r := Row{Line: c.line}
		c.row, c.ends, c.fault, c.after = c.row[:0], c.ends[:0], "", false
		if cap(c.row) > MaxCell { // one long row must not hold its memory for the rest
			c.row = nil
		}
		err := c.read()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return Row{}, err
		case err != nil && !c.after:
			return Row{}, io.EOF
		case len(c.ends) == 1 && c.ends[0] == 0 && c.fault == "":
			continue // a blank line
		}
		text := string(c.row)
		r.Fault = c.fault
		if r.Fault == "" {
			r.Fault = c.undecoded(text)
		}
		r.Cells = make([]string, len(c.ends))
		begin := 0
		for i, end := range c.ends {
			r.Cells[i] = text[begin:end]
			begin = end
		}
		return r, nil
	}
}

// undecoded is what is wrong with the characters of a row.
func (c *CSV) undecoded(text string) string {
	switch enc := c.Encoding(); {
	case !utf8.ValidString(text):
		return "holds bytes that are not UTF-8: save the file in one encoding"
	case enc != UTF8 && strings.ContainsRune(text, utf8.RuneError):
		return fmt.Sprintf("holds bytes that are not %s: save the file as UTF-8, or say its encoding", enc)
	}
	return ""
}

// read reads the cells of one row into c.
func (c *CSV) read() error {
	for {
		end, err := c.readCell()
		c.ends = append(c.ends, len(c.row))
		if len(c.ends) > MaxColumns {
			c.ends = c.ends[:MaxColumns]
			c.failf("has more than %d cells", MaxColumns)
		}
		if end || err != nil {
			return err
		}
	}
}

// fail notes the first thing that is wrong with the row.
func (c *CSV) failf(format string, args ...any) {
	if c.fault == "" {
		c.fault = fmt.Sprintf(format, args...)
	}
}

// add puts a byte into the cell being read. What is beyond the limits is passed over.
func (c *CSV) add(b byte) {
	switch {
	case len(c.row)-c.cell >= MaxCell:
		c.failf("column %d: the cell has more than %d bytes: shorten it, or look for a quote that is not closed", len(c.ends)+1, MaxCell)
	case len(c.row) >= MaxRow:
		c.failf("has more than %d bytes", MaxRow)
	default:
		c.row = append(c.row, b)
	}
}

// byte reads a byte.
func (c *CSV) byte() (byte, error) {
	b, err := c.in.ReadByte()
	if err == nil {
		c.after = true
	}
	return b, err
}

// peek is the byte behind, or 0.
func (c *CSV) peek() byte {
	if b, err := c.in.Peek(1); err == nil {
		return b[0]
	}
	return 0
}

// lineEnd takes the rest of a line's end.
func (c *CSV) lineEnd(b byte) {
	if b == '\r' && c.peek() == '\n' {
		_, _ = c.in.ReadByte()
	}
	c.line++
}

// readCell reads one cell, and reports whether the row ends with it.
func (c *CSV) readCell() (end bool, err error) {
	c.cell = len(c.row)
	for {
		b, err := c.byte()
		switch {
		case err != nil:
			return true, err
		case b == '"' && len(bytes.TrimLeft(c.row[c.cell:], " ")) == 0:
			c.row = c.row[:c.cell]
			return c.readQuoted()
		case b == c.delimiter:
			return false, nil
		case b == '\n' || b == '\r':
			c.lineEnd(b)
			return true, nil
		}
		c.add(b)
		c.run()
	}
}

// run takes the bytes up to the next one that means something, where they are in
// memory: nearly all of a file is such.
func (c *CSV) run() {
	buffered, _ := c.in.Peek(c.in.Buffered())
	n := 0
	for n < len(buffered) && buffered[n] != c.delimiter && buffered[n] != '\n' && buffered[n] != '\r' && buffered[n] != '"' {
		n++
	}
	if n > 0 && len(c.row)-c.cell+n < MaxCell && len(c.row)+n < MaxRow && len(bytes.TrimLeft(c.row[c.cell:], " ")) > 0 {
		c.row = append(c.row, buffered[:n]...)
		_, _ = c.in.Discard(n)
	}
}

// readQuoted reads the rest of a cell in quotes.
func (c *CSV) readQuoted() (end bool, err error) {
	opened := c.line
	for {
		b, err := c.byte()
		switch {
		case err != nil:
			c.failf("column %d: the quote opened in line %d is not closed before the file ends", len(c.ends)+1, opened)
			return true, err
		case b != '"':
			if b == '\n' || b == '\r' && c.peek() != '\n' {
				c.line++
			}
			c.add(b)
			continue
		}
		switch next := c.peek(); next {
		case '"':
			_, _ = c.byte()
			c.add('"')
			continue
		case ' ':
			c.blanks()
		}
		b, err = c.byte()
		switch {
		case err != nil:
			return true, err
		case b == c.delimiter:
			return false, nil
		case b == '\n' || b == '\r':
			c.lineEnd(b)
			return true, nil
		}
		c.failf("column %d: a quote within a cell in quotes is written twice", len(c.ends)+1)
		c.add('"')
		c.add(b)
	}
}

// blanks passes over blanks behind a closing quote.
func (c *CSV) blanks() {
	for c.peek() == ' ' {
		_, _ = c.byte()
	}
}

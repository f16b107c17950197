package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// delimiters are those that are found out, the commonest first.
const delimiters = ",;\t|"

// sampleRows is how many rows decide over the delimiter.
const sampleRows = 50

// findDelimiter takes the delimiter that is given, or that a first line "sep=;" names,
// or the one by which the first rows have the most cells and nearly all the same number.
func (c *CSV) findDelimiter() error {
	sample, err := c.in.Peek(window)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	whole := len(sample) < window
	if rest, ok := bytes.CutPrefix(sample, []byte("sep=")); ok && len(rest) > 1 && (rest[1] == '\n' || rest[1] == '\r') {
		named := rest[0]
		if _, err := c.in.Discard(len("sep=") + 1); err != nil {
			return err
		}
		b, _ := c.byte()
		c.lineEnd(b)
		if c.delimiter == 0 {
			c.delimiter = named
		}
		return nil
	}
	if c.delimiter != 0 {
		return nil
	}
	c.delimiter = delimiters[0]
	best := 0
	for i := range len(delimiters) {
		if score := regularity(sample, delimiters[i], whole); score > best {
			c.delimiter, best = delimiters[i], score
		}
	}
	return nil
}

// regularity is how well a delimiter divides a sample into rows of as many cells as
// the first: the share of such rows in percent, then the number of cells. One that
// does not divide the first row is none.
func regularity(sample []byte, delimiter byte, whole bool) int {
	c := &CSV{in: bufio.NewReader(bytes.NewReader(sample)), decoded: &decoded{enc: UTF8}, delimiter: delimiter, line: 1}
	first, rows, same := 0, 0, 0
	for rows < sampleRows {
		r, err := c.next()
		if err != nil {
			break
		}
		if _, err := c.in.Peek(1); err != nil && !whole && rows > 0 {
			break // the last row may be cut off
		}
		n := len(r.Cells)
		for n > 1 && strings.TrimSpace(r.Cells[n-1]) == "" {
			n-- // delimiters at the end of lines say nothing
		}
		rows++
		if first == 0 {
			first = len(r.Cells)
		}
		if len(r.Cells) == first || n == first {
			same++
		}
	}
	if first < 2 || rows == 0 {
		return 0
	}
	return same*100/rows*(MaxColumns+1) + min(first, MaxColumns)
}

package transfer_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// read returns a source's headings and rows, a row at fault as its fault.
func read(t require.TestingT, r io.Reader, o transfer.CSVOptions) (c *transfer.CSV, rows []string) {
	c, err := transfer.ReadCSV(r, o)
	require.NoError(t, err)
	for {
		row, err := c.Next()
		if errors.Is(err, io.EOF) {
			return c, rows
		}
		require.NoError(t, err)
		text := fmt.Sprintf("%d: %s", row.Line, strings.Join(row.Cells, "·"))
		if row.Fault != "" {
			text = fmt.Sprintf("%d! %s", row.Line, row.Fault)
		}
		rows = append(rows, text)
	}
}

func TestRowsOfDelimitedText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, headings string
		rows                 []string
	}{
		{"plain", "a,b\n1,2\n", "a·b", []string{"2: 1·2"}},
		{"no line end", "a,b\r\n1,2", "a·b", []string{"2: 1·2"}},
		{"cr", "a,b\r1,2\r3,4\r", "a·b", []string{"2: 1·2", "3: 3·4"}},
		{"quotes", "a,b\n\"x, y\",\"he said \"\"no\"\"\"\n", "a·b", []string{"2: x, y·he said \"no\""}},
		{"line breaks", "a,b\n\"one\r\ntwo\",3\n4,5\n", "a·b", []string{"2: one\r\ntwo·3", "4: 4·5"}},
		{"blanks before quotes", "a, b\n \"1, 2\", \"3\" \n", "a·b", []string{"2: 1, 2·3"}},
		{"a quote in the middle", "a,b\n5\" pipe,2\n", "a·b", []string{"2: 5\" pipe·2"}},
		{"blank lines", "\n\na,b\n\n1,2\n\n", "a·b", []string{"5: 1·2"}},
		{"an empty last cell", "a,b\n1,", "a·b", []string{"2: 1·"}},
		{"semicolons", "a;b;c\n1,5;2;3\n2,5;2;3\n", "a·b·c", []string{"2: 1,5·2·3", "3: 2,5·2·3"}},
		{"tabs", "a\tb\n1, 2\t3\n", "a·b", []string{"2: 1, 2·3"}},
		{"bars", "a|b\n1|2\n", "a·b", []string{"2: 1·2"}},
		{"one column", "a\n1\n2\n", "a", []string{"2: 1", "3: 2"}},
		{"sep", "sep=|\na|b,c\n1|2\n", "a·b,c", []string{"3: 1·2"}},
		{"semicolons within quotes", "a,b\n\"1;2;3\",4\n\"1;2;3\",4\n", "a·b", []string{"2: 1;2;3·4", "3: 1;2;3·4"}},
		{"empty cells behind the headings", "a,b,,\n1,2,,\n1,2\n", "a·b", []string{"2: 1·2", "3: 1·2"}},
		{"ragged", "a,b,c\n1,2,3,4\n1\n5,6,7\n", "a·b·c", []string{
			"2! has 4 cells, and there are 3 headings: look for a missing or an unquoted delimiter or line break",
			"3! has 1 cell, and there are 3 headings: look for a missing or an unquoted delimiter or line break", "4: 5·6·7",
		}},
		{"a quote not doubled", "a,b\n\"x \"y\" z\",2\n3,4\n", "a·b", []string{"2! column 1: a quote within a cell in quotes is written twice", "3: 3·4"}},
		{"a quote not closed", "a,b\n\"x,2\n3,4\n", "a·b", []string{"2! column 1: the quote opened in line 2 is not closed before the file ends"}},
		{"broken bytes", "a,b\nä,ö\nü,\xFF\n3,4\n" + strings.Repeat("ä,ö\n", 20), "a·b", append([]string{
			"2: ä·ö", "3! holds bytes that are not UTF-8: save the file in one encoding", "4: 3·4",
		}, lines(5, 20, "ä·ö")...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, rows := read(t, strings.NewReader(c.text), transfer.CSVOptions{})
			require.Equal(t, c.headings, strings.Join(got.Headings(), "·"))
			require.Equal(t, c.rows, rows)
		})
	}
}

func lines(from, n int, text string) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%d: %s", from+i, text))
	}
	return list
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"":                                 "file: is empty",
		"\n\n":                             "file: is empty",
		",,\n1,2,3\n":                      "headings: the first line names no column",
		"PK\x03\x04rest":                   "file: is a zip archive or a spreadsheet (xlsx), and no table of text",
		"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1": "file: is a spreadsheet of the old form (xls)",
		"\"a,b\n1,2\n":                     "headings: line 1: column 1: the quote opened in line 1 is not closed",
	} {
		_, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
		require.ErrorIs(t, err, crm.ErrInvalid, "%q", text)
		require.ErrorContains(t, err, why)
	}
	_, err := transfer.ReadCSV(strings.NewReader("a,b"), transfer.CSVOptions{Encoding: "ebcdic"})
	require.ErrorContains(t, err, `encoding: "ebcdic" is none that is read`)
	_, err = transfer.ReadCSV(strings.NewReader("a,b"), transfer.CSVOptions{Delimiter: '\n'})
	require.ErrorContains(t, err, "delimiter: is one ASCII character")
}

func TestEncodingIsFound(t *testing.T) {
	t.Parallel()
	chinese := "姓名,公司\n李雷,东城区科技有限公司\n韩梅梅,西城区贸易公司\n"
	western := "name,city\nJosé Müller,Zürich\nAnaïs,Besançon\n"
	late := "name,city\n" + strings.Repeat("Ada,London\n", 20_000)
	in := func(order func([]byte, uint16) []byte, mark bool, text string) (b []byte) {
		if mark {
			text = "\uFEFF" + text
		}
		for _, u := range utf16.Encode([]rune(text)) {
			b = order(b, u)
		}
		return b
	}
	little := func(b []byte, u uint16) []byte { return append(b, byte(u), byte(u>>8)) }
	big := func(b []byte, u uint16) []byte { return append(b, byte(u>>8), byte(u)) }
	must := func(b []byte, err error) []byte { require.NoError(t, err); return b }
	for _, c := range []struct {
		name string
		b    []byte
		text string
		enc  transfer.Encoding
	}{
		{"utf-8", []byte(chinese), chinese, transfer.UTF8},
		{"utf-8 with a mark", []byte("\uFEFF" + chinese), chinese, transfer.UTF8},
		{"gbk", must(simplifiedchinese.GBK.NewEncoder().Bytes([]byte(chinese))), chinese, transfer.GB18030},
		{"gb18030", must(simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(chinese + "𠮷野,€\n"))), chinese + "𠮷野,€\n", transfer.GB18030},
		{"western", must(charmap.Windows1252.NewEncoder().Bytes([]byte(western))), western, transfer.Windows1252},
		{"utf-16le with a mark", in(little, true, chinese), chinese, transfer.UTF16LE},
		{"utf-16be with a mark", in(big, true, chinese), chinese, transfer.UTF16BE},
		{"utf-16le", in(little, false, western), western, transfer.UTF16LE},
		{"utf-16be", in(big, false, western), western, transfer.UTF16BE},
		{"late", append([]byte(late), must(simplifiedchinese.GBK.NewEncoder().Bytes([]byte("李雷,东城区\n")))...), late + "李雷,东城区\n", transfer.GB18030},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, want := read(t, strings.NewReader(c.text), transfer.CSVOptions{Encoding: transfer.UTF8})
			got, rows := read(t, bytes.NewReader(c.b), transfer.CSVOptions{})
			require.Equal(t, c.enc, got.Encoding())
			require.Equal(t, want, rows)
			_, rows = read(t, bytes.NewReader(c.b), transfer.CSVOptions{Encoding: c.enc})
			require.Equal(t, want, rows, "with the encoding given")
		})
	}
}

// endless is a quoted cell of n bytes that is never closed.
type endless struct{ head, n int }

func (e *endless) Read(p []byte) (int, error) {
	const head = "a,b\n1,2\n3,\""
	if e.head < len(head) {
		n := copy(p, head[e.head:])
		e.head += n
		return n, nil
	}
	if e.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.n)
	for i := range n {
		p[i] = 'x'
	}
	e.n -= n
	return n, nil
}

func TestACellOf100MegabytesIsRefusedInBoundedMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, rows := read(t, &endless{n: 100 << 20}, transfer.CSVOptions{})
	runtime.ReadMemStats(&after)
	require.Len(t, rows, 2)
	require.Contains(t, rows[1], "3! column 2: the cell has more than 1048576 bytes")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
}

func TestWhatIsWrittenAsCSVIsReadAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.IntRange(2, 5).Draw(t, "columns")
		cell := rapid.StringOfN(rapid.RuneFrom([]rune("ab ,;\t|\"\n'=äé李雷🙂0")), 0, 12, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, cols, cols), 1, 20).Draw(t, "rows")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = rapid.SampledFrom([]rune(",;\t|")).Draw(t, "delimiter")
		w.UseCRLF = false
		heads := []string{"h1", "h2", "h3", "h4", "h5"}[:cols]
		require.NoError(t, w.Write(heads))
		for i := range rows {
			rows[i][0] = "x" + rows[i][0] // neither blank lines, nor blanks before a quote
		}
		require.NoError(t, w.WriteAll(rows))
		got, err := transfer.ReadCSV(&b, transfer.CSVOptions{Delimiter: byte(w.Comma)})
		require.NoError(t, err)
		require.Equal(t, heads, got.Headings())
		for _, want := range rows {
			r, err := got.Next()
			require.NoError(t, err)
			require.Empty(t, r.Fault)
			require.Equal(t, want, r.Cells)
		}
		_, err = got.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestOtherPeoplesFiles reads the files of csv-spectrum, of which it is known what is
// in them, and Chinese ones in five encodings.
func TestOtherPeoplesFiles(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	files, _ := filepath.Glob(filepath.Join(dir, "csv_samples", "gbk", "*.csv"))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with csv_samples")
	}
	require.NotEmpty(t, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		c, rows := read(t, bytes.NewReader(b), transfer.CSVOptions{})
		require.Equal(t, []string{"code", "name", "cityCode", "provinceCode"}, c.Headings(), name)
		require.Len(t, rows, 2978, name)
		require.Equal(t, "2: 110101·东城区·1101·11", rows[0], name)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2\n"))
	f.Add([]byte("\xFF\xFEa\x00,\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := transfer.ReadCSV(bytes.NewReader(b), transfer.CSVOptions{})
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
			return
		}
		for range len(b) + 1 {
			r, err := c.Next()
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				return
			}
			require.True(t, r.Fault != "" || len(r.Cells) == len(c.Headings()))
		}
		t.Error("more rows than bytes")
	})
}

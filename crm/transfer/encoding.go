package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/embedcrm/embedcrm/crm"
)

// Encoding is how the characters of a text file are written as bytes.
type Encoding string

// The encodings that are read. GB18030 includes GBK and GB2312.
const (
	UTF8        Encoding = "utf-8"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	GB18030     Encoding = "gb18030"
	Windows1252 Encoding = "windows-1252" // Western European, as spreadsheets on Windows save it
)

// window is how much of a file is looked at to find out its encoding.
const window = 64 << 10

// decoded reads text of any encoding as UTF-8. The encoding is known by a mark at the
// beginning, or else by the first bytes that are not ASCII, wherever in the file they
// are.
type decoded struct {
	from *bufio.Reader
	enc  Encoding  // empty while all was ASCII
	text io.Reader // from, decoded; nil while all was ASCII
}

func newDecoded(r io.Reader, given Encoding) (*decoded, error) {
	d := &decoded{from: bufio.NewReaderSize(r, window)}
	head, err := d.from.Peek(window)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if len(head) == 0 {
		return nil, crm.Invalid("file", "is empty: begin it with a line of headings")
	}
	if binary := binaryForm(head); binary != "" {
		return nil, crm.Invalid("file", "is %s, and no table of text: save it as CSV", binary)
	}
	found, mark := marked(head)
	if _, err := d.from.Discard(mark); err != nil {
		return nil, err
	}
	if given != "" {
		found = given
	}
	if found == "" {
		found = unmarked16(head)
	}
	if found != "" {
		return d, d.decide(found)
	}
	return d, nil
}

// decide settles the encoding of what is left.
func (d *decoded) decide(e Encoding) error {
	codec, ok := map[Encoding]encoding.Encoding{
		UTF8:        encoding.Nop, // what is not valid is found row by row
		UTF16LE:     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
		UTF16BE:     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
		GB18030:     simplifiedchinese.GB18030,
		Windows1252: charmap.Windows1252,
	}[e]
	if !ok {
		return crm.Invalid("encoding", "%q is none that is read: give %s, %s, %s, %s or %s, or convert the file", e, UTF8, UTF16LE, UTF16BE, GB18030, Windows1252)
	}
	d.enc, d.text = e, d.from
	if e != UTF8 {
		d.text = transform.NewReader(d.from, codec.NewDecoder())
	}
	return nil
}

// Read implements io.Reader.
func (d *decoded) Read(p []byte) (int, error) {
	if d.text != nil {
		return d.text.Read(p)
	}
	if _, err := d.from.Peek(1); err != nil {
		return 0, err
	}
	plain, _ := d.from.Peek(min(d.from.Buffered(), len(p)))
	n := 0
	for n < len(plain) && plain[n] < utf8.RuneSelf {
		n++
	}
	if n > 0 {
		copy(p, plain[:n])
		return d.from.Discard(n)
	}
	ahead, err := d.from.Peek(window)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if err := d.decide(guessEncoding(ahead)); err != nil {
		return 0, err
	}
	return d.text.Read(p)
}

// Decode returns text of any of the encodings as UTF-8; without one it is found out as
// [ReadCSV] does.
func Decode(r io.Reader, given Encoding) (io.Reader, error) { return newDecoded(r, given) }

// marked finds a byte order mark and its length.
func marked(b []byte) (Encoding, int) {
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")):
		return UTF8, 3
	case bytes.HasPrefix(b, []byte("\xFF\xFE")):
		return UTF16LE, 2
	case bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return UTF16BE, 2
	}
	return "", 0
}

// unmarked16 finds UTF-16 without a mark: of text in any script the delimiters and
// line ends have a zero byte, on one side only.
func unmarked16(b []byte) Encoding {
	var zero [2]int
	for i, c := range b {
		if c == 0 {
			zero[i%2]++
		}
	}
	switch pairs := len(b) / 2; {
	case zero[1] > pairs/10 && zero[0] <= zero[1]/100:
		return UTF16LE
	case zero[0] > pairs/10 && zero[1] <= zero[0]/100:
		return UTF16BE
	}
	return ""
}

// binaryForm recognises files that people take for tables of text.
func binaryForm(b []byte) string {
	for _, f := range []struct{ begins, is string }{
		{"PK\x03\x04", "a zip archive or a spreadsheet (xlsx)"},
		{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "a spreadsheet of the old form (xls)"},
		{"%PDF-", "a PDF"}, {"\x1F\x8B", "compressed by gzip"}, {"\x89PNG", "a picture"}, {"\xFF\xD8\xFF", "a picture"}, {"SQLite format 3\x00", "a database"},
	} {
		if bytes.HasPrefix(b, []byte(f.begins)) {
			return f.is
		}
	}
	return ""
}

// guessEncoding tells the encoding by bytes of which the first is not ASCII. Valid
// UTF-8 is hardly ever anything else. Chinese text in GB18030 is pairs of bytes of
// which both are high, and Western text has high bytes alone between letters; what
// decides is which of the two there is more of.
func guessEncoding(b []byte) Encoding {
	valid, broken := 0, 0
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r != utf8.RuneError || n > 1:
			if n > 1 {
				valid++
			}
		case !utf8.FullRune(rest): // cut off by the window's end
			n = len(rest)
		default:
			broken++
		}
		rest = rest[n:]
	}
	if broken*20 <= valid {
		return UTF8
	}
	han, other := 0, 0
	for i := 0; i+1 < len(b); i++ {
		lead, trail := b[i], b[i+1]
		switch {
		case lead < 0x80:
			continue
		case trail >= 0xA1 && trail <= 0xFE && (lead >= 0xB0 && lead <= 0xF7 || lead >= 0xA1 && lead <= 0xA3):
			han++ // GB2312: the characters in use, punctuation, full-width letters
		default:
			other++
		}
		if trail >= 0x40 {
			i++
		}
	}
	if han > 4*other {
		return GB18030
	}
	return Windows1252
}

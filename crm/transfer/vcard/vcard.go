// Package vcard reads and writes address books in vCard, versions 2.1, 3.0 and 4.0.
//
// An address book is read as a table, as an import wants it: a card is a row, and what
// it has several of are columns of the same sort. It is read by a parser of its own,
// since cards of old telephones (2.1, quoted-printable, in national encodings) are as
// common as those the standard of today ([RFC 6350]) describes.
//
// [RFC 6350]: https://www.rfc-editor.org/rfc/rfc6350
package vcard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// property is one line of a card.
type property struct {
	name   string
	params map[string][]string // in capital letters
	value  string              // as it is written, decoded from quoted-printable
}

// has reports whether a type is among those of a property.
func (p *property) has(kind string) bool {
	for _, t := range p.params["TYPE"] {
		if strings.EqualFold(t, kind) {
			return true
		}
	}
	return false
}

// preferred reports whether it is the first of its sort.
func (p *property) preferred() bool { return p.has("pref") || len(p.params["PREF"]) > 0 }

// text is the value of a property that has one.
func (p *property) text() string { return strings.TrimSpace(unescape(p.value)) }

// parts are the parts of a structured value.
func (p *property) parts(mark byte) []string {
	var list []string
	begin := 0
	for i := 0; i <= len(p.value); i++ {
		switch {
		case i == len(p.value) || p.value[i] == mark:
			list = append(list, strings.TrimSpace(unescape(p.value[begin:i])))
			begin = i + 1
		case p.value[i] == '\\':
			i++
		}
	}
	return list
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'n' || s[i] == 'N' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// card is one card as it was read.
type card struct {
	line       int // where it begins
	properties []property
	fault      string
}

// all are the properties of a name, the preferred ones first.
func (c *card) all(name string) (list []*property) {
	for _, preferred := range []bool{true, false} {
		for i := range c.properties {
			if p := &c.properties[i]; p.name == name && p.preferred() == preferred && p.value != "" {
				list = append(list, p)
			}
		}
	}
	return list
}

// first is the text of the first property of a name.
func (c *card) first(name string) string {
	if all := c.all(name); len(all) > 0 {
		return all[0].text()
	}
	return ""
}

// Limits of a card: what is longer is no text.
const (
	maxLine = 1 << 20 // bytes of a property
	maxCard = 4 << 20
	maxSort = 500 // properties
)

// reader reads cards.
type reader struct {
	in   *bufio.Reader
	line int
	next string // a line read ahead
	has  bool
	over bool // the line was cut off
}

// physical reads a line as it stands, up to a limit.
func (r *reader) physical() (string, error) {
	if r.has {
		r.has = false
		return r.next, nil
	}
	var b []byte
	r.over = false
	for {
		part, err := r.in.ReadSlice('\n')
		if len(b)+len(part) <= maxLine {
			b = append(b, part...)
		} else {
			r.over = true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(b) == 0) {
			return "", err
		}
		r.line++
		return strings.TrimRight(string(b), "\r\n"), nil
	}
}

// logical reads a property: a line with those that continue it.
func (r *reader) logical() (string, error) {
	line, err := r.physical()
	if err != nil {
		return "", err
	}
	long := r.over
	quoted := quotedPrintable(line)
	var b strings.Builder
	b.WriteString(line)
	for {
		next, err := r.physical()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch {
		case quoted && strings.HasSuffix(line, "="): // a soft line break
			b.WriteString("\r\n" + next)
		case next != "" && (next[0] == ' ' || next[0] == '\t'):
			if b.Len() < maxLine {
				b.WriteString(next[1:])
			}
		default:
			r.next, r.has = next, true
			r.over = long
			return b.String(), nil
		}
		line = next
	}
	return b.String(), nil
}

func quotedPrintable(line string) bool {
	head, _, _ := strings.Cut(line, ":")
	return strings.Contains(strings.ToUpper(head), "QUOTED-PRINTABLE")
}

// card reads the next card. io.EOF is the end.
func (r *reader) card() (*card, error) {
	for {
		line, err := r.logical()
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(strings.TrimSpace(line), "BEGIN:VCARD") {
			return r.body(&card{line: r.begun()})
		}
	}
}

// begun is the number of the line that was read last.
func (r *reader) begun() int {
	if r.has {
		return r.line - 1
	}
	return r.line
}

// body reads a card up to its end. A card within it, such as that of an agent, is
// passed over.
func (r *reader) body(c *card) (*card, error) {
	depth, size := 1, 0
	for {
		line, err := r.logical()
		if errors.Is(err, io.EOF) {
			c.fault = "the card has no END:VCARD: the file was cut off"
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		switch strings.ToUpper(strings.TrimSpace(line)) {
		case "BEGIN:VCARD":
			depth++
			continue
		case "END:VCARD":
			if depth--; depth == 0 {
				return c, nil
			}
			continue
		}
		if depth > 1 || strings.TrimSpace(line) == "" {
			continue
		}
		p, ok := parse(line)
		switch p.name {
		case "PHOTO", "LOGO", "SOUND", "KEY", "AGENT":
			continue
		}
		size += len(line)
		switch {
		case size > maxCard || len(c.properties) >= maxSort:
			c.fault = fmt.Sprintf("the card has more than %d properties or %d bytes", maxSort, maxCard)
		case !ok:
			c.fault = fmt.Sprintf("line %d is no property: %.40q", r.begun(), line)
		case !utf8.ValidString(p.value):
			c.fault = p.name + ": holds bytes that are no text in its encoding"
		default:
			c.properties = append(c.properties, p)
		}
	}
}

// parse takes a line apart: group.NAME;PARAM=value;TYPE:value.
func parse(line string) (property, bool) {
	p := property{params: map[string][]string{}}
	end := -1
	quote := false
	for i := 0; i < len(line) && end < 0; i++ {
		switch {
		case line[i] == '"':
			quote = !quote
		case line[i] == ':' && !quote:
			end = i
		}
	}
	if end <= 0 {
		return p, false
	}
	head := splitParams(line[:end])
	p.name = strings.ToUpper(head[0])
	if _, name, ok := strings.Cut(p.name, "."); ok {
		p.name = name
	}
	for _, param := range head[1:] {
		name, value, ok := strings.Cut(param, "=")
		if !ok { // in 2.1 a type stands alone
			name, value = "TYPE", name
		}
		name = strings.ToUpper(strings.TrimSpace(name))
		for v := range strings.SplitSeq(strings.Trim(value, `"`), ",") {
			p.params[name] = append(p.params[name], v)
		}
	}
	p.value = line[end+1:]
	p.decode()
	return p, p.name != ""
}

// splitParams cuts what stands before the value at semicolons outside of quotes.
func splitParams(head string) []string {
	var list []string
	begin, quote := 0, false
	for i := 0; i <= len(head); i++ {
		switch {
		case i == len(head) || head[i] == ';' && !quote:
			list = append(list, head[begin:i])
			begin = i + 1
		case head[i] == '"':
			quote = !quote
		}
	}
	return list
}

// decode takes quoted-printable and the encoding of old cards off a value.
func (p *property) decode() {
	encoding := strings.Join(append(p.params["ENCODING"], p.params["TYPE"]...), " ")
	if strings.Contains(strings.ToUpper(encoding), "QUOTED-PRINTABLE") {
		if b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(p.value))); err == nil {
			p.value = strings.ReplaceAll(string(b), "\r\n", "\n")
		}
	}
	if charset := p.params["CHARSET"]; len(charset) > 0 && !utf8.ValidString(p.value) {
		if e, err := htmlindex.Get(charset[0]); err == nil {
			if text, err := e.NewDecoder().String(p.value); err == nil {
				p.value = text
			}
		}
	}
}

// Cards is an address book, read from the front.
type Cards struct{ r reader }

var _ transfer.Source = (*Cards)(nil)

// Read returns the cards of a file as a source: each is a row under headings that
// [transfer.Transfer.Plan] understands. A card that is at fault is a row with a Fault. A
// file without any card is [crm.ErrInvalid].
func Read(r io.Reader) (*Cards, error) {
	text, err := transfer.Decode(r, "")
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(text, 64<<10)
	head, err := in.Peek(8 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !strings.Contains(strings.ToUpper(string(head)), "BEGIN:VCARD") {
		return nil, crm.Invalid("file", "holds no vCard: a card begins with BEGIN:VCARD")
	}
	return &Cards{reader{in: in}}, nil
}

package smtp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/embedcrm/embedcrm/crm"
)

const headerLine = 76 // characters, by which RFC 2047 and RFC 5322 want a line ended

// header writes one header, on as many lines as it takes: a line ends before a word.
// Values have no line breaks of their own; [crm.Message.Normal] sees to it.
func (w *writer) header(name, value string) {
	w.buf.WriteString(name + ":")
	column := len(name) + 1
	for word := range strings.SplitSeq(value, " ") {
		if word != "" && column+1+len(word) > headerLine && column > len(name)+1 {
			w.buf.WriteString("\r\n")
			column = 0
		}
		w.buf.WriteString(" " + word)
		column += 1 + len(word)
	}
	w.buf.WriteString("\r\n")
}

// correspondents writes a header of addresses, or none.
func (w *writer) correspondents(name string, list ...crm.Correspondent) {
	var all []string
	for _, c := range list {
		if c.Address.IsZero() {
			continue
		}
		all = append(all, correspondent(c))
		w.mail.utf8 = w.mail.utf8 || !isASCII(c.Value)
	}
	if len(all) > 0 {
		w.header(name, strings.Join(all, ", "))
	}
}

// correspondent returns a name and an address, as RFC 5322 3.4 has them.
func correspondent(c crm.Correspondent) string {
	name := words(c.Name)
	switch name {
	case "":
		return "<" + c.Value + ">"
	case c.Name: // in ASCII
		name = quoted(name)
	}
	return name + " <" + c.Value + ">"
}

// quoted returns a quoted string by RFC 5322 3.2.4.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// plain reports whether a text can stand in a header as it is: in ASCII, and without
// several spaces in a row, of which a line's end between them leaves one.
func plain(s string) bool { return isASCII(s) && !strings.Contains(s, "  ") }

// words returns a text as a header has it: as it is, or in encoded words (RFC 2047)
// if it is not plain or would be taken for an encoded word.
func words(s string) string {
	const most = 39 // bytes, which make a word of 64 characters: one and a short header's name are a line
	if plain(s) && !strings.Contains(s, "=?") {
		return s
	}
	var all []string
	for s != "" {
		n := min(most, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		all = append(all, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(all, " ")
}

// parameter returns a parameter of a MIME header, after a semicolon. One that is long
// or not plain is cut into numbered pieces by RFC 2231.
func parameter(name, value string) string {
	const most = 60 // characters of a piece
	if plain(value) && len(value) <= most {
		return "; " + name + "=" + quoted(value)
	}
	var b strings.Builder
	piece := "utf-8''"
	n := 0
	for i := range len(value) {
		c := value[i]
		next := string(c)
		if !isLetterOrDigit(c) && c != '.' && c != '-' && c != '_' {
			next = fmt.Sprintf("%%%02X", c)
		}
		if len(piece)+len(next) > most {
			fmt.Fprintf(&b, "; %s*%d*=%s", name, n, piece)
			piece = ""
			n++
		}
		piece += next
	}
	fmt.Fprintf(&b, "; %s*%d*=%s", name, n, piece)
	return b.String()
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

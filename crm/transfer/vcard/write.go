package vcard

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// Writer writes customers as cards of version 4.0 (RFC 6350).
type Writer struct {
	to       io.Writer
	headings map[string]int
}

var _ transfer.Sink = (*Writer)(nil)

// Write returns a sink that writes a card for each row of an export of customers: of what
// a card has a property for, which is name, given_name, family_name, email, phone,
// birthday, gender, country, tags and id.
func Write(w io.Writer) *Writer { return &Writer{to: w} }

// Write writes a card; the first row are the headings, among which a name must be.
func (w *Writer) Write(cells []string) error {
	if w.headings == nil {
		w.headings = map[string]int{}
		for i, h := range cells {
			w.headings[h] = i
		}
		if _, ok := w.headings["name"]; !ok {
			return crm.Invalid("fields", "there is no name, and a card has one")
		}
		return nil
	}
	cell := func(name string) string {
		i, ok := w.headings[name]
		if !ok {
			return ""
		}
		text := cells[i]
		if rest, ok := strings.CutPrefix(text, "'"); ok { // what guards a spreadsheet
			text = rest
		}
		return escape(text)
	}
	var b strings.Builder
	line := func(name, value string) {
		if strings.Trim(value, ";") != "" {
			fold(&b, name+":"+value)
		}
	}
	b.WriteString("BEGIN:VCARD\r\nVERSION:4.0\r\n")
	line("UID", "urn:uuid:"+cell("id"))
	line("FN", cell("name"))
	line("N", cell("family_name")+";"+cell("given_name")+";;;")
	if cell("kind") == "organisation" {
		line("KIND", "org")
		line("ORG", cell("name"))
	}
	line("EMAIL", cell("email"))
	line("TEL", cell("phone"))
	line("BDAY", strings.ReplaceAll(cell("birthday"), "-", ""))
	line("GENDER", map[string]string{"male": "M", "female": "F", "other": "O"}[cell("gender")])
	if country := cell("country"); country != "" {
		line("ADR", ";;;;;;"+country)
	}
	line("CATEGORIES", strings.ReplaceAll(cell("tags"), `\, `, ","))
	b.WriteString("END:VCARD\r\n")
	_, err := io.WriteString(w.to, b.String())
	return err
}

// Close has nothing left to do.
func (w *Writer) Close() error { return nil }

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`, ",", `\,`, ";", `\;`).Replace(s)
}

// fold writes a property in lines of at most 75 bytes, none of which ends within a
// character.
func fold(b *strings.Builder, line string) {
	for limit := 75; len(line) > limit; limit = 74 {
		cut := limit
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		b.WriteString(line[:cut] + "\r\n ")
		line = line[cut:]
	}
	b.WriteString(line + "\r\n")
}

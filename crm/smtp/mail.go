package smtp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// mail is a message as it goes over the wire.
type mail struct {
	id       string // Message-ID
	from, to string // of the envelope
	utf8     bool   // an address has characters beyond ASCII
	size     int64
	parts    []part
}

// part is a piece of a mail: bytes, or an attachment that is read when it is sent.
type part struct {
	bytes []byte
	file  *crm.Attachment
}

// compose makes a mail of a message. What can't be one is [crm.ErrInvalid].
func compose(m crm.Message, now time.Time) (*mail, error) {
	m, err := m.Normal()
	if err == nil {
		err = isMail(m)
	}
	if err != nil {
		return nil, err
	}
	from := m.From.Value
	out := &mail{id: m.ID, from: from, to: m.To.Value}
	if out.id == "" {
		out.id = crm.MessageID(m.Key, from[strings.LastIndexByte(from, '@')+1:])
	}
	if !m.BounceTo.IsZero() {
		out.from = m.BounceTo.Value
		out.utf8 = !isASCII(out.from)
	}
	w := &writer{mail: out, boundary: boundary(m.Key)}
	w.headers(m, now)
	w.entity(body(m))
	w.flush(nil)
	return out, nil
}

// isMail holds what mail asks besides what every message does.
func isMail(m crm.Message) error {
	if m.From.IsZero() {
		return crm.Invalid("from", "is required: mail has a sender")
	}
	all := map[string]crm.Address{
		"from": m.From.Address, "to": m.To.Address, "reply_to": m.ReplyTo.Address, "bounce_to": m.BounceTo,
	}
	for i, c := range m.Cc {
		all[fmt.Sprintf("cc[%d]", i)] = c.Address
	}
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if a := all[field]; !a.IsZero() && a.Kind != crm.AddressEmail {
			return crm.Invalid(field, "is a %s, and mail goes to e-mail addresses", a.Kind)
		}
	}
	if m.Text == "" && m.HTML == "" && len(m.Attachments) == 0 {
		return crm.Invalid("text", "is empty, and there is nothing else to send")
	}
	return nil
}

// boundary is what parts are divided by. All of them are encoded, in forms that never
// have =_ in them.
func boundary(key string) string {
	sum := sha256.Sum256([]byte("boundary " + key))
	return "=_" + hex.EncodeToString(sum[:12])
}

// headers writes the headers of the mail.
func (w *writer) headers(m crm.Message, now time.Time) {
	w.header("Date", now.UTC().Format(time.RFC1123Z))
	w.header("Message-ID", "<"+w.mail.id+">")
	w.correspondents("From", m.From)
	w.correspondents("To", m.To)
	w.correspondents("Cc", m.Cc...)
	w.correspondents("Reply-To", m.ReplyTo)
	w.header("Subject", words(m.Subject))
	if m.InReplyTo != "" {
		w.header("In-Reply-To", "<"+m.InReplyTo+">")
		if len(m.References) == 0 {
			m.References = []string{m.InReplyTo}
		}
	}
	if len(m.References) > 0 {
		w.header("References", "<"+strings.Join(m.References, "> <")+">")
	}
	if m.Auto != crm.AutoNo {
		w.header("Auto-Submitted", string(m.Auto))
		w.header("X-Auto-Response-Suppress", "All") // which Exchange goes by
	}
	w.unsubscribe(m.Unsubscribe)
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		w.header(name, words(m.Headers[name]))
	}
	w.header("MIME-Version", "1.0")
}

// unsubscribe writes the headers of RFC 2369 and, for a URL, RFC 8058.
func (w *writer) unsubscribe(u crm.Unsubscribe) {
	var ways []string
	if u.URL != "" {
		ways = append(ways, "<"+u.URL+">")
	}
	if at := strings.LastIndexByte(u.Mail.Value, '@'); at >= 0 {
		ways = append(ways, "<mailto:"+url.PathEscape(u.Mail.Value[:at])+u.Mail.Value[at:]+">")
	}
	if len(ways) > 0 {
		w.header("List-Unsubscribe", strings.Join(ways, ", "))
	}
	if u.URL != "" {
		w.header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
}

// entity is a part of a mail by RFC 2045: one of several, a text or a file.
type entity struct {
	subtype string   // of several: mixed, alternative, related
	several []entity // of which this is made

	textType string // of a text: plain, html
	text     string

	file   *crm.Attachment
	inline bool // the file is shown by the HTML beside it
}

// body is what a message's mail is made of: the text and the HTML in place of each
// other, with the HTML what it shows, and then the files.
func body(m crm.Message) entity {
	var inline, files []entity
	for i, a := range m.Attachments {
		if e := (entity{file: &m.Attachments[i], inline: a.ContentID != "" && m.HTML != ""}); e.inline {
			inline = append(inline, e)
		} else {
			files = append(files, e)
		}
	}
	var ways []entity
	if m.Text != "" {
		ways = append(ways, entity{textType: "plain", text: m.Text})
	}
	if m.HTML != "" {
		ways = append(ways, oneOrMore("related", slices.Concat([]entity{{textType: "html", text: m.HTML}}, inline)))
	}
	if len(ways) > 0 {
		files = slices.Insert(files, 0, oneOrMore("alternative", ways))
	}
	return oneOrMore("mixed", files)
}

func oneOrMore(subtype string, list []entity) entity {
	if len(list) == 1 {
		return list[0]
	}
	return entity{subtype: subtype, several: list}
}

// writer puts a mail together.
type writer struct {
	mail     *mail
	boundary string
	nested   int
	buf      bytes.Buffer
}

// flush ends a piece of bytes, and puts a file behind it.
func (w *writer) flush(file *crm.Attachment) {
	if w.buf.Len() > 0 {
		w.mail.parts = append(w.mail.parts, part{bytes: bytes.Clone(w.buf.Bytes())})
		w.mail.size += int64(w.buf.Len())
		w.buf.Reset()
	}
	if file != nil {
		w.mail.parts = append(w.mail.parts, part{file: file})
		w.mail.size += encodedSize(file.Size)
	}
}

func (w *writer) entity(e entity) {
	switch {
	case e.several != nil:
		w.nested++
		limit := fmt.Sprintf("%s_%d", w.boundary, w.nested)
		w.header("Content-Type", "multipart/"+e.subtype+`; boundary="`+limit+`"`)
		for _, one := range e.several {
			w.buf.WriteString("\r\n--" + limit + "\r\n")
			w.entity(one)
		}
		w.buf.WriteString("\r\n--" + limit + "--\r\n")
	case e.file != nil:
		w.file(e)
	default:
		w.text(e)
	}
}

// text writes a text, in the encoding that makes it shorter.
func (w *writer) text(e entity) {
	w.header("Content-Type", "text/"+e.textType+"; charset=utf-8")
	text := strings.ReplaceAll(strings.ReplaceAll(e.text, "\r\n", "\n"), "\r", "\n")
	text = strings.ReplaceAll(text, "\n", "\r\n")
	beyond := 0
	for i := range len(text) {
		if text[i] >= 0x80 {
			beyond++
		}
	}
	if beyond > len(text)/6 {
		w.header("Content-Transfer-Encoding", "base64")
		w.buf.WriteString("\r\n")
		_ = writeBase64(&w.buf, strings.NewReader(text)) // neither end can fail
		return
	}
	w.header("Content-Transfer-Encoding", "quoted-printable")
	w.buf.WriteString("\r\n")
	q := quotedprintable.NewWriter(&w.buf)
	_, _ = io.WriteString(q, text) // into memory
	_ = q.Close()
}

func (w *writer) file(e entity) {
	kind := e.file.MediaType
	if kind == "" {
		kind = "application/octet-stream"
	}
	disposition := "attachment"
	if e.inline {
		disposition = "inline"
		w.header("Content-ID", "<"+strings.Trim(e.file.ContentID, "<>")+">")
	}
	w.header("Content-Type", kind+parameter("name", e.file.Name))
	w.header("Content-Disposition", disposition+parameter("filename", e.file.Name))
	w.header("Content-Transfer-Encoding", "base64")
	w.buf.WriteString("\r\n")
	w.flush(e.file)
}

// write sends the mail, without its end.
func (m *mail) write(ctx context.Context, w io.Writer) error {
	for _, p := range m.parts {
		if p.file == nil {
			if _, err := w.Write(p.bytes); err != nil {
				return err
			}
		} else if err := writeFile(ctx, w, p.file); err != nil {
			return err
		}
	}
	return nil
}

// errContent is an attachment that can't be read now.
var errContent = errors.New("an attachment can't be read")

func writeFile(ctx context.Context, w io.Writer, file *crm.Attachment) error {
	content, err := file.Open(ctx)
	if err != nil {
		return fmt.Errorf("%w: open %s: %w", errContent, file.Name, err)
	}
	source := &counted{from: content}
	err = writeBase64(w, io.LimitReader(source, file.Size+1))
	if closed := content.Close(); err == nil && closed != nil {
		source.err = closed
	}
	switch {
	case source.err != nil:
		return fmt.Errorf("%w: read %s: %w", errContent, file.Name, source.err)
	case err != nil:
		return err
	case source.n != file.Size:
		return crm.Invalid("attachments", "of the name %s has not the %d bytes that its Size says", file.Name, file.Size)
	}
	return nil
}

// counted counts what is read, and remembers why no more could be.
type counted struct {
	from io.Reader
	n    int64
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

const base64Line = 76 // characters, RFC 2045 6.8

// writeBase64 writes lines of base64, the last with an end of line too.
func writeBase64(w io.Writer, from io.Reader) error {
	in := make([]byte, 64*base64Line/4*3)
	var out []byte
	for {
		n, err := io.ReadFull(from, in)
		out = out[:0]
		for rest := in[:n]; len(rest) > 0; {
			line := rest[:min(len(rest), base64Line/4*3)]
			rest = rest[len(line):]
			out = append(base64.StdEncoding.AppendEncode(out, line), "\r\n"...)
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// encodedSize is how long writeBase64 makes n bytes.
func encodedSize(n int64) int64 {
	const perLine = base64Line / 4 * 3
	return (n+2)/3*4 + (n+perLine-1)/perLine*2
}

package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/smtp"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, command, answer string
		class                 crm.SendClass
		reason                crm.Reason
		code                  string
	}{
		{"refused at once", "connect", "554 5.3.2 no service", crm.SendLater, crm.ReasonChannel, "554 5.3.2"},
		{"dropped at once", "connect", drop, crm.SendLater, crm.ReasonChannel, ""},
		{"dropped at EHLO", "EHLO", drop, crm.SendLater, crm.ReasonChannel, ""},

		{"sender put off", "MAIL", "451 4.3.0 try again", crm.SendLater, "", "451 4.3.0"},
		{"sender refused", "MAIL", "550 5.7.1 not yours", crm.SendRejected, crm.ReasonPolicy, "550 5.7.1"},
		{"sender's domain unknown", "MAIL", "553 5.1.8 who are you", crm.SendRejected, crm.ReasonPolicy, "553 5.1.8"},
		{"sender refused without a word", "MAIL", "550 no", crm.SendRejected, crm.ReasonPolicy, "550"},
		{"too long, announced", "MAIL", "552 5.3.4 too long", crm.SendRejected, crm.ReasonContent, "552 5.3.4"},
		{"login wanted", "MAIL", "530 5.7.0 log in first", crm.SendLater, crm.ReasonChannel, "530 5.7.0"},
		{"dropped at MAIL", "MAIL", drop, crm.SendLater, crm.ReasonChannel, ""},
		{"service closing", "MAIL", "421 4.3.2 shutting down", crm.SendLater, "", "421 4.3.2"},

		{"nobody there", "RCPT", "550 5.1.1 no such user", crm.SendRejected, crm.ReasonBadAddress, "550 5.1.1"},
		{"nobody there, no enhanced code", "RCPT", "550 no such user", crm.SendRejected, crm.ReasonBadAddress, "550"},
		{"no mail to the domain", "RCPT", "550 5.1.10 null MX", crm.SendRejected, crm.ReasonBadAddress, "550 5.1.10"},
		{"domain takes none", "RCPT", "556 5.1.10 no mail here", crm.SendRejected, crm.ReasonBadAddress, "556 5.1.10"},
		{"disabled", "RCPT", "550 5.2.1 mailbox disabled", crm.SendRejected, crm.ReasonBadAddress, "550 5.2.1"},
		{"full for good", "RCPT", "552 5.2.2 mailbox full", crm.SendRejected, crm.ReasonFull, "552 5.2.2"},
		{"full for now", "RCPT", "452 4.2.2 mailbox full", crm.SendLater, "", "452 4.2.2"},
		{"greylisted", "RCPT", "450 4.7.1 greylisted", crm.SendLater, "", "450 4.7.1"},
		{"relaying denied", "RCPT", "550 5.7.1 relaying denied", crm.SendRejected, crm.ReasonPolicy, "550 5.7.1"},
		{"authentication of the sender", "RCPT", "550 5.7.26 SPF and DKIM failed", crm.SendRejected, crm.ReasonPolicy, "550 5.7.26"},
		{"too much from here", "RCPT", "550 5.7.28 rate of unsolicited mail", crm.SendRejected, crm.ReasonBlocked, "550 5.7.28"},
		{"enhanced code of another class", "RCPT", "550 2.1.1 odd", crm.SendRejected, crm.ReasonBadAddress, "550"},
		{"enhanced code that is none", "RCPT", "550 5.1 odd", crm.SendRejected, crm.ReasonBadAddress, "550"},
		{"not understood", "RCPT", "501 syntax", crm.SendRejected, crm.ReasonOther, "501"},
		{"dropped at RCPT", "RCPT", drop, crm.SendLater, crm.ReasonChannel, ""},
		{"no answer of SMTP", "RCPT", "what?", crm.SendLater, crm.ReasonChannel, ""},

		{"DATA put off", "DATA", "451 4.3.0 no", crm.SendLater, "", "451 4.3.0"},
		{"DATA refused", "DATA", "554 5.5.1 no valid recipients", crm.SendRejected, crm.ReasonOther, "554 5.5.1"},
		{"dropped at DATA", "DATA", drop, crm.SendLater, crm.ReasonChannel, ""},

		{"put off at the end", ".", "451 4.3.0 queue full", crm.SendLater, "", "451 4.3.0"},
		{"service closing at the end", ".", "421 4.3.2 shutting down", crm.SendLater, "", "421 4.3.2"},
		{"spam", ".", "554 5.7.1 looks like spam", crm.SendRejected, crm.ReasonPolicy, "554 5.7.1"},
		{"content refused", ".", "554 5.6.0 bad MIME", crm.SendRejected, crm.ReasonContent, "554 5.6.0"},
		{"content refused, no enhanced code", ".", "554 no", crm.SendRejected, crm.ReasonContent, "554"},
		{"too long at the end", ".", "552 5.3.4 too long", crm.SendRejected, crm.ReasonContent, "552 5.3.4"},
		{"lost after the final dot", ".", drop, crm.SendUncertain, "", ""},
		{"nonsense after the final dot", ".", "what?", crm.SendUncertain, "", ""},
		{"an odd code after the final dot", ".", "354 go on", crm.SendUncertain, "", "354"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := (&server{answer: at(c.command, c.answer)}).start(t)
			sent, err := s.channel(t, nil).Send(t.Context(), message("m-1"))
			e, ok := errors.AsType[*crm.SendError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, c.class, e.Class, "%v", err)
			assert.Equal(t, c.reason, e.Reason, "%v", err)
			assert.Equal(t, c.code, e.Code)
			assert.Equal(t, c.class, crm.ClassOf(err))
			if c.class == crm.SendUncertain {
				assert.Equal(t, crm.MessageID("m-1", "example.com"), sent.ID, "a receipt can still tell")
			} else {
				assert.Zero(t, sent)
			}
			if c.command != "." {
				assert.Empty(t, s.received())
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	sent, err := s.channel(t, nil).Send(t.Context(), message("m-1"))
	require.NoError(t, err)
	assert.Equal(t, crm.MessageID("m-1", "example.com"), sent.ID)
	assert.Equal(t, "250 2.0.0 OK queued as 4711", sent.Response)
	got := s.received()
	require.Len(t, got, 1)
	assert.Equal(t, "us@example.com", got[0].from)
	assert.Equal(t, "ada@example.org", got[0].to)
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{listener: listener}
	require.NoError(t, listener.Close())
	_, err = s.channel(t, nil).Send(t.Context(), message("m-1"))
	assert.ErrorIs(t, err, crm.ErrLater)
}

// TestTimeout is a server that says nothing: before the mail's end it was not sent,
// after it nobody knows, and so that is waited for longer.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]struct {
		err     error
		patient time.Duration
	}{
		"connect": {crm.ErrLater, time.Hour},
		"RCPT":    {crm.ErrLater, time.Hour},
		".":       {crm.ErrUncertain, 2 * time.Hour},
	} {
		var conn *hurried
		dialled := make(chan struct{})
		s := (&server{answer: func(got string) string {
			if !strings.HasPrefix(got, command) {
				return ""
			}
			<-dialled
			conn.timeIsUp()
			return silence
		}}).start(t)
		c := s.channel(t, func(o *smtp.Options) {
			o.Timeout = time.Hour
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
				conn = &hurried{Conn: raw}
				close(dialled)
				return conn, err
			}
		})
		_, err := c.Send(t.Context(), message("m-1"))
		assert.ErrorIs(t, err, want.err, command)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, command)
		assert.InDelta(t, want.patient, conn.patient, float64(time.Minute), command)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		s := (&server{}).start(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.channel(t, nil).Send(ctx, message("m-1"))
		assert.ErrorIs(t, err, crm.ErrLater)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, s.connections())
	})
	for command, want := range map[string]error{"connect": crm.ErrLater, "MAIL": crm.ErrLater, "DATA": crm.ErrLater, ".": crm.ErrUncertain} {
		t.Run("at "+command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			s := (&server{answer: func(got string) string {
				if strings.HasPrefix(got, command) {
					cancel()
					return silence
				}
				return ""
			}}).start(t)
			_, err := s.channel(t, nil).Send(ctx, message("m-1"))
			assert.ErrorIs(t, err, want)
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	t.Run("while an attachment is read", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := (&server{}).start(t)
		m := message("m-1")
		m.Attachments = []crm.Attachment{{Name: "a.bin", Size: 1 << 20, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(readerFunc(func(p []byte) (int, error) {
				cancel()
				return len(p), nil
			})), nil
		}}}
		_, err := s.channel(t, nil).Send(ctx, m)
		assert.ErrorIs(t, err, crm.ErrLater)
		assert.Empty(t, s.received())
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestBrokenAttachment is that no half of a mail is delivered.
func TestBrokenAttachment(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		attachment crm.Attachment
		want       error
	}{
		"can't be opened": {crm.Attachment{Size: 3, Open: func(context.Context) (io.ReadCloser, error) { return nil, broken }}, crm.ErrLater},
		"has an answer of another server's": {crm.Attachment{Size: 3, Open: func(context.Context) (io.ReadCloser, error) {
			return nil, errors.Join(broken, &textproto.Error{Code: 550, Msg: "no such file"})
		}}, crm.ErrLater},
		"breaks off": {crm.Attachment{Size: 100_000, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 50_000)), readerFunc(func([]byte) (int, error) { return 0, broken }))), nil
		}}, crm.ErrLater},
		"fails to close": {crm.Attachment{Size: 3, Open: func(context.Context) (io.ReadCloser, error) {
			return failingClose{bytes.NewReader([]byte("abc")), broken}, nil
		}}, crm.ErrLater},
		"is shorter": {crm.Attachment{Size: 4, Open: crm.Attach("", "", []byte("abc")).Open}, crm.ErrInvalid},
		"is longer":  {crm.Attachment{Size: 2, Open: crm.Attach("", "", []byte("abc")).Open}, crm.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&server{}).start(t)
			m := message("m-1")
			c.attachment.Name = "a.bin"
			m.Attachments = []crm.Attachment{c.attachment, crm.Attach("b.txt", "text/plain", []byte("b"))}
			channel := s.channel(t, func(o *smtp.Options) { o.Keep = 1 })
			_, err := channel.Send(t.Context(), m)
			require.ErrorIs(t, err, c.want)
			if errors.Is(c.want, crm.ErrInvalid) {
				assert.ErrorIs(t, err, crm.ErrRejected)
			} else {
				assert.ErrorIs(t, err, broken)
			}
			_, err = channel.Send(t.Context(), message("m-2"))
			require.NoError(t, err)
			got := s.received()
			require.Len(t, got, 1, "the first was never ended")
			assert.NotContains(t, got[0].data, "a.bin")
		})
	}
}

type failingClose struct {
	io.Reader

	err error
}

func (f failingClose) Close() error { return f.err }

// parsed is a mail as a mail program sees it.
type parsed struct {
	header mail.Header
	leaves []leaf
}

type leaf struct {
	within, mediaType, disposition, filename, contentID, content string
}

func parse(t *testing.T, data string) parsed {
	t.Helper()
	for line := range strings.SplitSeq(data, "\n") {
		require.LessOrEqual(t, len(line), 998, "RFC 5322 2.1.1")
	}
	m, err := mail.ReadMessage(strings.NewReader(data))
	require.NoError(t, err)
	out := parsed{header: m.Header}
	out.read(t, "", m.Header.Get, m.Body)
	return out
}

func (p *parsed) read(t *testing.T, within string, header func(string) string, body io.Reader) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(header("Content-Type"))
	require.NoError(t, err, header("Content-Type"))
	if kind, ok := strings.CutPrefix(mediaType, "multipart/"); ok {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			p.read(t, within+"/"+kind, part.Header.Get, part)
		}
	}
	switch header("Content-Transfer-Encoding") {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body) // which passes over line breaks
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	disposition, file, _ := mime.ParseMediaType(header("Content-Disposition"))
	p.leaves = append(p.leaves, leaf{within, mediaType, disposition, file["filename"], header("Content-ID"), string(content)})
}

func TestMail(t *testing.T) {
	t.Parallel()
	s := (&server{extensions: []string{"SIZE 50000000"}}).start(t)
	m := message("campaign-7/ada")
	m.From.Name, m.To.Name = "王芳 (销售部)", `Ada "the first" Lovelace`
	m.Cc = []crm.Correspondent{email("bob@example.org")}
	m.ReplyTo, m.BounceTo = email("tickets@example.com"), email("bounce+7@example.com").Address
	m.Subject = strings.Repeat("关于您的订单 #42 的确认函，请查收。", 5)
	m.Text = "亲爱的 Ada：\n.\n..一行以点开头\n"
	m.HTML = "<p>Tea &amp; a very long line " + strings.Repeat("x", 5000) + "</p>\n<img src=\"cid:logo@example.com\">\n"
	long := strings.Repeat("很长的文件名", 20) + ".pdf"
	logo := crm.Attach("logo.png", "image/png", []byte("\x89PNG"))
	logo.ContentID = "logo@example.com"
	m.Attachments = []crm.Attachment{crm.Attach(long, "application/pdf", bytes.Repeat([]byte{0, 1, 2, 255}, 1000)), logo, crm.Attach(`a";b.txt`, "", nil)}
	m.InReplyTo, m.References = "<q@example.org>", []string{"<p@example.org>", "q@example.org"}
	m.Auto = crm.AutoGenerated
	m.Unsubscribe = crm.Unsubscribe{URL: "https://example.com/u/8f3a?x=1", Mail: email("stop+8f3a@example.com").Address}
	m.Headers = map[string]string{"List-Id": "News <news.example.com>", "X-Note": "=?utf-8?q?not_an_encoded_word?="}
	m.Meta = map[string]string{"secret": "for-nobody"}
	_, err := s.channel(t, nil).Send(t.Context(), m)
	require.NoError(t, err)

	got := s.received()[0]
	assert.Equal(t, "bounce+7@example.com", got.from)
	assert.NotContains(t, got.data, "for-nobody")
	for line := range strings.SplitSeq(got.data, "\n") {
		assert.LessOrEqual(t, len(line), 120, "lines are folded")
	}
	p := parse(t, got.data)
	decoded := func(name string) string {
		text, err := new(mime.WordDecoder).DecodeHeader(p.header.Get(name))
		require.NoError(t, err)
		return text
	}
	assert.Equal(t, m.Subject, decoded("Subject"))
	from, err := p.header.AddressList("From")
	require.NoError(t, err)
	assert.Equal(t, []*mail.Address{{Name: m.From.Name, Address: "us@example.com"}}, from)
	to, err := p.header.AddressList("To")
	require.NoError(t, err)
	assert.Equal(t, []*mail.Address{{Name: m.To.Name, Address: "ada@example.org"}}, to)
	for name, want := range map[string]string{
		"Date":                  "Mon, 05 Jan 2026 09:00:00 +0000",
		"Message-Id":            "<" + crm.MessageID(m.Key, "example.com") + ">",
		"Cc":                    "<bob@example.org>",
		"Reply-To":              "<tickets@example.com>",
		"In-Reply-To":           "<q@example.org>",
		"References":            "<p@example.org> <q@example.org>",
		"Auto-Submitted":        "auto-generated",
		"List-Unsubscribe":      "<https://example.com/u/8f3a?x=1>, <mailto:stop+8f3a@example.com>",
		"List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"List-Id":               "News <news.example.com>",
		"X-Note":                "=?utf-8?q?not_an_encoded_word?=",
		"Mime-Version":          "1.0",
	} {
		assert.Equal(t, want, decoded(name), name)
	}
	assert.Equal(t, []leaf{
		{"/mixed/alternative", "text/plain", "", "", "", strings.ReplaceAll(m.Text, "\n", "\r\n")},
		{"/mixed/alternative/related", "text/html", "", "", "", m.HTML},
		{"/mixed/alternative/related", "image/png", "inline", "logo.png", "<logo@example.com>", "\x89PNG"},
		{"/mixed", "application/pdf", "attachment", long, "", strings.Repeat("\x00\x01\x02\xff", 1000)},
		{"/mixed", "application/octet-stream", "attachment", `a";b.txt`, "", ""},
	}, p.leaves)

	// The length announced is the mail's, every line of which ends with CRLF.
	s.mu.Lock()
	defer s.mu.Unlock()
	length := len(strings.ReplaceAll(got.data, "\n", "\r\n"))
	assert.Contains(t, s.commands, fmt.Sprintf("MAIL FROM:<bounce+7@example.com> SIZE=%d", length))
}

func TestShapes(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	c := s.channel(t, nil)
	pdf := crm.Attach("a.pdf", "application/pdf", []byte("pdf"))
	for i, shape := range []struct {
		text, html  string
		attachments []crm.Attachment
		want        []leaf
	}{
		{"a", "", nil, []leaf{{"", "text/plain", "", "", "", "a"}}},
		{"", "<p>", nil, []leaf{{"", "text/html", "", "", "", "<p>"}}},
		{"a", "<p>", nil, []leaf{{"/alternative", "text/plain", "", "", "", "a"}, {"/alternative", "text/html", "", "", "", "<p>"}}},
		{"a", "", []crm.Attachment{pdf}, []leaf{{"/mixed", "text/plain", "", "", "", "a"}, {"/mixed", "application/pdf", "attachment", "a.pdf", "", "pdf"}}},
		{"", "", []crm.Attachment{pdf}, []leaf{{"", "application/pdf", "attachment", "a.pdf", "", "pdf"}}},
	} {
		m := message(fmt.Sprint("m-", i))
		m.Text, m.HTML, m.Attachments = shape.text, shape.html, shape.attachments
		_, err := c.Send(t.Context(), m)
		require.NoError(t, err)
		p := parse(t, s.received()[i].data)
		for n := range p.leaves {
			p.leaves[n].content = strings.TrimRight(p.leaves[n].content, "\r\n") // the last line of a mail is ended
		}
		assert.Equal(t, shape.want, p.leaves)
	}
}

// TestSameMessage is that a mail sent again is the same, byte for byte.
func TestSameMessage(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	c := s.channel(t, nil)
	m := message("m-1")
	m.HTML = "<p>Hello"
	for range 2 {
		_, err := c.Send(t.Context(), m)
		require.NoError(t, err)
	}
	m.Key, m.ID = "m-2", "<ours@example.com>"
	sent, err := c.Send(t.Context(), m)
	require.NoError(t, err)
	assert.Equal(t, "ours@example.com", sent.ID)
	got := s.received()
	assert.Equal(t, got[0], got[1])
	assert.Contains(t, got[2].data, "Message-ID: <ours@example.com>\n")
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	c := s.channel(t, func(o *smtp.Options) { o.MaxBytes = 10_000 })
	for name, change := range map[string]func(*crm.Message){
		"subject":     func(m *crm.Message) { m.Subject = "Hello\r\nBcc: eve@example.org" },
		"from.name":   func(m *crm.Message) { m.From.Name = "Us\nBcc: eve@example.org" },
		"to":          func(m *crm.Message) { m.To.Value = "ada@example.org>\r\nRCPT TO:<eve@example.org" },
		"bounce_to":   func(m *crm.Message) { m.BounceTo = crm.Address{Kind: crm.AddressEmail, Value: "a@b.c\r\nDATA"} },
		"id":          func(m *crm.Message) { m.ID = "a@b>\r\nBcc: eve@example.org" },
		"in_reply_to": func(m *crm.Message) { m.InReplyTo = "a\nb" },
		"X-A":         func(m *crm.Message) { m.Headers = map[string]string{"X-A": "a\r\nBcc: eve@example.org"} },
		"bcc":         func(m *crm.Message) { m.Headers = map[string]string{"bcc": "eve@example.org"} },
		"unsubscribe": func(m *crm.Message) { m.Unsubscribe.URL = "https://example.com/>\r\nBcc: eve@example.org" },
		"name":        func(m *crm.Message) { m.Attachments = []crm.Attachment{crm.Attach("a\r\nb", "", nil)} },
		"media_type":  func(m *crm.Message) { m.Attachments = []crm.Attachment{crm.Attach("a", "text/plain\r\nBcc: e@e", nil)} },
		"content_id": func(m *crm.Message) {
			m.Attachments = []crm.Attachment{{Name: "a", ContentID: "a>\r\nB: c", Open: crm.Attach("a", "", nil).Open}}
		},
		"from":         func(m *crm.Message) { m.From = crm.Correspondent{} },
		"is a phone":   func(m *crm.Message) { m.To.Address = crm.Address{Kind: crm.AddressPhone, Value: "+4930123"} },
		"is empty":     func(m *crm.Message) { m.Text, m.Meta = "", map[string]string{"template": "7"} },
		"10000 are al": func(m *crm.Message) { m.Attachments = []crm.Attachment{crm.Attach("a", "", make([]byte, 9000))} },
	} {
		m := message("m-1")
		change(&m)
		_, err := c.Send(t.Context(), m)
		assert.ErrorIs(t, err, crm.ErrRejected, name)
		assert.ErrorIs(t, err, crm.ErrInvalid, name)
		assert.ErrorContains(t, err, name)
	}
	assert.Zero(t, s.connections())
}

func TestUTF8Addresses(t *testing.T) {
	t.Parallel()
	m := message("m-1")
	m.To = email("用户@例え.jp")
	s := (&server{}).start(t)
	_, err := s.channel(t, nil).Send(t.Context(), m)
	assert.ErrorIs(t, err, crm.ErrRejected)
	assert.ErrorContains(t, err, "SMTPUTF8")

	s = (&server{extensions: []string{"SMTPUTF8"}}).start(t)
	_, err = s.channel(t, nil).Send(t.Context(), m)
	require.NoError(t, err)
	assert.Equal(t, "用户@xn--r8jz45g.jp", s.received()[0].to)
	assert.Equal(t, 1, s.heard("MAIL FROM:<us@example.com> SMTPUTF8"))
	_, err = s.channel(t, nil).Send(t.Context(), message("m-2"))
	require.NoError(t, err)
	assert.Equal(t, 1, s.heard("MAIL FROM:<us@example.com> SMTPUTF8"), "only asked for where it is needed")
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t)
	for mode, name := range map[smtp.TLSMode]string{smtp.StartTLS: "STARTTLS", smtp.ImplicitTLS: "implicit"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&server{tls: config, immediate: mode == smtp.ImplicitTLS, extensions: []string{"STARTTLS", "AUTH PLAIN LOGIN"}}).start(t)
			secure := func(o *smtp.Options) {
				o.TLS, o.TLSConfig, o.Username, o.Password = mode, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, "crm", "secret"
			}
			_, err := s.channel(t, secure).Send(t.Context(), message("m-1"))
			require.NoError(t, err)
			assert.Len(t, s.received(), 1)

			_, err = s.channel(t, func(o *smtp.Options) { o.TLS, o.Username, o.Password = mode, "crm", "secret" }).Send(t.Context(), message("m-2"))
			assert.ErrorIs(t, err, crm.ErrLater, "an unknown certificate")
			assert.Equal(t, 1, s.heard("AUTH"), "no password went to it")
		})
	}
	t.Run("the server has none", func(t *testing.T) {
		t.Parallel()
		s := (&server{extensions: []string{"AUTH PLAIN"}}).start(t)
		_, err := s.channel(t, func(o *smtp.Options) { o.TLS, o.Username, o.Password = smtp.StartTLS, "crm", "secret" }).Send(t.Context(), message("m-1"))
		assert.ErrorIs(t, err, crm.ErrLater)
		assert.Zero(t, s.heard("AUTH")+s.heard("MAIL"))
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	token := func(token string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return token, err }
	}
	for _, c := range []struct {
		offered string
		change  func(*smtp.Options)
		ok      bool
	}{
		{"AUTH LOGIN PLAIN", nil, true},
		{"AUTH LOGIN", nil, true},
		{"AUTH XOAUTH2 PLAIN", func(o *smtp.Options) { o.Token = token("token", nil) }, true},
		{"AUTH XOAUTH2", func(o *smtp.Options) { o.Token = token("stale", nil) }, false},
		{"AUTH XOAUTH2", func(o *smtp.Options) { o.Token = token("", errors.New("no token")) }, false},
		{"AUTH PLAIN", func(o *smtp.Options) { o.Password = "wrong" }, false},
		{"AUTH LOGIN", func(o *smtp.Options) { o.Password = "wrong" }, false},
		{"AUTH KERBEROS_V4", nil, false},
		{"8BITMIME", nil, false},
	} {
		s := (&server{extensions: []string{c.offered}}).start(t)
		_, err := s.channel(t, func(o *smtp.Options) {
			o.Username, o.Password = "crm", "secret"
			if c.change != nil {
				c.change(o)
			}
		}).Send(t.Context(), message("m-1"))
		if c.ok {
			require.NoError(t, err, c.offered)
			continue
		}
		e, ok := errors.AsType[*crm.SendError](err)
		require.True(t, ok)
		assert.Equal(t, crm.SendLater, e.Class, "it is not the message's fault")
		assert.Equal(t, crm.ReasonChannel, e.Reason)
		assert.Empty(t, s.received())
	}
}

func TestKeptConnections(t *testing.T) {
	t.Parallel()
	t.Run("are used again", func(t *testing.T) {
		t.Parallel()
		s := (&server{}).start(t)
		c := s.channel(t, func(o *smtp.Options) { o.Keep = 1 })
		for i := range 5 {
			_, err := c.Send(t.Context(), message(fmt.Sprint("m-", i)))
			require.NoError(t, err)
		}
		assert.Equal(t, 1, s.connections())
		require.NoError(t, c.Close())
		_, err := c.Send(t.Context(), message("m-5"))
		require.NoError(t, err)
		assert.Len(t, s.received(), 6)
	})
	t.Run("also after a refusal", func(t *testing.T) {
		t.Parallel()
		s := (&server{answer: at("RCPT TO:<nobody", "550 5.1.1 no")}).start(t)
		c := s.channel(t, func(o *smtp.Options) { o.Keep = 1 })
		m := message("m-1")
		m.To = email("nobody@example.org")
		_, err := c.Send(t.Context(), m)
		require.ErrorIs(t, err, crm.ErrRejected)
		_, err = c.Send(t.Context(), message("m-2"))
		require.NoError(t, err)
		assert.Equal(t, 1, s.connections())
	})
	for _, left := range []string{"RSET", "MAIL FROM:<stale"} {
		for _, how := range []string{drop, "421 4.4.2 idle too long"} {
			t.Run("that the server left at "+left+" with "+how, func(t *testing.T) {
				t.Parallel()
				var s *server
				s = &server{answer: func(got string) string {
					if strings.HasPrefix(got, left) && s.connections() == 1 {
						return how
					}
					return ""
				}}
				s.start(t)
				c := s.channel(t, func(o *smtp.Options) { o.Keep = 1 })
				_, err := c.Send(t.Context(), message("m-1"))
				require.NoError(t, err)
				m := message("m-2")
				m.BounceTo = email("stale@example.com").Address
				_, err = c.Send(t.Context(), m)
				require.NoError(t, err)
				assert.Len(t, s.received(), 2)
				assert.Equal(t, 2, s.connections())
			})
		}
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	c := s.channel(t, func(o *smtp.Options) { o.Keep = 2 })
	const senders, each = 8, 10
	var wait sync.WaitGroup
	for i := range senders {
		wait.Go(func() {
			for n := range each {
				_, err := c.Send(t.Context(), message(fmt.Sprintf("m-%d-%d", i, n)))
				assert.NoError(t, err)
			}
		})
	}
	wait.Wait()
	ids := map[string]bool{}
	for _, m := range s.received() {
		ids[parse(t, m.data).header.Get("Message-Id")] = true
	}
	assert.Len(t, ids, senders*each)
}

// TestWhateverIsWritten is that what people write comes out as they wrote it, and that
// no header comes of it.
func TestWhateverIsWritten(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	c := s.channel(t, func(o *smtp.Options) { o.Keep = 1 })
	line := rapid.Custom(func(t *rapid.T) string {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,120}`), rapid.StringMatching(`[=?_ "\\(),:;<>@a用ü]{0,200}`)).Draw(t, "line")
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
				return -1
			}
			return r
		}, text))
	})
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		m := message(fmt.Sprint("m-", n))
		m.Subject, m.From.Name = line.Draw(r, "subject"), line.Draw(r, "name")
		m.Text = strings.ReplaceAll(line.Draw(r, "text"), ";", "\n") + "\n"
		m.Headers = map[string]string{"X-Note": line.Draw(r, "note")}
		name := strings.NewReplacer("/", "", `\`, "").Replace(line.Draw(r, "file"))
		m.Attachments = []crm.Attachment{crm.Attach("a"+name, "", []byte(name))}
		if _, err := m.Normal(); err != nil {
			r.Skip(err)
		}
		_, err := c.Send(t.Context(), m)
		require.NoError(r, err)
		data := s.received()[n].data
		n++
		p := parse(t, data)
		for got := range p.header {
			require.Contains(r, []string{"Date", "Message-Id", "From", "To", "Subject", "X-Note", "Mime-Version", "Content-Type"}, got)
		}
		for header, want := range map[string]string{"Subject": m.Subject, "X-Note": m.Headers["X-Note"]} {
			got, err := new(mime.WordDecoder).DecodeHeader(p.header.Get(header))
			require.NoError(r, err)
			require.Equal(r, want, got)
		}
		from, err := p.header.AddressList("From")
		require.NoError(r, err, p.header.Get("From"))
		require.Equal(r, []*mail.Address{{Name: m.From.Name, Address: "us@example.com"}}, from)
		require.Len(r, p.leaves, 2)
		require.Equal(r, m.Text, strings.ReplaceAll(p.leaves[0].content, "\r\n", "\n"))
		require.Equal(r, "a"+name, p.leaves[1].filename)
		require.Equal(r, name, p.leaves[1].content)
	})
}

// TestLargeAttachment is that an attachment is not held in memory.
func TestLargeAttachment(t *testing.T) { //nolint:paralleltest // it looks at the memory of the process
	s := (&server{discard: true}).start(t)
	c := s.channel(t, func(o *smtp.Options) { o.MaxBytes = 200 << 20 })
	const size = 16 << 20
	m := message("m-1")
	m.Attachments = []crm.Attachment{{Name: "film.mp4", Size: size, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), size)), nil
	}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Send(t.Context(), m)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Greater(t, s.length, int64(size/3*4))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "all that was ever allocated")
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]smtp.Options{
		"host":       {},
		"port":       {Host: "a", Port: 70_000},
		"tls":        {Host: "smtp.example.com", TLS: smtp.NoTLS, Username: "crm", Password: "secret"},
		"username":   {Host: "a", Password: "secret"},
		"local_name": {Host: "a", LocalName: "me\r\nMAIL"},
		"timeout":    {Host: "a", Keep: -1},
	} {
		_, err := smtp.New(o)
		assert.ErrorIs(t, err, crm.ErrInvalid, name)
		assert.ErrorContains(t, err, name)
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	c := (&server{}).start(t).channel(t, nil)
	assert.Equal(t, crm.ChannelTraits{Kind: crm.AddressEmail, Subject: true, HTML: true, Attachments: true}, c.Traits())
}

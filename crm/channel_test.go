package crm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// letter is a message that can be sent.
func letter(key string) crm.Message {
	return crm.Message{
		Key: key, Subject: "Hello", Text: "Hello Ada",
		From: crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "us@example.com"}},
		To:   crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"}},
	}
}

func TestMessageNormal(t *testing.T) {
	t.Parallel()
	m := letter("m-1")
	m.To.Value, m.InReplyTo, m.ID = " ada@EXAMPLE.org", " <a@example.org> ", "b@example.com"
	for i := range 60 {
		m.References = append(m.References, fmt.Sprintf("<%d@example.org>", i))
	}
	given := m.References[0]
	m.Cc = []crm.Correspondent{{Address: crm.Address{Kind: crm.AddressEmail, Value: "BOB@EXAMPLE.org"}, Name: "Bob"}}
	n, err := m.Normal()
	require.NoError(t, err)
	assert.Equal(t, "ada@example.org", n.To.Value)
	assert.Equal(t, "a@example.org", n.InReplyTo)
	assert.Equal(t, "b@example.com", n.ID)
	assert.Equal(t, "BOB@example.org", n.Cc[0].Value)
	require.Len(t, n.References, 50)
	assert.Equal(t, "0@example.org", n.References[0])
	assert.Equal(t, "11@example.org", n.References[1])
	assert.Equal(t, "59@example.org", n.References[49])
	assert.Equal(t, given, m.References[0], "the caller's own stay as they are")
	assert.Equal(t, "BOB@EXAMPLE.org", m.Cc[0].Value)
	again, err := n.Normal()
	require.NoError(t, err)
	assert.Equal(t, n, again)
}

func TestMessageFaults(t *testing.T) {
	t.Parallel()
	file := crm.Attach("a.txt", "text/plain", []byte("a"))
	with := func(change func(*crm.Attachment)) func(*crm.Message) {
		return func(m *crm.Message) {
			a := file
			change(&a)
			m.Attachments = []crm.Attachment{a}
		}
	}
	many := func(n int) map[string]string {
		out := map[string]string{}
		for i := range n {
			out[fmt.Sprint("X-", i)] = "x"
		}
		return out
	}
	for _, c := range []struct {
		field  string
		change func(*crm.Message)
	}{
		{"key", func(m *crm.Message) { m.Key = "" }},
		{"key", func(m *crm.Message) { m.Key = strings.Repeat("k", 201) }},
		{"key", func(m *crm.Message) { m.Key = "a\r\nb" }},
		{"key", func(m *crm.Message) { m.Key = "é" }},
		{"to", func(m *crm.Message) { m.To = crm.Correspondent{} }},
		{"to", func(m *crm.Message) { m.To.Value = "ada" }},
		{"to", func(m *crm.Message) { m.To.Kind = "" }},
		{"to.name", func(m *crm.Message) { m.To.Name = "Ada\nBcc: eve@example.org" }},
		{"from.name", func(m *crm.Message) { m.From.Name = strings.Repeat("n", 201) }},
		{"cc[0]", func(m *crm.Message) {
			m.Cc = []crm.Correspondent{{Address: crm.Address{Kind: crm.AddressEmail, Value: "x"}}}
		}},
		{"cc", func(m *crm.Message) { m.Cc = make([]crm.Correspondent, 51) }},
		{"bounce_to", func(m *crm.Message) { m.BounceTo = crm.Address{Kind: crm.AddressEmail, Value: "a@b\nc"} }},
		{"reply_to", func(m *crm.Message) { m.ReplyTo.Address = crm.Address{Kind: crm.AddressEmail, Value: "a"} }},
		{"subject", func(m *crm.Message) { m.Subject = "a\nb" }},
		{"subject", func(m *crm.Message) { m.Subject = "a\u2028b" }},
		{"subject", func(m *crm.Message) { m.Subject = strings.Repeat("题", 501) }},
		{"subject", func(m *crm.Message) { m.Subject = "\xff" }},
		{"text", func(m *crm.Message) { m.Text = strings.Repeat("a", 1<<20+1) }},
		{"text", func(m *crm.Message) { m.Text = "a\x00" }},
		{"text", func(m *crm.Message) { m.Text = "" }},
		{"html", func(m *crm.Message) { m.HTML = "\xff" }},
		{"id", func(m *crm.Message) { m.ID = "a b" }},
		{"in_reply_to", func(m *crm.Message) { m.InReplyTo = "<a><b>" }},
		{"references[1]", func(m *crm.Message) { m.References = []string{"a", "b\r\nc"} }},
		{"thread", func(m *crm.Message) { m.Thread = "a\nb" }},
		{"auto", func(m *crm.Message) { m.Auto = "yes" }},
		{"unsubscribe.url", func(m *crm.Message) { m.Unsubscribe.URL = "http://example.com/u" }},
		{"unsubscribe.url", func(m *crm.Message) { m.Unsubscribe.URL = "https://example.com/u>,<x" }},
		{"unsubscribe.url", func(m *crm.Message) { m.Unsubscribe.URL = "https://example.com/" + strings.Repeat("u", 800) }},
		{"unsubscribe.mail", func(m *crm.Message) { m.Unsubscribe.Mail = crm.Address{Kind: crm.AddressPhone, Value: "110"} }},
		{"headers", func(m *crm.Message) { m.Headers = map[string]string{"BCC": "eve@example.org"} }},
		{"headers", func(m *crm.Message) { m.Headers = map[string]string{"Content-Type": "text/plain"} }},
		{"headers", func(m *crm.Message) { m.Headers = map[string]string{"X A": "a"} }},
		{"headers", func(m *crm.Message) { m.Headers = map[string]string{"X-A: b\r\nBcc": "a"} }},
		{"headers", func(m *crm.Message) { m.Headers = many(21) }},
		{"headers.X-A", func(m *crm.Message) { m.Headers = map[string]string{"X-A": "a\r\nBcc: eve@example.org"} }},
		{"headers.X-A", func(m *crm.Message) { m.Headers = map[string]string{"X-A": strings.Repeat("a", 901)} }},
		{"meta", func(m *crm.Message) { m.Meta = many(51) }},
		{"meta", func(m *crm.Message) { m.Meta = map[string]string{"a\nb": "a"} }},
		{"meta.a", func(m *crm.Message) { m.Meta = map[string]string{"a": strings.Repeat("a", 2001)} }},
		{"attachments", func(m *crm.Message) { m.Attachments = make([]crm.Attachment, 51) }},
		{"attachments", func(m *crm.Message) {
			file := crm.Attachment{Name: "a", Size: 60 << 20, Open: file.Open}
			m.Attachments = []crm.Attachment{file, file}
		}},
		{"attachments[0].name", with(func(a *crm.Attachment) { a.Name = "../a" })},
		{"attachments[0].name", with(func(a *crm.Attachment) { a.Name = "" })},
		{"attachments[0].name", with(func(a *crm.Attachment) { a.Name = "a\r\nb" })},
		{"attachments[0].media_type", with(func(a *crm.Attachment) { a.MediaType = "text" + strings.Repeat("/", 9) })},
		{"attachments[0].content_id", with(func(a *crm.Attachment) { a.ContentID = "a b" })},
		{"attachments[0].open", with(func(a *crm.Attachment) { a.Open = nil })},
		{"attachments[0].size", with(func(a *crm.Attachment) { a.Size = -1 })},
		{"attachments[0].size", with(func(a *crm.Attachment) { a.Size = 101 << 20 })},
	} {
		m := letter("m-1")
		c.change(&m)
		_, err := m.Normal()
		require.ErrorIs(t, err, crm.ErrInvalid, c.field)
		invalid := &crm.InvalidError{}
		require.ErrorAs(t, err, &invalid)
		var fields []string
		for _, fault := range invalid.Faults {
			fields = append(fields, fault.Field)
		}
		assert.Contains(t, fields, c.field, "%v", err)
	}
	m := letter("")
	m.To, m.Subject = crm.Correspondent{}, "a\nb"
	_, err := m.Normal()
	invalid := &crm.InvalidError{}
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid.Faults, 3, "all at once")
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		class crm.SendClass
		is    error
	}{
		{nil, crm.SendAccepted, nil},
		{&crm.SendError{Class: crm.SendRejected, Reason: crm.ReasonBlocked}, crm.SendRejected, crm.ErrRejected},
		{fmt.Errorf("send: %w", &crm.SendError{Class: crm.SendLater, After: time.Minute}), crm.SendLater, crm.ErrLater},
		{&crm.SendError{Class: crm.SendUncertain}, crm.SendUncertain, crm.ErrUncertain},
		{&crm.SendError{}, crm.SendUncertain, nil},
		{&crm.SendError{Class: crm.SendAccepted}, crm.SendUncertain, nil},
		{crm.Invalid("to", "is required"), crm.SendRejected, crm.ErrInvalid},
		{context.DeadlineExceeded, crm.SendUncertain, context.DeadlineExceeded},
		{errors.New("who knows"), crm.SendUncertain, nil},
	} {
		assert.Equal(t, c.class, crm.ClassOf(c.err), "%v", c.err)
		for _, kind := range []error{crm.ErrRejected, crm.ErrLater, crm.ErrUncertain} {
			assert.Equal(t, kind == c.is, errors.Is(c.err, kind), "%v is %v", c.err, kind) //nolint:errorlint // the kinds themselves
		}
		if c.is != nil {
			assert.ErrorIs(t, c.err, c.is)
		}
	}
	err := &crm.SendError{Class: crm.SendRejected, Reason: crm.ReasonPolicy, Code: "550 5.7.1", Err: context.Canceled}
	assert.EqualError(t, err, "rejected, policy (550 5.7.1): context canceled")
	assert.ErrorIs(t, err, context.Canceled)
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	id := crm.MessageID("campaign-7/ada", "example.com")
	assert.Equal(t, id, crm.MessageID("campaign-7/ada", "example.com"))
	assert.NotEqual(t, id, crm.MessageID("campaign-7/bob", "example.com"))
	assert.Regexp(t, `^[0-9a-f]{32}@example\.com$`, id)
}

func TestReceiptNormal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.January, 5, 10, 0, 0, 1234, time.FixedZone("", 3600))
	r := crm.Receipt{
		Channel: "mail", ID: "e-1", MessageID: "<a@example.com>", Kind: crm.ReceiptHardBounced, At: at,
		To: crm.Address{Kind: crm.AddressEmail, Value: "ADA@EXAMPLE.org"}, Code: "550\r\n5.1.1", Detail: strings.Repeat("详", 3000),
	}
	n, err := r.Normal()
	require.NoError(t, err)
	assert.Equal(t, "a@example.com", n.MessageID)
	assert.Equal(t, "ADA@example.org", n.To.Value)
	assert.Equal(t, time.Date(2026, time.January, 5, 9, 0, 0, 1000, time.UTC), n.At)
	assert.Equal(t, "550 5.1.1", n.Code)
	assert.Equal(t, strings.Repeat("详", 2000), n.Detail)
	r.To.Value = "rfc822;<>"
	n, err = r.Normal()
	require.NoError(t, err, "a receipt is not lost by what a server writes")
	assert.True(t, n.To.IsZero())

	_, err = crm.Receipt{Cost: crm.Money{Minor: 1}, Meta: map[string]string{"": ""}}.Normal()
	for _, field := range []string{"channel", "id", "at", "message_id", "kind", "cost", "meta"} {
		assert.ErrorContains(t, err, field+": ")
	}
	assert.ErrorIs(t, err, crm.ErrInvalid)
	r.MessageID, r.Key = "", "m-1"
	_, err = r.Normal()
	assert.NoError(t, err, "a key will do")
}

// TestIncomingNormal is that no message is lost by what a stranger writes into it.
func TestIncomingNormal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("长", 1<<19)
	broken := crm.Attach("../../etc/\x00passwd", "no type at all;;", []byte("x"))
	broken.ContentID = "a\r\nb"
	m := crm.Incoming{
		Channel: "mail", ID: "<a b@example.org>", At: time.Date(2026, time.January, 5, 10, 0, 0, 0, time.UTC),
		From:    crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: `"odd one"@example.org`}},
		To:      make([]crm.Correspondent, 900),
		Cc:      make([]crm.Correspondent, 900),
		Subject: " a\r\nb\x00\xff" + strings.Repeat("c", 3000), Text: "a\x00b\xff", HTML: long,
		Attachments: []crm.Attachment{broken, crm.Attach("", "", nil)},
		InReplyTo:   "<" + strings.Repeat("i", 600) + ">", References: []string{"<ok@example.org>", "x y"}, Auto: "auto-notified",
	}
	m.To[0] = crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "Us@EXAMPLE.com"}, Name: "a\nb"}
	n, err := m.Normal()
	require.NoError(t, err)
	assert.Regexp(t, `^sha256-[0-9a-f]{64}$`, n.ID)
	assert.Regexp(t, `^sha256-`, n.InReplyTo)
	assert.Equal(t, crm.Correspondent{Name: `"odd one"@example.org`}, n.From)
	assert.Equal(t, crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "Us@example.com"}, Name: "a b"}, n.To[0])
	assert.Len(t, n.To, 900)
	assert.Len(t, n.Cc, 100)
	assert.True(t, strings.HasPrefix(n.Subject, "a b \uFFFDccc"), "%q", n.Subject[:20])
	assert.Equal(t, "a\uFFFDb\uFFFD", n.Text)
	assert.Empty(t, n.HTML)
	assert.Equal(t, crm.AutoGenerated, n.Auto)
	require.Len(t, n.Attachments, 3)
	assert.Equal(t, ".._.._etc_ passwd", n.Attachments[0].Name)
	assert.Empty(t, n.Attachments[0].MediaType)
	assert.Equal(t, "file", n.Attachments[1].Name)
	content, err := n.Attachments[2].Open(t.Context())
	require.NoError(t, err)
	whole, err := io.ReadAll(content)
	require.NoError(t, err)
	assert.Equal(t, long, string(whole))
	again, err := n.Normal()
	require.NoError(t, err)
	assert.Equal(t, n.ID, again.ID)
	assert.Equal(t, n.References, again.References)

	reply := crm.Incoming{Channel: "mail", ID: "b@example.org", At: m.At, InReplyTo: "<a b@example.org>"}
	reply, err = reply.Normal()
	require.NoError(t, err)
	assert.Equal(t, n.ID, reply.InReplyTo, "an id that can't be kept still finds its like")

	_, err = crm.Incoming{Attachments: []crm.Attachment{{}}}.Normal()
	for _, field := range []string{"channel", "id", "at", "attachments[0]"} {
		assert.ErrorContains(t, err, field+": ")
	}
}

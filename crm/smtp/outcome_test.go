package smtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// Package smtp is the [crm.Channel] for mail: it hands messages to a mail server, a
// relay or a provider's, by SMTP (RFC 5321) and says what became of each.
//
//	mail, err := smtp.New(smtp.Options{Host: "smtp.example.com", Username: "crm", Password: secret})
//	sent, err := mail.Send(ctx, crm.Message{Key: id, From: us, To: ada, Subject: "Welcome", Text: "…"})
//
// A mail server knows nothing of keys, so that the channel is at most once: what is
// uncertain may be in the person's mailbox. Every attempt at a message has the same
// Message-ID ([crm.MessageID]), by which a receipt, an answer or the mailbox of what
// was sent can tell, and by which most mailboxes show a double once.
//
// Which answer is which outcome:
//
//   - Anything that fails before the server has the message, and every answer 4yz, is
//     to be tried later. So is a login that fails, a certificate that does not fit and
//     any other trouble before the message's own commands: the reason is
//     [crm.ReasonChannel], since it is the channel's trouble and not the message's.
//   - An answer 5yz to the sender, the recipient or the message is rejected. The reason
//     is taken from the enhanced code (RFC 3463) if there is one, else from the code.
//   - Once the message was sent to its end and no answer came, it is uncertain.
//
// Attachments are streamed. Mail is signed (DKIM) by the server it is handed to.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// TLSMode is how the connection is encrypted.
type TLSMode uint8

// How the connection is encrypted.
const (
	StartTLS    TLSMode = iota // from the STARTTLS command on; a server without it gets no mail
	ImplicitTLS                // from the first byte on
	NoTLS                      // not at all: for a relay on the same machine
)

// Options say which server mail is handed to, and how. Host alone is required.
type Options struct {
	// Host is the server's name, to which its certificate must be.
	Host string
	// Port is its port; 0 is 587, 465 with ImplicitTLS and 25 with NoTLS.
	Port int
	// TLS is how the connection is encrypted.
	TLS TLSMode
	// TLSConfig is used in place of the system's certificates, if given.
	TLSConfig *tls.Config

	// Username and Password log in, by PLAIN or LOGIN, whichever the server offers.
	// Without a Username nobody logs in.
	Username, Password string
	// Token is asked for an OAuth 2.0 access token at each login, which then is by
	// XOAUTH2 in place of a Password.
	Token func(ctx context.Context) (string, error)

	// LocalName is what this machine calls itself to the server; empty: localhost.
	LocalName string
	// Timeout is how long the server may be silent; 0 is five minutes, as RFC 5321
	// 4.5.3.2 asks. It may be silent twice as long before it answers to a message,
	// since giving up then leaves the outcome uncertain. A context ends every wait.
	Timeout time.Duration
	// MaxBytes is how long a mail may be, in bytes, its attachments in base64, which is
	// a good third longer than they are; 0 is 25 MiB.
	MaxBytes int64
	// Keep is how many connections are kept open for the next messages; 0 is none. A
	// server closes one that it tires of, which is noticed before a message is begun
	// on it.
	Keep int
	// Clock dates the mail; nil is [crm.SystemClock].
	Clock crm.Clock
	// Dial opens connections; nil is a [net.Dialer]'s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Port == 0 {
		o.Port = map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[o.TLS]
	}
	if o.LocalName == "" {
		o.LocalName = "localhost"
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 25 << 20
	}
	if o.Clock == nil {
		o.Clock = crm.SystemClock{}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return o
}

func (o Options) check() error {
	switch {
	case o.Host == "" || !isToken(o.Host):
		return crm.Invalid("host", "is the mail server's name, such as smtp.example.com")
	case o.Port < 0 || o.Port > 65535:
		return crm.Invalid("port", "is 1 to 65535, or 0 for the usual one")
	case o.TLS > NoTLS:
		return crm.Invalid("tls", "is StartTLS, ImplicitTLS or NoTLS")
	case o.LocalName != "" && !isToken(o.LocalName):
		return crm.Invalid("local_name", "is a host's name, such as crm.example.com")
	case o.TLS == NoTLS && o.Username != "" && !isLoopback(o.Host):
		return crm.Invalid("tls", "is off, and the password would be sent in clear text: use StartTLS or ImplicitTLS")
	case o.Username == "" && (o.Password != "" || o.Token != nil):
		return crm.Invalid("username", "is required with a password or a token")
	case o.Timeout < 0 || o.MaxBytes < 0 || o.Keep < 0:
		return crm.Invalid("timeout", "is not negative, nor are max_bytes and keep")
	}
	return nil
}

// isToken reports whether s can stand in a command: visible ASCII without spaces.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return len(s) <= 255
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Channel sends mail through one server.
type Channel struct {
	opts Options

	mu     sync.Mutex
	idle   []*session // the last used last
	closed bool
}

var _ crm.Channel = (*Channel)(nil)

// New returns a Channel. Nothing is connected to yet. Options that can't be are
// [crm.ErrInvalid].
func New(opts Options) (*Channel, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	return &Channel{opts: opts.withDefaults()}, nil
}

// Traits says that it sends mail, at most once.
func (c *Channel) Traits() crm.ChannelTraits {
	return crm.ChannelTraits{Kind: crm.AddressEmail, Subject: true, HTML: true, Attachments: true}
}

// Send hands one mail to the server, as [crm.Channel] says. Errors are a
// [crm.SendError]. The mail of a context that is done before its end was sent was not
// sent.
func (c *Channel) Send(ctx context.Context, m crm.Message) (crm.Sent, error) {
	mail, err := compose(m, c.opts.Clock.Now())
	if err != nil {
		return crm.Sent{}, &crm.SendError{Class: crm.SendRejected, Reason: crm.ReasonInvalid, Err: err}
	}
	if mail.size > c.opts.MaxBytes {
		return crm.Sent{}, &crm.SendError{
			Class: crm.SendRejected, Reason: crm.ReasonContent,
			Err: crm.Invalid("attachments", "make a mail of %d bytes, and %d are allowed: send a link", mail.size, c.opts.MaxBytes),
		}
	}
	response, err := c.deliver(ctx, mail)
	sent := crm.Sent{ID: mail.id, Response: response}
	if err == nil {
		return sent, nil
	}
	outcome := outcomeOf(ctx, err)
	if outcome.Class != crm.SendUncertain {
		sent = crm.Sent{}
	}
	return sent, outcome
}

// deliver sends the mail on a connection that is open, or else on a new one.
func (c *Channel) deliver(ctx context.Context, mail *mail) (response string, err error) {
	for {
		s, err := c.session(ctx)
		if err != nil {
			return "", err
		}
		response, err = s.send(ctx, mail)
		c.done(s, err)
		if err == nil || !s.stale(err) || ctx.Err() != nil {
			return response, err
		}
	}
}

// session returns an open connection, that has shown to be so, or a new one.
func (c *Channel) session(ctx context.Context) (*session, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, &failure{at: atHello, err: err}
		}
		s := c.kept()
		if s == nil {
			return open(ctx, c.opts)
		}
		if s.reset(ctx) == nil {
			return s, nil
		}
		s.close()
	}
}

// kept takes a connection that is not in use.
func (c *Channel) kept() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return nil
	}
	s := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return s
}

// done keeps a connection for the next mail, or ends it. One on which the server
// answered is good, whatever the answer was.
func (c *Channel) done(s *session, err error) {
	if failure, ok := errors.AsType[*failure](err); err != nil && (!ok || failure.code() == 0 || failure.code() == 421) {
		s.close()
		return
	}
	c.mu.Lock()
	keep := !c.closed && len(c.idle) < c.opts.Keep
	if keep {
		s.used = true
		c.idle = append(c.idle, s)
	}
	c.mu.Unlock()
	if !keep {
		s.quit()
	}
}

// Close ends the connections that are kept. The Channel may be used on, and keeps
// none then.
func (c *Channel) Close() error {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, s := range idle {
		s.quit()
	}
	return nil
}

// address is where the server is.
func (o Options) address() string { return net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) }

package smtp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// session is a connection to the server, logged in.
type session struct {
	conn   *patientConn
	client *smtp.Client
	used   bool // a mail went over it before
}

// patientConn is a connection whose other end may be silent for a time only. It is
// the machine's time, whatever a test's clock says.
type patientConn struct {
	net.Conn

	patience atomic.Int64 // a time.Duration
}

func (c *patientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(crm.SystemClock{}.Now().Add(time.Duration(c.patience.Load()))); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *patientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(crm.SystemClock{}.Now().Add(time.Duration(c.patience.Load()))); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// open connects to the server, encrypts and logs in.
func open(ctx context.Context, o Options) (*session, error) {
	raw, err := o.Dial(ctx, "tcp", o.address())
	if err != nil {
		return nil, &failure{at: atHello, err: err}
	}
	s := &session{conn: &patientConn{Conn: raw}}
	s.conn.patience.Store(int64(o.Timeout))
	if err := s.during(ctx, func() error { return s.hello(ctx, o) }); err != nil {
		s.close()
		return nil, &failure{at: atHello, err: err}
	}
	return s, nil
}

// during runs what talks to the server. A context that is done ends it by closing
// the connection.
func (s *session) during(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.close)
	err := fn()
	if !stop() && err == nil {
		s.close() // it is being closed; no next mail is to be begun on it
	}
	return err
}

func (s *session) close() { _ = s.conn.Close() }

// quit takes leave of the server, and does not wait for its answer.
func (s *session) quit() {
	_, _ = s.client.Text.Cmd("QUIT")
	s.close()
}

func (s *session) hello(ctx context.Context, o Options) (err error) {
	config := o.TLSConfig.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = o.Host
	}
	var conn net.Conn = s.conn
	if o.TLS == ImplicitTLS {
		conn = tls.Client(conn, config)
	}
	if s.client, err = smtp.NewClient(conn, o.Host); err != nil {
		return err
	}
	if err := s.client.Hello(o.LocalName); err != nil {
		return err
	}
	if o.TLS == StartTLS {
		if ok, _ := s.client.Extension("STARTTLS"); !ok {
			return errors.New("the server offers no STARTTLS: use ImplicitTLS, or NoTLS for one on this machine")
		}
		if err := s.client.StartTLS(config); err != nil {
			return err
		}
	}
	return s.login(ctx, o)
}

// stage is how far a mail came.
type stage uint8

const (
	atHello   stage = iota // connecting, encrypting, logging in
	atMail                 // the sender is named
	atRcpt                 // the recipient is named
	atData                 // the mail is announced
	atContent              // the mail is under way, without its end
	atEnd                  // its end was sent, if not received
)

// failure is what went wrong, and where.
type failure struct {
	at  stage
	err error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// code is the server's answer, or 0 if it is not that.
func (f *failure) code() int {
	if answer, ok := errors.AsType[*textproto.Error](f.err); ok && f.at != atContent { // where the server says nothing
		return answer.Code
	}
	return 0
}

// reset shows that a kept connection works still.
func (s *session) reset(ctx context.Context) error {
	return s.during(ctx, func() error { return s.command(250, "RSET") })
}

// stale reports whether the server had left a kept connection before the mail was
// begun on it.
func (s *session) stale(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && s.used && f.at == atMail && (f.code() == 0 || f.code() == 421) && !errors.Is(err, errNoUTF8)
}

// command sends one line and reads the answer, which must begin with code.
func (s *session) command(code int, line string) error {
	id, err := s.client.Text.Cmd("%s", line)
	if err != nil {
		return err
	}
	s.client.Text.StartResponse(id)
	defer s.client.Text.EndResponse(id)
	_, _, err = s.client.Text.ReadResponse(code)
	return err
}

// send hands the mail over. Its error is a failure.
func (s *session) send(ctx context.Context, mail *mail) (response string, err error) {
	at := atMail
	err = s.during(ctx, func() error {
		from, err := s.sender(mail)
		if err != nil {
			return err
		}
		if err := s.command(250, from); err != nil {
			return err
		}
		at = atRcpt
		if err := s.command(25, "RCPT TO:<"+mail.to+">"); err != nil {
			return err
		}
		at = atData
		if err := s.command(354, "DATA"); err != nil {
			return err
		}
		at = atContent
		// The connection is closed if this fails, and nothing else is written to it: the
		// next command would put an end to the mail and so have half of it delivered.
		w := s.client.Text.DotWriter()
		if err := cmp.Or(mail.write(ctx, w), ctx.Err()); err != nil {
			return err
		}
		patience := s.conn.patience.Load()
		s.conn.patience.Store(2 * patience)
		defer s.conn.patience.Store(patience)
		at = atEnd
		if err := w.Close(); err != nil {
			return err
		}
		code, text, err := s.client.Text.ReadResponse(2)
		response = fmt.Sprintf("%d %s", code, text)
		return err
	})
	if err != nil {
		return "", &failure{at: at, err: err}
	}
	return response, nil
}

// sender is the command that names the sender.
func (s *session) sender(mail *mail) (string, error) {
	line := "MAIL FROM:<" + mail.from + ">"
	if ok, _ := s.client.Extension("SIZE"); ok {
		line += fmt.Sprintf(" SIZE=%d", mail.size)
	}
	if mail.utf8 {
		if ok, _ := s.client.Extension("SMTPUTF8"); !ok {
			return "", errNoUTF8
		}
		line += " SMTPUTF8"
	}
	return line, nil
}

var errNoUTF8 = errors.New("the server carries no addresses with characters beyond ASCII before the @ (SMTPUTF8)")

// login logs in by the best way that the server offers.
func (s *session) login(ctx context.Context, o Options) error {
	if o.Username == "" {
		return nil
	}
	_, list := s.client.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(list))
	has := func(way string) bool { return slices.Contains(offered, way) }
	switch {
	case o.Token != nil:
		token, err := o.Token(ctx)
		if err != nil {
			return fmt.Errorf("get a token: %w", err)
		}
		return s.client.Auth(&xoauth2{user: o.Username, token: token})
	case has("PLAIN"):
		return s.client.Auth(smtp.PlainAuth("", o.Username, o.Password, o.Host))
	case has("LOGIN"):
		return s.client.Auth(&login{user: o.Username, password: o.Password})
	}
	return fmt.Errorf("the server offers no login by PLAIN or LOGIN, but %q", list)
}

// xoauth2 is the login by an access token that Google and Microsoft have.
type xoauth2 struct{ user, token string }

func (a *xoauth2) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "XOAUTH2", fmt.Appendf(nil, "user=%s\x01auth=Bearer %s\x01\x01", a.user, a.token), nil
}

// Next answers what the server says of a token it does not take with nothing, after
// which it gives the code.
func (a *xoauth2) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	return []byte{}, nil
}

// login is the login by two questions, which the servers ask that have no other.
type login struct {
	user, password string

	asked int
}

func (a *login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a *login) Next(question []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	a.asked++
	switch a.asked {
	case 1:
		return []byte(a.user), nil
	case 2:
		return []byte(a.password), nil
	}
	return nil, fmt.Errorf("the server asks for more than name and password: %q", bytes.TrimSpace(question))
}

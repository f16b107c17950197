package smtp_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/smtp"
)

// server is a mail server that answers as a test says.
type server struct {
	// answer returns the answer to a command, or to the mail for ".": "" is the usual
	// one, drop ends the connection instead, and silence says nothing at all.
	answer     func(command string) string
	extensions []string
	tls        *tls.Config // for STARTTLS, or from the first byte on if immediate
	immediate  bool
	discard    bool // the mail, but for its length

	listener net.Listener
	mu       sync.Mutex
	mails    []received
	commands []string
	conns    int
	length   int64
}

const (
	drop    = "drop"
	silence = "silence"
)

// received is a mail that the server took over, or was sent in full and could have.
type received struct{ from, to, data string }

// start runs the server until the test ends.
func (s *server) start(tb testing.TB) *server {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	s.listener = listener
	var wait sync.WaitGroup
	tb.Cleanup(wait.Wait)
	tb.Cleanup(func() { _ = listener.Close() })
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tb.Cleanup(func() { _ = conn.Close() })
			wait.Go(func() { s.serve(conn) })
		}
	})
	return s
}

// channel is a Channel to the server, without encryption unless change says so.
func (s *server) channel(tb testing.TB, change func(*smtp.Options)) *smtp.Channel {
	tb.Helper()
	addr, ok := s.listener.Addr().(*net.TCPAddr)
	require.True(tb, ok)
	opts := smtp.Options{Host: "127.0.0.1", Port: addr.Port, TLS: smtp.NoTLS, Clock: fixed{}}
	if change != nil {
		change(&opts)
	}
	c, err := smtp.New(opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

type fixed struct{}

func (fixed) Now() time.Time { return time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC) }

var _ crm.Clock = fixed{}

// hurried is a connection whose time is up when the test says so.
type hurried struct {
	net.Conn

	mu      sync.Mutex
	up      bool
	patient time.Duration // how long the last answer would have been waited for
}

func (h *hurried) SetReadDeadline(at time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.patient = time.Until(at)
	if h.up {
		at = time.Unix(1, 0)
	}
	return h.Conn.SetReadDeadline(at)
}

func (h *hurried) timeIsUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = true
	_ = h.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (s *server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	if s.immediate {
		conn = tls.Server(conn, s.tls)
	}
	text := textproto.NewReader(bufio.NewReader(conn))
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	switch greeting := s.asked("connect"); greeting {
	case drop:
		return
	case silence:
		_, _ = text.ReadLine() // until the other end gives up
		return
	case "":
		say("220 test")
	default:
		say(greeting)
	}
	var mail received
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch answer := s.asked(line); {
		case answer == drop:
			return
		case answer == silence:
			_, _ = text.ReadLine() // until the other end gives up
			return
		case answer != "":
			say(answer)
			continue
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			for _, e := range append([]string{"test"}, s.extensions...) {
				say("250-" + e)
			}
			say("250 ENHANCEDSTATUSCODES")
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.tls)
			text = textproto.NewReader(bufio.NewReader(conn))
		case "AUTH":
			if !s.login(rest, say, text) {
				say("535 5.7.8 wrong name or password")
				continue
			}
			say("235 welcome")
		case "MAIL":
			mail = received{from: inBrackets(rest)}
			say("250 2.1.0 OK")
		case "RCPT":
			mail.to = inBrackets(rest)
			say("250 2.1.5 OK")
		case "DATA":
			say("354 go ahead")
			var err error
			if mail.data, err = s.read(text); err != nil {
				return // without its end it is no mail
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail)
			s.mu.Unlock()
			switch answer := s.asked("."); answer {
			case drop:
				return
			case silence:
				_, _ = text.ReadLine()
				return
			case "":
				say("250 2.0.0 OK queued as 4711")
			default:
				say(answer)
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 OK")
		}
	}
}

func (s *server) read(text *textproto.Reader) (string, error) {
	if !s.discard {
		data, err := text.ReadDotBytes()
		return string(data), err
	}
	n, err := io.Copy(io.Discard, text.DotReader())
	s.mu.Lock()
	s.length += n
	s.mu.Unlock()
	return "", err
}

func (s *server) login(way string, say func(string), text *textproto.Reader) bool {
	decode := func(s string) string {
		plain, _ := base64.StdEncoding.DecodeString(s)
		return string(plain)
	}
	ask := func(question string) string {
		say("334 " + base64.StdEncoding.EncodeToString([]byte(question)))
		line, _ := text.ReadLine()
		return decode(line)
	}
	way, initial, _ := strings.Cut(way, " ")
	switch way {
	case "PLAIN":
		return decode(initial) == "\x00crm\x00secret"
	case "LOGIN":
		return ask("Username:") == "crm" && ask("Password:") == "secret"
	case "XOAUTH2":
		if decode(initial) == "user=crm\x01auth=Bearer token\x01\x01" {
			return true
		}
		_ = ask(`{"status":"401"}`)
	}
	return false
}

// asked notes a command and returns the test's answer to it.
func (s *server) asked(command string) string {
	s.mu.Lock()
	s.commands = append(s.commands, command)
	s.mu.Unlock()
	if s.answer == nil {
		return ""
	}
	return s.answer(command)
}

func (s *server) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *server) heard(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func inBrackets(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// at answers one command, known by how it begins, with one answer.
func at(command, answer string) func(string) string {
	return func(got string) string {
		if strings.HasPrefix(got, command) {
			return answer
		}
		return ""
	}
}

// certificate is one for 127.0.0.1, and the pool that knows it.
func certificate(tb testing.TB) (*tls.Config, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(tb, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// email is an address, or the end of the test.
func email(s string) crm.Correspondent {
	a, err := crm.ParseAddress(crm.AddressEmail, s)
	if err != nil {
		panic(fmt.Sprint(s, err))
	}
	return crm.Correspondent{Address: a}
}

func message(key string) crm.Message {
	return crm.Message{Key: key, From: email("us@example.com"), To: email("ada@example.org"), Subject: "Hello", Text: "Hello Ada\n"}
}

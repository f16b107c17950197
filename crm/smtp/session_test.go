package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/smtp"
)

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

package crmtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
)

func letter(key, to string) crm.Message {
	return crm.Message{
		Key: key, Subject: "Hello", Text: "Hello",
		From: crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "us@example.com"}},
		To:   crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: to}},
	}
}

func TestChannelAnswers(t *testing.T) {
	t.Parallel()
	c := &crmtest.Channel{}
	c.Next(crmtest.Reject(crm.ReasonBadAddress), crmtest.Later(time.Hour), crmtest.Lost(false), crmtest.Lost(true), crmtest.Accept())
	m := letter("m-1", "ADA@example.ORG")
	for _, class := range []crm.SendClass{crm.SendRejected, crm.SendLater, crm.SendUncertain} {
		_, err := c.Send(t.Context(), m)
		assert.Equal(t, class, crm.ClassOf(err))
		assert.Empty(t, c.Delivered())
	}
	_, err := c.Send(t.Context(), m)
	require.ErrorIs(t, err, crm.ErrUncertain)
	require.Len(t, c.Delivered(), 1, "the answer was lost, the message not")
	sent, err := c.Send(t.Context(), m)
	require.NoError(t, err)
	assert.NotEmpty(t, sent.ID)
	assert.Len(t, c.Delivered(), 1, "a key is one message")
	assert.Len(t, c.Attempts(), 5)
	e, ok := errors.AsType[*crm.SendError](c.Attempts()[1].Err)
	require.True(t, ok)
	assert.Equal(t, time.Hour, e.After)
	assert.Len(t, c.To(crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"}), 1)

	m.Text = "another"
	_, err = c.Send(t.Context(), m)
	assert.ErrorIs(t, err, crm.ErrInvalid, "a key is one message for ever")
}

func TestChannelAtMostOnce(t *testing.T) {
	t.Parallel()
	c := &crmtest.Channel{AtMostOnce: true}
	assert.False(t, c.Traits().Idempotent)
	c.Next(crmtest.Lost(true))
	_, err := c.Send(t.Context(), letter("m-1", "ada@example.org"))
	require.ErrorIs(t, err, crm.ErrUncertain)
	_, err = c.Send(t.Context(), letter("m-1", "ada@example.org"))
	require.NoError(t, err)
	assert.Len(t, c.Delivered(), 2, "whoever sends again what is uncertain sends it twice")
}

func TestChannelAlways(t *testing.T) {
	t.Parallel()
	c := &crmtest.Channel{}
	c.Always(crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"}, crmtest.Reject(crm.ReasonBlocked))
	c.Next(crmtest.Later(0))
	for range 2 {
		_, err := c.Send(t.Context(), letter("m-1", "Ada@example.org"))
		assert.ErrorIs(t, err, crm.ErrRejected)
	}
	_, err := c.Send(t.Context(), letter("m-2", "bob@example.org"))
	assert.ErrorIs(t, err, crm.ErrLater)
}

func TestChannelRefuses(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	mail := &crmtest.Channel{}
	_, err := mail.Send(cancelled, letter("m-1", "ada@example.org"))
	require.ErrorIs(t, err, crm.ErrLater)
	require.ErrorIs(t, err, context.Canceled)

	m := letter("m-1", "ada@example.org")
	m.Attachments = []crm.Attachment{{Name: "a", Size: 2, Open: crm.Attach("", "", []byte("abc")).Open}}
	_, err = mail.Send(t.Context(), m)
	require.ErrorIs(t, err, crm.ErrLater)
	broken := errors.New("gone")
	m.Attachments[0].Open = func(context.Context) (io.ReadCloser, error) { return nil, broken }
	_, err = mail.Send(t.Context(), m)
	require.ErrorIs(t, err, broken)

	sms := &crmtest.Channel{Kind: crm.AddressPhone}
	assert.Equal(t, crm.ChannelTraits{Kind: crm.AddressPhone, Idempotent: true}, sms.Traits())
	m = letter("m-1", "ada@example.org")
	_, err = sms.Send(t.Context(), m)
	assert.ErrorIs(t, err, crm.ErrRejected, "it sends to phones")
	m.To.Address = crm.Address{Kind: crm.AddressPhone, Value: "+49 30 1234"}
	_, err = sms.Send(t.Context(), m)
	require.NoError(t, err, "the subject is left out")
	assert.Equal(t, "+49301234", sms.Delivered()[0].To.Value)
	m.Key, m.Text, m.HTML = "m-2", "", "<p>"
	_, err = sms.Send(t.Context(), m)
	assert.ErrorIs(t, err, crm.ErrInvalid)
	m.Text, m.Attachments = "a", []crm.Attachment{crm.Attach("a", "", nil)}
	_, err = sms.Send(t.Context(), m)
	assert.ErrorIs(t, err, crm.ErrInvalid)
}

func TestChannelReports(t *testing.T) {
	t.Parallel()
	heard := &crmtest.Recorder{}
	clock := &crmtest.Clock{}
	c := &crmtest.Channel{Name: "mail", Receiver: heard, Clock: clock}
	sent, err := c.Send(t.Context(), letter("m-1", "ada@example.org"))
	require.NoError(t, err)
	clock.Advance(time.Hour)
	bounced := func(r *crm.Receipt) { r.Reason, r.Code = crm.ReasonFull, "552 5.2.2" }
	r, err := c.Report(t.Context(), "m-1", crm.ReceiptSoftBounced, bounced)
	require.NoError(t, err)
	_, err = c.Report(t.Context(), "m-1", crm.ReceiptDelivered, nil)
	require.NoError(t, err)
	_, err = c.Report(t.Context(), "m-2", crm.ReceiptDelivered, nil)
	require.ErrorIs(t, err, crm.ErrInvalid, "nobody has it")
	_, err = c.Report(t.Context(), "m-1", "danced", nil)
	require.ErrorIs(t, err, crm.ErrInvalid)

	m, err := c.Write(t.Context(), crm.Incoming{From: letter("", "ada@example.org").To, InReplyTo: sent.ID, Text: "Thanks"})
	require.NoError(t, err)
	require.NoError(t, heard.Receipts(t.Context(), []crm.Receipt{r}), "it comes again")
	require.NoError(t, heard.Incoming(t.Context(), []crm.Incoming{m}))
	receipts, incoming := heard.Heard()
	require.Len(t, receipts, 2)
	assert.Equal(t, crm.Receipt{
		Channel: "mail", ID: r.ID, MessageID: sent.ID, Kind: crm.ReceiptSoftBounced, Reason: crm.ReasonFull, Code: "552 5.2.2",
		To: crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"}, At: crmtest.Start().Add(time.Hour),
	}, receipts[0])
	require.Len(t, incoming, 1)
	assert.Equal(t, sent.ID, incoming[0].InReplyTo)
	assert.Equal(t, "ada@example.org", incoming[0].From.Value)

	down := errors.New("the database is down")
	heard.Fail(down)
	_, err = c.Report(t.Context(), "m-1", crm.ReceiptOpened, nil)
	require.ErrorIs(t, err, down)
	_, err = c.Write(t.Context(), crm.Incoming{Text: "?"})
	require.ErrorIs(t, err, down)
	receipts, _ = heard.Heard()
	assert.Len(t, receipts, 2, "nothing of it is kept")

	_, err = (&crmtest.Channel{}).Write(t.Context(), crm.Incoming{Text: "?"})
	assert.ErrorIs(t, err, crm.ErrInvalid, "nobody hears it")
}

func TestChannelConcurrent(t *testing.T) {
	t.Parallel()
	c := &crmtest.Channel{Receiver: &crmtest.Recorder{}}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for n := range 50 {
				c.Next(crmtest.Accept())
				key := fmt.Sprintf("m-%d", n) // all send the same
				_, err := c.Send(t.Context(), letter(key, "ada@example.org"))
				assert.NoError(t, err)
				_, err = c.Report(t.Context(), key, crm.ReceiptDelivered, nil)
				assert.NoError(t, err)
				_ = c.To(crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"})
			}
			_ = i
		})
	}
	wait.Wait()
	assert.Len(t, c.Delivered(), 50)
	assert.Len(t, c.Attempts(), 400)
}

package crmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Channel is a [crm.Channel] for tests: it keeps what it is given, answers as the test
// says, and reports what the test wants to have happened. The zero Channel is mail
// that knows a key again, and takes everything.
//
//	mail := &crmtest.Channel{Receiver: tickets}
//	mail.Next(crmtest.Later(time.Minute), crmtest.Lost(true))
//
// Its fields are set before it is used. It is safe for any number of goroutines.
type Channel struct {
	// Name is the Channel of its receipts; empty: "test".
	Name string
	// Kind is the kind of addresses it sends to; empty: e-mail. Mail carries subject,
	// HTML and attachments, any other kind Text alone.
	Kind crm.AddressKind
	// AtMostOnce makes it a channel that does not know a key again: what is sent twice
	// is delivered twice.
	AtMostOnce bool
	// Receiver hears what Report and Write say.
	Receiver crm.Receiver
	// Clock dates receipts and messages; nil is a Clock at [Start].
	Clock crm.Clock

	mu        sync.Mutex
	next      []Answer
	always    map[string]Answer
	attempts  []Attempt
	delivered []crm.Message
	sent      map[string]int // the place in delivered of a key
	numbers   int            // of receipts and messages
}

var _ crm.Channel = (*Channel)(nil)

// Answer is how a [Channel] answers Send; the zero Answer is to take the message.
type Answer struct {
	err    *crm.SendError
	undone bool // the message was not delivered
}

// Accept takes the message.
func Accept() Answer { return Answer{} }

// Reject refuses it for good.
func Reject(reason crm.Reason) Answer {
	return Answer{undone: true, err: &crm.SendError{Class: crm.SendRejected, Reason: reason, Code: "550", Err: errors.New("refused by the test")}}
}

// Later refuses it for now. The provider asks to wait for after, or says nothing of it
// if that is 0.
func Later(after time.Duration) Answer {
	return Answer{undone: true, err: &crm.SendError{Class: crm.SendLater, After: after, Code: "451", Err: errors.New("put off by the test")}}
}

// Lost is an answer that never came: the outcome is uncertain. If it was sent the
// person has the message, otherwise not, and the caller can't know.
func Lost(sent bool) Answer {
	return Answer{undone: !sent, err: &crm.SendError{Class: crm.SendUncertain, Err: errors.New("the answer was lost, by the test")}}
}

// Attempt is one call of Send.
type Attempt struct {
	Message crm.Message
	Sent    crm.Sent
	Err     error
}

// Next sets how the next calls of Send are answered, one each, behind those that were
// set before. After them every message is taken.
func (c *Channel) Next(answers ...Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = append(c.next, answers...)
}

// Always sets how every message to an address is answered, whatever Next says.
func (c *Channel) Always(to crm.Address, answer Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.always == nil {
		c.always = map[string]Answer{}
	}
	c.always[to.Key()] = answer
}

// Traits are those of the channel's fields.
func (c *Channel) Traits() crm.ChannelTraits {
	kind := cmp.Or(c.Kind, crm.AddressEmail)
	mail := kind == crm.AddressEmail
	return crm.ChannelTraits{Kind: kind, Idempotent: !c.AtMostOnce, Subject: mail, HTML: mail, Attachments: mail}
}

// Send keeps the message and answers as the test says. It holds a caller to the
// contract: a key that was another message's is ErrInvalid. Attachments are read.
func (c *Channel) Send(ctx context.Context, m crm.Message) (crm.Sent, error) {
	sent, err := c.send(ctx, &m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts = append(c.attempts, Attempt{Message: m, Sent: sent, Err: err})
	return sent, err
}

func (c *Channel) send(ctx context.Context, m *crm.Message) (crm.Sent, error) {
	if err := ctx.Err(); err != nil {
		return crm.Sent{}, &crm.SendError{Class: crm.SendLater, Err: err}
	}
	normal, err := m.Normal()
	if err == nil {
		err = c.carries(normal)
	}
	if err != nil {
		return crm.Sent{}, &crm.SendError{Class: crm.SendRejected, Reason: crm.ReasonInvalid, Err: err}
	}
	*m = normal
	if err := readAll(ctx, m.Attachments); err != nil {
		return crm.Sent{}, &crm.SendError{Class: crm.SendLater, Reason: crm.ReasonContent, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answer(*m)
}

// carries refuses what the channel can't carry.
func (c *Channel) carries(m crm.Message) error {
	traits := c.Traits()
	switch {
	case m.To.Kind != traits.Kind:
		return crm.Invalid("to", "is a %s, and this channel sends to a %s", m.To.Kind, traits.Kind)
	case len(m.Attachments) > 0 && !traits.Attachments:
		return crm.Invalid("attachments", "are not carried by this channel")
	case m.Text == "" && !traits.HTML && len(m.Meta) == 0:
		return crm.Invalid("text", "is empty, and this channel carries nothing else")
	}
	return nil
}

// readAll reads attachments as a real channel does.
func readAll(ctx context.Context, all []crm.Attachment) error {
	for _, a := range all {
		content, err := a.Open(ctx)
		if err != nil {
			return fmt.Errorf("open %s: %w", a.Name, err)
		}
		n, err := io.Copy(io.Discard, content)
		if err := errors.Join(err, content.Close()); err != nil {
			return fmt.Errorf("read %s: %w", a.Name, err)
		}
		if n != a.Size {
			return fmt.Errorf("read %s: it has %d bytes, and its Size says %d", a.Name, n, a.Size)
		}
	}
	return nil
}

// answer answers with the lock held.
func (c *Channel) answer(m crm.Message) (crm.Sent, error) {
	sent := crm.Sent{ID: "test-" + m.Key}
	at, known := c.sent[m.Key]
	if known && !same(c.delivered[at], m) {
		return crm.Sent{}, &crm.SendError{
			Class: crm.SendRejected, Reason: crm.ReasonInvalid,
			Err: crm.Invalid("key", "is that of another message: every message has a key of its own"),
		}
	}
	answer, ok := c.always[m.To.Key()]
	if !ok && len(c.next) > 0 {
		answer, c.next = c.next[0], c.next[1:]
	}
	if !answer.undone && (!known || c.AtMostOnce) {
		if c.sent == nil {
			c.sent = map[string]int{}
		}
		c.sent[m.Key] = len(c.delivered)
		c.delivered = append(c.delivered, m)
	}
	if answer.err != nil {
		err := *answer.err // a caller may change what it is given
		return crm.Sent{}, &err
	}
	sent.Response = "250 taken by the test"
	return sent, nil
}

// same reports whether two messages are one, sent again.
func same(a, b crm.Message) bool {
	return a.To.Same(b.To.Address) && a.Subject == b.Subject && a.Text == b.Text && a.HTML == b.HTML &&
		len(a.Attachments) == len(b.Attachments) && maps.Equal(a.Meta, b.Meta)
}

// Attempts returns the calls of Send there were.
func (c *Channel) Attempts() []Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.attempts)
}

// Delivered returns the messages that people have, in the order in which they were
// sent. Each is there once, unless the channel is AtMostOnce and was given it twice.
func (c *Channel) Delivered() []crm.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.delivered)
}

// To returns the messages that one person has.
func (c *Channel) To(a crm.Address) []crm.Message {
	return slices.DeleteFunc(c.Delivered(), func(m crm.Message) bool { return !m.To.Same(a) })
}

// Report tells the Receiver of a message that was delivered, by its key. Details are
// added by change, which may be nil. The receipt is returned, to be brought again.
func (c *Channel) Report(ctx context.Context, key string, kind crm.ReceiptKind, change func(*crm.Receipt)) (crm.Receipt, error) {
	c.mu.Lock()
	at, ok := c.sent[key]
	var to crm.Address
	if ok {
		to = c.delivered[at].To.Address
	}
	c.mu.Unlock()
	if !ok {
		return crm.Receipt{}, crm.Invalid("key", "is that of no message that was delivered")
	}
	r := crm.Receipt{Channel: c.name(), ID: c.number("receipt"), MessageID: "test-" + key, Kind: kind, To: to, At: c.now()}
	if change != nil {
		change(&r)
	}
	r, err := r.Normal()
	if err == nil && c.Receiver == nil {
		err = errNoReceiver
	}
	if err != nil {
		return r, err
	}
	return r, c.Receiver.Receipts(ctx, []crm.Receipt{r})
}

// Write hands the Receiver a message from a person. What it leaves out of Channel, ID
// and At is filled in. The message is returned, to be brought again.
func (c *Channel) Write(ctx context.Context, m crm.Incoming) (crm.Incoming, error) {
	m.Channel = cmp.Or(m.Channel, c.name())
	if m.ID == "" {
		m.ID = c.number("incoming")
	}
	if m.At.IsZero() {
		m.At = c.now()
	}
	m, err := m.Normal()
	if err == nil && c.Receiver == nil {
		err = errNoReceiver
	}
	if err != nil {
		return m, err
	}
	return m, c.Receiver.Incoming(ctx, []crm.Incoming{m})
}

var errNoReceiver = crm.Invalid("receiver", "is not set: nobody hears this channel")

func (c *Channel) name() string { return cmp.Or(c.Name, "test") }

func (c *Channel) now() time.Time {
	if c.Clock == nil {
		return Start()
	}
	return c.Clock.Now()
}

// number returns an id that was not there before.
func (c *Channel) number(of string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers++
	return c.name() + "-" + of + "-" + strconv.Itoa(c.numbers)
}

// Recorder is a [crm.Receiver] that keeps what it is told, each thing once.
type Recorder struct {
	mu       sync.Mutex
	failing  error
	seen     map[string]bool
	receipts []crm.Receipt
	incoming []crm.Incoming
}

var _ crm.Receiver = (*Recorder)(nil)

// Fail makes every call fail with err until it is called with nil.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

// Receipts keeps receipts.
func (r *Recorder) Receipts(_ context.Context, receipts []crm.Receipt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return r.failing
	}
	for _, receipt := range receipts {
		if r.first("receipt", receipt.Channel, receipt.ID) {
			r.receipts = append(r.receipts, receipt)
		}
	}
	return nil
}

// Incoming keeps messages.
func (r *Recorder) Incoming(_ context.Context, messages []crm.Incoming) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return r.failing
	}
	for _, m := range messages {
		if r.first("incoming", m.Channel, m.ID) {
			r.incoming = append(r.incoming, m)
		}
	}
	return nil
}

func (r *Recorder) first(of, channel, id string) bool {
	key := of + "\x00" + channel + "\x00" + id
	if r.seen[key] {
		return false
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[key] = true
	return true
}

// Heard returns what it was told, each thing once.
func (r *Recorder) Heard() ([]crm.Receipt, []crm.Incoming) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.receipts), slices.Clone(r.incoming)
}

package crm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Receiver takes in what channels hear from outside. The host runs the webhook, or
// reads the mailbox, finds out whose tenant it is and hands over what came, under
// that tenant's [System] scope.
//
// A nil error means that all of it is kept: only then may the host tell the provider
// so. After an error nothing of the call is kept, and the host lets the provider, or
// its own next look, bring it again. Providers bring things again without that, too,
// and in any order: the second time changes nothing, by Channel and ID.
type Receiver interface {
	// Receipts takes in what became of messages.
	Receipts(ctx context.Context, receipts []Receipt) error
	// Incoming takes in messages from people.
	Incoming(ctx context.Context, messages []Incoming) error
}

// ReceiptKind is what a [Receipt] says.
type ReceiptKind string

// What receipts say of a message. A later one of these may follow any other: mail that
// was delivered can bounce.
const (
	ReceiptDelivered    ReceiptKind = "delivered"    // it reached the person's mailbox or device
	ReceiptDeferred     ReceiptKind = "deferred"     // it is on the way still, and the provider goes on trying
	ReceiptHardBounced  ReceiptKind = "hard_bounced" // it can't be delivered, nor can the next: Reason says why
	ReceiptSoftBounced  ReceiptKind = "soft_bounced" // it was not delivered, the next may be: Reason says why
	ReceiptComplained   ReceiptKind = "complained"   // the person says it is spam
	ReceiptOpened       ReceiptKind = "opened"       // it was opened or read, by the person or a machine of theirs
	ReceiptClicked      ReceiptKind = "clicked"      // a link in it was followed: URL
	ReceiptReplied      ReceiptKind = "replied"      // it was answered; the answer itself is an [Incoming]
	ReceiptUnsubscribed ReceiptKind = "unsubscribed" // the person wants no more of the kind
)

// Receipt is what a channel says later of a message that was sent.
type Receipt struct {
	// Channel is the host's name of the channel, up to 64 characters, within which IDs
	// are the provider's own.
	Channel string
	// ID is the provider's id of this receipt, by which it is told when it comes
	// again. If the provider has none, the host makes one of what does not change:
	// message, kind, time, URL.
	ID string

	// MessageID is the [Sent].ID of the message, Key the message's. One is needed.
	MessageID, Key string

	Kind ReceiptKind
	// To is the address it is about, or zero if that is not said.
	To Address
	// At is when it happened.
	At time.Time
	// Reason is why, of a bounce.
	Reason Reason
	// Code is the provider's own, such as "550 5.1.1"; Detail its words.
	Code, Detail string
	// URL is what was followed.
	URL string
	// Cost is what the message cost, or zero if that is not said.
	Cost Money
	// Meta is what else the provider says.
	Meta map[string]string
}

// Incoming is a message from a person.
type Incoming struct {
	// Channel is the host's name of the channel, up to 64 characters.
	Channel string
	// ID is the provider's id of the message, by which it is told when it comes again.
	// For mail it is the Message-ID, and where a mail has none, one that the host makes
	// of the mail.
	ID string

	// From is who sent it, or zero: nobody, as with notices about mail.
	From Correspondent
	// To and Cc are whom it went to, up to 1,000 together.
	To, Cc []Correspondent
	// At is when it was sent.
	At time.Time

	Subject     string // up to 2,000 characters, one line
	Text, HTML  string // up to 1 MiB each, as sent: HTML is to be cleaned before it is shown
	Attachments []Attachment

	// InReplyTo, References and Thread tell the conversation, as in [Message].
	InReplyTo  string
	References []string
	Thread     string

	// Auto says that no person wrote it. A reader of mail takes it from
	// Auto-Submitted, List-Id and Precedence.
	Auto Auto
	// Meta is what else the provider says.
	Meta map[string]string
}

const (
	maxChannelName     = 64
	maxParties         = 1000
	maxIncomingSubject = 2000 // characters
	maxIncomingFiles   = 1000
	maxDetail          = 2000 // characters
	maxURL             = 8000 // characters
)

// origin holds what tells one report of a channel from the next.
func (f *messageFaults) origin(channel, id string, at time.Time) {
	if f.line("channel", channel, maxChannelName); channel == "" {
		f.addf("channel", "is required: it is the host's name of the channel")
	}
	if id == "" {
		f.addf("id", "is required: without one it can't be told when it comes again")
	}
	if at.IsZero() || at.Year() < 1 || at.Year() > 9999 {
		f.addf("at", "is required, and in the years 1 to 9999")
	}
}

// Normal returns the receipt in its normal form: the address as by [ParseAddress], or
// left out when it is none; the time in UTC and whole microseconds; ids as
// [Incoming.Normal] has them; Code, Detail and URL on a line of 200, 2,000 and 8,000
// characters at most. What is missing or can't be is [ErrInvalid] and lists every
// field at fault.
func (r Receipt) Normal() (Receipt, error) {
	var f messageFaults
	r.ID, r.MessageID = foreignID(r.ID), foreignID(r.MessageID)
	f.origin(r.Channel, r.ID, r.At)
	if r.MessageID == "" && r.Key == "" {
		f.addf("message_id", "is required, or key: which message is it about?")
	}
	f.line("key", r.Key, maxKey)
	switch r.Kind {
	case ReceiptDelivered, ReceiptDeferred, ReceiptHardBounced, ReceiptSoftBounced, ReceiptComplained,
		ReceiptOpened, ReceiptClicked, ReceiptReplied, ReceiptUnsubscribed:
	default:
		f.addf("kind", "is none of the kinds of receipts")
	}
	r.To = lenient(Correspondent{Address: r.To}).Address
	r.At = instant(r.At)
	r.Code, r.Detail, r.URL = mendedLine(r.Code, maxKey), mendedLine(r.Detail, maxDetail), mendedLine(r.URL, maxURL)
	if err := r.Cost.Valid(); err != nil {
		f.addf("cost", "%s", plainReason(err))
	}
	f.meta(r.Meta)
	return r, f.err()
}

// Normal returns the message in its normal form, which loses no message for what a
// stranger wrote into it: addresses are as by [ParseAddress], and one that is none is
// left out, its text being the name if there is no other; characters that can't be
// kept are replaced; a Text or HTML past 1 MiB becomes an attachment, as a whole; of
// too many To, Cc and References some are left out; the time is in UTC and whole
// microseconds. An id is without angle brackets, and one that is long or has other
// than visible ASCII is replaced by a hash, so that it still finds its like.
//
// What the host has to give, and did not, is [ErrInvalid] and lists every field at
// fault.
func (m Incoming) Normal() (Incoming, error) {
	var f messageFaults
	m.ID, m.InReplyTo, m.Thread = foreignID(m.ID), foreignID(m.InReplyTo), foreignID(m.Thread)
	f.origin(m.Channel, m.ID, m.At)
	m.At = instant(m.At)
	m.From = lenient(m.From)
	m.To = lenientAll(m.To, maxParties)
	m.Cc = lenientAll(m.Cc, maxParties-len(m.To))
	m.References = threaded(m.References)
	for i := range m.References {
		m.References[i] = foreignID(m.References[i])
	}
	m.Subject, m.Text, m.HTML = mendedLine(m.Subject, maxIncomingSubject), mended(m.Text), mended(m.HTML)
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		m.Attachments[i] = m.Attachments[i].mended()
	}
	if len(m.Text) > maxBody {
		m.Attachments = append(m.Attachments, Attach("message.txt", "text/plain; charset=utf-8", []byte(m.Text)))
		m.Text = ""
	}
	if len(m.HTML) > maxBody {
		m.Attachments = append(m.Attachments, Attach("message.html", "text/html; charset=utf-8", []byte(m.HTML)))
		m.HTML = ""
	}
	f.most("attachments", len(m.Attachments), maxIncomingFiles)
	for i, a := range m.Attachments[:min(len(m.Attachments), maxIncomingFiles)] {
		if a.Open == nil || a.Size < 0 {
			f.addf(fmt.Sprintf("attachments[%d]", i), "has no Open, or a Size below 0: Attach makes an attachment of bytes")
		}
	}
	if m.Auto != AutoNo && m.Auto != AutoReplied {
		m.Auto = AutoGenerated
	}
	f.meta(m.Meta)
	return m, f.err()
}

// foreignID returns an id that others made, without angle brackets. One that can't
// be kept is replaced by a hash of it.
func foreignID(id string) string {
	id = bare(id)
	if isMessageID(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// lenient brings an address that a stranger wrote to its normal form, or leaves it
// out.
func lenient(c Correspondent) Correspondent {
	const maxName = 200
	normal, msg := normalAddress(c.Kind, c.Value)
	if msg != "" {
		if c.Name == "" {
			c.Name = c.Value
		}
		c.Address = Address{}
	} else {
		c.Value = normal
	}
	c.Name = mendedLine(c.Name, maxName)
	return c
}

func lenientAll(list []Correspondent, most int) []Correspondent {
	list = slices.Clone(list[:min(len(list), most)])
	for i := range list {
		list[i] = lenient(list[i])
	}
	return list
}

// mended returns a text with what can't be kept replaced.
func mended(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// mendedLine returns at most so many characters of a text as one line: what breaks it
// is a space.
func mendedLine(s string, most int) string {
	var b strings.Builder
	n, broken, last := 0, false, ' '
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case isControl(r):
			broken = true
			continue
		case broken && r == ' ':
			continue
		case broken && last != ' ':
			b.WriteByte(' ')
			n++
		}
		if n >= most {
			break
		}
		broken = false
		b.WriteRune(r)
		n++
		last = r
	}
	return strings.TrimSpace(b.String())
}

// mended gives an attachment that a stranger named a name and a media type that can
// be kept.
func (a Attachment) mended() Attachment {
	const maxName = 255
	a.Name = mendedLine(strings.NewReplacer("/", "_", `\`, "_").Replace(a.Name), maxName)
	if a.Name == "" {
		a.Name = "file"
	}
	if !isMediaType(a.MediaType) {
		a.MediaType = ""
	}
	if a.ContentID != "" {
		a.ContentID = foreignID(a.ContentID)
	}
	return a
}

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
)

// note is a message to an address.
func note(key, to string) crm.Message {
	return crm.Message{
		Key:     key,
		From:    crm.Correspondent{Address: must(crm.ParseAddress(crm.AddressEmail, "us@example.com")), Name: "The shop"},
		To:      crm.Correspondent{Address: must(crm.ParseAddress(crm.AddressEmail, to))},
		Subject: "Welcome", Text: "Welcome to the shop.",
	}
}

// What became of a message is one of four things, and the last is why a channel says
// whether it knows a key again.
func ExampleChannel() {
	mail := &crmtest.Channel{} // as a host's own, or crm/smtp
	mail.Next(crmtest.Accept(), crmtest.Reject(crm.ReasonBadAddress), crmtest.Later(time.Minute), crmtest.Lost(true))
	for _, to := range []string{"ada", "bob", "eve", "dan"} {
		_, err := mail.Send(context.Background(), note(to, to+"@example.org"))
		switch crm.ClassOf(err) {
		case crm.SendAccepted:
			fmt.Println(to, "has been sent it")
		case crm.SendRejected:
			fmt.Println(to, "can't be:", err)
		case crm.SendLater:
			fmt.Println(to, "is to be tried again")
		case crm.SendUncertain:
			fmt.Println(to, "may have it; send again:", mail.Traits().Idempotent)
		}
	}
	// Output:
	// ada has been sent it
	// bob can't be: rejected, bad_address (550): refused by the test
	// eve is to be tried again
	// dan may have it; send again: true
}

func ExampleClassOf() {
	fmt.Println(crm.ClassOf(nil))
	fmt.Println(crm.ClassOf(&crm.SendError{Class: crm.SendLater, After: time.Minute}))
	fmt.Println(crm.ClassOf(crm.Invalid("to", "is required")))
	fmt.Println(crm.ClassOf(errors.New("connection reset by peer"))) // which says nothing of the message
	// Output:
	// accepted
	// later
	// rejected
	// uncertain
}

func ExampleParseAddress() {
	fmt.Println(crm.ParseAddress(crm.AddressEmail, " Ada.Lovelace@EXAMPLE.org"))
	fmt.Println(crm.ParseAddress(crm.AddressEmail, "info@例え.jp"))
	fmt.Println(crm.ParseAddress(crm.AddressPhone, "+49 (30) 123-4567"))
	_, err := crm.ParseAddress(crm.AddressPhone, "call me")
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// Ada.Lovelace@example.org <nil>
	// info@xn--r8jz45g.jp <nil>
	// +49301234567 <nil>
	// true
}

func ExampleAddress_Valid() {
	fmt.Println(crm.Address{Kind: crm.AddressEmail, Value: "ada@EXAMPLE.org"}.Valid())
	// Output: invalid: email: is not in its normal form: use ParseAddress
}

func ExampleAddress_Key() {
	optedOut := map[string]bool{must(crm.ParseAddress(crm.AddressEmail, "Ada@example.org")).Key(): true}
	fmt.Println(optedOut[must(crm.ParseAddress(crm.AddressEmail, "ada@Example.org")).Key()])
	// Output: true
}

func ExampleAddress_Same() {
	a := must(crm.ParseAddress(crm.AddressEmail, "Ada@example.org"))
	fmt.Println(a.Same(must(crm.ParseAddress(crm.AddressEmail, "ada@example.org"))))
	fmt.Println(a.Same(must(crm.ParseAddress(crm.AddressEmail, "ada+shop@example.org"))))
	// Output:
	// true
	// false
}

func ExampleMessage_Normal() {
	m := note("0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d", "ada@example.org")
	m.Subject = "Welcome\r\nBcc: everybody@example.org"
	_, err := m.Normal()
	fmt.Println(err)
	// Output: invalid: subject: has a line break or another control character: take it out
}

func ExampleMessageID() {
	fmt.Println(crm.MessageID("0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d", "example.com"))
	// Output: 26edcf5624838dd6db7ae7756aced1a8@example.com
}

func ExampleAttach() {
	m := note("m-1", "ada@example.org")
	m.Attachments = []crm.Attachment{crm.Attach("terms.txt", "text/plain; charset=utf-8", []byte("Be kind."))}
	mail := &crmtest.Channel{}
	_, err := mail.Send(context.Background(), m)
	fmt.Println(len(mail.Delivered()[0].Attachments), err)
	// Output: 1 <nil>
}

func ExampleReceipt_Normal() {
	r, err := crm.Receipt{
		Channel: "mail", ID: "event-4711", MessageID: "<f98b@example.com>", Kind: crm.ReceiptHardBounced,
		At:     time.Date(2026, time.January, 5, 10, 0, 0, 0, time.FixedZone("CET", 3600)),
		To:     crm.Address{Kind: crm.AddressEmail, Value: "ada@EXAMPLE.org"},
		Reason: crm.ReasonBadAddress, Code: "550 5.1.1",
	}.Normal()
	fmt.Println(r.MessageID, r.To, r.At.Format(time.RFC3339), err)
	// Output: f98b@example.com ada@example.org 2026-01-05T09:00:00Z <nil>
}

func ExampleIncoming_Normal() {
	m, err := crm.Incoming{
		Channel: "mail", ID: "<q1@example.org>", At: time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC),
		From:    crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "no address at all"}},
		Subject: "Where is\r\n my order?", Text: strings.Repeat("Please! ", 200_000),
	}.Normal()
	fmt.Println(m.ID, m.From.IsZero(), m.From.Name)
	fmt.Println(m.Subject, len(m.Text), m.Attachments[0].Name, err)
	// Output:
	// q1@example.org true no address at all
	// Where is my order? 0 message.txt <nil>
}

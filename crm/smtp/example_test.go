package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/smtp"
)

func Example() {
	mail, err := smtp.New(smtp.Options{
		Host: "smtp.example.com", Username: "crm", Password: "secret", Keep: 4,
		// For this example nobody is there.
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	us := crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "us@example.com"}, Name: "The shop"}
	ada := crm.Correspondent{Address: crm.Address{Kind: crm.AddressEmail, Value: "ada@example.org"}}
	_, err = mail.Send(context.Background(), crm.Message{Key: "order-4711", From: us, To: ada, Subject: "Your order", Text: "It is on its way."})
	fmt.Println(errors.Is(err, crm.ErrLater), err)
	// Output: true later, channel: no network
}

func ExampleNew() {
	_, err := smtp.New(smtp.Options{Host: "smtp.example.com", TLS: smtp.NoTLS, Username: "crm", Password: "secret"})
	fmt.Println(err)
	// Output: invalid: tls: is off, and the password would be sent in clear text: use StartTLS or ImplicitTLS
}

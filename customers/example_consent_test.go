package customers_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// openShop is an office with a newsletter and a customer.
func openShop() (*office, context.Context, customers.Customer) {
	app, ctx := openOffice()
	must(app.Customers.Consents.Topics.Create(ctx, customers.ConsentTopic{
		Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent, ValidDays: 730,
	}))
	must(app.Customers.Consents.Topics.Create(ctx, customers.ConsentTopic{
		Key: "orders", Name: "Your orders", Channels: []string{"email", "sms"}, Basis: customers.BasisContract,
	}))
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace", Email: "ada@example.com"}))
	return app, ctx, ada
}

// A form asks, a link in a mail confirms.
func ExampleConsents_Ask() {
	app, ctx, ada := openShop()
	news := must(app.Customers.Consents.Topics.List(ctx, crm.Where("key == 'news'"))).Items[0]
	text := must(app.Customers.Consents.Texts.Create(ctx, customers.ConsentText{TopicID: news.ID, Language: "en", Text: "Yes, send me news by mail, until I say no."}))

	asked := must(app.Customers.Consents.Ask(ctx, customers.ConsentAct{
		CustomerID: ada.ID, Channel: "email", Topic: "news", TextID: text.ID, Source: "https://example.com/news", IP: "203.0.113.7",
	}))
	fmt.Println(asked.Address, asked.Consent.Status)
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")).Cause)

	// The link in the mail leads to a page with a button. Whoever presses it has no scope.
	kept := must(app.Customers.Consents.Confirm(context.Background(), asked.Token, customers.ConsentVisit{IP: "203.0.113.7", UserAgent: "Firefox"}))
	fmt.Println(kept.Status, kept.Expires.Format(time.DateOnly))
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")))
	// Output:
	// ada@example.com asked
	// not_confirmed
	// given 2028-01-05
	// yes: consent
}

func ExampleConsents_Confirm() {
	app, ctx, ada := openShop()
	asked := must(app.Customers.Consents.Ask(ctx, customers.ConsentAct{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "shop"}))
	kept := must(app.Customers.Consents.Confirm(context.Background(), asked.Token, customers.ConsentVisit{}))
	fmt.Println(kept.Status, !kept.Confirmed.IsZero())

	_, err := app.Customers.Consents.Confirm(context.Background(), asked.Token, customers.ConsentVisit{})
	fmt.Println(err)
	_, err = app.Customers.Consents.Confirm(context.Background(), "forged", customers.ConsentVisit{})
	fmt.Println(err)
	// Output:
	// given true
	// crm: confirm consent: conflict: token: it was used
	// crm: confirm consent: invalid: token: is none that this CRM gave out
}

// What was agreed elsewhere is brought in with its date and what shows it.
func ExampleConsents_Give() {
	app, ctx, ada := openShop()
	kept := must(app.Customers.Consents.Give(ctx, customers.ConsentAct{
		CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "fair in Berlin",
		At: time.Date(2025, 9, 5, 0, 0, 0, 0, time.UTC), Evidence: "card 77 in the archive",
	}))
	fmt.Println(kept.Status, kept.Since.Format(time.DateOnly), kept.Basis)
	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(consents, .topic == 'news' and .channel == 'email' and .status == 'given')"))))
	// Output:
	// given 2025-09-05 consent
	// 1
}

// Who unsubscribed is not brought back by a list.
func ExampleConsents_Withdraw() {
	app, ctx, ada := openShop()
	said := customers.ConsentAct{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "call of 5 January"}
	fmt.Println(must(app.Customers.Consents.Withdraw(ctx, said)).Status)

	said.Source = "list of the fair"
	_, err := app.Customers.Consents.Give(ctx, said)
	fmt.Println(errors.Is(err, crm.ErrConflict))
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")).Cause)
	// Output:
	// withdrawn
	// true
	// withdrawn
}

// A link in each mail leads to the page where one chooses.
func ExampleConsents_Choose() {
	app, ctx, ada := openShop()
	token := must(app.Customers.Consents.Token(ctx, customers.ConsentToken{
		CustomerID: ada.ID, Address: crm.Address{Kind: crm.AddressEmail, Value: ada.Email},
	}))

	choices := must(app.Customers.Consents.Choices(context.Background(), token))
	for i := range choices {
		fmt.Printf("%s %q %v\n", choices[i].Channel, choices[i].Name, choices[i].Agreed)
		choices[i].Agreed = true // she ticks every box
	}
	must(app.Customers.Consents.Choose(context.Background(), token, choices, customers.ConsentVisit{Source: "https://example.com/choose", IP: "203.0.113.7"}))
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")))
	// Output:
	// email "News" false
	// email "" true
	// yes: consent
}

func ExampleConsents_Choices() {
	app, ctx, ada := openShop()
	token := must(app.Customers.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID}))
	for _, c := range must(app.Customers.Consents.Choices(context.Background(), token)) {
		fmt.Printf("%s %q %v\n", c.Channel, c.Topic, c.Agreed)
	}
	// Output:
	// email "news" false
	// email "" true
}

// A token for somebody else, or one that is too old, opens nothing.
func ExampleConsents_Token() {
	app, ctx, ada := openShop()
	token := must(app.Customers.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID}))
	globex := crm.As(context.Background(), crm.Actor{Tenant: "globex", Member: "eve"})
	_, err := app.Customers.Consents.Choices(globex, token)
	fmt.Println(err)
	app.clock.Advance(91 * 24 * time.Hour)
	_, err = app.Customers.Consents.Choices(context.Background(), token)
	fmt.Println(err)
	// Output:
	// crm: choices consent: invalid: token: is none that this CRM gave out
	// crm: choices consent: invalid: token: has expired: ask for a new one
}

// One click on the button beside a mail ends the topic, or all that is sent there.
func ExampleConsents_Unsubscribe() {
	app, ctx, ada := openShop()
	must(app.Customers.Consents.Give(ctx, customers.ConsentAct{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "shop"}))
	mail := crm.Address{Kind: crm.AddressEmail, Value: ada.Email}

	one := must(app.Customers.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID, Address: mail, Channel: "email", Topic: "news"}))
	err := app.Customers.Consents.Unsubscribe(context.Background(), one, customers.ConsentVisit{Source: "List-Unsubscribe"})
	fmt.Println(err, must(app.Customers.MayContact(ctx, ada.ID, "email", "news")).Cause, must(app.Customers.MayContact(ctx, ada.ID, "email", "orders")))

	all := must(app.Customers.Consents.Token(ctx, customers.ConsentToken{CustomerID: ada.ID, Address: mail}))
	err = app.Customers.Consents.Unsubscribe(context.Background(), all, customers.ConsentVisit{Source: "List-Unsubscribe"})
	fmt.Println(err, must(app.Customers.MayContact(ctx, ada.ID, "email", "orders")).Cause)
	// Output:
	// <nil> withdrawn yes: contract
	// <nil> opted_out
}

func ExampleConsents_Entries() {
	app, ctx, ada := openShop()
	said := customers.ConsentAct{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "shop", IP: "203.0.113.7"}
	must(app.Customers.Consents.Give(ctx, said))
	app.clock.Advance(time.Hour)
	said.Source = "call"
	must(app.Customers.Consents.Withdraw(ctx, said))
	for _, e := range must(app.Customers.Consents.Entries(ctx, ada.ID)).Items {
		fmt.Println(e.N, e.At.Format(time.TimeOnly), e.Status, e.Source, e.Trace.IP)
	}
	// Output:
	// 1 09:00:00 given shop 203.0.113.7
	// 2 10:00:00 withdrawn call 203.0.113.7
}

// Somebody says that he never agreed, and was erased meanwhile.
func ExampleConsents_EntriesOf() {
	app, ctx, ada := openShop()
	asked := must(app.Customers.Consents.Ask(ctx, customers.ConsentAct{CustomerID: ada.ID, Channel: "email", Topic: "news", Source: "shop"}))
	app.clock.Advance(time.Minute)
	must(app.Customers.Consents.Confirm(context.Background(), asked.Token, customers.ConsentVisit{IP: "203.0.113.7"}))
	must(app.Customers.ErasePerson(ctx, ada.ID, "asked by mail"))

	for _, e := range must(app.Customers.Consents.EntriesOf(ctx, crm.Address{Kind: crm.AddressEmail, Value: "ada@example.com"})).Items {
		fmt.Printf("%s %s %s %q\n", e.At.Format(time.DateOnly), e.Status, e.Proof, e.Trace.IP)
	}
	// Output:
	// 2026-01-05 asked  ""
	// 2026-01-05 given double_opt_in ""
}

func ExampleCustomers_MayContact() {
	app, ctx, ada := openShop()
	decide := func(channel, topic string) {
		is := must(app.Customers.MayContact(ctx, ada.ID, channel, topic))
		fmt.Printf("%v %q %s%s\n", is.Allowed, is.Cause, is.Object, is.Address)
	}
	decide("email", "orders")
	decide("email", "news")
	decide("sms", "orders")
	must(app.Customers.ContactPoints.MarkInvalid(ctx, crm.Address{Kind: crm.AddressEmail, Value: ada.Email}, "550 no such mailbox"))
	decide("email", "orders")
	// Output:
	// true "" ada@example.com
	// false "not_asked" customer
	// false "no_address" customer
	// false "invalid" contact_point
}

// Before a mailing, all at once.
func ExampleCustomers_MayContactAll() {
	app, ctx, ada := openShop()
	bob := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Bob", Email: "bob@example.com"}))
	must(app.Customers.Consents.Give(ctx, customers.ConsentAct{CustomerID: bob.ID, Channel: "email", Topic: "news", Source: "shop"}))
	for _, is := range must(app.Customers.MayContactAll(ctx, []crm.ID{ada.ID, bob.ID}, "email", "news")) {
		fmt.Printf("%v %q %q\n", is.Allowed, is.Cause, is.Address.Value)
	}
	// Output:
	// false "not_asked" ""
	// true "" "bob@example.com"
}

func ExampleSuppression() {
	app, ctx, ada := openShop()
	letter := must(app.Customers.Suppressions.Create(ctx, customers.Suppression{
		CustomerID: ada.ID, Reason: customers.SuppressedRestricted, Source: "letter of 5 January",
	}))
	is := must(app.Customers.MayContact(ctx, ada.ID, "email", "orders"))
	fmt.Println(is.Cause, is.Reason)

	err := app.Customers.Suppressions.Delete(crm.Because(ctx, "the accounts were put right"), letter.ID)
	fmt.Println(err, must(app.Customers.MayContact(ctx, ada.ID, "email", "orders")))
	// Output:
	// restricted letter of 5 January
	// <nil> yes: contract
}

func ExampleContactPoints_Complain() {
	app, ctx, ada := openShop()
	must(app.Customers.ContactPoints.Complain(ctx, crm.Address{Kind: crm.AddressEmail, Value: ada.Email}, "feedback loop of the provider"))
	is := must(app.Customers.MayContact(ctx, ada.ID, "email", "orders"))
	fmt.Println(is.Cause, is.Reason)
	// Output:
	// complained feedback loop of the provider
}

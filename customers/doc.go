// Package customers keeps whom one does business with: people, organisations and
// households, in one kind of record, with their addresses, what they are to each other,
// how far they have come and how they are graded.
//
//	people, err := customers.New(core)
//	err = core.Migrate(ctx)
//	ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
//	who, err := people.Identify(ctx, customers.Customer{Email: "ada@example.com", Phone: "+49 30 901820"})
//
// Modules above refer to a customer by the kind's name, customer. The guide is
// docs/customers.md.
package customers

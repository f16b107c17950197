// Package customers keeps whom one does business with: people and organisations, in
// one kind of record, with the tree of an organisation's subsidiaries.
//
//	people, err := customers.New(core)
//	err = core.Migrate(ctx)
//	ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
//
// Modules above refer to a customer by the kind's name, customer.
package customers

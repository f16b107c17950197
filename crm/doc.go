// Package crm is the kernel of embedcrm: what every kind of record has in common,
// written once.
//
// A kind of record is a struct that embeds [Record]. [Define] reads it and gives a
// [Collection], through which records are created, read, changed, listed and
// deleted. Whatever the kind, a change takes one way: scope, rights, hooks,
// normal forms, validation, references, uniqueness, a version that was checked,
// and an event that is the record's history, all in one transaction, which is the
// host's if it joined one.
//
//	core, err := crm.New(store, crm.Config{})
//	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
//	deal, err := deals.Create(ctx, Deal{Name: "Analytical engine"})
//
// Every call needs a scope ([As], [System]) and sees the records of its tenant
// alone, and of those the ones its actor may.
package crm

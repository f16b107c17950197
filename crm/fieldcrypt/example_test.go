package fieldcrypt_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/fieldcrypt"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// managed stands for a key of a key management system, for which Tink has packages.
func managed() tink.AEAD { return must(aead.New(must(keyset.NewHandle(aead.AES256GCMKeyTemplate())))) }

// shop is a host with customers.
func shop(store storage.Store, keys fieldcrypt.Keys) (*crm.Core, *customers.Customers) {
	cipher := must(fieldcrypt.New(keys))
	core := must(crm.New(store, crm.Config{Cipher: cipher}))
	people := must(customers.New(core))
	if err := core.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	return core, people
}

// A tenant keeps a number of his customers' passports that who has the database does not
// read.
func Example() {
	keys := must(fieldcrypt.NewKeys())
	core, people := shop(must(sqlite.Open("sqlite", ":memory:")), keys)
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})

	passport := must(core.Fields.Create(ctx, crm.CustomField{
		Object: "customer", Name: "passport", Type: crm.FieldText, Protected: true, Personal: true,
	}))
	ada := must(people.Create(ctx, customers.Customer{
		Kind: customers.Person, Name: "Ada Lovelace", Record: crm.Record{Custom: crm.Custom{"passport": "C01X00T47"}},
	}))

	fmt.Println(passport.Key, must(people.Get(ctx, ada.ID)).Custom["passport"])
	fmt.Println(people.Count(ctx, crm.Where("custom.passport == $1", "C01X00T47")))
	_, err := people.Count(ctx, crm.Where("custom.passport startsWith 'C01'"))
	fmt.Println(err)
	// Output:
	// passport$p C01X00T47
	// 1 <nil>
	// crm: count customer: invalid: where: at byte 0 (custom.passport): is protected, and is found whole alone: write ==, != or in
}

// Keys are made once, wrapped by the key management system, and kept where the database
// is not.
func ExampleKeys_Wrap() {
	kms := managed()
	file := must(must(fieldcrypt.NewKeys()).Wrap(kms))

	// When the program starts.
	keys, err := fieldcrypt.Unwrap(file, kms)
	fmt.Println(len(keys.Values.KeysetInfo().GetKeyInfo()), err)
	_, err = fieldcrypt.Unwrap(file, managed())
	fmt.Println(err != nil)
	// Output:
	// 1 <nil>
	// true
}

// A rotation takes four steps. After each of the first two every process is started with
// the keys, before the next.
func ExampleKeys_Promote() {
	store := must(sqlite.Open("sqlite", ":memory:"))
	first := must(fieldcrypt.NewKeys())
	core, people := shop(store, first)
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})
	must(core.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "passport", Type: crm.FieldText, Protected: true}))
	must(people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Record: crm.Record{Custom: crm.Custom{"passport": "C01X00T47"}}}))

	added := must(first.Add())        // opened and looked for by all, before anybody seals by it
	promoted := must(added.Promote()) // what is written is sealed by it
	core, _ = shop(store, promoted)
	fmt.Println(core.Reseal(crm.System(ctx, "acme"))) // for each tenant: what was written before

	last := must(promoted.DropBlinds()) // nobody looks by the old one
	_, people = shop(store, last)
	fmt.Println(people.Count(ctx, crm.Where("custom.passport == 'C01X00T47'")))
	// Output:
	// 1 <nil>
	// 1 <nil>
}

// With other keys nothing is read, and nothing is lost.
func ExampleNew_wrongKeys() {
	store := must(sqlite.Open("sqlite", ":memory:"))
	core, people := shop(store, must(fieldcrypt.NewKeys()))
	ctx := crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: "dana"})
	must(core.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "passport", Type: crm.FieldText, Protected: true}))
	ada := must(people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Record: crm.Record{Custom: crm.Custom{"passport": "C01X00T47"}}}))

	_, others := shop(store, must(fieldcrypt.NewKeys()))
	_, err := others.Get(ctx, ada.ID)
	fmt.Println(errors.Is(err, crm.ErrSealed))
	fmt.Println(must(people.Get(ctx, ada.ID)).Custom["passport"])
	// Output:
	// true
	// C01X00T47
}

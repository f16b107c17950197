package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleMask() {
	fmt.Println(crm.Mask("13812340000"), crm.Mask("ada@example.com"), crm.Mask("Ada Lovelace"), crm.Mask("李雷"))
	// Output: 138****0000 a***@example.com A*** 李*
}

// purser is a crew in which pat sees the addresses of sailors in part, and whoever reveals
// one is written down. The context is the tenant's.
func purser() (*Harbour, *crm.Kind[Sailor], Sailor, context.Context) {
	h, sailors, ctx := openCrew(func(h *Harbour) error {
		return h.WatchReads(func(_ context.Context, r crm.Reading) error {
			if r.How != crm.ReadingReveal {
				return nil
			}
			fmt.Println(r.Actor, "saw", strings.Join(r.Fields, ", "), "since", r.Reason)
			if r.Reason == "curious" {
				return errors.New("ask the captain")
			}
			return nil
		})
	})
	ctx = crm.System(ctx, "acme")
	role := must(h.Roles.Create(ctx, crm.Role{
		Name: "Purser", Grants: crm.Allow("sailor", crm.LevelAll),
		Fields: []crm.FieldRule{{Object: "sailor", Field: "email", Access: crm.FieldMasked}},
	}))
	must(h.Members.Create(ctx, crm.Member{Key: "pat", Name: "Pat", RoleIDs: []crm.ID{role.ID}}))
	return h, sailors, must(sailors.Create(ctx, Sailor{Name: "Ishmael", Email: "ishmael@example.com"})), ctx
}

func ExampleCollection_Reveal() {
	_, sailors, ishmael, _ := purser()
	pat := by("pat")
	fmt.Println(must(sailors.Get(pat, ishmael.ID)).Email)
	_, err := sailors.List(pat, crm.Where("email startsWith 'is'")) // or it could be guessed
	fmt.Println(errors.Is(err, crm.ErrForbidden))

	fmt.Println(must(sailors.Reveal(pat, ishmael.ID, "his wages came back", "email")).Email)
	_, err = sailors.Reveal(pat, ishmael.ID, "curious", "email")
	fmt.Println(err != nil)
	// Output:
	// i***@example.com
	// true
	// member:pat saw email since his wages came back
	// ishmael@example.com
	// member:pat saw email since curious
	// true
}

func ExampleRecords_Reveal() {
	h, _, ishmael, ctx := purser()
	records := must(h.Records("sailor"))
	fmt.Println(must(records.Reveal(by("pat"), ishmael.ID, "his wages came back", "email"))["email"])
	fmt.Println(must(records.Reveal(ctx, ishmael.ID, "an audit", "email"))["email"]) // the tenant itself is heard of too
	// Output:
	// member:pat saw email since his wages came back
	// ishmael@example.com
	// system saw email since an audit
	// ishmael@example.com
}

// A screen shows a button beside these.
func ExampleRecords_Masked() {
	h, _, _, ctx := purser()
	records := must(h.Records("sailor"))
	fmt.Println(must(records.Masked(by("pat"))), must(records.Masked(ctx)))
	// Output: [email] []
}

// A module that sends to what it reads leaves out what is no whole address.
func ExampleWithoutMasked() {
	_, sailors, ishmael, _ := purser()
	fmt.Printf("%q\n", must(sailors.Get(by("pat"), ishmael.ID, crm.WithoutMasked())).Email)
	// Output: ""
}

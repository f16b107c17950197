package crm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// by is a context of a member of tenant acme.
func by(key string) context.Context {
	return crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: key})
}

// crew is a harbour with rights, and a context of the tenant's own. Dana and lee are
// sailors in one team, who read what their team has, change what is theirs, and know
// with whom to share it. Kim is a clerk.
func crew() (*Harbour, context.Context) {
	h, _ := openHarbour()
	ctx := crm.System(context.Background(), "acme")
	dock := must(h.Teams.Create(ctx, crm.Team{Name: "Dock"}))
	sailor := must(h.Roles.Create(ctx, crm.Role{Name: "Sailor", Grants: slices.Concat(
		crm.Allow("boat", crm.LevelTeam, crm.VerbRead),
		crm.Allow("boat", crm.LevelOwn, crm.VerbCreate, crm.VerbUpdate, crm.VerbShare),
		crm.Allow("member", crm.LevelAll, crm.VerbRead),
		crm.Allow("team", crm.LevelAll, crm.VerbRead),
	)}))
	for _, key := range []string{"dana", "lee"} {
		must(h.Members.Create(ctx, crm.Member{Key: key, Name: key, TeamIDs: []crm.ID{dock.ID}, RoleIDs: []crm.ID{sailor.ID}}))
	}
	clerk := must(h.Roles.Create(ctx, crm.Role{Name: "Clerk", Grants: crm.Allow("boat", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)}))
	must(h.Members.Create(ctx, crm.Member{Key: "kim", Name: "Kim", RoleIDs: []crm.ID{clerk.ID}}))
	return h, ctx
}

func ExampleMembers_Ensure() {
	h, ctx := openHarbour()
	for _, name := range []string{"Dana Ray", "Somebody Else"} { // at each sign-in
		dana, err := h.Members.Ensure(ctx, "dana", name)
		fmt.Println(dana.Name, dana.Version, err)
	}
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo"})) // now it has an owner
	fmt.Println(argo.OwnerID == must(h.Members.ByKey(ctx, "dana")).ID)
	// Output:
	// Dana Ray 1 <nil>
	// Dana Ray 1 <nil>
	// true
}

func ExampleMembers_ByKey() {
	h, ctx := crew()
	kim, err := h.Members.ByKey(ctx, "kim")
	fmt.Println(kim.Name, err)
	_, err = h.Members.ByKey(ctx, "nobody")
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// Kim <nil>
	// true
}

// Who leaves is made inactive, and keeps what he owns until it is given to others.
func ExampleMember() {
	h, ctx := crew()
	lee := must(h.Members.ByKey(ctx, "lee"))
	argo := must(h.Boats.Create(by("lee"), Boat{Name: "Argo"}))
	if conflict, ok := errors.AsType[*crm.ConflictError](h.Members.Delete(ctx, lee.ID)); ok {
		fmt.Println(conflict.Field)
	}

	must(h.Members.Update(ctx, lee.ID, func(m *crm.Member) error { m.Inactive = true; return nil }))
	_, err := h.Boats.Get(by("lee"), argo.ID)
	fmt.Println(errors.Is(err, crm.ErrForbidden))
	dana := must(h.Members.ByKey(ctx, "dana"))
	argo, err = h.Boats.Update(ctx, argo.ID, func(b *Boat) error { b.OwnerID = dana.ID; return nil })
	fmt.Println(argo.OwnerID == dana.ID, err)
	// Output:
	// owned_boats
	// true
	// true <nil>
}

// What a host does every night: a member may have made a record in the instant in which
// another process deleted him.
func ExampleMembers_Release() {
	h, ctx := crew()
	lee := must(h.Members.ByKey(ctx, "lee"))
	fmt.Println(h.Members.Delete(ctx, lee.ID))
	released, err := h.Members.Release(ctx)
	fmt.Println(released, err)
	// Output:
	// <nil>
	// 0 <nil>
}

// A right at level subtree reaches what the members of all teams below own.
func ExampleTeams() {
	h, _ := openHarbour()
	ctx := crm.System(context.Background(), "acme")
	master := must(h.Roles.Create(ctx, crm.Role{Name: "Harbour master", Grants: crm.Allow("boat", crm.LevelSubtree, crm.VerbRead)}))
	hand := must(h.Roles.Create(ctx, crm.Role{Name: "Hand", Grants: crm.Allow("boat", crm.LevelOwn, crm.VerbRead, crm.VerbCreate)}))
	harbour := must(h.Teams.Create(ctx, crm.Team{Name: "Harbour", RoleIDs: []crm.ID{master.ID}})) // not for the teams below
	dock := must(h.Teams.Create(ctx, crm.Team{Name: "Dock", ParentID: harbour.ID, RoleIDs: []crm.ID{hand.ID}}))
	must(h.Members.Create(ctx, crm.Member{Key: "max", Name: "Max", TeamIDs: []crm.ID{harbour.ID}}))
	must(h.Members.Create(ctx, crm.Member{Key: "lee", Name: "Lee", TeamIDs: []crm.ID{dock.ID}}))

	must(h.Boats.Create(by("lee"), Boat{Name: "Argo"}))
	fmt.Println(names(must(h.Boats.List(by("max"))).Items))
	fmt.Println(h.Teams.Delete(ctx, dock.ID) != nil) // it has a member
	// Output:
	// Argo
	// true
}

// With its first role a tenant is closed: what no role grants is forbidden.
func ExampleRoles() {
	h, dana := openHarbour()
	argo := must(h.Boats.Create(dana, Boat{Name: "Argo"}))

	ctx := crm.System(dana, "acme")
	guest := must(h.Roles.Create(ctx, crm.Role{Name: "Guest", Grants: crm.Allow("boat", crm.LevelAll, crm.VerbRead)}))
	_, err := h.Boats.Get(dana, argo.ID)
	fmt.Println(errors.Is(err, crm.ErrForbidden))

	must(h.Members.Create(ctx, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{guest.ID}}))
	boat, err := h.Boats.Get(dana, argo.ID)
	fmt.Println(boat.Name, err)
	_, err = h.Boats.Create(dana, Boat{Name: "Pequod"})
	fmt.Println(err)
	// Output:
	// true
	// Argo <nil>
	// crm: create boat: forbidden: you have no right to create boats: a role has to grant it
}

func ExampleAllow() {
	grants := slices.Concat(
		crm.Allow("boat", crm.LevelTeam, crm.VerbRead, crm.VerbUpdate),
		crm.Allow("visit", crm.LevelAll), // every verb
	)
	for _, g := range grants {
		fmt.Println(g.Object, g.Verb, g.Level)
	}
	// Output:
	// boat read team
	// boat update team
	// visit * all
}

// A role hides what a boat is worth, and shows its berth for reading alone.
func ExampleFieldRule() {
	h, _ := openHarbour()
	ctx := crm.System(context.Background(), "acme")
	painter := must(h.Roles.Create(ctx, crm.Role{
		Name:   "Painter",
		Grants: crm.Allow("boat", crm.LevelAll, crm.VerbRead, crm.VerbUpdate),
		Fields: []crm.FieldRule{
			{Object: "boat", Field: "worth", Access: crm.FieldHidden},
			{Object: "boat", Field: "berth", Access: crm.FieldReadOnly},
		},
	}))
	must(h.Members.Create(ctx, crm.Member{Key: "pat", Name: "Pat", RoleIDs: []crm.ID{painter.ID}}))
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Berth: "A7", Worth: crm.EUR(12_000_00)}))

	pat := by("pat")
	boat := must(h.Boats.Get(pat, argo.ID))
	fmt.Println(boat.Berth, boat.Worth.IsZero())
	_, err := h.Boats.List(pat, crm.Where("worth > $1", crm.EUR(0))) // or it could be guessed
	fmt.Println(err)
	_, err = h.Boats.Update(pat, argo.ID, func(b *Boat) error { b.Berth = "B1"; return nil })
	fmt.Println(errors.Is(err, crm.ErrForbidden))
	must(h.Boats.Update(pat, argo.ID, func(b *Boat) error { b.Name = "Argo II"; return nil }))
	fmt.Println(must(h.Boats.Get(ctx, argo.ID)).Worth) // still there
	// Output:
	// A7 true
	// crm: list boat: forbidden: worth: you may not read it
	// true
	// 12000.00 EUR
}

func ExampleShares_Share() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	kim := must(h.Members.ByKey(ctx, "kim"))
	_, err := h.Boats.Get(by("kim"), argo.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))

	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithMember(kim.ID), crm.ShareRead))
	boat, err := h.Boats.Get(by("kim"), argo.ID)
	fmt.Println(boat.Name, err)
	berth := func(b *Boat) error { b.Berth = "A7"; return nil }
	_, err = h.Boats.Update(by("kim"), argo.ID, berth)
	fmt.Println(errors.Is(err, crm.ErrForbidden))

	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithMember(kim.ID), crm.ShareWrite)) // the same share gives more
	boat, err = h.Boats.Update(by("kim"), argo.ID, berth)
	fmt.Println(boat.Berth, err)
	// Output:
	// true
	// Argo <nil>
	// true
	// A7 <nil>
}

func ExampleShares_Withdraw() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	kim := must(h.Members.ByKey(ctx, "kim"))
	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithMember(kim.ID), crm.ShareRead))
	fmt.Println(h.Boats.Count(by("kim")))

	fmt.Println(h.Shares.Withdraw(by("dana"), "boat", argo.ID, crm.WithMember(kim.ID)))
	fmt.Println(h.Boats.Count(by("kim")))
	// Output:
	// 1 <nil>
	// <nil>
	// 0 <nil>
}

func ExampleWithMember() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	kim := must(h.Members.ByKey(ctx, "kim"))
	share, err := h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithMember(kim.ID), crm.ShareRead)
	fmt.Println(share.MemberID == kim.ID, share.Access, err)
	// Output:
	// true read <nil>
}

func ExampleWithTeam() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	books := must(h.Teams.Create(ctx, crm.Team{Name: "Books"}))
	kim := must(h.Members.ByKey(ctx, "kim"))
	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithTeam(books.ID), crm.ShareRead))
	fmt.Println(h.Boats.Count(by("kim")))

	must(h.Members.Update(ctx, kim.ID, func(m *crm.Member) error { m.TeamIDs = append(m.TeamIDs, books.ID); return nil }))
	fmt.Println(h.Boats.Count(by("kim"))) // who joins the team reads it too
	// Output:
	// 0 <nil>
	// 1 <nil>
}

func ExampleWithSubtree() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	office := must(h.Teams.Create(ctx, crm.Team{Name: "Office"}))
	books := must(h.Teams.Create(ctx, crm.Team{Name: "Books", ParentID: office.ID}))
	kim := must(h.Members.ByKey(ctx, "kim"))
	must(h.Members.Update(ctx, kim.ID, func(m *crm.Member) error { m.TeamIDs = []crm.ID{books.ID}; return nil }))

	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithTeam(office.ID), crm.ShareRead))
	fmt.Println(h.Boats.Count(by("kim")))
	must(h.Shares.Share(by("dana"), "boat", argo.ID, crm.WithSubtree(office.ID), crm.ShareRead))
	fmt.Println(h.Boats.Count(by("kim")))
	// Output:
	// 0 <nil>
	// 1 <nil>
}

func ExampleShare_Validate() {
	share := crm.Share{Object: "boat", Access: crm.ShareRead}
	fmt.Println(share.Validate())
	// Output:
	// invalid: member_id: a share is with a member or with a team, one of the two
}

func ExampleCore_Explain() {
	h, ctx := crew()
	argo := must(h.Boats.Create(by("dana"), Boat{Name: "Argo"}))
	show := func(member string, verb crm.Verb) {
		e := must(h.Explain(ctx, member, verb, "boat", argo.ID))
		fmt.Println(strings.ReplaceAll(e.String(), argo.ID.String(), "Argo"))
	}
	show("lee", crm.VerbRead)
	show("lee", crm.VerbUpdate)
	show("lee", crm.VerbDelete)
	show("kim", crm.VerbUpdate)
	show("max", crm.VerbRead)
	// Output:
	// member lee may read boat Argo: role "Sailor" grants it at level team.
	// member lee may not update boat Argo: role "Sailor" grants it at level own, which does not reach this record.
	// member lee may not delete boat Argo: no role he has grants it.
	// member kim may not update boat Argo: it takes the right to read, and role "Clerk" grants it at level own, which does not reach this record.
	// member max may not read boat Argo: the tenant has roles, and no member of this key.
}

// For a screen the explanation is data.
func ExampleExplanation() {
	h, ctx := crew()
	e, err := h.Explain(ctx, "dana", crm.VerbCreate, "boat", crm.ID{})
	fmt.Println(e.Allowed, e.Cause, e.Role, e.Level, err)
	e, err = h.Explain(ctx, "kim", crm.VerbCreate, "boat", crm.ID{})
	fmt.Println(e.Allowed, e.Cause, err)
	// Output:
	// true grant Sailor own <nil>
	// false no grant <nil>
}

// tidePolicy lets every actor read boats at low tide, and nothing at high tide.
type tidePolicy struct{ high bool }

// Grant answers from memory.
func (t *tidePolicy) Grant(_ context.Context, _ crm.Actor, object string, verb crm.Verb) (crm.Permission, error) {
	if object != "boat" || verb != crm.VerbRead || t.high {
		return crm.Permission{}, nil
	}
	return crm.Permission{Level: crm.LevelAll, Hidden: []string{"worth"}}, nil
}

func ExamplePolicy() {
	tide := &tidePolicy{}
	h, dana := openHarbourWith(crm.Config{Policy: tide})
	ctx := crm.System(context.Background(), "acme")
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Worth: crm.EUR(12_000_00)}))

	boat, err := h.Boats.Get(dana, argo.ID)
	fmt.Println(boat.Name, boat.Worth.IsZero(), err)
	_, err = h.Boats.Create(dana, Boat{Name: "Pequod"})
	fmt.Println(errors.Is(err, crm.ErrForbidden))
	tide.high = true
	_, err = h.Boats.List(dana)
	fmt.Println(errors.Is(err, crm.ErrForbidden), must(h.Explain(ctx, "dana", crm.VerbRead, "boat", crm.ID{})).Cause)
	// Output:
	// Argo true <nil>
	// true
	// true policy
}

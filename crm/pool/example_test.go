package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// lead is a host's kind of record.
type lead struct {
	crm.Record

	Name  string `crm:"required,max=200" json:"name"`
	Phone string `crm:"max=50"           json:"phone,omitempty"`
}

// office is a host whose leads are pooled. Dana and lee read what is theirs, and kim runs
// the office.
type office struct {
	*pool.Pools

	core  *crm.Core
	leads *crm.Kind[lead]
	clock *crmtest.Clock
}

// openOffice returns an office, and a context of the tenant's own.
func openOffice() (*office, context.Context) {
	o := &office{clock: &crmtest.Clock{}}
	o.core = sure(crm.New(sure(sqlite.Open("sqlite", ":memory:")), crm.Config{Clock: o.clock}))
	o.leads = sure(crm.Define(o.core, crm.Object[lead]{Name: "lead"}))
	o.core.AddLine(storage.Line{Name: "office", Files: fstest.MapFS{"sqlite/0001_lead.sql": {Data: []byte(`
CREATE TABLE crm_lead (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, phone TEXT, PRIMARY KEY (tenant, id)
);`)}}})
	o.Pools = sure(pool.New(o.core))
	o.Admit("lead")
	ctx := crm.System(context.Background(), "acme")
	if err := o.core.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	rep := sure(o.core.Roles.Create(ctx, crm.Role{Name: "Rep", Grants: crm.Allow("lead", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)}))
	boss := sure(o.core.Roles.Create(ctx, crm.Role{Name: "Boss", Grants: crm.Allow(crm.AnyKind, crm.LevelAll, crm.AnyVerb)}))
	for key, role := range map[string]crm.ID{"dana": rep.ID, "lee": rep.ID, "kim": boss.ID} {
		sure(o.core.Members.Create(ctx, crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{role}}))
	}
	return o, ctx
}

// by is a context of a member.
func by(key string) context.Context {
	return crm.As(context.Background(), crm.Actor{Tenant: "acme", Member: key})
}

// shared is a pool of all leads, and ada, who waits in it.
func (o *office) shared(ctx context.Context) (pool.Pool, lead) {
	all := sure(o.Create(ctx, pool.Pool{Name: "All leads", Object: "lead", Show: []string{"name"}, Mask: []string{"phone"}}))
	return all, sure(o.leads.Create(ctx, lead{Name: "Ada", Phone: "13812340000"}))
}

func sure[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func ExampleNew() {
	o, ctx := openOffice()
	all := sure(o.Create(ctx, pool.Pool{Name: "All leads", Object: "lead", Show: []string{"name"}, Mask: []string{"phone"}, MaxHeld: 50, MaxPerDay: 10, BanDays: 7}))
	sure(o.leads.Create(ctx, lead{Name: "Ada", Phone: "13812340000"}))
	page := sure(o.Cards(by("dana"), all.ID))
	fmt.Println(page.Items[0].Values["name"], page.Items[0].Values["phone"])
	sure(o.Claim(by("dana"), all.ID, page.Items[0].ID))
	ada := sure(o.leads.Get(by("dana"), page.Items[0].ID))
	fmt.Println(ada.Phone)
	// Output:
	// Ada 138****0000
	// 13812340000
}

func ExamplePools_Admit() {
	o, ctx := openOffice() // in which New was given no kinds, and then: o.Admit("lead")
	for _, kind := range []string{"lead", "deal"} {
		_, err := o.Create(ctx, pool.Pool{Name: kind, Object: kind})
		fmt.Println(kind, errors.Is(err, crm.ErrInvalid))
	}
	// Output:
	// lead false
	// deal true
}

func ExamplePools_Mine() {
	o, ctx := openOffice()
	o.shared(ctx)
	sure(o.Create(ctx, pool.Pool{Name: "For lee", Object: "lead", MemberIDs: []crm.ID{sure(o.core.Members.ByKey(ctx, "lee")).ID}}))
	for _, p := range sure(o.Mine(by("dana"))) {
		fmt.Println(p.Name)
	}
	// Output: All leads
}

func ExamplePools_Cards() {
	o, ctx := openOffice()
	all, _ := o.shared(ctx)
	sure(o.leads.Create(ctx, lead{Name: "Bob"}))
	page := sure(o.Cards(by("dana"), all.ID, crm.Where("name startsWith 'A'"), crm.OrderBy("name")))
	fmt.Println(len(page.Items), page.Items[0].Values)
	_, err := o.Cards(by("dana"), all.ID, crm.Where("phone startsWith '138'"))
	fmt.Println(errors.Is(err, crm.ErrForbidden))
	// Output:
	// 1 map[name:Ada phone:138****0000]
	// true
}

func ExamplePools_CountCards() {
	o, ctx := openOffice()
	all, _ := o.shared(ctx)
	fmt.Println(o.CountCards(by("dana"), all.ID))
	// Output: 1 <nil>
}

func ExamplePools_Claim() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	_, err := o.Claim(by("dana"), all.ID, ada.ID)
	fmt.Println(err)
	_, err = o.Claim(by("lee"), all.ID, ada.ID)
	fmt.Println(errors.Is(err, pool.ErrClaimed))
	e := sure(o.leads.History(by("dana"), ada.ID)).Items[0]
	fmt.Println(e.Name, "by", e.Actor, "because of", e.Cause)
	// Output:
	// <nil>
	// true
	// lead.claimed by member:dana because of pool All leads
}

func ExamplePools_Return() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	reason := sure(o.Reasons.Create(ctx, pool.Reason{Name: "No budget"}))
	sure(o.Claim(by("dana"), all.ID, ada.ID))
	sure(o.Return(by("dana"), all.ID, ada.ID, reason.ID, "asks again in spring"))
	_, err := o.leads.Get(by("dana"), ada.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	e := sure(o.leads.History(ctx, ada.ID)).Items[0]
	fmt.Println(e.Name, "because of", e.Cause)
	// Output:
	// true
	// lead.returned because of pool All leads: No budget
}

func ExamplePools_Recycle() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	sure(o.Update(ctx, all.ID, func(p *pool.Pool) error {
		p.RecycleDays, p.WarnDays, p.FollowedUp = 30, 5, "updated > $1"
		return nil
	}))
	sure(o.Claim(by("dana"), all.ID, ada.ID))
	for _, days := range []int{25, 5} {
		o.clock.Advance(time.Duration(days) * 24 * time.Hour)
		fmt.Printf("%+v\n", sure(o.Recycle(ctx))[0]) // the job does it each night
	}
	// Output:
	// {Pool:All leads Warned:1 Recycled:0 Refused:0}
	// {Pool:All leads Warned:0 Recycled:1 Refused:0}
}

func ExamplePools_Protect() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	sure(o.Claim(by("dana"), all.ID, ada.ID))
	m, err := o.Protect(by("kim"), all.ID, ada.ID, o.clock.Now().AddDate(0, 3, 0), "a tender")
	fmt.Println(m.Kind, m.Until.Format(time.DateOnly), err)
	// Output: protected 2026-04-05 <nil>
}

func ExampleMoves_Of() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	sure(o.Claim(by("dana"), all.ID, ada.ID))
	for _, m := range sure(o.Moves.Of(by("dana"), "lead", ada.ID)).Items {
		fmt.Println(m.Kind, m.At)
	}
	// Output: claimed 2026-01-05 09:00:00 +0000 UTC
}

func ExampleMoves_List() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	sure(o.Claim(by("dana"), all.ID, ada.ID))
	page := sure(o.Moves.List(ctx, crm.Where("kind == 'claimed' and at >= $1", o.clock.Now().AddDate(0, 0, -7))))
	fmt.Println(len(page.Items))
	// Output: 1
}

func ExampleMoves_Get() {
	o, ctx := openOffice()
	all, ada := o.shared(ctx)
	made := sure(o.Claim(by("dana"), all.ID, ada.ID))
	fmt.Println(sure(o.Moves.Get(by("dana"), made.ID)).Kind)
	// Output: claimed
}

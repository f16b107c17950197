package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/storage"
)

//go:embed crm_migrations
var crmMigrations embed.FS

// buyer is the customer of the CRM layer: with what the kernel keeps of every record and two custom fields, twenty-three
// fields.
type buyer struct {
	crm.Record

	Name       string    `crm:"required,max=200,fold,sort" json:"name"`
	Email      string    `crm:"unique,max=254,personal"    json:"email,omitempty"`
	Phone      string    `crm:"max=40,personal"            json:"phone,omitempty"`
	Company    string    `crm:"max=200"                    json:"company,omitempty"`
	City       string    `crm:"required,max=100"           json:"city"`
	Country    string    `crm:"required,max=2"             json:"country"`
	Stage      string    `crm:"required,enum=lead|contacted|qualified|proposal|won|lost|negotiation" json:"stage"`
	Source     string    `crm:"max=50"                     json:"source,omitempty"`
	Score      int64     `json:"score"`
	Employees  *int64    `json:"employees,omitempty"`
	Revenue    crm.Money `json:"revenue,omitzero"`
	Since      crm.Date  `json:"since,omitzero"`
	Note       string    `crm:"max=2000"                   json:"note,omitempty"`
	ReferrerID crm.ID    `crm:"ref=customer,as=referred"   json:"referrer_id,omitzero"`
}

// extras are the custom fields as SQL by hand keeps them: Number is promoted to the index, Size is not.
type extras struct {
	Number int64  `json:"number"`
	Size   string `json:"size"`
}

// extrasOf reads the custom fields of a customer.
func extrasOf(b *buyer) (x extras) {
	x.Number, _ = b.Custom["number"].(int64)
	x.Size, _ = b.Custom["size"].(string)
	return x
}

func (x extras) custom() crm.Custom { return crm.Custom{"number": x.Number, "size": x.Size} }

// Who is in every tenant: clerk does most of what is measured, and each customer is one of the owners'. In the tenant that
// has roles the first owners are a team, and the first of them reads what the team owns.
const (
	clerk   = "clerk"
	owners  = 20
	teamed  = 5
	numbers = 200 // values of the promoted field
)

func ownerKey(n int) string { return fmt.Sprintf("owner-%02d", n) }

// crmCore is a CRM on a store, with the kind of record that is measured.
type crmCore struct {
	*crm.Core

	customers *crm.Kind[buyer]
	contacts  *crm.Kind[contact]
	transfer  *transfer.Transfer
	clock     *movedClock
	handled   int // by what works in the background
}

// movedClock is the machine's clock, which can be put forward past a time that would have to be waited for.
type movedClock struct{ ahead atomic.Int64 }

func (c *movedClock) Now() time.Time { return clock().Add(time.Duration(c.ahead.Load())) }

func newCRM(ctx context.Context, store storage.Store) (*crmCore, error) {
	c := &crmCore{clock: &movedClock{}}
	var err error
	if c.Core, err = crm.New(store, crm.Config{Clock: c.clock}); err != nil {
		return nil, err
	}
	files, err := fs.Sub(crmMigrations, "crm_migrations")
	if err != nil {
		return nil, err
	}
	c.AddLine(storage.Line{Name: "bench", Files: files, Needs: map[string]int{"crm": 1}})
	if c.customers, err = crm.Define(c.Core, crm.Object[buyer]{Name: "customer"}); err != nil {
		return nil, err
	}
	if c.contacts, err = crm.Define(c.Core, crm.Object[contact]{Name: "contact"}); err != nil {
		return nil, err
	}
	if _, err = activity.New(c.Core); err != nil {
		return nil, err
	}
	if c.transfer, err = transfer.New(c.Core); err != nil {
		return nil, err
	}
	if err := c.handle(); err != nil {
		return nil, err
	}
	return c, c.Migrate(ctx)
}

// found makes a tenant with its members and custom fields, and returns the owners.
func (c *crmCore) found(ctx context.Context, tenant string) ([]crm.ID, error) {
	ctx = crm.System(ctx, tenant)
	if _, err := c.Members.Ensure(ctx, clerk, ""); err != nil {
		return nil, err
	}
	ids := make([]crm.ID, owners)
	for i := range ids {
		m, err := c.Members.Ensure(ctx, ownerKey(i), "")
		if err != nil {
			return nil, err
		}
		ids[i] = m.ID
	}
	number, err := c.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "number", Type: crm.FieldInt, Indexed: true})
	if err != nil {
		return nil, err
	}
	sizes := []crm.Option{{Key: "small"}, {Key: "medium"}, {Key: "large"}}
	if _, err := c.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "size", Type: crm.FieldChoice, Options: sizes}); err != nil {
		return nil, err
	}
	c.clock.ahead.Add(int64(2 * time.Second)) // a field is not filled before every process may know of it
	return ids, c.Fields.Backfill(ctx, number.ID)
}

// closeTenant gives a tenant roles: clerk may do everything, and the first owners are a team that reads its own customers.
func (c *crmCore) closeTenant(ctx context.Context, tenant string) error {
	ctx = crm.System(ctx, tenant)
	all, err := c.Roles.Create(ctx, crm.Role{Name: "all", Grants: crm.Allow(crm.AnyKind, crm.LevelAll)})
	if err != nil {
		return err
	}
	team, err := c.Roles.Create(ctx, crm.Role{Name: "team", Grants: crm.Allow("customer", crm.LevelTeam)})
	if err != nil {
		return err
	}
	sales, err := c.Teams.Create(ctx, crm.Team{Name: "sales", RoleIDs: []crm.ID{team.ID}})
	if err != nil {
		return err
	}
	change := func(key string, fn func(m *crm.Member)) error {
		m, err := c.Members.ByKey(ctx, key)
		if err == nil {
			_, err = c.Members.Update(ctx, m.ID, func(m *crm.Member) error { fn(m); return nil })
		}
		return err
	}
	for i := range teamed {
		if err := change(ownerKey(i), func(m *crm.Member) { m.TeamIDs = []crm.ID{sales.ID} }); err != nil {
			return err
		}
	}
	return change(clerk, func(m *crm.Member) { m.RoleIDs = []crm.ID{all.ID} })
}

// past is what a customer's history says of a change, by field: before and after. What did not change is left out.
type past struct {
	OwnerID    moved `json:"owner_id,omitzero"`
	Deleted    moved `json:"deleted,omitzero"`
	Name       moved `json:"name,omitzero"`
	Email      moved `json:"email,omitzero"`
	Phone      moved `json:"phone,omitzero"`
	Company    moved `json:"company,omitzero"`
	City       moved `json:"city,omitzero"`
	Country    moved `json:"country,omitzero"`
	Stage      moved `json:"stage,omitzero"`
	Source     moved `json:"source,omitzero"`
	Score      moved `json:"score,omitzero"`
	Employees  moved `json:"employees,omitzero"`
	Revenue    moved `json:"revenue,omitzero"`
	Since      moved `json:"since,omitzero"`
	Note       moved `json:"note,omitzero"`
	ReferrerID moved `json:"referrer_id,omitzero"`
	Number     moved `json:"custom.number,omitzero"` //nolint:tagliatelle // as crm names custom fields
	Size       moved `json:"custom.size,omitzero"`   //nolint:tagliatelle // the same
}

type moved [2]any

// set is a change from nothing to v, if that is something.
func set[T comparable](v T) (m moved) {
	if v != *new(T) {
		m[1] = v
	}
	return m
}

// creation is the history of a new customer.
func creation(b *buyer) ([]byte, error) {
	x := extrasOf(b)
	p := past{
		OwnerID: set(b.OwnerID), Name: set(b.Name), Email: set(b.Email), Phone: set(b.Phone), Company: set(b.Company),
		City: set(b.City), Country: set(b.Country), Stage: set(b.Stage), Source: set(b.Source), Score: moved{nil, b.Score},
		Revenue: set(b.Revenue), Since: set(b.Since), Note: set(b.Note), ReferrerID: set(b.ReferrerID),
		Number: moved{nil, x.Number}, Size: set(x.Size),
	}
	if b.Employees != nil {
		p.Employees[1] = *b.Employees
	}
	return json.Marshal(p)
}

package costs

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage"
)

//go:embed crm_migrations
var crmMigrations embed.FS

// customer is a record of about twenty fields, two of them custom: number is promoted to the index, size is not.
type customer struct {
	crm.Record

	Name       string    `crm:"required,max=200,fold,sort"    json:"name"`
	Email      string    `crm:"unique,max=254,personal"       json:"email,omitempty"`
	Phone      string    `crm:"max=40,personal"               json:"phone,omitempty"`
	Company    string    `crm:"max=200"                       json:"company,omitempty"`
	City       string    `crm:"required,max=100"              json:"city"`
	Country    string    `crm:"required,max=2"                json:"country"`
	Stage      string    `crm:"required,enum=lead|won|lost"   json:"stage"`
	Source     string    `crm:"max=50"                        json:"source,omitempty"`
	Score      int64     `json:"score"`
	Employees  *int64    `json:"employees,omitempty"`
	Revenue    crm.Money `json:"revenue,omitzero"`
	Since      crm.Date  `json:"since,omitzero"`
	Note       string    `crm:"max=2000"                      json:"note,omitempty"`
	ReferrerID crm.ID    `crm:"ref=customer,as=referred"      json:"referrer_id,omitzero"`
}

const (
	clerk  = "clerk"   // does what is counted
	seller = "seller1" // reads what his team owns
	closed = "closed"  // the tenant that has roles
	team   = 5         // members of the team
)

// crmWork is a database with customers in two tenants.
type crmWork struct {
	core      *crmtest.Core
	customers *crm.Kind[customer]
	ids       []crm.ID // of the customers of tenant that are there from the beginning
	owner     crm.ID
	second    string // the cursor of the second page
	made      int64
}

func (w *crmWork) define(c *crm.Core) error {
	files, err := fs.Sub(crmMigrations, "crm_migrations")
	if err != nil {
		return err
	}
	c.AddLine(storage.Line{Name: "costs", Files: files, Needs: map[string]int{"crm": 1}})
	w.customers, err = crm.Define(c, crm.Object[customer]{Name: "customer"})
	return err
}

// newCRMWork fills a store with tenants, members, custom fields and customers. Its clock stands still while costs are
// counted, so that nothing is looked at anew because time has passed.
func newCRMWork(t *testing.T, store storage.Store) *crmWork {
	t.Helper()
	w := &crmWork{}
	w.core = crmtest.On(t, store, crm.Config{}, w.define)
	for _, tenant := range []string{tenant, "other", closed} {
		ctx := crm.System(t.Context(), tenant)
		owner, err := w.core.Members.Ensure(ctx, clerk, "")
		require.NoError(t, err)
		w.owner = owner.ID
		number, err := w.core.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "number", Type: crm.FieldInt, Indexed: true})
		require.NoError(t, err)
		_, err = w.core.Fields.Create(ctx, crm.CustomField{Object: "customer", Name: "size", Type: crm.FieldText})
		require.NoError(t, err)
		w.core.Clock.Advance(2 * time.Second)
		require.NoError(t, w.core.Fields.Backfill(ctx, number.ID))
		if tenant == closed {
			w.close(ctx, t)
		}
	}
	_, err := w.customers.CreateAll(crm.System(t.Context(), closed), w.newCustomers(filled))
	require.NoError(t, err)
	owner, err := w.core.Members.ByKey(crm.System(t.Context(), tenant), clerk)
	require.NoError(t, err)
	w.owner = owner.ID
	kept, err := w.customers.CreateAll(crm.System(t.Context(), tenant), w.newCustomers(filled))
	require.NoError(t, err)
	for _, c := range kept {
		w.ids = append(w.ids, c.ID)
	}
	page, err := w.customers.List(asClerk(t.Context(), tenant), crm.OrderBy("-updated"))
	require.NoError(t, err)
	w.second = page.Next
	return w
}

// close gives a tenant roles: clerk may do everything, and a team of sellers reads its own customers, whose owner is one
// of them.
func (w *crmWork) close(ctx context.Context, t *testing.T) {
	t.Helper()
	all, err := w.core.Roles.Create(ctx, crm.Role{Name: "all", Grants: crm.Allow(crm.AnyKind, crm.LevelAll)})
	require.NoError(t, err)
	_, err = w.core.Members.Update(ctx, w.owner, func(m *crm.Member) error { m.RoleIDs = []crm.ID{all.ID}; return nil })
	require.NoError(t, err)
	own, err := w.core.Roles.Create(ctx, crm.Role{Name: "team", Grants: crm.Allow("customer", crm.LevelTeam)})
	require.NoError(t, err)
	sales, err := w.core.Teams.Create(ctx, crm.Team{Name: "sales", RoleIDs: []crm.ID{own.ID}})
	require.NoError(t, err)
	for i := range team {
		m, err := w.core.Members.Create(ctx, crm.Member{Key: fmt.Sprintf("seller%d", i), Name: "Seller", TeamIDs: []crm.ID{sales.ID}})
		require.NoError(t, err)
		w.owner = m.ID
	}
}

func asClerk(ctx context.Context, tenant string) context.Context {
	return crm.As(ctx, crm.Actor{Tenant: tenant, Member: clerk})
}

func (w *crmWork) newCustomer() customer {
	w.made++
	employees := w.made
	return customer{
		Record: crm.Record{OwnerID: w.owner, Custom: crm.Custom{"number": w.made % 20, "size": "small"}},
		Name:   "Ada Lovelace", Email: fmt.Sprintf("customer%d@example.com", w.made), Phone: "+49 30 1234567", Company: "Company",
		City: "Berlin", Country: "DE", Stage: []string{"lead", "won", "lost"}[w.made%3], Source: "fair", Score: w.made % 100,
		Employees: &employees, Revenue: crm.EUR(w.made), Since: crm.Date{Year: 2024, Month: time.March, Day: 1}, Note: w.note(),
	}
}

// note is a text that no customer has.
func (w *crmWork) note() string {
	w.made++
	return fmt.Sprintf("note %08d", w.made)
}

func (w *crmWork) newCustomers(n int) []customer {
	list := make([]customer, n)
	for i := range list {
		list[i] = w.newCustomer()
	}
	return list
}

// crmOperation is an operation on customers.
func crmOperation(name string, runs int, ready func(ctx context.Context, w *crmWork, n int) (func(i int) error, error)) operation {
	return operation{"crm " + name, runs, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		return ready(asClerk(ctx, tenant), w.crm, n)
	}}
}

var crmOperations = []operation{
	crmOperation("get", 50, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(i int) error {
			_, err := w.customers.Get(ctx, w.ids[i%filled])
			return err
		}, nil
	}),
	crmOperation("list page 1", 20, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(int) error { return w.list(ctx, "") }, nil
	}),
	crmOperation("list page 2", 20, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(int) error { return w.list(ctx, w.second) }, nil
	}),
	crmOperation("list by team", 20, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		ctx = crm.As(ctx, crm.Actor{Tenant: closed, Member: seller})
		return func(int) error { return w.list(ctx, "") }, nil
	}),
	crmOperation("count", 50, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(int) error { return w.count(ctx, "stage == $1 and score >= $2", "won", 50) }, nil
	}),
	crmOperation("count by custom field", 50, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(int) error { return w.count(ctx, "custom.number == $1", 3) }, nil
	}),
	crmOperation("search", 20, func(ctx context.Context, w *crmWork, _ int) (func(int) error, error) {
		return func(int) error { // of the kernel's own kind that is searched
			page, err := w.core.Members.Search(ctx, clerk[:4])
			return missed(err, len(page.Items), 1)
		}, nil
	}),
	crmOperation("create", 50, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		return w.creates(ctx, w.newCustomers(n)), nil
	}),
	crmOperation("create with reference", 50, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		list := w.newCustomers(n)
		for i := range list {
			list[i].ReferrerID = w.ids[0]
		}
		return w.creates(ctx, list), nil
	}),
	crmOperation("update", 50, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		list := w.newCustomers(n)
		return func(i int) error {
			_, err := w.customers.Update(ctx, w.ids[1+i%(filled-1)], func(c *customer) error {
				c.Score, c.Note = c.Score+1, list[i].Note
				return nil
			})
			return err
		}, nil
	}),
	crmOperation("upsert", 50, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		list, err := w.added(ctx, n)
		for i := range list {
			list[i] = customer{Email: list[i].Email, Score: list[i].Score + 1, Note: w.note()}
		}
		return func(i int) error {
			_, outcome, err := w.customers.Upsert(ctx, list[i], "email")
			if err == nil && outcome != crm.Updated {
				err = errMissed
			}
			return err
		}, err
	}),
	crmOperation("delete", 50, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		list, err := w.added(ctx, n)
		return func(i int) error { return w.customers.Delete(ctx, list[i].ID) }, err
	}),
	crmOperation("bulk create", 2, func(ctx context.Context, w *crmWork, n int) (func(int) error, error) {
		lists := make([][]customer, n)
		for i := range lists {
			lists[i] = w.newCustomers(bulk)
			for j := range lists[i] {
				lists[i][j].OwnerID = crm.ID{} // the clerk of that tenant
			}
		}
		return func(i int) error {
			_, err := w.customers.CreateAll(asClerk(ctx, "other"), lists[i])
			return err
		}, nil
	}),
}

func (w *crmWork) list(ctx context.Context, cursor string) error {
	page, err := w.customers.List(ctx, crm.OrderBy("-updated"), crm.After(cursor))
	return missed(err, len(page.Items), pageSize)
}

func (w *crmWork) count(ctx context.Context, expression string, args ...any) error {
	n, err := w.customers.Count(ctx, crm.Where(expression, args...))
	if err == nil && n == 0 {
		err = errMissed
	}
	return err
}

func (w *crmWork) creates(ctx context.Context, list []customer) func(int) error {
	return func(i int) error {
		_, err := w.customers.Create(ctx, list[i])
		return err
	}
}

// added makes customers that are in the database.
func (w *crmWork) added(ctx context.Context, n int) ([]customer, error) {
	return w.customers.CreateAll(ctx, w.newCustomers(n))
}

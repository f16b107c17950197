package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	bulk    = "bulk" // the tenant for bulk creation
	farPage = 1000   // the page that is read far from the beginning
)

// closed is the tenant that has roles.
var closed = tenant(tenants - 1) //nolint:gochecknoglobals // a constant

// crmWorld is a database with customers of a CRM. The first tenant has six in ten of them, so that he alone has the far
// page; the others share the rest.
type crmWorld struct {
	*database
	*chance

	core   *crmCore
	ours   crmSide
	base   crmSide
	owners map[string][]crm.ID // by tenant
	mates  map[crm.ID]bool     // the owners who are the team
	rows   []knownBuyer
	first  map[string]int // where a tenant's rows begin
	far    position       // where the far page begins, once it was found

	searched  bool // there are contacts
	met       bool // there are timelines
	published bool // there is a process
}

// knownBuyer is a customer in the database.
type knownBuyer struct {
	tenant string
	id     crm.ID
	email  string
	number int64
}

func openCRM(ctx context.Context, engine string, rows int) (*crmWorld, error) {
	d, err := openDatabase(ctx, engine)
	if err != nil {
		return nil, err
	}
	w := &crmWorld{database: d, chance: &chance{rand: dice(0)}, owners: map[string][]crm.ID{}, mates: map[crm.ID]bool{}, first: map[string]int{}}
	if err := w.fill(ctx, rows); err != nil {
		d.close()
		return nil, err
	}
	return w, nil
}

// fill makes the tenants by crm, and their customers by hand, for their times are made up.
func (w *crmWorld) fill(ctx context.Context, rows int) (err error) {
	if w.core, err = newCRM(ctx, w.store); err != nil {
		return err
	}
	w.ours = byCRM{w.core}
	if err := w.found(ctx); err != nil {
		return err
	}
	if w.base, err = w.byHand(ctx); err != nil {
		return err
	}
	most := rows * 6 / 10
	for t := range tenants {
		n := most
		if t > 0 {
			n = (rows - most) / (tenants - 1)
		}
		w.first[tenant(t)] = len(w.rows)
		for ; n > 0; n -= batch {
			if err := w.add(ctx, tenant(t), min(n, batch)); err != nil {
				return err
			}
		}
	}
	return w.vacuum(ctx)
}

// found makes the tenants.
func (w *crmWorld) found(ctx context.Context) (err error) {
	for t := range tenants + 1 {
		key := tenant(t)
		if t == tenants {
			key = bulk
		}
		if w.owners[key], err = w.core.found(ctx, key); err != nil {
			return err
		}
	}
	for _, id := range w.owners[closed][:teamed] {
		w.mates[id] = true
	}
	return w.core.closeTenant(ctx, closed)
}

// byHand makes the other side.
func (w *crmWorld) byHand(ctx context.Context) (crmSide, error) {
	h, err := newHand(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.engine == "postgres" {
		return crmByPostgres{h}, nil
	}
	return newCRMBySQLite(ctx, h)
}

func (w *crmWorld) add(ctx context.Context, tenant string, n int) error {
	list := w.buyers(tenant, n)
	for i := range list {
		list[i].Created = dawn.Add(time.Duration(w.rand.IntN(1<<30)) * time.Millisecond)
		list[i].Updated = list[i].Created.Add(time.Duration(w.rand.IntN(1<<40)) * time.Microsecond)
	}
	kept, err := w.base.createAll(ctx, tenant, list)
	for i := range kept {
		w.rows = append(w.rows, knownBuyer{tenant, kept[i].ID, kept[i].Email, extrasOf(&kept[i]).Number})
	}
	return err
}

// clear removes the customers of the tenant bulk, with their history and what else they left.
func (w *crmWorld) clear(ctx context.Context) error {
	if w.engine == "pocketbase" {
		return clearPocketBase(ctx, w.db, bulk)
	}
	for _, table := range []string{"customer", "event", "outbox", "field_index", "event_log", "process_instance", "process_visit"} {
		statement := "DELETE FROM crm_" + table + " WHERE tenant = ?" //nolint:gosec // from above
		if w.engine == "postgres" {
			statement = "DELETE FROM " + schemaName + "." + table + " WHERE tenant = $1"
		}
		if _, err := w.db.ExecContext(ctx, statement, bulk); err != nil {
			return err
		}
	}
	return nil
}

// ordinary returns all tenants but the first, in turns that begin anywhere.
func (w *crmWorld) ordinary() func(i int) string {
	first := w.rand.IntN(tenants - 1)
	return func(i int) string { return tenant(1 + (first+i)%(tenants-1)) }
}

// asked returns what fn says of the ordinary tenants.
func (w *crmWorld) asked(tenant func(i int) string, fn func(tenant string) (int64, error)) (map[string]int64, error) {
	said := map[string]int64{}
	for i := range tenants - 1 {
		n, err := fn(tenant(i))
		if err != nil {
			return nil, err
		}
		said[tenant(i)] = n
	}
	return said, nil
}

// some returns n customers who are in the database.
func (w *crmWorld) some(n int) []*knownBuyer {
	list := make([]*knownBuyer, n)
	for i := range list {
		list[i] = &w.rows[w.rand.IntN(len(w.rows))]
	}
	return list
}

// of returns a customer of an ordinary tenant. All of them have as many.
func (w *crmWorld) of(key string) *knownBuyer {
	each := w.first[tenant(2)] - w.first[tenant(1)]
	return &w.rows[w.first[key]+w.rand.IntN(each)]
}

// farthest is the far page, or the last full one of the largest tenant if he has fewer.
func (w *crmWorld) farthest() int { return min(farPage, w.first[tenant(1)]/pageSize) }

// behind finds where the far page begins.
func (w *crmWorld) behind(ctx context.Context) (position, error) {
	ctx = as(ctx, tenant(0), clerk)
	for left := (w.farthest() - 1) * pageSize; left > 0 && w.far.id.IsZero(); {
		n := min(left, crm.MaxPage)
		left -= n
		page, err := w.core.customers.List(ctx, crm.OrderBy("-updated"), crm.Limit(n), crm.After(w.far.cursor))
		if err = expect(len(page.Items), n, err); err != nil {
			return position{}, err
		}
		w.far.cursor = page.Next
		if left == 0 {
			last := page.Items[n-1]
			w.far.updated, w.far.id = last.Updated, last.ID
		}
	}
	return w.far, nil
}

// notes makes texts that no customer has.
func (w *crmWorld) notes(n int) []string {
	list := make([]string, n)
	for i := range list {
		w.made++
		list[i] = fmt.Sprintf("%0*d calls were made; wants to be called back in spring", 1+w.made%50, w.made)
	}
	return list
}

func (w *crmWorld) buyers(tenant string, n int) []buyer {
	list := make([]buyer, n)
	for i := range list {
		list[i] = w.buyer(tenant)
	}
	return list
}

// buyer makes up a customer, as a caller gives him.
func (w *crmWorld) buyer(tenant string) buyer {
	c := w.customer()
	b := buyer{
		Name: c.Name, Email: fmt.Sprintf("customer%d@example.com", w.made), Phone: c.Phone, Company: c.Company, City: c.City,
		Country: c.Country, Stage: c.Stage, Source: c.Source, Score: c.Score, Revenue: crm.EUR(1 + c.Revenue), Since: c.Since, Note: c.Note,
	}
	if c.Employees > 0 {
		b.Employees = &c.Employees
	}
	b.OwnerID = w.owners[tenant][w.rand.IntN(owners)]
	b.Custom = extras{int64(w.rand.IntN(numbers)), pick(w.rand.IntN(100), "small", "medium", "large")}.custom()
	return b
}

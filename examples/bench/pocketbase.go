package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/pocketbase/dbx"
	pocketbase "github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations" // its own tables
	"github.com/pocketbase/pocketbase/tools/types"

	"github.com/embedcrm/embedcrm/crm"
)

// byPocketBase is PocketBase as a library, called as its documentation shows. It knows neither rights nor versions here:
// those are its HTTP layer's, or not there. Custom fields are columns, as its collections have them.
type byPocketBase struct {
	app     pocketbase.App
	far     int // the offset of the far page, since its pages are found by offset
	history bool
}

var _ crmSide = &byPocketBase{}

// withHistory is the same, with an event for each change.
func (p *byPocketBase) withHistory() *byPocketBase { return &byPocketBase{p.app, p.far, true} }

// errLacking is that PocketBase has no such thing.
var errLacking = errors.New("PocketBase has nothing of the kind")

// openPocketBase makes an empty one. It is given the same pragmas as crm's database, which are its own but for the size of
// the cache, and no checkpoint in the middle of a measurement.
func openPocketBase(ctx context.Context) (*database, pocketbase.App, error) {
	dir, err := os.MkdirTemp("", "embedcrm-peer-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	app := pocketbase.NewBaseApp(pocketbase.BaseAppConfig{DataDir: dir, DBConnect: func(path string) (*dbx.DB, error) {
		return dbx.Open("sqlite", path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)"+
			"&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-32000)")
	}})
	if err := app.Bootstrap(); err != nil {
		remove()
		return nil, nil, err
	}
	d := &database{engine: "pocketbase", close: func() { _ = app.ResetBootstrapState(); remove() }}
	db, ok := app.NonconcurrentDB().(*dbx.DB)
	if !ok {
		d.close()
		return nil, nil, errors.New("PocketBase has no pool of its own")
	}
	d.db = db.DB()
	err = app.RunAllMigrations()
	for _, c := range []*pocketbase.Collection{pocketCustomers(), pocketEvents()} {
		if err == nil {
			err = app.SaveWithContext(ctx, c)
		}
	}
	if err != nil {
		d.close()
		return nil, nil, err
	}
	return d, app, nil
}

// pocketCustomers has the fields and indexes of crm's customers.
func pocketCustomers() *pocketbase.Collection {
	c := pocketbase.NewBaseCollection("customers")
	if id, ok := c.Fields.GetByName("id").(*pocketbase.TextField); ok {
		id.Min, id.Max, id.AutogeneratePattern = 32, 32, "[a-z0-9]{32}"
	}
	c.Fields.Add(&pocketbase.NumberField{Name: "version", OnlyInt: true})
	for name, most := range map[string]int{"tenant": 64, "name": 200, "city": 100, "country": 2, "stage": 20} {
		c.Fields.Add(&pocketbase.TextField{Name: name, Max: most, Required: true})
	}
	for name, most := range map[string]int{
		"owner_id": 32, "email": 254, "phone": 40, "company": 200, "source": 50, "revenue_currency": 3, "note": 2000, "size": 10,
		"referrer_id": 32,
	} {
		c.Fields.Add(&pocketbase.TextField{Name: name, Max: most})
	}
	for _, name := range []string{"score", "employees", "revenue", "number"} {
		c.Fields.Add(&pocketbase.NumberField{Name: name, OnlyInt: true})
	}
	c.Fields.Add(&pocketbase.DateField{Name: "since"}, &pocketbase.AutodateField{Name: "created", OnCreate: true},
		&pocketbase.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true})
	c.AddIndex("idx_customers_email", true, "tenant, email", "email != ''")
	for _, by := range []string{"name", "updated", "stage", "owner_id", "referrer_id", "number"} {
		c.AddIndex("idx_customers_"+by, false, "tenant, "+by+", id", "")
	}
	return c
}

// pocketID is a UUID by its digits alone. With them an id keeps PocketBase's own pattern; any other pattern, as one with
// hyphens, has each create read all ids for one that differs by case.
func pocketID(id crm.ID) string { return strings.ReplaceAll(id.String(), "-", "") }

func crmID(pocket string) (crm.ID, error) {
	id, err := uuid.Parse(pocket)
	return crm.ID(id), err
}

func pocketEvents() *pocketbase.Collection {
	c := pocketbase.NewBaseCollection("events")
	c.Fields.Add(&pocketbase.TextField{Name: "tenant", Required: true}, &pocketbase.TextField{Name: "record_id", Required: true},
		&pocketbase.NumberField{Name: "version", OnlyInt: true}, &pocketbase.TextField{Name: "name", Required: true},
		&pocketbase.TextField{Name: "actor"}, &pocketbase.JSONField{Name: "changes"}, &pocketbase.AutodateField{Name: "recorded", OnCreate: true})
	c.AddIndex("idx_events_record", true, "tenant, record_id, version", "")
	return c
}

// fillPocketBase copies a tenant's customers by SQL, with their ids and times.
func fillPocketBase(ctx context.Context, app pocketbase.App, tenant string, all iter.Seq2[buyer, error]) error {
	return app.RunInTransaction(func(tx pocketbase.App) error {
		for b, err := range all {
			if err != nil {
				return err
			}
			row := pocketRow(tenant, &b)
			row["id"] = pocketID(b.ID)
			for name, at := range map[string]any{"created": b.Created, "updated": b.Updated} {
				if row[name], err = types.ParseDateTime(at); err != nil {
					return err
				}
			}
			if _, err := tx.DB().Insert("customers", row).WithContext(ctx).Execute(); err != nil {
				return err
			}
		}
		return nil
	})
}

// pocketRow is what a caller gives of a customer.
func pocketRow(tenant string, b *buyer) map[string]any {
	x := extrasOf(b)
	row := map[string]any{
		"tenant": tenant, "version": b.Version, "name": b.Name, "email": b.Email, "phone": b.Phone, "company": b.Company, "city": b.City,
		"country": b.Country, "stage": b.Stage, "source": b.Source, "score": b.Score, "revenue": b.Revenue.Minor,
		"revenue_currency": b.Revenue.Currency, "note": b.Note, "number": x.Number, "size": x.Size, "owner_id": "", "referrer_id": "",
	}
	if b.Employees != nil {
		row["employees"] = *b.Employees
	}
	if !b.OwnerID.IsZero() {
		row["owner_id"] = pocketID(b.OwnerID)
	}
	if !b.ReferrerID.IsZero() {
		row["referrer_id"] = pocketID(b.ReferrerID)
	}
	if b.Since != (crm.Date{}) {
		row["since"] = b.Since.String()
	}
	return row
}

// pocketBuyer is a customer as a caller gets him.
func pocketBuyer(r *pocketbase.Record) (b buyer, err error) {
	if b.ID, err = crmID(r.Id); err != nil {
		return b, err
	}
	for name, into := range map[string]*crm.ID{"owner_id": &b.OwnerID, "referrer_id": &b.ReferrerID} {
		if text := r.GetString(name); text != "" {
			if *into, err = crmID(text); err != nil {
				return b, err
			}
		}
	}
	b.Version, b.Created, b.Updated = int64(r.GetInt("version")), r.GetDateTime("created").Time(), r.GetDateTime("updated").Time()
	b.Name, b.Email, b.Phone, b.Company, b.City = r.GetString("name"), r.GetString("email"), r.GetString("phone"), r.GetString("company"), r.GetString("city")
	b.Country, b.Stage, b.Source, b.Note = r.GetString("country"), r.GetString("stage"), r.GetString("source"), r.GetString("note")
	employees := int64(r.GetInt("employees"))
	b.Score, b.Employees, b.Since = int64(r.GetInt("score")), &employees, crm.DateOf(r.GetDateTime("since").Time())
	b.Revenue = crm.Money{Minor: int64(r.GetInt("revenue")), Currency: r.GetString("revenue_currency")}
	b.Custom = extras{int64(r.GetInt("number")), r.GetString("size")}.custom()
	return b, nil
}

func (p *byPocketBase) get(_ context.Context, tenant string, id crm.ID) (buyer, error) {
	r, err := p.find(p.app, tenant, id)
	if err != nil {
		return buyer{}, err
	}
	return pocketBuyer(r)
}

func (p *byPocketBase) find(app pocketbase.App, tenant string, id crm.ID) (*pocketbase.Record, error) {
	r, err := app.FindRecordById("customers", pocketID(id))
	if err == nil && r.GetString("tenant") != tenant {
		err = sql.ErrNoRows
	}
	return r, err
}

func (p *byPocketBase) list(_ context.Context, tenant string, behind position) ([]buyer, error) {
	offset := 0
	if !behind.id.IsZero() {
		offset = p.far
	}
	found, err := p.app.FindRecordsByFilter("customers", "tenant = {:tenant}", "-updated,-id", pageSize, offset, dbx.Params{"tenant": tenant})
	if err != nil {
		return nil, err
	}
	list := make([]buyer, len(found))
	for i, r := range found {
		if list[i], err = pocketBuyer(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (*byPocketBase) team(context.Context, string) ([]buyer, error) { return nil, errLacking }

func (p *byPocketBase) count(_ context.Context, tenant, stage string, score int64) (int64, error) {
	return p.app.CountRecords("customers", dbx.NewExp("tenant = {:tenant} AND stage = {:stage} AND score >= {:score}",
		dbx.Params{"tenant": tenant, "stage": stage, "score": score}))
}

func (p *byPocketBase) numbered(_ context.Context, tenant string, number int64) (int64, error) {
	return p.app.CountRecords("customers", dbx.HashExp{"tenant": tenant, "number": number})
}

func (*byPocketBase) search(context.Context, string, string) ([]contact, error) {
	return nil, errLacking
}

func (p *byPocketBase) create(ctx context.Context, tenant string, b buyer) (made buyer, err error) {
	err = p.together(func(app pocketbase.App) error {
		made, err = p.add(ctx, app, tenant, b)
		return err
	})
	return made, err
}

// together makes a transaction of what is more than one statement.
func (p *byPocketBase) together(fn func(app pocketbase.App) error) error {
	if p.history {
		return p.app.RunInTransaction(fn)
	}
	return fn(p.app)
}

func (p *byPocketBase) createAll(ctx context.Context, tenant string, list []buyer) ([]buyer, error) {
	made := make([]buyer, len(list))
	err := p.app.RunInTransaction(func(app pocketbase.App) (err error) {
		for i := range list {
			if made[i], err = p.add(ctx, app, tenant, list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

func (p *byPocketBase) add(ctx context.Context, app pocketbase.App, tenant string, b buyer) (buyer, error) {
	id, err := newID()
	if err != nil {
		return buyer{}, err
	}
	if !b.ReferrerID.IsZero() { // crm holds that he is there
		if _, err := p.find(app, tenant, b.ReferrerID); err != nil {
			return buyer{}, err
		}
	}
	b.Version = 1
	r, err := p.record(app, "customers")
	if err != nil {
		return buyer{}, err
	}
	r.Id = pocketID(id)
	r.Load(pocketRow(tenant, &b))
	if err := app.SaveWithContext(ctx, r); err != nil {
		return buyer{}, err
	}
	if err := p.note(ctx, app, r, "customer.created", func() ([]byte, error) { return creation(&b) }); err != nil {
		return buyer{}, err
	}
	return pocketBuyer(r)
}

func (*byPocketBase) record(app pocketbase.App, collection string) (*pocketbase.Record, error) {
	c, err := app.FindCachedCollectionByNameOrId(collection)
	if err != nil {
		return nil, err
	}
	return pocketbase.NewRecord(c), nil
}

// note writes the event of a change, if there is a history.
func (p *byPocketBase) note(ctx context.Context, app pocketbase.App, of *pocketbase.Record, name string, changes func() ([]byte, error)) error {
	if !p.history {
		return nil
	}
	r, err := p.record(app, "events")
	if err != nil {
		return err
	}
	what, err := changes()
	if err != nil {
		return err
	}
	r.Load(map[string]any{
		"tenant": of.GetString("tenant"), "record_id": of.Id, "version": of.GetInt("version"), "name": name, "actor": clerk, "changes": json.RawMessage(what),
	})
	return app.SaveWithContext(ctx, r)
}

func (p *byPocketBase) update(ctx context.Context, tenant string, id crm.ID, score int64, note string) (b buyer, err error) {
	err = p.together(func(app pocketbase.App) error {
		r, err := p.find(app, tenant, id)
		if err == nil {
			b, err = p.change(ctx, app, r, score, note)
		}
		return err
	})
	return b, err
}

func (p *byPocketBase) change(ctx context.Context, app pocketbase.App, r *pocketbase.Record, score int64, note string) (buyer, error) {
	var was past
	was.Score, was.Note = moved{r.GetInt("score"), score}, moved{r.GetString("note"), note}
	r.Set("score", score)
	r.Set("note", note)
	r.Set("version", r.GetInt("version")+1)
	if err := app.SaveWithContext(ctx, r); err != nil {
		return buyer{}, err
	}
	if err := p.note(ctx, app, r, "customer.updated", func() ([]byte, error) { return json.Marshal(was) }); err != nil {
		return buyer{}, err
	}
	return pocketBuyer(r)
}

func (p *byPocketBase) upsert(ctx context.Context, tenant, email string, score int64, note string) (b buyer, err error) {
	err = p.together(func(app pocketbase.App) error {
		r := &pocketbase.Record{}
		byEmail := dbx.And(dbx.HashExp{"tenant": tenant, "email": email}, dbx.NewExp("email != ''")) // as the index has it
		err := app.RecordQuery("customers").AndWhere(byEmail).Limit(1).One(r)
		if err == nil {
			b, err = p.change(ctx, app, r, score, note)
		}
		return err
	})
	return b, err
}

// remove deletes for good, since PocketBase knows no other way.
func (p *byPocketBase) remove(ctx context.Context, tenant string, id crm.ID) error {
	return p.together(func(app pocketbase.App) error {
		r, err := p.find(app, tenant, id)
		if err != nil {
			return err
		}
		if err := app.DeleteWithContext(ctx, r); err != nil {
			return err
		}
		r.Set("version", r.GetInt("version")+1)
		return p.note(ctx, app, r, "customer.deleted", func() ([]byte, error) { return []byte("{}"), nil })
	})
}

func (*byPocketBase) deliver(context.Context, string) (int, error) { return 0, errLacking }
func (*byPocketBase) finish(context.Context, string) (int, error)  { return 0, errLacking }
func (*byPocketBase) move(context.Context, string) (int, error)    { return 0, errLacking }

// clearPocketBase removes a tenant's customers and their events.
func clearPocketBase(ctx context.Context, db *sql.DB, tenant string) error {
	_, err := db.ExecContext(ctx, "DELETE FROM customers WHERE tenant = ?", tenant)
	if err == nil {
		_, err = db.ExecContext(ctx, "DELETE FROM events WHERE tenant = ?", tenant)
	}
	return err
}

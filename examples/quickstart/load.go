package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
)

// source is how the CRM calls the system the records come from: each has its key
// there among its refs, by which a second run knows it.
const source = "crm-sales-opportunities"

// pipelineKey is the pipeline the opportunities go through.
const pipelineKey = "opportunities"

// misspelled are products that the pipeline spells in another way than the list.
var misspelled = map[string]string{"GTXPro": "GTX Pro"} //nolint:gochecknoglobals // a constant

// countries are the codes of the countries the accounts name, in the data's own
// spelling.
//
//nolint:gochecknoglobals,misspell // a constant, spelled as in the data
var countries = map[string]string{
	"Belgium": "BE", "Brazil": "BR", "China": "CN", "Germany": "DE", "Italy": "IT", "Japan": "JP", "Jordan": "JO", "Kenya": "KE",
	"Korea": "KR", "Norway": "NO", "Panama": "PA", "Philipines": "PH", "Poland": "PL", "Romania": "RO", "United States": "US",
}

// loader creates in a CRM what the data holds and the CRM does not have yet.
type loader struct {
	app  *embedcrm.App
	data *data
	// begin and tick tell how far it has come, in opportunities.
	begin, tick func(n int)

	first    crm.Date // the day the data begins, on which everything that has no date is put
	products map[string]sales.Product
	people   map[string]crm.ID // customers by name
	members  map[string]crm.ID // agents by name
	stages   map[string]sales.Stage
	pipeline crm.ID
	added    int // records
	closed   int // deals
}

// load adds what is missing. Each step may be run again, and adds nothing then.
func (l *loader) load(ctx context.Context) error {
	for _, o := range l.data.opportunities {
		if day := o.engaged; day != (crm.Date{}) && (l.first == crm.Date{} || day.Compare(l.first) < 0) {
			l.first = day
		}
	}
	ctx = crm.Because(ctx, "import of "+source)
	for _, step := range []func(context.Context) error{l.addPipeline, l.addTeams, l.addProducts, l.addAccounts} {
		if err := l.app.Tx(crm.At(ctx, midnight(l.first)), step); err != nil {
			return err
		}
	}
	return l.addDeals(ctx)
}

func midnight(d crm.Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// addPipeline makes the pipeline of the data, whose stages are not those a tenant
// begins with. The probabilities are ours.
func (l *loader) addPipeline(ctx context.Context) error {
	page, err := l.app.Sales.Pipelines.List(ctx, crm.Where("key == $1", pipelineKey))
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		p, err := l.app.Sales.Pipelines.Create(ctx, sales.Pipeline{Name: "Opportunities", Key: pipelineKey, Position: 1})
		if err != nil {
			return err
		}
		page.Items = append(page.Items, p)
		_, err = l.app.Sales.Stages.CreateAll(ctx, []sales.Stage{
			{PipelineID: p.ID, Position: 1, Key: "prospecting", Name: "Prospecting", Probability: 10},
			{PipelineID: p.ID, Position: 2, Key: "engaging", Name: "Engaging", Probability: 50},
			{PipelineID: p.ID, Position: 3, Key: "won", Name: "Won", Kind: sales.Won},
			{PipelineID: p.ID, Position: 4, Key: "lost", Name: "Lost", Kind: sales.Lost},
		})
		if err != nil {
			return err
		}
		l.added += 5
	}
	l.pipeline, l.stages = page.Items[0].ID, map[string]sales.Stage{}
	for s, err := range l.app.Sales.Stages.All(ctx, crm.Where("pipeline_id == $1", l.pipeline)) {
		if err != nil {
			return err
		}
		l.stages[s.Name] = s
	}
	return nil
}

// addTeams makes a team of each office and, below it, one of each manager, with the
// agents as its members.
func (l *loader) addTeams(ctx context.Context) error {
	teams := map[string]crm.ID{}
	for t, err := range l.app.Teams.All(ctx) {
		if err != nil {
			return err
		}
		teams[t.Name] = t.ID
	}
	team := func(name string, parent crm.ID) (crm.ID, error) {
		if id, ok := teams[name]; ok {
			return id, nil
		}
		t, err := l.app.Teams.Create(ctx, crm.Team{Name: name, ParentID: parent})
		teams[name] = t.ID
		l.added++
		return t.ID, err
	}
	if err := l.addFields(ctx); err != nil {
		return err
	}
	l.members = map[string]crm.ID{}
	for m, err := range l.app.Members.All(ctx) {
		if err != nil {
			return err
		}
		l.members[m.Key] = m.ID
	}
	for _, a := range l.data.agents {
		office, err := team(a.office, crm.ID{})
		if err != nil {
			return err
		}
		manager, err := team(a.manager, office)
		if err != nil {
			return err
		}
		if _, ok := l.members[a.name]; ok {
			continue
		}
		m, err := l.app.Members.Create(ctx, crm.Member{
			Record: crm.Record{Custom: crm.Custom{"manager": a.manager, "office": a.office}},
			Key:    a.name, Name: a.name, TeamIDs: []crm.ID{manager},
		})
		if err != nil {
			return err
		}
		l.members[a.name] = m.ID
		l.added++
	}
	return nil
}

// addFields gives members two fields of the tenant's own, by which figures are
// grouped: of teams a member may have several, and so none is the one to group by.
func (l *loader) addFields(ctx context.Context) error {
	fields, err := l.app.Fields.Of(ctx, "member")
	if err != nil || len(fields) > 0 {
		return err
	}
	for _, name := range []string{"manager", "office"} {
		if _, err := l.app.Fields.Create(ctx, crm.CustomField{Object: "member", Name: name, Type: crm.FieldText}); err != nil {
			return err
		}
		l.added++
	}
	return nil
}

func (l *loader) addProducts(ctx context.Context) error {
	l.products = map[string]sales.Product{}
	for p, err := range l.app.Sales.Products.All(ctx) {
		if err != nil {
			return err
		}
		l.products[p.Refs[source]] = p
	}
	for _, p := range l.data.products {
		if _, ok := l.products[p.name]; ok {
			continue
		}
		made, err := l.app.Sales.Products.Create(ctx, sales.Product{
			Record: crm.Record{Refs: crm.Refs{source: p.name}}, Name: p.name, Series: p.series, Price: p.price,
		})
		if err != nil {
			return err
		}
		l.products[p.name] = made
		l.added++
	}
	return nil
}

// addAccounts makes a customer of each account, parents before their subsidiaries.
func (l *loader) addAccounts(ctx context.Context) error {
	l.people = map[string]crm.ID{}
	for c, err := range l.app.Customers.All(ctx) {
		if err != nil {
			return err
		}
		l.people[c.Refs[source]] = c.ID
	}
	wait := l.data.accounts
	for len(wait) > 0 {
		var later []account
		var now []customers.Customer
		for _, a := range wait {
			parent, ready := l.people[a.parent]
			switch {
			case !l.people[a.name].IsZero():
			case a.parent == "" || ready:
				now = append(now, customers.Customer{
					Record: crm.Record{Refs: crm.Refs{source: a.name}}, Kind: customers.Organisation, Name: a.name, ParentID: parent,
					Industry: a.sector, Country: countries[a.location], Founded: &a.founded, Employees: &a.employees, Revenue: a.revenue,
				})
			default:
				later = append(later, a)
			}
		}
		made, err := l.app.Customers.CreateAll(ctx, now)
		if err != nil {
			return err
		}
		for _, c := range made {
			l.people[c.Name] = c.ID
		}
		l.added += len(made)
		if len(later) == len(wait) {
			return fmt.Errorf("the account %s is a subsidiary of %s, which is no account", later[0].name, later[0].parent)
		}
		wait = later
	}
	return nil
}

// batch is how many deals are written in one transaction.
const batch = 500

// addDeals creates each opportunity when it was engaged, and closes it when it was
// closed. It goes on where a run that was ended left off.
func (l *loader) addDeals(ctx context.Context) error {
	known := map[string]sales.Deal{}
	for d, err := range l.app.Sales.Deals.All(ctx, crm.Where("pipeline_id == $1", l.pipeline)) {
		if err != nil {
			return err
		}
		known[d.Refs[source]] = d
	}
	var missing, ended []opportunity
	for _, o := range l.data.opportunities {
		if o.engaged == (crm.Date{}) {
			o.engaged = l.first
		}
		d, there := known[o.id]
		if !there {
			missing = append(missing, o)
		}
		if o.closed != (crm.Date{}) && (!there || d.Status == sales.Open) {
			ended = append(ended, o)
		}
	}
	l.begin(len(missing) + len(ended))
	slices.SortStableFunc(missing, func(a, b opportunity) int { return a.engaged.Compare(b.engaged) })
	for part := range slices.Chunk(missing, batch) {
		var made []sales.Deal
		err := l.app.Tx(ctx, func(ctx context.Context) (err error) {
			made, err = l.create(ctx, part)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range made {
			known[d.Refs[source]] = d
		}
		l.added += len(part)
		l.tick(len(part))
	}
	slices.SortStableFunc(ended, func(a, b opportunity) int { return a.closed.Compare(b.closed) })
	for part := range slices.Chunk(ended, batch) {
		if err := l.app.Tx(ctx, func(ctx context.Context) error { return l.end(ctx, part, known) }); err != nil {
			return err
		}
		l.closed += len(part)
		l.tick(len(part))
	}
	return nil
}

// create adds opportunities in the order of their days, those of a day at once.
func (l *loader) create(ctx context.Context, part []opportunity) (made []sales.Deal, err error) {
	var day []sales.Deal
	for i, o := range part {
		deal, err := l.deal(o)
		if err != nil {
			return nil, err
		}
		day = append(day, deal)
		if i+1 < len(part) && part[i+1].engaged == o.engaged {
			continue
		}
		kept, err := l.app.Sales.Deals.CreateAll(crm.At(ctx, midnight(o.engaged)), day)
		if err != nil {
			return nil, err
		}
		made, day = append(made, kept...), nil
	}
	return made, nil
}

// deal is an opportunity as it was when it was engaged: open, at list price.
func (l *loader) deal(o opportunity) (sales.Deal, error) {
	name := o.product
	if right, ok := misspelled[name]; ok {
		name = right
	}
	p, ok := l.products[name]
	if !ok {
		return sales.Deal{}, fmt.Errorf("the opportunity %s is of the product %q, which is none", o.id, o.product)
	}
	owner, ok := l.members[o.agent]
	if !ok {
		return sales.Deal{}, fmt.Errorf("the opportunity %s is of the agent %q, who is in no team", o.id, o.agent)
	}
	d := sales.Deal{
		Record: crm.Record{OwnerID: owner, Refs: crm.Refs{source: o.id}}, Name: name, ProductID: p.ID,
		PipelineID: l.pipeline, StageID: l.stages["Engaging"].ID, Amount: p.Price,
	}
	if o.stage == "Prospecting" {
		d.StageID = l.stages["Prospecting"].ID
	}
	if o.account != "" {
		if d.CustomerID, ok = l.people[o.account]; !ok {
			return sales.Deal{}, fmt.Errorf("the opportunity %s is of the account %q, which is none", o.id, o.account)
		}
		d.Name += " for " + o.account
	}
	return d, nil
}

// end closes opportunities. One that was won is worth what it brought in.
func (l *loader) end(ctx context.Context, part []opportunity, known map[string]sales.Deal) error {
	deals := l.app.Sales.Deals
	for _, o := range part {
		ctx, d := crm.At(ctx, midnight(o.closed)), known[o.id]
		if o.stage == "Lost" {
			if _, err := deals.Lose(ctx, d.ID, "not recorded"); err != nil {
				return err
			}
			continue
		}
		if d.Amount != o.value {
			_, err := deals.Update(ctx, d.ID, func(d *sales.Deal) error { d.Amount = o.value; return nil })
			if err != nil {
				return err
			}
		}
		if _, err := deals.Win(ctx, d.ID); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// crmSide is one way to do the operations of the CRM layer: by crm, or by SQL written by hand that leaves the same in the
// database and says the same of it.
type crmSide interface {
	// get reads a customer.
	get(ctx context.Context, tenant string, id crm.ID) (buyer, error)
	// list reads a page of customers, the latest changed first.
	list(ctx context.Context, tenant string, behind position) ([]buyer, error)
	// team reads the first page of those that belong to the first owner's team.
	team(ctx context.Context, tenant string) ([]buyer, error)
	// count returns how many customers are in a stage with at least a score.
	count(ctx context.Context, tenant, stage string, score int64) (int64, error)
	// numbered returns how many customers have a number in their promoted field.
	numbered(ctx context.Context, tenant string, number int64) (int64, error)
	// search returns a page of contacts that are found by a text.
	search(ctx context.Context, tenant, text string) ([]contact, error)
	// timeline reads the first page of what happened to a customer and hangs on him.
	timeline(ctx context.Context, tenant string, id crm.ID) ([]moment, error)
	// create adds a customer.
	create(ctx context.Context, tenant string, b buyer) (buyer, error)
	// createAll adds customers, all or none.
	createAll(ctx context.Context, tenant string, list []buyer) ([]buyer, error)
	// update reads a customer and sets score and note.
	update(ctx context.Context, tenant string, id crm.ID, score int64, note string) (buyer, error)
	// upsert sets score and note of the customer with an e-mail address.
	upsert(ctx context.Context, tenant, email string, score int64, note string) (buyer, error)
	// remove deletes a customer so that he can be restored.
	remove(ctx context.Context, tenant string, id crm.ID) error
	// deliver puts the events of a tenant into its log and hands them to who wants them, finish does his jobs, and move
	// moves his processes. They return how often a handler was called.
	deliver(ctx context.Context, tenant string) (int, error)
	finish(ctx context.Context, tenant string) (int, error)
	move(ctx context.Context, tenant string) (int, error)
}

// position is where a page begins, as either side knows it; the zero position is the beginning.
type position struct {
	cursor  string
	updated time.Time
	id      crm.ID
}

// crmOperation is something of the CRM layer that is measured.
type crmOperation struct {
	name string
	each int // how many things a repetition does, for each of which the time is given
	// ready makes what n repetitions need and returns the i-th of them. It is not measured.
	ready func(ctx context.Context, w *crmWorld, n int) (func(s crmSide, i int) error, error)
}

// crmOperations are in an order in which none disturbs a later one: first those that read.
func crmOperations(w *crmWorld) []crmOperation {
	return []crmOperation{
		{"crm get", 1, crmGet}, {"crm list page 1", 1, crmList}, {fmt.Sprintf("crm list page %d", w.farthest()), 1, crmListFar},
		{"crm list by team", 1, crmTeam}, {"crm count", 1, crmCount}, {"crm count by custom field", 1, crmNumbered},
		{"crm search rare", 1, crmSearch(rareWord, namesakes)}, {"crm search common", 1, crmSearch(commonWord, pageSize)},
		{"crm timeline", 1, crmTimeline},
		{"crm create", 1, crmCreate}, {"crm create with reference", 1, crmCreateReferring}, {"crm update", 1, crmUpdate},
		{"crm upsert", 1, crmUpsert}, {"crm delete", 1, crmRemove}, {"crm bulk create", 1, crmCreateAll(batch)},
		{"crm deliver events", items, crmDeliver}, {"crm finish jobs", items, crmFinish}, {"crm run steps", steps * instances, crmMove},
	}
}

func crmGet(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	which := w.some(n)
	return func(s crmSide, i int) error {
		k := which[i]
		b, err := s.get(ctx, k.tenant, k.id)
		return agree(err, b.ID == k.id && b.Email == k.email && b.Custom["number"] == any(k.number))
	}, nil
}

func crmList(ctx context.Context, w *crmWorld, _ int) (func(crmSide, int) error, error) {
	tenant := w.ordinary()
	return func(s crmSide, i int) error {
		page, err := s.list(ctx, tenant(i), position{})
		return expect(len(page), pageSize, err)
	}, nil
}

// crmListFar reads a page of the one tenant who has so many.
func crmListFar(ctx context.Context, w *crmWorld, _ int) (func(crmSide, int) error, error) {
	behind, err := w.behind(ctx)
	return func(s crmSide, _ int) error {
		page, err := s.list(ctx, tenant(0), behind)
		err = expect(len(page), pageSize, err)
		return agree(err, err != nil || behind.updated.After(page[0].Updated))
	}, err
}

func crmTeam(ctx context.Context, w *crmWorld, _ int) (func(crmSide, int) error, error) {
	return func(s crmSide, _ int) error {
		page, err := s.team(ctx, closed)
		err = expect(len(page), pageSize, err)
		return agree(err, err != nil || w.mates[page[0].OwnerID] && w.mates[page[pageSize-1].OwnerID])
	}, nil
}

func crmCount(ctx context.Context, w *crmWorld, _ int) (func(crmSide, int) error, error) {
	tenant := w.ordinary()
	want, err := w.asked(tenant, func(tenant string) (int64, error) { return w.base.count(ctx, tenant, rare, 50) })
	return func(s crmSide, i int) error {
		n, err := s.count(ctx, tenant(i), rare, 50)
		return expect(int(n), int(want[tenant(i)]), err)
	}, err
}

func crmNumbered(ctx context.Context, w *crmWorld, _ int) (func(crmSide, int) error, error) {
	tenant, number := w.ordinary(), int64(w.rand.IntN(numbers))
	want, err := w.asked(tenant, func(tenant string) (int64, error) { return w.base.numbered(ctx, tenant, number) })
	return func(s crmSide, i int) error {
		n, err := s.numbered(ctx, tenant(i), number)
		return expect(int(n), int(want[tenant(i)]), err)
	}, err
}

// crmCreate adds customers who refer to nothing but their owner, who must be there and stay until they are.
func crmCreate(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	return w.creation(ctx, n, func(*buyer, string) {})
}

// crmCreateReferring adds customers who refer to another, which must be there.
func crmCreateReferring(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	return w.creation(ctx, n, func(b *buyer, tenant string) { b.ReferrerID = w.of(tenant).id })
}

func (w *crmWorld) creation(ctx context.Context, n int, change func(b *buyer, tenant string)) (func(crmSide, int) error, error) {
	tenant, list := w.ordinary(), make([]buyer, n)
	for i := range list {
		list[i] = w.buyer(tenant(i))
		change(&list[i], tenant(i))
	}
	return func(s crmSide, i int) error {
		b, err := s.create(ctx, tenant(i), list[i])
		return agree(err, !b.ID.IsZero() && b.Version == 1 && b.Email == list[i].Email)
	}, nil
}

// crmUpdate sets what surely was another before.
func crmUpdate(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	which, notes := w.some(n), w.notes(n)
	return func(s crmSide, i int) error {
		b, err := s.update(ctx, which[i].tenant, which[i].id, int64(len(notes[i])), notes[i])
		return agree(err, b.ID == which[i].id && b.Note == notes[i])
	}, nil
}

func crmUpsert(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	which, notes := w.some(n), w.notes(n)
	return func(s crmSide, i int) error {
		b, err := s.upsert(ctx, which[i].tenant, which[i].email, int64(len(notes[i])), notes[i])
		return agree(err, b.ID == which[i].id && b.Note == notes[i])
	}, nil
}

// crmRemove deletes customers that it adds before.
func crmRemove(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	tenant := w.ordinary()(0)
	list, err := w.base.createAll(ctx, tenant, w.buyers(tenant, n))
	return func(s crmSide, i int) error { return s.remove(ctx, tenant, list[i].ID) }, err
}

// crmCreateAll adds so many customers at once to a tenant who has no others, and whom it clears before.
func crmCreateAll(many int) func(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	return func(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
		if err := w.clear(ctx); err != nil {
			return nil, err
		}
		lists := make([][]buyer, n)
		for i := range lists {
			lists[i] = w.buyers(bulk, many)
		}
		return func(s crmSide, i int) error {
			kept, err := s.createAll(ctx, bulk, lists[i])
			return expect(len(kept), many, err)
		}, nil
	}
}

// agree returns err, or that the answer was not what it should be.
func agree(err error, ok bool) error {
	if err == nil && !ok {
		err = errMissed
	}
	return err
}

// byCRM is crm, called as a host calls it.
type byCRM struct{ *crmCore }

var _ crmSide = byCRM{}

func as(ctx context.Context, tenant, member string) context.Context {
	return crm.As(ctx, crm.Actor{Tenant: tenant, Member: member})
}

func (o byCRM) get(ctx context.Context, tenant string, id crm.ID) (buyer, error) {
	return o.customers.Get(as(ctx, tenant, clerk), id)
}

func (o byCRM) list(ctx context.Context, tenant string, behind position) ([]buyer, error) {
	page, err := o.customers.List(as(ctx, tenant, clerk), crm.OrderBy("-updated"), crm.Limit(pageSize), crm.After(behind.cursor))
	return page.Items, err
}

func (o byCRM) team(ctx context.Context, tenant string) ([]buyer, error) {
	page, err := o.customers.List(as(ctx, tenant, ownerKey(0)), crm.OrderBy("-updated"), crm.Limit(pageSize))
	return page.Items, err
}

func (o byCRM) count(ctx context.Context, tenant, stage string, score int64) (int64, error) {
	return o.customers.Count(as(ctx, tenant, clerk), crm.Where("stage == $1 and score >= $2", stage, score))
}

func (o byCRM) numbered(ctx context.Context, tenant string, number int64) (int64, error) {
	return o.customers.Count(as(ctx, tenant, clerk), crm.Where("custom.number == $1", number))
}

func (o byCRM) create(ctx context.Context, tenant string, b buyer) (buyer, error) {
	return o.customers.Create(as(ctx, tenant, clerk), b)
}

func (o byCRM) createAll(ctx context.Context, tenant string, list []buyer) ([]buyer, error) {
	return o.customers.CreateAll(as(ctx, tenant, clerk), list)
}

func (o byCRM) update(ctx context.Context, tenant string, id crm.ID, score int64, note string) (buyer, error) {
	return o.customers.Update(as(ctx, tenant, clerk), id, func(b *buyer) error {
		b.Score, b.Note = score, note
		return nil
	})
}

func (o byCRM) upsert(ctx context.Context, tenant, email string, score int64, note string) (buyer, error) {
	b, outcome, err := o.customers.Upsert(as(ctx, tenant, clerk), buyer{Email: email, Score: score, Note: note}, "email")
	return b, agree(err, outcome == crm.Updated)
}

func (o byCRM) remove(ctx context.Context, tenant string, id crm.ID) error {
	return o.customers.Delete(as(ctx, tenant, clerk), id)
}

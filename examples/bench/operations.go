package main

import (
	"context"
	"fmt"
	"time"
)

// operation is something that is measured.
type operation struct {
	name string
	// ready makes what n repetitions need and returns the i-th of them. It is not measured.
	ready func(ctx context.Context, w *world, s *schema, n int) (func(s side, i int) error, error)
}

// operations are in an order in which none disturbs a later one: first those that read.
var operations = []operation{ //nolint:gochecknoglobals // a constant
	{"get", get}, {"list", list}, {"count", count}, {"aggregate", aggregate},
	{"insert", insert}, {"update", update}, {"delete", remove}, {"claim+finish", claimAndFinish}, {"bulk insert", insertAll},
}

func get(ctx context.Context, w *world, _ *schema, n int) (func(side, int) error, error) {
	which := make([]known, n)
	for i := range which {
		which[i] = *w.any()
	}
	return func(s side, i int) error {
		var c customer
		err := s.get(ctx, which[i].tenant, which[i].id, &c)
		if err == nil && c.ID != which[i].id {
			return errMissed
		}
		return err
	}, nil
}

// list reads the second page.
func list(ctx context.Context, w *world, _ *schema, _ int) (func(side, int) error, error) {
	last := make([]customer, tenants)
	for t := range last {
		page := make([]customer, pageSize)
		if _, err := w.ours.list(ctx, tenant(t), dawn.AddDate(1000, 0, 0), page[0].ID, page); err != nil {
			return nil, err
		}
		last[t] = page[pageSize-1]
	}
	first := w.rand.IntN(tenants)
	return func(s side, i int) error {
		t := (first + i) % tenants
		read, err := s.list(ctx, tenant(t), last[t].Updated, last[t].ID, make([]customer, pageSize))
		return expect(read, pageSize, err)
	}, nil
}

func count(ctx context.Context, w *world, _ *schema, _ int) (func(side, int) error, error) {
	first := w.rand.IntN(tenants)
	return func(s side, i int) error {
		_, err := s.count(ctx, tenant((first+i)%tenants), rare)
		return err
	}, nil
}

func aggregate(ctx context.Context, w *world, _ *schema, _ int) (func(side, int) error, error) {
	first := w.rand.IntN(tenants)
	return func(s side, i int) error {
		got, err := s.totals(ctx, tenant((first+i)%tenants))
		return expect(len(got), len(stages), err)
	}, nil
}

func insert(ctx context.Context, w *world, _ *schema, n int) (func(side, int) error, error) {
	all := w.customers(n)
	events, messages := w.history(all, "created")
	return func(s side, i int) error {
		return s.insert(ctx, tenant(i%tenants), &all[i], &events[i], &messages[i])
	}, nil
}

func update(ctx context.Context, w *world, _ *schema, n int) (func(side, int) error, error) {
	all, which := w.customers(n), make([]*known, n)
	for i := range all {
		which[i] = w.any()
		all[i].ID = which[i].id
	}
	events, messages := w.history(all, "updated")
	return func(s side, i int) error {
		all[i].Version = which[i].version
		which[i].version++
		return s.update(ctx, which[i].tenant, &all[i], &events[i], &messages[i])
	}, nil
}

// remove deletes customers that it adds before.
func remove(ctx context.Context, w *world, _ *schema, n int) (func(side, int) error, error) {
	all := w.customers(n)
	events, _ := w.history(all, "deleted")
	each := (n + tenants - 1) / tenants
	for t := 0; t*each < n; t++ {
		if err := w.base.insertAll(ctx, tenant(t), all[t*each:min(n, (t+1)*each)]); err != nil {
			return nil, err
		}
	}
	return func(s side, i int) error { return s.remove(ctx, tenant(i/each), &all[i], &events[i]) }, nil
}

// claimAndFinish has as many jobs due as it claims, of one tenant at a time.
func claimAndFinish(ctx context.Context, w *world, sc *schema, n int) (func(side, int) error, error) {
	for i := range n {
		if err := w.store.Write(ctx, tenant(i%tenants), inserts(sc.jobs, w.jobs(claims, dawn.Add(time.Duration(i)*time.Hour)))); err != nil {
			return nil, err
		}
	}
	page := make([]job, claims)
	return func(s side, i int) error {
		now := dawn.Add(time.Duration(i) * time.Hour)
		claimed, err := s.claim(ctx, now, now.Add(time.Minute), page)
		if err := expect(claimed, claims, err); err != nil {
			return err
		}
		return s.finish(ctx, page[0].Tenant, page)
	}, nil
}

// insertAll adds customers to a tenant who has no others, and whom it clears before.
func insertAll(ctx context.Context, w *world, _ *schema, n int) (func(side, int) error, error) {
	if err := w.clear(ctx, "bulk"); err != nil {
		return nil, err
	}
	all := make([][]customer, n)
	for i := range all {
		all[i] = w.customers(batch)
	}
	return func(s side, i int) error { return s.insertAll(ctx, "bulk", all[i]) }, nil
}

// expect returns err, or that there are not as many as there should be.
func expect(got, want int, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("there are %d instead of %d", got, want)
	}
	return err
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// side is one way to do the operations that are measured: by a store, or by SQL written by hand.
type side interface {
	// get reads a customer into c.
	get(ctx context.Context, tenant string, id uuid.UUID, c *customer) error
	// list reads the customers that were updated before a position, the latest first, into page, and returns how many.
	list(ctx context.Context, tenant string, updated time.Time, id uuid.UUID, page []customer) (int, error)
	// count returns how many customers are in a stage.
	count(ctx context.Context, tenant, stage string) (int64, error)
	// totals returns number and revenue by stage.
	totals(ctx context.Context, tenant string) ([]total, error)
	// insert adds a customer with its event and message.
	insert(ctx context.Context, tenant string, c *customer, e *event, m *message) error
	// update sets when c was updated, its score and its note, if it is at c's version.
	update(ctx context.Context, tenant string, c *customer, e *event, m *message) error
	// remove deletes c, if it is at c's version.
	remove(ctx context.Context, tenant string, c *customer, e *event) error
	// insertAll adds customers.
	insertAll(ctx context.Context, tenant string, all []customer) error
	// claim leases due jobs into page, and returns how many.
	claim(ctx context.Context, now, until time.Time, page []job) (int, error)
	// finish deletes jobs of a tenant, if each is at its version.
	finish(ctx context.Context, tenant string, done []job) error
}

// errMissed is a row that was not there, or not at its version.
var errMissed = errors.New("the row was not found")

// ours is a store, called as the CRM calls it: with rows that know where their columns are.
type ours struct {
	*schema

	store storage.Store
}

var _ side = ours{}

func (o ours) get(ctx context.Context, tenant string, id uuid.UUID, c *customer) error {
	into := []customer{{}}
	rows := page(o.customers.fields, into)
	err := o.store.Read(ctx, tenant, &storage.Query{
		Table: o.customers.Table,
		Where: storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: id},
		Limit: 1,
	}, rows.next)
	if err == nil && rows.n != 1 {
		return errMissed
	}
	*c = into[0]
	return err
}

func (o ours) list(ctx context.Context, tenant string, updated time.Time, id uuid.UUID, into []customer) (int, error) {
	rows := page(o.customers.fields, into)
	err := o.store.Read(ctx, tenant, &storage.Query{
		Table: o.customers.Table,
		Order: []storage.Order{{Field: storage.F("updated"), Desc: true}},
		After: []any{updated, id},
		Limit: len(into),
	}, rows.next)
	return rows.n, err
}

func (o ours) count(ctx context.Context, tenant, stage string) (int64, error) {
	into := []total{{}}
	err := o.store.Aggregate(ctx, tenant, &storage.Aggregate{
		Table:   o.customers.Table,
		Where:   storage.Is{Field: storage.F("stage"), Op: storage.Eq, Value: stage},
		Measure: []storage.Measure{{Fn: storage.CountRows}},
	}, page(o.figures[1:], into).next)
	return into[0].Count, err
}

func (o ours) totals(ctx context.Context, tenant string) ([]total, error) {
	into := make([]total, len(stages))
	rows := page(o.figures, into)
	err := o.store.Aggregate(ctx, tenant, &storage.Aggregate{
		Table:   o.customers.Table,
		Group:   []storage.Group{{Field: storage.F("stage")}},
		Measure: []storage.Measure{{Fn: storage.CountRows}, {Fn: storage.Sum, Field: storage.F("revenue")}},
	}, rows.next)
	return into[:rows.n], err
}

func (o ours) insert(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return o.store.Write(ctx, tenant, []storage.Change{
		{Action: storage.Insert, Table: o.customers.Table, Row: o.customers.row(c)},
		{Action: storage.Insert, Table: o.events.Table, Row: o.events.row(e)},
		{Action: storage.Insert, Table: o.outbox.Table, Row: o.outbox.row(m)},
	})
}

func (o ours) update(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return o.store.Write(ctx, tenant, []storage.Change{
		{Action: storage.Update, Table: o.customers.Table, Row: o.customers.row(c), Columns: o.changing, Version: c.Version},
		{Action: storage.Insert, Table: o.events.Table, Row: o.events.row(e)},
		{Action: storage.Insert, Table: o.outbox.Table, Row: o.outbox.row(m)},
	})
}

func (o ours) remove(ctx context.Context, tenant string, c *customer, e *event) error {
	return o.store.Write(ctx, tenant, []storage.Change{
		{Action: storage.Delete, Table: o.customers.Table, Row: o.customers.row(c), Version: c.Version},
		{Action: storage.Insert, Table: o.events.Table, Row: o.events.row(e)},
	})
}

func (o ours) insertAll(ctx context.Context, tenant string, all []customer) error {
	return o.store.Write(ctx, tenant, inserts(o.customers, all))
}

func inserts[T any](e entity[T], all []T) []storage.Change {
	changes := make([]storage.Change, len(all))
	for i := range all {
		changes[i] = storage.Change{Action: storage.Insert, Table: e.Table, Row: e.row(&all[i])}
	}
	return changes
}

func (o ours) claim(ctx context.Context, now, until time.Time, into []job) (int, error) {
	rows := page(o.jobs.fields, into)
	err := o.store.Claim(ctx, &storage.Claim{
		Queue: storage.Queue{Table: o.jobs.Table, Bucket: "bucket", Due: "due"},
		Now:   now, Until: until, Limit: len(into),
	}, func(tenant string) storage.Row {
		r := rows.next()
		rows.at.Tenant = tenant
		return r
	})
	return rows.n, err
}

func (o ours) finish(ctx context.Context, tenant string, done []job) error {
	changes := make([]storage.Change, len(done))
	for i := range done {
		changes[i] = storage.Change{Action: storage.Delete, Table: o.jobs.Table, Row: o.jobs.row(&done[i]), Version: done[i].Version}
	}
	return o.store.Write(ctx, tenant, changes)
}

// reader hands out a slice's elements one after the other, by one row that moves along.
type reader[T any] struct {
	row[T]

	into []T
	n    int // handed out
}

func page[T any](fields []field[T], into []T) *reader[T] {
	return &reader[T]{row: row[T]{fields: fields}, into: into}
}

func (r *reader[T]) next() storage.Row {
	r.at = &r.into[r.n]
	r.n++
	return &r.row
}

package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

//go:embed migrations
var migrations embed.FS

// customer is a record of twenty columns. A zero value stands for an absent one.
type customer struct {
	ID        uuid.UUID
	Version   int64
	Created   time.Time
	Updated   time.Time
	Name      string
	Email     string
	Phone     string
	Company   string
	City      string
	Country   string
	Stage     string
	OwnerID   uuid.UUID
	Source    string
	Score     int64
	Employees int64
	Revenue   int64 // in cents
	Currency  string
	Since     storage.Date
	Note      string
	Custom    json.RawMessage
}

// event is what happened to a customer, and message what is to be told about it: two ledgers.
type event struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	At         time.Time
	Verb       string
	Data       json.RawMessage
}

type message struct {
	ID      uuid.UUID
	EventID uuid.UUID
	Due     time.Time
	Kind    string
}

// job is a row of a queue.
type job struct {
	Tenant  string
	ID      uuid.UUID
	Version int64
	Bucket  int64
	Due     time.Time
	Kind    string
	Data    json.RawMessage
}

// total is a row of the aggregate.
type total struct {
	Stage   string
	Count   int64
	Revenue int64
}

// schema is the tables as the store sees them. A Table is used by its address, so that all stores share one schema.
type schema struct {
	customers entity[customer]
	events    entity[event]
	outbox    entity[message]
	jobs      entity[job]
	figures   []field[total] // of the aggregate
	changing  []int          // the columns of customer that an update sets
}

func newSchema() *schema {
	s := &schema{
		customers: table("customer", "version",
			required("id", func(c *customer) *uuid.UUID { return &c.ID }),
			required("version", func(c *customer) *int64 { return &c.Version }),
			required("created", func(c *customer) *time.Time { return &c.Created }),
			required("updated", func(c *customer) *time.Time { return &c.Updated }),
			required("name", func(c *customer) *string { return &c.Name }),
			optional("email", func(c *customer) *string { return &c.Email }),
			optional("phone", func(c *customer) *string { return &c.Phone }),
			optional("company", func(c *customer) *string { return &c.Company }),
			required("city", func(c *customer) *string { return &c.City }),
			required("country", func(c *customer) *string { return &c.Country }),
			required("stage", func(c *customer) *string { return &c.Stage }),
			optional("owner_id", func(c *customer) *uuid.UUID { return &c.OwnerID }),
			required("source", func(c *customer) *string { return &c.Source }),
			required("score", func(c *customer) *int64 { return &c.Score }),
			optional("employees", func(c *customer) *int64 { return &c.Employees }),
			required("revenue", func(c *customer) *int64 { return &c.Revenue }),
			required("currency", func(c *customer) *string { return &c.Currency }),
			required("since", func(c *customer) *storage.Date { return &c.Since }),
			optional("note", func(c *customer) *string { return &c.Note }),
			required("custom", func(c *customer) *json.RawMessage { return &c.Custom }),
		),
		events: table("event", "",
			required("id", func(e *event) *uuid.UUID { return &e.ID }),
			required("customer_id", func(e *event) *uuid.UUID { return &e.CustomerID }),
			required("at", func(e *event) *time.Time { return &e.At }),
			required("verb", func(e *event) *string { return &e.Verb }),
			required("data", func(e *event) *json.RawMessage { return &e.Data }),
		),
		outbox: table("outbox", "",
			required("id", func(m *message) *uuid.UUID { return &m.ID }),
			required("event_id", func(m *message) *uuid.UUID { return &m.EventID }),
			required("due", func(m *message) *time.Time { return &m.Due }),
			required("kind", func(m *message) *string { return &m.Kind }),
		),
		jobs: table("job", "version",
			required("id", func(j *job) *uuid.UUID { return &j.ID }),
			required("version", func(j *job) *int64 { return &j.Version }),
			required("bucket", func(j *job) *int64 { return &j.Bucket }),
			optional("due", func(j *job) *time.Time { return &j.Due }),
			required("kind", func(j *job) *string { return &j.Kind }),
			required("data", func(j *job) *json.RawMessage { return &j.Data }),
		),
		figures: []field[total]{
			required("stage", func(t *total) *string { return &t.Stage }),
			required("count", func(t *total) *int64 { return &t.Count }),
			required("revenue", func(t *total) *int64 { return &t.Revenue }),
		},
	}
	for _, name := range []string{"updated", "score", "note"} {
		s.changing = append(s.changing, s.customers.Index(name))
	}
	return s
}

// entity is a table and the way from its columns to the fields of a struct.
type entity[T any] struct {
	*storage.Table

	fields []field[T]
}

type field[T any] struct {
	storage.Column

	value func(*T) any
	dest  func(*T) any
}

func table[T any](name, version string, fields ...field[T]) entity[T] {
	t := &storage.Table{Name: name, Key: []string{"id"}, Version: version}
	for _, f := range fields {
		t.Columns = append(t.Columns, f.Column)
	}
	return entity[T]{t, fields}
}

func required[T, V any](name string, at func(*T) *V) field[T] {
	return field[T]{
		Column: storage.Column{Name: name, Kind: kindOf[V]()},
		value:  func(r *T) any { return *at(r) },
		dest:   func(r *T) any { return at(r) },
	}
}

func optional[T any, V comparable](name string, at func(*T) *V) field[T] {
	f := required(name, at)
	f.Null = true
	f.value = func(r *T) any {
		if v := *at(r); v != *new(V) {
			return v
		}
		return nil
	}
	return f
}

func kindOf[V any]() storage.Kind {
	switch v := any(*new(V)).(type) {
	case int64:
		return storage.Int
	case string:
		return storage.Text
	case uuid.UUID:
		return storage.ID
	case time.Time:
		return storage.Time
	case storage.Date:
		return storage.Day
	case json.RawMessage:
		return storage.JSON
	default:
		panic(fmt.Sprintf("no kind holds %T", v))
	}
}

// row is a struct as an adapter sees it.
type row[T any] struct {
	fields []field[T]
	at     *T
}

func (r *row[T]) Value(i int) any { return r.fields[i].value(r.at) }
func (r *row[T]) Dest(i int) any  { return r.fields[i].dest(r.at) }

func (e entity[T]) row(at *T) *row[T] { return &row[T]{e.fields, at} }

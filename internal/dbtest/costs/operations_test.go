package costs

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	tenant   = "acme"
	filled   = 200 // deals that are there at the beginning
	pageSize = 50
	claims   = 100
	bulk     = 2500 // more than travels in one statement
)

var noon = time.Date(2024, time.February, 29, 12, 0, 0, 0, time.UTC)

// deal is a record with a column of most kinds.
type deal struct {
	ID      uuid.UUID
	Version int64
	Name    string
	Stage   string
	Amount  int64
	Updated time.Time
	Due     storage.Date
	Note    string
	OwnerID uuid.UUID
	Data    json.RawMessage
}

type event struct {
	ID, DealID uuid.UUID
	At         time.Time
	Data       json.RawMessage
}

type message struct {
	ID   uuid.UUID
	Due  time.Time
	Kind string
}

type job struct {
	ID      uuid.UUID
	Version int64
	Bucket  int64
	Due     time.Time
	Kind    string
}

type total struct {
	Stage      string
	Count, Sum int64
}

// fields returns the places of the columns, in their order.
func (d *deal) fields() []any {
	return []any{&d.ID, &d.Version, &d.Name, &d.Stage, &d.Amount, &d.Updated, &d.Due, &d.Note, &d.OwnerID, &d.Data}
}
func (e *event) fields() []any   { return []any{&e.ID, &e.DealID, &e.At, &e.Data} }
func (m *message) fields() []any { return []any{&m.ID, &m.Due, &m.Kind} }
func (j *job) fields() []any     { return []any{&j.ID, &j.Version, &j.Bucket, &j.Due, &j.Kind} }
func (t *total) fields() []any   { return []any{&t.Stage, &t.Count, &t.Sum} }

// row is a struct as an adapter sees it. What it allocates itself does not depend on how often it is asked for a place.
type row struct {
	places []any
	null   []bool
}

func rowOf(of interface{ fields() []any }, t *storage.Table) *row {
	r := &row{places: of.fields()}
	for _, c := range t.Columns {
		r.null = append(r.null, c.Null)
	}
	return r
}

func (r *row) Dest(i int) any { return r.places[i] }

func (r *row) Value(i int) any {
	absent := r.null[i]
	switch p := r.places[i].(type) {
	case *int64:
		return *p
	case *string:
		return *p
	case *uuid.UUID:
		if absent && *p == uuid.Nil {
			return nil
		}
		return *p
	case *time.Time:
		return *p
	case *storage.Date:
		return *p
	case *json.RawMessage:
		return *p
	}
	return nil
}

var (
	deals = &storage.Table{Name: "deal", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int},
		{Name: "name", Kind: storage.Text},
		{Name: "stage", Kind: storage.Text},
		{Name: "amount", Kind: storage.Int},
		{Name: "updated", Kind: storage.Time},
		{Name: "due", Kind: storage.Day, Null: true},
		{Name: "note", Kind: storage.Text, Null: true},
		{Name: "owner_id", Kind: storage.ID, Null: true},
		{Name: "data", Kind: storage.JSON},
	}}
	events = &storage.Table{Name: "event", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "deal_id", Kind: storage.ID}, {Name: "at", Kind: storage.Time}, {Name: "data", Kind: storage.JSON},
	}}
	outbox = &storage.Table{Name: "outbox", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "due", Kind: storage.Time}, {Name: "kind", Kind: storage.Text},
	}}
	jobs = &storage.Table{Name: "job", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int},
		{Name: "bucket", Kind: storage.Int},
		{Name: "due", Kind: storage.Time, Null: true},
		{Name: "kind", Kind: storage.Text},
	}}
)

// work is a database with deals in it, and one with customers of the CRM.
type work struct {
	db    *sql.DB
	store storage.Store
	deals []*deal // what is there from the beginning, at the version it has
	made  uint64
	crm   *crmWork
}

func (w *work) id() uuid.UUID {
	w.made++
	id := uuid.UUID{0: 1, 6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(w.made))
	return id
}

func (w *work) newDeal() *deal {
	id := w.id()
	return &deal{
		ID: id, Version: 1, Name: "A deal", Stage: []string{"lead", "offer", "won"}[w.made%3], Amount: int64(w.made), Updated: w.now(),
		Due: storage.Date{Year: 2024, Month: time.March, Day: 1}, Note: "a note", OwnerID: id, Data: json.RawMessage(`{"a": 1}`),
	}
}

// now is another second each time something was made.
func (w *work) now() time.Time { return noon.Add(time.Duration(w.made) * time.Second) }

func insertOf(t *storage.Table, of interface{ fields() []any }) storage.Change {
	return storage.Change{Action: storage.Insert, Table: t, Row: rowOf(of, t)}
}

// withHistory returns a change of d with the event and the message that go with it.
func (w *work) withHistory(first storage.Change, d *deal) []storage.Change {
	return []storage.Change{
		first,
		insertOf(events, &event{w.id(), d.ID, w.now(), json.RawMessage(`{"what": "changed"}`)}),
		insertOf(outbox, &message{w.id(), w.now(), "deal"}),
	}
}

func (w *work) updateOf(d *deal) []storage.Change {
	change := storage.Change{Action: storage.Update, Table: deals, Row: rowOf(d, deals), Columns: []int{4, 5, 7}, Version: d.Version}
	d.Version++
	return w.withHistory(change, d)
}

func (w *work) newDeals(n int) []storage.Change {
	list := make([]storage.Change, n)
	for i := range list {
		list[i] = insertOf(deals, w.newDeal())
	}
	return list
}

var errMissed = errors.New("the rows were not found")

// operation is what is counted. ready makes what n repetitions need, and returns the i-th of them.
type operation struct {
	name  string
	runs  int // for the mean of the allocations
	ready func(ctx context.Context, w *work, n int) (func(i int) error, error)
}

var operations = []operation{
	{"get", 50, func(ctx context.Context, w *work, _ int) (func(int) error, error) {
		return func(i int) error { return get(ctx, w.store, w.deals[i%filled].ID) }, nil
	}},
	{"joined get", 50, func(ctx context.Context, w *work, _ int) (func(int) error, error) {
		return func(i int) error {
			return w.joined(ctx, func(s storage.Session) error { return get(ctx, s, w.deals[i%filled].ID) })
		}, nil
	}},
	{"list", 20, func(ctx context.Context, w *work, _ int) (func(int) error, error) {
		rows := make([]*row, pageSize)
		for i := range rows {
			rows[i] = rowOf(new(deal), deals)
		}
		return func(int) error {
			n := 0
			err := w.store.Read(ctx, tenant, &storage.Query{
				Table: deals, Order: []storage.Order{{Field: storage.F("updated"), Desc: true}}, Limit: pageSize,
				After: []any{w.deals[filled-1].Updated, w.deals[filled-1].ID},
			}, func() storage.Row { n++; return rows[n-1] })
			return missed(err, n, pageSize)
		}, nil
	}},
	{"count", 50, func(ctx context.Context, w *work, _ int) (func(int) error, error) {
		into := rowOf(new(total), &storage.Table{Columns: make([]storage.Column, 3)})
		into.places = into.places[1:]
		return func(int) error {
			return w.store.Aggregate(ctx, tenant, &storage.Aggregate{
				Table: deals, Where: storage.Is{Field: storage.F("stage"), Op: storage.Eq, Value: "lead"},
				Measure: []storage.Measure{{Fn: storage.CountRows}},
			}, func() storage.Row { return into })
		}, nil
	}},
	{"aggregate", 20, func(ctx context.Context, w *work, _ int) (func(int) error, error) {
		into := rowOf(new(total), &storage.Table{Columns: make([]storage.Column, 3)})
		return func(int) error {
			n := 0
			err := w.store.Aggregate(ctx, tenant, &storage.Aggregate{
				Table: deals, Group: []storage.Group{{Field: storage.F("stage")}},
				Measure: []storage.Measure{{Fn: storage.CountRows}, {Fn: storage.Sum, Field: storage.F("amount")}},
			}, func() storage.Row { n++; return into })
			return missed(err, n, 3)
		}, nil
	}},
	{"insert", 50, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := w.inserts(n)
		return func(i int) error { return w.store.Write(ctx, tenant, list[i]) }, nil
	}},
	{"joined insert", 50, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := w.inserts(n)
		return func(i int) error {
			return w.joined(ctx, func(s storage.Session) error { return s.Write(ctx, tenant, list[i]) })
		}, nil
	}},
	{"update", 50, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := make([][]storage.Change, n)
		for i := range list {
			list[i] = w.updateOf(w.deals[i%filled])
		}
		return func(i int) error { return w.store.Write(ctx, tenant, list[i]) }, nil
	}},
	{"atomic read and update", 50, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := make([][]storage.Change, n)
		for i := range list {
			list[i] = w.updateOf(w.deals[i%filled])
		}
		return func(i int) error {
			return w.store.Atomic(ctx, func(s storage.Session) error {
				if err := get(ctx, s, w.deals[i%filled].ID); err != nil {
					return err
				}
				return s.Write(ctx, tenant, list[i])
			})
		}, nil
	}},
	{"delete", 50, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := make([][]storage.Change, n)
		for i := range list {
			d := w.newDeal()
			if err := w.store.Write(ctx, tenant, []storage.Change{insertOf(deals, d)}); err != nil {
				return nil, err
			}
			first := storage.Change{Action: storage.Delete, Table: deals, Row: rowOf(d, deals), Version: 1}
			list[i] = w.withHistory(first, d)[:2]
		}
		return func(i int) error { return w.store.Write(ctx, tenant, list[i]) }, nil
	}},
	{"bulk insert", 2, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		list := make([][]storage.Change, n)
		for i := range list {
			list[i] = w.newDeals(bulk)
		}
		return func(i int) error { return w.store.Write(ctx, "other", list[i]) }, nil
	}},
	{"claim", 5, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		_, err := w.newJobs(ctx, n)
		into := rowOf(new(job), jobs)
		return func(int) error { return w.claim(ctx, func() storage.Row { return into }) }, err
	}},
	{"finish", 5, func(ctx context.Context, w *work, n int) (func(int) error, error) {
		made, err := w.newJobs(ctx, n)
		list := make([][]storage.Change, n)
		for i := range list {
			for _, c := range made[i*claims : (i+1)*claims] {
				list[i] = append(list[i], storage.Change{Action: storage.Delete, Table: jobs, Row: c.Row, Version: 1})
			}
		}
		return func(i int) error { return w.store.Write(ctx, tenant, list[i]) }, err
	}},
}

func missed(err error, got, want int) error {
	if err == nil && got != want {
		return errMissed
	}
	return err
}

func get(ctx context.Context, s storage.Session, id uuid.UUID) error {
	n, into := 0, rowOf(new(deal), deals)
	err := s.Read(ctx, tenant, &storage.Query{
		Table: deals, Where: storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: id}, Limit: 1,
	}, func() storage.Row { n++; return into })
	return missed(err, n, 1)
}

// joined runs fn in a transaction of the host's, which counts as well.
func (w *work) joined(ctx context.Context, fn func(storage.Session) error) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	s, err := w.store.Join(ctx, tx)
	if err == nil {
		err = fn(s)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (w *work) inserts(n int) [][]storage.Change {
	list := make([][]storage.Change, n)
	for i := range list {
		d := w.newDeal()
		list[i] = w.withHistory(insertOf(deals, d), d)
	}
	return list
}

// newJobs empties the queue, and has jobs for n claims.
func (w *work) newJobs(ctx context.Context, n int) ([]storage.Change, error) {
	for claimed := 1; claimed > 0; {
		var old []storage.Change
		err := w.store.Claim(ctx, &storage.Claim{
			Queue: storage.Queue{Table: jobs, Bucket: "bucket", Due: "due"}, Limit: storage.MaxPage,
			Now: noon.AddDate(2, 0, 0), Until: noon.AddDate(3, 0, 0),
		}, func(string) storage.Row {
			old = append(old, storage.Change{Action: storage.Delete, Table: jobs, Row: rowOf(new(job), jobs)})
			return old[len(old)-1].Row
		})
		for i := range old {
			old[i].Version, _ = old[i].Row.Value(1).(int64)
		}
		if err := errors.Join(err, w.store.Write(ctx, tenant, old)); err != nil {
			return nil, err
		}
		claimed = len(old)
	}
	list := make([]storage.Change, n*claims)
	for i := range list {
		list[i] = insertOf(jobs, &job{w.id(), 1, 0, noon, "remind"})
	}
	return list, w.store.Write(ctx, tenant, list)
}

func (w *work) claim(ctx context.Context, next func() storage.Row) error {
	n := 0
	err := w.store.Claim(ctx, &storage.Claim{
		Queue: storage.Queue{Table: jobs, Bucket: "bucket", Due: "due"}, Limit: claims, Now: noon, Until: noon.AddDate(1, 0, 0),
	}, func(string) storage.Row { n++; return next() })
	return missed(err, n, claims)
}

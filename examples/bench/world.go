package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	tenants  = 10
	batch    = 10_000 // customers of a bulk insert
	pageSize = 50
	claims   = 100
)

// stages are what customers go through, each with its share of them in thousandths. rare is where few are.
var stages = []struct { //nolint:gochecknoglobals // a constant
	name  string
	share int
}{{"lead", 400}, {"contacted", 200}, {"qualified", 150}, {"proposal", 100}, {"won", 80}, {"lost", 55}, {rare, 15}}

const rare = "negotiation"

// dawn is the time at which the made-up world begins.
var dawn = time.Date(2024, time.January, 1, 8, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// world is a database with customers, what is known about them, and the two sides that work in it.
type world struct {
	*database
	*chance

	ours side
	base side
	rows []known
}

// chance makes up what a world is filled with.
type chance struct {
	rand *rand.Rand
	made uint32 // ids
}

// known is a customer in the database.
type known struct {
	tenant  string
	id      uuid.UUID
	version int64
}

// fill brings the database to rows customers and a tenth as many jobs of which none is due.
func (w *world) fill(ctx context.Context, s *schema, rows int) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := w.store.Migrate(ctx, storage.Line{Name: "bench", Files: files}); err != nil {
		return err
	}
	for t := range tenants {
		for left := rows / tenants; left > 0; left -= batch {
			all := w.customers(min(left, batch))
			if err := w.ours.insertAll(ctx, tenant(t), all); err != nil {
				return err
			}
			for i := range all {
				w.rows = append(w.rows, known{tenant(t), all[i].ID, all[i].Version})
			}
		}
		jobs := w.jobs(max(1, rows/tenants/10), dawn.AddDate(100, 0, 0))
		if err := w.store.Write(ctx, tenant(t), inserts(s.jobs, jobs)); err != nil {
			return err
		}
	}
	return w.vacuum(ctx)
}

// clear removes a tenant's customers.
func (w *world) clear(ctx context.Context, tenant string) error {
	statement := "DELETE FROM crm_customer WHERE tenant = ?"
	if w.engine == "postgres" {
		statement = "DELETE FROM " + schemaName + ".customer WHERE tenant = $1"
	}
	_, err := w.db.ExecContext(ctx, statement, tenant)
	return err
}

// dice falls the same way each time.
func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) } //nolint:gosec // as it says

func tenant(n int) string { return fmt.Sprintf("tenant-%02d", n) }

// any returns a customer that is in the database.
func (w *world) any() *known { return &w.rows[w.rand.IntN(len(w.rows))] }

// id returns a new identifier: as of version 7, ascending, random at its end.
func (w *chance) id() uuid.UUID {
	w.made++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(dawn.UnixMilli()+int64(w.made))<<16|0x7000|w.rand.Uint64()&0xfff)
	binary.BigEndian.PutUint64(id[8:], 1<<63|w.rand.Uint64()>>2)
	return id
}

func (w *world) customers(n int) []customer {
	list := make([]customer, n)
	for i := range list {
		list[i] = w.customer()
	}
	return list
}

func (w *chance) customer() customer {
	r := w.rand.IntN(1 << 30)
	created := dawn.Add(time.Duration(r) * time.Millisecond)
	c := customer{
		ID: w.id(), Version: 1, Created: created, Updated: created.Add(time.Duration(w.rand.IntN(1<<40)) * time.Microsecond),
		Name: fmt.Sprintf("%s %s", pick(r, "Ada", "Grace", "Alan", "Edsger", "Barbara"), pick(r/5, "Lovelace", "Hopper", "Turing", "Liskov")),
		City: pick(r/7, "Berlin", "Zürich", "Lyon", "Graz"), Country: pick(r/11, "DE", "CH", "FR", "AT"),
		Source: pick(r/13, "web", "fair", "referral"), Score: int64(r % 100), Revenue: int64(r % 10_000_000), Currency: "EUR",
		Since:  storage.DateOf(created),
		Custom: json.RawMessage(fmt.Sprintf(`{"size": "%s", "rating": %d, "tags": ["a", "b"]}`, pick(r/17, "small", "large"), r%6)),
	}
	at := w.rand.IntN(1000)
	for _, s := range stages {
		c.Stage = s.name
		if at -= s.share; at < 0 {
			break
		}
	}
	if r%4 != 0 { // the other quarter has none of what is optional
		c.Email, c.Phone = fmt.Sprintf("customer%d@example.com", w.made), fmt.Sprintf("+49 30 %07d", r%10_000_000)
		c.Company, c.Note = "Company "+c.Name, "met at the fair; wants to be called back in spring about the large order"
		c.OwnerID, c.Employees = uuid.UUID{0: 1, 6: 0x70, 8: 0x80, 15: byte(r % 20)}, int64(1+r%5000)
	}
	return c
}

func pick(n int, from ...string) string { return from[n%len(from)] }

// history makes an event and a message for each customer.
func (w *world) history(of []customer, verb string) ([]event, []message) {
	events, messages := make([]event, len(of)), make([]message, len(of))
	for i := range of {
		at := dawn.AddDate(1, 0, 0).Add(time.Duration(w.made) * time.Second)
		events[i] = event{w.id(), of[i].ID, at, verb, json.RawMessage(`{"by": "bench", "was": {"score": 17, "note": "met at the fair"}}`)}
		messages[i] = message{w.id(), events[i].ID, at, "customer." + verb}
	}
	return events, messages
}

func (w *world) jobs(n int, due time.Time) []job {
	list := make([]job, n)
	for i := range list {
		list[i] = job{ID: w.id(), Version: 1, Due: due, Kind: "remind", Data: json.RawMessage(`{"customer": "someone"}`)}
	}
	return list
}

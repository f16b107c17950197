package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// hand is what both kinds of SQL by hand know.
type hand struct {
	*database

	buckets map[string]int64 // of tenants
	mates   []crm.ID
	keys    sortKeys

	now      func() time.Time     // by the clock of what is due
	prepared map[string]*sql.Stmt // what is done in the background, by its text
}

func newHand(ctx context.Context, w *crmWorld) (*hand, error) {
	h := &hand{database: w.database, buckets: map[string]int64{}, mates: w.owners[closed][:teamed], keys: newSortKeys(), now: w.core.clock.Now}
	table := "crm_tenant"
	if w.engine == "postgres" {
		table = schemaName + ".tenant"
	}
	rows, err := w.db.QueryContext(ctx, "SELECT tenant, bucket FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var key string
		var bucket int64
		if err := rows.Scan(&key, &bucket); err != nil {
			return nil, err
		}
		h.buckets[key] = bucket
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return h, h.prepare(ctx)
}

// entry is what is written of a customer: his row, and the event with its place in the outbox.
type entry struct {
	*buyer

	extras

	tenant   string
	fold     string
	sort     []byte
	custom   []byte
	event    crm.ID
	name     string // of the event
	recorded time.Time
	changes  []byte
	bucket   int64
}

// created makes the entry of a new customer, whom it gives what the kernel would. Times that he has are kept.
func (h *hand) created(tenant string, b *buyer) (e entry, err error) {
	e, err = h.entry(tenant, b, "customer.created")
	if err != nil {
		return e, err
	}
	if b.ID, err = newID(); err != nil {
		return e, err
	}
	b.Version = 1
	if b.Created.IsZero() {
		b.Created, b.Updated = e.recorded, e.recorded
	}
	e.fold, e.sort, e.extras = crm.Fold(b.Name), h.keys.of(b.Name), extrasOf(b)
	if e.custom, err = json.Marshal(e.extras); err != nil {
		return e, err
	}
	e.changes, err = creation(b)
	return e, err
}

// entry makes what is the same for all changes.
func (h *hand) entry(tenant string, b *buyer, name string) (entry, error) {
	id, err := newID()
	return entry{buyer: b, tenant: tenant, event: id, name: name, recorded: clock(), bucket: h.buckets[tenant]}, err
}

// changed makes the entry of an update, which it makes in b.
func (h *hand) changed(tenant string, b *buyer, score int64, note string) (entry, error) {
	e, err := h.entry(tenant, b, "customer.updated")
	if err != nil {
		return e, err
	}
	var p past
	if b.Score != score {
		p.Score = moved{b.Score, score}
	}
	if b.Note != note {
		p.Note = moved{orNil(b.Note), orNil(note)}
	}
	b.Score, b.Note, b.Version, b.Updated = score, note, b.Version+1, e.recorded
	e.changes, err = json.Marshal(p)
	return e, err
}

// removed makes the entry of a deletion, which it makes in b.
func (h *hand) removed(tenant string, b *buyer) (entry, error) {
	e, err := h.entry(tenant, b, "customer.deleted")
	if err != nil {
		return e, err
	}
	b.Version, b.Updated, b.Deleted = b.Version+1, e.recorded, e.recorded
	e.changes, err = json.Marshal(past{Deleted: moved{nil, b.Deleted}})
	return e, err
}

const clerkActor = "member:" + clerk

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// readCustom gives a customer that was read the custom fields in their stored form.
func readCustom(b *buyer, stored []byte) error {
	if stored == nil {
		return nil
	}
	var x extras
	err := json.Unmarshal(stored, &x)
	b.Custom = x.custom()
	return err
}

// amount is the columns of money.
func amount(m crm.Money) (minor, currency any) {
	if m.IsZero() {
		return nil, nil
	}
	return m.Minor, m.Currency
}

// day is a date that a customer may not have.
func day(d storage.Date) any {
	if d == (storage.Date{}) {
		return nil
	}
	return d.String()
}

// createdAll makes the entries of new customers, which are copies of those given.
func (h *hand) createdAll(tenant string, list []buyer) (kept []buyer, entries []entry, err error) {
	kept, entries = make([]buyer, len(list)), make([]entry, len(list))
	for i := range list {
		kept[i] = list[i]
		if entries[i], err = h.created(tenant, &kept[i]); err != nil {
			return nil, nil, err
		}
	}
	return kept, entries, nil
}

// ownersOf returns those whom new customers are given to, each once.
func ownersOf(entries []entry) []crm.ID {
	var ids []crm.ID
	seen := map[crm.ID]bool{}
	for i := range entries {
		if id := entries[i].OwnerID; !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	}
	return ids
}

// sortKeys makes what names are sorted by, one at a time.
type sortKeys struct {
	collator *collate.Collator
	buffer   *collate.Buffer
}

func newSortKeys() sortKeys { return sortKeys{collate.New(language.Und), &collate.Buffer{}} }

func (k sortKeys) of(name string) []byte {
	k.buffer.Reset()
	return bytes.Clone(k.collator.KeyFromString(k.buffer, name))
}

func newID() (crm.ID, error) {
	id, err := uuid.NewV7()
	return crm.ID(id), err
}

package crm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// JobReseal is the kind of the jobs that do [Core.Reseal] for their tenant, in the
// background:
//
//	core.Jobs.Enqueue(ctx, crm.Job{Kind: crm.JobReseal, Key: "keys of 2027"})
const JobReseal = "crm.reseal"

// resealBatch is how many records one transaction of Reseal holds.
const resealBatch = 200

func (c *Core) defineReseal() error {
	return c.Jobs.Handle(JobReseal, func(ctx context.Context, _ Job) error {
		_, err := c.reseal(ctx, func(n int64) error { return Progress(ctx, n, 0) })
		return err
	}, Idempotent(), Lease(time.Hour))
}

// Reseal seals the protected values of ctx's tenant by the keys of today, once the keys
// of [Config.Cipher] were changed, and returns how many records had older ones. When it
// returns nil no record is left under another key, deleted ones included, so that a
// blind key that was replaced can be taken out. The history is not written anew: what it
// has of a value opens as long as the key of its day is there.
//
// It works in batches, each in a transaction of its own beside other writers, and passes
// over what is right already: called again after it failed or the process ended, it goes
// on. It changes no record: versions stay, and there is no event. Every process must have
// the new keys before. The scope is that of [System], in no transaction.
func (c *Core) Reseal(ctx context.Context) (int64, error) {
	n, err := c.reseal(ctx, func(int64) error { return nil })
	return n, failed("reseal", "", ID{}, err)
}

func (c *Core) reseal(ctx context.Context, progress func(int64) error) (int64, error) {
	tenant, err := c.systemScope(ctx)
	switch {
	case err != nil:
		return 0, err
	case c.cfg.Cipher == nil:
		return 0, Invalid("", "there is no Config.Cipher, and nothing is protected")
	case c.tx(ctx) != nil:
		return 0, Invalid("", "sealing anew makes transactions of its own, and is in one: call it outside")
	}
	if err := c.ready(); err != nil {
		return 0, err
	}
	custom, err := c.onceProtected(ctx, tenant)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, o := range c.order {
		if len(c.protections[o.name].fields) == 0 && !custom[o.name] {
			continue
		}
		for r := (&resealing{core: c, o: o, p: c.protections[o.name], tenant: tenant}); !r.ended; {
			if err := c.atomic(ctx, r.batch); err != nil {
				return total, err
			}
			r.after = r.last // a batch whose commit failed was begun again at the same place
			if total += r.resealed; r.resealed > 0 {
				if err := progress(total); err != nil {
					return total, err
				}
			}
			if err := ctx.Err(); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// onceProtected are the kinds of records with protected custom fields, also deleted ones,
// whose values stay.
func (c *Core) onceProtected(ctx context.Context, tenant string) (map[string]bool, error) {
	o := c.Fields.kind.o
	col := o.byName["object"].col
	found := map[string]bool{}
	var row storage.Values
	note := func() {
		if row != nil {
			object, _ := row[col].(string)
			found[object] = true
		}
	}
	q := &storage.Query{
		Table: o.table, Columns: []int{o.byName["id"].col, col}, Limit: storage.MaxPage,
		Where: storage.Is{Field: storage.F("protected"), Op: storage.Eq, Value: true},
	}
	for {
		n := 0
		err := c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
			note()
			row, n = make(storage.Values, len(o.columns)), n+1
			return row
		})
		if err != nil || n == 0 {
			return found, err
		}
		note()
		q.After = []any{row[o.byName["id"].col]}
		if n < q.Limit {
			return found, nil
		}
	}
}

// resealing seals the records of one kind anew.
type resealing struct {
	core   *Core
	o      *object
	p      *protecting
	tenant string

	after    []any // where the next batch begins
	last     []any // where this one ended
	resealed int64 // by this one
	ended    bool
}

// batch does one batch: it holds records as they are stored, and writes those that are
// under another key.
func (r *resealing) batch(ctx context.Context) error {
	g, _ := r.core.session(ctx).(guarded)
	var rows []storage.Values
	err := g.bare.Read(ctx, r.tenant, &storage.Query{Table: r.p.stored, After: r.after, Limit: resealBatch, Lock: true}, func() storage.Row {
		rows = append(rows, make(storage.Values, len(r.p.stored.Columns)))
		return rows[len(rows)-1]
	})
	if err != nil {
		return err
	}
	set, err := r.core.fieldsOf(ctx, r.tenant, r.o)
	if err != nil {
		return err
	}
	var changes []storage.Change
	texts := map[uuid.UUID]map[string]any{} // custom values by record
	for _, row := range rows {
		id, _ := row[0].(uuid.UUID)
		cols, custom, err := r.row(ctx, g, row)
		if err != nil {
			return err
		}
		if custom != nil {
			texts[id] = custom
		}
		if len(cols) > 0 {
			changes = append(changes, storage.Change{Action: storage.Update, Table: r.p.stored, Row: row, Columns: cols, Checked: true})
		}
	}
	resealed := int64(len(changes))
	index, err := r.index(ctx, g, set, texts)
	if err != nil {
		return err
	}
	if changes = append(changes, index...); len(changes) > 0 {
		if err := g.bare.Write(ctx, r.tenant, changes); err != nil {
			return err
		}
	}
	r.resealed, r.ended = resealed, len(rows) < resealBatch
	if len(rows) > 0 {
		r.last = []any{rows[len(rows)-1][0]}
	}
	return nil
}

// row brings a row to the keys of today, and returns the columns that are others by now,
// and its custom values, if any is protected.
func (r *resealing) row(ctx context.Context, g guarded, row storage.Values) (cols []int, custom map[string]any, err error) {
	id, _ := row[0].(uuid.UUID)
	at := Place{Tenant: r.tenant, Kind: r.o.name, Record: ID(id)}
	for i, f := range r.p.fields {
		sealed, _ := row[2+2*i].(string)
		if sealed == "" {
			continue
		}
		at.Field = f.name
		blind, _ := row[3+2*i].(string)
		_, now, err := r.value(ctx, g, at, sealed)
		if err != nil {
			return nil, nil, err
		}
		if now != [2]string{sealed, blind} {
			row[2+2*i], row[3+2*i] = now[0], now[1]
			cols = append(cols, 2+2*i, 3+2*i)
		}
	}
	raw, _ := row[1].(json.RawMessage)
	values, err := members(orNothing(raw))
	if err != nil {
		return nil, nil, err
	}
	changed := false
	for key, v := range values {
		sealed, ok := v.(string)
		if _, blind := cutBlind(key); !ok || blind || !keptProtected(key) {
			continue
		}
		at.Field = "custom." + key
		blind, _ := values[key+blindMember].(string)
		text, now, err := r.value(ctx, g, at, sealed)
		if err != nil {
			return nil, nil, err
		}
		if custom == nil {
			custom = map[string]any{}
		}
		custom[key] = text
		if now != [2]string{sealed, blind} {
			values[key], values[key+blindMember] = now[0], now[1]
			changed = true
		}
	}
	if changed {
		row[1] = json.RawMessage(appendMembers(nil, values))
		cols = append(cols, 1)
	}
	return cols, custom, nil
}

func orNothing(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("{}")
	}
	return raw
}

// value opens a value, and returns it and how it is to be kept: as it is, or sealed anew.
func (r *resealing) value(ctx context.Context, g guarded, at Place, sealed string) (text string, now [2]string, err error) {
	if text, err = g.openText(ctx, at, sealed); err != nil {
		return "", now, err
	}
	all, err := r.core.blinds(ctx, at, text)
	if err != nil {
		return "", now, err
	}
	b, _ := base64.RawURLEncoding.DecodeString(sealed) // it was opened
	if !r.core.cfg.Cipher.Current(b) {
		if sealed, err = g.sealedText(ctx, at, text); err != nil {
			return "", now, err
		}
	}
	return text, [2]string{sealed, all[0]}, nil
}

// index brings the rows that records have in the index of custom fields to the blinds of
// today.
func (r *resealing) index(ctx context.Context, g guarded, set *fieldSet, texts map[uuid.UUID]map[string]any) ([]storage.Change, error) {
	var keys []any
	fields := map[string]*customField{}
	for _, f := range set.all() {
		if f.Protected && f.promoted() {
			keys, fields[f.Key] = append(keys, f.Key), f
		}
	}
	if len(keys) == 0 || len(texts) == 0 {
		return nil, nil
	}
	ids := make([]any, 0, len(texts))
	for id := range texts {
		ids = append(ids, id)
	}
	var rows []*indexRow
	err := g.bare.Read(ctx, r.tenant, &storage.Query{Table: indexTable, Limit: len(ids) * len(keys), Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: r.o.name},
		storage.In{Field: storage.F("record_id"), Values: ids}, storage.In{Field: storage.F("field"), Values: keys},
	}}, func() storage.Row {
		rows = append(rows, &indexRow{})
		return rows[len(rows)-1]
	})
	if err != nil {
		return nil, err
	}
	cols := []int{indexTable.Index("text_value"), indexTable.Index("unique_value")}
	var changes []storage.Change
	for _, row := range rows {
		text, ok := texts[row.record][row.field].(string)
		if !ok {
			continue
		}
		plain := *row
		if plain.text = text; row.unique != nil {
			plain.unique = fields[row.field].uniqueText(text)
		}
		now, _, err := r.core.blindIndex(ctx, r.tenant, &plain)
		if err != nil {
			return nil, err
		}
		if *now != *row {
			changes = append(changes, storage.Change{Action: storage.Update, Table: indexTable, Row: now, Columns: slices.Clone(cols)})
		}
	}
	return changes, nil
}

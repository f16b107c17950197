package crm

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// vault is a store in which protected values are ciphertext. It stands below all of the
// kernel, so that no way of reading and writing is without it: what the kernel has in
// its hands is clear, and what a database gets is not.
type vault struct {
	storage.Store

	core *Core
}

func (v *vault) guard() guarded { return guarded{v.Store, v.core} }

// Read reads, and opens.
func (v *vault) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	return v.guard().Read(ctx, tenant, q, next)
}

// Union reads.
func (v *vault) Union(ctx context.Context, tenant string, u *storage.Union, next func() storage.Row) error {
	return v.guard().Union(ctx, tenant, u, next)
}

// Aggregate computes figures.
func (v *vault) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	return v.guard().Aggregate(ctx, tenant, a, next)
}

// Write seals, and writes.
func (v *vault) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	return v.guard().Write(ctx, tenant, changes)
}

// Expand adds rows to a ledger.
func (v *vault) Expand(ctx context.Context, tenant string, e *storage.Expansion) (int64, error) {
	return v.guard().Expand(ctx, tenant, e)
}

// Atomic calls fn with a session that is guarded too.
func (v *vault) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return v.guard().Atomic(ctx, fn)
}

// Join returns a session that is guarded too.
func (v *vault) Join(ctx context.Context, tx *sql.Tx) (storage.Session, error) {
	s, err := v.Store.Join(ctx, tx)
	if err != nil {
		return nil, err
	}
	return guarded{s, v.core}, nil
}

// Snapshot calls fn with a session that is guarded too.
func (v *vault) Snapshot(ctx context.Context, fn func(storage.Session) error) error {
	return v.Store.Snapshot(ctx, func(s storage.Session) error { return fn(guarded{s, v.core}) })
}

// guarded is a session in which protected values are ciphertext.
type guarded struct {
	bare storage.Session
	core *Core
}

// Atomic calls fn with a session that is guarded too.
func (g guarded) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return g.bare.Atomic(ctx, func(s storage.Session) error { return fn(guarded{s, g.core}) })
}

// Read asks by blinds, and opens what is found.
func (g guarded) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	x := &exprs{guarded: g, ctx: ctx, tenant: tenant}
	for _, o := range q.Order {
		x.bar(q.Table, o.Field)
	}
	for _, f := range q.Also {
		x.bar(q.Table, f)
	}
	where := x.where(q.Table, q.Where)
	if x.err != nil {
		return x.err
	}
	asked := *q
	asked.Where = where
	o := &opening{guarded: g, ctx: ctx, tenant: tenant, q: q, table: g.core.protections[q.Table.Name], known: x.known}
	if !o.begin(&asked) {
		return g.bare.Read(ctx, tenant, &asked, next)
	}
	err := g.bare.Read(ctx, tenant, &asked, func() storage.Row {
		if o.done(); o.err != nil {
			return nil
		}
		return o.row(next())
	})
	if err == nil {
		o.done()
		err = o.err
	}
	return err
}

// opening is one read whose rows are opened.
type opening struct {
	guarded

	ctx    context.Context //nolint:containedctx // it lives for one call
	tenant string
	q      *storage.Query
	table  *protecting       // nil: it is none of a kind of record
	known  map[string]string // texts that were asked for, by blind

	wantsID bool
	fields  []protectedField // those that are read
	last    storage.Row      // as the caller gave it
	sealed  *sealedRow       // the same as it is read, of a kind of record
	err     error
}

// begin reports whether there is anything to open, and asks for what that takes.
func (o *opening) begin(asked *storage.Query) bool {
	if o.q.Table.Name == eventTable.Name || o.q.Table.Name == indexTable.Name {
		return true
	}
	if o.table == nil {
		return false
	}
	wants := func(col int) bool { return o.q.Columns == nil || slices.Contains(o.q.Columns, col) }
	for _, f := range o.table.fields {
		if wants(f.col) {
			o.fields = append(o.fields, f)
		}
	}
	if len(o.fields) == 0 && !wants(o.table.custom) {
		return false
	}
	if o.wantsID = wants(o.table.id); !o.wantsID {
		asked.Columns = append(slices.Clone(o.q.Columns), o.table.id)
	}
	return true
}

// row is where the next row is read into.
func (o *opening) row(given storage.Row) storage.Row {
	if o.last = given; given == nil || o.table == nil {
		return given
	}
	o.sealed = &sealedRow{Row: given, o: o, texts: make([]string, len(o.fields))}
	return o.sealed
}

// done opens the row that was read last.
func (o *opening) done() {
	last, sealed := o.last, o.sealed
	o.last, o.sealed = nil, nil
	if o.err != nil || last == nil {
		return
	}
	switch row := last.(type) {
	case *eventRow:
		row.kept = nil
		if opened, err := o.openChanges(o.ctx, o.tenant, row.object, row.record, row.changes); err != nil {
			o.err = err
		} else if opened != nil {
			row.changes, row.kept = opened, row.changes
		}
	case *indexRow:
		if keptProtected(row.field) {
			for _, at := range []*any{&row.text, &row.unique} {
				blind, _ := (*at).(string)
				if text, ok := o.known[blind]; ok {
					*at = text
				}
			}
		}
	}
	if sealed != nil {
		o.err = sealed.open()
	}
}

// sealedRow is a row as it is stored, on its way to the caller's.
type sealedRow struct {
	storage.Row

	o      *opening
	id     uuid.UUID
	texts  []string // of the protected fields
	custom json.RawMessage
}

// Dest is the caller's, but for what is opened first.
func (r *sealedRow) Dest(i int) any {
	switch i {
	case r.o.table.id:
		return &r.id
	case r.o.table.custom:
		return (*sealedCustom)(r)
	}
	for k := range r.o.fields {
		if r.o.fields[k].col == i {
			return &r.texts[k]
		}
	}
	return r.Row.Dest(i)
}

// sealedCustom takes the custom values of a row: nearly all have no protected one, and
// go on as they are.
type sealedCustom sealedRow

// Scan implements sql.Scanner.
func (c *sealedCustom) Scan(src any) error {
	if raw, ok := src.(json.RawMessage); ok && bytes.Contains(raw, []byte(protectedMark)) {
		c.custom = slices.Clone(raw)
		return nil
	}
	return give(c.Row.Dest(c.o.table.custom), src)
}

// give puts a value where a row keeps it.
func give(dest, v any) error {
	switch d := dest.(type) {
	case *any:
		*d = v
	case *uuid.UUID: // which scans other forms of an id
		put(d, v)
	case sql.Scanner:
		return d.Scan(v)
	default:
		put(dest, v)
	}
	return nil
}

// open gives the caller's row what was sealed.
func (r *sealedRow) open() error {
	o := r.o
	at := Place{Tenant: o.tenant, Kind: o.q.Table.Name, Record: ID(r.id)}
	if o.wantsID {
		if err := give(r.Row.Dest(o.table.id), r.id); err != nil {
			return err
		}
	}
	for i, f := range o.fields {
		var v any
		if r.texts[i] != "" {
			at.Field = f.name
			text, err := o.openText(o.ctx, at, r.texts[i])
			if err != nil {
				return err
			}
			v = text
		}
		if err := give(r.Row.Dest(f.col), v); err != nil {
			return err
		}
	}
	if r.custom == nil {
		return nil
	}
	opened, err := o.openCustom(o.ctx, at, r.custom)
	if err != nil {
		return err
	}
	return give(r.Row.Dest(o.table.custom), opened)
}

// openCustom returns custom values with the protected ones opened.
func (g guarded) openCustom(ctx context.Context, at Place, raw json.RawMessage) (json.RawMessage, error) {
	values, err := members(raw)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Collect(maps.Keys(values)) {
		if base, blind := cutBlind(key); blind && keptProtected(base) {
			delete(values, key)
		} else if sealed, ok := values[key].(string); ok && keptProtected(key) {
			at.Field = "custom." + key
			if values[key], err = g.openText(ctx, at, sealed); err != nil {
				return nil, err
			}
		}
	}
	return appendMembers(nil, values), nil
}

// sealCustom returns custom values with the protected ones sealed, and their blinds
// beside them.
func (g guarded) sealCustom(ctx context.Context, at Place, raw json.RawMessage) (json.RawMessage, error) {
	values, err := members(raw)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Collect(maps.Keys(values)) {
		text, ok := values[key].(string)
		if !ok || !keptProtected(key) {
			continue
		}
		at.Field = "custom." + key
		if values[key], err = g.sealedText(ctx, at, text); err != nil {
			return nil, err
		}
		all, err := g.core.blinds(ctx, at, text)
		if err != nil {
			return nil, err
		}
		values[key+blindMember] = all[0]
	}
	return appendMembers(nil, values), nil
}

// cutBlind reports whether a member is a blind, and of which one.
func cutBlind(member string) (string, bool) {
	n := len(member) - len(blindMember)
	if n > 0 && member[n:] == blindMember {
		return member[:n], true
	}
	return member, false
}

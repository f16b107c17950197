package crm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// backfillBatch is how many records one transaction of a backfill holds.
const backfillBatch = 200

// backfillTable is how far the fields are that are being filled.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var backfillTable = &storage.Table{Name: "field_backfill", Key: []string{"field_id"}, Columns: []storage.Column{
	{Name: "field_id", Kind: storage.ID}, {Name: "form", Kind: storage.Text}, {Name: "after_id", Kind: storage.ID},
}}

type backfillRow struct {
	field uuid.UUID
	form  string // what is being made; another one begins anew
	after uuid.UUID
}

// Value returns column i.
func (r *backfillRow) Value(i int) any { return [...]any{r.field, r.form, r.after}[i] }

// Dest returns where column i is put.
func (r *backfillRow) Dest(i int) any { return [...]any{&r.field, &r.form, &r.after}[i] }

// Backfill brings the records there are to a field that was made unique, indexed or
// a formula, and marks it ready. It takes the right to change the field. It works in
// batches, each in a transaction of its own beside other writers; a call after one
// that failed goes on where that ended, and one for a field that is ready does
// nothing. A formula's new value is a change of the record, by the system. A host that
// works in the background ([Core.Start], [Core.RunDue]) need not call it: the change
// of the definition enqueues a job that does, of the kind crm.backfill.
//
// It is ErrConflict before all processes know of the change, that is for
// [Config.RightsLag] after it, and when records have the same value of a unique
// field: the error has their number and the first ids, and says nothing of the
// values. Until the field is ready only what was written since is unique.
func (f *Fields) Backfill(ctx context.Context, id ID) error {
	return failed("backfill", "field", id, f.backfill(ctx, id))
}

func (f *Fields) backfill(ctx context.Context, id ID) error {
	w, err := f.kind.o.writer(ctx, VerbUpdate)
	if err != nil {
		return err
	}
	def, err := w.load(ctx, id)
	if err != nil {
		return err
	}
	if err := w.access.mayWrite(ctx, VerbUpdate, def); err != nil {
		return err
	}
	if v, ok := def.v.(*CustomField); ok && v.Ready {
		return nil
	}
	known := def.meta().Updated.Add(max(f.core.cfg.RightsLag, 0))
	if known.After(w.now) {
		return &ConflictError{Field: "ready", Reason: fmt.Sprintf("other processes may not know of the field before %s: call again then", known.Format("15:04:05.000"))}
	}
	inner := System(ctx, w.sc.Tenant)
	for {
		b := backfill{core: f.core, tenant: w.sc.Tenant}
		if err := b.again(ctx, inner, id); err != nil || b.done {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// backfill is one batch.
type backfill struct {
	core   *Core
	tenant string

	field *customField
	of    *fieldSet
	at    backfillRow
	done  bool
	clash error // records that have the same value
}

// again runs a batch until no other writer took a unique value meanwhile.
func (b *backfill) again(ctx, inner context.Context, id ID) error {
	for try := 1; ; try++ {
		err := b.core.atomic(inner, func(ctx context.Context) error { return b.batch(ctx, id) })
		known, ok := errors.AsType[*storage.Error](err)
		if try < maxTries && ok && errors.Is(err, ErrConflict) && known.Table == indexTable.Name && ctx.Err() == nil {
			continue
		}
		if err == nil {
			err = b.clash
		}
		return err
	}
}

// batch does one batch, or the end.
func (b *backfill) batch(ctx context.Context, id ID) error {
	b.done, b.clash = false, nil
	if err := b.begin(ctx, id); err != nil || b.done {
		return err
	}
	recs, err := b.read(ctx)
	if err != nil {
		return err
	}
	if b.field.Type == FieldFormula {
		err = b.compute(ctx, recs)
	} else {
		err = b.index(ctx, recs)
	}
	switch {
	case err != nil:
		return err
	case len(recs) < backfillBatch:
		b.done = true
		return b.end(ctx)
	}
	b.at.after = uuid.UUID(recs[len(recs)-1].meta().ID)
	return b.write(ctx, storage.Change{Action: storage.Update, Table: backfillTable, Row: &b.at})
}

func (b *backfill) write(ctx context.Context, changes ...storage.Change) error {
	return b.core.session(ctx).Write(ctx, b.tenant, changes)
}

// begin reads the definition, and holds it so that it stays what it is, and how far
// an earlier call came.
func (b *backfill) begin(ctx context.Context, id ID) error {
	o := b.core.Fields.kind.o
	found := false
	held := o.newRec()
	if err := b.core.session(ctx).Read(ctx, b.tenant, &storage.Query{
		Table: o.table, Columns: o.read, Where: storage.And{byID(id), living(false)}, Limit: 1, Lock: true,
	}, func() storage.Row { found = true; return held }); err != nil {
		return err
	}
	if !found {
		return ErrNotFound
	}
	def, _ := held.v.(*CustomField)
	zone, _, err := b.core.zoneOf(ctx, b.tenant)
	if err != nil {
		return err
	}
	all, err := b.core.readDefinitions(ctx, b.tenant, zone)
	if err != nil {
		return err
	}
	b.of = all[def.Object]
	b.field = b.of.named(def.Name)
	switch {
	case def.Ready || b.field == nil:
		b.done = true
		return nil
	case b.field.err != nil:
		return b.field.err
	}
	return b.progress(ctx)
}

// progress reads how far an earlier call came with the same, or begins.
func (b *backfill) progress(ctx context.Context) error {
	found := false
	if err := b.core.session(ctx).Read(ctx, b.tenant, &storage.Query{
		Table: backfillTable, Limit: 1, Where: storage.Is{Field: storage.F("field_id"), Op: storage.Eq, Value: uuid.UUID(b.field.ID)},
	}, func() storage.Row { found = true; return &b.at }); err != nil {
		return err
	}
	if found && b.at.form == b.field.build() {
		return nil
	}
	old := storage.Change{Action: storage.Delete, Table: backfillTable, Row: &backfillRow{field: uuid.UUID(b.field.ID)}}
	b.at = backfillRow{field: uuid.UUID(b.field.ID), form: b.field.build()}
	return b.write(ctx,
		storage.Change{Action: storage.Clear, Table: indexTable, Where: b.field.rows()},
		old, storage.Change{Action: storage.Insert, Table: backfillTable, Row: &b.at})
}

// read reads the next records, living and deleted, and holds them.
func (b *backfill) read(ctx context.Context) ([]*rec, error) {
	var recs []*rec
	err := b.core.session(ctx).Read(ctx, b.tenant, &storage.Query{
		Table: b.of.o.table, Columns: b.of.o.read, After: []any{b.at.after}, Limit: backfillBatch, Lock: true,
	}, func() storage.Row {
		recs = append(recs, b.of.o.newRec())
		return recs[len(recs)-1]
	})
	b.of.show(recs...)
	return recs, err
}

// compute gives living records the formula's value; a deleted one gets it when it is
// restored.
func (b *backfill) compute(ctx context.Context, recs []*rec) error {
	w, err := b.of.o.writer(ctx, VerbUpdate)
	if err != nil {
		return err
	}
	w.custom = b.of
	var changes []*change
	for _, r := range recs {
		if !r.meta().Deleted.IsZero() {
			continue
		}
		c := &change{o: b.of.o, verb: VerbUpdate, event: "updated", before: r, after: r.clone()}
		w.stamp(c)
		b.field.compute(c.after)
		if c.diff(); !c.empty() {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return w.write(ctx, changes)
}

// index writes the rows of records. One whose value another has is not unique yet.
func (b *backfill) index(ctx context.Context, recs []*rec) error {
	rows := make([]*indexRow, 0, len(recs))
	var wanted []any
	for _, r := range recs {
		row := b.field.row(r)
		rows = append(rows, row)
		if row.unique != nil {
			wanted = append(wanted, row.unique)
		}
	}
	holders, err := b.holders(ctx, wanted)
	if err != nil {
		return err
	}
	changes := make([]storage.Change, 0, 2*len(rows))
	for _, row := range rows {
		changes = append(changes, storage.Change{Action: storage.Delete, Table: indexTable, Row: row})
	}
	for _, row := range rows {
		if text, ok := row.unique.(string); ok {
			if held, ok := holders[text]; ok && held != row.record {
				row.unique = nil
			} else {
				holders[text] = row.record
			}
		}
		changes = append(changes, storage.Change{Action: storage.Insert, Table: indexTable, Row: row})
	}
	if len(changes) == 0 {
		return nil
	}
	return b.write(ctx, changes...)
}

// holders returns which records have unique values already.
func (b *backfill) holders(ctx context.Context, wanted []any) (map[string]uuid.UUID, error) {
	holders := map[string]uuid.UUID{}
	if len(wanted) == 0 {
		return holders, nil
	}
	var rows []*indexRow
	err := b.core.session(ctx).Read(ctx, b.tenant, &storage.Query{
		Table: indexTable, Limit: storage.MaxPage, Where: append(b.field.rows(), storage.In{Field: storage.F("unique_value"), Values: wanted}),
	}, func() storage.Row {
		rows = append(rows, &indexRow{})
		return rows[len(rows)-1]
	})
	for _, row := range rows {
		if text, ok := row.unique.(string); ok {
			holders[text] = row.record
		}
	}
	return holders, err
}

// end marks the field ready, unless records have the same value of what must be
// unique: then the next call begins anew.
func (b *backfill) end(ctx context.Context) error {
	err := b.write(ctx, storage.Change{Action: storage.Delete, Table: backfillTable, Row: &b.at})
	if err == nil && b.field.Unique {
		b.clash, err = b.duplicates(ctx)
	}
	if err != nil || b.clash != nil {
		return err
	}
	_, err = b.core.Fields.kind.Do(ctx, b.field.ID, eventReady, func(f *CustomField) error {
		f.Ready = true
		return nil
	})
	return err
}

// duplicates reports living records whose value another has.
func (b *backfill) duplicates(ctx context.Context) (clash, err error) {
	where := append(b.field.rows(), storage.Absent{Field: storage.F("unique_value")}, storage.Not{Expr: withoutValue()},
		storage.Exists{Rel: storage.Rel{Table: b.of.o.table, Column: "id", Key: "record_id"}, Where: living(false)})
	n, err := count(ctx, b.core.session(ctx), b.tenant, indexTable, where)
	if err != nil || n == 0 {
		return nil, err
	}
	var rows []*indexRow
	err = b.core.session(ctx).Read(ctx, b.tenant, &storage.Query{Table: indexTable, Where: where, Limit: 10}, func() storage.Row {
		rows = append(rows, &indexRow{})
		return rows[len(rows)-1]
	})
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.record.String()
	}
	return &ConflictError{Field: b.field.name, Reason: fmt.Sprintf(
		"%s a value that another record has too: change them and call Backfill again. The first: %s", records(n, "has", "have"), strings.Join(ids, ", "))}, err
}

package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Write seals what is protected, and writes.
func (g guarded) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	s := sealer{guarded: g, ctx: ctx, tenant: tenant, changes: changes}
	for i := range changes {
		if err := s.change(i); err != nil {
			return err
		}
	}
	if len(s.contested) > 0 {
		return g.bare.Atomic(ctx, func(bare storage.Session) error {
			if err := s.uncontested(bare); err != nil {
				return err
			}
			return bare.Write(ctx, tenant, s.changes)
		})
	}
	return g.bare.Write(ctx, tenant, s.changes)
}

// sealer seals the changes of one write.
type sealer struct {
	guarded

	ctx     context.Context //nolint:containedctx // it lives for one call
	tenant  string
	changes []storage.Change // the caller's, until one of them is another
	copied  bool

	contested []contest
}

// contest is a unique value that others may have under another of the blind keys, so
// that the database's index does not tell.
type contest struct {
	change int
	table  *storage.Table
	field  string // the column with the blind
	blinds []string
	record uuid.UUID
	where  storage.And
}

// covered is a row of which some values are others.
type covered struct {
	storage.Row

	cols   []int
	values []any
}

// Value is what covers a value, or the value.
func (c *covered) Value(i int) any {
	if k := slices.Index(c.cols, i); k >= 0 {
		return c.values[k]
	}
	return c.Row.Value(i)
}

func (c *covered) cover(col int, v any) {
	c.cols, c.values = append(c.cols, col), append(c.values, v)
}

// change seals one change.
func (s *sealer) change(i int) error {
	c := s.changes[i]
	switch c.Action {
	case storage.Clear:
		x := &exprs{guarded: s.guarded, ctx: s.ctx, tenant: s.tenant}
		if c.Where = x.where(c.Table, c.Where); x.err != nil {
			return x.err
		}
		s.replace(i, c)
		return nil
	case storage.Delete:
		return nil
	case storage.Insert, storage.Update, storage.Put, storage.Add:
	}
	switch row := c.Row.(type) {
	case *eventRow:
		return s.event(i, c, row)
	case *indexRow:
		return s.index(i, c, row)
	}
	if p := s.core.protections[c.Table.Name]; p != nil {
		return s.record(i, c, p)
	}
	return nil
}

func (s *sealer) replace(i int, c storage.Change) {
	if !s.copied {
		s.changes, s.copied = slices.Clone(s.changes), true
	}
	s.changes[i] = c
}

// record seals the row of a record.
func (s *sealer) record(i int, c storage.Change, p *protecting) error {
	writes := func(col int) bool {
		return c.Action != storage.Update || c.Columns == nil || slices.Contains(c.Columns, col)
	}
	row := &covered{Row: c.Row}
	id, _ := c.Row.Value(p.id).(uuid.UUID)
	at := Place{Tenant: s.tenant, Kind: c.Table.Name, Record: ID(id)}
	for _, f := range p.fields {
		at.Field = f.name
		lives := c.Row.Value(f.del) == nil
		if !writes(f.col) && !(f.unique && lives && writes(f.del)) { // one that comes back must be the only one again
			continue
		}
		text, _ := c.Row.Value(f.col).(string)
		var sealed, blind any
		var blinds []string
		if text != "" {
			var err error
			if sealed, err = s.sealedText(s.ctx, at, text); err != nil {
				return err
			}
			if blinds, err = s.core.blinds(s.ctx, at, text); err != nil {
				return err
			}
			blind = blinds[0]
		}
		row.cover(f.col, sealed)
		row.cover(f.blind, blind)
		if c.Action == storage.Update && c.Columns != nil {
			c.Columns = with(c.Columns, f.col, f.blind)
		}
		if f.unique && lives && len(blinds) > 1 {
			s.contested = append(s.contested, contest{i, c.Table, c.Table.Columns[f.blind].Name, blinds, id, storage.And{living(false)}})
		}
	}
	if raw, ok := c.Row.Value(p.custom).(json.RawMessage); ok && writes(p.custom) && bytes.Contains(raw, []byte(protectedMark)) {
		sealed, err := s.sealCustom(s.ctx, at, raw)
		if err != nil {
			return err
		}
		row.cover(p.custom, sealed)
	}
	if row.cols != nil {
		c.Row = row
		s.replace(i, c)
	}
	return nil
}

// with adds columns to those that are there.
func with(cols []int, more ...int) []int {
	cols = slices.Clone(cols)
	for _, col := range more {
		if !slices.Contains(cols, col) {
			cols = append(cols, col)
		}
	}
	return cols
}

// index blinds a row of the index of custom fields.
func (s *sealer) index(i int, c storage.Change, row *indexRow) error {
	if !keptProtected(row.field) {
		return nil
	}
	blinded, blinds, err := s.core.blindIndex(s.ctx, s.tenant, row)
	if err != nil {
		return err
	}
	c.Row = blinded
	s.replace(i, c)
	if len(blinds) > 1 {
		s.contested = append(s.contested, contest{i, c.Table, "unique_value", blinds, row.record, storage.And{
			storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: row.object},
			storage.Is{Field: storage.F("field"), Op: storage.Eq, Value: row.field},
		}})
	}
	return nil
}

// blindIndex returns a row of the index with blinds in the place of values, and all
// blinds of the value that is unique.
func (c *Core) blindIndex(ctx context.Context, tenant string, row *indexRow) (*indexRow, []string, error) {
	out := *row
	at := Place{Tenant: tenant, Kind: row.object, Field: "custom." + row.field}
	if text, ok := row.text.(string); ok {
		all, err := c.blinds(ctx, at, text)
		if err != nil {
			return nil, nil, err
		}
		out.text = all[0]
	}
	text, ok := row.unique.(string)
	if !ok {
		return &out, nil, nil
	}
	at.Field += uniquePlace
	all, err := c.blinds(ctx, at, text)
	if err == nil {
		out.unique = all[0]
	}
	return &out, all, err
}

// blindedSame reports whether a row of the index, as it is stored, is that of values.
func (c *Core) blindedSame(ctx context.Context, tenant string, is, want *indexRow) (bool, error) {
	same := func(stored, v any, place string) (bool, error) {
		text, ok := v.(string)
		if !ok || stored == nil {
			return v == stored, nil
		}
		all, err := c.blinds(ctx, Place{Tenant: tenant, Kind: want.object, Field: "custom." + want.field + place}, text)
		return slices.ContainsFunc(all, func(b string) bool { return stored == b }), err
	}
	text, err := same(is.text, want.text, "")
	if err != nil || !text {
		return false, err
	}
	return same(is.unique, want.unique, uniquePlace)
}

// uniquePlace is what the blind of a folded value, which must be unique, is told by from
// the blind of the value itself.
const uniquePlace = "$unique"

// uncontested refuses a unique value that another record has under another key: while
// there are several, the index does not tell. Those who write such values wait for each
// other, by the tenant's row.
func (s *sealer) uncontested(bare storage.Session) error {
	row := &tenant{}
	err := bare.Read(s.ctx, s.tenant, &storage.Query{
		Table: tenantTable, Columns: []int{tenantTable.Index("bucket")}, Limit: 1, Lock: true,
	}, func() storage.Row { return row })
	if err != nil {
		return err
	}
	for _, x := range s.contested {
		values := make([]any, len(x.blinds))
		for i, b := range x.blinds {
			values[i] = b
		}
		key := "id"
		if x.table.Name == indexTable.Name {
			key = "record_id"
		}
		taken := false
		found := make(storage.Values, len(x.table.Columns))
		err := bare.Read(s.ctx, s.tenant, &storage.Query{
			Table: x.table, Columns: []int{x.table.Index(key)}, Limit: 1, Where: append(slices.Clone(x.where),
				storage.In{Field: storage.F(x.field), Values: values},
				storage.Not{Expr: storage.Is{Field: storage.F(key), Op: storage.Eq, Value: x.record}}),
		}, func() storage.Row { taken = true; return found })
		if err != nil {
			return err
		}
		if taken {
			return &storage.Error{Kind: storage.ErrConflict, Op: "write", Table: x.table.Name, Field: x.field, Change: x.change, Reason: "another row has this value"}
		}
	}
	return nil
}

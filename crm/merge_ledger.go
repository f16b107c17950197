package crm

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// mergeRowTable has the rows of ledgers that a merge gave to the survivor: by their keys,
// and whole where the survivor had one of the same key, so that they are gone.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var mergeRowTable = &storage.Table{Name: "merge_row", Key: []string{"merge_id", "number"}, Columns: []storage.Column{
	{Name: "merge_id", Kind: storage.ID}, {Name: "number", Kind: storage.Int}, {Name: "ledger", Kind: storage.Text},
	{Name: "field", Kind: storage.Text}, {Name: "from_id", Kind: storage.ID}, {Name: "clashed", Kind: storage.Bool}, {Name: "entry", Kind: storage.JSON},
}}

// relinkLedgers gives the rows of ledgers to the survivor, notes them, and counts them by
// ledger.
func (m *merging) relinkLedgers(ctx context.Context, row *mergeRow, moved map[string]int64) error {
	number := int64(0)
	var notes []storage.Change
	flush := func() error {
		err := m.core.session(ctx).Write(ctx, m.sc.Tenant, notes)
		notes = notes[:0]
		return err
	}
	for _, r := range m.absorbed {
		from := r.meta().ID
		err := m.core.relinkLedgers(ctx, m.sc.Tenant, m.object, from, m.survivor.meta().ID, func(e relinked) error {
			number++
			moved[e.of.name]++
			notes = append(notes, storage.Change{Action: storage.Insert, Table: mergeRowTable, Checked: true, Row: storage.Values{
				row.id, number, e.of.name, e.by.name, uuid.UUID(from), e.clashed, e.of.entry(e.was, e.clashed),
			}})
			if len(notes) < relinkBatch {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
	}
	return flush()
}

// entry is a row as it is noted: its key, or all of it.
func (o *object) entry(row storage.Values, whole bool) json.RawMessage {
	out := map[string]any{}
	for i, c := range o.specs {
		if whole || slices.Contains(o.key, c.Name) {
			out[c.Name] = row[i]
		}
	}
	return canonical(out)
}

// fromEntry reads what entry wrote.
func (o *object) fromEntry(raw json.RawMessage) (storage.Values, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	row := make(storage.Values, len(o.specs))
	for i, c := range o.specs {
		v := in[c.Name]
		if isNone(v) {
			continue
		}
		var err error
		switch c.Kind {
		case storage.ID:
			row[i], err = decoded[uuid.UUID](v)
		case storage.Int:
			row[i], err = decoded[int64](v)
		case storage.Bool:
			row[i], err = decoded[bool](v)
		case storage.Text:
			row[i], err = decoded[string](v)
		case storage.Bytes:
			row[i], err = decoded[[]byte](v)
		case storage.Day:
			row[i], err = decoded[Date](v)
		case storage.Time:
			var t time.Time
			t, err = decoded[time.Time](v)
			row[i] = t.UTC()
		case storage.JSON:
			row[i] = v
		}
		if err != nil {
			return nil, err
		}
	}
	return row, nil
}

func decoded[T any](raw json.RawMessage) (v T, err error) {
	err = json.Unmarshal(raw, &v)
	return v, err
}

// returnRows gives rows of ledgers back that are still the survivor's.
func (u *unmerging) returnRows(ctx context.Context) error {
	q := &storage.Query{
		Table: mergeRowTable, Limit: relinkBatch, Where: storage.Is{Field: storage.F("merge_id"), Op: storage.Eq, Value: u.row.id},
	}
	for {
		var notes []storage.Values
		err := u.core.session(ctx).Read(ctx, u.sc.Tenant, q, func() storage.Row {
			notes = append(notes, make(storage.Values, len(mergeRowTable.Columns)))
			return notes[len(notes)-1]
		})
		if err != nil {
			return err
		}
		for _, note := range notes {
			q.After = []any{note[0], note[1]}
			if err := u.returnRow(ctx, note); err != nil {
				return err
			}
		}
		if len(notes) < q.Limit {
			return nil
		}
	}
}

func (u *unmerging) returnRow(ctx context.Context, note storage.Values) error {
	i := slices.IndexFunc(u.core.ledgersOf(u.object), func(r *relation) bool { return r.of.name == note[2] && r.by.name == note[3] })
	if i < 0 { // the ledger is there no more
		return nil
	}
	r := u.core.ledgersOf(u.object)[i]
	raw, _ := note[6].(json.RawMessage)
	row, err := r.of.fromEntry(raw)
	if err != nil {
		return err
	}
	if note[5] == true { // the survivor's own stays, and this one is made once more
		u.returned[r.of.name]++
		return u.core.session(ctx).Write(ctx, u.sc.Tenant, []storage.Change{{Action: storage.Add, Table: r.of.table, Row: row}})
	}
	where := storage.And{r.refersTo(ID(u.row.survivor))}
	for _, name := range r.of.key {
		if name != r.by.name {
			where = append(where, storage.Is{Field: storage.F(name), Op: storage.Eq, Value: row[r.of.table.Index(name)]})
		}
	}
	now := make(storage.Values, len(r.of.specs))
	found := false
	err = u.core.session(ctx).Read(ctx, u.sc.Tenant, &storage.Query{Table: r.of.table, Where: where, Limit: 1, Lock: true}, func() storage.Row {
		found = true
		return now
	})
	if err != nil || !found { // it was removed since
		return err
	}
	u.returned[r.of.name]++
	return u.core.session(ctx).Write(ctx, u.sc.Tenant, r.moved([]storage.Values{now}, note[4], make([]bool, 1)))
}

package crm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// indexTable is where values of custom fields are kept once more that are unique, or
// found quickly. A record, living or deleted, has a row for each such field, without
// values where it has none, so that lists find it in its place. Only the row of a
// living one says what must be unique.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var indexTable = &storage.Table{Name: "field_index", Key: []string{"object", "record_id", "field"}, Columns: []storage.Column{
	{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "field", Kind: storage.Text},
	{Name: "int_value", Kind: storage.Int, Null: true}, {Name: "text_value", Kind: storage.Text, Null: true},
	{Name: "unique_value", Kind: storage.Text, Null: true},
}}

// indexRow is a row of it.
type indexRow struct {
	object string
	record uuid.UUID
	field  string
	number any // int64 or nil
	text   any // string or nil
	unique any // string or nil
}

// Value returns column i.
func (r *indexRow) Value(i int) any {
	switch i {
	case 0:
		return r.object
	case 1:
		return r.record
	case 2:
		return r.field
	case 3:
		return r.number
	case 4:
		return r.text
	}
	return r.unique
}

// Dest returns where column i is put.
func (r *indexRow) Dest(i int) any {
	return [...]any{&r.object, &r.record, &r.field, &r.number, &r.text, &r.unique}[i]
}

// lookup says how a filter asks the index for values of a kind.
func (f *customField) lookup(k storage.Kind) *filter.Lookup {
	at := "text_value"
	if k == storage.Int {
		at = "int_value"
	}
	return &filter.Lookup{
		Rel: storage.Rel{Table: indexTable, Column: "record_id", Key: "id"}, Where: f.rows(), At: storage.F(at),
	}
}

// rows is the condition that a row of the index is the field's.
func (f *CustomField) rows() storage.And {
	return storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: f.Object},
		storage.Is{Field: storage.F("field"), Op: storage.Eq, Value: f.Key},
	}
}

// row is what the index has of a record for the field.
func (f *customField) row(r *rec) *indexRow {
	m := r.meta()
	row := &indexRow{object: r.o.name, record: uuid.UUID(m.ID), field: f.Key}
	v := f.find(m.kept.values())
	if v == nil {
		return row
	}
	switch kept := m.kept.members[f.Key].(type) {
	case int64:
		row.number = kept
	case string:
		row.text = kept
	}
	if f.Unique && m.Deleted.IsZero() {
		row.unique = f.uniqueText(v)
	}
	return row
}

// maxUnique is how long a unique text is at most as it is; a longer one is hashed.
const maxUnique = 500

// uniqueText is the same for two values that must not be there twice.
func (f *customField) uniqueText(v any) string {
	var text string
	switch v := v.(type) {
	case string:
		if text = v; f.Type == FieldText || f.Type == FieldEmail || f.Type == FieldURL {
			text = Fold(v)
		}
	case int64:
		text = strconv.FormatInt(v, 10)
	case Date:
		text = v.String()
	case time.Time:
		text = strconv.FormatInt(v.UnixMicro(), 10)
	case ID:
		text = v.String()
	}
	if len(text) > maxUnique {
		sum := sha256.Sum256([]byte(text))
		return "sha256 " + hex.EncodeToString(sum[:])
	}
	return text
}

// indexRows are what a change does to the index of custom fields. A row that stays
// the same is not written: while a field is not ready it may be missing, or not yet
// unique, which is for the one who fills the index.
func (c *Core) indexRows(w *writer, ch *change) (rows []storage.Change) {
	if w.custom == nil {
		return nil
	}
	if ch.after == nil {
		return w.purgeRows(ch)
	}
	var insert []storage.Change
	for _, f := range w.custom.promoted {
		var was *indexRow
		if ch.before != nil {
			was = f.row(ch.before)
		}
		is := f.row(ch.after)
		if was != nil && *was == *is {
			continue
		}
		if was != nil {
			rows = append(rows, storage.Change{Action: storage.Delete, Table: indexTable, Row: was})
		}
		insert = append(insert, storage.Change{Action: storage.Insert, Table: indexTable, Row: is})
	}
	return append(rows, insert...)
}

// most is how many rows a change of a record has in the index at most.
func (s *fieldSet) most() int {
	if s == nil {
		return 0
	}
	return max(1, 2*len(s.promoted))
}

// purgeRows removes all rows of a record, also of fields that were promoted once.
func (w *writer) purgeRows(ch *change) []storage.Change {
	return []storage.Change{{Action: storage.Clear, Table: indexTable, Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(ch.before.meta().ID)},
	}}}
}

// customTaken says whose unique value a change wanted. Of several changes it may be
// another than the database named, which does not always say.
func (w *writer) customTaken(ctx context.Context, part []*change, named int) error {
	for _, i := range append([]int{named}, indexes(len(part))...) {
		if part[i].after == nil {
			continue
		}
		for _, f := range w.custom.all() {
			row := f.row(part[i].after)
			if row.unique == nil {
				continue
			}
			taken, holder, err := w.holder(ctx, f, row)
			if err != nil {
				return err
			}
			if taken {
				return at(i, len(part), &ConflictError{Field: f.name, Holder: holder, Reason: "another record has this value"})
			}
		}
	}
	// Nobody has it, so that two of the changes want the same; or it was given up.
	return at(named, len(part), &ConflictError{Field: "custom", Reason: "a value that must be unique is wanted twice"})
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// holder returns whether another record has a unique value, and which, when the
// actor may read it.
func (w *writer) holder(ctx context.Context, f *customField, row *indexRow) (taken bool, holder ID, err error) {
	found := indexRow{}
	where := append(f.rows(), storage.Is{Field: storage.F("unique_value"), Op: storage.Eq, Value: row.unique},
		storage.Not{Expr: storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: row.record}})
	session := w.core.session(ctx)
	err = session.Read(ctx, w.sc.Tenant, &storage.Query{Table: indexTable, Where: where, Limit: 1}, func() storage.Row {
		taken = true
		return &found
	})
	if err != nil || !taken {
		return false, ID{}, err
	}
	n, err := count(ctx, session, w.sc.Tenant, w.table, w.access.reading(storage.And{w.lives(), byID(ID(found.record))}))
	if n == 1 {
		holder = ID(found.record)
	}
	return true, holder, err
}

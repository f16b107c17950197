package crm

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// MaxFind is how many values one call of [Records.Find] looks for.
const MaxFind = 1000

// Find returns the living records that have given texts in a field, by the text: of
// "refs.shopify" by their keys there. Where a field is marked fold, case and accents
// make no difference. Of records the actor may not read there is no sign.
func (r *Records) Find(ctx context.Context, field string, texts []string) (map[string][]ID, error) {
	found, err := r.find(ctx, field, texts)
	return found, failed("find", r.o.name, ID{}, err)
}

func (r *Records) find(ctx context.Context, field string, texts []string) (map[string][]ID, error) {
	if len(texts) > MaxFind {
		return nil, Invalid("texts", "there are %d, and %d are allowed", len(texts), MaxFind)
	}
	rd, err := r.o.reader(ctx)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	if err := rd.access.readable(field); err != nil {
		return nil, err
	}
	if source, ok := strings.CutPrefix(field, "refs."); ok {
		return rd.findByRef(ctx, source, texts)
	}
	f := r.o.byName[field]
	if f == nil || f.typ != TypeText {
		return nil, Invalid("field", "%s has no text %q to find records by", r.o.name, clip(field))
	}
	col, form := f.col, strings.TrimSpace
	if f.foldCol >= 0 {
		col, form = f.foldCol, Fold
	}
	given := map[string][]string{} // as they were given, by the form compared
	values := make([]any, 0, len(texts))
	for _, t := range texts {
		k := form(t)
		if k == "" || textFault(k, len(k)) != "" {
			continue
		}
		if given[k] == nil {
			values = append(values, k)
		}
		given[k] = append(given[k], t)
	}
	if len(values) == 0 {
		return map[string][]ID{}, nil
	}
	found := map[string][]ID{}
	name := r.o.specs[col].Name
	// In the order of what is compared: by an index of it, if there is one, and no other.
	by := []storage.Order{{Field: storage.F(name)}}
	if f.protected { // has none
		by = nil
	}
	err = rd.each(ctx, storage.And{rd.lives(), storage.In{Field: storage.F(name), Values: values}}, f.col, by, func(rec *rec) {
		text, _ := rec.Value(f.col).(string)
		for _, t := range given[form(text)] {
			if !slices.Contains(found[t], rec.meta().ID) {
				found[t] = append(found[t], rec.meta().ID)
			}
		}
	})
	return found, err
}

// each reads id and one other column of the records that satisfy a condition, as far as
// the actor may read them: in the order of their ids, or before that of the column, or
// what is folded of it.
func (r *reader) each(ctx context.Context, where storage.And, col int, by []storage.Order, fn func(*rec)) error {
	id := r.byName["id"].col
	q := &storage.Query{Table: r.table, Columns: []int{id, col}, Where: r.access.reading(where), Order: by, Limit: storage.MaxPage}
	for {
		n := 0
		var last *rec
		err := r.core.session(ctx).Read(ctx, r.sc.Tenant, q, func() storage.Row {
			if last != nil {
				fn(last)
			}
			last, n = r.newRec(), n+1
			return last
		})
		if err != nil {
			return err
		}
		if last != nil {
			fn(last)
		}
		if n < q.Limit {
			return nil
		}
		q.After = []any{uuid.UUID(last.meta().ID)}
		if by != nil {
			text, _ := last.Value(col).(string)
			if by[0].Field.Name != r.specs[col].Name {
				text = Fold(text)
			}
			q.After = []any{text, q.After[0]}
		}
	}
}

// findByRef finds records by their keys in another system.
func (r *reader) findByRef(ctx context.Context, source string, keys []string) (map[string][]ID, error) {
	values := make([]any, 0, len(keys))
	for _, k := range keys {
		if k != "" && textFault(k, len(k)) == "" {
			values = append(values, k)
		}
	}
	if len(values) == 0 || source == "" {
		return map[string][]ID{}, nil
	}
	byID := map[ID][]string{}
	var ids []any
	var row storage.Values
	note := func() {
		if row == nil {
			return
		}
		key, _ := row[2].(string)
		id, _ := row[3].(uuid.UUID)
		if byID[ID(id)] == nil {
			ids = append(ids, id)
		}
		byID[ID(id)] = append(byID[ID(id)], key)
	}
	err := r.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{Table: refTable, Limit: MaxFind, Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: r.name},
		storage.Is{Field: storage.F("source"), Op: storage.Eq, Value: source},
		storage.In{Field: storage.F("key"), Values: values},
	}}, func() storage.Row {
		note()
		row = storage.Values{nil, nil, nil, uuid.Nil}
		return row
	})
	if err != nil {
		return nil, err
	}
	note()
	found := map[string][]ID{}
	if len(ids) == 0 {
		return found, nil
	}
	err = r.each(ctx, storage.And{r.lives(), storage.In{Field: storage.F("id"), Values: ids}}, r.byName["version"].col, nil, func(rec *rec) {
		for _, k := range byID[rec.meta().ID] {
			found[k] = append(found[k], rec.meta().ID)
		}
	})
	return found, err
}

package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"strings"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// The objects of the tests: deals, which refer to a person (with a scope), to a team
// (without) and which purchases (with) and marks (without) refer to.

// object is a filter.Object made of maps.
type object struct {
	name   string
	table  *storage.Table
	fields map[string]filter.Field
	custom map[string]filter.Field
	refs   map[string]ref
	rels   map[string]relation
	scope  storage.Expr
}

type (
	ref struct {
		column string
		to     *object
	}
	relation struct {
		rel storage.Rel
		of  *object
	}
)

func (o *object) Name() string                            { return o.name }
func (o *object) Table() *storage.Table                   { return o.table }
func (o *object) Scope() storage.Expr                     { return o.scope }
func (o *object) Field(name string) (filter.Field, bool)  { f, ok := o.fields[name]; return f, ok }
func (o *object) Custom(name string) (filter.Field, bool) { f, ok := o.custom[name]; return f, ok }

func (o *object) Ref(name string) (string, filter.Object, bool) {
	r, ok := o.refs[name]
	return r.column, r.to, ok
}

func (o *object) Relation(name string) (storage.Rel, filter.Object, bool) {
	r, ok := o.rels[name]
	return r.rel, r.of, ok
}

// objects are the objects of one database.
type objects struct{ deal, person, team, purchase, mark, index *object }

func (o objects) all() []*object {
	return []*object{o.person, o.team, o.deal, o.purchase, o.mark, o.index}
}

func column(name string, kind storage.Kind) storage.Column {
	return storage.Column{Name: name, Kind: kind, Null: true}
}

func key() storage.Column { return storage.Column{Name: "id", Kind: storage.ID} }

func table(name string, columns ...storage.Column) *storage.Table {
	return &storage.Table{Name: name, Key: []string{"id"}, Columns: append([]storage.Column{key()}, columns...)}
}

func field(t filter.Type, column string) filter.Field {
	return filter.Field{Type: t, At: storage.F(column)}
}

func member(t filter.Type, name string, kind storage.Kind) filter.Field {
	return filter.Field{Type: t, At: storage.Field{Name: "custom", Member: name, Kind: kind}}
}

func with(f filter.Field, change func(*filter.Field)) filter.Field {
	change(&f)
	return f
}

func customs() map[string]filter.Field {
	return map[string]filter.Field{
		"tier":    member(filter.Text, "tier", storage.Text),
		"n":       member(filter.Int, "n", storage.Int),
		"ok":      member(filter.Bool, "ok", storage.Bool),
		"at":      member(filter.Time, "at", storage.Int),
		"day":     member(filter.Date, "day", storage.Text),
		"who":     member(filter.ID, "who", storage.Text),
		"colours": member(filter.Tags, "colours", storage.JSON),
		"price":   with(member(filter.Decimal, "price", storage.Int), func(f *filter.Field) { f.Scale = 2 }),
		"worth": with(member(filter.Money, "worth", storage.Int), func(f *filter.Field) {
			f.Currency = storage.Field{Name: "custom", Member: "worth_currency", Kind: storage.Text}
		}),
	}
}

func newObjects() objects {
	fold := storage.F("name_fold")
	money := func(name string) filter.Field {
		return with(field(filter.Money, name), func(f *filter.Field) { f.Currency = storage.F(name + "_currency") })
	}
	living := storage.Is{Field: storage.F("deleted"), Op: storage.Eq, Value: false}
	o := objects{
		person: &object{
			name: "person", scope: living, custom: customs(),
			table: table("person", column("name", storage.Text), column("name_fold", storage.Text), column("country", storage.Text), column("active", storage.Bool),
				column("since", storage.Day), column("seen", storage.Time), column("rank", storage.Int), column("limit", storage.Int),
				column("limit_currency", storage.Text), column("tags", storage.JSON), column("custom", storage.JSON), column("deleted", storage.Bool)),
			fields: map[string]filter.Field{
				"id": field(filter.ID, "id"), "country": field(filter.Text, "country"), "active": field(filter.Bool, "active"), "since": field(filter.Date, "since"),
				"seen": field(filter.Time, "seen"), "rank": field(filter.Int, "rank"), "limit": money("limit"), "tags": field(filter.Tags, "tags"),
				"name": with(field(filter.Text, "name"), func(f *filter.Field) { f.Fold = &fold }),
			},
		},
		team: &object{
			name: "team", table: table("team", column("title", storage.Text), column("size", storage.Int), column("custom", storage.JSON)), custom: customs(),
			fields: map[string]filter.Field{"title": field(filter.Text, "title"), "size": field(filter.Int, "size")},
		},
		deal: &object{
			name: "deal", custom: customs(),
			table: table("deal", column("name", storage.Text), column("name_fold", storage.Text), column("stage", storage.Text), column("score", storage.Int),
				storage.Column{Name: "open", Kind: storage.Bool}, column("hot", storage.Bool), storage.Column{Name: "created", Kind: storage.Time},
				column("closed", storage.Time), column("due", storage.Day), column("began", storage.Day), column("amount", storage.Int), column("amount_currency", storage.Text),
				column("cost", storage.Int), column("cost_currency", storage.Text), column("rate", storage.Int), column("fee", storage.Int),
				column("owner_id", storage.ID), column("person_id", storage.ID), column("team_id", storage.ID), column("tags", storage.JSON), column("custom", storage.JSON)),
			fields: map[string]filter.Field{
				"id": field(filter.ID, "id"), "stage": field(filter.Text, "stage"), "score": field(filter.Int, "score"), "open": field(filter.Bool, "open"),
				"hot": field(filter.Bool, "hot"), "created": field(filter.Time, "created"), "closed": field(filter.Time, "closed"),
				"due": field(filter.Date, "due"), "began": field(filter.Date, "began"), "amount": money("amount"), "cost": money("cost"),
				"rate":     with(field(filter.Decimal, "rate"), func(f *filter.Field) { f.Scale = 2 }),
				"fee":      with(field(filter.Decimal, "fee"), func(f *filter.Field) { f.Scale = 2 }),
				"owner_id": field(filter.ID, "owner_id"), "person_id": field(filter.ID, "person_id"), "tags": field(filter.Tags, "tags"),
				"name": with(field(filter.Text, "name"), func(f *filter.Field) { f.Fold = &fold }),
			},
		},
		purchase: &object{
			name: "purchase", scope: living, custom: customs(),
			table: table("purchase", column("deal_id", storage.ID), column("person_id", storage.ID), column("total", storage.Int), column("total_currency", storage.Text),
				column("at", storage.Time), column("label", storage.Text), column("paid", storage.Bool), column("tags", storage.JSON), column("custom", storage.JSON), column("deleted", storage.Bool)),
			fields: map[string]filter.Field{
				"total": money("total"), "at": field(filter.Time, "at"), "label": field(filter.Text, "label"), "paid": field(filter.Bool, "paid"), "tags": field(filter.Tags, "tags"),
			},
		},
		mark: &object{
			name: "mark", table: table("mark", column("deal_id", storage.ID), column("kind", storage.Text), column("n", storage.Int), column("custom", storage.JSON)), custom: customs(),
			fields: map[string]filter.Field{"kind": field(filter.Text, "kind"), "n": field(filter.Int, "n")},
		},
		index: &object{
			name:  "field_index",
			table: table("field_index", column("record_id", storage.ID), column("field", storage.Text), column("text", storage.Text), column("int", storage.Int)),
		},
	}
	for name, at := range map[string]string{"code": "text", "points": "int"} {
		f := member(filter.Text, name, storage.Text)
		if at == "int" {
			f = member(filter.Int, name, storage.Int)
		}
		f.Lookup = &filter.Lookup{
			Rel:   storage.Rel{Table: o.index.table, Column: "record_id", Key: "id"},
			Where: storage.Is{Field: storage.F("field"), Op: storage.Eq, Value: name},
			At:    storage.F(at),
		}
		o.deal.custom[name] = f
		o.person.custom[name] = f
	}
	o.deal.refs = map[string]ref{"person": {"person_id", o.person}, "team": {"team_id", o.team}}
	o.purchase.refs = map[string]ref{"person": {"person_id", o.person}}
	o.deal.rels = map[string]relation{
		"purchases": {storage.Rel{Table: o.purchase.table, Column: "deal_id", Key: "id"}, o.purchase},
		"marks":     {storage.Rel{Table: o.mark.table, Column: "deal_id", Key: "id"}, o.mark},
	}
	return o
}

// line is the migration of the objects' tables on both engines.
func line(o objects) storage.Line {
	types := map[string][]string{
		"sqlite":   {"", "integer", "integer", "text", "blob", "blob", "integer", "text", "text"},
		"postgres": {"", "boolean", "bigint", `text collate "C"`, "bytea", "uuid", "timestamptz", "date", "jsonb"},
	}
	files := fstest.MapFS{}
	for dialect, kinds := range types {
		var b strings.Builder
		for _, of := range o.all() {
			prefix, strict, text := "crm_", " strict", "text"
			if dialect == "postgres" {
				prefix, strict, text = "{schema}.", "", kinds[storage.Text]
			}
			fmt.Fprintf(&b, "create table %s%s (tenant %s not null", prefix, of.table.Name, text)
			for _, c := range of.table.Columns {
				fmt.Fprintf(&b, ", %q %s", c.Name, kinds[c.Kind])
				if !c.Null {
					b.WriteString(" not null")
				}
			}
			fmt.Fprintf(&b, ", primary key (tenant, id))%s;\n", strict)
		}
		files[dialect+"/0001_tables.sql"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return storage.Line{Name: "filter", Files: files}
}

// record is a record by the language's own values: nil, string, int64, bool,
// time.Time, storage.Date, uuid.UUID, filter.Amount, *big.Rat or []string. What a
// reference or relation does not reach is not in it.
type record struct {
	id      uuid.UUID
	fields  map[string]any
	custom  map[string]any
	refs    map[string]*record
	rels    map[string][]*record
	deleted bool
	keys    map[string]uuid.UUID // columns that hold the keys of others
}

// row is the record as a row of its object's table.
func (o *object) row(r *record) storage.Values {
	v := make(storage.Values, len(o.table.Columns))
	set := func(name string, value any) {
		if i := o.table.Index(name); i >= 0 && value != nil {
			v[i] = value
		}
	}
	for name, f := range o.fields {
		switch value := r.fields[name].(type) {
		case nil:
		case filter.Amount:
			set(f.At.Name, value.Minor)
			set(f.Currency.Name, value.Currency)
		case *big.Rat:
			set(f.At.Name, unscaled(value, f.Scale))
		case []string:
			set(f.At.Name, mustJSON(value))
		case string:
			set(f.At.Name, value)
			if f.Fold != nil {
				set(f.Fold.Name, fold(value))
			}
		default:
			set(f.At.Name, value)
		}
	}
	object := map[string]any{}
	for name, f := range o.custom {
		switch value := r.custom[name].(type) {
		case nil:
		case filter.Amount:
			object[f.At.Member], object[f.Currency.Member] = value.Minor, value.Currency
		case *big.Rat:
			object[f.At.Member] = unscaled(value, f.Scale)
		case time.Time:
			object[f.At.Member] = value.UnixMicro()
		case storage.Date:
			object[f.At.Member] = value.String()
		default:
			object[f.At.Member] = value
		}
	}
	for name, id := range r.keys {
		set(name, id)
	}
	set("custom", mustJSON(object))
	set("deleted", r.deleted)
	set("id", r.id)
	return v
}

func unscaled(r *big.Rat, scale int) int64 {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return new(big.Rat).Mul(r, new(big.Rat).SetInt(unit)).Num().Int64()
}

func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values of these tests can be written
	}
	return data
}

func fold(s string) string { return strings.ToLower(s) }

// money is the Env.Money of the tests: two digits after the point.
func money(amount, currency string) (int64, error) {
	r, ok := new(big.Rat).SetString(amount)
	if !ok || len(currency) != 3 {
		return 0, errors.New("no amount")
	}
	r.Mul(r, big.NewRat(100, 1))
	if !r.IsInt() {
		return 0, errors.New("too many digits")
	}
	return r.Num().Int64(), nil
}

// memory is the rows of one tenant.
type memory map[*storage.Table][]storage.Values

// source is a row of a memory as storage.Match reads it.
type source struct {
	m memory
	t *storage.Table
	v storage.Values
}

func (s source) Value(f storage.Field) any {
	if f.Ref != nil {
		key, to := s.v[s.t.Index(f.Ref.Column)], f.Ref.Table
		f.Ref = nil
		for _, v := range s.m[to] {
			if key != nil && storage.Compare(v[to.Index("id")], key) == 0 {
				return source{s.m, to, v}.Value(f)
			}
		}
		return nil
	}
	value := s.v[s.t.Index(f.Name)]
	if f.Member == "" || value == nil {
		return value
	}
	var object map[string]json.RawMessage
	if raw, ok := value.(json.RawMessage); !ok || json.Unmarshal(raw, &object) != nil || object[f.Member] == nil {
		return nil
	}
	switch f.Kind {
	case storage.Text:
		return decode[string](object[f.Member])
	case storage.Int:
		return decode[int64](object[f.Member])
	case storage.Bool:
		return decode[bool](object[f.Member])
	default:
		return object[f.Member]
	}
}

func decode[T any](data json.RawMessage) any {
	var v *T
	if json.Unmarshal(data, &v) != nil || v == nil {
		return nil
	}
	return *v
}

func (s source) Related(r storage.Rel) iter.Seq[storage.Source] {
	return func(yield func(storage.Source) bool) {
		key := s.v[s.t.Index(r.Key)]
		for _, v := range s.m[r.Table] {
			if other := v[r.Table.Index(r.Column)]; key != nil && other != nil && storage.Compare(key, other) == 0 {
				if !yield(source{s.m, r.Table, v}) {
					return
				}
			}
		}
	}
}

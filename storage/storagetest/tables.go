package storagetest

import (
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

//go:embed migrations
var migrations embed.FS

// suiteLine is the migration line of the suite's tables.
func suiteLine() storage.Line {
	return storage.Line{Name: "suite", Files: sub(migrations, "migrations")}
}

// tables are the suite's tables: a set for each database, since an adapter keeps
// what it derives from a Table under its address.
type tables struct {
	author   *storage.Table // a record that notes refer to
	note     *storage.Table // a record with every kind, required and not
	mark     *storage.Table // a ledger about notes
	queue    *storage.Table // work under a lease
	registry *storage.Table // one row a tenant
	term     *storage.Table // a ledger of words about notes
}

func newTables() *tables {
	return &tables{author: authorTable(), note: noteTable(), mark: markTable(), queue: queueTable(), registry: registryTable(), term: termTable()}
}

func termTable() *storage.Table {
	return &storage.Table{Name: "term", Key: []string{"kind", "note_id"}, Words: "words", Columns: []storage.Column{
		{Name: "note_id", Kind: storage.ID},
		{Name: "kind", Kind: storage.Text},
		{Name: "words", Kind: storage.Text},
		{Name: "n", Kind: storage.Int, Null: true},
	}}
}

func authorTable() *storage.Table {
	return &storage.Table{Name: "author", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int},
		{Name: "name", Kind: storage.Text},
		{Name: "city", Kind: storage.Text, Null: true},
		{Name: "rank", Kind: storage.Int, Null: true},
		{Name: "born", Kind: storage.Day, Null: true},
		{Name: "seen", Kind: storage.Time, Null: true},
		{Name: "data", Kind: storage.JSON, Null: true},
	}}
}

func noteTable() *storage.Table {
	return &storage.Table{Name: "note", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int},
		{Name: "title", Kind: storage.Text},
		{Name: "body", Kind: storage.Text, Null: true},
		{Name: "rank", Kind: storage.Int},
		{Name: "score", Kind: storage.Int, Null: true},
		{Name: "done", Kind: storage.Bool},
		{Name: "seen", Kind: storage.Bool, Null: true},
		{Name: "at", Kind: storage.Time},
		{Name: "due", Kind: storage.Time, Null: true},
		{Name: "day", Kind: storage.Day},
		{Name: "until", Kind: storage.Day, Null: true},
		{Name: "blob", Kind: storage.Bytes},
		{Name: "sign", Kind: storage.Bytes, Null: true},
		{Name: "token", Kind: storage.ID, Null: true},     // of an author, perhaps: no foreign key
		{Name: "parent_id", Kind: storage.ID, Null: true}, // a note
		{Name: "author_id", Kind: storage.ID, Null: true}, // an author
		{Name: "custom", Kind: storage.JSON},
		{Name: "tags", Kind: storage.JSON, Null: true},
		{Name: "email", Kind: storage.Text, Null: true}, // unique in its tenant
	}}
}

func markTable() *storage.Table {
	return &storage.Table{Name: "mark", Key: []string{"note_id", "kind", "n"}, Columns: []storage.Column{
		{Name: "note_id", Kind: storage.ID},
		{Name: "kind", Kind: storage.Text},
		{Name: "n", Kind: storage.Int},
		{Name: "at", Kind: storage.Time, Null: true},
		{Name: "code", Kind: storage.Text, Null: true}, // unique in its tenant
		{Name: "flag", Kind: storage.Bool, Null: true},
		{Name: "day", Kind: storage.Day, Null: true},
		{Name: "link", Kind: storage.ID, Null: true},
		{Name: "raw", Kind: storage.Bytes, Null: true},
		{Name: "data", Kind: storage.JSON, Null: true},
	}}
}

func queueTable() *storage.Table {
	return &storage.Table{Name: "queue", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int},
		{Name: "bucket", Kind: storage.Int},
		{Name: "due", Kind: storage.Time, Null: true},
		{Name: "kind", Kind: storage.Text},
		{Name: "data", Kind: storage.JSON, Null: true},
	}}
}

// registryTable has a column whose name is a word of SQL: names are quoted.
func registryTable() *storage.Table {
	return &storage.Table{Name: "registry", Version: "version", Columns: []storage.Column{
		{Name: "version", Kind: storage.Int},
		{Name: "number", Kind: storage.Int},
		{Name: "name", Kind: storage.Text, Null: true},
		{Name: "order", Kind: storage.Int, Null: true},
	}}
}

// row returns a row of t: the values that set gives as name, value, name, value
// (an int for an int64), version 1, the zero of what is required besides, and
// nothing of the rest.
func row(t *storage.Table, set ...any) storage.Values {
	v := make(storage.Values, len(t.Columns))
	for i, c := range t.Columns {
		switch {
		case c.Name == t.Version:
			v[i] = int64(1)
		case !c.Null:
			v[i] = zero(c.Kind)
		}
	}
	return change(t, v, set...)
}

// change returns a copy of a row of t with the values that set gives.
func change(t *storage.Table, v storage.Values, set ...any) storage.Values {
	v = append(storage.Values(nil), v...)
	for n := 0; n < len(set); n += 2 {
		name, ok := set[n].(string)
		i := t.Index(name)
		if !ok || i < 0 {
			panic(fmt.Sprintf("storagetest: %s has no column %v", t.Name, set[n]))
		}
		v[i] = set[n+1]
		if n, ok := v[i].(int); ok {
			v[i] = int64(n)
		}
	}
	return v
}

// zero is a value every required column can hold: of a time and a day the epoch.
func zero(k storage.Kind) any {
	switch k {
	case storage.Bool:
		return false
	case storage.Int:
		return int64(0)
	case storage.Text:
		return ""
	case storage.Bytes:
		return []byte{}
	case storage.ID:
		return uuid.Nil
	case storage.Time:
		return time.Unix(0, 0).UTC()
	case storage.Day:
		return storage.Date{Year: 1970, Month: time.January, Day: 1}
	case storage.JSON:
		return json.RawMessage(`{}`)
	}
	panic("storagetest: no such kind")
}

// id returns the n-th identifier. Any tenant has the same ones, on purpose.
func id(n int) uuid.UUID {
	return uuid.UUID{0: 0x01, 6: 0x70, 8: 0x80, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
}

// at returns the n-th second of a day that all tests share.
func at(n int) time.Time {
	return time.Date(2024, time.February, 29, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

func day(y int, m time.Month, d int) storage.Date { return storage.Date{Year: y, Month: m, Day: d} }

func raw(s string) json.RawMessage { return json.RawMessage(s) }

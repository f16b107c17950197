package dbtest

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

// tenant is who the tests beside the suite work for.
const tenant = "acme"

// files is how many migrations [line] has; each but the first leaves a row behind, so that one applied twice shows.
const files = 8

// line is a migration line with a record, note, and a ledger, applied.
func line() storage.Line {
	all := fstest.MapFS{}
	for dialect, c := range map[string]struct{ prefix, id, text, number string }{
		"postgres": {"{schema}.", "uuid", `text collate "C"`, "bigint"},
		"sqlite":   {"crm_", "blob", "text", "integer"},
	} {
		add := func(name, format string, args ...any) {
			all[dialect+"/"+name+".sql"] = &fstest.MapFile{Data: fmt.Appendf(nil, format, args...)}
		}
		add("0001_tables", `
create table %[1]snote (tenant %[3]s not null, id %[2]s not null, version %[4]s not null, title %[3]s not null, n %[4]s not null,
	primary key (tenant, id));
create table %[1]sapplied (n %[4]s not null);`, c.prefix, c.id, c.text, c.number)
		for n := 2; n <= files; n++ {
			add(fmt.Sprintf("%04d_row", n), "insert into %sapplied values (%d)", c.prefix, n)
		}
	}
	return storage.Line{Name: "host", Files: all}
}

// notes returns the table note. Each caller has its own, since an adapter keeps what it derives from a Table.
func notes() *storage.Table {
	return &storage.Table{Name: "note", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int},
		{Name: "title", Kind: storage.Text}, {Name: "n", Kind: storage.Int},
	}}
}

// note returns a note; any process makes the same of the same n.
func note(n int, title string) storage.Values {
	id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, n))
	return storage.Values{id, int64(1), title, int64(n)}
}

func insert(t *storage.Table, row storage.Values) storage.Change {
	return storage.Change{Action: storage.Insert, Table: t, Row: row}
}

// read returns the notes of a tenant.
func read(ctx context.Context, s storage.Session, of string, q storage.Query) ([]storage.Values, error) {
	var rows []storage.Values
	err := s.Read(ctx, of, &q, func() storage.Row {
		rows = append(rows, make(storage.Values, len(q.Table.Columns)))
		return rows[len(rows)-1]
	})
	return rows, err
}

// titles returns the titles of a tenant's notes, in the order of n.
func titles(t *testing.T, s storage.Session, of string) []string {
	t.Helper()
	rows, err := read(t.Context(), s, of, storage.Query{Table: notes(), Limit: storage.MaxPage, Order: []storage.Order{{Field: storage.F("n")}}})
	require.NoError(t, err)
	list := []string{}
	for _, r := range rows {
		title, _ := r[2].(string)
		list = append(list, title)
	}
	return list
}

package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// A host's row and a row of the CRM in one transaction of the host's.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory

	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(dir, "shop.db"))) // the host chooses and owns driver and pool
	if err != nil {
		panic(err)
	}
	defer db.Close()             //nolint:errcheck // at the end
	store, err := sqlite.New(db) // or postgres.New(db)
	if err != nil {
		panic(err)
	}
	err = store.Migrate(ctx, storage.Line{Name: "notes", Files: files(`
CREATE TABLE crm_note (tenant TEXT NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant, id));`)})
	if err != nil {
		panic(err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE orders (number INTEGER PRIMARY KEY)"); err != nil {
		panic(err)
	}

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		panic(err)
	}
	defer tx.Rollback() //nolint:errcheck // after the commit it does nothing
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders VALUES (1001)"); err != nil {
		panic(err)
	}
	joined, err := store.Join(ctx, tx)
	if err != nil {
		panic(err)
	}
	note := storage.Change{Action: storage.Insert, Table: notes(), Row: storage.Values{[16]byte{15: 1}, "ordered 1001"}}
	fmt.Println(joined.Write(ctx, "acme", []storage.Change{note})) // refused: an id is a uuid.UUID
	note = noteOf("ordered 1001")
	fmt.Println(joined.Write(ctx, "acme", []storage.Change{note}), tx.Commit())

	row := storage.Values{nil, nil}
	err = store.Read(ctx, "acme", &storage.Query{Table: notes(), Limit: 1}, func() storage.Row { return row })
	fmt.Println(row[1], err)
	// Output:
	// storage: write note (id) change 0: invalid: holds id, and a [16]uint8 was given
	// <nil> <nil>
	// ordered 1001 <nil>
}

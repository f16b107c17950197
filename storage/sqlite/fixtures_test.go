package sqlite_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// files is a migration line of one file.
func files(sql string) fs.FS {
	return fstest.MapFS{"sqlite/0001_note.sql": {Data: []byte(sql)}}
}

func notes() *storage.Table {
	return &storage.Table{Name: "note", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "title", Kind: storage.Text},
	}}
}

func note(t *testing.T) storage.Change {
	t.Helper()
	return noteOf("a note")
}

func noteOf(title string) storage.Change {
	return storage.Change{Action: storage.Insert, Table: notes(), Row: storage.Values{uuid.Must(uuid.NewV7()), title}}
}

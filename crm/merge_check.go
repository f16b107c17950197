package crm

import (
	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// merges finds records that were merged into others and live nevertheless, and ids that
// lead nowhere.
func (ch *checker) merges(o *object) error {
	lives := holds(o.ofObject(), storage.Exists{Rel: storage.Rel{Table: o.table, Column: "id", Key: "record_id"}, Where: living(false)})
	nowhere := holds(o.ofObject(), storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: o.table, Column: "id", Key: "into_id"}}})
	undone := holds(o.ofObject(), storage.Not{Expr: storage.Exists{
		Rel: storage.Rel{Table: mergeTable, Column: "id", Key: "merge_id"}, Where: storage.Absent{Field: storage.F("undone")},
	}})
	for _, c := range []struct {
		where storage.Expr
		what  string
	}{
		{lives, "it was merged into another record, and lives"},
		{nowhere, "it was merged into a record that is not there"},
		{undone, "it leads to another record by a merge that does not hold"},
	} {
		row := make(storage.Values, len(partTable.Columns))
		found := false
		err := ch.s.Read(ch.ctx, ch.tenant, &storage.Query{Table: partTable, Columns: []int{1}, Where: c.where, Limit: 1}, func() storage.Row {
			found = true
			return row
		})
		if err != nil {
			return err
		}
		if found {
			id, _ := row[1].(uuid.UUID)
			ch.addf(o, ID(id), "%s", c.what)
		}
	}
	return nil
}

// holds is the condition on parts that they lead to another record.
func holds(more ...storage.Expr) storage.And {
	return append(storage.And{storage.Not{Expr: storage.Absent{Field: storage.F("into_id")}}, storage.Absent{Field: storage.F("ended")}}, more...)
}

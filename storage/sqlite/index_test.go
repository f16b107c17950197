package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	modernc "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// TestPagesUseTheirIndex asks SQLite how it runs each page of a sort with a declared
// index: by that index, and never by sorting or reading a whole table.
func TestPagesUseTheirIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	seen := &recorder{}
	db := sql.OpenDB(seen.connector(sqlite.DSN(filepath.Join(t.TempDir(), "a.db"))))
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlite.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files(`
CREATE TABLE crm_task (tenant TEXT NOT NULL, id BLOB NOT NULL, due INTEGER, name TEXT NOT NULL, PRIMARY KEY (tenant, id));
CREATE INDEX crm_task_due ON crm_task (tenant, due, id);
CREATE INDEX crm_task_name ON crm_task (tenant, name, id);`)}))
	table := &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "due", Kind: storage.Time, Null: true}, {Name: "name", Kind: storage.Text},
	}}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, desc := range []bool{false, true} {
		for _, q := range []storage.Query{
			{Order: []storage.Order{{Field: storage.F("due"), Desc: desc}}},
			{Order: []storage.Order{{Field: storage.F("due"), Desc: desc}}, After: []any{at, uuid.UUID{1}}},
			{Order: []storage.Order{{Field: storage.F("due"), Desc: desc}}, After: []any{nil, uuid.UUID{1}}},
			{Order: []storage.Order{{Field: storage.F("name"), Desc: desc}}, After: []any{"x", uuid.UUID{1}}},
			{Where: storage.Prefix{Field: storage.F("name"), Text: "Ad"}, Order: []storage.Order{{Field: storage.F("name"), Desc: desc}}},
		} {
			q.Table, q.Limit = table, 50
			require.NoError(t, store.Read(ctx, "acme", &q, func() storage.Row { return make(storage.Values, 3) }))
			text := seen.last()
			rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, seen.args()...)
			require.NoError(t, err)
			for rows.Next() {
				var id, parent, unused int
				var detail string
				require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
				if strings.Contains(detail, "crm_task") || strings.Contains(detail, " t ") {
					require.Contains(t, detail, "USING", detail+"\n"+text)
				}
				// The union of two limited ranges is put in order at the end: 2×50 rows.
				if strings.Contains(detail, "TEMP B-TREE") {
					require.Contains(t, text, "UNION ALL", detail+"\n"+text)
				}
				require.NotContains(t, detail, "SCAN t", text)
			}
			require.NoError(t, rows.Err())
			require.NoError(t, rows.Close())
		}
	}
}

// TestFirstBeginsWithTheRelatedRows asks SQLite how it finds the few rows that have a
// related one: by the index on those, then by key.
func TestFirstBeginsWithTheRelatedRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	seen := &recorder{}
	db := sql.OpenDB(seen.connector(sqlite.DSN(filepath.Join(t.TempDir(), "a.db"))))
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlite.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files(`
CREATE TABLE crm_task (tenant TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE crm_label (tenant TEXT NOT NULL, task_id BLOB NOT NULL, text TEXT NOT NULL, PRIMARY KEY (tenant, task_id, text)) WITHOUT ROWID;
CREATE INDEX crm_label_text ON crm_label (tenant, text, task_id);`)}))
	task := &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{{Name: "id", Kind: storage.ID}}}
	label := &storage.Table{Name: "label", Key: []string{"task_id", "text"}, Columns: []storage.Column{
		{Name: "task_id", Kind: storage.ID}, {Name: "text", Kind: storage.Text},
	}}
	require.NoError(t, store.Read(ctx, "acme", &storage.Query{Table: task, Limit: 10, Where: storage.Exists{
		Rel:   storage.Rel{Table: label, Column: "task_id", Key: "id"},
		Where: storage.Is{Field: storage.F("text"), Op: storage.Eq, Value: "urgent"}, First: true,
	}}, func() storage.Row { return make(storage.Values, 1) }))
	rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+seen.last(), seen.args()...)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	whole := strings.Join(plan, "\n")
	require.Contains(t, whole, "crm_label_text (tenant=? AND text=?)")
	require.Contains(t, whole, "(tenant=? AND id=?)")
}

// TestWordsAreFoundByTheirIndex asks SQLite how it finds rows by their words: it
// begins with the index of words, one by one, and sorts nothing.
func TestWordsAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	seen := &recorder{}
	db := sql.OpenDB(seen.connector(sqlite.DSN(filepath.Join(t.TempDir(), "a.db"))))
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlite.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx, storage.Line{Name: "t", Files: files(`
CREATE TABLE crm_task (tenant TEXT NOT NULL, id BLOB NOT NULL, updated INTEGER NOT NULL, PRIMARY KEY (tenant, id));
CREATE INDEX crm_task_updated ON crm_task (tenant, updated, id);
CREATE TABLE crm_term ("row" INTEGER PRIMARY KEY, tenant TEXT NOT NULL, task_id BLOB NOT NULL, words TEXT NOT NULL, UNIQUE (tenant, task_id));
CREATE VIRTUAL TABLE crm_term_words USING fts5(words, content='crm_term', content_rowid='row', tokenize='ascii', detail='none', columnsize=0);`)}))
	task := &storage.Table{Name: "task", Key: []string{"id"}, Columns: []storage.Column{{Name: "id", Kind: storage.ID}, {Name: "updated", Kind: storage.Time}}}
	term := &storage.Table{Name: "term", Key: []string{"task_id"}, Words: "words", Columns: []storage.Column{
		{Name: "task_id", Kind: storage.ID}, {Name: "words", Kind: storage.Text},
	}}
	plan := func(q *storage.Query) string {
		t.Helper()
		require.NoError(t, store.Read(ctx, "acme", q, func() storage.Row { return make(storage.Values, 2) }))
		rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+seen.last(), seen.args()...)
		require.NoError(t, err)
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			plan = append(plan, detail)
		}
		require.NoError(t, rows.Err())
		return strings.Join(plan, "\n")
	}
	words := storage.Words{Field: storage.F("words"), All: [][]storage.Word{{{Text: "a"}}}}
	first := words
	first.First = true
	found := plan(&storage.Query{Table: term, Columns: []int{0}, Where: storage.And{first}, Limit: 10, Unordered: true})
	require.Regexp(t, `^SCAN w VIRTUAL TABLE.*\nSEARCH t USING INTEGER PRIMARY KEY`, found)
	require.NotContains(t, found, "TEMP B-TREE")

	// The rows of a few keys are found by these, though another index has their tenant.
	found = plan(&storage.Query{Table: task, Where: storage.In{Field: storage.F("id"), Values: []any{uuid.UUID{1}}}, Limit: 10, Unordered: true})
	require.Contains(t, found, "(tenant=? AND id=?)")

	// Of rows in the order wanted each is asked for its words.
	found = plan(&storage.Query{Table: task, Order: []storage.Order{{Field: storage.F("updated"), Desc: true}}, Limit: 10, Where: storage.Exists{
		Rel: storage.Rel{Table: term, Column: "task_id", Key: "id"}, Where: words,
	}})
	require.Contains(t, found, "crm_task_updated (tenant=?)")
	require.Contains(t, found, "(tenant=? AND task_id=?)")
	require.NotContains(t, found, "TEMP B-TREE")

	// Whatever was written, the index is what the table is.
	row := func(n byte, words string) storage.Values { return storage.Values{uuid.UUID{n}, words} }
	require.NoError(t, store.Write(ctx, "acme", []storage.Change{
		{Action: storage.Insert, Table: term, Row: row(1, "a b")}, {Action: storage.Insert, Table: term, Row: row(2, "b")},
		{Action: storage.Put, Table: term, Row: row(1, "c")}, {Action: storage.Put, Table: term, Row: row(3, "c d")},
		{Action: storage.Update, Table: term, Row: row(2, "e")}, {Action: storage.Delete, Table: term, Row: row(3, "")},
	}))
	require.NoError(t, store.Write(ctx, "acme", []storage.Change{{Action: storage.Clear, Table: term, Where: first}}))
	_, err = db.ExecContext(ctx, "INSERT INTO crm_term_words (crm_term_words, rank) VALUES ('integrity-check', 1)")
	require.NoError(t, err)
}

// recorder is modernc's driver with an ear: it remembers the last read prepared and
// its arguments.
type recorder struct {
	mu   sync.Mutex
	text string
	vals []any
}

func (r *recorder) last() string { r.mu.Lock(); defer r.mu.Unlock(); return r.text }
func (r *recorder) args() []any  { r.mu.Lock(); defer r.mu.Unlock(); return r.vals }

func (r *recorder) connector(dsn string) driver.Connector { return listening{r, dsn} }

type listening struct {
	r   *recorder
	dsn string
}

func (l listening) Driver() driver.Driver { return &modernc.Driver{} }

func (l listening) Connect(context.Context) (driver.Conn, error) {
	c, err := (&modernc.Driver{}).Open(l.dsn)
	return &heard{Conn: c, r: l.r}, err
}

type heard struct {
	driver.Conn

	r *recorder
}

func (h *heard) Prepare(query string) (driver.Stmt, error) {
	s, err := h.Conn.Prepare(query)
	return &heardStmt{Stmt: s, r: h.r, text: query}, err
}

type heardStmt struct {
	driver.Stmt

	r    *recorder
	text string
}

func (s *heardStmt) Query(args []driver.Value) (driver.Rows, error) {
	if strings.HasPrefix(s.text, "SELECT") {
		s.r.mu.Lock()
		s.r.text, s.r.vals = s.text, nil
		for _, a := range args {
			s.r.vals = append(s.r.vals, a)
		}
		s.r.mu.Unlock()
	}
	//lint:ignore SA1019 the old form is enough to listen
	return s.Stmt.Query(args)
}

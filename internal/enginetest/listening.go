package enginetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	modernc "modernc.org/sqlite"

	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Statement is one that was heard, with its arguments.
type Statement struct {
	Text string
	Args []any
}

// Heard are the statements that read, as a database was sent them.
type Heard struct {
	mu   sync.Mutex
	list []Statement
}

// Reads returns what was heard since the last Forget.
func (h *Heard) Reads() []Statement {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// Forget begins anew.
func (h *Heard) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = nil
}

func (h *Heard) add(text string, args []any) {
	if !strings.HasPrefix(text, "SELECT") {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, Statement{text, slices.Clone(args)})
}

// Listening is [Each] with an ear at the database.
func Listening(t *testing.T, fn func(t *testing.T, e Engine, heard *Heard)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		heard := &Heard{}
		path := filepath.Join(t.TempDir(), "crm.db")
		db := sql.OpenDB(connector{heard, sqlite.DSN(path)})
		t.Cleanup(func() { _ = db.Close() })
		fn(t, Engine{"sqlite", inFile(t, path, db), db}, heard)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		heard := &Heard{}
		store, db := onServer(t, heard)
		fn(t, Engine{"postgres", store, db}, heard)
	})
}

// Explain returns how the database runs a statement; of Postgres also how many rows
// each part of it read.
func (e Engine) Explain(t *testing.T, s Statement) string {
	t.Helper()
	how := "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "
	if e.Name == "sqlite" {
		how = "EXPLAIN QUERY PLAN "
	}
	rows, err := e.DB.QueryContext(t.Context(), how+s.Text, s.Args...)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan []string
	for rows.Next() {
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(sql.RawBytes)
		}
		require.NoError(t, rows.Scan(row...))
		if line, ok := row[len(row)-1].(*sql.RawBytes); ok {
			plan = append(plan, string(*line))
		}
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}

// TraceQueryStart is what pgx calls before each statement.
func (h *Heard) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	h.add(data.SQL, data.Args)
	return ctx
}

// TraceQueryEnd is what pgx calls behind it.
func (*Heard) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// connector opens connections of modernc's driver that are listened to.
type connector struct {
	heard *Heard
	dsn   string
}

func (c connector) Driver() driver.Driver { return &modernc.Driver{} }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&modernc.Driver{}).Open(c.dsn)
	return &listened{conn, c.heard}, err
}

type listened struct {
	driver.Conn

	heard *Heard
}

// Prepare is all there is of a connection, so that every statement comes by here.
func (c *listened) Prepare(query string) (driver.Stmt, error) {
	s, err := c.Conn.Prepare(query)
	return &listenedStmt{s, c.heard, query}, err
}

type listenedStmt struct {
	driver.Stmt

	heard *Heard
	text  string
}

func (s *listenedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	s.heard.add(s.text, values)
	stmt, ok := s.Stmt.(driver.StmtQueryContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	return stmt.QueryContext(ctx, args)
}

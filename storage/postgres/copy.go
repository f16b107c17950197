package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

var _ engine.Copier = dialect{}

// Copy inserts rows by COPY, in whichever transaction tx is.
func (d dialect) Copy(ctx context.Context, tx *sql.Tx, tenant string, t *storage.Table, rows []storage.Row) (bool, error) {
	if !d.copies {
		return false, nil
	}
	c := &copier{table: pgx.Identifier{d.schema, t.Name}, tenant: tenant, t: t, rows: rows}
	_, err := tx.ExecContext(ctx, "SELECT 1", c)
	switch {
	case c.err == nil && err == nil:
		return true, nil
	case c.err == nil: // the driver never came to it
		return false, nil
	}
	// Under row security, and without a right to COPY, the server says so.
	if pg, ok := errors.AsType[*pgconn.PgError](c.err); ok && (pg.Code == "0A000" || pg.Code == "42501") {
		return false, nil
	}
	return true, c.err
}

// copier is a pgx.QueryRewriter for what it is handed on the way: the connection of
// a transaction that database/sql does not give. It is used within the call alone.
type copier struct {
	table  pgx.Identifier
	tenant string
	t      *storage.Table
	rows   []storage.Row
	err    error
}

// RewriteQuery copies, and leaves the query as it is.
func (c *copier) RewriteQuery(ctx context.Context, conn *pgx.Conn, query string, _ []any) (string, []any, error) {
	columns := make([]string, 0, len(c.t.Columns)+1)
	columns = append(columns, "tenant")
	for i := range c.t.Columns {
		columns = append(columns, c.t.Columns[i].Name)
	}
	values := make([]any, len(columns)) // encoded before the next row is asked for
	values[0] = c.tenant
	_, c.err = conn.CopyFrom(ctx, c.table, columns, pgx.CopyFromSlice(len(c.rows), func(n int) ([]any, error) {
		for i := range c.t.Columns {
			values[i+1] = binary(c.rows[n].Value(i))
		}
		return values, nil
	}))
	return query, nil, c.err
}

// binary returns what the driver encodes as the column's type.
func binary(v any) any {
	switch v := v.(type) {
	case uuid.UUID:
		return pgtype.UUID{Bytes: v, Valid: true}
	case storage.Date:
		return time.Date(v.Year, v.Month, v.Day, 0, 0, 0, 0, time.UTC)
	case json.RawMessage:
		return []byte(v)
	}
	return v
}

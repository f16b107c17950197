package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// schemas runs migrations in SQLite.
type schemas struct{}

// Schema returns how migrations run.
func (dialect) Schema() engine.Schema { return schemas{} }

func (schemas) Bookkeeping() []string {
	return []string{`CREATE TABLE IF NOT EXISTS "crm_migration" (line TEXT NOT NULL, version INTEGER NOT NULL,
	name TEXT NOT NULL, checksum TEXT NOT NULL, min_reader INTEGER NOT NULL, PRIMARY KEY (line, version)) WITHOUT ROWID`}
}

func (schemas) Expand(text string) string { return text }

// Prepare turns foreign keys off, which is possible only outside a transaction:
// with them on, dropping a table to rebuild it would delete in its children.
func (schemas) Prepare(ctx context.Context, conn *sql.Conn) (func(), error) {
	var on bool
	if err := conn.QueryRowContext(ctx, "PRAGMA foreign_keys").Scan(&on); err != nil {
		return nil, err
	}
	if !on {
		return func() {}, nil
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return nil, err
	}
	return func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = ON") }, nil
}

func (schemas) Begin(ctx context.Context, conn *sql.Conn) (bool, error) {
	_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	return err == nil, err
}

// BeforeCommit checks the references of the CRM's tables, as SQLite did not while
// foreign keys were off. The host's own tables are the host's.
func (schemas) BeforeCommit(ctx context.Context, conn *sql.Conn) error {
	tables, err := texts(ctx, conn, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'crm\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	for _, t := range tables {
		broken, err := texts(ctx, conn, `SELECT DISTINCT parent FROM pragma_foreign_key_check('`+strings.ReplaceAll(t, "'", "''")+`')`)
		if err != nil {
			return err
		}
		if len(broken) > 0 {
			return storage.Invalid(strings.TrimPrefix(t, "crm_"), "", "the migration would leave rows of %s without what they refer to in %s", t, strings.Join(broken, ", "))
		}
	}
	return nil
}

func (schemas) Cleanup(context.Context, *sql.Conn) error { return nil }

func texts(ctx context.Context, conn *sql.Conn, query string) ([]string, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("sqlite: %w", err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

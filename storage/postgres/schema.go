package postgres

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// schemas runs migrations in PostgreSQL.
type schemas struct{ d dialect }

// Schema returns how migrations run.
func (d dialect) Schema() engine.Schema { return schemas{d} }

func (s schemas) Bookkeeping() []string {
	return []string{
		"CREATE SCHEMA IF NOT EXISTS " + strings.TrimSuffix(s.d.prefix, "."),
		"CREATE TABLE IF NOT EXISTS " + s.d.TableName("migration") + ` (line text COLLATE "C" NOT NULL, version bigint NOT NULL,
	name text NOT NULL, checksum text NOT NULL, min_reader bigint NOT NULL, PRIMARY KEY (line, version))`,
	}
}

func (s schemas) Expand(text string) string {
	return strings.ReplaceAll(text, "{schema}", strings.TrimSuffix(s.d.prefix, "."))
}

func (schemas) Prepare(context.Context, *sql.Conn) (func(), error) { return func() {}, nil }

// Begin takes a lock that ends with the transaction, the only kind a pooler in
// transaction mode keeps.
func (s schemas) Begin(ctx context.Context, conn *sql.Conn) (bool, error) {
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return false, err
	}
	var got bool
	err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, 0))", "embedcrm migrations of "+s.d.schema).Scan(&got)
	if err == nil && got {
		return true, nil
	}
	_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return false, err
}

func (schemas) BeforeCommit(context.Context, *sql.Conn) error { return nil }

// Cleanup drops indexes that a concurrent build left unfinished, which IF NOT EXISTS
// would take for finished ones. The lock says that no build is running.
func (s schemas) Cleanup(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, `SELECT c.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname = $1::text`, s.d.schema)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := conn.ExecContext(ctx, "DROP INDEX IF EXISTS "+pgx.Identifier{s.d.schema, name}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

package crmtest

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// RequireSchema holds the migrated tables of all kinds of records of a core to the
// structs they are made of: no column may be missing, too many, of another type, or
// absent where it must not be. The dialect is "sqlite" or "postgres", with the
// tables in the schema crm.
func RequireSchema(tb testing.TB, core *crm.Core, db *sql.DB, dialect string) {
	tb.Helper()
	tables, err := core.Tables()
	require.NoError(tb, err)
	for _, table := range tables {
		want := map[string]string{"tenant": typeOf(dialect, storage.Text) + " not null"}
		for _, c := range table.Columns {
			want[c.Name] = typeOf(dialect, c.Kind)
			if !c.Null {
				want[c.Name] += " not null"
			}
		}
		if table.Words != "" && dialect == "sqlite" { // what its index knows a row by
			want["row"] = typeOf(dialect, storage.Int)
		}
		require.Equal(tb, want, columns(tb, db, dialect, table.Name), "the table of %s and its struct", table.Name)
	}
}

// typeOf is a column's type as the catalogue says it, in lower case.
func typeOf(dialect string, k storage.Kind) string {
	if dialect == "sqlite" {
		switch k {
		case storage.Bool, storage.Int, storage.Time:
			return "integer"
		case storage.ID, storage.Bytes:
			return "blob"
		case storage.Text, storage.Day, storage.JSON:
		}
		return "text"
	}
	switch k {
	case storage.Bool:
		return "boolean"
	case storage.Int:
		return "bigint"
	case storage.Bytes:
		return "bytea"
	case storage.ID:
		return "uuid"
	case storage.Time:
		return "timestamp with time zone"
	case storage.Day:
		return "date"
	case storage.JSON:
		return "jsonb"
	case storage.Text:
	}
	return "text C"
}

func columns(tb testing.TB, db *sql.DB, dialect, table string) map[string]string {
	tb.Helper()
	query := `SELECT name, lower(type), "notnull" FROM pragma_table_info('crm_' || ?)`
	if dialect == "postgres" {
		query = `SELECT column_name, data_type || coalesce(' ' || collation_name, ''), (is_nullable = 'NO')::int
			FROM information_schema.columns WHERE table_schema = 'crm' AND table_name = $1`
	}
	rows, err := db.QueryContext(tb.Context(), query, table)
	require.NoError(tb, err)
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	found := map[string]string{}
	for rows.Next() {
		var name, kind string
		var required int
		require.NoError(tb, rows.Scan(&name, &kind, &required))
		found[name] = kind + strings.Repeat(" not null", required)
	}
	require.NoError(tb, rows.Err())
	require.NotEmpty(tb, found, "there is no table "+table)
	return found
}

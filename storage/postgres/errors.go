package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// Classify reads the SQLSTATE.
func (dialect) Classify(err error) engine.Fault {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		var stated interface{ SQLState() string } // another driver's
		if !errors.As(err, &stated) {
			return engine.Fault{}
		}
		pg = &pgconn.PgError{Code: stated.SQLState()}
	}
	f := engine.Fault{Table: pg.TableName}
	switch pg.Code {
	case "23505":
		f.Kind, f.Field, f.Reason = storage.ErrConflict, fieldOf(pg), "a row has this key or unique value already"
	case "23503":
		f.Kind, f.Field, f.Reason = storage.ErrConflict, pg.ConstraintName, "a row it refers to is missing, or one that refers to it is left"
	case "23502":
		f.Kind, f.Field, f.Reason = storage.ErrInvalid, pg.ColumnName, "the table's schema asks for a value"
	case "23514":
		f.Kind, f.Field, f.Reason = storage.ErrInvalid, pg.ConstraintName, "the table's schema refuses the value"
	case "22003":
		f.Kind = storage.ErrOverflow
	case "54000":
		f.Kind, f.Reason = storage.ErrInvalid, "the value is too large for an index of the table"
	case "40001", "40P01":
		f.Kind = storage.ErrRetry
	case "25006":
		f.Kind = storage.ErrReadOnly
	case "25P02":
		f.Kind, f.Reason = storage.ErrTxLost, "an earlier statement of the transaction failed"
	case "55P03":
		f.Kind, f.Reason = storage.ErrBusy, "a lock was not had in the time the server allows"
	case "42P01", "42703", "3F000":
		f.Kind, f.Reason = storage.ErrVersion, "the tables are not there or not of this version: call Migrate"
	case "42P05", "26000":
		f.Kind, f.Reason = storage.ErrUnavailable, "a prepared statement met another connection than it was made on, "+
			"as behind a pooler in transaction mode: open the pool with default_query_exec_mode=exec and leave Options.Statements at Inherit"
	case "0A000":
		if strings.Contains(pg.Message, "cached plan") {
			f.Kind, f.Reason = storage.ErrRetry, "the schema changed under a prepared statement"
		}
	case "57014":
		f.Kind, f.Reason = storage.ErrUnavailable, "the server cancelled the statement"
	case "42501":
		f.Kind, f.Reason = storage.ErrUnavailable, "the role of the pool may not do this"
	default:
		if len(pg.Code) == 5 {
			switch pg.Code[:2] {
			case "08", "53", "57", "58", "XX":
				f.Kind = storage.ErrUnavailable
			case "22":
				f.Kind = storage.ErrInvalid
			}
		}
	}
	return f
}

// fieldOf names the column of a key that tells the tenant's rows apart: the last
// one of "Key (tenant, email)=(…) already exists." Without that detail, which a
// server may withhold, it is the constraint.
func fieldOf(pg *pgconn.PgError) string {
	columns, _, ok := keyOf(pg)
	if !ok {
		return pg.ConstraintName
	}
	return columns[len(columns)-1]
}

// keyOf reads "Key (tenant, email)=(acme, ada@example.com) already exists." and
// "… is not present in table …": the columns, and the values with what follows.
func keyOf(pg *pgconn.PgError) (columns []string, values string, ok bool) {
	rest, ok := strings.CutPrefix(pg.Detail, "Key (")
	if !ok {
		return nil, "", false
	}
	names, values, ok := strings.Cut(rest, ")=(")
	columns = strings.Split(names, ", ")
	for i := range columns {
		columns[i] = strings.Trim(columns[i], `"`)
	}
	return columns, values, ok
}

// Quotes compares what the server says of a key with a row.
func (d dialect) Quotes(err error, tenant string, t *storage.Table, row storage.Row) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	columns, values, ok := keyOf(pg)
	return ok && d.describes(values, columns, tenant, t, row)
}

// describes reports whether values begins as the server writes the row's columns.
func (d dialect) describes(values string, columns []string, tenant string, t *storage.Table, row storage.Row) bool {
	var b strings.Builder
	for n, name := range columns {
		if n > 0 {
			b.WriteString(", ")
		}
		if name == "tenant" {
			b.WriteString(tenant)
			continue
		}
		i := t.Index(name)
		if i < 0 {
			return false
		}
		list, _ := d.BindList(t.Columns[i].Kind, []any{row.Value(i)}).(string)
		one := strings.TrimSuffix(strings.TrimPrefix(list, "{"), "}")
		if text, ok := row.Value(i).(string); ok {
			one = text
		}
		b.WriteString(one)
	}
	return strings.HasPrefix(values, b.String()+") ")
}

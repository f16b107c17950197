package engine

import (
	"context"
	"database/sql"

	"github.com/embedcrm/embedcrm/storage"
)

// Tenants reads a registry of tenants in order.
func (e *Engine) Tenants(ctx context.Context, t *storage.Table, after string, limit int, next func(tenant string) storage.Row) error {
	return e.call(ctx, "tenants", tableName(t), false, func(ctx context.Context, run *session) error {
		if err := t.Check(); err != nil {
			return err
		}
		if len(t.Key) != 0 {
			return storage.Invalid(t.Name, "", "a registry has one row a tenant: its key is empty")
		}
		if limit < 1 || limit > storage.MaxPage {
			return storage.Invalid(t.Name, "", "a read asks for 1 to %d rows, not %d", storage.MaxPage, limit)
		}
		if after != "" {
			if err := storage.CheckTenant(after); err != nil {
				return err
			}
		}
		b := e.build("")
		b.s(`SELECT t."tenant"`)
		for i := range t.Columns {
			b.s(", ").column("t", t.Columns[i].Name)
		}
		b.s(" FROM ").from(t, "t").s(` WHERE t."tenant" > `).bind(storage.Text, after).
			s(` ORDER BY t."tenant"`).limit(limit)
		rows, err := run.query(ctx, b)
		if err != nil {
			return err
		}
		return readTenants(rows, t, next)
	})
}

// readTenants delivers rows whose first column is their tenant.
func readTenants(rows *sql.Rows, t *storage.Table, next func(tenant string) storage.Row) error {
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	first := &tenantCell{into: tableSink(t, 0), next: next}
	dests := append([]any{first}, first.into.dests...)
	for rows.Next() {
		if err := rows.Scan(dests...); err != nil {
			return err
		}
		if first.ended {
			return rows.Close()
		}
	}
	return rows.Err()
}

// tenantCell receives the tenant, which stands first, asks for the tenant's row
// and points the cells behind it there: Scan fills them in order.
type tenantCell struct {
	into  *sink
	next  func(tenant string) storage.Row
	ended bool
}

// Scan implements sql.Scanner.
func (c *tenantCell) Scan(src any) error {
	row := c.next(text(src))
	c.ended = row == nil
	for i := range c.into.cells {
		c.into.cells[i].dest = nil
		if !c.ended {
			c.into.cells[i].dest = row.Dest(c.into.at[i])
		}
	}
	return nil
}

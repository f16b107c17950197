package engine

import (
	"context"

	"github.com/embedcrm/embedcrm/storage"
)

// Expand adds rows to a ledger from a condition, with one statement.
func (s *session) Expand(ctx context.Context, tenant string, x *storage.Expansion) (int64, error) {
	var added int64
	err := s.call(ctx, "expand", tableName(x.Into), true, func(ctx context.Context, run *session) error {
		if err := storage.CheckTenant(tenant); err != nil {
			return err
		}
		if err := x.Check(); err != nil {
			return err
		}
		if run.tx == nil {
			return run.e.own(ctx, "expand", true, func(in *session) (err error) {
				added, err = in.Expand(ctx, tenant, x)
				return err
			})
		}
		b := run.e.build(tenant)
		b.s("INSERT INTO ", b.d.TableName(x.Into.Name), ` ("tenant"`)
		for _, a := range x.Set {
			b.s(`, "`, a.Column, `"`)
		}
		b.s(") SELECT ").bind(storage.Text, tenant)
		for _, a := range x.Set {
			b.s(", ")
			if f, ok := a.Value.(storage.Field); ok {
				b.operand("t", f)
				continue
			}
			b.bind(x.Into.Columns[x.Into.Index(a.Column)].Kind, a.Value)
		}
		b.s(" FROM ").fromKeys(x.From, x.Where).s(" WHERE ").ofKeys(x.From, x.Where)
		if x.Where != nil {
			b.s(" AND ")
			if err := b.where(x.From, "t", x.Where, false); err != nil {
				return err
			}
		}
		b.s(" ON CONFLICT DO NOTHING")
		n, err := run.exec(ctx, b)
		added = n
		return err
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

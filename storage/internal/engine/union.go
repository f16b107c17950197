package engine

import (
	"context"
	"strconv"

	"github.com/embedcrm/embedcrm/storage"
)

// Union finds the first rows of several tables with one statement.
func (s *session) Union(ctx context.Context, tenant string, u *storage.Union, next func() storage.Row) error {
	return s.call(ctx, "union", "", false, func(ctx context.Context, run *session) error {
		if err := storage.CheckTenant(tenant); err != nil {
			return err
		}
		if err := u.Check(); err != nil {
			return err
		}
		b := s.e.build(tenant)
		defer s.e.free(b)
		if err := b.union(u); err != nil {
			return err
		}
		rows, err := run.query(ctx, b)
		if err != nil {
			return err
		}
		out := newSink(len(u.Kinds) + 1)
		for i, k := range u.Kinds {
			out.add(k, i)
		}
		out.add(storage.Int, len(u.Kinds))
		return out.read(rows, u.Limit, next)
	})
}

// union writes the statement of u: branches that each have the order and the limit of
// the whole, so that each stops as soon as the page is full.
func (b *builder) union(u *storage.Union) error {
	b.shares = true
	name := func(i int) string { return "c" + strconv.Itoa(i) }
	b.s("SELECT ")
	for i := range u.Kinds {
		b.s(name(i), ", ")
	}
	b.s("part FROM (")
	for n := range u.Branches {
		if n > 0 {
			b.s(" UNION ALL ")
		}
		b.s("SELECT * FROM (")
		if err := b.branch(u, n, name); err != nil {
			return err
		}
		b.s(") AS p", strconv.Itoa(n))
	}
	b.s(") AS u ORDER BY ")
	for i := range u.Sorted {
		b.s(name(i)).direction(u.Desc).s(", ")
	}
	b.s("part").page(u.Limit)
	return nil
}

func (b *builder) direction(desc bool) *builder {
	if desc {
		b.s(" DESC")
	}
	return b
}

func (b *builder) branch(u *storage.Union, n int, name func(int) string) error {
	br := &u.Branches[n]
	const alias = "t"
	b.s("SELECT ")
	for i, f := range br.Fields {
		if f.Name == "" {
			b.bind(u.Kinds[i], nil)
		} else {
			b.operand(alias, f)
		}
		b.s(" AS ", name(i), ", ")
	}
	b.s(strconv.Itoa(n), " AS part FROM ", b.d.TableName(br.Table.Name), " AS ", alias, " WHERE ").ofTenant(alias)
	if br.Where != nil {
		b.s(" AND ")
		if err := b.where(br.Table, alias, br.Where, false); err != nil {
			return err
		}
	}
	for _, f := range br.Fields[:u.Sorted] {
		if _, null := kind(br.Table, f); null {
			b.s(" AND ").operand(alias, f).s(" IS NOT NULL")
		}
	}
	if br.After != nil {
		b.behind(u, br, alias)
	}
	b.s(" ORDER BY ") // where absent ones would be is not said: an index without them serves
	for i, f := range br.Fields[:u.Sorted] {
		if i > 0 {
			b.s(", ")
		}
		b.operand(alias, f).direction(u.Desc)
	}
	b.page(u.Limit)
	return nil
}

// behind writes that a row comes after the branch's position.
func (b *builder) behind(u *storage.Union, br *storage.Branch, alias string) {
	b.s(" AND (")
	for i, f := range br.Fields[:u.Sorted] {
		if i > 0 {
			b.s(", ")
		}
		b.operand(alias, f)
	}
	if u.Desc {
		b.s(") < (")
	} else {
		b.s(") > (")
	}
	for i, v := range br.After {
		if i > 0 {
			b.s(", ")
		}
		b.bind(u.Kinds[i], v)
	}
	b.s(")")
}

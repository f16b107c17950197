package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Write applies changes, all or none. The quick way sends several changes as one
// statement. When that fails and does not tell which change is at fault, or fails
// only because a database checks the rows of one statement in an order of its own,
// the changes are made one after the other instead.
func (s *session) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	err := s.write(ctx, tenant, changes, how{})
	if s.atomic || len(changes) < 2 || !unclear(err) {
		return err
	}
	return s.write(ctx, tenant, changes, how{checked: true, each: true})
}

// unclear reports whether a database refused what a statement of several changes
// did, without saying in which.
func unclear(err error) bool {
	known, ok := errors.AsType[*storage.Error](err)
	return ok && known.Change < 0 && known.Err != nil && (errors.Is(known.Kind, storage.ErrConflict) || errors.Is(known.Kind, storage.ErrInvalid))
}

// how a Write is made.
type how struct {
	checked bool // the changes were checked before
	each    bool // one after the other
}

func (s *session) write(ctx context.Context, tenant string, changes []storage.Change, how how) error {
	table := ""
	if len(changes) > 0 {
		table = tableName(changes[0].Table)
	}
	return s.call(ctx, "write", table, true, func(ctx context.Context, run *session) error {
		if !how.checked {
			if err := checkWrite(tenant, changes); err != nil || len(changes) == 0 {
				return err
			}
			how.checked = true
		}
		_, bulk := run.e.d.(Bulk)
		quick := bulk && !how.each
		switch {
		case quick && run.tx == nil && (len(changes) == 1 || together(changes)):
			return run.writeTogether(ctx, tenant, changes)
		case run.tx == nil:
			return run.e.own(ctx, "write", writesFirst, func(in *session) error {
				return in.write(ctx, tenant, changes, how)
			})
		case !quick:
			return run.writeEach(ctx, tenant, changes, 0)
		case together(changes):
			return run.writeTogether(ctx, tenant, changes)
		}
		return run.writeRuns(ctx, tenant, changes)
	})
}

func checkWrite(tenant string, changes []storage.Change) error {
	if err := storage.CheckTenant(tenant); err != nil {
		return err
	}
	if len(changes) > storage.MaxChanges {
		return storage.Invalid("", "", "a write has at most %d changes, not %d", storage.MaxChanges, len(changes))
	}
	for i := range changes {
		if err := checkChange(&changes[i]); err != nil {
			return at(i, &changes[i], err)
		}
	}
	return nil
}

// checkChange checks a change and the values it carries.
func checkChange(c *storage.Change) error {
	if err := c.Check(); err != nil || c.Action == storage.Clear {
		return err
	}
	size := 0
	check := func(i int) error {
		v := c.Row.Value(i)
		size += sizeOf(v)
		return storage.CheckValue(c.Table, i, v)
	}
	if c.Action == storage.Update && c.Columns != nil || c.Action == storage.Delete {
		for _, k := range c.Table.Key {
			if err := check(c.Table.Index(k)); err != nil {
				return err
			}
		}
		for _, i := range c.Columns {
			if err := check(i); err != nil {
				return err
			}
		}
	} else {
		for i := range c.Table.Columns {
			if err := check(i); err != nil {
				return err
			}
		}
	}
	if size > storage.MaxRow {
		return storage.Invalid(c.Table.Name, "", "the row has %d bytes, and %d are allowed", size, storage.MaxRow)
	}
	return nil
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	case json.RawMessage:
		return len(v)
	case uuid.UUID:
		return len(v)
	case nil:
		return 0
	}
	return 8
}

// at makes err say which change it is about.
func at(i int, c *storage.Change, err error) error {
	known, ok := errors.AsType[*storage.Error](err)
	if !ok || known.Change >= 0 {
		return err
	}
	which := *known
	which.Op, which.Change = "write", i
	if c.Table != nil && (which.Table == "" || which.Err != nil) { // the driver may have named the other end of a reference
		which.Table = c.Table.Name
	}
	return &which
}

// writeEach runs a statement a change, the same prepared one for like changes.
// first is the index of changes[0] in the whole.
func (s *session) writeEach(ctx context.Context, tenant string, changes []storage.Change, first int) error {
	b := s.e.build(tenant)
	defer s.e.free(b)
	for i := range changes {
		c := &changes[i]
		b.reset(i > 0 && like(c, &changes[i-1]))
		if err := b.change(c, ""); err != nil {
			return at(first+i, c, err)
		}
		n, err := s.exec(ctx, b)
		if err == nil && n == 0 && mustHit(c) {
			err = s.missed(ctx, tenant, c)
		}
		if err != nil {
			return at(first+i, c, s.e.classify(ctx, "write", c.Table.Name, err))
		}
	}
	return nil
}

// mustHit reports whether a change that touches no row has failed.
func mustHit(c *storage.Change) bool {
	return c.Action == storage.Update || c.Action == storage.Delete && c.Table.Version != ""
}

// missed tells a row that is at another version from one that is not there.
func (s *session) missed(ctx context.Context, tenant string, c *storage.Change) error {
	b := s.e.build(tenant)
	b.s("SELECT 1 FROM ").from(c.Table, "t").s(" WHERE ")
	b.keyed("t.", c)
	rows, err := s.query(ctx, b)
	if err != nil {
		return err
	}
	found := false
	if err := newSink(0).read(rows, 1, func() storage.Row { found = true; return nil }); err != nil {
		return err
	}
	if found {
		return &storage.Error{Kind: storage.ErrConflict, Table: c.Table.Name, Field: c.Table.Version, Change: -1, Reason: "the row is at another version: read it again"}
	}
	return &storage.Error{Kind: storage.ErrNotFound, Table: c.Table.Name, Change: -1}
}

// like reports whether two changes have the same statement.
func like(c, other *storage.Change) bool {
	return c.Action == other.Action && c.Table == other.Table && c.Action != storage.Clear && slices.Equal(c.Columns, other.Columns) &&
		(c.Columns == nil) == (other.Columns == nil)
}

// reset begins another statement, or the same one again with other arguments.
func (b *builder) reset(again bool) {
	if b.again = again; !again {
		b.b = b.b[:0]
	}
	b.args, b.alias, b.joins = b.args[:0], 0, 0
	if m := b.d.Mode(); m != nil {
		b.args = append(b.args, m)
	}
}

// change appends the statement of one change. An insert may take its rows from
// source, a FROM clause that yields a row or none.
func (b *builder) change(c *storage.Change, source string) error {
	t := c.Table
	switch c.Action {
	case storage.Insert:
		b.insertInto(t)
		if source == "" {
			b.s(" VALUES (").row(c).s(")")
		} else {
			b.s(" SELECT ").row(c).s(" FROM ", source)
		}
	case storage.Update:
		b.s("UPDATE ", b.d.TableName(t.Name), " SET ")
		comma := ""
		b.eachSet(c, func(i int) {
			b.s(comma, `"`, t.Columns[i].Name, `" = `).bind(t.Columns[i].Kind, c.Row.Value(i))
			comma = ", "
		})
		if t.Version != "" {
			b.s(comma, `"`, t.Version, `" = `).bind(storage.Int, c.Version+1)
		}
		b.s(" WHERE ").keyed("", c)
		b.atVersion(c)
	case storage.Delete:
		b.s("DELETE FROM ", b.d.TableName(t.Name), " WHERE ").keyed("", c)
		b.atVersion(c)
	case storage.Clear:
		b.s("DELETE FROM ").from(t, "t").s(" WHERE ").ofTenant("t")
		if c.Where != nil {
			b.s(" AND ")
			return b.where(t, "t", c.Where, false)
		}
	}
	return nil
}

// eachSet calls f for the columns an update sets.
func (b *builder) eachSet(c *storage.Change, f func(i int)) {
	if c.Columns != nil {
		for _, i := range c.Columns {
			f(i)
		}
		return
	}
	for i := range c.Table.Columns {
		if name := c.Table.Columns[i].Name; name != c.Table.Version && !slices.Contains(c.Table.Key, name) {
			f(i)
		}
	}
}

func (b *builder) insertInto(t *storage.Table) *builder {
	b.s("INSERT INTO ", b.d.TableName(t.Name), ` ("tenant"`)
	for i := range t.Columns {
		b.s(`, "`, t.Columns[i].Name, `"`)
	}
	return b.s(")")
}

// row appends the tenant and all values of a change's row.
func (b *builder) row(c *storage.Change) *builder {
	b.bind(storage.Text, b.tenant)
	for i := range c.Table.Columns {
		b.s(", ").bind(c.Table.Columns[i].Kind, c.Row.Value(i))
	}
	return b
}

// keyed appends the condition that a row is the one a change is about.
func (b *builder) keyed(prefix string, c *storage.Change) {
	b.s(prefix, `"tenant" = `).bind(storage.Text, b.tenant)
	for _, k := range c.Table.Key {
		i := c.Table.Index(k)
		b.s(" AND ", prefix, `"`, k, `" = `).bind(c.Table.Columns[i].Kind, c.Row.Value(i))
	}
}

func (b *builder) atVersion(c *storage.Change) {
	if c.Table.Version != "" {
		b.s(` AND "`, c.Table.Version, `" = `).bind(storage.Int, c.Version)
	}
}

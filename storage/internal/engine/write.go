package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Write applies changes, all or none. The quick way sends several changes as one
// statement. When that fails and does not tell which change is at fault, or fails
// only because a database checks the rows of one statement in an order of its own,
// the changes are made one after the other instead.
func (s *session) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	w := writing{tenant: tenant, given: changes}
	defer w.free()
	err := s.write(ctx, &w)
	if s.atomic || len(changes) < 2 || !unclear(err) {
		return err
	}
	w.each = true
	return s.write(ctx, &w)
}

// unclear reports whether a database refused what a statement of several changes
// did, without saying in which.
func unclear(err error) bool {
	known, ok := errors.AsType[*storage.Error](err)
	return ok && known.Change < 0 && known.Err != nil && (errors.Is(known.Kind, storage.ErrConflict) || errors.Is(known.Kind, storage.ErrInvalid))
}

// writing is one Write.
type writing struct {
	tenant string
	given  []storage.Change
	taken  *taken // given, once it was checked
	each   bool   // one after the other
	alone  bool   // a transaction was begun for it
}

func (s *session) write(ctx context.Context, w *writing) error {
	table := ""
	if len(w.given) > 0 {
		table = tableName(w.given[0].Table)
	}
	return s.call(ctx, "write", table, true, func(ctx context.Context, run *session) error {
		if w.taken == nil {
			if err := w.take(); err != nil || len(w.given) == 0 {
				return err
			}
		}
		changes := w.taken.changes
		_, bulk := run.e.d.(Bulk)
		quick := bulk && !w.each
		switch {
		case quick && run.tx == nil && (len(changes) == 1 || together(changes)):
			return run.writeTogether(ctx, w.tenant, changes)
		case run.tx == nil:
			return run.writeAlone(ctx, w)
		case !quick:
			return run.writeEach(ctx, w.tenant, changes, 0)
		case together(changes):
			return run.writeTogether(ctx, w.tenant, changes)
		}
		return run.writeRuns(ctx, w)
	})
}

// writeAlone makes the changes in a transaction of their own, and once more for each
// table into which it turned out that they cannot be copied.
func (s *session) writeAlone(ctx context.Context, w *writing) error {
	w.alone = true
	for {
		err := s.e.own(ctx, "write", true, func(in *session) error { return in.write(ctx, w) })
		if !errors.Is(err, errNoCopy) {
			return err
		}
	}
}

// taken are changes whose rows are the values they carry, each asked for once: a
// value becomes an interface at some cost, and is looked at several times.
type taken struct {
	changes []storage.Change
	rows    []storage.Values
	values  []any
}

var takens = sync.Pool{New: func() any { return new(taken) }} //nolint:gochecknoglobals // spare memory

// maxSpare bounds the values whose place is kept for the next Write.
const maxSpare = 4096

func (w *writing) free() {
	t := w.taken
	if t == nil || cap(t.values) > maxSpare {
		return
	}
	clear(t.changes)
	clear(t.values)
	takens.Put(t)
}

// take checks the changes and takes their values.
func (w *writing) take() error {
	if err := storage.CheckTenant(w.tenant); err != nil {
		return err
	}
	if len(w.given) > storage.MaxChanges {
		return storage.Invalid("", "", "a write has at most %d changes, not %d", storage.MaxChanges, len(w.given))
	}
	width := 0
	for i := range w.given {
		c := &w.given[i]
		if err := c.Check(); err != nil {
			return at(i, c, err)
		}
		if c.Action != storage.Clear {
			width += len(c.Table.Columns)
		}
	}
	t, _ := takens.Get().(*taken)
	t.changes = append(t.changes[:0], w.given...)
	t.rows = slices.Grow(t.rows[:0], len(w.given))[:len(w.given)]
	t.values = slices.Grow(t.values[:0], width)[:width]
	w.taken = t
	next := 0
	for i := range t.changes {
		c := &t.changes[i]
		if c.Action == storage.Clear {
			continue
		}
		t.rows[i] = t.values[next : next+len(c.Table.Columns)]
		next += len(c.Table.Columns)
		if err := takeRow(c, t.rows[i]); err != nil {
			return at(i, c, err)
		}
		c.Row = &t.rows[i]
	}
	return nil
}

// takeRow takes and checks the values a change carries.
func takeRow(c *storage.Change, into storage.Values) error {
	size := 0
	take := func(i int) error {
		v := c.Row.Value(i)
		into[i] = v
		size += sizeOf(v)
		if c.Checked {
			return nil
		}
		return storage.CheckValue(c.Table, i, v)
	}
	if c.Action == storage.Update && c.Columns != nil || c.Action == storage.Delete {
		for _, k := range c.Table.Key {
			if err := take(c.Table.Index(k)); err != nil {
				return err
			}
		}
		for _, i := range c.Columns {
			if err := take(i); err != nil {
				return err
			}
		}
	} else {
		for i := range c.Table.Columns {
			if err := take(i); err != nil {
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

// writeEach runs a statement a change, the same prepared one for like changes, and one
// for several new rows where a database has no quicker way. first is the index of
// changes[0] in the whole.
func (s *session) writeEach(ctx context.Context, tenant string, changes []storage.Change, first int) error {
	b := s.e.build(tenant)
	defer s.e.free(b)
	_, bulk := s.e.d.(Bulk)
	single := 0             // before it the changes are made one by one
	var last *storage.Table // into which the last statement inserted several rows
	for i := 0; i < len(changes); i++ {
		c := &changes[i]
		if n := rowsTogether(changes[i:]); n > 1 && i >= single && !bulk {
			err := s.insertTogether(ctx, b, changes[i:i+n], last == c.Table)
			if last = c.Table; err == nil {
				i += n - 1
				continue
			}
			if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrInvalid) {
				return at(first+i, c, err)
			}
			single = i + n // the statement alone was undone, and the row at fault says so itself
		}
		if err := s.e.one(b, c, i > 0 && last == nil && like(c, &changes[i-1])); err != nil {
			return at(first+i, c, err)
		}
		last = nil
		n, err := s.execWithWords(ctx, tenant, c, b)
		if err == nil && n == 0 && mustHit(c) {
			err = s.missed(ctx, tenant, c)
		}
		if err != nil {
			return at(first+i, c, s.e.classify(ctx, "write", c.Table.Name, err))
		}
		added(c, n > 0)
	}
	return nil
}

// valuesTogether is about how many values one statement inserts: a statement costs as
// much as some rows, and the longer it is, the less there is to win.
const valuesTogether = 500

// rowsTogether returns how many of the changes are new rows for one statement.
func rowsTogether(changes []storage.Change) int {
	t := changes[0].Table
	n := max(2, valuesTogether/(1+len(t.Columns)))
	if n > len(changes) || changes[0].Action != storage.Insert || t.Words != "" {
		return 1
	}
	for i := 1; i < n; i++ {
		if !like(&changes[i], &changes[0]) {
			return 1
		}
	}
	return n
}

// insertTogether inserts rows with one statement, whose text b has already when again.
func (s *session) insertTogether(ctx context.Context, b *builder, changes []storage.Change, again bool) error {
	b.reset(again)
	b.brief = true
	s.e.writeInserts(b, changes)
	_, err := s.exec(ctx, b)
	return s.e.classify(ctx, "write", changes[0].Table.Name, err)
}

// one writes the statement of a single change into b, whose text it has already when
// again.
func (e *Engine) one(b *builder, c *storage.Change, again bool) error {
	b.reset(again)
	b.brief = c.Action != storage.Clear
	if again || c.Action == storage.Clear {
		return b.change(c, "")
	}
	return e.writeChange(b, c)
}

// added tells who made a change whether its row is new.
func added(c *storage.Change, is bool) {
	if c.Added != nil {
		*c.Added = is
	}
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
	b.args, b.alias, b.joins, b.begun, b.keys, b.rowwise = b.args[:0], 0, 0, nil, nil, false
	if m := b.d.Mode(); m != nil {
		b.args = append(b.args, m)
	}
}

// change appends the statement of one change. An insert may take its rows from
// source, a FROM clause that yields a row or none.
func (b *builder) change(c *storage.Change, source string) error {
	t := c.Table
	switch c.Action {
	case storage.Insert, storage.Put, storage.Add:
		b.insertInto(t)
		if source == "" {
			b.s(" VALUES (").row(c).s(")")
		} else {
			b.s(" SELECT ").row(c).s(" FROM ", source)
		}
		switch c.Action {
		case storage.Put:
			b.orReplace(t)
		case storage.Add:
			b.orKeep(t)
		default:
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

// inserts appends the statement of several new rows of one table.
func (b *builder) inserts(changes []storage.Change) {
	b.insertInto(changes[0].Table).s(" VALUES ")
	for i := range changes {
		if i > 0 {
			b.s(", ")
		}
		b.s("(").row(&changes[i]).s(")")
	}
}

func (b *builder) insertInto(t *storage.Table) *builder {
	if b.again {
		return b
	}
	b.s("INSERT INTO ", b.d.TableName(t.Name), ` ("tenant"`)
	for i := range t.Columns {
		b.s(`, "`, t.Columns[i].Name, `"`)
	}
	return b.s(")")
}

// onKey begins what an insert does where there is a row with the key.
func (b *builder) onKey(t *storage.Table) *builder {
	b.s(` ON CONFLICT ("tenant"`)
	for _, k := range t.Key {
		b.s(`, "`, k, `"`)
	}
	return b.s(") DO ")
}

// orKeep ends an insert that leaves the row with the key as it is.
func (b *builder) orKeep(t *storage.Table) { b.onKey(t).s("NOTHING") }

// orReplace ends an insert that replaces the row with the key.
func (b *builder) orReplace(t *storage.Table) {
	b.onKey(t)
	word := "UPDATE SET "
	for i := range t.Columns {
		if name := t.Columns[i].Name; !slices.Contains(t.Key, name) {
			b.s(word, `"`, name, `" = excluded."`, name, `"`)
			word = ", "
		}
	}
	if word != ", " { // the key is all there is
		b.s("NOTHING")
	}
}

// row appends the tenant and all values of a change's row.
func (b *builder) row(c *storage.Change) *builder {
	b.bind(storage.Text, b.whose)
	for i := range c.Table.Columns {
		b.s(", ").bind(c.Table.Columns[i].Kind, c.Row.Value(i))
	}
	return b
}

// keyed appends the condition that a row is the one a change is about.
func (b *builder) keyed(prefix string, c *storage.Change) {
	b.s(prefix, `"tenant" = `).bind(storage.Text, b.whose)
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

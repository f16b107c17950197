package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	// maxTogether is how many changes travel as one statement of common table
	// expressions; a record with its event and what goes with it is a handful.
	maxTogether = 32
	// minCopyRows is from how many new rows on a copy is worth its round trips.
	minCopyRows = 256
	// maxBulkRows and maxBulkBytes bound one array statement.
	maxBulkRows  = 2000
	maxBulkBytes = 8 << 20
)

// together reports whether changes can be one statement: one change of any row,
// then inserts elsewhere. Parts of one statement do not see each other, so no
// table that the first changes may come again, nor one into which a row is put.
func together(changes []storage.Change) bool {
	first := &changes[0]
	if len(changes) < 2 || len(changes) > maxTogether || first.Action == storage.Clear || first.Action == storage.Add {
		return false
	}
	for i := range changes[1:] {
		c := &changes[1+i]
		switch {
		case c.Action != storage.Insert && c.Action != storage.Put, first.Action != storage.Insert && c.Table.Name == first.Table.Name:
			return false
		case c.Action == storage.Put && ofTable(changes, c.Table.Name) > 1:
			return false
		}
	}
	return true
}

// ofTable is how many of the changes are about a table.
func ofTable(changes []storage.Change, name string) (n int) {
	for i := range changes {
		if changes[i].Table.Name == name {
			n++
		}
	}
	return n
}

// writeTogether runs changes that are one statement. What follows an update is
// inserted only if the update hit its row.
func (s *session) writeTogether(ctx context.Context, tenant string, changes []storage.Change) error {
	b := s.e.build(tenant)
	defer s.e.free(b)
	first := &changes[0]
	source := ""
	if mustHit(first) {
		source = "w0"
	}
	for i := range changes {
		last := i == len(changes)-1
		switch {
		case i == 0 && !last:
			b.s("WITH w0 AS (")
		case !last:
			b.s(", w", strconv.Itoa(i), " AS (")
		case i > 0:
			b.s(" ")
		}
		from := ""
		if i > 0 {
			from = source
		}
		if err := b.change(&changes[i], from); err != nil {
			return at(i, &changes[i], err)
		}
		if i == 0 && source != "" && !last {
			b.s(" RETURNING 1")
		}
		if !last {
			b.s(")")
		}
	}
	n, err := s.exec(ctx, b)
	if err == nil && n == 0 && mustHit(first) {
		return at(0, first, s.missed(ctx, tenant, first))
	}
	if err == nil {
		added(first, n > 0)
		return nil
	}
	return s.blame(tenant, err, s.e.classify(ctx, "write", first.Table.Name, err), changes)
}

// blame finds the change a statement's error is about: the only one of the table
// it names, or the one whose values it quotes.
func (s *session) blame(tenant string, cause, err error, changes []storage.Change) error {
	if len(changes) == 1 {
		return at(0, &changes[0], err)
	}
	f := s.e.d.Classify(cause)
	var of []int
	for i := range changes {
		if changes[i].Table.Name == f.Table && changes[i].Action != storage.Delete {
			of = append(of, i)
		}
	}
	if len(of) == 0 && f.Table != "" && changes[0].Action == storage.Delete {
		return at(0, &changes[0], err) // a row of that table refers to the deleted one
	}
	if d, ok := s.e.d.(Bulk); ok && len(of) > 1 {
		of = slices.DeleteFunc(of, func(i int) bool {
			return !d.Quotes(cause, tenant, changes[i].Table, changes[i].Row)
		})
	}
	if len(of) == 1 {
		return at(of[0], &changes[of[0]], err)
	}
	return err
}

// writeRuns sends like changes that follow each other as arrays, or copies them.
func (s *session) writeRuns(ctx context.Context, w *writing) error {
	changes := w.taken.changes
	for i := 0; i < len(changes); {
		n := runLength(changes[i:])
		run := changes[i : i+n]
		if n > 1 && !s.copies(run) {
			n = min(n, bulkLength(run))
			run = run[:n]
		}
		var err error
		switch {
		case n == 1:
			err = s.writeEach(ctx, w.tenant, run, i)
		case w.alone: // what fails is undone by the transaction's end, and made again in another
			err = s.sendRun(ctx, w.tenant, run, i)
		default:
			err = s.savepoint(ctx, "write", false, func(in *session) error { return in.sendRun(ctx, w.tenant, run, i) })
			if errors.Is(err, errNoCopy) {
				continue // by now it is known
			}
			if unclear(err) { // a run is undone by its savepoint, and made again row by row
				err = s.writeEach(ctx, w.tenant, run, i)
			}
		}
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// sendRun copies a run, or sends it as arrays.
func (s *session) sendRun(ctx context.Context, tenant string, run []storage.Change, first int) error {
	switch {
	case !s.copies(run):
		return s.writeRun(ctx, tenant, run, first)
	case run[0].Action != storage.Add:
		return s.copyRun(ctx, tenant, run)
	}
	// Mostly all rows that are added are new, and then a copy is the quickest way.
	err := s.savepoint(ctx, "write", false, func(in *session) error { return in.copyRun(ctx, tenant, run) })
	if !errors.Is(err, storage.ErrConflict) {
		for i := range run {
			added(&run[i], true)
		}
		return err
	}
	for len(run) > 0 {
		n := bulkLength(run)
		if err := s.writeRun(ctx, tenant, run[:n], first); err != nil {
			return err
		}
		run, first = run[n:], first+n
	}
	return nil
}

// runLength returns how many of the changes from the first can be one statement:
// the same action, table and columns, and no row twice.
func runLength(changes []storage.Change) int {
	first := &changes[0]
	if first.Action == storage.Clear || len(first.Table.Key) == 0 {
		return 1
	}
	seen := map[rowKey]struct{}{}
	for i := range changes {
		c := &changes[i]
		if !like(c, first) {
			return i
		}
		if c.Action != storage.Insert {
			if i == maxBulkRows && c.Action != storage.Add {
				return i
			}
			k := keyOf(c)
			if _, twice := seen[k]; twice {
				return i
			}
			seen[k] = struct{}{}
		}
	}
	return len(changes)
}

// bulkLength returns how many of like changes are not too much for arrays.
func bulkLength(changes []storage.Change) int {
	size := 0
	for i := range changes {
		for col := range changes[i].Table.Columns {
			size += sizeOf(changes[i].Row.Value(col))
		}
		if i == maxBulkRows || size > maxBulkBytes && i > 0 {
			return i
		}
	}
	return len(changes)
}

// rowKey identifies a row among those of one table.
type rowKey struct {
	id   uuid.UUID
	rest string
}

func keyOf(c *storage.Change) rowKey {
	var k rowKey
	for n, name := range c.Table.Key {
		v := c.Row.Value(c.Table.Index(name))
		if id, ok := v.(uuid.UUID); ok && n == 0 {
			k.id = id
			continue
		}
		part := fmt.Sprint(v)
		k.rest += strconv.Itoa(len(part)) + ":" + part
	}
	return k
}

// errNoCopy says that rows have to be sent as arrays.
var errNoCopy = errors.New("no copy")

// copies reports whether like changes are better copied.
func (s *session) copies(changes []storage.Change) bool {
	_, can := s.e.d.(Copier)
	_, refused := s.e.noCopy.Load(changes[0].Table.Name)
	return can && !refused && (changes[0].Action == storage.Insert || changes[0].Action == storage.Add) && len(changes) >= minCopyRows
}

// copyRun inserts new rows by the dialect's quickest way.
func (s *session) copyRun(ctx context.Context, tenant string, changes []storage.Change) error {
	d, ok := s.e.d.(Copier)
	if !ok {
		return errNoCopy
	}
	if s.tx.joined {
		ctx = context.WithoutCancel(ctx)
	}
	rows := make([]storage.Row, len(changes))
	for i := range changes {
		rows[i] = changes[i].Row
	}
	ok, err := d.Copy(ctx, s.tx.tx, tenant, changes[0].Table, rows)
	if !ok {
		s.e.noCopy.Store(changes[0].Table.Name, true)
		return errNoCopy
	}
	return s.e.classify(ctx, "write", changes[0].Table.Name, err)
}

// writeRun runs like changes as one statement over arrays. first is the index of
// changes[0] in the whole.
func (s *session) writeRun(ctx context.Context, tenant string, changes []storage.Change, first int) error {
	d, _ := s.e.d.(Bulk)
	c := &changes[0]
	fail := func(err error) error { return s.e.classify(ctx, "write", c.Table.Name, err) }
	b := s.e.build(tenant)
	switch c.Action {
	case storage.Insert:
		b.insertAll(d, changes)
	case storage.Put:
		b.insertAll(d, changes)
		b.orReplace(c.Table)
	case storage.Add:
		b.insertAll(d, changes)
		b.orKeep(c.Table)
		b.returningKey(c.Table, "")
	case storage.Update:
		b.updateAll(d, changes)
	default:
		b.deleteAll(d, changes)
	}
	if c.Action != storage.Insert && c.Action != storage.Add && c.Table.Version == "" {
		// Without a version to tell by, a row that another transaction has just
		// moved would look gone: it is waited for by a statement of its own.
		if err := s.lockAll(ctx, d, tenant, changes); err != nil {
			return fail(err)
		}
	}
	if !mustHit(c) && c.Action != storage.Add {
		_, err := s.exec(ctx, b)
		return fail(err)
	}
	hit, err := s.keysHit(ctx, b, changes)
	if err != nil {
		return fail(err)
	}
	for i := range changes {
		_, ok := hit[keyOf(&changes[i])]
		if !ok && mustHit(c) {
			return at(first+i, &changes[i], fail(s.missed(ctx, tenant, &changes[i])))
		}
		added(&changes[i], ok)
	}
	return nil
}

// keysHit runs a statement that returns the keys it changed.
func (s *session) keysHit(ctx context.Context, b *builder, changes []storage.Change) (map[rowKey]struct{}, error) {
	t := changes[0].Table
	rows, err := s.query(ctx, b)
	if err != nil {
		return nil, err
	}
	hit := make(map[rowKey]struct{}, len(changes))
	keys := newSink(len(t.Key))
	for _, i := range keyIndexes(t) {
		keys.add(t.Columns[i].Kind, i)
	}
	row := make(storage.Values, len(t.Columns)) // as wide as the table, for keyOf
	note := func() {
		if row[t.Index(t.Key[0])] != nil {
			hit[keyOf(&storage.Change{Table: t, Row: row})] = struct{}{}
		}
	}
	if err := keys.read(rows, 0, func() storage.Row { note(); return row }); err != nil {
		return nil, err
	}
	note()
	return hit, nil
}

// arrays appends columns of changes as unnest(…).
func (b *builder) arrays(d Bulk, changes []storage.Change, columns []int, version bool) {
	t := changes[0].Table
	b.s("unnest(")
	values := make([]any, len(changes))
	add := func(k storage.Kind) {
		b.args = append(b.args, d.BindList(k, values))
		b.b = d.Array(b.b, b.n(), k)
	}
	for n, i := range columns {
		if n > 0 {
			b.s(", ")
		}
		for j := range changes {
			values[j] = changes[j].Row.Value(i)
		}
		add(t.Columns[i].Kind)
	}
	if version {
		for j := range changes {
			values[j] = changes[j].Version
		}
		b.s(", ")
		add(storage.Int)
	}
	b.s(")")
}

func (b *builder) insertAll(d Bulk, changes []storage.Change) {
	t := changes[0].Table
	all := make([]int, len(t.Columns))
	for i := range all {
		all[i] = i
	}
	b.insertInto(t).s(" SELECT ").bind(storage.Text, b.whose).s(", u.* FROM ")
	b.arrays(d, changes, all, false)
	b.s(" AS u")
}

func keyIndexes(t *storage.Table) []int {
	keys := make([]int, len(t.Key))
	for i, k := range t.Key {
		keys[i] = t.Index(k)
	}
	return keys
}

// lockAll takes the locks of the changes' rows.
func (s *session) lockAll(ctx context.Context, d Bulk, tenant string, changes []storage.Change) error {
	b := s.e.build(tenant)
	b.s("SELECT count(*) FROM ").given(d, changes, nil)
	rows, err := s.query(ctx, b)
	if err != nil {
		return err
	}
	return newSink(0).read(rows, 0, func() storage.Row { return nil })
}

// given appends, as s, what the changes carry (keys k0…, values s0…, version v)
// with the place of each one's row. A lateral look-up that locks is made for each
// change in turn, by the primary key whatever the planner believes of the table,
// and in the order of keys, so that two batches over the same rows wait for each
// other and do not die of it.
func (b *builder) given(d Bulk, changes []storage.Change, sets []int) {
	t := changes[0].Table
	keys := keyIndexes(t)
	ordered := slices.SortedFunc(slices.Values(changes), func(x, y storage.Change) int {
		for _, i := range keys {
			if c := storage.Compare(x.Row.Value(i), y.Row.Value(i)); c != 0 {
				return c
			}
		}
		return 0
	})
	b.s("(SELECT u.*, l.at FROM ")
	b.arrays(d, ordered, append(slices.Clone(keys), sets...), t.Version != "")
	b.s(" AS u(")
	for i := range keys {
		if i > 0 {
			b.s(", ")
		}
		b.s("k", strconv.Itoa(i))
	}
	for i := range sets {
		b.s(", s", strconv.Itoa(i))
	}
	if t.Version != "" {
		b.s(", v")
	}
	b.s(") CROSS JOIN LATERAL (SELECT i.ctid AS at FROM ").from(t, "i").s(" WHERE ").ofTenant("i")
	for n, k := range t.Key {
		b.s(" AND ").column("i", k).s(" = u.k", strconv.Itoa(n))
	}
	if t.Version != "" {
		b.s(" AND ").column("i", t.Version).s(" = u.v")
	}
	b.s(b.d.Lock(), ") AS l) AS s")
}

// placed appends the condition that t's row is the one s has the place of.
func (b *builder) placed() *builder {
	return b.s(" WHERE ").ofTenant("t").s(" AND t.ctid = s.at")
}

func (b *builder) returningKey(t *storage.Table, prefix string) {
	for i, k := range t.Key {
		if i == 0 {
			b.s(" RETURNING ")
		} else {
			b.s(", ")
		}
		b.s(prefix, `"`, k, `"`)
	}
}

func (b *builder) updateAll(d Bulk, changes []storage.Change) {
	t := changes[0].Table
	var sets []int
	b.eachSet(&changes[0], func(i int) { sets = append(sets, i) })
	b.s("UPDATE ").from(t, "t").s(" SET ")
	for n, i := range sets {
		if n > 0 {
			b.s(", ")
		}
		b.s(`"`, t.Columns[i].Name, `" = s.s`, strconv.Itoa(n))
	}
	if t.Version != "" {
		if len(sets) > 0 {
			b.s(", ")
		}
		b.s(`"`, t.Version, `" = s.v + 1`)
	}
	b.s(" FROM ").given(d, changes, sets)
	b.placed().returningKey(t, "t.")
}

func (b *builder) deleteAll(d Bulk, changes []storage.Change) {
	b.s("DELETE FROM ").from(changes[0].Table, "t").s(" USING ").given(d, changes, nil)
	b.placed()
	if changes[0].Table.Version != "" {
		b.returningKey(changes[0].Table, "t.")
	}
}

package engine

import (
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/storage"
)

// firstWords is the condition of words that a read begins with: one that asks for it,
// and that holds for every row of the answer.
func firstWords(e storage.Expr) *storage.Words {
	switch e := e.(type) {
	case storage.Words:
		if e.First && len(e.All) > 0 && !slices.ContainsFunc(e.All, func(list []storage.Word) bool { return len(list) == 0 }) {
			return &e
		}
	case storage.And:
		for _, x := range e {
			if w := firstWords(x); w != nil {
				return w
			}
		}
	}
	return nil
}

// fromRows appends what a read is from. A database whose index of words is a table
// begins with that one: a cross join is SQLite's for "in this order". The rows come
// one by one, so that a limit ends it. Of others the planner must not see that there
// is an index for the rest: it thinks little of what it costs to ask a row for words.
func (b *builder) fromRows(q *storage.Query) *builder {
	w := firstWords(q.Where)
	switch {
	case w == nil:
		if !q.Lock && !q.Share {
			return b.fromKeys(q.Table, q.Where)
		}
	case b.d.WordIndex():
		b.s(b.wordTable(q.Table), " AS w CROSS JOIN ")
	default:
		b.begun = &w.All[0]
		b.s("(SELECT * FROM ").from(q.Table, "i").s(" WHERE ").found("i", w).s(b.d.NoJoin(), ") AS t")
		return b
	}
	return b.from(q.Table, "t")
}

// fewKeys are as many as any row may be held against: to look them up one by one costs as
// much to begin with.
const fewKeys = 16

// fromKeys appends a table, or its rows with the keys that a condition gives, which then
// leaves them out. A planner that has not looked at a tenant yet takes it for one of few
// rows: any index with its name would do, and each of its rows be held against the list.
// So the keys are looked up one by one, and the tenant beside them is one it cannot know.
func (b *builder) fromKeys(t *storage.Table, where storage.Expr) *builder {
	d, ok := b.d.(Bulk)
	in := firstKeys(t, where)
	if !ok || in == nil || len(in.Values) <= fewKeys {
		return b.from(t, "t")
	}
	key := t.Columns[t.Index(in.Field.Name)]
	b.keys = &in.Values[0]
	b.s("(SELECT DISTINCT ").bind(storage.Text, b.tenant).s(` AS "tenant", unnest(`)
	b.args = append(b.args, b.d.BindList(key.Kind, in.Values))
	b.b = d.Array(b.b, b.n(), key.Kind)
	b.s(`) AS "key") AS k CROSS JOIN LATERAL (SELECT * FROM `).from(t, "i").
		s(` WHERE i."tenant" = k."tenant" AND `).column("i", key.Name).s(` = k."key"`, b.d.NoJoin(), ") AS t")
	return b
}

// begin appends the tenant, and what a read begins with.
func (b *builder) begin(q *storage.Query) {
	if b.d.WordIndex() {
		b.begun = nil
		if w := firstWords(q.Where); w != nil {
			b.begun = &w.All[0]
			b.s(b.wordTable(q.Table), " MATCH ").bind(storage.Text, b.d.WordQuery(w.All)).s(` AND t."row" = w.rowid AND `).ofTenant("t")
			return
		}
	}
	b.ofKeys(q.Table, q.Where)
}

// ofKeys appends the tenant of t, and with a planner that wants to be told, the keys that
// a condition gives.
func (b *builder) ofKeys(t *storage.Table, where storage.Expr) {
	d, ok := b.d.(KeyFinder)
	in := firstKeys(t, where)
	if !ok || in == nil {
		b.ofTenant("t")
		return
	}
	b.keys = &in.Values[0]
	k := t.Columns[t.Index(in.Field.Name)].Kind
	b.b = d.Keys(b.b, in.Field.Name, k, b.text(b.tenant), func(to []byte) []byte {
		b.args = append(b.args, b.d.BindList(k, in.Values))
		return b.d.Placeholder(to, b.n(), storage.Text)
	})
}

// firstKeys is the list of keys that a condition is about.
func firstKeys(t *storage.Table, where storage.Expr) *storage.In {
	if len(t.Key) != 1 {
		return nil
	}
	var find func(e storage.Expr) *storage.In
	find = func(e storage.Expr) *storage.In {
		switch e := e.(type) {
		case storage.In:
			if e.Field == storage.F(t.Key[0]) && len(e.Values) > 0 {
				return &e
			}
		case storage.And:
			for _, x := range e {
				if in := find(x); in != nil {
					return in
				}
			}
		}
		return nil
	}
	return find(where)
}

func (b *builder) wordTable(t *storage.Table) string { return b.d.TableName(t.Name + "_words") }

// words appends a condition on words.
func (b *builder) words(alias string, e storage.Words, not bool) {
	switch {
	case len(e.All) == 0:
		b.s(constant(!not))
		return
	case b.begun == &e.All[0]: // the statement begins with it
		b.s(constant(!not))
		return
	case slices.ContainsFunc(e.All, func(list []storage.Word) bool { return len(list) == 0 }):
		b.s(constant(not))
		return
	}
	if not {
		b.s("NOT ")
	}
	if e.First && !b.d.WordIndex() {
		b.found(alias, &e)
		return
	}
	// Of a row at hand the text is the quickest to ask. A planner that made a join of
	// it would ask all rows.
	b.rowwise = true
	b.s("(")
	for i, list := range e.All {
		if i > 0 {
			b.s(" AND ")
		}
		b.s("(")
		for j, w := range list {
			if j > 0 {
				b.s(" OR ")
			}
			text := " " + w.Text
			if !w.Prefix {
				text += " "
			}
			b.s(b.d.Find(), "(' ' || ").column(alias, e.Field.Name).s(" || ' ', ").bind(storage.Text, text).s(") > 0")
		}
		b.s(")")
	}
	b.s(")")
}

// found appends a condition on words as the database's own index serves it.
func (b *builder) found(alias string, w *storage.Words) *builder {
	return b.s("(").column(alias, w.Field.Name).s("::tsvector @@ ").bind(storage.Text, b.d.WordQuery(w.All)).s("::tsquery)")
}

// execWithWords runs the statement of a change, and what keeps the index of words of
// its table in step: what a row had goes before the row changes, what it has comes
// after.
func (s *session) execWithWords(ctx context.Context, tenant string, c *storage.Change, b *builder) (int64, error) {
	t := c.Table
	if t.Words == "" || !s.e.d.WordIndex() || c.Action == storage.Update && c.Columns != nil && !slices.Contains(c.Columns, t.Index(t.Words)) {
		return s.exec(ctx, b)
	}
	if c.Action != storage.Insert {
		if err := s.forgetWords(ctx, tenant, c); err != nil {
			return 0, err
		}
	}
	n, err := s.exec(ctx, b)
	if err == nil && n > 0 && c.Action != storage.Delete && c.Action != storage.Clear {
		err = s.noteWords(ctx, tenant, c)
	}
	return n, err
}

// forgetWords takes the words of the rows a change is about out of the index, which
// keeps none itself and is told what they were.
func (s *session) forgetWords(ctx context.Context, tenant string, c *storage.Change) error {
	t := c.Table
	b := s.e.build(tenant)
	defer s.e.free(b)
	index := b.wordTable(t)
	b.s("INSERT INTO ", index, " (", index, `, rowid, "`, t.Words, `") SELECT 'delete', t."row", `).column("t", t.Words).
		s(" FROM ").from(t, "t").s(" WHERE ")
	switch {
	case c.Action != storage.Clear:
		b.keyed("t.", c)
	case c.Where == nil:
		b.ofTenant("t")
	default:
		b.ofTenant("t").s(" AND ")
		if err := b.where(t, "t", c.Where, false); err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, b)
	return err
}

// noteWords puts the words of the row a change wrote into the index.
func (s *session) noteWords(ctx context.Context, tenant string, c *storage.Change) error {
	t := c.Table
	b := s.e.build(tenant)
	defer s.e.free(b)
	b.s("INSERT INTO ", b.wordTable(t), ` (rowid, "`, t.Words, `") `)
	if c.Action == storage.Insert {
		b.s("VALUES (last_insert_rowid(), ").bind(storage.Text, c.Row.Value(t.Index(t.Words))).s(")")
	} else {
		b.s(`SELECT t."row", `).column("t", t.Words).s(" FROM ").from(t, "t").s(" WHERE ").keyed("t.", c)
	}
	_, err := s.exec(ctx, b)
	return err
}

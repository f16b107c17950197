package engine

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Claim takes due rows: first the tenants that have any, in their round, then of
// each as many as its share. What small tenants leave of theirs the others get in
// a further round.
func (e *Engine) Claim(ctx context.Context, c *storage.Claim, next func(tenant string) storage.Row) error {
	if err := c.Check(); err != nil {
		return e.classify(ctx, "claim", "", err)
	}
	return e.own(ctx, "claim", true, func(s *session) error {
		refused := false
		err := s.claim(ctx, c, func(tenant string) storage.Row {
			row := next(tenant)
			refused = refused || row == nil
			return row
		})
		if err == nil && refused { // a row claimed and not delivered would be lost for the lease
			err = storage.Invalid("", "", "a claim needs a place for each of its rows")
		}
		return e.classify(ctx, "claim", c.Queue.Table.Name, err)
	})
}

func (s *session) claim(ctx context.Context, c *storage.Claim, next func(tenant string) storage.Row) error {
	tenants, err := s.dueTenants(ctx, c, c.After, c.Limit)
	if err != nil {
		return err
	}
	if c.After != "" && len(tenants) < c.Limit {
		rest, err := s.dueTenants(ctx, c, "", c.Limit-len(tenants))
		if err != nil {
			return err
		}
		for _, t := range rest {
			if t > c.After {
				break
			}
			tenants = append(tenants, t)
		}
	}
	left := c.Limit
	for left > 0 && len(tenants) > 0 {
		now, later, share := tenants, []string(nil), left/len(tenants)
		if share == 0 {
			now, later, share = tenants[:left], tenants[left:], 1
		}
		got := map[string]int{}
		err := s.claimOf(ctx, c, now, share, func(tenant string) storage.Row {
			got[tenant]++
			left--
			return next(tenant)
		})
		if err != nil {
			return err
		}
		tenants = later
		for _, t := range now {
			if got[t] == share { // there may be more
				tenants = append(tenants, t)
			}
		}
	}
	return nil
}

// claimOf claims up to share rows of each tenant.
func (s *session) claimOf(ctx context.Context, c *storage.Claim, tenants []string, share int, next func(tenant string) storage.Row) error {
	if d, ok := s.e.d.(Bulk); ok {
		return s.claimSkipping(ctx, d, c, tenants, share, next)
	}
	for _, t := range tenants {
		if err := s.claimInTurn(ctx, c, t, share, func() storage.Row { return next(t) }); err != nil {
			return err
		}
	}
	return nil
}

// Due finds the buckets with due rows by leaps over the index (bucket, tenant, due):
// from bucket to bucket, and in each from tenant to tenant up to the first with one.
func (e *Engine) Due(ctx context.Context, q storage.Queue, now time.Time) ([]int64, error) {
	var buckets []int64
	err := e.call(ctx, "due", tableName(q.Table), false, func(ctx context.Context, run *session) error {
		if err := q.CheckAt(now); err != nil {
			return err
		}
		b := e.build("")
		set := b.dated(q)
		leap := func(what string) *builder {
			return b.s("SELECT min(").column("q", what).s(") FROM ").from(q.Table, "q").s(" WHERE ", set)
		}
		b.s("WITH RECURSIVE d(bucket) AS (")
		leap(q.Bucket).s(" UNION ALL SELECT (")
		leap(q.Bucket).s(" AND ").column("q", q.Bucket).s(" > d.bucket) FROM d WHERE d.bucket IS NOT NULL)")
		b.s(" SELECT d.bucket FROM d WHERE d.bucket IS NOT NULL AND EXISTS (WITH RECURSIVE w(tenant) AS (SELECT (")
		leap("tenant").s(" AND ").column("q", q.Bucket).s(" = d.bucket) UNION ALL SELECT (")
		leap("tenant").s(" AND ").column("q", q.Bucket).s(` = d.bucket AND q."tenant" > w.tenant) FROM w WHERE w.tenant IS NOT NULL)`)
		b.s(" SELECT 1 FROM w WHERE EXISTS (SELECT 1 FROM ").from(q.Table, "q").s(" WHERE ").column("q", q.Bucket).
			s(` = d.bucket AND q."tenant" = w.tenant AND `).column("q", q.Due).s(" <= ").bind(storage.Time, now).s(")) ORDER BY d.bucket")
		rows, err := run.query(ctx, b)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var bucket int64
			if err := rows.Scan(&bucket); err != nil {
				return err
			}
			buckets = append(buckets, bucket)
		}
		return rows.Err()
	})
	return buckets, err
}

// dated is the condition that a row has a due time, by which an index that leaves out
// the others can be used.
func (b *builder) dated(q storage.Queue) string {
	if !q.Table.Columns[q.Table.Index(q.Due)].Null {
		return "true"
	}
	return `q."` + q.Due + `" IS NOT NULL`
}

// dueTenants lists tenants greater than after that have due work, by leaps over
// the index (bucket, tenant, due): what it costs grows with the tenants, not with
// their rows.
func (s *session) dueTenants(ctx context.Context, c *storage.Claim, after string, limit int) ([]string, error) {
	b := s.e.build("")
	q := c.Queue
	bucket := func(alias string) *builder {
		return b.column(alias, q.Bucket).s(" = ").bind(storage.Int, c.Bucket)
	}
	set := b.dated(q)
	b.s(`WITH RECURSIVE d(tenant) AS (SELECT min(q."tenant") FROM `).from(q.Table, "q").s(" WHERE ", set, " AND ")
	bucket("q").s(` AND q."tenant" > `).bind(storage.Text, after)
	b.s(` UNION ALL SELECT (SELECT min(q."tenant") FROM `).from(q.Table, "q").s(" WHERE ", set, " AND ")
	bucket("q").s(` AND q."tenant" > d.tenant) FROM d WHERE d.tenant IS NOT NULL)`)
	b.s(` SELECT d.tenant FROM d WHERE d.tenant IS NOT NULL AND EXISTS (SELECT 1 FROM `).from(q.Table, "q").s(" WHERE ")
	bucket("q").s(` AND q."tenant" = d.tenant AND `).column("q", q.Due).s(" <= ").bind(storage.Time, c.Now).s(")").
		limit(limit)
	rows, err := s.query(ctx, b)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var tenants []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		tenants = append(tenants, t)
	}
	return tenants, rows.Err()
}

// claimed appends the columns of a queue's row as they are after the claim.
func (b *builder) claimed(c *storage.Claim, alias string) *builder {
	t := c.Queue.Table
	for i := range t.Columns {
		if i > 0 {
			b.s(", ")
		}
		switch name := t.Columns[i].Name; name {
		case c.Queue.Due:
			b.bind(storage.Time, c.Until)
		case t.Version:
			b.column(alias, name).s(" + 1")
		default:
			b.column(alias, name)
		}
	}
	return b
}

func tableSink(t *storage.Table, more int) *sink {
	s := newSink(len(t.Columns) + more)
	for i := range t.Columns {
		s.add(t.Columns[i].Kind, i)
	}
	return s
}

// claimInTurn claims of one tenant where writers take turns: it reads the rows in
// order, then moves all up to the last one.
func (s *session) claimInTurn(ctx context.Context, c *storage.Claim, tenant string, share int, next func() storage.Row) error {
	q, t := c.Queue, c.Queue.Table
	mine := func(b *builder) *builder {
		return b.ofTenant("q").s(" AND ").column("q", q.Bucket).s(" = ").bind(storage.Int, c.Bucket)
	}
	position := append([]int{t.Index(q.Due)}, keyIndexes(t)...)
	b := s.e.build(tenant)
	b.s("SELECT ").claimed(c, "q")
	for _, i := range position {
		b.s(", ").column("q", t.Columns[i].Name)
	}
	b.s(" FROM ").from(t, "q").s(" WHERE ")
	mine(b).s(" AND ").column("q", q.Due).s(" <= ").bind(storage.Time, c.Now).s(" ORDER BY ")
	for n, i := range position {
		if n > 0 {
			b.s(", ")
		}
		b.column("q", t.Columns[i].Name)
	}
	b.limit(share)
	rows, err := s.query(ctx, b)
	if err != nil {
		return err
	}
	// The place of the last row goes into last, behind what the caller's row gets.
	last := make(storage.Values, len(position))
	into := tableSink(t, len(position))
	for n, i := range position {
		into.add(t.Columns[i].Kind, len(t.Columns)+n)
	}
	if err := into.read(rows, share, func() storage.Row {
		row := next()
		if row == nil {
			return nil
		}
		return widened{row, len(t.Columns), last}
	}); err != nil || last[0] == nil {
		return err
	}
	b.reset(false)
	b.s("UPDATE ").from(t, "q").s(` SET "`, q.Due, `" = `).bind(storage.Time, c.Until).
		s(`, "`, t.Version, `" = "`, t.Version, `" + 1 WHERE `)
	// The place of the last row alone bounds the range: SQLite takes one bound, and the
	// due time as well would make it look at all that is due.
	mine(b).s(" AND ", b.dated(q), " AND (")
	for n, i := range position {
		if n > 0 {
			b.s(", ")
		}
		b.column("q", t.Columns[i].Name)
	}
	b.s(") <= (")
	for n, i := range position {
		if n > 0 {
			b.s(", ")
		}
		b.bind(t.Columns[i].Kind, last[n])
	}
	b.s(")")
	_, err = s.exec(ctx, b)
	return err
}

// widened is a row with further places behind its columns.
type widened struct {
	storage.Row

	n    int
	more storage.Values
}

func (w widened) Dest(i int) any {
	if i >= w.n {
		return w.more.Dest(i - w.n)
	}
	return w.Row.Dest(i)
}

// claimSkipping claims of several tenants with one statement, passing over rows
// that another claim holds.
func (s *session) claimSkipping(ctx context.Context, d Bulk, c *storage.Claim, tenants []string, share int, next func(tenant string) storage.Row) error {
	q, t := c.Queue, c.Queue.Table
	list := make([]any, len(tenants))
	for i, tenant := range tenants {
		list[i] = tenant
	}
	b := s.e.build("")
	b.s(`WITH c AS MATERIALIZED (SELECT l.*, row_number() OVER () AS "Place" FROM `)
	b.s("unnest(")
	Fragments{b}.Array(d, storage.Text, list)
	b.s(") WITH ORDINALITY AS w(tenant, n) CROSS JOIN LATERAL (SELECT ").column("q", "tenant")
	for _, k := range t.Key {
		b.s(", ").column("q", k)
	}
	b.s(" FROM ").from(t, "q").s(` WHERE q."tenant" = w.tenant AND `).column("q", q.Bucket).s(" = ").bind(storage.Int, c.Bucket).
		s(" AND ").column("q", q.Due).s(" <= ").bind(storage.Time, c.Now).s(" ORDER BY ").column("q", q.Due)
	for _, k := range t.Key {
		b.s(", ").column("q", k)
	}
	b.limit(share).s(d.Lock(), " SKIP LOCKED) AS l), u AS (UPDATE ").from(t, "q").
		s(` SET "`, q.Due, `" = `).bind(storage.Time, c.Until).s(`, "`, t.Version, `" = q."`, t.Version, `" + 1 FROM c WHERE q."tenant" = c.tenant`)
	for _, k := range t.Key {
		b.s(" AND ").column("q", k).s(" = ").column("c", k)
	}
	b.s(` RETURNING c."Place", q.*) SELECT u."tenant"`)
	for i := range t.Columns {
		b.s(", ").column("u", t.Columns[i].Name)
	}
	b.s(` FROM u ORDER BY u."Place"`)
	rows, err := s.query(ctx, b)
	if err != nil {
		return err
	}
	return readTenants(rows, t, next)
}

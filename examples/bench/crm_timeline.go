package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm"
)

// met is how many customers have a timeline: all of the first tenant's, with as many entries together as there are
// customers in the database.
const met = 100

// moment is an entry of a timeline, as both sides read it.
type moment struct {
	at          time.Time
	id          uuid.UUID
	kind, title string
	changes     []byte
}

// hung are the tables of what hangs on a customer, with what is in the columns of their own.
var hung = []struct{ table, columns, values string }{ //nolint:gochecknoglobals // a constant
	{"interaction", `kind, at, seconds, title`, `'call', {at}, 60, 'Talked about the offer ' || n`},
	{"note", `text, pinned`, `'Asked for a price, and for how soon it could be had ' || n, {no}`},
	{"comment", `text`, `'Looks good to me ' || n`},
	{"task", `title, priority, done`, `'Call back ' || n, 'normal', {at}`},
	{"file", `name, media_type, size, sha256, blob`, `'offer ' || n || '.pdf', 'application/pdf', 1, '', CAST({text} AS text)`},
}

// timelines fills the database, the first time that a timeline is read.
func (w *crmWorld) timelines(ctx context.Context) ([]crm.ID, error) {
	ids := make([]crm.ID, met)
	for i := range ids {
		ids[i] = w.rows[i].id
	}
	if w.met {
		return ids, nil
	}
	each := len(w.rows) / met / len(hung)
	d := struct{ prefix, id, text, at, no, series string }{
		"crm_", "randomblob(16)", "hex(randomblob(16))", "1767603600000000 + 1000000 * abs(random() % 10000000)", "0",
		fmt.Sprintf("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d)", each),
	}
	if w.engine == "postgres" {
		d.prefix, d.id, d.text, d.no = schemaName+".", "gen_random_uuid()", "gen_random_uuid()::text", "false"
		d.at = "timestamptz '2026-01-05' + interval '1 second' * floor(random() * 10000000)"
		d.series = fmt.Sprintf("WITH s AS (SELECT generate_series(1, %d) AS n)", each)
	}
	list := make([]string, met)
	for i, id := range ids {
		list[i] = "x'" + hex.EncodeToString(id[:]) + "'"
		if w.engine == "postgres" {
			list[i] = "uuid '" + id.String() + "'"
		}
	}
	for _, h := range hung {
		//nolint:gosec // made of constants
		statement := d.series + ` INSERT INTO ` + d.prefix + h.table + ` (tenant, id, version, created, updated, object, record_id, ` + h.columns + `) ` +
			`SELECT '` + tenant(0) + `', ` + d.id + `, 1, ` + d.at + `, ` + d.at + `, 'customer', c.id, ` +
			strings.NewReplacer("{at}", d.at, "{no}", d.no, "{text}", d.text).Replace(h.values) +
			` FROM s CROSS JOIN ` + d.prefix + `customer AS c WHERE c.tenant = '` + tenant(0) + `' AND c.id IN (` + strings.Join(list, ", ") + `)`
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	if s, ok := w.base.(*crmBySQLite); ok {
		var err error
		if s.readTimeline, err = w.db.PrepareContext(ctx, handTimeline("crm_", "sqlite")); err != nil {
			return nil, err
		}
	}
	w.met = true
	return ids, w.vacuum(ctx)
}

// crmTimeline reads the first page of a customer's timeline.
func crmTimeline(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	ids, err := w.timelines(ctx)
	which := make([]crm.ID, n)
	for i := range which {
		which[i] = ids[w.rand.IntN(met)]
	}
	return func(s crmSide, i int) error {
		found, err := s.timeline(ctx, tenant(0), which[i])
		return expect(len(found), pageSize, err)
	}, err
}

func (o byCRM) timeline(ctx context.Context, tenant string, id crm.ID) ([]moment, error) {
	page, err := o.Timeline(as(ctx, tenant, clerk), "customer", id, crm.TimelineFilter{}, crm.Limit(pageSize))
	return make([]moment, len(page.Items)), err
}

// handTimeline is the statement of a page: the newest rows of each table by its index, and of those the newest.
func handTimeline(prefix, engine string) string {
	none := func(kind string) string {
		if engine == "postgres" {
			return "NULL::" + kind
		}
		return "NULL"
	}
	limit := strconv.Itoa(pageSize + 1)
	branch := func(table, at, kind, title string) string {
		return `SELECT * FROM (SELECT ` + at + ` AS at, id, ` + kind + ` AS kind, ` + title + ` AS title, owner_id, ` + none("jsonb") + ` AS changes
			FROM ` + prefix + table + ` WHERE tenant = $1 AND record_id = $2 AND object = 'customer' AND deleted IS NULL AND ` + at + ` IS NOT NULL
			ORDER BY ` + at + ` DESC, id DESC LIMIT ` + limit + `) AS b`
	}
	return `SELECT at, id, kind, title, owner_id, changes FROM (` + strings.Join([]string{
		branch("interaction", "at", "kind", "title"), branch("note", "created", "'note'", "text"), branch("comment", "created", "'comment'", "text"),
		branch("task", "created", "'task'", "title"), branch("task", "done", "'task.done'", "title"), branch("file", "created", "'file'", "name"),
		`SELECT * FROM (SELECT happened AS at, id, name AS kind, ` + none("text") + ` AS title, ` + none("uuid") + ` AS owner_id, changes
			FROM ` + prefix + `event WHERE tenant = $1 AND object = 'customer' AND record_id = $2 ORDER BY happened DESC, id DESC LIMIT ` + limit + `) AS b`,
	}, " UNION ALL ") + `) AS u ORDER BY at DESC, id DESC LIMIT ` + limit
}

func (s *crmBySQLite) timeline(ctx context.Context, tenant string, id crm.ID) ([]moment, error) {
	rows, err := s.readTimeline.QueryContext(ctx, tenant, id[:])
	return readPage(rows, err, func(rows interface{ Scan(dest ...any) error }) (m moment, err error) {
		var at int64
		var owner uuid.NullUUID
		var title *string
		err = rows.Scan(&at, &m.id, &m.kind, &title, &owner, &m.changes)
		m.at = time.UnixMicro(at).UTC()
		if title != nil {
			m.title = *title
		}
		return m, err
	})
}

func (s crmByPostgres) timeline(ctx context.Context, tenant string, id crm.ID) ([]moment, error) {
	rows, err := s.db.QueryContext(ctx, handTimeline(schemaName+".", "postgres"), tenant, uuid.UUID(id))
	return readPage(rows, err, func(rows interface{ Scan(dest ...any) error }) (m moment, err error) {
		var owner uuid.NullUUID
		var title *string
		err = rows.Scan(&m.at, &m.id, &m.kind, &title, &owner, &m.changes)
		if title != nil {
			m.title = *title
		}
		return m, err
	})
}

func (*byPocketBase) timeline(context.Context, string, crm.ID) ([]moment, error) {
	return nil, errLacking
}

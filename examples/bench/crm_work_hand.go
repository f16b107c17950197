//nolint:sqlclosecheck // the statements of a transaction end with it, and the others with the pool
package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/embedcrm/embedcrm/crm"
)

// What works in the background by hand does so set by set, with one text for both databases: as few statements as leave
// the same in the tables.
const (
	logged    = 1000 // events of one transaction that puts them into the log
	delivered = 500  // events of one transaction that hands them over
	claimed   = 200  // jobs, or instances, of one transaction

	processes = "crm.process" // the subscription of the processes

	holdHead = `SELECT position FROM {log_head} WHERE tenant = ?[lock]`
	intoLog  = `INSERT INTO {event_log} (tenant, position, event_id) SELECT o.tenant, ?[int] + row_number() OVER (ORDER BY o.id), o.id
		FROM (SELECT tenant, id FROM {outbox} WHERE tenant = ? ORDER BY id LIMIT ?) AS o`
	offOutbox  = `DELETE FROM {outbox} WHERE tenant = ? AND id IN (SELECT event_id FROM {event_log} WHERE tenant = ? AND position > ?)`
	moveHead   = `UPDATE {log_head} SET position = ?, version = version + 1 WHERE tenant = ?`
	wake       = `UPDATE {subscription} SET due = ?, version = version + 1 WHERE tenant = ? AND due IS NULL`
	holdPlace  = `SELECT position FROM {subscription} WHERE tenant = ? AND name = ? AND due <= ?[lock]`
	movePlace  = `UPDATE {subscription} SET position = ?, due = ?, version = version + 1 WHERE tenant = ? AND name = ?`
	readEvents = `SELECT l.position, e.id, e.object, e.record_id, e.version, e.name, e.happened, e.recorded, e.actor, e.cause, e.changes
		FROM {event_log} AS l JOIN {event} AS e ON e.tenant = l.tenant AND e.id = l.event_id
		WHERE l.tenant = ? AND l.position > ? AND e.name = 'customer.created' ORDER BY l.position LIMIT ?`
	countHeld  = `SELECT count(*) FROM {held_event} WHERE tenant = ? AND subscription = ?`
	countWaits = `SELECT count(*) FROM {event_log} AS l JOIN {event} AS e ON e.tenant = l.tenant AND e.id = l.event_id
		JOIN {process_wait} AS w ON w.tenant = e.tenant AND w.object = e.object AND w.record_id = e.record_id
		WHERE l.tenant = ? AND l.position > ?`

	dueJobs = `SELECT id, kind, payload, attempts, created FROM {job} WHERE bucket = ? AND tenant = ? AND due <= ? AND due IS NOT NULL
		ORDER BY due, id LIMIT ?[skip]`
	endJobs = `DELETE FROM {job} WHERE tenant = ? AND id [among]`

	dueInstances = `SELECT id, record_id, body FROM {process_instance} WHERE bucket = ? AND tenant = ? AND due <= ? AND due IS NOT NULL
		ORDER BY due, id LIMIT ?[skip]`
	livingBuyers = `SELECT count(*) FROM {customer} WHERE tenant = ? AND deleted IS NULL AND id [among]`
	beginWait    = `UPDATE {process_instance} SET version = version + 1, due = ?, state = 'waiting', updated = ?, body = ?
		WHERE tenant = ? AND id [among]`
	endInstances = `UPDATE {process_instance} SET version = version + 1, due = NULL, state = 'done', result = 'done', updated = ?, ended = ?,
		body = ? WHERE tenant = ? AND id [among]`
	addVisits = `INSERT INTO {process_visit} (tenant, instance_id, visit, process_id, step, entered, finished, took, actor)
		SELECT i.tenant, i.id, v.visit, i.process_id, v.step, CASE v.visit WHEN 1 THEN i.started ELSE ?[time] END, ?[time],
			CASE v.visit WHEN 1 THEN [took] ELSE 0 END, 'system'
		FROM {process_instance} AS i CROSS JOIN (SELECT 1 AS visit, 'rest' AS step UNION ALL SELECT 2, 'act' UNION ALL SELECT 3, 'done') AS v
		WHERE i.tenant = ? AND i.id [among]`
)

// sql is a text for the database: {table} is a table of crm's, and what is in brackets each database says in its own way.
func (d *database) sql(text string) string {
	if d.engine != "postgres" {
		return strings.NewReplacer("{", "crm_", "}", "", "[lock]", "", "[skip]", "", "[int]", "", "[time]", "",
			"[among]", "IN (SELECT unhex(value) FROM json_each(?))", "[took]", "? - i.started").Replace(text)
	}
	text = strings.NewReplacer("{", schemaName+".", "}", "", "[lock]", " FOR UPDATE", "[skip]", " FOR UPDATE SKIP LOCKED", "[int]", "::bigint",
		"[time]", "::timestamptz", "[among]", "= ANY(?)",
		"[took]", "(extract(epoch FROM ?::timestamptz - i.started) * 1000000)::bigint").Replace(text)
	parts := strings.Split(text, "?")
	for i := range parts[1:] {
		parts[i+1] = "$" + strconv.Itoa(i+1) + parts[i+1]
	}
	return strings.Join(parts, "")
}

// prepare prepares what is done in the background.
func (h *hand) prepare(ctx context.Context) error {
	h.prepared = map[string]*sql.Stmt{}
	for _, text := range []string{
		holdHead, intoLog, offOutbox, moveHead, wake, holdPlace, movePlace, readEvents, countHeld, countWaits, dueJobs, endJobs,
		dueInstances, livingBuyers, beginWait, endInstances, addVisits,
	} {
		var err error
		if h.prepared[text], err = h.db.PrepareContext(ctx, h.sql(text)); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// do runs a prepared statement, and returns how many rows it changed.
func (h *hand) do(ctx context.Context, tx *sql.Tx, text string, args ...any) (int64, error) {
	res, err := tx.StmtContext(ctx, h.prepared[text]).ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// figure reads a number, or -1 if there is none.
func (h *hand) figure(ctx context.Context, tx *sql.Tx, text string, args ...any) (int64, error) {
	list, err := readAll(ctx, tx.StmtContext(ctx, h.prepared[text]), func(rows *sql.Rows) (n int64, err error) {
		err = rows.Scan(&n)
		return n, err
	}, args...)
	if err != nil || len(list) == 0 {
		return -1, err
	}
	return list[0], nil
}

// readAll reads rows.
func readAll[T any](ctx context.Context, st *sql.Stmt, scan func(rows *sql.Rows) (T, error), args ...any) (list []T, err error) {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// stamp is where either engine's driver puts a time.
type stamp struct{ *time.Time }

func (s stamp) Scan(v any) error {
	switch v := v.(type) {
	case int64:
		*s.Time = time.UnixMicro(v).UTC()
	case time.Time:
		*s.Time = v.UTC()
	default:
		return fmt.Errorf("%T is no time", v)
	}
	return nil
}

// at is a time as either engine has it.
func (h *hand) at(t time.Time) any {
	if h.engine == "postgres" {
		return t
	}
	return t.UnixMicro()
}

// list is ids as either engine takes them.
func (h *hand) list(ids []uuid.UUID) any {
	if h.engine == "postgres" {
		list := make([]pgtype.UUID, len(ids))
		for i, id := range ids {
			list[i] = pgID(id)
		}
		return list
	}
	list := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(hex.AppendEncode(append(list, '"'), id[:]), '"')
	}
	return string(append(list, ']'))
}

// deliver hands over what is in a tenant's outbox.
func (h *hand) deliver(ctx context.Context, tenant string) (int, error) {
	if _, err := h.inBatches(ctx, logged, func(tx *sql.Tx) (int, error) { return h.relay(ctx, tx, tenant) }); err != nil {
		return 0, err
	}
	done, err := h.inBatches(ctx, delivered, func(tx *sql.Tx) (int, error) { return h.hear(ctx, tx, tenant) })
	if err == nil {
		err = in(ctx, h.db, func(tx *sql.Tx) error { return h.overhear(ctx, tx, tenant) })
	}
	return done, err
}

// inBatches repeats a transaction until one does less than a batch.
func (h *hand) inBatches(ctx context.Context, size int, fn func(tx *sql.Tx) (int, error)) (done int, err error) {
	for n := size; n == size && err == nil; done += n {
		err = in(ctx, h.db, func(tx *sql.Tx) (err error) { n, err = fn(tx); return err })
	}
	return done, err
}

// relay puts events into the log.
func (h *hand) relay(ctx context.Context, tx *sql.Tx, tenant string) (int, error) {
	head, err := h.figure(ctx, tx, holdHead, tenant)
	if err != nil {
		return 0, err
	}
	n, err := h.do(ctx, tx, intoLog, head, tenant, logged)
	if err != nil || n == 0 {
		return 0, err
	}
	if _, err := h.do(ctx, tx, offOutbox, tenant, tenant, head); err != nil {
		return 0, err
	}
	if _, err := h.do(ctx, tx, moveHead, head+n, tenant); err != nil {
		return 0, err
	}
	_, err = h.do(ctx, tx, wake, h.at(h.now()), tenant)
	return int(n), err
}

// hear hands events to the subscription, whose handler counts.
func (h *hand) hear(ctx context.Context, tx *sql.Tx, tenant string) (int, error) {
	position, err := h.figure(ctx, tx, holdPlace, tenant, counting, h.at(h.now()))
	if err != nil || position < 0 {
		return 0, err
	}
	events, err := readAll(ctx, tx.StmtContext(ctx, h.prepared[readEvents]), func(rows *sql.Rows) (e crm.Event, err error) {
		var cause sql.NullString
		var changes []byte
		err = rows.Scan(&position, (*uuid.UUID)(&e.ID), &e.Object, (*uuid.UUID)(&e.Record), &e.Version, &e.Name, stamp{&e.Happened},
			stamp{&e.Recorded}, &e.Actor, &cause, &changes)
		return e, err
	}, tenant, position, delivered)
	if err != nil {
		return 0, err
	}
	held, err := h.figure(ctx, tx, countHeld, tenant, counting)
	if err = agree(err, held == 0); err != nil {
		return 0, err
	}
	due := h.at(h.now())
	if len(events) < delivered {
		if position, err = h.figure(ctx, tx, holdHead, tenant); err != nil {
			return 0, err
		}
		due = nil
	}
	_, err = h.do(ctx, tx, movePlace, position, due, tenant, counting)
	return len(events), err
}

// overhear finds that no process waits for an event.
func (h *hand) overhear(ctx context.Context, tx *sql.Tx, tenant string) error {
	position, err := h.figure(ctx, tx, holdPlace, tenant, processes, h.at(h.now()))
	if err != nil || position < 0 {
		return err
	}
	waits, err := h.figure(ctx, tx, countWaits, tenant, position)
	if err = agree(err, waits == 0); err != nil {
		return err
	}
	head, err := h.figure(ctx, tx, holdHead, tenant)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, tx, movePlace, head, nil, tenant, processes)
	return err
}

// finish does jobs, in the transaction that holds and removes them.
func (h *hand) finish(ctx context.Context, tenant string) (int, error) {
	return h.inBatches(ctx, claimed, func(tx *sql.Tx) (int, error) {
		ids, err := readAll(ctx, tx.StmtContext(ctx, h.prepared[dueJobs]), func(rows *sql.Rows) (id uuid.UUID, err error) {
			var j crm.Job
			var payload []byte
			err = rows.Scan(&id, &j.Kind, &payload, &j.Attempts, stamp{&j.Created})
			return id, err
		}, h.buckets[tenant]+crm.Buckets, tenant, h.at(h.now()), claimed) // those of normal priority are behind the high
		if err != nil || len(ids) == 0 {
			return 0, err
		}
		n, err := h.do(ctx, tx, endJobs, tenant, h.list(ids))
		return int(n), err
	})
}

// resting is the state of an instance, as far as it has to be known.
type resting struct {
	Tokens []struct {
		State string `json:"state"`
	} `json:"tokens"`
}

// move moves the instances that are due, and returns how many acted.
func (h *hand) move(ctx context.Context, tenant string) (acted int, err error) {
	_, err = h.inBatches(ctx, claimed, func(tx *sql.Tx) (int, error) {
		var begin, end, records []uuid.UUID
		_, err := readAll(ctx, tx.StmtContext(ctx, h.prepared[dueInstances]), func(rows *sql.Rows) (id uuid.UUID, err error) {
			var record uuid.UUID
			var body []byte
			var st resting
			if err = rows.Scan(&id, &record, &body); err != nil {
				return id, err
			}
			records = append(records, record)
			if err = json.Unmarshal(body, &st); err != nil {
				return id, err
			}
			if st.Tokens[0].State == "ready" {
				begin = append(begin, id)
			} else {
				end = append(end, id)
			}
			return id, nil
		}, h.buckets[tenant], tenant, h.at(h.now()), claimed)
		if err != nil || len(records) == 0 {
			return 0, err
		}
		living, err := h.figure(ctx, tx, livingBuyers, tenant, h.list(records))
		if err = expect(int(living), len(records), err); err != nil {
			return 0, err
		}
		acted += len(end)
		return len(records), h.moved(ctx, tx, tenant, begin, end)
	})
	return acted, err
}

// moved writes where instances have come.
func (h *hand) moved(ctx context.Context, tx *sql.Tx, tenant string, begin, end []uuid.UUID) error {
	now := h.now()
	if len(begin) > 0 {
		body := `{"seq": 1, "tokens": [{"step": "rest", "visit": 1, "state": "waiting", "due": "` + now.Add(waited).Format(time.RFC3339Nano) + `"}]}`
		if _, err := h.do(ctx, tx, beginWait, h.at(now.Add(waited)), h.at(now), body, tenant, h.list(begin)); err != nil {
			return err
		}
	}
	if len(end) == 0 {
		return nil
	}
	at, ids := h.at(now), h.list(end)
	if _, err := h.do(ctx, tx, endInstances, at, at, `{"seq": 3}`, tenant, ids); err != nil {
		return err
	}
	n, err := h.do(ctx, tx, addVisits, at, at, at, tenant, ids)
	return expect(int(n), steps*len(end), err)
}

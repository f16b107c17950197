package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/embedcrm/embedcrm/storage"
)

// schemaName is where the tables are in Postgres.
const schemaName = "crm"

// byPostgres is SQL written by hand for Postgres: the driver keeps the statements prepared, and what belongs together is one.
type byPostgres struct{ db *sql.DB }

var _ side = byPostgres{}

const (
	fromCustomer = ` FROM ` + schemaName + `.customer WHERE tenant = $1`
	addCustomer  = `INSERT INTO ` + schemaName + `.customer (tenant, ` + columns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
	intoEvent  = `INSERT INTO ` + schemaName + `.event (tenant, id, customer_id, at, verb, data) `
	intoOutbox = `INSERT INTO ` + schemaName + `.outbox (tenant, id, event_id, due, kind) `

	selectOne  = `SELECT ` + columns + fromCustomer + ` AND id = $2`
	selectPage = `SELECT ` + columns + fromCustomer + ` AND (updated, id) < ($2, $3) ORDER BY updated DESC, id DESC LIMIT $4`
	countStage = `SELECT count(*)` + fromCustomer + ` AND stage = $2`
	sumStages  = `SELECT stage, count(*), sum(revenue)::bigint` + fromCustomer + ` GROUP BY stage ORDER BY stage`
	insertAll3 = `WITH c AS (` + addCustomer + `), e AS (` + intoEvent + `VALUES ($1, $22, $23, $24, $25, $26)) ` +
		intoOutbox + `VALUES ($1, $27, $28, $29, $30)`
	updateAll3 = `WITH c AS (
		UPDATE ` + schemaName + `.customer SET updated = $2, score = $3, note = $4, version = version + 1
		WHERE tenant = $1 AND id = $5 AND version = $6 RETURNING 1),
	e AS (` + intoEvent + `SELECT $1, $7::uuid, $8::uuid, $9::timestamptz, $10::text, $11::jsonb FROM c) ` +
		intoOutbox + `SELECT $1, $12::uuid, $13::uuid, $14::timestamptz, $15::text FROM c`
	deleteBoth = `WITH c AS (DELETE` + fromCustomer + ` AND id = $2 AND version = $3 RETURNING 1) ` +
		intoEvent + `SELECT $1, $4::uuid, $5::uuid, $6::timestamptz, $7::text, $8::jsonb FROM c`

	dueTenants = `WITH RECURSIVE d(tenant) AS (
		SELECT min(tenant) FROM ` + schemaName + `.job WHERE bucket = 0
		UNION ALL
		SELECT (SELECT min(tenant) FROM ` + schemaName + `.job WHERE bucket = 0 AND tenant > d.tenant) FROM d WHERE d.tenant IS NOT NULL)
	SELECT d.tenant FROM d WHERE d.tenant IS NOT NULL
	AND EXISTS (SELECT 1 FROM ` + schemaName + `.job WHERE bucket = 0 AND tenant = d.tenant AND due <= $1) LIMIT $2`
	leaseJobs = `WITH c AS MATERIALIZED (
		SELECT l.*, row_number() OVER () AS place FROM unnest($1::text[]) WITH ORDINALITY AS w(tenant, n)
		CROSS JOIN LATERAL (
			SELECT tenant, id FROM ` + schemaName + `.job AS q WHERE q.tenant = w.tenant AND bucket = 0 AND due <= $2
			ORDER BY due, id LIMIT $3 FOR UPDATE SKIP LOCKED) AS l),
	u AS (
		UPDATE ` + schemaName + `.job AS q SET due = $4, version = version + 1 FROM c WHERE q.tenant = c.tenant AND q.id = c.id
		RETURNING c.place, q.*)
	SELECT tenant, id, version, bucket, due, kind, data FROM u ORDER BY place`
	lockJobs = `SELECT 1 FROM ` + schemaName + `.job WHERE tenant = $1 AND id IN (SELECT * FROM unnest($2::uuid[]))
	ORDER BY id FOR UPDATE`
	deleteJobs = `DELETE FROM ` + schemaName + `.job AS j USING unnest($2::uuid[], $3::bigint[]) AS u(id, version)
	WHERE j.tenant = $1 AND j.id = u.id AND j.version = u.version`
)

func (byPostgres) scan(rows interface{ Scan(dest ...any) error }, c *customer) error {
	var (
		email, phone, company, note sql.NullString
		owner                       uuid.NullUUID
		employees                   sql.NullInt64
		since                       time.Time
	)
	if err := rows.Scan(&c.ID, &c.Version, &c.Created, &c.Updated, &c.Name, &email, &phone, &company, &c.City, &c.Country, &c.Stage,
		&owner, &c.Source, &c.Score, &employees, &c.Revenue, &c.Currency, &since, &note, (*[]byte)(&c.Custom)); err != nil {
		return err
	}
	c.Created, c.Updated, c.Since = c.Created.UTC(), c.Updated.UTC(), storage.DateOf(since)
	c.Email, c.Phone, c.Company, c.Note = email.String, phone.String, company.String, note.String
	c.OwnerID, c.Employees = owner.UUID, employees.Int64
	return nil
}

func (b byPostgres) get(ctx context.Context, tenant string, id uuid.UUID, c *customer) error {
	return b.scan(b.db.QueryRowContext(ctx, selectOne, tenant, id), c)
}

func (b byPostgres) list(ctx context.Context, tenant string, updated time.Time, id uuid.UUID, page []customer) (int, error) {
	rows, err := b.db.QueryContext(ctx, selectPage, tenant, updated, id, len(page))
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	n := 0
	for ; rows.Next(); n++ {
		if err := b.scan(rows, &page[n]); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

func (b byPostgres) count(ctx context.Context, tenant, stage string) (n int64, err error) {
	err = b.db.QueryRowContext(ctx, countStage, tenant, stage).Scan(&n)
	return n, err
}

func (b byPostgres) totals(ctx context.Context, tenant string) ([]total, error) {
	rows, err := b.db.QueryContext(ctx, sumStages, tenant)
	return readTotals(rows, err)
}

// optionalID is nil, or what pgx takes for a uuid.
func optionalID(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

func (b byPostgres) insert(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return one(b.db.ExecContext(ctx, insertAll3,
		tenant, c.ID, c.Version, c.Created, c.Updated, c.Name, nullText(c.Email), nullText(c.Phone), nullText(c.Company), c.City,
		c.Country, c.Stage, optionalID(c.OwnerID), c.Source, c.Score, nullInt(c.Employees), c.Revenue, c.Currency, c.Since.String(),
		nullText(c.Note), string(c.Custom),
		e.ID, e.CustomerID, e.At, e.Verb, string(e.Data),
		m.ID, m.EventID, m.Due, m.Kind))
}

func (b byPostgres) update(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return one(b.db.ExecContext(ctx, updateAll3,
		tenant, c.Updated, c.Score, nullText(c.Note), c.ID, c.Version,
		e.ID, e.CustomerID, e.At, e.Verb, string(e.Data),
		m.ID, m.EventID, m.Due, m.Kind))
}

func (b byPostgres) remove(ctx context.Context, tenant string, c *customer, e *event) error {
	return one(b.db.ExecContext(ctx, deleteBoth, tenant, c.ID, c.Version, e.ID, e.CustomerID, e.At, e.Verb, string(e.Data)))
}

// insertAll copies, past database/sql, which knows no COPY.
func (b byPostgres) insertAll(ctx context.Context, tenant string, all []customer) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	return conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return errors.ErrUnsupported
		}
		names := strings.Split("tenant, "+strings.Join(strings.Fields(columns), " "), ", ")
		_, err := c.Conn().CopyFrom(ctx, pgx.Identifier{schemaName, "customer"}, names, pgx.CopyFromSlice(len(all), func(n int) ([]any, error) {
			c := &all[n]
			return []any{
				tenant, pgID(c.ID), c.Version, c.Created, c.Updated, c.Name, nullText(c.Email), nullText(c.Phone), nullText(c.Company), c.City,
				c.Country, c.Stage, pgID(c.OwnerID), c.Source, c.Score, nullInt(c.Employees), c.Revenue, c.Currency,
				time.Date(c.Since.Year, c.Since.Month, c.Since.Day, 0, 0, 0, 0, time.UTC), nullText(c.Note), []byte(c.Custom),
			}, nil
		}))
		return err
	})
}

// pgID is an id in the form that the driver sends as it is.
func pgID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

func (b byPostgres) claim(ctx context.Context, now, until time.Time, page []job) (n int, err error) {
	err = in(ctx, b.db, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, dueTenants, now, len(page))
		tenants, err := readTexts(rows, err)
		if err != nil || len(tenants) == 0 {
			return err
		}
		if rows, err = tx.QueryContext(ctx, leaseJobs, tenants, now, len(page)/len(tenants), until); err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for ; rows.Next(); n++ {
			j := &page[n]
			if err := rows.Scan(&j.Tenant, &j.ID, &j.Version, &j.Bucket, &j.Due, &j.Kind, (*[]byte)(&j.Data)); err != nil {
				return err
			}
			j.Due = j.Due.UTC()
		}
		return rows.Err()
	})
	return n, err
}

// finish locks the rows in their order first, so that two that finish the same rows cannot deadlock.
func (b byPostgres) finish(ctx context.Context, tenant string, done []job) error {
	keys, versions := make([]pgtype.UUID, len(done)), make([]int64, len(done))
	for i := range done {
		keys[i], versions[i] = pgID(done[i].ID), done[i].Version
	}
	return in(ctx, b.db, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, lockJobs, tenant, keys)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {  // the locks are the result; the last row read frees the connection
		}
		if err := rows.Err(); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, deleteJobs, tenant, keys, versions)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != int64(len(done)) {
			return errors.Join(err, errMissed)
		}
		return nil
	})
}

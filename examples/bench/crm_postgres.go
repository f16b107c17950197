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

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// crmByPostgres is what crm does to Postgres, by hand: the driver keeps the statements prepared, and what belongs together
// is one.
type crmByPostgres struct{ *hand }

var _ crmSide = crmByPostgres{}

const (
	livingBuyer = ` FROM ` + schemaName + `.customer WHERE tenant = $1 AND deleted IS NULL`
	buyerPage   = ` ORDER BY updated DESC, id DESC LIMIT `

	selectBuyer   = `SELECT ` + buyerColumns + livingBuyer + ` AND id = $2 LIMIT 1`
	lockBuyer     = selectBuyer + ` FOR UPDATE`
	selectFirst   = `SELECT ` + buyerColumns + livingBuyer + buyerPage + `$2`
	selectBehind  = `SELECT ` + buyerColumns + livingBuyer + ` AND (updated, id) < ($3, $4)` + buyerPage + `$2`
	selectTeam    = `SELECT ` + buyerColumns + livingBuyer + ` AND owner_id = ANY($3)` + buyerPage + `$2`
	countScored   = `SELECT count(*)` + livingBuyer + ` AND stage = $2 AND score >= $3`
	countReferred = `SELECT count(*)` + livingBuyer + ` AND referrer_id = $2`
	countNumbered = `SELECT count(*)` + livingBuyer + ` AND id IN (SELECT record_id FROM ` + schemaName + `.field_index
		WHERE tenant = $1 AND object = 'customer' AND field = 'number' AND int_value = $2)`
	selectByEmail  = `SELECT id` + livingBuyer + ` AND email = $2 LIMIT 1`
	selectReferrer = `SELECT id` + livingBuyer + ` AND id = $2 LIMIT 1`

	eventColumns   = `tenant, id, object, record_id, version, name, happened, recorded, actor, changes`
	messageColumns = `tenant, id, version, bucket, due`
	indexColumns   = `tenant, object, record_id, field, int_value`

	intoBuyerEvent   = `INSERT INTO ` + schemaName + `.event (` + eventColumns + `) `
	intoBuyerMessage = `INSERT INTO ` + schemaName + `.outbox (` + messageColumns + `) `

	holdOwner   = `SELECT id FROM ` + schemaName + `.member WHERE tenant = $1 AND deleted IS NULL AND id = $2 LIMIT 1 FOR SHARE`
	holdOwners  = `SELECT id FROM ` + schemaName + `.member WHERE tenant = $1 AND deleted IS NULL AND id = ANY($2::uuid[]) FOR SHARE`
	createBuyer = `WITH c AS (INSERT INTO ` + schemaName + `.customer (tenant, ` + buyerInsert + `)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)),
		e AS (` + intoBuyerEvent + `VALUES ($1, $25, 'customer', $2, $3, $26, $6, $27, $28, $29)),
		m AS (` + intoBuyerMessage + `VALUES ($1, $25, 1, $30, $27))
		INSERT INTO ` + schemaName + `.field_index (` + indexColumns + `) VALUES ($1, 'customer', $2, 'number', $31)`
	whereVersion = ` WHERE tenant = $1 AND id = $2 AND version = $3 - 1 RETURNING 1), e AS (` + intoBuyerEvent +
		`SELECT $1, $4::uuid, 'customer', $2::uuid, $3::bigint, $5::text, $6::timestamptz, $7::timestamptz, $8::text, $9::jsonb FROM c) ` +
		intoBuyerMessage + `SELECT $1, $4::uuid, 1, $10::bigint, $7::timestamptz FROM c`
	updateBuyer = `WITH c AS (UPDATE ` + schemaName + `.customer SET version = $3, updated = $6, score = $11, note = $12` + whereVersion
	deleteBuyer = `WITH c AS (UPDATE ` + schemaName + `.customer SET version = $3, updated = $6, deleted = $11` + whereVersion
)

func (crmByPostgres) scan(rows interface{ Scan(dest ...any) error }) (b buyer, err error) {
	var (
		deleted, since                                sql.NullTime
		employees, revenue                            sql.NullInt64
		email, phone, company, source, currency, note sql.NullString
		owner, referrer                               uuid.NullUUID
		refs, custom                                  []byte
	)
	if err := rows.Scan((*uuid.UUID)(&b.ID), &b.Version, &owner, &b.Created, &b.Updated, &deleted, &refs, &custom, &b.Name, &email, &phone,
		&company, &b.City, &b.Country, &b.Stage, &source, &b.Score, &employees, &revenue, &currency, &since, &note, &referrer); err != nil {
		return b, err
	}
	b.Created, b.Updated = b.Created.UTC(), b.Updated.UTC()
	if deleted.Valid {
		b.Deleted = deleted.Time.UTC()
	}
	if since.Valid {
		b.Since = storage.DateOf(since.Time)
	}
	b.OwnerID, b.ReferrerID = crm.ID(owner.UUID), crm.ID(referrer.UUID)
	b.Email, b.Phone, b.Company, b.Source, b.Note = email.String, phone.String, company.String, source.String, note.String
	return b, b.rest(employees, revenue, currency, refs, custom)
}

func (s crmByPostgres) get(ctx context.Context, tenant string, id crm.ID) (buyer, error) {
	return s.scan(s.db.QueryRowContext(ctx, selectBuyer, tenant, uuid.UUID(id)))
}

// page reads customers, and of one more than a page that there is another.
func (s crmByPostgres) page(ctx context.Context, query string, args ...any) ([]buyer, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	return readPage(rows, err, s.scan)
}

func (s crmByPostgres) list(ctx context.Context, tenant string, behind position) ([]buyer, error) {
	if behind.id.IsZero() {
		return s.page(ctx, selectFirst, tenant, pageSize+1)
	}
	return s.page(ctx, selectBehind, tenant, pageSize+1, behind.updated, uuid.UUID(behind.id))
}

func (s crmByPostgres) team(ctx context.Context, tenant string) ([]buyer, error) {
	mates := make([]pgtype.UUID, len(s.mates))
	for i, id := range s.mates {
		mates[i] = pgID(uuid.UUID(id))
	}
	return s.page(ctx, selectTeam, tenant, pageSize+1, mates)
}

func (s crmByPostgres) count(ctx context.Context, tenant, stage string, score int64) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, countScored, tenant, stage, score).Scan(&n)
	return n, err
}

func (s crmByPostgres) numbered(ctx context.Context, tenant string, number int64) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, countNumbered, tenant, number).Scan(&n)
	return n, err
}

// executor is a pool or a transaction.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s crmByPostgres) insert(ctx context.Context, on executor, e *entry) error {
	minor, currency := amount(e.Revenue)
	return one(on.ExecContext(ctx, createBuyer,
		e.tenant, uuid.UUID(e.ID), e.Version, optionalID(uuid.UUID(e.OwnerID)), e.Created, e.Updated, string(e.custom), e.Name, e.fold, e.sort,
		nullText(e.Email), nullText(e.Phone), nullText(e.Company), e.City, e.Country, e.Stage, nullText(e.Source), e.Score, e.Employees,
		minor, currency, day(e.Since), nullText(e.Note), optionalID(uuid.UUID(e.ReferrerID)),
		uuid.UUID(e.event), e.name, e.recorded, clerkActor, string(e.changes), e.bucket, e.Number))
}

func (s crmByPostgres) create(ctx context.Context, tenant string, b buyer) (buyer, error) {
	e, err := s.created(tenant, &b)
	if err != nil {
		return b, err
	}
	return b, in(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.insert(ctx, tx, &e); err != nil {
			return err
		}
		var found uuid.UUID
		err := tx.QueryRowContext(ctx, holdOwner, tenant, uuid.UUID(b.OwnerID)).Scan(&found)
		if err != nil || b.ReferrerID.IsZero() {
			return err
		}
		return tx.QueryRowContext(ctx, selectReferrer, tenant, uuid.UUID(b.ReferrerID)).Scan(&found)
	})
}

// createAll copies, past database/sql, which knows no COPY.
func (s crmByPostgres) createAll(ctx context.Context, tenant string, list []buyer) ([]buyer, error) {
	kept, entries, err := s.createdAll(tenant, list)
	if err != nil {
		return nil, err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	return kept, conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return errors.ErrUnsupported
		}
		return pgx.BeginFunc(ctx, c.Conn(), func(tx pgx.Tx) error {
			if err := copyEntries(ctx, tx, entries); err != nil {
				return err
			}
			var owners [][16]byte
			for _, id := range ownersOf(entries) {
				owners = append(owners, id)
			}
			held, err := tx.Exec(ctx, holdOwners, tenant, owners)
			return agree(err, int(held.RowsAffected()) == len(owners))
		})
	})
}

func copyEntries(ctx context.Context, tx pgx.Tx, entries []entry) error {
	for _, part := range []struct {
		table, columns string
		values         func(e *entry) []any
	}{
		{"customer", "tenant, " + buyerInsert, func(e *entry) []any {
			minor, currency := amount(e.Revenue)
			return []any{
				e.tenant, pgID(uuid.UUID(e.ID)), e.Version, pgID(uuid.UUID(e.OwnerID)), e.Created, e.Updated, e.custom, e.Name, e.fold, e.sort,
				nullText(e.Email), nullText(e.Phone), nullText(e.Company), e.City, e.Country, e.Stage, nullText(e.Source), e.Score, e.Employees,
				minor, currency, time.Date(e.Since.Year, e.Since.Month, e.Since.Day, 0, 0, 0, 0, time.UTC), nullText(e.Note),
				pgID(uuid.UUID(e.ReferrerID)),
			}
		}},
		{"event", eventColumns, func(e *entry) []any {
			return []any{e.tenant, pgID(uuid.UUID(e.event)), "customer", pgID(uuid.UUID(e.ID)), e.Version, e.name, e.Updated, e.recorded, clerkActor, e.changes}
		}},
		{"outbox", messageColumns, func(e *entry) []any {
			return []any{e.tenant, pgID(uuid.UUID(e.event)), int64(1), e.bucket, e.recorded}
		}},
		{"field_index", indexColumns, func(e *entry) []any {
			return []any{e.tenant, "customer", pgID(uuid.UUID(e.ID)), "number", e.Number}
		}},
	} {
		names := strings.Split(strings.Join(strings.Fields(part.columns), " "), ", ")
		rows := pgx.CopyFromSlice(len(entries), func(n int) ([]any, error) { return part.values(&entries[n]), nil })
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{schemaName, part.table}, names, rows); err != nil {
			return err
		}
	}
	return nil
}

// change runs a statement that changes the customer of an entry and adds its history, if he is at the version before.
func (crmByPostgres) change(ctx context.Context, on executor, statement string, e *entry, set ...any) error {
	return one(on.ExecContext(ctx, statement, append([]any{
		e.tenant, uuid.UUID(e.ID), e.Version, uuid.UUID(e.event), e.name, e.Updated, e.recorded, clerkActor, string(e.changes), e.bucket,
	}, set...)...))
}

func (s crmByPostgres) update(ctx context.Context, tenant string, id crm.ID, score int64, note string) (buyer, error) {
	b, err := s.get(ctx, tenant, id)
	if err != nil {
		return b, err
	}
	e, err := s.changed(tenant, &b, score, note)
	if err != nil {
		return b, err
	}
	return b, s.change(ctx, s.db, updateBuyer, &e, b.Score, nullText(b.Note))
}

func (s crmByPostgres) upsert(ctx context.Context, tenant, email string, score int64, note string) (buyer, error) {
	var id uuid.UUID
	if err := s.db.QueryRowContext(ctx, selectByEmail, tenant, email).Scan(&id); err != nil {
		return buyer{}, err
	}
	return s.update(ctx, tenant, crm.ID(id), score, note)
}

func (s crmByPostgres) remove(ctx context.Context, tenant string, id crm.ID) error {
	return in(ctx, s.db, func(tx *sql.Tx) error {
		b, err := s.scan(tx.QueryRowContext(ctx, lockBuyer, tenant, uuid.UUID(id)))
		if err != nil {
			return err
		}
		var n int64
		if err := tx.QueryRowContext(ctx, countReferred, tenant, uuid.UUID(id)).Scan(&n); err != nil || n > 0 {
			return agree(err, n == 0)
		}
		e, err := s.removed(tenant, &b)
		if err != nil {
			return err
		}
		return s.change(ctx, tx, deleteBuyer, &e, b.Deleted)
	})
}

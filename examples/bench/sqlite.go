//nolint:sqlclosecheck // the statements of a transaction end with it, and the others with the pool
package main

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// bySQLite is SQL written by hand for SQLite: statements prepared once, and a transaction where there are several. No LIMIT
// is an argument, for SQLite plans a statement anew whenever one is bound; where it varies it is a term.
type bySQLite struct {
	db *sql.DB

	selectOne, selectPage, countStage, sumStages   *sql.Stmt
	insertCustomer, updateCustomer, deleteCustomer *sql.Stmt
	insertEvent, insertMessage                     *sql.Stmt
	dueTenants, selectJobs, leaseJobs, deleteJob   *sql.Stmt
}

var _ side = &bySQLite{}

const columns = `id, version, created, updated, name, email, phone, company, city, country, stage, owner_id, source, score, employees,
	revenue, currency, since, note, custom`

func newBySQLite(ctx context.Context, db *sql.DB) (*bySQLite, error) {
	b := &bySQLite{db: db}
	for text, into := range map[string]**sql.Stmt{
		`SELECT ` + columns + ` FROM crm_customer WHERE tenant = ? AND id = ?`: &b.selectOne,
		`SELECT ` + columns + ` FROM crm_customer WHERE tenant = ? AND (updated, id) < (?, ?)
			ORDER BY updated DESC, id DESC LIMIT ` + strconv.Itoa(pageSize): &b.selectPage,
		`SELECT count(*) FROM crm_customer WHERE tenant = ? AND stage = ?`:                                      &b.countStage,
		`SELECT stage, count(*), sum(revenue) FROM crm_customer WHERE tenant = ? GROUP BY stage ORDER BY stage`: &b.sumStages,
		`INSERT INTO crm_customer (tenant, ` + columns + `)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`: &b.insertCustomer,
		`UPDATE crm_customer SET updated = ?, score = ?, note = ?, version = version + 1
			WHERE tenant = ? AND id = ? AND version = ?`: &b.updateCustomer,
		`DELETE FROM crm_customer WHERE tenant = ? AND id = ? AND version = ?`:                      &b.deleteCustomer,
		`INSERT INTO crm_event (tenant, id, customer_id, at, verb, data) VALUES (?, ?, ?, ?, ?, ?)`: &b.insertEvent,
		`INSERT INTO crm_outbox (tenant, id, event_id, due, kind) VALUES (?, ?, ?, ?, ?)`:           &b.insertMessage,
		`WITH RECURSIVE d(tenant) AS (
			SELECT min(tenant) FROM crm_job WHERE bucket = 0
			UNION ALL
			SELECT (SELECT min(tenant) FROM crm_job WHERE bucket = 0 AND tenant > d.tenant) FROM d WHERE d.tenant IS NOT NULL)
			SELECT d.tenant FROM d WHERE d.tenant IS NOT NULL
			AND EXISTS (SELECT 1 FROM crm_job WHERE bucket = 0 AND tenant = d.tenant AND due <= ?) LIMIT ` + strconv.Itoa(claims): &b.dueTenants,
		`SELECT id, version, bucket, due, kind, data FROM crm_job WHERE tenant = ? AND bucket = 0 AND due <= ?
			ORDER BY due, id LIMIT ? + 0`: &b.selectJobs,
		`UPDATE crm_job SET due = ?, version = version + 1
			WHERE tenant = ? AND bucket = 0 AND due <= ? AND (due, id) <= (?, ?)`: &b.leaseJobs,
		`DELETE FROM crm_job WHERE tenant = ? AND id = ? AND version = ?`: &b.deleteJob,
	} {
		var err error
		if *into, err = db.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// scan reads the columns of a customer. The driver has no types but SQLite's.
func (*bySQLite) scan(rows interface{ Scan(dest ...any) error }, c *customer) error {
	var (
		created, updated            int64
		email, phone, company, note sql.NullString
		owner                       uuid.NullUUID
		employees                   sql.NullInt64
		since                       string
	)
	if err := rows.Scan(&c.ID, &c.Version, &created, &updated, &c.Name, &email, &phone, &company, &c.City, &c.Country, &c.Stage,
		&owner, &c.Source, &c.Score, &employees, &c.Revenue, &c.Currency, &since, &note, (*[]byte)(&c.Custom)); err != nil {
		return err
	}
	c.Created, c.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	c.Email, c.Phone, c.Company, c.Note = email.String, phone.String, company.String, note.String
	c.OwnerID, c.Employees = owner.UUID, employees.Int64
	var err error
	c.Since, err = storage.ParseDate(since)
	return err
}

func (b *bySQLite) get(ctx context.Context, tenant string, id uuid.UUID, c *customer) error {
	return b.scan(b.selectOne.QueryRowContext(ctx, tenant, id[:]), c)
}

func (b *bySQLite) list(ctx context.Context, tenant string, updated time.Time, id uuid.UUID, page []customer) (int, error) {
	rows, err := b.selectPage.QueryContext(ctx, tenant, updated.UnixMicro(), id[:])
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

func (b *bySQLite) count(ctx context.Context, tenant, stage string) (n int64, err error) {
	err = b.countStage.QueryRowContext(ctx, tenant, stage).Scan(&n)
	return n, err
}

func (b *bySQLite) totals(ctx context.Context, tenant string) ([]total, error) {
	rows, err := b.sumStages.QueryContext(ctx, tenant)
	return readTotals(rows, err)
}

func readTotals(rows *sql.Rows, err error) ([]total, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	list := make([]total, 0, len(stages))
	for rows.Next() {
		var t total
		if err := rows.Scan(&t.Stage, &t.Count, &t.Revenue); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// in runs fn in a transaction.
func in(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// one reports as errMissed that a statement did not change one row.
func one(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return errMissed
}

// The absent values of the optional columns.
func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nullInt(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func nullID(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id[:]
}

func (*bySQLite) addCustomer(ctx context.Context, st *sql.Stmt, tenant string, c *customer) error {
	return one(st.ExecContext(ctx, tenant, c.ID[:], c.Version, c.Created.UnixMicro(), c.Updated.UnixMicro(), c.Name, nullText(c.Email),
		nullText(c.Phone), nullText(c.Company), c.City, c.Country, c.Stage, nullID(c.OwnerID), c.Source, c.Score, nullInt(c.Employees),
		c.Revenue, c.Currency, c.Since.String(), nullText(c.Note), string(c.Custom)))
}

func (b *bySQLite) addEvent(ctx context.Context, tx *sql.Tx, tenant string, e *event) error {
	return one(tx.StmtContext(ctx, b.insertEvent).ExecContext(ctx,
		tenant, e.ID[:], e.CustomerID[:], e.At.UnixMicro(), e.Verb, string(e.Data)))
}

func (b *bySQLite) addMessage(ctx context.Context, tx *sql.Tx, tenant string, m *message) error {
	return one(tx.StmtContext(ctx, b.insertMessage).ExecContext(ctx, tenant, m.ID[:], m.EventID[:], m.Due.UnixMicro(), m.Kind))
}

func (b *bySQLite) insert(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return in(ctx, b.db, func(tx *sql.Tx) error {
		if err := b.addCustomer(ctx, tx.StmtContext(ctx, b.insertCustomer), tenant, c); err != nil {
			return err
		}
		if err := b.addEvent(ctx, tx, tenant, e); err != nil {
			return err
		}
		return b.addMessage(ctx, tx, tenant, m)
	})
}

func (b *bySQLite) update(ctx context.Context, tenant string, c *customer, e *event, m *message) error {
	return in(ctx, b.db, func(tx *sql.Tx) error {
		if err := one(tx.StmtContext(ctx, b.updateCustomer).ExecContext(ctx,
			c.Updated.UnixMicro(), c.Score, nullText(c.Note), tenant, c.ID[:], c.Version)); err != nil {
			return err
		}
		if err := b.addEvent(ctx, tx, tenant, e); err != nil {
			return err
		}
		return b.addMessage(ctx, tx, tenant, m)
	})
}

func (b *bySQLite) remove(ctx context.Context, tenant string, c *customer, e *event) error {
	return in(ctx, b.db, func(tx *sql.Tx) error {
		if err := one(tx.StmtContext(ctx, b.deleteCustomer).ExecContext(ctx, tenant, c.ID[:], c.Version)); err != nil {
			return err
		}
		return b.addEvent(ctx, tx, tenant, e)
	})
}

func (b *bySQLite) insertAll(ctx context.Context, tenant string, all []customer) error {
	return in(ctx, b.db, func(tx *sql.Tx) error {
		st := tx.StmtContext(ctx, b.insertCustomer)
		for i := range all {
			if err := b.addCustomer(ctx, st, tenant, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim serves the tenants evenly, as a store does. Writers take turns, so that the rows read are those it then leases.
func (b *bySQLite) claim(ctx context.Context, now, until time.Time, page []job) (n int, err error) {
	err = in(ctx, b.db, func(tx *sql.Tx) error {
		rows, err := tx.StmtContext(ctx, b.dueTenants).QueryContext(ctx, now.UnixMicro())
		tenants, err := readTexts(rows, err)
		if err != nil || len(tenants) == 0 {
			return err
		}
		sel, lease, share := tx.StmtContext(ctx, b.selectJobs), tx.StmtContext(ctx, b.leaseJobs), len(page)/len(tenants)
		for _, tenant := range tenants {
			rows, err := sel.QueryContext(ctx, tenant, now.UnixMicro(), share)
			if err != nil {
				return err
			}
			var due int64
			for ; rows.Next(); n++ {
				j := &page[n]
				if err := rows.Scan(&j.ID, &j.Version, &j.Bucket, &due, &j.Kind, (*[]byte)(&j.Data)); err != nil {
					return errors.Join(err, rows.Close())
				}
				j.Tenant, j.Version, j.Due = tenant, j.Version+1, until
			}
			if err := rows.Err(); err != nil {
				return err
			}
			last := page[n-1].ID
			if _, err := lease.ExecContext(ctx, until.UnixMicro(), tenant, now.UnixMicro(), due, last[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func readTexts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

func (b *bySQLite) finish(ctx context.Context, tenant string, done []job) error {
	return in(ctx, b.db, func(tx *sql.Tx) error {
		st := tx.StmtContext(ctx, b.deleteJob)
		for i := range done {
			if err := one(st.ExecContext(ctx, tenant, done[i].ID[:], done[i].Version)); err != nil {
				return err
			}
		}
		return nil
	})
}

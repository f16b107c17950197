//nolint:sqlclosecheck // the statements of a transaction end with it, and the others with the pool
package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// crmBySQLite is what crm does to SQLite, by hand: the same reads, checks and rows, by statements prepared once.
type crmBySQLite struct {
	*hand

	selectOne, selectFirst, selectBehind, selectTeam *sql.Stmt
	countScored, countNumbered, countReferred        *sql.Stmt
	selectByEmail, selectReferrer                    *sql.Stmt
	selectOwner, countOwners                         *sql.Stmt
	insertCustomer, updateCustomer, deleteCustomer   *sql.Stmt
	insertEvent, insertMessage, insertIndex          *sql.Stmt
	searchWords                                      *sql.Stmt // once there are contacts
	readTimeline                                     *sql.Stmt // once there are timelines
}

var _ crmSide = &crmBySQLite{}

// buyerColumns are those that are read; what is derived is not.
const buyerColumns = `id, version, owner_id, created, updated, deleted, refs, custom, name, email, phone, company, city, country, stage,
	source, score, employees, revenue, revenue_currency, since, note, referrer_id`

// buyerInsert are those that a new customer may have, behind his tenant.
const buyerInsert = `id, version, owner_id, created, updated, custom, name, name_fold, name_sort, email, phone, company, city, country,
	stage, source, score, employees, revenue, revenue_currency, since, note, referrer_id`

func newCRMBySQLite(ctx context.Context, h *hand) (*crmBySQLite, error) {
	b := &crmBySQLite{hand: h}
	living := ` FROM crm_customer WHERE tenant = ? AND deleted IS NULL`
	page := ` ORDER BY updated DESC, id DESC LIMIT ` + strconv.Itoa(pageSize+1)
	for text, into := range map[string]**sql.Stmt{
		`SELECT ` + buyerColumns + living + ` AND id = ? LIMIT 1`:                                             &b.selectOne,
		`SELECT ` + buyerColumns + living + page:                                                              &b.selectFirst,
		`SELECT ` + buyerColumns + living + ` AND (updated, id) < (?, ?)` + page:                              &b.selectBehind,
		`SELECT ` + buyerColumns + living + ` AND owner_id IN (SELECT unhex(value) FROM json_each(?))` + page: &b.selectTeam,
		`SELECT count(*)` + living + ` AND stage = ? AND score >= ?`:                                          &b.countScored,
		`SELECT count(*)` + living + ` AND referrer_id = ?`:                                                   &b.countReferred,
		`SELECT id` + living + ` AND email = ? LIMIT 1`:                                                       &b.selectByEmail,
		`SELECT id` + living + ` AND id = ? LIMIT 1`:                                                          &b.selectReferrer,
		`SELECT id FROM crm_member WHERE tenant = ? AND deleted IS NULL AND id = ? LIMIT 1`:                   &b.selectOwner,
		`SELECT count(*) FROM crm_member WHERE tenant = ? AND deleted IS NULL
			AND id IN (SELECT unhex(value) FROM json_each(?))`: &b.countOwners,
		`INSERT INTO crm_customer (tenant, ` + buyerInsert + `) VALUES (?` + strings.Repeat(", ?", 23) + `)`:                          &b.insertCustomer,
		`UPDATE crm_customer SET score = ?, note = ?, updated = ?, version = version + 1 WHERE tenant = ? AND id = ? AND version = ?`: &b.updateCustomer,
		`UPDATE crm_customer SET deleted = ?, updated = ?, version = version + 1 WHERE tenant = ? AND id = ? AND version = ?`:         &b.deleteCustomer,
		`INSERT INTO crm_event (tenant, id, object, record_id, version, name, happened, recorded, actor, changes)
			VALUES (?, ?, 'customer', ?, ?, ?, ?, ?, ?, ?)`: &b.insertEvent,
		`INSERT INTO crm_outbox (tenant, id, version, bucket, due) VALUES (?, ?, 1, ?, ?)`:                                 &b.insertMessage,
		`INSERT INTO crm_field_index (tenant, object, record_id, field, int_value) VALUES (?, 'customer', ?, 'number', ?)`: &b.insertIndex,
		`SELECT count(*)` + living + ` AND id IN (SELECT record_id FROM crm_field_index
			WHERE tenant = ? AND object = 'customer' AND field = 'number' AND int_value = ?)`: &b.countNumbered,
	} {
		var err error
		if *into, err = b.db.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// scan reads the columns of a customer. The driver has no types but SQLite's.
func (*crmBySQLite) scan(rows interface{ Scan(dest ...any) error }) (b buyer, err error) {
	var (
		created, updated                                     int64
		deleted, employees, revenue                          sql.NullInt64
		email, phone, company, source, currency, since, note sql.NullString
		owner, referrer                                      uuid.NullUUID
		refs, custom                                         []byte
	)
	if err := rows.Scan((*uuid.UUID)(&b.ID), &b.Version, &owner, &created, &updated, &deleted, &refs, &custom, &b.Name, &email, &phone,
		&company, &b.City, &b.Country, &b.Stage, &source, &b.Score, &employees, &revenue, &currency, &since, &note, &referrer); err != nil {
		return b, err
	}
	b.Created, b.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if deleted.Valid {
		b.Deleted = time.UnixMicro(deleted.Int64).UTC()
	}
	if since.Valid {
		if b.Since, err = storage.ParseDate(since.String); err != nil {
			return b, err
		}
	}
	b.OwnerID, b.ReferrerID = crm.ID(owner.UUID), crm.ID(referrer.UUID)
	b.Email, b.Phone, b.Company, b.Source, b.Note = email.String, phone.String, company.String, source.String, note.String
	return b, b.rest(employees, revenue, currency, refs, custom)
}

// rest sets what either engine's driver gives in the same form.
func (b *buyer) rest(employees, revenue sql.NullInt64, currency sql.NullString, refs, custom []byte) error {
	if employees.Valid {
		b.Employees = &employees.Int64
	}
	if revenue.Valid {
		b.Revenue = crm.Money{Minor: revenue.Int64, Currency: currency.String}
	}
	if refs != nil {
		if err := json.Unmarshal(refs, &b.Refs); err != nil {
			return err
		}
	}
	return readCustom(b, custom)
}

// one reads a customer.
func (s *crmBySQLite) one(ctx context.Context, st *sql.Stmt, tenant string, id crm.ID) (buyer, error) {
	return s.scan(st.QueryRowContext(ctx, tenant, id[:]))
}

// page reads customers, and of one more than a page that there is another.
func (s *crmBySQLite) page(rows *sql.Rows, err error) ([]buyer, error) {
	return readPage(rows, err, s.scan)
}

func readPage[T any](rows *sql.Rows, err error, scan func(interface{ Scan(dest ...any) error }) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	list := make([]T, 0, pageSize+1)
	for rows.Next() {
		b, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list[:min(len(list), pageSize)], rows.Err()
}

func (s *crmBySQLite) get(ctx context.Context, tenant string, id crm.ID) (buyer, error) {
	return s.one(ctx, s.selectOne, tenant, id)
}

func (s *crmBySQLite) list(ctx context.Context, tenant string, behind position) ([]buyer, error) {
	if behind.id.IsZero() {
		return s.page(s.selectFirst.QueryContext(ctx, tenant))
	}
	return s.page(s.selectBehind.QueryContext(ctx, tenant, behind.updated.UnixMicro(), behind.id[:]))
}

func (s *crmBySQLite) team(ctx context.Context, tenant string) ([]buyer, error) {
	return s.page(s.selectTeam.QueryContext(ctx, tenant, idList(s.mates)))
}

// idList gives ids to json_each.
func idList(ids []crm.ID) string {
	list := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(hex.AppendEncode(append(list, '"'), id[:]), '"')
	}
	return string(append(list, ']'))
}

func (s *crmBySQLite) count(ctx context.Context, tenant, stage string, score int64) (n int64, err error) {
	err = s.countScored.QueryRowContext(ctx, tenant, stage, score).Scan(&n)
	return n, err
}

func (s *crmBySQLite) numbered(ctx context.Context, tenant string, number int64) (n int64, err error) {
	err = s.countNumbered.QueryRowContext(ctx, tenant, tenant, number).Scan(&n)
	return n, err
}

func nullUUID(id crm.ID) any { return nullID(uuid.UUID(id)) }

func (*crmBySQLite) addCustomer(ctx context.Context, st *sql.Stmt, e *entry) error {
	minor, currency := amount(e.Revenue)
	return one(st.ExecContext(ctx, e.tenant, e.ID[:], e.Version, nullUUID(e.OwnerID), e.Created.UnixMicro(), e.Updated.UnixMicro(),
		string(e.custom), e.Name, e.fold, e.sort, nullText(e.Email), nullText(e.Phone), nullText(e.Company), e.City, e.Country, e.Stage,
		nullText(e.Source), e.Score, e.Employees, minor, currency, day(e.Since), nullText(e.Note), nullUUID(e.ReferrerID)))
}

func (*crmBySQLite) addEvent(ctx context.Context, st *sql.Stmt, e *entry) error {
	return one(st.ExecContext(ctx, e.tenant, e.event[:], e.ID[:], e.Version, e.name, e.Updated.UnixMicro(), e.recorded.UnixMicro(),
		clerkActor, string(e.changes)))
}

func (*crmBySQLite) addMessage(ctx context.Context, st *sql.Stmt, e *entry) error {
	return one(st.ExecContext(ctx, e.tenant, e.event[:], e.bucket, e.recorded.UnixMicro()))
}

func (*crmBySQLite) addIndex(ctx context.Context, st *sql.Stmt, e *entry) error {
	return one(st.ExecContext(ctx, e.tenant, e.ID[:], e.Number))
}

// history adds the event of a change with its place in the outbox.
func (s *crmBySQLite) history(ctx context.Context, tx *sql.Tx, e *entry) error {
	if err := s.addEvent(ctx, tx.StmtContext(ctx, s.insertEvent), e); err != nil {
		return err
	}
	return s.addMessage(ctx, tx.StmtContext(ctx, s.insertMessage), e)
}

func (s *crmBySQLite) create(ctx context.Context, tenant string, b buyer) (buyer, error) {
	e, err := s.created(tenant, &b)
	if err != nil {
		return b, err
	}
	return b, in(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.addCustomer(ctx, tx.StmtContext(ctx, s.insertCustomer), &e); err != nil {
			return err
		}
		if err := s.history(ctx, tx, &e); err != nil {
			return err
		}
		if err := s.addIndex(ctx, tx.StmtContext(ctx, s.insertIndex), &e); err != nil {
			return err
		}
		var found crm.ID
		err := tx.StmtContext(ctx, s.selectOwner).QueryRowContext(ctx, tenant, b.OwnerID[:]).Scan((*uuid.UUID)(&found))
		if err != nil || b.ReferrerID.IsZero() {
			return err
		}
		return tx.StmtContext(ctx, s.selectReferrer).QueryRowContext(ctx, tenant, b.ReferrerID[:]).Scan((*uuid.UUID)(&found))
	})
}

func (s *crmBySQLite) createAll(ctx context.Context, tenant string, list []buyer) ([]buyer, error) {
	kept, entries, err := s.createdAll(tenant, list)
	if err != nil {
		return nil, err
	}
	return kept, in(ctx, s.db, func(tx *sql.Tx) error {
		for _, part := range []struct {
			st  *sql.Stmt
			add func(context.Context, *sql.Stmt, *entry) error
		}{{s.insertCustomer, s.addCustomer}, {s.insertEvent, s.addEvent}, {s.insertMessage, s.addMessage}, {s.insertIndex, s.addIndex}} {
			st := tx.StmtContext(ctx, part.st)
			for i := range entries {
				if err := part.add(ctx, st, &entries[i]); err != nil {
					return err
				}
			}
		}
		owners, n := ownersOf(entries), 0
		err := tx.StmtContext(ctx, s.countOwners).QueryRowContext(ctx, tenant, idList(owners)).Scan(&n)
		return agree(err, n == len(owners))
	})
}

func (s *crmBySQLite) update(ctx context.Context, tenant string, id crm.ID, score int64, note string) (buyer, error) {
	b, err := s.one(ctx, s.selectOne, tenant, id)
	if err != nil {
		return b, err
	}
	e, err := s.changed(tenant, &b, score, note)
	if err != nil {
		return b, err
	}
	return b, in(ctx, s.db, func(tx *sql.Tx) error {
		if err := one(tx.StmtContext(ctx, s.updateCustomer).ExecContext(ctx,
			b.Score, nullText(b.Note), b.Updated.UnixMicro(), tenant, id[:], b.Version-1)); err != nil {
			return err
		}
		return s.history(ctx, tx, &e)
	})
}

func (s *crmBySQLite) upsert(ctx context.Context, tenant, email string, score int64, note string) (buyer, error) {
	var id crm.ID
	if err := s.selectByEmail.QueryRowContext(ctx, tenant, email).Scan((*uuid.UUID)(&id)); err != nil {
		return buyer{}, err
	}
	return s.update(ctx, tenant, id, score, note)
}

func (s *crmBySQLite) remove(ctx context.Context, tenant string, id crm.ID) error {
	return in(ctx, s.db, func(tx *sql.Tx) error {
		b, err := s.one(ctx, tx.StmtContext(ctx, s.selectOne), tenant, id)
		if err != nil {
			return err
		}
		var n int64
		if err := tx.StmtContext(ctx, s.countReferred).QueryRowContext(ctx, tenant, id[:]).Scan(&n); err != nil || n > 0 {
			return agree(err, n == 0)
		}
		e, err := s.removed(tenant, &b)
		if err != nil {
			return err
		}
		if err := one(tx.StmtContext(ctx, s.deleteCustomer).ExecContext(ctx,
			b.Deleted.UnixMicro(), b.Updated.UnixMicro(), tenant, id[:], b.Version-1)); err != nil {
			return err
		}
		return s.history(ctx, tx, &e)
	})
}

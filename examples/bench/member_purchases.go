package main

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// seller is a member of the crowd's tenant who reads and claims what is his own, and has one customer in fifty.
const seller = "seller"

// memberLayer reads the latest purchases of the customers that a member has, among those of all, beside the statement that
// joins the two. There is one purchase for each of the crowd.
func (c config) memberLayer(ctx context.Context, w *watch, say func(format string, args ...any)) error {
	const name = "member's purchases"
	if !c.run.MatchString(name) {
		return nil
	}
	me, err := w.hire(ctx)
	if err != nil {
		return err
	}
	if err := w.sold(ctx, me); err != nil {
		return err
	}
	query := w.byHand(`SELECT p.id, p.version, p.owner_id, p.created, p.updated, p.refs, p.custom, p.customer_id, p.at, p.number, p.channel,
			p.amount, p.amount_currency, p.lines, p.skus, p.status, p.refunded, p.refunded_currency, p.refunds, p.cancelled, p.cancel_reason
		FROM PURCHASE AS p JOIN CUSTOMER AS c ON c.tenant = p.tenant AND c.id = p.customer_id AND c.deleted IS NULL AND c.owner_id = $2
		WHERE p.tenant = $1 AND p.deleted IS NULL ORDER BY p.at DESC, p.id DESC LIMIT ` + strconv.Itoa(pageSize+1))
	st, err := w.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is below, when it is no longer used
	if err != nil {
		return err
	}
	defer st.Close() //nolint:errcheck // the pool goes
	ours := func(ctx context.Context) error {
		page, err := w.people.Purchases.List(as(ctx, crowd, seller), crm.OrderBy("-at"), crm.Limit(pageSize))
		return expect(len(page.Items), pageSize, err)
	}
	base := func(ctx context.Context) error {
		rows, err := st.QueryContext(ctx, crowd, w.key(me))
		list, err := readPage(rows, err, w.scanPurchase)
		return expect(len(list), pageSize, err)
	}
	return c.measure(w.engine, name, 1, w.repeated(ctx, ours), w.repeated(ctx, base), say)
}

// scanPurchase reads a purchase without lines and refunds, which are absent.
func (w *watch) scanPurchase(rows interface{ Scan(dest ...any) error }) (p customers.Purchase, err error) {
	var created, updated, at, cancelled any
	var owner uuid.NullUUID
	var refs, custom, lines, skus, refunds []byte
	var number, channel, currency, backCurrency, reason sql.NullString
	var amount, back sql.NullInt64
	err = rows.Scan((*uuid.UUID)(&p.ID), &p.Version, &owner, &created, &updated, &refs, &custom, (*uuid.UUID)(&p.CustomerID), &at, &number, &channel,
		&amount, &currency, &lines, &skus, &p.Status, &back, &backCurrency, &refunds, &cancelled, &reason)
	p.OwnerID, p.Number, p.Channel, p.CancelReason = crm.ID(owner.UUID), number.String, channel.String, reason.String
	p.Amount, p.Refunded = crm.Money{Minor: amount.Int64, Currency: currency.String}, crm.Money{Minor: back.Int64, Currency: backCurrency.String}
	p.Created, p.Updated, p.At, p.Cancelled = timeOf(created), timeOf(updated), timeOf(at), timeOf(cancelled)
	return p, err
}

// timeOf is a time as either driver gives one, or none.
func timeOf(v any) time.Time {
	switch t := v.(type) {
	case int64:
		return time.UnixMicro(t).UTC()
	case time.Time:
		return t.UTC()
	}
	return time.Time{}
}

// hire makes the seller, unless he is there, and returns who he is.
func (w *watch) hire(ctx context.Context) (crm.ID, error) {
	ctx = crm.System(ctx, crowd)
	m, err := w.core.Members.Ensure(ctx, seller, "Seller")
	if err != nil || len(m.RoleIDs) > 0 {
		return m.ID, err
	}
	role, err := w.core.Roles.Create(ctx, crm.Role{Name: seller, Grants: crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate)})
	if err == nil {
		_, err = w.core.Members.Update(ctx, m.ID, func(m *crm.Member) error { m.RoleIDs = []crm.ID{role.ID}; return nil })
	}
	return m.ID, err
}

// sold gives the seller customers, and everybody a purchase in the last year.
func (w *watch) sold(ctx context.Context, me crm.ID) error {
	id, at, chance := "randomblob(16)", "$2 - abs(random() % 31536000) * 1000000", "abs(random() % 1000) / 1000.0"
	if w.engine == "postgres" {
		id, at, chance = "gen_random_uuid()", "$2::timestamptz - interval '1 second' * floor(random() * 31536000)", "random()"
	}
	for _, s := range []struct {
		text string
		args []any
	}{
		{"UPDATE CUSTOMER SET owner_id = $2 WHERE tenant = $1 AND country = 'FR' AND " + chance + " < 0.1", []any{crowd, w.key(me)}},
		{`INSERT INTO PURCHASE (tenant, id, version, created, updated, customer_id, at, number, amount, amount_currency, status)
			SELECT $1, ` + id + `, 1, $2, $2, id, ` + at + `, 'R-2026', 4200, 'EUR', 'paid' FROM CUSTOMER c WHERE tenant = $1`, []any{crowd, w.stamp(clock())}},
	} {
		if _, err := w.db.ExecContext(ctx, w.byHand(s.text), s.args...); err != nil {
			return err
		}
	}
	return w.vacuum(ctx)
}

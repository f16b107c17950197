package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// addressed is how many customers a mailing asks for at once.
const addressed = 1000

// consentsLayer asks whether customers may be written to, one by one and a thousand at once, beside the one statement that
// somebody would write for it who knows the tables, and the topic. Of the crowd eight in ten have a consent, one in four of
// which is withdrawn; one in ten has an address that bounced or opted out, and one in fifty is suppressed.
func (c config) consentsLayer(ctx context.Context, w *watch, say func(format string, args ...any)) error {
	const one, all = "may contact", "may contact 1000"
	if !c.run.MatchString(one) && !c.run.MatchString(all) {
		return nil
	}
	ids, err := w.consenting(ctx)
	if err != nil {
		return err
	}
	byHand, err := w.db.PrepareContext(ctx, w.mayContactByHand())
	if err != nil {
		return err
	}
	defer byHand.Close() //nolint:errcheck // the pool goes
	for name, many := range map[string]int{one: 1, all: addressed} {
		ours := w.asking(ctx, ids, many, w.mayContact)
		base := w.asking(ctx, ids, many, func(ctx context.Context, ids []crm.ID) (map[crm.ID]bool, error) { return w.allowed(ctx, byHand, ids) })
		if err := c.measure(w.engine, name, many, ours, base, say); err != nil {
			return err
		}
	}
	some := drawn(ids, addressed)
	decided, err := w.mayContact(ctx, some)
	if err != nil {
		return err
	}
	known, err := w.allowed(ctx, byHand, some)
	if err != nil {
		return err
	}
	for _, id := range some {
		if decided[id] != known[id] {
			return fmt.Errorf("may contact %s: %t, and by hand %t", id, decided[id], known[id])
		}
	}
	return nil
}

// drawn are so many of a list, by chance.
func drawn(ids []crm.ID, many int) []crm.ID {
	list := make([]crm.ID, many)
	for i := range list {
		list[i] = ids[rand.IntN(len(ids))] //nolint:gosec // made up
	}
	return list
}

// asking is n questions about so many customers each.
func (*watch) asking(ctx context.Context, ids []crm.ID, many int, fn func(context.Context, []crm.ID) (map[crm.ID]bool, error)) trial {
	return func(n int) (time.Duration, error) {
		lists := make([][]crm.ID, n)
		for i := range lists {
			lists[i] = drawn(ids, many)
		}
		return timed(n, func(i int) error {
			_, err := fn(ctx, lists[i])
			return err
		})
	}
}

func (w *watch) mayContact(ctx context.Context, ids []crm.ID) (map[crm.ID]bool, error) {
	ctx = crm.System(ctx, crowd)
	if len(ids) == 1 {
		d, err := w.people.MayContact(ctx, ids[0], "email", "news")
		return map[crm.ID]bool{ids[0]: d.Allowed}, err
	}
	list, err := w.people.MayContactAll(ctx, ids, "email", "news")
	may := make(map[crm.ID]bool, len(list))
	for _, d := range list {
		may[d.CustomerID] = d.Allowed
	}
	return may, err
}

// mayContactByHand is the statement: $1 is the tenant, and $2 the customers. A row is an address of one of them, the first
// first, and what else decides.
func (w *watch) mayContactByHand() string {
	given, no := "(SELECT unhex(value) FROM json_each($2))", "0"
	if w.engine == "postgres" {
		given, no = "(SELECT unnest($2::uuid[]))", "false"
	}
	return w.byHand(strings.NewReplacer("{given}", given, "{no}", no).Replace(`WITH a AS (
			SELECT id AS customer_id, 0 AS further, created, email AS value FROM CUSTOMER AS c
			WHERE tenant = $1 AND id IN {given} AND deleted IS NULL AND email IS NOT NULL AND email_malformed = {no}
			UNION ALL SELECT customer_id, 1, created, value FROM IDENTITY AS i
			WHERE tenant = $1 AND customer_id IN {given} AND kind = 'email' AND deleted IS NULL AND malformed = {no})
		SELECT a.customer_id, a.value, p.invalid IS NOT NULL, p.opted_out IS NOT NULL OR p.complained IS NOT NULL, n.status, n.expires,
			EXISTS (SELECT 1 FROM SUPPRESSION AS s WHERE s.tenant = $1 AND s.customer_id = a.customer_id AND s.deleted IS NULL
				AND (s.channel IS NULL OR s.channel = 'email') AND (s.topic IS NULL OR s.topic = 'news'))
		FROM a LEFT JOIN CONTACT_POINT AS p ON p.tenant = $1 AND p.key = 'email:' || lower(a.value) AND p.deleted IS NULL
		LEFT JOIN CONSENT AS n ON n.tenant = $1 AND n.customer_id = a.customer_id AND n.channel = 'email' AND n.topic = 'news' AND n.deleted IS NULL
		ORDER BY a.customer_id, a.further, a.created`))
}

// allowed decides by hand.
func (w *watch) allowed(ctx context.Context, st *sql.Stmt, ids []crm.ID) (map[crm.ID]bool, error) {
	rows, err := st.QueryContext(ctx, crowd, w.list(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	may := make(map[crm.ID]bool, len(ids))
	reached, refused, now := map[crm.ID]string{}, map[crm.ID]bool{}, clock()
	for rows.Next() {
		var id uuid.UUID
		var address string
		var invalid, out, suppressed bool
		var status sql.NullString
		var expires any
		if err := rows.Scan(&id, &address, &invalid, &out, &status, &expires, &suppressed); err != nil {
			return nil, err
		}
		who, at := crm.ID(id), timeOf(expires)
		ended := !at.IsZero() && !at.After(now)
		if !invalid && reached[who] == "" {
			reached[who] = address
		}
		refused[who] = refused[who] || out || suppressed || status.String != string(customers.ConsentGiven) || ended
		may[who] = reached[who] != "" && !refused[who]
	}
	return may, rows.Err()
}

// list are ids as the database takes many.
func (w *watch) list(ids []crm.ID) any {
	if w.engine == "postgres" {
		all := make([]pgtype.UUID, len(ids))
		for i, id := range ids {
			all[i] = pgID(uuid.UUID(id))
		}
		return all
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = hex.EncodeToString(id[:])
	}
	return `["` + strings.Join(texts, `","`) + `"]`
}

// consenting gives the crowd addresses and consents, and returns who they are.
func (w *watch) consenting(ctx context.Context) ([]crm.ID, error) {
	topic, err := w.people.Consents.Topics.Create(crm.System(ctx, crowd), customers.ConsentTopic{
		Key: "news", Name: "News", Channels: []string{"email"}, Basis: customers.BasisConsent,
	})
	if err != nil {
		return nil, err
	}
	of := map[string]string{
		"{address}": "lower(hex(id)) || '@example.com'", "{id}": "randomblob(16)", "{chance}": "abs(random() % 1000) / 1000.0",
		"{text}": "lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))",
	}
	if w.engine == "postgres" {
		of["{address}"], of["{id}"], of["{chance}"], of["{text}"] = "replace(id::text, '-', '') || '@example.com'", "gen_random_uuid()", "random()", "id::text"
	}
	var pairs []string
	for from, to := range of {
		pairs = append(pairs, from, to)
	}
	now := w.stamp(clock())
	for _, s := range []struct {
		text string
		args []any
	}{
		{"UPDATE CUSTOMER SET email = {address}, email_fold = {address} WHERE tenant = $1", []any{crowd}},
		{`INSERT INTO CONSENT (tenant, id, version, created, updated, customer_id, channel, topic_id, topic, key, status, since, basis, source)
			SELECT $1, {id}, 2, $2, $2, id, 'email', $3, 'news', {text} || ' email news', CASE WHEN {chance} < 0.75 THEN 'given' ELSE 'withdrawn' END, $2, 'consent', 'form'
			FROM CUSTOMER c WHERE tenant = $1 AND {chance} < 0.8`, []any{crowd, now, w.key(topic.ID)}},
		{`INSERT INTO CONTACT_POINT (tenant, id, version, created, updated, kind, value, key, invalid)
			SELECT $1, {id}, 1, $2, $2, 'email', email, 'email:' || email, $2 FROM CUSTOMER c WHERE tenant = $1 AND country = 'GB' AND {chance} < 0.25`, []any{crowd, now}},
		{`INSERT INTO CONTACT_POINT (tenant, id, version, created, updated, kind, value, key, opted_out)
			SELECT $1, {id}, 1, $2, $2, 'email', email, 'email:' || email, $2 FROM CUSTOMER c WHERE tenant = $1 AND country = 'CN' AND {chance} < 0.25`, []any{crowd, now}},
		{`INSERT INTO SUPPRESSION (tenant, id, version, created, updated, customer_id, reason, key, source)
			SELECT $1, {id}, 1, $2, $2, id, 'do_not_contact', {text} || ' do_not_contact  ', 'list' FROM CUSTOMER c WHERE tenant = $1 AND {chance} < 0.02`, []any{crowd, now}},
	} {
		if _, err := w.db.ExecContext(ctx, w.byHand(strings.NewReplacer(pairs...).Replace(s.text)), s.args...); err != nil {
			return nil, err
		}
	}
	if err := w.vacuum(ctx); err != nil {
		return nil, err
	}
	return w.crowded(ctx, "")
}

// crowded are customers of the crowd, of a country or of all.
func (w *watch) crowded(ctx context.Context, country string) ([]crm.ID, error) {
	rows, err := w.db.QueryContext(ctx, w.byHand("SELECT id FROM CUSTOMER c WHERE tenant = $1 AND ($2 = '' OR country = $2)"), crowd, country)
	return readIDs(rows, err)
}

func readIDs(rows *sql.Rows, err error) (ids []crm.ID, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, crm.ID(id))
	}
	return ids, rows.Err()
}

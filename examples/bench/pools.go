package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
)

const (
	recycled = 200 // customers who go back to the pool in one run
	lostDays = 30  // without a follow-up
)

// commons is a pool of a fifth of the crowd, from which the seller claims, and to which goes back what lies.
type commons struct {
	*watch

	later  *pool.Pools // the same pools by a clock that is two months ahead
	pool   pool.Pool
	me     crm.ID
	bucket int64 // of the tenant
	ids    []crm.ID
	next   int
}

// poolLayer claims from a pool with three limits, and recycles to it, beside the statements that a host would write for
// the same who keeps the same rows: the change of owner, the move, and an event of each with its place in the outbox.
func (c config) poolLayer(ctx context.Context, w *watch, say func(format string, args ...any)) error {
	const claim, recycle = "pool claim", "bulk pool recycle"
	if !c.run.MatchString(claim) && !c.run.MatchString(recycle) {
		return nil
	}
	p, err := w.commons(ctx)
	if err != nil {
		return err
	}
	if err := c.measure(w.engine, claim, 1, p.claims(ctx, p.claim), p.claims(ctx, p.claimByHand), say); err != nil {
		return err
	}
	if err := p.reset(ctx); err != nil {
		return err
	}
	return c.measure(w.engine, recycle, recycled, p.recycles(ctx, p.recycle), p.recycles(ctx, p.recycleByHand), say)
}

// ahead is a clock that is two months ahead.
type ahead struct{}

func (ahead) Now() time.Time { return clock().AddDate(0, 2, 0) }

func (w *watch) commons(ctx context.Context) (*commons, error) {
	p := &commons{watch: w}
	var err error
	if p.me, err = w.hire(ctx); err != nil {
		return nil, err
	}
	p.pool, err = w.pools.Create(crm.System(ctx, crowd), pool.Pool{
		Name: "Germany", Object: "customer", Where: "country == 'DE'", MaxHeld: 10_000, MaxPerDay: 10_000, BanDays: 30,
		RecycleDays: lostDays, FollowedUp: "any(purchases, .at >= $1)",
	})
	if err != nil {
		return nil, err
	}
	later := &watch{database: w.database}
	if err := later.open(ctx, ahead{}); err != nil {
		return nil, err
	}
	p.later = later.pools
	table := "crm_tenant"
	if w.engine == "postgres" {
		table = schemaName + ".tenant"
	}
	if err := w.db.QueryRowContext(ctx, "SELECT bucket FROM "+table+" WHERE tenant = $1", crowd).Scan(&p.bucket); err != nil {
		return nil, err
	}
	p.ids, err = w.crowded(ctx, "DE")
	return p, err
}

// some are customers whose turn it is.
func (p *commons) some(n int) []crm.ID {
	list := make([]crm.ID, n)
	for i := range list {
		list[i] = p.ids[p.next%len(p.ids)]
		p.next++
	}
	return list
}

// reset makes everybody nobody's, and nothing to have moved.
func (p *commons) reset(ctx context.Context) error {
	for _, s := range []string{"UPDATE CUSTOMER SET owner_id = NULL WHERE tenant = $1 AND country = 'DE' AND owner_id IS NOT NULL", "DELETE FROM POOL_MOVE WHERE tenant = $1"} {
		if _, err := p.db.ExecContext(ctx, p.byHand(s), crowd); err != nil {
			return err
		}
	}
	return p.settle(ctx)
}

// claims is n claims of what waits, by somebody who has nothing yet.
func (p *commons) claims(ctx context.Context, fn func(context.Context, crm.ID) error) trial {
	return func(n int) (time.Duration, error) {
		if err := p.reset(ctx); err != nil {
			return 0, err
		}
		list := p.some(n)
		return timed(n, func(i int) error { return fn(ctx, list[i]) })
	}
}

func (p *commons) claim(ctx context.Context, id crm.ID) error {
	_, err := p.pools.Claim(as(ctx, crowd, seller), p.pool.ID, id)
	return err
}

// claimByHand locks the member's seat, changes the owner, and holds that to the limits.
func (p *commons) claimByHand(ctx context.Context, id crm.ID) error {
	now := clock()
	return in(ctx, p.db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, p.byHand(`INSERT INTO POOL_SEAT (tenant, pool_id, member_id, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, pool_id, member_id) DO UPDATE SET at = excluded.at`), crowd, p.key(p.pool.ID), p.key(p.me), p.stamp(now))
		if err != nil {
			return err
		}
		version, err := p.handOver(ctx, tx, id, crm.ID{}, p.me, now)
		if err != nil {
			return err
		}
		var lost, today, held int64
		err = tx.QueryRowContext(ctx, p.byHand(`SELECT
			(SELECT count(*) FROM POOL_MOVE AS m
				WHERE m.tenant = $1 AND m.object = 'customer' AND m.record_id = $2 AND m.member_id = $3 AND m.kind IN ('returned', 'recycled') AND m.at > $4),
			(SELECT count(*) FROM POOL_MOVE AS m WHERE m.tenant = $1 AND m.pool_id = $5 AND m.member_id = $3 AND m.kind = 'claimed' AND m.at >= $6),
			(SELECT count(*) FROM CUSTOMER AS c WHERE c.tenant = $1 AND c.owner_id = $3 AND c.deleted IS NULL AND c.country = 'DE')`),
			crowd, p.key(id), p.key(p.me), p.stamp(now.AddDate(0, 0, -30)), p.key(p.pool.ID), p.stamp(now.Truncate(24*time.Hour))).Scan(&lost, &today, &held)
		if err != nil {
			return err
		}
		if lost > 0 || today >= 10_000 || held > 10_000 {
			return errors.New("a limit is passed")
		}
		return p.noted(ctx, tx, moved{nil, p.me}, move{id, pool.Claimed, p.me, "member:" + seller, version, now})
	})
}

// handOver gives a customer of one owner, or of none, to another one, and returns at which version he is.
func (p *commons) handOver(ctx context.Context, tx *sql.Tx, id, from, to crm.ID, now time.Time) (version int64, err error) {
	was, args := "owner_id IS NULL", []any{crowd, p.key(id), p.stamp(now), p.optional(to)}
	if !from.IsZero() {
		was, args = "owner_id = $5", append(args, p.key(from))
	}
	err = tx.QueryRowContext(ctx, p.byHand(`UPDATE CUSTOMER SET owner_id = $4, updated = $3, version = version + 1
		WHERE tenant = $1 AND id = $2 AND deleted IS NULL AND country = 'DE' AND `+was+` RETURNING version`), args...).Scan(&version)
	return version, err
}

func (p *commons) optional(id crm.ID) any {
	if id.IsZero() {
		return nil
	}
	return p.key(id)
}

// move is what happened to a customer, by whom.
type move struct {
	id      crm.ID
	kind    pool.MoveKind
	member  crm.ID
	actor   string
	version int64 // of the customer
	at      time.Time
}

// noted writes a move, its event, the customer's event, and both into the outbox.
func (p *commons) noted(ctx context.Context, tx *sql.Tx, owner moved, m move) error {
	var ids [3]crm.ID
	for i := range ids {
		var err error
		if ids[i], err = newID(); err != nil {
			return err
		}
	}
	changed, err := json.Marshal(map[string]moved{"owner_id": owner})
	if err != nil {
		return err
	}
	created, err := json.Marshal(map[string]moved{
		"object": {nil, "customer"}, "record_id": {nil, m.id}, "pool_id": {nil, p.pool.ID}, "kind": {nil, m.kind}, "at": {nil, m.at}, "member_id": {nil, m.member},
	})
	if err != nil {
		return err
	}
	at, pools := p.stamp(m.at), p.key(p.pool.ID)
	_, err = tx.ExecContext(ctx, p.byHand(`INSERT INTO POOL_MOVE (tenant, id, version, created, updated, object, record_id, pool_id, kind, at, member_id)
		VALUES ($1, $2, 1, $3, $3, 'customer', $4, $5, $6, $3, $7)`), crowd, p.key(ids[0]), at, p.key(m.id), pools, string(m.kind), p.key(m.member))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, p.byHand(`INSERT INTO EVENT (tenant, id, object, record_id, version, name, happened, recorded, actor, cause, changes)
		VALUES ($1, $2, 'customer', $3, $4, $5, $6, $6, $7, $8, $9), ($1, $10, 'pool_move', $11, 1, 'pool_move.created', $6, $6, $7, NULL, $12)`),
		crowd, p.key(ids[1]), p.key(m.id), m.version, "customer."+string(m.kind), at, m.actor, "pool Germany", string(changed), p.key(ids[2]), p.key(ids[0]), string(created))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, p.byHand(`INSERT INTO OUTBOX (tenant, id, version, bucket, due) VALUES ($1, $2, 1, $3, $4), ($1, $5, 1, $3, $4)`),
		crowd, p.key(ids[1]), p.bucket, at, p.key(ids[2]))
	return err
}

// recycles is n runs, each with customers who lie with the seller.
func (p *commons) recycles(ctx context.Context, fn func(context.Context) (int, error)) trial {
	return func(n int) (took time.Duration, err error) {
		for range n {
			list := p.some(recycled)
			given := "(SELECT unhex(value) FROM json_each($3))"
			if p.engine == "postgres" {
				given = "(SELECT unnest($3::uuid[]))"
			}
			if _, err := p.db.ExecContext(ctx, p.byHand("UPDATE CUSTOMER SET owner_id = $2 WHERE tenant = $1 AND id IN "+given), crowd, p.key(p.me), p.list(list)); err != nil {
				return 0, err
			}
			if err := p.settle(ctx); err != nil {
				return 0, err
			}
			one, err := timed(1, func(int) error {
				back, err := fn(ctx)
				return expect(back, recycled, err)
			})
			if took += one; err != nil {
				return 0, err
			}
		}
		return took, nil
	}
}

func (p *commons) recycle(ctx context.Context) (int, error) {
	done, err := p.later.Recycle(crm.System(ctx, crowd))
	if err == nil && len(done) != 1 {
		err = fmt.Errorf("%d pools recycle", len(done))
	}
	if err != nil {
		return 0, err
	}
	return int(done[0].Recycled), nil
}

// recycleByHand looks for what lies and who protected it, and takes each in a transaction of its own, in which it looks again.
func (p *commons) recycleByHand(ctx context.Context) (n int, err error) {
	now := ahead{}.Now()
	idle := p.stamp(now.AddDate(0, 0, -lostDays))
	lying := `c.tenant = $1 AND c.deleted IS NULL AND c.owner_id IS NOT NULL AND c.country = 'DE' AND NOT EXISTS
		(SELECT 1 FROM PURCHASE AS o WHERE o.tenant = $1 AND o.customer_id = c.id AND o.deleted IS NULL AND o.at >= $2)`
	rows, err := p.db.QueryContext(ctx, p.byHand(`SELECT c.id FROM CUSTOMER AS c WHERE `+lying+` AND NOT EXISTS
		(SELECT 1 FROM POOL_MOVE AS m WHERE m.tenant = $1 AND m.object = 'customer' AND m.record_id = c.id AND m.pool_id = $3 AND m.kind = 'protected' AND m.until > $4)
		ORDER BY c.id LIMIT 500`), crowd, idle, p.key(p.pool.ID), p.stamp(now))
	ids, err := readIDs(rows, err)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		err := in(ctx, p.db, func(tx *sql.Tx) error {
			var since any // he got it
			err := tx.QueryRowContext(ctx, p.byHand(`SELECT happened FROM EVENT AS e WHERE e.tenant = $1 AND e.object = 'customer' AND e.record_id = $2
				ORDER BY version DESC LIMIT 1`), crowd, p.key(id)).Scan(&since)
			if err != nil {
				return err
			}
			version, err := p.handOver(ctx, tx, id, p.me, crm.ID{}, now)
			if err != nil {
				return err
			}
			var active bool
			err = tx.QueryRowContext(ctx, p.byHand(`SELECT EXISTS (SELECT 1 FROM PURCHASE AS o WHERE o.tenant = $1 AND o.customer_id = $2 AND o.deleted IS NULL AND o.at >= $3)`),
				crowd, p.key(id), idle).Scan(&active)
			if err != nil || active {
				return agree(err, !active)
			}
			_, err = tx.ExecContext(ctx, p.byHand(`DELETE FROM SHARE WHERE tenant = $1 AND object = 'customer' AND record_id = $2`), crowd, p.key(id))
			if err != nil {
				return err
			}
			return p.noted(ctx, tx, moved{p.me, nil}, move{id, pool.Recycled, p.me, "system", version, now})
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

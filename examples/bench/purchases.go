package main

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// handPurchases are the tables of a host that keeps purchases and their totals by itself, without history.
func (w *watch) handPurchases(ctx context.Context) error {
	id, times := "BLOB", "INTEGER"
	if w.engine == "postgres" {
		id, times = "uuid", "timestamptz"
	}
	for _, q := range []string{
		"CREATE TABLE hand_customer (id " + id + " PRIMARY KEY, n BIGINT NOT NULL, spent BIGINT NOT NULL, first " + times + ", last " + times + ")",
		"CREATE TABLE hand_purchase (id " + id + " PRIMARY KEY, key TEXT NOT NULL UNIQUE, customer_id " + id + " NOT NULL REFERENCES hand_customer (id), at " +
			times + " NOT NULL, amount BIGINT NOT NULL, currency TEXT NOT NULL)",
		"CREATE INDEX hand_purchase_customer ON hand_purchase (customer_id, at)",
	} {
		if _, err := w.db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	for _, p := range w.ids {
		if _, err := w.db.ExecContext(ctx, "INSERT INTO hand_customer VALUES ($1, 0, 0, NULL, NULL)", w.key(p)); err != nil {
			return err
		}
	}
	return nil
}

// key is an id as the database's driver takes it.
func (w *watch) key(id crm.ID) any {
	if w.engine == "postgres" {
		return id.String()
	}
	return id[:]
}

// purchases is n purchases that were not there before, one by one.
func (w *watch) purchases(ctx context.Context, fn func(context.Context, customers.Purchase) error) trial {
	return func(n int) (time.Duration, error) {
		list := make([]customers.Purchase, n)
		for i := range list {
			w.serial++
			list[i] = customers.Purchase{
				CustomerID: w.ids[rand.IntN(actors)], Amount: crm.EUR(int64(1_00 + rand.IntN(100_00))), //nolint:gosec // made up
				At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.serial) * time.Second),
			}
			list[i].Refs = crm.Refs{"shop": strconv.Itoa(w.serial)}
		}
		if err := w.settle(ctx); err != nil {
			return 0, err
		}
		return timed(n, func(i int) error { return fn(ctx, list[i]) })
	}
}

func (w *watch) record(ctx context.Context, p customers.Purchase) error {
	kept, err := w.people.Purchases.Record(crm.System(ctx, bulk), p)
	if err == nil && kept.Outcome != crm.Created {
		err = errors.New("a purchase was there already")
	}
	return err
}

// recordByHand is what a host would write: is it there, the purchase, and the totals.
func (w *watch) recordByHand(ctx context.Context, p customers.Purchase) error {
	at, lock := any(p.At), " FOR UPDATE"
	if w.engine == "sqlite" {
		at, lock = p.At.UnixMicro(), ""
	}
	return in(ctx, w.db, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM hand_purchase WHERE key = $1", p.Refs["shop"]).Scan(&n); err != nil || n > 0 {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT n FROM hand_customer WHERE id = $1"+lock, w.key(p.CustomerID)).Scan(&n); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO hand_purchase VALUES ($1, $2, $3, $4, $5, $6)",
			w.key(crm.ID(uuid.New())), p.Refs["shop"], w.key(p.CustomerID), at, p.Amount.Minor, p.Amount.Currency)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE hand_customer SET n = n + 1, spent = spent + $1,
			first = CASE WHEN first < $2 THEN first ELSE $2 END, last = CASE WHEN last > $2 THEN last ELSE $2 END WHERE id = $3`,
			p.Amount.Minor, at, w.key(p.CustomerID))
		return err
	})
}

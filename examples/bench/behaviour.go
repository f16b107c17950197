package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/customers"
)

const (
	tracked = 1000 // events of a call
	actors  = 100  // customers who do something
)

// watch is a database with customers, whose events come in by Track, or into a table like theirs by nothing but inserts.
type watch struct {
	*database

	core   *crm.Core
	people *customers.Customers
	pools  *pool.Pools
	ids    []crm.ID
	serial int
}

// customersLayer measures module customers: tracking of events beside a bare bulk insert of the same rows, without keys,
// checks and rights; recording a purchase beside the statements that a host would write for it and its totals; segments, consents, purchases as a
// member reads them, and pools beside the statements of somebody who knows the tables; a new customer where duplicates are looked for beside one
// where they are not.
func (c config) customersLayer(ctx context.Context, engine string, say func(format string, args ...any)) error {
	w, err := newWatch(ctx, engine)
	if err != nil {
		return err
	}
	defer w.close()
	c.head(w.database, beside, say)
	if err := c.measure(engine, "track events", tracked, w.trial(ctx, w.track), w.trial(ctx, w.bare), say); err != nil {
		return err
	}
	if err := c.measure(engine, "record purchase", 1, w.purchases(ctx, w.record), w.purchases(ctx, w.recordByHand), say); err != nil {
		return err
	}
	for _, layer := range []func(context.Context, *watch, func(format string, args ...any)) error{
		c.segmentsLayer, c.consentsLayer, c.memberLayer, c.poolLayer,
	} {
		if err := layer(ctx, w, say); err != nil {
			return err
		}
	}
	return c.createLines(ctx, engine, w, say)
}

func newWatch(ctx context.Context, engine string) (*watch, error) {
	d, err := openDatabase(ctx, engine)
	if err != nil {
		return nil, err
	}
	w := &watch{database: d}
	if err := w.found(ctx); err != nil {
		d.close()
		return nil, err
	}
	return w, nil
}

// open opens the CRM, which goes by the machine's clock or by another one.
func (w *watch) open(ctx context.Context, clock crm.Clock) (err error) {
	if w.core, err = crm.New(w.store, crm.Config{Clock: clock}); err != nil {
		return err
	}
	if w.people, err = customers.New(w.core); err != nil {
		return err
	}
	if w.pools, err = pool.New(w.core, "customer"); err != nil {
		return err
	}
	return w.core.Migrate(ctx)
}

func (w *watch) found(ctx context.Context) error {
	if err := w.open(ctx, nil); err != nil {
		return err
	}
	var err error
	list := make([]customers.Customer, actors)
	for i := range list {
		list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprint("Person ", i)}
	}
	if list, err = w.people.CreateAll(crm.System(ctx, bulk), list); err != nil {
		return err
	}
	for _, p := range list {
		w.ids = append(w.ids, p.ID)
	}
	bare := `CREATE TABLE bare (tenant TEXT NOT NULL, customer_id BLOB NOT NULL, at INTEGER NOT NULL, id BLOB NOT NULL, name TEXT NOT NULL,
		unknown INTEGER NOT NULL, visitor TEXT, props TEXT, PRIMARY KEY (tenant, customer_id, at, id),
		FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)) WITHOUT ROWID`
	if w.engine == "postgres" {
		bare = `CREATE TABLE bare (LIKE ` + schemaName + `.behaviour INCLUDING ALL,
			FOREIGN KEY (tenant, customer_id) REFERENCES ` + schemaName + `.customer (tenant, id))`
	}
	if _, err = w.db.ExecContext(ctx, bare); err == nil && w.engine == "sqlite" {
		_, err = w.db.ExecContext(ctx, "CREATE INDEX bare_at ON bare (tenant, at)")
	}
	if err == nil {
		err = w.handPurchases(ctx)
	}
	return err
}

// trial is n calls of fn with events that were not there before.
func (w *watch) trial(ctx context.Context, fn func(context.Context, []customers.Event) error) trial {
	return func(n int) (time.Duration, error) {
		calls := make([][]customers.Event, n)
		for i := range calls {
			calls[i] = w.events()
		}
		if err := w.settle(ctx); err != nil {
			return 0, err
		}
		return timed(n, func(i int) error { return fn(ctx, calls[i]) })
	}
}

func (w *watch) events() []customers.Event {
	list := make([]customers.Event, tracked)
	for i := range list {
		w.serial++
		list[i] = customers.Event{
			CustomerID: w.ids[rand.IntN(actors)], Name: "price viewed", Key: strconv.Itoa(w.serial), //nolint:gosec // made up
			At:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.serial) * time.Second),
			Props: map[string]any{"plan": "pro", "seats": 12, "path": "/pricing"},
		}
	}
	return list
}

func (w *watch) track(ctx context.Context, events []customers.Event) error {
	outcome, err := w.people.Behaviour.Track(crm.System(ctx, bulk), events...)
	if err == nil && outcome[len(outcome)-1] != customers.TrackedKept {
		err = errors.New("an event was not kept")
	}
	return err
}

func (w *watch) bare(ctx context.Context, events []customers.Event) error {
	if w.engine == "postgres" {
		return w.copied(ctx, events)
	}
	return in(ctx, w.db, func(tx *sql.Tx) error {
		st, err := tx.PrepareContext(ctx, "INSERT INTO bare VALUES (?, ?, ?, ?, ?, 0, NULL, ?)")
		if err != nil {
			return err
		}
		defer st.Close() //nolint:errcheck // the transaction ends
		for _, e := range events {
			props, err := json.Marshal(e.Props)
			if err != nil {
				return err
			}
			id := uuid.New()
			if _, err := st.ExecContext(ctx, bulk, e.CustomerID[:], e.At.UnixMicro(), id[:], e.Name, string(props)); err != nil {
				return err
			}
		}
		return nil
	})
}

// copied copies, past database/sql, which knows no COPY.
func (w *watch) copied(ctx context.Context, events []customers.Event) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	return conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return errors.ErrUnsupported
		}
		names := []string{"tenant", "customer_id", "at", "id", "name", "unknown", "props"}
		_, err := c.Conn().CopyFrom(ctx, pgx.Identifier{"bare"}, names, pgx.CopyFromSlice(len(events), func(n int) ([]any, error) {
			e := &events[n]
			props, err := json.Marshal(e.Props)
			return []any{bulk, pgID(uuid.UUID(e.CustomerID)), e.At, pgID(uuid.New()), e.Name, false, props}, err
		}))
		return err
	})
}

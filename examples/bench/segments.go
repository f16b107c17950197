package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// crowd is the tenant whose customers are counted by segments.
const crowd = "crowd"

// segmentCount is a segment that is counted, beside the statement that somebody would write for it who knows the tables:
// $1 is the tenant, and $2 the instant 30 days ago. It is the fastest of several on either engine.
type segmentCount struct{ name, where, hand string }

func segmentCounts() []segmentCount {
	return []segmentCount{
		{
			"segment count by fields", "country == 'DE' and kind == 'person' and lifecycle != 'lapsed'",
			"SELECT count(*) FROM CUSTOMER WHERE tenant = $1 AND deleted IS NULL AND country = 'DE' AND kind = 'person' AND (lifecycle IS NULL OR lifecycle <> 'lapsed')",
		},
		{
			"segment count by any event", "country == 'DE' and any(events, .name == 'price viewed' and .at > ago('30d'))",
			"SELECT count(*) FROM CUSTOMER c WHERE tenant = $1 AND deleted IS NULL AND country = 'DE' AND EXISTS " +
				"(SELECT 1 FROM BEHAVIOUR b WHERE b.tenant = $1 AND b.customer_id = c.id AND b.name = 'price viewed' AND b.at > $2)",
		},
		{
			"segment count by events", "count(events, .name == 'price viewed' and .at > ago('30d')) >= 2",
			"SELECT count(*) FROM CUSTOMER c WHERE tenant = $1 AND deleted IS NULL AND id IN " +
				"(SELECT customer_id FROM BEHAVIOUR b WHERE b.tenant = $1 AND b.name = 'price viewed' AND b.at > $2 GROUP BY customer_id HAVING count(*) >= 2)",
		},
	}
}

// segmentsLayer counts segments of as many customers as there are rows, with two events each in the mean, and writes down
// who is in one.
func (c config) segmentsLayer(ctx context.Context, w *watch, say func(format string, args ...any)) error {
	if err := w.gather(ctx, c.rows); err != nil {
		return err
	}
	for i, s := range segmentCounts() {
		key := fmt.Sprint("s", i)
		_, err := w.people.Segments.Create(crm.System(ctx, crowd), customers.Segment{
			Key: key, Name: s.name, Kind: customers.DynamicSegment, Where: crm.Filter{Text: s.where},
		})
		if err != nil {
			return err
		}
		var counted [2]int64
		ours := func(context.Context) (err error) {
			counted[0], err = w.people.Segments.Count(crm.System(ctx, crowd), key)
			return err
		}
		base := func(ctx context.Context) error {
			return w.db.QueryRowContext(ctx, w.byHand(s.hand), w.args(s.hand)...).Scan(&counted[1])
		}
		if err := c.measure(w.engine, s.name, 1, w.repeated(ctx, ours), w.repeated(ctx, base), say); err != nil {
			return err
		}
		if counted[0] != counted[1] {
			return fmt.Errorf("%s: %d by the segment, and %d by hand", s.name, counted[0], counted[1])
		}
	}
	return c.evaluations(ctx, w, say)
}

func (w *watch) repeated(ctx context.Context, fn func(context.Context) error) trial {
	return func(n int) (time.Duration, error) { return timed(n, func(int) error { return fn(ctx) }) }
}

// byHand is a statement with the names that tables have in the engine.
func (w *watch) byHand(statement string) string {
	prefix := "crm_"
	if w.engine == "postgres" {
		prefix = schemaName + "."
	}
	for _, table := range []string{
		"customer", "behaviour", "segment_member", "segment_change", "identity", "contact_point", "consent", "suppression", "purchase",
		"pool_seat", "pool_move", "event", "outbox", "share",
	} {
		statement = strings.ReplaceAll(statement, strings.ToUpper(table)+" ", prefix+table+" ")
	}
	return statement
}

// args are those of a statement by hand.
func (w *watch) args(statement string) []any {
	args := []any{crowd}
	if strings.Contains(statement, "$2") {
		args = append(args, w.stamp(clock().Add(-30*24*time.Hour)))
	}
	return args
}

// stamp is a time as the tables keep it.
func (w *watch) stamp(t time.Time) any {
	if w.engine == "sqlite" {
		return t.UnixMicro()
	}
	return t
}

// gather makes customers, of five countries, with 0 to 4 events each in the last 60 days.
func (w *watch) gather(ctx context.Context, n int) error {
	ctx = crm.System(ctx, crowd)
	now := clock()
	for done := 0; done < n; done += batch {
		list := make([]customers.Customer, min(batch, n-done))
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: "Ada", Country: []string{"DE", "FR", "GB", "US", "CN"}[(done+i)%5]}
		}
		made, err := w.people.CreateAll(ctx, list)
		if err != nil {
			return err
		}
		var events []customers.Event
		for i, c := range made {
			for e := range (done + i) / 5 % 5 {
				events = append(events, customers.Event{
					CustomerID: c.ID, Name: []string{"price viewed", "page viewed"}[e%4/3], At: now.Add(-time.Duration((i*7+e*13)%60*24) * time.Hour),
				})
			}
		}
		for part := range slices.Chunk(events, 10_000) {
			if _, err := w.people.Behaviour.Track(ctx, part...); err != nil {
				return err
			}
		}
	}
	return w.vacuum(ctx)
}

// evaluations writes down who is in a segment, whose condition was another one before, so that a fifth of the customers
// leaves and another fifth comes; by hand that is four statements in one transaction, which leave the same rows.
func (c config) evaluations(ctx context.Context, w *watch, say func(format string, args ...any)) error {
	system := crm.System(ctx, crowd)
	made, err := w.people.Segments.Create(system, customers.Segment{
		Key: "moving", Name: "Moving", Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == $1", Args: []any{"DE"}},
	})
	if err != nil {
		return err
	}
	turn := 0
	country := func() string { turn++; return []string{"DE", "FR"}[turn%2] }
	ours := func(n int) (took time.Duration, err error) {
		for range n {
			if _, err := w.people.Segments.Update(system, made.ID, func(s *customers.Segment) error { s.Where.Args = []any{country()}; return nil }); err != nil {
				return 0, err
			}
			one, err := timed(1, func(int) error {
				_, err := w.people.Segments.Evaluate(system, "moving")
				return err
			})
			if took += one; err != nil {
				return 0, err
			}
		}
		return took, nil
	}
	batches := 1 << 40
	base := func(n int) (time.Duration, error) {
		return timed(n, func(int) error {
			batches++
			return w.evaluateByHand(ctx, made.ID, batches, country())
		})
	}
	return c.measure(w.engine, "bulk segment evaluate", 1, ours, base, say)
}

func (w *watch) evaluateByHand(ctx context.Context, segment crm.ID, number int, country string) error {
	yes, no := any(true), any(false)
	if w.engine == "sqlite" {
		yes, no = 1, 0
	}
	id, now := w.key(segment), w.stamp(clock())
	return in(ctx, w.db, func(tx *sql.Tx) error {
		for _, s := range []struct {
			text string
			args []any
		}{
			{`INSERT INTO SEGMENT_CHANGE (tenant, segment_id, batch, customer_id, at, entered, by_hand)
				SELECT tenant, $2, $3, id, $4, $5, $6 FROM CUSTOMER c WHERE tenant = $1 AND deleted IS NULL AND country = $7
				AND NOT EXISTS (SELECT 1 FROM SEGMENT_MEMBER m WHERE m.tenant = $1 AND m.segment_id = $2 AND m.customer_id = c.id)`,
				[]any{crowd, id, number, now, yes, no, country}},
			{`INSERT INTO SEGMENT_CHANGE (tenant, segment_id, batch, customer_id, at, entered, by_hand)
				SELECT m.tenant, $2, $3, customer_id, $4, $5, $5 FROM SEGMENT_MEMBER m JOIN CUSTOMER c ON c.tenant = m.tenant AND c.id = m.customer_id
				WHERE m.tenant = $1 AND m.segment_id = $2 AND (country IS NULL OR country <> $6)`,
				[]any{crowd, id, number, now, no, country}},
			{`INSERT INTO SEGMENT_MEMBER (tenant, segment_id, customer_id, since, by_hand)
				SELECT tenant, segment_id, customer_id, at, by_hand FROM SEGMENT_CHANGE WHERE tenant = $1 AND segment_id = $2 AND batch = $3 AND entered = $4`,
				[]any{crowd, id, number, yes}},
			{`DELETE FROM SEGMENT_MEMBER WHERE tenant = $1 AND segment_id = $2 AND customer_id IN
				(SELECT customer_id FROM SEGMENT_CHANGE WHERE tenant = $1 AND segment_id = $2 AND batch = $3 AND entered = $4)`,
				[]any{crowd, id, number, no}},
		} {
			if _, err := tx.ExecContext(ctx, w.byHand(s.text), s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

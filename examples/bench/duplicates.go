package main

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// watched is a tenant with a policy for duplicates, quiet one without.
const (
	watched = "watched"
	quiet   = "quiet"
)

// createLines measures what match keys and looking for duplicates add to creating a person: keys alone, where the policy
// allows, and keys and a look, where it blocks. The base is a tenant without a policy.
func (c config) createLines(ctx context.Context, engine string, w *watch, say func(format string, args ...any)) error {
	policy, err := w.people.Duplicates.Policies.Create(crm.System(ctx, watched), customers.DuplicatePolicy{
		Kind: customers.Person, Form: customers.DuplicateBlock,
	})
	if err != nil || policy.ID.IsZero() {
		return err
	}
	on, off := crm.System(ctx, watched), crm.System(ctx, quiet)
	err = c.measure(engine, "new customer, match keys kept", 1, w.creates(on), w.creates(off), say)
	if err == nil {
		err = c.measure(engine, "new customer, duplicates blocked", 1, w.creates(customers.From(on, customers.EntryForm)), w.creates(off), say)
	}
	return err
}

// creates is n persons who were not there before, one by one.
func (w *watch) creates(ctx context.Context) trial {
	return func(n int) (time.Duration, error) {
		first := w.serial
		w.serial += n
		if err := w.settle(ctx); err != nil {
			return 0, err
		}
		return timed(n, func(i int) error {
			e := first + i
			_, err := w.people.Create(ctx, customers.Customer{
				Kind: customers.Person, Name: fmt.Sprintf("Given%d Family%d", e*7919%1_000_003, e), Email: fmt.Sprintf("p%d@example.com", e),
				Birthday: crm.Date{Year: 1930 + e%70, Month: time.Month(1 + e/70%12), Day: 1 + e/840%28},
			})
			return err
		})
	}
}

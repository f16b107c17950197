package crm

import (
	"context"
	"errors"
	"time"
)

// backfillKind is the kind of the jobs that bring records to a field.
const backfillKind = "crm.backfill"

// defineBackfill makes fields ready in the background.
func (c *Core) defineBackfill() error {
	return HandleJob(c.Jobs, backfillKind, func(ctx context.Context, _ Job, field ID) error {
		err := c.Fields.backfill(ctx, field)
		if errors.Is(err, ErrNotFound) { // it was removed meanwhile
			return nil
		}
		return err
	}, Idempotent(), Lease(time.Hour))
}

// fieldWritten follows every change of a definition.
func (c *Core) fieldWritten(ctx context.Context, w *Write[CustomField]) error {
	if err := c.afterField(ctx, w); err != nil {
		return err
	}
	was, is := w.Before, w.After
	if is == nil || is.Ready || !is.Deleted.IsZero() || was != nil && was.Deleted.IsZero() && !was.Ready && was.build() == is.build() {
		return nil
	}
	// No sooner than all processes write by the new definition.
	due := c.now().Add(max(c.cfg.RightsLag, 0))
	if is.Updated.After(c.now()) {
		due = is.Updated.Add(max(c.cfg.RightsLag, 0))
	}
	_, err := c.Jobs.enqueue(ctx, []Job{{Kind: backfillKind, Payload: is.ID, Due: due}})
	return err
}

package crm

import (
	"context"
	"time"
)

// Now returns when what a call with this context does happens: at the time of [At],
// or else now by the [Clock]. It is for modules that keep such a time in a record.
func (c *Core) Now(ctx context.Context) time.Time {
	if sc, _ := ctx.Value(scopeKey{}).(scope); !sc.at.IsZero() {
		return sc.at
	}
	return c.now()
}

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

// SystemIn is [System] in the tenant of a context's scope. It is for what a module
// does for itself while it serves an actor: what it needs and he may not do. A
// context without a scope stays without one, and one of [Quietly] stays quiet.
func SystemIn(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	if sc.Tenant == "" {
		return ctx
	}
	own := System(ctx, sc.Tenant)
	if sc.quiet {
		own = Quietly(own)
	}
	return own
}

// TrustedIn is SystemIn, but that the history names the actor of ctx as who did it: for
// what a module does at an actor's word once it has looked itself whether he may. What
// it does happens now, whatever [At] said.
func TrustedIn(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	if sc.Tenant == "" {
		return ctx
	}
	sc.trusted, sc.policy, sc.at = true, nil, time.Time{}
	return context.WithValue(ctx, scopeKey{}, sc)
}

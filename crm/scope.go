package crm

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Actor is who makes a call: a member of a tenant. Both are the host's own keys;
// the member needs no record of his own before rights are given to him.
type Actor struct {
	Tenant string // 1 to 64 bytes of UTF-8
	Member string // the host's key of its user
}

// scope is what a context says about a call.
type scope struct {
	Actor

	system  bool
	trusted bool      // the kernel has looked at the rights itself
	policy  Policy    // decides instead of the actor's roles, or nil
	at      time.Time // zero: now
	cause   string
	// returned says that a person who was erased came back by himself.
	returned bool
	quiet    bool // what it changes sets nothing in motion
}

type scopeKey struct{}

// As returns a context in which calls are the actor's. It replaces the scope of
// ctx, but not the transaction.
func As(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope{Actor: a})
}

// System returns a context in which calls are the tenant's own: the host's jobs,
// with every right. The history names the actor "system".
func System(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope{Actor: Actor{Tenant: tenant}, system: true})
}

// TenantOf returns the tenant a context's scope names; empty: it has none. It is for
// modules whose hosts decide something by tenant.
func TenantOf(ctx context.Context) string {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	return sc.Tenant
}

// ActorOf returns who acts in a context, as the history names him: "member:" and the
// host's key of him, or "system"; empty: it has no scope. It is for modules that note who
// did something.
func ActorOf(ctx context.Context) string {
	sc, ok := ctx.Value(scopeKey{}).(scope)
	if !ok {
		return ""
	}
	return sc.actor()
}

// At returns a context in which what calls do happened at t: created, updated and
// events say t, and when it was recorded is kept beside. It takes the right to
// import, and t must not lie in the future. It is for bringing in what happened
// elsewhere.
func At(ctx context.Context, t time.Time) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.at = instant(t)
	return context.WithValue(ctx, scopeKey{}, sc)
}

// Because returns a context whose changes name in the history what they were made
// for, at most 200 bytes: an import, a rule, a ticket.
func Because(ctx context.Context, cause string) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.cause = cause
	return context.WithValue(ctx, scopeKey{}, sc)
}

// scopeOf returns the scope of a call.
func scopeOf(ctx context.Context) (scope, error) {
	sc, ok := ctx.Value(scopeKey{}).(scope)
	switch {
	case !ok || sc.Tenant == "" && !sc.system:
		return scope{}, ErrUnscoped
	case sc.Member == "" && !sc.system:
		return scope{}, Invalid("member", "the scope names no member: give Actor.Member, or use crm.System for the host's own work")
	}
	if err := storage.CheckTenant(sc.Tenant); err != nil {
		return scope{}, err
	}
	return sc, nil
}

// check refuses what the history could not say of who did it, and why.
func (sc scope) check() error {
	if len(sc.cause) > 200 {
		return Invalid("cause", "has %d bytes, and 200 are allowed", len(sc.cause))
	}
	if sc.returned && sc.cause == "" {
		return Invalid("cause", "is empty: say why a person who was erased may be recorded again")
	}
	for _, said := range [...]struct {
		field  string
		column int
		value  any
	}{{"member", eventActor, sc.Member}, {"cause", eventCause, sc.cause}, {"at", eventHappened, sc.at}} {
		if err := storage.CheckValue(eventTable, said.column, said.value); err != nil && said.value != any(time.Time{}) {
			return Invalid(said.field, "%s", reason(err))
		}
	}
	return nil
}

// actor is how history names who did it.
func (sc scope) actor() string {
	if sc.system {
		return "system"
	}
	return "member:" + sc.Member
}

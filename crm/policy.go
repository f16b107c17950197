package crm

import "context"

// Policy decides over rights by the host's own rules, instead of the roles a tenant
// keeps. Teams and members stay the tenant's: they are what the levels own, team and
// subtree go by. Shares widen what a Policy permits as they widen roles.
type Policy interface {
	// Grant says what an actor may do with records of a kind by a verb. It is asked
	// at least once a call, also while a transaction is open: it answers from
	// memory, and does not use the Core. An error ends the call.
	Grant(ctx context.Context, a Actor, object string, verb Verb) (Permission, error)
}

// Permission is the answer of a [Policy]. The zero Permission permits nothing.
type Permission struct {
	Level Level
	// Hidden are the fields the actor does not read, in the answer for VerbRead:
	// "custom.tier" is a custom field. A name the kind does not have is ErrInvalid,
	// since what it was meant for would be shown.
	Hidden []string
	// Masked are those he sees in part, in the answer for VerbRead: see [FieldMasked]. One
	// that is Hidden as well is hidden, and so is a custom field that is no text; another
	// one that cannot be masked is ErrInvalid.
	Masked []string
	// ReadOnly are the fields he does not set, in the answers for VerbCreate and
	// VerbUpdate.
	ReadOnly []string
}

// WithPolicy returns a context in which p decides what the actor of ctx may do, whatever
// his roles, the [Config].Policy or [System] say: for modules that show somebody a part
// of records he may not read otherwise. Filters, sorts, searches and exports obey it as
// they obey roles.
func WithPolicy(ctx context.Context, p Policy) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.policy, sc.trusted = p, false
	return context.WithValue(ctx, scopeKey{}, sc)
}

package crm

import "context"

// Quietly returns a context whose changes are recorded and set nothing in motion: their
// events are in the history and the log like all others, and subscriptions and processes
// pass them over, but for the subscriptions registered with [AlsoQuiet]. What the handlers of
// these change by their contexts is quiet too. It takes the right to import, and is for
// bringing in what was dealt with elsewhere, as a former CRM's records: nobody is welcomed or
// reminded a second time. [As] and [System] replace the scope, and this with it.
func Quietly(ctx context.Context) context.Context {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	sc.quiet = true
	return context.WithValue(ctx, scopeKey{}, sc)
}

// IsQuiet reports whether a context is one of [Quietly]. It is for modules that have more
// than events set in motion, such as reminders.
func IsQuiet(ctx context.Context) bool {
	sc, _ := ctx.Value(scopeKey{}).(scope)
	return sc.quiet
}

// AlsoQuiet gives a subscription the events of changes made [Quietly] too. It is for what
// keeps something derived in step with records, and not for what tells or asks anybody.
func AlsoQuiet() SubscribeOption { return func(s *subscription) { s.quiet = true } }

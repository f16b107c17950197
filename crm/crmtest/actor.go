package crmtest

import (
	"context"
	"testing"

	"github.com/embedcrm/embedcrm/crm"
)

// As returns the test's context, in which calls are those of a member of the tenant
// "acme", by his key. Nobody has to be made for it: a tenant without roles is open to all
// its actors.
func As(tb testing.TB, member string) context.Context {
	tb.Helper()
	return crm.As(tb.Context(), crm.Actor{Tenant: "acme", Member: member})
}

// System returns the test's context, in which calls are those of the tenant "acme"
// itself, with every right.
func System(tb testing.TB) context.Context {
	tb.Helper()
	return crm.System(tb.Context(), "acme")
}

// Package quality keeps records good: rules of what should not be, scores of how
// complete, fresh and valid records are, bulk correction that can be undone, and
// enrichment that overwrites nobody's work. It serves records of every kind.
//
//	q, err := quality.New(core)
//	rule, err := q.Rules.Create(ctx, quality.Rule{
//		Object: "customer", Name: "Organisations have a country", When: "kind == 'organisation' and country == nil",
//		Severity: quality.Error, Cure: "Look it up in the commercial register.",
//	})
//	page, err := q.Violations(ctx, rule.ID)
//
// docs/quality.md is the guide to it.
package quality

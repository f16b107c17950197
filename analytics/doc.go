// Package analytics answers questions about all records of a kind at once: reports,
// which are data, run under the rights of whoever asks.
//
//	a := analytics.New(core)
//	result, err := a.Run(ctx, analytics.Report{
//		Object:   "deal",
//		Groups:   []analytics.Group{{Field: "stage"}},
//		Measures: []analytics.Measure{{Name: "deals", Fn: crm.FnCount}, {Name: "value", Fn: crm.FnSum, Field: "amount"}},
//	})
//
// What a report says is computed by [crm.Core.Aggregate], in the database and at one
// instant; docs/reports.md explains it.
package analytics

import "github.com/embedcrm/embedcrm/crm"

// Analytics runs reports over the records of a core. It is safe for any number of
// goroutines.
type Analytics struct{ core *crm.Core }

// New returns an Analytics of a core. It keeps nothing, and has no tables.
func New(core *crm.Core) *Analytics { return &Analytics{core} }

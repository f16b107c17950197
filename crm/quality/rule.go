package quality

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Severity is how bad it is when a rule is violated.
type Severity string

// The severities, the worst first. In a score a violated rule counts 4, 2 and 1.
const (
	Error Severity = "error"
	Warn  Severity = "warn"
	Info  Severity = "info"
)

// weight is what a rule counts in a score.
func (s Severity) weight() int64 {
	switch s {
	case Error:
		return 4
	case Warn:
		return 2
	case Info:
	}
	return 1
}

// Rule says what should not be of records of a kind. Other than a [crm.Rule], which is
// asked when a record is written, it holds for records that are there already, may ask of
// related records and of time that passes, and keeps nobody from writing.
type Rule struct {
	crm.Record

	// Object is the kind of record it is for. It never changes.
	Object string `crm:"required,max=48"  json:"object"`
	Name   string `crm:"required,max=200" json:"name"`
	// When is the condition of what should not be, in the language of docs/expressions.md:
	// "email_malformed", "country == nil and count(purchases) > 0".
	When string `crm:"required,max=4000" json:"condition"`
	// Severity is how bad that is; empty is Warn.
	Severity Severity `crm:"required,enum=error|warn|info" json:"severity"`
	// Message says what is wrong, and Cure what to do about it. Field is where to.
	Message string `crm:"max=500" json:"message,omitempty"`
	Cure    string `crm:"max=500" json:"cure,omitempty"`
	Field   string `crm:"max=60"  json:"field,omitempty"`
	// Off says that it rests.
	Off bool `json:"off,omitempty"`
}

// MaxRules is how many rules a kind of record has that do not rest.
const MaxRules = 100

func (q *Quality) defineRules() error {
	kind, err := crm.Define(q.core, crm.Object[Rule]{Name: "quality_rule", BeforeWrite: q.checkRule})
	if err != nil {
		return err
	}
	q.Rules = &kind.Collection
	return nil
}

// checkRule holds a rule against the kind it is for: BeforeWrite.
func (q *Quality) checkRule(ctx context.Context, w *crm.Write[Rule]) error {
	r := w.After
	r.Object, r.Field = strings.TrimSpace(r.Object), strings.TrimSpace(r.Field)
	if r.Severity == "" {
		r.Severity = Warn
	}
	if w.Before != nil && w.Before.Object != r.Object {
		return crm.Invalid("object", "never changes: make another rule")
	}
	system := crm.SystemIn(ctx)
	records, err := q.records(r.Object)
	if err != nil {
		return err
	}
	if err := understood(system, records, "condition", crm.Filter{Text: r.When}); err != nil {
		return err
	}
	if r.Field != "" {
		fields, err := records.Fields(system)
		if err != nil {
			return err
		}
		if _, ok := fieldOf(fields, r.Field); !ok {
			return crm.Invalid("field", "%s has no field %s", r.Object, r.Field)
		}
	}
	if r.Off {
		return nil
	}
	n, err := q.Rules.Count(system, crm.Where("object == $1 and not off and id != $2", r.Object, r.ID))
	if err == nil && n >= MaxRules {
		err = crm.Invalid("object", "%s has %d rules, and no more are allowed: let some rest", r.Object, n)
	}
	return err
}

// rules are the rules of a kind that do not rest, the worst first.
func (q *Quality) rules(ctx context.Context, object string) ([]Rule, error) {
	page, err := q.Rules.List(ctx, crm.Where("object == $1 and not off", object), crm.OrderBy("created"), crm.Limit(crm.MaxPage))
	slices.SortStableFunc(page.Items, func(a, b Rule) int { return int(b.Severity.weight() - a.Severity.weight()) })
	return page.Items, err
}

// Violations returns a page of the records that violate a rule, as [crm.Records.List]
// does: those the actor may read, narrowed and sorted by options. It is asked now, so
// that a record that was put right is not in it. A rule that asks for what the actor may
// not read is [crm.ErrForbidden].
func (q *Quality) Violations(ctx context.Context, rule crm.ID, opts ...crm.ListOption) (crm.Page[crm.Values], error) {
	r, err := q.Rules.Get(ctx, rule)
	if err != nil {
		return crm.Page[crm.Values]{}, failed("list violations", "quality_rule", rule, err)
	}
	records, err := q.core.Records(r.Object)
	if err != nil {
		return crm.Page[crm.Values]{}, failed("list violations", "quality_rule", rule, err)
	}
	page, err := records.List(ctx, append(slices.Clone(opts), crm.Where(r.When))...)
	return page, failed("list violations", "quality_rule", rule, err)
}

// RuleCount is a rule and how many records violate it.
type RuleCount struct {
	Rule  Rule
	Count int64
	// Withheld says that the rule asks for what the actor may not read, so that he is not
	// told the number.
	Withheld bool
}

// Overview returns the rules of a kind of record that do not rest, the worst first, and
// how many of the records the actor may read violate each.
func (q *Quality) Overview(ctx context.Context, object string) ([]RuleCount, error) {
	list, err := q.overview(ctx, object)
	return list, failed("overview", object, crm.ID{}, err)
}

func (q *Quality) overview(ctx context.Context, object string) ([]RuleCount, error) {
	records, err := q.records(object)
	if err != nil {
		return nil, err
	}
	rules, err := q.rules(ctx, object)
	if err != nil {
		return nil, err
	}
	secret, err := q.secret(ctx, records, rules)
	if err != nil {
		return nil, err
	}
	list := make([]RuleCount, len(rules))
	var asked []int
	for i, r := range rules {
		list[i] = RuleCount{Rule: r, Withheld: secret[r.ID]}
		if !secret[r.ID] {
			asked = append(asked, i)
		}
	}
	for some := range slices.Chunk(asked, crm.MaxMeasures) {
		f := crm.Figures{}
		for _, i := range some {
			f.Measures = append(f.Measures, counting(&rules[i]))
		}
		t, err := q.core.Aggregate(ctx, object, f)
		if err != nil {
			return nil, err
		}
		for n, i := range some {
			if len(t.Rows) > 0 {
				list[i].Count, _ = t.Rows[0].Values[n].(int64)
			}
		}
	}
	return list, nil
}

// secret are the rules that ask for what the actor may not read. Mostly there are none,
// which one statement finds out.
func (q *Quality) secret(ctx context.Context, records *crm.Records, rules []Rule) (map[crm.ID]bool, error) {
	secret := map[crm.ID]bool{}
	for some := range slices.Chunk(rules, crm.MaxMeasures) {
		f := crm.Figures{}
		for i := range some {
			f.Measures = append(f.Measures, counting(&some[i]))
		}
		_, err := q.core.Aggregate(ctx, records.Kind(), f, crm.Where("false"))
		if err == nil {
			continue
		}
		if !errors.Is(err, crm.ErrForbidden) {
			return nil, err
		}
		for _, r := range some {
			err := understood(ctx, records, "condition", crm.Filter{Text: r.When})
			if err != nil && !errors.Is(err, crm.ErrForbidden) {
				return nil, err
			}
			secret[r.ID] = err != nil
		}
	}
	return secret, nil
}

// counting is the measure of how many records violate a rule.
func counting(r *Rule) crm.Measure {
	return crm.Measure{Name: r.Name, Fn: crm.FnCount, Where: crm.Filter{Text: r.When}}
}

package quality

import (
	"cmp"
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Wanted is a field that a good record has a value in.
type Wanted struct {
	Field string `json:"field"`
	// Weight is how much it counts beside the others, from 1 to 1,000; 0 is 1.
	Weight int64 `json:"weight,omitempty"`
}

// Standard says what a good record of a kind is. A kind has one, or none: then scores go
// by its rules alone.
type Standard struct {
	crm.Record

	// Object is the kind of record. It never changes.
	Object string `crm:"required,max=48,unique" json:"object"`
	// Complete are the fields a record should have values in, at most 100; none: it is
	// not asked.
	Complete []Wanted `crm:"json" json:"complete,omitempty"`
	// FreshDays is after how many days without a change a record is out of date: its
	// freshness falls evenly from 100 to 0. 0: it is not asked, and at most 36,500.
	FreshDays int64 `json:"fresh_days,omitempty"`
	// FreshFields are those whose last change counts, at most 20; none: that of the
	// record as a whole.
	FreshFields []string `crm:"json" json:"fresh_fields,omitempty"`
	// Source is the text field that tells where a record came from; empty: scores are not
	// grouped by it.
	Source string `crm:"max=60" json:"source,omitempty"`
}

const (
	maxWanted      = 100
	maxFreshFields = 20
	maxFreshDays   = 36_500
)

var _ crm.Validator = (*Standard)(nil)

// Validate refuses a standard that no record could be held to.
func (s *Standard) Validate() error {
	switch {
	case len(s.Complete) > maxWanted:
		return crm.Invalid("complete", "are %d fields, and %d are allowed", len(s.Complete), maxWanted)
	case len(s.FreshFields) > maxFreshFields:
		return crm.Invalid("fresh_fields", "are %d, and %d are allowed", len(s.FreshFields), maxFreshFields)
	case s.FreshDays < 0 || s.FreshDays > maxFreshDays:
		return crm.Invalid("fresh_days", "are %d: give 0 to %d", s.FreshDays, maxFreshDays)
	case len(s.FreshFields) > 0 && s.FreshDays == 0:
		return crm.Invalid("fresh_days", "are 0, so that nobody asks when the fields were changed: give 1 or more")
	}
	for i, wanted := range s.Complete {
		switch {
		case wanted.Weight < 0 || wanted.Weight > 1000:
			return crm.Invalid("complete", "%s has the weight %d: give 1 to 1000", wanted.Field, wanted.Weight)
		case slices.ContainsFunc(s.Complete[:i], func(o Wanted) bool { return o.Field == wanted.Field }):
			return crm.Invalid("complete", "%s is there twice", wanted.Field)
		}
	}
	return nil
}

func (q *Quality) defineStandards() error {
	kind, err := crm.Define(q.core, crm.Object[Standard]{
		Name: "quality_standard", BeforeWrite: q.checkStandard, AfterWrite: q.standardWritten,
	})
	if err != nil {
		return err
	}
	q.Standards = &kind.Collection
	return nil
}

// checkStandard holds a standard against the kind it is for: BeforeWrite.
func (q *Quality) checkStandard(ctx context.Context, w *crm.Write[Standard]) error {
	s := w.After
	if w.Before != nil && w.Before.Object != s.Object {
		return crm.Invalid("object", "never changes: make another standard")
	}
	records, err := q.records(s.Object)
	if err != nil {
		return err
	}
	fields, err := records.Fields(crm.SystemIn(ctx))
	if err != nil {
		return err
	}
	known := func(in, name string) error {
		if _, ok := fieldOf(fields, name); !ok {
			return crm.Invalid(in, "%s has no field %q", s.Object, name)
		}
		return nil
	}
	s.Complete = slices.Clone(s.Complete) // a caller's own
	for i := range s.Complete {
		s.Complete[i].Weight = cmp.Or(s.Complete[i].Weight, 1)
		if err := known("complete", s.Complete[i].Field); err != nil {
			return err
		}
	}
	for _, name := range s.FreshFields {
		if err := known("fresh_fields", name); err != nil {
			return err
		}
	}
	if s.Source == "" {
		return nil
	}
	if f, ok := fieldOf(fields, s.Source); !ok || f.Type != crm.TypeText {
		return crm.Invalid("source", "is the name of a text field of %s", s.Object)
	}
	return nil
}

// standard is that of a kind, or an empty one.
func (q *Quality) standard(ctx context.Context, object string) (Standard, error) {
	page, err := q.Standards.List(ctx, crm.Where("object == $1", object), crm.Limit(1))
	if err != nil || len(page.Items) == 0 {
		return Standard{Object: object}, err
	}
	return page.Items[0], nil
}

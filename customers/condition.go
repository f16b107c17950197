package customers

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// keyFault says what is wrong with a key that code calls something by, or nothing.
func keyFault(key string) error {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return crm.Invalid("key", "%q is no key: lower-case letters, digits, - and _ make one", key)
	}
	return nil
}

// understood refuses conditions on customers that cannot be understood, or that the
// actor of the context may not ask. What it is about is named by field and label.
func (c *Customers) understood(ctx context.Context, field, label string, conditions ...crm.ListOption) error {
	_, err := c.Count(ctx, append(slices.Clone(conditions), crm.Where("false"))...)
	if wrong, ok := errors.AsType[*crm.InvalidError](err); ok {
		return crm.Invalid(field, "%s: %s", label, wrong.Faults[0].Reason)
	}
	return err
}

// named reports whether conditions on customers name a field. One that cannot be understood
// any more names none: there is nothing to be taken from it.
func (c *Customers) named(ctx context.Context, object, field string, conditions []string) (bool, error) {
	for _, text := range conditions {
		uses, err := c.core.FilterUses(crm.SystemIn(ctx), "customer", crm.Filter{Text: text})
		if err != nil && !errors.Is(err, crm.ErrInvalid) {
			return false, err
		}
		if slices.ContainsFunc(uses.Fields, func(u crm.FilterUse) bool { return u.Object == object && u.Field == field }) {
			return true, nil
		}
	}
	return false, nil
}

// keepUp has a job done soon, and again and again by a schedule of its name.
func (c *Customers) keepUp(ctx context.Context, job, cron string) error {
	jobs, system := c.core.Jobs, crm.SystemIn(ctx)
	known, err := jobs.Schedules(system)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(known, func(s crm.Schedule) bool { return s.Name == job }) {
		if err := jobs.Schedule(system, crm.Schedule{Name: job, Kind: job, Cron: cron}); err != nil {
			return err
		}
	}
	_, err = jobs.Enqueue(system, crm.Job{Kind: job, Key: "changed"})
	return err
}

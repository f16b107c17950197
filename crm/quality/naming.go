package quality

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// naming names the rules and standards that name a custom field.
func (q *Quality) naming(ctx context.Context, object, field string) (names []string, err error) {
	system := crm.SystemIn(ctx)
	for r, err := range q.Rules.All(system) {
		if err != nil {
			return nil, err
		}
		named := r.Object == object && r.Field == field
		if !named {
			// A condition that cannot be understood any more names none: there is nothing to
			// be taken from it.
			uses, err := q.core.FilterUses(system, r.Object, crm.Filter{Text: r.When})
			if err != nil && !errors.Is(err, crm.ErrInvalid) {
				return nil, err
			}
			named = slices.ContainsFunc(uses.Fields, func(u crm.FilterUse) bool { return u.Object == object && u.Field == field })
		}
		if named {
			names = append(names, fmt.Sprintf("quality rule %q", r.Name))
		}
	}
	s, err := q.standard(system, object)
	if err != nil {
		return nil, err
	}
	wanted := slices.ContainsFunc(s.Complete, func(w Wanted) bool { return w.Field == field })
	if wanted || s.Source == field || slices.Contains(s.FreshFields, field) {
		names = append(names, "the quality standard of "+object)
	}
	return names, nil
}

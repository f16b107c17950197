package transfer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// scopes are what records lie within that a field may refer to, as stages in pipelines. The
// zero scopes are of a field whose records lie in nothing.
type scopes struct {
	l    *lookups
	kind string            // of what they lie within
	of   map[crm.ID]crm.ID // by record
	main crm.ID            // what counts where a row says none
}

// scopes are those of records that were found.
func (l *lookups) scopes(ctx context.Context, records *crm.Records, field string, found map[string][]crm.ID) (*scopes, error) {
	s := &scopes{l: l}
	within := l.within(field)
	if within == "" || len(found) == 0 {
		return s, nil
	}
	var ids []crm.ID
	for _, some := range found {
		ids = append(ids, some...)
	}
	is, err := readAll(ctx, records, ids)
	if err != nil {
		return nil, err
	}
	s.kind, s.of = l.r.kind.byName[within].Ref, map[crm.ID]crm.ID{}
	for id, v := range is {
		s.of[id], _ = v[within].(crm.ID)
	}
	s.main, err = l.first(ctx, s.kind)
	return s, err
}

// first is the record of a kind that stands first where they have an order, as the pipeline
// that new deals enter.
func (l *lookups) first(ctx context.Context, kind string) (crm.ID, error) {
	records, fields, err := l.kindOf(ctx, kind)
	if errors.Is(err, crm.ErrForbidden) { // then none counts before the others
		return crm.ID{}, nil
	}
	if err != nil || fields["position"].Type != crm.TypeInt {
		return crm.ID{}, err
	}
	page, err := records.List(ctx, crm.OrderBy("position"), crm.Limit(1))
	if err != nil || len(page.Items) == 0 {
		return crm.ID{}, err
	}
	return page.Items[0].ID(), nil
}

// choose is which of some records is meant: one within what the row says; where it says
// nothing, one within the first, or else the only one there is.
func (s *scopes) choose(ctx context.Context, in crm.ID, ids []crm.ID) (hit, error) {
	if s.of != nil {
		inside := func(in crm.ID) []crm.ID {
			return slices.DeleteFunc(slices.Clone(ids), func(id crm.ID) bool { return s.of[id] != in })
		}
		if main := inside(s.main); !in.IsZero() {
			ids = inside(in)
		} else if len(main) > 0 {
			ids = main
		}
	}
	switch len(ids) {
	case 0:
		return hit{}, nil
	case 1:
		return hit{id: ids[0], in: s.of[ids[0]]}, nil
	}
	among, err := s.names(ctx, ids)
	return hit{id: ids[0], among: among}, err
}

// several stands for records that nothing tells apart.
const several = "several"

// names tells records apart by what they lie within.
func (s *scopes) names(ctx context.Context, ids []crm.ID) (string, error) {
	var in []crm.ID
	for _, id := range ids {
		if of := s.of[id]; !of.IsZero() && !slices.Contains(in, of) {
			in = append(in, of)
		}
	}
	if len(in) < 2 {
		return several, nil
	}
	records, fields, err := s.l.kindOf(ctx, s.kind)
	if errors.Is(err, crm.ErrForbidden) {
		return several, nil
	}
	if err != nil {
		return "", err
	}
	is, err := readAll(ctx, records, in)
	if err != nil {
		return "", err
	}
	names := make([]string, len(in))
	for i, id := range in {
		names[i] = id.String()
		if name := textOf(is[id], "name"); name != "" {
			names[i] = quoted(name, fields["name"].Protected)
		}
	}
	slices.Sort(names)
	return "in the " + records.Plural() + " " + strings.Join(names, ", "), nil
}

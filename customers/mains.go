package customers

import (
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// given is one of several things that customers are given together, of which every owner
// has a main one: a customer's addresses, or his relationships of a kind.
type given[K comparable] struct {
	owner    K
	customer crm.ID
	main     *bool
	refused  bool // since it is not valid
}

// mains are the main ones there were before, of the owners who are given something together.
type mains[K comparable] map[K]crm.ID

// gatherMains decides once for all that are given together which are main ones: of each
// owner the last that says so, else, where he had none, his first. It holds the customers,
// and what it finds is in the context for the hooks of each that is given.
func gatherMains[K comparable](
	ctx context.Context, people *Customers, all []given[K], had func(system context.Context, of []crm.ListOption, note func(owner K, id crm.ID, main bool)) error,
) (context.Context, error) {
	customers := make([]crm.ID, len(all))
	for i, g := range all {
		customers[i] = g.customer
	}
	slices.SortFunc(customers, crm.ID.Compare)
	customers = slices.Compact(customers)
	system := crm.SystemIn(ctx)
	if err := people.kind.HoldAll(system, customers); err != nil {
		return nil, err
	}
	was, some := mains[K]{}, map[K]bool{}
	for part := range slices.Chunk(customers, crm.MaxPage) {
		err := had(system, of(part), func(owner K, id crm.ID, main bool) {
			some[owner] = true
			if main {
				was[owner] = id
			}
		})
		if err != nil {
			return nil, err
		}
	}
	chosen := map[K]*bool{}
	for _, g := range all {
		switch before := chosen[g.owner]; {
		case g.refused:
		case *g.main && before != nil:
			*before, chosen[g.owner] = false, g.main
		case *g.main || before == nil && !some[g.owner]:
			*g.main, chosen[g.owner] = true, g.main
		}
	}
	return context.WithValue(ctx, mainsKey[K]{}, was), nil
}

type mainsKey[K comparable] struct{}

// mainsIn is what was gathered for a hook; nil: nothing was, and it asks for itself.
func mainsIn[K comparable](ctx context.Context) mains[K] {
	was, _ := ctx.Value(mainsKey[K]{}).(mains[K])
	return was
}

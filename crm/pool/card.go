package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Card is what a pool shows of a record that waits in it.
type Card struct {
	ID crm.ID
	// Values are the fields the pool shows, by their names, those it masks by [crm.Mask].
	// Absent ones have no entry.
	Values crm.Values
}

// Cards returns a page of what waits in a pool, for those who may claim there, and for
// those who administer rights. The options are those of a list. What a filter or a sort
// names has to be shown by the pool, and not masked: other fields, and other records, are
// ErrForbidden.
func (p *Pools) Cards(ctx context.Context, pool crm.ID, opts ...crm.ListOption) (crm.Page[Card], error) {
	page, err := p.cards(ctx, pool, opts)
	return page, failed("list", "pool", pool, err)
}

// CountCards returns how many records wait in a pool, by the rules of [Pools.Cards].
func (p *Pools) CountCards(ctx context.Context, pool crm.ID, opts ...crm.ListOption) (int64, error) {
	n, err := func() (int64, error) {
		pool, records, err := p.seen(ctx, pool)
		if err != nil {
			return 0, err
		}
		view, err := p.view(ctx, pool, records)
		if err != nil {
			return 0, err
		}
		return records.Count(view, pool.waiting(opts)...)
	}()
	return n, failed("count", "pool", pool, err)
}

// seen is a pool whose cards the actor may see.
func (p *Pools) seen(ctx context.Context, id crm.ID) (*Pool, *crm.Records, error) {
	if p.core.MayAdminister(ctx) == nil {
		return p.find(ctx, id)
	}
	me, err := p.me(ctx)
	if err != nil {
		return nil, nil, err
	}
	return p.entered(ctx, id, me)
}

// waiting are the options of a list of what waits in the pool.
func (p *Pool) waiting(opts []crm.ListOption) []crm.ListOption {
	return slices.Concat(p.where(), []crm.ListOption{crm.WhereSystem("owner_id == nil and deleted == nil")}, opts)
}

func (p *Pools) cards(ctx context.Context, id crm.ID, opts []crm.ListOption) (crm.Page[Card], error) {
	none := crm.Page[Card]{}
	pool, records, err := p.seen(ctx, id)
	if err != nil {
		return none, err
	}
	view, err := p.view(ctx, pool, records)
	if err != nil {
		return none, err
	}
	list, err := records.List(view, pool.waiting(opts)...)
	if err != nil {
		return none, err
	}
	page := crm.Page[Card]{Items: make([]Card, len(list.Items)), Next: list.Next}
	of := map[crm.ID]crm.Values{}
	for i, v := range list.Items {
		card := Card{ID: v.ID(), Values: crm.Values{}}
		for _, name := range pool.Show {
			if x, ok := v[name]; ok {
				card.Values[name] = x
			}
		}
		page.Items[i], of[card.ID] = card, card.Values
	}
	return page, p.masked(ctx, pool, records, of)
}

// masked adds what is shown in part.
func (p *Pools) masked(ctx context.Context, pool *Pool, records *crm.Records, of map[crm.ID]crm.Values) error {
	if len(pool.Mask) == 0 || len(of) == 0 {
		return nil
	}
	ids := make([]crm.ID, 0, len(of))
	for id := range of {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, crm.ID.Compare)
	list, err := records.List(crm.SystemIn(ctx), crm.Where("id in $1", ids), crm.OrderBy("id"), crm.Limit(len(ids)))
	for _, v := range list.Items {
		for _, name := range pool.Mask {
			if text, _ := v[name].(string); text != "" {
				of[v.ID()][name] = crm.Mask(text)
			}
		}
	}
	return err
}

// view is a context in which all records of the pool's kind are read, and of their fields
// those alone that the pool shows plainly.
func (p *Pools) view(ctx context.Context, pool *Pool, records *crm.Records) (context.Context, error) {
	all, err := records.Fields(crm.SystemIn(ctx))
	if err != nil {
		return nil, err
	}
	v := view{object: pool.Object, hidden: []string{"owner_id", "refs"}}
	if !slices.ContainsFunc(pool.Show, func(name string) bool { return strings.HasPrefix(name, "custom.") }) {
		v.hidden = append(v.hidden, "custom") // those too that are defined meanwhile
	}
	for _, f := range all {
		if !f.Kernel && !slices.Contains(pool.Show, f.Name) {
			v.hidden = append(v.hidden, f.Name)
		}
	}
	return crm.WithPolicy(ctx, v), nil
}

// view decides what may be seen of a pool.
type view struct {
	object string
	hidden []string
}

var _ crm.Policy = view{}

// Grant permits to read the pool's kind, and is an error for any other: from a record at
// hand rights go on to what belongs to it, and here they must not.
func (v view) Grant(_ context.Context, _ crm.Actor, object string, verb crm.Verb) (crm.Permission, error) {
	switch {
	case object != v.object:
		return crm.Permission{}, fmt.Errorf("%w: a pool is filtered and sorted by the fields it shows, and not by other records", crm.ErrForbidden)
	case verb != crm.VerbRead:
		return crm.Permission{}, errors.New("pool: a view is read")
	}
	return crm.Permission{Level: crm.LevelAll, Hidden: v.hidden}, nil
}

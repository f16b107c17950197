package crm

import "context"

// maxKnown is how many records a tenant has of a kind that is known without asking.
const maxKnown = 100

// Known returns the tenant's records of a kind defined with [Object.Known], in the order of
// their ids, without asking the database and whatever the actor may read: what they settle
// holds for everyone. They must not be changed. A change holds as one of rights does: at
// once for calls through this Core, within its transaction alone until that is committed,
// and for other processes once Config.RightsLag has passed.
func (k *Kind[T]) Known(ctx context.Context) ([]*T, error) {
	sc, err := scopeOf(ctx)
	if err == nil {
		err = k.o.core.ready()
	}
	if err == nil && k.o.known == nil {
		err = Invalid("known", "records of this kind are read: define it with Object.Known")
	}
	if err != nil {
		return nil, failed("known", k.o.name, ID{}, err)
	}
	r, err := k.o.core.rightsOf(ctx, sc.Tenant)
	if err != nil {
		return nil, failed("known", k.o.name, ID{}, err)
	}
	list, _ := r.known[k.o].([]*T)
	return list, nil
}

// readKnown reads the records of all kinds that are known without asking.
func (c *Core) readKnown(ctx context.Context, tenant string) (map[*object]any, error) {
	all := map[*object]any{}
	for _, o := range c.order {
		if o.known == nil {
			continue
		}
		list, err := o.known(ctx, tenant)
		if err != nil {
			return nil, err
		}
		all[o] = list
	}
	return all, nil
}

// Readings returns the words by which Config.Readings says that a text is read in another
// script; none without it. It is for modules that compare texts.
func (c *Core) Readings(text string) []string {
	if c.cfg.Readings == nil {
		return nil
	}
	return c.cfg.Readings(text)
}

package crm

import (
	"context"
	"errors"
	"slices"
)

// Found is a record of some kind that was found.
type Found struct {
	Object string // its kind
	ID     ID
	Title  string // its name, or what else it is found by first; empty: the actor may not read that
}

// maxFound is how many records a search of all kinds finds.
const maxFound = 50

// Search returns the records of several kinds that are found by a text, at most 50,
// in the order of [Collection.Search]: for a box into which one types what one looks
// for. Without kinds it looks through all that have a field marked search and that the
// actor may read.
func (c *Core) Search(ctx context.Context, text string, kinds ...string) ([]Found, error) {
	list, err := c.searchAll(ctx, text, kinds)
	return list, failed("search", "", ID{}, err)
}

func (c *Core) searchAll(ctx context.Context, text string, kinds []string) ([]Found, error) {
	if _, err := scopeOf(ctx); err != nil {
		return nil, err
	}
	if err := c.ready(); err != nil {
		return nil, err
	}
	var hits []hit
	for _, o := range c.order {
		if len(kinds) > 0 && !slices.Contains(kinds, o.name) || len(kinds) == 0 && len(o.searched) == 0 {
			continue
		}
		_, found, err := o.search(ctx, text, listOptions{limit: maxFound})
		if err != nil && (len(kinds) > 0 || !errors.Is(err, ErrForbidden)) {
			return nil, err
		}
		hits = append(hits, found...)
	}
	for _, name := range kinds {
		if c.objects[name] == nil {
			return nil, Invalid("kinds", "there is no kind %q", name)
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return a.compare(&b.spot) })
	list := make([]Found, 0, min(len(hits), maxFound))
	for _, h := range hits[:min(len(hits), maxFound)] {
		list = append(list, Found{Object: h.o.name, ID: h.id, Title: h.o.title(h.rec)})
	}
	if err := c.toldFound(ctx, list); err != nil {
		return nil, err
	}
	return list, nil
}

// title is what a record is called: its name, or the first text it is found by. What
// the actor may not read was not read.
func (o *object) title(r *rec) string {
	if f := o.byName["name"]; f != nil && f.typ == TypeText {
		text, _ := r.Value(f.col).(string)
		return text
	}
	for _, f := range o.searched {
		if texts := f.texts(r); len(texts) > 0 {
			return texts[0]
		}
	}
	return ""
}

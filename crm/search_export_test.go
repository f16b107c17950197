package crm

import (
	"context"

	"github.com/embedcrm/embedcrm/storage"
)

// BoundSearch lowers from how many records on a search takes another way.
func BoundSearch(c *Core, few, whole int) { c.bounds = searchBounds{few: few, whole: whole} }

// Search returns the ids a kind finds by a text.
func (k AnyKindOf) Search(ctx context.Context, text string) ([]ID, error) {
	p, _, err := k.o.search(ctx, text, listOptions{limit: MaxPage, deleted: true})
	if err != nil {
		return nil, failed("search", k.o.name, ID{}, err)
	}
	ids := make([]ID, len(p.recs))
	for i, r := range p.recs {
		ids[i] = r.meta().ID
	}
	return ids, nil
}

// Searched are the fields of a kind that are marked search.
func (k AnyKindOf) Searched() (names []string) {
	for _, f := range k.o.searched {
		names = append(names, f.name)
	}
	return names
}

// ForgetWords spoils the index: a row is gone, and another is wrong.
func ForgetWords(ctx context.Context, c *Core, tenant, object string, gone, wrong ID) error {
	return c.store.Write(ctx, tenant, []storage.Change{
		{Action: storage.Delete, Table: searchTable, Row: &searchRow{object: object, record: [16]byte(gone)}},
		{Action: storage.Put, Table: searchTable, Row: &searchRow{object: object, record: [16]byte(wrong), words: "abc"}},
	})
}

package customers

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// Sets returns the sets of duplicates that the last scan of a kind found, the surest first,
// behind the one of a number; 0 is all. A set is shown as far as its customers are there
// and the actor may read them, if they are two at least: once they are merged, deleted or
// dismissed it is gone. Why they are taken to be one is said by the fields he may read, as
// they are by now. Without a scan there are none.
func (d *Duplicates) Sets(ctx context.Context, kind Kind, after int64) iter.Seq2[DuplicateSet, error] {
	return func(yield func(DuplicateSet, error) bool) {
		err := d.eachSet(ctx, kind, after, func(s DuplicateSet) bool { return yield(s, nil) })
		if err != nil {
			yield(DuplicateSet{}, failed("list duplicates", "customer", crm.ID{}, err))
		}
	}
}

func (d *Duplicates) eachSet(ctx context.Context, kind Kind, after int64, yield func(DuplicateSet) bool) error {
	if err := d.people.May(ctx, crm.VerbRead); err != nil {
		return err
	}
	page, err := d.scans.List(crm.SystemIn(ctx), crm.Where("kind == $1 and state == 'done'", string(kind)), crm.Limit(1))
	if err != nil || len(page.Items) == 0 {
		return err
	}
	scan := page.Items[0]
	model, err := scan.weights()
	if err != nil {
		return err
	}
	var rows []duplicate // of one set
	show := func() (more bool, err error) {
		if len(rows) < 2 {
			return true, nil
		}
		s, err := d.shown(ctx, model, &scan, rows)
		if err != nil || len(s.Customers) < 2 {
			return true, err
		}
		return yield(s), nil
	}
	for row, err := range d.sets.All(ctx, crm.AsActor(), crm.Where("scan_id == $1 and number > $2", scan.ID, after)) {
		if err != nil {
			return err
		}
		if len(rows) > 0 && rows[0].Number != row.Number {
			if more, err := show(); err != nil || !more {
				return err
			}
			rows = rows[:0]
		}
		rows = append(rows, row)
	}
	_, err = show()
	return err
}

// shown is a set as the actor may see it.
func (d *Duplicates) shown(ctx context.Context, model *match.Model, scan *DuplicateScan, rows []duplicate) (DuplicateSet, error) {
	slices.SortFunc(rows, func(a, b duplicate) int { return cmp.Compare(a.Place, b.Place) })
	s := DuplicateSet{Number: rows[0].Number, Probability: float64(rows[0].Probability) / 1e6}
	ids := make([]crm.ID, len(rows))
	for i, r := range rows {
		ids[i] = r.CustomerID
	}
	page, err := d.people.List(ctx, crm.Where("id in $1", ids), crm.OrderBy("id"), crm.Limit(crm.MaxPage), crm.WithoutMasked())
	if err != nil {
		return s, err
	}
	byID := make(map[crm.ID]*Customer, len(ids))
	for i := range page.Items {
		byID[page.Items[i].ID] = &page.Items[i]
	}
	_, values := comparedBy(scan.Kind)
	var first *Customer
	place := int64(0)
	for _, r := range rows {
		c := byID[r.CustomerID]
		if c == nil {
			continue
		}
		s.Customers = append(s.Customers, c.ID)
		if first == nil {
			first, place = c, r.Place
			continue
		}
		var rarity []float64
		if place == 0 { // he is the one whom they were compared with
			rarity = make([]float64, len(model.Fields))
			for i, f := range model.Fields {
				rarity[i] = r.Rarity[f.Name]
			}
		}
		why, err := model.Compare(values(first), values(c), rarity, d.people.core.Readings)
		if err != nil {
			return s, err
		}
		s.Why = append(s.Why, why)
	}
	return s, nil
}

// drop removes the sets with two or more of some customers.
func (d *Duplicates) drop(ctx context.Context, ids []crm.ID) error {
	type set struct {
		scan   crm.ID
		number int64
	}
	seen := map[set]int{}
	for row, err := range d.sets.All(ctx, crm.Where("customer_id in $1", ids), crm.OrderBy("customer_id")) {
		if err != nil {
			return err
		}
		seen[set{row.ScanID, row.Number}]++
	}
	for s, n := range seen {
		if n < 2 {
			continue
		}
		if err := d.sets.Remove(ctx, crm.Where("scan_id == $1 and number == $2", s.scan, s.number)); err != nil {
			return err
		}
	}
	return nil
}

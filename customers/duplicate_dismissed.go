package customers

import (
	"context"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// dismissed is that two customers are not the same, the one with the lesser id first when
// it was said.
type dismissed struct {
	OneID   crm.ID    `crm:"required,ref=customer,as=dismissed_duplicates"   json:"one_id"`
	OtherID crm.ID    `crm:"required,ref=customer,as=dismissed_duplicates_2" json:"other_id"`
	At      time.Time `crm:"required"                                        json:"at"`
}

func (d *Duplicates) defineDismissed(core *crm.Core) (err error) {
	d.dismissed, err = crm.DefineLedger[dismissed](core, crm.LedgerOf[dismissed]{
		Name: "duplicate_dismissed", Plural: "duplicates_dismissed", Key: []string{"one_id", "other_id"},
	})
	return err
}

// maxDismissed is how many customers are told apart by one call.
const maxDismissed = 100

// Dismiss says that customers are all different, 2 to 100 of them. Those sets that [Sets]
// shows with two of them go, and no scan or check takes two of them for one again, until
// Reconsider. It takes the right to update them.
//
// [Sets]: Duplicates.Sets
func (d *Duplicates) Dismiss(ctx context.Context, ids ...crm.ID) error {
	return failed("dismiss", "customer", crm.ID{}, d.apart(ctx, ids, func(ctx context.Context, ids []crm.ID) error {
		rows := make([]dismissed, 0, len(ids)*(len(ids)-1)/2)
		for i, other := range ids {
			for _, one := range ids[:i] {
				rows = append(rows, dismissed{one, other, d.people.core.Now(ctx)})
			}
		}
		if err := d.dismissed.Put(ctx, rows...); err != nil {
			return err
		}
		return d.drop(ctx, ids)
	}))
}

// Reconsider takes back what Dismiss said of customers. The next scan may find them again.
func (d *Duplicates) Reconsider(ctx context.Context, ids ...crm.ID) error {
	return failed("reconsider", "customer", crm.ID{}, d.apart(ctx, ids, func(ctx context.Context, ids []crm.ID) error {
		return d.dismissed.Remove(ctx, crm.Where("one_id in $1 and other_id in $1", ids))
	}))
}

func (d *Duplicates) apart(ctx context.Context, ids []crm.ID, fn func(context.Context, []crm.ID) error) error {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, crm.ID.Compare)
	if ids = slices.Compact(ids); len(ids) < 2 || len(ids) > maxDismissed {
		return crm.Invalid("ids", "are those of %d customers: give 2 to %d", len(ids), maxDismissed)
	}
	return d.people.core.Tx(ctx, func(ctx context.Context) error {
		if err := d.people.May(ctx, crm.VerbUpdate, ids...); err != nil {
			return err
		}
		return fn(ctx, ids)
	})
}

// withoutDismissed leaves out the candidates of whom it was said that they are others.
func (d *Duplicates) withoutDismissed(ctx context.Context, id crm.ID, all []Candidate) ([]Candidate, error) {
	if len(all) == 0 || id.IsZero() {
		return all, nil
	}
	ids := make([]crm.ID, len(all))
	for i, c := range all {
		ids[i] = c.Customer.ID
	}
	page, err := d.dismissed.List(ctx, crm.Where("one_id == $1 and other_id in $2 or other_id == $1 and one_id in $2", id, ids), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Candidate) bool {
		return slices.ContainsFunc(page.Items, func(x dismissed) bool { return x.OneID == c.Customer.ID || x.OtherID == c.Customer.ID })
	}), nil
}

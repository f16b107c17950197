package customers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// PurchaseTotal is what a customer's purchases in one currency come to. Cancelled ones
// do not count.
type PurchaseTotal struct {
	Currency string `json:"currency"`
	// Count is how many there are.
	Count int64 `json:"count"`
	// Spent is what he paid for them and did not get back, Refunded what he got back.
	Spent    crm.Money `json:"spent"`
	Refunded crm.Money `json:"refunded"`
}

// share is what one purchase adds to the totals of its customer.
type share struct {
	customer crm.ID
	at       time.Time
	amount   crm.Money
	refunded crm.Money // absent: nothing
}

// shareOf is what a purchase adds, and false when that is nothing.
func shareOf(p *Purchase) (share, bool) {
	if p == nil || !p.Deleted.IsZero() || !p.Cancelled.IsZero() {
		return share{}, false
	}
	return share{p.CustomerID, p.At.UTC().Truncate(time.Microsecond), p.Amount, p.Refunded}, true
}

// affected are the customers whose totals a write changes, in the order in which they
// are held.
func affected(ctx context.Context, w *crm.Write[Purchase]) []crm.ID {
	was, had := shareOf(w.Before)
	is, has := shareOf(w.After)
	if w.Along || isUncounted(ctx) || had == has && was == is {
		return nil
	}
	var ids []crm.ID
	if had {
		ids = append(ids, was.customer)
	}
	if has {
		ids = append(ids, is.customer)
	}
	slices.SortFunc(ids, crm.ID.Compare)
	return slices.Compact(ids)
}

// hold makes other writers of a customer's totals wait. Whether he is there, and who may
// write to him, is found out with the reference to him.
func (p *Purchases) hold(ctx context.Context, customer crm.ID) error {
	_, err := p.people.kind.Hold(crm.SystemIn(ctx), customer)
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	return err
}

// written makes totals follow a purchase: AfterWrite.
func (p *Purchases) written(ctx context.Context, w *crm.Write[Purchase]) error {
	was, had := shareOf(w.Before)
	is, has := shareOf(w.After)
	for _, id := range affected(ctx, w) {
		err := p.total(ctx, id, func(s *sums) (bool, error) {
			edge := false
			if had && was.customer == id {
				if err := s.take(was); err != nil {
					return false, err
				}
				edge = was.at.Equal(s.first) || was.at.Equal(s.last)
			}
			if has && is.customer == id {
				if err := s.add(is); err != nil {
					return false, err
				}
			}
			return edge, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// total changes the totals of a customer by fn, which reports whether his first or last
// purchase may be another one than it seems. One who is gone has no totals: he is purged
// with his purchases, or counted when he comes back.
func (p *Purchases) total(ctx context.Context, customer crm.ID, fn func(*sums) (edge bool, err error)) error {
	ctx = crm.SystemIn(ctx)
	_, err := p.people.kind.Do(ctx, customer, "purchases_changed", func(c *Customer) error {
		s := sumsOf(c)
		edge, err := fn(&s)
		if err == nil && edge {
			s.first, s.last, err = p.ends(ctx, customer)
		}
		if err != nil {
			return err
		}
		return s.into(c)
	})
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	return err
}

// ends are when a customer bought first and last.
func (p *Purchases) ends(ctx context.Context, customer crm.ID) (first, last time.Time, err error) {
	for order, at := range map[string]*time.Time{"at": &first, "-at": &last} {
		page, err := p.List(ctx, crm.Where("customer_id == $1 and status != 'cancelled'", customer), crm.OrderBy(order), crm.Limit(1))
		if err != nil {
			return first, last, err
		}
		if len(page.Items) > 0 {
			*at = page.Items[0].At
		}
	}
	return first, last, nil
}

// sums are the totals of a customer.
type sums struct {
	count       int64
	first, last time.Time
	totals      []PurchaseTotal // by currency
}

func sumsOf(c *Customer) sums {
	return sums{c.PurchaseCount, c.FirstPurchase, c.LastPurchase, slices.Clone(c.PurchaseTotals)}
}

// in is the total of a currency, which is made if need be.
func (s *sums) in(currency string) *PurchaseTotal {
	i, found := slices.BinarySearchFunc(s.totals, currency, func(t PurchaseTotal, c string) int { return strings.Compare(t.Currency, c) })
	if !found {
		zero := crm.Money{Currency: currency}
		s.totals = slices.Insert(s.totals, i, PurchaseTotal{Currency: currency, Spent: zero, Refunded: zero})
	}
	return &s.totals[i]
}

func (s *sums) add(x share) error {
	if s.count == 0 || x.at.Before(s.first) {
		s.first = x.at
	}
	if s.count == 0 || x.at.After(s.last) {
		s.last = x.at
	}
	s.count++
	return s.in(x.amount.Currency).change(1, x.amount, x.refunded)
}

func (s *sums) take(x share) error {
	s.count--
	t := s.in(x.amount.Currency)
	if err := t.change(-1, x.amount.Neg(), x.refunded.Neg()); err != nil {
		return err
	}
	s.totals = slices.DeleteFunc(s.totals, func(t PurchaseTotal) bool { return t.Count == 0 })
	return nil
}

// change adds n purchases of an amount, some of which was refunded.
func (t *PurchaseTotal) change(n int64, amount, refunded crm.Money) (err error) {
	if refunded.Currency == "" {
		refunded = crm.Money{}
	}
	t.Count += n
	if t.Refunded, err = t.Refunded.Add(refunded); err == nil {
		if t.Spent, err = t.Spent.Add(amount); err == nil {
			t.Spent, err = t.Spent.Sub(refunded)
		}
	}
	if err != nil {
		return crm.Invalid("amount", "with it the customer's total is out of range: at most 2^63-1 minor units")
	}
	return nil
}

// into puts totals into the fields of a customer.
func (s *sums) into(c *Customer) error {
	c.PurchaseCount, c.FirstPurchase, c.LastPurchase = s.count, s.first, s.last
	c.PurchaseTotals, c.Spent, c.Refunded, c.AveragePurchase = s.totals, crm.Money{}, crm.Money{}, crm.Money{}
	if len(s.totals) == 0 {
		c.PurchaseTotals = nil
		return nil
	}
	main := slices.MaxFunc(s.totals, func(a, b PurchaseTotal) int { return cmp.Compare(a.Count, b.Count) }) // the first of equals
	paid, err := main.Spent.Add(main.Refunded)
	if err == nil {
		c.AveragePurchase, err = paid.Mul(1, main.Count)
	}
	c.Spent, c.Refunded = main.Spent, main.Refunded
	return err
}

// keepTotals makes a customer's totals those of his purchases, whatever is said of them:
// BeforeWrite. After a merge they are counted anew.
func keepTotals(w *crm.Write[Customer]) {
	from := &Customer{}
	switch {
	case w.Before == nil:
	case w.Event == "customer.merged", w.Event == "customer.unmerged":
		from = w.Before
	default:
		return
	}
	is := w.After
	is.PurchaseCount, is.FirstPurchase, is.LastPurchase = from.PurchaseCount, from.FirstPurchase, from.LastPurchase
	is.Spent, is.Refunded, is.AveragePurchase, is.PurchaseTotals = from.Spent, from.Refunded, from.AveragePurchase, slices.Clone(from.PurchaseTotals)
}

// revived counts the purchases of a customer who was deleted, since what was purged
// meanwhile is in his totals still: AfterWrite.
func (p *Purchases) revived(ctx context.Context, w *crm.Write[Customer]) error {
	if isUncounted(ctx) || w.Before == nil || w.Before.Deleted.IsZero() || w.After == nil || !w.After.Deleted.IsZero() {
		return nil
	}
	return p.recount(ctx, w.After.ID)
}

// uncountedKey marks in a context that totals are counted once all is written.
type uncountedKey struct{}

// uncounted is a context in which totals follow no purchase: in a merge and its undoing,
// which write customers themselves, whatever becomes of their purchases meanwhile.
func uncounted(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncountedKey{}, true)
}

func isUncounted(ctx context.Context) bool { return ctx.Value(uncountedKey{}) != nil }

// counted is a customer whose purchases were counted anew, as the actor sees him.
func (p *Purchases) counted(ctx context.Context, c Customer) (Customer, error) {
	if err := p.recount(ctx, c.ID); err != nil {
		return c, err
	}
	return p.people.Get(ctx, c.ID)
}

// Recount counts the purchases of a customer anew, and returns him with the totals they
// come to. It is for what [crm.Core.Check] found after the database was changed past the
// CRM; otherwise it changes nothing. It takes the right to update the customer.
func (p *Purchases) Recount(ctx context.Context, customer crm.ID) (Customer, error) {
	var kept Customer
	err := p.people.core.Tx(ctx, func(ctx context.Context) error {
		err := p.people.May(ctx, crm.VerbUpdate, customer)
		if err == nil {
			err = p.hold(ctx, customer)
		}
		if err == nil {
			err = p.recount(ctx, customer)
		}
		if err == nil {
			kept, err = p.people.Get(ctx, customer)
		}
		return err
	})
	return kept, failed("recount", "customer", customer, err)
}

// recount sets right the totals of a customer.
func (p *Purchases) recount(ctx context.Context, customer crm.ID) error {
	ctx = crm.SystemIn(ctx)
	c, err := p.people.Get(ctx, customer)
	if err != nil {
		return err
	}
	counted, err := p.count(ctx, []crm.ID{customer})
	if err != nil {
		return err
	}
	if s := counted[customer]; s.of(&c) {
		return nil
	}
	return p.total(ctx, customer, func(s *sums) (bool, error) {
		*s = counted[customer]
		return false, nil
	})
}

// of reports whether the totals are those a customer has.
func (s *sums) of(c *Customer) bool {
	var is Customer
	if err := s.into(&is); err != nil {
		return false
	}
	return is.PurchaseCount == c.PurchaseCount && is.FirstPurchase.Equal(c.FirstPurchase) && is.LastPurchase.Equal(c.LastPurchase) &&
		is.Spent == c.Spent && is.Refunded == c.Refunded && is.AveragePurchase == c.AveragePurchase && slices.Equal(is.PurchaseTotals, c.PurchaseTotals)
}

// count counts purchases in the database.
func (p *Purchases) count(ctx context.Context, ids []crm.ID) (map[crm.ID]sums, error) {
	t, err := p.Aggregate(ctx, crm.Figures{
		GroupBy: []crm.GroupBy{{Field: "customer_id"}, {Field: "amount.currency"}},
		Measures: []crm.Measure{
			{Fn: crm.FnCount},
			{Fn: crm.FnSum, Field: "amount"},
			{Fn: crm.FnSum, Field: "refunded"},
			{Fn: crm.FnMin, Field: "at"},
			{Fn: crm.FnMax, Field: "at"},
		},
	}, crm.Where("customer_id in $1 and status != 'cancelled'", ids))
	if err != nil {
		return nil, err
	}
	counted := map[crm.ID]sums{}
	for _, row := range t.Rows {
		id, _ := row.Groups[0].(crm.ID)
		currency, _ := row.Groups[1].(string)
		n, _ := row.Values[0].(int64)
		first, _ := row.Values[3].(time.Time)
		last, _ := row.Values[4].(time.Time)
		s := counted[id]
		if s.count == 0 || first.Before(s.first) {
			s.first = first
		}
		if s.count == 0 || last.After(s.last) {
			s.last = last
		}
		s.count += n
		if err := s.in(currency).change(n, amountIn(row.Values[1]), amountIn(row.Values[2])); err != nil {
			return nil, err
		}
		counted[id] = s
	}
	return counted, nil
}

// amountIn is the one amount a sum came to; absent: none.
func amountIn(sum any) crm.Money {
	if list, _ := sum.([]crm.Money); len(list) == 1 {
		return list[0]
	}
	return crm.Money{}
}

// check finds customers whose totals are not those of their purchases.
func (p *Purchases) check(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	for cursor := ""; ; {
		page, err := p.people.List(ctx, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return err
		}
		ids := make([]crm.ID, len(page.Items))
		for i, c := range page.Items {
			ids[i] = c.ID
		}
		counted, err := p.count(ctx, ids)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if s := counted[ids[i]]; !s.of(&page.Items[i]) {
				found("customer", ids[i], "its totals are not those of its purchases: Purchases.Recount sets them right")
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

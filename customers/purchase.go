package customers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// PurchaseStatus says how a purchase stands.
type PurchaseStatus string

// How purchases stand.
const (
	PurchasePaid         PurchaseStatus = "paid"
	PurchasePartRefunded PurchaseStatus = "part_refunded"
	PurchaseRefunded     PurchaseStatus = "refunded" // whole
	PurchaseCancelled    PurchaseStatus = "cancelled"
)

// Purchase is something a customer bought: an order, an invoice, a receipt. The host
// has it, and the CRM is told by [Purchases.Record].
type Purchase struct {
	crm.Record

	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	// At is when it was bought, which may be long ago; zero is now.
	At time.Time `crm:"required,sort" json:"at"`
	// Number is what people call it: the number of the order or invoice.
	Number string `crm:"max=100,search" json:"number,omitempty"`
	// Channel is where it was bought, in the host's own terms: "shop", "web".
	Channel string `crm:"max=100" json:"channel,omitempty"`
	// Amount is what was paid in all, from 0 on; absent: what Lines come to.
	Amount crm.Money `crm:"required" json:"amount"`
	// Lines are what was bought, at most 500. They need not add up to Amount, since there
	// are discounts and shipping.
	Lines []PurchaseLine `crm:"json" json:"lines,omitempty"`
	// SKUs are those of Lines, for expressions: any(purchases, 'TEA-1' in .skus). They
	// follow Lines, and what is given is ignored.
	SKUs []string `json:"skus,omitempty"`
	// Status follows the fields below, and what is given is ignored.
	Status PurchaseStatus `crm:"required,enum=paid|part_refunded|refunded|cancelled" json:"status"`
	// Refunded is what Refunds, at most 200, come to: never more than Amount. It follows
	// them, and what is given is ignored.
	Refunded crm.Money `json:"refunded"`
	Refunds  []Refund  `crm:"json" json:"refunds,omitempty"`
	// Cancelled is when it was cancelled, and CancelReason why. What was cancelled is in
	// no total.
	Cancelled    time.Time `json:"cancelled,omitzero"`
	CancelReason string    `crm:"max=500" json:"cancel_reason,omitempty"`
}

// PurchaseLine is one thing bought.
type PurchaseLine struct {
	// SKU is what the host calls the thing, and Name what people call it: at most 100 and
	// 300 bytes.
	SKU  string `json:"sku,omitempty"`
	Name string `json:"name,omitempty"`
	// Quantity is how many were bought; 0: it is not said.
	Quantity int64 `json:"quantity,omitempty"`
	// Amount is what all of them came to, in the purchase's currency.
	Amount crm.Money `json:"amount,omitzero"`
}

// Refund is money given back.
type Refund struct {
	// Key is what the host calls it, in at most 255 bytes: with one that is known already
	// it is the same refund. Empty: it is another one.
	Key string `json:"key,omitempty"`
	// Amount is what was given back, in the purchase's currency.
	Amount crm.Money `json:"amount"`
	// At is when; zero is now.
	At time.Time `json:"at"`
	// Reason is why, in at most 500 bytes.
	Reason string `json:"reason,omitempty"`
}

const (
	maxLines   = 500
	maxRefunds = 200
)

var _ crm.Validator = (*Purchase)(nil)

// Validate refuses what a purchase cannot be, listing every field at fault.
func (p *Purchase) Validate() error {
	var wrong crm.InvalidError
	refuse := func(field, format string, args ...any) {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	if p.Amount.Minor < 0 {
		refuse("amount", "is %s, and is from 0 on: money given back is a refund", p.Amount)
	}
	if reason := p.linesFault(); reason != "" {
		refuse("lines", "%s", reason)
	}
	if reason := p.refundsFault(); reason != "" {
		refuse("refunds", "%s", reason)
	}
	if p.Cancelled.IsZero() && p.CancelReason != "" {
		refuse("cancel_reason", "the purchase is not cancelled, which Purchases.Cancel does: leave it out")
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

func (p *Purchase) linesFault() string {
	if len(p.Lines) > maxLines {
		return fmt.Sprintf("are %d, and %d are allowed: leave out those that matter least", len(p.Lines), maxLines)
	}
	for i, l := range p.Lines {
		switch {
		case len(l.SKU) > 100 || len(l.Name) > 300:
			return fmt.Sprintf("line %d: a SKU has at most 100 bytes and a name 300", i+1)
		case l.Quantity < 0:
			return fmt.Sprintf("line %d: the quantity is from 0 on: what comes back is a refund", i+1)
		case !l.Amount.IsZero() && l.Amount.Currency != p.Amount.Currency:
			return fmt.Sprintf("line %d: is in %s and the purchase in %s: a purchase has one currency", i+1, l.Amount.Currency, p.Amount.Currency)
		}
	}
	return ""
}

func (p *Purchase) refundsFault() string {
	if len(p.Refunds) > maxRefunds {
		return fmt.Sprintf("are %d, and %d are allowed", len(p.Refunds), maxRefunds)
	}
	left := p.Amount.Minor
	for i, r := range p.Refunds {
		switch {
		case len(r.Key) > 255 || len(r.Reason) > 500:
			return fmt.Sprintf("refund %d: a key has at most 255 bytes and a reason 500", i+1)
		case r.Key != "" && slices.ContainsFunc(p.Refunds[:i], func(o Refund) bool { return o.Key == r.Key }):
			return fmt.Sprintf("refund %d: has the key of another one", i+1)
		case r.Amount.Currency != p.Amount.Currency:
			return fmt.Sprintf("refund %d: is in %q and the purchase in %s: money is given back in the currency it was paid in", i+1, r.Amount.Currency, p.Amount.Currency)
		case r.Amount.Minor <= 0:
			return fmt.Sprintf("refund %d: an amount given back is above 0", i+1)
		case r.Amount.Minor > left:
			return fmt.Sprintf("refund %d: with it more is given back than was paid, which is %s", i+1, p.Amount)
		}
		left -= r.Amount.Minor
	}
	return ""
}

// ofLines is what lines come to; no money where they have none.
func ofLines(lines []PurchaseLine) (sum crm.Money, err error) {
	for _, l := range lines {
		if sum, err = sum.Add(l.Amount); err != nil {
			return crm.Money{}, crm.Invalid("lines", "do not add up to an amount: say what was paid")
		}
	}
	return sum, nil
}

// follow makes what follows from the rest. What Validate will refuse is left alone. A
// refund without a time that was there before keeps the one it had, so that a purchase
// recorded again is the same.
func (p *Purchase) follow(was *Purchase, now time.Time) (err error) {
	if p.At.IsZero() {
		p.At = now
	}
	if p.Amount.IsZero() {
		if p.Amount, err = ofLines(p.Lines); err != nil {
			return err
		}
	}
	p.SKUs = nil
	for _, l := range p.Lines {
		if l.SKU != "" && !slices.Contains(p.SKUs, l.SKU) {
			p.SKUs = append(p.SKUs, l.SKU)
		}
	}
	p.Refunds = slices.Clone(p.Refunds) // a caller's own
	p.Refunded = crm.Money{}
	for i := range p.Refunds {
		r := &p.Refunds[i]
		if r.At.IsZero() && was != nil && i < len(was.Refunds) && was.Refunds[i].Key == r.Key {
			r.At = was.Refunds[i].At
		}
		if r.At.IsZero() {
			r.At = now
		}
		r.At = r.At.UTC().Truncate(time.Microsecond)
		if sum, err := p.Refunded.Add(r.Amount); err == nil {
			p.Refunded = sum
		}
	}
	switch {
	case !p.Cancelled.IsZero():
		p.Status = PurchaseCancelled
	case p.Refunded.IsZero():
		p.Status = PurchasePaid
	case p.Refunded == p.Amount:
		p.Status = PurchaseRefunded
	default:
		p.Status = PurchasePartRefunded
	}
	return nil
}

// Purchases are what customers bought. To write one takes the right to update the
// customer. Whatever writes one, its customer's totals follow in the same transaction,
// and customer.purchases_changed is in his history.
//
// A writer holds a purchase that is there, then its customer, until his transaction has
// ended: calls on their own take turns. Of two transactions that each write several, one
// may have to begin again (ErrRetry), unless they write them in the same order.
type Purchases struct {
	crm.Collection[Purchase]

	kind   *crm.Kind[Purchase]
	people *Customers
}

func (c *Customers) definePurchases(core *crm.Core) error {
	p := &Purchases{people: c}
	kind, err := crm.Define(core, crm.Object[Purchase]{
		Name: "purchase", BeforeWrite: p.prepare, AfterWrite: p.written,
		Timeline: []crm.Appearance{{On: "customer_id", At: "at", Title: "number"}},
	})
	if err != nil {
		return err
	}
	p.kind, p.Collection = kind, kind.Collection
	c.Purchases = p
	core.AddCheck(p.check)
	return nil
}

// early is how far a host's clock may be ahead of the CRM's.
const early = 24 * time.Hour

// prepare brings a purchase to the form in which it is kept, and holds the customers
// whose totals will follow, before the reference to them is written: who only then
// wanted to hold them would wait for another who wrote one at the same time.
func (p *Purchases) prepare(ctx context.Context, w *crm.Write[Purchase]) error {
	now := p.people.core.Now(ctx)
	if err := w.After.follow(w.Before, now); err != nil {
		return err
	}
	if (w.Before == nil || !w.Before.At.Equal(w.After.At)) && w.After.At.After(now.Add(early)) {
		return crm.Invalid("at", "lies in the future: record it once it was bought")
	}
	for _, id := range affected(ctx, w) {
		if err := p.hold(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Recorded is what [Purchases.Record] did.
type Recorded struct {
	// Outcome is crm.Created, crm.Updated for a correction, or crm.Unchanged for what was
	// recorded before.
	Outcome crm.Outcome
	// Purchase is it as it is kept.
	Purchase Purchase
}

// Record tells the CRM of a purchase. It is known by its Refs, as Refs{"shop": "4711"},
// of which it must have one: recorded again it is there once. With other content that is
// a correction: what v has a value for is set, the rest stays, as in
// [crm.Collection.Upsert]. Refunds that are given are all there are. In a transaction of
// the host's it is kept with the host's order, or not at all; see [crm.Core.Join].
//
// A cancelled purchase stays cancelled; one that was deleted is ErrConflict.
func (p *Purchases) Record(ctx context.Context, v Purchase) (Recorded, error) {
	var kept Recorded
	err := func() (err error) {
		if len(v.Refs) == 0 {
			return crm.Invalid("refs", `is required: what the host calls the purchase, as Refs{"shop": "4711"}, so that it is recorded once`)
		}
		if v.Amount.IsZero() { // a correction of the lines is one of the amount too
			if v.Amount, err = ofLines(v.Lines); err != nil {
				return err
			}
		}
		kept.Purchase, kept.Outcome, err = p.Upsert(ctx, v, "refs")
		return err
	}()
	if err != nil {
		return Recorded{}, failed("record", "purchase", crm.ID{}, err)
	}
	return kept, nil
}

// errSame ends a verb that has nothing to change.
var errSame = errors.New("it is so already")

// do is kind.Do of a verb that may have nothing to change.
func (p *Purchases) do(ctx context.Context, id crm.ID, event string, fn func(*Purchase) error, opts []crm.WriteOption) (Purchase, error) {
	kept, err := p.kind.Do(ctx, id, event, fn, opts...)
	if errors.Is(err, errSame) {
		return p.Get(ctx, id)
	}
	return kept, err
}

// Refund notes that money was given back for a purchase: r.Amount, or, when that is
// absent, all that is left of what was paid. A Key that is known is that refund again:
// with the same content, or without an amount, nothing changes, with other content it is corrected. More than
// was paid, and a purchase that was cancelled, are ErrInvalid. The history calls it
// purchase.refunded.
func (p *Purchases) Refund(ctx context.Context, id crm.ID, r Refund, opts ...crm.WriteOption) (Purchase, error) {
	kept, err := p.do(ctx, id, "refunded", func(is *Purchase) (err error) {
		if !is.Cancelled.IsZero() {
			return crm.Invalid("status", "the purchase is cancelled, and in no total: there is nothing to give back")
		}
		at := -1
		if r.Key != "" {
			at = slices.IndexFunc(is.Refunds, func(o Refund) bool { return o.Key == r.Key })
		}
		if at >= 0 {
			return is.correctRefund(at, r)
		}
		if r.Amount.IsZero() {
			if r.Amount, err = is.Amount.Sub(is.Refunded); err != nil {
				return err
			}
			if r.Amount.Minor == 0 {
				return crm.Invalid("amount", "there is nothing left to give back")
			}
		}
		is.Refunds = append(slices.Clone(is.Refunds), r)
		return nil
	}, opts)
	return kept, failed("refund", "purchase", id, err)
}

// correctRefund sets what r has a value for.
func (p *Purchase) correctRefund(at int, r Refund) error {
	p.Refunds = slices.Clone(p.Refunds)
	is := &p.Refunds[at]
	was := *is
	if !r.Amount.IsZero() {
		is.Amount = r.Amount
	}
	if !r.At.IsZero() {
		is.At = r.At.UTC().Truncate(time.Microsecond)
	}
	is.Reason = cmp.Or(r.Reason, is.Reason)
	if is.Amount == was.Amount && is.At.Equal(was.At) && is.Reason == was.Reason {
		return errSame
	}
	return nil
}

// Cancel notes that a purchase did not come about: it is in no total any more. The
// reason, at most 500 characters, may be empty. One that is cancelled stays as it is. The
// history calls it purchase.cancelled. Update takes it back, by emptying Cancelled and
// CancelReason.
func (p *Purchases) Cancel(ctx context.Context, id crm.ID, reason string, opts ...crm.WriteOption) (Purchase, error) {
	kept, err := p.do(ctx, id, "cancelled", func(is *Purchase) error {
		if !is.Cancelled.IsZero() {
			return errSame
		}
		is.Cancelled, is.CancelReason = p.people.core.Now(ctx), reason
		return nil
	}, opts)
	return kept, failed("cancel", "purchase", id, err)
}

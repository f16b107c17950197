package customers_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// order is a purchase as a shop tells of it.
func order(key string, customer crm.ID, amount crm.Money) customers.Purchase {
	p := customers.Purchase{CustomerID: customer, Number: "No. " + key, Amount: amount, At: crmtest.Start().Add(-time.Hour)}
	p.Refs = crm.Refs{"shop": key}
	return p
}

func (d *desk) record(ctx context.Context, tb testing.TB, p customers.Purchase) customers.Recorded {
	tb.Helper()
	kept, err := d.Purchases.Record(ctx, p)
	require.NoError(tb, err)
	return kept
}

func TestAPurchaseIsRecordedOnce(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		given := order("4711", ada.ID, crm.Money{})
		given.Lines = []customers.PurchaseLine{
			{SKU: "TEA-1", Name: "Tea", Quantity: 2, Amount: crm.EUR(20_00)},
			{SKU: "CUP-7", Name: "Cup", Quantity: 1, Amount: crm.EUR(10_00)}, {SKU: "TEA-1", Amount: crm.EUR(0)},
		}
		first := d.record(ctx, t, given)
		require.Equal(t, crm.Created, first.Outcome)
		require.Equal(t, crm.EUR(30_00), first.Purchase.Amount, "what the lines come to")
		require.Equal(t, customers.PurchasePaid, first.Purchase.Status)
		again := d.record(ctx, t, given)
		require.Equal(t, crm.Unchanged, again.Outcome)
		require.Equal(t, first.Purchase.ID, again.Purchase.ID)
		require.EqualValues(t, 1, again.Purchase.Version)

		given.Lines[0].Amount = crm.EUR(25_00)
		corrected := d.record(ctx, t, given)
		require.Equal(t, crm.Updated, corrected.Outcome)
		require.Equal(t, crm.EUR(35_00), corrected.Purchase.Amount)
		is, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, is.PurchaseCount)
		require.Equal(t, crm.EUR(35_00), is.Spent)
		require.EqualValues(t, 3, is.Version, "created, bought, corrected")

		for where, want := range map[string]int64{
			"purchase_count == 1 and spent > money('34.00', 'EUR')":   1,
			"any(purchases, 'TEA-1' in .skus)":                        1,
			"any(purchases, 'TEA' in .skus)":                          0,
			"count(purchases, .at > ago('90d')) >= 1":                 1,
			"last_purchase < ago('1d')":                               0,
			"any(purchases, .amount > money('35.00', 'EUR'))":         0,
			"any(purchases, .status == 'paid' and .channel == 'web')": 0,
		} {
			n, err := d.Count(ctx, crm.Where(where))
			require.NoError(t, err, where)
			require.Equal(t, want, n, where)
		}
		line, err := d.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{Kinds: []string{"purchase"}})
		require.NoError(t, err)
		require.Len(t, line.Items, 1)
		require.Equal(t, "No. 4711", line.Items[0].Title)
		require.True(t, given.At.Equal(line.Items[0].At))
	})
}

func TestTotalsByCurrency(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		day := func(n int) time.Time { return crmtest.Start().AddDate(0, 0, -n) }
		for i, x := range []struct {
			amount crm.Money
			at     time.Time
		}{{crm.USD(100_00), day(1)}, {crm.EUR(10_00), day(30)}, {crm.EUR(5_01), day(9)}} {
			p := order(strconv.Itoa(i), ada.ID, x.amount)
			p.At = x.at
			d.record(ctx, t, p)
		}
		is, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, []customers.PurchaseTotal{
			{Currency: "EUR", Count: 2, Spent: crm.EUR(15_01), Refunded: crm.EUR(0)},
			{Currency: "USD", Count: 1, Spent: crm.USD(100_00), Refunded: crm.USD(0)},
		}, is.PurchaseTotals)
		require.Equal(t, crm.EUR(15_01), is.Spent, "in the currency he mostly buys in")
		require.Equal(t, crm.EUR(7_50), is.AveragePurchase, "half to even")
		require.EqualValues(t, 3, is.PurchaseCount)
		require.True(t, is.FirstPurchase.Equal(day(30)))
		require.True(t, is.LastPurchase.Equal(day(1)))

		last, err := d.Purchases.Find(ctx, "shop", "0")
		require.NoError(t, err)
		_, err = d.Purchases.Cancel(ctx, last.ID, "never delivered")
		require.NoError(t, err)
		is, err = d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Len(t, is.PurchaseTotals, 1)
		require.True(t, is.LastPurchase.Equal(day(9)), "the last of those that came about")
	})
}

func TestRefunds(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		p := d.record(ctx, t, order("1", ada.ID, crm.EUR(30_00))).Purchase
		refund := func(r customers.Refund) customers.Purchase {
			t.Helper()
			kept, err := d.Purchases.Refund(ctx, p.ID, r)
			require.NoError(t, err)
			return kept
		}
		kept := refund(customers.Refund{Key: "r1", Amount: crm.EUR(10_00), Reason: "broken"})
		require.Equal(t, customers.PurchasePartRefunded, kept.Status)
		again := refund(customers.Refund{Key: "r1", Amount: crm.EUR(10_00)})
		require.Equal(t, kept.Version, again.Version, "the same refund again")
		require.Equal(t, crm.EUR(12_00), refund(customers.Refund{Key: "r1", Amount: crm.EUR(12_00)}).Refunded, "corrected")

		for says, r := range map[string]customers.Refund{
			"more is given back than was paid": {Amount: crm.EUR(18_01)},
			"currency it was paid in":          {Amount: crm.USD(1_00)},
			"is above 0":                       {Amount: crm.EUR(-1)},
			"at most 255 bytes":                {Amount: crm.EUR(1), Key: strings.Repeat("k", 256)},
		} {
			_, err := d.Purchases.Refund(ctx, p.ID, r)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
		}
		is, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(18_00), is.Spent)
		require.Equal(t, crm.EUR(12_00), is.Refunded)
		require.Equal(t, crm.EUR(30_00), is.AveragePurchase, "before refunds")

		_, err = d.Purchases.Record(ctx, order("1", ada.ID, crm.EUR(11_99)))
		require.ErrorContains(t, err, "more is given back than was paid", "a correction below what was given back")

		require.Equal(t, customers.PurchaseRefunded, refund(customers.Refund{}).Status, "the rest")
		_, err = d.Purchases.Refund(ctx, p.ID, customers.Refund{})
		require.ErrorContains(t, err, "nothing left")

		cancelled, err := d.Purchases.Cancel(ctx, p.ID, "")
		require.NoError(t, err)
		_, err = d.Purchases.Refund(ctx, p.ID, customers.Refund{Key: "r9", Amount: crm.EUR(1)})
		require.ErrorContains(t, err, "cancelled")
		same, err := d.Purchases.Cancel(ctx, p.ID, "again")
		require.NoError(t, err)
		require.Equal(t, cancelled.Version, same.Version)
		is, err = d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Zero(t, is.PurchaseCount)
		require.True(t, is.Spent.IsZero())
		require.True(t, is.FirstPurchase.IsZero())
	})
}

// TestRefundsComeWithAPurchase is what an import of old orders does.
func TestRefundsComeWithAPurchase(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		p := order("1", ada.ID, crm.JPY(900))
		p.At = time.Date(1998, 5, 4, 0, 0, 0, 0, time.UTC)
		p.Refunds = []customers.Refund{{Amount: crm.JPY(100)}, {Key: "b", Amount: crm.JPY(200), At: p.At}}
		require.Equal(t, crm.Created, d.record(ctx, t, p).Outcome)
		d.Clock.Advance(time.Hour)
		require.Equal(t, crm.Unchanged, d.record(ctx, t, p).Outcome, "though one says no time")
		is, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.JPY(600), is.Spent)
		require.Equal(t, 1998, is.FirstPurchase.Year())
	})
}

func TestWhatAPurchaseCannotBe(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		for says, change := range map[string]func(*customers.Purchase){
			"refs: is required":     func(p *customers.Purchase) { p.Refs = nil },
			"amount: ":              func(p *customers.Purchase) { p.Amount = crm.Money{} },
			"money given back":      func(p *customers.Purchase) { p.Amount = crm.EUR(-1) },
			"refers to no customer": func(p *customers.Purchase) { p.CustomerID = crm.ID{1} },
			"customer_id: ":         func(p *customers.Purchase) { p.CustomerID = crm.ID{} },
			"lies in the future":    func(p *customers.Purchase) { p.At = d.Clock.Now().Add(25 * time.Hour) },
			"a purchase has one":    func(p *customers.Purchase) { p.Lines = []customers.PurchaseLine{{Amount: crm.USD(1)}} },
			"quantity is from 0":    func(p *customers.Purchase) { p.Lines = []customers.PurchaseLine{{Quantity: -1}} },
			"lines: are 501":        func(p *customers.Purchase) { p.Lines = make([]customers.PurchaseLine, 501) },
			"a SKU has at most":     func(p *customers.Purchase) { p.Lines = []customers.PurchaseLine{{SKU: strings.Repeat("s", 101)}} },
			"has the key of another one": func(p *customers.Purchase) {
				p.Refunds = []customers.Refund{{Key: "a", Amount: crm.EUR(1)}, {Key: "a", Amount: crm.EUR(1)}}
			},
			"refunds: are 201": func(p *customers.Purchase) { p.Refunds = make([]customers.Refund, 201) },
			"cancel_reason":    func(p *customers.Purchase) { p.CancelReason = "x" },
		} {
			p := order("1", ada.ID, crm.EUR(5_00))
			change(&p)
			_, err := d.Purchases.Record(ctx, p)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		n, err := d.Purchases.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)

		_, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Spent = crm.EUR(1); return nil })
		require.ErrorContains(t, err, "changed by its own verbs alone")
		bob, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Bob", PurchaseCount: 9, Spent: crm.EUR(9)})
		require.NoError(t, err)
		require.Zero(t, bob.PurchaseCount, "what is given is ignored")
	})
}

// TestWhoMayRecord holds purchases to the rights to their customers.
func TestWhoMayRecord(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		p := d.record(ctx, t, order("1", ada.ID, crm.EUR(5_00))).Purchase
		d.role(t, "rita", crm.Allow("customer", crm.LevelAll, crm.VerbRead))
		d.role(t, "olaf", crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate))
		rita, olaf := as(t, "rita"), as(t, "olaf")

		found, err := d.Purchases.Get(rita, p.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(5_00), found.Amount)
		_, err = d.Purchases.Record(rita, order("2", ada.ID, crm.EUR(1)))
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Purchases.Refund(rita, p.ID, customers.Refund{})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Purchases.Recount(rita, ada.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Purchases.Record(olaf, order("2", ada.ID, crm.EUR(1)))
		require.Error(t, err)
		_, err = d.Purchases.Cancel(olaf, p.ID, "")
		require.ErrorIs(t, err, crm.ErrNotFound)
		other := crm.As(t.Context(), crm.Actor{Tenant: "globex", Member: "dana"})
		_, err = d.Purchases.Get(other, p.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Purchases.Record(other, order("1", ada.ID, crm.EUR(1)))
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// TestTotalsFollowWhateverIsWritten takes the ways past Record: another customer, deleting,
// restoring, purging, of the purchase and of the customer.
func TestTotalsFollowWhateverIsWritten(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		spent := func(id crm.ID, want crm.Money, count int64) {
			t.Helper()
			is, err := d.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, want, is.Spent)
			require.Equal(t, count, is.PurchaseCount)
		}
		p := d.record(ctx, t, order("1", ada.ID, crm.EUR(5_00))).Purchase
		q := d.record(ctx, t, order("2", ada.ID, crm.EUR(7_00))).Purchase
		require.Equal(t, crm.Updated, d.record(ctx, t, order("2", bob.ID, crm.EUR(7_00))).Outcome, "it was somebody else's")
		spent(ada.ID, crm.EUR(5_00), 1)
		spent(bob.ID, crm.EUR(7_00), 1)

		require.NoError(t, d.Purchases.Delete(ctx, p.ID))
		spent(ada.ID, crm.Money{}, 0)
		_, err := d.Purchases.Record(ctx, order("1", ada.ID, crm.EUR(5_00)))
		require.ErrorIs(t, err, crm.ErrConflict, "its key is taken")
		_, err = d.Purchases.Restore(ctx, p.ID)
		require.NoError(t, err)
		spent(ada.ID, crm.EUR(5_00), 1)

		require.NoError(t, d.Delete(ctx, bob.ID))
		_, err = d.Purchases.Record(ctx, order("3", bob.ID, crm.EUR(1)))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_ = d.Purchases.Purge(crm.System(t.Context(), "acme"), q.ID) // gone with him, or not found: either way he is counted
		_, err = d.Restore(ctx, bob.ID)
		require.NoError(t, err)
		d.whole(t)

		require.NoError(t, d.Purge(ctx, ada.ID))
		_, err = d.Purchases.Get(ctx, p.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

// TestPurchasesOfManyWriters has 16 of them at one customer: new purchases, the same ones
// again, corrections, refunds and cancellations. None fails, and nothing is lost.
func TestPurchasesOfManyWriters(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, bob := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Bob", "")
		shared := d.record(ctx, t, order("shared", ada.ID, crm.EUR(1000_00))).Purchase
		const writers, each = 16, 6
		var wg sync.WaitGroup
		failures := make(chan error, writers*each*4)
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					key := fmt.Sprintf("%d-%d", w/2, i) // two writers tell of the same ones
					kept, err := d.Purchases.Record(ctx, order(key, ada.ID, crm.EUR(int64(10_00+i))))
					failures <- err
					if err == nil && i == 4 {
						_, err = d.Purchases.Cancel(ctx, kept.Purchase.ID, "")
						failures <- err
					}
					if i == 3 {
						_, err = d.Purchases.Record(ctx, order(key, bob.ID, crm.EUR(20_00)))
						failures <- err
					}
					_, err = d.Purchases.Refund(ctx, shared.ID, customers.Refund{Key: key, Amount: crm.EUR(1_00)})
					failures <- err
				}
			})
		}
		wg.Wait()
		close(failures)
		for err := range failures {
			require.NoError(t, err)
		}
		is, err := d.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(48_00), is.Refunded, "8 × 6 refunds, each told twice")
		d.whole(t)
	})
}

// TestTotalsAreARecount does what hosts do at random, and adds up by itself what is there.
func TestTotalsAreARecount(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, customers.Policy{})
		tenant := 0
		rapid.Check(t, func(r *rapid.T) {
			tenant++
			ctx := crm.As(t.Context(), crm.Actor{Tenant: fmt.Sprint("t", tenant), Member: "dana"})
			people := []crm.ID{d.person(ctx, t, "Ada", "").ID, d.person(ctx, t, "Bob", "").ID}
			person := rapid.SampledFrom(people)
			amount := rapid.Custom(func(r *rapid.T) crm.Money {
				return crm.Money{Minor: rapid.Int64Range(0, 500).Draw(r, "minor"), Currency: rapid.SampledFrom([]string{"EUR", "USD"}).Draw(r, "currency")}
			})
			key := rapid.SampledFrom([]string{"a", "b", "c", "d"})
			fine := func(err error) {
				if err != nil && !errors.Is(err, crm.ErrInvalid) && !errors.Is(err, crm.ErrConflict) && !errors.Is(err, crm.ErrNotFound) {
					r.Fatal(err)
				}
			}
			on := func(fn func(id crm.ID) error) func(*rapid.T) {
				return func(r *rapid.T) {
					p, err := d.Purchases.Find(ctx, "shop", key.Draw(r, "key"))
					if err == nil {
						err = fn(p.ID)
					}
					fine(err)
				}
			}
			r.Repeat(map[string]func(*rapid.T){
				"record": func(r *rapid.T) {
					p := order(key.Draw(r, "key"), person.Draw(r, "customer"), amount.Draw(r, "amount"))
					p.At = crmtest.Start().Add(-time.Duration(rapid.IntRange(0, 5).Draw(r, "days")) * 24 * time.Hour)
					_, err := d.Purchases.Record(ctx, p)
					fine(err)
				},
				"refund": on(func(id crm.ID) error {
					_, err := d.Purchases.Refund(ctx, id, customers.Refund{Key: key.Draw(r, "refund"), Amount: amount.Draw(r, "back")})
					return err
				}),
				"cancel": on(func(id crm.ID) error { _, err := d.Purchases.Cancel(ctx, id, ""); return err }),
				"take back": on(func(id crm.ID) error {
					_, err := d.Purchases.Update(ctx, id, func(p *customers.Purchase) error { p.Cancelled = time.Time{}; return nil })
					return err
				}),
				"delete": on(func(id crm.ID) error { return d.Purchases.Delete(ctx, id) }),
				"purge":  on(func(id crm.ID) error { return d.Purchases.Purge(ctx, id) }),
				"restore": func(r *rapid.T) {
					page, err := d.Purchases.List(ctx, crm.Where("deleted != nil"), crm.WithDeleted(), crm.Limit(1))
					require.NoError(r, err)
					for _, p := range page.Items {
						_, err := d.Purchases.Restore(ctx, p.ID)
						fine(err)
					}
				},
				"": func(r *rapid.T) {
					for _, id := range people {
						addUp(ctx, r, d, id)
					}
				},
			})
		})
		d.whole(t)
	})
}

// addUp adds up a customer's purchases one by one.
func addUp(ctx context.Context, t require.TestingT, d *desk, id crm.ID) {
	want := customers.Customer{}
	spent, refunded, n := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for p, err := range d.Purchases.All(ctx, crm.Where("customer_id == $1", id)) {
		require.NoError(t, err)
		back := int64(0)
		for _, r := range p.Refunds {
			back += r.Amount.Minor
		}
		require.LessOrEqual(t, back, p.Amount.Minor, "never more than was paid")
		if !p.Cancelled.IsZero() {
			continue
		}
		want.PurchaseCount++
		n[p.Amount.Currency]++
		spent[p.Amount.Currency] += p.Amount.Minor - back
		refunded[p.Amount.Currency] += back
		if want.FirstPurchase.IsZero() || p.At.Before(want.FirstPurchase) {
			want.FirstPurchase = p.At
		}
		if p.At.After(want.LastPurchase) {
			want.LastPurchase = p.At
		}
	}
	for _, c := range []string{"EUR", "USD"} {
		if n[c] == 0 {
			continue
		}
		total := customers.PurchaseTotal{Currency: c, Count: n[c], Spent: crm.Money{Minor: spent[c], Currency: c}, Refunded: crm.Money{Minor: refunded[c], Currency: c}}
		want.PurchaseTotals = append(want.PurchaseTotals, total)
		if want.Spent.IsZero() || n[c] > n[want.Spent.Currency] {
			want.Spent, want.Refunded = total.Spent, total.Refunded
		}
	}
	is, err := d.Get(ctx, id)
	require.NoError(t, err)
	require.Equal(t, want.PurchaseCount, is.PurchaseCount)
	require.Equal(t, want.PurchaseTotals, is.PurchaseTotals)
	require.Equal(t, want.Spent, is.Spent)
	require.Equal(t, want.Refunded, is.Refunded)
	require.True(t, want.FirstPurchase.Equal(is.FirstPurchase), "%s %s", want.FirstPurchase, is.FirstPurchase)
	require.True(t, want.LastPurchase.Equal(is.LastPurchase))
}

// TestPurchasesInTheHostsTransaction commits and rolls back with the host's order.
func TestPurchasesInTheHostsTransaction(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, ctx := newDesk(t, e.Store, customers.Policy{}), as(t, "dana")
		ada := d.person(ctx, t, "Ada", "")
		for _, commit := range []bool{false, true} {
			tx, err := e.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			joined, err := d.Join(ctx, tx)
			require.NoError(t, err)
			d.record(joined, t, order("1", ada.ID, crm.EUR(5_00)))
			_, err = d.Purchases.Record(joined, order("2", ada.ID, crm.EUR(-5_00)))
			require.ErrorIs(t, err, crm.ErrInvalid, "and the transaction goes on")
			d.record(joined, t, order("3", ada.ID, crm.EUR(1_00)))
			want := int64(2)
			if commit {
				require.NoError(t, tx.Commit())
			} else {
				require.NoError(t, tx.Rollback())
				want = 0
			}
			is, err := d.Get(ctx, ada.ID)
			require.NoError(t, err)
			require.Equal(t, want, is.PurchaseCount)
		}
		d.whole(t)
	})
}

// TestCheckFindsWrongTotals damages what is stored, and has it counted anew.
func TestCheckFindsWrongTotals(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d, ctx := newDesk(t, e.Store, customers.Policy{}), as(t, "dana")
		ada := d.person(ctx, t, "Ada", "")
		d.record(ctx, t, order("1", ada.ID, crm.EUR(5_00)))
		table := map[string]string{"sqlite": "crm_customer", "postgres": "crm.customer"}[e.Name]
		for i, damage := range []string{"purchase_count = 2", "spent = 1", "last_purchase = NULL", "purchase_totals = NULL"} {
			_, err := e.DB.ExecContext(ctx, "UPDATE "+table+" SET "+damage)
			require.NoError(t, err)
			problems, err := d.Check(ctx)
			require.NoError(t, err)
			require.Len(t, problems, 1, damage)
			require.Equal(t, ada.ID, problems[0].Record)
			require.Contains(t, problems[0].What, "Purchases.Recount")
			is, err := d.Purchases.Recount(ctx, ada.ID)
			require.NoError(t, err)
			require.Equal(t, crm.EUR(5_00), is.Spent)
			require.EqualValues(t, 3+i, is.Version)
			is, err = d.Purchases.Recount(ctx, ada.ID)
			require.NoError(t, err)
			require.EqualValues(t, 3+i, is.Version, "what is right is not written again")
			d.whole(t)
		}
	})
}

// TestMergedCustomersHaveBoughtTogether merges two who bought, and undoes it.
func TestMergedCustomersHaveBoughtTogether(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, again := d.person(ctx, t, "Ada", ""), d.person(ctx, t, "Ada L.", "")
		d.record(ctx, t, order("1", ada.ID, crm.EUR(5_00)))
		d.record(ctx, t, order("2", again.ID, crm.EUR(7_00)))
		d.record(ctx, t, order("3", again.ID, crm.USD(1_00)))
		spent := func(id crm.ID, want crm.Money, count int64) {
			t.Helper()
			is, err := d.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, want, is.Spent)
			require.Equal(t, count, is.PurchaseCount)
			d.whole(t)
		}
		_, made, err := d.Merge(ctx, ada.ID, []crm.ID{again.ID}, crm.MergeRules{})
		require.NoError(t, err)
		spent(ada.ID, crm.EUR(12_00), 3)
		d.record(ctx, t, order("4", again.ID, crm.EUR(1_00))) // by the old id
		spent(ada.ID, crm.EUR(13_00), 4)

		_, err = d.Unmerge(ctx, made.ID)
		require.NoError(t, err)
		spent(ada.ID, crm.EUR(6_00), 2)
		spent(again.ID, crm.EUR(7_00), 2)

		none := d.person(ctx, t, "Ada K.", "")
		_, _, err = d.Merge(ctx, none.ID, []crm.ID{again.ID}, crm.MergeRules{})
		require.NoError(t, err)
		spent(none.ID, crm.EUR(7_00), 2)
	})
}

package customers_test

import (
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// The shop tells of an order, twice, and then of the order as it was corrected.
func ExamplePurchases_Record() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))

	order := customers.Purchase{CustomerID: ada.ID, Number: "2026-4711", Lines: []customers.PurchaseLine{
		{SKU: "TEA-1", Name: "Green tea", Quantity: 2, Amount: crm.EUR(19_80)},
		{SKU: "CUP-7", Name: "Cup", Quantity: 1, Amount: crm.EUR(12_00)},
	}}
	order.Refs = crm.Refs{"shop": "4711"}
	kept := must(app.Customers.Purchases.Record(ctx, order))
	fmt.Println(kept.Outcome, kept.Purchase.Amount)

	fmt.Println(must(app.Customers.Purchases.Record(ctx, order)).Outcome)
	order.Lines[1].Amount = crm.EUR(10_00)
	fmt.Println(must(app.Customers.Purchases.Record(ctx, order)).Outcome)

	ada = must(app.Customers.Get(ctx, ada.ID))
	fmt.Println(ada.PurchaseCount, ada.Spent)
	fmt.Println(must(app.Customers.Count(ctx, crm.Where("any(purchases, 'TEA-1' in .skus) and last_purchase > ago('90d')"))))
	// Output:
	// created 31.80 EUR
	// unchanged
	// updated
	// 1 29.80 EUR
	// 1
}

func ExamplePurchases_Refund() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	order := customers.Purchase{CustomerID: ada.ID, Amount: crm.EUR(30_00)}
	order.Refs = crm.Refs{"shop": "4711"}
	must(app.Customers.Purchases.Record(ctx, order))

	bought := must(app.Customers.Purchases.Find(ctx, "shop", "4711"))
	bought = must(app.Customers.Purchases.Refund(ctx, bought.ID, customers.Refund{Key: "re_81", Amount: crm.EUR(10_00), Reason: "broken"}))
	fmt.Println(bought.Status, bought.Refunded)

	_, err := app.Customers.Purchases.Refund(ctx, bought.ID, customers.Refund{Amount: crm.EUR(25_00)})
	fmt.Println(err != nil)
	bought = must(app.Customers.Purchases.Refund(ctx, bought.ID, customers.Refund{})) // all that is left
	fmt.Println(bought.Status, bought.Refunded)

	ada = must(app.Customers.Get(ctx, ada.ID))
	fmt.Println(ada.Spent, ada.Refunded, ada.AveragePurchase)
	// Output:
	// part_refunded 10.00 EUR
	// true
	// refunded 30.00 EUR
	// 0.00 EUR 30.00 EUR 30.00 EUR
}

func ExamplePurchases_Cancel() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	for key, amount := range map[string]crm.Money{"1": crm.EUR(30_00), "2": crm.USD(50_00), "3": crm.EUR(12_00)} {
		order := customers.Purchase{CustomerID: ada.ID, Amount: amount, At: time.Date(2025, 11, 3, 0, 0, 0, 0, time.UTC)}
		order.Refs = crm.Refs{"shop": key}
		must(app.Customers.Purchases.Record(ctx, order))
	}

	bought := must(app.Customers.Purchases.Find(ctx, "shop", "1"))
	bought = must(app.Customers.Purchases.Cancel(ctx, bought.ID, "never paid"))
	fmt.Println(bought.Status)

	ada = must(app.Customers.Get(ctx, ada.ID))
	for _, total := range ada.PurchaseTotals {
		fmt.Println(total.Currency, total.Count, total.Spent)
	}
	fmt.Println(ada.PurchaseCount, ada.FirstPurchase.Format(time.DateOnly))
	// Output:
	// cancelled
	// EUR 1 12.00 EUR
	// USD 1 50.00 USD
	// 2 2025-11-03
}

func ExamplePurchases_Recount() {
	app, ctx := openOffice()
	ada := must(app.Customers.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"}))
	order := customers.Purchase{CustomerID: ada.ID, Amount: crm.EUR(30_00)}
	order.Refs = crm.Refs{"shop": "4711"}
	must(app.Customers.Purchases.Record(ctx, order))

	fmt.Println(must(app.Check(ctx))) // totals that are not a recount would be problems
	fmt.Println(must(app.Customers.Purchases.Recount(ctx, ada.ID)).Spent)
	// Output:
	// []
	// 30.00 EUR
}

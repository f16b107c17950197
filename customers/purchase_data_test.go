package customers_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// table reads a CSV of the directory EMBEDCRM_TEST_DATA names, as rows by heading.
func table(t *testing.T, name ...string) (rows []map[string]string) {
	t.Helper()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	content, err := os.ReadFile(filepath.Join(append([]string{dir}, name...)...))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with " + filepath.Join(name...))
	}
	require.NoError(t, err)
	lines, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, heading := range lines[0] {
			row[heading] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// cents is an amount as a file has it.
func cents(t *testing.T, text string) int64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return int64(math.Round(f * 100))
}

// TestTotalsOfRealOrders records the orders of Northwind and Chinook twice, and adds them
// up by plain code.
func TestTotalsOfRealOrders(t *testing.T) {
	lines := map[string][]customers.PurchaseLine{}
	for _, row := range table(t, "northwind", "order_details.csv") {
		quantity, err := strconv.ParseInt(row["quantity"], 10, 64)
		require.NoError(t, err)
		discount, err := strconv.ParseFloat(row["discount"], 64)
		require.NoError(t, err)
		full := float64(cents(t, row["unit_price"]) * quantity)
		lines[row["order_id"]] = append(lines[row["order_id"]], customers.PurchaseLine{
			SKU: row["product_id"], Quantity: quantity, Amount: crm.USD(int64(math.Round(full * (1 - discount)))),
		})
	}
	type bought struct {
		who string
		p   customers.Purchase
	}
	var orders []bought
	for _, row := range table(t, "northwind", "orders.csv") {
		at, err := time.Parse(time.DateOnly, row["order_date"])
		require.NoError(t, err)
		p := customers.Purchase{At: at, Number: row["order_id"], Lines: lines[row["order_id"]]}
		p.Refs = crm.Refs{"northwind": row["order_id"]}
		orders = append(orders, bought{"northwind " + row["customer_id"], p})
	}
	for _, row := range table(t, "chinook", "Invoice.csv") {
		at, err := time.Parse(time.DateTime, row["InvoiceDate"])
		require.NoError(t, err)
		p := customers.Purchase{At: at, Number: row["InvoiceId"], Amount: crm.EUR(cents(t, row["Total"]))}
		p.Refs = crm.Refs{"chinook": row["InvoiceId"]}
		orders = append(orders, bought{"chinook " + row["CustomerId"], p})
	}
	require.Greater(t, len(orders), 1200)

	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ids := map[string]crm.ID{}
		for _, o := range orders {
			if ids[o.who].IsZero() {
				ids[o.who] = d.person(ctx, t, o.who, "").ID
			}
			o.p.CustomerID = ids[o.who]
			require.Equal(t, crm.Created, d.record(ctx, t, o.p).Outcome)
		}
		for _, o := range orders[:50] {
			o.p.CustomerID = ids[o.who]
			require.Equal(t, crm.Unchanged, d.record(ctx, t, o.p).Outcome)
		}
		want := map[string]*customers.Customer{}
		for _, o := range orders {
			w := want[o.who]
			if w == nil {
				w = &customers.Customer{FirstPurchase: o.p.At}
				want[o.who] = w
			}
			w.PurchaseCount++
			w.Spent.Minor += o.p.Amount.Minor
			for _, l := range o.p.Lines {
				w.Spent.Minor += l.Amount.Minor
			}
			if o.p.At.Before(w.FirstPurchase) {
				w.FirstPurchase = o.p.At
			}
			if o.p.At.After(w.LastPurchase) {
				w.LastPurchase = o.p.At
			}
		}
		for who, w := range want {
			is, err := d.Get(ctx, ids[who])
			require.NoError(t, err)
			require.Equal(t, w.PurchaseCount, is.PurchaseCount, who)
			require.Equal(t, w.Spent.Minor, is.Spent.Minor, who)
			require.True(t, w.FirstPurchase.Equal(is.FirstPurchase), who)
			require.True(t, w.LastPurchase.Equal(is.LastPurchase), who)
		}
	})
}

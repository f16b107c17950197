package crm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleParseID() {
	id, err := crm.ParseID("0198C1F0-7A3E-7B52-9C1D-2F4E6A8B0C1D")
	fmt.Println(id, err)
	_, err = crm.ParseID("4711")
	fmt.Println(err)
	// Output:
	// 0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d <nil>
	// invalid: an id is a UUID of 36 characters such as 0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d
}

func ExampleID_Compare() {
	a, _ := crm.ParseID("0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d")
	b, _ := crm.ParseID("0198c1f0-7a3e-7b53-8a00-000000000000")
	fmt.Println(a.Compare(b), crm.ID{}.IsZero())
	// Output: -1 true
}

func ExampleEUR() {
	fmt.Println(crm.EUR(12_000_00), crm.USD(-5), crm.GBP(99), crm.CNY(8_88), crm.CHF(20), crm.JPY(1200))
	// Output: 12000.00 EUR -0.05 USD 0.99 GBP 8.88 CNY 0.20 CHF 1200 JPY
}

func ExampleMinor() {
	fmt.Println(crm.Minor(1500, "KWD"))
	_, err := crm.Minor(1, "XXQ")
	fmt.Println(err)
	// Output:
	// 1.500 KWD <nil>
	// invalid: XXQ is no currency of ISO 4217 that has a minor unit
}

func ExampleParseMoney() {
	for _, text := range []string{"12.00 EUR", "EUR 12", "-3.5 USD", "1.5 JPY"} {
		m, err := crm.ParseMoney(text)
		fmt.Println(m, err)
	}
	// Output:
	// 12.00 EUR <nil>
	// 12.00 EUR <nil>
	// -3.50 USD <nil>
	//  invalid: an amount in JPY has at most 0 decimals: round it first
}

func ExampleParseAmount() {
	fmt.Println(crm.ParseAmount("99.9", "EUR"))
	_, err := crm.ParseAmount("1,000.00", "EUR")
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// 99.90 EUR <nil>
	// true
}

func ExampleMoney() {
	b, err := json.Marshal([]crm.Money{crm.EUR(12_00), {}})
	fmt.Println(string(b), err)
	var m crm.Money
	fmt.Println(json.Unmarshal([]byte(`{"amount":12,"currency":"EUR"}`), &m))
	// Output:
	// [{"amount":"12.00","currency":"EUR"},null] <nil>
	// invalid: the amount is a JSON number, which many readers round: write it as a string, such as "12.00"
}

func ExampleMoney_Amount() {
	m := crm.EUR(5)
	fmt.Println(m.Amount(), m.Currency)
	// Output: 0.05 EUR
}

func ExampleMoney_Valid() {
	fmt.Println(crm.EUR(5).Valid(), crm.Money{}.Valid())
	fmt.Println(crm.Money{Minor: 5}.Valid())
	// Output:
	// <nil> <nil>
	// invalid: the amount has no currency: name its ISO 4217 code, such as EUR
}

func ExampleMoney_Add() {
	var sum crm.Money // nothing yet, in any currency
	for _, m := range []crm.Money{crm.EUR(10_00), crm.EUR(5_50)} {
		sum, _ = sum.Add(m)
	}
	fmt.Println(sum)
	_, err := sum.Add(crm.USD(1))
	fmt.Println(err)
	// Output:
	// 15.50 EUR
	// invalid: EUR and USD don't add up: convert one first
}

func ExampleMoney_Sub() {
	fmt.Println(crm.EUR(10_00).Sub(crm.EUR(12_50)))
	// Output: -2.50 EUR <nil>
}

func ExampleMoney_Neg() {
	fmt.Println(crm.EUR(10_00).Neg())
	// Output: -10.00 EUR
}

func ExampleMoney_Cmp() {
	fmt.Println(crm.EUR(10_00).Cmp(crm.EUR(9_00)))
	fmt.Println(crm.EUR(10_00).Cmp(crm.USD(9_00)))
	// Output:
	// 1 true
	// 0 false
}

func ExampleMoney_Mul() {
	fmt.Println(crm.EUR(9_99).Mul(19, 100)) // 1.8981
	fmt.Println(crm.EUR(25).Mul(1, 10))     // 2.5 cents, to even
	// Output:
	// 1.90 EUR <nil>
	// 0.02 EUR <nil>
}

func ExampleMoney_Allocate() {
	fmt.Println(crm.EUR(100_00).Allocate(50, 30, 20))
	fmt.Println(crm.EUR(5).Allocate(1, 0, 1)) // 2.5 cents each: the earlier gets the rest
	// Output:
	// [50.00 EUR 30.00 EUR 20.00 EUR] <nil>
	// [0.03 EUR 0.00 EUR 0.02 EUR] <nil>
}

func ExampleMoney_Split() {
	fmt.Println(crm.EUR(100_00).Split(3))
	// Output: [33.34 EUR 33.33 EUR 33.33 EUR] <nil>
}

func ExampleLookupCurrency() {
	for _, code := range []string{"EUR", "KWD", "HRK"} {
		c, ok := crm.LookupCurrency(code)
		fmt.Println(c.Code, c.Digits, c.Withdrawn, ok)
	}
	// Output:
	// EUR 2 false true
	// KWD 3 false true
	// HRK 2 true true
}

func ExampleCurrencies() {
	all := crm.Currencies()
	fmt.Println(len(all), all[0].Code, all[len(all)-1].Code)
	// Output: 165 AED ZWG
}

func ExampleParseDate() {
	d, err := crm.ParseDate("2024-02-28")
	fmt.Println(d, d.AddDays(2), err)
	_, err = crm.ParseDate("28.02.2024")
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// 2024-02-28 2024-03-01 <nil>
	// true
}

func ExampleDateOf() {
	shanghai := time.FixedZone("CST", 8*60*60)
	t := time.Date(2026, time.January, 31, 20, 0, 0, 0, time.UTC)
	fmt.Println(crm.DateOf(t), crm.DateOf(t.In(shanghai)))
	// Output: 2026-01-31 2026-02-01
}

func ExampleFold() {
	fmt.Println(crm.Fold("  ＭÜLLER   Straße "))
	fmt.Println(crm.Fold("Łukasz Ærø"))
	fmt.Println(crm.Fold("ガギグ"))
	// Output:
	// muller strasse
	// lukasz aero
	// ガギグ
}

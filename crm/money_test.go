package crm_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
)

// anyMoney draws an amount that can be had, in any currency in use.
var anyMoney = rapid.Custom(func(t *rapid.T) crm.Money {
	currency := rapid.SampledFrom(crm.Currencies()).Draw(t, "currency")
	return crm.Money{Minor: rapid.Int64Min(-math.MaxInt64).Draw(t, "minor"), Currency: currency.Code}
})

func TestCurrencies(t *testing.T) {
	t.Parallel()
	all := crm.Currencies()
	require.Len(t, all, 165)
	digits := map[int]int{}
	for i, c := range all {
		require.Regexp(t, "^[A-Z]{3}$", c.Code)
		require.False(t, c.Withdrawn)
		if i > 0 {
			require.Less(t, all[i-1].Code, c.Code)
		}
		found, ok := crm.LookupCurrency(c.Code)
		require.True(t, ok)
		require.Equal(t, c, found)
		digits[c.Digits]++
	}
	require.Equal(t, map[int]int{0: 17, 2: 139, 3: 7, 4: 2}, digits)
	for code, want := range map[string]int{
		"EUR": 2, "USD": 2, "GBP": 2, "CNY": 2, "CHF": 2, "ZWG": 2, "XCG": 2, "SLE": 2, "VES": 2, "VED": 2, "MRU": 2, "XAD": 2, "HUF": 2, "TWD": 2,
		"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
		"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
		"CLF": 4, "UYW": 4,
	} {
		c, ok := crm.LookupCurrency(code)
		require.True(t, ok, code)
		require.Equal(t, want, c.Digits, code)
	}
	for code := range strings.FieldsSeq("ANG BGN BYR CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL") {
		c, ok := crm.LookupCurrency(code)
		require.True(t, ok, code)
		require.True(t, c.Withdrawn, code)
		require.NotContains(t, all, c)
	}
	for _, code := range []string{"", "E", "EU", "eur", "EURO", " EUR", "XXX", "XTS", "XAU", "XDR", "DEM", "XXQ", "2EU", "D2A", "AAA", "ZZZ", "ＥＵＲ"} {
		_, ok := crm.LookupCurrency(code)
		require.False(t, ok, code)
		_, err := crm.Minor(1, code)
		require.ErrorIs(t, err, crm.ErrInvalid, code)
	}
	_, err := crm.Minor(math.MinInt64, "EUR")
	require.ErrorIs(t, err, crm.ErrInvalid, "it has no negative")
	all[0].Code = "???"
	require.NotEqual(t, all[0], crm.Currencies()[0], "the table is nobody's to change")
}

func TestMoneyText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]crm.Money{
		"12.00 EUR":                 crm.EUR(12_00),
		"EUR 12":                    crm.EUR(12_00),
		"-3.5 USD":                  crm.USD(-3_50),
		"  GBP\t 0.01 ":             crm.GBP(1),
		"-0.00 CHF":                 crm.CHF(0),
		"007 CNY":                   crm.CNY(7_00),
		"1200 JPY":                  crm.JPY(1200),
		"KWD -0.001":                {Minor: -1, Currency: "KWD"},
		"0.0001 CLF":                {Minor: 1, Currency: "CLF"},
		"5 HRK":                     {Minor: 500, Currency: "HRK"},
		"92233720368547758.07 EUR":  crm.EUR(math.MaxInt64),
		"-92233720368547758.07 EUR": crm.EUR(-math.MaxInt64),
		"000000000000000000000000000000000000001 EUR": crm.EUR(1_00),
	} {
		got, err := crm.ParseMoney(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", " ", "12.00", "EUR", "EUR USD", "12 13", "12.00EUR", "12 EUR 5", "12 eur", "12 XXQ", "12 EURO", "12 €",
		"1e3 EUR", "1,000 EUR", "1'000.00 EUR", "1 000 EUR", "12,00 EUR", "+1 EUR", "--1 EUR", "- 1 EUR", "1- EUR", "−1 EUR", ".5 EUR", "5. EUR", "-.5 EUR", ". EUR",
		"1.2.3 EUR", "0x10 EUR", "1_000 EUR", "NaN EUR", "Inf EUR", "１２ EUR", "1.234 EUR", "1.000 EUR", "1.0 JPY", "1. JPY",
		"92233720368547758.08 EUR", "-92233720368547758.08 EUR", "184467440737095516.16 EUR", "99999999999999999999 JPY",
		strings.Repeat("0", 80) + " EUR", strings.Repeat(" ", 1<<20) + "1 EUR", "12\x00 EUR", "\xff EUR",
	} {
		got, err := crm.ParseMoney(text)
		require.ErrorIs(t, err, crm.ErrInvalid, text)
		require.Zero(t, got)
	}
	_, err := crm.ParseAmount(strings.Repeat("1", 1<<20), "EUR")
	require.ErrorIs(t, err, crm.ErrInvalid)

	require.Empty(t, crm.Money{}.String())
	require.Empty(t, crm.Money{}.Amount())
	require.Equal(t, "-0.05 EUR", crm.EUR(-5).String())
	require.Equal(t, "0.0500", crm.Money{Minor: 500, Currency: "CLF"}.Amount())
	require.Equal(t, "0", crm.JPY(0).Amount())
	require.Equal(t, `5 minor units of "XXQ"`, crm.Money{Minor: 5, Currency: "XXQ"}.String())
	require.Equal(t, "-92233720368547758.08 EUR", crm.EUR(math.MinInt64).String(), "what is not valid is shown")
}

func TestMoneyTextComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyMoney.Draw(t, "money")
		got, err := crm.ParseMoney(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
		got, err = crm.ParseAmount(want.Amount(), want.Currency)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestMoneyJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		Amount crm.Money  `json:"amount"`
		Tax    *crm.Money `json:"tax,omitempty"`
		Rest   crm.Money  `json:"rest,omitzero"`
	}
	b, err := json.Marshal(holder{Rest: crm.JPY(0)})
	require.NoError(t, err)
	require.JSONEq(t, `{"amount":null,"rest":{"amount":"0","currency":"JPY"}}`, string(b))
	got := holder{Amount: crm.EUR(1)}
	require.NoError(t, json.Unmarshal([]byte(`{"amount": null, "tax": { "currency": "EUR", "amount": "-1.5", "note": 1 }}`), &got))
	require.Equal(t, holder{Tax: &crm.Money{Minor: -150, Currency: "EUR"}}, got)

	for _, m := range []crm.Money{{Minor: 5}, {Currency: "XXQ"}, {Minor: 5, Currency: `"`}, crm.EUR(math.MinInt64)} {
		_, err := json.Marshal(m)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, m.Valid(), crm.ErrInvalid)
	}
	for _, text := range []string{
		`5`, `"12.00 EUR"`, `[]`, `true`, `{}`, `{"amount":"1"}`, `{"currency":"EUR"}`, `{"amount":"","currency":"EUR"}`, `{"amount":null,"currency":"EUR"}`,
		`{"amount":"1","currency":""}`, `{"amount":"1","currency":"eur"}`, `{"amount":"1","currency":5}`, `{"amount":["1"],"currency":"EUR"}`,
		`{"amount":"1e3","currency":"EUR"}`, `{"amount":" 1","currency":"EUR"}`, `{"amount":"1 EUR","currency":"EUR"}`, `{"amount":"1.0","currency":"JPY"}`,
	} {
		m := crm.EUR(1)
		require.ErrorIs(t, json.Unmarshal([]byte(text), &m), crm.ErrInvalid, text)
		require.Equal(t, crm.EUR(1), m, "what can't be read changes nothing")
	}
	var m crm.Money
	for _, text := range []string{`{"amount":12,"currency":"EUR"}`, `{"currency":"EUR","amount":-0.5}`} {
		err = json.Unmarshal([]byte(text), &m)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "write it as a string")
	}

	rapid.Check(t, func(t *rapid.T) {
		want := rapid.OneOf(anyMoney, rapid.Just(crm.Money{})).Draw(t, "money")
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		var got crm.Money
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	})
}

func TestMoneyAddSub(t *testing.T) {
	t.Parallel()
	sum, err := crm.EUR(5).Add(crm.Money{})
	require.NoError(t, err)
	require.Equal(t, crm.EUR(5), sum)
	sum, err = crm.Money{}.Sub(crm.EUR(5))
	require.NoError(t, err)
	require.Equal(t, crm.EUR(-5), sum)
	sum, err = crm.Money{}.Add(crm.Money{})
	require.NoError(t, err)
	require.True(t, sum.IsZero())
	for _, pair := range [][2]crm.Money{
		{crm.EUR(1), crm.USD(1)},
		{crm.EUR(1), {Minor: 1}},
		{{Minor: 1}, {Minor: 1}},
		{{Minor: 1, Currency: "XXQ"}, {Minor: 1, Currency: "XXQ"}},
		{{}, {Minor: 1, Currency: "XXQ"}},
		{crm.EUR(0), crm.EUR(math.MinInt64)},
		{crm.EUR(math.MinInt64), crm.EUR(0)},
	} {
		_, err := pair[0].Add(pair[1])
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = pair[0].Sub(pair[1])
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.OneOf(rapid.Int64Min(-math.MaxInt64), rapid.SampledFrom([]int64{math.MaxInt64, -math.MaxInt64, math.MaxInt64 - 1, -1, 0, 1}))
		a, b := edge.Draw(t, "a"), edge.Draw(t, "b")
		same(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)))(crm.EUR(a).Add(crm.EUR(b)))
		same(t, new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))(crm.EUR(a).Sub(crm.EUR(b)))
	})
}

// same holds a result to the exact one: equal, or refused where it is out of range.
func same(t *rapid.T, want *big.Int) func(crm.Money, error) {
	return func(got crm.Money, err error) {
		t.Helper()
		if want.CmpAbs(big.NewInt(math.MaxInt64)) > 0 {
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.Zero(t, got)
			return
		}
		require.NoError(t, err)
		require.Equal(t, crm.EUR(want.Int64()), got)
	}
}

func TestMoneyCmp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b crm.Money
		want int
		ok   bool
	}{
		{crm.EUR(1), crm.EUR(2), -1, true},
		{crm.EUR(2), crm.EUR(2), 0, true},
		{crm.EUR(2), crm.EUR(-2), 1, true},
		{crm.EUR(2), crm.USD(2), 0, false},
		{crm.EUR(0), crm.Money{}, 0, false},
		{crm.Money{}, crm.Money{}, 0, false},
	} {
		got, ok := c.a.Cmp(c.b)
		require.Equal(t, c.ok, ok)
		require.Equal(t, c.want, got)
	}
}

func TestMoneyMul(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ minor, num, den, want int64 }{
		{5, 1, 2, 2}, {15, 1, 2, 8}, {-5, 1, 2, -2}, {-15, 1, 2, -8}, {5, -1, 2, -2}, {5, 1, -2, -2}, {-5, -1, -2, -2}, {25, 1, 10, 2}, {35, 1, 10, 4},
		{26, 1, 10, 3}, {24, 1, 10, 2}, {100, 19, 100, 19}, {math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, math.MinInt64, math.MinInt64, math.MaxInt64}, {1, math.MaxInt64, math.MinInt64, -1}, {0, math.MinInt64, 1, 0},
	} {
		got, err := crm.EUR(c.minor).Mul(c.num, c.den)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(c.want), got, "%v", c)
	}
	none, err := crm.Money{}.Mul(19, 100)
	require.NoError(t, err)
	require.True(t, none.IsZero())
	for _, m := range []crm.Money{{}, crm.EUR(1)} {
		_, err := m.Mul(1, 0)
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
	_, err = crm.Money{Minor: 1, Currency: "XXQ"}.Mul(1, 1)
	require.ErrorIs(t, err, crm.ErrInvalid)

	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Min(-math.MaxInt64).Draw(t, "minor")
		num := rapid.Int64().Draw(t, "num")
		den := rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64().Filter(func(n int64) bool { return n != 0 })).Draw(t, "den")
		same(t, halfEven(new(big.Int).Mul(big.NewInt(minor), big.NewInt(num)), big.NewInt(den)))(crm.EUR(minor).Mul(num, den))
	})
}

// halfEven divides by the book: the nearest whole number, of two as near the even.
func halfEven(num, den *big.Int) *big.Int {
	exact := new(big.Rat).SetFrac(num, den)
	floor := new(big.Int).Div(exact.Num(), exact.Denom())
	rest := new(big.Rat).Sub(exact, new(big.Rat).SetInt(floor))
	if c := rest.Cmp(big.NewRat(1, 2)); c > 0 || c == 0 && floor.Bit(0) == 1 {
		floor.Add(floor, big.NewInt(1))
	}
	return floor
}

func TestMoneyAllocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{100, []int64{0, 1, 2, 0}, []int64{0, 33, 67, 0}},
		{5, []int64{50, 30, 20}, []int64{3, 1, 1}}, // 2.5 1.5 1.0: the first of equals
		{2, []int64{1, 1, 1, 1}, []int64{1, 1, 0, 0}},
		{0, []int64{1, 2}, []int64{0, 0}},
		{7, []int64{3}, []int64{7}},
		{math.MaxInt64, []int64{math.MaxInt64}, []int64{math.MaxInt64}},
		{-math.MaxInt64, []int64{math.MaxInt64 - 1, 1}, []int64{-(math.MaxInt64 - 1), -1}},
	} {
		parts, err := crm.EUR(c.minor).Allocate(c.weights...)
		require.NoError(t, err)
		for i, want := range c.want {
			require.Equal(t, crm.EUR(want), parts[i], "%v", c)
		}
	}
	parts, err := crm.Money{}.Allocate(1, 2)
	require.NoError(t, err)
	require.Equal(t, []crm.Money{{}, {}}, parts)
	for _, weights := range [][]int64{nil, {0}, {0, 0}, {1, -1}, {-1}, {math.MaxInt64, 1}, {math.MaxInt64, math.MaxInt64, math.MaxInt64}, make([]int64, 10_001)} {
		_, err := crm.EUR(1).Allocate(weights...)
		require.ErrorIs(t, err, crm.ErrInvalid, "%v", len(weights))
	}
	for _, n := range []int{0, -1, 10_001, math.MinInt, math.MaxInt} {
		_, err := crm.EUR(1).Split(n)
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
	_, err = crm.Money{Minor: 1, Currency: "XXQ"}.Split(1)
	require.ErrorIs(t, err, crm.ErrInvalid)

	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney.Draw(t, "money")
		weight := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, math.MaxInt64/20))
		weights := rapid.SliceOfN(weight, 1, 20).Filter(func(w []int64) bool { return sumOf(w).Sign() > 0 }).Draw(t, "weights")
		parts, err := m.Allocate(weights...)
		require.NoError(t, err)
		fair(t, m, weights, parts)

		n := rapid.IntRange(1, 50).Draw(t, "n")
		parts, err = m.Split(n)
		require.NoError(t, err)
		ones := make([]int64, n)
		for i := range ones {
			ones[i] = 1
		}
		fair(t, m, ones, parts)
		first, last := parts[0].Minor, parts[n-1].Minor
		require.LessOrEqual(t, max(first-last, last-first), int64(1))
	})
}

// fair holds parts to what Allocate promises, exactly.
func fair(t *rapid.T, m crm.Money, weights []int64, parts []crm.Money) {
	t.Helper()
	require.Len(t, parts, len(weights))
	total, sum, one := sumOf(weights), new(big.Int), big.NewRat(1, 1)
	for i, part := range parts {
		require.Equal(t, m.Currency, part.Currency)
		sum.Add(sum, big.NewInt(part.Minor))
		share := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(weights[i])), total)
		off := new(big.Rat).Sub(share, new(big.Rat).SetInt64(part.Minor))
		require.Negative(t, off.Abs(off).Cmp(one), "part %d is %d and should be about %s", i, part.Minor, share.FloatString(3))
	}
	require.Equal(t, big.NewInt(m.Minor).String(), sum.String())
}

func sumOf(weights []int64) *big.Int {
	sum := new(big.Int)
	for _, w := range weights {
		sum.Add(sum, big.NewInt(w))
	}
	return sum
}

func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"12.00 EUR", "EUR 12", "-3.5 USD", "0.0001 CLF", "1e3 EUR", "92233720368547758.08 EUR", "", " ", "- EUR", "\xff \xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := crm.ParseMoney(text)
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
			return
		}
		require.NoError(t, m.Valid())
		again, err := crm.ParseMoney(m.String())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

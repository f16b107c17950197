package crm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Money is an amount in one currency. The zero Money is no money at all, an absent
// amount: it differs from an amount of 0.00 EUR. Two are equal by ==, and their
// amounts reach from -(2^63-1) to 2^63-1 minor units.
//
// In JSON it is {"amount":"12.00","currency":"EUR"}, or null when zero. The amount
// is a string because a JSON number becomes a float in many readers.
type Money struct {
	// Minor is the amount in the currency's minor unit: 1200 is 12.00 EUR, and
	// 1200 JPY.
	Minor int64
	// Currency is an ISO 4217 code that [LookupCurrency] knows.
	Currency string
}

const (
	maxMoneyText = 64     // bytes of what ParseMoney reads
	maxParts     = 10_000 // parts of an allocation
)

// CHF returns an amount of Swiss centimes.
func CHF(minor int64) Money { return Money{minor, "CHF"} }

// CNY returns an amount of Chinese fen.
func CNY(minor int64) Money { return Money{minor, "CNY"} }

// EUR returns an amount of euro cents.
func EUR(minor int64) Money { return Money{minor, "EUR"} }

// GBP returns an amount of British pence.
func GBP(minor int64) Money { return Money{minor, "GBP"} }

// JPY returns an amount of Japanese yen, which have no smaller unit.
func JPY(minor int64) Money { return Money{minor, "JPY"} }

// USD returns an amount of United States cents.
func USD(minor int64) Money { return Money{minor, "USD"} }

// Minor returns n minor units of a currency, or [ErrInvalid] when the currency is
// unknown.
func Minor(n int64, currency string) (Money, error) {
	c, err := currencyOf(currency)
	if err != nil {
		return Money{}, err
	}
	m := Money{n, c.Code}
	if err := m.Valid(); err != nil {
		return Money{}, err
	}
	return m, nil
}

// ParseMoney reads an amount and a currency in either order, with space between:
// "12.00 EUR", "EUR 12", "-3.5 USD". The amount is as [ParseAmount] has it. All else
// is [ErrInvalid].
func ParseMoney(s string) (Money, error) {
	if len(s) > maxMoneyText {
		return Money{}, Invalid("", "an amount of money has at most %d characters", maxMoneyText)
	}
	words := strings.Fields(s)
	if len(words) != 2 {
		return Money{}, Invalid("", "money is an amount and a currency with a space between, such as 12.00 EUR")
	}
	amount, currency := words[0], words[1]
	if isCode(amount) {
		amount, currency = currency, amount
	}
	return ParseAmount(amount, currency)
}

// ParseAmount reads a decimal amount of a currency: digits, perhaps a minus sign
// before them, perhaps a point and at most as many decimals as the currency has.
// Thousands separators, exponents, further decimals (even zeros), what is out of
// range and unknown currencies are [ErrInvalid].
func ParseAmount(amount, currency string) (Money, error) {
	c, err := currencyOf(currency)
	if err != nil {
		return Money{}, err
	}
	minor, reason := parseMinor(amount, c)
	if reason != "" {
		return Money{}, Invalid("", "%s", reason)
	}
	return Money{minor, c.Code}, nil
}

// parseMinor returns the amount in minor units, or what is wrong with it.
func parseMinor(s string, c Currency) (minor int64, reason string) {
	if len(s) > maxMoneyText {
		return 0, "an amount has at most " + strconv.Itoa(maxMoneyText) + " characters"
	}
	s, negative := strings.CutPrefix(s, "-")
	whole, decimals, point := strings.Cut(s, ".")
	if !isDigits(whole) || point && !isDigits(decimals) {
		return 0, "an amount is digits and a decimal point, such as -1234.50: without sign of a currency, separator of thousands or exponent"
	}
	if len(decimals) > c.Digits {
		return 0, "an amount in " + c.Code + " has at most " + strconv.Itoa(c.Digits) + " decimals: round it first"
	}
	digits := whole + decimals + strings.Repeat("0", c.Digits-len(decimals))
	u, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		u = math.MaxUint64 // it was digits, so it is out of range
	}
	minor, ok := signed(u, negative)
	if !ok {
		return 0, reasonRange
	}
	return minor, ""
}

const reasonRange = "the amount is out of range: at most 2^63-1 minor units"

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// signed returns u or -u, and false when that is out of the range of Money.
func signed(u uint64, negative bool) (int64, bool) {
	switch {
	case u > math.MaxInt64:
		return 0, false
	case negative:
		return -int64(u), true
	}
	return int64(u), true
}

// magnitude returns n without its sign; that of the least int64 is 2^63.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// IsZero reports whether there is no money. An amount of 0.00 EUR is money.
func (m Money) IsZero() bool { return m == Money{} }

// Valid returns nil for the zero Money and for an amount in a known currency,
// otherwise what is wrong as [ErrInvalid].
func (m Money) Valid() error {
	if m.IsZero() {
		return nil
	}
	if _, err := currencyOf(m.Currency); err != nil {
		return err
	}
	if m.Minor == math.MinInt64 { // which has no negative
		return Invalid("", reasonRange)
	}
	return nil
}

// String returns the amount and the currency, such as "12.00 EUR", which
// [ParseMoney] reads, and "" for the zero Money.
func (m Money) String() string {
	switch amount := m.Amount(); {
	case m.IsZero():
		return ""
	case amount == "":
		return strconv.FormatInt(m.Minor, 10) + " minor units of " + strconv.Quote(m.Currency)
	default:
		return amount + " " + m.Currency
	}
}

// Amount returns the amount with all decimals of its currency, such as "12.00", and
// "" for the zero Money and an unknown currency.
func (m Money) Amount() string {
	c, ok := LookupCurrency(m.Currency)
	if !ok {
		return ""
	}
	digits := strconv.FormatUint(magnitude(m.Minor), 10)
	if missing := c.Digits + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if m.Minor < 0 {
		digits = "-" + digits
	}
	if c.Digits == 0 {
		return digits
	}
	point := len(digits) - c.Digits
	return digits[:point] + "." + digits[point:]
}

// moneyJSON is Money's form in JSON. The amount is raw in order to tell a number.
type moneyJSON struct {
	Amount   json.RawMessage `json:"amount"`
	Currency string          `json:"currency"`
}

// MarshalJSON returns the form that [Money] describes. What is not [Money.Valid] is
// [ErrInvalid].
func (m Money) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	if err := m.Valid(); err != nil {
		return nil, err
	}
	return []byte(`{"amount":"` + m.Amount() + `","currency":"` + m.Currency + `"}`), nil
}

// UnmarshalJSON reads the form that [Money] describes, the amount as [ParseAmount]
// does, and null as the zero Money. All else is [ErrInvalid], and so is an amount
// that is a JSON number.
func (m *Money) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if string(data) == "null" {
		*m = Money{}
		return nil
	}
	const form = `money in JSON is {"amount":"12.00","currency":"EUR"}, or null`
	var parts moneyJSON
	if err := json.Unmarshal(data, &parts); err != nil {
		return Invalid("", form)
	}
	var amount string
	if err := json.Unmarshal(parts.Amount, &amount); err != nil || amount == "" {
		if len(parts.Amount) > 0 && strings.IndexByte("-0123456789", parts.Amount[0]) >= 0 {
			return Invalid("", "the amount is a JSON number, which many readers round: write it as a string, such as \"12.00\"")
		}
		return Invalid("", form)
	}
	parsed, err := ParseAmount(amount, parts.Currency)
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// Add returns m + other. The zero Money adds nothing. Two currencies, an unknown
// one and a sum out of range are [ErrInvalid].
func (m Money) Add(other Money) (Money, error) {
	switch err := cmp.Or(m.Valid(), other.Valid()); {
	case err != nil:
		return Money{}, err
	case m.IsZero():
		return other, nil
	case other.IsZero():
		return m, nil
	case m.Currency != other.Currency:
		return Money{}, Invalid("", "%s and %s don't add up: convert one first", m.Currency, other.Currency)
	}
	sum := Money{m.Minor + other.Minor, m.Currency}
	if (m.Minor < 0) == (other.Minor < 0) && (sum.Minor < 0) != (m.Minor < 0) {
		return Money{}, Invalid("", reasonRange)
	}
	if err := sum.Valid(); err != nil {
		return Money{}, err
	}
	return sum, nil
}

// Sub returns m - other, with the errors of [Money.Add].
func (m Money) Sub(other Money) (Money, error) {
	if err := other.Valid(); err != nil { // before Neg, which needs it
		return Money{}, err
	}
	return m.Add(other.Neg())
}

// Neg returns -m.
func (m Money) Neg() Money { return Money{-m.Minor, m.Currency} }

// Cmp returns -1, 0 or +1, as m is less than, equal to or more than other. It
// returns false when the two can't be compared: they are in two currencies, or one
// of them is the zero Money.
func (m Money) Cmp(other Money) (int, bool) {
	if m.Currency != other.Currency || m.Currency == "" {
		return 0, false
	}
	return cmp.Compare(m.Minor, other.Minor), true
}

// Mul returns m × num / den, computed exactly and then rounded to the minor unit,
// half to even: 19 percent of m is m.Mul(19, 100). A den of zero, an invalid m and
// a result out of range are [ErrInvalid].
func (m Money) Mul(num, den int64) (Money, error) {
	if err := m.Valid(); err != nil {
		return Money{}, err
	}
	if den == 0 {
		return Money{}, Invalid("", "money can't be divided by zero")
	}
	if m.IsZero() {
		return m, nil
	}
	divisor := magnitude(den)
	high, low := bits.Mul64(magnitude(m.Minor), magnitude(num))
	if high >= divisor { // the quotient has over 64 bits
		return Money{}, Invalid("", reasonRange)
	}
	quotient, rest := bits.Div64(high, low, divisor)
	// rest and divisor - rest are compared, as twice the rest may not fit.
	if up := divisor - rest; quotient <= math.MaxInt64 && (rest > up || rest == up && quotient%2 == 1) {
		quotient++
	}
	minor, ok := signed(quotient, (m.Minor < 0) != (num < 0) != (den < 0))
	if !ok {
		return Money{}, Invalid("", reasonRange)
	}
	return Money{minor, m.Currency}, nil
}

// Allocate divides m by weights into parts that add up to m. Each is less than one
// minor unit from its exact share: shares are cut down to whole units towards zero,
// and the units left over go one each to the parts that lost the largest fraction,
// among equals to the earlier (the method of largest remainders, or Hamilton's). A
// weight of zero gets nothing. The parts of the zero Money are zero.
//
// An invalid m, no weight or over 10,000, a negative one, and weights that add up
// to zero or past 2^63-1 are [ErrInvalid].
func (m Money) Allocate(weights ...int64) ([]Money, error) {
	if err := m.Valid(); err != nil {
		return nil, err
	}
	total, err := totalOf(weights)
	if err != nil {
		return nil, err
	}
	whole := magnitude(m.Minor)
	shares, rests := make([]uint64, len(weights)), make([]uint64, len(weights))
	left := whole
	for i, weight := range weights {
		high, low := bits.Mul64(whole, uint64(weight))
		shares[i], rests[i] = bits.Div64(high, low, total) // fits, as no weight exceeds the total
		left -= shares[i]
	}
	for _, i := range largest(rests)[:left] {
		shares[i]++
	}
	parts := make([]Money, len(weights))
	for i, share := range shares {
		minor, _ := signed(share, m.Minor < 0) // in range, as no share exceeds m
		parts[i] = Money{minor, m.Currency}
	}
	return parts, nil
}

// totalOf adds up the weights of an allocation.
func totalOf(weights []int64) (uint64, error) {
	if err := checkParts(len(weights)); err != nil {
		return 0, err
	}
	var total uint64
	for i, weight := range weights {
		if weight < 0 {
			return 0, Invalid("", "weight %d is negative: money is allocated by weights of zero and above", i+1)
		}
		if total += uint64(weight); total > math.MaxInt64 {
			return 0, Invalid("", "the weights add up to over 2^63-1: divide them all by the same number")
		}
	}
	if total == 0 {
		return 0, Invalid("", "all weights are zero: one at least must be above, or use Split for equal parts")
	}
	return total, nil
}

func checkParts(n int) error {
	if n < 1 || n > maxParts {
		return Invalid("", "money is divided into 1 to %d parts, not %d", maxParts, n)
	}
	return nil
}

// largest returns the indexes of values, the largest value first, among equals the
// earlier.
func largest(values []uint64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	return order
}

// Split divides m into n parts that add up to m and differ by at most one minor
// unit, the larger ones (in magnitude) first: 100.00 in three is 33.34, 33.33 and
// 33.33. An invalid m and an n that is not 1 to 10,000 are [ErrInvalid].
func (m Money) Split(n int) ([]Money, error) {
	if err := checkParts(n); err != nil {
		return nil, err
	}
	return m.Allocate(slices.Repeat([]int64{1}, n)...)
}

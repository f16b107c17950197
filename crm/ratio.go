package crm

import (
	"math/big"
	"strings"
)

// Ratio is a number as what it is a quotient of, so that nothing is rounded before
// somebody prints it: a mean is the sum over the count, a win rate the deals won over
// those that were decided.
type Ratio struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// Float64 returns the nearest float64, and 0 when Den is 0.
func (r Ratio) Float64() float64 {
	if r.Den == 0 {
		return 0
	}
	f, _ := big.NewRat(r.Num, r.Den).Float64()
	return f
}

// String returns the number rounded to at most four decimals, half away from zero, and "" when Den is 0.
func (r Ratio) String() string {
	if r.Den == 0 {
		return ""
	}
	text := big.NewRat(r.Num, r.Den).FloatString(4)
	if text = strings.TrimSuffix(strings.TrimRight(text, "0"), "."); text == "-0" {
		return "0"
	}
	return text
}

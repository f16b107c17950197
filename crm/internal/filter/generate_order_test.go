package filter_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// compare is the language's comparison: false when a side is absent or they are
// money of two currencies, and != the opposite of ==.
func compare(op string, a, b any) bool {
	if op == "!=" {
		return !compare("==", a, b)
	}
	if a == nil || b == nil {
		return false
	}
	c, ok := order(a, b)
	if !ok {
		return false
	}
	switch op {
	case "==":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

//nolint:errcheck // the generator compares alike with alike
func order(a, b any) (c int, ok bool) {
	switch x := a.(type) {
	case string:
		return strings.Compare(x, b.(string)), true
	case bool:
		if x == b.(bool) {
			return 0, true
		}
		return 1, true
	case int64, *big.Rat:
		return exact(a).Cmp(exact(b)), true
	case uuid.UUID:
		y := b.(uuid.UUID)
		return bytes.Compare(x[:], y[:]), true
	case time.Time:
		if d, isDay := b.(storage.Date); isDay {
			y, m, n := x.In(berlin()).Date()
			return cmp.Or(cmp.Compare(y, d.Year), cmp.Compare(m, d.Month), cmp.Compare(n, d.Day)), true
		}
		return x.Compare(b.(time.Time)), true
	case storage.Date:
		return strings.Compare(x.String(), b.(storage.Date).String()), true
	case filter.Amount:
		y := b.(filter.Amount)
		return cmp.Compare(x.Minor, y.Minor), x.Currency == y.Currency
	}
	panic(fmt.Sprintf("no order of %T", a))
}

func exact(v any) *big.Rat {
	if r, ok := v.(*big.Rat); ok {
		return r
	}
	n, _ := v.(int64)
	return new(big.Rat).SetInt64(n)
}

package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/storage"
)

// TestRangesAfterAPosition holds the ranges of a keyset page to their meaning: over
// rows in order, they are what lies behind the position, each row in one range,
// and the ranges follow each other as the rows do.
func TestRangesAfterAPosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms := make([]term, rapid.IntRange(1, 4).Draw(t, "terms"))
		value := func(null bool) any {
			n := rapid.Int64Range(-1, 2).Draw(t, "value")
			if null && n < 0 {
				return nil
			}
			return n
		}
		for i := range terms {
			null := rapid.Bool().Draw(t, "null") && i < len(terms)-1 // the last is a key's
			terms[i] = term{null: null, desc: rapid.Bool().Draw(t, "desc"), after: value(null)}
		}
		ranges := after(terms)
		row := make([]any, len(terms))
		for i := range row {
			row[i] = value(terms[i].null)
		}
		in := -1
		for n, r := range ranges {
			if r.holds(terms, row) {
				require.Equal(t, -1, in, "a row is in one range")
				in = n
			}
		}
		require.Equal(t, behind(terms, row), in >= 0, "%v after %v in %v", row, terms, ranges)
	})
}

// behind compares a row with the position in the order of the terms.
func behind(terms []term, row []any) bool {
	for i, t := range terms {
		c := storage.Compare(row[i], t.after)
		if t.desc {
			c = -c
		}
		if c != 0 {
			return c > 0
		}
	}
	return false
}

func (r keyRange) holds(terms []term, row []any) bool {
	for _, c := range r.conds {
		first := 0
		for terms[first].field != c.terms[0].field || &terms[first] != &c.terms[0] {
			first++
		}
		v := row[first]
		switch c.what {
		case isAbsent:
			if v != nil {
				return false
			}
		case present:
			if v == nil {
				return false
			}
		case equal:
			if storage.Compare(v, c.terms[0].after) != 0 {
				return false
			}
		case beyond: // SQL's comparison of rows: NULL in the first place is not true
			if v == nil || !behind(c.terms, row[first:first+len(c.terms)]) {
				return false
			}
		}
	}
	return true
}

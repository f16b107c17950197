package match

import (
	"fmt"
	"math"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Explanation is why two records are taken to be one entity, or not.
type Explanation struct {
	// Reasons are what each field says that both records have.
	Reasons []Reason
	// Prior are the odds before anything is compared, and Bits those after it: powers of
	// two, so that 0 is even and 10 about a thousand to one.
	Prior, Bits float64
	// Probability is that of being one entity.
	Probability float64
	// Capped says that what a household or an office shares said more than that they are
	// of one, which was left out.
	Capped bool
}

// Reason is what one field says.
type Reason struct {
	Field

	A, B  string // the values, in normal form
	Level Level
	// Why is how they agree, in words: an initial, day and month exchanged.
	Why string
	// Bits are what it adds to the odds; Rarity is the part of it that is due to how
	// rare the value is among the records.
	Bits, Rarity float64
}

// Explain says why two records, by their numbers, are taken to be one entity, or not.
func Explain(r *Records, m *Model, a, b int) (Explanation, error) {
	if a < 0 || b < 0 || a >= r.n || b >= r.n || a == b {
		return Explanation{}, crm.Invalid("records", "are %d and %d: give two numbers from 0 to %d", a, b, r.n-1)
	}
	s, err := newScorer(r, m)
	if err != nil {
		return Explanation{}, err
	}
	return s.explain(uint32(min(a, b)), uint32(max(a, b))), nil
}

func (s *scorer) explain(a, b uint32) Explanation {
	e := Explanation{Prior: s.m.prior(), Bits: s.bits(a, b)}
	e.Probability = probability(e.Bits)
	all := e.Prior
	for f, g := range s.found {
		if g.level == Missing {
			continue
		}
		c := &s.r.columns[f]
		x := Reason{Field: s.r.fields[f], A: c.texts[c.cells[a]], B: c.texts[c.cells[b]], Level: g.level, Why: g.why.String()}
		x.Bits, x.Rarity = s.weigh(f, a)
		all += x.Bits
		e.Reasons = append(e.Reasons, x)
	}
	e.Capped = math.Abs(all-e.Bits) > 1e-6
	return e
}

// String is the explanation as lines of a table.
func (e Explanation) String() string {
	var b strings.Builder
	for _, x := range e.Reasons {
		values := x.A
		if x.A != x.B {
			values += " | " + x.B
		}
		fmt.Fprintf(&b, "  %+6.1f  %-16s %s: %s\n", x.Bits, x.Name, values, x.Why)
	}
	fmt.Fprintf(&b, "  %+6.1f  before comparing\n", e.Prior)
	if e.Capped {
		b.WriteString("          what people who live or work together share counts only so far\n")
	}
	fmt.Fprintf(&b, "  %+6.1f  bits: probability %.4f\n", e.Bits, e.Probability)
	return b.String()
}

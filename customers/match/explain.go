package match

import (
	"fmt"
	"strings"
)

// Explanation is why two records are taken to be one entity, or not.
type Explanation struct {
	Fields      []Reason
	Prior       float64
	Bits        float64
	Probability float64
}

// Reason is what one field says.
type Reason struct {
	Field Field
	A, B  string
	Level Level
	Why   string
	Bits  float64
}

// Explain says.
func Explain(r *Records, m *Model, a, b int) Explanation {
	r.count()
	s := newScorer(r, m)
	e := Explanation{Prior: m.prior()}
	e.Bits = s.bits(uint32(a), uint32(b))
	e.Probability = probability(e.Bits)
	for f, g := range s.found {
		x := Reason{Field: r.fields[f], Level: g.level, Why: g.why.String(), A: r.columns[f].texts[r.columns[f].cells[a]], B: r.columns[f].texts[r.columns[f].cells[b]]}
		if g.level != Missing {
			x.Bits, _ = s.weigh(f, uint32(a))
		}
		e.Fields = append(e.Fields, x)
	}
	return e
}

func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f bits (prior %.1f)", e.Bits, e.Prior)
	for _, x := range e.Fields {
		if x.Level != Missing {
			fmt.Fprintf(&b, "; %s %s %+.1f", x.Field.Name, x.Level, x.Bits)
		}
	}
	return b.String()
}

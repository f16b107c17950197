package match

import (
	"math"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// leastChance is how improbable a level is by chance at the most: what was seen once or
// never in a sample is no more certain than that, and no field says more than 19 bits.
const leastChance = 2e-6

// Model says what agreement of each field is worth: the model of Fellegi and Sunter
// ("A Theory for Record Linkage", 1969) with several levels of agreement (Winkler 1990).
// Of each level it knows how probable it is for two records of one entity (m) and of two
// (u); the level's weight is log2(m/u), in bits. The weights of all fields and the prior
// odds add up to the odds that two records are of one entity.
//
// It is learned by [Learn], made of what is usual by [Usual], or set by hand, and is kept
// as JSON.
type Model struct {
	Fields []Weights `json:"fields"`
	// Prior is the probability that two records taken at random are of one entity.
	Prior float64 `json:"prior"`
}

// weights are what levels are worth in bits, by field, level of the one it is given, and
// level.
type weights [][levels][levels]float64

// Weights are what a model knows of a field.
type Weights struct {
	Field

	// Given is the number of another field, before this one, on which the level of this
	// one depends, or -1: places that are the same have the same postcode, also when
	// two people live there (a dependence tree: Chow and Liu 1968).
	Given int `json:"given"`
	// Match (m) and Chance (u) are the probabilities of each level among records of one
	// entity and of two; the latter by the level of the field Given, whose first row is
	// that of all levels together.
	Match  [levels]float64         `json:"match"`
	Chance [levels][levels]float64 `json:"chance"`
}

// Usual returns a model that was not learned: with what is usual of each kind of field
// and one match in so many pairs. It serves where there are too few records to learn of.
func Usual(prior float64, fields ...Field) (*Model, error) {
	if !(prior > 0 && prior < 1) {
		return nil, crm.Invalid("prior", "is %v: a probability between 0 and 1", prior)
	}
	m := &Model{Prior: prior}
	for _, f := range fields {
		t, ok := f.Kind.traits()
		if !ok {
			return nil, crm.Invalid("fields", "%s is of the kind %q, which there is not", f.Name, f.Kind)
		}
		w := Weights{Field: f, Given: -1}
		w.Match = t.prior()
		for l := range levels {
			w.Chance[l] = t.chance()
		}
		m.Fields = append(m.Fields, w)
	}
	_, err := m.weights()
	return m, err
}

// weights checks a model and computes what levels are worth. Less agreement is never worth more:
// where few pairs were seen of a level, it is worth at most what the next one is.
func (m *Model) weights() (weights, error) {
	if !(m.Prior > 0 && m.Prior < 1) {
		return nil, crm.Invalid("prior", "is %v: a probability between 0 and 1", m.Prior)
	}
	all := make(weights, len(m.Fields))
	for f, field := range m.Fields {
		if field.Given >= f || field.Given < -1 {
			return nil, crm.Invalid("fields", "%s is given %d: that is a field before it, or -1", field.Name, field.Given)
		}
		for p := range levels {
			w := &all[f][p]
			for l := Differ; l < levels; l++ {
				match, chance := field.Match[l], field.Chance[p][l]
				if !(match >= 0 && match <= 1 && chance >= 0 && chance <= 1) {
					return nil, crm.Invalid("fields", "%s has a probability that is none", field.Name)
				}
				w[l] = math.Log2(max(match, 1e-6) / max(chance, leastChance))
			}
			for l := Near; l >= Differ; l-- {
				w[l] = min(w[l], w[l+1])
			}
			w[Swapped] = min(w[Swapped], w[Same])
		}
	}
	return all, nil
}

// fits reports whether a model is of the fields that records have.
func (m *Model) fits(r *Records) error {
	if len(m.Fields) != len(r.fields) || !slices.EqualFunc(m.Fields, r.fields, func(w Weights, f Field) bool { return w.Field == f }) {
		return crm.Invalid("model", "was made for other fields than the records have")
	}
	return nil
}

// scorer scores pairs. Each goroutine has its own.
type scorer struct {
	r     *Records
	m     *Model
	w     weights
	apart func(a, b int) bool
	found []agreement
	// rarity is what is known of how rare the values of a single pair are, in bits by field.
	rarity []float64
}

// newScorer checks that a model and records fit together.
func newScorer(r *Records, m *Model) (*scorer, error) {
	if err := m.fits(r); err != nil {
		return nil, err
	}
	w, err := m.weights()
	if err != nil {
		return nil, err
	}
	r.count()
	return &scorer{r: r, m: m, w: w, found: make([]agreement, len(r.fields))}, nil
}

// another is a scorer for another goroutine.
func (s *scorer) another() *scorer {
	return &scorer{r: s.r, m: s.m, w: s.w, apart: s.apart, found: make([]agreement, len(s.found))}
}

// prior are the odds before anything is compared, in bits.
func (m *Model) prior() float64 { return math.Log2(m.Prior / (1 - m.Prior)) }

// bits are the odds that two records are of one entity, in bits: 0 is even, 10 is about
// a thousand to one.
func (s *scorer) bits(a, b uint32) float64 {
	if s.apart != nil && s.apart(int(a), int(b)) {
		return math.Inf(-1)
	}
	s.r.compare(a, b, s.found)
	var sum sums
	for f := range s.found {
		if s.found[f].level != Missing {
			w, _ := s.weigh(f, a)
			sum.add(s.r.columns[f].shared, w)
		}
	}
	return sum.total(s.m.prior())
}

// weigh is the weight of a field as it was found, and the part of it that is due to how
// rare the value is.
func (s *scorer) weigh(f int, a uint32) (w, rare float64) {
	g := s.found[f]
	p := Missing
	if given := s.m.Fields[f].Given; given >= 0 {
		p = s.found[given].level
	}
	rare = s.rare(f, a)
	return s.w[f][p][g.level] + rare, rare
}

// rare adjusts the weight of what is agreed on to how frequent it is.
func (s *scorer) rare(f int, a uint32) float64 {
	if s.rarity != nil && s.found[f].level >= Close {
		return s.rarity[f]
	}
	if s.r.n < minLearn {
		return 0
	}
	if seen := s.r.frequency(f, a, s.found[f]); seen >= 0 {
		return rareness(s.m.Fields[f].Chance[0][s.found[f].level], float64(seen), float64(s.r.n))
	}
	return 0
}

// rareness is what it adds to a weight, in bits, that the value agreed on is rarer than
// usual: a Featherstonehaugh is not found twice by chance as a Smith is (Winkler 1990).
// seen is the share of the other n records that have it. What no other has is taken to
// be as frequent as one in all of them.
func rareness(usual, seen, n float64) float64 {
	usual = max(usual, leastChance)
	return math.Log2(usual / (seen + min(usual, 1/n)))
}

// frequency is the share of records that have what two agree on, beyond those two; -1
// if that does not count.
func (r *Records) frequency(f int, a uint32, g agreement) float32 {
	c := &r.columns[f]
	switch {
	case g.whole:
		return max(float32(c.counts[c.cells[a]])-2, 0) / float32(r.n)
	case g.shared != 0:
		return max(float32(c.vocab.counts[g.shared-1])-2, 0) / float32(r.n)
	}
	return -1
}

// sums are the weights of a pair, apart by what a household or an office shares.
type sums struct { //nolint:recvcheck // a value, but while it is summed up
	shared, own float64
	hasOwn      bool
}

func (s *sums) add(shared bool, w float64) {
	if shared {
		s.shared += w
		return
	}
	s.own += w
	s.hasOwn = true
}

// total is the odds. What people who live or work together share can say no more than
// that they do, which makes it even that they are the same: the rest is for what is
// one's own.
func (s sums) total(prior float64) float64 {
	shared := s.shared + prior
	if s.hasOwn {
		shared = min(shared, 0)
	}
	return shared + s.own
}

// probability is odds in bits as a probability.
func probability(bits float64) float64 { return 1 / (1 + math.Exp2(-bits)) }

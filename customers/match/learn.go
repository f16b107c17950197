package match

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

const (
	minLearn     = 20      // records from which on anything is learned
	maxRandom    = 250_000 // pairs taken at random, to see what chance does
	maxSample    = 600_000 // pairs worth comparing, to see what matches do
	rounds       = 30      // of expectation and maximisation
	belief       = 20      // how many matches what is usual counts for
	beliefGiven  = 20      // and what a field does by itself, where it depends on another
	chanceBelief = .5
	doubt        = -3 // odds in bits from which on a random pair is left out of chance
)

// Options say how records are compared. The zero value is fine.
type Options struct {
	// Threshold is the probability from which on two records are taken to be one
	// entity; 0 is 0.5, which makes the fewest errors.
	Threshold float64
	// Progress is told how far the work is, in steps of about equal length.
	Progress func(done, total int64)
	// Workers is how many goroutines compare, while the call lasts; 0 is 1: the caller's
	// own.
	Workers int
	// Apart reports that two records, by their numbers, are known to be two entities:
	// they are no pair, and in no cluster together. It is called by all workers; nil: of
	// none that is known.
	Apart func(a, b int) bool
}

func (o Options) progress(done, total int64) {
	if o.Progress != nil {
		o.Progress(done, total)
	}
}

// sample is many of them, in few slices.
type sample struct {
	fields int
	levels []Level
	seen   []float32 // see frequency
}

func (s *sample) len() int { return len(s.levels) / s.fields }

// grow makes room for so many pairs.
func (s *sample) grow(pairs int) {
	s.levels, s.seen = make([]Level, 0, pairs*s.fields), make([]float32, 0, pairs*s.fields)
}

func (s *sample) at(i int) ([]Level, []float32) {
	return s.levels[i*s.fields : (i+1)*s.fields], s.seen[i*s.fields : (i+1)*s.fields]
}

// Learn finds out what agreement of each field is worth, from the records alone. Pairs
// taken at random show what chance does (u). Of the pairs worth comparing it is then
// estimated which are matches, and what matches do (m), in turns (the EM algorithm:
// Dempster, Laird, Rubin 1977; for this model Winkler 1988). What chance does stays as it
// was found, and what is usual of the kinds of fields counts as 20 matches do, so that the
// estimate is not drawn away to what many records have in common. The share of matches is
// of all pairs, not of those compared. The same records always give the same model.
func Learn(ctx context.Context, r *Records, o Options) (*Model, error) {
	r.count()
	n := float64(r.n)
	m, err := Usual(min(.01, max(.1*n, 1)/max(n*(n-1)/2, 1)), r.fields...)
	if err != nil || r.n < minLearn {
		return m, err
	}
	l := &learner{r: r, m: m, random: sample{fields: len(r.fields)}, likely: sample{fields: len(r.fields)}}
	if err := l.look(ctx, o); err != nil {
		return nil, err
	}
	// Among the random pairs of few records there are matches, too: they are found by a
	// first model, and left out for the second.
	matched := make([]bool, l.random.len())
	for _, last := range []bool{false, false, true} {
		if err := l.learnChance(matched, last); err != nil {
			return nil, err
		}
		if err := l.learnMatches(ctx); err != nil {
			return nil, err
		}
		for i := range matched {
			matched[i] = l.plain(l.random.at(i)) > doubt
		}
	}
	return m, nil
}

// learnChance estimates what chance does, of the random pairs that are not matched. At
// last it looks which fields depend on each other.
func (l *learner) learnChance(matched []bool, last bool) error {
	if last {
		l.depend(matched)
	}
	counts := make(table, len(l.m.Fields))
	for i, skip := range matched {
		if !skip {
			found, _ := l.random.at(i)
			l.count(counts, found, 1)
		}
	}
	for f := range l.m.Fields {
		w := &l.m.Fields[f]
		t, _ := w.Kind.traits()
		w.Chance = conditional(&counts[f], t.chance(), chanceBelief)
	}
	return l.weigh()
}

// weigh computes what levels are worth by the model as it is.
func (l *learner) weigh() (err error) {
	l.w, err = l.m.weights()
	return err
}

// learnMatches estimates what matches do, in rounds.
func (l *learner) learnMatches(ctx context.Context) error {
	kept := l.hopeful()
	for range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.round(kept)
		if err := l.weigh(); err != nil {
			return err
		}
	}
	return nil
}

// hopeful are the likely pairs, by number, that are not surely none, so that the rounds are
// quick.
func (l *learner) hopeful() (kept []int32) {
	for i := range l.likely.len() {
		if l.plain(l.likely.at(i)) > -20 {
			kept = append(kept, int32(i))
		}
	}
	return kept
}

type learner struct {
	r              *Records
	m              *Model
	w              weights
	random, likely sample
	every          float64 // how many pairs each of likely stands for
}

// look compares pairs, by chance and likely ones.
func (l *learner) look(ctx context.Context, o Options) error {
	found := make([]agreement, len(l.r.fields))
	add := func(s *sample, p pair) {
		l.r.compare(p.a, p.b, found)
		for f, g := range found {
			s.levels = append(s.levels, g.level)
			s.seen = append(s.seen, l.r.frequency(f, p.a, g))
		}
	}
	random := l.chance()
	l.random.grow(len(random))
	for _, p := range random {
		add(&l.random, p)
	}
	w, err := l.r.walk(ctx)
	if err != nil {
		return err
	}
	if w == nil { // all pairs were looked at
		l.likely, l.every = l.random, 1
		return nil
	}
	list, err := l.draw(ctx, w, o)
	if err != nil {
		return err
	}
	l.likely.grow(len(list))
	for _, p := range list {
		add(&l.likely, p)
	}
	return nil
}

// draw takes a sample of the pairs worth comparing: as they are hashed, so that it is always
// the same one.
func (l *learner) draw(ctx context.Context, w *walk, o Options) ([]pair, error) {
	var list []pair
	mask := uint32(0)
	halve := func() {
		for list = distinct(list); len(list) > maxSample; {
			mask = mask<<1 | 1
			list = slices.DeleteFunc(list, func(p pair) bool { return combine(p.a, p.b)&mask != 0 })
		}
	}
	for step := range w.steps() {
		err := w.step(ctx, step, func(batch []pair) {
			for _, p := range batch {
				if combine(p.a, p.b)&mask == 0 {
					list = append(list, p)
				}
			}
			if len(list) > 2*maxSample {
				halve()
			}
		})
		if err != nil {
			return nil, err
		}
		o.progress(int64(step)+1, int64(w.steps()))
	}
	halve()
	l.every = float64(mask) + 1
	return list, nil
}

// distinct sorts pairs and drops those that are there twice.
func distinct(list []pair) []pair {
	slices.SortFunc(list, comparePairs)
	return slices.Compact(list)
}

func comparePairs(x, y pair) int {
	switch {
	case x.a != y.a:
		return int(x.a) - int(y.a)
	default:
		return int(x.b) - int(y.b)
	}
}

// chance are pairs taken at random, always the same; all of them if they are few.
func (l *learner) chance() []pair {
	n := uint32(l.r.n)
	if l.r.n*(l.r.n-1)/2 <= maxPairsAll {
		list := make([]pair, 0, l.r.n*(l.r.n-1)/2)
		for i := range n {
			for j := range i {
				list = append(list, pair{j, i})
			}
		}
		return list
	}
	random := rand.New(rand.NewPCG(1969, uint64(n))) //nolint:gosec // the same pairs each time
	list := make([]pair, 0, maxRandom)
	for len(list) < maxRandom {
		if a, b := random.Uint32N(n), random.Uint32N(n); a != b {
			list = append(list, pair{min(a, b), max(a, b)})
		}
	}
	return distinct(list)
}

// sum is the weight of a pair, by the model as it is.
func (l *learner) sum(levels []Level, seen []float32) (w sums) {
	for f, level := range levels {
		if level != Missing {
			bits := l.w[f][l.given(f, levels)][level]
			if seen[f] >= 0 {
				bits += rareness(l.m.Fields[f].Chance[0][level], float64(seen[f]), float64(l.r.n))
			}
			w.add(l.r.columns[f].shared, bits)
		}
	}
	return w
}

// plain are the odds of a pair in bits, whatever its fields are.
func (l *learner) plain(levels []Level, seen []float32) float64 {
	w := l.sum(levels, seen)
	return w.shared + w.own + l.m.prior()
}

func (l *learner) given(f int, levels []Level) Level {
	if g := l.m.Fields[f].Given; g >= 0 {
		return levels[g]
	}
	return Missing
}

// table counts levels of fields, by the level of another.
type table [][levels][levels]float64

func (l *learner) count(into table, found []Level, weight float64) {
	for f, level := range found {
		if level != Missing {
			into[f][l.given(f, found)][level] += weight
		}
	}
}

// round estimates which pairs match, and from that what matches do.
func (l *learner) round(likely []int32) {
	counts := make(table, len(l.m.Fields))
	var matches float64
	for _, i := range likely {
		found, seen := l.likely.at(int(i))
		p := probability(l.sum(found, seen).total(l.m.prior()))
		matches += p
		l.count(counts, found, p)
	}
	n := float64(l.r.n)
	l.m.Prior = min(max(matches*l.every, 1), 4*n) / (n * (n - 1) / 2)
	for f := range l.m.Fields {
		w := &l.m.Fields[f]
		t, _ := w.Kind.traits()
		w.Match = plausible(share(sum(&counts[f]), t.prior(), belief), t)
	}
}

// plausible holds that a match is records that mostly agree: else the estimate may turn
// to what many records have in common, such as their state.
func plausible(m [levels]float64, t traits) [levels]float64 {
	most := min(.6, 5*t.differ)
	if apart := m[Differ] + m[Distant]; apart > most {
		for l := range m {
			if Level(l) == Differ || Level(l) == Distant {
				m[l] *= most / apart
			} else {
				m[l] *= (1 - most) / (1 - apart)
			}
		}
	}
	return m
}

// sum counts the levels of a field, whatever that of the other field is.
func sum(counts *[levels][levels]float64) (all [levels]float64) {
	for _, row := range counts {
		for l, n := range row {
			all[l] += n
		}
	}
	return all
}

// conditional turns counts into probabilities: in the first row of all levels of the
// other field together, which are drawn to what is believed, and in each other one of
// that level, drawn to the first.
func conditional(counts *[levels][levels]float64, believed [levels]float64, strength float64) (p [levels][levels]float64) {
	p[Missing] = share(sum(counts), believed, strength)
	for g := Differ; g < levels; g++ {
		p[g] = share(counts[g], p[Missing], beliefGiven)
	}
	return p
}

func share(counts, believed [levels]float64, strength float64) (p [levels]float64) {
	total := strength
	for _, n := range counts {
		total += n
	}
	for l := range counts {
		p[l] = (counts[l] + strength*believed[l]) / total
	}
	return p
}

// depend finds for each field the one before it on which it depends most by chance, in
// bits of mutual information.
func (l *learner) depend(drop []bool) {
	for f := range l.m.Fields {
		best := max(.002, 20/float64(l.random.len()))
		l.m.Fields[f].Given = -1
		for g := range f {
			if bits := l.mutual(g, f, drop); bits > best {
				best, l.m.Fields[f].Given = bits, g
			}
		}
	}
}

func (l *learner) mutual(f, g int, drop []bool) (bits float64) {
	var joint [levels][levels]float64
	var a, b [levels]float64
	var n float64
	for i := range l.random.len() {
		found, _ := l.random.at(i)
		x, y := found[f], found[g]
		if drop[i] || x == Missing || y == Missing {
			continue
		}
		joint[x][y]++
		a[x]++
		b[y]++
		n++
	}
	for x := range joint {
		for y, count := range joint[x] {
			if count > 0 {
				bits += count / n * math.Log2(count*n/(a[x]*b[y]))
			}
		}
	}
	return bits
}

// walk returns one through the keys of the records; nil if they are so few that all pairs
// are compared.
func (r *Records) walk(ctx context.Context) (*walk, error) {
	if r.n*(r.n-1)/2 <= maxPairsAll {
		return nil, nil
	}
	r.count()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.blocks == nil {
		b, err := newBlocks(ctx, r)
		if err != nil {
			return nil, err
		}
		r.blocks = b
	}
	return &walk{blocks: r.blocks}, nil
}

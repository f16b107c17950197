package match

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/embedcrm/embedcrm/crm"
)

// maxCluster is how many records are taken to be one entity at most.
const maxCluster = 100

// Pair is two records that are taken to be one entity, the lesser number first.
type Pair struct {
	A, B int
	// Probability is that of being one entity, by themselves.
	Probability float64
}

// Cluster is records that are taken to be one entity, in the order of their numbers.
type Cluster struct {
	Records []int
	// Probability is that of the least sure step in which the cluster came together.
	Probability float64
}

// Pairs are all pairs of a cluster's records.
func (c Cluster) Pairs() (list [][2]int) {
	for i, b := range c.Records {
		for _, a := range c.Records[:i] {
			list = append(list, [2]int{a, b})
		}
	}
	return list
}

// link is a pair with its odds in bits.
type link struct {
	pair

	bits float64
}

// Find returns the clusters of records that are taken to be one entity, in the order of
// their first records. The pairs worth comparing are those that share something
// rare. Clusters grow from the surest pair on, and two become one only if all their
// records taken together speak for it, so that a chain of likenesses makes no cluster
// (correlation clustering: Bansal, Blum, Chawla 2004).
func Find(ctx context.Context, r *Records, m *Model, o Options) ([]Cluster, error) {
	s, list, err := search(ctx, r, m, o)
	if err != nil {
		return nil, err
	}
	return newForest(s.scorer, s.bar).grow(list), nil
}

// FindPairs returns the pairs that by themselves are taken to be one entity, by number.
func FindPairs(ctx context.Context, r *Records, m *Model, o Options) ([]Pair, error) {
	_, list, err := search(ctx, r, m, o)
	return pairsOf(list), err
}

// search takes all steps of a search.
func search(ctx context.Context, r *Records, m *Model, o Options) (*Search, []link, error) {
	s, err := NewSearch(ctx, r, m, o)
	if err != nil {
		return nil, nil, err
	}
	var all []link
	for step := range s.Steps() {
		list, err := s.step(ctx, step)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, list...)
		o.progress(int64(step)+1, int64(s.Steps()))
	}
	return s, distinctLinks(all), nil
}

// Search looks for pairs in steps of about equal length, so that who keeps what each step
// found can stop between two and go on later, in another process too, with the same
// records and the same model. One goroutine uses it.
type Search struct {
	scorer *scorer
	o      Options
	bar    float64 // the threshold in bits
	walk   *walk   // nil: all pairs are compared
}

// NewSearch returns a search none of whose steps is done.
func NewSearch(ctx context.Context, r *Records, m *Model, o Options) (*Search, error) {
	scorer, err := newScorer(r, m)
	if err != nil {
		return nil, err
	}
	s := &Search{scorer: scorer, o: o}
	threshold := o.Threshold
	if threshold == 0 {
		threshold = .5
	}
	if !(threshold > 0 && threshold < 1) {
		return nil, crm.Invalid("threshold", "is %v: a probability between 0 and 1", threshold)
	}
	s.bar = math.Log2(threshold / (1 - threshold))
	scorer.apart = o.Apart
	s.walk, err = r.walk(ctx)
	return s, err
}

// Steps returns how many steps there are. It is the same for the same records.
func (s *Search) Steps() int {
	if s.walk == nil {
		return 1
	}
	return s.walk.steps()
}

// Step returns the pairs that a step finds, by number, from 0 on. Several steps may find the
// same pair.
func (s *Search) Step(ctx context.Context, step int) ([]Pair, error) {
	if step < 0 || step >= s.Steps() {
		return nil, crm.Invalid("step", "is %d: there are %d, from 0 on", step, s.Steps())
	}
	list, err := s.step(ctx, step)
	return pairsOf(list), err
}

// Clusters makes clusters of the pairs that all steps found, as [Find] does.
func (s *Search) Clusters(pairs []Pair) ([]Cluster, error) {
	list := make([]link, 0, len(pairs))
	for _, p := range pairs {
		if p.A < 0 || p.B < 0 || p.A >= s.scorer.r.n || p.B >= s.scorer.r.n || p.A == p.B {
			return nil, crm.Invalid("pairs", "has %d and %d: numbers are from 0 to %d", p.A, p.B, s.scorer.r.n-1)
		}
		x := pair{uint32(min(p.A, p.B)), uint32(max(p.A, p.B))}
		if bits := s.scorer.bits(x.a, x.b); bits > s.bar {
			list = append(list, link{x, bits})
		}
	}
	return newForest(s.scorer, s.bar).grow(distinctLinks(list)), nil
}

func pairsOf(links []link) []Pair {
	list := make([]Pair, len(links))
	for i, l := range links {
		list[i] = Pair{int(l.a), int(l.b), probability(l.bits)}
	}
	return list
}

// distinctLinks sorts links by their records, and drops those that are there twice.
func distinctLinks(list []link) []link {
	slices.SortFunc(list, func(x, y link) int { return comparePairs(x.pair, y.pair) })
	return slices.CompactFunc(list, func(x, y link) bool { return x.pair == y.pair })
}

// maxLinks is how many links are kept before those that are there twice are dropped.
const maxLinks = 1 << 18

func (s *Search) step(ctx context.Context, step int) (found []link, err error) {
	workers := []*scorer{s.scorer}
	for len(workers) < s.o.Workers {
		workers = append(workers, s.scorer.another())
	}
	limit := maxLinks
	err = s.pairs(ctx, step, func(batch []pair) {
		for _, list := range score(workers, batch, s.bar) {
			found = append(found, list...)
		}
		if len(found) > limit {
			found = distinctLinks(found)
			limit = max(maxLinks, 2*len(found))
		}
	})
	return distinctLinks(found), err
}

// score scores pairs, by each of the workers a part, and returns those above the bar.
func score(workers []*scorer, batch []pair, bar float64) [][]link {
	found := make([][]link, len(workers))
	part := (len(batch) + len(workers) - 1) / len(workers)
	work := func(w int) {
		for _, p := range batch[min(w*part, len(batch)):min((w+1)*part, len(batch))] {
			if bits := workers[w].bits(p.a, p.b); bits > bar {
				found[w] = append(found[w], link{p, bits})
			}
		}
	}
	var wait sync.WaitGroup
	for w := 1; w < len(workers); w++ {
		wait.Go(func() { work(w) })
	}
	work(0)
	wait.Wait()
	return found
}

// pairs calls fn with the pairs worth comparing of a step.
func (s *Search) pairs(ctx context.Context, step int, fn func([]pair)) error {
	if s.walk == nil {
		return s.scorer.r.allPairs(ctx, fn)
	}
	return s.walk.step(ctx, step, fn)
}

// forest is clusters that grow.
type forest struct {
	s       *scorer
	bar     float64
	root    map[uint32]uint32
	members map[uint32][]uint32
	least   map[uint32]float64
}

func newForest(s *scorer, bar float64) *forest {
	return &forest{s, bar, map[uint32]uint32{}, map[uint32][]uint32{}, map[uint32]float64{}}
}

// grow joins what the links speak for, the surest first.
func (f *forest) grow(links []link) (clusters []Cluster) {
	slices.SortStableFunc(links, func(x, y link) int {
		switch {
		case x.bits > y.bits:
			return -1
		case x.bits < y.bits:
			return 1
		}
		return 0
	})
	for _, l := range links {
		f.join(l)
	}
	for root, members := range f.members {
		if f.root[root] != root || len(members) < 2 {
			continue
		}
		c := Cluster{Probability: probability(f.least[root])}
		for _, i := range members {
			c.Records = append(c.Records, int(i))
		}
		slices.Sort(c.Records)
		clusters = append(clusters, c)
	}
	slices.SortFunc(clusters, func(x, y Cluster) int { return x.Records[0] - y.Records[0] })
	return clusters
}

func (f *forest) of(i uint32) uint32 {
	root, ok := f.root[i]
	if !ok {
		f.root[i], f.members[i], f.least[i] = i, []uint32{i}, math.Inf(1)
		return i
	}
	return root
}

func (f *forest) join(l link) {
	a, b := f.of(l.a), f.of(l.b)
	if a == b || len(f.members[a])+len(f.members[b]) > maxCluster {
		return
	}
	var sum float64
	for _, x := range f.members[a] {
		for _, y := range f.members[b] {
			sum += f.s.bits(x, y) - f.bar
		}
	}
	mean := sum / float64(len(f.members[a])*len(f.members[b]))
	if mean <= 0 {
		return
	}
	if len(f.members[a]) < len(f.members[b]) {
		a, b = b, a
	}
	for _, y := range f.members[b] {
		f.root[y] = a
	}
	f.members[a] = append(f.members[a], f.members[b]...)
	f.least[a] = min(f.least[a], f.least[b], mean+f.bar)
	delete(f.members, b)
}

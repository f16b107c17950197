package match

import (
	"context"
	"math"
	"runtime"
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
	s, err := newScorer(r, m)
	if err != nil {
		return nil, err
	}
	links, bar, err := s.links(ctx, o)
	if err != nil {
		return nil, err
	}
	return newForest(s, bar).grow(links), nil
}

// FindPairs returns the pairs that by themselves are taken to be one entity, by number.
func FindPairs(ctx context.Context, r *Records, m *Model, o Options) ([]Pair, error) {
	s, err := newScorer(r, m)
	if err != nil {
		return nil, err
	}
	links, _, err := s.links(ctx, o)
	if err != nil {
		return nil, err
	}
	list := make([]Pair, len(links))
	for i, l := range links {
		list[i] = Pair{int(l.a), int(l.b), probability(l.bits)}
	}
	return list, nil
}

// links are the pairs from the threshold on, and that in bits.
func (s *scorer) links(ctx context.Context, o Options) ([]link, float64, error) {
	threshold := o.Threshold
	if threshold == 0 {
		threshold = .5
	}
	if !(threshold > 0 && threshold < 1) {
		return nil, 0, crm.Invalid("threshold", "is %v: a probability between 0 and 1", threshold)
	}
	bar := math.Log2(threshold / (1 - threshold))
	b, err := s.r.block(ctx)
	if err != nil {
		return nil, 0, err
	}
	list, err := s.score(ctx, b, bar, o)
	slices.SortFunc(list, func(x, y link) int { return comparePairs(x.pair, y.pair) })
	return slices.CompactFunc(list, func(x, y link) bool { return x.pair == y.pair }), bar, err
}

// score scores the pairs worth comparing, on all processors, and returns those above
// the bar in any order.
func (s *scorer) score(ctx context.Context, b *blocks, bar float64, o Options) (list []link, err error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	work := make(chan []pair)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			s := s.another()
			var found []link
			for batch := range work {
				for _, p := range batch {
					if bits := s.bits(p.a, p.b); bits > bar {
						found = append(found, link{p, bits})
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, found...)
		})
	}
	err = s.r.candidates(ctx, b, o.progress, func(batch []pair) { work <- slices.Clone(batch) })
	close(work)
	wait.Wait()
	return list, err
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

package match

import (
	"context"
	"slices"
	"strings"
)

// Blocking finds the pairs that are worth comparing: those which share a key, such as a
// rare word of their names. Keys that many records share are combined with each other
// until few do ("dynamic blocking": McNeill, Kardes, Borthwick 2012), so that the
// frequent surname still counts together with the birthday.

const (
	maxPairsAll    = 600_000 // up to here all pairs are compared, and nothing is missed
	maxBlock       = 100     // records that share a key and are all compared with each other
	minBlock       = 12      // maxBlock is lowered to it where there would be too many pairs
	maxCommon      = 10      // frequent keys of a record that are combined
	maxCombined    = 3       // how many are combined into one
	window         = 6       // in a block that stays too large, each is compared with the next
	partitionOf    = 1 << 21 // keys that are looked at together
	fewPairs       = 500_000 // from which on a record may have
	pairsPerRecord = 12      // pairs on average
)

// blocks are the keys of all records.
type blocks struct {
	keys  []uint32
	until []uint32 // by record, where its keys end
	most  int      // records of a block
	often map[uint32]uint32
	parts uint32
	list  []entry // what a part is gathered in, again and again
}

// entry is a key and a record, sorted by key.
type entry uint64

func (e entry) key() uint32    { return uint32(e >> 32) }
func (e entry) record() uint32 { return uint32(e) }

func newBlocks(ctx context.Context, r *Records) (*blocks, error) {
	b := &blocks{until: make([]uint32, 0, r.n), often: map[uint32]uint32{}}
	cached := make([]valueKeys, len(r.columns))
	for f := range cached {
		cached[f] = r.columns[f].keys(f, r.partner[f])
	}
	most := 0
	for f := range r.columns {
		for _, id := range r.columns[f].cells {
			most += len(cached[f].of(id))
		}
	}
	b.keys = make([]uint32, 0, most)
	for i := range r.n {
		from := len(b.keys)
		for f := range r.columns {
			b.keys = append(b.keys, cached[f].of(r.columns[f].cells[i])...)
		}
		slices.Sort(b.keys[from:])
		b.keys = b.keys[:from+len(slices.Compact(b.keys[from:]))]
		b.until = append(b.until, uint32(len(b.keys)))
	}
	b.parts = uint32(len(b.keys)/partitionOf) + 1
	return b, b.limit(ctx, r.n)
}

// limit chooses how large a block may be, and finds the keys that are too frequent.
func (b *blocks) limit(ctx context.Context, n int) error {
	var pairs [maxBlock + 1]int
	sizes := map[uint32]uint32{}
	for part := range b.parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		for block := range groups(b.base(part)) {
			if len(block) > minBlock {
				sizes[block[0].key()] = uint32(len(block))
			}
			if len(block) <= maxBlock {
				pairs[len(block)] += len(block) * (len(block) - 1) / 2
			}
		}
	}
	b.most = minBlock
	sum := 0
	for size, p := range pairs {
		if sum += p; sum > fewPairs+pairsPerRecord*n {
			break
		}
		b.most = max(b.most, size)
	}
	for key, size := range sizes {
		if int(size) > b.most {
			b.often[key] = size
		}
	}
	return nil
}

func (b *blocks) of(i int) []uint32 {
	from := uint32(0)
	if i > 0 {
		from = b.until[i-1]
	}
	return b.keys[from:b.until[i]]
}

// base are the entries of a part of the keys, sorted.
func (b *blocks) base(part uint32) []entry {
	list := b.list[:0]
	for i := range b.until {
		for _, k := range b.of(i) {
			if k%b.parts == part {
				list = append(list, entry(k)<<32|entry(i))
			}
		}
	}
	b.list = list
	slices.Sort(list)
	return list
}

// common are the frequent keys of a record that are combined, the rarest first.
func (b *blocks) common(i int, into []uint32) []uint32 {
	into = into[:0]
	for _, k := range b.of(i) {
		if b.often[k] > 0 {
			into = append(into, k)
		}
	}
	slices.SortFunc(into, func(x, y uint32) int {
		if d := int(b.often[x]) - int(b.often[y]); d != 0 {
			return d
		}
		if x < y {
			return -1
		}
		return 1
	})
	into = into[:min(len(into), maxCommon)]
	slices.Sort(into)
	return into
}

// combine makes one key of two.
func combine(a, b uint32) uint32 {
	h := (uint64(a)<<32 | uint64(b)) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return uint32(h >> 32)
}

// combined are the entries of a part of the keys that combine n frequent ones; those
// of n-1 were too frequent still.
func (b *blocks) combined(n int, part uint32, often map[uint32]struct{}) []entry {
	list := b.list[:0]
	var common []uint32
	add := func(i int, key uint32) {
		if key%b.parts == part {
			list = append(list, entry(key)<<32|entry(i))
		}
	}
	for i := range b.until {
		common = b.common(i, common)
		for x := range common {
			for y := x + 1; y < len(common); y++ {
				two := combine(common[x], common[y])
				if n == 2 {
					add(i, two)
					continue
				}
				if _, frequent := often[two]; !frequent {
					continue
				}
				for z := y + 1; z < len(common); z++ {
					add(i, combine(two, common[z]))
				}
			}
		}
	}
	b.list = list
	slices.Sort(list)
	return slices.Compact(list)
}

// groups are the runs of entries with one key.
func groups(list []entry) func(yield func([]entry) bool) {
	return func(yield func([]entry) bool) {
		for len(list) > 0 {
			n := 1
			for n < len(list) && list[n].key() == list[0].key() {
				n++
			}
			if n > 1 && !yield(list[:n:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// pair is two records, the lesser number first.
type pair struct{ a, b uint32 }

// batch is how many pairs are handed on at once.
const batch = 1 << 14

// batches gathers pairs.
type batches struct {
	list []pair
	fn   func([]pair)
}

func (b *batches) add(x, y uint32) {
	if b.list = append(b.list, pair{min(x, y), max(x, y)}); len(b.list) == batch {
		b.flush()
	}
}

func (b *batches) flush() {
	b.fn(b.list)
	b.list = b.list[:0]
}

// allPairs calls fn with all pairs of few records.
func (r *Records) allPairs(ctx context.Context, fn func([]pair)) error {
	to := batches{make([]pair, 0, batch), fn}
	for i := range uint32(r.n) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for j := range i {
			to.add(i, j)
		}
	}
	to.flush()
	return nil
}

// part calls fn with the pairs that share a combination of n keys, in a part of the
// combinations, some of them several times. before are the combinations of n-1 that are
// too frequent, for those of three; those of n are noted in often.
func (b *blocks) part(n int, part uint32, before, often map[uint32]struct{}, fn func([]pair)) {
	to := batches{make([]pair, 0, batch), fn}
	var list []entry
	if n == 1 {
		list = b.base(part)
	} else {
		list = b.combined(n, part, before)
	}
	for block := range groups(list) {
		switch {
		case len(block) <= b.most:
			for x := range block {
				for y := range x {
					to.add(block[x].record(), block[y].record())
				}
			}
		case n == maxCombined:
			for x := range block {
				for y := x + 1; y < min(x+1+window, len(block)); y++ {
					to.add(block[x].record(), block[y].record())
				}
			}
		case often != nil:
			often[block[0].key()] = struct{}{}
		}
	}
	to.flush()
}

// candidates calls fn with the pairs worth comparing, some of them several times. It
// says how much of the work is done.
func (b *blocks) candidates(ctx context.Context, progress func(done, total int64), fn func([]pair)) error {
	var before map[uint32]struct{}
	total := int64(b.parts) * maxCombined
	for n := 1; n <= maxCombined; n++ {
		often := map[uint32]struct{}{}
		for part := range b.parts {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.part(n, part, before, often, fn)
			progress(int64(n-1)*int64(b.parts)+int64(part)+1, total)
		}
		before = often
	}
	return nil
}

// valueKeys are the keys of each value of a column, one after the other.
type valueKeys struct{ keys, until []uint32 }

func (k valueKeys) of(id uint32) []uint32 {
	if id == 0 {
		return nil
	}
	return k.keys[k.until[id-1]:k.until[id]]
}

func (c *column) keys(field, partner int) (all valueKeys) {
	space := field
	if partner >= 0 { // what may change places has its keys in common
		space = min(field, partner)
	}
	all.until = make([]uint32, len(c.texts))
	for id := 1; id < len(c.texts); id++ {
		v := c.value(uint32(id))
		from := len(all.keys)
		for _, key := range keysOf(c.kind, &v) {
			all.keys = append(all.keys, hash(space, key))
		}
		slices.Sort(all.keys[from:])
		all.keys = all.keys[:from+len(slices.Compact(all.keys[from:]))]
		all.until[id] = uint32(len(all.keys))
	}
	return all
}

// keysOf are the keys of a value. Texts that may stand for each other should share one.
func keysOf(k Kind, v *value) (list []string) {
	add := func(tag, key string) {
		if key != "" {
			list = append(list, tag+key)
		}
	}
	text, joined := v.text, v.joined()
	switch k {
	case Given, Family, Person:
		for i := range v.words {
			add("", nickname(v.word(i)))
			add("~", skeleton(v.word(i)))
		}
		add("", joined)
		for _, r := range v.readings {
			add("", r)
		}
		if k == Person {
			add("", v.reversed())
		}
	case Company, Address, Text:
		for i := range v.words {
			w := v.word(i)
			add("", w)
			if len(w) > 4 && !isDigit(w[0]) {
				add("~", skeleton(w))
			}
			if i > 0 {
				add("", v.word(i-1)+w)
			}
		}
		add("", joined)
		for _, r := range v.readings {
			add("", r)
		}
	case Date:
		add("", text)
		if len(text) == 8 {
			add("", text[:4]+min(text[4:6], text[6:])+max(text[4:6], text[6:]))
			add("y", text[:6])
			add("d", text[4:])
			add("m", text[:4]+text[6:])
		}
	case Phone:
		add("", text[max(0, len(text)-7):])
		add("-", text[max(0, len(text)-9):max(0, len(text)-4)])
	case Email:
		local, host, _ := strings.Cut(text, "@")
		add("", text)
		add("", local)
		if !isPublicHost(host) {
			add("@", host)
		}
	case ID:
		add("", text)
		if len(text) > 5 {
			add("<", text[:len(text)/2])
			add(">", text[len(text)/2:])
		}
	case Place:
		add("", joined)
		add("~", skeleton(joined))
	default:
		add("", joined)
	}
	return list
}

// hash is FNV-1a of a key in its space.
func hash(space int, key string) uint32 {
	h := uint32(2166136261)
	h = (h ^ uint32(space+1)) * 16777619
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return h ^ h>>15
}

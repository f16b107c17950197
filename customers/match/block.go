package match

import (
	"cmp"
	"context"
	"maps"
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
	window         = 6       // in a block that stays too large, each is compared with the next
	entriesOf      = 1 << 21 // keys of records that are looked at together
	fewPairs       = 500_000 // from which on a record may have
	pairsPerRecord = 12      // pairs on average
)

// blocks are the keys of all records, but for those that one record has alone. They are
// looked at in steps: what shares a key with others is in one step with them.
type blocks struct {
	keys   []uint32 // of each record first those that are combined, rising, then those that few have
	until  []uint32 // by record, where its keys end
	common []uint8  // by record, how many of its keys are combined
	most   int      // records of a block
	// narrow is that there would be too many pairs: combinations have small blocks then, and
	// what many have in common in three ways says nothing.
	narrow bool
	// single and combined are the steps for the keys that few have, and for the
	// combinations.
	single, combined uint32
}

// entry is a key and a record, sorted by key.
type entry uint64

func entryOf(key uint32, record int) entry { return entry(key)<<32 | entry(record) }

func (e entry) key() uint32    { return uint32(e >> 32) }
func (e entry) record() uint32 { return uint32(e) }

func newBlocks(ctx context.Context, r *Records) (*blocks, error) {
	b := &blocks{until: make([]uint32, 0, r.n), common: make([]uint8, r.n)}
	b.gather(r)
	often, err := b.limit(ctx, r.n)
	if err != nil {
		return nil, err
	}
	b.arrange(often)
	return b, nil
}

// gather finds the keys of all records.
func (b *blocks) gather(r *Records) {
	cached := make([]valueKeys, len(r.columns))
	most := 0
	for f := range cached {
		c := &r.columns[f]
		cached[f] = c.keys(f, r.partner[f])
		for _, id := range c.cells {
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
}

// noKey takes the place of a key that was dropped.
const noKey = 0

// limit chooses how large a block may be, and returns the keys that are too frequent, with
// how many records have them. It drops those that one record has alone.
func (b *blocks) limit(ctx context.Context, n int) (often map[uint32]uint32, err error) {
	var pairs [maxBlock + 1]int
	often = map[uint32]uint32{}
	parts := uint32(len(b.keys)/entriesOf) + 1
	list := entries(len(b.keys), parts)
	for part := range parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		list = b.few(list[:0], part, parts)
		for block := range groups(list) {
			if len(block) == 1 {
				b.drop(block[0])
			}
			if len(block) > minBlock {
				often[block[0].key()] = uint32(len(block))
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
			b.narrow = true
			break
		}
		b.most = max(b.most, size)
	}
	maps.DeleteFunc(often, func(_, size uint32) bool { return int(size) <= b.most })
	return often, nil
}

// drop takes a key from a record.
func (b *blocks) drop(e entry) {
	keys := b.of(e.record())
	keys[slices.Index(keys, e.key())] = noKey
}

func (b *blocks) of(i uint32) []uint32 {
	from := uint32(0)
	if i > 0 {
		from = b.until[i-1]
	}
	return b.keys[from:b.until[i]]
}

// arrange puts the keys of each record in order, leaves out those that are of no use, and
// counts the steps.
func (b *blocks) arrange(often map[uint32]uint32) {
	var few, combinations int
	var keys, common []uint32
	from, to := uint32(0), uint32(0)
	for i, until := range b.until {
		keys, common = append(keys[:0], b.keys[from:until]...), common[:0]
		from = until
		for _, k := range keys {
			if often[k] > 0 {
				common = append(common, k)
			}
		}
		common = rarest(common, often)
		to += uint32(copy(b.keys[to:], common))
		for _, k := range keys {
			if k != noKey && often[k] == 0 {
				b.keys[to] = k
				to++
				few++
			}
		}
		b.until[i], b.common[i] = to, uint8(len(common))
		combinations += len(common) * (len(common) - 1) / 2
	}
	b.keys = slices.Clone(b.keys[:to])
	b.single, b.combined = uint32(few/entriesOf)+1, uint32((combinations+entriesOf-1)/entriesOf)
}

// rarest are the frequent keys of a record that are combined, rising.
func rarest(common []uint32, often map[uint32]uint32) []uint32 {
	slices.SortFunc(common, func(x, y uint32) int { return cmp.Or(cmp.Compare(often[x], often[y]), cmp.Compare(x, y)) })
	common = common[:min(len(common), maxCommon)]
	slices.Sort(common)
	return common
}

// entries has room for a part of so many.
func entries(n int, parts uint32) []entry {
	each := n / int(max(parts, 1))
	return make([]entry, 0, each+each/8)
}

// in reports whether a key is in a part of all keys.
func in(part, parts, key uint32) bool {
	return uint32(uint64(key*0x9E3779B1)*uint64(parts)>>32) == part
}

// few are the keys that are not combined, of a part of them, sorted.
func (b *blocks) few(list []entry, part, parts uint32) []entry {
	from := uint32(0)
	for i, until := range b.until {
		for _, k := range b.keys[from+uint32(b.common[i]) : until] {
			if in(part, parts, k) && k != noKey {
				list = append(list, entryOf(k, i))
			}
		}
		from = until
	}
	slices.Sort(list)
	return list
}

// combine makes one key of two.
func combine(a, b uint32) uint32 {
	h := (uint64(a)<<32 | uint64(b)) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return uint32(h >> 32)
}

// frequent are the keys of a record that are combined.
func (b *blocks) frequent(i uint32) []uint32 { return b.of(i)[:b.common[i]] }

// twos are the combinations of two keys, of a part of them, sorted.
func (b *blocks) twos(list []entry, part, parts uint32) []entry {
	for i := range b.until {
		common := b.frequent(uint32(i))
		for x, k := range common {
			for _, l := range common[x+1:] {
				if two := combine(k, l); in(part, parts, two) {
					list = append(list, entryOf(two, i))
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// threes are the combinations of a third key with those two that all of a block have, of a
// part of them, sorted.
func (b *blocks) threes(list, block []entry, part, parts uint32) []entry {
	two := block[0].key()
	for _, e := range block {
		common := b.frequent(e.record())
		for x, k := range common {
			for y := x + 1; y < len(common); y++ {
				if combine(k, common[y]) != two {
					continue
				}
				for _, l := range common[y+1:] {
					if three := combine(two, l); in(part, parts, three) {
						list = append(list, entryOf(three, int(e.record())))
					}
				}
			}
		}
	}
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
			if !yield(list[:n:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// steps is how many steps there are.
func (b *blocks) steps() int { return int(b.single) + int(b.combined) }

// walk goes through the blocks step by step. One goroutine uses it.
type walk struct {
	*blocks

	list, third []entry // what a step is gathered in, again and again
}

// step calls fn with the pairs that share a key, or keys that are combined, some of them
// several times.
func (w *walk) step(ctx context.Context, step int, fn func([]pair)) error {
	to := &batches{ctx: ctx, list: make([]pair, 0, batch), fn: fn}
	most := w.most
	if part := uint32(step); part < w.single {
		w.list = w.few(w.list[:0], part, w.single)
	} else {
		w.list = w.twos(w.list[:0], part-w.single, w.combined)
		if w.narrow {
			most = minBlock
		}
	}
	for block := range groups(w.list) {
		if len(block) <= most {
			to.all(block)
		} else {
			w.split(block, most, to)
		}
		if to.err != nil {
			return to.err
		}
	}
	to.flush()
	return to.err
}

// split makes blocks of one that is too large by a third key.
func (w *walk) split(block []entry, most int, to *batches) {
	parts := uint32(len(block)*(maxCommon-2)/entriesOf) + 1
	for part := range parts {
		w.third = w.threes(w.third[:0], block, part, parts)
		for block := range groups(w.third) {
			switch {
			case len(block) <= most:
				to.all(block)
			case !w.narrow:
				to.neighbours(block)
			}
		}
	}
}

// pair is two records, the lesser number first.
type pair struct{ a, b uint32 }

// batch is how many pairs are handed on at once.
const batch = 1 << 14

// batches gathers pairs, until the context ends.
type batches struct {
	ctx  context.Context //nolint:containedctx // of one call
	list []pair
	fn   func([]pair)
	err  error
}

func (b *batches) add(x, y uint32) {
	if b.list = append(b.list, pair{min(x, y), max(x, y)}); len(b.list) == batch {
		b.flush()
	}
}

func (b *batches) flush() {
	if b.err = b.ctx.Err(); b.err == nil {
		b.fn(b.list)
	}
	b.list = b.list[:0]
}

// all adds all pairs of a block.
func (b *batches) all(block []entry) {
	for x := range block {
		for y := range x {
			b.add(block[x].record(), block[y].record())
		}
	}
}

// neighbours adds each of a block with the next ones.
func (b *batches) neighbours(block []entry) {
	for x := range block {
		for y := x + 1; y < min(x+1+window, len(block)); y++ {
			b.add(block[x].record(), block[y].record())
		}
	}
}

// allPairs calls fn with all pairs of few records.
func (r *Records) allPairs(ctx context.Context, fn func([]pair)) error {
	to := batches{ctx: ctx, list: make([]pair, 0, batch), fn: fn}
	for i := range uint32(r.n) {
		for j := range i {
			to.add(i, j)
		}
	}
	to.flush()
	return to.err
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
	return max(h^h>>15, noKey+1)
}

package match

import (
	"hash/maphash"
	"strings"
)

// interned finds the number of a text among those that are numbered. It takes an eighth of
// what a map of texts would, since it keeps none: most columns have as many texts as there
// are records.
type interned struct {
	seed  maphash.Seed
	slots []uint32 // numbers, by the hash of their texts; 0 is none
	n     int
	chunk strings.Builder
}

const (
	firstSlots = 64
	chunkBytes = 1 << 16
)

func newInterned() *interned {
	return &interned{seed: maphash.MakeSeed(), slots: make([]uint32, firstSlots)}
}

// find returns the number of a text, or the next one, which it has from then on.
func (t *interned) find(text string, texts []string) (id uint32, known bool) {
	if 4*t.n >= 3*len(t.slots) {
		old := t.slots
		t.slots = make([]uint32, 2*len(old))
		for _, id := range old {
			if id != 0 {
				t.slots[t.slot(texts[id], texts)] = id
			}
		}
	}
	at := t.slot(text, texts)
	if id = t.slots[at]; id != 0 {
		return id, true
	}
	id = uint32(len(texts)) // Records have no more
	t.slots[at] = id
	t.n++
	return id, false
}

// slot is where a text's number is, or would be.
func (t *interned) slot(text string, texts []string) int {
	mask := uint64(len(t.slots) - 1)
	for at := maphash.String(t.seed, text) & mask; ; at = (at + 1) & mask {
		if id := t.slots[at]; id == 0 || texts[id] == text {
			return int(at) // an index
		}
	}
}

// keep returns a copy of a text that shares its memory with others.
func (t *interned) keep(text string) string {
	if t.chunk.Cap()-t.chunk.Len() < len(text) {
		t.chunk = strings.Builder{}
		t.chunk.Grow(chunkBytes)
	}
	from := t.chunk.Len()
	t.chunk.WriteString(text)
	return t.chunk.String()[from:]
}

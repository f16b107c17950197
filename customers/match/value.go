package match

import (
	"math"
	"slices"
	"strings"
)

// maxWords is how many words of a value are looked at.
const maxWords = 12

// value is what a field of a record says, in normal form. Comparing is done a million
// times a second, so that what is needed for it is at hand: most values that differ are
// told apart by the letters they are made of.
type value struct {
	text     string // words with one space between
	readings []string
	letters  uint64 // of text, without spaces
	words    []uint32
	of       *vocabulary
	han      bool
}

// vocabulary is the words of a field's values. A word is its number here.
type vocabulary struct {
	texts   []string
	letters []uint64
	counts  []uint32  // how many records have the word
	weights []float64 // how much it counts, once all are counted
	number  map[string]uint32
}

func newVocabulary() *vocabulary { return &vocabulary{number: map[string]uint32{}} }

// add returns the number of a word.
func (v *vocabulary) add(word string) uint32 {
	id, ok := v.number[word]
	if !ok {
		id = uint32(len(v.texts))
		v.number[word] = id
		v.texts = append(v.texts, word)
		v.letters = append(v.letters, letters(word))
		v.counts = append(v.counts, 0)
	}
	return id
}

// weigh gives each word its weight: more if it is rare (its inverse document frequency;
// Spärck Jones 1972).
func (v *vocabulary) weigh(records float64) {
	v.weights = make([]float64, len(v.counts))
	for w, n := range v.counts {
		v.weights[w] = math.Log(1 + records/float64(max(n, 1)))
	}
}

// weight is how much a word counts; all the same before they are counted.
func (v *vocabulary) weight(w uint32) float64 {
	if v.weights == nil {
		return 1
	}
	return v.weights[w]
}

// The normal form is kept as one string: the text, and after it the readings of a
// Chinese name, each behind a zero byte.

func pack(text string, readings []string) string {
	if len(readings) == 0 {
		return text
	}
	return text + "\x00" + strings.Join(readings, "\x00")
}

// unpack makes a value ready to be compared, its words added to a vocabulary.
func unpack(k Kind, packed string, of *vocabulary) (v value) {
	text, rest, ok := strings.Cut(packed, "\x00")
	if v.text = text; ok {
		v.readings = strings.Split(rest, "\x00")
	}
	v.han = ok || hasHan(text)
	v.letters = letters(text)
	v.of = of
	if k.hasWords() {
		list := words(text)
		for _, w := range list[:min(len(list), maxWords)] {
			v.words = append(v.words, of.add(w))
		}
	}
	return v
}

// hasWords reports whether values of a kind are compared word by word.
func (k Kind) hasWords() bool {
	switch k {
	case Given, Family, Person, Company, Address, Place, Text:
		return true
	}
	return false
}

// word is the text of a word.
func (v *value) word(i int) string { return v.of.texts[v.words[i]] }

// has reports whether a word is among those of a value.
func (v *value) has(word uint32) bool { return slices.Contains(v.words, word) }

func (v *value) joined() string { return strings.ReplaceAll(v.text, " ", "") }

// equal reports whether two values are the same but for gaps between words.
func (v *value) equal(o *value) bool {
	return v.letters == o.letters && (v.text == o.text || v.joined() == o.joined())
}

// reversed is the words joined from the last to the first.
func (v *value) reversed() string {
	list := strings.Fields(v.text)
	slices.Reverse(list)
	return strings.Join(list, "")
}

// slips reports whether two values are no more slips apart than their length allows, and
// how many.
func (v *value) slips(o *value, most int) bool {
	if most <= 0 || far(v.letters, o.letters, most) {
		return false
	}
	return slips(v.joined(), o.joined(), most) <= most
}

// normal is the normal form of a text in a field of some kind; empty if it says
// nothing.
func (read reader) normal(k Kind, text string) string {
	if nothing(text) {
		return ""
	}
	switch k {
	case Given, Family:
		name := strings.Join(personWords(text), " ")
		return pack(name, read.readings(name))
	case Person:
		list := personWords(text)
		name := strings.Join(list, " ")
		slices.Sort(list)
		return pack(strings.Join(list, " "), read.readings(name))
	case Company:
		name := company(text)
		return pack(name, read.readings(name))
	case Address:
		return address(text)
	case Date:
		return day(text)
	case Phone:
		return phone(text)
	case Email:
		return email(text)
	case Web:
		return web(text)
	case ID:
		return strings.TrimLeft(alphanumeric(text), "0")
	case Code:
		return strings.TrimLeft(alphanumeric(text), "0")
	}
	return fold(text)
}

// nothing reports whether a text stands for an absent value.
func nothing(s string) bool {
	s = strings.TrimSpace(s)
	if len(s) > 12 {
		return false
	}
	switch strings.ToLower(s) {
	case "", "-", "--", "—", ".", "?", "n/a", "na", "n.a.", "none", "null", "nil", "nan", "unknown", "无", "未知", "暂无":
		return true
	}
	return false
}

// reason is why two values agree as far as they do.
type reason uint8

const (
	different reason = iota
	same
	slip
	nick
	initial
	alike
	part
	reading
	wordsShared
	exchanged
	dayMonth
	ending
	numbers
	mailbox
	domain
)

func (r reason) String() string {
	return [...]string{
		"different", "the same", "the same but for a slip", "a short form of the name", "an initial", "alike", "one is a part of the other",
		"read alike", "words in common", "exchanged with the neighbouring field", "day and month exchanged", "the same ending",
		"the same street, another number", "the same mailbox name", "the same domain",
	}[r]
}

// agreement is what a comparison found.
type agreement struct {
	level  Level
	why    reason
	whole  bool   // the values agree as a whole: how rare they are counts
	shared uint32 // or this word of theirs does, by its number plus 1
}

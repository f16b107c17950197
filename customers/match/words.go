package match

import "strings"

// compareText compares texts of which nothing is known.
func compareText(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	return compareWords(a, b)
}

// compareWords compares texts by their words, each weighted by how rare it is, with
// slips and abbreviations of words (a soft TF-IDF: Cohen, Ravikumar, Fienberg 2003).
func compareWords(a, b *value) agreement {
	found := overlap(a, b)
	switch {
	case found.exact && len(a.words) == len(b.words):
		return agreement{level: Same, why: same, whole: true}
	case found.both >= .9:
		return agreement{level: Near, why: slip, shared: found.rarest}
	}
	if a.slips(b, allowed(min(len(a.text), len(b.text)))) && sameDigits(a.text, b.text) {
		return agreement{level: Near, why: slip}
	}
	switch {
	case found.both >= .65, found.less >= .99 && found.both >= .4:
		return agreement{level: Close, why: wordsShared, shared: found.rarest}
	case found.both >= .35, found.less >= .99:
		return agreement{level: Distant, why: wordsShared, shared: found.rarest}
	}
	return agreement{level: Differ, why: different}
}

// sameDigits reports whether two texts have the same digits in the same order: House 5
// and House 6 are not the same but for a slip.
func sameDigits(a, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && !isDigit(a[i]) {
			i++
		}
		for j < len(b) && !isDigit(b[j]) {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i] != b[j] {
			return false
		}
		i++
		j++
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// common is what the words of two values have in common, as parts of 1.
type common struct {
	both   float64 // of both lists
	less   float64 // of the list of which more is in the other
	exact  bool    // all words are the same
	rarest uint32  // the rarest word that is in both, by its number plus 1
}

func overlap(a, b *value) (c common) {
	var likeB [maxWords]float64
	var inA, allA, inB, allB, rarest float64
	c.exact = true
	for _, x := range a.words {
		w := a.of.weight(x)
		best := 0.
		for j, y := range b.words {
			l := likeWord(a.of, x, y)
			best, likeB[j] = max(best, l), max(likeB[j], l)
		}
		if best < 1 {
			c.exact = false
		} else if w > rarest {
			rarest, c.rarest = w, x+1
		}
		inA += w * best
		allA += w
	}
	for j, y := range b.words {
		w := b.of.weight(y)
		inB += w * likeB[j]
		allB += w
		c.exact = c.exact && likeB[j] == 1
	}
	if inA == 0 || inB == 0 {
		return common{}
	}
	c.both = (inA + inB) / (allA + allB)
	c.less = max(inA/allA, inB/allB)
	return c
}

// likeWord is how alike two words of a text are, from 0 to 1. Numbers are the same or
// not.
func likeWord(of *vocabulary, x, y uint32) float64 {
	if x == y {
		return 1
	}
	a, b := of.texts[x], of.texts[y]
	if min(len(a), len(b)) < 3 || isDigit(a[0]) || isDigit(b[0]) || a[0] >= 0x80 {
		return 0
	}
	if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
		return .85
	}
	if most := allowed(max(len(a), len(b))); most > 0 && !far(of.letters[x], of.letters[y], most) && slips(a, b, most) <= most {
		return .85
	}
	return 0
}

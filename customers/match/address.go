package match

import (
	"strings"
)

// street is the word that an abbreviation in an address stands for, in its shortest
// usual form; else the word itself. The list follows appendix C of USPS Publication 28.
func street(w string) string {
	switch w {
	case "street", "str", "sts", "streets", "st":
		return "st"
	case "avenue", "aven", "avn", "av", "aves", "avenues":
		return "ave"
	case "boulevard", "blv", "boul", "bl":
		return "blvd"
	case "road":
		return "rd"
	case "drive", "drv":
		return "dr"
	case "lane":
		return "ln"
	case "court", "crt":
		return "ct"
	case "place":
		return "pl"
	case "square", "sqr":
		return "sq"
	case "circuit", "circ", "circle":
		return "cir"
	case "crescent", "cresc":
		return "cres"
	case "close":
		return "cl"
	case "parade":
		return "pde"
	case "terrace", "terr":
		return "ter"
	case "highway", "hway":
		return "hwy"
	case "parkway", "pky":
		return "pkwy"
	case "expressway":
		return "expy"
	case "freeway":
		return "fwy"
	case "alley":
		return "aly"
	case "plaza":
		return "plz"
	case "mount":
		return "mt"
	case "north", "no":
		return "n"
	case "south", "so":
		return "s"
	case "east":
		return "e"
	case "west":
		return "w"
	case "northeast":
		return "ne"
	case "northwest":
		return "nw"
	case "southeast":
		return "se"
	case "southwest":
		return "sw"
	case "apartment", "apt", "unit", "suite", "ste", "flat", "room", "rm", "lot", "villa":
		return "unit"
	case "floor", "fl", "level", "lvl":
		return "floor"
	case "building", "bldg":
		return "bldg"
	case "center", "centre":
		return "ctr"
	case "strasse", "straße":
		return "str"
	case "first":
		return "1st"
	case "second":
		return "2nd"
	case "third":
		return "3rd"
	case "fourth":
		return "4th"
	case "fifth":
		return "5th"
	case "sixth":
		return "6th"
	case "seventh":
		return "7th"
	case "eighth":
		return "8th"
	case "ninth":
		return "9th"
	case "tenth":
		return "10th"
	}
	return w
}

// address is a line of an address in normal form: folded, its usual words abbreviated.
func address(s string) string {
	list := strings.Fields(dotless(s))
	for i, w := range list {
		list[i] = street(w)
	}
	return strings.Join(list, " ")
}

// compareAddress compares lines of addresses. Where both have numbers and none is the
// same, it is another house.
func compareAddress(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	found := compareWords(a, b)
	if found.level > Distant && otherNumber(a, b) {
		return agreement{level: Distant, why: numbers, shared: found.shared}
	}
	return found
}

// otherNumber reports whether both have numbers, and none in common.
func otherNumber(a, b *value) bool {
	numbered := [2]bool{}
	for i, x := range a.words {
		if isDigit(a.word(i)[0]) {
			if numbered[0] = true; b.has(x) {
				return false
			}
		}
	}
	for i := range b.words {
		numbered[1] = numbered[1] || isDigit(b.word(i)[0])
	}
	return numbered[0] && numbered[1]
}

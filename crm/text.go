package crm

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of s in which texts are compared that differ only in case,
// accents, width, spacing and invisible characters: "ＭÜLLER  Straße" and "Muller
// strasse" fold to the same. It is for comparing, never for showing.
//
// It is Unicode's compatibility normal form NFKC (UAX 15, where wide and narrow
// forms of a character are one) after full case folding, with these changes:
//   - Accents are taken off Latin, Greek and Cyrillic letters, and only those: in
//     other scripts they make another letter, as ガ is not カ.
//   - Latin letters that Unicode does not see as accented lose what they have: ł is
//     l, ø is o, đ and ð are d, ħ is h, ŧ is t, ı is i; æ is ae, œ is oe, þ is th.
//   - Characters that cannot be seen (zero width, direction, soft hyphen, variation
//     selectors) are left out.
//   - White space is one space between words and none at the ends.
//   - Bytes that are not UTF-8 are U+FFFD.
//
// Folding what is folded changes nothing. The result may be longer than s.
func Fold(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	// Decomposed, so that accents are characters of their own; composed again at
	// the end, so that the folded form is also the one people's programs write.
	s = cases.Fold().String(withoutAccents(norm.NFKD.String(s)))
	return norm.NFKC.String(withoutStrokes(s))
}

// foldASCII folds what has ASCII characters only, as most text has.
func foldASCII(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	space := false // one is due before the next character
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return "", false
		case c == ' ' || '\t' <= c && c <= '\r':
			space = len(b) > 0
			continue
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		if space {
			b = append(b, ' ')
			space = false
		}
		b = append(b, c)
	}
	return string(b), true
}

// withoutAccents takes decomposed text and leaves out accents where [Fold] says so
// and characters that cannot be seen.
func withoutAccents(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	bare := false // the last letter sheds its accents
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			bare = isLetter(byte(r))
		case isInvisible(r):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			if bare {
				continue
			}
		default:
			bare = unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// isInvisible reports whether r is nothing to see. The iota subscript is taken in,
// which as a mark of its own would fold to a letter, and the grapheme joiner, which
// normalising puts into long runs of marks by itself.
func isInvisible(r rune) bool {
	const iotaSubscript, graphemeJoiner = '\u0345', '\u034F'
	switch {
	case r == iotaSubscript, r == graphemeJoiner:
		return true
	case unicode.Is(unicode.Cf, r): // but for signs that enclose the digits after them
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

// withoutStrokes takes folded text, spells out letters that do not decompose and
// makes white space of every kind one space between words.
func withoutStrokes(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false // one is due before the next character
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		if plain := plainLetter(r); plain != "" {
			b.WriteString(plain)
		} else {
			b.WriteRune(cherokee(r))
		}
	}
	return b.String()
}

// cherokee returns the capital of a Cherokee letter. Those fold to capitals (Unicode
// 15, 5.18), but x/text swaps the two.
func cherokee(r rune) rune {
	switch {
	case 'ꭰ' <= r && r <= 'ꮿ':
		return r - 'ꭰ' + 'Ꭰ'
	case 'ᏸ' <= r && r <= 'ᏽ':
		return r - 'ᏸ' + 'Ᏸ'
	}
	return r
}

// plainLetter returns what stands for a letter that does not decompose, or "".
func plainLetter(r rune) string {
	switch r {
	case 'æ':
		return "ae"
	case 'đ', 'ð':
		return "d"
	case 'ħ':
		return "h"
	case 'ı':
		return "i"
	case 'ł':
		return "l"
	case 'ø':
		return "o"
	case 'œ':
		return "oe"
	case 'ŧ':
		return "t"
	case 'þ':
		return "th"
	}
	return ""
}

// sortKeyVersion is raised when sortKey gives other keys than before, as it may with
// a new release of x/text. Keys of two versions don't compare: stored ones are to
// be made anew.
const sortKeyVersion = 1

const (
	maxSortKey  = 255 // bytes
	maxSortText = 512 // characters that can matter to a key
)

// collators make keys, one at a time.
type collators struct {
	other, chinese *collate.Collator
	buffer         collate.Buffer
}

// idleCollators are spare ones: a fresh pair costs more time and memory than a key.
//
//nolint:gochecknoglobals // spare memory, all of it alike
var idleCollators = sync.Pool{New: func() any {
	return &collators{other: collate.New(language.Und), chinese: collate.New(language.Chinese)}
}}

// sortKey returns a key of at most 255 bytes that sorts, bytewise, as people expect
// of s: by the Unicode collation algorithm (UTS 10) in the order of CLDR, where
// Han characters come after all other scripts, by pinyin. Accents count after
// letters, and case after accents; digits sort as characters, not numbers; space
// around s does not count.
//
// Equal keys are no proof of equal texts, since what exceeds the key is cut off.
func sortKey(s string) []byte {
	c, _ := idleCollators.Get().(*collators)
	defer idleCollators.Put(c)
	s = prefix(strings.TrimSpace(s), maxSortText)
	collation := c.other
	if hasCJK(s) {
		collation = c.chinese
	}
	c.buffer.Reset()
	key := collation.KeyFromString(&c.buffer, s)
	// Any cut keeps the order: of two byte strings the lesser has no greater prefix.
	// What maxSortText left out would be cut too: a character has two bytes or more.
	return bytes.Clone(key[:min(len(key), maxSortKey)])
}

// hasCJK reports whether s needs the Chinese collation. That one puts accented vowels
// in the order of the tones of pinyin, before the plain vowel, which nobody expects
// of José. All other characters below the blocks of CJK have equal weights in both,
// so that keys of both compare.
func hasCJK(s string) bool {
	const firstCJK = '\u2E80'
	return strings.IndexFunc(s, func(r rune) bool { return r >= firstCJK }) >= 0
}

// prefix returns the first n characters of s.
func prefix(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

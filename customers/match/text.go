package match

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"golang.org/x/text/unicode/norm"
)

// maxText is how many bytes of a value are looked at: what is longer is no name.
const maxText = 300

// cut shortens a text to maxText bytes, at a character's border.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for !utf8.ValidString(s) && s != "" {
		s = s[:len(s)-1]
	}
	return s
}

// fold is a text without what people write differently: case, accents, width,
// punctuation. Words are separated by one space; an apostrophe joins (O'Brien), an
// ampersand is the word and.
func fold(s string) string {
	s = cut(strings.ToValidUTF8(s, ""))
	if plain(s) {
		return s
	}
	var b strings.Builder
	gap := false
	add := func(text string) {
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteString(text)
	}
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == '‘', r == '`', r == 'ʼ':
		case r == '&' || r == '+':
			gap = true
			add("and")
			gap = true
		case r == 'ß':
			add("ss")
		case r == 'ø' || r == 'Ø':
			add("o")
		case r == 'æ' || r == 'Æ':
			add("ae")
		case r == 'œ' || r == 'Œ':
			add("oe")
		case r == 'ł' || r == 'Ł':
			add("l")
		case r == 'đ' || r == 'Đ' || r == 'ð':
			add("d")
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			add(string(unicode.ToLower(r)))
		default:
			gap = true
		}
	}
	return norm.NFC.String(b.String())
}

// plain reports whether a text is folded already, as most are in a file that was
// cleaned before.
func plain(s string) bool {
	space := true
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ':
			if space {
				return false
			}
			space = true
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			space = false
		default:
			return false
		}
	}
	return !space
}

// digits are the digits of a text, full-width ones too.
func digits(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKC.String(cut(s)) {
		if r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// alphanumeric is a folded text without its gaps.
func alphanumeric(s string) string { return strings.ReplaceAll(fold(s), " ", "") }

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// hasHan reports whether there is a Chinese character in a text.
func hasHan(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.ContainsFunc(s, isHan)
		}
	}
	return false
}

// bigrams are the pairs of neighbouring characters of a Chinese text, which has no
// words one can see.
func bigrams(s string) (list []string) {
	chars := []rune(s)
	if len(chars) == 1 {
		return []string{s}
	}
	for i := 1; i < len(chars); i++ {
		list = append(list, string(chars[i-1:i+1]))
	}
	return list
}

// words are the words of a folded text; of its Chinese runs, the bigrams.
func words(s string) (list []string) {
	for w := range strings.FieldsSeq(s) {
		if !hasHan(w) {
			list = append(list, w)
			continue
		}
		from, han := 0, false
		flush := func(to int) {
			if from == to {
				return
			}
			if han {
				list = append(list, bigrams(w[from:to])...)
			} else {
				list = append(list, w[from:to])
			}
			from = to
		}
		for i, r := range w {
			if isHan(r) != han {
				flush(i)
				han = !han
			}
		}
		flush(len(w))
	}
	return list
}

// slips is how many slips of the pen lie between two texts: a letter added, left out
// or replaced (Levenshtein 1965), or two neighbours swapped (Damerau 1964; this one is
// recognised when it is the only slip). It is more than most if there are more.
func slips(a, b string, most int) int {
	if a == b {
		return 0
	}
	la, lb := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if la-lb > most || lb-la > most {
		return most + 1
	}
	if far(letters(a), letters(b), most) {
		return most + 1
	}
	if la == lb && transposed(a, b) {
		return 1
	}
	return levenshtein.ComputeDistance(a, b)
}

// transposed reports whether two texts differ by two neighbours that changed places.
func transposed(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	ra, na := utf8.DecodeRuneInString(a[i:])
	rb, nb := utf8.DecodeRuneInString(b[i:])
	return i+na+nb <= len(a) && strings.HasPrefix(a[i+na:], string(rb)) && strings.HasPrefix(b[i+nb:], string(ra)) && a[i+na+nb:] == b[i+na+nb:]
}

// letters is the set of letters of a text, in 64 bits, without the space.
func letters(s string) (set uint64) {
	for i := range len(s) {
		if s[i] != ' ' {
			set |= 1 << (s[i] & 63)
		}
	}
	return set
}

// far reports whether texts of these letters are more than so many slips apart: each
// slip changes at most one letter of either.
func far(a, b uint64, most int) bool {
	return bits.OnesCount64(a&^b) > most || bits.OnesCount64(b&^a) > most
}

// allowed is how many slips make a text of n characters another one.
func allowed(n int) int {
	switch {
	case n < 4:
		return 0
	case n < 9:
		return 1
	case n < 16:
		return 2
	}
	return 3
}

// skeleton is how a word sounds, roughly: its first letter and its consonants without
// repetition, at most four.
func skeleton(s string) string {
	var b []byte
	for i := range len(s) {
		c := s[i]
		switch c {
		case 'a', 'e', 'i', 'o', 'u', 'y', 'h', 'w', ' ':
			if len(b) > 0 || c == ' ' {
				continue
			}
		case 'q', 'k':
			c = 'c'
		case 'z':
			c = 's'
		case 'v':
			c = 'f'
		}
		if len(b) > 0 && b[len(b)-1] == c {
			continue
		}
		if b = append(b, c); len(b) == 5 {
			break
		}
	}
	return string(b)
}

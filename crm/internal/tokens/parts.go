package tokens

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parts goes through the parts of a text.
func parts(text string) iter.Seq[part] {
	return func(yield func(part) bool) {
		before, checked := ' ', 0 // up to checked it is known that there is no address
		for at := 0; at < len(text); {
			var p part
			if at >= checked && !isWord(before) {
				p, checked = addressAt(text, at)
			}
			r, n := utf8.DecodeRuneInString(text[at:])
			switch {
			case p.kind == address:
				n, r = checked-at, ' '
			case !isWord(before) && startsPhone(r) && phoneEnd(text[at:]) > 0:
				n = phoneEnd(text[at:])
				p, r = part{phone, text[at : at+n]}, '0'
			case isWord(r) || isUnspaced(r):
				p = next(text[at:])
				n = len(p.text)
				r, _ = utf8.DecodeLastRuneInString(p.text)
			}
			if p.kind != 0 && !yield(p) {
				return
			}
			at, before = at+n, r
		}
	}
}

// addressAt returns the address that may begin at a place of a text, and up to where
// it looked.
func addressAt(text string, at int) (part, int) {
	chunk := text[at:]
	if n := strings.IndexFunc(chunk, endsAddress); n >= 0 {
		chunk = chunk[:n]
	}
	if a := strings.Trim(chunk, ".-_'"); strings.Contains(a, "@") && strings.Trim(a, "@") != "" {
		return part{address, a}, at + len(chunk)
	}
	return part{}, at + len(chunk)
}

func startsPhone(r rune) bool { return r == '+' || r == '(' || isDigit(r) }

// simple goes through a text of words and runs alone.
func simple(text string) iter.Seq[part] {
	return func(yield func(part) bool) {
		for text != "" {
			p := next(text)
			if !yield(p) {
				return
			}
			text = text[len(p.text):]
		}
	}
}

// next is the word or the run that a text begins with.
func next(text string) part {
	first, at := utf8.DecodeRuneInString(text)
	if isUnspaced(first) {
		for at < len(text) {
			r, n := utf8.DecodeRuneInString(text[at:])
			if !isUnspaced(r) {
				break
			}
			at += n
		}
		return part{run, text[:at]}
	}
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if isApostrophe(r) { // within a word alone
			after, _ := utf8.DecodeRuneInString(text[at+n:])
			if !unicode.IsLetter(after) || isUnspaced(after) || isApostrophe(after) {
				break
			}
		} else if !isWord(r) {
			break
		}
		at += n
	}
	return part{word, text[:at]}
}

// phoneEnd returns where the number ends that a text begins with, or 0 when that is
// none.
func phoneEnd(text string) int {
	end, count := 0, 0
	group, gap := 0, 0 // digits of the group at hand, characters since the one before
	for at, c := range text {
		if isDigit(c) {
			gap = 0
			if group++; count+group > maxPhone {
				break
			}
			continue
		}
		if group > 0 && isWord(c) { // it belongs to a word
			group = 0
			break
		}
		if group > 0 {
			count, group, end = count+group, 0, at
		}
		if gap++; gap > maxGap || c == '+' && at > 0 || !strings.ContainsRune("+ -./()", c) {
			break
		}
	}
	if group > 0 && count+group <= maxPhone {
		count, end = count+group, len(text)
	}
	if count < minPhone {
		return 0
	}
	return end
}

// digits are a number's digits alone.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if isDigit(r) {
			return r
		}
		return -1
	}, text)
}

// plain gives a folded text the digits 0 to 9, and takes off the marks that Arabic and
// Hebrew write or leave out at will.
func plain(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= firstMarked }) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < firstMarked:
			return r
		case isVowelSign(r):
			return -1
		case unicode.IsDigit(r):
			return '0' + digitValue(r)
		}
		return r
	}, text)
}

// firstMarked is the first character of Hebrew.
const firstMarked = '\u0590'

// isVowelSign reports whether r is a point of Hebrew, a sign above or below a letter
// of Arabic, or the stroke that lengthens one.
func isVowelSign(r rune) bool {
	const tatweel = '\u0640'
	switch {
	case r > '\u08FF':
		return false
	case r == tatweel:
		return true
	}
	return unicode.Is(unicode.Mn, r) && (r <= '\u06ED' || r >= '\u08CA')
}

// digitValue is what a decimal digit stands for: those of a script follow each other.
func digitValue(r rune) rune {
	for _, x := range unicode.Nd.R16 {
		if r <= rune(x.Hi) {
			return (r - rune(x.Lo)) % 10
		}
	}
	for _, x := range unicode.Nd.R32 {
		if r <= rune(x.Hi) {
			return (r - rune(x.Lo)) % 10
		}
	}
	return 0
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// isWord reports whether r is of a word written between spaces.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || isDigit(r) || 'A' <= r && r <= 'Z'
	}
	return (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) && !isUnspaced(r) && !isApostrophe(r)
}

// isUnspaced reports whether r is of a script that writes no spaces between words, or
// whose words are found within others (Korean).
func isUnspaced(r rune) bool {
	const prolonged = 'ー' // of both kana, and so of neither
	if r < '\u0E00' {
		return false
	}
	return r == prolonged || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func isApostrophe(r rune) bool { return r == '\'' || r == '’' || r == '‘' || r == 'ʼ' }

// joined is a word without its apostrophes.
func joined(text string) string {
	return strings.Map(func(r rune) rune {
		if isApostrophe(r) {
			return -1
		}
		return r
	}, text)
}

// endsAddress reports whether r is in no address.
func endsAddress(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`<>()[]",;`, r)
}

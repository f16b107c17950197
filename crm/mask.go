package crm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mask is what is shown of a text that is not to be known: 138****0000 of a phone number,
// a***@example.com of an address, A*** and 李* of a name. Of an address the domain stays
// and of a number all but four digits, so that it can be told from others and not used.
func Mask(text string) string {
	if text == "" {
		return ""
	}
	if at := strings.LastIndexByte(text, '@'); at > 0 {
		return firstRune(text) + "***" + text[at:]
	}
	if n := phoneDigits(text); n >= 7 {
		return maskDigits(text, n)
	}
	rest := utf8.RuneCountInString(text) - 1
	if rest == 0 {
		return "*"
	}
	return firstRune(text) + strings.Repeat("*", min(3, rest))
}

func firstRune(text string) string {
	_, size := utf8.DecodeRuneInString(text)
	return text[:size]
}

// phoneDigits is how many digits a phone number has, or 0 of what is none.
func phoneDigits(text string) (n int) {
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			n++
		case unicode.IsLetter(r):
			return 0
		}
	}
	return n
}

// maskDigits hides four of n digits, behind which stand four, or fewer of a short number.
func maskDigits(text string, n int) string {
	tail := 4
	if n < 11 {
		tail = max(1, n-7)
	}
	i := 0
	return strings.Map(func(r rune) rune {
		if !unicode.IsDigit(r) {
			return r
		}
		if i++; i > n-tail-4 && i <= n-tail {
			return '*'
		}
		return r
	}, text)
}

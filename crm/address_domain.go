package crm

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// asciiDomain returns a domain in small letters and in ASCII, or false when it is
// none. Characters are taken as UTS 46 maps them (wide forms and capitals are the
// plain letter, the ideographic full stop is a dot), and a label that has others than
// ASCII is written in Punycode. Stricter than that, letters, digits and marks are all
// there may be besides hyphens.
func asciiDomain(s string) (string, bool) {
	s = strings.NewReplacer("。", ".", "．", ".", "｡", ".").Replace(s)
	labels := strings.Split(s, ".")
	for i, label := range labels {
		var ok bool
		if labels[i], ok = asciiLabel(label); !ok {
			return "", false
		}
	}
	return strings.Join(labels, "."), true
}

func asciiLabel(label string) (string, bool) {
	label = strings.ReplaceAll(norm.NFKC.String(label), "İ", "i\u0307") // which ToLower makes a plain i
	label = norm.NFKC.String(strings.ToLower(label))
	ascii := true
	for i, r := range label {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-':
		case r >= utf8.RuneSelf && (unicode.In(r, unicode.L, unicode.Nd) || i > 0 && unicode.Is(unicode.M, r)):
			ascii = false
		default:
			return "", false
		}
	}
	if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		return "", false
	}
	if !ascii {
		if utf8.RuneCountInString(label) > maxDomainLabel || strings.HasPrefix(label, "xn--") {
			return "", false
		}
		label = "xn--" + punycode([]rune(label))
	}
	return label, label != "" && len(label) <= maxDomainLabel
}

// punycode encodes a label by RFC 3492 6.3. Its work grows with the square of the
// label, which has 63 characters at most.
func punycode(label []rune) string {
	const initialBias, initialN = 72, 128
	var out []byte
	for _, r := range label {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(initialN), 0, initialBias
	for handled := basic; handled < len(label); n++ {
		// The least character not handled yet: all that are less have been.
		least := rune(math.MaxInt32)
		for _, r := range label {
			if r >= n {
				least = min(least, r)
			}
		}
		delta += int(least-n) * (handled + 1)
		n = least
		for _, r := range label {
			if r < n {
				delta++
			}
			if r == n {
				out = appendVariable(out, delta, bias)
				bias = adaptBias(delta, handled+1, handled == basic)
				delta = 0
				handled++
			}
		}
		delta++
	}
	return string(out)
}

const (
	punyBase = 36
	punyMin  = 1
	punyMax  = 26
)

// appendVariable appends a number as a generalized variable-length integer.
func appendVariable(out []byte, q, bias int) []byte {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	out = slices.Grow(out, 4)
	for k := punyBase; ; k += punyBase {
		t := min(max(k-bias, punyMin), punyMax)
		if q < t {
			return append(out, digits[q])
		}
		out = append(out, digits[t+(q-t)%(punyBase-t)])
		q = (q - t) / (punyBase - t)
	}
}

// adaptBias is RFC 3492 6.1.
func adaptBias(delta, points int, first bool) int {
	const skew, damp = 38, 700
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (punyBase-punyMin)*punyMax/2; k += punyBase {
		delta /= punyBase - punyMin
	}
	return k + (punyBase-punyMin+1)*delta/(delta+skew)
}

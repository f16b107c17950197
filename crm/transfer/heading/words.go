package heading

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxHeading is how much of a heading is looked at, in bytes. One that is longer is
// a sentence.
const maxHeading = 200

// words cuts a heading into words: in small letters, without accents, at everything
// that is no letter or digit, between a small and a capital letter, and between
// letters and digits. Chinese is cut by the words that are known, the longest first.
func words(heading string) []string {
	if len(heading) > maxHeading {
		return nil
	}
	var list []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			list = append(list, segments(strings.ToLower(string(word)))...)
		}
		word = word[:0]
	}
	var last rune
	plain := []rune(norm.NFKD.String(strings.ReplaceAll(heading, "'s", "s")))
	for i, r := range plain {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && (unicode.IsLower(last) || unicode.IsUpper(last) && beginsWord(plain[i+1:])),
			unicode.IsDigit(r) != unicode.IsDigit(last), unicode.Is(unicode.Han, r) != unicode.Is(unicode.Han, last):
			end()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		last = r
	}
	end()
	return plural(joined(list))
}

// beginsWord reports whether a capital letter before rest begins a word, as in
// IDNumber, and does not end one, as in IDs.
func beginsWord(rest []rune) bool {
	return len(rest) > 0 && unicode.IsLower(rest[0]) && !(rest[0] == 's' && (len(rest) == 1 || !unicode.IsLetter(rest[1])))
}

// joined puts together what is written in two ways: e mail, first name and firstname.
func joined(list []string) []string {
	out := make([]string, 0, len(list))
	for i := 0; i < len(list); i++ {
		if i+1 < len(list) && list[i] == "e" && (list[i+1] == "mail" || list[i+1] == "mails") {
			out = append(out, "email")
			i++
			continue
		}
		if parts, ok := compounds[list[i]]; ok {
			out = append(out, strings.Fields(parts)...)
			continue
		}
		if same, ok := synonyms[list[i]]; ok {
			out = append(out, same)
			continue
		}
		out = append(out, list[i])
	}
	return out
}

// plural takes the s from words that are known without it.
func plural(list []string) []string {
	for i, w := range list {
		if s, ok := strings.CutSuffix(w, "s"); ok && known(s) {
			list[i] = s
		}
	}
	return list
}

// segments cuts a run of Chinese into the words that are known, and returns other
// text as it is.
func segments(run string) []string {
	r := []rune(run)
	if len(r) == 0 || !unicode.Is(unicode.Han, r[0]) {
		return []string{run}
	}
	var list []string
	for len(r) > 0 {
		n := min(len(r), longestChinese)
		for n > 1 && chinese[string(r[:n])] == "" {
			n--
		}
		if means, ok := chinese[string(r[:n])]; ok {
			list = append(list, strings.Fields(means)...)
		} else {
			list = append(list, string(r[:n]))
		}
		r = r[n:]
	}
	return list
}

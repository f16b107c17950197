// Package tokens makes of a text the words it is found by, and of what is searched
// for the words to look for. Both take text that crm.Fold folded, and go through it
// once.
//
// A text is words (letters, digits and their marks), runs of a script that writes no
// spaces between words (Chinese, Japanese, Korean, Thai …), e-mail addresses and
// telephone numbers:
//
//   - A word is a token. O'Brien is o, brien and obrien.
//   - Of a run each character is a token, and each two that follow each other.
//   - An address is a token, and its domain, and its words.
//   - A number of 7 to 18 digits, however grouped, is a token without the zeros it
//     begins with, and so is each end of it of 7 digits or more: any of a number's ways
//     of being written is found by another. As it is written, and each group of its
//     digits, are tokens too.
//
// A token has at most [MaxToken] bytes; a longer one is cut.
package tokens

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxToken is how many bytes a token has at most.
const MaxToken = 64

const (
	minPhone  = 7  // digits of a telephone number, at least
	maxPhone  = 18 // and at most: 15 (ITU E.164), and zeros to dial out and within the country
	maxGap    = 3  // characters between two groups of its digits, as in "0 - 1"
	samePhone = 9  // numbers that end with the same so many digits are taken for one
)

// kind is what a part of a text is.
type kind uint8

const (
	word kind = iota + 1
	run
	address
	phone
)

// part is a part of a text.
type part struct {
	kind kind
	text string
}

// Words returns the tokens of a folded text, each once, at most limit.
func Words(folded string, limit int) []string {
	s := set{limit: limit}
	for p := range parts(plain(folded)) {
		switch p.kind {
		case word:
			s.word(p.text)
		case run:
			s.run(p.text)
		case address:
			s.add(strings.TrimLeft(p.text, "@"))
			s.add(p.text[strings.LastIndexByte(p.text, '@')+1:])
			s.words(p.text)
		case phone:
			s.phone(digits(p.text))
			s.words(p.text)
		}
		if s.full() {
			break
		}
	}
	return s.list
}

// set is tokens in the order in which they came.
type set struct {
	list  []string
	known map[string]struct{} // once there are many
	limit int
}

// few is how many tokens are better looked through than looked up.
const few = 24

func (s *set) full() bool { return len(s.list) >= s.limit }

func (s *set) add(token string) {
	if token = Cut(token); token == "" || s.full() {
		return
	}
	if s.known == nil {
		if slices.Contains(s.list, token) {
			return
		}
		if s.list = append(s.list, token); len(s.list) == few {
			s.known = make(map[string]struct{}, 4*few)
			for _, t := range s.list {
				s.known[t] = struct{}{}
			}
		}
		return
	}
	if _, twice := s.known[token]; !twice {
		s.known[token] = struct{}{}
		s.list = append(s.list, token)
	}
}

// word adds a word, and the parts of one with an apostrophe.
func (s *set) word(text string) {
	if !strings.ContainsFunc(text, isApostrophe) {
		s.add(text)
		return
	}
	for w := range strings.FieldsFuncSeq(text, isApostrophe) {
		s.add(w)
	}
	s.add(joined(text))
}

// run adds the characters of a run, and each two that follow each other.
func (s *set) run(text string) {
	for before, at := -1, 0; at < len(text); {
		_, n := utf8.DecodeRuneInString(text[at:])
		if before >= 0 {
			s.add(text[before : at+n])
		}
		s.add(text[at : at+n])
		before, at = at, at+n
		if s.full() {
			return
		}
	}
}

// words adds the words of an address or a number.
func (s *set) words(text string) {
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isWord(r) && !isUnspaced(r) }) {
		for p := range simple(w) {
			if p.kind == run {
				s.run(p.text)
			} else {
				s.add(p.text)
			}
		}
	}
}

// phone adds a number and its ends.
func (s *set) phone(d string) {
	s.add(d)
	d = national(d)
	for len(d) >= minPhone {
		s.add(d)
		d = d[1:]
	}
}

// national is a number without the zeros by which one dials out.
func national(d string) string {
	if n := strings.TrimLeft(d, "0"); len(n) >= minPhone {
		return n
	}
	return d
}

// Query is what is looked for.
type Query struct {
	// Terms must all be there.
	Terms []Term
	// Runs are what the text must hold as it stands, since the tokens of a run of
	// three characters or more may be there without it.
	Runs []string
}

// Term is there if one of its tokens is; with Prefix, one that begins so.
type Term struct {
	Any    []string
	Prefix bool
}

// minPrefix is how many characters the last word has at least to be the beginning of
// another.
const minPrefix = 2

// Parse returns what a folded text looks for. Its last word may be the beginning of
// one.
func Parse(folded string) Query {
	var q Query
	seen := map[string]bool{}
	add := func(ways ...string) {
		for i := range ways {
			ways[i] = Cut(ways[i])
		}
		ways = slices.Compact(ways)
		if key := strings.Join(ways, " "); !seen[key] {
			seen[key] = true
			q.Terms = append(q.Terms, Term{Any: ways})
		}
	}
	begins := false // the last term may be a beginning
	last := ""
	for p := range parts(plain(folded)) {
		before := len(q.Terms)
		switch p.kind {
		case word:
			add(joined(p.text))
		case run:
			q.Runs = append(q.Runs, lookFor(p.text, add)...)
		case address:
			add(strings.TrimLeft(p.text, "@"))
		case phone:
			d := digits(p.text)
			n := national(d)
			add(d, n, n[max(0, len(n)-samePhone):])
		}
		begins, last = p.kind != run && len(q.Terms) > before, p.text
	}
	if n := len(q.Terms); begins && utf8.RuneCountInString(last) >= minPrefix {
		q.Terms[n-1].Prefix = true
	}
	return q
}

// lookFor adds the terms of a run, and returns it if they may be there without it.
func lookFor(text string, add func(...string)) []string {
	chars := strings.Split(text, "")
	if len(chars) == 1 {
		add(text)
	}
	for i := 1; i < len(chars); i++ {
		add(chars[i-1] + chars[i])
	}
	if len(chars) > 2 {
		return []string{text}
	}
	return nil
}

// Cut returns a token of at most MaxToken bytes.
func Cut(token string) string {
	if len(token) <= MaxToken {
		return token
	}
	n := MaxToken
	for n > 0 && !utf8.RuneStart(token[n]) {
		n--
	}
	return token[:n]
}

package match

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guess says what a column of a table holds by its values alone; false if comparing it
// helps nobody: it is empty, always the same, or it numbers the rows.
func Guess(values []string) (Kind, bool) {
	p := profileOf(values)
	share := float64(p.distinct) / float64(max(p.filled, 1))
	switch {
	case p.filled == 0, p.distinct == 1, p.numbersRows():
		return "", false
	case p.emails > .8:
		return Email, true
	case p.dates > .8 && p.length >= 8:
		return Date, true
	case p.numeric > .8 && p.length > 5:
		return ID, true
	case p.numeric > .8:
		return Code, true
	case share < .1 && p.distinct <= 200:
		return Category, true
	}
	return Text, true
}

// GuessName says whether names are those of people or of organisations: people's have
// two or three words, all of letters and none a legal form, or a few Chinese characters.
func GuessName(names []string) Kind {
	var filled, people, forms float64
	for _, name := range names {
		if nothing(name) {
			continue
		}
		filled++
		list := strings.Fields(fold(name))
		if slices.ContainsFunc(list, isLegalForm) || withoutForm(fold(name)) != fold(name) {
			forms++
			continue
		}
		n := utf8.RuneCountInString(strings.Join(list, ""))
		han := hasHan(name) && n >= 2 && n <= 4
		letters := !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsDigit(r) || r == '&' || r == '(' })
		if han || letters && (len(list) == 2 || len(list) == 3) {
			people++
		}
	}
	if people >= .8*filled && forms < .05*filled {
		return Person
	}
	return Company
}

// profile is what values look like.
type profile struct {
	filled, distinct               int
	numeric, dates, emails, length float64 // shares of them, and how long they are
	rising                         bool    // each is a greater number than the last
	ids                            bool    // all look like a UUID
}

func profileOf(values []string) (p profile) {
	seen := map[string]bool{}
	last := ""
	p.rising, p.ids = true, true
	for _, v := range values {
		if v = strings.TrimSpace(v); nothing(v) {
			continue
		}
		p.filled++
		seen[v] = true
		n := digits(v)
		if len(n) == len(v) {
			p.numeric++
		}
		p.rising = p.rising && len(n) == len(v) && (len(v) > len(last) || len(v) == len(last) && v > last)
		p.ids = p.ids && len(v) == 36 && strings.Count(v, "-") == 4
		last = v
		if d := day(v); len(d) == 8 && d[:2] >= "16" && d[:2] <= "20" && d[4:6] <= "12" && d[6:] <= "31" {
			p.dates++
		}
		if strings.Count(v, "@") == 1 {
			p.emails++
		}
		p.length += float64(utf8.RuneCountInString(v))
	}
	p.distinct = len(seen)
	n := float64(max(p.filled, 1))
	p.numeric, p.dates, p.emails, p.length = p.numeric/n, p.dates/n, p.emails/n, p.length/n
	return p
}

// numbersRows reports whether each value is there once, and is the next number or an id.
func (p profile) numbersRows() bool {
	return p.distinct == p.filled && p.filled > 1 && (p.rising || p.ids)
}

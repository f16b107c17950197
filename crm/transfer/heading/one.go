package heading

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// One tells what a heading means by itself.
func One(heading string) Meaning {
	plain, aside := withoutAside(heading)
	m, ok := understand(words(plain))
	if !ok && strings.ContainsAny(plain, "/、／|") { // Zip/Postal Code: either will do
		for part := range strings.FieldsFuncSeq(plain, func(r rune) bool { return strings.ContainsRune("/、／|", r) }) {
			if m, ok = understand(words(part)); ok {
				break
			}
		}
	}
	if ok {
		m.aside(aside)
	}
	return m
}

// withoutAside cuts off what stands in brackets.
func withoutAside(heading string) (plain, aside string) {
	open := strings.IndexAny(heading, "([（【{")
	if open <= 0 {
		return heading, ""
	}
	rest := heading[open:]
	end := strings.IndexAny(rest, ")]）】}")
	if end < 0 {
		return heading, ""
	}
	size, begin := firstSize(rest[end:]), firstSize(rest)
	return heading[:open] + " " + rest[end+size:], rest[begin:end]
}

// firstSize is how many bytes the first character has.
func firstSize(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// aside takes from what stands in brackets a place or a currency.
func (m *Meaning) aside(text string) {
	if len(text) == 3 && strings.ToUpper(text) == text && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsUpper(r) }) < 0 && money(m.Role) {
		m.Currency = text
		return
	}
	for _, w := range words(text) {
		if p, ok := places[w]; ok && m.Place == "" && w != "organisation" {
			m.Place = p
		}
		if n, ok := numbers[w]; ok && m.Number == 0 {
			m.Number = n
		}
		if w == "mobile" && m.Role == Phone {
			m.Role = Mobile
		}
	}
}

func money(r Role) bool { return r == Amount || r == Price || r == Revenue || r == Spent }

// known reports whether a word is one of those headings are made of.
func known(w string) bool {
	if len(w) < 3 {
		return false
	}
	_, isPhrase := phrases[w]
	_, isOwner := owners[w]
	_, isPlace := places[w]
	return isPhrase || isOwner || isPlace || idle[w] || w == "value" || w == "code"
}

// understand finds the longest phrase in the words such that the others say whose,
// where or which.
func understand(list []string) (Meaning, bool) {
	for n := min(len(list), 5); n > 0; n-- {
		for at := len(list) - n; at >= 0; at-- { // what a heading is about stands last in English
			role, ok := phrases[strings.Join(list[at:at+n], " ")]
			if !ok {
				continue
			}
			m := Meaning{Role: role}
			rest := append(append([]string{}, list[:at]...), list[at+n:]...)
			if m.said(list[at:at+n]) && m.qualify(rest) {
				return m, true
			}
		}
	}
	return Meaning{}, false
}

// said takes from the words of the phrase itself what they say besides.
func (m *Meaning) said(phrase []string) bool {
	for _, w := range phrase {
		if of, ok := owners[w]; ok && m.Of == "" && m.Role != Orders && (len(phrase) > 1 || m.Role == Organisation || m.Role == FullName || m.Role == Title) {
			m.Of = of
		}
		m.Opposite = m.Opposite || m.Role == Consent && opposites[w]
	}
	if m.Role == Organisation {
		m.Of = "organisation"
	}
	return true
}

// qualify takes what the words beside the phrase say, and is false when one of them
// is not known: then the heading means something else.
func (m *Meaning) qualify(rest []string) bool {
	for _, w := range rest {
		of, isOwner := owners[w]
		place, isPlace := places[w]
		number, isNumber := numbers[w]
		switch {
		case isNumber && m.numbered():
			m.Number = number
		case w == "main" && !isNumber:
		case isPlace && m.placed() && !(isOwner && m.Role == Website):
			m.Place = place
			if w == "mobile" && m.Role == Phone {
				m.Role = Mobile
			}
			if isOwner {
				m.Of = of
			}
		case isOwner && m.owned(of):
			if m.Of == "" {
				m.Of = of
			}
		case idle[w]:
		case opposites[w] && m.Role == Consent:
			m.Opposite = true
		default:
			return false
		}
	}
	return m.settle()
}

// settle makes of a role and an owner what they mean together.
func (m *Meaning) settle() bool {
	switch {
	case m.Role == FullName && m.Of == "organisation":
		m.Role = Organisation
	case m.Role == FullName && (m.Of == "deal" || m.Of == "product" || m.Of == "order"):
		m.Role = Title
	case m.Of == "owner" && (m.Role == ExternalID || m.Role == FullName || m.Role == Email):
		m.Role = Owner
	case m.Of == "owner" && m.Role != Owner:
		return false
	}
	return true
}

// numbered reports whether there may be several.
func (m *Meaning) numbered() bool {
	switch m.Role {
	case Email, Phone, Mobile, Fax, Website, Organisation, Country, City, Postcode, State, Street, Street2, Address, PostBox, FullName, JobTitle, Department, District:
		return true
	}
	return false
}

// placed reports whether it is somewhere.
func (m *Meaning) placed() bool {
	switch m.Role {
	case Email, Phone, Mobile, Fax, Website, Address, Street, Street2, HouseNumber, PostBox, District, City, Postcode, State, Country:
		return true
	}
	return false
}

// owned reports whether the role may be somebody's of this sort.
func (m *Meaning) owned(of string) bool {
	switch m.Role {
	case Organisation:
		return of == "person" || of == "organisation" || of == "deal"
	case JobTitle, Department:
		return of == "person" || of == "organisation"
	case Owner, ExternalID, Created, Updated, Notes, Tags, Status, Source, Consent:
		return true
	case GivenName, FamilyName, MiddleName, Birthday, Gender, NamePrefix, NameSuffix, Nickname, Language, NationalID:
		return of == "person"
	}
	return true
}

package customers

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"

	"github.com/embedcrm/embedcrm/crm"
)

// FullName returns a person's name made of its parts, in the order that goes with a
// language: the family name first in Chinese, Hungarian, Japanese, Khmer, Korean,
// Mongolian and Vietnamese, as CLDR's nameOrderLocales have it, and in any other second.
// Names in Chinese characters, kana or hangul have the family name first whatever the
// language, and nothing between. Either part may be empty.
func FullName(given, family, lang string) string {
	switch {
	case given == "" || family == "":
		return given + family
	case eastAsian(given) && eastAsian(family):
		return family + given
	case familyFirst(lang):
		return family + " " + given
	}
	return given + " " + family
}

// eastAsian reports whether a name is in characters between which there is no space.
func eastAsian(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) && r != 'ー' && r != '・'
	})
}

func familyFirst(lang string) bool {
	tag, err := language.Parse(lang)
	if err != nil || lang == "" {
		return false
	}
	base, _ := tag.Base()
	switch base.String() {
	case "hu", "ja", "km", "ko", "mn", "vi", "yue", "zh":
		return true
	}
	return false
}

// nameAfterParts makes a person's name follow its parts as long as it is made of them.
func nameAfterParts(w *crm.Write[Customer]) {
	is := w.After
	made := func(c *Customer) string {
		return FullName(strings.TrimSpace(c.GivenName), strings.TrimSpace(c.FamilyName), c.Language)
	}
	follows := strings.TrimSpace(is.Name) == ""
	if w.Before != nil && is.Name == w.Before.Name && made(w.Before) == w.Before.Name {
		follows = true
	}
	if name := made(is); follows && name != "" {
		is.Name = name
	}
}

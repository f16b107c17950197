package match

import (
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// KeysVersion is the version of [Keys]. It goes up whenever a text has other keys than it
// had: keys that were kept are to be made anew then.
const KeysVersion = 1

// Keys returns the texts by which a value is found again among many that are kept with
// theirs: two values of one entity mostly share one. There are at most 12; those that tell
// most come first. Of kinds whose values are found by others of their record, such as
// places, there are none.
func Keys(k Kind, text string, readings func(text string) []string) []string {
	packed := reader(readings).normal(k, text)
	if packed == "" {
		return nil
	}
	v := unpack(k, packed, newVocabulary())
	var list []string
	add := func(key string) {
		if key != "" && len(list) < 12 && !slices.Contains(list, key) {
			list = append(list, key)
		}
	}
	switch k {
	case Person:
		whole := strings.Fields(v.text)
		for i, w := range whole {
			whole[i] = nickname(w)
		}
		slices.Sort(whole)
		add(strings.Join(whole, ""))
		if len(v.readings) == 0 {
			add(strings.Join(personWords(text), ""))
		}
		for _, r := range v.readings {
			add(r)
		}
		if len(whole) > 1 && !v.han {
			add("~" + sounds(whole))
		}
	case Company:
		whole := strings.Fields(v.text)
		slices.Sort(whole)
		add(strings.Join(whole, ""))
		for _, r := range v.readings {
			add(r)
		}
		if !v.han {
			add("~" + sounds(whole))
		}
	case Email:
		local, host, ok := strings.Cut(v.text, "@")
		if !ok || local == "" {
			return nil
		}
		add(v.text)
		if !isPublicHost(host) {
			add("@" + host)
		}
	case Phone:
		if len(v.text) >= 6 {
			add(v.text[max(0, len(v.text)-7):])
		}
	case Date, ID, Web:
		add(v.text)
	}
	return list
}

// sounds is how words sound, roughly, in their order.
func sounds(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(skeleton(w))
		b.WriteByte(' ')
	}
	return b.String()
}

// Compare compares two records, as texts in the order of the model's fields, and explains
// what it finds. Of what they agree on, rarity says by how many bits it is rarer (or, below
// zero, more frequent) than the model expects; nil: not known. Readings are as in
// [Records.ReadBy].
func (m *Model) Compare(a, b []string, rarity []float64, readings func(text string) []string) (Explanation, error) {
	fields := make([]Field, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = f.Field
	}
	r, err := NewRecords(fields...)
	if err != nil {
		return Explanation{}, err
	}
	r.ReadBy(readings)
	for _, values := range [][]string{a, b} {
		if _, err := r.Add(values...); err != nil {
			return Explanation{}, err
		}
	}
	s, err := newScorer(r, m)
	if err != nil {
		return Explanation{}, err
	}
	if rarity != nil && len(rarity) != len(fields) {
		return Explanation{}, crm.Invalid("rarity", "are %d: there are %d fields", len(rarity), len(fields))
	}
	s.rarity = rarity
	return s.explain(0, 1), nil
}

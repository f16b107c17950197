package storage

import "strings"

// checkWords reports what is wrong with a condition on words.
func checkWords(t *Table, e Words) error {
	if t.Words == "" || e.Field != F(t.Words) {
		return Invalid(t.Name, e.Field.Name, "is no column with an index of words")
	}
	n := 0
	for _, list := range e.All {
		n += len(list)
		for _, w := range list {
			if !w.valid() {
				return Invalid(t.Name, e.Field.Name, "a word has 1 to %d characters a to z and 0 to 9", MaxWord)
			}
		}
	}
	if n > MaxWords {
		return Invalid(t.Name, e.Field.Name, "the condition has %d words, and %d are allowed", n, MaxWords)
	}
	return nil
}

func (w Word) valid() bool {
	if w.Text == "" || len(w.Text) > MaxWord {
		return false
	}
	for i := range len(w.Text) {
		if c := w.Text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// matches is the meaning of Words.
func (e Words) matches(text string) bool {
	text = " " + text + " "
	for _, list := range e.All {
		found := false
		for _, w := range list {
			if w.Prefix {
				found = found || strings.Contains(text, " "+w.Text)
			} else {
				found = found || strings.Contains(text, " "+w.Text+" ")
			}
		}
		if !found {
			return false
		}
	}
	return true
}

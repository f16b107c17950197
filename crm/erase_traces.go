package crm

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Traces are what tells in a text that it names a person who is being erased: the words
// of the personal fields of his own record, now and before, and the addresses and keys of
// all that belongs to it.
type Traces struct {
	own    bool            // of the person's own record: a word of a note is everybody's
	words  map[string]bool // that stand alone
	parts  map[string]bool // that may stand within others
	digits map[string]bool // ends of telephone numbers
}

func newTraces(own bool) Traces {
	return Traces{own: own, words: map[string]bool{}, parts: map[string]bool{}, digits: map[string]bool{}}
}

// In reports whether a text names the person: has a word, an address, a key or a date of
// his, without regard to case, accents and how numbers are written. It may be another one
// of the same name.
func (t Traces) In(text string) bool {
	folded := Fold(text)
	for part := range t.parts {
		if strings.Contains(folded, part) {
			return true
		}
	}
	if len(t.digits) > 0 {
		digits := onlyDigits(text)
		for end := range t.digits {
			if strings.Contains(digits, end) {
				return true
			}
		}
	}
	for _, word := range wordsOf(folded) {
		if t.words[word] {
			return true
		}
	}
	return false
}

// none reports whether there are none.
func (t Traces) none() bool { return len(t.words)+len(t.parts)+len(t.digits) == 0 }

func wordsOf(folded string) []string {
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func onlyDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// value notes the text of a personal field. Of an address that is all of it, since many
// have one of the same host.
func (t Traces) value(text string, identifies bool) {
	if strings.HasPrefix(text, erasedText) || !t.own && !identifies {
		return
	}
	form := identityForm(text)
	switch kind, value, _ := strings.Cut(form, ":"); {
	case kind == "phone":
		t.digits[value] = true
		return
	case kind == "email":
		t.parts[value] = true
		return
	case !t.own:
		t.key(text)
		return
	}
	for _, word := range wordsOf(Fold(text)) {
		n := utf8.RuneCountInString(word)
		switch alphabet := n >= len(word)/2; {
		case n >= 4 || n >= 2 && !alphabet:
			t.parts[word] = true
		case n >= 2 || !alphabet:
			t.words[word] = true
		}
	}
}

// key notes what is looked for as a whole.
func (t Traces) key(text string) {
	text = Fold(strings.TrimSpace(text))
	if utf8.RuneCountInString(text) >= 4 && !strings.HasPrefix(text, erasedText) {
		t.parts[text] = true
	}
}

// day notes a date, as expressions have it.
func (t Traces) day(iso string) {
	if t.own && len(iso) == len("2006-01-02") {
		t.parts[iso] = true
	}
}

// forgetting marks the context of erasures that follow from one.
type forgetting struct{}

// settle keeps by what the records were known, and has modules forget it.
func (x *eraser) settle(ctx context.Context) error {
	if err := x.bury(ctx); err != nil || x.traces.none() || ctx.Value(forgetting{}) != nil {
		return err
	}
	for _, p := range x.core.Erasures.sources {
		if p.Forget == nil {
			continue
		}
		n, err := p.Forget(context.WithValue(SystemIn(ctx), forgetting{}, true), x.traces)
		if err != nil {
			return err
		}
		if n > 0 {
			x.others[p.Name] += n
		}
	}
	return nil
}

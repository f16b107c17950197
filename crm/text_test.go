package crm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
	"pgregory.net/rapid"
)

// runes calls fn with every character but those of large blocks that are all alike:
// of unified Han and Hangul the first 256, of private use and of no use none.
func runes(fn func(r rune)) {
	for _, block := range [][2]rune{
		{0, 0x3500}, {0x4DC0, 0x4F00}, {0xA000, 0xAD00}, {0xD7A4, 0xD800}, {0xF900, 0x13000}, {0x16800, 0x17000}, {0x1AFF0, 0x20100},
		{0x2F800, 0x2FA20}, {0xE0000, 0xE0200},
	} {
		for r := block[0]; r < block[1]; r++ {
			fn(r)
		}
	}
}

// nasty draws text that is hard on folding and collating: marks in any order, on
// anything, invisible characters and spaces between, bytes that are no text.
var nasty = rapid.Custom(func(t *rapid.T) string {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "E", "ß", "ǰ", "ŉ", "İ", "ı", "ø", "Ǿ", "æ", "Ω", "ᾳ", "ΐ", "Й", "ガ", "カ", "ｶ", "ﾞ", "李", "각", "ᄀ", "ᅡ", "ᆨ", "ﷺ", "½", "´", "¨", "Ꭰ", "ꮿ", "ᏸ", "5"}),
		rapid.SampledFrom([]string{"\u0301", "\u0308", "\u0327", "\u0345", "\u034F", "\u3099", "\u093C", "\u0323", "\u20DD", "\u0488", strings.Repeat("\u0301\u0323", 40)}),
		rapid.SampledFrom([]string{" ", "\t", "\u00A0", "\u3000", "\u2028", "\u200B", "\u200D", "\u00AD", "\uFE0F", "\u202E", "\u0600", "\xff", "\xe2\x82"}),
		rapid.String(),
	)
	return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
})

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"ada":                          "ada",
		"  Ada \t\n Lovelace ":         "ada lovelace",
		"\u00A0Ada\u3000Lovelace":      "ada lovelace",
		"ＭÜLLER":                       "muller",
		"Straße":                       "strasse",
		"STRAẞE":                       "strasse",
		"Łódź, Đặng, Øre, Ħal, Ŧ":      "lodz, dang, ore, hal, t",
		"Ærø Œuvre Þór Guðrún":         "aero oeuvre thor gudrun",
		"İstanbul Iğdır ısı":           "istanbul igdir isi",
		"José":                         "jose",
		"Jose\u0301":                   "jose",
		"JOSÉ":                         "jose",
		"Ǿ ǿ":                          "o o",
		"Ἀχιλλεύς ᾳ ΣΊΣΥΦΟΣ":           "αχιλλευσ α σισυφοσ",
		"Ёлка Йод":                     "елка иод",
		"ガギグ カキク":                      "ガギグ カキク",
		"ｶﾞｷﾞｸﾞ":                       "ガギグ",
		"バ\u200Bb":                     "バb",
		"カ\u3099":                      "ガ",
		"한국 각":                         "한국 각",
		"हिन्दी क़":                    "हिन्दी " + "क\u093C",
		"עִבְרִית":                     "עִבְרִית",
		"１３８ ①Ⅷ ﬁ ㍿":                   "138 1viii fi 株式会社",
		"soft\u00ADhyphen\u200D\uFEFF": "softhyphen",
		"❤\uFE0F":                      "❤",
		"ꭰᏸ":                           "ᎠᏰ",
		"ᎠᏰ":                           "ᎠᏰ",
		"a\u0345":                      "a",
		"a\xffB":                       "a\uFFFDb",
		"李雷 張":                         "李雷 張",
	} {
		require.Equal(t, want, Fold(text), "%+q", text)
	}
}

func TestFoldOfEveryCharacter(t *testing.T) {
	t.Parallel()
	runes(func(r rune) {
		s := string(r)
		once := Fold(s)
		if Fold(once) != once {
			t.Errorf("%U folds to %+q and that to %+q", r, once, Fold(once))
		}
		if got := Fold(width.Fold.String(s)); got != once {
			t.Errorf("%U folds to %+q, in its other width to %+q", r, once, got)
		}
		if r == '\u0345' || unicode.SimpleFold(r) == '\u0345' {
			return // the iota subscript is an accent here, and Unicode has it as a letter's other case
		}
		for _, other := range []rune{unicode.ToUpper(r), unicode.ToLower(r), unicode.SimpleFold(r)} {
			if got := Fold(string(other)); got != once {
				t.Errorf("%U folds to %+q and %U, of another case, to %+q", r, once, other, got)
			}
		}
	})
}

func TestFoldIsIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := nasty.Draw(t, "text")
		once := Fold(s)
		require.Equal(t, once, Fold(once), "%+q", once)
		require.True(t, utf8.ValidString(once))
		require.True(t, norm.NFKC.IsNormalString(once))
		require.Equal(t, strings.TrimSpace(once), once)
		require.NotContains(t, once, "  ")
	})
}

func TestFoldMeetsAlternativeForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom(nil, unicode.Latin, unicode.Cyrillic, unicode.Katakana, unicode.Hangul, unicode.Han, unicode.Mn)).Draw(t, "text")
		want := Fold(s)
		for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
			require.Equal(t, want, Fold(form.String(s)), "%+q", s)
		}
		require.Equal(t, want, Fold(" "+width.Widen.String(s)+"\t"), "%+q", s)
	})
}

// sorted returns the texts by their keys, having turned them round before.
func sorted(texts ...string) []string {
	slices.Reverse(texts)
	slices.SortStableFunc(texts, func(a, b string) int { return bytes.Compare(sortKey(a), sortKey(b)) })
	return texts
}

func TestSortKey(t *testing.T) {
	t.Parallel()
	for _, want := range [][]string{
		{"Apfel", "Äpfel", "Birne"},
		{"阿", "李", "王", "张"},
		{"Jose", "José", "Joshua"}, // not by the tones of pinyin
		{"ea", "éa", "ea李", "eb"},
		{"apfel", "Apfel", "Apfelbaum"},
		{"123", "Anna", "Łódź", "Zoë", "Ωμέγα", "Яблоко", "김", "あい", "李"},
		{"de Luca", "del Sol", "Delta"},
		{"Strasse", "Straße", "Strasser"},
		{"10", "9"},
		{"", "!", "a"},
	} {
		require.Equal(t, want, sorted(slices.Clone(want)...))
	}
	require.Equal(t, sortKey("Ada"), sortKey("\t Ada\u3000"))
	require.Equal(t, sortKey("É"), sortKey("E\u0301"))
	require.NotNil(t, sortKey(""), "text that is there has a key")
}

func TestSortKeyIsShortAndKeepsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := nasty.Draw(t, "text")
		key := sortKey(s)
		require.LessOrEqual(t, len(key), maxSortKey)
		require.Equal(t, key, sortKey(s))
		long := strings.Repeat("Österreich 李 ", rapid.IntRange(0, 100).Draw(t, "before"))
		if c := bytes.Compare(sortKey(long+"a"), sortKey(long+"b")); c > 0 {
			t.Fatalf("after %d bytes b sorts before a", len(long))
		}
		require.LessOrEqual(t, len(sortKey(long+s)), maxSortKey)
	})
	require.Len(t, sortKey(strings.Repeat("x", 1<<20)), maxSortKey)
}

// TestSortKeysOfBothCollationsCompare holds that a character which does not send a
// text to the Chinese collation has the same letter weight there.
func TestSortKeysOfBothCollationsCompare(t *testing.T) {
	t.Parallel()
	c := idleCollators.New().(*collators) //nolint:errcheck,forcetypeassert // it is what New makes
	letters := func(key []byte) string {
		at := 0
		for !bytes.HasPrefix(key[at:], []byte{0, 0}) {
			at += 2 + int(key[at]>>7) // a weight has two bytes, or three with the top bit
		}
		return string(key[:at])
	}
	for r := rune(1); r < 0x2E80; r++ {
		c.buffer.Reset()
		a := letters(c.other.KeyFromString(&c.buffer, "x"+string(r)+"y"))
		b := letters(c.chinese.KeyFromString(&c.buffer, "x"+string(r)+"y"))
		if a != b {
			t.Errorf("%U weighs %x, and %x in Chinese", r, a, b)
		}
	}
}

func TestSortKeyConcurrently(t *testing.T) {
	t.Parallel()
	texts := []string{"Äpfel", "李雷", "Ada Lovelace", strings.Repeat("é", 300), ""}
	want := make([][]byte, len(texts))
	for i, s := range texts {
		want[i] = sortKey(s)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 500 {
				if i := n % len(texts); !bytes.Equal(want[i], sortKey(texts[i])) {
					t.Errorf("another key for %q", texts[i])
				}
			}
		})
	}
	wg.Wait()
}

// TestSortKeyVersion fails when keys change, as they may with another x/text: raise
// sortKeyVersion then, and put the new sum here.
func TestSortKeyVersion(t *testing.T) {
	t.Parallel()
	sum := sha256.New()
	runes(func(r rune) {
		sum.Write(sortKey("x" + string(r) + "y"))
		sum.Write([]byte{0xFF})
	})
	require.Equal(t, "1 2f8a573da54afb77", fmt.Sprintf("%d %s", sortKeyVersion, hex.EncodeToString(sum.Sum(nil)[:8])))
}

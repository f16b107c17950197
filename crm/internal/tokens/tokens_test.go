package tokens_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm/internal/tokens"
)

const many = 1000

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		" -- ":                  "",
		"ada lovelace":          "ada lovelace",
		"ada, ada; x200":        "ada x200",
		"o'brien o’brien":       "o brien obrien",
		"rock 'n' roll":         "rock n roll",
		"李雷":                    "李 李雷 雷",
		"张三丰a股":                 "张 张三 三 三丰 丰 a 股",
		"ミュラー":                  "ミ ミュ ュ ュラ ラ ラー ー",
		"김철수":                   "김 김철 철 철수 수",
		"सीता शर्मा":            "सीता शर्मा",
		"مُحَمَّد علي":          "محمد علي",
		"иван петров":           "иван петров",
		"inv-77":                "inv 77",
		"ada.l@example.com":     "ada.l@example.com example.com ada l example com",
		"<ada@example.com>, b":  "ada@example.com example.com ada example com b",
		"张三@例子.中国":              "张三@例子.中国 例子.中国 张 张三 三 例 例子 子 中 中国 国",
		"1234567":               "1234567",
		"12 345 6789":           "123456789 23456789 3456789 12 345 6789",
		"030 1234567":           "0301234567 301234567 01234567 1234567 030",
		"٠١٢٣ ٤٥٦":              "0123456 0123 456",
		"tel 12345":             "tel 12345",
		"a1234567 1234567b":     "a1234567 1234567b",
		"+1 2345678 +1 2345679": "12345678 2345678 1 12345679 2345679",
		"1234567890123456789":   "1234567890123456789",
		"0043 (0)732 77205432":  "0043073277205432 43073277205432 3073277205432 073277205432 73277205432 3277205432 277205432 77205432 7205432 0043 0 732",
		"ⅷ":                     "",
	} {
		require.Equal(t, want, strings.Join(tokens.Words(text, many), " "), text)
	}
	require.Equal(t, []string{"a", "b"}, tokens.Words("a b c", 2))
	require.Equal(t, []string{strings.Repeat("é", 32)}, tokens.Words(strings.Repeat("é", 50), many))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "",
		"ada lov":         "ada lov*",
		"ada bee ada":     "ada bee",
		"a":               "a",
		"ada b":           "ada b",
		"o'brien":         "obrien*",
		"李雷":              "李雷",
		"张三丰":             "张三 三丰 =张三丰",
		"李 lei":           "李 lei*",
		"ada@exam":        "ada@exam*",
		"@example.com":    "example.com*",
		"ada@":            "ada@*",
		"030 1234567":     "0301234567|301234567*",
		"+49 151 2345678": "491512345678|512345678*",
		"4915123456789":   "4915123456789|123456789*",
		"12345":           "12345*",
	} {
		q := tokens.Parse(text)
		var got []string
		for _, term := range q.Terms {
			s := strings.Join(term.Any, "|")
			if term.Prefix {
				s += "*"
			}
			got = append(got, s)
		}
		for _, r := range q.Runs {
			got = append(got, "="+r)
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
}

// found reports whether a text is found by a query.
func found(text, query string) bool {
	words := tokens.Words(text, 1<<30)
	q := tokens.Parse(query)
	for _, term := range q.Terms {
		if !slices.ContainsFunc(term.Any, func(want string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return w == want || term.Prefix && strings.HasPrefix(w, want) })
		}) {
			return false
		}
	}
	for _, r := range q.Runs {
		if !strings.Contains(text, r) {
			return false
		}
	}
	return len(q.Terms) > 0
}

func TestANumberIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	ways := []string{"+49 (0)151 2345-6789", "0049 151 23456789", "+4915123456789", "0151 2345 6789", "(0151) 23456789", "151.2345.6789"}
	for _, text := range ways {
		for _, query := range append(ways, "23456789", "3456789", "0151 2345", "1512345") {
			require.True(t, found(text, query), "%s by %s", text, query)
		}
		require.False(t, found(text, "0151 23456780"), text)
		require.False(t, found(text, "0152 23456789"), text)
	}
}

// alphabet is of what random texts are made: characters that parts begin and end
// with.
func alphabet() []rune {
	return []rune("ab z09 +-./()@'’,;<>\"_ 李雷三ー가กёعُ٣éß\u0301\u200d\ufffd😀")
}

func TestATextIsFoundByItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom(alphabet()), 0, 40, -1).Draw(t, "text")
		words := tokens.Words(text, 1<<30)
		seen := map[string]bool{}
		for _, w := range words {
			require.False(t, seen[w], "%q twice", w)
			seen[w] = true
			require.NotEmpty(t, w)
			require.LessOrEqual(t, len(w), tokens.MaxToken)
			require.True(t, utf8.ValidString(w))
		}
		q := tokens.Parse(text)
		require.Equal(t, len(words) == 0, len(q.Terms) == 0, "%q", text)
		for _, term := range q.Terms {
			require.True(t, slices.ContainsFunc(term.Any, func(w string) bool { return seen[w] }), "%q of %q in %q", term.Any, text, words)
		}
		limit := rapid.IntRange(0, 10).Draw(t, "limit")
		require.True(t, slices.Equal(words[:min(limit, len(words))], tokens.Words(text, limit)))
	})
}

func FuzzWords(f *testing.F) {
	f.Add("ada@example.com 李雷 +49 151 2345678")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		for _, w := range tokens.Words(text, many) {
			if w == "" || len(w) > tokens.MaxToken || !utf8.ValidString(w) {
				t.Fatalf("%q", w)
			}
		}
		tokens.Parse(text)
	})
}

func BenchmarkWords(b *testing.B) {
	for b.Loop() {
		tokens.Words("ada lovelace", many)
		tokens.Words("ada.lovelace@example.com", many)
		tokens.Words("+49 151 23456789", many)
	}
}

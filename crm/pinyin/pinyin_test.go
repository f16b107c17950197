package pinyin_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/pinyin"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":     "",
		"Ada":  "",
		"李雷":   "lilei ll li lei",
		"曾国藩":  "zengguofan zgf cengguofan cgf guofan gf",
		"单田芳":  "shantianfang stf dantianfang",
		"重庆":   "chongqing cq zhongqing zq",
		"吕布":   "lvbu lb lubu lyubu",
		"欧阳修":  "ouyangxiu oyx yangxiu",
		"长孙无忌": "zhangsunwuji zswj",
		"尉迟恭":  "yuchigong ycg",
		"李 雷":  "li l lei",
		"张a三":  "zhang san",
	} {
		got := pinyin.Readings(text)
		for word := range strings.FieldsSeq(want) {
			require.Contains(t, got, word, text)
		}
		if want == "" {
			require.Empty(t, got)
		}
	}
	require.Equal(t, "zengguofan", pinyin.Readings("曾国藩")[0])
	company := pinyin.Readings("北京重点科技有限公司")
	require.Contains(t, company, "kejiyouxiangongsi") // its beginning finds it
	require.Contains(t, company, "bjzdkjyxgs")
}

func TestReadingsAreBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("和", 1000), strings.Repeat("重 ", 1000), strings.Repeat("单行重", 50)} {
		got := pinyin.Readings(text)
		require.LessOrEqual(t, len(got), 60)
		require.NotEmpty(t, got)
	}
}

func FuzzReadings(f *testing.F) {
	f.Add("曾国藩 Ada 重庆")
	f.Fuzz(func(t *testing.T, text string) {
		got := pinyin.Readings(text)
		if len(got) > 60 || !slices.Equal(got, pinyin.Readings(text)) {
			t.Fatal("not bounded, or not the same twice")
		}
		for _, word := range got {
			if word == "" || !utf8.ValidString(word) {
				t.Fatalf("%q", word)
			}
		}
	})
}

// Package pinyin lets Chinese names be found by how they are read: 李雷 by lilei, by
// ll, by li lei and by their beginnings.
//
//	core, err := crm.New(store, crm.Config{Readings: pinyin.Readings})
//
// It is a package of its own since it brings a dictionary of 1.4 MB.
package pinyin

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"
)

const (
	maxWhole  = 16 // ways of reading all of a run of characters
	maxChars  = 16 // characters of a run that are read
	maxWords  = 60 // of a text
	maxChoice = 6  // readings of one character
)

// Readings returns the ways in which the Chinese characters of a text are read, in
// pinyin without tones, for crm.Config. Of each run of them, at most 16 characters,
// that is the whole in all readings of its characters, at most 16 ways; what is left
// of it from each character on, in the usual reading; the initials of all these; and
// each character by itself. A surname's own reading is put first (曾 is zeng, 单 is
// shan), and ü is v, u and yu (吕 is lv, lu and lyu). At most 60 words are returned.
func Readings(text string) []string {
	var words []string
	for run := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
		for _, word := range readings(run) {
			if len(words) == maxWords {
				return words
			}
			if !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	return words
}

// readings are the words of one run.
func readings(run string) (words []string) {
	chars := []rune(run)
	chars = chars[:min(len(chars), maxChars)]
	syllables := make([][]string, 0, len(chars))
	own := surname(chars)
	for i, c := range chars {
		list := of(c)
		if i < len(own) {
			list = slices.Insert(slices.DeleteFunc(list, func(s string) bool { return s == own[i] }), 0, own[i])
		}
		if len(list) == 0 { // a character that nobody knows how to read
			break
		}
		syllables = append(syllables, list[:min(len(list), maxChoice)])
	}
	for _, way := range ways(syllables) {
		words = append(words, strings.Join(way, ""), initials(way))
	}
	usual := make([]string, len(syllables))
	for i, list := range syllables {
		usual[i] = list[0]
	}
	for i := 1; i < len(usual)-1; i++ {
		words = append(words, strings.Join(usual[i:], ""), initials(usual[i:]))
	}
	for _, list := range syllables {
		words = append(words, list...)
	}
	return words
}

// of are the readings of a character, the usual one first.
func of(c rune) (list []string) {
	for _, s := range pinyin.SinglePinyin(c, pinyin.Args{Style: pinyin.Normal, Heteronym: true}) {
		ways := []string{s}
		if strings.Contains(s, "v") {
			ways = append(ways, strings.ReplaceAll(s, "v", "u"), strings.ReplaceAll(s, "v", "yu"))
		}
		for _, w := range ways {
			if w != "" && !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	return list
}

// ways are the first of all combinations of readings: the usual one, and then those
// that differ in the first characters, which are the surname's.
func ways(syllables [][]string) [][]string {
	if len(syllables) == 0 {
		return nil
	}
	all := [][]string{nil}
	for _, list := range slices.Backward(syllables) {
		var more [][]string
		for _, rest := range all {
			for _, s := range list {
				if len(more) < maxWhole {
					more = append(more, append([]string{s}, rest...))
				}
			}
		}
		all = more
	}
	return all
}

func initials(way []string) string {
	var b strings.Builder
	for _, s := range way {
		b.WriteByte(s[0])
	}
	return b.String()
}

// surname is how a run is read that begins with a surname which is read in another way
// than its characters usually are.
func surname(chars []rune) []string {
	if len(chars) > 2 {
		switch string(chars[:2]) {
		case "尉迟":
			return []string{"yu", "chi"}
		case "万俟":
			return []string{"mo", "qi"}
		case "长孙":
			return []string{"zhang", "sun"}
		case "澹台":
			return []string{"tan", "tai"}
		}
	}
	if len(chars) > 4 { // no name
		return nil
	}
	if s := single(chars[0]); s != "" {
		return []string{s}
	}
	return nil
}

func single(c rune) string {
	switch c {
	case '曾':
		return "zeng"
	case '单':
		return "shan"
	case '仇':
		return "qiu"
	case '解':
		return "xie"
	case '任':
		return "ren"
	case '区':
		return "ou"
	case '查':
		return "zha"
	case '盖':
		return "ge"
	case '朴':
		return "piao"
	case '洗', '冼':
		return "xian"
	case '召':
		return "shao"
	case '覃':
		return "qin"
	case '缪':
		return "miao"
	case '乐':
		return "yue"
	case '翟':
		return "zhai"
	case '折':
		return "she"
	case '黑':
		return "he"
	case '员':
		return "yun"
	case '秘':
		return "bi"
	case '繁':
		return "po"
	case '种':
		return "chong"
	case '句':
		return "gou"
	case '谌':
		return "chen"
	case '隗':
		return "wei"
	case '葛':
		return "ge"
	case '纪':
		return "ji"
	case '尉':
		return "wei"
	case '車', '车':
		return "che"
	case '石':
		return "shi"
	case '长':
		return "chang"
	}
	return ""
}

package transfer

import (
	"slices"
	"strings"
	"unicode"
)

// splitName parts a person's full name into given and family name. What may be read in
// two ways is not parted.
//
// A comma has the family name before it. A name in Chinese characters begins with the
// family name, of two characters where it is one of the compound ones; one with a dot
// between is foreign and ends with it, and so is one of Hangul without a space begun by
// it. In other scripts the family name is the last word with the particles before it.
func splitName(full string) (given, family string, ok bool) {
	full = strings.Join(strings.Fields(full), " ")
	switch {
	case strings.ContainsAny(full, "·•"): // a foreign name, in the order of the original
		i := strings.LastIndexAny(full, "·•")
		given, family = strings.TrimSpace(full[:i]), strings.TrimSpace(strings.TrimLeft(full[i:], "·•"))
		return given, family, given != "" && family != ""
	case han(strings.ReplaceAll(full, " ", "")):
		return splitChinese(full)
	case hangul(full):
		return splitKorean(full)
	}
	return splitWords(full)
}

// compound are the Chinese family names of two characters that are in use.
//
//nolint:gochecknoglobals // a constant
var compound = strings.Fields("欧阳 歐陽 太史 端木 上官 司马 司馬 东方 東方 独孤 獨孤 南宫 南宮 万俟 闻人 聞人 夏侯 诸葛 諸葛 尉迟 尉遲 公羊 赫连 赫連 " +
	"澹台 澹臺 皇甫 宗政 濮阳 濮陽 公冶 太叔 申屠 公孙 公孫 慕容 仲孙 仲孫 钟离 鍾離 长孙 長孫 宇文 司徒 鲜于 鮮于 司空 闾丘 閭丘 子车 子車 亓官 " +
	"司寇 巫马 巫馬 公西 颛孙 顓孫 壤驷 壤駟 公良 漆雕 乐正 樂正 宰父 谷梁 榖梁 拓跋 夹谷 夾谷 轩辕 軒轅 令狐 段干 百里 呼延 东郭 東郭 南门 南門 羊舌 " +
	"微生 梁丘 左丘 东门 東門 西门 西門 南荣 第五")

// compoundKorean are the Korean family names of two syllables.
//
//nolint:gochecknoglobals // a constant
var compoundKorean = strings.Fields("남궁 황보 제갈 사공 선우 서문 독고 동방")

func splitChinese(full string) (given, family string, ok bool) {
	if family, given, ok = strings.Cut(full, " "); ok {
		return given, family, !strings.Contains(given, " ")
	}
	name := []rune(full)
	switch n := len(name); {
	case n == 3 && slices.Contains(compound, string(name[:2])), n == 4 && slices.Contains(compound, string(name[:2])):
		return string(name[2:]), string(name[:2]), true
	case n == 2 || n == 3: // of four or more it may be a Japanese one, or two family names
		return string(name[1:]), string(name[:1]), true
	}
	return "", "", false
}

func hangul(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.Is(unicode.Hangul, r) && r != ' ' })
}

func splitKorean(full string) (given, family string, ok bool) {
	if family, given, ok = strings.Cut(full, " "); ok {
		return given, family, !strings.Contains(given, " ")
	}
	name := []rune(full)
	switch n := len(name); {
	case n >= 3 && slices.Contains(compoundKorean, string(name[:2])):
		return string(name[2:]), string(name[:2]), true
	case n == 2 || n == 3:
		return string(name[1:]), string(name[:1]), true
	}
	return "", "", false
}

// titles stand before names, and suffixes behind them; they are of neither part.
// Particles belong to the family name behind them.
//
//nolint:gochecknoglobals // constants
var (
	titles    = strings.Fields("dr prof mr mrs ms miss mx sir dame lord lady rev fr hon capt col gen sgt herr frau dipl-ing ing mag mme mlle sr. sra dott")
	suffixes  = strings.Fields("jr sr ii iii iv v md phd esq mba cpa dds rn llm")
	particles = strings.Fields("van von zu zum zur vom der den des de del della degli di da das do dos du la le las los ter ten te af av al el bin binti ibn abu st")
)

func plainWord(s string) string { return strings.ToLower(strings.ReplaceAll(s, ".", "")) }

func isOf(list []string, word string) bool {
	return slices.Contains(list, plainWord(word)) || slices.Contains(list, strings.ToLower(word))
}

func splitWords(full string) (given, family string, ok bool) {
	parts := strings.Split(full, ",")
	for len(parts) > 1 && allOf(suffixes, parts[len(parts)-1]) { // Smith, John, Jr.
		parts = parts[:len(parts)-1]
	}
	switch len(parts) {
	case 1:
	case 2:
		family, given = strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1])
		given = strings.Join(trimTitles(strings.Fields(given)), " ")
		return given, family, given != "" && family != ""
	default:
		return "", "", false
	}
	words := trimTitles(strings.Fields(parts[0]))
	for len(words) > 2 && isOf(suffixes, words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) < 2 {
		return "", "", false
	}
	at := len(words) - 1
	for at > 1 && isOf(particles, words[at-1]) {
		at--
	}
	return strings.Join(words[:at], " "), strings.Join(words[at:], " "), true
}

func allOf(list []string, words string) bool {
	return !slices.ContainsFunc(strings.Fields(words), func(w string) bool { return !isOf(list, w) })
}

// trimTitles takes the titles off the front of a name, but not its last word.
func trimTitles(words []string) []string {
	for len(words) > 1 && isOf(titles, words[0]) {
		words = words[1:]
	}
	return words
}
